"""Verdicts over curve, cell and patient: the likelihood, and whether probabilities come true."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.measure.nested_decision import (
    _surprise,
    curves_needed,
    error,
    error_if_independent,
    indices,
    learned,
    log_odds,
    probability,
    summed,
)


def drawn(rng, patients, cells, curves, distance=1.0, spread=(0.6, 0.4, 1.0)):
    """Scores with effects of patient and cell; every second patient is sick."""
    n = cells * curves
    sick = np.repeat(np.arange(patients) % 2, n)
    patient, cell = np.repeat(np.arange(patients), n), np.repeat(np.arange(patients * cells), curves)
    effects = [
        rng.normal(0, s, g.max() + 1)[g] for s, g in zip(spread, (patient, cell, np.arange(len(cell))), strict=True)
    ]
    return distance * (sick - 0.5) + sum(effects), sick, [np.char.add("p", patient.astype(str)), cell]


def test_the_likelihood_is_that_of_the_full_covariance():
    rng = np.random.default_rng(0)
    score, sick, levels = drawn(rng, 4, 2, 3)
    keep = rng.random(len(score)) < 0.7  # unequal numbers
    score, sick, levels = score[keep], sick[keep], [v[keep] for v in levels]
    x = np.stack([sick == 0, sick == 1], 1).astype(float)

    def full(v):
        s = (
            v[0] * (levels[0][:, None] == levels[0])
            + v[1] * (levels[1][:, None] == levels[1])
            + v[2] * np.eye(len(score))
        )
        inverse = np.linalg.inv(s)
        a = x.T @ inverse @ x
        r = score - x @ np.linalg.solve(a, x.T @ inverse @ score)
        return -0.5 * (np.linalg.slogdet(s)[1] + np.linalg.slogdet(a)[1] + r @ inverse @ r)

    one, two = np.array([0.3, 0.2, 0.7]), np.array([0.1, 0.5, 1.2])
    ours = [-_surprise(v, score, indices(levels), np.arange(4) % 2) for v in (one, two)]
    assert ours[0] - ours[1] == pytest.approx(full(one) - full(two), abs=1e-9)


def test_variances_are_found_again():
    found = learned(*drawn(np.random.default_rng(1), 80, 5, 8))
    assert np.sqrt(found.variances) == pytest.approx([0.6, 0.4, 1.0], rel=0.25)
    assert found.distance == pytest.approx(1.0, abs=0.35)
    assert found.shared == pytest.approx(0.36 / 1.52, abs=0.1)


@pytest.mark.parametrize("patients", [6, 10])
def test_probabilities_come_true_where_summed_ones_do_not(patients):
    """Coverage: of patients called sick with probability p a share p is sick, learned from few patients only."""
    rng = np.random.default_rng(2)
    honest, naive, sick = [], [], []
    for _ in range(25):
        score, truth, levels = drawn(rng, patients, 3, 6)
        known = learned(score, truth, levels)
        score, truth, levels = drawn(rng, 16, 3, 6)
        names, odds = log_odds(known, score, levels)
        honest += probability(odds).tolist()
        naive += probability(summed(score / 1.52, levels[0])[1]).tolist()  # each curve's own log-odds
        sick += [int(n[1:]) % 2 for n in names]
    honest, naive, sick = np.array(honest), np.array(naive), np.array(sick)
    for p, sure in ((honest, True), (naive, False)):
        called = np.maximum(p, 1 - p) > 0.8
        right = np.mean((p > 0.5)[called] == sick[called])
        said = np.maximum(p, 1 - p)[called].mean()
        assert (abs(right - said) < 0.08) == sure
    assert _surprised(honest, sick) < _surprised(naive, sick)


def _surprised(p: np.ndarray, sick: np.ndarray) -> float:
    """Mean −log of the probability of what is true."""
    return float(-np.mean(np.log(np.where(sick == 1, p, 1 - p) + 1e-12)))


def test_no_number_of_curves_makes_up_for_patients_that_differ():
    known = learned(*drawn(np.random.default_rng(3), 60, 4, 8))
    alone, placed = curves_needed(0.005, known)
    assert 20 < alone < 100
    assert placed is None
    assert error(known, [1, 1, 10_000]) > 0.1
    assert error_if_independent(known, 10_000) < 1e-6
    assert error(known, [1, 50, 8]) < error(known, [1, 1, 400])  # the same curves on more cells


def test_curves_needed_of_independent_curves_agree():
    known = learned(*drawn(np.random.default_rng(4), 400, 2, 6, distance=2.0, spread=(0.0, 0.0, 1.0)))
    alone, placed = curves_needed(0.005, known)
    assert alone == pytest.approx(7, abs=2)  # (2 · 2.576 / 2)² = 6.6
    assert placed is None or placed >= alone


def test_what_cannot_be_learned_is_refused():
    score, sick, levels = drawn(np.random.default_rng(5), 2, 2, 3)
    with pytest.raises(ValueError, match="two of each"):
        learned(score, sick, levels)
    with pytest.raises(ValueError, match="both classes"):
        learned(score, np.arange(len(score)) % 2, levels)
    with pytest.raises(ValueError, match="names every curve"):
        learned(score, sick, [levels[0], levels[1][:-1]])
