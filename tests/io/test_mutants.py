"""A thousand damaged files for every format: each is refused with a ReadError, or read as scans that hold together.

No crash, no hang, no blow-up of memory. A truncated file is refused, or, of the formats whose lines, curves or frames
stand one behind the other, read as far as it goes: it says that it is incomplete, and what it has is what was written.
Where a format carries checksums, what is read in spite of damage is what was written.
"""

from __future__ import annotations

import re
import resource
import shutil
import signal
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.io.make_files import EXAMPLES, HDF5, example
from tests.io.parts import BY_POINT, assert_is_a_part, numbers

import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.core.grid import INCOMPLETE, Grid, checked
from sharptip.core.scan import check, from_grid

MUTANTS = 1000
LONGEST = 5.0  # seconds for one file
MOST_MEMORY = 64 * 2**20  # bytes for one file of a few kB
CHECKSUMMED = ("zarr", "netcdf", "npz", "png")  # the pixels of these cannot change unnoticed
CUT_OFF = (  # of these the part that is there is read, and what is missing is said
    "asd", "sxm", "nanonis_grid", "bruker", "bruker_ramp", "bruker_hold", "bruker_volume", "bruker_capture", "mdt",
    "mdt_pixels", "mdt_spectra", "mdt_mda", "mdt_points", "createc", "nid", "nid_curves", "nid_thermal", "jpk_force",
    "jpk_force_old", "jpk_force_map", "rhk", "wsxm", "wsxm_spectroscopy", "wsxm_movie",
)  # fmt: skip
ARCHIVES = ("jpk_force", "jpk_force_map")  # one file of them is many
COUNTED = ("ibw", "bruker", "sxm", "gsf", "gwy", "npy")  # nor can those of these be moved by lost or added bytes


class TooLong(BaseException):
    """Raised by the alarm; no reader catches it."""


@pytest.fixture
def alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, len(data))]


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 9)):
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def zeroed(data: bytes, rng: np.random.Generator) -> bytes:
    a, n = int(rng.integers(0, len(data))), int(rng.integers(1, 65))
    return data[:a] + b"\0" * len(data[a : a + n]) + data[a + n :]


def doubled(data: bytes, rng: np.random.Generator) -> bytes:
    a, n = int(rng.integers(0, len(data))), int(rng.integers(1, 65))
    return data[: a + n] + data[a : a + n] + data[a + n :]


def cut_out(data: bytes, rng: np.random.Generator) -> bytes:
    a, n = int(rng.integers(0, len(data))), int(rng.integers(1, 65))
    return data[:a] + data[a + n :]


def other_digits(data: bytes, rng: np.random.Generator) -> bytes:
    """Another digit, or many, in a number written as text; anywhere, where the header has none."""
    places = [m.start() for m in re.finditer(rb"[0-9]", data)] or [0]
    at = int(rng.choice(places))
    return data[:at] + str(rng.integers(0, 10 ** int(rng.integers(1, 12)))).encode() + data[at + 1 :]


def other_length(data: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes that a length may lie in, set to something extreme; or exchanged with four others."""
    a, b = (int(v) for v in rng.integers(0, max(1, min(len(data) - 4, 2048)), 2))
    extreme = [b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x40", b"\0\0\x10\0", data[b : b + 4]]
    return data[:a] + extreme[int(rng.integers(len(extreme)))] + data[a + 4 :]


DAMAGE = (truncated, flipped, zeroed, doubled, cut_out, other_digits, other_length)


def damaged(original: Path, copy: Path, rng: np.random.Generator, how: int) -> tuple[str, Path]:
    """Write a damaged copy of a file, or of one file of a folder; returns what was done, and to which."""
    damage, part = DAMAGE[how % len(DAMAGE)], Path()
    if original.is_dir():
        parts = sorted(p.relative_to(original) for p in original.rglob("*") if p.is_file())
        part = parts[int(rng.integers(len(parts)))]
        if rng.random() < 0.05:
            (copy / part).unlink()
            return "removed", part
    (copy / part).write_bytes(damage((original / part).read_bytes(), rng))
    return damage.__name__, part


def read_or_refused(path: Path) -> list[Grid] | None:
    try:
        return sharptip.io.grids(path, size="unknown")[1]
    except ReadError as error:
        if str(path) not in str(error):
            pytest.fail(f"the message does not name the file: {error}")
        return None


@pytest.mark.parametrize("format", [f for f in EXAMPLES if f not in HDF5])
def test_mutants(format: str, tmp_path: Path, alarm: None) -> None:
    mutants(format, tmp_path, MUTANTS // 4)


@pytest.mark.parametrize("format", HDF5)
def test_mutants_of_hdf5(format: str, tmp_path: Path, alarm: None) -> None:
    mutants(format, tmp_path, MUTANTS // 20)


@pytest.mark.slow
@pytest.mark.parametrize("format", EXAMPLES)
def test_a_thousand_mutants(format: str, tmp_path: Path, alarm: None) -> None:
    mutants(format, tmp_path, MUTANTS)


def mutants(format: str, tmp_path: Path, number: int) -> None:
    """Read so many damaged copies of the example of a format; none may do harm or be read as something else."""
    original = example(tmp_path, format)
    sound = read_or_refused(original)
    assert sound, "the example itself is read"
    copy = tmp_path / f"mutant{original.suffix}"
    if original.is_dir():
        shutil.copytree(original, copy)
    rng = np.random.default_rng(20260101)
    refused, resident = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        for i in range(number):
            done, part = damaged(original, copy, rng, i)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            signal.setitimer(signal.ITIMER_REAL, LONGEST)
            start = time.perf_counter()
            found = read_or_refused(copy)
            assert time.perf_counter() - start < LONGEST
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert tracemalloc.get_traced_memory()[1] - before < MOST_MEMORY, f"mutant {i} ({done}) takes memory"
            if found is None:
                refused += 1
            else:
                same = (copy / part).read_bytes() == (original / part).read_bytes()
                if done == "truncated" and not same:
                    assert format in CUT_OFF, f"mutant {i}: a truncated file was read"
                    assert_is_a_part(found, numbers(sound), points=format in BY_POINT)
                if not hold_together(found, copy):
                    refused += 1
                    continue
                refused += any(INCOMPLETE in grid.attrs for grid in found)
                if i % 5 == 0:
                    check(from_grid(found[0], str(copy)))
                moved = format in COUNTED and done in ("doubled", "cut_out")
                if format in CHECKSUMMED or moved:
                    np.testing.assert_array_equal(first_image(found), first_image(sound))
            if original.is_dir():
                (copy / part).write_bytes((original / part).read_bytes())
    finally:
        tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident) * 1024
    most = (16 if format in HDF5 else 4) * MOST_MEMORY  # the library keeps what it once had
    assert grown < most, f"the process grew by {grown} bytes"
    assert refused > number / 8, "truncation alone is one mutant in seven"


def first_image(grids: list[Grid]) -> np.ndarray:
    """Pixels of the first image in the file, whatever damage has called it."""
    data = np.asarray(grids[0].channels[0].data)
    return data.reshape(-1, *data.shape[-2:])[0]


def hold_together(grids: list[Grid], path: Path) -> bool:
    """Whether all that was promised can be read; numbers that are read late may be refused late."""
    for grid in grids:
        checked(grid, path)
        for channel in grid.channels:
            assert channel.data.dtype.kind in "fc"
            assert channel.data.nbytes < MOST_MEMORY
            try:
                whole = np.asarray(channel.data)
            except ReadError:
                return False
            assert whole.shape == channel.data.shape
    return True


@pytest.mark.parametrize("format", list(EXAMPLES))
def test_every_truncation_is_refused_or_told(format: str, tmp_path: Path) -> None:
    original = example(tmp_path, format)
    sound = numbers(sharptip.io.grids(original, size="unknown")[1]) if format in CUT_OFF else []
    if original.is_dir():
        for part in [p for p in original.rglob("*") if p.is_file()]:
            whole = part.read_bytes()
            for keep in (0, 1, len(whole) // 2, len(whole) - 1):
                part.write_bytes(whole[:keep])
                with pytest.raises(ReadError):
                    sharptip.io.grids(original)
            part.write_bytes(whole)
        return
    whole = original.read_bytes()
    step = 501 if format in HDF5 else 61 if format in ARCHIVES else 7
    for keep in sorted({*range(0, len(whole), step), *range(len(whole) - 40, len(whole))}):
        original.write_bytes(whole[:keep])
        if format in CUT_OFF and (found := read_or_refused(original)) is not None:
            assert_is_a_part(found, sound, points=format in BY_POINT)
            continue
        with pytest.raises(ReadError):
            sharptip.io.grids(original, size="unknown")


@pytest.mark.parametrize("format", list(EXAMPLES))
def test_absurd_sizes_are_refused_before_anything_is_allocated(format: str, tmp_path: Path) -> None:
    """Every four bytes of the header in turn say two thousand million, in both byte orders."""
    original = example(tmp_path, format)
    if original.is_dir():
        original = next(p for p in sorted(original.rglob("zarr.json")) if b'"shape"' in p.read_bytes())
        meta = original.read_bytes()
        for absurd in (b"2000000000", b"99999999999999999999", b"-6", b"6.5", b"1e9", b'"6"'):
            original.write_bytes(re.sub(rb'("shape":\s*\[\s*)6', rb"\g<1>" + absurd, meta, count=1))
            with pytest.raises(ReadError):
                sharptip.io.grids(original.parents[1])
        return
    whole = original.read_bytes()
    for at in range(4, min(len(whole) - 4, 600), 40 if format in HDF5 else 10 if format in ARCHIVES else 2):
        for absurd in (b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff"):
            original.write_bytes(whole[:at] + absurd + whole[at + 4 :])
            tracemalloc.start()
            read_or_refused(original)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < MOST_MEMORY, f"bytes {at} to {at + 4} as a size take {peak} bytes of memory"


@pytest.mark.parametrize("format", ["gwy", "gsf", "npy", "sxm", "bruker"])
def test_stray_bytes_at_the_end_are_refused(format: str, tmp_path: Path) -> None:
    """Where the format says how long a file is, more bytes than that mean that something was shifted."""
    path = example(tmp_path, format)
    path.write_bytes(path.read_bytes() + b"stray")
    with pytest.raises(ReadError):
        sharptip.io.grids(path, size="unknown")
