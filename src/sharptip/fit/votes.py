"""What do several looks at one thing prove, when the looks err together?

All bonds of a frame are pictures of one tip, so their errors are correlated and a vote over n of them is worth less
than n independent ones. The intraclass correlation ρ says how much: n looks are worth n/(1 + (n − 1)ρ).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binom


def intraclass_correlation(values: np.ndarray, groups: np.ndarray) -> float:
    """Share of the variance of `values` (n,) that lies between groups: one-way random-effects ANOVA, unequal sizes.

    0 for values that are independent of their group, 1 for values that are the same within each; a little below 0 is
    noise (Donner, Int. Stat. Rev. 54, 67 (1986)). NaN for fewer than two groups, or where every group has one value.
    """
    values = np.asarray(values, float)
    names, index, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n, k = len(values), len(names)
    if k < 2 or n == k:
        return float("nan")
    means = np.bincount(index, values) / counts
    between = float(counts @ (means - values.mean()) ** 2) / (k - 1)
    within = float(((values - means[index]) ** 2).sum()) / (n - k)
    usual = (n - float((counts**2).sum()) / n) / (k - 1)
    return (between - within) / (between + (usual - 1) * within) if between + within > 0 else float("nan")


def worth(n: int, correlation: float) -> float:
    """How many independent looks n correlated ones are worth.

    >>> worth(9, 0.5)
    1.8
    """
    return n / (1 + (n - 1) * correlation)


def majority_if_independent(accuracy: float, n: int) -> float:
    """Accuracy of a majority of n votes that err independently; a tie counts half.

    >>> round(majority_if_independent(0.9, 3), 3)
    0.972
    """
    half = n / 2
    tie = binom.pmf(half, n, accuracy) if n % 2 == 0 else 0.0
    return float(binom.sf(np.floor(half), n, accuracy) + 0.5 * tie)


def vote(log_odds: np.ndarray, correlation: float = 0.0) -> float:
    """Probability of the second class from the log-odds (n,) of n looks with even prior odds.

    Independent looks add up; correlated ones count as the `worth` of their number.
    """
    log_odds = np.asarray(log_odds, float)
    total = float(log_odds.mean()) * worth(len(log_odds), correlation)
    return float(1 / (1 + np.exp(-np.clip(total, -500, 500))))


def sequential(log_odds: np.ndarray, error: float, correlation: float = 0.0) -> tuple[int | None, int]:
    """(answer, looks used) of Wald's sequential probability-ratio test with both error rates `error`.

    Stops at the first n for which |total| > ln((1 − error)/error), with the total as in `vote`; None where the looks
    run out before (Wald, Ann. Math. Stat. 16, 117 (1945)).
    """
    bound = float(np.log((1 - error) / error))
    for n in range(1, len(log_odds) + 1):
        total = float(np.mean(log_odds[:n])) * worth(n, correlation)
        if abs(total) >= bound:
            return int(total > 0), n
    return None, len(log_odds)
