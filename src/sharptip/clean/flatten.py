"""What would the instrument have drawn on a bare, flat substrate? Background and line offsets, found together.

    z(y, x) = sample(y, x) + background(y, x) + offset(y)

Particles and terraces must bend neither the background nor the lines. So both are fitted to the substrate alone, which
is found by turns with them: (1) slopes and line offsets from medians of differences of neighbours, which features
on the sample hardly move; (2) the substrate is the lowest well-filled level of the histogram; (3) on its pixels, least
squares for a polynomial and every line's offset at once; (4) again from (2). A line that shows no substrate is tied to
its neighbours by what they have in common: offsets solve one sparse system that weighs both kinds of evidence by
their variance. The idea of masking and fitting by turns: Erickson et al. 2012; Wang et al. 2018 (PMC5905267).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import step
from .channel import each_image, on_images
from .neighbours import FEWEST, REACH, SAMPLE, LineSteps, flat_parts, slopes
from .substrate import Substrate, substrate_of

DEGREE = 2
ROUNDS = 2
SETTLED = 2e-3  # of the pixels: with fewer that change their terrace the fit has settled
KINSHIP = 4.0  # neighbours along a line are alike: so many pixels count as one in a line's mean


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
    z = np.where(np.isfinite(z), z, np.nan)
    there = np.isfinite(z).any(axis=1)
    if not there.any():
        return Flattened(z, np.zeros(z.shape), np.zeros(len(z)), np.ones(z.shape, bool), 0.0)
    largest = float(np.nanmax(np.abs(z)))
    if not 1e-18 < largest < 1e18:  # squares of it would leave the range of single precision
        unit = largest or 1.0
        small = flatten_fit(z / unit, degree) if largest else _nothing(z)
        return Flattened(small.image * unit, small.background * unit, small.offsets * unit, small.features,
                         small.noise * unit)  # fmt: skip
    lines = _Lines(z, there, degree)
    level, offsets = lines.first()
    terraces: list[np.ndarray] = []
    found = None
    for _ in range(ROUNDS):
        residual = lines.coarse - (level + offsets[:, None]).astype(np.float32)
        found = substrate_of(residual.ravel()[lines.looked_at], lines.noise)
        fresh = _assigned(residual, found, lines.flat)
        moved = z.size if len(fresh) != len(terraces) else _differing(fresh, terraces)
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


def _nothing(z: np.ndarray) -> Flattened:
    """An image of zeros, with nothing on it."""
    return Flattened(z, np.zeros(z.shape), np.zeros(len(z)), ~np.isfinite(z), 0.0)


def _assigned(residual: np.ndarray, found: Substrate, flat: np.ndarray) -> list[np.ndarray]:
    """For each terrace, the substrate first, the flat pixels (y, x) that lie on it."""
    reach = np.float32(REACH * found.spread)
    return [flat & (np.abs(residual - np.float32(level)) <= reach) for level in (found.level, *found.terraces)]


def _differing(some: list[np.ndarray], others: list[np.ndarray]) -> int:
    return sum(int(np.count_nonzero(a != b)) for a, b in zip(some, others, strict=True))


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
        self.slopes = slopes(self.coarse, self.x, self.y, self.terms, self.rounding)
        level = self._polynomial(self.slopes.coefficients)
        rest = self.coarse - level.astype(np.float32)
        self.flat, self.noise = flat_parts(rest, self.rounding)
        places = np.flatnonzero(self.flat)
        self.looked_at = places[:: max(1, places.size // SAMPLE) | 1]
        self.steps = LineSteps(rest, self.rounding)
        return level, self.steps.offsets

    def _along(self, c: np.ndarray) -> np.ndarray:
        """Coefficients (y, power of x) of the polynomial on every line."""
        out = np.zeros((len(self.y), self.powers.shape[1]))
        for (i, j), ck in zip(self.terms, c, strict=True):
            out[:, j] += ck * self.y**i
        return out

    def _polynomial(self, c: np.ndarray) -> np.ndarray:
        return _product(self._along(c), self.powers.T)

    def fitted(self, terraces: list[np.ndarray], known: Substrate) -> tuple[np.ndarray, np.ndarray]:
        """Least squares: a polynomial for the image, an offset (y,) for each line, a height for each further terrace.

        A terrace that is narrow, or parted from the others, says little by itself; together, and with the slopes, they
        fix the background.
        """
        width = self.powers.shape[1] // 2 + 1
        s = np.zeros((len(terraces), len(self.z), self.powers.shape[1]))
        t = np.zeros((len(terraces), len(self.z), width))
        for k, mask in enumerate(terraces):  # sums over each line's pixels on a terrace of xʲ and of z·xʲ
            on = mask.astype(float)
            s[k] = _product(on, self.powers)
            t[k] = _product(np.multiply(on, self.z, out=on), self.powers[:, :width])
        n = s[:, :, 0].sum(axis=0)
        enough = n >= min(FEWEST, max(1, self.z.shape[1] // 2))
        variance = known.spread**2 * KINSHIP  # of one pixel among its like
        c, heights = self._solved(s[:, enough], t[:, enough], self.y[enough], variance)
        along = self._along(c)
        sums = t[:, :, 0] - np.einsum("yp,kyp->ky", along, s) - heights[:, None] * s[:, :, 0]
        means = sums.sum(axis=0) / np.maximum(n, 1)
        certainty = np.where(enough, n / max(variance, 1e-300), 0.0)
        return _product(along, self.powers.T), self.steps.tied(means, certainty)

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
        gram[:first, :first] += self.slopes.certainty * scale
        solution_right[:first] += self.slopes.certainty @ self.slopes.coefficients * scale
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


@step
def flatten(scan: xr.Dataset, *, channel: str = "height", degree: int = DEGREE) -> xr.Dataset:
    """Take background and line offsets off a channel so that its substrate is flat and at zero.

    Each direction and frame on its own; `degree` is that of the polynomial in x and y together. For scans whose
    lines are level by themselves use `relevel`. Raises ChannelError for a channel that is not there, ScanError for one
    that is no image.
    """

    return on_images(scan, channel, lambda z: each_image(z, lambda image: flatten_fit(image, degree).image))
