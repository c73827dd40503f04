"""What do differences of neighbours say of the instrument? Features on the sample hardly move it.

A particle has as much uphill as downhill, and a terrace is level. So most pairs of pixels that lie close together are
apart by what the background and the line offsets are: the mean of the pairs near the median, and nearer and nearer, is
that. Pairs further apart say the same more precisely, once those at hand have said roughly where to look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpbsv, dposv

SAMPLE = 2**12  # values from which a spread is taken
REACH = 2.5  # standard deviations of the noise that still are near
NARROWEST_FIFTH = 0.2533  # standard deviations within which a fifth of a Gaussian lies
NARROWER = 3  # looks at what is near the median, each from a better middle
BLOCKS = 8  # along each side, for slopes
ALONG = (4, 11, 32)  # pixels between the two of a pair on one line
ACROSS = (1, 3, 9, 27)  # lines between the two of a pair in one column
ENOUGH = 128  # columns that are looked at for lines further apart, and for the first look at neighbouring ones
FINEST = 512  # columns that are looked at for slopes
FEWEST = 8  # pairs from which a difference is believed


def near(
    values: np.ndarray, middle: np.ndarray, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mean of what lies near `middle` in each row, their number, their deviations (zero elsewhere), and how near.

    Near is what the noise explains: REACH standard deviations of the narrowest fifth of the deviations, and `most`.
    `values` (row, value) are in single precision.
    """
    off = values - middle[:, None].astype(np.float32)
    size = np.abs(off)
    width = max(min(REACH * _lowest_fifth(size) / NARROWEST_FIFTH, most), 1e-30)
    close = size <= np.float32(width)
    number = np.add.reduce(close.view(np.uint8), axis=1, dtype=np.int32)
    kept = only(off, close)
    return middle + np.add.reduce(kept, axis=1) / np.maximum(number, 1), number, kept, width


def only(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """`values`, in single precision, where True, and zero elsewhere, also in place of NaN. Four times as fast as where:
    their bits, times one or zero, need no branches."""
    return (values.view(np.int32) * where).view(np.float32)


def _lowest_fifth(values: np.ndarray) -> float:
    """What a fifth of a sample of `values` lies below; infinite where all are NaN."""
    some = values.ravel()[:: max(1, values.size // SAMPLE) | 1]
    known = some.size - np.count_nonzero(np.isnan(some))  # NaN are put last
    place = int(0.2 * (known - 1))
    return float(np.partition(some, place)[place]) if known else np.inf


def median(values: np.ndarray) -> np.ndarray:
    """Median along the last axis of what is not NaN; NaN where nothing is."""
    values = np.sort(values, axis=-1)  # NaN are last; short rows are sorted faster than they are parted
    number = values.shape[-1]
    if not np.isnan(values[..., -1]).any():
        return (values[..., (number - 1) // 2].astype(float) + values[..., number // 2]) / 2
    known = np.count_nonzero(~np.isnan(values), axis=-1)[..., None]
    places = np.concatenate([np.maximum(known - 1, 0) // 2, known // 2], axis=-1)
    return np.take_along_axis(values, places, axis=-1).mean(axis=-1, dtype=float)


def flat_parts(z: np.ndarray, rounding: float) -> tuple[np.ndarray, float]:
    """Pixels (y, x) whose two neighbours along the line differ by no more than noise does, and the noise.

    Nothing that moves whole lines matters here. What is not flat is the flank of something, at whatever height.
    `rounding` is the least noise there can be.
    """
    good = np.isfinite(z)
    if z.shape[1] < 3:
        return good, rounding
    apart = np.abs(z[:, 2:] - z[:, :-2])
    fifth = _lowest_fifth(apart)
    if not np.isfinite(fifth):
        return good, rounding
    noise = max(fifth / (NARROWEST_FIFTH * np.sqrt(2)), rounding)
    flat = good.copy()
    flat[:, 1:-1] &= apart <= np.float32(REACH * np.sqrt(2) * noise)
    return (flat, noise) if np.count_nonzero(flat) >= FEWEST else (good, noise)


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
    i, j = np.array(terms, int).reshape(-1, 2).T
    down, across = (np.vander(axis, 1 + n.max(initial=0), increasing=True).T[n] for axis, n in ((y, i), (x, j)))
    for lag in ALONG:
        if 4 * lag > z.shape[1]:
            lag = max(1, z.shape[1] // 4) if lag == ALONG[0] else 0
        if terms and lag and z.shape[1] > 2 * lag:
            found = _slopes(z, across, down, rounding, lag, found)
    return found


def _slopes(z: np.ndarray, across: np.ndarray, down: np.ndarray, rounding: float, lag: int, before: Slopes) -> Slopes:
    """The slopes from pairs `lag` pixels apart, in blocks; the ones found before say where to look.

    Terms are products of `across` (term, x) and `down` (term, y).
    """
    every = max(1, z.shape[1] // FINEST)  # neighbouring pixels say nearly the same, and so do lines
    ahead, behind = slice(lag, None, every), slice(0, -lag, every)
    climb = across[:, ahead] - across[:, behind]
    rows, columns = min(BLOCKS, len(z)), min(BLOCKS, climb.shape[1])
    high, wide = len(z) // rows, climb.shape[1] // columns
    some = z[: rows * high].reshape(rows, high, -1)[:, :: max(1, high // 16)]
    rise = (some[..., ahead] - some[..., behind])[..., : columns * wide]
    blocks = rise.reshape(rows, -1, columns, wide).transpose(0, 2, 1, 3).reshape(rows * columns, -1)
    climb = climb[:, : columns * wide].reshape(-1, columns, wide).mean(axis=2)
    tall = down[:, : rows * high].reshape(-1, rows, high).mean(axis=2)
    design = (tall.T[:, None] * climb.T).reshape(rows * columns, -1)  # slopes of the terms, mean over a block
    first = not before.certainty.any()
    c = before.coefficients
    if first:
        c = _robust(design, median(blocks[:, :FINEST]), np.ones(len(blocks)), c)
    for _ in range(NARROWER if first else 1):
        means, number, _, width = near(blocks, design @ c, before.width)
        c = _robust(design, means, np.sqrt(number), c)
    off = (means - design @ c)[number > 0]
    spread = max(_spread(off), rounding)
    return Slopes(c, design.T @ design / spread**2 if spread > 0 else np.zeros((len(c), len(c))), width)


def _spread(off: np.ndarray) -> float:
    """Standard deviation of what lies about zero, by the median of its size."""
    return 1.4826 * float(np.partition(np.abs(off), off.size // 2)[off.size // 2]) if off.size else 0.0


def _robust(design: np.ndarray, values: np.ndarray, trust: np.ndarray, known_so_far: np.ndarray) -> np.ndarray:
    """Least squares that forgets what does not fit (Tukey's biweight); NaN values are left out.

    With fewer values than terms it stays at what was known so far.
    """
    known = np.isfinite(values) & (trust > 0)
    if not known.all():
        design, values, trust = design[known], values[known], trust[known]
    if len(values) < design.shape[1]:
        return known_so_far
    fit = np.zeros(len(values))
    weight = trust = trust**2
    for _ in range(6):
        heavy = (design * weight[:, None]).T
        c = solved(heavy @ design, heavy @ values)
        before, fit = fit, design @ c
        off = values - fit
        spread = _spread(off)
        if spread == 0 or np.abs(fit - before).max() < 0.01 * spread:
            break
        weight = trust * np.maximum(1 - (off / (4.685 * spread)) ** 2, 0) ** 2
    return c


def solved(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of normal equations; what they leave open is zero."""
    loose = 1e-13 * float(gram.trace())
    if not loose > 0:
        return np.zeros(len(gram))
    _, found, failed = dposv(gram + loose * np.eye(len(gram)), right)
    return np.zeros(len(gram)) if failed else found


# Across the lines: their offsets ---------------------------------------------------------------------------------


class LineSteps:
    """How much lines lie above those 1, 3, 9 and 27 lines before, by what both show, and how sure that is.

    Steps from line to line add up to a random walk; those over many lines hold it together. `offsets` are the lines'
    heights (y,) by these alone, from zero in the first.
    """

    def __init__(self, z: np.ndarray, rounding: float) -> None:
        self.n, self.rounding = len(z), rounding
        lags = [lag for lag in ACROSS if lag < self.n]
        self.band = np.zeros((max(lags, default=0) + 1, self.n))  # of the equations: band[k, i] ties line i to i + k
        self.right = np.zeros(self.n)
        self.width = np.inf
        some = np.ascontiguousarray(z[:, :: max(1, z.shape[1] // ENOUGH)])
        steps = np.zeros(0)
        for lag in lags:
            apart = some[lag:] - some[:-lag]
            if lag == 1:
                steps = median(apart)
                for _ in range(NARROWER - 1):
                    steps = near(apart, steps)[0]
                apart = z[1:] - z[:-1]
            else:  # three steps over a third of the way say where to look
                third = lag // 3
                steps = steps[: -2 * third] + steps[third:-third] + steps[2 * third :]
            steps = self._added(apart, lag, steps)
        self.offsets = self.tied(None, None)

    def _added(self, apart: np.ndarray, lag: int, steps: np.ndarray) -> np.ndarray:
        steps, number, kept, width = near(apart, steps, self.width)
        self.width = min(self.width, width)
        variance = np.maximum(_variance(steps, number, kept), self.rounding**2 / np.maximum(number, 1))
        certainty = 1 / np.maximum(variance * len(ACROSS), 1e-300)
        believed = np.isfinite(steps) & (number >= FEWEST if lag > 1 else True)
        certainty, steps = np.where(believed, certainty, 0.0), np.where(np.isfinite(steps), steps, 0.0)
        self.band[0, lag:] += certainty
        self.band[0, :-lag] += certainty
        self.band[lag, :-lag] = -certainty
        self.right[lag:] += certainty * steps
        self.right[:-lag] -= certainty * steps
        return steps

    def tied(self, means: np.ndarray | None, certainty: np.ndarray | None) -> np.ndarray:
        """Offsets (y,) that fit the levels of the lines, `means` with their `certainty`, and the steps between them."""
        band, right = self.band.copy(), self.right
        if means is None or certainty is None or not certainty.any():
            band[0, 0] += float(band[0].max()) or 1.0  # the first line is at zero
        else:
            band[0] += certainty
            right = right + certainty * means
        scale = float(band[0].max())
        band /= scale
        for loose in (1e-13, 1e-10, 1e-7):  # a line that nothing holds stays at zero
            band[0] += loose
            _, offsets, failed = dpbsv(band, right / scale, lower=1)  # with so few diagonals it starts no threads
            if not failed:
                break
        return offsets


def _variance(steps: np.ndarray, number: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Variance of the means of the pairs that were kept, of which neighbours are alike."""
    power = np.einsum("yx,yx->y", kept, kept).astype(float)
    together = float(np.einsum("yx,yx->", kept[:, 1:], kept[:, :-1]))
    variance = power / np.maximum(number, 1) ** 2 * kinship(together / max(float(power.sum()), 1e-300))
    sure = np.isfinite(steps) & (number > 1)
    usual = float(median(variance[sure])) if sure.any() else 0.0
    return np.where(sure, np.maximum(variance, 1e-6 * usual), np.maximum(variance.max(initial=0.0), usual))


def kinship(correlation: float) -> float:
    """By how much neighbours that resemble each other reduce the number of independent pixels: (1 + ρ)/(1 − ρ)."""
    rho = min(max(float(correlation), 0.0), 0.98)
    return (1 + rho) / (1 - rho)
