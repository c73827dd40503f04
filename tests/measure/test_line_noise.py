"""What a line adds to a blind guess, against the same by dense matrices."""

import numpy as np
from scipy.linalg import toeplitz
from scipy.ndimage import gaussian_filter1d

from sharptip.measure.line_noise import LAG, LineNoise, autocovariance, line_noise, with_the_line


def along(rng, shape, width):
    z = gaussian_filter1d(rng.standard_normal((shape[0], shape[1] + 40)), width, axis=1)[:, 20:-20]
    return z / z.std()


def test_the_autocovariance_of_noise_is_found_with_pixels_left_out():
    rng = np.random.default_rng(0)
    noise = 3 * along(rng, (400, 200), 1.0)
    found = autocovariance(noise, rng.random(noise.shape) < 0.3, 5)
    np.testing.assert_allclose(found, 9 * np.exp(-(np.arange(5) ** 2) / 4), atol=0.3)


def test_a_line_is_weighed_as_by_dense_matrices():
    rng = np.random.default_rng(1)
    n, lag = 60, np.arange(LAG)
    noise, likeness = 2.0 * np.exp(-lag / 2), np.exp(-lag / 3)
    missed = rng.uniform(0.5, 2, (4, n))
    guess, z = rng.standard_normal((2, 4, n))
    answer, _ = with_the_line(guess, z, LineNoise(noise, likeness, missed))
    taper = 0.5 * (1 + np.cos(np.pi * lag / LAG))
    full = [toeplitz(np.pad(c * taper, (0, n - LAG))) for c in (noise, likeness)]
    for line in range(4):
        s = missed[line][:, None] * full[1] * missed[line]
        exact = guess[line] + s @ np.linalg.solve(s + full[0], z[line] - guess[line])
        np.testing.assert_allclose(answer[line], exact, atol=5e-3)


def test_guess_and_line_together_are_better_than_either_and_say_by_how_much():
    rng = np.random.default_rng(2)
    surface = np.zeros((300, 128))
    missed = np.where(np.arange(128) < 64, 0.2, 1.5) * np.ones_like(surface)
    guess = surface + missed * along(rng, surface.shape, 3.0)
    z = surface + along(rng, surface.shape, 0.7)
    found = line_noise(z, guess, np.hypot(missed, 1.0))
    assert 0.9 < found.noise[0] < 1.15
    answer, deviation = with_the_line(guess, z, found)
    for half in (slice(0, 60), slice(68, 128)):
        left = answer[:, half].std()
        assert left < min(guess[:, half].std(), z[:, half].std())
        assert 0.7 < np.sqrt((deviation[:, half] ** 2).mean()) / left < 1.4


def test_what_is_lost_is_guessed_and_spoils_nothing_and_gain_is_gain():
    rng = np.random.default_rng(3)
    z = rng.standard_normal((32, 40))
    z[5:8], z[20, 3] = np.nan, np.nan
    guess, expected = np.zeros(z.shape), np.full(z.shape, 1.2)
    answer, deviation = with_the_line(guess, z, line_noise(z, guess, expected))
    assert np.isfinite([answer, deviation]).all()
    assert (answer[5:8] == 0).all()
    twice, _ = with_the_line(guess, 2 * z, line_noise(2 * z, guess, 2 * expected))
    np.testing.assert_allclose(twice, 2 * answer, rtol=1e-6, atol=1e-9)
    flat, none = with_the_line(guess, guess, line_noise(guess, guess, guess))
    assert not np.any([flat, none])
