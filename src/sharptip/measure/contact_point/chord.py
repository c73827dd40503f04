"""Farthest from the chord: the sample of a curve that lies farthest below the line from its start to its end.

Where both axes run from 0 to 1 that is where the curve turns; `frechet direct path` of nanite (Müller et al., BMC
Bioinformatics 20, 465 (2019)), the knee of Satopää et al. (ICDCSW 2011). It needs no noise level, and sits too deep on
soft samples; less so where only the part up to `deepest` of the rise is looked at.
"""

from __future__ import annotations

import numpy as np

from ..approach import Approach
from .ramp import Ramp, ramp_of, until

DEEPEST = 0.5


def farthest_from_chord(approach: Approach | Ramp, *, deepest: float = DEEPEST) -> np.ndarray:
    """(n,) height in m at contact, NaN where none is seen; of the part up to `deepest` of the rise."""
    ramp = ramp_of(approach)
    end = np.maximum(until(ramp, deepest) - 1, 1)
    rows = np.arange(len(end))
    slope = ramp.signal[rows, end] / np.maximum(ramp.way[rows, end], 1e-9)
    below = slope[:, None] * ramp.way - ramp.signal
    return ramp.told(np.where(ramp.index <= end[:, None], below, -np.inf).argmax(axis=1))
