"""How far may one believe it? Intervals over groups, and labels shuffled at the level at which they vary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..fit.intervals import cluster_bootstrap, wilson

FEW = 5  # groups; below, a bootstrap over them has too few different draws to mean anything


def interval(right: np.ndarray, groups: Sequence[str] | np.ndarray) -> tuple[float, float]:
    """95 % interval of a share of right answers, (low, high), when whole groups are the independent draws.

    A cluster bootstrap; where there are fewer than five groups, or all answers are alike so that there is nothing to
    draw from, Wilson's interval with the number of groups as the number of trials, if that is wider.
    """
    right = np.asarray(right, float)
    groups = np.asarray(groups)
    n = len(np.unique(groups))
    low, high = float(right.mean()), float(right.mean())
    if n > 1:
        low, high = cluster_bootstrap(lambda chosen: float(right[chosen].mean()), groups, np.arange(len(right)))
    if n < FEW or low == high:
        a, b = wilson(right.mean() * n, n)
        low, high = min(low, a), max(high, b)
    return float(low), float(high)


def level_of_shuffling(groups: np.ndarray, labels: np.ndarray) -> str:
    """'groups' where each group has one label, so that labels are properties of groups; else 'images'."""
    mixed = any(len(set(labels[groups == g])) > 1 for g in np.unique(groups))
    return "images" if mixed else "groups"


def shuffled(labels: np.ndarray, groups: np.ndarray, level: str, rng: np.random.Generator) -> np.ndarray:
    """Labels that mean nothing: shuffled between groups, or among the images within each group."""
    out = labels.copy()
    names = np.unique(groups)
    if level == "groups":
        of_group = np.array([labels[groups == g][0] for g in names])
        for g, label in zip(names, rng.permutation(of_group), strict=True):
            out[groups == g] = label
        return out
    for g in names:
        inside = np.flatnonzero(groups == g)
        out[inside] = labels[rng.permutation(inside)]
    return out
