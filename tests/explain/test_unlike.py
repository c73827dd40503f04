"""What is unlike the training scans is called so, what is like them is not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sharptip.core.errors import ModelError
from sharptip.explain.unlike import FEATURES, Reference, image_features


def test_distance_is_mahalanobis(rng):
    """With many scans the shrinkage vanishes, and the distance is that of the true covariance."""
    mix = rng.normal(size=(3, 3))
    x = rng.normal(size=(20_000, 3)) @ mix
    new = rng.normal(size=(50, 3)) @ mix
    inverse = np.linalg.inv(mix.T @ mix)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", new, inverse, new))
    np.testing.assert_allclose(Reference.fit(x).distance(new), expected, rtol=0.05, atol=0.05)


def test_one_in_a_hundred_like_scans_is_called_unlike(rng):
    rates = [
        Reference.fit(rng.normal(size=(150, 4)) * [1, 10, 1e-9, 1]).unlike(
            rng.normal(size=(2000, 4)) * [1, 10, 1e-9, 1]
        )
        for _ in range(8)
    ]
    assert 0.002 <= np.mean(rates) <= 0.025


def test_more_features_than_scans_still_tell_near_from_far(rng):
    reference = Reference.fit(rng.normal(size=(12, 30)))
    assert not reference.unlike(np.zeros((1, 30)))[0]
    assert reference.unlike(np.full((1, 30), 8.0))[0]


def test_a_feature_that_never_varied_is_noticed_when_it_does(rng):
    x = np.column_stack([rng.normal(size=30), np.full(30, 5.0)])
    assert Reference.fit(x).unlike(np.array([[0.0, 6.0]]))[0]


def test_left_out_by_groups_the_threshold_is_wider(rng):
    """Scans of one day are alike and days differ: only leaving out whole days shows how far a new day may lie."""
    day = np.repeat(np.arange(6), 20)
    x = rng.normal(0, 3, (6, 2))[day] + rng.normal(0, 0.1, (120, 2))
    assert Reference.fit(x, day).threshold > 1.3 * Reference.fit(x).threshold


def test_kept_as_json_it_answers_alike(rng):
    x = rng.normal(size=(40, 5))
    reference = Reference.fit(x)
    again = Reference.from_dict(json.loads(json.dumps(reference.as_dict())))
    np.testing.assert_array_equal(again.distance(x), reference.distance(x))
    assert again.threshold == reference.threshold


def test_image_features_notice_gain_noise_and_grain(rng):
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(rng.normal(size=(96, 96)), 4) * 1e-8
    plain = dict(zip(FEATURES, image_features(smooth), strict=True))
    doubled = dict(zip(FEATURES, image_features(2 * smooth), strict=True))
    assert doubled["log roughness"] - plain["log roughness"] == pytest.approx(np.log(2))
    assert doubled["skewness"] == pytest.approx(plain["skewness"])
    coarse = dict(zip(FEATURES, image_features(np.kron(smooth, np.ones((1, 3)))), strict=True))
    assert coarse["log grain"] > plain["log grain"]
    shifted = smooth + rng.normal(0, 5e-10, (96, 1))
    assert image_features(shifted)[FEATURES.index("log row offsets")] > plain["log row offsets"] + 1
    lost = smooth.copy()
    lost[3] = np.nan
    assert np.isfinite(image_features(lost)).all()
    assert np.isfinite(image_features(np.zeros((8, 8)))).all()


def test_scans_of_another_kind_are_unlike(rng):
    from scipy.ndimage import gaussian_filter

    def scan(width, gain=1.0):
        return gaussian_filter(rng.normal(size=(64, 64)), width) * gain

    usual = np.array([image_features(scan(3)) for _ in range(60)])
    reference = Reference.fit(usual)
    assert reference.unlike(np.array([image_features(scan(3)) for _ in range(20)])).mean() < 0.2
    assert reference.unlike(np.array([image_features(scan(8)) for _ in range(20)])).all()
    assert reference.unlike(np.array([image_features(scan(3, gain=3.0)) for _ in range(20)])).all()


def test_refusals(rng):
    with pytest.raises(ModelError, match="three or more"):
        Reference.fit(rng.normal(size=(2, 3)))
    with pytest.raises(ModelError, match="finite"):
        Reference.fit(np.full((5, 2), np.nan))
    with pytest.raises(ModelError, match="made of 2"):
        Reference.fit(rng.normal(size=(9, 2))).distance(np.zeros((1, 3)))
    assert Reference.fit(rng.normal(size=(9, 2))).unlike(np.array([[np.nan, 0.0]]))[0]
