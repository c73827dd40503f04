"""At which bias does a Kelvin parabola peak, and how sure is that? Every spectrum of a map at once.

The parabola of `physics.parabola` is linear in three other numbers (y = p₀ + p₁u + p₂u²), so each fit is a closed form,
repeated with the weights of Huber (Ann. Math. Stat. 35, 73 (1964)) until outliers pull no more than others.

Neighbouring points of a sweep share their noise: a filter, a lock-in, 1/f. A parabola is slow, so what counts is the
noise at low frequency, which is taken from an autoregressive model of the residuals (Berk, Ann. Stat. 2, 489 (1974)); a
thousand points with the noise of ten are worth ten. The interval of the peak, a ratio, is Fieller's (J. R. Stat. Soc. B
16, 175 (1954)), which is endless, and says so, where the curvature is not known from none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

HUBER = 1.345  # residuals in standard deviations beyond which they pull no harder; 95 % efficient on normal noise
OUTLIER = 4.0  # standard deviations beyond which a residual says nothing about the noise of the others
ROUNDS = 10
LEAST = 5  # points that three numbers and their noise are found from
ORDER = 8  # of the autoregressive model at most


@dataclass(frozen=True)
class Parabola:
    """One entry per spectrum. fault is '' or why there is no answer, and then all numbers are NaN.

    potential (V) with its standard error and `low` to `high`, its 95 % interval (±inf where it has no end); curvature
    (Hz/V²), above 0 where the parabola opens downwards, and maximum (Hz), with their errors; residual (Hz): root mean
    square; worth: the number of points with independent noise that the sweep amounts to.
    """

    potential: np.ndarray
    potential_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    curvature: np.ndarray
    curvature_error: np.ndarray
    maximum: np.ndarray
    maximum_error: np.ndarray
    residual: np.ndarray
    worth: np.ndarray
    fault: np.ndarray


def fit_parabola(bias: np.ndarray, shift: np.ndarray, confidence: float = 0.95) -> Parabola:
    """Parabolas of spectra `shift` (n, points) in Hz, at biases (points,) or (n, points) in V, in the order of time.

    NaN is a point that was not taken. Raises ValueError where bias and shift do not fit together.
    """
    shift = np.atleast_2d(np.asarray(shift, float))
    bias = np.asarray(bias, float)
    if bias.shape not in (shift.shape, shift.shape[1:]):
        raise ValueError(f"{bias.shape} biases do not belong to spectra of shape {shift.shape}")
    bias = np.broadcast_to(bias, shift.shape)
    taken = np.isfinite(shift) & np.isfinite(bias)
    middle, half, fault = _range(bias, shift, taken)
    u = np.where(taken, (bias - middle[:, None]) / half[:, None], 0.0)
    y = np.where(taken, shift, 0.0)
    p, size = _robust(u, y, taken)
    away = np.where(taken, y - _at(u, p), np.nan)
    power, worth = _slow_noise(np.where(np.abs(away) <= OUTLIER * size[:, None], away, np.nan))
    covariance = _inverse3(_moments(u, taken.astype(float))) * power[:, None, None]
    told = _told(p, covariance, np.maximum(worth - 3, 1.0), confidence)
    residual = np.sqrt((np.nan_to_num(away) ** 2).sum(1) / np.maximum(taken.sum(1), 1))
    return _in_units(told, middle, half, {"residual": residual, "worth": worth}, fault)


def _at(u: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The parabola (n, points) of coefficients p (n, 3)."""
    return p[:, :1] + u * (p[:, 1:2] + u * p[:, 2:])


def _range(bias: np.ndarray, shift: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(middle and half of the swept range, in V, of each spectrum; why it cannot be fitted)."""
    count = taken.sum(1)
    nowhere = count == 0
    low = np.where(nowhere, 0, np.where(taken, bias, np.inf).min(1))
    high = np.where(nowhere, 0, np.where(taken, bias, -np.inf).max(1))
    level = np.where(taken, shift, np.inf).min(1) == np.where(taken, shift, -np.inf).max(1)
    fault = np.select(
        [nowhere, count < LEAST, _distinct(bias, taken) < 3, level],
        [
            "no point was taken",
            f"fewer than {LEAST} points",
            "fewer than three biases",
            "the frequency shift is constant",
        ],
        "",
    ).astype(object)
    fine = fault == ""
    return np.where(fine, (low + high) / 2, 0.0), np.where(fine, (high - low) / 2, 1.0), fault


def _distinct(bias: np.ndarray, taken: np.ndarray) -> np.ndarray:
    ordered = np.sort(np.where(taken, bias, np.nan), axis=1)
    return (np.diff(ordered, axis=1) > 0).sum(1) + taken.any(1)


def _robust(u: np.ndarray, y: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(coefficients (n, 3), standard deviation of the residuals without their outliers (n,))."""
    weight, size = taken.astype(float), np.zeros(len(y))
    count = np.maximum(taken.sum(1), 1)
    for round_ in range(ROUNDS):
        p = np.einsum("nij,nj->ni", _inverse3(_moments(u, weight)), _powers(u, weight * y, 3))
        away = np.where(taken, np.abs(y - _at(u, p)), np.inf)
        if round_ < ROUNDS // 2:  # then it is known well enough, and the fit comes to rest
            size = 1.4826 * np.sort(away, axis=1)[np.arange(len(y)), count // 2]
        limit = HUBER * np.where(np.isfinite(size), np.maximum(size, 1e-300), 1.0)[:, None]
        weight = taken * np.minimum(1, limit / np.maximum(away, 1e-300))
    return p, size


def _powers(u: np.ndarray, weight: np.ndarray, how_many: int) -> np.ndarray:
    """Sums of weight · u⁰, weight · u¹, … (n, how_many)."""
    sums = []
    for _ in range(how_many):
        sums.append(weight.sum(1))
        weight = weight * u
    return np.stack(sums, 1)


def _moments(u: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The normal equations' matrix (n, 3, 3)."""
    return _powers(u, weight, 5)[:, np.add.outer(np.arange(3), np.arange(3))]


def _inverse3(m: np.ndarray) -> np.ndarray:
    """Inverse of symmetric matrices (n, 3, 3), by cofactors; zeros where there is none."""
    cofactor = np.stack([np.cross(m[:, 1], m[:, 2]), np.cross(m[:, 2], m[:, 0]), np.cross(m[:, 0], m[:, 1])], 1)
    determinant = (m[:, 0] * cofactor[:, 0]).sum(1)
    fine = np.abs(determinant) > 1e-12 * np.maximum(m[:, 0, 0], 1e-300) ** 3
    return np.where(fine[:, None, None], cofactor / np.where(fine, determinant, 1)[:, None, None], 0.0).transpose(
        0, 2, 1
    )


def _slow_noise(away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(variance per point that the slow noise of residuals (n, points) amounts to, number of independent points), (n,).

    Levinson and Durbin's recursion on the autocovariance, the order by Akaike's criterion; the noise at frequency 0 of
    an autoregressive model is its innovation over (1 − Σφ)². Three fitted numbers take slow noise out of the residuals;
    Σφ is raised by as much as that lowers it, (3 + 5 Σφ)/points.
    """
    there = np.isfinite(away)
    away, count = np.where(there, away, 0.0), np.maximum(there.sum(1), 1)
    lags = _autocovariance(away, there, ORDER)
    variance = np.maximum(lags[:, 0], 1e-300)
    phi, innovation = np.zeros((len(away), 0)), variance.copy()
    best, total, left = count * np.log(innovation), np.zeros(len(away)), variance.copy()
    for k in range(1, lags.shape[1]):
        reflection = (lags[:, k] - (phi * lags[:, k - 1 : 0 : -1]).sum(1)) / innovation
        reflection = np.clip(reflection, -0.99, 0.99)[:, None]
        phi = np.concatenate([phi - reflection * phi[:, ::-1], reflection], 1)
        innovation = innovation * (1 - reflection[:, 0] ** 2)
        criterion = count * np.log(innovation) + 2 * k
        better = (criterion < best) & (k <= np.maximum(count // 10, 1))
        best, total, left = (np.where(better, new, old) for new, old in
                             ((criterion, best), (phi.sum(1), total), (innovation, left)))  # fmt: skip
    total = np.minimum(total + (3 + 5 * total) / count, 0.98)
    slow = left / (1 - total) ** 2 / np.maximum(1 - 3 / count, 0.1)
    return slow, np.clip(count * variance / slow, 1, count)


def _autocovariance(away: np.ndarray, there: np.ndarray, order: int) -> np.ndarray:
    """(n, 1 + order), of the pairs of points that are there."""
    m = away.shape[1]
    lags = [(away[:, k:] * away[:, : m - k]).sum(1) / np.maximum((there[:, k:] & there[:, : m - k]).sum(1), 1)
            for k in range(min(order, m - 1) + 1)]  # fmt: skip
    return np.stack(lags, 1)


def _told(p: np.ndarray, covariance: np.ndarray, free: np.ndarray, confidence: float) -> dict[str, np.ndarray]:
    """The peak and its interval on the axis u, from the coefficients and their covariance."""
    t = stats.t.ppf(0.5 + confidence / 2, free)
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = -p[:, 1] / (2 * p[:, 2])
        slope = np.stack([np.zeros_like(peak), -1 / (2 * p[:, 2]), p[:, 1] / (2 * p[:, 2] ** 2)], 1)
        top_slope = np.stack([np.ones_like(peak), peak, peak**2], 1)
        low, high = _fieller(p, covariance, t)
        top = p[:, 0] - p[:, 2] * peak**2
        variance = np.einsum("ni,nij,nj->n", slope, covariance, slope)
        top_variance = np.einsum("ni,nij,nj->n", top_slope, covariance, top_slope)
    return {"potential": peak, "potential_error": np.sqrt(variance), "low": low, "high": high,
            "curvature": -p[:, 2], "curvature_error": np.sqrt(covariance[:, 2, 2]),
            "maximum": top, "maximum_error": np.sqrt(top_variance)}  # fmt: skip


def _fieller(p: np.ndarray, covariance: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All peaks u with (p₁ + 2 p₂ u)² ≤ t² · variance of that: between the roots of a quadratic, or everywhere."""
    a = 4 * (p[:, 2] ** 2 - t**2 * covariance[:, 2, 2])
    b = 4 * (p[:, 1] * p[:, 2] - t**2 * covariance[:, 1, 2])
    c = p[:, 1] ** 2 - t**2 * covariance[:, 1, 1]
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0))
    bounded = a > 0
    return np.where(bounded, (-b - root) / (2 * a), -np.inf), np.where(bounded, (-b + root) / (2 * a), np.inf)


def _in_units(told: dict[str, np.ndarray], middle: np.ndarray, half: np.ndarray, more: dict[str, np.ndarray],
              fault: np.ndarray) -> Parabola:  # fmt: skip
    """From the axis u to volts; NaN where there is a fault."""
    out = dict(more)
    for name, value in told.items():
        if name in ("potential", "low", "high"):
            value = middle + half * value
        elif name == "potential_error":
            value = half * value
        elif name.startswith("curvature"):
            value = value / half**2
        out[name] = value
    fine = fault == ""
    return Parabola(**{k: np.where(fine, v, np.nan) for k, v in out.items()}, fault=fault.astype(str))
