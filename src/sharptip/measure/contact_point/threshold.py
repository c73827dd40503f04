"""Threshold: the last sample that still lies in the noise about the baseline's line.

The oldest way; as in most instruments' software, and `deviation from baseline` of nanite (Müller et al., BMC
Bioinformatics 20, 465 (2019)). The line and the noise are those of the far part of the ramp.
"""

from __future__ import annotations

import numpy as np

from ..approach import Approach
from .ramp import Ramp, between, ramp_of, sums, windows

LEVEL = 8.0  # standard deviations of the baseline about its line
BASELINE = 0.6  # of the ramp, its far part, where the line is fitted
SMOOTH = 0.0  # of the ramp


def threshold(
    approach: Approach | Ramp, *, level: float = LEVEL, baseline: float = BASELINE, smooth: float = SMOOTH
) -> np.ndarray:
    """(n,) height in m at contact, NaN where the curve never leaves the noise."""
    ramp = ramp_of(approach)
    width = windows(ramp.length, smooth, 1)[:, None]
    signal = between(sums(ramp.signal), ramp.index - width // 2, ramp.index - width // 2 + width) / width
    far = (ramp.index < np.maximum(baseline * ramp.length, 10)[:, None]) & (ramp.index >= width // 2)
    n = far.sum(axis=1, keepdims=True)
    mean = [np.where(far, v, 0).sum(axis=1, keepdims=True) / n for v in (ramp.way, signal)]
    x, y = ramp.way - mean[0], signal - mean[1]
    slope = np.where(far, x * y, 0).sum(axis=1) / np.maximum(np.where(far, x * x, 0).sum(axis=1), 1e-300)
    rest = y - slope[:, None] * x
    spread = np.sqrt(np.where(far, rest**2, 0).sum(axis=1) / n[:, 0])
    above = (rest > level * np.maximum(spread, 1e-9)[:, None]) | ~ramp.inside()
    within = ~above
    last = within.shape[1] - 1 - within[:, ::-1].argmax(axis=1)
    return ramp.told(np.where(within.any(axis=1) & (last < ramp.length - 1), last, -1))
