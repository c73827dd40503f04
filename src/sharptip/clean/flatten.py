"""What would the instrument have drawn on a bare, flat substrate? Background and line offsets, found together.

    z(y, x) = sample(y, x) + background(y, x) + offset(y)

Particles and terraces must bend neither the background nor the lines. So both are fitted to the substrate alone, which
is found by turns with them: (1) slopes and line offsets from medians of differences of neighbours, which features
on the sample hardly move; (2) the substrate is the lowest well-filled level of the histogram; (3) on its pixels, least
squares for a polynomial and every line's offset at once; (4) again from (2). A line that shows no substrate is tied to
its neighbours by what they have in common: offsets solve one banded system that weighs both kinds of evidence by
their variance. The idea of masking and fitting by turns: Erickson et al. 2012; Wang et al. 2018 (PMC5905267).
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import step
from .cautious import cautious_fit
from .channel import each_image, on_images
from .digits import digitising_step, dithered
from .large_enough import large_enough, smooth
from .neighbours import FEWEST, REACH, SAMPLE, LineSteps, flat_parts, only, slopes
from .stands_out import Evidence, stands_out
from .substrate import Substrate, substrate_of

DEGREE = 2
ROUNDS = 2
SETTLED = 2e-3  # of the pixels: with fewer that change their terrace the fit has settled
KINSHIP = 4.0  # neighbours along a line are alike: so many pixels count as one in a line's mean


class NoSubstrate(UserWarning):
    """An image was levelled as one that shows no substrate."""


@dataclass(frozen=True)
class Flattened:
    """What was found in one image, in its unit: `image` = raw − `background` − `offsets`, zero on the substrate."""

    image: np.ndarray  # (y, x)
    background: np.ndarray  # (y, x): the polynomial
    offsets: np.ndarray  # (y,): what each line is moved by
    features: np.ndarray  # (y, x) bool: True where a pixel is no substrate
    noise: float  # standard deviation of the substrate
    told: str = ""  # where no substrate stands out, how the image was levelled instead


def flatten_fit(z: np.ndarray, degree: int = DEGREE) -> Flattened:
    """Background, line offsets and substrate of one image z (y, x). NaN pixels are left out and stay NaN.

    degree: of the polynomial in x and y together. Any function of y alone is in the line offsets. Where no substrate
    stands out, `cautious_fit` levels the image: all of it counts as substrate then, and its mean is zero.
    """
    if z.ndim != 2:
        raise ScanError(f"one image has two axes (y, x); this array has shape {z.shape}")
    large_enough(z, "flatten")
    smooth(degree, least=1)
    z = np.asarray(z, float)
    good = np.isfinite(z)
    if not good.all():
        z = np.where(good, z, np.nan)
    there = good.any(axis=1)
    if not there.any():
        return Flattened(z, np.zeros(z.shape), np.zeros(len(z)), np.ones(z.shape, bool), 0.0)
    unit = float(max(np.nanmax(z), -np.nanmin(z))) or 1.0  # squares of heights stay within single precision
    lines = _Lines((z if there.all() else z[there]) / unit, _axis(len(z))[there], degree)
    along, offsets, spread, evidence = lines.settled()
    if not there.all():  # a lost line gets what its neighbours have
        at, every = np.flatnonzero(there), np.arange(len(z))
        offsets = np.interp(every, at, offsets)
        along = np.array([np.interp(every, at, column) for column in along.T]).T
    level, offsets, spread = lines.level(along * unit), offsets * unit, spread * unit
    image = z - level
    image -= offsets[:, None]
    if not evidence.sure:
        safe = _without_substrate(z, unit, degree)
        if np.nanstd(image / unit) > evidence.harmless * safe.noise / unit:
            return safe
    return Flattened(image, level, offsets, ~(np.abs(image) <= REACH * spread), spread)


def _without_substrate(z: np.ndarray, unit: float, degree: int) -> Flattened:
    found = cautious_fit(z / unit, degree)
    image = z - unit * (found.background + found.offsets[:, None])
    spread = float(np.nanstd(image / unit)) * unit
    told = f"no flat substrate stands out: levelled by {found.told}"
    return Flattened(image, unit * found.background, unit * found.offsets, np.isnan(image), spread, told)


def _assigned(residual: np.ndarray, found: Substrate, flat: np.ndarray) -> list[np.ndarray]:
    """For each terrace, the substrate first, the flat pixels (y, x) that lie on it."""
    reach = np.float32(REACH * found.spread)
    return [flat & (np.abs(residual - np.float32(level)) <= reach) for level in (found.level, *found.terraces)]


def _differing(some: list[np.ndarray], others: list[np.ndarray]) -> int:
    """How many pixels lie on another terrace than before."""
    if len(some) != len(others):
        return some[0].size
    return sum(int(np.count_nonzero(a != b)) for a, b in zip(some, others, strict=True))


class _Lines:
    """The lines of one image that are there: z (y, x) with heights up to one, y (y,) from −1 to 1.

    A first guess, from differences of neighbours, is taken off in double precision. What is left needs no more than
    single precision, which is twice as fast.
    """

    def __init__(self, z: np.ndarray, y: np.ndarray, degree: int) -> None:
        x = _axis(z.shape[1])
        terms = [(i, j) for j in range(1, degree + 1) for i in range(degree + 1 - j)]  # powers of (y, x), x ≥ 1
        self.i, self.j = np.array(terms, int).reshape(-1, 2).T
        self.powers = np.vander(x, 2 * degree + 1, increasing=True)
        self.tall = np.vander(y, 2 * degree + 1, increasing=True).T
        self.width = degree + 1  # powers of x from the constant on
        self.seen = self.powers[:, : self.width].astype(np.float32)
        some = _sample(z)
        self.middle = float(np.median(some[np.isfinite(some)])) if np.isfinite(some).any() else 0.0
        z = z - self.middle
        z = dithered(z, digitising_step(some))
        coarse = z.astype(np.float32)
        rounding = 1e-6 * float(max(np.nanmax(coarse), -np.nanmin(coarse)))  # nothing finer is told apart in it
        self.slopes = slopes(coarse, x, y, terms, rounding)
        self.along = self._along(self.slopes.coefficients)
        z -= self.level(self.along)
        self.rest = z.astype(np.float32)
        self.flat, self.noise = flat_parts(self.rest, rounding)
        self.steps = LineSteps(self.rest, rounding)
        z -= self.steps.offsets[:, None]
        self.rest = z.astype(np.float32)

    def settled(self) -> tuple[np.ndarray, np.ndarray, float, Evidence]:
        """Coefficients (y, power of x) of the background on every line, offsets (y,), the substrate's spread, and
        whether there is one."""
        residual, along, offsets = self.rest, np.zeros_like(self.along), np.zeros(len(self.rest))
        terraces: list[np.ndarray] = []
        for _ in range(ROUNDS):
            if terraces:
                along_too = along + offsets[:, None] * (np.arange(self.width) == 0)
                residual = self.rest - _product(along_too, self.seen.T)
            found = substrate_of(_sample(residual, _sample(self.flat)), self.noise)
            before, terraces = terraces, _assigned(residual, found, self.flat)
            if _differing(terraces, before) <= SETTLED * residual.size:
                break
            along, offsets = self._fitted(terraces, found)
        evidence = stands_out(_sample(residual), found, self.noise)
        if not evidence.sure:  # the last fit may have parted the terraces
            residual = self.rest - (self.level(along) + offsets[:, None]).astype(np.float32)
            evidence = stands_out(
                _sample(residual), substrate_of(_sample(residual, _sample(self.flat)), self.noise), self.noise
            )
        return self.along + along, self.middle + self.steps.offsets + offsets, found.spread, evidence

    def _along(self, c: np.ndarray) -> np.ndarray:
        """Coefficients (y, power of x) of the polynomial on every line."""
        both = np.zeros((self.width, self.width))
        both[self.i, self.j] = c
        return self.tall[: self.width].T @ both

    def level(self, along: np.ndarray) -> np.ndarray:
        """The background (y, x) that has these coefficients on each line."""
        return _product(along, self.powers[:, : self.width].T)

    def _fitted(self, terraces: list[np.ndarray], known: Substrate) -> tuple[np.ndarray, np.ndarray]:
        """Least squares: a polynomial for the image, an offset (y,) for each line, a height for each further terrace.

        Of what the first guess has left. A terrace that is narrow, or parted from the others, says little by itself;
        together, and with the slopes, they fix the background.
        """
        s = np.array([_product(on, self.powers) for on in terraces])  # sums over each line's pixels on a terrace: of xʲ
        t = np.array(
            [_product(only(self.rest, on), self.seen) for on in terraces], float
        )  # and of what is left times xʲ
        n = s[:, :, 0].sum(axis=0)
        enough = n >= min(FEWEST, max(1, self.rest.shape[1] // 2))
        variance = max(known.spread**2 * KINSHIP, 1e-60)  # of one pixel among its like
        c, heights = self._solved(s[:, enough], t[:, enough], self.tall[:, enough], variance)
        along = self._along(c)
        sums = t[:, :, 0] - np.einsum("yp,kyp->ky", along, s[:, :, : self.width]) - heights[:, None] * s[:, :, 0]
        first = self.steps.offsets
        means = first + sums.sum(axis=0) / np.maximum(n, 1)
        return along, self.steps.tied(means, np.where(enough, n / variance, 0.0)) - first

    def _solved(self, s: np.ndarray, t: np.ndarray, tall: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the polynomial and heights of the terraces; s, t (terrace, line, power) as in `_fitted`.

        Normal equations with every line's own mean taken out. That the first slopes were right, so that nothing of the
        polynomial is left, stands beside the heights as evidence.
        """
        i, j, first = self.i, self.j, len(self.i)
        total, products = s.sum(axis=0), t.sum(axis=0)
        n = np.maximum(total[:, 0], 1)
        design = np.concatenate([tall[i] * total[:, j].T, s[1:, :, 0]])  # sums over a line
        right = np.concatenate([(tall[: self.width] @ products)[i, j], t[1:, :, 0].sum(axis=1)])
        right -= design @ (products[:, 0] / n)
        gram = -(design / n) @ design.T
        gram[:first, :first] += (tall @ total)[i[:, None] + i, j[:, None] + j] + self.slopes.certainty * variance
        both = np.array([(tall @ one)[i, j] for one in s[1:]]).reshape(-1, first)
        gram[first:, :first] += both
        gram[:first, first:] += both.T
        gram[first:, first:] += np.diag(s[1:, :, 0].sum(axis=1))
        size, axes = np.linalg.eigh(gram)
        told = np.abs(size) > 1e-12 * np.abs(size).max(initial=0.0)  # of the rest the pixels say nothing
        found = axes[:, told] @ (right @ axes[:, told] / size[told])
        return found[:first], np.concatenate([[0.0], found[first:]])


def _sample(z: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Some of the pixels, of those where `mask`, itself such a sample, is True."""
    some = z.ravel()[:: max(1, z.size // (2 * SAMPLE)) | 1]
    return some if mask is None else some[mask]


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b in pieces too small for the threads of a BLAS, which on a busy machine wait longer than they work."""
    out = np.empty((len(a), b.shape[1]), b.dtype)
    rows = max(1, 2**17 // (a.shape[1] * b.shape[1]))
    for first in range(0, len(a), rows):
        np.matmul(a[first : first + rows].astype(b.dtype, copy=False), b, out=out[first : first + rows])
    return out


def _axis(n: int) -> np.ndarray:
    return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)


@step
def flatten(scan: xr.Dataset, *, channel: str = "height", degree: int = DEGREE) -> xr.Dataset:
    """Take background and line offsets off a channel so that its substrate is flat and at zero.

    Each direction and frame on its own; `degree` is that of the polynomial in x and y together. An image on which no
    substrate stands out (grains, atoms, a rough surface) is levelled by least squares, as `cautious_fit` does: a
    warning says so, and the channel's attribute `levelled`. For scans whose lines are level by themselves use
    `relevel`. Raises ChannelError for a channel that is not there, ScanError for one that is no image, or of
    fewer than 8 lines or columns.
    """
    told: list[str] = []

    def change(image: np.ndarray) -> np.ndarray:
        found = flatten_fit(image, degree)
        told.append(found.told)
        return found.image

    out = on_images(scan, channel, lambda z: each_image(z, change))
    if said := in_a_line(told):
        warnings.warn(f"{channel}: {said}", NoSubstrate, stacklevel=3)
        out[channel].attrs["levelled"] = said
    return out


def in_a_line(told: list[str]) -> str:
    """What was told of the images, in one line."""
    kinds = Counter(filter(None, told))
    if len(told) == 1:
        return told[0]
    return "; ".join(f"in {n} of {len(told)} images {kind}" for kind, n in kinds.most_common())
