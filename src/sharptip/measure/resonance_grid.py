"""Matched filters: every spectrum against a grid of resonances, and what the grid says where the data leave doubt.

For any f0 and Q the best complex height of a line is in closed form, and what the line takes off the sum of squares is
|T̂*·y|²: for many spectra and a whole grid of templates T̂ of length 1, one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..physics import oscillator
from .varpro import Template, unit

SEARCH, AVERAGE = (1.8, 2.0), (1.3, 4.0)  # grids: from one quality factor to the next, and places per linewidth
MOST = 4000  # templates of a grid


def _values(frequency: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return oscillator.shape(frequency, *np.exp(theta.T))


def _slopes(frequency: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return oscillator.shape_slopes(frequency, *np.exp(theta.T))


def _modulus(frequency: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return np.abs(_values(frequency, theta))


def _modulus_slopes(frequency: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    h, first, second = _slopes(frequency, theta)
    size = np.abs(h)
    return size, (h.conj() * first).real / size, (h.conj() * second).real / size


def _reach(theta: np.ndarray) -> np.ndarray:
    """Half a linewidth in log f0, half a unit in log Q."""
    return np.stack([0.5 * np.exp(-theta[:, 1]), np.full(len(theta), 0.5)], axis=1)


LINE = Template("oscillator", _values, _slopes, _reach)  # theta = (log f0, log Q)
MODULUS = Template("oscillator without phase", _modulus, _modulus_slopes, _reach)


@dataclass(frozen=True)
class Grid:
    """Resonances (k,) that spectra on one frequency axis are held against.

    theta (k, 2): log f0, log Q; weight (k,) of the prior; energy (k,): Σ|T|² of templates with a peak of 1;
    units (k, f): the templates at length 1, in single precision.
    """

    theta: np.ndarray
    weight: np.ndarray
    energy: np.ndarray
    units: np.ndarray


def quality_range(frequency: np.ndarray) -> tuple[float, float]:
    """Quality factors that a band can tell: lines from twice as wide as the band to 1.5 samples wide."""
    band, middle = float(np.ptp(frequency)), float(np.mean(frequency))
    spacing = band / (len(frequency) - 1)
    return max(1.0, middle / (2 * band)), middle / (1.5 * spacing)


def grid_of(
    frequency: np.ndarray,
    quality: tuple[float, float] | None = None,
    density: tuple[float, float] = AVERAGE,
    *,
    basis: np.ndarray,
    template: Template = LINE,
) -> Grid:
    """A grid over the band: places in proportion to the linewidth, quality factors in a geometric series."""
    (low, high), (ratio, steps) = quality or quality_range(frequency), density
    band, middle = float(np.ptp(frequency)), float(np.mean(frequency))
    levels = np.geomspace(low, high, 1 + max(1, round(np.log(high / low) / np.log(ratio))))
    counts = np.maximum(3, np.ceil(steps * band * levels / middle).astype(int) + 1)
    kept = max(2, int(np.searchsorted(np.cumsum(counts), MOST)))  # narrower lines start from the narrowest that is kept
    levels, counts = levels[:kept], counts[:kept]
    places = np.concatenate([np.linspace(frequency.min(), frequency.max(), n) for n in counts])
    theta = np.log(np.stack([places, np.repeat(levels, counts)], axis=1))
    shapes = oscillator.without_background(template.values(frequency, theta), basis)
    kind = np.complex64 if np.iscomplexobj(shapes) else np.float32
    energy = (np.abs(shapes) ** 2).sum(axis=1)
    return Grid(theta, np.repeat(1.0 / counts, counts), energy, unit(shapes).astype(kind))


def searched(spectra: np.ndarray, grid: Grid, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the best template (n,), the log-likelihood that it gains over no line (n,))."""
    gain = gain_of(overlap_of(spectra, grid))
    best = gain.argmax(axis=1)
    top = gain[np.arange(len(gain)), best]
    return best, top / scale_of(noise2_of(energy_of(spectra) - top, spectra, basis), spectra)


def overlap_of(spectra: np.ndarray, grid: Grid) -> np.ndarray:
    """T̂*·y (n, k): one matrix product."""
    return spectra.astype(grid.units.dtype) @ grid.units.conj().T


def gain_of(overlap: np.ndarray) -> np.ndarray:
    """What each template takes off the sum of squares; a modulus has no lines that point down."""
    if np.iscomplexobj(overlap):
        return overlap.real**2 + overlap.imag**2
    return np.maximum(overlap, 0) ** 2


def energy_of(spectra: np.ndarray) -> np.ndarray:
    return np.vecdot(spectra, spectra).real


def scale_of(noise2: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """By what a sum of squares becomes a log-likelihood."""
    return noise2 if np.iscomplexobj(spectra) else 2 * noise2


def noise2_of(rest: np.ndarray, spectra: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """σ² per sample from what a line leaves over: a line takes two complex samples, or three real ones."""
    lost = 2 if np.iscomplexobj(spectra) else 3
    return np.maximum(rest, 1e-30) / max(spectra.shape[1] - lost - basis.shape[1], 1)


class Posterior(NamedTuple):
    """theta (n, 2); log_amplitude, phase (n,); errors (n, 4) of log A, log f0, log Q, φ; noise2 (n,)."""

    theta: np.ndarray
    log_amplitude: np.ndarray
    phase: np.ndarray
    errors: np.ndarray
    noise2: np.ndarray


def posterior(spectra: np.ndarray, grid: Grid, basis: np.ndarray, near: np.ndarray | None = None) -> Posterior:
    """Mean and spread over the grid, the complex height integrated out; σ is what the best line leaves over.

    near: (n, 2) mean and standard deviation of a Gaussian prior of log f0 for each spectrum, NaN for none.
    """
    overlap = overlap_of(spectra, grid)
    gain = gain_of(overlap)
    top = gain.max(axis=1)
    noise2 = noise2_of(energy_of(spectra) - top, spectra, basis)
    scale = scale_of(noise2, spectra)
    odds = np.exp((gain - top[:, None]) / scale[:, None].astype(gain.dtype)) * grid.weight.astype(gain.dtype)
    if near is not None:
        away = (grid.theta[:, 0] - near[:, :1]) / near[:, 1:]
        odds *= np.exp(-0.5 * np.nan_to_num(away) ** 2) + 1e-6  # a neighbour may be wrong
    odds /= odds.sum(axis=1, keepdims=True)
    theta, spread = _moments(odds, grid.theta)
    own = 0.5 * scale / np.maximum(top, 1e-30)  # of the height, at any one place of the grid
    log_amplitude = 0.5 * np.log(np.maximum(gain, 1e-30)) + _log_amplitude_per_gain(grid).astype(gain.dtype)
    level = np.vecdot(odds, log_amplitude).astype(float)
    log_amplitude -= level[:, None].astype(gain.dtype)
    level_spread = np.vecdot(odds, log_amplitude**2) + own
    phase = turn = np.full(len(gain), np.nan)
    if np.iscomplexobj(overlap):
        odds /= np.sqrt(np.maximum(gain, 1e-30))
        direction = np.einsum("nk,nk->n", odds, overlap)
        phase, turn = np.angle(direction), -2 * np.log(np.clip(np.abs(direction), 1e-6, 1)) + own
    errors = np.sqrt(np.stack([level_spread, spread[:, 0], spread[:, 1], turn], axis=1))
    return Posterior(theta, level, phase, errors, noise2)


def _log_amplitude_per_gain(grid: Grid) -> np.ndarray:
    """(k,) log A of each template whose gain is 1: its height is √(gain / energy), and A = height / Q."""
    return -0.5 * np.log(grid.energy) - grid.theta[:, 1]


def _moments(odds: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, variance), each (n, 2); within a cell of the grid too, as far as it matters."""
    origin = theta.mean(axis=0)
    moved = theta - origin
    table = np.concatenate([moved, moved**2], axis=1).astype(odds.dtype)
    mean, square = np.split((odds @ table).astype(float), 2, axis=1)
    cell = np.array([0.0, np.log(AVERAGE[0]) ** 2 / 12])
    return origin + mean, np.maximum(square - mean**2, 0) + cell
