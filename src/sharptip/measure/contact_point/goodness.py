"""Goodness of fit, and of fit and variances: the trial contact behind which a law of contact fits best.

Successive search of Gavara, Sci. Rep. 6, 21267 (2016), doi 10.1038/srep21267: for each trial point, force and way are
counted from there, F = c·δⁿ is fitted, and r² is the score. He combines such scores with the ratio of variances; here
that is their product, called `goodness of variances`, a name that is no standard.
"""

from __future__ import annotations

import numpy as np

from ..approach import Approach
from .ramp import Ramp, between, ramp_of, sums, until, windows
from .variances import DEEPEST, WINDOW, ratio

TRIALS = 128
SAMPLES = 96  # of the part behind a trial point
EXPONENTS = (1.0, 1.5, 2.0)  # hard sample, round tip, sharp tip: the one with the best r² is taken
UNTIL, UNTIL_BOTH = 0.3, 1.0  # of the rise: what is deeper is not fitted


def goodness_of_fit(approach: Approach | Ramp, *, deepest: float = UNTIL) -> np.ndarray:
    """(n,) height in m at the trial point with the best r², NaN where none is seen."""
    ramp = ramp_of(approach)
    trials, r2 = scores(ramp, deepest)
    return ramp.told(trials[np.arange(len(trials)), r2.argmax(axis=1)])


def goodness_of_variances(
    approach: Approach | Ramp, *, deepest: float = UNTIL_BOTH, window: float = WINDOW
) -> np.ndarray:
    """(n,) height in m where the product of r² and of the ratio of variances is largest, NaN where none is seen."""
    ramp = ramp_of(approach)
    trials, r2 = scores(ramp, deepest)
    rov = np.take_along_axis(ratio(ramp, window, until(ramp, min(DEEPEST, deepest))), trials, axis=1)
    rov = np.where(np.isfinite(rov), rov, 0.0)
    rov = rov / np.maximum(rov.max(axis=1, keepdims=True), 1e-300)
    return ramp.told(trials[np.arange(len(trials)), (np.maximum(r2, 0) * rov).argmax(axis=1)])


def scores(ramp: Ramp, deepest: float) -> tuple[np.ndarray, np.ndarray]:
    """Trial samples (n, trials) up to a third of the part that is fitted, and the best r² behind each."""
    stop = until(ramp, deepest)
    line = _line(ramp)
    width = windows(ramp.length, 0.005, 1)[:, None]
    smooth = between(sums(ramp.signal), ramp.index - width // 2, ramp.index - width // 2 + width) / width
    low, high = 0.05 * stop, until(ramp, deepest / 3).clip(max=stop - 6)
    trials = np.rint(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, TRIALS)).astype(int).clip(min=0)
    r2 = np.full(trials.shape, -np.inf)
    for t in range(TRIALS):
        at = trials[:, t : t + 1]
        some = np.rint(at + (stop[:, None] - 1 - at) * np.linspace(0, 1, SAMPLES)).astype(int).clip(min=0)
        x = np.take_along_axis(ramp.way, some, axis=1) - np.take_along_axis(ramp.way, at, axis=1)
        y = np.take_along_axis(smooth, some, axis=1) - np.take_along_axis(smooth, at, axis=1) - line[:, None] * x
        r2[:, t] = np.max([_explained(np.maximum(x, 0) ** n, y) for n in EXPONENTS], axis=0)
    return trials, r2


def _line(ramp: Ramp) -> np.ndarray:
    """(n,) slope of the far third of the ramp."""
    n = np.maximum(ramp.length // 3, 5)[:, None]
    zero = np.zeros_like(n)
    x, y = ramp.way, ramp.signal
    sx, sy, sxx, sxy = (between(sums(v), zero, n)[:, 0] / n[:, 0] for v in (x, y, x * x, x * y))
    return (sxy - sx * sy) / np.maximum(sxx - sx * sx, 1e-18)


def _explained(shape: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) share of the squares of y about its mean that c·shape explains."""
    left = (y**2).sum(axis=1) - (shape * y).sum(axis=1) ** 2 / np.maximum((shape**2).sum(axis=1), 1e-300)
    return 1 - left / np.maximum(((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1), 1e-300)
