"""Who is tested by a model that never saw its kin? Splits by group, never by tile.

A group is the highest-level independent thing known: donor, session, file. Everything of one group stays on one
side. Labels are spread as evenly as whole groups allow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.errors import StudyError

Names = Sequence[object] | np.ndarray  # one per image
DRAWS = 64  # random orders of the groups that are tried; the one that spreads the labels most evenly is kept


def holdout(groups: Names, labels: Names, fraction: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held out) with about `fraction` of every label held out, in whole groups.

    groups, labels: one entry per image. Raises StudyError where a label lives in one group only, because then no
    group of it can be held out and another kept.

    >>> kept, out = holdout(["a", "a", "b", "c"], [0, 1, 0, 1], 0.3, np.random.default_rng(0))
    >>> sorted(int(i) for i in (*kept, *out))
    [0, 1, 2, 3]
    """
    members = _Members(groups, labels)
    members.refuse_if_alone()
    best: tuple[float, np.ndarray] | None = None
    for _ in range(DRAWS):
        order = rng.permutation(len(members.names))
        held = np.cumsum(members.counts[order], axis=0) / members.totals  # share of each label after n groups
        valid = (held > 0).all(axis=1) & (held < 1).all(axis=1)
        if not valid.any():
            continue
        cost = np.where(valid, np.abs(held - fraction).sum(axis=1), np.inf)
        n = int(cost.argmin())
        if best is None or cost[n] < best[0] - 1e-12:
            best = (float(cost[n]), order[: n + 1])
    if best is None:
        raise StudyError("no split puts every label on both sides with whole groups; add groups or relax --groups")
    out = np.isin(members.index, best[1])
    return np.flatnonzero(~out), np.flatnonzero(out)


def folds(groups: Names, labels: Names, k: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """k pairs (train, test) of indices; each image is tested once, whole groups on one side.

    Groups are dealt, largest first, to the fold that is poorest in their labels. Fewer groups than k: as many folds
    as there are groups. Raises StudyError for fewer than two groups.
    """
    members = _Members(groups, labels)
    k = min(k, len(members.names))
    if k < 2:
        raise StudyError(f"cross-validation needs two groups at least; there is {len(members.names)}")
    order = rng.permutation(len(members.names))
    order = order[np.argsort(-members.counts[order].sum(axis=1), kind="stable")]
    filled = np.zeros((k, members.counts.shape[1]))
    fold_of = np.zeros(len(members.names), int)
    for g in order:
        share = members.counts[g] / members.totals
        fold = int(np.lexsort((filled.sum(axis=1), filled @ share))[0])
        fold_of[g] = fold
        filled[fold] += share
    fold_of_image = fold_of[members.index]
    return [(np.flatnonzero(fold_of_image != f), np.flatnonzero(fold_of_image == f)) for f in range(k)]


def apart(groups: Names, first: Sequence[int] | np.ndarray, second: Sequence[int] | np.ndarray) -> None:
    """Raises StudyError naming a group that is on both sides."""
    names = np.asarray(groups, object)
    both = set(names[np.asarray(first, int)]) & set(names[np.asarray(second, int)])
    if both:
        raise StudyError(f"group {sorted(map(str, both))[0]!r} is on both sides of a split")


class _Members:
    """Groups and labels counted once: index of each image's group, labels per group."""

    def __init__(self, groups: Names, labels: Names) -> None:
        if len(groups) != len(labels):
            raise StudyError(f"{len(groups)} groups for {len(labels)} labels; give one of each per image")
        self.names, self.index = np.unique(np.asarray(groups, str), return_inverse=True)
        self.labels, of = np.unique(np.asarray(labels, str), return_inverse=True)
        self.counts = np.zeros((len(self.names), len(self.labels)))
        np.add.at(self.counts, (self.index, of), 1)
        self.totals = self.counts.sum(axis=0)

    def refuse_if_alone(self) -> None:
        for label, n in zip(self.labels, (self.counts > 0).sum(axis=0), strict=True):
            if n < 2:
                raise StudyError(
                    f"all scans of {str(label)!r} belong to one group; a test needs two groups of each at least: "
                    "measure another donor or session, or say with the groups that they are independent"
                )
