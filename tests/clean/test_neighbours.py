"""What is done by bits, bands and partitions is what plain arithmetic does."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.clean.neighbours import LineSteps, flat_parts, median, near, only, slopes, solved


def noisy(rng: np.random.Generator, shape: tuple[int, int], lost: float = 0.0) -> np.ndarray:
    values = rng.standard_normal(shape).astype(np.float32)
    values[rng.random(shape) < lost] = np.nan
    return values


@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_values_are_kept_by_a_mask(rng: np.random.Generator, lost: float) -> None:
    values = noisy(rng, (7, 11), lost)
    mask = np.abs(values) < 1
    np.testing.assert_array_equal(only(values, mask), np.where(mask, values, np.float32(0)))


@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_medians_of_rows(rng: np.random.Generator, lost: float) -> None:
    values = noisy(rng, (30, 41), lost)
    for some in (values, values[:, :40]):
        np.testing.assert_allclose(median(some), np.nanmedian(some, axis=1), rtol=1e-6)
    values[3] = np.nan
    assert np.flatnonzero(np.isnan(median(values))).tolist() == [3]


@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_the_mean_of_what_is_near(rng: np.random.Generator, lost: float) -> None:
    values = noisy(rng, (20, 201), lost)
    values[:, :30] += 50  # far away
    means, number, kept, width = near(values, np.zeros(20))
    close = np.abs(values) <= np.float32(width)
    assert 2 < width < 3.5, "2.5 standard deviations of the noise, from a fifth of all that is there"
    np.testing.assert_array_equal(number, close.sum(axis=1))
    np.testing.assert_allclose(
        means, [row[c].mean(dtype=float) for row, c in zip(values, close, strict=True)], atol=1e-6
    )
    np.testing.assert_array_equal(kept, np.where(close, values, 0))
    assert near(np.full((3, 5), np.nan, np.float32), np.zeros(3))[1].tolist() == [0, 0, 0]


def test_normal_equations_and_what_they_leave_open(rng: np.random.Generator) -> None:
    design, truth = rng.standard_normal((40, 3)), np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(solved(design.T @ design, design.T @ design @ truth), truth, rtol=1e-10)
    design[:, 1] = 0
    np.testing.assert_allclose(solved(design.T @ design, design.T @ design @ truth), [1, 0, 3], rtol=1e-10)
    assert solved(np.zeros((2, 2)), np.zeros(2)).tolist() == [0, 0]


@pytest.mark.parametrize("lines", [1, 2, 5, 80])
def test_lines_are_tied_as_a_dense_system_would(rng: np.random.Generator, lines: int) -> None:
    steps = LineSteps(noisy(rng, (lines, 60)) + rng.standard_normal((lines, 1)).astype(np.float32), 1e-6)
    means, certainty = rng.standard_normal(lines), rng.uniform(0, 50, lines)
    dense = np.diag(steps.band[0])
    for lag in range(1, len(steps.band)):
        dense += np.diag(steps.band[lag, : lines - lag], lag) + np.diag(steps.band[lag, : lines - lag], -lag)
    assert np.allclose(dense.sum(axis=0), 0, atol=1e-9 * np.abs(dense).max()), "steps say nothing of the whole's height"
    expected = np.linalg.solve(dense + np.diag(certainty), steps.right + certainty * means)
    np.testing.assert_allclose(steps.tied(means, certainty), expected, atol=1e-9)


def test_line_steps_bring_the_offsets_of_a_flat_surface_back(rng: np.random.Generator) -> None:
    offsets = rng.standard_normal(100)
    z = offsets[:, None] + 0.01 * rng.standard_normal((100, 64))
    found = LineSteps(z.astype(np.float32), 1e-6).offsets
    np.testing.assert_allclose(found - found.mean(), offsets - offsets.mean(), atol=0.01)


@pytest.mark.parametrize("shape", [(64, 64), (128, 1100), (7, 40), (1, 50)])
def test_slopes_of_a_polynomial_are_exact(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape)
    z = 0.5 * x + 0.2 * x**2 - 0.3 * y[:, None] * x + 0.1 * rng.standard_normal((shape[0], 1))
    found = slopes(z.astype(np.float32), x, y, [(0, 1), (1, 1), (0, 2)], 1e-7)
    known = slice(None) if shape[0] > 1 else [0, 2]  # one line says nothing of y
    np.testing.assert_allclose(found.coefficients[known], np.array([0.5, -0.3, 0.2])[known], atol=2e-5)


def test_flanks_are_not_flat(rng: np.random.Generator) -> None:
    z = 0.1 * noisy(rng, (50, 60))
    z[:, 30:] += 5
    z[:, 10] = np.nan
    flat, noise = flat_parts(z, 1e-6)
    assert noise == pytest.approx(0.1, rel=0.15)
    assert not flat[:, [10, 29, 30]].any()
    assert flat[:, 12:28].mean() > 0.95
