"""Least squares of one curve with few parameters, with the covariance of what comes out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEP = 1e-6  # of a parameter, for derivatives
TURNS = 100


def least_squares(
    left: Callable[[np.ndarray], np.ndarray], start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """(parameters, their covariance, scatter of the residuals) by Levenberg–Marquardt; None where it does not settle.

    The noise is taken to be white, and as large as what is left over.
    """
    p, damping = np.asarray(start, float), 1e-3
    r = left(p)
    best = float(r @ r)
    for _ in range(TURNS):
        slopes = _slopes(left, p, r)
        square, down = slopes.T @ slopes, slopes.T @ r
        while damping < 1e12:
            step = _solved(square + damping * np.diag(np.diag(square)), down)
            new = left(p - step) if step is not None else r * np.nan
            if np.isfinite(new).all() and float(new @ new) <= best:
                break
            damping *= 10
        else:
            return None
        gain, p, r, best, damping = best - float(new @ new), p - step, new, float(new @ new), damping / 10
        if gain <= 1e-10 * best:
            break
    slopes = _slopes(left, p, r)
    inverse = _solved(slopes.T @ slopes, np.eye(len(p)))
    if inverse is None:
        return None
    scatter2 = best / max(len(r) - len(p), 1)
    return p, inverse * scatter2, float(np.sqrt(scatter2))


def _slopes(left: Callable[[np.ndarray], np.ndarray], p: np.ndarray, r: np.ndarray) -> np.ndarray:
    steps = np.maximum(np.abs(p), 1.0) * STEP
    return np.stack([(left(p + h * unit) - r) / h for h, unit in zip(steps, np.eye(len(p)), strict=True)], axis=1)


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return None
