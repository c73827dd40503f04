"""Probabilities that mean what they say: a slope and an offset on logits, from answers about groups never seen.

Platt (Advances in Large Margin Classifiers, 1999) for independent answers, one temperature (Guo et al., ICML 2017) for
classes that exclude each other.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp

STEPS = 30  # of Newton; two parameters settle in fewer than ten
PRIOR = 4.0  # examples' worth of belief in slope 1 and offset 0, so that few examples cannot move them far
STEEPEST = 5.0  # a slope beyond says that the held-out answers were all right by luck


def platt(logits: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(slope, offset) for each column: logits (n, …), truth (n, …) shares 0–1, weight (n,) → two arrays (…).

    A column whose best slope is not positive keeps slope 1: a calibration never turns an answer round.
    """
    z, t = np.asarray(logits, float), np.asarray(truth, float)
    w = np.ones(len(z)) if weight is None else np.asarray(weight, float)
    w = (w / w.mean()).reshape((-1,) + (1,) * (z.ndim - 1))
    a, b = np.ones(z.shape[1:]), np.zeros(z.shape[1:])
    for _ in range(STEPS):
        p = expit(a * z + b)
        g, h = w * (p - t), w * np.maximum(p * (1 - p), 1e-6)
        ga, gb = (g * z).sum(0) + PRIOR * (a - 1), g.sum(0) + PRIOR * b
        haa, hab, hbb = (h * z * z).sum(0) + PRIOR, (h * z).sum(0), h.sum(0) + PRIOR
        determinant = haa * hbb - hab**2
        a = np.clip(a - np.clip((hbb * ga - hab * gb) / determinant, -1, 1), -STEEPEST, STEEPEST)
        b = b - np.clip((haa * gb - hab * ga) / determinant, -1, 1)
    return np.where(a > 0, a, 1.0), np.where(a > 0, b, 0.0)


def temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The one slope on logits (n, classes) that suits the class numbers truth (n,) best."""
    z, truth = np.asarray(logits, float), np.asarray(truth, int)

    def loss(log_slope: float) -> float:
        scaled = z * np.exp(log_slope)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(z)), truth]))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, np.log(STEEPEST)), method="bounded").x))
