"""Folders of Asylum curves as one map: places, ragged curves, missing and damaged ones, and nothing read too early."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import ibw_force as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.io import ibw

SHAPE = (2, 3)
MISSING = (1, 2)


def write(folder: Path, nested: bool = True) -> list[tuple[int, int]]:
    """A map of 2 × 3 curves without the last one; curve (0, 1) waited nowhere; each has its own place."""
    places = [(j, i) for j in range(SHAPE[0]) for i in range(SHAPE[1]) if (j, i) != MISSING]
    for j, i in places:
        inner = folder / f"FMLine{j:04d}" if nested else folder
        inner.mkdir(parents=True, exist_ok=True)
        name = f"Line{j:04d}Point{i:04d}"
        note = made.NOTE.replace("FMapScanPoints: 8", "FMapScanPoints: 3").replace(
            "FMapScanLines: 4", "FMapScanLines: 2"
        )
        note = note.replace("XLVDT: 1.5e-06", f"XLVDT: {i}e-06").replace("YLVDT: -2e-06", f"YLVDT: {j}e-06")
        if (j, i) == (0, 1):
            note = note.replace(made.INDEXES, "Indexes:0,12,36,\rDirection: NaN,1,-1,\r")
        made.write(inner / f"{name}.ibw", note=note, name=name.encode())
    return places


@pytest.mark.parametrize("nested", [True, False])
def test_a_folder_of_curves_is_a_map(nested: bool, tmp_path: Path) -> None:
    places = write(tmp_path / "Map00", nested)
    (tmp_path / "Map00" / "notes.txt").write_text("by hand")
    scan = sharptip.read(tmp_path / "Map00")
    assert scan.sizes == {"curve": 5, "sample": made.N}
    assert scan.attrs["map_shape"] == list(SHAPE)
    assert scan.attrs["spring_constant"] == made.SPRING
    np.testing.assert_array_equal(scan["column"], [i for _, i in places])
    np.testing.assert_array_equal(scan["row"], [SHAPE[0] - 1 - j for j, _ in places])
    np.testing.assert_allclose(scan["tip_x"], [i * 1e-6 for _, i in places], rtol=1e-14)
    for k in range(5):
        np.testing.assert_array_equal(scan["height"][k], -made.layers()[0].astype(float))
        np.testing.assert_array_equal(scan["force"][k], made.layers()[1].astype(float) * made.SPRING)
    assert json.loads(scan.attrs["segments"]) == ["approach", "pause", "retract"]
    np.testing.assert_array_equal(np.bincount(scan["segment"].values[1].astype(int)), [12, 0, 25])
    np.testing.assert_array_equal(np.bincount(scan["segment"].values[0].astype(int)), [12, 5, 20])


def test_only_the_curves_asked_for_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "Map00")
    scan, seen, read = sharptip.read(tmp_path / "Map00"), [], ibw.read
    monkeypatch.setattr(ibw, "read", lambda path: seen.append(path.stem) or read(path))
    scan["force"].isel(curve=3).load()
    assert seen == ["Line0001Point0000"]
    force = next(c for c in sharptip.io.grids(tmp_path / "Map00")[1][0].channels if c.name == "force")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(force.data))[2], scan["force"][2])


def test_damaged_curves_are_named_and_the_others_read(tmp_path: Path) -> None:
    write(tmp_path / "Map00")
    broken = tmp_path / "Map00" / "FMLine0000" / "Line0000Point0002.ibw"
    broken.write_bytes(broken.read_bytes()[:100])
    scan = sharptip.read(tmp_path / "Map00")
    assert scan.sizes["curve"] == 4
    assert "Line0000Point0002.ibw" in json.loads(scan.attrs["unread"])[0]
    copied = tmp_path / "Map00" / "FMLine0009"
    copied.mkdir()
    made.write(copied / "Line0000Point0000.ibw")
    with pytest.raises(ReadError, match="more than one map"):
        sharptip.read(tmp_path / "Map00")


def test_other_folders_are_no_maps(tmp_path: Path) -> None:
    made.write(tmp_path / "Line0001.ibw")
    with pytest.raises(ReadError, match="a folder"):
        sharptip.read(tmp_path)
