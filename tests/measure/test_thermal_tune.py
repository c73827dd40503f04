"""Thermal noise of cantilevers: against simulated spectra with known numbers, and one that an instrument fitted too."""

from __future__ import annotations

import numpy as np
import pytest
from tests.real import real

from sharptip import io
from sharptip.measure.thermal_tune import BOLTZMANN, density, fit_thermal

F = np.linspace(0, 3e5, 4000)


def seen(rng: np.random.Generator, averages: int, **law: float) -> np.ndarray:
    """An averaged periodogram: chi-square noise about the law."""
    return np.sqrt(density(F, **law) ** 2 * rng.gamma(averages, 1 / averages, len(F)))


def test_known_resonances_lie_within_their_errors() -> None:
    rng = np.random.default_rng(1)
    law = {"resonance": 7.1e4, "quality": 110.0, "amplitude": 1e-13, "floor": 2e-13}
    away = []
    for _ in range(60):
        t = fit_thermal(F, seen(rng, 100, **law))
        away.append([(getattr(t, name) - law[name]) / e for name, e in zip(law, t.errors, strict=True)])
    spread = np.std(away, axis=0)
    assert (spread[:3] > 0.6).all()
    assert (spread[:3] < 1.5).all()
    assert (np.abs(np.mean(away, axis=0)) < 1).all()


def test_the_spring_constant_is_that_of_equipartition() -> None:
    """A lever of 2 N/m at 300 K moves by k_B T / k in all; the plain law, without the correction of the mode."""
    f0, q, k = 6e4, 80.0, 2.0
    amplitude = np.sqrt(BOLTZMANN * 300 / k / (np.pi / 2 * f0 * q))
    t = fit_thermal(F, density(F, f0, q, amplitude, 1e-16))
    wide = np.linspace(0, 4e7, 4_000_000)
    whole = np.trapezoid(density(wide, f0, q, amplitude, 0.0) ** 2, wide)
    assert t.mean_square == pytest.approx(whole, rel=1e-3)  # against the integral itself
    assert t.spring_constant(300.0, mode=1.0)[0] == pytest.approx(k, rel=1e-2)
    assert t.spring_constant(300.0)[0] == pytest.approx(0.817 * k, rel=1e-2)


@pytest.mark.parametrize(
    ("spectrum", "said"),
    [
        (np.full(4000, np.nan), "0 finite samples above zero; 12 are needed"),
        (np.ones(4000), "no resonance stands out of the noise"),
    ],
)
def test_what_is_no_resonance_is_said(spectrum: np.ndarray, said: str) -> None:
    t = fit_thermal(F, spectrum)
    assert t.fault == said
    assert np.isnan(t.resonance)


def test_a_real_tune_agrees_with_the_instrument() -> None:
    """Its software said 179.8 kHz and a quality factor of 442, of a peak that is not quite one resonance."""
    scan = io.scans(real("vendor", "nanosurf_nid", "thermal.nid"))[0]
    t = fit_thermal(scan["frequency"].values, scan["amplitude_spectral_density"].values[0])
    assert t.resonance == pytest.approx(179.8e3, rel=2e-3)
    assert t.quality == pytest.approx(442, rel=0.25)
    assert t.amplitude * t.quality == pytest.approx(772e-15, rel=0.1)
