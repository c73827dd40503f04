"""Are votes of several people learned, kept, calibrated and scored as they should be?"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from sharptip.core import ModelError, ReadError, StudyError, UnitError
from sharptip.core.scan import check, pixel_size, scan_of
from sharptip.fit import Example, Model, Port, Recipe
from sharptip.fit.calibrate import platt, temperature
from sharptip.fit.crossval import answers_out_of_fold, cross_validate
from sharptip.fit.kinds import Rate, rater_weight
from sharptip.fit.labelled import examples_of
from sharptip.fit.metrics import macro_auroc, mean_calibration_error
from sharptip.fit.scale import CLIP, by_lines
from sharptip.fit.score import by_name, classification_rows, rating_rows
from sharptip.fit.train_network import votes_loss


def drawn(rng, options):
    """Waves along x, along y, both or none, under noise; three people each miss one in ten."""
    along, across = rng.random(2) < 0.5
    y, x = np.mgrid[:32, :32]
    z = along * np.sin(0.8 * x + rng.uniform(0, 6)) + across * np.sin(0.8 * y + rng.uniform(0, 6))
    seen = {n: float(np.mean(rng.random(3) < (0.9 if v else 0.1))) for n, v in (("along", along), ("across", across))}
    return Example(scan_of((z + rng.normal(0, 0.3, z.shape)) * 1e-9, 1e-9), seen, f"day {int(rng.integers(9))}", 3)


def network(options):
    from sharptip.nets import FrameClassifier

    return FrameClassifier(outputs=2, width=4, blocks=(1, 1), dropout=0.0)


def forest(options):
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(10, random_state=options["seed"])


WAVES = Recipe(
    name="waves", question="Which waves are there?", eats=(Port("height", "m", arbitrary=True),),
    gives=(Port("probability", "1", ("label",)),), kind="rate", view="whole", classes=("along", "across"),
    example=drawn, build=network, baselines={"forest": forest}, symmetries=("identity", "flip_x"),
    options={"examples": 150, "epochs": 6, "tile": 32, "lr": 1e-2, "batch": 16, "members": 2, "symmetric": True},
)  # fmt: skip


@pytest.fixture(scope="module")
def examples():
    return [drawn(np.random.default_rng([1, i]), {}) for i in range(150)]


@pytest.fixture(scope="module")
def model(examples):
    return Model(WAVES).fit(examples, seed=0)


@pytest.fixture(scope="module")
def fresh():
    return [drawn(np.random.default_rng([2, i]), {}) for i in range(120)]


def test_learns_several_attributes_at_once(model, fresh):
    table = model.score(fresh).set_index(["learner", "metric"])["value"]
    assert table["model", "macro_auroc"] > 0.85
    assert {"auroc along", "auroc across", "ece", "brier"} <= set(table["model"].index)
    assert table["forest", "macro_auroc"] < table["model", "macro_auroc"]


def test_answer_names_attributes(model):
    y, x = np.mgrid[:32, :32]
    answer = model.predict(scan_of(np.sin(0.8 * x) * 1e-9 + 0 * y, 1e-9))
    check(answer)
    assert answer.attrs["label"] == "along"
    assert answer["probability"].sel(label="along") > 0.5 > answer["probability"].sel(label="across")


def test_pictures_without_units_are_eaten_only_where_the_recipe_says_so(model, fresh):
    heights = fresh[0].scan["height"].values
    picture = scan_of(heights * 1e11, None, unit="arb")
    # without a pixel size and in arbitrary numbers, the same picture is the same answer
    np.testing.assert_allclose(
        model.predict(picture)["probability"], model.predict(fresh[0].scan)["probability"], atol=1e-5
    )
    strict = replace(WAVES, eats=(Port("height", "m"),))
    with pytest.raises(UnitError, match="'arb'"):
        Model(strict, epochs=1, members=1).fit(fresh[:20]).predict(picture)


def test_whole_view_takes_any_size_from_half_a_tile_on(model):
    rng = np.random.default_rng(0)
    for shape in ((32, 32), (16, 16), (97, 64), (300, 301)):
        assert np.isfinite(model.predict(scan_of(rng.normal(size=shape) * 1e-9, 1e-9))["probability"]).all()
    with pytest.raises(ModelError, match="15 × 32 pixels"):
        model.predict(scan_of(rng.normal(size=(15, 32)) * 1e-9, 1e-9))


def test_saved_in_sixteen_bits_without_loss(model, fresh, tmp_path):
    path = model.save(tmp_path / "m.sharptip", baselines=False)
    with_baselines = model.save(tmp_path / "n.sharptip")
    assert path.stat().st_size < with_baselines.stat().st_size
    n = sum(p.numel() for p in model.learner.parameters())
    assert path.stat().st_size < 2.6 * n + 40_000
    loaded = Model.load(path, WAVES)
    assert loaded.predict(fresh[0].scan)["probability"].equals(model.predict(fresh[0].scan)["probability"])


def test_says_what_is_unlike_anything_it_knows(model, fresh):
    usual = [model.predict(e.scan).attrs["unlike"] for e in fresh[:40]]
    assert np.mean(usual) < 0.15
    y, x = np.mgrid[:32, :32]
    spot = np.exp(-((x - 20) ** 2 + (y - 9) ** 2) / 30) * 1e-9
    with pytest.warns(UserWarning, match="unlike the scans"):
        assert model.predict(scan_of(spot, 1e-9)).attrs["unlike"]


@pytest.mark.parametrize(
    ("truth", "said"),
    [("along", "learns the share"), ({"along": 1.0}, "does not rate 'across'"), ({"along": 1, "across": 1.2}, "1.2")],
)
def test_refuses_truths_that_are_none(truth, said):
    scan = scan_of(np.random.default_rng(0).normal(size=(32, 32)), 1e-9)
    with pytest.raises(ModelError, match=said):
        Model(WAVES).fit([Example(scan, truth, "a"), Example(scan, truth, "b")])


def test_refuses_more_members_than_groups(examples):
    few = [replace(e, group=str(i % 2)) for i, e in enumerate(examples[:20])]
    with pytest.raises(ModelError, match="fewer than members=3"):
        Model(WAVES, members=3, epochs=1).fit(few)


def test_votes_loss_is_the_weighted_cross_entropy():
    logits, y = torch.tensor([[0.3, -1.0], [2.0, 0.0]]), torch.tensor([[1.0, 0.5, 0.5], [0.0, 1.0, 1.5]])
    each = -(y[:, :2] * torch.log(torch.sigmoid(logits)) + (1 - y[:, :2]) * torch.log(torch.sigmoid(-logits))).mean(1)
    assert torch.isclose(votes_loss(logits, y), (each * torch.tensor([0.5, 1.5])).mean())
    by_line = votes_loss(logits[:, None].repeat(1, 7, 1), y)
    assert torch.isclose(by_line, votes_loss(logits, y))


def test_more_raters_count_more_but_not_in_proportion():
    weight = rater_weight(np.array([1, 4, 1, 4]))
    assert weight.mean() == pytest.approx(1)
    assert weight[1] / weight[0] == pytest.approx(2)


def test_platt_finds_what_was_done_to_the_logits():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20000)
    seen = (rng.random(20000) < expit(true)).astype(float)
    slope, offset = platt((true[:, None] - 0.7) / 0.4, seen[:, None])
    assert slope[0] == pytest.approx(0.4, rel=0.05)
    assert offset[0] == pytest.approx(0.7, abs=0.07)
    oracle = LogisticRegression(C=1e6).fit((true[:, None] - 0.7) / 0.4, seen)
    assert slope[0] == pytest.approx(oracle.coef_[0, 0], rel=0.01)


def test_platt_never_turns_an_answer_round():
    z = np.linspace(-3, 3, 200)[:, None]
    slope, offset = platt(z, (z < 0).astype(float))
    assert (slope[0], offset[0]) == (1.0, 0.0)


def test_temperature_cools_answers_that_are_too_sure():
    rng = np.random.default_rng(1)
    z = rng.normal(0, 1.5, (5000, 4))
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    truth = np.array([rng.choice(4, p=q) for q in p])
    assert temperature(3 * z, truth) == pytest.approx(1 / 3, rel=0.1)


def test_by_lines_does_not_see_lines_to_come():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1, 40, 30)) + np.linspace(0, 9, 40)[:, None]
    whole = by_lines(z)
    for n in (1, 2, 7, 39):
        np.testing.assert_array_equal(whole[:, :n], by_lines(z[:, :n]))
    np.testing.assert_allclose(by_lines(3e-12 * z + 1e-9), whole, atol=2e-3)  # gain and offset do not matter
    tilted = by_lines(z + np.linspace(-5, 5, 30))
    np.testing.assert_allclose(tilted, whole, atol=1e-4)
    assert np.abs(whole).max() <= CLIP


def test_by_lines_flat_lines_first_are_zeros_not_noise():
    z = np.zeros((1, 8, 16))
    z[0, 4:] = np.random.default_rng(0).normal(size=(4, 16))
    out = by_lines(z)
    assert np.isfinite(out).all()
    assert (out[0, :4] == 0).all()


def test_rating_rows_against_sklearn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    shares, p = rng.integers(0, 4, (80, 3)) / 3, rng.random((80, 3))
    rows = {r["metric"]: r for r in rating_rows("m", ("a", "b", "c"), shares, p, [f"g{i % 8}" for i in range(80)])}
    each = [roc_auc_score(shares[:, k] >= 0.5, p[:, k]) for k in range(3)]
    assert [rows[f"auroc {n}"]["value"] for n in "abc"] == pytest.approx(each)
    assert rows["macro_auroc"]["value"] == pytest.approx(np.mean(each))
    assert rows["macro_auroc"]["low"] < np.mean(each) < rows["macro_auroc"]["high"]
    assert rows["brier"]["value"] == pytest.approx(np.mean(((shares >= 0.5) - p) ** 2))


def test_an_attribute_nobody_saw_has_no_auroc():
    truth = np.array([[1, 0], [0, 0], [1, 0]])
    assert macro_auroc(truth, np.array([[0.9, 0.3], [0.2, 0.2], [0.8, 0.9]])) == 1.0
    assert np.isnan(macro_auroc(truth[:, 1:], np.zeros((3, 1))))
    assert mean_calibration_error(np.array([[1.0], [0.0]]), np.array([[1.0], [0.0]])) == 0.0


def test_groups_vote_where_they_hold_several_of_one_class():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 9)
    truth = np.repeat(rng.integers(0, 2, 40), 9)
    right = expit(np.where(truth == 1, 0.8, -0.8) + rng.normal(0, 1.5, 360))
    rows = {r["metric"]: r["value"] for r in classification_rows("m", truth, np.stack([1 - right, right], 1), groups)}
    assert rows["group_accuracy"] > rows["accuracy"] + 0.1
    mixed = rng.integers(0, 2, 360)
    rows = classification_rows("m", mixed, np.stack([1 - right, right], 1), groups)
    assert not any(r["metric"].startswith("group_") for r in rows)


def test_every_group_is_judged_by_a_model_that_never_saw_it(monkeypatch, examples):
    learned = []
    fit = Model.fit

    def spy(self, scans=None, seed=0, on_epoch=None):
        learned.append({e.group for e in scans})
        return fit(self, scans, seed, on_epoch)

    monkeypatch.setattr(Model, "fit", spy)
    asked = []
    monkeypatch.setattr(Model, "probabilities", lambda self, scans: (
        asked.append({e.group for e in scans}) or {"model": np.full((len(scans), 2), 0.5)}))  # fmt: skip
    answers_out_of_fold(WAVES, examples, {"epochs": 1}, k=4)
    assert len(learned) == 4
    assert all(not (a & b) for a, b in zip(learned, asked, strict=True))
    assert set.union(*asked) == {e.group for e in examples}


def test_cross_validation_goes_on_where_it_was(examples, tmp_path, monkeypatch):
    told = []
    small = {"epochs": 1, "members": 1}
    first = cross_validate(WAVES, examples, small, k=3, keep=tmp_path, tell=lambda *a: told.append(a))
    assert told[-1] == ("folds", 3, 3)
    assert len(list(tmp_path.glob("fold-*.npz"))) == 3
    monkeypatch.setattr(Model, "fit", lambda *a, **k: pytest.fail("learned again"))
    again = cross_validate(WAVES, examples, small, k=3, keep=tmp_path)
    assert first.equals(again)
    broken = sorted(tmp_path.glob("fold-*.npz"))[0]
    whole = broken.read_bytes()
    for damage in (b"", b"not an archive", whole[: len(whole) // 2]):  # is learned again, not believed
        broken.write_bytes(damage)
        with pytest.raises(pytest.fail.Exception):
            cross_validate(WAVES, examples, small, k=3, keep=tmp_path)
    np.savez(broken, nothing=np.zeros(3))
    with pytest.raises(pytest.fail.Exception):
        cross_validate(WAVES, examples, small, k=3, keep=tmp_path)
    broken.write_bytes(whole)
    with pytest.raises(pytest.fail.Exception):  # another question is not answered with it
        cross_validate(WAVES, examples, {**small, "lr": 2e-2}, k=3, keep=tmp_path)
    changed = replace(WAVES, options={**WAVES.options, "lr": 2e-2})  # nor are defaults that changed since
    with pytest.raises(pytest.fail.Exception):
        cross_validate(changed, examples, small, k=3, keep=tmp_path)
    named = by_name(WAVES, again)
    assert set(named) >= {"macro_auroc", "auroc", "ece", "brier", "interval95", "baselines", "claims"}
    assert set(named["baselines"]) == {"forest"}
    assert named["auroc"].keys() == {"along", "across"}


def arrays(n=6, **change):
    rng = np.random.default_rng(0)
    found = {
        "images": rng.integers(0, 255, (n, 20, 24), dtype=np.uint8), "mean_score": rng.random((n, 2)),
        "n_responses": np.arange(1, n + 1), "session": np.array([f"s{i % 2}" for i in range(n)]),
        "label_names": np.array(["across", "along"]),
    }  # fmt: skip
    return {k: v for k, v in {**found, **change}.items() if v is not None}


def test_labelled_arrays(tmp_path):
    given = arrays()
    np.savez(tmp_path / "a.npz", **given)
    found, classes = examples_of(tmp_path / "a.npz", WAVES)
    assert classes == ("along", "across")
    assert [e.group for e in found] == given["session"].tolist()
    assert [e.raters for e in found] == [1, 2, 3, 4, 5, 6]
    assert found[3].truth == dict(zip(["across", "along"], given["mean_score"][3].tolist(), strict=True))
    np.testing.assert_array_equal(found[3].scan["height"].values, given["images"][3])
    assert found[3].scan["height"].attrs["units"] == "arb"
    assert found[3].scan.attrs["size"] == "unknown"
    np.savez(tmp_path / "b.npz", **arrays(unit=np.array("m"), pixel_size=np.array(2e-10)))
    scan = examples_of(tmp_path / "b.npz", WAVES)[0][0].scan
    assert pixel_size(scan) == (2e-10, 2e-10)
    assert scan["height"].attrs["units"] == "m"
    np.savez(tmp_path / "c.npz", **arrays(mean_score=None, label=np.array(list("aabbab"))))
    found, classes = examples_of(tmp_path / "c.npz", replace(WAVES, kind="classify"))
    assert classes == ("a", "b")
    assert [e.truth for e in found] == list("aabbab")


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"images": None}, ReadError, "no array 'images'"),
        ({"images": np.zeros((6, 4))}, ReadError, r"shape \(6, 4\)"),
        ({"images": np.zeros((0, 4, 4))}, ReadError, r"\(0, 4, 4\)"),
        ({"session": None}, StudyError, "neither 'session' nor 'group'"),
        ({"session": np.array(["a"])}, ReadError, "session has 1 entries for 6"),
        ({"label_names": np.array(["across", "other"])}, StudyError, "does not rate 'along'"),
        ({"mean_score": np.full((6, 2), 1.5)}, ReadError, "picture 0"),
        ({"mean_score": np.full((6, 2), np.nan)}, ReadError, "picture 0"),
        ({"mean_score": np.zeros((6, 3))}, ReadError, "for 2 label_names"),
        ({"n_responses": np.ones(5)}, ReadError, "n_responses has 5"),
        ({"n_responses": np.array([1, 2, 0, 1, 1, 1])}, ReadError, "picture 2 is 0"),
        ({"n_responses": np.full(6, np.nan)}, ReadError, "picture 0 is nan"),
        ({"n_responses": np.array(list("abcdef"))}, ReadError, "n_responses holds"),
        ({"mean_score": np.full((6, 2), "x")}, ReadError, "mean_score holds"),
        ({"label_names": np.array(["along", "along"])}, ReadError, "'along' twice"),
        ({"session": np.array(["a", "", "a", "b", "b", "b"])}, StudyError, "no session"),
        ({"pixel_size": np.ones(4)}, ReadError, "pixel_size has 4 entries"),
        ({"pixel_size": np.array("1 nm")}, ReadError, "pixel_size holds"),
        ({"unit": np.array("nm")}, ReadError, "unit is 'nm'"),
        ({"names": np.array([{}] * 6, object)}, ReadError, "plain arrays"),
    ],
)
def test_labelled_arrays_that_are_amiss(tmp_path, change, kind, said):
    np.savez(tmp_path / "a.npz", **arrays(**change))
    with pytest.raises(kind, match=said):
        examples_of(tmp_path / "a.npz", WAVES)


def test_damaged_archives_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **arrays())
    good = (tmp_path / "a.npz").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        bad = bytearray(good)
        bad[int(rng.integers(len(good)))] ^= 1 << int(rng.integers(8))
        (tmp_path / "b.npz").write_bytes(
            bytes(bad[: int(rng.integers(1, len(bad) + 1))] if rng.random() < 0.5 else bad)
        )
        try:
            assert len(examples_of(tmp_path / "b.npz", WAVES)[0]) == 6
        except (ReadError, StudyError):
            refused += 1
    assert refused > 20
    with pytest.raises(ReadError, match="no such file"):
        examples_of(tmp_path / "none.npz", WAVES)


def test_soft_votes_of_many_teach_a_probability():
    """A network that is sure where people are divided is wrong: the best answer to a vote of a half is a half."""
    kind = Rate(WAVES, ("along", "across"))
    votes = np.tile([[0.5, 1.0, 2.0]], (400, 1))
    slope, offset = kind.calibration(np.tile([[4.0, 4.0]], (400, 1)), votes)
    assert expit(slope[0] * 4 + offset[0]) == pytest.approx(0.5, abs=0.05)
    assert slope[1] * 4 + offset[1] > logit(0.9)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("symmetric", "False", "true or false"), ("augment", 0, "true or false"), ("schedule", "banana", "cosine"),
        ("epochs", 1.5, "whole number"), ("members", float("nan"), "whole number"), ("lr", float("inf"), "a number"),
        ("dropout", 7, "below 1"), ("precision", "fp3", "bf16"),
    ],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(option, value, said):
    with pytest.raises(ModelError, match=said):
        Model(WAVES, **{option: value})


def test_a_damaged_model_is_refused(model, tmp_path):
    good = model.save(tmp_path / "m.sharptip").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(good)
        at = int(rng.integers(len(bad) - 40))
        bad[at : at + 40] = bytes(b ^ 0x5A for b in bad[at : at + 40])
        (tmp_path / "n.sharptip").write_bytes(bytes(bad))
        with pytest.raises(ModelError, match=r"n\.sharptip"):
            Model.load(tmp_path / "n.sharptip", WAVES)
