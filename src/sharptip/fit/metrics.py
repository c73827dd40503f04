"""How good, and how sure: metrics of answers against truth. Intervals over groups come from `fit.intervals`."""

from __future__ import annotations

import numpy as np


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of equal entries."""
    return float(np.mean(np.asarray(truth) == np.asarray(predicted)))


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes of the share of each that was found."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    return float(np.mean([np.mean(predicted[truth == c] == c) for c in np.unique(truth)]))


def auroc(truth: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative (Mann–Whitney, ties count half).

    truth: (n,) of 0 and 1. NaN where only one class is there.

    >>> auroc(np.array([0, 1, 1]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    truth, score = np.asarray(truth).astype(bool), np.asarray(score, float)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def calibration_error(truth: np.ndarray, probability: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of a binary probability: mean gap between stated and found, over `bins` bins."""
    truth, probability = np.asarray(truth, float), np.asarray(probability, float)
    which = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [
        abs(truth[which == b].mean() - probability[which == b].mean()) * np.mean(which == b) for b in np.unique(which)
    ]
    return float(np.sum(gaps))


def macro_auroc(truth: np.ndarray, score: np.ndarray) -> float:
    """Mean AUROC of the columns of truth (n, k), those of one class only left out; NaN where all are."""
    each = np.array([auroc(t, s) for t, s in zip(np.asarray(truth).T, np.asarray(score).T, strict=True)])
    return float(np.mean(each[np.isfinite(each)])) if np.isfinite(each).any() else float("nan")


def mean_calibration_error(truth: np.ndarray, probability: np.ndarray) -> float:
    """Mean over the columns of their expected calibration error."""
    return float(np.mean([calibration_error(t, p) for t, p in zip(truth.T, probability.T, strict=True)]))


def rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square error over finite pairs, in the unit of the two."""
    difference = np.asarray(truth, float) - np.asarray(predicted, float)
    return float(np.sqrt(np.nanmean(difference**2)))
