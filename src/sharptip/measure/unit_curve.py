"""The shape of a force curve and nothing else: force as a share of its largest, indentation as a share of its deepest.

An elastic half-space under a tip that is a power of the depth has one such shape whatever its modulus, the tip's size,
the spring constant and the depth: s = t^(3/2) for a paraboloid. What is left is how the sample differs from that:
layers, a brush, stiffening, a substrate, adhesion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from .approach import Approach
from .contact_point import farthest_from_chord

BEGIN = 0.02  # share of the largest force at which the indentation is 0: a contact that needs no model
BEFORE = -0.5  # from where on the shape is kept, in shares of the deepest indentation
BINS = 64
FAR = 0.3  # of the way to contact: what is nearer is not taken for baseline
LAST = 0.01  # of the samples, at least 3: the largest force and the deepest indentation are their means
NOISY = 0.02  # noise of a bin, as a share of the largest force, from which on a shape says nothing
FEWEST = 16  # samples between contact and the deepest point


@dataclass(frozen=True)
class UnitCurves:
    """n shapes. shares: (n, bins) of the largest force, along `depth` (bins,) in shares of the deepest indentation."""

    shares: np.ndarray
    depth: np.ndarray
    largest: np.ndarray  # (n,) deflection at the deepest point, in its unit
    deepest: np.ndarray  # (n,) m
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Scale:
    """What one curve is divided by, and the line of its baseline (slope, level) over height."""

    line: np.ndarray
    begin: float
    deepest: float
    largest: float


def unit_curves(approach: Approach, other: Approach | None = None, *, against: str = "indentation") -> UnitCurves:
    """Shapes of the approaches; of `other` (the way back of the same curves) on the approaches' axes, if it is given.

    against: 'indentation', which takes a deflection in metres; or 'height' of the piezo, which takes any unit and is
    blind to every gain, but holds how stiff the sample is against the cantilever. A line through the far part of the
    baseline is subtracted. Curves whose shape drowns in noise, or that are too short, say so in `faults`.

    Raises UnitError where an indentation is asked for and cannot be known, ValueError for another `against`.
    """
    if against not in ("indentation", "height"):
        raise ValueError(f"against is {against!r}; a shape is drawn against 'indentation' or 'height'")
    way = approach.position if against == "indentation" else approach.height
    back = None if other is None else (other.position if against == "indentation" else other.height)
    contact = farthest_from_chord(approach)
    n = len(approach)
    shares, size, faults = np.zeros((n, BINS)), np.full((n, 2), np.nan), list(approach.faults)
    for i in range(n):
        own = slice(0, int(approach.length[i]))
        h, d, x = approach.height[i, own], approach.deflection[i, own], way[i, own]
        faults[i] = faults[i] or (f"curve {i}: no contact is seen" if not np.isfinite(contact[i]) else "")
        found = None if faults[i] else _scale(h, d, x, float(contact[i]))
        if found is None:
            faults[i] = faults[i] or f"curve {i}: fewer than {FEWEST} samples in contact, or no rise above its noise"
            continue
        if other is not None and back is not None:
            theirs = slice(0, int(other.length[i]))
            h, d, x = other.height[i, theirs], other.deflection[i, theirs], back[i, theirs]
            faults[i] = other.faults[i]
        shares[i], size[i] = _binned(h, d, x, found), (found.largest, found.deepest)
        if not np.isfinite(shares[i]).all() or faults[i]:
            faults[i], shares[i] = faults[i] or f"curve {i}: has no samples in contact", 0.0
    return UnitCurves(shares, _edges()[:-1] + 0.5 / BINS * (1 - BEFORE), size[:, 0], size[:, 1], tuple(faults))


def _edges() -> np.ndarray:
    return np.linspace(BEFORE, 1.0, BINS + 1)


def _scale(h: np.ndarray, d: np.ndarray, x: np.ndarray, contact: float) -> _Scale | None:
    """The scales of one approach; None where it has no shape."""
    far = h > contact + FAR * (h[0] - contact)
    if far.sum() < FEWEST:
        return None
    middle = h[far].mean()
    slope = np.sum((h[far] - middle) * d[far]) / np.sum((h[far] - middle) ** 2)
    line = np.array([slope, d[far].mean() - slope * middle])
    rise, last = d - np.polyval(line, h), max(3, int(LAST * len(d)))
    largest, noise = rise[-last:].mean(), np.std(np.diff(rise[far])) / np.sqrt(2)
    below = np.flatnonzero(uniform_filter1d(rise, 5) < BEGIN * largest)
    if not largest > 0 or not len(below) or len(d) - below[-1] < FEWEST:
        return None
    begin, deepest = x[below[-1]], x[below[-1]] - x[-last:].mean()
    per_bin = max(1.0, (len(d) - below[-1]) * (1 - BEFORE) / BINS)
    if not deepest > 0 or noise / np.sqrt(per_bin) > NOISY * largest:
        return None
    return _Scale(line, float(begin), float(deepest), float(largest))


def _binned(h: np.ndarray, d: np.ndarray, x: np.ndarray, scale: _Scale) -> np.ndarray:
    """(bins,) mean share of the largest force; bins without a sample lie on the line between their neighbours."""
    rise = (d - np.polyval(scale.line, h)) / scale.largest
    place = np.floor(((scale.begin - x) / scale.deepest - BEFORE) / (1 - BEFORE) * BINS).astype(int)
    inside = (place >= 0) & (place < BINS)
    count = np.bincount(place[inside], minlength=BINS)
    if not count.any():
        return np.full(BINS, np.nan)
    full = np.flatnonzero(count)
    means = np.bincount(place[inside], rise[inside], minlength=BINS)[full] / count[full]
    return np.interp(np.arange(BINS), full, means)
