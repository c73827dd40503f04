"""Rating force curves: what is learned within seconds, what must not matter, and curves that nobody can judge."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from sharptip import Model, check_recipe
from sharptip.core.errors import ChannelError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid
from sharptip.fit import Example
from sharptip.fit.each import everybody
from sharptip.fit.rows import joined
from sharptip.measure.curve_errors import accept_auroc, contact_median, modulus_median
from sharptip.recipes import find_contact, rate_curves

SAMPLES = 600
QUICK = {"widths": (4, 6, 8, 8, 8), "epochs": 12, "batch": 16, "lr": 6e-3, "simulated": 0.0, "start_from": None}


def session(seed: int, n: int = 16, unit: str = "m") -> Example:
    """Cones on something soft; the bad ones meet something soft long before, and the expert rejects them."""
    rng = np.random.default_rng(seed)
    z = np.linspace(4e-6, 0, SAMPLES)
    contact = rng.uniform(0.6e-6, 2e-6, n)
    accept = (rng.random(n) < 0.6).astype(float)
    depth = np.maximum(contact[:, None] - z, 0)
    force = (depth / depth[:, -1:]) ** 2
    early = np.maximum(contact[:, None] + 1.5e-6 - z, 0) / 4e-6
    d = 5e-8 * (force + 0.5 * (1 - accept)[:, None] * early + 0.003 * rng.standard_normal((n, SAMPLES)))
    axes = {"curve": Axis(np.arange(n), "1"), "sample": Axis(np.arange(SAMPLES), "1")}
    curve = ("curve", "sample")
    channels = (
        Channel("height", z * np.ones((n, 1)), "m", "z", curve),
        Channel("deflection", d, unit, "deflection", curve),
    )
    scan = from_grid(Grid(f"map {seed}", channels, axes), format="simulated")
    return Example(scan, {"accept": accept, "contact": contact}, f"map {seed}")


@pytest.fixture(scope="module")
def rater() -> Model:
    return Model("rate_curves", **QUICK).fit([session(s) for s in range(8)], seed=0)


@pytest.fixture(scope="module")
def judged(rater: Model) -> xr.Dataset:
    return rater.predict(session(100).scan)


def said(model: Model, seeds: range, unit: str = "m") -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Truths and answers of some maps, the random forest's and the classical finders' beside the model's."""
    maps = [session(s, unit=unit) for s in seeds]
    found = [everybody(model, e.scan)[0] for e in maps]
    return joined([e.truth for e in maps]), {n: joined([f[n] for f in found]) for n in found[0]}


def test_it_learns_whom_to_accept_and_where_contact_is(rater):
    truth, answers = said(rater, range(100, 104))
    assert accept_auroc(truth, answers["model"]) > 0.95
    assert contact_median(truth, answers["model"]) < 40  # six samples
    assert modulus_median(truth, answers["model"]) < 0.1
    assert accept_auroc(truth, answers["random forest"]) > 0.8
    assert {"ratio of variances", "goodness of variances", "broken line"} <= set(answers)


@pytest.mark.slow
def test_the_score_names_the_learners_and_their_measures(rater):
    table = rater.score([session(s) for s in range(100, 103)], real=False)
    assert set(table[table.learner == "model"].metric) == set(rate_curves.RECIPE.measures)
    assert set(table[table.learner == "random forest"].metric) == {"accept_auroc"}


@pytest.mark.slow
def test_both_keep_the_contract_of_recipes():
    for recipe in (rate_curves.RECIPE, find_contact.RECIPE):
        check_recipe(recipe, examples=3, epochs=1, start_from=None, widths=(4, 4, 8))


def test_the_answer_has_units_and_the_axes_of_the_rows(judged):
    assert judged["contact"].dims == ("curve",)
    assert judged["artefact"].dims == ("curve", "label")
    assert judged["label"].values.tolist() == list(rate_curves.LABELS)
    assert judged["contact"].attrs["units"] == judged["contact_error"].attrs["units"] == "m"
    for name, top in (("accept", 1), ("rating", 10), ("artefact", 1)):
        assert 0 <= float(judged[name].min()) <= float(judged[name].max()) <= top
    assert (judged["contact_error"] > 0).all()
    assert set(np.char.partition(judged["verdict"].values.astype(str), ":")[:, 0]) <= {"good", "doubtful", "bad"}


def test_neither_gain_nor_unit_nor_place_changes_the_answer(rater, judged):
    scan = session(100).scan
    for factor, unit in ((1e-2, "m"), (2e8, "V"), (3.0, "arb")):
        other = scan.copy()
        other["deflection"] = (scan["deflection"] * factor + 1e-9).assign_attrs(units=unit)
        other["height"] = (scan["height"] + 7e-6).assign_attrs(units="m")
        found = rater.predict(other)
        assert np.allclose(found["accept"], judged["accept"], atol=1e-2), unit
        assert np.allclose(found["contact"] - 7e-6, judged["contact"], atol=2e-9), unit


def test_broken_curves_of_a_map_are_named_and_spoil_no_other(rater, judged):
    scan = session(100).scan.copy(deep=True)
    d, z = scan["deflection"].values, scan["height"].values
    d[1] = np.nan
    d[3, 1:] = np.nan
    z[5] = z[5, ::-1].copy()
    found = rater.predict(scan)
    faults = json.loads(found.attrs["faults"])
    assert set(faults) == {"1", "3", "5"}
    assert "no finite sample" in faults["1"]
    assert "1 finite sample" in faults["3"]
    assert "rises" in faults["5"]
    assert "swap approach and retract" in faults["5"]
    assert np.isnan(found["contact"].values[[1, 3, 5]]).all()
    assert found["verdict"].values[1] == ""
    rest = [i for i in range(16) if i not in (1, 3, 5)]
    assert np.array_equal(found["contact"].values[rest], judged["contact"].values[rest])
    assert np.array_equal(found["accept"].values[rest], judged["accept"].values[rest])


def test_a_scan_of_broken_curves_alone_is_answered_too(rater):
    scan = session(100).scan.copy(deep=True)
    scan["deflection"].values[:] = np.nan
    found = rater.predict(scan)
    assert len(json.loads(found.attrs["faults"])) == 16
    assert np.isnan(found["accept"]).all()


def test_what_is_no_force_curve_is_refused_by_name(rater):
    with pytest.raises(ChannelError, match="deflection"):
        rater.predict(session(100).scan.drop_vars("deflection"))


def test_simulated_curves_teach_what_people_did_not_say():
    numbers = np.zeros((8, rate_curves.CHANNELS + 1, rate_curves.GRID), np.float32)
    target = np.full((8, 3 + len(rate_curves.LABELS)), np.nan, np.float32)
    target[:, :2] = 500, 1
    options = {**rate_curves.RECIPE.options, "simulated": 0.5}
    x, y = rate_curves.vary(numbers, target, np.random.default_rng(0), options)
    assert len(x) == len(y) == 12
    assert np.isnan(y[8:, :2]).all()
    assert np.isfinite(y[8:, 2:]).all()
    assert len(rate_curves.vary(numbers, target, np.random.default_rng(0), {**options, "simulated": 0.0})[0]) == 8


def test_contact_alone_is_found_in_numbers_without_a_unit():
    made = [session(s, unit="arb") for s in range(8)]
    quick = {k: v for k, v in QUICK.items() if k != "simulated"}
    model = Model("find_contact", **quick).fit(made, seed=0)
    truth, answers = said(model, range(100, 104), unit="arb")
    assert contact_median(truth, answers["model"]) < 60
    assert "accept" not in model.predict(session(100, unit="arb").scan)


def test_simulated_examples_know_what_they_are_asked():
    for recipe in (rate_curves, find_contact):
        e = recipe.example(np.random.default_rng(0), recipe.RECIPE.options)
        rows = recipe.rows(e.scan, recipe.RECIPE.options)
        target = recipe.target(rows, e.truth, recipe.RECIPE.options)
        assert len(target) == len(rows.faults) == recipe.RECIPE.options["curves"]
        assert np.isfinite(target[rows.sound]).any(axis=0).all()
