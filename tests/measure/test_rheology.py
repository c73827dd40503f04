"""Flow of a sample from approach and retract: simulated with Ting's law, fitted back."""

import numpy as np
import pytest

from sharptip.measure.rheology import fit_flow
from sharptip.physics.contact import LAWS, Tip, ting

LAW, TIP, K = LAWS["paraboloid"], Tip(radius=2.5e-6), 0.05


def curve(rng, fluidity, modulus=2e3, noise=10e-12, drag=0.0, samples=600):
    """Time, height and deflection of a triangular indentation of 800 nm in 0.8 s, with as much travel before it."""
    time = np.linspace(0, 3.2, samples)
    depth = 1e-6 * (0.8 - np.abs(time - 1.6))
    force = modulus * ting(time, depth, fluidity, LAW, TIP) + noise * rng.standard_normal(samples)
    force = force + drag * np.where(time <= 1.6, 1, -1)
    return time, 3e-6 - depth - (force - drag * np.where(time <= 1.6, 1, -1)) / K, force / K + 5e-9


@pytest.mark.parametrize("fluidity", [0.05, 0.2, 0.4])
def test_modulus_and_fluidity_come_back(fluidity):
    rng = np.random.default_rng(1)
    found = fit_flow(*curve(rng, fluidity), K, LAW, TIP, contact=3.03e-6)
    assert found.fluidity == pytest.approx(fluidity, abs=0.02)
    assert found.modulus == pytest.approx(2e3, rel=0.05)
    assert found.contact == pytest.approx(3e-6, abs=10e-9)
    assert found.converged
    assert found.r_squared > 0.99
    assert 0 < found.fluidity_error < 0.05


def test_drag_is_no_flow():
    time, height, deflection = curve(np.random.default_rng(2), 0.2, drag=50e-12)
    found = fit_flow(time, height, deflection, K, LAW, TIP, contact=2.98e-6)
    assert found.drag == pytest.approx(50e-12, rel=0.3)
    assert found.fluidity == pytest.approx(0.2, abs=0.04)


def test_what_it_refuses():
    time, height, deflection = curve(np.random.default_rng(3), 0.2, samples=40)
    with pytest.raises(ValueError, match="adhesion"):
        fit_flow(time, height, deflection, K, LAWS["dmt"], Tip(radius=1e-6, work=1e-3), 3e-6)
    with pytest.raises(ValueError, match="10 finite samples"):
        fit_flow(time[:10], height[:10], deflection[:10], K, LAW, TIP, 3e-6)
