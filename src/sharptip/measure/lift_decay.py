"""How deep do the magnetic moments lie, and how strong is their signal? Decays with the lift height, many at once.

For a given depth the law of `physics.magnetic_decay` is linear in its two other numbers, so the depth is sought on a
grid where they are solved for in closed form, and all three are then refined together (Gauss and Newton). Errors are
those of independent noise of the size of the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..physics.magnetic_decay import magnetic_decay

LEAST = 5  # heights
REACH = (0.02, 50.0)  # of the range of heights, within which the depth is sought
TRIES = 80
ROUNDS = 12


@dataclass(frozen=True)
class LiftDecay:
    """One entry per decay; NaN where `fault` says why. contact and offset in the unit of the signal, depth in m."""

    contact: np.ndarray
    contact_error: np.ndarray
    depth: np.ndarray
    depth_error: np.ndarray
    offset: np.ndarray
    offset_error: np.ndarray
    residual: np.ndarray
    fault: np.ndarray


def fit_lift_decay(lift: np.ndarray, signal: np.ndarray, order: int = 5) -> LiftDecay:
    """Decays of signals (n, heights) at lift heights (heights,) in m; NaN is a height that was not measured.

    order: 5 for a dipole in the tip, 4 for a monopole. Raises ValueError for heights that do not belong to the signals.
    """
    signal, lift = np.atleast_2d(np.asarray(signal, float)), np.asarray(lift, float)
    if lift.shape != signal.shape[1:] or not np.isfinite(lift).all() or (lift < 0).any():
        raise ValueError(f"lift heights {lift.shape}, finite and 0 or above, belong to signals {signal.shape}")
    there = np.isfinite(signal)
    y = np.where(there, signal, 0.0)
    span = float(np.ptp(lift)) or 1.0
    count = there.sum(1)
    fault = np.where(count < LEAST, f"fewer than {LEAST} heights", "").astype(object)
    depths = span * np.geomspace(*REACH, TRIES)
    solved = [_solve(_shape(lift, np.full(len(y), d), order)[0], y, there) for d in depths]
    best = np.argmin([s[2] for s in solved], axis=0)
    contact, offset = (np.array([s[i] for s in solved])[best, np.arange(len(y))] for i in (0, 1))
    p = np.column_stack([contact, offset, np.log(depths[best])])
    p, covariance, residual = _refined(lift, y, there, p, order, np.log(depths[[0, -1]]))
    told_apart = (np.exp(p[:, 2]) > 1.01 * depths[0]) & (np.exp(p[:, 2]) < 0.99 * depths[-1]) & (p[:, 0] != 0)
    fault[(fault == "") & ~told_apart] = "no decay of this order is seen over these heights"
    error = np.sqrt(np.where(covariance >= 0, covariance, np.nan))
    told = {"contact": p[:, 0], "contact_error": error[:, 0], "offset": p[:, 1], "offset_error": error[:, 1],
            "depth": np.exp(p[:, 2]), "depth_error": np.exp(p[:, 2]) * error[:, 2], "residual": residual}  # fmt: skip
    return LiftDecay(**{k: np.where(fault == "", v, np.nan) for k, v in told.items()}, fault=fault.astype(str))


def _shape(lift: np.ndarray, depth: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """(the decay from 1 at lift 0 (n, heights), its derivative by the logarithm of the depth)."""
    far = lift + depth[:, None]
    shape = magnetic_decay(lift, 1.0, depth[:, None], 0.0, order)
    return shape, order * shape * lift / far


def _solve(shape: np.ndarray, y: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(contact, offset, sum of squares), each (n,), of the line y = offset + contact · shape."""
    n = np.maximum(there.sum(1), 1)
    mean, middle = (np.where(there, v, 0).sum(1) / n for v in (shape, y))
    s, away = (np.where(there, v - m[:, None], 0) for v, m in ((shape, mean), (y, middle)))
    contact = (s * away).sum(1) / np.maximum((s * s).sum(1), 1e-300)
    return contact, middle - contact * mean, ((away - contact[:, None] * s) ** 2).sum(1)


def _refined(lift: np.ndarray, y: np.ndarray, there: np.ndarray, p: np.ndarray, order: int,
             ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(contact, offset, log depth (n, 3), their variances (n, 3), root mean square of the residuals (n,))."""
    size = np.maximum(np.abs(p[:, :1]), 1e-300)
    for round_ in range(ROUNDS + 1):
        shape, slope = _shape(lift, np.exp(p[:, 2]), order)
        away = np.where(there, y - p[:, 1:2] - p[:, :1] * shape, 0.0)
        slopes = np.stack([shape * size, np.ones_like(shape) * size, p[:, :1] * slope], 2) * there[..., None]
        inverse = _pseudo_inverse(np.einsum("nti,ntj->nij", slopes, slopes))
        if round_ == ROUNDS:
            break
        step = np.einsum("nij,ntj,nt->ni", inverse, slopes, away) * np.c_[size, size, np.ones_like(size)]
        depth = np.clip(p[:, 2] + np.clip(step[:, 2], -0.5, 0.5), *ends)
        contact, offset, _ = _solve(_shape(lift, np.exp(depth), order)[0], y, there)
        p = np.column_stack([contact, offset, depth])
    square = (away**2).sum(1)
    noise = square / np.maximum(there.sum(1) - 3, 1)
    variance = np.einsum("nii->ni", inverse) * noise[:, None] * np.c_[size, size, np.ones_like(size)] ** 2
    return p, variance, np.sqrt(square / np.maximum(there.sum(1), 1))


def _pseudo_inverse(m: np.ndarray) -> np.ndarray:
    return np.linalg.pinv(m, rcond=1e-13, hermitian=True)
