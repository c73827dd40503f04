"""Recipes whose rows are questions: learned, answered, scored, kept, and one broken row spoils no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sharptip import Model, check_recipe
from sharptip.core.errors import ChannelError, ModelError, StudyError, UnitError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid
from sharptip.fit import Example, Port, Recipe, Rival, Rows
from sharptip.fit.crossval import cross_validate
from sharptip.fit.rows import needed
from sharptip.fit.side_by_side import AHEAD, side_by_side

N = 32  # samples of a decay


def decays(rng: np.random.Generator, options: dict) -> Example:
    """A dozen noisy exponential decays; whose rate is it?"""
    t = np.linspace(0, 1, N)
    rate = rng.uniform(1, 8, 12)
    values = 1e-9 * (np.exp(-rate[:, None] * t) + rng.normal(0, 0.02, (12, N)))
    channel = Channel("deflection", values, "m", "deflection", ("curve", "sample"))
    where = Channel("row", np.arange(12), "1", "row", ("curve",))
    axes = {"curve": Axis(np.arange(12), "1"), "sample": Axis(np.arange(N), "1")}
    scan = from_grid(Grid("decays", (channel, where), axes), format="simulated")
    return Example(scan, {"rate": rate, "fast": (rate > 4).astype(float)}, f"sample {rng.integers(2**62)}")


def rows(scan: xr.Dataset, options: dict) -> Rows:
    values = needed(scan, Port("deflection", "m", ("sample",)), "decay").values.astype(float)
    faults = ["" if np.isfinite(v).all() else "holds NaN; measure it again" for v in values]
    sound = np.array([not f for f in faults])
    size = np.where(sound, np.nanmax(np.abs(values), axis=1, initial=1e-30), 1.0)
    numbers = np.where(sound[:, None], values / size[:, None], 0.0)
    return Rows(numbers[:, None].astype(np.float32), ("curve",), tuple(faults), {"size": size})


def network(options: dict):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(N, 16), nn.ReLU(), nn.Linear(16, 1))


def squared(answer, target):
    known = ~target.isnan()
    return ((answer - target.nan_to_num())[known] ** 2).mean()


def half_life(scan: xr.Dataset, options: dict) -> dict[str, np.ndarray]:
    below = scan["deflection"].values < 0.5 * scan["deflection"].values[:, :1]
    return {"rate": np.log(2) / np.maximum(below.argmax(axis=1) / N, 1 / N)}


def forest(options: dict):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(20, random_state=options["seed"])


DECAY = Recipe(
    name="decay",
    question="How fast?",
    kind="each",
    eats=(Port("deflection", "m", ("sample",)),),
    gives=(Port("rate", "Hz", ()), Port("verdict", "1", ())),
    example=decays,
    rows=rows,
    build=network,
    target=lambda rows, truth, options: truth["rate"][:, None],
    loss=squared,
    answer=lambda rows, out, options: {
        "rate": out[:, 0].astype(float), "verdict": np.where(out[:, 0] > 4, "fast", "slow"),
    },
    vary=lambda x, y, rng, options: (x * rng.uniform(0.9, 1.1), y),
    features=lambda rows: rows.numbers[:, 0, ::4],
    rivals={"forest": Rival("fast", forest)},
    classical={"half-life": half_life},
    measures={
        "rate_error median": lambda truth, answer: float(np.nanmedian(np.abs(answer["rate"] - truth["rate"]))),
        "fast_right": lambda truth, answer: float(np.mean((answer["fast"] > 0.5) == truth["fast"])),
    },
    options={"examples": 20, "epochs": 30, "lr": 1e-2},
    noun="decays",
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(DECAY).fit(seed=0)


def fresh(n: int = 6, seed: int = 9) -> list[Example]:
    return [decays(np.random.default_rng([seed, i]), {}) for i in range(n)]


def test_it_keeps_every_promise():
    assert check_recipe(DECAY, show=lambda text: None) >= 11


def test_it_learns_and_is_scored_beside_rival_and_classical(model):
    table = model.score(fresh(), real=False).set_index(["learner", "metric"])
    assert table.loc[("model", "rate_error median"), "value"] < 0.5
    assert table.loc[("model", "rate_error median"), "value"] < table.loc[("half-life", "rate_error median"), "value"]
    assert table.loc[("forest", "fast_right"), "value"] > 0.8
    assert ("model", "fast_right") not in table.index  # the model does not say it
    assert table.loc[("model", "rate_error median"), "groups"] == 6
    assert table.loc[("model", "rate_error median"), "low"] < table.loc[("model", "rate_error median"), "high"]


def test_one_broken_row_is_named_and_spoils_no_other(model):
    scan = fresh(1)[0].scan
    broken = scan.copy(deep=True)
    broken["deflection"].values[3, 5] = np.nan
    answer, whole = model.predict(broken), model.predict(scan)
    assert json.loads(answer.attrs["faults"]) == {"3": "holds NaN; measure it again"}
    assert np.isnan(answer["rate"][3])
    assert answer["verdict"].values[3] == ""
    keep = np.arange(12) != 3
    np.testing.assert_allclose(answer["rate"][keep], whole["rate"][keep])
    assert answer["row"].values.tolist() == list(range(12))
    assert answer["rate"].attrs["units"] == "Hz"


def test_a_long_scan_in_blocks_is_answered_alike(model, monkeypatch):
    scan = fresh(1)[0].scan
    whole = model.predict(scan)
    monkeypatch.setattr("sharptip.fit.each.BLOCK", 5 * N)
    np.testing.assert_allclose(model.predict(scan)["rate"], whole["rate"], rtol=1e-5)


def test_rows_that_know_nothing_of_each_other_are_answered_on_all_cores_in_order(model, monkeypatch):
    import torch

    scan = fresh(1)[0].scan
    monkeypatch.setattr("sharptip.fit.each.ROWS", 2)
    apart = Model.from_network(
        replace(DECAY, apart=True), model.learner, {**model.card, "range": None, "scale": None}, **model.options
    )
    before = torch.get_num_threads()
    np.testing.assert_allclose(apart.predict(scan)["rate"], model.predict(scan)["rate"], rtol=1e-5)
    assert torch.get_num_threads() == before
    drawn = []
    answers = side_by_side(lambda i: -i, (drawn.append(i) or i for i in range(100)), threads=2)
    assert next(answers) == 0
    assert len(drawn) <= 2 * AHEAD
    assert list(answers) == [-i for i in range(1, 100)]


def test_wrong_channels_and_truths_are_named(model):
    scan = fresh(1)[0].scan
    wrong = scan.copy(deep=True)
    wrong["deflection"].attrs["units"] = "nm"
    with pytest.raises(UnitError, match="'deflection' is in 'nm'; recipe 'decay' needs 'm'"):
        model.predict(wrong)
    with pytest.raises(ChannelError, match="no channel 'deflection'"):
        model.predict(scan.rename(deflection="force"))
    with pytest.raises(ModelError, match=r"truth 'rate' has shape \(3,\) for 12 rows"):
        Model(DECAY).fit([Example(scan, {"rate": np.zeros(3)})])
    with pytest.raises(ModelError, match="members > 1"):
        Model(DECAY, members=2).fit([*fresh(2)])
    with pytest.raises(ModelError, match="holds NaN or infinity"):
        Rows(np.full((1, 1, 2), np.nan, np.float32), ("curve",), ("",))


def test_what_cannot_be_judged_is_told_when_it_is_scored(model):
    broken = fresh(2)
    broken[0].scan["deflection"].values[2] = np.nan
    with pytest.warns(UserWarning, match="1 of 24 decays cannot be judged and count nowhere; the first: holds NaN"):
        model.score(broken, real=False)
    for e in broken:
        e.scan["deflection"].values[:] = np.nan
    with pytest.raises(ModelError, match="none of 24 decays can be judged; the first: holds NaN"):
        model.score(broken, real=False)


def test_a_rival_whose_truth_nobody_knows_is_left_out():
    unknown = [Example(e.scan, {**e.truth, "fast": np.full(12, np.nan)}, e.group) for e in fresh(4)]
    assert Model(DECAY, epochs=1).fit(unknown).baselines == {}


def test_fresh_examples_and_early_stopping_learn_too():
    got = Model(DECAY, fresh=True, examples=12, epochs=20).fit(seed=1).score(fresh(), real=False)
    assert got.set_index(["learner", "metric"]).loc[("model", "rate_error median"), "value"] < 1
    stopped = Model(DECAY, patience=2, epochs=60).fit(fresh(12), seed=1)
    assert stopped.card["history"]["val_loss"][0] is not None


def test_every_group_is_answered_by_a_model_that_never_saw_it(tmp_path):
    tables = [cross_validate(DECAY, fresh(8), {"epochs": 30}, k=4, keep=tmp_path, real=False) for _ in range(2)]
    assert len(list(tmp_path.glob("fold-*.npz"))) == 4
    assert tables[0].equals(tables[1])
    with pytest.raises(StudyError, match="two groups"):
        cross_validate(DECAY, fresh(1), {}, k=4, real=False)


def test_physics_alone_needs_no_learning(tmp_path):
    physics = replace(
        DECAY, build=lambda options: None, gives=(Port("rate", "Hz", ()),), rivals={},
        answer=lambda rows, out, options: {"rate": -np.log(np.clip(rows.numbers[:, 0, 8], 1e-3, None)) * N / 8},
    )  # fmt: skip
    answer = Model(physics).predict(fresh(1)[0].scan)
    assert np.isfinite(answer["rate"]).all()
    model = Model(physics).fit(fresh(2))
    again = Model.load(model.save(tmp_path / "physics.sharptip"), physics)
    np.testing.assert_array_equal(again.predict(fresh(1)[0].scan)["rate"], answer["rate"])
    assert check_recipe(physics, show=lambda text: None) >= 10


def test_kept_and_loaded_it_answers_alike(model, tmp_path: Path):
    again = Model.load(model.save(tmp_path / "decay.sharptip"), DECAY)
    scan = fresh(1)[0].scan
    np.testing.assert_array_equal(again.predict(scan)["rate"], model.predict(scan)["rate"])
    assert set(again.baselines) == {"forest"}
