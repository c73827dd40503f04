"""What every reader needs: bytes that are counted before they are used, axes, directions, safe numbers.

A damaged file may ask for anything. Nothing here allocates more than the file has bytes for, and every refusal is a
ReadError that says what the file asked for and what it has.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, ScaleError
from ..core.grid import LARGEST, Axis, Channel
from ..core.lazy import Lazy
from ..core.units import PIXEL

SWEPT = {"V": "bias", "Hz": "frequency", "s": "time", "m": "distance"}  # SI unit of what is swept → the axis it makes
UNKNOWN = "unknown"  # size="unknown": axes stay in pixels and the scan is marked
Size = float | tuple[float, float] | str | None  # width, (height, width) in metres, "unknown", not given

_DIRECTION = re.compile(
    r"(?P<base>.*?[^\s_\[(])[\s_]*[\[(]?(?P<way>forward|backward|fwd|bwd|retrace|trace)[\])]?", re.IGNORECASE
)
_FORWARD = ("forward", "fwd", "trace")
_HELP = "give it: size=(height, width) of the whole image in metres, or size='unknown' to keep pixels"


def take(data: bytes | mmap.mmap, offset: int, shape: tuple[int, ...], dtype: str, what: str) -> np.ndarray:
    """Numbers of `dtype` and `shape` that start at byte `offset`: a read-only view, nothing is copied.

    Raises ReadError where the file does not reach that far, before anything is allocated.
    """
    kind = np.dtype(dtype)
    if offset < 0 or any(n < 0 for n in shape):
        raise ReadError(f"{what} is said to be at byte {offset} with shape {shape}; the header is damaged")
    count = math.prod(shape)
    if count > LARGEST:
        raise ReadError(f"{what} is said to have {count} values, which no scan has; the header is damaged")
    if offset + count * kind.itemsize > len(data):
        raise ReadError(
            f"{what} needs {count * kind.itemsize} bytes from byte {offset}, but the file ends at {len(data)}; "
            "it is truncated or its header is damaged"
        )
    return np.frombuffer(data, kind, count, offset).reshape(shape)


def stored(path: Path, offsets: Sequence[int] | np.ndarray, shape: tuple[int, ...], dtype: str, what: str) -> Lazy:
    """Parts of one `shape` that start at the byte `offsets` of a file, such as frames of a film; read when asked for.

    The numbers come as they are in the file; `Lazy.scaled`, or a `Lazy` of the reader's own, makes heights of them.
    Raises ReadError where the file does not reach that far.
    """
    kind, places = np.dtype(dtype), np.asarray(offsets, np.int64)
    size = path.stat().st_size
    need = math.prod(shape) * kind.itemsize
    if places.size == 0 or any(n < 1 for n in shape) or places.min() < 0 or int(places.max()) + need > size:
        raise ReadError(
            f"{what}: {places.size} parts of {shape} numbers do not fit into the {size} bytes of the file; it is "
            "truncated or its header is damaged"
        )
    return Lazy((len(places), *shape), kind.newbyteorder("="), partial(_stored, path, places, shape, dtype))


def _stored(path: Path, offsets: np.ndarray, shape: tuple[int, ...], dtype: str, which: np.ndarray) -> np.ndarray:
    kind = np.dtype(dtype)
    out = np.empty((len(which), *shape), kind)
    with path.open("rb") as file:
        for part, place in zip(out, which, strict=True):
            file.seek(int(offsets[place]))
            raw = file.read(part.nbytes)
            if len(raw) != part.nbytes:
                raise ReadError(f"{path}: has become shorter since it was opened")
            part[...] = np.frombuffer(raw, kind).reshape(shape)
    return native(out)


def ragged(curves: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Curves of different lengths as (curve, sample), padded with NaN, and the length of each as floats."""
    lengths = np.array([len(c) for c in curves], float)
    out = np.full((len(curves), int(lengths.max(initial=0))), np.nan)
    for row, c in zip(out, curves, strict=True):
        row[: len(c)] = c
    return out, lengths


def native(values: np.ndarray) -> np.ndarray:
    """The same numbers, contiguous and in this machine's byte order."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def floats(values: np.ndarray) -> np.ndarray:
    """Integers and flags as floats that hold each of them exactly: a scan's arithmetic must not wrap around."""
    if values.dtype.kind not in "fiub":
        raise ReadError(f"numbers of type {values.dtype} are not understood as an image")
    if np.issubdtype(values.dtype, np.floating) and values.dtype.itemsize in (4, 8):
        return native(values)
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def text(raw: bytes) -> str:
    """Header text: UTF-8 where it is that, else the Latin-1 that vendors write."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def until_nul(raw: bytes) -> str:
    """A C string in a fixed field: what follows its NUL is left over from an older text."""
    return text(raw.split(b"\0", 1)[0])


def positive(value: str | float, what: str) -> float:
    """A finite number above zero, or a ReadError that names it."""
    try:
        number = float(value)
    except ValueError:
        raise ReadError(f"{what} is {value!r}, which is not a number; the header is damaged") from None
    if not (math.isfinite(number) and number > 0):
        raise ReadError(f"{what} is {value!r}; it must be above zero, so the header is damaged")
    return number


def finite(value: str | float, what: str) -> float:
    """A finite number, or a ReadError that names it."""
    try:
        number = float(value)
    except ValueError:
        raise ReadError(f"{what} is {value!r}, which is not a number; the header is damaged") from None
    if not math.isfinite(number):
        raise ReadError(f"{what} is {value!r}; the header is damaged")
    return number


def count(value: str | int, what: str) -> int:
    """A number of pixels: a whole number from 1 up, or a ReadError that names it."""
    try:
        number = int(value)
    except ValueError:
        raise ReadError(f"{what} is {value!r}, which is not a whole number; the header is damaged") from None
    if not 1 <= number <= LARGEST:
        raise ReadError(f"{what} is {number}; no image has that many, so the header is damaged")
    return number


def image_axes(shape: tuple[int, int], height: float, width: float) -> dict[str, Axis]:
    """Axes y and x of an image of (ny, nx) pixels that is height × width metres: pixel = extent / number."""
    ny, nx = shape
    return {"y": Axis.regular(ny, height / ny), "x": Axis.regular(nx, width / nx)}


def given_axes(shape: tuple[int, int], size: Size, own: tuple[float, float] | None, what: str) -> dict[str, Axis]:
    """Axes of an image whose format need not say a size: its own (height, width) in metres, or the caller's.

    Raises ScaleError where neither says one, ReadError where both do: a size that is given is not a correction.
    """
    ny, nx = shape
    if own is not None:
        if size is not None and size != UNKNOWN:
            raise ReadError(f"{what} says its own size, {own[0]:g} × {own[1]:g} m; leave out size=")
        return image_axes(shape, *own)
    if size is None:
        raise ScaleError(f"{what} says no physical size; {_HELP}")
    if isinstance(size, str):
        if size != UNKNOWN:
            raise ScaleError(f"size={size!r} is not understood; {_HELP}")
        return {"y": Axis.regular(ny, 1.0, PIXEL), "x": Axis.regular(nx, 1.0, PIXEL)}
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise ScaleError(f"size={size!r} has {len(size)} numbers; {_HELP}")
        height, width = float(size[0]), float(size[1])
    else:
        width = float(size)
        height = width / nx * ny  # one number is the width, with square pixels
    if not (0 < height < math.inf and 0 < width < math.inf):
        raise ScaleError(f"size={size!r} is not above zero; {_HELP}")
    return image_axes(shape, height, width)


def split_direction(vendor_name: str) -> tuple[str, str | None]:
    """A vendor's channel name without its direction, and the direction.

    >>> split_direction("HeightRetrace"), split_direction("Z [Forward]"), split_direction("Topography")
    (('Height', 'backward'), ('Z', 'forward'), ('Topography', None))
    """
    match = _DIRECTION.fullmatch(vendor_name.strip())
    if not match:
        return vendor_name, None
    return match["base"], "forward" if match["way"].lower() in _FORWARD else "backward"


def join_directions(
    recorded: Iterable[tuple[str, str | None, Channel]],
) -> tuple[list[Channel], dict[str, Axis]]:
    """Channels recorded both ways become one with a `direction` axis; recorded one way, they say which in attrs.

    recorded: (what is the same for both ways, 'forward' | 'backward' | None, channel of dims (y, x)).
    Returns the channels in the file's order and the direction axis if one is needed.
    """
    pairs: dict[str, dict[str | None, Channel]] = {}
    for i, (base, way, channel) in enumerate(recorded):
        key = base if way not in pairs.get(base, {}) else f"{base}\0{i}"  # recorded twice: two channels
        pairs.setdefault(key, {})[way] = channel
    channels, both = [], False
    for ways in pairs.values():
        if {"forward", "backward"} <= set(ways) and ways["forward"].unit == ways["backward"].unit:
            both = True
            one, other = ways.pop("forward"), ways.pop("backward")
            stacked = np.stack([one.data, other.data])
            attrs = {**one.attrs, "vendor_name_backward": other.vendor_name}
            channels.append(replace(one, data=stacked, dims=("direction", *one.dims), attrs=attrs))
        for way, channel in ways.items():
            said: Mapping[str, object] = {} if way is None else {"direction": way}
            channels.append(replace(channel, attrs={**channel.attrs, **said}))
    axis = {"direction": Axis(np.array(["forward", "backward"]), "1")} if both else {}
    return channels, axis
