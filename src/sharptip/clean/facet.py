"""Which flat parts are there, and how do they lie? The image is turned until most of its facets are level.

The slopes of neighbours are averaged with weights that fall with their distance from the slope found so far, and
narrower from round to round: on a crystal with many steps, the terraces win over the mean slope of the staircase.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.history import step
from .channel import each_image, on_images
from .large_enough import large_enough

ROUNDS = 30
NARROWEST = 0.05  # of the first spread of the slopes; where the narrowing ends


def facet_fit(z: np.ndarray) -> np.ndarray:
    """Plane (y, x) through zero with the slopes of the flat parts of one image z (y, x)."""
    ny, nx = z.shape
    if ny < 2 or nx < 2:
        return np.zeros(z.shape)
    here = z[:-1, :-1]
    along = ((z[:-1, 1:] - here) + (z[1:, 1:] - z[1:, :-1])).ravel() / 2
    down = ((z[1:, :-1] - here) + (z[1:, 1:] - z[:-1, 1:])).ravel() / 2
    known = np.isfinite(along) & np.isfinite(down)
    along, down = along[known], down[known]
    if along.size == 0:
        return np.zeros(z.shape)
    bx, by = float(np.median(along)), float(np.median(down))
    width = float(np.sqrt(np.mean((along - bx) ** 2 + (down - by) ** 2)))
    least = NARROWEST * width
    for _ in range(ROUNDS):
        if width <= 0:
            break
        weight = np.exp(-((along - bx) ** 2 + (down - by) ** 2) / (2 * width**2))
        total = float(weight.sum())
        if not total > 0:
            break
        moved = float(weight @ along) / total, float(weight @ down) / total
        settled = max(abs(moved[0] - bx), abs(moved[1] - by)) < 1e-6 * width
        bx, by = moved
        if settled and width <= least:
            break
        width = max(0.8 * width, least)
    return bx * np.arange(nx)[None, :] + by * np.arange(ny)[:, None]


@step
def facet(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """Level a channel so that its largest flat facets are horizontal; the mean height of the image stays.

    For steps and crystal faces, where a plane through everything tilts the terraces. Noise that is steeper than the
    facets hides them: coarsen first. Where no facet dominates (grains, a rough surface) it is the tilt of some of them
    that is levelled, by chance, and the image may become steeper than it was: use `plane`. Raises ChannelError for a
    channel that is not there, ScanError for one that is no image, or of fewer than 8 lines or columns.
    """

    def change(image: np.ndarray) -> np.ndarray:
        plane = facet_fit(large_enough(image, "facet"))
        return image - (plane - plane.mean())

    return on_images(scan, channel, lambda z: each_image(z, change))
