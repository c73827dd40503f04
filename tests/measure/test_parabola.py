"""Kelvin parabolas against the closed form, and their intervals against simulated noise of every colour."""

import numpy as np
import pytest

from sharptip.measure.parabola import fit_parabola
from sharptip.physics.parabola import capacitance_curvature, kelvin_parabola

V = np.linspace(-1, 1.2, 120)


def coloured(rng, shape, shared):
    from scipy.signal import lfilter

    white = rng.standard_normal((shape[0], shape[1] + 200))
    return lfilter([np.sqrt(1 - shared**2)], [1, -shared], white, axis=1)[:, 200:]


def test_without_noise_it_is_the_closed_form():
    potential, curvature, maximum = np.array([-0.3, 0.0, 2.5]), np.array([2.0, 0.1, 7.0]), np.array([-10, 3.0, 0])
    fit = fit_parabola(V, kelvin_parabola(V, potential[:, None], curvature[:, None], maximum[:, None]))
    np.testing.assert_allclose(fit.potential, potential, atol=1e-9)
    np.testing.assert_allclose(fit.curvature, curvature, rtol=1e-9)
    np.testing.assert_allclose(fit.maximum, maximum, atol=1e-8)
    assert (fit.fault == "").all()


def test_bias_may_fall_and_points_may_be_missing():
    rng = np.random.default_rng(0)
    y = kelvin_parabola(V, 0.2, 3.0, -5.0) + rng.normal(0, 0.1, (2, 120))
    fit, back = fit_parabola(V, y), fit_parabola(V[::-1], y[:, ::-1])
    np.testing.assert_allclose(fit.potential, back.potential)
    np.testing.assert_allclose(fit.potential_error, back.potential_error)
    holed = y.copy()
    holed[0, 10:40] = np.nan
    assert fit_parabola(V, holed).potential[0] == pytest.approx(0.2, abs=0.02)
    np.testing.assert_allclose(fit_parabola(V, holed).potential[1], fit.potential[1])


@pytest.mark.parametrize("shared", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("spikes", [0.0, 0.04])
def test_intervals_hold_what_they_promise(shared, spikes):
    """95 % promised. A spreadsheet's interval, every point independent, holds half of that at a correlation of 0.9."""
    rng = np.random.default_rng(1)
    v = np.linspace(-1, 1, 400)
    noise = 0.3 * coloured(rng, (400, 400), shared) + (rng.random((400, 400)) < spikes) * rng.normal(0, 8, (400, 400))
    fit = fit_parabola(v, kelvin_parabola(v, 0.15, 3.0, -10.0) + noise)
    inside = (fit.low <= 0.15) & (fit.high >= 0.15)
    assert 0.90 <= inside.mean() <= 0.99
    assert fit.potential_error.mean() == pytest.approx(fit.potential.std(), rel=0.2)
    assert ((fit.curvature - 3.0) / fit.curvature_error).std() == pytest.approx(1, abs=0.25)


def test_spikes_hardly_move_the_peak():
    rng = np.random.default_rng(2)
    y = kelvin_parabola(V, 0.2, 3.0, -5.0) + rng.normal(0, 0.1, (200, 120))
    y[:, 100:108] += 6
    plain = np.polynomial.polynomial.polyfit(V, y.T, 2)
    off = np.abs(-plain[1] / (2 * plain[2]) - 0.2).mean()
    assert np.abs(fit_parabola(V, y).potential - 0.2).mean() < 0.2 * off


def test_no_curvature_has_an_endless_interval():
    fit = fit_parabola(V, np.random.default_rng(3).normal(0, 1, (50, 120)))
    assert np.mean(np.isinf(fit.low) & np.isinf(fit.high)) > 0.8


def test_what_cannot_be_fitted_says_why_and_spoils_no_other():
    y = np.tile(kelvin_parabola(V, 0.2, 3.0, -5.0), (5, 1)) + np.random.default_rng(4).normal(0, 0.1, (5, 120))
    alone = fit_parabola(V, y[:1])
    y[1], y[2, 3:], y[3] = np.nan, np.nan, 4.0
    fit = fit_parabola(V, y)
    assert fit.fault.tolist() == [
        "",
        "no point was taken",
        "fewer than 5 points",
        "the frequency shift is constant",
        "",
    ]
    assert np.isnan(fit.potential[1:4]).all()
    assert fit.potential[0] == alone.potential[0]
    assert fit.low[0] == alone.low[0]
    two = fit_parabola(np.array([0.0, 1, 0, 1, 0, 1]), np.arange(6.0)[None])
    assert two.fault[0] == "fewer than three biases"
    assert fit_parabola(np.array([0.3]), np.array([[1.0]])).fault[0] == "fewer than 5 points"
    with pytest.raises(ValueError, match="do not belong"):
        fit_parabola(V[:5], y)


def test_curvature_of_the_capacitance():
    assert capacitance_curvature(np.array(2.5), 30e3, 1800.0) == pytest.approx(0.6)
