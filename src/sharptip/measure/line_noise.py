"""How does the noise run along the scan lines, and what does a line itself add to a guess that never saw it?

A blind guess m of a line throws away what the line itself says. With z = s + n, the surface s = m + e and the guess's
error e independent of the noise n, the residual z − m = n − e has the covariance of both, and the best linear answer is

    s = m + S (S + N)⁻¹ (z − m)        S = D ρ D  of the guess's error,  N  of the noise, both along one line

(the posterior mean; Laine et al., NeurIPS 2019, who give a single pixel's). N is the autocovariance of the residual
where the guess is at its best; D says for each pixel by how much the guess misses beyond that, ρ how its errors run
along the line. Whatever the noise does along the line, offsets of whole lines included, is in N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

SPREAD = 1.4826  # median absolute deviation → standard deviation of a normal distribution
LAG = 24  # pixels; correlations along the line are followed so far
QUIET = 0.2  # share of the pixels, those with the surest guesses, that show the noise alone
LEVELS = 8  # of the guess's deviation between which the uncertainty is interpolated
ROUNDS = 25  # of conjugate gradients
FLOOR = 0.02  # of the noise's variance: no guess is surer than that
OUTLIER = 3.0  # standard deviations of the noise beyond which a residual is the guess's error
FAINT = 0.03  # of the noise's variance: errors of the guess below it say nothing about how they run along the line
APART = 1.5  # pixels over which such errors are taken to run along the line


@dataclass(frozen=True)
class LineNoise:
    """`noise` (lag,): autocovariance along the line of the noise; `likeness` (lag,): correlation of the guess's errors;
    `missed` (y, x): standard deviation of the guess's error."""

    noise: np.ndarray
    likeness: np.ndarray
    missed: np.ndarray


def autocovariance(values: np.ndarray, counted: np.ndarray, lags: int) -> np.ndarray:
    """(lags,): mean of v(x)·v(x + lag) along the lines of (y, x), over pairs of pixels that both count.

    Nothing is taken off: the values' mean is zero by their meaning. Zero where there is no pair.
    """
    n = values.shape[1]
    size = fft.next_fast_len(n + lags, real=True)
    weight = counted.astype(float)
    sums, pairs = (
        fft.irfft((np.abs(fft.rfft(v, size, axis=1)) ** 2).sum(axis=0), size)[:lags]
        for v in (np.where(counted, values, 0.0), weight)
    )
    return np.where(pairs > 0.5, sums / np.maximum(pairs, 0.5), 0.0)


def line_noise(z: np.ndarray, guess: np.ndarray, expected: np.ndarray) -> LineNoise:
    """What the residual z − guess (y, x) of a blind guess is made of; `expected` (y, x) is its deviation by the guess.

    NaN pixels of z are left out. The noise is a little overrated, by the error of the surest guesses; it is never more
    than neighbouring lines differ by.
    """
    residual = z - guess
    known = np.isfinite(residual)
    lags = min(LAG, residual.shape[1])
    variance = np.square(expected, dtype=float)
    if not known.any():
        return LineNoise(np.zeros(lags), np.eye(1, lags)[0], np.zeros(residual.shape))
    said = max(np.mean(variance[known]), 1e-300)
    variance *= np.mean(residual[known] ** 2) / said  # on average it misses by as much as it does
    quiet = known & (variance <= np.quantile(variance[known], QUIET))
    noise, all_ = autocovariance(residual, quiet, lags), autocovariance(residual, known, lags)
    noise *= min(1.0, _between_lines(z) / max(noise[0], 1e-300))
    evident = np.where(known, residual, 0.0) ** 2 - OUTLIER**2 * noise[0]  # more than noise does
    missed = np.sqrt(np.maximum.reduce([variance - noise[0], np.full_like(variance, FLOOR * noise[0]), evident]))
    beyond = all_ - noise
    likeness = np.exp(-np.arange(lags) / APART)
    if beyond[0] > FAINT * noise[0] > 0:
        likeness = beyond / beyond[0]
    return LineNoise(noise, likeness, missed)


def with_the_line(guess: np.ndarray, z: np.ndarray, found: LineNoise) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean (y, x) of the guess and the line itself, and its standard deviation; where z is NaN, the guess's.

    The deviation is that of a guess as good everywhere on the line as it is at the pixel.
    """
    if not found.noise[0] > 0:
        return np.where(np.isfinite(z), z, guess), np.zeros(z.shape)
    known = np.isfinite(z)
    noise, likeness = (_Stationary(c, z.shape[1]) for c in (found.noise, found.likeness))
    residual = np.where(known, z - guess, 0.0)
    missed = np.where(known, found.missed, 0.0)  # a lost pixel is not drawn by its neighbours
    weights = _solved(lambda v: missed * likeness(missed * v) + noise(v), residual, missed**2 + found.noise[0])
    return guess + missed * likeness(missed * weights), _deviation(found.missed, noise.spectrum, likeness.spectrum)


def _between_lines(z: np.ndarray) -> float:
    """Variance of noise that is new on every line, from the differences of neighbouring lines; at most so much."""
    apart = np.diff(z, axis=0)
    apart = apart[np.isfinite(apart)]
    return float(SPREAD * np.median(np.abs(apart - np.median(apart)))) ** 2 / 2 if apart.size else np.inf


class _Stationary:
    """Product of lines (y, x) with the covariance matrix of a stationary process, by its spectrum."""

    def __init__(self, covariance: np.ndarray, n: int) -> None:
        lags = len(covariance)
        taper = 0.5 * (1 + np.cos(np.pi * np.arange(lags) / lags))
        self.n, self.size = n, fft.next_fast_len(n + 2 * lags, real=True)
        around = np.zeros(self.size)
        around[:lags] = covariance * taper
        around[self.size - lags + 1 :] = around[1:lags][::-1]
        spectrum = fft.rfft(around).real
        self.spectrum = np.maximum(spectrum, 1e-3 * covariance[0])  # a covariance has no negative power

    def __call__(self, lines: np.ndarray) -> np.ndarray:
        return fft.irfft(fft.rfft(lines, self.size, axis=1) * self.spectrum, self.size, axis=1)[:, : self.n]


def _solved(product: object, right: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Lines x with product(x) = right, all lines at once, by conjugate gradients."""
    x, left = np.zeros_like(right), right.copy()
    ahead = left / diagonal
    way, size = ahead, (left * ahead).sum(axis=1, keepdims=True)
    for _ in range(ROUNDS):
        moved = product(way)  # type: ignore[operator]
        step = size / np.maximum((way * moved).sum(axis=1, keepdims=True), 1e-300)
        x, left = x + step * way, left - step * moved
        ahead = left / diagonal
        before, size = size, (left * ahead).sum(axis=1, keepdims=True)
        way = ahead + size / np.maximum(before, 1e-300) * way
    return x


def _deviation(missed: np.ndarray, noise: np.ndarray, likeness: np.ndarray) -> np.ndarray:
    """(y, x): Wiener's error for errors and noise of these spectra, at each deviation of the guess."""
    levels = np.geomspace(max(missed.min(), 1e-300), max(missed.max(), 1e-300), LEVELS)
    error = [np.mean(s * noise / (s + noise)) for s in (level**2 * likeness for level in levels)]
    return np.sqrt(np.interp(missed, levels, error))
