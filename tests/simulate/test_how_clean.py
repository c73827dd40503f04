"""A perfect answer has no error, and each way of being wrong is told by its own number."""

import numpy as np
import pytest

from sharptip.simulate.dirty import dirty
from sharptip.simulate.how_clean import COVERAGES, SCARS, STEPS, TILTS, conditions, errors


@pytest.fixture(scope="module")
def stepped():
    return dirty(np.random.default_rng(4), (96, 96), kind="ellipsoids", coverage=0.3, steps=2, scars=0.05, noise=0.01)


def test_the_truth_is_right(stepped):
    found = errors(stepped, stepped.level, stepped.scars)
    assert found["rmse"] == found["step_bias"] == found["volume_bias"] == 0
    assert found["scar_f1"] == 1
    assert found["rmse_surface"] == pytest.approx(stepped.noise.std(), rel=1e-6)


def test_a_constant_is_no_error_of_shape(stepped):
    found = errors(stepped, stepped.level + 1e-9)
    assert found["rmse"] == pytest.approx(1e-9)
    assert found["rmse_shape"] == pytest.approx(0, abs=1e-15)
    assert abs(found["step_bias"]) < 1e-6


def test_steps_and_volumes_that_are_a_tenth_too_small(stepped):
    steps = np.nan_to_num(stepped.terraces) * stepped.drawn["step_height"]
    assert errors(stepped, stepped.level - 0.1 * steps)["step_bias"] == pytest.approx(-0.1, rel=1e-3)
    less = np.where(np.isnan(stepped.terraces), 0.9, 1.0) * stepped.level
    assert errors(stepped, less)["volume_bias"] == pytest.approx(-0.1, rel=1e-3)


def test_scars_found_and_missed(stepped):
    half = stepped.scars.copy()
    half[: len(half) // 2] = False
    found = errors(stepped, stepped.level, half)
    assert found["scar_precision"] == 1
    assert found["scar_recall"] == pytest.approx(half.sum() / stepped.scars.sum())
    nothing = dirty(np.random.default_rng(4), (96, 96), scars=0.0)
    assert np.isnan(errors(nothing, nothing.level, nothing.scars)["scar_f1"])


def test_lost_pixels_do_not_count(stepped):
    height = stepped.level.copy()
    height[3:5] = np.nan
    assert errors(stepped, height)["rmse"] == 0


def test_every_condition_is_drawn():
    drawn = list(conditions(0, 1, (32, 32), noise=0.01))
    assert len(drawn) == len(COVERAGES) * len(STEPS) * len(TILTS) * len(SCARS)
    condition, d = drawn[-1]
    assert condition == {"coverage": 0.8, "steps": 2, "tilt": 10.0, "scars": 0.03}
    assert d.drawn["tilt"] == 10
    again = list(conditions(0, 1, (32, 32), noise=0.01))[-1][1]
    np.testing.assert_array_equal(d.height, again.height)
