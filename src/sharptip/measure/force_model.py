"""The deflection that a law of contact predicts for a travel of the base, and its refinement to many curves at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .curve_bins import Binned
from .law_table import Shape

TURNS = 40
SETTLED = 1e-9  # relative fall of the cost that ends a fit
SOLVES = 30  # Newton steps for the deflection, at most
STIFFEST, SOFTEST = np.log(1e14), np.log(1e-2)  # of E in Pa, between which a fit stays


@dataclass(frozen=True)
class Fitted:
    """parameters (n, 4): x₀ (m), log E, b₀ (m), b₁; residual (n, bins) m; slopes (n, bins, 4); normal (n, 4, 4)."""

    parameters: np.ndarray
    residual: np.ndarray
    slopes: np.ndarray
    normal: np.ndarray
    converged: np.ndarray


def deflection(
    into: np.ndarray, modulus: np.ndarray, shape: Shape, k: np.ndarray, guess: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deflection f (n, bins) m where the base has gone `into` metres past the contact, with E S(δ)/k and E S′(δ)/k.

    f solves f = E S(into − f)/k: Newton's steps in δ from above the root, where they fall to it, S being convex.
    """
    into = np.maximum(into, 0.0)
    depth = into if guess is None else np.clip(guess, 0.0, into)
    scale = modulus / k
    for turn in range(SOLVES):
        s, slope = shape(depth)
        step = (depth + scale * s - into) / (1 + scale * slope)
        depth = np.clip(depth - step, 0.0, into)
        if turn and np.all(np.abs(step) <= 1e-7 * into + 1e-16):
            break
    s, slope = shape(depth)
    return into - depth, scale * s, scale * slope


def predicted(
    parameters: np.ndarray, x: np.ndarray, shape: Shape, k: np.ndarray, guess: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deflection (n, bins) m, its slopes (n, bins, 4) by x₀, log E, b₀ and b₁, and the indentations (n, bins)."""
    x0, log_e, b0, b1 = parameters.T[:, :, None]
    f, force, stiff = deflection(x - x0, np.exp(log_e), shape, k, guess)
    give = 1 / (1 + stiff)
    slopes = np.stack([-stiff * give, force * give, np.ones_like(x), x], axis=2)
    return b0 + b1 * x + f, slopes, x - x0 - f


def refine(
    bins: Binned, weight: np.ndarray, start: np.ndarray, shape: Shape, k: np.ndarray, hold: bool = False
) -> Fitted:
    """Least squares of all four parameters from their start (n, 4), by Levenberg and Marquardt, all curves together.

    hold: the contacts stay where they are.
    """
    free = np.array([0.0 if hold else 1.0, 1.0, 1.0, 1.0])
    p = start.copy()
    damp = np.full(len(p), 1e-3)
    y, slopes, depth = predicted(p, bins.x, shape, k)
    slopes = slopes * free
    r = bins.y - y
    cost = (weight * r * r).sum(axis=1)
    done = np.zeros(len(p), bool)
    for _ in range(TURNS):
        at = np.flatnonzero(~done)
        if not len(at):
            break
        w, j = weight[at], slopes[at]
        normal, right = _normal(j, w), np.einsum("nmi,nm->ni", j, w * r[at])
        trial = p[at] + _step(normal, right, damp[at])
        trial[:, 1] = np.clip(trial[:, 1], SOFTEST, STIFFEST)
        new_y, new_slopes, new_depth = predicted(trial, bins.x[at], shape.take(at), k[at], depth[at])
        new_r = bins.y[at] - new_y
        new_cost = (w * new_r * new_r).sum(axis=1)
        better = new_cost <= cost[at]
        fell = (cost[at] - new_cost) <= SETTLED * cost[at]
        ok = at[better]
        p[ok], r[ok], slopes[ok], depth[ok], cost[ok] = (
            v[better] for v in (trial, new_r, new_slopes * free, new_depth, new_cost)
        )
        damp[at] = np.where(better, damp[at] * 0.2, damp[at] * 8)
        done[at] = (better & fell) | (damp[at] > 1e8)
    return Fitted(p, r, slopes, _normal(slopes, weight), done)


def _normal(slopes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Jᵀ W J (n, 4, 4), kept from being singular where a curve has no contact."""
    normal = np.swapaxes(slopes * weight[..., None], 1, 2) @ slopes
    diagonal = np.einsum("nii->ni", normal)
    diagonal += 1e-12 * diagonal + 1e-300 + 1e-10 * weight.sum(axis=1)[:, None] * np.array([1.0, 1e-24, 0.0, 0.0])
    return normal


def _step(normal: np.ndarray, right: np.ndarray, damp: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.maximum(np.einsum("nii->ni", normal), 1e-300))
    unit = normal / (scale[:, :, None] * scale[:, None, :])
    unit[:, range(4), range(4)] += damp[:, None]
    return np.linalg.solve(unit, (right / scale)[..., None])[..., 0] / scale
