"""Park Systems TIFF: numbers, units, direction and orientation of images; curves; and no other reader takes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import park as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.io import image, jpk, park

UM = 1e-6


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4"])
def test_image(dtype: str, tmp_path: Path) -> None:
    made.park(tmp_path / "a.tiff", dtype)
    scan = sharptip.read(tmp_path / "a.tiff")
    assert scan.attrs["format"] == "park"
    assert list(scan.data_vars) == ["height"]
    np.testing.assert_allclose(scan["height"], made.counts(dtype) * np.float64(made.GAIN) * UM, rtol=1e-15)
    np.testing.assert_allclose(scan["x"], np.arange(made.NX) * 5e-8, rtol=1e-12)
    np.testing.assert_allclose(scan["y"], np.arange(made.NY) * 5e-8, rtol=1e-12)
    assert scan["height"].attrs["direction"] == "forward"
    assert scan["height"].attrs["vendor_name"] == "Z Height"
    assert scan.attrs["slow_direction"] == "up"
    assert "no real file" in scan.attrs["reader_untested"]
    header = json.loads(scan.attrs["header"])
    assert (header["comments"], header["head_mode"], header["sample_bias"]) == ("made", "NCM", 0.5)


def test_first_version_has_16_bit_numbers(tmp_path: Path) -> None:
    made.park(tmp_path / "a.tiff", "i2", version=1)
    np.testing.assert_allclose(sharptip.read(tmp_path / "a.tiff")["height"], made.counts("i2") * made.GAIN * UM)


def test_other_direction_unit_scale_and_offset(tmp_path: Path) -> None:
    said = {"source": "Phase Backward", "unit": "deg", "forward": 0, "up": 0, "scale": 2.0, "offset": 7.0}
    made.park(tmp_path / "a.tiff", **said)
    scan = sharptip.read(tmp_path / "a.tiff")
    expected = np.deg2rad((made.counts() * 2.0 + 7.0) * made.GAIN)
    np.testing.assert_allclose(scan["phase"], expected, rtol=1e-12)
    assert (scan["phase"].attrs["direction"], scan.attrs["slow_direction"]) == ("backward", "down")


def test_logarithms_and_unknown_units_are_arbitrary(tmp_path: Path) -> None:
    made.park(tmp_path / "a.tiff", source="Current", unit="nA", log=1)
    scan = sharptip.read(tmp_path / "a.tiff")
    assert {k: scan["current"].attrs[k] for k in ("units", "vendor_units", "log_scale")} == {
        "units": "arb", "vendor_units": "nA", "log_scale": 1,
    }  # fmt: skip
    made.park(tmp_path / "b.tiff", unit="")
    assert sharptip.read(tmp_path / "b.tiff")["height"].attrs["units"] == "arb"


def test_neither_the_picture_reader_nor_jpk_takes_it_wherever_its_page_is(tmp_path: Path) -> None:
    for tail in (0, 200_000):
        path = tmp_path / f"{tail}.tif"
        made.park(path, tail=tail)
        head = path.read_bytes()[: sharptip.io.HEAD]
        assert park.detect(head, path)
        assert not jpk.detect(head, path)
        assert image.detect(head, path), "which is why general readers are asked last"
        assert sharptip.read(path).attrs["format"] == "park"


def test_a_plain_tiff_is_not_park(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", made.counts("i2"))
    assert not park.detect((tmp_path / "a.tif").read_bytes(), tmp_path / "a.tif")


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    for said, words in (({"kind": 1}, "line profile"), ({"regions": 2}, "several sizes"), ({"version": 3}, "version")):
        made.park(tmp_path / "a.tiff", **said)
        with pytest.raises(ReadError, match=words):
            sharptip.read(tmp_path / "a.tiff")


@pytest.mark.parametrize(("kind", "one"), [(2, "curve"), (3, "site")])
def test_spectra(kind: int, one: str, tmp_path: Path) -> None:
    made.spectra(tmp_path / "a.tiff", kind)
    scan = sharptip.read(tmp_path / "a.tiff")
    counts = made.curves()
    assert scan["force"].dims == (one, "sample")
    np.testing.assert_allclose(scan["height"], counts[:, 0] * 1e-9, rtol=1e-12)
    np.testing.assert_allclose(scan["force"], counts[:, 1] * 0.5e-9, rtol=1e-12)
    np.testing.assert_allclose(scan["tip_x"], np.arange(3) * 0.25e-6, rtol=1e-12)
    assert scan.attrs["sweep"] == "Z Scan"
    if one == "curve":
        assert scan.attrs["spring_constant"] == 0.6
        assert scan.attrs["sensitivity"] == pytest.approx(4e-8)
        np.testing.assert_array_equal(scan["length"], 10)


def test_tifffile_finds_the_same_bytes(tmp_path: Path) -> None:
    """A second reader of the container: the numbers are those under Park's tag."""
    tifffile = pytest.importorskip("tifffile")
    made.park(tmp_path / "a.tiff")
    with tifffile.TiffFile(tmp_path / "a.tiff") as tiff:
        tags = tiff.pages[0].tags
        numbers = np.frombuffer(bytes(tags[50434].value), "<i4").reshape(made.NY, made.NX)[::-1]
        assert tags[50432].value == made.MAGIC
    np.testing.assert_allclose(sharptip.read(tmp_path / "a.tiff")["height"], numbers * made.GAIN * UM, rtol=1e-15)
