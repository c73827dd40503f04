"""Piecewise fits: a straight baseline and what grows out of it, with the joint where the squares are least.

Broken line: a line and a steeper line. Line and parabola: behind the joint a·x + b·x², which takes the laws of all
tips, from a cone on something soft to anything on something hard. Rudoy, Yuen, Howe, Wolfe, J. R. Stat. Soc. C
59, 573 (2010); Lin, Dimitriadis, Horkay, J. Biomech. Eng. 129, 430 (2007). Samples are tried in rounds, ever finer; the
squares come from running sums, so a trial costs the same however long the curve is.
"""

from __future__ import annotations

import numpy as np

from ..approach import Approach
from .ramp import Ramp, between, ramp_of, sums, until

TRIALS = 96
UNTIL_LINES = 0.2  # of the rise: what is deeper is not fitted
UNTIL_PARABOLA = 0.7
RIDGE = 1e-12


def broken_line(approach: Approach | Ramp, *, deepest: float = UNTIL_LINES) -> np.ndarray:
    """(n,) height in m at the joint of two lines, NaN where none is seen; fitted up to `deepest` of the rise."""
    return _joint(approach, (1,), deepest)


def line_and_parabola(approach: Approach | Ramp, *, deepest: float = UNTIL_PARABOLA) -> np.ndarray:
    """(n,) height in m at the joint of a line and a parabola, NaN where none is seen; up to `deepest` of the rise."""
    return _joint(approach, (1, 2), deepest)


def _joint(approach: Approach | Ramp, powers: tuple[int, ...], deepest: float) -> np.ndarray:
    ramp = ramp_of(approach)
    stop = until(ramp, deepest)
    fit = Squares(ramp, stop, powers)
    low, high = np.full(len(stop), 3), np.maximum(stop - 3, 4)
    for _ in range(3):
        trials = np.rint(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, TRIALS)).astype(int)
        best = fit.left(trials).argmin(axis=1)
        rows = np.arange(len(stop))
        low, high = trials[rows, np.maximum(best - 1, 0)], trials[rows, np.minimum(best + 1, TRIALS - 1)]
        if (high - low).max(initial=0) <= 2:
            break
    return ramp.told(trials[rows, best])


class Squares:
    """Sums of squares that are left after the best fit with a joint at given samples."""

    def __init__(self, ramp: Ramp, stop: np.ndarray, powers: tuple[int, ...]):
        inside = ramp.index < stop[:, None]
        self.powers, self.stop = powers, stop[:, None]
        self.way = ramp.way
        w, s = np.where(inside, ramp.way, 0.0), np.where(inside, ramp.signal, 0.0)
        self.moments = [sums(np.where(inside, ramp.way**m, 0.0)) for m in range(2 * max(powers) + 1)]
        self.signals = [sums(s * w**m) for m in range(max(powers) + 1)]
        self.squares = (s**2).sum(axis=1)[:, None]

    def left(self, trials: np.ndarray) -> np.ndarray:
        """(n, trials) squares left with the joint at samples trials (n, trials)."""
        at = np.take_along_axis(self.way, trials, axis=1)
        size = 2 + len(self.powers)
        a = np.zeros((*trials.shape, size, size))
        b = np.zeros((*trials.shape, size))
        start = np.zeros_like(trials)
        for i in range(2):
            b[..., i] = between(self.signals[i], start, trials * 0 + self.stop)
            for j in range(2):
                a[..., i, j] = between(self.moments[i + j], start, trials * 0 + self.stop)
        for n, p in enumerate(self.powers, 2):
            b[..., n] = self._behind(self.signals, 0, p, at, trials)
            for i in range(2):
                a[..., i, n] = a[..., n, i] = self._behind(self.moments, i, p, at, trials)
            for m, q in enumerate(self.powers, 2):
                a[..., n, m] = self._behind(self.moments, 0, p + q, at, trials)
        scale = np.sqrt(np.maximum(np.einsum("...ii->...i", a), 1e-300))
        a = a / scale[..., :, None] / scale[..., None, :] + RIDGE * np.eye(size)
        b = b / scale
        return self.squares - (b * np.linalg.solve(a, b[..., None])[..., 0]).sum(axis=-1)

    def _behind(
        self, running: list[np.ndarray], order: int, power: int, at: np.ndarray, trials: np.ndarray
    ) -> np.ndarray:
        """Σ way^order · (way − at)^power over the samples behind the joint, by the binomial theorem."""
        stop, total = trials * 0 + self.stop, np.zeros(at.shape)
        binomial = 1.0
        for k in range(power + 1):
            total += binomial * (-at) ** (power - k) * between(running[order + k], trials, stop)
            binomial *= (power - k) / (k + 1)
        return total
