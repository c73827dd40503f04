"""Where to begin a fit: a grid of contact points over the whole curve, the rest in closed form at each."""

from __future__ import annotations

import numpy as np

from ..physics.contact import Law, Tip
from .curve_bins import Sums, even

BINS = 64
CANDIDATES = np.concatenate([np.arange(2, 56, 3), np.arange(57, 63)])  # bins at which the contact is tried first
NEAR = np.linspace(-2.5, 2.5, 11)  # bins about the best, tried then
MIDDLE = np.array([0.2, 0.8])  # of the deepest indentation, between which a law's power is read off


def start_of(
    sums: tuple[Sums, Sums], length: np.ndarray, law: Law, tip: Tip, k: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray:
    """(n, 4) contact x₀ (m of travel), log E (Pa), offset (m) and tilt of curves of `length` samples.

    At each candidate the baseline is the line through what comes before it, the indentation follows from the
    deflection above that line, and modulus, offset and tilt are the least squares of deflection on (1, x, S(δ)/k). A
    contact that is `known` (n,), in m of travel, is not looked for.
    """
    edges = even(np.zeros(len(length)), length.astype(float), BINS)
    count = np.diff(edges, axis=1).astype(float)
    x, y = sums[0].means(edges), sums[1].means(edges)
    if known is not None:
        return _settled(x, y, count, known[:, None], law, tip, k)
    power = _power(law, tip, np.max(np.where(count > 0, x, 0.0)))
    best = _tried(x, y, count, np.broadcast_to(CANDIDATES, (len(x), len(CANDIDATES))), power)
    near = np.clip(best[:, None] + NEAR, 2, BINS - 2)
    found = _tried(x, y, count, near, power)
    return _settled(x, y, count, _place(x, found[:, None].astype(float)), law, tip, k)


def _power(law: Law, tip: Tip, reach: float) -> float:
    """The power of the indentation that the law is like, at depths of a tenth of the ramp."""
    if law.exponent is not None:
        return law.exponent
    force = law.force(reach * 0.1 * MIDDLE, 1.0, tip)
    slope = np.diff(np.log(np.maximum(force, 1e-300)), axis=-1) / np.diff(np.log(MIDDLE))
    return float(np.clip(np.median(slope), 1.0, 2.5))


def _baseline(x: np.ndarray, y: np.ndarray, count: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offset and tilt (n, 1) of the line through the bins before `at` (n, 1) in m of travel."""
    before = x < at
    few = before.sum(axis=1) < 6
    before[:, :2] = True
    w = count * before
    total = np.maximum(w.sum(axis=1), 1.0)
    mx, my = dot(w, x) / total, dot(w, y) / total
    wx = w * x
    tilt = (dot(wx, y) - total * mx * my) / np.maximum(dot(wx, x) - total * mx * mx, 1e-300)
    tilt = np.where(few, 0.0, tilt)
    return (my - tilt * mx)[:, None], tilt[:, None]


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) Σ a b of each row."""
    return np.einsum("ij,ij->i", a, b)


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

    What a line of all points leaves of y and of s is projected on each other.
    """
    total = w.sum(axis=1)

    def centred(v: np.ndarray) -> np.ndarray:
        return v - (dot(w, v) / total)[:, None]

    x, y, s = centred(x), centred(y), centred(s)
    wx, ws, wy = w * x, w * s, w * y
    xx, xy, xs = np.maximum(dot(wx, x), 1e-300), dot(wx, y), dot(wx, s)
    ss, sy, yy = dot(ws, s) - xs * xs / xx, dot(ws, y) - xs * xy / xx, dot(wy, y) - xy * xy / xx
    factor = sy / np.maximum(ss, 1e-300)
    return factor, np.where(factor > 0, yy - factor * sy, np.inf)


def _settled(
    x: np.ndarray, y: np.ndarray, count: np.ndarray, at: np.ndarray, law: Law, tip: Tip, k: np.ndarray
) -> np.ndarray:
    """All four numbers at the chosen contact (n, 1) m, with the law itself."""
    b0, b1 = _baseline(x, y, count, at)
    depth = np.maximum(x - at - (y - b0 - b1 * x), 0.0) * (x > at)
    unit = law.force(depth, 1.0, tip) / k
    factor, _ = _linear(x, y, unit, count)
    last = unit.max(axis=1)
    plain = np.maximum((y - b0 - b1 * x)[:, -4:].mean(axis=1), 1e-15) / np.maximum(last, 1e-300)
    modulus = np.where(factor > 0, factor, plain)
    return np.stack([at[:, 0], np.log(np.clip(modulus, 1e-3, 1e15)), b0[:, 0], b1[:, 0]], axis=1)
