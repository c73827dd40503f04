"""The driven oscillator: its peak, its derivatives against finite differences, its bound against a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.measure.resonance import fit_spectra
from sharptip.physics import oscillator as law
from sharptip.simulate.resonance import Ranges, spectra

F = Ranges().frequency
A, F0, Q, PHASE = 3e-5, 1.317e6, 120.0, 0.7


def test_the_peak_is_a_times_q_and_the_line_f0_over_q_wide():
    f = np.linspace(1.25e6, 1.39e6, 200_001)
    power = np.abs(law.response(f, np.array(A), np.array(F0), np.array(Q), PHASE)) ** 2
    assert np.sqrt(power.max()) == pytest.approx(A * Q, rel=1e-4)
    wide = np.ptp(f[power > power.max() / 2])
    assert wide == pytest.approx(F0 / Q, rel=1e-3)


def test_static_response_and_phase_at_resonance():
    low, at = law.response(np.array([1.0, F0]), np.array(A), np.array(F0), np.array(Q), 0.0)
    assert low == pytest.approx(-A, rel=1e-6)  # this convention's φ is π from the textbook's
    assert at == pytest.approx(1j * A * Q, rel=1e-9)


@pytest.mark.parametrize("parameter", range(4))
def test_derivatives_are_those_of_finite_differences(parameter: int):
    def at(move: float) -> np.ndarray:
        x = np.array([np.log(A), F0, np.log(Q), PHASE])
        x[parameter] += move
        return law.response(F, np.exp(x[0]), x[1], np.exp(x[2]), x[3])

    h = 1.0 if parameter == 1 else 1e-5
    slope = (at(h) - at(-h)) / (2 * h)
    found = law.gradient(F, np.array(A), np.array(F0), np.array(Q), PHASE)[parameter]
    assert np.allclose(found, slope, rtol=1e-5, atol=1e-6 * np.abs(slope).max())


def test_the_bound_is_met_by_least_squares_when_the_noise_is_weak():
    n, snr = 2000, 50.0
    one = np.full(n, 1.0)
    clean = law.response(F, A * one, F0 * one, Q * one, PHASE * one)
    rng = np.random.default_rng(1)
    sigma = A * Q / snr
    noise = sigma * (rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)) / np.sqrt(2)
    found = fit_spectra(clean + noise, F)
    limit = law.bound(F, np.array(A), np.array(F0), np.array(Q), sigma)
    spread = [np.log(found["amplitude"]).std(), found["resonance"].std(), np.log(found["quality"]).std(),
              found["phase"].std()]  # fmt: skip
    assert np.allclose(spread, limit, rtol=0.06)  # the spread of 2000 is known to 1.6 %


def test_an_unknown_background_costs_information():
    bare, with_line = (law.bound(F, np.array(A), np.array(F0), np.array(Q), 1e-4, terms) for terms in (0, 2))
    assert (with_line > bare).all()


def test_simulated_noise_has_the_size_it_says():
    seen, truth = spectra(np.random.default_rng(0), 400, Ranges(snr=(2, 2), noise="uniform"))
    clean = law.response(F, *(truth[k] for k in ("amplitude", "resonance", "quality", "phase")))
    sigma = np.sqrt((np.abs(seen - clean) ** 2).mean(axis=1))
    assert (sigma / truth["noise"]).mean() == pytest.approx(1, abs=0.01)
    assert np.allclose(np.abs(clean).max(axis=1) / truth["noise"], 2, rtol=0.2)  # the peak falls between samples


def test_two_modes_are_the_sum_of_two():
    both = law.two_modes(F, (A, F0, Q, PHASE), (A, F0 + 3e4, Q, 0.0))
    one = law.response(F, np.array(A), np.array(F0), np.array(Q), PHASE)
    assert np.allclose(both - one, law.response(F, np.array(A), np.array(F0 + 3e4), np.array(Q)))
