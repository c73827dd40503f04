"""How does the sample lie under the scanner? A tilted plane, fitted and taken off."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.history import step
from .channel import Mask, mask_of, on_images
from .large_enough import fits
from .polynomial import Terms, fit

TERMS: Terms = ((0, 0), (1, 0), (0, 1))
ROUNDS = 20  # of reweighting; the weights settle in fewer
CUT = 4.685  # robust spreads beyond which a pixel has no weight: 95 % efficient on Gaussian noise (Tukey's biweight)


def plane_fit(z: np.ndarray, mask: np.ndarray | None = None, *, robust: bool = False) -> np.ndarray:
    """Plane (..., y, x) under images z (..., y, x), by least squares or, `robust`, by Tukey's biweight.

    `mask` is True where a pixel is left out; NaN pixels always are. The robust fit starts from least squares and
    bears particles scattered over the image; for large terraces use `relevel`.
    """
    weight = None if mask is None else (~mask).astype(float)
    plane = fit(z, TERMS, weight)
    if not robust:
        return plane
    base = np.ones(1) if weight is None else weight
    for _ in range(ROUNDS):
        off = np.where(base > 0, z - plane, np.nan)
        centre = _median(off)
        spread = 1.4826 * _median(np.abs(off - centre))
        width = CUT * spread
        reduced = np.where(width > 0, (off - centre) / np.where(width > 0, width, 1.0), 2.0 * (off != centre))
        weight = np.where(np.abs(reduced) < 1, (1 - reduced**2) ** 2, 0.0)
        settled, plane = plane, fit(z, TERMS, weight)
        if np.abs(plane - settled).max(initial=0.0) <= 1e-3 * np.nanmin(spread, initial=np.inf):
            break
    return plane


def _median(z: np.ndarray) -> np.ndarray:
    """Median over y and x of what is not NaN; zero where nothing is left."""
    flat = z.reshape(*z.shape[:-2], -1)
    some = np.isfinite(flat).any(axis=-1, keepdims=True)
    return np.nanmedian(np.where(some, flat, 0.0), axis=-1)[..., None, None]


@step
def plane(scan: xr.Dataset, *, channel: str = "height", mask: Mask = None, robust: bool = False) -> xr.Dataset:
    """Take a plane off a channel, each direction and frame its own.

    `mask`, a channel's name or an array (y, x), is True where a pixel is left out of the fit. Raises ChannelError
    for a channel that is not there, ScanError for one that is no image, or of two lines or columns.
    """
    left_out = mask_of(scan, channel, mask)
    return on_images(
        scan, channel, lambda z: (fits(z, "a plane", (1, 1)) - plane_fit(z, left_out, robust=robust)).astype(z.dtype)
    )
