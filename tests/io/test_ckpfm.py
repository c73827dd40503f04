"""Contact Kelvin probe data as scripts around pycroscopy save it: axes with names, voltages in volts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import sharptip


def saved(path: Path, read: np.ndarray) -> Path:
    kind = np.dtype([("Amplitude [V]", "f4"), ("Phase [rad]", "f4")])
    cells = np.zeros((3, 4, 2, 16, 5), kind)
    cells["Amplitude [V]"] = np.arange(cells.size).reshape(cells.shape)
    np.savez(path, Nd_mat=cells, bias_vec_w=np.linspace(-2, 2, 16, dtype="f4"), bias_vec_r=read.astype("f4"))
    return path


def test_axes_are_named_and_voltages_are_volts(tmp_path: Path) -> None:
    read = np.tile(np.linspace(-1, 1, 5), (16, 1))
    scan = sharptip.read(saved(tmp_path / "a.npz", read), size="unknown")
    assert scan["amplitude"].dims == ("y", "x", "field", "step", "read")
    assert scan["bias"].dims == ("step",)
    assert scan["bias_read"].dims == ("read",)
    assert {scan[k].attrs["units"] for k in ("bias", "bias_read", "amplitude")} == {"V"}
    assert json.loads(scan.attrs["fields"]) == ["on", "off"]


def test_read_voltages_that_change_keep_their_steps(tmp_path: Path) -> None:
    read = np.tile(np.linspace(-1, 1, 5), (16, 1)) * np.linspace(1, 2, 16)[:, None]
    scan = sharptip.read(saved(tmp_path / "b.npz", read), size="unknown")
    assert scan["bias_read"].dims == ("step", "read")


def test_other_names_stay(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", map=np.zeros((3, 4, 2, 16)), volts=np.arange(16.0))
    scan = sharptip.read(tmp_path / "c.npz", size="unknown")
    assert "step" not in scan.dims
    assert "fields" not in scan.attrs
