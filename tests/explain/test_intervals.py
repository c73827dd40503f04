"""Intervals that count groups: closed forms, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sharptip.fit.intervals import cluster_bootstrap, expanded_percentiles, proportion, wilson


@pytest.mark.parametrize(("k", "n"), [(99, 100), (85, 88), (0, 7), (7, 7), (177, 188)])
def test_wilson_is_scipys(k, n):
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_nothing_tried_nothing_known():
    assert wilson(0, 0) == (0.0, 1.0)


def tiles(rng, groups=12, each=16, p=0.8, spread=4.0):
    """Hits whose rate differs from group to group (beta-binomial), and their groups."""
    rate = rng.beta(p * spread, (1 - p) * spread, groups)
    return (rng.random((groups, each)) < rate[:, None]).ravel(), np.repeat(np.arange(groups), each)


def test_grouped_intervals_cover_where_the_naive_one_does_not(rng):
    naive, grouped, boot = [], [], []
    for _ in range(400):
        hits, groups = tiles(rng)
        low, high = wilson(hits.sum(), len(hits))
        naive.append(low <= 0.8 <= high)
        grouped.append((lambda i: i.low <= 0.8 <= i.high)(proportion(hits, groups)))
        boot.append((lambda i: i.low <= 0.8 <= i.high)(cluster_bootstrap(np.mean, groups, hits, 300, rng)))
    assert np.mean(naive) < 0.75
    assert 0.92 <= np.mean(grouped) <= 0.99
    assert 0.89 <= np.mean(boot) <= 0.99


def test_with_five_donors_widened_percentiles_cover_more(rng):
    """The mean of five normal group means: plain percentiles cover 83 %, the widened ones 91 %."""
    plain, widened = [], []
    for _ in range(2000):
        x = rng.normal(0, 1, 5)
        drawn = rng.choice(x, (500, 5)).mean(axis=1)
        low, high = expanded_percentiles(drawn, 5)
        widened.append(low <= 0 <= high)
        low, high = np.quantile(drawn, [0.025, 0.975])
        plain.append(low <= 0 <= high)
    assert np.mean(plain) < 0.86
    assert 0.89 <= np.mean(widened) <= 0.97


def test_one_value_per_group_is_nearly_wilson():
    """Independent trials in 400 groups: the design effect is one, the t quantile nearly the normal one."""
    hits = np.arange(400) % 5 > 0
    found = proportion(hits, np.arange(400))
    assert (found.low, found.high) == pytest.approx(wilson(320, 400), abs=1e-3)


def test_all_right_in_three_groups_proves_little():
    found = proportion(np.ones(12, dtype=bool), np.repeat([0, 1, 2], 4))
    assert found.value == 1
    assert found.low == pytest.approx(wilson(3, 3)[0])
    assert proportion(np.ones(12, dtype=bool), np.zeros(12)).low == 0


def test_bootstrap_of_two_arrays_keeps_rows_together_and_says_how_many_groups(rng):
    x = rng.normal(size=300)
    y = 2 * x + rng.normal(size=300)
    i = cluster_bootstrap(lambda a, b: np.corrcoef(a, b)[0, 1], np.arange(300) // 3, (x, y), 400, rng)
    assert i.groups == 100
    assert i.low < 2 / np.sqrt(5) < i.high
    assert i.low > 0.8


def test_same_seed_same_interval(rng):
    x = rng.normal(size=30)
    a, b = (cluster_bootstrap(np.median, np.arange(30) // 3, x, 200, np.random.default_rng(4)) for _ in range(2))
    assert a == b


def test_one_group_has_no_interval_and_lengths_must_agree():
    assert np.isnan(cluster_bootstrap(np.mean, np.zeros(5), np.arange(5.0)).low)
    with pytest.raises(ValueError, match="one group for each value"):
        cluster_bootstrap(np.mean, np.zeros(4), np.arange(5.0))
