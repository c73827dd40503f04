"""Current–voltage curves: the conductance at zero against a known one, and what cannot be told."""

from __future__ import annotations

import numpy as np

from sharptip.measure.tunnelling import current_voltage

V = np.linspace(-1, 1, 201)


def test_conductance_lies_within_its_errors() -> None:
    rng = np.random.default_rng(0)
    told = current_voltage(V, 2e-9 * V + 5e-9 * V**3 + rng.normal(0, 1e-12, (400, 201)))
    near = (V[np.abs(V) <= 0.1]) ** 2
    truth = 2e-9 + 5e-9 * (near**2).sum() / near.sum()  # the line takes a little of the cubic along
    away = (told.conductance - truth) / told.conductance_error
    assert 0.75 < np.std(away) < 1.2  # the cubic counts as noise
    assert np.abs(np.mean(away)) < 0.3
    np.testing.assert_allclose(told.rectification, 1, atol=0.01)
    assert (told.fault == "").all()


def test_what_cannot_be_told_is_said() -> None:
    told = current_voltage(
        V, np.stack([np.full(201, np.nan), np.where(np.abs(V) > 0.5, V, np.nan), np.clip(V, -1, 0.3)])
    )
    assert told.fault.tolist() == ["no finite point", "fewer than 5 points within a tenth of the largest bias", ""]
    assert np.isfinite(told.conductance).tolist() == [False, False, True]
    assert told.clipped.tolist() == [False, False, True]
