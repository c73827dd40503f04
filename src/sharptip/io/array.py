"""Arrays saved by numpy (`.npy`, `.npz`): images without a scale, without a unit and without a name.

Layout: NEP 1. Nothing is ever unpickled. A three-dimensional array is a stack of frames (frame, y, x); each frame is a
grid of its own, since nobody said when it was taken. All frames of a stack are views of one block of memory; those of a
large `.npy` stay in the file until they are asked for. In an
`.npz`, one- and many-dimensional arrays, text, and tables with one row per frame of a stack are kept in the header.
"""

from __future__ import annotations

import ast
import io
import math
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import LARGEST, Channel, Grid
from ..core.lazy import Lazy
from ..core.names import UNITS
from ..core.units import to_si
from .layout import Size, floats, given_axes, take
from .store import unchanged

NAME = "array"
SUFFIXES = (".npy", ".npz")
GENERIC = True
NEEDS_SIZE = True
PICKS_FRAMES = True
LAZY = True

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_DEFLATE = 1032  # deflate cannot make anything smaller than 1/1032 of itself
_AT_ONCE = 2**24  # bytes; a larger .npy stays in the file
_LARGEST_NPZ = 2**30  # bytes of an .npz, which is unpacked as a whole
_SMALL = 16  # facts of up to this many values are kept verbatim
_LONGEST_HEADER = 65536


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_NPY) or (head.startswith(_ZIP) and b".npy" in head[:1024])


def read(
    path: Path,
    *,
    size: Size = None,
    channel: str | None = None,
    unit: str | None = None,
    frames: Iterable[int] | None = None,
) -> list[Grid]:
    """Every image of the file, or of its only stack the frames asked for, in the order asked for."""
    arrays, facts = _arrays(path)
    if frames is not None:
        stacks = {k: a for k, a in arrays.items() if a.ndim == 3}
        if len(stacks) != 1:
            raise ReadError(f"frames can be picked from one stack (frame, y, x); this file has {len(stacks)}")
        arrays = stacks
    grids: list[Grid] = []
    for key, values in arrays.items():
        name = path.stem if key == "" else key
        grids += _grids(name, values, None if frames is None else list(frames), size, channel, unit, facts)
    return grids


def _grids(
    name: str,
    values: Any,
    frames: list[int] | None,
    size: Size,
    channel: str | None,
    unit: str | None,
    facts: dict[str, object],
) -> list[Grid]:
    stack: Any = values if values.ndim == 3 else values[None]
    which = range(len(stack)) if frames is None else frames
    for i in which:
        if not 0 <= i < len(stack):
            raise ReadError(f"there is no frame {i}; {name!r} has {len(stack)} frames, the first is 0")
    axes = given_axes((stack.shape[1], stack.shape[2]), size, None, "an array")
    numbers = None if isinstance(values, Stored) else floats(stack if frames is None else stack[frames])
    grids = []
    for row, i in enumerate(which):
        label = f"{name}[{i}]" if values.ndim == 3 else name
        about = {"array": name, "shape": list(values.shape), "dtype": str(values.dtype), **facts}
        attrs = {"frame": i} if values.ndim == 3 else {}
        image = stack.frame(i) if numbers is None else numbers[row]
        grids.append(Grid(label, (named_channel(image, channel, unit),), axes, about, attrs))
    return grids


def named_channel(values: np.ndarray | Lazy, channel: str | None, unit: str | None) -> Channel:
    """The caller's name and unit for numbers that came without; 'intensity' in 'arb' where none is given."""
    if channel is None and unit is None:
        return Channel("intensity", values, "arb", "intensity")
    name = channel or "intensity"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ReadError(f"channel={channel!r} is not lower_case_with_underscores, as a scan's variables are")
    if unit is None:
        return Channel(name, values, UNITS[name][0] if name == "mask" else "arb", name)
    factor, si = to_si(unit)
    if name in UNITS and si not in (*UNITS[name], "arb"):
        raise ReadError(f"unit={unit!r} does not fit {name!r}, which is in {' or '.join(UNITS[name])}")
    if factor != 1.0:
        values = values.scaled(factor) if isinstance(values, Lazy) else values * np.float64(factor)
    return Channel(name, values, si, name, attrs={"vendor_units": unit})


def _arrays(path: Path) -> tuple[dict[str, Any], dict[str, object]]:
    """(images and stacks by name, everything else as facts)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        is_npy = file.read(len(_NPY)) == _NPY
    found: dict[str, Any]
    if is_npy:
        found = {"": _left_in(path, size) if size > _AT_ONCE else _parsed(path.read_bytes())}
    elif size > _LARGEST_NPZ:
        raise ReadError(f"it is {size / 2**30:.1f} GiB; .npz files are read up to 1 GiB, .npy of any size")
    else:
        with zipfile.ZipFile(
            io.BytesIO(path.read_bytes())
        ) as archive:  # from memory: a damaged length reads no more than there is
            found = {i.filename.removesuffix(".npy"): _member(archive, i) for i in archive.infolist()}
    arrays = {k: a for k, a in found.items() if a.ndim in (2, 3) and a.dtype.kind in "fiub" and min(a.shape) > 0}
    frames = {len(a) for a in arrays.values() if a.ndim == 3}
    arrays = {k: a for k, a in arrays.items() if a.ndim == 3 or len(a) not in frames}  # one row per frame: a table
    facts = {k: _fact(a) for k, a in found.items() if k not in arrays}
    if not arrays:
        raise ReadError(f"it holds no image (y, x) or stack (frame, y, x) of numbers, but {facts}")
    return arrays, facts


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ReadError(f"{info.filename!r} is packed in a way that numpy does not use")
    if info.file_size > _DEFLATE * info.compress_size + 1024 or info.file_size > 8 * LARGEST:
        raise ReadError(f"{info.filename!r} claims {info.file_size} bytes from {info.compress_size}; it is damaged")
    return _parsed(archive.read(info))


def _parsed(data: bytes) -> np.ndarray:
    """An array from the bytes of an .npy file."""
    kind, shape, fortran, start = _header(data, len(data))
    order = shape[::-1] if fortran else shape
    values = take(data, start, order, kind.str, "the array") if kind.fields is None else np.empty(0)
    return values.T if fortran else values


def _header(data: bytes, size: int) -> tuple[np.dtype, tuple[int, ...], bool, int]:
    """(type, shape, whether the first axis is the fastest, where the numbers start) of an .npy file of `size` bytes.

    Its header is read as text, never run and never unpickled.
    """
    if not data.startswith(_NPY) or len(data) < 12:
        raise ReadError("an array does not begin like an .npy file")
    width = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    start = 8 + width + length
    if data[6] not in (1, 2, 3) or length > _LONGEST_HEADER or start > len(data):
        raise ReadError("the .npy header is damaged")
    header = ast.literal_eval(data[8 + width : start].decode("utf-8" if data[6] == 3 else "latin-1").strip())
    kind, shape = np.dtype(header["descr"]), header["shape"]
    if kind.hasobject:
        raise ReadError("the array holds Python objects, which would have to be unpickled; save plain numbers")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ReadError(f"the .npy header says the shape is {shape!r}")
    if kind.itemsize == 0 or start + math.prod(shape) * kind.itemsize != size:
        raise ReadError(f"an array of shape {shape} and type {kind} does not fill the file; it is truncated or damaged")
    return kind, shape, bool(header["fortran_order"]), start


@dataclass(frozen=True)
class Stored:
    """An array that stays in its .npy file; its frames are read when they are asked for."""

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: None) -> Stored:
        """One image as a stack of one."""
        return replace(self, shape=(1, *self.shape))

    def frame(self, i: int) -> Lazy:
        kind = floats(np.empty(0, self.dtype)).dtype
        return Lazy(self.shape[1:], kind, partial(_lines, self, self.path.stat().st_mtime_ns, i))


def _left_in(path: Path, size: int) -> Stored:
    with path.open("rb") as file:
        kind, shape, fortran, start = _header(file.read(_LONGEST_HEADER + 12), size)
    return Stored(path, kind, shape, fortran, start)


def _lines(stored: Stored, modified: int, frame: int, which: np.ndarray) -> np.ndarray:
    unchanged(stored.path, modified)
    order = stored.shape[::-1] if stored.fortran else stored.shape
    whole = np.memmap(stored.path, stored.dtype, "r", stored.start, order)
    return floats(np.array((whole.T if stored.fortran else whole)[frame][which]))


def _fact(values: np.ndarray | Stored) -> object:
    if isinstance(values, np.ndarray) and values.size <= _SMALL and values.dtype.kind in "fiubU":
        return values.tolist()
    return f"{values.dtype} {list(values.shape)}"
