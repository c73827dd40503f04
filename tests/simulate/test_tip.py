"""Dilation and erosion against geometry: spheres on steps and on spheres, and the definition itself."""

import numpy as np
import pytest

from sharptip.simulate import tip
from sharptip.simulate.surface import self_affine

PIXEL = 0.5e-9


def by_definition(surface, shape):
    """max_u [S(x+u) − τ(u)], pixel by pixel."""
    out = np.full(surface.shape, -np.inf)
    ry, rx = shape.shape[0] // 2, shape.shape[1] // 2
    for y, x in np.ndindex(surface.shape):
        for i, j in np.argwhere(np.isfinite(shape)):
            v, w = y + i - ry, x + j - rx
            if 0 <= v < surface.shape[0] and 0 <= w < surface.shape[1]:
                out[y, x] = max(out[y, x], surface[v, w] - shape[i, j])
    return out


def tips():
    cone = tip.sphere_cone(6, PIXEL, radius=2e-9, half_angle=0.4)
    return {
        "sphere_cone": cone,
        "paraboloid": tip.paraboloid(6, PIXEL, radius=2e-9),
        "pyramid": tip.pyramid(6, PIXEL, half_angle=0.5),
        "tilted": tip.tilted(cone, PIXEL, slope_y=0.3, slope_x=-0.2),
        "worn": tip.worn(cone, depth=1e-9),
        "double": tip.double(cone, shift=(3, -5), offset=0.3e-9),
    }


@pytest.mark.parametrize("name", sorted(tips()))
def test_dilation_is_its_definition(name):
    surface, _ = self_affine(np.random.default_rng(0), (23, 31), PIXEL, rms=2e-9, correlation_length=2e-9, hurst=0.6)
    np.testing.assert_allclose(tip.dilate(surface, tips()[name]), by_definition(surface, tips()[name]), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(tips()))
def test_erosion_never_falls_below_the_surface_and_meets_it_where_the_tip_touched(name):
    shape = tips()[name]
    surface, _ = self_affine(np.random.default_rng(1), (64, 64), PIXEL, rms=1e-9, correlation_length=4e-9, hurst=0.9)
    image = tip.dilate(surface, shape)
    back = tip.erode(image, shape)
    assert (back >= surface - 1e-20).all()
    touched = np.isclose(back, surface, rtol=0, atol=1e-20)
    assert 0.01 < touched.mean() < 1
    np.testing.assert_allclose(tip.dilate(back, shape), image, rtol=0, atol=1e-20)  # nothing more can be got back
    y, x = np.unravel_index(surface.argmax(), surface.shape)
    assert touched[y, x]


@pytest.mark.parametrize("name", sorted(tips()))
def test_every_tip_ends_at_zero(name):
    assert tips()[name].min() == 0
    assert all(n % 2 for n in tips()[name].shape)


def test_a_sphere_over_a_step_draws_a_quarter_circle():
    radius, height = 10e-9, 4e-9
    surface = np.zeros((5, 201))
    surface[:, 100:] = height
    n = tip.half_width(height, PIXEL, radius=radius, half_angle=0.1)
    image = tip.dilate(surface, tip.sphere_cone(n, PIXEL, radius=radius, half_angle=0.1))
    away = (100 - np.arange(201)) * PIXEL  # to the edge of the step
    circle = height - (radius - np.sqrt(np.maximum(radius**2 - away**2, 0)))
    expected = np.where(away <= 0, height, np.where(away < radius, np.maximum(circle, 0), 0))
    np.testing.assert_allclose(image[2], expected, atol=1e-20)


def test_a_sphere_over_a_sphere_looks_like_the_sum_of_both():
    ball, end = 6e-9, 8e-9
    pixel = 0.1e-9
    u = np.arange(-80, 81) * pixel
    r2 = u[:, None] ** 2 + u[None, :] ** 2
    surface = np.where(r2 < ball**2, ball + np.sqrt(np.maximum(ball**2 - r2, 0)), 0)
    n = tip.half_width(1.5e-9, pixel, radius=end, half_angle=0.1)
    image = tip.dilate(surface, tip.sphere_cone(n, pixel, radius=end, half_angle=0.1))
    near = np.abs(u) < 4e-9
    profile = ball - end + np.sqrt((ball + end) ** 2 - u[near] ** 2)
    np.testing.assert_allclose(image[80][near], profile, atol=2e-3 * 1e-9)  # pixels can miss the very contact


def test_sphere_cone_is_smooth_where_sphere_meets_cone_and_reaches_its_depth():
    radius, angle, depth = 5e-9, 0.35, 20e-9
    n = tip.half_width(depth, 0.01e-9, radius=radius, half_angle=angle)
    profile = tip.sphere_cone(n, 0.01e-9, radius=radius, half_angle=angle)[n, n:]
    assert profile[-1] >= depth > profile[-3]
    slope = np.diff(profile) / 0.01e-9
    assert slope.max() == pytest.approx(1 / np.tan(angle), rel=1e-3)
    assert (np.diff(slope) > -1e-6).all()
    shallow = tip.half_width(1e-9, 0.01e-9, radius=radius, half_angle=angle)
    assert shallow == pytest.approx(np.sqrt(2 * 5 * 1 - 1) * 100, abs=1)


def test_a_double_tip_shows_a_peak_twice():
    surface = np.zeros((41, 41))
    surface[20, 20] = 5e-9
    needle = np.array([[0.0]])
    image = tip.dilate(surface, tip.double(needle, shift=(4, -7), offset=1e-9))
    assert image[20, 20] == 5e-9
    assert image[16, 27] == 4e-9  # where the second apex, 1 nm higher, is over the peak
    assert np.count_nonzero(image > 0) == 2


def test_a_worn_tip_is_flat_at_its_end():
    sharp = tip.paraboloid(10, PIXEL, radius=5e-9)
    blunt = tip.worn(sharp, depth=1e-9)
    flat = np.hypot(*tip.offsets(10, PIXEL)) <= np.sqrt(2 * 5e-9 * 1e-9) * (1 + 1e-9)
    assert np.array_equal(blunt < 1e-20, flat)
    np.testing.assert_allclose(blunt[~flat], sharp[~flat] - 1e-9, rtol=1e-9)
