"""What would the instrument have drawn on a bare, flat substrate? Background and line offsets, found together.

    z(y, x) = sample(y, x) + background(y, x) + offset(y)

Particles and terraces must bend neither the background nor the lines. So both are fitted to the substrate alone, which
is found by turns with them: (1) slopes and line offsets from medians of differences of neighbours, which features
on the sample hardly move; (2) the substrate is the lowest well-filled level of the histogram; (3) on its pixels, least
squares for a polynomial and every line's offset at once; (4) again from (2). A line that shows no substrate is tied to
its neighbours by what the two have in common: offsets solve one tridiagonal system that weighs both kinds of evidence
by their variance. The idea of masking and fitting by turns: Erickson et al. 2012; Wang et al. 2018 (PMC5905267).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.linalg import solveh_banded

from ..core.errors import ScanError
from ..core.history import step
from .channel import each_image, on_images
from .substrate import SAMPLE, Substrate, substrate_of

DEGREE = 2
ROUNDS = 4
SETTLED = 2e-3  # of the pixels: with fewer that change their terrace the fit has settled
REACH = 2.5  # standard deviations from the substrate's level that still are substrate
BLOCKS = 8  # along each side, for the first slopes
LAG = 4  # pixels over which they are taken
NARROWER = 3  # looks at what is near the median, each from a better middle
NARROWEST_FIFTH = 0.2533  # standard deviations within which a fifth of a Gaussian lies
KINSHIP = 4.0  # neighbours along a line are alike: so many pixels count as one in a line's mean
FEWEST = 8  # pixels of substrate from which a line's own level is believed


@dataclass(frozen=True)
class Flattened:
    """What was found in one image, in its unit: `image` = raw − `background` − `offsets`, zero on the substrate."""

    image: np.ndarray  # (y, x)
    background: np.ndarray  # (y, x): the polynomial
    offsets: np.ndarray  # (y,): what each line is moved by
    features: np.ndarray  # (y, x) bool: True where a pixel is no substrate
    noise: float  # standard deviation of the substrate


def flatten_fit(z: np.ndarray, degree: int = DEGREE) -> Flattened:
    """Background, line offsets and substrate of one image z (y, x). NaN pixels are left out and stay NaN.

    degree: of the polynomial in x and y together. Any function of y alone is in the line offsets.
    """
    if z.ndim != 2:
        raise ScanError(f"one image has two axes (y, x); this array has shape {z.shape}")
    if degree < 0:
        raise ScanError(f"the degree of a background is 0 or more, not {degree}")
    z = np.asarray(z, float)
    there = np.isfinite(z).any(axis=1)
    if not there.any():
        return Flattened(z.copy(), np.zeros(z.shape), np.zeros(len(z)), np.ones(z.shape, bool), 0.0)
    lines = _Lines(z, there, degree)
    level, offsets = lines.first()
    terraces, found = np.zeros(lines.z.shape, np.int8), None
    for _ in range(ROUNDS):
        residual = lines.coarse - (level + offsets[:, None]).astype(np.float32)
        found = substrate_of(residual.ravel()[lines.looked_at], lines.noise)
        fresh = _assigned(residual, found, lines.flat)
        moved = np.count_nonzero(fresh != terraces)
        terraces = fresh
        level, offsets = lines.fitted(terraces, found)
        if moved <= SETTLED * z.size:
            break
    assert found is not None
    if not there.all():  # a lost line gets what its neighbours have
        at, every = np.flatnonzero(there), np.arange(len(z))
        offsets = np.interp(every, at, offsets)
        level = np.array([np.interp(every, at, column) for column in level.T]).T
    offsets = offsets + lines.middle
    image = z - level - offsets[:, None]
    return Flattened(image, level, offsets, ~(np.abs(image) <= REACH * found.spread), found.spread)


def _assigned(residual: np.ndarray, found: Substrate, flat: np.ndarray) -> np.ndarray:
    """Which terrace each flat pixel lies on, counted from 1, the substrate; 0 for none."""
    out = np.zeros(residual.shape, np.int8)
    for k, level in enumerate((found.level, *found.terraces), start=1):
        out[np.abs(residual - level) <= REACH * found.spread] = k
    out[~flat] = 0
    return out


class _Lines:
    """The lines of one image that are there, with what does not change from round to round.

    Pixels are sorted out in single precision, which is twice as fast; what is fitted and taken off is in double.
    """

    def __init__(self, z: np.ndarray, there: np.ndarray, degree: int) -> None:
        y = _axis(len(z))[there]
        z = z if there.all() else z[there]
        good = np.isfinite(z)
        self.middle = float(np.median(z[good][:: max(1, z.size // SAMPLE) | 1]))
        z = z - self.middle
        self.z = z if good.all() else np.where(good, z, 0.0)
        self.coarse = z.astype(np.float32)
        self.rounding = 1e-6 * float(np.nanmax(np.abs(self.coarse)))  # nothing finer is told apart in single precision
        self.y, self.x = y, _axis(z.shape[1])
        self.terms = [(i, j) for j in range(1, degree + 1) for i in range(degree + 1 - j)]  # powers of (y, x), x ≥ 1
        self.powers = self.x[:, None] ** np.arange(2 * degree + 1)

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        """Background and offsets (y,) from differences of neighbours, before anything is known of the sample."""
        self.slopes, self.certainty = _slopes(self.coarse, self.x, self.y, self.terms, self.rounding)
        level = self._polynomial(self.slopes)
        rest = self.coarse - level.astype(np.float32)
        self.flat, self.noise = _flat(rest, self.rounding)
        places = np.flatnonzero(self.flat)
        self.looked_at = places[:: max(1, places.size // SAMPLE) | 1]
        self.steps, self.step_variance = _line_steps(rest)
        return level, np.concatenate([[0.0], np.cumsum(self.steps)])

    def _along(self, c: np.ndarray) -> np.ndarray:
        """Coefficients (y, power of x) of the polynomial on every line."""
        out = np.zeros((len(self.y), self.powers.shape[1]))
        for (i, j), ck in zip(self.terms, c, strict=True):
            out[:, j] += ck * self.y**i
        return out

    def _polynomial(self, c: np.ndarray) -> np.ndarray:
        return _product(self._along(c), self.powers.T)

    def fitted(self, terraces: np.ndarray, known: Substrate) -> tuple[np.ndarray, np.ndarray]:
        """Least squares: a polynomial for the image, an offset (y,) for each line, a height for each further terrace.

        A terrace that is narrow, or parted from the others, says little by itself; together, and with the slopes, they
        fix the background.
        """
        kinds = range(1, int(terraces.max()) + 1)
        width = self.powers.shape[1] // 2 + 1
        s, t = np.zeros((len(kinds), len(self.z), self.powers.shape[1])), np.zeros((len(kinds), len(self.z), width))
        for k in kinds:  # sums over each line's pixels on a terrace of xʲ and of z·xʲ
            on = (terraces == k).astype(float)
            s[k - 1] = _product(on, self.powers)
            t[k - 1] = _product(on * self.z, self.powers[:, :width])
        n = s[:, :, 0].sum(axis=0)
        enough = n >= min(FEWEST, max(1, self.z.shape[1] // 2))
        variance = known.spread**2 * KINSHIP  # of one pixel among its like
        c, heights = self._solved(s[:, enough], t[:, enough], self.y[enough], variance)
        along = self._along(c)
        sums = t[:, :, 0] - np.einsum("yp,kyp->ky", along, s) - heights[:, None] * s[:, :, 0]
        means = sums.sum(axis=0) / np.maximum(n, 1)
        own = np.where(enough, variance / np.maximum(n, 1), np.inf)
        return _product(along, self.powers.T), _tied(means, own, self.steps, self.step_variance)

    def _solved(self, s: np.ndarray, t: np.ndarray, y: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the polynomial and heights of the terraces; s, t (terrace, line, power) as in `fitted`.

        Normal equations with every line's own mean taken out. The first slopes stand beside the heights as evidence.
        """
        kinds, lines = s.shape[:2]
        n, total = s[:, :, 0].sum(axis=0), s.sum(axis=0)
        rows = [y**i * total[:, j] for i, j in self.terms] + [s[k, :, 0] for k in range(1, kinds)]  # sums over a line
        right = [(y**i * t[:, :, j].sum(axis=0)).sum() for i, j in self.terms] + list(t[1:, :, 0].sum(axis=1))
        design = np.array(rows).reshape(len(rows), lines)
        mean = t[:, :, 0].sum(axis=0) / np.maximum(n, 1)
        gram = -(design / np.maximum(n, 1)) @ design.T
        first = len(self.terms)
        for a, (i, j) in enumerate(self.terms):
            for b, (i2, j2) in enumerate(self.terms):
                gram[a, b] += (y ** (i + i2) * total[:, j + j2]).sum()
            for k in range(1, kinds):
                both = float((y**i * s[k, :, j]).sum())
                gram[a, first + k - 1] += both
                gram[first + k - 1, a] += both
        for k in range(1, kinds):
            gram[first + k - 1, first + k - 1] += s[k, :, 0].sum()
        solution_right = np.array(right) - design @ mean
        scale = max(variance, 1e-300)
        gram[:first, :first] += self.certainty * scale
        solution_right[:first] += self.certainty @ self.slopes * scale
        found = np.linalg.pinv(gram, rcond=1e-12, hermitian=True) @ solution_right
        return found[:first], np.concatenate([[0.0], found[first:]])


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b in pieces too small for the threads of a BLAS, which on a busy machine wait longer than they work."""
    out = np.empty((len(a), b.shape[1]))
    rows = max(1, 2**17 // (a.shape[1] * b.shape[1]))
    for first in range(0, len(a), rows):
        np.matmul(a[first : first + rows], b, out=out[first : first + rows])
    return out


def _axis(n: int) -> np.ndarray:
    return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)


def _flat(z: np.ndarray, rounding: float) -> tuple[np.ndarray, float]:
    """Pixels (y, x) whose two neighbours along the line differ by no more than noise does, and the noise.

    Nothing that moves whole lines matters here. What is not flat is the flank of something, at whatever height.
    """
    good = np.isfinite(z)
    if z.shape[1] < 3:
        return good, 0.0
    apart = np.abs(z[:, 2:] - z[:, :-2])
    some = apart.ravel()[:: max(1, apart.size // SAMPLE) | 1]
    some = some[np.isfinite(some)]
    if some.size == 0:
        return good, 0.0
    place = int(0.2 * (some.size - 1))
    noise = max(float(np.partition(some, place)[place]) / (NARROWEST_FIFTH * np.sqrt(2)), rounding)
    flat = good
    flat[:, 1:-1] &= apart <= REACH * np.sqrt(2) * noise
    return (flat, noise) if np.count_nonzero(flat) >= FEWEST else (good, noise)


def _slopes(
    z: np.ndarray, x: np.ndarray, y: np.ndarray, terms: list[tuple[int, int]], rounding: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the polynomial with the slopes along x of the flat parts of an image, and their certainty.

    The median rise of a block is the start, but a staircase moves it. So only the rises that the noise explains are
    averaged then, which are those of pairs on one terrace, or both on the substrate.
    """
    ny, nx = z.shape
    lag = max(1, min(LAG, nx // 16))
    if not terms or nx <= 2 * lag:
        return np.zeros(len(terms)), np.zeros((len(terms), len(terms)))
    rise = z[:, lag:] - z[:, :-lag]
    rows, columns = min(BLOCKS, ny), min(BLOCKS, rise.shape[1])
    high, wide = ny // rows, rise.shape[1] // columns
    blocks = rise[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    blocks = blocks[:, :: max(1, high // 16)]  # neighbouring lines say nearly the same
    blocks = blocks.transpose(0, 2, 1, 3).reshape(rows * columns, -1)
    at_y = y[: rows * high].reshape(rows, high).mean(axis=1)
    at_x = ((x[lag:] + x[:-lag]) / 2)[: columns * wide].reshape(columns, wide).mean(axis=1)
    yy, xx = (a.ravel() for a in np.meshgrid(at_y, at_x, indexing="ij"))
    design = np.stack([yy**i * j * xx ** (j - 1) for i, j in terms], axis=1) * (x[lag] - x[0])
    c = _robust(design, _median(blocks), np.ones(len(blocks)))
    for _ in range(NARROWER):
        means, number, _ = _near(blocks, design @ c)
        c = _robust(design, means, np.sqrt(number))
    off = (means - design @ c)[number > 0]
    spread = max(1.4826 * float(np.median(np.abs(off))) if off.size else 0.0, rounding)
    return c, design.T @ design / spread**2 if spread > 0 else np.zeros((len(c), len(c)))


def _near(values: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of what lies near `middle` in each row, their number, and the deviations of those (zero elsewhere).

    Near is what the noise explains: REACH standard deviations of the narrowest fifth of the deviations.
    """
    off = values - middle[:, None].astype(values.dtype)
    some = np.abs(off[:, :: max(1, off.size // SAMPLE)])
    some = np.where(np.isfinite(some), some, np.inf).ravel()
    place = int(0.2 * (np.isfinite(some).sum() - 1))
    width = REACH * float(np.partition(some, place)[place]) / NARROWEST_FIFTH if place >= 0 else np.inf
    near = np.abs(off) <= max(width, 1e-300)
    kept = np.where(near, off, off.dtype.type(0))
    number = np.count_nonzero(near, axis=1)
    return middle + kept.sum(axis=1, dtype=float) / np.maximum(number, 1), number, kept


def _robust(design: np.ndarray, values: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Least squares that forgets what does not fit (Tukey's biweight); NaN values are left out."""
    known = np.isfinite(values) & (trust > 0)
    design, values, trust = design[known], values[known], trust[known] ** 2
    if len(values) < design.shape[1]:
        return np.zeros(design.shape[1])
    weight = trust
    c = np.zeros(design.shape[1])
    for _ in range(6):
        root = np.sqrt(weight)
        before, c = c, np.linalg.lstsq(design * root[:, None], values * root, rcond=None)[0]
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


def _line_steps(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much each line lies above the one before, (y−1,), and the variance of that.

    The mean of the differences near their median: where both lines show substrate, or one terrace, the difference is
    that of the offsets. Two lines without a pixel in common are zero apart, with infinite variance.
    """
    if len(z) < 2:
        return np.zeros(0), np.zeros(0)
    apart = np.diff(z, axis=0)
    steps = _median(apart[:, :: max(1, z.shape[1] // 128)])
    for _ in range(NARROWER):
        steps, number, kept = _near(apart, steps)
    power = np.einsum("yx,yx->y", kept, kept)
    together = float(np.einsum("yx,yx->", kept[:, 1:], kept[:, :-1]))
    variance = power / np.maximum(number, 1) ** 2 * kinship(together / max(float(power.sum()), 1e-300))
    sure = np.isfinite(steps) & (number > 1)
    usual = float(np.median(variance[sure])) if sure.any() else 0.0
    variance = np.where(sure, np.maximum(variance, 1e-6 * usual), np.maximum(variance.max(initial=0.0), usual))
    return np.where(np.isfinite(steps), steps, 0.0), np.where(np.isfinite(steps), variance, np.inf)


def kinship(correlation: float) -> float:
    """By how much neighbours that resemble each other reduce the number of independent pixels: (1 + ρ)/(1 − ρ)."""
    rho = min(max(float(correlation), 0.0), 0.98)
    return (1 + rho) / (1 - rho)


def _tied(means: np.ndarray, variance: np.ndarray, steps: np.ndarray, step_variance: np.ndarray) -> np.ndarray:
    """Offsets (y,) that fit the levels of the lines and the steps between lines, each by its variance."""
    own = 1 / np.maximum(variance, 1e-300)
    between = 1 / np.maximum(step_variance, 1e-300)
    scale = max(float(own.max(initial=0.0)), float(between.max(initial=0.0)))
    if not (np.isfinite(scale) and scale > 0) or scale > 1e299:  # a noiseless image: its levels are exact
        return _bridged(means, variance, steps)
    if len(means) == 1:
        return means
    own, between = own / scale, between / scale
    diagonal = own + 1e-12
    diagonal[1:] += between
    diagonal[:-1] += between
    right = own * means
    right[1:] += between * steps
    right[:-1] -= between * steps
    banded = np.zeros((2, len(means)))
    banded[1], banded[0, 1:] = diagonal, -between
    return solveh_banded(banded, right)


def _bridged(means: np.ndarray, variance: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Levels where they are known; elsewhere the running sum of the steps, tied to the nearest line that is known."""
    path = np.concatenate([[0.0], np.cumsum(steps)])
    known = np.flatnonzero(np.isfinite(variance))
    if len(known) == 0:
        return path - np.median(path)
    nearest = known[np.abs(np.arange(len(means))[:, None] - known).argmin(axis=1)]
    return np.where(np.isfinite(variance), means, means[nearest] + path - path[nearest])


@step
def flatten(scan: xr.Dataset, *, channel: str = "height", degree: int = DEGREE) -> xr.Dataset:
    """Take background and line offsets off a channel so that its substrate is flat and at zero.

    Each direction and frame on its own; `degree` is that of the polynomial in x and y together. For scans whose
    lines are level by themselves use `relevel`. Raises ChannelError for a channel that is not there, ScanError for one
    that is no image.
    """

    return on_images(scan, channel, lambda z: each_image(z, lambda image: flatten_fit(image, degree).image))
