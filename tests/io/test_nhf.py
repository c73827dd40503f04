"""Nanosurf Studio files: both versions, images, a curve in every pixel, grids of force curves, chosen signals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import nhf as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError


def test_images_of_both_passes(tmp_path: Path) -> None:
    made.wave(tmp_path / "a.nhf")
    scan = sharptip.io.scans(tmp_path / "a.nhf")[0]
    assert scan["height"].dims == ("direction", "y", "x")
    for i, way in enumerate(("forward", "backward")):
        for name, seed in (("height", i), ("height_sensor", 10 + i)):
            lines = made.physical(made.counts(seed, made.NY * made.NX), *made.RANGE, 1).reshape(made.NY, made.NX)
            np.testing.assert_allclose(scan[name].sel(direction=way), lines[::-1], rtol=1e-12)
        raw = made.counts(30 + i, made.NY * made.NX).reshape(made.NY, made.NX)
        np.testing.assert_array_equal(scan["nma_interaction_min"].sel(direction=way), raw[::-1])
    assert scan["nma_interaction_min"].attrs["units"] == "arb", "counts that the file gives no scale stay counts"
    assert (scan["y"].values[1], scan["x"].values[1]) == (made.HEIGHT / made.NY, made.WIDTH / made.NX)
    assert scan.attrs["slow_direction"] == "down"
    assert scan.attrs["left_out"] == "NMA Free Wave"
    assert "reader_untested" not in scan.attrs
    assert json.loads(scan.attrs["header"])["/measurement_0/segment_1"] == {"name": "Backward"}


def test_a_curve_in_every_pixel(tmp_path: Path) -> None:
    made.wave(tmp_path / "a.nhf")
    scan = sharptip.io.scans(tmp_path / "a.nhf")[2]
    assert scan.attrs["name"] == "a Backward curves"
    raw = made.counts(21, made.NY * made.NX * made.WAVE, "i2").reshape(-1, made.WAVE)
    np.testing.assert_allclose(scan["deflection"], made.physical(raw, *made.VOLTS, 1), rtol=1e-12)
    np.testing.assert_allclose(scan["deflection"][[7, 2]], scan["deflection"].values[[7, 2]], rtol=0)
    assert scan["row"].values[0] == made.NY - 1, "the bottom line comes first"
    np.testing.assert_allclose(scan["tip_y"][:: made.NX], (made.NY - 1 - np.arange(made.NY)) * made.HEIGHT / made.NY)
    np.testing.assert_allclose(scan["time"][0, 1], 1 / made.FREQUENCY / made.WAVE, rtol=1e-12)
    assert scan.attrs["spring_constant"] == made.SPRING


def test_a_signal_that_the_user_chose_is_reached_by_its_calibrations(tmp_path: Path) -> None:
    made.image(tmp_path / "a.nhf")
    scan = sharptip.read(tmp_path / "a.nhf")
    height = made.physical(made.counts(0, made.NY * made.NX), *made.RANGE, 2)
    height[made.MISSING] = np.nan
    np.testing.assert_allclose(scan["height"], height.reshape(made.NY, made.NX)[::-1], rtol=1e-12)
    metres = made.counts(1, made.NY * made.NX) * made.GAIN + made.SHIFT
    np.testing.assert_allclose(scan["deflection"], metres.reshape(made.NY, made.NX)[::-1], rtol=1e-12)
    assert scan["deflection"].attrs["units"] == "m"
    np.testing.assert_array_equal(scan["meta"][::-1].values.ravel(), made.counts(2, made.NY * made.NX, "i2"))
    assert scan["meta"].attrs["units"] == "arb", "what is said to be whole numbers is left as it is"
    assert "Nanosurf" in scan.attrs["reader_untested"]


def test_without_a_way_to_the_chosen_signal_the_stored_one_is_given(tmp_path: Path) -> None:
    import h5py

    made.image(tmp_path / "a.nhf")
    with h5py.File(tmp_path / "a.nhf", "a") as file:
        del file["group_0001/0"]
    scan = sharptip.read(tmp_path / "a.nhf")
    volts = made.physical(made.counts(1, made.NY * made.NX), *made.VOLTS, 2)
    np.testing.assert_allclose(scan["deflection"], volts.reshape(made.NY, made.NX)[::-1], rtol=1e-12)
    assert scan["deflection"].attrs["units"] == "V"


@pytest.mark.parametrize("kind", ["exponential", "logarithmic"])
def test_every_step_is_undone_by_its_way_back(kind: str) -> None:
    from sharptip.io.nhf_signal import Step

    x = np.linspace(0.5, 2.0, 7)
    there = Step("a", "b", "m", kind, (1.5, 2.0, 0.25))
    np.testing.assert_allclose(Step("b", "a", "V", kind, there.numbers, back=True).of(there.of(x)), x, rtol=1e-12)
    known = 2.0 * np.exp((x - 0.25) / 1.5) if kind == "exponential" else 1.5 * np.log(x / 2.0) + 0.25
    np.testing.assert_allclose(there.of(x), known, rtol=1e-12)


def test_force_curves_of_different_lengths(tmp_path: Path) -> None:
    made.curves(tmp_path / "a.nhf")
    scan = sharptip.read(tmp_path / "a.nhf")
    lengths = np.array(list(made.LENGTHS.values()))
    np.testing.assert_array_equal(scan["length"], lengths.sum(axis=0))
    assert json.loads(scan.attrs["segments"]) == ["approach", "pause", "retract"]
    sensor = [made.physical(made.counts(i, sum(n)), *made.RANGE, 2) for i, n in enumerate(lengths)]
    volts = [made.physical(made.counts(10 + i, sum(lengths[i]), "i2"), *made.VOLTS, 2) for i in (0, 2)]
    for k in range(made.ROWS * made.COLUMNS):
        pieces = [one[n[:k].sum() : n[: k + 1].sum()] for one, n in zip(sensor, lengths, strict=True)]
        np.testing.assert_allclose(scan["height_sensor"][k, : lengths[:, k].sum()], np.concatenate(pieces), rtol=1e-12)
        down, up = (one[n[:k].sum() : n[: k + 1].sum()] for one, n in zip(volts, lengths[[0, 2]], strict=True))
        bent = np.concatenate([down, np.full(lengths[1, k], np.nan), up]) * made.SENSITIVITY
        np.testing.assert_allclose(scan["deflection"][k, : len(bent)], bent, rtol=1e-12)
        np.testing.assert_allclose(scan["force"][k, : len(bent)], bent * made.SPRING, rtol=1e-12)
        parts = np.repeat([0, 1, 2], lengths[:, k])
        np.testing.assert_array_equal(scan["segment"][k, : len(parts)], parts)
    x, y = made.places()
    np.testing.assert_allclose(scan["tip_x"], x)
    np.testing.assert_array_equal(scan["column"], np.round(x / 1e-7))
    np.testing.assert_array_equal(scan["row"], made.ROWS - 1 - np.round(y / 2e-7))
    assert list(scan.attrs["map_shape"]) == [made.ROWS, made.COLUMNS]


def test_curves_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    import h5py

    made.curves(tmp_path / "a.nhf")
    with h5py.File(tmp_path / "a.nhf", "a") as file:
        file["group_0000/subgroup_0002/dataset_0009"][0] = 10_000
    with pytest.raises(ReadError, match="do not fit"):
        sharptip.read(tmp_path / "a.nhf")
    with h5py.File(tmp_path / "a.nhf", "a") as file:
        file.attrs["nsf_file_version_major"] = 7
    with pytest.raises(ReadError, match="version 7"):
        sharptip.read(tmp_path / "a.nhf")
