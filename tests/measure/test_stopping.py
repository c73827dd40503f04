"""Does a scan stop when it has told enough, and does the alarm ring for changes and seldom for nothing?"""

import numpy as np
import pytest
from scipy.special import expit

from sharptip.measure.stopping import alarm_threshold, bounds_for, delays, first_above, line_cusum, stop_line


def evidence(rng, n=4000, lines=60, drift=0.15):
    """Calibrated probabilities of a hypothesis that is true in half of the cases: a random walk of log odds.

    Each line adds a normal log-likelihood ratio of mean ± d and variance 2d, as Gaussian evidence does (Wald).
    """
    truth = rng.random(n) < 0.5
    steps = rng.normal(np.where(truth, drift, -drift)[:, None], np.sqrt(2 * drift), (n, lines))
    return expit(np.cumsum(steps, axis=1)), truth


def test_stops_as_soon_as_one_side_is_sure():
    p = np.array([[0.5, 0.95, 0.2, 0.3, 0.92, 0.1], [0.5, 0.5, 0.5, 0.5, 0.5, 0.6], [0.5, 0.5, 0.5, 0.02, 0.9, 0.9]])
    line, yes = stop_line(p, 0.1, 0.9, least=4)
    assert line.tolist() == [5, 6, 4]  # what is sure before the least number of lines is not trusted
    assert yes.tolist() == [True, True, False]


def test_wald_s_bounds_keep_their_error():
    p, truth = evidence(np.random.default_rng(0))
    line, yes = stop_line(p, 0.1, 0.9, least=1)
    early = line < 60
    assert np.mean(yes[early] != truth[early]) < 0.1  # Wald: at most 1 − 0.9
    assert np.mean(line) < 25


def test_bounds_from_frames_that_were_not_learned_from():
    rng = np.random.default_rng(1)
    p, truth = evidence(rng)
    low, high = bounds_for(p, truth, 0.05, least=1)
    fresh, fresh_truth = evidence(rng)
    line, yes = stop_line(fresh, low, high, least=1)
    early = line < 60
    assert early.mean() > 0.5
    assert np.mean(yes[early] != fresh_truth[early]) < 0.065
    coin = np.broadcast_to(0.5 + 0.4 * rng.choice([-1, 1], (500, 1)), (500, 20))  # sure, and as often wrong as right
    assert bounds_for(coin, rng.random(500) < 0.5, 0.05) == (0.0, 1.0)


def test_an_alarm_rings_as_often_as_was_allowed():
    rng = np.random.default_rng(0)
    quiet, fresh = expit(rng.normal(-3, 1, (2000, 50))), expit(rng.normal(-3, 1, (2000, 50)))
    threshold = alarm_threshold(quiet, 0.05)
    assert np.mean(first_above(fresh, threshold) > 0) == pytest.approx(0.05, abs=0.02)


def test_delays_count_the_line_of_the_change_as_one():
    p = np.full((4, 20), 0.1)
    p[0, 11:] = 0.9  # line 12
    p[1, 14] = 0.9
    p[2, 5] = 0.9  # before the change
    found = delays(p, np.array([12, 12, 12, 12]), 0.5)
    assert found[:2].tolist() == [1.0, 4.0]
    assert np.isnan(found[2:]).all()


def test_cusum_notices_another_texture():
    rng = np.random.default_rng(0)
    x = np.arange(80)
    frames = np.sin(0.7 * x) + 0.3 * rng.normal(size=(30, 60, 80))
    changed = frames.copy()
    changed[:, 35:] = 1.5 * rng.normal(size=(30, 25, 80))
    threshold = alarm_threshold(line_cusum(frames), 0.05)
    found = delays(line_cusum(changed), np.full(30, 36), threshold)
    assert np.isfinite(found).mean() > 0.8
    assert np.nanmedian(found) <= 3
    cut = line_cusum(changed[:, :40])
    np.testing.assert_allclose(cut, line_cusum(changed)[:, :40])  # nothing is known of lines to come
