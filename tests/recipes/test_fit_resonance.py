"""fit_resonance: every pixel answered or named, in the scan's own units; what it cannot eat is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sharptip import Model, check_recipe
from sharptip.core.errors import ChannelError, ModelError, ReadError, ScanError, UnitError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid
from sharptip.recipes.fit_resonance import RECIPE
from sharptip.simulate.resonance import Ranges, resonance_map, spectra

F = Ranges().frequency
DIMS = ("y", "x", "frequency")


def scan_of(values: np.ndarray, dims: tuple[str, ...] = DIMS, frequency: np.ndarray = F, unit: str = "V") -> xr.Dataset:
    axes = {d: Axis(np.arange(float(n)), {"bias": "V"}.get(d, "1")) for d, n in zip(dims, values.shape, strict=True)}
    axes |= {d: Axis.regular(values.shape[dims.index(d)], 1e-8) for d in "yx" if d in dims}
    axes["frequency"] = Axis(frequency, "Hz")
    channels = tuple(Channel(f"response_{p}", getattr(values, p), unit, p, dims) for p in ("real", "imag"))
    return from_grid(Grid("spectra", channels, axes), format="simulated")


@pytest.fixture(scope="module")
def seen() -> tuple[np.ndarray, dict]:
    return resonance_map(np.random.default_rng(2), (5, 7), Ranges(snr=(20, 20)))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(RECIPE)


def test_keeps_the_contract():
    check_recipe(RECIPE, examples=4, show=lambda _: None)


def test_a_map_in_the_units_of_the_scan(model: Model, seen):
    values, truth = seen
    answer = model.predict(scan_of(values, unit="m"))
    assert answer["resonance"].dims == ("y", "x")
    assert answer["amplitude"].attrs["units"] == answer["noise"].attrs["units"] == "m"
    assert answer["resonance"].attrs["units"] == "Hz"
    assert np.abs(answer["resonance"].values - truth["resonance"]).max() < 6 * answer["resonance_std"].values.max()


def test_bad_pixels_are_named_and_spoil_no_other(model: Model, seen):
    values, _ = seen
    bad = values.copy()
    bad[0, 1], bad[2, 3] = np.nan, 0.0
    whole, answer = model.predict(scan_of(values)), model.predict(scan_of(bad))
    assert json.loads(answer.attrs["faults"]) == {"1": "no finite sample", "17": "constant"}
    assert np.isnan(answer["resonance"].values[[0, 2], [1, 3]]).all()
    kept = np.isfinite(answer["resonance"].values)
    assert kept.sum() == 33
    assert np.allclose(answer["resonance"].values[kept], whole["resonance"].values[kept])


def test_one_frequency_leaves_every_pixel_without_an_answer_and_says_why(model: Model, seen):
    answer = model.predict(scan_of(seen[0][..., :1], frequency=F[:1]))
    assert set(json.loads(answer.attrs["faults"]).values()) == {"too few finite samples"}
    assert np.isnan(answer["quality_factor"].values).all()


def test_a_falling_axis(model: Model, seen):
    up, down = model.predict(scan_of(seen[0])), model.predict(scan_of(seen[0][..., ::-1], frequency=F[::-1]))
    assert np.allclose(up["resonance"], down["resonance"], rtol=1e-7)


@pytest.mark.parametrize("dims", [("site", "frequency"), ("curve", "frequency"), ("frequency",)])
def test_other_axes(model: Model, seen, dims: tuple[str, ...]):
    values = seen[0].reshape(-1, 80) if len(dims) == 2 else seen[0][0, 0]
    assert model.predict(scan_of(values, dims))["resonance"].dims == dims[:-1]


def test_loops_at_every_pixel(model: Model, seen):
    values = np.stack([seen[0]] * 3, axis=2)
    answer = model.predict(scan_of(values, ("y", "x", "bias", "frequency")))
    assert answer["phase"].dims == ("y", "x", "bias")
    assert np.allclose(answer["resonance"].values[:, :, 0], model.predict(scan_of(seen[0]))["resonance"].values)


def test_amplitude_and_phase_and_amplitude_alone(model: Model, seen):
    values = seen[0]
    polar = scan_of(np.abs(values) + 1j * np.angle(values)).rename(response_real="amplitude", response_imag="phase")
    polar["phase"].attrs["units"] = "rad"
    full = model.predict(scan_of(values))
    assert np.allclose(model.predict(polar)["phase"], full["phase"])
    alone = model.predict(polar.drop_vars("phase"))
    assert np.isnan(alone["phase"]).all()
    assert np.median(np.abs(alone["resonance"] - full["resonance"])) < 1e3


def test_chunks_of_dask_give_the_same(model: Model, seen):
    pytest.importorskip("dask")
    scan = scan_of(seen[0])
    chunked = model.predict(scan.chunk({"y": 2, "frequency": 30}))
    assert np.allclose(chunked["resonance"], model.predict(scan)["resonance"])


def test_what_is_refused_by_name(model: Model, seen):
    scan = scan_of(seen[0])
    kilo = scan.assign_coords(frequency=("frequency", F / 1e3, {"units": "kHz"}))
    with pytest.raises(UnitError, match="'frequency' is in 'kHz'; a resonance is fitted in 'Hz'"):
        model.predict(kilo)
    with pytest.raises(ChannelError, match="no channel 'response_imag'"):
        model.predict(scan.drop_vars("response_imag"))
    with pytest.raises(ScanError, match="give its axis 'frequency'"):
        model.predict(scan.drop_vars("frequency"))
    with pytest.raises(ChannelError, match="say which with signal="):
        model.predict(scan.assign(current_real=scan["response_real"], current_imag=scan["response_imag"]))
    with pytest.raises(ModelError, match="start is 'magic'; it is grid or glance or formula"):
        Model(RECIPE, start="magic", examples=2).fit()
    with pytest.raises(ModelError, match="give both, such as 30 and 300"):
        Model(RECIPE, quality_low=30).predict(scan)


def test_the_other_time_convention(model: Model, seen):
    values, _ = seen
    with pytest.warns(UserWarning, match="set conjugate=true"):
        model.predict(scan_of(values.conj()))
    turned = Model(RECIPE, conjugate=True).predict(scan_of(values.conj()))
    full = model.predict(scan_of(values))
    assert np.allclose(turned["resonance"], full["resonance"])
    assert np.allclose(turned["phase"], -full["phase"])


def test_labelled_spectra(tmp_path: Path):
    y, truth = spectra(np.random.default_rng(0), 40, Ranges(snr=(20, 20)))
    arrays = {"frequency": F, "spectra": y, "resonance": truth["resonance"], "group": np.repeat(["a", "b"], 20)}
    np.savez(tmp_path / "some.npz", **arrays)
    examples = RECIPE.labelled(tmp_path / "some.npz", {})
    assert [e.group for e in examples] == ["a", "b"]
    table = Model(RECIPE).fit(examples).score(examples, real=False)
    found = table[(table.learner == "model") & (table.metric == "resonance_rmse_hz")]["value"].item()
    assert found < 400
    np.savez(tmp_path / "bad.npz", spectra=y)
    with pytest.raises(ReadError, match="no array 'frequency'"):
        RECIPE.labelled(tmp_path / "bad.npz", {})


@pytest.mark.parametrize("start", ["glance", "formula"])
def test_a_network_may_say_where_to_start(start: str, seen):
    small = {"start": start, "examples": 6, "epochs": 1, "batch": 64}
    model = Model(RECIPE, **small).fit(seed=0)
    values = seen[0].copy()
    values[1, 1] = np.nan
    answer = model.predict(scan_of(values))
    assert np.isfinite(answer["resonance"].values).sum() == 34
