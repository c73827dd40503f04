"""Do the features of a frame say what they are there to say?"""

import numpy as np
import pytest

from sharptip.measure.frame_features import frame_features, line_features, local_contrast


def lattice(theta=0.3, period=8.0, n=64):
    y, x = np.mgrid[:n, :n]
    return np.sin(2 * np.pi * (x * np.cos(theta) + y * np.sin(theta)) / period)


def test_finite_for_anything_finite():
    rng = np.random.default_rng(0)
    frames = np.stack([np.zeros((32, 32)), np.ones((32, 32)), rng.normal(size=(32, 32)), lattice(n=32)])
    out = frame_features(frames)
    assert out.shape[0] == 4
    assert np.isfinite(out).all()
    assert np.isfinite(line_features(frames[:, :5])).all()


def test_each_frame_by_itself():
    frames = np.random.default_rng(0).normal(size=(5, 32, 40))
    together = frame_features(frames)
    np.testing.assert_allclose(frame_features(frames[2:3])[0], together[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 8, 32), (32, 32)])
def test_too_little_is_refused(shape):
    with pytest.raises(ValueError, match="16 pixels"):
        frame_features(np.zeros(shape))
    with pytest.raises(ValueError, match="3 pixels"):
        line_features(np.zeros((4, 2, 32)))


def test_a_line_that_jumps_is_the_largest_step():
    rng = np.random.default_rng(0)
    quiet = 0.3 * rng.normal(size=(48, 64)) + lattice(0.0)[:48]
    jumped = quiet.copy()
    jumped[30:] += 5
    a, b = line_features(np.stack([quiet, jumped]))
    assert b[0] > a[0] + 1  # logarithm of the largest line-to-line change over the median one
    assert abs(b[1] - a[1]) < 0.5  # the second largest knows nothing of it


def test_peaks_stand_out_of_a_periodic_frame_only():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(64, 64))
    both = frame_features(np.stack([noise, lattice() + 0.3 * noise]))
    spectrum = both[:, line_features(noise[None]).shape[1] :]
    peaks = spectrum[:, 1:64:4]  # largest power of each ring over its mean, of the frame itself
    assert peaks[1].max() > peaks[0].max() + 0.5


def test_local_contrast_forgets_gain_and_offset():
    z = np.random.default_rng(0).normal(size=(2, 40, 40))
    np.testing.assert_allclose(local_contrast(5 * z + 3), local_contrast(z), atol=1e-4)
