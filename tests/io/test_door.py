"""The door: what a file is, what is said when it cannot be read, sizes that are given, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.io import make_files as made

import sharptip
import sharptip.io
from sharptip.core import registry
from sharptip.core.errors import ReadError, ScaleError
from sharptip.core.grid import Grid
from sharptip.io.layout import count, finite, positive, split_direction, take


@pytest.mark.parametrize("format", list(made.EXAMPLES))
def test_content_decides_and_the_suffix_does_not(format: str, tmp_path: Path) -> None:
    path = made.example(tmp_path, format)
    wrong = path.rename(tmp_path / ("wrong.ibw" if format != "ibw" else "wrong.png"))
    assert sharptip.io.describe(wrong)["format"] == made.READER.get(format, format)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (b"%PDF-1.7\n" + bytes(100), "it is a PDF"),
        (b"height;x;y\n1;2;3\n", "text that begins 'height;x;y"),
        (bytes(200), "begins with bytes 00 00"),
        (b"GWYPnothing", "damaged|has no end"),
    ],
)
def test_a_file_that_cannot_be_read_ends_in_one_clear_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.gwy"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=said) as caught:
        sharptip.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        sharptip.read(tmp_path / "nothing.ibw")
    with pytest.raises(ReadError, match="folder"):
        sharptip.read(tmp_path)
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(ReadError, match="not written by sharptip"):
        sharptip.read(tmp_path / "x.zarr")


def test_sizes_that_are_given(tmp_path: Path) -> None:
    made.npy(tmp_path / "a.npy")
    wide = sharptip.read(tmp_path / "a.npy", size=8e-7)
    assert wide["x"].values[1] == pytest.approx(1e-7), "one number is the width"
    assert wide["y"].values[1] == pytest.approx(1e-7), "with square pixels"
    oblong = sharptip.read(tmp_path / "a.npy", size=(3e-7, 8e-7), channel="height", unit="Å")
    assert (oblong["y"].values[1], oblong["x"].values[1]) == (3e-7 / 6, 8e-7 / 8)
    np.testing.assert_array_equal(oblong["height"], made.surface(0) * np.float64(1e-10))
    for size in ("huge", (1e-6,), (1e-6, -1e-6), 0.0, float("nan"), float("inf")):
        with pytest.raises(ScaleError, match="size="):
            sharptip.read(tmp_path / "a.npy", size=size)
    for option in ({"channel": "Height!"}, {"channel": "height", "unit": "V"}, {"unit": "furlong"}):
        with pytest.raises(ReadError, match=r"Height!|does not fit|furlong"):
            sharptip.read(tmp_path / "a.npy", size=1e-6, **option)


@pytest.mark.parametrize("format", ["ibw", "gwy", "tiff"])
def test_a_size_never_overrides_the_file_s_own(format: str, tmp_path: Path) -> None:
    path = made.example(tmp_path, format)
    with pytest.raises(ReadError, match="own size"):
        sharptip.read(path, size=(1e-6, 1e-6))
    sharptip.read(path, size="unknown")


def test_describe_is_what_a_program_is_promised(tmp_path: Path) -> None:
    made.sxm(tmp_path / "a.sxm", lines_missing=1)
    found = json.loads(json.dumps(sharptip.io.describe(tmp_path / "a.sxm"), allow_nan=False))
    assert set(found) == {"format", "scans"}
    (scan,) = found["scans"]
    assert set(scan) == {"name", "dims", "shape", "variables", "pixel_size_m", "size_m", "attrs", "marks"}
    assert scan["dims"] == ["direction", "y", "x"]
    assert scan["shape"] == [2, made.NY, made.NX]
    assert scan["size_m"] == pytest.approx([made.HEIGHT, made.WIDTH])
    height = made.sxm_layers()[:2, :-1]
    assert scan["variables"][0] == {
        "name": "height", "units": "m", "min": float(height.min()), "max": float(height.max()),
        "missing": pytest.approx(1 / made.NY),
    }  # fmt: skip
    made.png(tmp_path / "a.png")
    (scan,) = sharptip.io.describe(tmp_path / "a.png")["scans"]
    assert scan["pixel_size_m"] is None
    assert scan["size_m"] is None


def test_describe_has_null_for_a_channel_without_a_finite_value(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((3, 3), np.nan))
    assert sharptip.io.describe(tmp_path / "a.npy")["scans"][0]["variables"][0]["min"] is None


def test_a_look_at_a_file_imports_nothing_heavy(tmp_path: Path) -> None:
    for format in ("ibw", "bruker", "sxm", "jpk", "gwy", "gsf", "npy", "npz"):
        path = made.example(tmp_path, format)
        code = f"import sys, sharptip.io; sharptip.io.describe({str(path)!r}); print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        heavy = {"xarray", "pandas", "torch", "scipy", "h5py", "tifffile", "PIL", "zarr"} & set(done.stdout.split())
        assert not heavy, f"{format} imports {heavy}"


def test_a_mistake_in_a_reader_is_not_taken_for_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mistaken:
        NAME, SUFFIXES, GENERIC = "mistaken", (".x",), False
        detect = staticmethod(lambda head, path: head.startswith(b"mine"))

        @staticmethod
        def read(path: Path) -> list[Grid]:
            raise AssertionError("a programmer's own")

    monkeypatch.setitem(registry._here["readers"], "mistaken", Mistaken)
    (tmp_path / "a.x").write_bytes(b"mine")
    with pytest.raises(AssertionError, match="a programmer's own"):
        sharptip.read(tmp_path / "a.x")


def test_bytes_are_counted_before_they_are_used() -> None:
    data = bytes(range(16))
    np.testing.assert_array_equal(take(data, 4, (2, 2), ">u2", "it"), [[0x0405, 0x0607], [0x0809, 0x0A0B]])
    for offset, shape in ((-1, (1,)), (0, (-1,)), (15, (1,)), (0, (9,)), (0, (2**20, 2**20)), (2**70, (1,))):
        with pytest.raises(ReadError, match="it "):
            take(data, offset, shape, "u2", "it")
    for number, function in (("nan", finite), ("x", finite), ("0", positive), ("inf", positive), ("0", count)):
        with pytest.raises(ReadError, match="damaged"):
            function(number, "a number")
    with pytest.raises(ReadError):
        count("99999999999", "lines")


@pytest.mark.parametrize(
    ("name", "base", "way"),
    [
        ("HeightRetrace", "Height", "backward"), ("HeightTrace", "Height", "forward"), ("Z [Bwd]", "Z", "backward"),
        ("Topography (Forward)", "Topography", "forward"), ("Phase", "Phase", None), ("Trace", "Trace", None),
    ],
)  # fmt: skip
def test_directions_in_names(name: str, base: str, way: str | None) -> None:
    assert split_direction(name) == (base, way)
