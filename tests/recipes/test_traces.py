"""Traces: kept or not, states, levels and rates in units, of files and simulations, and what cannot be judged."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sharptip import Model, check_recipe
from sharptip.core.errors import ChannelError, ModelError, ScanError, UnitError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid
from sharptip.recipes.traces import RECIPE, example, rows, target
from sharptip.simulate.telegraph import telegraph

OPTIONS = {**RECIPE.options, "frames": 256}


def traces(values: np.ndarray, dt: float = 1e-3, channel: str = "current", unit: str = "A", time: str = "s"):
    """A scan (site, time)."""
    axes = {"site": Axis(np.arange(len(values)), "1"), "time": Axis.regular(values.shape[1], dt, time)}
    return from_grid(Grid("traces", (Channel(channel, values, unit, channel, ("site", "time")),), axes))


def switching(n: int = 6, samples: int = 600, k12: float = 0.04, k21: float = 0.08, noise: float = 0.15):
    """(states, numbers) of a current that switches between 1 and 1.5 nA; rates per sample."""
    rng = np.random.default_rng(0)
    s = np.zeros((n, samples), int)
    for t in range(1, samples):
        u = rng.random(n)
        s[:, t] = np.where(s[:, t - 1] == 0, u < k12, u >= k21)
    return s, 1e-9 + 5e-10 * (s + rng.normal(0, noise, s.shape))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.trained("traces")


@pytest.mark.slow
def test_it_keeps_every_promise():
    small = {"examples": 4, "epochs": 6, "frames": 120, "fresh": False}
    assert check_recipe(replace(RECIPE, options={**RECIPE.options, **small}), show=lambda text: None) >= 10


def test_a_switching_current_in_its_units(model):
    states, current = switching()
    answer = model.predict(traces(current, dt=2e-3))
    assert (answer["accept"] > 0.5).all()
    assert (answer["states"] == 2).all()
    assert (answer["state"].values == states).mean() > 0.98
    np.testing.assert_allclose(answer["level"].values[:, :2], [[1e-9, 1.5e-9]] * 6, rtol=0.02)
    assert np.isnan(answer["level"].values[:, 2:]).all()
    true = -np.log(1 - 0.12) / 0.12 / 2e-3 * np.array([0.04, 0.08])
    options = {"dead_samples": 0.0}  # these samples are looks, no means over their time
    looks = model.asking(**options).predict(traces(current, dt=2e-3))
    for i, name in enumerate(("k12", "k21")):
        away = np.abs(looks[name].values - true[i]) / looks[f"{name}_error"].values
        assert np.median(away) < 1.5
        assert (looks[name] <= answer[name]).all()  # some dwells were too short to be seen
        assert answer[name].attrs["units"] == "1/s"


def test_gain_offset_and_sign_change_what_they_should(model):
    _, current = switching(3)
    answer = model.predict(traces(current))
    other = model.predict(traces(1e-12 - 3 * current))
    np.testing.assert_allclose(other["accept"], answer["accept"], atol=0.2)
    np.testing.assert_allclose(other["k12"], answer["k21"], rtol=0.1)
    np.testing.assert_allclose(other["level"][:, 0], 1e-12 - 3 * answer["level"][:, 1], rtol=0.01)


def test_junk_is_sorted_out_and_good_traces_stay(model):
    said, true = [], []
    for seed in range(18):
        kind = ("current", "pair")[seed % 2]
        t = telegraph(
            np.random.default_rng(seed), kind=kind, junk=("", "nothing", "spikes")[seed % 3], frames=400, snr=8
        )
        scan = traces(t.trace[:1], t.frame_time)
        if kind == "pair":
            scan["acceptor"] = scan["current"].copy(data=t.trace[1:])
        said.append(float(model.predict(scan)["accept"][0]))
        true.append(t.accept)
    assert ((np.array(said) > 0.5) == np.array(true)).mean() > 0.8


def test_rows_that_cannot_be_judged_spoil_no_other(model):
    _, current = switching(6)
    whole = model.predict(traces(current))
    current[1] = np.nan
    current[2] = 3e-9
    current[3, 10:] = np.nan
    answer = model.predict(traces(current))
    faults = json.loads(answer.attrs["faults"])
    assert faults["1"] == "0 samples; 20 are needed"
    assert "all samples are the same number" in faults["2"]
    assert faults["3"] == "10 samples; 20 are needed"
    assert np.isnan(answer["k12"].values[1:4]).all()
    np.testing.assert_allclose(answer["k12"].values[[0, 4, 5]], whole["k12"].values[[0, 4, 5]], rtol=1e-6)
    one = model.predict(traces(current[:1, :1]))
    assert json.loads(one.attrs["faults"]) == {"0": "1 samples; 20 are needed"}


def test_a_gap_is_no_state(model):
    _, current = switching(2)
    current[:, 200:230] = np.nan
    answer = model.predict(traces(current))
    assert np.isnan(answer["state"].values[:, 200:230]).all()
    assert np.isfinite(answer["state"].values[:, :200]).all()


def test_wrong_units_axes_and_channels_are_named(model):
    _, current = switching(2)
    with pytest.raises(UnitError, match=r"'current' is in 'nA'.*needs 'A'"):
        model.predict(traces(1e9 * current, unit="nA"))
    with pytest.raises(UnitError, match=r"'time' is in 'ms'.*needs 's'"):
        model.predict(traces(current, time="ms"))
    with pytest.raises(ChannelError, match="no channel 'current'"):
        model.predict(traces(current, channel="deflection", unit="m"))
    with pytest.raises(ChannelError, match="goes along 'time'"):
        model.predict(traces(current).rename(time="bias"))
    with pytest.raises(ModelError, match="'epochs' is settled"):
        model.asking(epochs=3)


def test_another_channel_can_be_asked_for(model):
    _, current = switching(3)
    asked = model.asking(channel="deflection", unit="m")
    answer = asked.predict(traces(current, channel="deflection", unit="m"))
    assert answer["level"].attrs["units"] == "m"
    np.testing.assert_allclose(answer["k12"], model.predict(traces(current))["k12"])


def test_the_pause_of_force_curves_is_a_trace(model):
    _, current = switching(3, samples=300)
    samples = np.arange(400)
    segment = np.broadcast_to(np.digitize(samples, (50, 350)).astype(float), (3, 400))
    values = np.concatenate([np.full((3, 50), 9e-9), current, np.full((3, 50), 9e-9)], 1)
    axes = {"curve": Axis(np.arange(3), "1"), "sample": Axis(samples, "1")}
    both = ("curve", "sample")
    channels = (Channel("deflection", values, "m", "d", both), Channel("segment", segment, "1", "s", both),
                Channel("time", np.broadcast_to(1e-3 * samples, (3, 400)), "s", "t", both))  # fmt: skip
    attrs = {"segments": '["approach", "pause", "retract"]'}
    scan = from_grid(Grid("curves", channels, axes, attrs=attrs))
    answer = model.asking(channel="deflection", unit="m").predict(scan)
    assert np.isnan(answer["state"].values[:, :50]).all() if "state" in answer else True
    np.testing.assert_allclose(answer["level"].values[:, :2], [[1e-9, 1.5e-9]] * 3, rtol=0.03)
    scan.attrs["segments"] = '["approach", "retract", "other"]'
    with pytest.raises(ScanError, match="no 'pause'; say which: --set segment=NAME"):
        model.asking(channel="deflection", unit="m").predict(scan)


def test_targets_are_told_of_what_is_kept_only():
    e = example(np.random.default_rng(1), {**OPTIONS, "of": "pair"})
    r = rows(e.scan, OPTIONS)
    y = target(r, e.truth, OPTIONS)
    assert y.shape == (16, 2, 256)
    kept = e.truth["accept"] == 1
    assert np.isnan(y[~kept, 1]).all()
    assert np.isfinite(y[kept, 1]).any(1).all()
    assert np.isnan(y[:, 1][r.numbers[:, 2] == 0]).all()
    assert set(np.unique(y[kept, 1][np.isfinite(y[kept, 1])])) <= {0, 1, 2, 3, 4}


def test_the_model_that_ships_beats_chains_alone(model):
    drawn = [example(np.random.default_rng([3, i]), OPTIONS) for i in range(3)]
    table = model.score(drawn, real=False).set_index(["learner", "metric"])["value"]
    assert table["model", "accept_auroc"] > 0.93
    assert table["model", "accept_auroc"] > table["hidden markov", "accept_auroc"]
    assert table["model", "state_f1"] > table["hidden markov", "state_f1"]
