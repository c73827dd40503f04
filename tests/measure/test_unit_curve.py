"""Shapes without scale: what they do not depend on, and what they show."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.core.errors import UnitError
from sharptip.measure.approach import Approach
from sharptip.measure.unit_curve import unit_curves


def approach(
    modulus: float = 1e3, *, exponent: float = 1.5, noise: float = 0.0, unit: str = "m", n: int = 4
) -> Approach:
    """Power laws without noise, 1000 samples, 5 µm."""
    k, delta = 0.05, np.linspace(0, 2e-6, 4000)
    f = 2.8e-12 * modulus * (delta / 1e-6) ** exponent
    come = np.linspace(-3e-6, 1.5e-6, 1000)
    d = np.interp(come, delta + f / k, f / k, left=0.0)
    rng = np.random.default_rng(0)
    rows = np.tile(d, (n, 1)) + noise * rng.standard_normal((n, 1000))
    return Approach(np.tile(-come, (n, 1)), rows, unit, np.full(n, k), np.full(n, 1000), ("",) * n)


def test_a_power_law_has_one_shape_whatever_its_modulus():
    soft, hard = unit_curves(approach(300.0)), unit_curves(approach(5000.0))
    inside = soft.depth > 0.15
    assert not any(soft.faults + hard.faults)
    assert np.abs(soft.shares - hard.shares)[:, inside].max() < 0.02
    assert hard.largest[0] > 2 * soft.largest[0]
    other = unit_curves(approach(300.0, exponent=2.0))
    assert np.abs(soft.shares - other.shares).max() > 0.05  # another law has another


def test_gain_changes_nothing():
    a = approach(noise=1e-10)
    stiffer = Approach(a.height, a.deflection, "m", a.spring_constant * 7, a.length, a.faults)
    assert np.array_equal(unit_curves(a).shares, unit_curves(stiffer).shares)
    volts = Approach(a.height, a.deflection * 1e7, "V", a.spring_constant, a.length, a.faults)
    by_height = [unit_curves(x, against="height").shares for x in (a, volts)]
    assert np.allclose(by_height[0], by_height[1], atol=1e-9)
    moved = Approach(
        a.height + 3e-6, a.deflection + 50e-9 + 1e-3 * a.height, "m", a.spring_constant, a.length, a.faults
    )
    assert np.allclose(unit_curves(moved, against="height").shares, by_height[0], atol=1e-6)  # offset and tilt


def test_what_has_no_shape_says_so_and_spoils_no_other():
    a = approach(noise=1e-10)
    d = a.deflection.copy()
    d[1] = 1e-10 * np.random.default_rng(1).standard_normal(1000)  # nothing touched
    d[2, 10:], h = np.nan, a.height.copy()
    found = unit_curves(
        Approach(h, d, "m", a.spring_constant, np.array([1000, 1000, 10, 1000]), ("", "", "", "no way"))
    )
    assert found.faults[0] == ""
    assert all(found.faults[1:])
    assert found.faults[3] == "no way"
    assert np.isfinite(found.shares).all()
    assert np.array_equal(found.shares[0], unit_curves(a).shares[0])


def test_an_indentation_needs_metres():
    with pytest.raises(UnitError, match="sensitivity"):
        unit_curves(approach(unit="V"))
    with pytest.raises(ValueError, match="against"):
        unit_curves(approach(), against="time")


def test_the_way_back_is_drawn_on_the_scale_of_the_way_there():
    a = approach()
    back = Approach(a.height[:, ::-1], 0.8 * a.deflection[:, ::-1], "m", a.spring_constant, a.length, a.faults)
    found = unit_curves(a, back)
    assert found.shares[0, -1] == pytest.approx(0.8 * unit_curves(a).shares[0, -1], rel=0.05)
