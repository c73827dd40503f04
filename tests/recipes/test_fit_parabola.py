"""Kelvin parabolas of scans: every spectrum of every axis, units by name, and a real sweep forth and back."""

import json

import numpy as np
import pytest
from tests.real import real

from sharptip import Model, check_recipe, read
from sharptip.core.errors import ChannelError, UnitError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid
from sharptip.physics.parabola import kelvin_parabola
from sharptip.recipes.fit_parabola import RECIPE, example


def grid(potential: np.ndarray, bias: np.ndarray, unit: str = "V") -> object:
    """A map (y, x, bias) of parabolas with these potentials (y, x)."""
    clean = kelvin_parabola(bias, potential[..., None], 3.0, -20.0)
    values = clean + np.random.default_rng(0).normal(0, 0.05, clean.shape)
    axes = {"y": Axis.regular(potential.shape[0], 1e-9), "x": Axis.regular(potential.shape[1], 1e-9),
            "bias": Axis(bias, unit)}  # fmt: skip
    channel = Channel("frequency_shift", values, "Hz", "Frequency Shift", ("y", "x", "bias"))
    return from_grid(Grid("map", (channel,), axes))


def test_it_keeps_every_promise():
    assert check_recipe(RECIPE, show=lambda text: None) >= 10


def test_a_map_of_spectra_is_a_map_of_potentials():
    potential = np.random.default_rng(1).normal(0.3, 0.05, (4, 5))
    for bias in (np.linspace(-1, 1, 100), np.linspace(1, -1, 100)):
        answer = Model(RECIPE).predict(grid(potential, bias))
        assert answer["potential"].dims == ("y", "x")
        np.testing.assert_allclose(answer["potential"], potential, atol=0.02)
        assert ((answer["potential_low"] < potential) & (potential < answer["potential_high"])).mean() > 0.8
        units = {name: v.attrs["units"] for name, v in answer.data_vars.items()}
        assert units["potential"] == units["potential_error"] == "V"
        assert units["curvature"] == "Hz/V^2"
        assert units["maximum"] == units["residual"] == "Hz"


def test_lost_spectra_are_named_and_the_others_stay():
    scan = grid(np.full((2, 3), 0.1), np.linspace(-1, 1, 60)).copy(deep=True)
    scan["frequency_shift"].values[1, 2] = np.nan
    answer = Model(RECIPE).predict(scan)
    assert json.loads(answer.attrs["faults"]) == {"5": "no point was taken"}
    assert int(np.isfinite(answer["potential"]).sum()) == 5


def test_wrong_units_and_channels_are_named():
    scan = grid(np.zeros((1, 1)), np.linspace(-1000, 1000, 50), "mV")
    with pytest.raises(UnitError, match=r"'bias' is in 'mV'.*needs 'V'"):
        Model(RECIPE).predict(scan)
    kilo = grid(np.zeros((1, 1)), np.linspace(-1, 1, 50)).copy(deep=True)
    kilo["frequency_shift"].attrs["units"] = "kHz"
    with pytest.raises(UnitError, match=r"'frequency_shift' is in 'kHz'.*needs 'Hz'"):
        Model(RECIPE).predict(kilo)
    with pytest.raises(ChannelError, match="no channel 'frequency_shift'"):
        Model(RECIPE).predict(scan.rename(frequency_shift="current"))


def test_it_is_better_than_a_spreadsheet_and_sure_of_the_right_amount():
    examples = [example(np.random.default_rng(i), {}) for i in range(20)]
    table = Model(RECIPE).score(examples, real=False).set_index(["learner", "metric"])["value"]
    error = "potential_error_mV median"
    assert table["model", error] <= table["least squares", error] < table["highest point", error]
    assert 0.88 < table["model", "covered"] <= 1


def test_a_real_sweep_forth_and_back():
    """Sweeps of one place must agree within what they say of themselves, and each half of a sweep with the whole."""
    scan = read(real("vendor", "nanonis", "nanonis_kelvin_parabola_500mv.dat"))
    answer = Model(RECIPE).predict(scan)
    assert answer["potential"].dims == ("direction", "site")
    potential, error = answer["potential"].values[:, 0], answer["potential_error"].values[:, 0]
    assert abs(potential[0] - potential[1]) < 3 * np.hypot(*error)
    assert (error < 0.02).all()
    assert (answer["curvature"] > 10 * answer["curvature_error"]).all()
    assert (np.abs(potential) < 0.5).all()
    odd, even = (Model(RECIPE).predict(scan.isel(bias=slice(i, None, 2))) for i in (0, 1))
    apart = np.abs(odd["potential"] - even["potential"]) / np.hypot(odd["potential_error"], even["potential_error"])
    assert (apart < 3).all()
