"""Simulated loops: what was drawn is told, and pairs differ in one thing."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.core.scan import check
from sharptip.physics.tip_response import Junction, response
from sharptip.simulate.loops import (
    CELSIUS,
    MECHANISMS,
    Run,
    draw_loops,
    draw_run,
    draw_sample,
    matched_pair,
    measured,
    temperature_series,
    triangle,
)


def test_the_same_seed_gives_the_same_loops_and_a_sound_scan() -> None:
    one, truth, record = draw_loops(np.random.default_rng(1), 12)
    two, _, _ = draw_loops(np.random.default_rng(1), 12)
    assert np.array_equal(one["piezo_response"], two["piezo_response"])
    check(one)
    assert set(truth["mechanism"]) <= set(range(len(MECHANISMS)))
    without = np.isin(truth["mechanism"], [MECHANISMS.index("charge"), MECHANISMS.index("electrostatic")])
    assert np.isnan(truth["coercive"]).tolist() == without.tolist()
    assert isinstance(record["junction"], Junction)


def test_what_is_told_is_what_was_drawn() -> None:
    """Without noise the response is that of the truth."""
    rng = np.random.default_rng(2)
    _, truth, record = draw_loops(rng, 6)
    junction, gain, run = record["junction"], record["gain"], record["run"]
    assert truth["slope"] == pytest.approx(gain * junction.slope)
    assert truth["piezo"] == pytest.approx(gain * junction.piezo * (1 - junction.reversible))
    assert response(run.write, run.read, junction).shape[1] == len(run.write)


def test_noise_has_the_size_that_was_asked_for() -> None:
    run = Run(triangle(8.0, 64), np.linspace(-4, 4, 9))
    many = Junction(np.ones(50), 3.0, 0.5)
    off = measured(np.random.default_rng(3), run, many, 10.0) - response(run.write, run.read, many)
    half = np.ptp(response(run.write, run.read, many)[0]) / 2
    assert off.std() == pytest.approx(half / 10, rel=0.05)


def test_a_matched_pair_differs_in_one_thing() -> None:
    run = Run(triangle(8.0, 64), np.linspace(-4, 4, 9))
    junction = Junction(1.0, 3.0, 0.5, slope=0.1)
    one, other = matched_pair(np.random.default_rng(4), run, junction, 5.0, slope=0.3)
    expected = 0.2 * np.broadcast_to(np.linspace(-4, 4, 9), one.shape)
    assert other - one == pytest.approx(expected)


def test_runs_go_up_and_down() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        run = draw_run(rng)
        steps = np.diff(run.write)
        assert steps.max() > 0 > steps.min()
        assert 32 <= len(run.write) <= 128


def test_warm_samples_switch_at_lower_voltages() -> None:
    rng = np.random.default_rng(6)
    run = Run(triangle(9.0, 64), np.zeros(1))
    ends = CELSIUS + np.array([25.0, 150.0])
    loops, kelvin = temperature_series(rng, draw_sample(rng), run, 10, 1e6, ends)
    up = [np.mean(loops[kelvin == k][:, :16, 0] > 0) for k in ends]  # share of the way up that has switched
    assert up[1] > up[0]
