"""From scores of curves to a verdict on a patient, when curves of a cell, and cells of a patient, resemble each other.

Each curve has a score (the log-odds of a classifier that never saw its patient). Scores are a class mean plus normal
effects of the levels above a curve, outermost first, e.g. patient, cell, map, plus the curve's own. Adding up
log-odds as if curves were independent counts what a patient's curves share as often as there are curves, and is sure
of what it does not know.

The variances below the outermost level are those of largest likelihood. The outermost one and the two class means are
known from few patients only; they are integrated over (means with a flat prior, its standard deviation flat on a
grid), which makes a verdict from six patients as unsure as it has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp, ndtr

GRID = 60  # standard deviations of the outermost level that are integrated over
CLASSES = 2


@dataclass(frozen=True)
class Nested:
    """What was learned of scores. variances: of the levels, outermost (its mean) first, the curves' last.

    outer, weight: (GRID,) standard deviations of the outermost level and their posterior. means, mean_variances:
    (GRID, 2) of the classes at each of them. groups: (2,) outermost groups of each class that were learned from.
    """

    variances: np.ndarray
    outer: np.ndarray
    weight: np.ndarray
    means: np.ndarray
    mean_variances: np.ndarray
    groups: tuple[int, ...]

    @property
    def distance(self) -> float:
        """Between the class means, in units of the score."""
        return float(self.weight @ (self.means[:, 1] - self.means[:, 0]))

    @property
    def shared(self) -> float:
        """Share of the variance that curves of one outermost group have in common (intra-class correlation)."""
        return float(self.variances[0] / self.variances.sum())


def learned(score: np.ndarray, sick: np.ndarray, levels: Sequence[np.ndarray]) -> Nested:
    """score (n,), sick (n,) 0/1, levels: for each level, outermost first, (n,) names of the group of each curve.

    Groups of one name in different outer groups are different. Raises ValueError for fewer than two outermost groups
    of a class, without which nobody can know how much they differ, and for a group that holds both classes.
    """
    score, sick = np.asarray(score, float), np.asarray(sick).astype(int)
    index = indices(levels)
    first = np.array([sick[index[0] == g][0] for g in range(index[0].max() + 1)])
    if (first[index[0]] != sick).any():
        raise ValueError("a group of the outermost level holds curves of both classes; it is one or the other")
    counts = tuple(int((first == c).sum()) for c in range(CLASSES))
    if min(counts) < 2:
        raise ValueError(f"{counts[0]} and {counts[1]} groups of the two classes; two of each at least are needed")
    start = np.log(np.full(len(index) + 1, score.var() / (len(index) + 1) + 1e-12))
    found = minimize(
        lambda v: _surprise(np.exp(v), score, index, first), start, method="Nelder-Mead",
        options={"xatol": 0.01, "fatol": 1e-3, "maxiter": 400 * len(start)},
    )  # fmt: skip
    inner = np.exp(found.x)[1:]
    mean, variance, _ = groups_of(score, index, inner)
    outer = np.linspace(0, 4 * np.sqrt(np.exp(found.x)[0] + np.var(mean) / len(mean) + variance.mean()), GRID)
    table = [_given(mean, variance + s**2, first) for s in outer]
    weight = np.exp([t[2] for t in table] - np.max([t[2] for t in table]))
    weight /= weight.sum()
    variances = np.concatenate([[weight @ outer**2], inner])
    return Nested(variances, outer, weight, np.stack([t[0] for t in table]), np.stack([t[1] for t in table]), counts)


def log_odds(known: Nested, score: np.ndarray, levels: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(names of the outermost groups, log-odds of 'sick' for each), both classes being as likely beforehand."""
    index = indices(levels)
    mean, variance, _ = groups_of(np.asarray(score, float), index, known.variances[1:])
    spread = variance[:, None, None] + (known.outer**2)[:, None] + known.mean_variances  # (groups, GRID, 2)
    likely = -0.5 * ((mean[:, None, None] - known.means) ** 2 / spread + np.log(spread))
    each = logsumexp(likely + np.log(known.weight + 1e-300)[:, None], axis=1)
    return np.unique(np.asarray(levels[0]).astype(str)), each[:, 1] - each[:, 0]


def summed(score: np.ndarray, outermost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by adding up the curves' own log-odds, right only if they are independent."""
    names, index = np.unique(np.asarray(outermost).astype(str), return_inverse=True)
    return names, np.bincount(index, np.asarray(score, float))


def error(known: Nested, counts: Sequence[float]) -> float:
    """Share of wrong verdicts with counts[0] outermost groups, counts[1] of the next level in each … curves.

    counts has an entry for each variance; counts[0] is 1 for one patient.
    """
    variance = float(np.sum(known.variances / np.cumprod(counts)))
    return float(ndtr(-abs(known.distance) / 2 / np.sqrt(variance)))


def error_if_independent(known: Nested, curves: int) -> float:
    """The same if every curve were a draw of its own."""
    return float(ndtr(-abs(known.distance) / 2 / np.sqrt(known.variances.sum() / curves)))


def curves_needed(wrong: float, known: Nested, most: int = 10_000) -> tuple[int | None, int | None]:
    """(if independent, from one place of the innermost level): curves until fewer than `wrong` are wrong.

    None where `most` curves are not enough, as where patients differ too much for any number of curves.
    """
    numbers = np.arange(1, most + 1)
    ones = [1] * (len(known.variances) - 1)
    alone = np.array([error_if_independent(known, int(n)) for n in numbers]) < wrong
    placed = np.array([error(known, [*ones, int(n)]) for n in numbers]) < wrong
    return tuple(int(numbers[a.argmax()]) if a.any() else None for a in (alone, placed))  # type: ignore[return-value]


def probability(log_odds: np.ndarray) -> np.ndarray:
    """1 / (1 + e^(−log-odds))."""
    return expit(log_odds)


# -- the model ----------------------------------------------------------------------------------------------------


def indices(levels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each level (n,) the number of the group; groups of different parents are different."""
    out: list[np.ndarray] = []
    path = np.zeros(len(levels[0]), int)
    for names in levels:
        _, own = np.unique(np.asarray(names).astype(str), return_inverse=True)
        if len(own) != len(path):
            raise ValueError(f"levels name {len(path)} and {len(own)} curves; each level names every curve")
        _, path = np.unique(path * (own.max() + 1) + own, return_inverse=True)
        out.append(path)
    return out


def groups_of(score: np.ndarray, index: list[np.ndarray], inner: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(mean, its variance) of each outermost group, and the log-likelihood of what lies within the groups.

    inner: variances of the levels below the outermost, the curves' last. Normal messages go up from the curves: parts
    (m, v) of a parent have the precision-weighted mean, and leave over how much they differ.
    """
    mean, variance, told = score, np.full(len(score), inner[-1]), 0.0
    child = np.arange(len(score))
    for depth in range(len(index) - 1, -1, -1):
        up = np.zeros(child.max() + 1, int)
        up[child] = index[depth]
        weight = 1 / variance
        total = np.bincount(up, weight)
        joint = np.bincount(up, weight * mean) / total
        told += -0.5 * float(
            np.sum((mean - joint[up]) ** 2 * weight)
            + np.sum(np.log(2 * np.pi * variance))
            + np.sum(np.log(total / (2 * np.pi)))
        )
        mean, variance, child = joint, 1 / total, index[depth]
        if depth:
            variance = variance + inner[depth - 1]
    return mean, variance, told


def _given(mean: np.ndarray, variance: np.ndarray, sick: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(class means, their variances, log-likelihood with the means integrated out) of group means."""
    weight = 1 / variance
    total = np.bincount(sick, weight, CLASSES)
    centre = np.bincount(sick, weight * mean, CLASSES) / total
    rest = np.sum((mean - centre[sick]) ** 2 * weight) + np.sum(np.log(variance)) + np.sum(np.log(total))
    return centre, 1 / total, -0.5 * float(rest)


def _surprise(variances: np.ndarray, score: np.ndarray, index: list[np.ndarray], sick: np.ndarray) -> float:
    """Minus the restricted log-likelihood of all variances."""
    mean, variance, told = groups_of(score, index, variances[1:])
    return -told - _given(mean, variance + variances[0], sick)[2]
