"""Where is the background, so that particles and terraces do not bend it when it is levelled?

Level, mask what stands out, level on the rest, and again until the mask stays. The start is a plane through the
median slopes, which neither particles nor steps can move, because they touch few differences of neighbours.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.history import step
from .channel import on_images
from .large_enough import large_enough
from .polynomial import Terms, fit

ROUNDS = 20
CORE = 0.3  # share of the pixels whose narrowest range of heights is taken as the core of the background
REACH = 3.5  # standard deviations from the core's middle that still are background
CORE_WIDTH = 2 * 0.385  # width in standard deviations of the middle 30 % of a Gaussian


def background(z: np.ndarray, degree: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Background of one image z (y, x) and the mask (y, x), True where a pixel is none of it.

    The background is the largest population of heights, at least about a third of the image, and a polynomial of
    total `degree` (1: a plane). NaN pixels are masked.
    """
    terms: Terms = tuple((i, j) for i in range(degree + 1) for j in range(degree + 1 - i))
    level = _median_plane(z)
    mask = np.ones(z.shape, bool)
    for _ in range(ROUNDS):
        fresh = _standing_out(z - level)
        if np.array_equal(fresh, mask):
            break
        mask = fresh
        level = fit(z, terms, (~mask).astype(float))
    return level, mask


def _median_plane(z: np.ndarray) -> np.ndarray:
    """The plane through zero with the median slopes of z over a sixteenth of its size."""
    level = np.zeros(z.shape)
    for axis, n in enumerate(z.shape):
        lag = max(n // 16, 1)
        if n <= lag:
            continue
        ahead, behind = (z[lag:], z[:-lag]) if axis == 0 else (z[:, lag:], z[:, :-lag])
        rise = (ahead - behind).astype(float)
        rise = rise[np.isfinite(rise)]
        if rise.size:
            ramp = np.arange(n) * (np.median(rise) / lag)
            level += ramp[:, None] if axis == 0 else ramp[None, :]
    return level


def _standing_out(residual: np.ndarray) -> np.ndarray:
    """True outside the background: the core is the narrowest range that holds a share CORE of the heights."""
    values = np.sort(residual[np.isfinite(residual)])
    if values.size == 0:
        return np.ones(residual.shape, bool)
    inside = max(int(CORE * values.size), 1)
    width = values[inside:] - values[:-inside] if values.size > inside else np.zeros(1)
    first = int(np.argmin(width))
    middle = float(np.median(values[first : first + inside + 1]))
    rounding = 1e-9 * float(values[-1] - values[0])  # a noiseless image has no spread of its own
    allowed = max(REACH * float(width[first]) / CORE_WIDTH, rounding)
    return ~(np.abs(residual - middle) <= allowed)


def relevel_fit(z: np.ndarray, degree: int = 1) -> np.ndarray:
    """`background` of every image of z (..., y, x), without the masks."""
    frames = z.reshape(-1, *z.shape[-2:])
    return np.stack([background(frame, degree)[0] for frame in frames]).reshape(z.shape)


@step
def relevel(scan: xr.Dataset, *, channel: str = "height", degree: int = 1) -> xr.Dataset:
    """Level a channel on its background alone, which is found by iteration and ends at height zero.

    `degree` is that of the polynomial in x and y together. Raises ChannelError for a channel that is not there,
    ScanError for one that is no image, or of fewer than 8 lines or columns.
    """
    return on_images(scan, channel, lambda z: (large_enough(z, "relevel") - relevel_fit(z, degree)).astype(z.dtype))
