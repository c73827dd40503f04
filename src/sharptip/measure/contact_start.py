"""Where to begin a fit: a grid of contact points over the whole curve, the rest in closed form at each."""

from __future__ import annotations

import numpy as np

from ..physics.contact import Law, Tip
from .curve_bins import Sums, even

BINS = 96
CANDIDATES = np.arange(4, 93, 2)  # bins at which the contact is tried first, and then every one about the best
MIDDLE = np.array([0.2, 0.8])  # of the deepest indentation, between which a law's power is read off


def start_of(sums: tuple[Sums, Sums], length: np.ndarray, law: Law, tip: Tip, k: np.ndarray) -> np.ndarray:
    """(n, 4) contact x₀ (m of travel), log E (Pa), offset (m) and tilt of curves of `length` samples.

    At each candidate the baseline is the line through what comes before it, the indentation follows from the
    deflection above that line, and modulus, offset and tilt are the least squares of deflection on (1, x, S(δ)/k).
    """
    edges = even(np.zeros(len(length)), length.astype(float), BINS)
    count = np.diff(edges, axis=1).astype(float)
    x, y = sums[0].means(edges), sums[1].means(edges)
    power = _power(law, tip, np.max(np.where(count > 0, x, 0.0)))
    best = _tried(x, y, count, np.broadcast_to(CANDIDATES, (len(x), len(CANDIDATES))), power)
    near = np.clip(best[:, None] + np.linspace(-2, 2, 9), 2, BINS - 2)
    found = _tried(x, y, count, near, power)
    return _settled(x, y, count, found, law, tip, k)


def _power(law: Law, tip: Tip, reach: float) -> float:
    """The power of the indentation that the law is like, at depths of a tenth of the ramp."""
    if law.exponent is not None:
        return law.exponent
    force = law.force(reach * 0.1 * MIDDLE, 1.0, tip)
    slope = np.diff(np.log(np.maximum(force, 1e-300)), axis=-1) / np.diff(np.log(MIDDLE))
    return float(np.clip(np.median(slope), 1.0, 2.5))


def _baseline(x: np.ndarray, y: np.ndarray, count: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offset and tilt (n, 1) of the line through the bins before `at` (n, 1) in m of travel."""
    w = count * (x < at)
    w = np.where(w.sum(axis=1, keepdims=True) > 0, w, count * (np.arange(x.shape[1]) < 2))
    total = w.sum(axis=1, keepdims=True)
    mx, my = (w * x).sum(1, keepdims=True) / total, (w * y).sum(1, keepdims=True) / total
    tilt = (w * (x - mx) * (y - my)).sum(1, keepdims=True) / np.maximum((w * (x - mx) ** 2).sum(1, keepdims=True), 1e-300)
    few = (w > 0).sum(axis=1, keepdims=True) < 6
    tilt = np.where(few, 0.0, tilt)
    return my - tilt * mx, tilt


def _place(x: np.ndarray, bin_: np.ndarray) -> np.ndarray:
    """Travel (n, 1) at a bin (n, 1) that may lie between two."""
    low = np.floor(bin_).astype(np.int64)
    a, b = np.take_along_axis(x, low, 1), np.take_along_axis(x, np.minimum(low + 1, x.shape[1] - 1), 1)
    return a + (bin_ - low) * (b - a)


def _tried(x: np.ndarray, y: np.ndarray, count: np.ndarray, bins: np.ndarray, power: float) -> np.ndarray:
    """(n,) the candidate bin with the least squared residual."""
    cost = np.full(bins.shape, np.inf)
    for j in range(bins.shape[1]):
        at = _place(x, bins[:, j : j + 1].astype(float))
        b0, b1 = _baseline(x, y, count, at)
        depth = np.maximum(x - at - (y - b0 - b1 * x), 0.0) * (x > at)
        s = depth * np.sqrt(depth) if power == 1.5 else depth * depth if power == 2 else depth**power
        _, cost[:, j] = _linear(x, y, s, count)
    return np.take_along_axis(bins, np.argmin(cost, axis=1)[:, None], 1)[:, 0]


def _linear(x: np.ndarray, y: np.ndarray, s: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of y on (1, x, s): factor of s (n,) and weighted sum of squares (n,); infinite below zero.

    What is left of y and s after a line of all points is projected on each other: three closed forms.
    """
    total = w.sum(axis=1, keepdims=True)

    def centred(v: np.ndarray) -> np.ndarray:
        return v - (w * v).sum(axis=1, keepdims=True) / total

    x, y, s = centred(x), centred(y), centred(s)
    xx = np.maximum((w * x * x).sum(axis=1, keepdims=True), 1e-300)
    y = y - x * ((w * x * y).sum(axis=1, keepdims=True) / xx)
    s = s - x * ((w * x * s).sum(axis=1, keepdims=True) / xx)
    ss, sy, yy = (w * s * s).sum(axis=1), (w * s * y).sum(axis=1), (w * y * y).sum(axis=1)
    factor = sy / np.maximum(ss, 1e-300)
    return factor, np.where(factor > 0, yy - factor * sy, np.inf)


def _settled(
    x: np.ndarray, y: np.ndarray, count: np.ndarray, bin_: np.ndarray, law: Law, tip: Tip, k: np.ndarray
) -> np.ndarray:
    """All four numbers at the chosen contact, with the law itself."""
    at = _place(x, bin_[:, None].astype(float))
    b0, b1 = _baseline(x, y, count, at)
    depth = np.maximum(x - at - (y - b0 - b1 * x), 0.0) * (x > at)
    unit = law.force(depth, 1.0, tip) / k
    factor, _ = _linear(x, y, unit, count)
    last = unit.max(axis=1)
    plain = np.maximum((y - b0 - b1 * x)[:, -4:].mean(axis=1), 1e-15) / np.maximum(last, 1e-300)
    modulus = np.where(factor > 0, factor, plain)
    return np.stack([at[:, 0], np.log(np.clip(modulus, 1e-3, 1e15)), b0[:, 0], b1[:, 0]], axis=1)
