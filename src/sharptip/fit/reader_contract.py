"""The contract of a reader as a function that anyone can run on their own: see docs/writing-a-reader.md."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, ScaleError
from ..core.grid import INCOMPLETE, Channel, Grid
from ..core.scan import check, from_grid
from ..core.units import PIXEL
from ..io import HEAD, read_with

MUTANTS = 300  # damaged copies that are tried
CUTS = 20  # places at which the example is cut short


def check_reader(reader: Any, example: Path | str, mutants: int = MUTANTS) -> int:
    """Run every check of the contract on a reader module and one sound example of its files.

    mutants: damaged copies that are tried.
    Prints and returns how many checks ran. Raises AssertionError that names the promise that is broken.
    """
    example = Path(example)
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        for promise, holds in _checks(reader, example, Path(folder), mutants):
            ran += 1
            said = holds()
            if said:
                raise AssertionError(f"reader {getattr(reader, 'NAME', reader)!r}: {promise}: {said}")
    print(f"{reader.NAME}: {ran} checks passed")
    return ran


Checks = Iterator[tuple[str, Callable[[], str]]]  # (the promise, a function that says how it is broken, or nothing)


def _checks(reader: Any, example: Path, folder: Path, mutants: int) -> Checks:
    yield "it says what it is", lambda: _says_what_it_is(reader)
    yield from _detection_checks(reader, example, folder)
    before = _bytes(example)
    grids = _grids(reader, example)
    yield "reading leaves the file as it was", lambda: "" if _bytes(example) == before else "the file has changed"
    yield "it returns grids", lambda: "" if all(isinstance(g, Grid) for g in grids) else f"it returned {grids!r}"
    yield "the same file gives the same grids", lambda: _same(grids, _grids(reader, example))
    yield "every grid makes a scan that keeps the five promises", lambda: _makes_scans(grids, example)
    yield "numbers are floats, so that arithmetic cannot wrap around", lambda: _floats(grids)
    yield "the vendor's header and names are kept", lambda: _kept(grids)
    yield "a physical size is never made up", lambda: _size(reader, example)
    yield "a missing file is refused", lambda: _refused(reader, folder / "missing")
    yield from _damage_checks(reader, example, folder, mutants)


def _bytes(path: Path) -> dict[str, bytes]:
    """Content by name, of a file or of everything in a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(p): p.read_bytes() for p in files}


def _grids(reader: Any, path: Path) -> list[Grid]:
    return read_with(reader, path, size="unknown")


def _says_what_it_is(reader: Any) -> str:
    if not (isinstance(getattr(reader, "NAME", None), str) and re.fullmatch(r"[a-z][a-z0-9_]*", reader.NAME)):
        return "NAME is not a lower-case word"
    suffixes = getattr(reader, "SUFFIXES", None)
    if not isinstance(suffixes, tuple) or not suffixes or not all(re.fullmatch(r"\.[a-z0-9.-]+", s) for s in suffixes):
        return "SUFFIXES is not a tuple of lower-case suffixes with their dots"
    return "" if isinstance(getattr(reader, "GENERIC", None), bool) else "GENERIC is neither True nor False"


def _detection_checks(reader: Any, example: Path, folder: Path) -> Checks:
    head = b"" if example.is_dir() else example.read_bytes()[:HEAD]
    yield "it recognises its example", lambda: "" if reader.detect(head, example) else "it does not"
    if not example.is_dir():
        elsewhere = folder / "copy.elsewhere"
        shutil.copy(example, elsewhere)
        yield (
            "it recognises content, whatever the suffix",
            lambda: "" if reader.detect(head, elsewhere) else "not under another suffix",
        )
    noise = np.random.default_rng(0).bytes(4096)
    for what, other in (("nothing", b""), ("text", b"x y z\n1 2 3\n" * 99), ("noise", noise), ("zeros", bytes(4096))):
        yield (
            f"it does not take {what} for its own",
            lambda other=other: (  # type: ignore[misc]
                "it does" if reader.detect(other, Path("file.dat")) else ""
            ),
        )


def _same(first: list[Grid], second: list[Grid]) -> str:
    for one, two in zip(first, second, strict=True):
        for a, b in zip(one.channels, two.channels, strict=True):
            if a.name != b.name or not np.array_equal(a.data, b.data, equal_nan=True):
                return f"channel {a.name!r} differs between two readings"
    return ""


def _makes_scans(grids: list[Grid], example: Path) -> str:
    for grid in grids:
        check(from_grid(grid, str(example)))
    return ""


def _floats(grids: list[Grid]) -> str:
    bad = [f"{c.name!r} is {c.data.dtype}" for g in grids for c in g.channels if c.data.dtype.kind not in "fc"]
    return ", ".join(bad)


def _kept(grids: list[Grid]) -> str:
    for grid in grids:
        if not grid.header:
            return f"grid {grid.name!r} has no header"
        json.dumps(grid.header, default=str)
        if not all(c.vendor_name for c in grid.channels):
            return f"a channel of {grid.name!r} has lost the vendor's name"
    return ""


def _size(reader: Any, example: Path) -> str:
    """Pixels only when asked for; and a size that is given is taken exactly."""
    first = _grids(reader, example)[0]
    if not {"y", "x"} <= set(first.axes):
        return ""
    if first.axes["x"].unit != PIXEL:
        return "" if _own_size_stays(reader, example, first) else "size=(…) changes what the file itself says"
    if _refused(reader, example, ScaleError):
        return "no ScaleError where the file says no size and none is given"
    height, width = 3e-7, 5e-7
    sized = read_with(reader, example, size=(height, width))[0]
    expected = height / len(sized.axes["y"].values), width / len(sized.axes["x"].values)
    return (
        ""
        if np.allclose(sized.pixel_size() or 0, expected, rtol=1e-12)
        else "size=(height, width) is not taken as it is"
    )


def _own_size_stays(reader: Any, example: Path, first: Grid) -> bool:
    try:
        other = read_with(reader, example, size=(1.0, 2.0))[0]
    except ReadError:
        return True
    return other.pixel_size() == first.pixel_size()


def _refused(reader: Any, path: Path, kind: type[ReadError] = ReadError) -> str:
    try:
        read_with(reader, path)
    except kind:
        return ""
    return f"{path.name} was read"


def _damage_checks(reader: Any, example: Path, folder: Path, mutants: int) -> Checks:
    """A damaged file ends in a ReadError or in sound grids; one that was cut short is refused, or says so."""
    copy = folder / f"copy{example.suffix}"
    if example.is_dir():
        shutil.copytree(example, copy)
        part = max((p for p in copy.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    else:
        part = copy
    whole = _bytes(example)[str(example / part.relative_to(copy) if example.is_dir() else example)]
    sound = [(c, np.asarray(c.data)) for grid in _grids(reader, example) for c in grid.channels]
    rng = np.random.default_rng(0)
    part.write_bytes(b"")
    yield "an empty file is refused", lambda: _refused_unsized(reader, copy)
    for keep in np.unique(np.linspace(1, len(whole) - 1, CUTS).astype(int)):
        part.write_bytes(whole[:keep])
        yield (
            f"a file cut at byte {keep} of {len(whole)} is refused, or says what is missing of it",
            lambda: _refused_or_told(reader, copy, sound),
        )
    for i in range(mutants):
        part.write_bytes(_damaged(whole, rng))
        yield f"damaged copy {i} is refused or read whole", lambda: _holds_together(reader, copy)


def _refused_unsized(reader: Any, path: Path) -> str:
    try:
        _grids(reader, path)
    except ReadError:
        return ""
    return "it was read"


Sound = list[tuple[Channel, np.ndarray]]  # the channels of the whole file and their numbers


def _refused_or_told(reader: Any, path: Path, sound: Sound) -> str:
    """A part is given only where it says that it is one, and its numbers are those of the whole file, or NaN."""
    try:
        grids = _grids(reader, path)
        if not any(grid.attrs.get(INCOMPLETE) for grid in grids):
            return f"it was read, and no grid says so in attrs[{INCOMPLETE!r}]"
        for channel in (c for grid in grids for c in grid.channels):
            if channel.name != "length" and not _is_part(channel, sound):  # that of curves counts what is there of them
                return f"channel {channel.name!r} has other numbers than in the whole file"
    except ReadError:
        return ""
    return ""


def _is_part(channel: Channel, sound: Sound) -> bool:
    """Whether its numbers are the first ones of a channel of the whole file along every axis, or of one direction."""
    part = np.asarray(channel.data)
    there = np.isfinite(part)
    for one, whole in sound:
        both = "direction" in one.dims and "direction" not in channel.dims
        for numbers in np.moveaxis(whole, one.dims.index("direction"), 0) if both else [whole]:
            if part.ndim == numbers.ndim and all(n <= m for n, m in zip(part.shape, numbers.shape, strict=True)):
                corner = numbers[tuple(slice(n) for n in part.shape)]
                if np.array_equal(part[there], corner[there]):
                    return True
    return False


def _holds_together(reader: Any, path: Path) -> str:
    try:
        _grids(reader, path)
    except ReadError:
        return ""
    except Exception as error:
        return f"{type(error).__name__} came out: {error}"
    return ""


def _damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """Some bits flipped, a stretch zeroed or repeated, or four bytes set to the largest number."""
    out, at, n = bytearray(whole), int(rng.integers(len(whole))), int(rng.integers(1, 65))
    match int(rng.integers(4)):
        case 0:
            for place in rng.integers(0, len(out), 4):
                out[place] ^= 1 << int(rng.integers(8))
        case 1:
            out[at : at + n] = bytes(len(out[at : at + n]))
        case 2:
            out[at:at] = out[at : at + n]
        case _:
            out[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(out)
