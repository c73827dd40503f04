"""Stores and stacks that are large stay in their file: what is asked for is read, verified, and nothing else."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.io import make_files as made
from tests.io.test_mutants import damaged, first_image, hold_together, read_or_refused
from tests.io.test_write import rich

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.core.lazy import Lazy
from sharptip.core.scan import scan_of
from sharptip.io import array, store

SUFFIXES = (".zarr", ".nc")
KEYS = [3, -1, slice(2, 5), np.array([6, 0]), (2, slice(1, 3)), (slice(0, 2), 1), (slice(None), slice(None), [0, 3])]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything counts as large, and a chunk holds two frames."""
    monkeypatch.setattr(store, "AT_ONCE", 0)
    monkeypatch.setattr(store, "CHUNK", 2 * 8 * made.NY * made.NX)
    monkeypatch.setattr(array, "_AT_ONCE", 0)


def film(n: int = 7) -> xr.Dataset:
    frames = np.random.default_rng(0).normal(size=(n, made.NY, made.NX))
    scan = scan_of(frames[0], 1e-9, name="film").drop_vars("height")
    scan = scan.assign_coords(time=("time", np.arange(n) * 0.5, {"units": "s"}))
    scan["height"] = (("time", "y", "x"), frames, {"units": "m", "vendor_name": "TP"})
    return scan


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_come_as_they_were_written(suffix: str, tmp_path: Path) -> None:
    scan, path = film(), tmp_path / f"a{suffix}"
    sharptip.write(scan, path)
    (grid,) = sharptip.io.grids(path)[1]
    lazy = next(c.data for c in grid.channels if c.name == "height")
    assert isinstance(lazy, Lazy)
    for key in KEYS:
        np.testing.assert_array_equal(lazy[key], scan["height"].values[key])
    again = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(again[5], scan["height"].values[5])
    np.testing.assert_array_equal(sharptip.read(path)["height"].isel(time=4), scan["height"][4])
    assert sharptip.read(path).identical(scan)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_everything_survives_when_nothing_is_read_at_once(suffix: str, tmp_path: Path) -> None:
    scan = rich()
    sharptip.write(scan, tmp_path / f"a{suffix}")
    back = sharptip.read(tmp_path / f"a{suffix}")
    assert back.identical(scan)
    sharptip.write(back, tmp_path / f"a{suffix}")  # onto the very store that it is read from
    assert sharptip.read(tmp_path / f"a{suffix}").identical(scan)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_chunk_is_refused_when_it_is_read(suffix: str, tmp_path: Path) -> None:
    scan, path = film(), tmp_path / f"a{suffix}"
    sharptip.write(scan, path)
    chunk = path / "height" / "c" / "1" / "0" / "0" if path.is_dir() else path
    raw = bytearray(chunk.read_bytes())
    at = 40 if path.is_dir() else raw.index(scan["height"].values[2].tobytes()[:64])
    raw[at] ^= 1
    chunk.write_bytes(raw)
    found = sharptip.read(path)
    np.testing.assert_array_equal(found["height"][0], scan["height"][0])
    with pytest.raises(ReadError, match=r"a\.(zarr|nc): damaged"):
        found["height"][2].load()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_store_that_changed_is_another_scan(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    sharptip.write(film(), path)
    found = sharptip.read(path)
    sharptip.write(film().assign_attrs(name="new"), path)
    with pytest.raises(ReadError, match="written anew"):
        found["height"][2].load()


@pytest.mark.usefixtures("small")
def test_a_chunk_that_is_gone_is_not_zero(tmp_path: Path) -> None:
    sharptip.write(film(), tmp_path / "a.zarr")
    found = sharptip.read(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "height" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(ReadError, match="gone"):
        found["height"][2].load()
    with pytest.raises(ReadError, match="truncated or damaged"):
        sharptip.read(tmp_path / "a.zarr")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("format", ["zarr", "netcdf", "npy"])
def test_damage_is_refused_late_as_well(format: str, tmp_path: Path) -> None:
    original = made.example(tmp_path, format)
    sound = read_or_refused(original)
    assert sound is not None
    assert isinstance(sound[0].channels[0].data, Lazy)
    image, copy = first_image(sound), tmp_path / f"mutant{original.suffix}"
    if original.is_dir():
        shutil.copytree(original, copy)
    rng, refused = np.random.default_rng(7), 0
    for i in range(140):
        done, part = damaged(original, copy, rng, i)
        found = read_or_refused(copy)
        if found is None or not hold_together(found, copy):
            refused += 1
        elif format != "npy":
            np.testing.assert_array_equal(first_image(found), image)
        assert found is None or done != "truncated" or (copy / part).read_bytes() == (original / part).read_bytes()
        if original.is_dir():
            (copy / part).write_bytes((original / part).read_bytes())
    assert refused > 20


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_stack_of_arrays_stays_in_its_file(order: str, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 999, (5, 4, 3)).astype("<i2")
    path = tmp_path / "a.npy"
    np.save(path, np.asarray(frames, order=order))
    found = sharptip.io.grids(path, size="unknown", channel="height", unit="nm")[1]
    assert all(isinstance(g.channels[0].data, Lazy) for g in found)
    np.testing.assert_allclose(np.stack([g.channels[0].data[:] for g in found]), frames * 1e-9)
    picked = sharptip.io.frames(path, [3, 1], size=1e-6)
    np.testing.assert_array_equal(picked[0]["intensity"][1:3], frames[3, 1:3])
    np.save(tmp_path / "one.npy", np.asarray(frames[2], order=order))
    np.testing.assert_array_equal(sharptip.read(tmp_path / "one.npy", size=1e-6)["intensity"], frames[2])
    np.save(path, frames[:, :2])
    with pytest.raises(ReadError, match="anew"):
        picked[0]["intensity"].load()
    np.save(path, np.arange(9.0))
    with pytest.raises(ReadError, match="no image"):
        sharptip.read(path, size=1e-6)
