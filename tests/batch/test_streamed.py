"""A film larger than the memory: cleaned while it is written, with the same numbers as one that is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from benchmarks.junk import film as simulated

from sharptip import io
from sharptip.batch import streamed
from sharptip.batch.clean_file import Job, Order, clean_file, clean_one
from sharptip.clean import run
from sharptip.core.scan import scan_of
from sharptip.io import store

NM = 1e-9


def write_film(path: Path, n: int = 12, size: int = 48) -> None:
    z = simulated(np.random.default_rng(5), "islands", size=size).heights[:n].copy()
    tall = 2 * z.std()
    for k in range(n):  # streaks that two frames show: whichever frames are read together, some are parted
        z[k, 6 + 4 * (k // 2), 4:28] += tall
        z[k, 30 + 4 * ((k + 1) // 2 % 4), 14:40] += tall
    variables = {
        name: xr.Variable(("time", "y", "x"), values, {"units": unit})
        for name, values, unit in (("height", z, "m"), ("phase", z[::-1] * 1e6, "rad"))
    }
    scan = scan_of(z[0], NM).drop_vars("height").assign(variables)
    io.write(scan.assign_coords(time=("time", np.arange(float(len(z))), {"units": "s"})), path)


@pytest.mark.parametrize(
    ("steps", "channel"), [("auto", "height"), ("film", "height"), ("plane,rows,spikes", "height,phase")]
)
@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_a_large_film_has_the_same_numbers(
    steps: str, channel: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "AT_ONCE", 10_000)  # so that this film stays in its file
    monkeypatch.setattr(store, "CHUNK", 50_000)  # and is written some frames at a time
    write_film(tmp_path / "a.zarr")
    rows, scans = [], []
    for name, large in (("whole", 2**40), ("streamed", 0)):
        monkeypatch.setattr(streamed, "LARGE", large)
        job = Job(tmp_path / "a.zarr", tmp_path / f"{name}{suffix}", tmp_path / "draft")
        record = clean_file(Order(steps, channel), job)
        assert record["status"] == "cleaned", record
        rows.append(record["rows"])
        scans.append(io.read(job.target).load())
        assert not job.draft.exists()
    assert scans[1].attrs["history"] == scans[0].attrs["history"]
    xr.testing.assert_identical(scans[1], scans[0])
    for one, other in zip(*rows, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert other[key] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), key


def test_what_frames_cannot_go_through_alone_is_done_in_memory() -> None:
    z = xr.Variable(("time", "y", "x"), np.broadcast_to(np.float32(0), (2**15, 64, 64)), {"units": "m"})
    scan = xr.Dataset({"height": z})
    assert streamed.wanted(scan, ["height"], ("junk", "flatten", "scars", "drift"))
    assert streamed.wanted(scan, ["height"], ("flatten",))
    assert not streamed.wanted(scan, ["height"], ("flatten", "junk"))
    assert not streamed.wanted(scan, ["height"], ("drift", "flatten"))
    assert not streamed.wanted(scan, ["height"], ("directions",))
    assert not streamed.wanted(scan.isel(time=slice(9)), ["height"], ("flatten",))


def test_a_large_film_of_nothing_is_refused_and_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "LARGE", 0)
    write_film(tmp_path / "a.zarr")

    def breaks(scan: xr.Dataset, *, channel: str) -> xr.Dataset:
        if float(scan["time"][0]) > 3:
            raise MemoryError
        return scan

    monkeypatch.setattr(store, "AT_ONCE", 10_000)
    monkeypatch.setattr(store, "CHUNK", 20_000)
    monkeypatch.setitem(streamed.STEPS, "flatten", breaks)
    with pytest.raises(MemoryError):
        clean_one(tmp_path / "a.zarr", tmp_path / "out.zarr", Order("film"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    empty = io.read(tmp_path / "a.zarr").load()
    empty["height"][:] = np.nan
    io.write(empty, tmp_path / "b.zarr")
    job = Job(tmp_path / "b.zarr", tmp_path / "c.zarr", tmp_path / "draft")
    assert "no finite pixel" in clean_file(Order("auto"), job)["reason"]


@pytest.mark.slow
def test_a_gigabyte_is_cleaned_within_less_memory_than_it_has(tmp_path: Path) -> None:
    """2000 frames of 256² are 1 GB as 64-bit floats; the process may have 700 MB of data, libraries included."""
    from tests.io.files.asd import asd_film

    asd_film(tmp_path / "a.asd", 2000)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (700 * 2**20,) * 2)\n"
        "from sharptip.batch.clean_file import Order, clean_one\n"
        "clean_one(Path(sys.argv[1]), Path(sys.argv[2]), Order('plane,rows'))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.asd", tmp_path / "b.zarr"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 700 * 1024, done.stdout
    scan = io.read(tmp_path / "b.zarr")
    assert scan.sizes["time"] == 2000
    alone = run(io.read(tmp_path / "a.asd").isel(time=[1999]).load(), "plane,rows")
    np.testing.assert_array_equal(scan["height"].isel(time=1999), alone["height"][0])


def test_a_corner_of_a_frame_says_nothing_of_the_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What kind of numbers come out is tried on a corner, here a rough one of frames that are flat otherwise."""
    monkeypatch.setattr(store, "AT_ONCE", 10_000)
    monkeypatch.setattr(streamed, "LARGE", 0)
    rng = np.random.default_rng(0)
    z = 0.01 * NM * rng.standard_normal((4, 96, 96)) + np.arange(96) * 0.1 * NM
    z[:, :16, :16] += np.outer(np.cos(np.arange(16) / 4), np.sin(np.arange(16) / 3)) * NM
    film = scan_of(z[0], NM).drop_vars("height").assign(height=xr.Variable(("time", "y", "x"), z, {"units": "m"}))
    io.write(film.assign_coords(time=("time", np.arange(4.0), {"units": "s"})), tmp_path / "a.zarr")
    record = clean_file(Order("facet"), Job(tmp_path / "a.zarr", tmp_path / "out.zarr", tmp_path / "draft"))
    assert record["status"] == "cleaned"
    assert not any("no facet" in note for note in record["notes"])
    assert "levelled" not in io.read(tmp_path / "out.zarr")["height"].attrs
