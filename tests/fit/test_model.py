"""Does a Model learn, keep, refuse and score as it promises?"""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from sharptip.core import ChannelError, ModelError, ScanError, UnitError
from sharptip.core.scan import scan_of
from sharptip.fit import BrokenPromise, Example, Model, OutOfRange, Port, Recipe, check_recipe
from sharptip.fit.choose import choose
from sharptip.fit.metrics import auroc, balanced_accuracy, calibration_error
from sharptip.fit.scale import Scale


def stripes(rng, options):
    """Gratings along x or along y under noise: told apart by anyone who sees more than one pixel."""
    along = bool(rng.integers(2))
    wave = np.sin(np.arange(40) * 0.9 + rng.uniform(0, 6))
    image = np.broadcast_to(wave, (40, 40)) if along else np.broadcast_to(wave[:, None], (40, 40))
    scan = scan_of((image + rng.normal(0, 0.5, (40, 40))) * 1e-9, 2e-9)
    return Example(scan, "along" if along else "across", f"sample {int(rng.integers(10))}")


def noise(rng):
    return scan_of(rng.normal(size=(40, 40)), 1e-9)


def small_net(options):
    from sharptip.nets import ConvClassifier

    return ConvClassifier(filters=(4, 4), dense=(8,), size=options["tile"], dropout=options["dropout"])


def forest(options):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(10, random_state=options["seed"])


STRIPES = Recipe(
    name="stripes", question="Which way do the stripes run?", eats=(Port("height", "m"),),
    gives=(Port("probability", "1", ("label",)),), classes=("across", "along"), example=stripes, build=small_net,
    symmetries=("identity", "rot180"), baselines={"forest": forest},
    options={"examples": 40, "epochs": 8, "tile": 40, "lr": 3e-3},
)  # fmt: skip
FOREST = replace(STRIPES, name="stripes_forest", build=forest, baselines={})


@pytest.fixture(scope="module")
def model():
    return Model(STRIPES).fit(seed=0)


@pytest.fixture(scope="module")
def tests():
    return [stripes(np.random.default_rng(900 + i), {}) for i in range(24)]


@pytest.mark.parametrize("recipe", [STRIPES, FOREST], ids=lambda r: r.name)
def test_recipes_keep_the_contract(recipe, capsys):
    assert check_recipe(recipe) == 16
    assert f"{recipe.name}: 16 promises kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"gives": (Port("height", "m"),)}, "gives what it says: promise 3: 'height' is in '1'"),
        ({"example": lambda rng, o: Example(noise(rng), ["along", "across"][int(rng.integers(2))])}, "beats chance"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(spoil, says):
    def checked_often():  # noise beats chance by luck now and then
        for seed in range(4):
            check_recipe(replace(STRIPES, **spoil), seed=seed, show=str)

    with pytest.raises(BrokenPromise, match=says):
        checked_often()


def test_the_score_stands_beside_baselines_and_chance(model, tests):
    table = model.score(tests, real=False)
    ours = table[table.learner == "model"].set_index("metric")
    assert ours.value["accuracy"] > 0.9
    assert ours.low["accuracy"] <= ours.value["accuracy"] <= ours.high["accuracy"]
    assert set(table.learner) == {"model", "forest"}
    assert (table.data == "simulated").all()
    assert (table.groups == len({e.group for e in tests})).all()


def test_what_is_saved_is_no_pickle_and_says_what_it_is(model, tmp_path):
    path = model.save(tmp_path / "m.sharptip")
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["baseline-forest.skops", "card.json", "weights.safetensors"]
        card = json.loads(archive.read("card.json"))
    assert card["real"] is False
    assert card["pixel_size"] == [2e-9, 2e-9]


@pytest.mark.parametrize("spoil", ["text", "empty", "no card", "newer", "weights"])
def test_a_file_that_is_no_model_is_refused(model, tmp_path, spoil):
    path = model.save(tmp_path / "m.sharptip")
    with zipfile.ZipFile(path) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    if spoil == "text":
        path.write_text("hello")
    elif spoil == "empty":
        path.write_bytes(b"")
    else:
        if spoil == "no card":
            parts.pop("card.json")
        elif spoil == "newer":
            parts["card.json"] = json.dumps({"format": 99}).encode()
        else:
            parts["weights.safetensors"] = parts["weights.safetensors"][:-40]
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
    with pytest.raises(ModelError, match=r"m\.sharptip"):
        Model.load(path, STRIPES)


def test_an_estimator_of_unknown_make_is_not_loaded(tmp_path):
    model = Model(FOREST, examples=10).fit(seed=0)
    path = model.save(tmp_path / "m.sharptip")
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    with zipfile.ZipFile(path) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    parts["learner.skops"] = skops.io.dumps(FunctionTransformer(np.linalg.norm))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(ModelError, match="not loaded from a file"):
        Model.load(path, FOREST)


def test_refusals_name_the_thing_and_the_next_move(model):
    rng = np.random.default_rng(0)
    with pytest.raises(ModelError, match=r"has no option 'depth'; it has .*epochs"):
        Model(STRIPES, depth=3)
    with pytest.raises(ModelError, match="'sideways'; the classes are across, along"):
        Model(STRIPES).fit([Example(scan_of(rng.normal(size=(40, 40)), 1e-9), "sideways")])
    with pytest.raises(ModelError, match="all examples are 'along'"):
        Model(STRIPES).fit([Example(scan_of(rng.normal(size=(40, 40)), 1e-9), "along")] * 3)
    with pytest.raises(ModelError, match="no examples"):
        Model(STRIPES).fit([])
    with pytest.raises(ModelError, match="20 × 20 pixels"):
        model.predict(scan_of(rng.normal(size=(20, 20)) * 1e-9, 2e-9))
    spoilt = noise(rng)
    spoilt["height"].attrs["units"] = "V"
    with pytest.raises(UnitError, match="'height' is in 'V'; recipe 'stripes' needs 'm'"):
        model.predict(spoilt)
    with pytest.raises(ChannelError, match="no channel 'height'; it has phase"):
        model.predict(scan_of(rng.normal(size=(40, 40)), 2e-9, channel="phase", unit="rad"))
    for name, value, says in (("epochs", "many", "it is a number"), ("lr", -1, "above 0"), ("epochs", 0, "1 or more")):
        with pytest.raises(ModelError, match=says):
            Model(STRIPES, **{name: value})
    with pytest.raises(ModelError, match="cannot be built"):
        Model("tell_apart", architecture="architecture 9", examples=12).fit()
    with pytest.raises(ScanError, match="a scan is an xarray"):
        model.predict(np.zeros((40, 40)))
    level = Model("tell_apart", examples=8, epochs=1, tile=96, trees=2).fit()
    for height in (0.0, 1.0, 5e-9):
        with pytest.raises(ModelError, match="is constant"):
            level.predict(scan_of(np.full((128, 128), height), 4e-9))
    empty = scan_of(np.full((40, 40), np.nan), 2e-9)
    with pytest.raises(ModelError, match="100% of the pixels are missing"):
        model.predict(empty)


def test_own_scale_forgets_the_gain_and_gives_it_back():
    z = np.random.default_rng(0).normal(size=(1, 30, 30)) * 1e-9 + 5e-6
    once, twice = Scale.own(z), Scale.own(2 * z)
    assert np.allclose(once.numbers(z), twice.numbers(2 * z), atol=1e-4)
    assert np.allclose(twice.values(twice.numbers(2 * z, clip=None)), 2 * z, rtol=1e-6)
    flat = Scale.own(np.ones((1, 3, 3)))
    assert (flat.numbers(np.ones((1, 3, 3))) == 0).all()


def test_a_fixed_scale_warns_outside_the_trained_range(tests):
    model = Model(replace(STRIPES, scale="fixed"), epochs=1).fit(seed=0)
    scan = tests[0].scan.copy(deep=True)
    model.predict(scan)
    scan["height"] = scan["height"] * 50
    scan["height"].attrs["units"] = "m"
    with pytest.warns(OutOfRange, match="outside the trained range"):
        model.predict(scan)


# -- remedies against over-fitting, one plain argument each -------------------------------------------------------


def test_early_stopping_ends_before_the_last_epoch_and_keeps_the_best():
    def mislabelled(rng, options):
        e = stripes(rng, options)
        return replace(e, truth=["across", "along"][int(rng.integers(2))]) if rng.random() < 0.6 else e

    model = Model(replace(STRIPES, example=mislabelled), patience=2, epochs=60).fit(seed=0)
    history = model.card["history"]
    assert len(history["loss"]) < 60
    assert history["best_epoch"] == int(np.argmin(history["val_loss"]))


def test_transfer_keeps_what_is_frozen_and_tunes_the_rest(model, tmp_path):
    path = model.save(tmp_path / "m.sharptip")
    tuned = Model(STRIPES, start_from=str(path), freeze="dense1", epochs=2).fit(seed=5)
    before, after = model.learner.state_dict(), tuned.learner.state_dict()
    changed = {k for k in before if not np.array_equal(before[k], after[k])}
    assert changed
    assert all(not k.startswith("conv") and "conv" not in k for k in changed)
    with pytest.raises(ModelError, match="no layer with weights is called 'conv9'"):
        Model(STRIPES, freeze="conv9", epochs=1).fit(seed=0)
    other = Model(replace(STRIPES, build=lambda o: small_net({**o, "tile": 36})), epochs=1, tile=36).fit(seed=0)
    with pytest.raises(ModelError, match="holds another network"):
        Model(STRIPES, start_from=str(other.save(tmp_path / "o.sharptip")), epochs=1).fit(seed=0)


def test_weight_decay_and_dropout_reach_the_loop():
    plain = Model(STRIPES, epochs=3).fit(seed=0)
    decayed = Model(STRIPES, epochs=3, weight_decay=1.0).fit(seed=0)

    def size(model):
        return sum(float((p.detach() ** 2).sum()) for p in model.learner.parameters() if p.ndim > 1)

    assert size(decayed) < size(plain)
    dropped = Model(STRIPES, epochs=3, dropout=0.5).fit(seed=0)
    assert dropped.card["history"]["loss"] != plain.card["history"]["loss"]
    assert Model(STRIPES, epochs=3, augment=False).fit(seed=0).card["history"]["loss"] != plain.card["history"]["loss"]


def test_options_are_chosen_by_grouped_folds():
    examples = [stripes(np.random.default_rng(i), {}) for i in range(30)]
    best, table = choose(STRIPES, examples, {"lr": [1e-9, 3e-3]}, k=3, epochs=6)
    assert best == {"lr": 3e-3}
    assert table["folds"].tolist() == [3, 3]
    with pytest.raises(ModelError, match="grid is empty"):
        choose(STRIPES, examples, {})


def test_two_processes_learn_what_one_does(tests):
    one = Model(STRIPES, epochs=2).fit(seed=0)
    two = Model(STRIPES, epochs=2, processes=2).fit(seed=0)
    for a, b in zip(one.learner.parameters(), two.learner.parameters(), strict=True):
        assert np.allclose(a.detach(), b.detach(), atol=1e-4)
    assert two.card["history"]["processes"] == 2


# -- metrics against their definitions ----------------------------------------------------------------------------


def test_metrics_against_closed_forms():
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 60), np.round(rng.random(60), 1)
    pairs = [
        (score[i] > score[j]) + 0.5 * (score[i] == score[j])
        for i in range(60)
        for j in range(60)
        if truth[i] > truth[j]
    ]
    assert auroc(truth, score) == pytest.approx(np.mean(pairs))
    assert np.isnan(auroc(np.ones(3), score[:3]))
    assert balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])) == 0.5
    p = rng.random(200_000)
    assert calibration_error((rng.random(200_000) < p).astype(int), p) < 0.01
    assert calibration_error(np.zeros(100), np.full(100, 0.8)) == pytest.approx(0.8)
