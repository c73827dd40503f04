"""Measures of answers about force curves, against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.measure.curve_errors import (
    accept_auroc,
    contact_median,
    contact_p90,
    modulus_errors,
    stiffness,
    within_error,
)


def test_auroc_counts_pairs():
    truth = {"accept": np.array([1, 1, 0, 0, np.nan])}
    assert accept_auroc(truth, {"accept": np.array([0.9, 0.4, 0.4, 0.1, 1.0])}) == pytest.approx(3.5 / 4)
    assert np.isnan(accept_auroc({"accept": np.ones(3)}, {"accept": np.ones(3)}))


def test_auroc_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 200), rng.integers(0, 20, 200) / 20
    assert accept_auroc({"accept": y}, {"accept": p}) == pytest.approx(roc_auc_score(y, p))


def test_contact_errors_in_nm_without_those_nobody_knows():
    truth = {"contact": np.array([0.0, 1e-9, np.nan, 5e-9])}
    answer = {"contact": np.array([1e-9, 1e-9, 0.0, np.nan]), "contact_error": np.array([2e-9, 1e-9, 1e-9, 1e-9])}
    assert contact_median(truth, answer) == pytest.approx(0.5)
    assert contact_p90(truth, answer) == pytest.approx(0.9)
    assert within_error(truth, answer) == 1.0


def cone(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Height and deflection of a cone on something soft, contact at height 0."""
    depth = np.linspace(-3e-6, 1e-6, n)
    d = 0.2e12 * 1e-6 * np.maximum(depth, 0) ** 2
    return -(depth + d)[None], d[None]


def test_stiffness_of_a_cone_is_its_coefficient():
    height, d = cone()
    assert stiffness(height, d, np.zeros(1))[0] == pytest.approx(0.2e6, rel=1e-3)


def test_a_contact_too_early_makes_it_softer():
    height, d = cone()
    truth, answer = {"contact": np.zeros(1)}, {"contact": np.array([2e-7]), "approach": np.stack([height, d], axis=1)}
    early = modulus_errors(truth, answer)[0]
    assert 0.2 < early < 0.4  # about 1 − (1 / 1.2)²
    assert modulus_errors(truth, {**answer, "contact": np.zeros(1)})[0] == 0
    assert modulus_errors(truth, {**answer, "contact": np.array([1.0])})[0] == np.inf
