"""Ratio of variances (Gavara 2016): contact is where the windows before and after vary most differently.

Gavara, Sci. Rep. 6, 21267 (2016), doi 10.1038/srep21267. The ratio is that of the variance of the deflection in a
window behind a sample to that in a window before it.
"""

from __future__ import annotations

import numpy as np

from ..approach import Approach
from .ramp import Ramp, between, ramp_of, sums, until, windows

WINDOW = 0.025  # of the curve, each window
DEEPEST = 0.6  # of the rise, beyond which contact is not looked for


def ratio_of_variances(approach: Approach | Ramp, *, window: float = WINDOW, deepest: float = DEEPEST) -> np.ndarray:
    """(n,) height in m at contact, NaN where none is seen. window: share of the curve's samples on either side."""
    ramp = ramp_of(approach)
    return ramp.told(np.argmax(ratio(ramp, window, until(ramp, deepest)), axis=1) - 1)  # the last quiet sample


def ratio(ramp: Ramp, window: float, stop: np.ndarray) -> np.ndarray:
    """(n, samples) variance behind over variance before; −∞ where a window does not fit, and from sample `stop` on."""
    w = windows(ramp.length, window, 5)[:, None]
    i = ramp.index + np.zeros_like(w)
    first, second = sums(ramp.signal), sums(ramp.signal**2)

    def variance(start: np.ndarray) -> np.ndarray:
        mean = between(first, start, start + w) / w
        return np.maximum(between(second, start, start + w) / w - mean**2, 0)

    floor = np.maximum(ramp.noise[:, None] ** 2, 1e-12) / w  # a quiet stretch must not win by chance
    fits = (i >= w) & (i + w < ramp.length[:, None]) & (i < stop[:, None])
    return np.where(fits, variance(i + 1) / (variance(i - w) + floor), -np.inf)
