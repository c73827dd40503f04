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
    """At what level labels vary, and so may be shuffled.

    'groups' where each group has one label; 'images' where each group has both; 'blocks' where some have one and some
    both, a block being the images of one group and label.
    """
    mixed = [len(set(labels[groups == g])) > 1 for g in np.unique(groups)]
    return "images" if all(mixed) else "blocks" if any(mixed) else "groups"


def shuffled(labels: np.ndarray, groups: np.ndarray, level: str, rng: np.random.Generator) -> np.ndarray:
    """Labels that mean nothing: shuffled among the images within each group, or between groups or blocks."""
    out = labels.copy()
    if level == "images":
        for g in np.unique(groups):
            inside = np.flatnonzero(groups == g)
            out[inside] = labels[rng.permutation(inside)]
        return out
    units = groups if level == "groups" else np.array([f"{g}\0{y}" for g, y in zip(groups, labels, strict=True)])
    names = np.unique(units)
    of_unit = np.array([labels[units == u][0] for u in names])
    for u, label in zip(names, rng.permutation(of_unit), strict=True):
        out[units == u] = label
    return out
