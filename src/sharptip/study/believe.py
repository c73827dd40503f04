"""How far may one believe it? Intervals over groups, and labels shuffled at the level at which they vary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..fit.intervals import proportion

FEW = 5  # independent groups in a test; below, the report warns beside every number


def interval(right: np.ndarray, groups: Sequence[str] | np.ndarray) -> list[float]:
    """[low, high], 95 %, of a share of right answers, when whole groups are the independent draws."""
    found = proportion(np.asarray(right, float), np.asarray(groups))
    return [float(found.low), float(found.high)]


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
