"""Finders of contact: on curves whose contact is known, and on what is no curve at all."""

from dataclasses import replace

import numpy as np
import pytest

from sharptip.measure.approach import Approach, approach_of
from sharptip.measure.contact_point import FINDERS
from sharptip.measure.contact_point.ramp import between, ramp_of, sums, until
from sharptip.simulate.force_curves import CLEAN, force_curves

QUIET = {**CLEAN, "noise": 2e-12, "contact_share": 0.8}


def hard(seed: int = 0) -> tuple[Approach, np.ndarray, np.ndarray]:
    """Straight ramps on something hard: (approaches, contacts, distance of neighbouring samples)."""
    return drawn(seed, setting="mica", fixed={**QUIET, "spring_constant": 0.3})


def soft(seed: int = 1) -> tuple[Approach, np.ndarray, np.ndarray]:
    """Beads on cells, whose force begins with no slope."""
    return drawn(seed, setting="cell, bead", fixed=QUIET)


def drawn(seed: int, **options) -> tuple[Approach, np.ndarray, np.ndarray]:
    curves = force_curves(np.random.default_rng(seed), 48, only={}, samples=1000, **options)
    approach = approach_of(curves.scan)
    step = (approach.height[:, 0] - np.nanmin(approach.height, axis=1)) / approach.length
    return approach, curves.truth["contact"], step


@pytest.mark.parametrize("name", FINDERS)
def test_contact_with_something_hard_is_found_to_two_samples(name):
    """Half a window for the gradient; r² alone cannot tell one point of a straight line from the next."""
    approach, contact, step = hard()
    wrong = np.abs(FINDERS[name](approach) - contact) / step
    assert np.median(wrong) < {"gradient": 5.0, "goodness of fit": 8.0}.get(name, 2.0)
    assert np.quantile(wrong, 0.9) < {"goodness of fit": 15.0}.get(name, 6.0)


@pytest.mark.parametrize(
    ("name", "share"),
    [("ratio of variances", 0.02), ("goodness of variances", 0.03), ("line and parabola", 0.06), ("gradient", 0.06),
     ("threshold", 0.06), ("goodness of fit", 0.06), ("farthest from the chord", 0.06), ("broken line", 0.15)],
)  # fmt: skip
def test_contact_with_something_soft_is_found_to_a_part_of_the_depth(name, share):
    approach, contact, _ = soft()
    come = contact - np.nanmin(approach.height, axis=1)
    assert np.median(np.abs(FINDERS[name](approach) - contact) / come) < share


@pytest.mark.parametrize("name", FINDERS)
def test_gain_and_offsets_change_nothing(name):
    approach, _, _ = soft(2)
    found = FINDERS[name](approach)
    louder = replace(approach, deflection=700 * approach.deflection - 3.0, unit="V")
    higher = replace(approach, height=approach.height + 5e-6)
    assert np.allclose(FINDERS[name](louder), found, atol=1e-12)
    assert np.allclose(FINDERS[name](higher), found + 5e-6, atol=1e-12)


@pytest.mark.parametrize("name", FINDERS)
def test_padding_and_neighbours_change_nothing(name):
    approach, _, _ = soft(3)
    found = FINDERS[name](approach)
    wide = {
        k: np.pad(getattr(approach, k), ((0, 0), (0, 77)), constant_values=np.nan) for k in ("height", "deflection")
    }
    assert np.allclose(FINDERS[name](replace(approach, **wide)), found, equal_nan=True)
    some = one_of(approach, 5)
    assert np.allclose(FINDERS[name](some), found[5:6], equal_nan=True)


def one_of(approach: Approach, row: int) -> Approach:
    at = slice(row, row + 1)
    return replace(approach, height=approach.height[at], deflection=approach.deflection[at],
                   spring_constant=approach.spring_constant[at], length=approach.length[at],
                   faults=approach.faults[at])  # fmt: skip


@pytest.mark.parametrize("name", FINDERS)
def test_where_there_is_no_contact_none_is_told(name):
    rng = np.random.default_rng(4)
    height = np.tile(np.linspace(2e-6, 0, 300), (5, 1))
    deflection = 1e-9 * rng.standard_normal((5, 300))
    deflection[1] = 0.0  # nothing at all
    deflection[2] = -(np.linspace(0, 1e-7, 300) ** 2)  # attraction to the end
    height[3, 12:], deflection[3, 12:] = np.nan, np.nan
    height[4] = 1e-6  # the piezo stood still
    length = np.array([300, 300, 300, 12, 300])
    faults = ("", "", "", "12 samples", "its height does not change")
    empty = Approach(height, deflection, "m", np.full(5, 0.1), length, faults)
    assert np.isnan(FINDERS[name](empty)).all()


def test_one_sample_is_a_curve_without_contact():
    one = Approach(np.zeros((1, 1)), np.zeros((1, 1)), "m", np.full(1, 0.1), np.ones(1, int), ("1 finite sample",))
    for name, finder in FINDERS.items():
        assert np.isnan(finder(one)).all(), name


def test_a_ramp_is_told_as_shares():
    approach, _, _ = hard(5)
    ramp = ramp_of(approach)
    assert np.allclose(ramp.way[:, 0], 0)
    assert np.allclose(ramp.way[:, -1], 1)
    assert np.allclose(ramp.signal[:, -1], 1, atol=0.05)
    assert np.median(np.abs(ramp.signal[:, :200])) < 0.01
    half = until(ramp, 0.5)
    assert np.allclose(ramp.signal[np.arange(len(half)), half], 0.5, atol=0.05)
    assert np.array_equal(until(ramp, 1), ramp.length)


def test_running_sums():
    running = sums(np.arange(5.0)[None])
    start, stop = np.array([[0, 2, -3]]), np.array([[5, 4, 99]])
    assert between(running, start, stop).tolist() == [[10, 5, 10]]
