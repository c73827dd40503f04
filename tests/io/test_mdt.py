"""NT-MDT files: every kind of frame, and what must hold of the real one."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import mdt as made
from tests.real import real

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError, ScaleError


def test_images_of_one_scan_share_a_grid_and_the_next_scan_is_another(tmp_path: Path) -> None:
    made.images(tmp_path / "a.mdt")
    one, two = sharptip.io.scans(tmp_path / "a.mdt")
    raw = [made.steps(made.NY, made.NX, seed=s)[::-1] for s in range(4)]
    np.testing.assert_allclose(one["height"].sel(direction="forward"), (raw[0] * 0.5 + 10) * 1e-10, rtol=1e-12)
    np.testing.assert_allclose(one["height"].sel(direction="backward"), (raw[1] * 0.5 + 10) * 1e-10, rtol=1e-12)
    np.testing.assert_allclose(one["current"], (raw[2] * 0.25 + 1.5) * 1e-9, rtol=1e-12)
    assert one["current"].attrs["vendor_name"] == "2F:Iprobe"
    assert (one["x"].values[1], one["y"].values[1]) == pytest.approx((20e-9, 30e-9), rel=1e-6)
    np.testing.assert_allclose(two["height"], (raw[3] * 0.5 + 10) * 1e-10, rtol=1e-12)
    header = json.loads(one.attrs["header"])
    assert header["frames"][0]["xml"] == made.XML
    assert header["frames"][0]["date"] == list(made.DATE)
    assert header["others"][0]["text"] == "a note"


def test_an_image_that_counts_pixels_needs_a_size(tmp_path: Path) -> None:
    made.pixels(tmp_path / "a.mdt")
    with pytest.raises(ScaleError, match="size="):
        sharptip.read(tmp_path / "a.mdt")
    assert sharptip.read(tmp_path / "a.mdt", size=(4e-8, 5e-8))["x"].values[1] == pytest.approx(1e-8)
    assert sharptip.read(tmp_path / "a.mdt", size="unknown").attrs["size"] == "unknown"
    made.images(tmp_path / "b.mdt")
    with pytest.raises(ReadError, match="its own size"):
        sharptip.io.scans(tmp_path / "b.mdt", size=(4e-8, 5e-8))


def test_spectra(tmp_path: Path) -> None:
    made.spectra(tmp_path / "a.mdt")
    one, many = sharptip.io.scans(tmp_path / "a.mdt")
    (name,) = one.data_vars
    np.testing.assert_allclose(one[name].values[0], made.steps(6, seed=4) * 0.5e-9, rtol=1e-12)
    np.testing.assert_allclose(one["distance"], (5 + 2 * np.arange(6)) * 1e-9)
    raw = made.steps(9, seed=5) * 0.25e-9
    assert many["current"].dims == ("direction", "site", "bias")
    np.testing.assert_allclose(many["current"].values[0, 0], raw[:4])
    np.testing.assert_allclose(many["current"].values[1, 0], [*raw[4:7], np.nan])
    np.testing.assert_allclose(many["current"].values[0, 1], [*raw[7:9], np.nan, np.nan])
    assert np.isnan(many["current"].values[1, 1]).all()
    np.testing.assert_allclose(many["bias"], [-1, -0.5, 0, 0.5])
    np.testing.assert_allclose(many["tip_y"], [2e-6, 5e-6])


def test_frames_of_version_seven(tmp_path: Path) -> None:
    made.mda(tmp_path / "a.mdt")
    scan = sharptip.read(tmp_path / "a.mdt")
    cells = made.mda_cells()
    height = cells["0"].astype(float).reshape(made.NY, made.NX)[::-1]
    np.testing.assert_allclose(scan["height"], (2 + 3 * height) * 1e-9, rtol=1e-12)
    phase = np.deg2rad(0.1 * cells["1"].reshape(made.NY, made.NX)[::-1])
    np.testing.assert_allclose(scan["phase"], phase, rtol=1e-12)
    assert (scan["x"].values[1], scan["y"].values[1]) == pytest.approx((1e-8, 2e-8), rel=1e-12)


def test_curves_that_explain_themselves(tmp_path: Path) -> None:
    made.points(tmp_path / "a.mdt")
    scan = sharptip.read(tmp_path / "a.mdt")
    n = made.VOLTS[2]
    assert scan["current"].shape == (2, 4, n)
    np.testing.assert_allclose(scan["current"].values[0, 3], (np.arange(n) + 60) * 1e-9)
    np.testing.assert_allclose(scan["current"].values[1, 3], (np.arange(n)[::-1] + 70) * 1e-9)
    np.testing.assert_allclose(scan["bias"], np.linspace(3, -3, n))
    assert scan["visit"].values.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(scan["tip_x"], [1.5e-6, 1.5e-6, 2.5e-6, 2.5e-6])
    assert json.loads(scan.attrs["header"])["frames"][0]["xml"] == [made.XML]


def test_spectra_at_points_of_the_older_type(tmp_path: Path) -> None:
    """Type 1 may say where its curves were taken, as type 201 does."""
    made.spectra(tmp_path / "a.mdt")
    data = (tmp_path / "a.mdt").read_bytes()
    at = data.index(struct.pack("<H", 201))
    (tmp_path / "b.mdt").write_bytes(data[:at] + struct.pack("<H", 1) + data[at + 2 :])
    new, old = sharptip.io.scans(tmp_path / "a.mdt")[1], sharptip.io.scans(tmp_path / "b.mdt")[1]
    np.testing.assert_array_equal(old["current"], new["current"])
    np.testing.assert_array_equal(old["tip_x"], new["tip_x"])


def test_a_frame_without_a_scale_costs_no_other(tmp_path: Path) -> None:
    height, current = (made.scanned(t, 0, z) for t, z in (("1F:Height", (10.0, 0.5, 0)), ("1F:Iprobe", (0.0, 0.0, 1))))
    made._file(tmp_path / "a.mdt", height, current)
    scan = sharptip.read(tmp_path / "a.mdt")
    assert list(scan.data_vars) == ["height"]
    assert "frame 1: its converter's step is 0" in json.loads(scan.attrs["unread_frames"])[0]


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    made._file(tmp_path / "a.mdt", made.text_frame())
    with pytest.raises(ReadError, match="a text"):
        sharptip.read(tmp_path / "a.mdt")
    made._file(tmp_path / "b.mdt", made.scanned("1F:Height", 0, (0.0, 1.0, 0)), made._frame(33, b"", b"?"))
    assert json.loads(sharptip.read(tmp_path / "b.mdt").attrs["unread_frames"]) == ["frame 1: of the unknown type 33"]


def test_real_file_and_where_its_curves_were_taken() -> None:
    """The points lie inside the image, curves there and back agree, and bias drives the current one way."""
    image, curves = sharptip.io.scans(real("vendor", "ntmdt", "test_mdt.mdt"))
    header = json.loads(image.attrs["header"])["frames"][0]
    for k, axis in enumerate("xy"):
        start = header["calibrations"][k]["scale"]["offset"] * 1e-6
        places = curves[f"tip_{axis}"].values - start
        assert 0 < places.min() < places.max() < 3.02e-6
    assert image["current"].shape == (256, 256)
    there, back = curves["current"].values
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(there, back, strict=True)]) > 0.9
    assert np.median(there[:, 0]) > 1e-9 > -1e-9 > np.median(there[:, -1])
    assert (curves["bias"].values[0], curves["bias"].values[-1]) == pytest.approx((3, -3), abs=1e-3)
