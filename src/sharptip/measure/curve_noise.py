"""How much a deflection fluctuates, and over how long: its Allan variance, and what that does to fitted numbers.

Noise of a cantilever is white (detector, thermal) and flickers (1/f: drift of the beam, air, liquid). Both are read
off the Allan variance of the baseline, half the mean square difference of neighbouring means of m samples: white noise
of variance w gives w/m, flicker noise of strength c gives 2 ln 2 · c at every m (Allan, Proc. IEEE 54, 221 (1966)).

A number that is linear in the samples, Σ Gᵢ yᵢ with Σ Gᵢ = 0, then has the variance w Σ Gᵢ² + c Σ Gᵢ Gⱼ Kᵢⱼ with
K = −ln |tᵢ − tⱼ|: the covariance of flicker noise falls so with the lag, up to a constant that Σ Gᵢ = 0 takes away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLICKER = 2 * np.log(2)
FEWEST = 3  # pairs of blocks that a scale needs
OVERLAP = 4  # pairs of blocks begin a quarter of a block apart, which uses the samples better than side by side
LOST = 70  # samples: a line fitted to n of them takes LOST/n of the flicker noise along (simulated, n from 150 on)
SHORT = 4  # samples below which filters and ringing show, not the noise that counts


@dataclass(frozen=True)
class Noise:
    """white (n,): variance of one sample, m²; flicker (n,): c in m²."""

    white: np.ndarray
    flicker: np.ndarray

    def deviation(self) -> np.ndarray:
        """(n,) m: standard deviation of one sample about its neighbours."""
        return np.sqrt(self.white + FLICKER * self.flicker)


def allan(residual: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales m (k,), Allan variances (n, k) and numbers of pairs (n, k) of the first `length` samples of each row."""
    n, samples = residual.shape
    inside = np.arange(samples) < length[:, None]
    total = np.concatenate([np.zeros((n, 1)), np.cumsum(np.where(inside, residual, 0.0), axis=1)], axis=1)
    scales = 2 ** np.arange(0, max(1, int(np.log2(max(length.max(initial=2) // 4, 1))) + 1))
    variance, pairs = np.zeros((n, len(scales))), np.zeros((n, len(scales)))
    for j, m in enumerate(scales):
        stride = max(1, int(m) // OVERLAP)
        ends = [total[:, i * m : (samples + 1 - (2 - i) * m) : stride] for i in range(3)]
        step = (ends[2] - 2 * ends[1] + ends[0]) / m
        number = np.maximum((length - 2 * m) // stride + 1, 0)
        step[np.arange(step.shape[1]) >= number[:, None]] = 0.0
        pairs[:, j] = np.where(number > 0, length / m - 1, 0)
        variance[:, j] = 0.5 * np.einsum("ij,ij->i", step, step) / np.maximum(number, 1)
    return scales, variance, pairs


def noise_of(residual: np.ndarray, length: np.ndarray) -> Noise:
    """White and flicker noise of rows (n, samples) of residuals in m, the first `length` (n,) of each counting.

    Weighted least squares of the Allan variances, each counting by its pairs and relative to the sum of the two, both
    parts at or above zero. Scales below SHORT samples count only where there is nothing else.
    """
    scales, variance, pairs = allan(residual, length)
    pairs = np.where(pairs >= FEWEST, pairs, 0.0)
    longer = pairs * (scales >= SHORT)
    pairs = np.where((longer > 0).sum(axis=1, keepdims=True) >= 2, longer, pairs)
    white, flicker = variance[:, 0], np.zeros(len(variance))
    for _ in range(6):
        expected = white[:, None] / scales + FLICKER * flicker[:, None]
        weight = pairs / np.maximum(expected, 1e-100) ** 2
        white, flicker = _two(1 / scales, np.full(len(scales), FLICKER), variance, weight)
    return Noise(white, flicker * (1 + LOST / np.maximum(length, LOST)))


def _two(a: np.ndarray, b: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p, q ≥ 0 that minimise Σ w (y − p a − q b)², row by row."""
    w = w / np.maximum(w.max(axis=1, keepdims=True), 1e-300)
    aa, bb, ab = (w * a * a).sum(1), (w * b * b).sum(1), (w * a * b).sum(1)
    ay, by = (w * a * y).sum(1), (w * b * y).sum(1)
    determinant = np.maximum(aa * bb - ab * ab, 1e-300)
    p, q = (bb * ay - ab * by) / determinant, (aa * by - ab * ay) / determinant
    only_p, only_q = ay / np.maximum(aa, 1e-300), by / np.maximum(bb, 1e-300)
    sound = aa * bb - ab * ab > 1e-9 * aa * bb
    p, q = np.where(sound, p, only_p), np.where(sound, q, 0.0)
    return np.where(p < 0, 0.0, np.where(q < 0, only_p, p)), np.where(q < 0, 0.0, np.where(p < 0, only_q, q))


def variance_of(gain: np.ndarray, edges: np.ndarray, noise: Noise, blocks: int = 32) -> np.ndarray:
    """Variance (n, k) of numbers Σ gain · (mean of bin): gain (n, k, bins), edges of the bins (n, bins + 1) in samples.

    Neighbouring bins are taken together to about `blocks` for the flicker part, which changes little between them.
    """
    count = np.diff(edges, axis=1)
    white = (gain**2 / np.maximum(count, 1)[:, None, :]).sum(axis=2) * noise.white[:, None]
    every = max(1, count.shape[1] // blocks)
    cut = np.arange(0, count.shape[1], every)
    summed = np.add.reduceat(gain, cut, axis=2)
    ends = np.concatenate([edges[:, cut], edges[:, -1:]], axis=1).astype(float)
    middle, width = (ends[:, 1:] + ends[:, :-1]) / 2, np.maximum(np.diff(ends, axis=1), 1)
    lag = np.abs(middle[:, :, None] - middle[:, None, :])
    own = np.exp(-1.5) * width  # mean of −ln |t − t′| within a bin of this width
    which = np.arange(len(cut))
    lag[:, which, which] = own
    kernel = -np.log(np.maximum(lag, 1e-3))
    flicker = np.einsum("nki,nij,nkj->nk", summed, kernel, summed, optimize=True)
    return white + np.maximum(flicker, 0.0) * noise.flicker[:, None]
