"""The recipe that fits contact mechanics: the contract, what it asks for, and measured curves with labels."""

import json

import numpy as np
import pytest
from tests.real import real

from sharptip import Model, check_recipe
from sharptip.core.errors import ModelError, UnitError
from sharptip.fit.labelled_curves import curves_of
from sharptip.recipes.fit_curves import RECIPE, example


def simulated(seed=0):
    return example(np.random.default_rng(seed), Model(RECIPE).options)


def test_keeps_its_promises():
    assert check_recipe(RECIPE, examples=2, curves=4) >= 11


def test_simulated_sessions_are_fitted_without_a_training():
    model, errors, contacts = Model(RECIPE), [], []
    for seed in range(6):
        e = simulated(seed)
        answer = model.predict(e.scan)
        errors.append(answer["modulus"].values / e.truth["modulus"] - 1)
        contacts.append(answer["contact"].values - e.truth["contact"])
        assert answer["modulus"].attrs["units"] == "Pa"
    assert np.nanmedian(np.abs(np.concatenate(errors))) < 0.25  # brushes, relaxation and a sensitivity 5 % off included
    assert np.nanmedian(np.abs(np.concatenate(contacts))) < 30e-9


@pytest.mark.parametrize(("lost", "asked"), [("radius", "radius=NUMBER in m"), ("law", "law=NAME")])
def test_a_tip_or_a_law_is_never_guessed(lost, asked):
    scan = simulated().scan
    del scan.attrs[lost]
    with pytest.raises(ModelError, match=asked):
        Model(RECIPE).predict(scan)


def test_options_go_before_what_the_scan_says():
    e = simulated()
    e.scan.attrs.update(law="paraboloid", radius=1e-6)
    one, four = (Model(RECIPE, radius=r).predict(e.scan)["modulus"].values for r in (None, 4e-6))
    assert one / four == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"law": "hertzian"}, "no law 'hertzian'"),
        ({"law": "jkr"}, "no law 'jkr'"),
        ({"radius": -1e-6}, "'radius' is -1e-06"),
    ],
)
def test_impossible_options_are_refused(options, said):
    with pytest.raises(ModelError, match=said):
        Model(RECIPE, **options).predict(simulated().scan)


def test_units_and_spring_constants_are_asked_for():
    scan = simulated().scan
    volts = scan.copy(deep=True)
    volts["deflection"].attrs["units"] = "V"
    with pytest.raises(ModelError, match="sensitivity"):
        Model(RECIPE).predict(volts)
    calibrated = Model(RECIPE, sensitivity=1.0e-3).predict(volts)
    assert calibrated["modulus"].attrs["units"] == "Pa"
    wrong = scan.copy(deep=True)
    wrong["deflection"].attrs["units"] = "nm"
    with pytest.raises(UnitError, match="deflection"):
        Model(RECIPE).predict(wrong)
    soft = scan.drop_vars("spring_constant")
    answer = Model(RECIPE).predict(soft)
    assert "spring constant" in json.loads(answer.attrs["faults"])["0"]
    assert np.isnan(answer["modulus"].values).all()
    assert np.isfinite(Model(RECIPE, spring_constant=0.05).predict(soft)["modulus"].values).all()


def test_curves_the_wrong_way_round_are_named():
    scan = simulated().scan
    scan["height"] = scan["height"].copy(data=-scan["height"].values)
    faults = json.loads(Model(RECIPE).predict(scan).attrs["faults"])
    assert len(faults) == scan.sizes["curve"]
    assert "rises" in faults["0"]


def test_the_modulus_of_the_labelled_curves_is_the_apparent_one_at_the_deepest():
    path = real("labelled", "force_quality_afmml", "afmml_Everything_Jan26_curves.npz")
    examples = curves_of(path)[:12]
    model = Model(RECIPE, law="blunted_cone")
    ratio = np.concatenate([model.predict(e.scan)["apparent_modulus"].values / e.truth["modulus"] for e in examples])
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.2)


def test_the_contact_may_come_from_a_classical_finder():
    e = simulated()
    found = Model(RECIPE, contact="ratio of variances").predict(e.scan)
    assert np.nanmedian(np.abs(found["contact"].values - e.truth["contact"])) < 100e-9
    with pytest.raises(ModelError, match="'contact' is 'eye'"):
        Model(RECIPE, contact="eye").predict(e.scan)
