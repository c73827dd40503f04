"""Laws of switching against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from sharptip.physics.charge_injection import surface_potential
from sharptip.physics.erf_loop import ErfLoop, branches
from sharptip.physics.switching import coercive_at, polarisation, saturation_at
from sharptip.physics.tip_response import Junction, response

CYCLE = np.concatenate([np.linspace(0, 8, 81), np.linspace(8, -8, 161)[1:], np.linspace(-8, 8, 161)[1:]])


def test_a_branch_from_saturation_is_an_error_function() -> None:
    p = polarisation(CYCLE, coercive=3.0, spread=0.6, imprint=0.4)
    rising = slice(-161, None)
    assert p[rising] == pytest.approx(erf((CYCLE[rising] - 3.4) / (np.sqrt(2) * 0.6)), abs=0.03)
    falling = slice(80, 241)
    assert p[falling] == pytest.approx(erf((CYCLE[falling] + 2.6) / (np.sqrt(2) * 0.6)), abs=0.03)


def test_a_small_cycle_leaves_no_trace_once_a_larger_one_was_made() -> None:
    """Wiping-out: what was smaller than the last extreme is forgotten."""
    straight = polarisation(np.array([8.0, -3.0]), 3.0, 0.8)[-1]
    detour = polarisation(np.array([8.0, 2.0, -2.5, 2.6, -1.0, -3.0]), 3.0, 0.8)[-1]
    assert detour == pytest.approx(straight, abs=1e-12)


def test_reading_beyond_the_coercive_voltage_switches_back() -> None:
    sharp = Junction(piezo=1.0, coercive=2.0, spread=0.05)
    r = response(np.array([5.0, 5.0, -5.0]), np.array([-4.0, 0.0, 4.0]), sharp)[0]
    assert r[:, 1] == pytest.approx([1, 1, -1])
    assert r[:, 0] == pytest.approx([-1, -1, -1])
    assert r[:, 2] == pytest.approx([1, 1, 1])


def test_heat_follows_landau() -> None:
    assert saturation_at(400.0, 2.0, 800.0) == pytest.approx(2 * 0.5**0.5)
    assert coercive_at(400.0, 2.0, 800.0) == pytest.approx(2 * 0.5**1.5)
    assert saturation_at(900.0, 2.0, 800.0) == 0


def test_charge_goes_to_its_limit_and_leaks_exponentially() -> None:
    there = surface_potential(np.full(200, 6.0), injected=0.1, lost=0.2)
    assert there[-1] == pytest.approx(6 * 0.1 / 0.3)
    gone = surface_potential(np.zeros(10), injected=0.0, lost=0.2, start=4.0)
    assert gone == pytest.approx(4 * 0.8 ** np.arange(1, 11))


def test_electrostatics_alone_is_a_straight_line_that_nulls_at_the_surface_potential() -> None:
    read = np.linspace(-3, 3, 7)
    r = response(CYCLE, read, Junction(slope=0.02, potential=0.7))[0]
    assert r == pytest.approx(np.broadcast_to(0.02 * (read - 0.7), r.shape))


def test_the_nine_parameters_meet_their_levels() -> None:
    loop = ErfLoop(-1.0, 2.0, 0.0, 3.0, -2.0, (0.5, 1.0), (0.7, 0.4))
    rising, falling = branches(np.array([-30.0, 3.0, -2.0, 30.0]), loop)
    assert rising[[0, 1, 3]] == pytest.approx([-1, 0, 1])
    assert falling[[0, 2, 3]] == pytest.approx([-1, 0, 1])


def test_many_pixels_are_as_one_by_one() -> None:
    read, many = (
        np.linspace(-4, 4, 5),
        Junction(np.array([1.0, 2.0]), np.array([2.0, 3.0]), 0.3, injected=0.1, slope=0.1),
    )
    both = response(CYCLE[::10], read, many)
    one = response(CYCLE[::10], read, Junction(2.0, 3.0, 0.3, injected=0.1, slope=0.1))
    assert both[1] == pytest.approx(one[0])
