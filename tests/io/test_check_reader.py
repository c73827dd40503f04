"""The contract holds for every reader here and for the one in the docs, and it catches readers that break it."""

from __future__ import annotations

import re
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.io.make_files import EXAMPLES, HDF5, READER, example
from tests.real import ROOT

import sharptip
from sharptip.core import registry
from sharptip.core.grid import Grid
from sharptip.fit.reader_contract import check_reader

PAGE = ROOT / "docs" / "writing-a-reader.md"


@pytest.mark.parametrize("format", [f for f in EXAMPLES if f != "nanoloop"])  # plain text has no end to be missed
def test_every_reader_keeps_the_contract(format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader = registry.get("readers", READER.get(format, format))
    mutants = 20 if format in HDF5 else 300
    ran = check_reader(reader, example(tmp_path, format), mutants)
    assert ran > mutants
    assert f"{reader.NAME}: {ran} checks passed" in capsys.readouterr().out


def page_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


def documented_reader(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("labspm")
    monkeypatch.setitem(sys.modules, "labspm", module)
    exec(compile(page_blocks()[0], str(PAGE), "exec"), module.__dict__)
    return module


def labspm(path: Path, heights_nm: np.ndarray) -> None:
    ny, nx = heights_nm.shape
    head = f"LABSPM 1\nlines = {ny}\npoints = {nx}\nheight_um = 0.3\nwidth_um = 0.4\noperator = somebody\n\n"
    path.write_bytes(head.encode() + heights_nm[::-1].astype(">f4").tobytes())


def test_the_documented_reader_works_and_keeps_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = documented_reader(monkeypatch)
    heights = np.random.default_rng(0).normal(size=(6, 8)).astype("f4")
    labspm(tmp_path / "example.labspm", heights)
    monkeypatch.chdir(tmp_path)
    exec(compile(page_blocks()[1], str(PAGE), "exec"), module.__dict__)
    assert re.fullmatch(r"labspm: \d+ checks passed\n", capsys.readouterr().out)
    monkeypatch.setitem(registry._here["readers"], "labspm", module)
    scan = sharptip.read("example.labspm")
    np.testing.assert_array_equal(scan["height"], heights * np.float64(1e-9))
    assert scan["x"].values[1] == pytest.approx(5e-8, rel=1e-12)


def test_a_reader_that_breaks_the_contract_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = documented_reader(monkeypatch)
    path = tmp_path / "example.labspm"
    labspm(path, np.ones((6, 8)))
    sound_detect, sound_read, size = module.detect, module.read, path.stat().st_size
    module.detect = lambda head, path: path.suffix == ".labspm"
    with pytest.raises(AssertionError, match="whatever the suffix"):
        check_reader(module, path)
    module.detect = lambda head, path: True
    with pytest.raises(AssertionError, match="does not take nothing for its own"):
        check_reader(module, path)
    module.detect = sound_detect

    def forgiving(path: Path) -> list[Grid]:
        """What a truncated file lacks is silently zero."""
        whole = path.with_name("whole")
        whole.write_bytes(path.read_bytes().ljust(size, b"\0"))
        return sound_read(whole)

    def integers(path: Path) -> list[Grid]:
        grid = sound_read(path)[0]
        return [replace(grid, channels=tuple(replace(c, data=c.data.astype(np.uint8)) for c in grid.channels))]

    for broken, said in ((forgiving, "cut at byte"), (integers, "numbers are floats")):
        module.read = broken
        with pytest.raises(AssertionError, match=said):
            check_reader(module, path)
