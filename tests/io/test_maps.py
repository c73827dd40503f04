"""Arrays of many dimensions: maps of spectra, complex numbers, records."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import maps as made
from tests.real import real, reals

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError, ScaleError


def test_a_map_with_what_was_swept(tmp_path: Path) -> None:
    made.npz_map(tmp_path / "a.npz")
    scan = sharptip.read(tmp_path / "a.npz", size=(3e-7, 4e-7))
    dims = ("y", "x", "axis_2", "axis_3")
    assert scan["amplitude"].dims == dims
    np.testing.assert_array_equal(scan["amplitude"], made.records()["Amplitude [V]"])
    assert scan["amplitude"].attrs["units"] == "V"
    np.testing.assert_allclose(scan["phase"], np.deg2rad(made.records()["Phase [deg]"].astype(float)), rtol=1e-12)
    np.testing.assert_array_equal(scan["spectra_imag"], made.spectra().imag)
    assert scan["bias_read"].dims == dims[2:]
    assert scan["bias_write"].dims == dims[3:]
    assert scan["x"].values[1] == pytest.approx(1e-7)
    header = json.loads(scan.attrs["header"])
    assert header["notes"] == list(range(7)), "what belongs to no axis is kept"
    assert header["arrays"]["fit"]["shape"] == list(made.SHAPE)
    with pytest.raises(ScaleError):
        sharptip.read(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(3, 4, 2, 4), (6, 7, 2, 5, 6)])
def test_many_dimensions_alone(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    np.save(tmp_path / "a.npy", values)
    scan = sharptip.read(tmp_path / "a.npy", size=1e-6, channel="current", unit="nA")
    np.testing.assert_allclose(scan["current"], values * 1e-9, rtol=1e-12)
    assert scan["current"].dims[:3] == ("y", "x", "axis_2")


def test_complex_images_and_stacks(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4)) * (1 + 2j)
    np.save(tmp_path / "a.npy", values)
    found = sharptip.io.scans(tmp_path / "a.npy", size="unknown", channel="amplitude", unit="V")
    assert len(found) == 2
    np.testing.assert_array_equal(found[1]["amplitude_real"], values[1].real)
    np.testing.assert_array_equal(found[1]["amplitude_imag"], values[1].imag)
    np.save(tmp_path / "b.npy", values[0])
    scan = sharptip.read(tmp_path / "b.npy", size="unknown")
    np.testing.assert_array_equal(scan["intensity_imag"], values[0].imag)


def test_every_real_array_is_read() -> None:
    for path in reals("pfm_be/GPim/*.npy"):
        values = np.load(path)
        found = sharptip.io.scans(path, size="unknown")
        np.testing.assert_array_equal(np.stack([s["intensity"] for s in found]).reshape(values.shape), values)
    path = real("pfm_be", "GPim", "cKPFM loop_0001 10 x 10-proc.npz")
    scan, arrays = sharptip.read(path, size="unknown"), np.load(path)
    np.testing.assert_array_equal(scan["frequency"], arrays["Nd_mat"]["Frequency [Hz]"])
    np.testing.assert_array_equal(scan["nd_mat_amp"], arrays["Nd_mat_amp"])
    np.testing.assert_array_equal(scan["bias_read"], arrays["bias_vec_r"][0])  # the same at every write step
    assert scan["bias"].dims == ("step",)
    assert scan["bias"].attrs["units"] == "V"
    assert scan["amplitude"].dims == ("y", "x", "field", "step", "read")


def test_pickles_are_refused_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array({"a": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(ReadError, match="Python objects, which would have to be unpickled"):
        sharptip.read(tmp_path / "a.npy", size="unknown")
