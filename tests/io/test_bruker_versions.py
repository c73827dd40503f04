"""Bruker headers of many versions: scales, sizes, names, parts that were not measured, and what came before 4.3."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.io import make_files as images
from tests.io.files import bruker_force as curves

import sharptip
from sharptip.core.errors import ReadError
from sharptip.io.bruker_header import extent, parse, quoted, sensitivity

NM = images.ZSCALE * images.ZSENS / 65536  # nanometres a count


def changed(path: Path, *pairs: tuple[str, str]) -> Path:
    """The file with words of its header replaced, its data where they were."""
    data = path.read_bytes()
    for old, new in pairs:
        assert old.encode("latin-1") in data, old
        data = data.replace(old.encode("latin-1"), new.encode("latin-1"))
        head = data.index(b"\x1a") + 1
        start = len(data) - (path.stat().st_size - images.BRUKER_START)
        data = data[:head].ljust(images.BRUKER_START, b"\0") + data[start:]
    path.write_bytes(data)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    images.bruker(tmp_path / "a.spm")
    return tmp_path / "a.spm"


# --- images -----------------------------------------------------------------------------------------------------------


def test_what_was_not_measured_is_no_number(image: Path) -> None:
    """A scan that was stopped keeps its frame and says which part of it is valid, counted from the bottom."""
    valid = "\\Valid data start Y: 1\r\n\\Valid data len Y: 3\r\n\\Valid data len X: 5\r\n"
    path = changed(image, ("\\Line Direction: Trace\r\n", "\\Line Direction: Trace\r\n" + valid))
    with pytest.warns(UserWarning, match=rf"the scan was stopped: 3 of {images.NY} lines were recorded"):
        amplitude = sharptip.read(path)["amplitude"].values
    whole = images.bruker_counts()[2]
    seen = np.isfinite(amplitude)
    assert seen[-4:-1, :5].all()
    assert seen.sum() == 15
    np.testing.assert_allclose(amplitude[seen], (whole * (1000e-3 * 20e-9 / 65536))[seen], rtol=1e-14)


def test_a_file_that_holds_the_valid_part_alone(image: Path) -> None:
    ny, nx = images.NY, images.NX
    pairs = [(f"\\Number of lines: {ny}", f"\\Number of lines: {3 * ny}\r\n\\Valid data len Y: {ny}")]
    pairs += [(f"\\Samps/line: {nx}\r\n\\Number", f"\\Samps/line: {nx}\r\n\\Valid data len X: {nx}\r\n\\Number")]
    scan = sharptip.read(changed(image, *pairs))
    np.testing.assert_allclose(scan["height"][0], images.bruker_counts()[0] * NM * 1e-9, rtol=1e-14)


def test_pixels_are_those_of_the_scan_where_an_image_says_others(image: Path) -> None:
    """Seen in version 5.30: the sections of the images say sizes that do not fill the data."""
    path = changed(image, (f"\\Number of lines: {images.NY}", "\\Number of lines: 7"))
    assert sharptip.read(path)["height"].shape == (2, images.NY, images.NX)


def test_the_aspect_ratio_cuts_the_square_that_the_size_is() -> None:
    """As NanoScope Analysis shows it; 10 µm and 2:1 are 10 × 5 µm, whichever way the lines were set."""
    scan = {"scan size": "10 ~m", "aspect ratio": "1:1"}
    assert extent({"scan size": "10 10 ~m", "aspect ratio": "2:1"}, scan) == pytest.approx((5e-6, 10e-6))
    assert extent({"scan size": "10 10 ~m", "aspect ratio": "1.6:1"}, scan) == pytest.approx((6.25e-6, 10e-6))
    assert extent({"scan size": "10 4 ~m", "aspect ratio": "2:1"}, scan) == pytest.approx((4e-6, 10e-6))
    assert extent({"scan size": "10 10 ~m"}, scan | {"aspect ratio": "4:1"}) == pytest.approx((10e-6, 10e-6))
    assert extent({}, scan | {"aspect ratio": "4:1"}) == pytest.approx((2.5e-6, 10e-6))


def test_a_scan_of_no_size_keeps_its_pixels(image: Path) -> None:
    """Noise is recorded with the scan size 0: there are numbers, and no lengths."""
    extent_said = f"\\Scan Size: {images.WIDTH * 1e6:g} {images.HEIGHT * 1e6:g} ~m"
    scan = sharptip.read(changed(image, (extent_said, "\\Scan Size: 0 0 nm")))
    assert scan["x"].attrs["units"] == "px"
    np.testing.assert_allclose(scan["height"][0], images.bruker_counts()[0] * NM * 1e-9, rtol=1e-14)


def test_channels_of_a_second_pass_and_without_a_soft_scale(image: Path) -> None:
    """`@3:` is the interleaved pass; a potential has an empty inner name and stands in volts."""
    pairs = [('\\@2:Image Data: S [Amplitude] "Amplitude"', '\\@3:Image Data: S [] "Potential" old words')]
    pairs += [
        ("\\@2:Z scale: V [Sens. AmplSens] (0.006713867 mV/LSB) 1000.0 mV", "\\@3:Z scale: V (0.0003 V/LSB) 20 V")
    ]
    scan = sharptip.read(changed(image, *pairs))
    np.testing.assert_allclose(scan["potential"], images.bruker_counts()[2] * (20 / 65536), rtol=1e-14)


def test_the_second_pass_is_no_way_back_of_the_first(image: Path) -> None:
    """An image of the interleaved pass has the name of one of the main pass, and may go the other way."""
    path = changed(image, ("\\Line Direction: Retrace", "\\Scan Line: Interleave\r\n\\Line Direction: Retrace"))
    scan = sharptip.read(path)
    first, second = images.bruker_counts()[:2] * NM * 1e-9
    np.testing.assert_allclose(scan["height"], first, rtol=1e-14)
    np.testing.assert_allclose(scan["height_2"], second, rtol=1e-14)
    assert scan["height_2"].attrs["scan_line"] == "Interleave"
    assert "scan_line" not in scan["height"].attrs


def test_a_channel_without_pixels_does_not_cost_the_others(image: Path) -> None:
    data = image.read_bytes()
    at = data.rindex(b"\\Samps/line:")
    image.write_bytes(data[:at] + data[at:].replace(f"\\Samps/line: {images.NX}".encode(), b"\\Samps/line: 0 0", 1))
    data = image.read_bytes()
    cut = data.index(b"\x1a") + 1
    image.write_bytes(data[:cut] + data[cut + 2 :])
    scan = sharptip.read(image)
    assert "Amplitude: it has no pixels" in json.loads(scan.attrs["unread"])
    assert list(scan.data_vars) == ["height"]


@pytest.mark.parametrize("first", ["\\*EC File list", "\\*File list"])
def test_other_beginnings_and_a_header_without_its_last_line(first: str, image: Path) -> None:
    path = changed(image, ("\\*File list\r", first + "\r"), ("\\*File list end\r\n", "\\Any: end\r\n"))
    np.testing.assert_allclose(sharptip.read(path)["height"][0], images.bruker_counts()[0] * NM * 1e-9, rtol=1e-14)


def test_scales_with_parentheses_and_with_words_where_a_number_was() -> None:
    log = parse("V [Sens. LogStiffnessSens] (0.0000000011 log(Arb)/LSB) 4.832452 log(Arb)")
    assert (log.per_count, log.hard, log.unit) == (1.1e-9, 4.832452, "log(Arb)")
    broken = parse("V [Sens. Zsens] (\\Data length V/LSB) 151.4807 V")
    assert (broken.per_count, broken.hard) == (None, 151.4807)
    assert quoted("S [Height]") == "Height"


def test_the_sensitivity_of_the_deflection_is_per_volt_where_its_unit_was_left_out() -> None:
    common = {"@sens. deflsens": "V 27.39000", "@sens. afmsetdeflsens": "V 1.000000", "@sens. phase": "V 2.0"}
    with pytest.warns(UserWarning, match="DeflSens is 27.39 without a unit; it is taken for nm/V"):
        assert sensitivity("Sens. DeflSens", common) == (27.39, "nm/V")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sensitivity("Sens. DeflSens", {"@sens. deflsens": "V 27.39 nm/V"}) == (27.39, "nm/V")
        assert sensitivity("Sens. DeflSens", {"@sens. deflsens": "V 1.000000"}) == (1.0, "")
        assert sensitivity("Sens. Phase", common) == (2.0, "")


# --- before version 4.3 -----------------------------------------------------------------------------------------------


def old(path: Path, scale: list[str], kind: str, section: str = "NCAFM image list") -> np.ndarray:
    counts = np.arange(12, dtype="<i2").reshape(3, 4) * 100
    lines = [
        "\\*File list",
        "\\Data length: 2048",
        "\\*NC Afm list",
        "\\Samps/line: 4",
        "\\Lines: 3",
        "\\Detect sens.: 0.5",
    ]
    lines += ["\\*Controller list", "\\Z max: 220", "\\In1 max: 10", "\\*Microscope list", "\\Z sensitivity: 12"]
    lines += ["\\In sensitivity: 0.25", f"\\*{section}", "\\Data offset: 2048", "\\Data length: 24", "\\Samps/line: 4"]
    lines += [
        "\\Number of lines: 3",
        "\\Scan size: 1000 nm",
        f"\\Image data: {kind}",
        *scale,
        "\\*File list end",
        "\x1a",
    ]
    path.write_bytes("\r\n".join(lines).encode().ljust(2048, b"\0") + counts.tobytes())
    return counts[::-1].astype(float)


def test_ranges_in_units_and_in_counts(tmp_path: Path) -> None:
    counts = old(tmp_path / "a.001", ["\\Z scale: 300 nm (65536)"], "Height", "AFM image list")
    scan = sharptip.read(tmp_path / "a.001")
    np.testing.assert_allclose(scan["height"], counts * (300e-9 / 65536), rtol=1e-14)
    assert float(scan["x"][1]) == pytest.approx(250e-9)
    counts = old(tmp_path / "b.001", ["\\Z scale height: 6000"], "Height")
    volts = counts / 65536 * 6000 / 65536 * 2 * 220
    np.testing.assert_allclose(sharptip.read(tmp_path / "b.001")["height"], volts * 12e-9, rtol=1e-14)
    counts = old(tmp_path / "c.001", ["\\Z scale ampl: 6000"], "Amplitude")
    volts = counts / 65536 * 6000 / 65536 * 2 * 10
    np.testing.assert_allclose(sharptip.read(tmp_path / "c.001")["amplitude"], volts * 0.25e-9 / 0.5, rtol=1e-14)
    counts = old(tmp_path / "d.001", ["\\Z scale phase: 6000"], "Phase")
    degrees = counts / 65536 * 6000 / 65536 * 180
    np.testing.assert_allclose(sharptip.read(tmp_path / "d.001")["phase"], np.deg2rad(degrees), rtol=1e-14)


def test_old_kinds_of_images_and_missing_scales_are_named(tmp_path: Path) -> None:
    old(tmp_path / "a.001", ["\\Z scale lumi: 6000"], "Luminescence")
    with pytest.raises(ReadError, match="'Luminescence'"):
        sharptip.read(tmp_path / "a.001")
    old(tmp_path / "b.001", [], "Height")
    with pytest.raises(ReadError, match="'z scale height'"):
        sharptip.read(tmp_path / "b.001")


# --- curves -----------------------------------------------------------------------------------------------------------


def test_counts_of_two_bytes_in_numbers_of_four(tmp_path: Path) -> None:
    """A force volume of version 9.2 whose header says two bytes: its image and its curves count in steps of two."""
    curves.write(tmp_path / "a.spm", shape=curves.MAP, width=4, digits=2, approach=curves.N - 3)
    tree = sharptip.read(tmp_path / "a.spm")
    n = curves.MAP[0] * curves.MAP[1]
    step = 440.0 / 65536 * curves.ZSENS * 1e-9
    np.testing.assert_allclose(tree["a/height"], np.arange(n).reshape(curves.MAP) * 100 * step, rtol=1e-13)
    metres = curves.deflection(5, curves.N - 3) * curves.STEP * curves.DEFL * 1e-9
    np.testing.assert_allclose(tree["a_curves/deflection"][5], metres, rtol=1e-14)


def test_a_gap_of_two_bytes_in_numbers_of_four(tmp_path: Path) -> None:
    curves.write(tmp_path / "a.001", width=4, digits=2)
    data = bytearray((tmp_path / "a.001").read_bytes())
    data[curves.START : curves.START + 4] = curves.GAP.to_bytes(4, "little", signed=True)
    (tmp_path / "a.001").write_bytes(data)
    deflection = sharptip.read(tmp_path / "a.001")["deflection"].values[0]
    assert np.flatnonzero(np.isnan(deflection)).tolist() == [curves.N - 1]


def test_what_was_ramped_instead_of_the_height(tmp_path: Path) -> None:
    """Current over bias: the halves lie as they were taken, and the bias goes with them."""
    curves.ramp(tmp_path / "a.001")
    data = (tmp_path / "a.001").read_bytes()
    ramp = (
        '\\@4:Ramp channel: S [DCSampleBias] "DC Sample Bias"\r\n\\@4:Ramp Begin DC Sample Bias: V (0.0003 V/LSB) -2 V'
    )
    ramp += "\r\n\\@4:Ramp End DC Sample Bias: V (0.0003 V/LSB) 3 V\r\n\\force/line"
    data = data.replace(b"\\force/line", ramp.encode(), 1)
    body = data[-4 * curves.N * 2 :]
    (tmp_path / "a.001").write_bytes(data[: data.index(b"\x1a") + 1].ljust(curves.START, b"\0") + body)
    scan = sharptip.read(tmp_path / "a.001")
    assert json.loads(scan.attrs["segments"]) == ["other", "other"]
    np.testing.assert_allclose(scan["bias"][0], np.tile(np.linspace(-2, 3, curves.N), 2), rtol=1e-14)
    taken = curves.deflection(0)
    stored = np.concatenate([taken[: curves.N][::-1], taken[curves.N :]])
    np.testing.assert_allclose(scan["deflection"][0], stored * curves.STEP * curves.DEFL * 1e-9, rtol=1e-14)
    assert "height" not in scan
