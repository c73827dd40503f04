"""Do the two recipes that judge tips keep every promise, and answer clearly whatever they are given?"""

import json

import numpy as np
import pytest
from tests.labelled_arrays import frames, write
from tests.real import real
from typer.testing import CliRunner

from sharptip.app.cli import app
from sharptip.core import ChannelError, ModelError, UnitError
from sharptip.core.scan import scan_of
from sharptip.fit import Example, Model, check_recipe
from sharptip.recipes import judge_tip, judge_tip_lines
from sharptip.recipes.judge_tip import ATTRIBUTES
from sharptip.simulate.hydrogen_silicon import image

RECIPES = [judge_tip.RECIPE, judge_tip_lines.RECIPE]
SMALL = {"examples": 60, "epochs": 3, "members": 2, "trees": 10}


@pytest.mark.parametrize("recipe", [RECIPES[0], pytest.param(RECIPES[1], marks=pytest.mark.slow)], ids=lambda r: r.name)
def test_every_promise_is_kept(recipe):
    assert check_recipe(recipe, show=lambda text: None, **SMALL) >= 15


@pytest.fixture(scope="module", params=RECIPES, ids=lambda r: r.name)
def model(request):
    return Model(request.param, **{**SMALL, "epochs": 1, "examples": 24}).fit(seed=0)


def rough(shape=(96, 96), seed=0):
    return np.random.default_rng(seed).normal(size=shape) * 1e-11


def test_wrong_inputs_are_named(model):
    with pytest.raises(ChannelError, match="height"):
        model.predict(scan_of(rough(), 1e-10, channel="current", unit="A"))
    wrong = scan_of(rough(), 1e-10)
    wrong["height"].attrs["units"] = "nm"
    with pytest.raises(UnitError, match="'nm'"):
        model.predict(wrong)
    with pytest.raises(ModelError, match="30 pixels"):
        model.predict(scan_of(rough((96, 30)), 1e-10))
    with pytest.raises(ModelError, match="constant"):
        model.predict(scan_of(np.full((96, 96), 2e-9), 1e-10))
    lost = rough()
    lost[10:14] = np.nan
    assert np.isfinite(model.predict(scan_of(lost, 1e-10))["probability"]).all()
    lost[20:80] = np.nan
    with pytest.raises(ModelError, match="missing"):
        model.predict(scan_of(lost, 1e-10))


def test_a_large_scan_is_seen_whole(model):
    drawn = image(np.random.default_rng(3), "dimers", shape=(192, 192), change=False)
    answer = model.predict(drawn.scan)
    assert answer["probability"].sizes["label"] == len(ATTRIBUTES)
    if model.recipe.lines:
        assert answer.sizes["line"] == 96


def test_lines_answer_to_a_scan_that_is_not_finished():
    model = Model(judge_tip_lines.RECIPE, **{**SMALL, "epochs": 1, "examples": 24}).fit(seed=0)
    z = rough()
    whole, part = model.predict(scan_of(z, 1e-10)), model.predict(scan_of(z[:17], 1e-10))
    assert part.sizes["line"] == 17
    np.testing.assert_allclose(part["probability"], whole["probability"][:17], atol=1e-4)
    assert set(part.attrs) >= {"verdict", "stop_line", "change_line"}
    assert 4 <= part.attrs["stop_line"] <= 17


def test_lines_learn_from_whole_frames_only():
    votes = dict.fromkeys(ATTRIBUTES, 0.0)
    short = [Example(scan_of(rough((40, 96), i), 1e-10), {**votes, "Rows": i % 2}, str(i)) for i in range(4)]
    with pytest.raises(ModelError, match="has 40 lines"):
        Model(judge_tip_lines.RECIPE, **SMALL).fit(short)


@pytest.mark.parametrize("name", ["judge_tip", pytest.param("judge_tip_lines", marks=pytest.mark.slow)])
def test_train_and_score_on_arrays_of_other_sessions(name, tmp_path):
    a = write(tmp_path / "a.npz", frames(60, seed=1))
    b = write(tmp_path / "b.npz", frames(30, seed=2, sessions=3))
    settings = ["--set", "epochs=2", "--set", "members=2", "--set", "trees=10"]
    out = tmp_path / "m.sharptip"
    done = CliRunner().invoke(app, ["train", name, "--data", str(a), "--out", str(out), *settings])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["score", str(out), "--data", str(b), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    check_keys(found, name, n_images=30, n_groups=3)
    done = CliRunner().invoke(app, ["score", name, "--data", str(a), "--json", "--folds", "2", *settings,
                                    "--keep", str(tmp_path / "kept")])  # fmt: skip
    assert done.exit_code == 0, done.output
    check_keys(json.loads(done.stdout), name, n_images=60, n_groups=6)


def test_one_broken_picture_costs_no_other(tmp_path):
    arrays = frames(40, seed=4)
    arrays["images"] = arrays["images"].astype(float)
    arrays["images"][7] = 3.0
    arrays["images"][8] = np.nan
    a = write(tmp_path / "a.npz", arrays)
    out = tmp_path / "m.sharptip"
    settings = ["--set", "epochs=1", "--set", "members=1", "--set", "trees=5", "--set", "symmetric=False"]
    done = CliRunner().invoke(app, ["train", "judge_tip", "--data", str(a), "--out", str(out), *settings])
    assert done.exit_code == 0, done.output
    assert "frame 7.png is constant" in done.stderr
    assert "frame 8.png" in done.stderr
    assert Model.load(out).options["symmetric"] is False
    done = CliRunner().invoke(app, ["score", str(out), "--data", str(a), "--json"])
    assert json.loads(done.stdout)["n_images"] == 38
    stack = rough((3, 96, 96))
    stack[1] = 0
    np.save(tmp_path / "film.npy", stack)
    done = CliRunner().invoke(app, ["predict", str(out), str(tmp_path / "film.npy"), "--size", "unknown", "--json"])
    assert done.exit_code == 1
    assert len(json.loads(done.stdout)["answers"]) == 2


def check_keys(found, name, n_images, n_groups):
    assert (found["n_images"], found["n_groups"]) == (n_images, n_groups)
    assert found["auroc"].keys() == set(ATTRIBUTES)
    assert 0 <= found["macro_auroc"] <= 1
    assert 0 <= found["ece"] <= 1
    assert found["baselines"]["forest"]["auroc"].keys() == set(ATTRIBUTES)
    assert found["claims"]
    low, high = found["interval95"]["macro_auroc"]
    assert low <= found["macro_auroc"] <= high
    if name == "judge_tip_lines":
        assert list(found["lines"]) == ["5", "10", "20", "40", "all"]
        assert found["lines"]["all"]["macro_auroc"] == found["macro_auroc"]
        assert all("forest" in v["baselines"] for v in found["lines"].values())


@pytest.mark.parametrize("name", ["judge_tip", "judge_tip_lines"])
def test_what_ships_tells_simulated_tips_apart(name):
    """The shipped model learned from real images only; simulated ones of clear states are a test from elsewhere."""
    model = Model.trained(name)
    clear = [image(np.random.default_rng([9, i]), kind, change=False) for i in range(12) for kind in ("dimers", "bad")]
    examples = [Example(d.scan, d.attributes, str(i)) for i, d in enumerate(clear)]
    p = model.probabilities(examples)["model"][:, ATTRIBUTES.index("Bad/Blurry")]
    assert p[1::2].mean() > p[::2].mean() + 0.1


def test_real_images_are_read_with_their_sessions():
    from sharptip.fit.labelled import examples_of

    path = real("labelled", "tip_state_HSi100", "hsi100_tip_state_96px.npz")
    examples, classes = examples_of(path, judge_tip.RECIPE)
    assert (len(examples), len({e.group for e in examples}), classes) == (3610, 22, ATTRIBUTES)
    assert sum(e.raters for e in examples) > 3610
