"""The paraboloid's curve with the least squared distance to each of many approaches: contact, scale and baseline.

No tip radius and no spring constant are needed, since what is asked is how far a curve is from that shape, and where;
a modulus is told by `fit_curves`.
"""

from __future__ import annotations

import numpy as np

EXPONENT = 1.5
SEARCHED = 256  # samples of each curve on which contact is searched; the scale is then found on all
GRID = 24  # contacts that are tried first
TURNS = 16  # of golden section between the best one's neighbours: to 1/2000 of their distance
GOLDEN = (np.sqrt(5) - 1) / 2


def paraboloid_fit(position: np.ndarray, force: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(contact (n,) m, fit (n, samples), baseline (n,)) of F = a·max(contact − position, 0)^1.5 + baseline, a ≥ 0.

    position: (n, samples) m, falling toward the sample. force: (n, samples) in any unit. NaN behind each curve's end.
    For a given contact the other two follow by linear least squares; contact is searched on a grid over the curve's
    positions and then by golden section. All NaN for a curve without two different positions.
    """
    x, y = np.asarray(position, float), np.asarray(force, float)
    few = np.unique(np.linspace(0, max(x.shape[1] - 1, 0), min(SEARCHED, x.shape[1])).astype(int))
    contact = _searched(x[:, few], y[:, few])
    a, b = _linear(x, y, contact)[:2]
    fit = a[:, None] * _pressed(x, contact) + b[:, None]
    return contact, np.where(np.isfinite(x) & np.isfinite(y), fit, np.nan), b


def _pressed(x: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """(n, samples) indentation^1.5, 0 before contact."""
    depth = np.maximum(contact[:, None] - x, 0)
    return depth * np.sqrt(depth)


def _linear(x: np.ndarray, y: np.ndarray, contact: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(a, b, Σ residuals²) of the best a·p + b with a ≥ 0, row by row."""
    here = np.isfinite(x) & np.isfinite(y)
    n = np.maximum(here.sum(axis=1), 1)
    p, y = np.where(here, _pressed(x, contact), 0), np.where(here, y, 0)
    mean_p, mean_y = p.sum(axis=1) / n, y.sum(axis=1) / n
    p, y = np.where(here, p - mean_p[:, None], 0), np.where(here, y - mean_y[:, None], 0)
    pp, py = np.einsum("ns,ns->n", p, p), np.einsum("ns,ns->n", p, y)
    a = np.maximum(py, 0) / np.where(pp > 0, pp, np.inf)
    return a, mean_y - a * mean_p, np.einsum("ns,ns->n", y, y) - a * np.maximum(py, 0)


def _searched(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) contact with the smallest sum of squares."""
    low, high = np.nanmin(x, axis=1, initial=np.inf), np.nanmax(x, axis=1, initial=-np.inf)
    span = np.where(high > low, high - low, np.nan)
    grid = low[:, None] + span[:, None] * (np.arange(GRID) + 0.5) / GRID
    cost = np.stack([_linear(x, y, c)[2] for c in grid.T], axis=1)
    best = grid[np.arange(len(x)), cost.argmin(axis=1)]
    left, right = best - span / GRID, best + span / GRID
    for _ in range(TURNS):
        one, two = right - GOLDEN * (right - left), left + GOLDEN * (right - left)
        better = _linear(x, y, one)[2] < _linear(x, y, two)[2]
        left, right = np.where(better, left, one), np.where(better, two, right)
    return (left + right) / 2
