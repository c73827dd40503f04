"""Planted scars are found and mended, and nothing else is moved."""

import numpy as np
import pytest

from sharptip.clean import find_scars, mend, scars, without_scars
from sharptip.clean.scars import _scarred
from sharptip.clean.streaks import DOWN, UP
from sharptip.core.scan import scan_of
from sharptip.simulate.surface import self_affine

SHAPE = (120, 160)


@pytest.fixture
def surface():
    return self_affine(np.random.default_rng(4), SHAPE, 1e-9, rms=1e-9, correlation_length=25e-9, hurst=1.0)[0]


PLANTED = [  # line, lines, first column, columns, height in metres
    (20, 1, 30, 40, 4e-9),
    (50, 2, 0, 60, -5e-9),
    (80, 4, 100, 60, 4e-9),
    (100, 3, 70, 16, 6e-9),
]


def plant(surface):
    z, mask = surface.copy(), np.zeros(SHAPE, bool)
    for line, width, start, length, height in PLANTED:
        z[line : line + width, start : start + length] += height
        mask[line : line + width, start : start + length] = True
    return z, mask


def test_planted_scars_are_found_and_nothing_else(surface):
    z, mask = plant(surface)
    assert not find_scars(surface).any()
    np.testing.assert_array_equal(find_scars(z), mask)


def test_mending_brings_the_surface_back_and_moves_nothing_else(surface):
    z, mask = plant(surface)
    mended = without_scars(z)
    np.testing.assert_array_equal(mended[~mask], surface[~mask])
    assert np.abs(mended - surface)[mask].max() < 0.15e-9  # of 4 to 6 nm: the surface bends little in four lines


def test_noise_hides_no_tall_scar_and_makes_none(surface):
    noise = 0.05e-9 * np.random.default_rng(5).standard_normal(SHAPE)
    z, mask = plant(surface)
    assert not find_scars(surface + noise).any()
    np.testing.assert_array_equal(find_scars(z + noise), mask)


def test_short_thick_and_faint_streaks_are_left_alone(surface):
    z = surface.copy()
    z[20, 30:45] += 4e-9  # 15 pixels
    z[60:65, 30:90] += 4e-9  # 5 lines
    assert not find_scars(z).any()
    assert find_scars(z, min_length=10)[20, 30:45].all()
    assert find_scars(z, max_width=5)[60:65, 30:90].all()


def test_missing_pixels_are_on_no_scar_and_stay_missing(surface):
    z, mask = plant(surface)
    z[10] = np.nan
    z[21, 50:54] = np.nan  # just below a scar, which nobody can tell from a step there: cut in two runs of 20 and 16
    mask[20, 50:54] = False
    out = without_scars(z)
    assert np.array_equal(np.isnan(out), np.isnan(z))
    assert np.abs(out - surface)[mask].max() < 0.15e-9


def test_mending_is_linear_between_the_lines_beside():
    z = np.arange(6.0)[:, None] * np.ones((6, 3))
    broken, mask = z.copy(), np.zeros(z.shape, bool)
    mask[2:4, 1] = mask[0, 0] = mask[5, 2] = True
    broken[mask] = 99
    out = mend(broken, mask)
    assert out[2:4, 1].tolist() == [2.0, 3.0]
    assert (out[0, 0], out[5, 2]) == (1.0, 4.0)  # at the edges the one neighbour
    assert mend(broken[:, :1] * 0 + 7, np.ones((6, 1), bool)).tolist() == [[7.0]] * 6  # nothing to mend from


def test_scan_with_scars_is_mended(surface):
    z, mask = plant(surface)
    out = scars(scan_of(z, 1e-9))["height"].values
    np.testing.assert_array_equal(out, without_scars(z))
    assert (out != z).sum() == mask.sum()


def plainly(z, low, high, max_width=4, min_length=16):
    """Scars by their definition, pixel by pixel: the least of the lines of one over the greater of those beside it."""
    found = np.zeros(z.shape, np.uint8)
    for bit, up in ((UP, z), (DOWN, -z)):
        for width in range(1, max_width + 1):
            for line in range(1, len(z) - width):
                excess = up[line : line + width].min(axis=0) - np.maximum(up[line - 1], up[line + width])
                start = None
                for x in range(z.shape[1] + 1):
                    weak = x < z.shape[1] and excess[x] > low
                    if weak and start is None:
                        start = x
                    elif not weak and start is not None:
                        if x - start >= min_length and excess[start:x].max() > high:
                            found[line : line + width, start:x] |= bit
                        start = None
    return found


@pytest.mark.parametrize("shape", [(40, 70), (6, 300), (60, 17), (270, 1000)])  # the last one is done in several bands
def test_scars_are_what_their_definition_says(shape):
    rng = np.random.default_rng(shape)
    z = rng.standard_normal(shape) + 0.02 * np.arange(shape[1])
    for _ in range(max(4, shape[0] // 8)):
        line, start = rng.integers(shape[0] - 1), rng.integers(max(shape[1] - 30, 1))
        z[line : line + rng.integers(1, 6), start : start + rng.integers(12, 60)] += rng.choice([-8, 8])
    z[rng.random(shape) < 2e-3] = np.nan
    z = z.astype(np.float32)
    expected = plainly(z, 1.5, 4.0)
    assert expected.any()
    found = _scarred(np.pad(z, ((0, 0), (0, 1)), constant_values=np.nan), 1.5, 4.0, 4, 16)
    np.testing.assert_array_equal(found[:, :-1], expected)


@pytest.mark.parametrize("length", [1, 7, 15, 31])
def test_scars_of_any_least_length_are_what_their_definition_says(length):
    rng = np.random.default_rng(length)
    z = rng.standard_normal((40, 90)).astype(np.float32)
    for line in range(2, 38, 3):
        start = rng.integers(60)
        z[line, start : start + rng.integers(2, 50)] += 8
    seen = np.pad(z, ((0, 0), (0, 1)), constant_values=np.nan)
    found = _scarred(seen, 1.5, 4.0, 4, length)
    expected = plainly(z, 1.5, 4.0, min_length=length)
    assert expected.any()
    np.testing.assert_array_equal(found[:, :-1], expected)
    stopped = _scarred(seen, 1.5, 4.0, 4, length, most=20)
    assert stopped.sum() > 20, "enough to be too many"
    assert not (stopped & ~found).any()


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e25])
def test_scars_do_not_depend_on_the_unit(surface, unit):
    z, mask = plant(surface)
    np.testing.assert_array_equal(find_scars(z / 1e-9 * unit), mask)
