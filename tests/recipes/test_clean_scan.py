"""clean_scan keeps a recipe's promises, gives back every metre that it takes, and is better than masked levelling."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

import sharptip
from sharptip.clean import flatten_fit
from sharptip.core.errors import ChannelError, ModelError
from sharptip.core.history import steps
from sharptip.core.scan import check, scan_of
from sharptip.fit import Model, check_recipe
from sharptip.recipes.clean_scan import RECIPE, first_answer, masked_levelling
from sharptip.simulate.dirty import dirty
from sharptip.simulate.how_clean import errors

WEIGHTS = Path(sharptip.__file__).parent / "weights" / "clean_scan.sharptip"
TAKEN = {"background", "row_offsets", "row_tilts", "noise", "scar_mask", "substrate"}


@pytest.fixture(scope="module")
def model():
    return Model.load(WEIGHTS, RECIPE)


def raw(seed=1, shape=(97, 131), **options):
    return dirty(np.random.default_rng(seed), shape, **options)


def together(answer):
    """What came back and what was taken off, (…, y, x)."""
    u = xr.DataArray(np.linspace(-1, 1, answer.sizes["x"]), dims="x")
    total = answer["height"] + answer["background"] + answer["row_offsets"] + answer["row_tilts"] * u
    return total.transpose(..., "y", "x").values


def test_it_keeps_the_promises():
    small = {"examples": 8, "epochs": 1, "batch": 4, "tile": 64, "lr": 1e-5, "start_from": str(WEIGHTS)}
    assert check_recipe(RECIPE, precision="fp32", **small) >= 14


def test_what_was_taken_off_and_what_is_left_are_the_raw_scan(model):
    d = raw(7, kind="ellipsoids", coverage=0.2, noise=0.02, scars=0.2)
    scan = d.scan()
    answer = model.predict(scan)
    assert set(answer.data_vars) == {"height", *TAKEN}
    check(answer)
    assert answer["row_offsets"].dims == ("y",)
    kept = answer["scar_mask"].values == 0
    assert 0.7 < kept.mean() < 1
    off = np.abs(together(answer) - scan["height"].values)
    assert off[kept].max() <= 1e-15 * np.ptp(d.height)  # the rounding of doubles
    assert steps(answer)[-1]["step"] == "predict"


def test_an_empty_frame_is_all_background(model):
    answer = model.predict(scan_of(np.full((32, 40), 450e-9), 1e-9))
    np.testing.assert_allclose(together(answer), 450e-9, rtol=1e-12)
    assert not answer["height"].values.any()


def test_the_first_answer_is_flatten_and_its_terraces():
    d = raw(5, (80, 96), kind="ellipsoids", coverage=0.0, steps=2, scars=0.0, noise=0.01)
    (taken, one), (ground, other) = first_answer(d.height, {})
    assert (one, other) == ("value", "difference")
    image = flatten_fit(d.height).image
    np.testing.assert_allclose(d.height - taken, image, atol=1e-12 * np.ptp(d.height))
    assert len(np.unique(ground)) == 3
    assert np.std(image - ground) < 0.2 * d.drawn["step_height"]


def test_the_height_without_the_noise_is_nearer_to_the_surface(model):
    left, filtered = [], []
    for seed in range(6):
        d = raw(seed, (64, 64), kind="islands", coverage=0.2, steps=0, scars=0.0, noise=0.1)
        answer = model.predict(d.scan())
        height, noise = answer["height"].values, answer["noise"].values
        left.append(np.std(noise - d.noise) / np.std(d.noise))
        filtered.append(np.std(height - gaussian_filter(height, 1.0) - d.noise) / np.std(d.noise))
    assert np.mean(np.log(left)) < np.log(0.8)
    assert np.mean(np.log(left)) < np.mean(np.log(filtered)) - 0.2


def test_where_a_scar_was_mended_no_noise_is_told(model):
    answer = model.predict(raw(7, kind="ellipsoids", coverage=0.2, noise=0.02, scars=0.2).scan())
    assert not answer["noise"].values[answer["scar_mask"].values == 1].any()
    assert answer["noise"].values.any()


def test_it_is_better_than_masked_levelling(model):
    ours, classical, untouched = [], [], []
    for seed in range(12):
        d = raw(seed, (128, 128), coverage=0.1 + 0.06 * seed, steps=0, scars=0.02)
        ours.append(errors(d, model.predict(d.scan())["height"].values)["rmse"] / d.drawn["sq"])
        classical.append(errors(d, masked_levelling(d.scan())["height"].values)["rmse"] / d.drawn["sq"])
        untouched.append(errors(d, d.height)["rmse"] / d.drawn["sq"])
    assert np.median(ours) < 0.5 * np.median(classical)
    assert np.mean(np.log(ours)) < np.mean(np.log(classical)) < np.mean(np.log(untouched))


@pytest.mark.parametrize("shape", [(16, 16), (33, 200), (256, 64)])
def test_any_size_and_any_height(model, shape):
    d = raw(2, shape, kind="spheres", coverage=0.2)
    once = model.predict(d.scan())
    assert once["height"].shape == shape
    scaled = scan_of(1e3 * d.height + 5e-6, d.pixel_size)
    np.testing.assert_allclose(model.predict(scaled)["height"], 1e3 * once["height"], atol=1e-2 * 1e3 * d.drawn["sq"])


def test_lost_lines_stay_lost_and_spoil_no_others(model):
    d = raw(3, coverage=0.3, steps=0)
    whole = model.predict(d.scan())["height"].values
    broken = d.height.copy()
    broken[40:43], broken[7, 5:9] = np.nan, np.nan
    answer = model.predict(scan_of(broken, d.pixel_size))
    lost = np.isnan(broken)
    assert np.isnan(answer["height"].values[lost]).all()
    assert np.isnan(answer["row_offsets"].values[40:43]).all()
    assert np.isfinite(answer["height"].values[~lost]).all()
    assert np.abs(answer["height"].values - whole)[~lost].mean() < 0.1 * d.drawn["sq"]


def test_a_film_is_cleaned_frame_by_frame(model):
    frames = [raw(seed, (32, 48)).height for seed in range(3)]
    one = scan_of(frames[0], 1e-9)
    film = one.drop_vars("height").assign(
        height=xr.Variable(("time", "y", "x"), np.stack(frames), {"units": "m"}),
        time=xr.Variable(("time",), np.arange(3) * 0.5, {"units": "s"}),
    )
    answer = model.predict(film)
    assert answer["height"].dims == ("time", "y", "x")
    assert answer["row_offsets"].dims == ("time", "y")
    np.testing.assert_allclose(answer["height"][0], model.predict(one)["height"], atol=1e-6 * np.ptp(frames[0]))
    np.testing.assert_array_equal(answer["x"], film["x"])
    cleaned = model.step(film, channel="height")
    assert set(cleaned.data_vars) >= TAKEN
    np.testing.assert_allclose(cleaned["height"], answer["height"])


def test_another_channel_in_its_own_unit(model):
    d = raw(6, (64, 64), kind="ellipsoids", coverage=0.2)
    scan = d.scan().assign(current=xr.Variable(("y", "x"), d.height, {"units": "A"}))
    answer = model.step(scan, channel="current")
    check(answer)
    assert answer["current_background"].attrs["units"] == answer["current"].attrs["units"] == "A"
    np.testing.assert_array_equal(answer["height"], d.height)
    np.testing.assert_array_equal(answer["current"], model.predict(d.scan())["height"])
    with pytest.raises(ChannelError, match="phase"):
        model.step(scan, channel="phase")


def test_a_single_line_is_refused(model):
    with pytest.raises(ModelError, match="1 × 300 pixels"):
        model.predict(scan_of(np.random.default_rng(0).normal(size=(1, 300)), 1e-9))


def test_the_file_is_small():
    assert WEIGHTS.stat().st_size < 2e6
