"""Does blend keep the contract, ignore what is no part of the question, and refuse clearly?"""

from dataclasses import replace

import numpy as np
import pytest

from sharptip import Model
from sharptip.core.errors import ChannelError, ModelError, UnitError
from sharptip.core.scan import scan_of
from sharptip.fit import check_recipe
from sharptip.recipes.blend import COLUMNS, PIXEL, RECIPE, discriminant, texture


@pytest.fixture(scope="module")
def model():
    return Model(RECIPE, examples=60).fit(seed=0)


@pytest.fixture(scope="module")
def asked(model):
    return [RECIPE.example(np.random.default_rng((9, i)), model.options) for i in range(24)]


def test_the_contract():
    check_recipe(RECIPE, show=lambda _: None, examples=24)


def right(model, asked):
    return np.mean([model.predict(e.scan).attrs["label"] == e.truth for e in asked])


def test_easy_blends_are_told_apart(model, asked):
    assert right(model, asked) >= 0.8


def test_hard_blends_are_told_apart_by_their_spectrum_and_not_by_the_shares_of_the_phases():
    streams = np.random.SeedSequence(8).spawn(100)
    options = {**RECIPE.options, "classes": RECIPE.classes, "variant": "hard"}
    drawn = [RECIPE.example(np.random.default_rng(s), options) for s in streams]
    found = {}
    for part in ("psd", "histogram"):
        alone = replace(RECIPE, build=discriminant(part), baselines={})
        found[part] = right(Model(alone).fit(drawn[:60], seed=0), drawn[60:])
    assert found["psd"] >= 0.7
    assert found["psd"] >= found["histogram"] + 0.1


def test_which_phase_is_brighter_and_how_bright_does_not_matter(model, asked):
    scan = asked[0].scan
    other = scan.copy(deep=True)
    other["phase"].values[:] = 1.0 - 3 * other["phase"].values
    a, b = (model.predict(s)["probability"].values for s in (scan, other))
    assert a == pytest.approx(b, abs=1e-2)


def test_the_description_has_its_columns():
    rows = texture(np.random.default_rng(0).normal(size=(2, 1, 96, 96)).astype(np.float32))
    assert rows.shape == (2, max(c.stop for c in COLUMNS.values()))
    assert np.isfinite(rows).all()
    assert rows[:, COLUMNS["histogram"]].sum(axis=1) == pytest.approx(1)
    flat = rows[0, COLUMNS["dct"]]
    assert np.median(flat) == pytest.approx(0, abs=0.3)  # white noise of variance one has log power zero everywhere


@pytest.mark.parametrize("learner", ["cnn", "simple network"])
def test_the_review_s_networks(learner, asked):
    found = Model(RECIPE, learner=learner, epochs=1).fit(asked[:12], seed=0)
    assert np.isfinite(found.predict(asked[0].scan)["probability"]).all()


def test_what_cannot_be_judged_is_refused_by_name(model, asked):
    z = asked[0].scan["phase"].values
    with pytest.raises(ChannelError, match="phase"):
        model.predict(scan_of(z, PIXEL))
    with pytest.raises(UnitError, match="'V'"):
        model.predict(scan_of(z, PIXEL, channel="phase", unit="V"))
    grey = model.predict(scan_of(100 * z, PIXEL, channel="phase", unit="arb"))  # a picture's grey levels do
    assert grey["probability"].values == pytest.approx(model.predict(asked[0].scan)["probability"].values, abs=1e-3)
    with pytest.raises(ModelError, match="larger area"):
        model.predict(scan_of(z[:64, :64], PIXEL, channel="phase", unit="rad"))
    with pytest.raises(ModelError, match="constant"):
        model.predict(scan_of(np.full((128, 128), 0.4), PIXEL, channel="phase", unit="rad"))
    lost = z.copy()
    lost[:100] = np.nan
    with pytest.raises(ModelError, match="missing"):
        model.predict(scan_of(lost, PIXEL, channel="phase", unit="rad"))
    lost[5:100] = z[5:100]
    answer = model.predict(scan_of(lost, PIXEL, channel="phase", unit="rad"))
    assert np.isfinite(answer["probability"]).all()
    for options, says in (({"learner": "oracle"}, "simple network"), ({"variant": "odd"}, "easy")):
        with pytest.raises(ModelError, match=says):
            Model(RECIPE, examples=12, **options).fit(seed=0)
