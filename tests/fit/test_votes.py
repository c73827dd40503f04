"""Votes of looks that err together, against closed forms and simulation."""

import numpy as np
import pytest

from sharptip.fit.votes import intraclass_correlation, majority_if_independent, sequential, vote, worth


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.9])
def test_the_intraclass_correlation_that_was_put_in_comes_out(rho):
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(800), rng.integers(2, 9, 800))
    values = np.sqrt(rho) * rng.standard_normal(800)[groups] + np.sqrt(1 - rho) * rng.standard_normal(len(groups))
    assert intraclass_correlation(values, groups) == pytest.approx(rho, abs=0.05)


def test_nothing_to_compare_is_nan():
    assert np.isnan(intraclass_correlation(np.arange(3.0), np.arange(3)))
    assert np.isnan(intraclass_correlation(np.arange(3.0), np.zeros(3)))


def test_a_majority_of_independent_votes():
    rng = np.random.default_rng(0)
    for n in (3, 4):
        votes = (rng.random((200_000, n)) < 0.8).sum(axis=1)
        found = np.mean(votes > n / 2) + 0.5 * np.mean(votes == n / 2)
        assert majority_if_independent(0.8, n) == pytest.approx(found, abs=3e-3)


def test_votes_that_are_the_same_count_once():
    assert worth(10, 0.0) == 10
    assert worth(10, 1.0) == 1
    assert vote(np.full(10, 1.0), 1.0) == pytest.approx(1 / (1 + np.exp(-1)))
    assert vote(np.full(10, 1.0)) > 0.9999


def test_walds_test_keeps_its_error_for_independent_looks_and_only_for_them():
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=3000)
    mean = np.where(truth, 0.5, -0.5)  # looks N(±0.5, 1): log-odds are 2·0.5·look
    alone = mean[:, None] + rng.standard_normal((3000, 200))
    answers = [sequential(x, 0.05) for x in alone]
    wrong = np.mean([a != t for (a, _), t in zip(answers, truth, strict=True)])
    assert wrong < 0.05
    together = mean[:, None] + rng.standard_normal((3000, 1)) + np.zeros((3000, 200))
    wrong = np.mean([sequential(x, 0.05)[0] != t for x, t in zip(together, truth, strict=True)])
    assert wrong > 0.2
    assert sequential(np.array([0.1, 0.1]), 0.05) == (None, 2)
