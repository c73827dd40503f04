"""The page `switching`: loops in, volts and mechanisms out, and nothing lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.real import real

import sharptip
from sharptip import Model
from sharptip.core.errors import UnitError
from sharptip.fit.each import _outputs as outputs_of
from sharptip.physics.tip_response import Junction
from sharptip.recipes.switching import PARAMETERS, RECIPE, example, features, rows, target
from sharptip.simulate.loops import MECHANISMS, Run, loop_scan, measured, stacked, triangle

OPTIONS = {**RECIPE.options, "pixels": 8}
WRITE, READ = triangle(8.0, 64), np.linspace(-4, 4, 9)


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model.trained("switching")


def two_mechanisms() -> xr.Dataset:
    pixels = [Junction(1e-3, 3.0, 0.5, imprint=0.4)] * 20 + [Junction(slope=2e-4, injected=0.1, lost=0.1)] * 20
    run = Run(WRITE, READ)
    values = measured(np.random.default_rng(2), run, stacked(pixels), 10.0)
    return loop_scan(values, run, unit="V")


def test_targets_are_on_the_scale_of_the_network() -> None:
    e = example(np.random.default_rng(0), OPTIONS)
    r = rows(e.scan, OPTIONS)
    y = target(r, e.truth, OPTIONS)
    assert y.shape == (8, 1 + len(PARAMETERS))
    v = 1 + PARAMETERS.index("coercive")
    reach = e.truth["reach"]
    np.testing.assert_allclose(y[:, v] * reach, e.truth["coercive"], rtol=1e-5)


def test_ferroelectric_and_charge_are_told_apart_with_units(shipped: Model) -> None:
    scan = two_mechanisms()
    answer = shipped.predict(scan)
    likeliest = answer["probability"].values.argmax(-1)
    assert np.mean(likeliest[:20] == MECHANISMS.index("ferroelectric")) > 0.8
    assert np.mean(likeliest[20:] == MECHANISMS.index("charge")) > 0.8
    assert answer["coercive_voltage"].attrs["units"] == "V"
    assert answer["work_of_switching"].attrs["units"] == "V^2"
    assert answer["remanent_response"].attrs["units"] == "V"
    assert answer["electrostatic_slope"].attrs["units"] == "1"
    assert np.median(answer["coercive_voltage"][:20]) == pytest.approx(3.0, abs=0.1)
    assert np.median(answer["imprint"][:20]) == pytest.approx(0.4, abs=0.2)
    assert np.median(answer["injected_charge"][20:]) == pytest.approx(0.1, abs=0.03)
    clusters = answer["cluster"].values
    assert len(set(clusters[:20])) == 1
    assert not set(clusters[:20]) & set(clusters[20:])


def test_the_network_beats_a_discriminant_on_new_runs(shipped: Model) -> None:
    examples = [example(rng, OPTIONS) for rng in np.random.default_rng(77).spawn(12)]
    truth = np.concatenate([e.truth["mechanism"] for e in examples])
    parts = [rows(e.scan, OPTIONS) for e in examples]
    network = np.concatenate([outputs_of(shipped.learner, p.numbers) for p in parts])[:, : len(MECHANISMS)].argmax(1)
    linear = shipped.baselines["LDA on loop quantities"].predict(np.concatenate([features(p) for p in parts]))
    assert np.mean(network == truth) > 0.65
    assert np.mean(network == truth) > np.mean(linear == truth)


def test_a_bad_pixel_costs_its_neighbours_nothing(shipped: Model) -> None:
    scan = two_mechanisms().isel(site=slice(0, 4))
    hurt = scan.copy(deep=True)
    hurt["piezo_response"][1] = np.nan
    hurt["piezo_response"][2] = 3.0
    faults = json.loads(shipped.predict(hurt).attrs["faults"])
    assert faults == {"1": "all of its values are missing", "2": "its response does not vary"}
    answer, whole = shipped.predict(hurt), shipped.predict(scan)
    assert np.isnan(answer["coercive_voltage"][1])
    assert answer["coercive_voltage"][0] == pytest.approx(float(whole["coercive_voltage"][0]), rel=1e-6)
    assert np.array_equal(scan["piezo_response"][3], hurt["piezo_response"][3])


def test_twice_the_gain_is_twice_the_response_and_the_same_volts(shipped: Model) -> None:
    scan = two_mechanisms().isel(site=slice(18, 22))
    twice = scan.copy(deep=True)
    twice["piezo_response"] *= 2
    twice["piezo_response"].attrs = scan["piezo_response"].attrs
    one, two = shipped.predict(scan), shipped.predict(twice)
    np.testing.assert_allclose(two["work_of_switching"], 2 * one["work_of_switching"], rtol=1e-6)
    np.testing.assert_allclose(two["coercive_voltage"], one["coercive_voltage"], rtol=1e-4)
    np.testing.assert_allclose(two["probability"], one["probability"], atol=1e-4)


def test_time_turned_round_is_named(shipped: Model) -> None:
    scan = two_mechanisms().isel(site=slice(0, 4), step=slice(None, None, -1))
    faults = json.loads(shipped.predict(scan).attrs["faults"])
    assert len(faults) == 4
    assert "runs ahead of its voltage" in faults["0"]


def test_a_wrong_unit_is_named(shipped: Model) -> None:
    scan = two_mechanisms()
    scan["piezo_response"].attrs["units"] = "Hz"
    with pytest.raises(UnitError, match="'Hz'"):
        shipped.predict(scan)


def test_real_maps_have_units(shipped: Model) -> None:
    answer = shipped.predict(sharptip.read(real("pfm_be", "GPim", "cKPFM loop_0001 10 x 10-proc.npz"), size="unknown"))
    assert answer["coercive_positive"].dims == ("y", "x")
    assert 2 < float(answer["coercive_positive"].median()) < 4
    assert json.loads(answer.attrs["faults"]) == {}
    assert np.isfinite(answer["surface_potential"]).all()


def test_the_shipped_model_is_small() -> None:
    path = Path(sharptip.__file__).parent / "weights" / "switching.sharptip"
    assert path.stat().st_size < 2 * 2**20
