"""How much higher or lower does each scan line sit than its neighbours, for no reason of the sample's?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import step
from .channel import Mask, mask_of, on_images
from .large_enough import large_enough

Method = Literal["median", "difference", "trimmed", "matching"]
METHODS: dict[str, str] = {
    "median": "the line's median",
    "trimmed": "the line's mean without its highest and lowest quarter",
    "difference": "the running sum of the medians of z(y) − z(y−1), which features across many lines do not bend",
    "matching": "the running sum of the means of z(y) − z(y−1), steep places weighing little",
}
TRIM = 0.25  # of a line's pixels at either end of its heights


def row_offsets(z: np.ndarray, method: Method = "median", mask: np.ndarray | None = None) -> np.ndarray:
    """Offset of each line, (..., y, 1) in the unit of z (..., y, x), with zero median over the lines.

    Each method of METHODS is an estimate of how high a line lies; those of differences bridge lost lines. `mask` is
    True where a pixel is left out. A line without any pixel left has offset zero.
    """
    if method not in METHODS:
        raise ScanError(f"there is no row alignment {method!r}; there are {', '.join(map(repr, METHODS))}")
    if mask is not None:
        z = np.where(mask, np.nan, z)
    if method == "median":
        offsets = row_median(z)
    elif method == "trimmed":
        offsets = row_trimmed(z)
    else:
        step_of = row_median if method == "difference" else _matching
        frames = z.reshape(-1, *z.shape[-2:])
        offsets = np.stack([_running(frame, step_of) for frame in frames]).reshape(z.shape[:-1])
    known = np.isfinite(offsets)
    middle = np.nanmedian(np.where(known.any(axis=-1, keepdims=True), offsets, 0.0), axis=-1, keepdims=True)
    return np.where(known, offsets - middle, 0.0)[..., None]


def row_median(z: np.ndarray) -> np.ndarray:
    """Median along x of what is not NaN; NaN for a line that is lost. z (..., y, x) → (..., y)."""
    gaps = np.isnan(z).sum(axis=-1)
    out = np.full(z.shape[:-1], np.nan)
    whole, partly = gaps == 0, (gaps > 0) & (gaps < z.shape[-1])
    if whole.all():
        return np.median(z, axis=-1).astype(float)
    out[whole] = np.median(z[whole], axis=-1)
    if partly.any():
        out[partly] = np.nanmedian(z[partly], axis=-1)
    return out


def row_trimmed(z: np.ndarray) -> np.ndarray:
    """Mean along x of what is not NaN, without the highest and lowest quarter; NaN for a line that is lost."""
    ordered = np.sort(z, axis=-1)  # NaN last
    known = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    place = np.arange(z.shape[-1])
    cut = np.floor(TRIM * known)
    kept = (place >= cut) & (place < known - cut)
    total = np.where(kept, ordered, 0.0).sum(axis=-1)
    number = kept.sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _running(z: np.ndarray, step_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Offsets (y,) of one image from the steps between neighbouring lines that are there."""
    out = np.full(len(z), np.nan)
    there = np.flatnonzero(np.isfinite(z).any(axis=1))
    if len(there) == 0:
        return out
    steps = step_of(np.diff(z[there], axis=0))
    out[there] = np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))])
    return out


def _matching(apart: np.ndarray) -> np.ndarray:
    """Mean along x of differences (y, x) of two lines, weighted down where they change from pixel to pixel."""
    change = np.abs(np.diff(apart, axis=1, append=apart[:, -1:]))
    usual = np.nanmedian(change) if np.isfinite(change).any() else 0.0
    weight = np.exp(-change / usual) if usual > 0 else np.ones(apart.shape)
    weight = np.where(np.isfinite(apart) & np.isfinite(weight), weight, 0.0)
    total = weight.sum(axis=1)
    return np.where(total > 0, (weight * np.nan_to_num(apart)).sum(axis=1) / np.maximum(total, 1e-300), np.nan)


@step
def rows(scan: xr.Dataset, *, channel: str = "height", method: Method = "median", mask: Mask = None) -> xr.Dataset:
    """Bring the lines of a channel to one level: by their "median" or "trimmed" mean, or by the median "difference" or
    the weighted "matching" of neighbours.

    `mask`, a channel's name or an array (y, x), is True where a pixel is left out. The level of the whole image stays.
    Raises ChannelError for a channel that is not there, ScanError for one that is no image, lines of
    fewer than 8 pixels, or an unknown method.
    """
    left_out = mask_of(scan, channel, mask)
    return on_images(
        scan, channel, lambda z: (large_enough(z, "rows", 1) - row_offsets(z, method, left_out)).astype(z.dtype)
    )
