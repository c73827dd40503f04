"""How much higher or lower does each scan line sit than its neighbours, for no reason of the sample's?"""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import step
from .channel import Mask, mask_of, on_images

Method = Literal["median", "difference"]


def row_offsets(z: np.ndarray, method: Method = "median", mask: np.ndarray | None = None) -> np.ndarray:
    """Offset of each line, (..., y, 1) in the unit of z (..., y, x), with zero median over the lines.

    "median": the line's median. "difference": the running sum of the medians of z(y) − z(y−1), which features that
    go on from line to line do not bend; lost lines are bridged. `mask` is True where a pixel is left out. A line
    without any pixel left has offset zero.
    """
    if method not in ("median", "difference"):
        raise ScanError(f"there is no row alignment {method!r}; there are 'median' and 'difference'")
    if mask is not None:
        z = np.where(mask, np.nan, z)
    if method == "median":
        offsets = row_median(z)
    else:
        frames = z.reshape(-1, *z.shape[-2:])
        offsets = np.stack([_running(frame) for frame in frames]).reshape(z.shape[:-1])
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


def _running(z: np.ndarray) -> np.ndarray:
    """Offsets (y,) of one image from the medians of the differences of neighbouring lines that are there."""
    out = np.full(len(z), np.nan)
    there = np.flatnonzero(np.isfinite(z).any(axis=1))
    if len(there) == 0:
        return out
    steps = row_median(np.diff(z[there], axis=0))
    out[there] = np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))])
    return out


@step
def rows(scan: xr.Dataset, *, channel: str = "height", method: Method = "median", mask: Mask = None) -> xr.Dataset:
    """Bring the lines of a channel to one level, by their "median" or by the median "difference" of neighbours.

    `mask`, a channel's name or an array (y, x), is True where a pixel is left out. The level of the whole image stays.
    Raises ChannelError for a channel that is not there, ScanError for one that is no image or an unknown method.
    """
    left_out = mask_of(scan, channel, mask)
    return on_images(scan, channel, lambda z: (z - row_offsets(z, method, left_out)).astype(z.dtype))
