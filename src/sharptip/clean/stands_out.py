"""Is there a substrate in what was found, or only a part of a rough surface that was taken for one?

A substrate is a level far narrower than the image's heights, on which far more pixels lie than its width would hold
by chance. On grains, atoms and rough surfaces the fullest level is as wide as the surface itself, or holds only what
chance puts there. How little a wrong answer matters counts too: a levelling that spreads the heights no more than
plain least squares do needs no evidence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .neighbours import REACH
from .substrate import Substrate

NARROW = 0.33  # of the standard deviation of all heights: a level that is wider is the surface itself
CROWDED = 0.6  # share of the pixels on the levels, times the root of how much more that is than by chance
WIDE = 4.65  # standard deviations that hold 98 % of a Gaussian's heights
CERTAIN = 1.0  # of the same, where there are no more than two levels
NOISY = 1.4  # times the noise of a pixel: a level as narrow as that is flat, and if it holds
MOSTLY = 0.8  # of the pixels, all of the image is substrate
EVEN = 1.2, 0.25  # times the noise of a pixel, share of the pixels: no grain is so flat; dense particles leave so much
HARMLESS = 1.03, 1.25  # times the spread that plain least squares leave: a narrow level; a better one


class Evidence(NamedTuple):
    """Whether the levels that were found are a substrate beyond doubt; if not, by how many times the levelling they
    lead to may spread the heights more than plain least squares do, to be believed nevertheless."""

    sure: bool
    harmless: float = 0.0


def stands_out(heights: np.ndarray, found: Substrate, noise: float) -> Evidence:
    """How sure it is that `found` among `heights` (n,), which may be NaN, is a substrate. noise: of a pixel."""
    heights = heights[np.isfinite(heights)]
    spread = float(np.std(heights))
    if not spread > 0:
        return Evidence(True)
    levels = (found.level, *found.terraces)
    on = np.zeros(heights.shape, bool)
    for level in levels:
        on |= np.abs(heights - heights.dtype.type(level)) <= REACH * found.spread
    share = np.count_nonzero(on) / heights.size
    flat = found.spread <= NOISY * noise
    if flat and share > MOSTLY:
        return Evidence(True)
    by_chance = min(1.0, len(levels) * 2 * REACH * found.spread / (WIDE * spread))
    narrow = found.spread < NARROW * spread
    crowd = share * (share / max(by_chance, 1e-9)) ** 0.5
    even = found.spread <= EVEN[0] * noise and share > EVEN[1]
    sure = narrow and (even or crowd > (CROWDED if len(levels) > 2 else CERTAIN))
    return Evidence(bool(sure), HARMLESS[int(narrow and (flat or crowd > CROWDED))] if narrow or flat else 0.0)
