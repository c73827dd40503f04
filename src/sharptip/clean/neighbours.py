"""What do differences of neighbours say of the instrument? Features on the sample hardly move it.

A particle has as much uphill as downhill, and a terrace is level. So most pairs of pixels that lie close together are
apart by what the background and the line offsets are: the mean of the pairs near the median, and nearer and nearer, is
that. Pairs further apart say the same more precisely, once those at hand have said roughly where to look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import diags_array
from scipy.sparse.linalg import splu

SAMPLE = 2**13  # values from which a spread is taken
REACH = 2.5  # standard deviations of the noise that still are near
NARROWEST_FIFTH = 0.2533  # standard deviations within which a fifth of a Gaussian lies
NARROWER = 3  # looks at what is near the median, each from a better middle
BLOCKS = 8  # along each side, for slopes
ALONG = (4, 8, 16, 32)  # pixels between the two of a pair on one line
ACROSS = (1, 3, 9, 27)  # lines between the two of a pair in one column
ENOUGH = 128  # columns that are looked at for lines further apart
FEWEST = 8  # pairs from which a difference is believed


def near(
    values: np.ndarray, middle: np.ndarray, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mean of what lies near `middle` in each row, their number, their deviations (zero elsewhere), and how near.

    Near is what the noise explains: REACH standard deviations of the narrowest fifth of the deviations, and `most`.
    """
    off = values - middle[:, None].astype(values.dtype)
    some = np.abs(off[:, :: max(1, off.size // SAMPLE)])
    some = np.where(np.isfinite(some), some, np.inf).ravel()
    place = int(0.2 * (np.isfinite(some).sum() - 1))
    width = REACH * float(np.partition(some, place)[place]) / NARROWEST_FIFTH if place >= 0 else np.inf
    width = max(min(width, most), 1e-300)
    close = np.abs(off) <= width
    kept = np.where(close, off, off.dtype.type(0))
    number = np.count_nonzero(close, axis=1)
    return middle + kept.sum(axis=1, dtype=float) / np.maximum(number, 1), number, kept, width


def flat_parts(z: np.ndarray, rounding: float) -> tuple[np.ndarray, float]:
    """Pixels (y, x) whose two neighbours along the line differ by no more than noise does, and the noise.

    Nothing that moves whole lines matters here. What is not flat is the flank of something, at whatever height.
    `rounding` is the least noise there can be.
    """
    good = np.isfinite(z)
    if z.shape[1] < 3:
        return good, rounding
    apart = np.abs(z[:, 2:] - z[:, :-2])
    some = apart.ravel()[:: max(1, apart.size // SAMPLE) | 1]
    some = some[np.isfinite(some)]
    if some.size == 0:
        return good, rounding
    place = int(0.2 * (some.size - 1))
    noise = max(float(np.partition(some, place)[place]) / (NARROWEST_FIFTH * np.sqrt(2)), rounding)
    flat = good
    flat[:, 1:-1] &= apart <= REACH * np.sqrt(2) * noise
    return (flat, noise) if np.count_nonzero(flat) >= FEWEST else (np.isfinite(z), noise)


# Along the line: slopes of the background ------------------------------------------------------------------------


@dataclass(frozen=True)
class Slopes:
    """Coefficients of the background's terms, and the inverse of their covariance."""

    coefficients: np.ndarray  # (term,)
    certainty: np.ndarray  # (term, term)
    width: float = np.inf  # how near the pairs were that were believed


def slopes(z: np.ndarray, x: np.ndarray, y: np.ndarray, terms: list[tuple[int, int]], rounding: float) -> Slopes:
    """The polynomial of `terms`, powers of (y, x), whose slopes along x are those of the flat parts of z (y, x)."""
    found = Slopes(np.zeros(len(terms)), np.zeros((len(terms), len(terms))))
    for lag in ALONG:
        if lag != 1 and 4 * lag > z.shape[1]:
            lag = max(1, z.shape[1] // 4) if lag == ALONG[0] else 0
        if terms and lag and z.shape[1] > 2 * lag:
            found = _slopes(z, x, y, terms, rounding, lag, found)
    return found


def _slopes(
    z: np.ndarray, x: np.ndarray, y: np.ndarray, terms: list[tuple[int, int]], rounding: float, lag: int, before: Slopes
) -> Slopes:
    """The slopes from pairs `lag` pixels apart, in blocks; the ones found before say where to look."""
    rise = z[:, lag:] - z[:, :-lag]
    rows, columns = min(BLOCKS, len(z)), min(BLOCKS, rise.shape[1])
    high, wide = len(z) // rows, rise.shape[1] // columns
    blocks = rise[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    blocks = blocks[:, :: max(1, high // 16)]  # neighbouring lines say nearly the same
    blocks = blocks.transpose(0, 2, 1, 3).reshape(rows * columns, -1)
    design = np.zeros((rows * columns, len(terms)))
    for k, (i, j) in enumerate(terms):
        climb = (x[lag:] ** j - x[:-lag] ** j)[: columns * wide].reshape(columns, wide).mean(axis=1)
        at = (y[: rows * high] ** i).reshape(rows, high).mean(axis=1)
        design[:, k] = (at[:, None] * climb).ravel()
    c = before.coefficients
    if not before.certainty.any():
        c = _robust(design, _median(blocks), np.ones(len(blocks)))
    for _ in range(NARROWER if not before.certainty.any() else 1):
        means, number, _, width = near(blocks, design @ c, before.width)
        c = _robust(design, means, np.sqrt(number))
    off = (means - design @ c)[number > 0]
    spread = max(1.4826 * float(np.median(np.abs(off))) if off.size else 0.0, rounding)
    return Slopes(c, design.T @ design / spread**2 if spread > 0 else np.zeros((len(c), len(c))), width)


def _robust(design: np.ndarray, values: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Least squares that forgets what does not fit (Tukey's biweight); NaN values are left out."""
    known = np.isfinite(values) & (trust > 0)
    design, values, trust = design[known], values[known], trust[known] ** 2
    if len(values) < design.shape[1]:
        return np.zeros(design.shape[1])
    weight = trust
    c = np.zeros(design.shape[1])
    for _ in range(6):
        heavy = design * weight[:, None]
        before, c = c, np.linalg.pinv(heavy.T @ design, rcond=1e-12, hermitian=True) @ (heavy.T @ values)
        off = values - design @ c
        spread = 1.4826 * float(np.median(np.abs(off)))
        if spread == 0 or np.abs(design @ (c - before)).max() < 0.01 * spread:
            break
        weight = trust * np.clip(1 - (off / (4.685 * spread)) ** 2, 0, None) ** 2
    return c


def _median(values: np.ndarray) -> np.ndarray:
    """Median along the last axis of what is not NaN; NaN where nothing is."""
    if np.isfinite(values).all():
        return np.median(values, axis=-1).astype(float)
    some = np.isfinite(values).any(axis=-1)
    out = np.full(values.shape[:-1], np.nan)
    out[some] = np.nanmedian(values[some], axis=-1)
    return out


# Across the lines: their offsets ---------------------------------------------------------------------------------


class LineSteps:
    """How much lines lie above those 1, 3, 9 and 27 lines before, by what both show, and how sure that is.

    Steps from line to line add up to a random walk; those over many lines hold it together. `offsets` are the lines'
    heights (y,) by these alone, from zero in the first.
    """

    def __init__(self, z: np.ndarray, rounding: float) -> None:
        self.n, self.rounding = len(z), rounding
        self.diagonal, self.right = np.zeros(self.n), np.zeros(self.n)
        self.between: dict[int, np.ndarray] = {}
        self.width = np.inf
        steps = np.zeros(0)
        for lag in ACROSS:
            if lag >= self.n:
                break
            some = slice(None, None, 1 if lag == 1 else max(1, z.shape[1] // ENOUGH))
            apart = z[lag:, some] - z[:-lag, some]
            if lag == 1:
                steps = _median(apart[:, :: max(1, z.shape[1] // 128)])
            else:  # three steps over a third of the way say where to look
                third = lag // 3
                steps = steps[: -2 * third] + steps[third:-third] + steps[2 * third :]
            steps = self._added(apart, lag, steps)
        self.offsets = self.tied(None, None)

    def _added(self, apart: np.ndarray, lag: int, steps: np.ndarray) -> np.ndarray:
        for _ in range(NARROWER if lag == 1 else 1):
            steps, number, kept, width = near(apart, steps, self.width)
        self.width = min(self.width, width)
        variance = np.maximum(_variance(steps, number, kept), self.rounding**2 / np.maximum(number, 1))
        certainty = 1 / np.maximum(variance * len(ACROSS), 1e-300)
        believed = np.isfinite(steps) & (number >= FEWEST if lag > 1 else True)
        certainty, steps = np.where(believed, certainty, 0.0), np.where(np.isfinite(steps), steps, 0.0)
        self.diagonal[lag:] += certainty
        self.diagonal[:-lag] += certainty
        self.right[lag:] += certainty * steps
        self.right[:-lag] -= certainty * steps
        self.between[lag] = -certainty
        return steps

    def tied(self, means: np.ndarray | None, certainty: np.ndarray | None) -> np.ndarray:
        """Offsets (y,) that fit the levels of the lines, `means` with their `certainty`, and the steps between them."""
        diagonal, right = self.diagonal.copy(), self.right.copy()
        if means is None or certainty is None or not certainty.any():
            diagonal[0] += float(diagonal.max()) or 1.0  # the first line is at zero
        else:
            diagonal += certainty
            right += certainty * means
        scale = float(diagonal.max())
        bands = [v / scale for v in self.between.values()]
        diagonal = diagonal / scale + 1e-13
        matrix = diags_array([diagonal, *bands, *bands], offsets=[0, *self.between, *(-lag for lag in self.between)])
        # SuperLU, not LAPACK's banded solver: the latter's threads wait for seconds for each other on a busy machine
        solver = splu(matrix.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0, options={"SymmetricMode": True})
        return solver.solve(right / scale)


def _variance(steps: np.ndarray, number: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Variance of the means of the pairs that were kept, of which neighbours are alike."""
    power = np.einsum("yx,yx->y", kept, kept)
    together = float(np.einsum("yx,yx->", kept[:, 1:], kept[:, :-1]))
    variance = power / np.maximum(number, 1) ** 2 * kinship(together / max(float(power.sum()), 1e-300))
    sure = np.isfinite(steps) & (number > 1)
    usual = float(np.median(variance[sure])) if sure.any() else 0.0
    return np.where(sure, np.maximum(variance, 1e-6 * usual), np.maximum(variance.max(initial=0.0), usual))


def kinship(correlation: float) -> float:
    """By how much neighbours that resemble each other reduce the number of independent pixels: (1 + ρ)/(1 − ρ)."""
    rho = min(max(float(correlation), 0.0), 0.98)
    return (1 + rho) / (1 - rho)
