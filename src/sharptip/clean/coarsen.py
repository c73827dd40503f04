"""What is on the whole scan, whatever its pixels? The scan on fewer and larger ones, its size left aside."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.history import step
from ..core.units import PIXEL
from .channel import on_images

VIEW = 128  # pixels; the shorter side ends between this and twice this


@step
def coarsen(scan: xr.Dataset, *, channel: str = "height", view: int = VIEW) -> xr.Dataset:
    """The channel alone, its pixels averaged two by two until the shorter side is below twice `view`.

    The axes are then in pixels and the scan says that its size is unknown: for questions about a pattern that knows no
    length. Missing pixels are left out of the means. A scan below `view` keeps its pixels. Raises ChannelError for a
    channel that is not there, ScanError for one that is no image.
    """
    out = on_images(scan, channel, lambda z: z)[[channel]]
    dims, values = out[channel].dims, out[channel].transpose(..., "y", "x").values
    while min(values.shape[-2:]) >= 2 * view:
        values = halved(values)
    coords = {d: xr.Variable((d,), np.arange(n, dtype=float), {"units": PIXEL})
              for d, n in zip(("y", "x"), values.shape[-2:], strict=True)}  # fmt: skip
    moved = (*(d for d in dims if d not in ("y", "x")), "y", "x")
    image = xr.Variable(moved, values, scan[channel].attrs).transpose(*dims)
    others = {d: scan[d].variable for d in moved[:-2] if d in scan.coords}
    return xr.Dataset({channel: image}, {**others, **coords}, {**scan.attrs, "size": "unknown"})


def halved(z: np.ndarray) -> np.ndarray:
    """Means of two by two pixels: (..., y, x) → (..., y//2, x//2); NaN only where all four are."""
    h, w = z.shape[-2] // 2, z.shape[-1] // 2
    two = z[..., : 2 * h : 2, :] + z[..., 1 : 2 * h : 2, :]
    means = (two[..., : 2 * w : 2] + two[..., 1 : 2 * w : 2]) / 4
    if np.isfinite(means).all():
        return means
    four = np.stack([z[..., i : 2 * h : 2, j : 2 * w : 2] for i in (0, 1) for j in (0, 1)])
    known = np.isfinite(four)
    total = np.where(known, four, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
