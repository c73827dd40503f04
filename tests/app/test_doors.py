"""What cannot be read or written is one sentence that names it, and stops nothing else."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.curves.scans import curves, written
from tests.io.files.asd import asd
from tests.plain_user import plain_user

from sharptip import io
from sharptip.app.cli import main
from sharptip.core.scan import scan_of


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    z = np.random.default_rng(0).normal(0, 1e-9, (16, 20)).cumsum(axis=1)
    io.write(scan_of(z, 1e-9, name="a"), tmp_path / "a.gwy")
    return tmp_path / "a.gwy"


@pytest.fixture
def locked() -> Iterator[Callable[..., Path]]:
    """Takes the rights to a path away, or leaves those of `mode`, and gives them back in the end."""
    changed: list[Path] = []

    def lock(path: Path, mode: int = 0) -> Path:
        path.chmod(mode)
        changed.append(path)
        return path

    yield lock
    for path in changed:
        path.chmod(0o755)


@pytest.fixture
def sharptip(monkeypatch, capsys):
    """The command line, for one for whom permissions hold: (stdout, stderr)."""

    def run(*words: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr("sys.argv", ["sharptip", *map(str, words)])
        monkeypatch.setattr("warnings.showwarning", None)  # `main` sets it, and this sets it back
        capsys.readouterr()
        with plain_user(), pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert (left.value.code or 0) == code, said
        return said.out, said.err

    return run


def test_a_folder_that_nobody_may_look_into_is_named_and_the_rest_goes_on(scan, tmp_path, locked, sharptip):
    folder = tmp_path / "many"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(folder / "sub")
    shutil.copy(scan, folder / "ok.gwy")
    shutil.copy(scan, folder / "sub" / "in.gwy")
    locked(folder / "sub")
    said, _ = sharptip("info", folder, code=1)
    assert "! sub: the folder cannot be listed (Permission denied)" in said
    assert "1 of 2 files can be read" in said
    said, errors = sharptip("clean", folder, "--out", tmp_path / "out", "--workers", 1, code=1)
    assert "left out sub: the folder cannot be listed (Permission denied)" in errors
    assert "1 of 2 files cleaned" in said
    rows = {r["file"]: r["status"] for r in csv.DictReader((tmp_path / "out" / "summary.csv").open(encoding="utf-8"))}
    assert rows == {"ok.gwy": "cleaned", "sub": "left out"}


def test_one_file_of_many_that_may_not_be_read_stops_no_other(scan, tmp_path, locked, sharptip):
    closed = locked(Path(shutil.copy(scan, tmp_path / "closed.gwy")))
    said, errors = sharptip("convert", scan, closed, tmp_path / "out", "--to", "nc", code=1)
    assert f"left out: {closed}: cannot be opened (Permission denied)" in errors
    assert "1 of 2 files converted" in said
    said, errors = sharptip("measure", closed, scan, code=1)
    assert errors == f"sharptip: {closed}: cannot be opened (Permission denied)\n"
    assert "Sq" in said


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "a.gwy", "ro/b.zarr"),
        ("convert", "a.gwy", "ro/b.nc"),
        ("convert", "a.gwy", "ro/new", "--to", "nc"),
        ("clean", "a.gwy", "--out", "ro/b.zarr"),
        ("clean", "a.gwy", "--out", "ro/new"),
        ("measure", "a.gwy", "--csv", "ro/b.csv"),
        ("simulate", "ro/new", "--population", "smallest"),
        ("train", "judge_scan", "--out", "ro/b.sharptip"),
    ],
)
def test_an_output_that_the_disk_refuses_is_one_sentence(scan, tmp_path, locked, sharptip, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ro").mkdir()
    locked(tmp_path / "ro", 0o555)
    errors = sharptip(*words, code=1)[1].splitlines()
    assert len(errors) == 1
    assert "ro/" in errors[0]
    assert errors[0].endswith("cannot be written (Permission denied); choose another place")


def test_a_place_within_a_folder_that_nobody_may_look_into(scan, tmp_path, locked, sharptip, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no").mkdir()
    locked(tmp_path / "no")
    for words in (("convert", scan, "no/b.nc"), ("clean", scan, "--out", "no/b.zarr")):
        errors = sharptip(*words, code=1)[1]
        assert errors == f"sharptip: {words[-1]}: cannot be written (Permission denied); choose another place\n"


def test_a_file_where_a_folder_is_to_be(scan, tmp_path, sharptip, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    errors = sharptip("convert", scan, "file", "--to", "nc", code=1)[1]
    assert errors == "sharptip: file: is a file and no folder; choose another place\n"
    errors = sharptip("clean", scan, "--out", "file/deep", code=1)[1]
    assert errors.endswith("file is a file and no folder; choose another place\n")
    assert (tmp_path / "file").read_text() == "x"


def test_a_size_that_is_too_much_is_to_be_left_out_and_nothing_else(scan, tmp_path, sharptip):
    asd(tmp_path / "a.asd")
    for file in (scan, tmp_path / "a.asd"):
        errors = sharptip("info", file, "--size", "3e-6", code=1)[1]
        assert "own size" in errors
        assert errors.endswith("; leave out --size\n")  # and not: give --size


def test_a_folder_where_a_file_is_meant_says_how_its_files_are_named(scan, tmp_path, sharptip):
    errors = sharptip("convert", tmp_path, tmp_path / "out", "--to", "gwy", code=1)[1]
    assert f"name the files in it: {tmp_path}/*" in errors
    assert ".ibw" not in errors


def test_curves_are_sent_to_fit_and_an_unknown_unit_to_known_ones(tmp_path, sharptip):
    file = written(curves(1), tmp_path)
    errors = sharptip("measure", file, code=1)[1]
    assert "is no image; curves and spectra are for `sharptip fit`" in errors
    np.save(tmp_path / "a.npy", np.zeros((8, 8)))
    errors = sharptip("measure", tmp_path / "a.npy", "--size", "1e-6", "--unit", "parsec", code=1)[1]
    assert "unit 'parsec' is not understood; nm, " in errors
