"""What force curves say without a tip: against closed forms, and against simulated noise."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.measure.approach import Approach
from sharptip.measure.curve_numbers import first_contact, numbers

K, CONTACT = 0.1, 4e-7  # N/m; m
N = 4000


def hard(
    rng: np.random.Generator, curves: int, noise: float, tilt: float = 0.0, pull: float = 0.0
) -> tuple[Approach, ...]:
    """Approach and retract on a hard sample: the lever bends as far as the piezo goes; `pull` metres of adhesion."""
    z = np.linspace(1e-6, 0, N)
    bend = np.clip(CONTACT - z, 0, None)
    back = np.where(z[::-1] < CONTACT + pull, CONTACT - z[::-1], 0.0)
    parts = []
    for height, d in ((z, bend), (z[::-1], back)):
        deflection = d + tilt * height + rng.normal(0, noise, (curves, N)) + 3e-9
        k, n = np.full(curves, K), np.full(curves, N)
        parts.append(Approach(np.tile(height, (curves, 1)), deflection, "m", k, n, ("",) * curves))
    return tuple(parts)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_hard_sample_is_as_stiff_as_the_lever(rng: np.random.Generator) -> None:
    a, r = hard(rng, 5, 1e-10, tilt=2e-3, pull=2e-8)
    found = numbers(a, r, np.full(5, CONTACT))
    assert found["stiffness"].unit == "N/m"
    np.testing.assert_allclose(found["stiffness"].value, K, rtol=2e-3)
    np.testing.assert_allclose(found["peak_force"].value, K * CONTACT, rtol=5e-3)
    np.testing.assert_allclose(found["indentation"].value, 0, atol=2e-9)
    np.testing.assert_allclose(found["noise"].value, K * 1e-10, rtol=0.1)
    np.testing.assert_allclose(found["adhesion"].value, K * 2e-8, rtol=0.03)
    np.testing.assert_allclose(found["hysteresis"].value, K * 2e-8**2 / 2, rtol=0.15)  # the triangle of the pull


def test_errors_are_as_large_as_they_say(rng: np.random.Generator) -> None:
    """Standard errors against the spread over 300 simulated curves with white noise."""
    a, r = hard(rng, 300, 1e-9, pull=5e-8)
    found = numbers(a, r, np.full(300, CONTACT))
    for name, truth in (("stiffness", K), ("adhesion", K * 5e-8)):
        q = found[name]
        assert q.error is not None
        inside = np.abs(q.value - truth) < 1.96 * q.error
        assert inside.mean() > 0.85, name
    assert np.std(found["stiffness"].value) == pytest.approx(np.median(found["stiffness"].error), rel=0.25)


def test_noise_alone_is_no_adhesion(rng: np.random.Generator) -> None:
    a, r = hard(rng, 50, 1e-9)
    found = numbers(a, r, np.full(50, CONTACT))
    assert (found["adhesion"].value == 0).mean() > 0.8
    assert np.median(np.abs(found["work_of_adhesion"].value)) == 0


def test_without_a_spring_constant_the_unit_is_the_deflection_s_own(rng: np.random.Generator) -> None:
    a, r = (
        Approach(p.height, p.deflection, "m", p.spring_constant * np.nan, p.length, p.faults)
        for p in hard(rng, 2, 1e-10)
    )
    found = numbers(a, r, np.full(2, CONTACT))
    assert {"slope", "peak", "pull_off"} <= set(found)
    assert "stiffness" not in found
    np.testing.assert_allclose(found["slope"].value, 1, rtol=2e-3)
    assert found["slope"].unit == "1"
    volts = Approach(a.height, a.deflection, "V", a.spring_constant, a.length, a.faults)
    assert numbers(volts, None, np.full(2, CONTACT))["slope"].unit == "V/m"


def test_faults_and_contacts_that_are_unknown_are_nan(rng: np.random.Generator) -> None:
    a, r = hard(rng, 3, 1e-10)
    a = Approach(a.height, a.deflection, "m", a.spring_constant, a.length, ("", "broken", ""))
    found = numbers(a, r, np.array([CONTACT, CONTACT, np.nan]))
    for q in found.values():
        assert np.isfinite(q.value).tolist() == [True, False, False]


def test_the_threshold_finds_the_contact_within_its_interval(rng: np.random.Generator) -> None:
    a, _ = hard(rng, 40, 1e-9, tilt=1e-3)
    contact, low, high = first_contact(a)
    assert np.abs(contact - CONTACT).max() < 1e-8
    assert (low <= high).all()
    flat = Approach(a.height, rng.normal(0, 1e-9, a.height.shape), "m", a.spring_constant, a.length, a.faults)
    assert np.isnan(first_contact(flat)[0]).mean() > 0.9  # noise is no contact
