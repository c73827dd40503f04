"""pycroscopy's HDF5: tables and arrays become scans, and h5py by hand finds the same numbers in the real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import usid as made
from tests.real import real, reals

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError, ScaleError

h5py = pytest.importorskip("h5py")


def test_a_table_of_complex_spectra(tmp_path: Path) -> None:
    made.usid(tmp_path / "a.h5")
    raw, fit, image = sharptip.io.scans(tmp_path / "a.h5")
    assert raw["response_real"].dims == ("y", "x", "frequency", "bias")
    np.testing.assert_array_equal(raw["response_real"], made.spectra().real)
    np.testing.assert_array_equal(raw["response_imag"], made.spectra().imag)
    np.testing.assert_allclose(raw["frequency"], made.HERTZ)
    np.testing.assert_allclose(raw["bias"], made.VOLTS)
    assert (raw["x"].values[1], raw["y"].values[1]) == pytest.approx((5e-8, 5e-8), rel=1e-9)
    np.testing.assert_array_equal(fit["amplitude"], made.fits()["Amplitude [V]"])
    np.testing.assert_allclose(fit["phase"], np.deg2rad(made.fits()["Phase [deg]"].astype(float)), rtol=1e-12)
    assert fit["amplitude"].attrs["units"] == "V"
    np.testing.assert_allclose(image["height"], made.image() * np.float64(1e-9), rtol=1e-12)
    assert image["height"].attrs["direction"] == "forward"
    assert json.loads(raw.attrs["header"])["/"]["project_name"] == "Band Excitation"


def test_one_row_of_the_scan_is_read_alone(tmp_path: Path) -> None:
    made.usid(tmp_path / "a.h5")
    raw = sharptip.io.scans(tmp_path / "a.h5")[0]
    np.testing.assert_array_equal(raw["response_imag"].isel(y=[2, 0], bias=1), made.spectra().imag[[2, 0], ..., 1])


def test_arrays_with_scales(tmp_path: Path) -> None:
    made.nsid(tmp_path / "a.hf5")
    loops, images, sweeps = sharptip.io.scans(tmp_path / "a.hf5")
    assert loops["piezo_response"].dims == ("y", "x", "bias")
    np.testing.assert_array_equal(loops["piezo_response"], made.loops())
    np.testing.assert_allclose(loops["bias"], [0, 1, 0, -1, 0])
    np.testing.assert_array_equal(images["height"], made.loops()[..., 1])
    np.testing.assert_allclose(images["phase"], np.deg2rad(made.loops()[..., 0]), rtol=1e-12)
    np.testing.assert_array_equal(sweeps["bias"], made.sweeps()[:, 0])
    np.testing.assert_allclose(sweeps["current"], made.sweeps()[:, 1] * 1e-9, rtol=1e-12)
    assert sweeps["current"].dims == ("site", "sample")


def test_a_force_curve_falls_and_rises_again(tmp_path: Path) -> None:
    made.force(tmp_path / "a.h5")
    scan = sharptip.read(tmp_path / "a.h5")
    np.testing.assert_allclose(scan["height"].values[0], -np.array([10, 11, 12, 13, 12, 11]) * 1e-7)
    np.testing.assert_allclose(scan["height_sensor"].values[0, 3], -3e-7)
    assert scan["segment"].values[0].tolist() == [0, 0, 0, 1, 1, 1]
    assert scan["deflection"].values[0, 3] == pytest.approx(9e-14)


def test_an_image_without_a_unit_needs_a_size(tmp_path: Path) -> None:
    made.pixels(tmp_path / "a.h5")
    with pytest.raises(ScaleError, match="'Image' of this file says no physical size"):
        sharptip.read(tmp_path / "a.h5")
    assert sharptip.read(tmp_path / "a.h5", size=1.6e-8)["x"].values[1] == pytest.approx(1e-9)
    made.usid(tmp_path / "b.h5")
    with pytest.raises(ReadError, match="its own size"):
        sharptip.io.scans(tmp_path / "b.h5", size=1e-6)


def test_an_aborted_map_keeps_where_its_points_were(tmp_path: Path) -> None:
    made.force(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        group = file["Measurement_000"]
        for name, table in (("Indices", [[0, 0], [1, 0], [0, 1]]), ("Values", [[0, 0], [2e-6, 0], [0, 3e-6]])):
            del group[f"Position_{name}"]
            new = group.create_dataset(f"Position_{name}", data=np.array(table))
            new.attrs["labels"], new.attrs["units"] = [b"X", b"Y"], [b"m", b"m"]
        del group["Channel_001"], group["Channel_002"], group["Channel_000/Raw_Data"]
        steps = [("Bias", "V", np.arange(4.0))]
        del group["Spectroscopic_Indices"], group["Spectroscopic_Values"]
        made._tables(group, "Spectroscopic", steps)
        made._main(group["Channel_000"], "Raw_Data", np.arange(12.0).reshape(3, 4), "Current", "nA", (group, group))
    scan = sharptip.read(tmp_path / "a.h5")
    assert scan["current"].dims == ("site", "bias")
    np.testing.assert_allclose(scan["tip_x"], [0, 2e-6, 0])
    np.testing.assert_allclose(scan["tip_y"], [0, 0, 3e-6])


def test_other_hdf5_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spectra/raw"] = np.zeros((3, 4))
    with pytest.raises(ReadError, match=r"neither USID nor NSID; it holds spectra/raw \(3, 4\)"):
        sharptip.read(tmp_path / "a.h5")


def test_real_files_by_hand() -> None:
    with h5py.File(real("pfm_be", "DTMicroscope", "BEPS_PTO_50x50.h5")) as file:
        loops, volts = file["Channel_000/generic/generic"][:], file["Channel_000/generic/Voltage"][:]
    scan = sharptip.read(real("pfm_be", "DTMicroscope", "BEPS_PTO_50x50.h5"))
    np.testing.assert_array_equal(scan["piezo_response"], loops.transpose(1, 0, 2))
    np.testing.assert_array_equal(scan["bias"], volts)
    assert float(scan["x"][-1]) == pytest.approx(2e-6)
    for path in reals("pfm_be/DTMicroscope/PTO_Funakubo*.h5"):
        scan = sharptip.read(path)
        with h5py.File(path) as file:
            for k, (name, factor) in enumerate(
                [("height", 1), ("amplitude", 1), ("deflection", 1), ("phase", np.pi / 180)]
            ):
                theirs = file[f"Measurement_000/Channel_{k}/Channel_{k}/Channel_{k}"][:].T * np.float64(factor)
                np.testing.assert_allclose(scan[name], theirs, rtol=1e-6)
        height = scan["height"].values
        assert np.abs(np.diff(height, axis=1)).mean() < np.abs(np.diff(height, axis=0)).mean(), "x is the fast axis"
    path = real("pfm_be", "pyUSID", "SingFreqPFM_0003.h5")
    with h5py.File(path) as file:
        table = file["Measurement_000/Channel_000/Raw_Data"][:, 0].reshape(128, 128)
    np.testing.assert_array_equal(sharptip.read(path)["height"], table)


def test_a_real_force_curve() -> None:
    scan = sharptip.read(real("pfm_be", "pyUSID", "AFM_Force_Curve_v2.h5"))
    height, deflection = scan["height"].values[0], scan["deflection"].values[0]
    turn = int(scan["segment"].values[0].argmax())
    assert height[0] > height[turn] < height[-1]
    assert deflection[turn] - np.median(deflection[:200]) > 1e-8, "it is pushed up where the piezo is furthest"
    assert np.corrcoef(height, scan["height_sensor"].values[0])[0, 1] > 0.999


def test_real_spectra_of_a_scanning_tunnelling_microscope() -> None:
    path = real("stm_sts_dkl", "Figure5_Substitution_defect_5nm.hf5")
    spectra, image, places, scalars = sharptip.io.scans(path, size=(5e-9, 5e-9))
    assert image["image"].shape == (512, 512)
    assert places["position"].shape == (214, 2)
    assert scalars["scalar"].shape == (214,)
    bias, current = spectra["bias"].values, spectra["current"].values
    np.testing.assert_allclose(bias[0, [0, -1]], [-1.5, 1.5])
    assert np.median([np.corrcoef(b, c)[0, 1] for b, c in zip(bias, current, strict=True)]) > 0.5
