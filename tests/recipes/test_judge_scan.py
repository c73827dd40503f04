"""judge_scan keeps a recipe's promises, finds plain faults, names them, and says what it cannot judge."""

from pathlib import Path

import numpy as np
import pytest

import sharptip
from sharptip import Model, check_recipe
from sharptip.core.errors import ChannelError, ModelError, UnitError
from sharptip.core.scan import scan_of
from sharptip.fit.prepare import prepare
from sharptip.measure.scan_quality import likeliest_fault
from sharptip.recipes.judge_scan import RECIPE
from sharptip.simulate.faults import faulty


@pytest.fixture(scope="module")
def model():
    return Model.load(Path(sharptip.__file__).parent / "weights" / "judge_scan.sharptip", RECIPE)


def scan(fault=None, seed=0):
    return faulty(np.random.default_rng([31, seed]), fault is not None, fault=fault, side=128).scan


def test_promises():
    assert check_recipe(RECIPE, examples=40, trees=20) >= 14


@pytest.mark.parametrize(("learner", "n"), [("light", 16), ("vgg", 4)])
def test_the_networks_can_be_chosen(learner, n):
    model = Model(RECIPE, learner=learner, examples=n, epochs=1, tile=64, batch=4).fit(seed=1)
    assert model.predict(scan())["probability"].sum() == pytest.approx(1)


def test_plain_faults_are_found_and_named(model):
    for fault in ("noise", "row offsets", "scars"):
        bad = [float(model.predict(scan(fault, s))["probability"][1]) for s in range(6)]
        assert np.mean(bad) > 0.6, fault
        named = [likeliest_fault(prepare(RECIPE, scan(fault, s)).channels[0])[0] for s in range(6)]
        assert named.count(fault) >= 3, (fault, named)
    good = [float(model.predict(scan(None, s))["probability"][1]) for s in range(8)]
    assert np.mean(good) < 0.5


def test_what_cannot_be_judged_is_said(model):
    good = scan()
    with pytest.raises(ChannelError, match="height"):
        model.predict(good.rename({"height": "phase"}))
    wrong = good.copy()
    wrong["height"] = wrong["height"].assign_attrs(units="V")
    with pytest.raises(UnitError, match="'V'"):
        model.predict(wrong)
    with pytest.raises(ModelError, match="pixels"):
        model.predict(good.isel(y=slice(0, 20), x=slice(0, 20)))
    with pytest.raises(ModelError, match="constant"):
        model.predict(scan_of(np.full((128, 128), 3e-9), 1e-9))
    lost = good.copy(deep=True)
    lost["height"].values[5:9] = np.nan
    assert np.isfinite(model.predict(lost)["probability"]).all()


def test_an_unknown_learner_is_refused():
    with pytest.raises(ModelError, match="oracle"):
        Model(RECIPE, learner="oracle", examples=8).fit()


def test_the_shipped_model_finds_plain_faults(model):
    for fault in ("row offsets", "scars", "lost contact"):
        found = [model.predict(scan(fault, s)).attrs["label"] == "bad" for s in range(10, 14)]
        assert sum(found) >= 3, fault
