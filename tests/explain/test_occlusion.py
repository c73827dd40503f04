"""Does hiding a place show whether the answer rested on it, for any kind of learner?"""

from dataclasses import replace

import numpy as np
import pytest

from sharptip.core import ModelError
from sharptip.core.scan import check, scan_of
from sharptip.explain.occlusion import occlusion
from sharptip.fit import Example, Model, Port, Recipe


def spot(rng, options):
    """Noise, with a bright spot somewhere in half of the cases."""
    y, x = np.mgrid[:48, :48]
    there = bool(rng.integers(2))
    at = rng.uniform(8, 40, 2)
    z = rng.normal(0, 1, (48, 48)) + there * 12 * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 12)
    return Example(scan_of(z * 1e-9, 1e-9), "spot" if there else "none", str(rng.integers(1000)))


def highest(x):
    return x.reshape(len(x), -1).max(axis=1, keepdims=True)


def logistic(options):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


SPOTS = Recipe(
    name="spots", question="Is there a spot?", eats=(Port("height", "m"),),
    gives=(Port("probability", "1", ("label",)),),
    classes=("none", "spot"), example=spot, build=logistic, features=highest, options={"tile": 48, "examples": 80},
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return Model(SPOTS).fit(seed=0)


def test_evidence_is_where_the_spot_is(model):
    y, x = np.mgrid[:48, :48]
    z = np.random.default_rng(5).normal(0, 1, (48, 48)) + 9 * np.exp(-((y - 14) ** 2 + (x - 33) ** 2) / 12)
    scan = scan_of(z * 1e-9, 1e-9)
    before = scan.copy(deep=True)
    found = occlusion(model, scan, patches=4)
    check(found)
    assert scan.identical(before)
    assert found.attrs["answer"] == "spot"
    at = np.unravel_index(int(found["evidence"].values.argmax()), (48, 48))
    assert np.hypot(at[0] - 14, at[1] - 33) < 10
    assert np.abs(found["evidence"].values[30:, :20]).max() < 0.05
    against = occlusion(model, scan, "none", patches=4)["evidence"].values
    np.testing.assert_allclose(against, -found["evidence"].values, atol=1e-9)


def test_every_pixel_is_hidden_once_at_least(model):
    rng = np.random.default_rng(0)
    for shape in ((48, 48), (53, 97), (49, 61)):
        assert np.isfinite(occlusion(model, scan_of(rng.normal(size=shape) * 1e-9, 1e-9))["evidence"]).all()


def test_what_has_no_answer_is_refused(model):
    scan = spot(np.random.default_rng(0), {}).scan
    with pytest.raises(ModelError, match="'crater' is no answer"):
        occlusion(model, scan, "crater")
    mending = Model(replace(SPOTS, kind="restore", gives=(Port("height", "m"),)))
    with pytest.raises(ModelError, match="restores"):
        occlusion(mending, scan)
