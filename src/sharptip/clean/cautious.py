"""How is an image levelled that shows no substrate? Grains, atoms, rough surfaces: by what chance does not explain.

A surface has slow waves and lines of its own, which look like a bow or an offset and are none. So a plane is taken off,
and further only what such a surface hardly has by chance: a bow, where it explains far more of the means of 8 × 8 parts
than an equal share of what is left among them (an F test); a jump from one line to the next, far beyond the other steps
and alike all along it; and line offsets, where the steps between lines vary far more than the pieces of a line let
expect. These offsets are the most probable ones beside the lines' own means and steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

from .neighbours import median
from .polynomial import Terms, fit

PARTS = 8  # of the image along each side, for the bow
PIECES = 16  # of a line, for its offset
BOWED = 4.0  # times what chance explains: a surface without a bow exceeds it once in a hundred
JUMP = 8.0  # standard deviations of the steps between lines, and of the pieces of this one
UNEVEN = 2.0  # times the variance that the sample gives the steps between lines
PLANE: Terms = ((0, 0), (1, 0), (0, 1))  # powers of (y, x)


@dataclass(frozen=True)
class Levelled:
    """Background (y, x) and line offsets (y,) in the unit of the image, and in words what they are."""

    background: np.ndarray
    offsets: np.ndarray
    told: str


def cautious_fit(z: np.ndarray, degree: int = 2) -> Levelled:
    """Plane of one image z (y, x) by least squares; a polynomial of `degree` and line offsets if there are any."""
    lines = _Lines(z)
    jumps = lines.jumps()
    z = z - jumps[:, None]
    background, told = fit(z, PLANE if degree else PLANE[:1]), "a plane" if degree else "its mean"
    terms: Terms = tuple((i, j) for i in range(degree + 1) for j in range(degree + 1 - i))
    if degree > 1 and _bow(z - background, terms) > BOWED:
        background, told = fit(z, terms), f"a polynomial of degree {degree}"
    offsets = jumps + _Lines(z - background).offsets()
    return Levelled(background, offsets, f"{told} and line offsets" if offsets.any() else told)


def _bow(z: np.ndarray, terms: Terms) -> float:
    """How much more of the parts' means `terms` explain than as many terms of chance would: F."""
    high, wide = (max(1, n // PARTS) for n in z.shape)
    parts = _means(z[: len(z) // high * high, : z.shape[1] // wide * wide], high, wide)
    left = parts - fit(parts, terms)
    known = np.isfinite(left)
    free, added = np.count_nonzero(known) - len(terms), len(terms) - len(PLANE)
    before = parts - fit(parts, PLANE)
    if free <= 0:
        return 0.0
    rest = float(np.sum(left[known] ** 2))
    gained = float(np.sum(before[known] ** 2)) - rest
    return (gained / added) / max(rest / free, 1e-12 * gained, 1e-300)


def _means(z: np.ndarray, high: int, wide: int) -> np.ndarray:
    """Means of parts of high × wide pixels of what is there; NaN where nothing is."""
    parts = z.reshape(len(z) // high, high, -1, wide)
    known = np.isfinite(parts)
    if known.all():
        return np.asarray(parts.mean(axis=(1, 3)))
    number = known.sum(axis=(1, 3))
    total = np.where(known, parts, 0.0).sum(axis=(1, 3))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


class _Lines:
    """The lines of an image z (y, x), each in PIECES: steps from one to the next, and the variance these have."""

    def __init__(self, z: np.ndarray) -> None:
        self.there = np.isfinite(z).any(axis=1)
        wide = max(1, z.shape[1] // PIECES)
        self.lines = z[self.there, : z.shape[1] // wide * wide]
        pieces = self.lines.reshape(len(self.lines), -1, wide)
        self.steps, self.vary = _over_pieces(median(pieces[1:] - pieces[:-1]))
        self.off = self.steps - np.median(self.steps) if len(self.steps) else self.steps
        self.spread = float((1.4826 * np.median(np.abs(self.off))) ** 2) if len(self.steps) else 0.0

    def jumps(self) -> np.ndarray:
        """Offsets (y,) from steps that nothing on a sample makes."""
        far = self.off**2 > JUMP**2 * np.maximum(self.spread, self.vary)
        return self._everywhere(np.concatenate([[0.0], np.cumsum(np.where(far, self.off, 0.0))]))

    def offsets(self) -> np.ndarray:
        """Offsets (y,) of zero mean, as far as the sample does not explain them; often none at all.

        Steps between lines, which lie close together, and means of lines each say where a line is, with the variance
        that their pieces show. The offsets themselves vary as much as the steps do beyond that.
        """
        n, vary = len(self.lines), float(np.mean(self.vary)) if len(self.vary) else 0.0
        if n < PIECES or not self.spread > UNEVEN * vary:
            return np.zeros(len(self.there))
        means, means_vary = _over_pieces(_means(self.lines, 1, self.lines.shape[1] // PIECES or 1))
        own = (self.spread - vary) / 2
        step, mean = 1 / max(vary, 1e-6 * own), 1 / max(float(np.mean(means_vary)), 1e-6 * own)
        band, right = np.zeros((2, n)), mean * means
        band[0] = 1 / own + mean
        band[0, 1:] += step
        band[0, :-1] += step
        band[1, :-1] = -step
        right[1:] += step * self.steps
        right[:-1] -= step * self.steps
        return self._everywhere(solveh_banded(band * own, right * own, lower=True))

    def _everywhere(self, offsets: np.ndarray) -> np.ndarray:
        """With zero mean, and between its neighbours for a lost line."""
        if len(offsets) != np.count_nonzero(self.there):
            return np.zeros(len(self.there))
        every = np.arange(len(self.there))
        return np.interp(every, every[self.there], offsets - offsets.mean())


def _over_pieces(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (line,) of values (line, piece) over the pieces that are there, and the variance of each such mean."""
    known = np.isfinite(values)
    number = known.sum(axis=1)
    means = np.where(known, values, 0.0).sum(axis=1) / np.maximum(number, 1)
    off = np.where(known, values - means[:, None], 0.0)
    return means, (off**2).sum(axis=1) / np.maximum(number - 1, 1) / np.maximum(number, 1)
