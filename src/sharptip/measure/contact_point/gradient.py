"""Gradient: where the local slope leaves the baseline's for good, by two alarms.

Benítez, Moreno-Flores, Bolós, Toca-Herrera, Microsc. Res. Tech. 76, 870 (2013): slopes of lines that are fitted in a
running window; from the deep end back, the first window whose slope is no more than `low` noise levels above the
baseline's, among those before the slope has passed `high` noise levels for good. Contact is in its middle.
"""

from __future__ import annotations

import numpy as np

from ..approach import Approach
from .ramp import Ramp, between, median, ramp_of, sums, windows

WINDOW = 0.02  # of the ramp
LOW, HIGH = 8.0, 20.0  # noise levels of the slope in the baseline
BASELINE = 0.4  # of the ramp, its far part


def gradient(approach: Approach | Ramp, *, window: float = WINDOW, low: float = LOW, high: float = HIGH) -> np.ndarray:
    """(n,) height in m at contact, NaN where the slope never leaves the baseline's."""
    ramp = ramp_of(approach)
    slope, fits = slopes(ramp, window)
    far = fits & (ramp.index < BASELINE * ramp.length[:, None])
    middle = median(slope, far)[:, None]
    spread = 1.4826 * median(np.abs(slope - middle), far)[:, None] + 1e-9
    above = (slope - middle) / spread
    alarm = _last(fits & (above < high)) + 1  # for good from here on
    quiet = _last(fits & (above < low) & (ramp.index <= alarm[:, None]))
    middle_of = quiet + windows(ramp.length, window, 5) // 2
    return ramp.told(np.where((alarm < ramp.length) & (quiet >= 0), middle_of, -1))


def slopes(ramp: Ramp, window: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, samples) slope of the line through the window that begins at each sample, and whether the window fits."""
    w = windows(ramp.length, window, 5)[:, None]
    i = ramp.index + np.zeros_like(w)
    x, y = ramp.way, ramp.signal
    sx, sy, sxx, sxy = (between(sums(v), i, i + w) / w for v in (x, y, x * x, x * y))
    return (sxy - sx * sy) / np.maximum(sxx - sx * sx, 1e-18), i + w <= ramp.length[:, None]


def _last(which: np.ndarray) -> np.ndarray:
    """(n,) index of the last that is true, −1 where none is."""
    last = which.shape[1] - 1 - which[:, ::-1].argmax(axis=1)
    return np.where(which.any(axis=1), last, -1)
