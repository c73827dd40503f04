"""What is looked at of a force curve: nothing depends on gain, offset or place, and heights are found again."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.measure.curve_view import COURSE, FACTS, GRID, contact_of, place_on, view_of


def curves(n: int, samples: int, contact: float = 0.7, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    height = np.linspace(5e-6, 0, samples) * np.ones((n, 1)) + 1e-6 * np.arange(n)[:, None]
    depth = np.maximum(np.linspace(0, 1, samples) - contact, 0)
    deflection = 1e-7 * depth**2 / depth[-1] ** 2 + 1e-10 * rng.standard_normal((n, samples))
    return height, deflection, np.full(n, samples)


@pytest.mark.parametrize("samples", [30, 700, 1024, 2000, 5001])
def test_any_number_of_samples_comes_onto_one_grid(samples):
    view = view_of(*curves(3, samples))
    assert view.course.shape == (3, len(COURSE), GRID)
    assert view.facts.shape == (3, len(FACTS))
    assert np.isfinite(view.course).all()
    assert np.isfinite(view.facts).all()
    inside = np.isfinite(view.height)
    assert np.array_equal(inside, view.course[:, -1] > 0.5)
    assert inside.sum(axis=1).min() >= min(samples, GRID // 2)
    assert np.allclose(view.height[:, -1] - 1e-6 * np.arange(3), 0, atol=3e-9)


def test_curves_of_different_length_do_not_touch_each_other():
    height, deflection, _ = curves(2, 900)
    height[1, 600:] = deflection[1, 600:] = np.nan
    both = view_of(height, deflection, np.array([900, 600]))
    alone = view_of(height[1:, :600], deflection[1:, :600], np.array([600]))
    assert np.array_equal(both.course[1], alone.course[0])
    assert np.array_equal(both.facts[1], alone.facts[0])


def test_gain_offset_and_place_change_nothing():
    height, deflection, length = curves(4, 800)
    view = view_of(height, deflection, length)
    other = view_of(height + 3e-6, 1e9 * 37 * deflection + 5, length)
    assert np.allclose(view.course, other.course, atol=1e-3)
    assert np.allclose(view.facts, other.facts, atol=1e-2)


def test_the_ratio_of_variances_is_largest_at_contact():
    view = view_of(*curves(8, 1000))
    ratio = view.course[:, COURSE.index("ratio 20")]
    at = ratio.argmax(axis=1) - (GRID - 1000)
    assert np.abs(at - 700).max() <= 20


def test_places_are_heights_again():
    height, deflection, length = curves(3, 2000)
    view = view_of(height, deflection, length)
    contact = np.array([1.5e-6, np.nan, 3.21e-6])
    place = place_on(view.height, contact)
    assert np.isnan(place[1])
    logits = -0.5 * (np.arange(GRID) - np.nan_to_num(place, nan=500)[:, None]) ** 2 / 4.0
    found, error = contact_of(logits, view.height)
    step = 2 * 5e-6 / 2000
    assert np.allclose(found[[0, 2]], contact[[0, 2]], atol=0.1 * step)
    assert np.allclose(error, 2 * step, rtol=0.05)


def test_a_contact_outside_is_at_the_end():
    height, deflection, length = curves(1, 600)
    view = view_of(height, deflection, length)
    assert place_on(view.height, np.array([1.0]))[0] == GRID - 600
    assert place_on(view.height, np.array([-1.0]))[0] == GRID - 1


def test_too_few_samples_are_refused_by_number():
    with pytest.raises(ValueError, match="curve 0 has 3 samples; 16 are needed"):
        view_of(*curves(1, 3))


def test_a_flat_curve_is_looked_at_without_complaint():
    height, deflection, length = curves(2, 300)
    view = view_of(height, 0 * deflection, length)
    assert np.isfinite(view.course).all()
    assert np.isfinite(view.facts).all()
