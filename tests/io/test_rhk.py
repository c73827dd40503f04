"""RHK `.sm4`: numbers, units, directions and orientation of images, spectra with their places, and a second reader."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.io.files import rhk as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError


def scans(path: Path) -> list[xr.Dataset]:
    return sharptip.io.scans(path)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
def test_images_lie_as_the_signs_of_their_scales_say(up: bool, mirrored: bool, tmp_path: Path) -> None:
    made.rhk(tmp_path / "a.sm4", up, mirrored)
    scan = scans(tmp_path / "a.sm4")[0]
    layers = made.images()
    scale, offset = np.float64(np.float32(made.Z_SCALE)), float(np.float32(made.Z_OFFSET))
    np.testing.assert_allclose(scan["height"].sel(direction="forward"), layers[0] * scale + offset, rtol=1e-12)
    np.testing.assert_allclose(scan["height"].sel(direction="backward"), layers[1] * scale + offset, rtol=1e-12)
    np.testing.assert_allclose(scan["current"], layers[2] * 1e-15, rtol=1e-6)
    assert {n: v.attrs["units"] for n, v in scan.data_vars.items()} == {"height": "m", "current": "A"}
    np.testing.assert_allclose(scan["x"], np.arange(made.NX) * made.PIXEL, rtol=1e-6)
    np.testing.assert_allclose(scan["y"], np.arange(made.NY) * made.PIXEL, rtol=1e-6)
    assert "no real file" in scan.attrs["reader_untested"]


def test_header_keeps_the_settings_and_every_page(tmp_path: Path) -> None:
    made.rhk(tmp_path / "a.sm4")
    scan = scans(tmp_path / "a.sm4")[0]
    header = json.loads(scan.attrs["header"])
    assert header["parameters"] == made.SETTINGS
    assert [page["label"] for page in header["pages"]] == ["Topography", "Topography", "Current", "Current", "LIA"]
    assert header["pages"][0]["user_text"] == "a note"
    assert header["pages"][0]["bias"] == 0.5
    assert scan.attrs["left_out"] == "page 5 (of data type 4)"


def test_spectra_have_their_bias_and_their_places(tmp_path: Path) -> None:
    made.rhk(tmp_path / "a.sm4")
    curves, discrete = scans(tmp_path / "a.sm4")[1:]
    assert curves["current"].dims == ("site", "bias")
    np.testing.assert_allclose(curves["current"], made.spectra() * 1e-15, rtol=1e-6)
    np.testing.assert_allclose(curves["bias"], -1 + 0.2 * np.arange(made.SAMPLES), atol=1e-6)
    np.testing.assert_allclose(np.stack([curves["tip_x"], curves["tip_y"]], 1), made.PLACES)
    np.testing.assert_allclose(discrete["bias"], np.geomspace(1, 2, made.SAMPLES), rtol=1e-6)
    np.testing.assert_allclose(discrete["lia"], 2 * np.arange(2.0 * made.SAMPLES).reshape(2, -1) + made.Z_OFFSET)


def spym_reader() -> Any:
    """spym's one module for these files, without its plots, which need packages that are not here."""
    package = importlib.util.find_spec("spym")
    if package is None or package.origin is None:
        pytest.skip("spym is not installed")
    spec = importlib.util.spec_from_file_location("spym_sm4", Path(package.origin).parent / "io/rhksm4/_sm4.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("mirrored", [False, True])
def test_spym_reads_the_same(mirrored: bool, tmp_path: Path) -> None:
    """A square image, since spym takes columns for rows where they differ in number."""
    made.rhk(tmp_path / "a.sm4", up=True, mirrored=mirrored, square=True)
    other = spym_reader().RHKsm4(str(tmp_path / "a.sm4"))
    image, curves = scans(tmp_path / "a.sm4")
    found = [image["height"].sel(direction="forward"), image["height"].sel(direction="backward"), image["current"]]
    for ours, page in zip(found, other, strict=False):
        theirs = page.data * np.float64(page.attrs["RHK_Zscale"]) + page.attrs["RHK_Zoffset"]
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        assert ours.attrs["units"] == page.attrs["RHK_Zunits"]
        np.testing.assert_allclose(image["x"], page.coords[0][1], rtol=1e-12)
    theirs = other[3].data.T * np.float64(other[3].attrs["RHK_Zscale"])
    np.testing.assert_allclose(curves["current"], theirs, rtol=1e-12)
    np.testing.assert_allclose(curves["bias"], other[3].coords[0][1], rtol=1e-12)
    np.testing.assert_allclose(curves["tip_x"], other[3].attrs["RHK_SpecDrift_Xcoord"], rtol=1e-12)
    assert json.loads(image.attrs["header"])["parameters"] == other[0].attrs["RHK_PRMdata"]


def test_older_versions_are_not_taken(tmp_path: Path) -> None:
    made.rhk(tmp_path / "a.sm4")
    raw = (tmp_path / "a.sm4").read_bytes().replace("005.006".encode("utf-16-le"), "004.002".encode("utf-16-le"))
    (tmp_path / "a.sm4").write_bytes(raw)
    with pytest.raises(ReadError, match="no reader knows"):
        sharptip.read(tmp_path / "a.sm4")
