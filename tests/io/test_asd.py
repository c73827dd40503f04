"""Films of high-speed AFM: heights from the converter's steps, every version, and what the real file says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.io.files import asd as made
from tests.real import real

import sharptip
from sharptip.core.errors import ReadError


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version(version: int, tmp_path: Path) -> None:
    made.asd(tmp_path / "a.asd", version)
    scan = sharptip.read(tmp_path / "a.asd")
    volts = made.steps() * (10 / 4096) - 5
    np.testing.assert_allclose(scan["height"], -volts[0] * 40e-9, rtol=0, atol=1e-20)
    np.testing.assert_allclose(scan["phase"], volts[1] * np.deg2rad(30.0), rtol=0, atol=1e-12)
    assert (scan["height"].attrs["units"], scan["phase"].attrs["units"]) == ("m", "rad")
    assert scan["height"].dims == ("time", "y", "x")
    np.testing.assert_allclose(scan["time"], [0, 0.25, 0.5])
    assert (scan["x"].values[1], scan["y"].values[1]) == pytest.approx((20e-9, 14e-9), rel=1e-12)
    header = json.loads(scan.attrs["header"])
    assert header["file"]["operator"] == "ab"
    assert header["file"]["comment"] == (made.COMMENT if version == 0 else made.COMMENT.replace("µ", "?"))
    assert header["frames"]["PH"]["is_stimulated"] == [0, 1, 0]
    assert scan.attrs["scan_direction"] == "x forward, y forward"


@pytest.mark.parametrize(
    ("code", "low", "high"), [(1, 0, 1), (2, 0, 2.5), (4, 0, 5), (0x10000, -1, 1), (0x20000, -2.5, 2.5)]
)
def test_range_of_the_converter(code: int, low: float, high: float, tmp_path: Path) -> None:
    """More volts are a lower sample, whichever range they were measured in."""
    made.asd(tmp_path / "a.asd", ad_range=code)
    height = sharptip.read(tmp_path / "a.asd")["height"].values
    volts = low + made.steps()[0] * (high - low) / 4096
    np.testing.assert_allclose(height, -volts * 40e-9, rtol=0, atol=1e-20)


def test_one_kind_of_data_and_errors_of_the_amplitude(tmp_path: Path) -> None:
    made.asd(tmp_path / "a.asd", kinds=(b"TP", b""))
    assert list(sharptip.read(tmp_path / "a.asd").data_vars) == ["height"]
    made.asd(tmp_path / "b.asd", kinds=(b"ER", b"IF"))
    scan = sharptip.read(tmp_path / "b.asd")
    volts = made.steps() * (10 / 4096) - 5
    np.testing.assert_allclose(scan["amplitude_error"], volts[0] * 12.5e-9, rtol=0, atol=1e-20)
    np.testing.assert_allclose(scan["if_signal"], volts[1], rtol=1e-12)
    assert scan["if_signal"].attrs == {"units": "V", "vendor_name": "IF", "vendor_units": "V"}


def test_volts_stay_volts_where_the_file_knows_no_sensitivity(tmp_path: Path) -> None:
    made.asd(tmp_path / "a.asd", sensitivities=(0.0, 0.0))
    assert sharptip.read(tmp_path / "a.asd")["phase"].attrs["units"] == "V"


def test_one_frame_is_read_alone(tmp_path: Path) -> None:
    made.asd(tmp_path / "a.asd")
    scan = sharptip.read(tmp_path / "a.asd")
    whole = (tmp_path / "a.asd").read_bytes()
    last = len(whole) - 2 * made.NX * made.NY
    (tmp_path / "a.asd").write_bytes(whole[:last] + b"\0" * (len(whole) - last))
    volts = made.steps()[1, 1] * (10 / 4096) - 5
    np.testing.assert_allclose(scan["phase"].isel(time=1), volts * np.deg2rad(30.0), atol=1e-12)
    assert (scan["phase"].isel(time=2) == np.deg2rad(-150.0)).all(), "frame 2 was read now, not before"


@pytest.mark.parametrize(
    ("at", "value", "said"), [(133, 0x123, "range 0x123"), (137, 40, "40 bits"), (0, 3, "no reader knows")]
)
def test_what_is_not_known_is_refused(at: int, value: int, said: str, tmp_path: Path) -> None:
    made.asd(tmp_path / "a.asd")
    data = bytearray((tmp_path / "a.asd").read_bytes())
    data[at : at + 4] = value.to_bytes(4, "little")
    (tmp_path / "a.asd").write_bytes(data)
    with pytest.raises(ReadError, match=said):
        sharptip.read(tmp_path / "a.asd")


def test_bytes_behind_the_last_frame_are_counted(tmp_path: Path) -> None:
    made.asd(tmp_path / "a.asd", tail=b"more")
    assert sharptip.read(tmp_path / "a.asd").attrs["bytes_after_frames"] == 4


def test_real_film_agrees_with_what_its_frames_say_of_themselves() -> None:
    """Each frame's header holds the greatest and least of its integers; loops of DNA stand about 2 nm above mica."""
    scan = sharptip.read(real("hs_afm", "extra_sample.asd"))
    frames = json.loads(scan.attrs["header"])["frames"]["TP"]
    steps = np.rint((5 - scan["height"].values / 90e-9) * 409.6)
    np.testing.assert_array_equal(steps.max(axis=(1, 2)), frames["max"])
    np.testing.assert_array_equal(steps.min(axis=(1, 2)), frames["min"])
    assert frames["number"] == list(range(1, 65))
    image = scan["height"].isel(time=30).values
    image = image - np.median(image, axis=1, keepdims=True)
    assert 1.5e-9 < np.quantile(image, 0.95) < 3.5e-9, "loops are brighter than mica"
    assert abs(np.quantile(image, 0.05)) < 1.5e-9
    assert scan["time"].values[1] == pytest.approx(1.00758, rel=1e-5)
    assert scan["x"].values[1] == pytest.approx(500e-9 / 256, rel=1e-12)


def test_a_film_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.asd"
    made.asd(path)
    data, whole = path.read_bytes(), sharptip.read(path).load()
    frame = 32 + 2 * made.NX * made.NY
    start = len(data) - 6 * frame

    def cut(to: int) -> xr.Dataset:
        path.write_bytes(data[:to])
        with pytest.warns(UserWarning, match=r"a\.asd: the file was cut off: "):
            return sharptip.read(path)

    scan = cut(start + 2 * frame + 32 + 2 * made.NX * 3 + 5)  # within the fourth line of the third frame of TP
    assert scan.attrs["incomplete"].endswith(
        "2 of 3 frames of TP are there, and 3 of the 5 lines of frame 2; PH is missing"
    )
    assert list(scan.data_vars) == ["height"]
    np.testing.assert_array_equal(scan["height"][:2], whole["height"][:2])
    np.testing.assert_array_equal(scan["height"][2, :3], whole["height"][2, :3])
    assert np.isnan(scan["height"][2, 3:]).all()
    np.testing.assert_array_equal(scan["height"].isel(time=[2, 0])[1], whole["height"][0])

    scan = cut(start + 4 * frame + 7)  # within the header of the second frame of PH
    assert scan.attrs["incomplete"].endswith("TP is whole; 1 of 3 frames of PH are there")
    np.testing.assert_array_equal(scan["height"], whole["height"])
    np.testing.assert_array_equal(scan["phase"][0], whole["phase"][0])
    assert np.isnan(scan["phase"][1:]).all()

    path.write_bytes(data[: start + 40])
    with pytest.raises(ReadError, match="ends before its second frame"):
        sharptip.read(path)


def test_a_short_film_whose_header_is_damaged_is_not_believed(tmp_path: Path) -> None:
    """More frames than there are would make heights of the phase; a wider line would lie in other frames."""
    path = tmp_path / "a.asd"
    for field, value in ((36, 90), (48, made.NX + 1)):  # frames, x_pixels
        made.asd(path)
        data = bytearray(path.read_bytes())
        data[field : field + 4] = value.to_bytes(4, "little")
        path.write_bytes(data)
        with pytest.raises(ReadError, match="do not count on by one"):
            sharptip.read(path)


def test_a_real_film_cut_at_any_byte_gives_what_is_there(tmp_path: Path) -> None:
    source = real("hs_afm", "extra_sample.asd")
    whole, data = sharptip.read(source)["height"], source.read_bytes()
    for share in (0.03, 0.2, 0.49):
        (tmp_path / "cut.asd").write_bytes(data[: int(share * len(data))])
        with pytest.warns(UserWarning, match="cut off"):
            part = sharptip.read(tmp_path / "cut.asd")["height"]
        assert len(part) == int(share * 2 * 64) + 1
        np.testing.assert_array_equal(part[:-1], whole[: len(part) - 1])
        lines = np.isfinite(part[-1].values).all(axis=1)
        np.testing.assert_array_equal(part[-1].values[lines], whole[len(part) - 1].values[lines])
