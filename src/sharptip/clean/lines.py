"""Does every scan line have a slope or a bow of its own? A polynomial in x, fitted to each line by itself."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.polynomial import legendre

from ..core.history import step
from .channel import Mask, mask_of, on_images
from .large_enough import large_enough, smooth


def line_fit(z: np.ndarray, degree: int = 1, mask: np.ndarray | None = None) -> np.ndarray:
    """Polynomial (..., y, x) of `degree` in x for each line of z (..., y, x), by least squares.

    `mask` is True where a pixel is left out; NaN pixels always are. A line with too few pixels for the degree gets the
    lower one that they allow, and a line with none zero.
    """
    smooth(degree)
    n = z.shape[-1]
    basis = legendre.legvander(np.linspace(-1, 1, n) if n > 1 else np.zeros(1), min(degree, n - 1))
    good = np.isfinite(z) if mask is None else np.isfinite(z) & ~mask
    if good.all():
        return (z @ np.linalg.pinv(basis).T) @ basis.T
    weight = good.astype(float)
    pairs = (basis[:, :, None] * basis[:, None, :]).reshape(n, -1)
    gram = (weight @ pairs).reshape(*z.shape[:-1], basis.shape[1], basis.shape[1])
    right = np.where(good, z, 0.0) @ basis
    c = (np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ right[..., None])[..., 0]
    return c @ basis.T


@step
def lines(scan: xr.Dataset, *, channel: str = "height", degree: int = 1, mask: Mask = None) -> xr.Dataset:
    """Take a polynomial in x off every line of a channel, each line its own.

    `mask`, a channel's name or an array (y, x), is True where a pixel is left out: without it, particles leave a shadow
    on their lines. Raises ChannelError for a channel that is not there, ScanError for one that is no image, or whose
    lines are too short for the degree.
    """
    left_out = mask_of(scan, channel, mask)
    what = f"a polynomial of degree {degree} for every line"
    return on_images(
        scan, channel, lambda z: (large_enough(z, what, 1, degree + 2) - line_fit(z, degree, left_out)).astype(z.dtype)
    )
