"""Tests of means against scipy and closed forms, and their promises against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sharptip.explain.statistics import cluster_welch, equivalence, extrapolate, group_means, welch


def clustered(rng, groups, each, between=1.0, within=1.0, mean=0.0):
    """(values, groups): `each` values in every group, with a random effect of the group."""
    effect = rng.normal(mean, between, groups)
    return (effect[:, None] + rng.normal(0, within, (groups, each))).ravel(), np.repeat(np.arange(groups), each)


def test_welch_is_scipys(rng):
    a, b = rng.normal(1, 1, 17), rng.normal(0, 3, 40)
    ours, theirs = welch(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert ours.t == pytest.approx(theirs.statistic)
    assert ours.dof == pytest.approx(theirs.df)
    assert ours.p == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert ours.difference_interval == pytest.approx((interval.low, interval.high))


def test_welch_formula_by_hand():
    ours = welch(np.array([1.0, 3.0]), np.array([0.0, 0.0, 3.0, 1.0]))
    assert ours.difference == 1.0
    assert ours.t == pytest.approx(1 / np.sqrt(2 / 2 + 2 / 4))


def test_effect_interval_covers_the_true_effect(rng):
    """A true difference of 0.8 in units of √((1² + 2²)/2), unequal spreads and sizes."""
    true = 0.8
    shift = true * np.sqrt((1 + 4) / 2)
    found = [welch(rng.normal(shift, 1, 30), rng.normal(0, 2, 20)) for _ in range(1500)]
    covered = np.mean([c.effect_interval[0] <= true <= c.effect_interval[1] for c in found])
    assert 0.93 <= covered <= 0.97
    assert np.mean([c.effect for c in found]) == pytest.approx(true, abs=0.03)  # Hedges' correction: unbiased


def test_one_value_is_no_sample():
    with pytest.raises(ValueError, match="two independent values"):
        welch(np.array([1.0]), np.array([1.0, 2.0]))


def test_tiles_counted_one_by_one_find_what_is_not_there(rng):
    """No difference between populations; 4 tiles of 10 images: naive p-values are small far too often."""
    naive, honest = [], []
    for _ in range(400):
        (a, ga), (b, gb) = clustered(rng, 10, 8), clustered(rng, 10, 8)
        naive.append(welch(a, b).p)
        honest.append(cluster_welch(a, ga, b, gb, resamples=2, rng=rng).p)
    assert np.mean(np.array(naive) < 0.05) > 0.2
    assert 0.02 <= np.mean(np.array(honest) < 0.05) <= 0.09


def test_cluster_welch_bootstrap_covers_the_difference(rng):
    hits = []
    for _ in range(250):
        (a, ga), (b, gb) = clustered(rng, 12, 4, mean=1.0), clustered(rng, 12, 4)
        low, high = cluster_welch(a, ga, b, gb, resamples=400, rng=rng).bootstrap
        hits.append(low <= 1 <= high)
    assert 0.90 <= np.mean(hits) <= 0.99


def test_a_group_on_both_sides_is_drawn_for_both(rng):
    """Each donor gives both sides and donors differ much: only the joint draw sees how small the noise is."""
    effect = rng.normal(0, 10, 15)
    a, b = effect + 1 + rng.normal(0, 0.1, 15), effect + rng.normal(0, 0.1, 15)
    together = cluster_welch(a, np.arange(15), b, np.arange(15), rng=rng)
    apart = cluster_welch(a, np.arange(15), b, np.arange(15) + 100, rng=rng)
    assert together.shared == 15
    assert apart.shared == 0
    assert together.bootstrap[1] - together.bootstrap[0] < 0.3
    assert apart.bootstrap[1] - apart.bootstrap[0] > 3


def test_no_difference_found_is_not_equivalence(rng):
    a, b = rng.normal(0, 1, 5), rng.normal(0, 1, 5)
    assert welch(a, b).p > 0.05
    found = equivalence(a, b, 0.5)
    assert not found.equivalent
    assert found.verdict.startswith("undecided")


def test_a_difference_can_be_there_and_too_small_to_matter(rng):
    a, b = rng.normal(0.1, 1, 20_000), rng.normal(0, 1, 20_000)
    found = equivalence(a, b, 0.5)
    assert welch(a, b).p < 0.001
    assert found.equivalent
    assert "smaller difference" in found.verdict


def test_equivalence_is_the_90_percent_interval_inside_the_margin(rng):
    for shift in (0.0, 0.3, 0.6, 2.0):
        a, b = rng.normal(shift, 1, 40), rng.normal(0, 1, 50)
        found = equivalence(a, b, 0.7)
        assert found.equivalent == (-found.margin < found.interval[0] and found.interval[1] < found.margin)
        assert found.margin == pytest.approx(0.7 * b.std(ddof=1))
        theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.90)
        assert found.interval == pytest.approx((theirs.low, theirs.high))


def test_equivalence_is_declared_wrongly_no_more_often_than_promised(rng):
    """Populations that differ by exactly the margin are called equivalent in at most 5 %; equal ones nearly always."""
    wrong = [equivalence(rng.normal(0.5, 1, 80), rng.normal(0, 1, 80), 0.5).equivalent for _ in range(1500)]
    right = [equivalence(rng.normal(0, 1, 150), rng.normal(0, 1, 150), 0.5).equivalent for _ in range(300)]
    assert 0.02 <= np.mean(wrong) <= 0.075
    assert np.mean(right) > 0.95


def test_equivalence_over_groups_counts_groups(rng):
    (a, ga), (b, gb) = clustered(rng, 6, 200), clustered(rng, 6, 200)
    assert equivalence(a, b, 0.5, ga, gb).n == (6, 6)
    assert equivalence(a, b, 0.5, ga, gb).interval[1] - equivalence(a, b, 0.5, ga, gb).interval[0] > 0.5
    with pytest.raises(ValueError, match="one side only"):
        equivalence(a, b, 0.5, ga)
    with pytest.raises(ValueError, match="positive"):
        equivalence(a, b, 0.0)


def test_group_means_by_hand():
    means, names = group_means(np.array([1.0, 3.0, 10.0]), ["u", "u", "k"])
    assert names.tolist() == ["k", "u"]
    assert means.tolist() == [10.0, 2.0]


def test_extrapolation_recovers_a_power_law():
    n = np.array([10, 20, 40, 80, 160])
    accuracy = 1 - (0.04 + 1.5 * n**-0.6)
    assert extrapolate(n, accuracy, [640])[0] == pytest.approx(1 - (0.04 + 1.5 * 640**-0.6), abs=1e-3)
    assert extrapolate([10, 40], [0.6, 0.8], [160])[0] == pytest.approx(0.9, abs=1e-4)
    with pytest.raises(ValueError, match="two points"):
        extrapolate([10], [0.6], [20])
