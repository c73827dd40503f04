"""judge_bond keeps a recipe's promises, learns, votes over a frame, and says what it cannot judge."""

from pathlib import Path

import numpy as np
import pytest

import sharptip
from sharptip import Model, check_recipe
from sharptip.core.errors import ChannelError, ModelError, UnitError
from sharptip.core.scan import scan_of
from sharptip.recipes.judge_bond import CLASSES, RECIPE, THE_FIVE_OTHERS, features
from sharptip.simulate.hydrogen_silicon import bond_frame


@pytest.fixture(scope="module")
def model():
    return Model.load(Path(sharptip.__file__).parent / "weights" / "judge_bond.sharptip", RECIPE)


def frame(double, seed=0):
    return bond_frame(np.random.default_rng(seed), double, size=25e-9, weight=0.8, offset=1e-9).scan


def test_promises():
    assert check_recipe(RECIPE, examples=120, epochs=6) >= 14


def test_a_frame_is_judged_by_its_bonds(model):
    p = [[float(model.predict(frame(d, s))["probability"][1]) for s in (1, 2, 3)] for d in (False, True)]
    assert np.mean(p[1]) > np.mean(p[0]) + 0.2
    assert model.predict(frame(True, 1)).attrs["label"] in CLASSES


def test_what_cannot_be_judged_is_said(model):
    scan = frame(False)
    with pytest.raises(ChannelError, match="height"):
        model.predict(scan.rename({"height": "current"}))
    wrong = scan.copy()
    wrong["height"] = wrong["height"].assign_attrs(units="A")
    with pytest.raises(UnitError, match="'A'"):
        model.predict(wrong)
    with pytest.raises(ModelError, match="no dangling bond"):
        model.predict(scan.isel(y=slice(0, 20), x=slice(0, 20)))
    with pytest.raises(ModelError, match="constant"):
        model.predict(scan_of(np.zeros((64, 64)), 1e-10))
    noise = 1e-12 * np.random.default_rng(0).standard_normal((64, 64))
    with pytest.raises(ModelError, match="no dangling bond"):
        model.predict(scan_of(noise, 1e-10))
    lost = scan.copy(deep=True)
    lost["height"].values[5:9] = np.nan
    assert np.isfinite(model.predict(lost)["probability"]).all()


def test_the_five_others_learn_and_survive_saving(tmp_path):
    rng = np.random.default_rng(0)
    tiles = rng.standard_normal((60, 1, 28, 28)).astype(np.float32)
    y = np.arange(60) % 2
    tiles[y == 1, 0, 10:14, 18:22] += 3
    rows = features(tiles)
    import skops.io

    from sharptip.fit.storage import TRUSTED

    for name, build in THE_FIVE_OTHERS.items():
        learner = build({"seed": 0}).fit(rows, y)
        assert (learner.predict(rows) == y).mean() > 0.8, name
        data = skops.io.dumps(learner)
        unknown = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED)
        assert not unknown, (name, unknown)


def test_the_shipped_model_tells_a_clear_double_tip(model):
    for double in (False, True):
        right = [model.predict(frame(double, s)).attrs["label"] == CLASSES[double] for s in range(20, 26)]
        assert sum(right) >= 5
