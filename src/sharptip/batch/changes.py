"""What came of a channel in numbers: what it is, and what each step took off it, for the summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from ..clean.channel import Frames
from ..core.grid import INCOMPLETE
from ..core.marks import KINDS, marks, told
from ..core.units import say
from .journal import Record

MENDS = frozenset({"scars", "spikes"})  # steps that change some spots, which are counted, and leave the rest
ROUNDED = 2.0  # of a number's last digits: an image whose spread is no more is constant
RECORDS = ("height", "height_sensor")  # of one surface: where the piezo was driven to, and where it was
DIVERGED, NOTED = 1.2, 0.1  # times their difference before, and of the height's spread, above which they are apart
WHOLE = frozenset({"junk", "drift"})  # steps about all channels of a film, taken once, with the first of them


def about(scan: xr.Dataset, channel: str) -> Record:
    """What was read, as the first columns of the table."""
    lines, columns = scan.sizes["y"], scan.sizes["x"]
    size = {"height_m": _extent(scan, "y"), "width_m": _extent(scan, "x")}
    return {
        "format": str(scan.attrs.get("format", "")), "scan": str(scan.attrs.get("name", "")), "channel": channel,
        "unit": str(scan[channel].attrs["units"]), "images": scan[channel].size // (lines * columns), "lines": lines,
        "columns": columns, **size, **_cut_off(scan),
    }  # fmt: skip


def _cut_off(scan: xr.Dataset) -> Record:
    return {INCOMPLETE: str(scan.attrs[INCOMPLETE])} if INCOMPLETE in scan.attrs else {}


def _extent(scan: xr.Dataset, axis: str) -> float | None:
    if scan.attrs.get("size") == "unknown":
        return None
    values = scan[axis].values
    spacing = values[1] - values[0] if len(values) > 1 else scan[axis].attrs.get("spacing", np.nan)
    return number(float(spacing) * len(values))


def changed(name: str, before: xr.Dataset, after: xr.Dataset, channel: str) -> Record:
    """The spread of what a step took off, and how many spots it mended; of one for whole films, the junk it found."""
    if name == "junk":
        return marked(after)
    if name in WHOLE or after[channel].dims != before[channel].dims or after[channel].shape != before[channel].shape:
        return {}
    pairs = zip(images(before, channel), images(after, channel), strict=True)
    out: Record = {f"{name}_rms": spread(np.asarray(b, float) - a for b, a in pairs)}
    if name in MENDS:
        pairs = zip(images(before, channel), images(after, channel), strict=True)
        found = [spots(b, a) for b, a in pairs]
        out |= {name: sum(n for n, _ in found), f"{name}_pixels": sum(n for _, n in found)}
    return out


def marked(film: xr.Dataset) -> Record:
    """The frames that are junk or doubtful."""
    found = marks(film)
    counts = {f"{kind}_frames": sum(mark.kind == kind for mark in found.values()) for kind in KINDS}
    return {**counts, "marked_frames": told(found)}


def apart(before: xr.Dataset, after: xr.Dataset, channels: Sequence[str]) -> str:
    """What to say where two records of one surface, the piezo's and the sensor's, agree less after cleaning than
    before; each of them was levelled in another way then. Nothing where they agree as well."""
    if not set(RECORDS) <= set(channels) or any(before[c].dims != before[RECORDS[0]].dims for c in RECORDS):
        return ""
    first, last, whole = (
        spread(i) or 0.0 for i in (_difference(before), _difference(after), images(after, RECORDS[0]))
    )
    if last <= DIVERGED * first or last <= NOTED * whole:
        return ""
    said = f"{say(last, 'm')} (rms) after cleaning, {say(first, 'm')} before"
    return f"{' and '.join(RECORDS)} were levelled in different ways: they differ by {said}; look at both"


def _difference(scan: xr.Dataset) -> np.ndarray:
    first, second = (images(scan, name).astype(float) for name in RECORDS)
    return first - second


def images(scan: xr.Dataset, channel: str) -> np.ndarray:
    """Every image of a channel: (n, y, x)."""
    values = scan[channel].variable.transpose(..., "y", "x").values
    return values.reshape(-1, *values.shape[-2:])


def constant(scan: xr.Dataset, channel: str) -> bool:
    """Whether every image of a channel is one number; of a film no more is read than until a frame varies."""
    data = scan[channel]
    ways = range(data.sizes["direction"]) if "direction" in data.dims else [None]
    found = False
    for way in ways:
        one = data if way is None else data.isel(direction=[way])
        for image in Frames.of(one) if "time" in one.dims else images(one.to_dataset(), channel):
            n, squared = squares(image)
            if squared > 0:
                return False
            found = found or n > 0
    return found


def spots(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """(spots that differ, their pixels) of two images."""
    from scipy.ndimage import label

    differ = (before != after) & np.isfinite(after)
    return (int(label(differ, np.ones((3, 3)))[1]) if differ.any() else 0), int(differ.sum())


def squares(image: np.ndarray) -> tuple[int, float]:
    """(finite pixels, the sum of squares about their mean, for the zero of a height is chance) of an image.

    The sum is zero where pixels differ by no more than their numbers are rounded.
    """
    finite = image[np.isfinite(image)].astype(float)
    if not finite.size:
        return 0, 0.0
    variance, mean = float(finite.var()), abs(float(finite.mean()))
    rounding = ROUNDED * (np.finfo(image.dtype).eps if image.dtype.kind == "f" else np.finfo(float).eps)
    return finite.size, variance * finite.size if np.sqrt(variance) > rounding * mean else 0.0


def rms(parts: Iterable[tuple[int, float]]) -> float | None:
    """Of many images, from the `squares` of each; None where there is no finite pixel."""
    n, total = 0, 0.0
    for pixels, square in parts:
        n, total = n + pixels, total + square
    return number(float(np.sqrt(total / n))) if n else None


def spread(images: Iterable[np.ndarray]) -> float | None:
    return rms(map(squares, images))


def number(value: float) -> float | None:
    return value if np.isfinite(value) else None
