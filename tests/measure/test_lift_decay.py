"""Decays with the lift height against the closed form and simulated noise."""

import numpy as np
import pytest

from sharptip.measure.lift_decay import fit_lift_decay
from sharptip.physics.magnetic_decay import ORDERS, force_gradient, magnetic_decay

Z = np.linspace(10e-9, 200e-9, 24)


@pytest.mark.parametrize("order", ORDERS.values())
def test_without_noise_it_is_the_closed_form(order):
    depth = np.array([30e-9, 90e-9])
    fit = fit_lift_decay(Z, magnetic_decay(Z, -0.5, depth[:, None], 0.1, order), order)
    np.testing.assert_allclose(fit.depth, depth, rtol=1e-5)
    np.testing.assert_allclose(fit.contact, -0.5, rtol=1e-5)
    np.testing.assert_allclose(fit.offset, 0.1, rtol=1e-5)


def test_errors_hold_what_they_promise():
    noise = np.random.default_rng(0).normal(0, 2e-3, (400, 24))
    fit = fit_lift_decay(Z, magnetic_decay(Z, -0.5, 60e-9, 0.1, 5) + noise)
    for name, true in {"contact": -0.5, "depth": 60e-9, "offset": 0.1}.items():
        inside = np.abs(getattr(fit, name) - true) < 1.96 * getattr(fit, f"{name}_error")
        assert inside.mean() > 0.89


def test_what_does_not_decay_says_so():
    holed = magnetic_decay(Z, -0.5, 60e-9, 0.1, 5)
    holed[5] = np.nan
    fit = fit_lift_decay(Z, np.stack([np.full(24, np.nan), np.ones(24), 1 - 1e6 * Z, holed]))
    assert fit.fault[0] == "fewer than 5 heights"
    assert all("no decay" in f for f in fit.fault[1:3])
    assert np.isnan(fit.depth[:3]).all()
    assert fit.depth[3] == pytest.approx(60e-9, rel=1e-4)
    with pytest.raises(ValueError, match="lift heights"):
        fit_lift_decay(-Z, np.ones((1, 24)))


def test_force_gradient_has_the_sign_of_attraction():
    assert force_gradient(np.array(0.02), 150, 3.0) < 0
