"""Arrays saved by numpy (`.npy`, `.npz`): images without a scale, without a unit and without a name.

Layout: NEP 1. Nothing is ever unpickled. A three-dimensional array is a stack of frames (frame, y, x); each frame is a
grid of its own, since nobody said when it was taken. All frames of a stack are views of one block of memory; those of a
large `.npy` stay in the file until they are asked for. An array of more dimensions is a map of spectra (y, x, axis_2,
axis_3 …), as spectroscopic images are saved; arrays as long as some of its axes are kept beside it, and name them where
they are known (`ckpfm`). A shape that looks like another order, such as colours last, is refused and never turned.
Complex numbers become their real and imaginary parts, records one channel a field. In an `.npz`, one-dimensional
arrays, text, and tables with one row per frame of a stack are kept in the header.
"""

from __future__ import annotations

import ast
import io
import math
import re
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import LARGEST, Axis, Channel, Grid, unique
from ..core.lazy import Lazy
from ..core.names import UNITS
from ..core.units import to_si
from .ckpfm import told as contact_kelvin
from .layout import Size, floats, given_axes
from .store import unchanged

NAME = "array"
SUFFIXES = (".npy", ".npz")
GENERIC = True
NEEDS_SIZE = True
PICKS_FRAMES = True
LAZY = True

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_DEFLATE = 1032  # deflate cannot make anything smaller than 1/1032 of itself
_AT_ONCE = 2**24  # bytes; a larger .npy of images stays in the file
_LARGEST = 2**30  # bytes of what is taken into the memory as a whole
_MOST_LISTED = 2**16  # numbers beside a map that belong to none of its axes and are kept in the header
_SMALL = 16  # facts of up to this many values are kept verbatim
_LONGEST_HEADER = 65536
_COLOURS = 16  # of a last axis up to this long, behind two that are longer, nobody knows whether it is x or channels
_LONGER = (2, 4)  # times: longer than a last axis of up to _THIN, than one of up to _COLOURS
_THIN = 4  # pixels along a side; a map of spectra has more, a list of films or channels may not


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
    told = any(a.ndim == 1 for a in arrays.values())  # lists as long as its axes say what the axes are
    for key, values in arrays.items():
        if frames is None and not told and (why := _another_order(values)):
            raise ReadError(f"{f'{key!r}: ' if key else ''}{why}")
    maps = {k: a for k, a in arrays.items() if a.ndim > 3}
    if maps and frames is None:
        return _maps(path.stem, arrays, size, channel, unit, facts)
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


def _another_order(values: Any) -> str:
    """Why the shape of an array is no (frame, y, x) and no (y, x, axis_2 …), and what to do; '' where it may be one.

    >>> _another_order(np.zeros((128, 128, 3)))[:55]
    'its shape (128, 128, 3) has 3 colours or channels last,'
    """
    shape = tuple(values.shape)
    times = _LONGER[shape[-1] > _THIN]
    if len(shape) == 3 and shape[2] <= _COLOURS and min(shape[:2]) >= times * shape[2]:
        return (
            f"its shape {shape} has {shape[2]} colours or channels last, or is {shape[0]} images {shape[2]} pixels "
            f"wide; a stack is (frame, y, x), so save np.moveaxis(array, -1, 0) or one of them, array[..., 0]; "
            f"if its images are that narrow, ask for them by frame"
        )
    if len(shape) < 4:
        return ""
    first, last = shape[:2], shape[-2:]
    squares = last[0] == last[1] and first[0] != first[1]
    if min(first) <= _THIN < min(last) or (squares and min(last) > max(first)):
        return (
            f"its shape {shape} would be read as (y, x, axis_2 …), a map of {first[0]} × {first[1]} pixels, and looks "
            f"like images of {last[0]} × {last[1]}; save each stack (frame, y, x) by itself, array[0], or a map with "
            f"np.moveaxis(array, (-2, -1), (0, 1))"
        )
    coloured = shape[-1] in (3, 4) and min(shape[1:3]) > _THIN and shape[0] != shape[1]
    if len(shape) == 4 and (coloured or (shape[-1] <= _THIN and shape[1] == shape[2] != shape[0])):
        return (
            f"its shape {shape} would be read as (y, x, axis_2, axis_3), a map of {first[0]} × {first[1]} pixels, and "
            f"looks like {shape[0]} images with {shape[-1]} colours last; save one of them, array[..., 0]"
        )
    return ""


def _grids(
    name: str,
    values: Any,
    frames: list[int] | None,
    size: Size,
    channel: str | None,
    unit: str | None,
    facts: dict[str, object],
) -> list[Grid]:
    n = len(values) if values.ndim == 3 else 1
    which = list(range(n)) if frames is None else frames
    for i in which:
        if not 0 <= i < n:
            raise ReadError(f"there is no frame {i}; {name!r} has {n} frames, the first is 0")
    axes = given_axes(values.shape[-2:], size, None, "an array")
    if isinstance(values, Lazy):
        late = [values.part(i) if values.ndim == 3 else values for i in which]
        channels = [[named_channel(frame, channel, unit)] for frame in late]
    else:
        stack = (values if values.ndim == 3 else values[None])[which if frames is not None else ...]
        parts = [(said, its_unit or unit, floats(part)) for said, its_unit, part in _parts(stack)]
        rows = range(len(which))
        channels = [[_part_channel(said, part[r], channel, its) for said, its, part in parts] for r in rows]
    about = {"array": name, "shape": list(values.shape), "dtype": str(values.dtype), **facts}
    if values.ndim == 2:
        return [Grid(name, unique(channels[0]), axes, about)]
    return [
        Grid(f"{name}[{i}]", unique(made), axes, about, {"frame": i}) for i, made in zip(which, channels, strict=True)
    ]


def _parts(values: np.ndarray) -> list[tuple[str, str | None, np.ndarray]]:
    """(what it is called, its unit if it says one, real numbers) of each part of an array."""
    if values.dtype.names is not None:
        said = [re.fullmatch(r"(.*?)\s*(?:[\[(]([^\])]*)[\])])?", field) for field in values.dtype.names]
        fields = zip(said, values.dtype.names, strict=True)
        return [(m[1] if m else field, m[2] if m else None, values[field]) for m, field in fields]
    if values.dtype.kind == "c":
        return [("real", None, values.real), ("imag", None, values.imag)]
    return [("", None, values)]


def _part_channel(said: str, values: np.ndarray, channel: str | None, unit: str | None) -> Channel:
    if said in ("", "real", "imag"):
        made = named_channel(values, channel, unit)
        return replace(made, name=f"{made.name}_{said}") if said else made
    return Channel.from_vendor(said, values, unit or "arb")


def _maps(
    stem: str,
    arrays: dict[str, np.ndarray],
    size: Size,
    channel: str | None,
    unit: str | None,
    facts: dict[str, object],
) -> list[Grid]:
    """Maps of spectra of one shape share a grid, with the arrays that are as long as some of its axes."""
    grids: list[Grid] = []
    told = {k: {"shape": list(a.shape), "dtype": str(a.dtype)} for k, a in arrays.items()}
    used = set()
    for shape in dict.fromkeys(a.shape for a in arrays.values() if a.ndim > 3):
        dims = ("y", "x", *(f"axis_{k}" for k in range(2, len(shape))))
        axes = given_axes((shape[0], shape[1]), size, None, "an array")
        axes |= {d: Axis(np.arange(n) * 1.0, "1") for d, n in zip(dims[2:], shape[2:], strict=True)}
        channels = []
        for key, values in arrays.items():
            along = _along(values.shape, shape, dims) if values.ndim <= 3 else dims if values.shape == shape else None
            if along:
                used.add(key)
                own = key if len(arrays) > 1 else ""
                channels += _map_channels(own, values, along, *((channel, unit) if along == dims else (None, None)))
        name = stem if not grids else f"{stem} {len(grids) + 1}"
        grids.append(Grid(name, unique(channels), axes))
    left = {k: a.tolist() if a.size <= _MOST_LISTED else _fact(a) for k, a in arrays.items() if k not in used}
    return [contact_kelvin(replace(g, header={"arrays": told, **facts, **left})) for g in grids]


def _map_channels(
    key: str, values: np.ndarray, dims: tuple[str, ...], channel: str | None, unit: str | None
) -> list[Channel]:
    """The parts of one array; numbers without a name are called as their array is."""
    out = []
    for said, its_unit, part in _parts(values):
        made = _part_channel(said, floats(part), channel, its_unit or unit)
        if key and channel is None and said in ("", "real", "imag"):
            plain = re.sub(r"[^a-z0-9]+", "_", f"{key} {said}".lower()).strip("_")
            made = replace(made, name=plain if plain[:1].isalpha() else f"array_{plain}", vendor_name=key)
        out.append(replace(made, dims=dims))
    return out


def _along(own: tuple[int, ...], shape: tuple[int, ...], dims: tuple[str, ...]) -> tuple[str, ...] | None:
    """The last axes of a map that are as long as those of a smaller array; None where no neighbours are."""
    starts = range(len(shape) - len(own), -1, -1)
    return next((dims[k : k + len(own)] for k in starts if shape[k : k + len(own)] == own), None)


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
    found: dict[str, Any]
    size = path.stat().st_size
    later = _left_in(path, size) if size > _AT_ONCE else None
    if later is None and size > _LARGEST:
        raise ReadError(f"it is {size / 2**30:.1f} GiB; images in an .npy are read at any size, all else up to 1 GiB")
    if later:
        return {"": later[0]}, {"dtype": str(later[1])}
    data = path.read_bytes()
    if not data.startswith(_ZIP):
        found = {"": _parsed(data)}
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:  # from memory: a damaged length reads no more than there is
            found = {i.filename.removesuffix(".npy"): _member(archive, i) for i in archive.infolist()}
    arrays = {k: a for k, a in found.items() if a.ndim >= 2 and _numbers(a.dtype) and min(a.shape) > 0}
    if any(a.ndim > 3 for a in arrays.values()):
        lines = {k: a for k, a in found.items() if a.ndim == 1 and _numbers(a.dtype) and a.size > 1}
        return arrays | lines, {k: _fact(a) for k, a in found.items() if k not in arrays | lines}
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
    values = np.frombuffer(data, kind, math.prod(shape), start).reshape(order)
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


def _left_in(path: Path, size: int) -> tuple[Lazy, np.dtype] | None:
    """(array of a large .npy, its type), if it is one image or a stack of real numbers; else it is read as a whole."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER + 12)
    if not head.startswith(_NPY):
        return None
    kind, shape, fortran, start = _header(head, size)
    if kind.kind not in "fiub" or len(shape) not in (2, 3):
        return None
    load = partial(_lines, path, path.stat().st_mtime_ns, kind, shape, fortran, start)
    return Lazy(shape, floats(np.empty(0, kind)).dtype, load, len(shape) - 1), kind


def _lines(
    path: Path, modified: int, kind: np.dtype, shape: tuple[int, ...], fortran: bool, start: int, which: np.ndarray
) -> np.ndarray:
    """The lines asked for, those of all frames being counted."""
    unchanged(path, modified)
    whole = np.memmap(path, kind, "r", start, shape[::-1] if fortran else shape)
    lines = np.unravel_index(which, shape[:-1])
    return floats(np.array((whole.T if fortran else whole)[lines]))


def _numbers(kind: np.dtype) -> bool:
    """Real or complex numbers, or records of real ones."""
    fields = [kind] if kind.names is None else [kind[name] for name in kind.names]
    return all(f.kind in ("fiubc" if kind.names is None else "fiub") for f in fields)


def _fact(values: np.ndarray | Lazy) -> object:
    if isinstance(values, np.ndarray) and values.size <= _SMALL and values.dtype.kind in "fiubU":
        return values.tolist()
    return f"{values.dtype} {list(values.shape)}"
