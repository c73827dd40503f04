"""WSxM images: orientation, counts and real numbers, units; and the same real scan stored both ways."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import wsxm as made
from tests.real import real

import sharptip
from sharptip.core.errors import ReadError

HEIGHT = made.counts() * made.PER_COUNT * 1e-9


@pytest.mark.parametrize("kind", ["short", "integer", "float", "double"])
def test_every_type_of_number_says_the_same(kind: str, tmp_path: Path) -> None:
    made.image(tmp_path / "a.stp", kind=kind)
    scan = sharptip.read(tmp_path / "a.stp")
    np.testing.assert_allclose(scan["height"], HEIGHT, rtol=1e-7)
    assert scan["height"].attrs["units"] == "m"
    assert scan["height"].attrs["direction"] == "backward"
    assert scan.attrs["slow_direction"] == "down"
    np.testing.assert_allclose(scan["x"], np.arange(made.NX) * 5e-8, rtol=1e-12)
    np.testing.assert_allclose(scan["y"], np.arange(made.NY) * 2.5e-8, rtol=1e-12)
    assert "X Calibration: 290.4 Å/V" in json.loads(scan.attrs["header"])


def test_a_header_that_is_wrong_about_its_size_and_silent_about_its_type(tmp_path: Path) -> None:
    made.image(tmp_path / "a.top", size=0, said=False)
    np.testing.assert_allclose(sharptip.read(tmp_path / "a.top")["height"], HEIGHT, rtol=1e-12)


@pytest.mark.parametrize(
    ("channel", "unit", "name", "si", "factor"),
    [
        ("Current", "nA", "current", "A", 1e-9),
        ("Phase", "Pi", "phase", "rad", np.pi),
        ("Phase", "Deg", "phase", "rad", np.pi / 180),
        ("Frequency Shift", "Hz", "frequency_shift", "Hz", 1),
        ("Adhesion", "a.u.", "adhesion", "arb", 1),
    ],
)
def test_other_channels_and_units(channel: str, unit: str, name: str, si: str, factor: float, tmp_path: Path) -> None:
    made.image(tmp_path / "a.ch1", channel=channel, unit=unit)
    scan = sharptip.read(tmp_path / "a.ch1")
    assert scan[name].attrs["units"] == si
    np.testing.assert_allclose(scan[name], made.counts() * made.PER_COUNT * factor, rtol=1e-12)


def test_what_is_no_image_of_a_place_is_refused_by_name(tmp_path: Path) -> None:
    made.image(tmp_path / "a.stp", lateral="1/nm")
    with pytest.raises(ReadError, match="X Amplitude is in '1/nm'"):
        sharptip.read(tmp_path / "a.stp")
    made.image(tmp_path / "b.lev", what="Level file")
    with pytest.raises(ReadError, match="'Level file'"):
        sharptip.read(tmp_path / "b.lev")


@pytest.mark.parametrize("kind", ["short", "double"])
def test_spectroscopy_image(kind: str, tmp_path: Path) -> None:
    made.spectroscopy(tmp_path / "a.gsi", kind)
    scan = sharptip.read(tmp_path / "a.gsi")
    np.testing.assert_allclose(scan["height"], HEIGHT, rtol=1e-12)
    np.testing.assert_allclose(scan["bias"], np.array(made.RAMP) * 1e-3, rtol=1e-12)
    name, unit = ("normal_force", "N") if kind == "short" else ("current", "A")
    assert scan[name].dims == ("y", "x", "bias")
    assert scan[name].attrs["units"] == unit
    stored = made.stack("ramp", kind).transpose(1, 2, 0)
    physical = made.SHIFT - stored * made.CONVERTER * made.GAIN if kind == "short" else stored
    np.testing.assert_allclose(scan[name], physical * 1e-9, rtol=1e-12)
    np.testing.assert_allclose(scan[name].isel(y=2, bias=1), physical[2, :, 1] * 1e-9, rtol=1e-12)
    assert scan.attrs["ramp"] == "Backward"
    assert "no real file" in scan.attrs["reader_untested"]


def test_a_ramp_that_is_not_listed_is_counted(tmp_path: Path) -> None:
    made.spectroscopy(tmp_path / "a.gsi", listed=2)
    assert sharptip.read(tmp_path / "a.gsi")["normal_force"].dims == ("y", "x", "sample")


@pytest.mark.parametrize(("kind", "listed"), [("short", True), ("double", False)])
def test_movie(kind: str, listed: bool, tmp_path: Path) -> None:
    made.movie(tmp_path / "a.mpp", kind, listed)
    film = sharptip.read(tmp_path / "a.mpp")
    assert film["height"].dims == ("time", "y", "x")
    worth = made.PER_COUNT if kind == "short" else 1.0
    np.testing.assert_allclose(film["height"], made.stack("film", kind) * worth * 1e-9, rtol=1e-12)
    np.testing.assert_allclose(film["height"].isel(time=1), made.stack("film", kind)[1] * worth * 1e-9, rtol=1e-12)
    np.testing.assert_allclose(film["time"], made.TIMES if listed else [0, 2, 4], rtol=1e-12)
    assert film["time"].attrs["units"] == "s"
    data = (tmp_path / "a.mpp").read_bytes().replace(b"Total Time: 6 s", b"Total Time: 0 s").replace(b"sec", b"")
    (tmp_path / "b.mpp").write_bytes(data.replace(b"Frame 0", b"Frame x"))
    assert sharptip.read(tmp_path / "b.mpp")["height"].dims == ("sample", "y", "x"), "times are not made up"


@pytest.mark.parametrize("back", [False, True])
def test_curve_there_and_back(back: bool, tmp_path: Path) -> None:
    made.curve(tmp_path / "a.iv.cur", back=back)
    scan = sharptip.read(tmp_path / "a.iv.cur")
    x = np.linspace(-0.1, 0.1, 5)
    np.testing.assert_allclose(scan["bias"], x, atol=1e-15)
    assert scan["current"].dims == ("direction", "site", "bias")
    known = np.stack([(x * 1e3) ** 2 + 10 * k + x * 1e3 for k in (0, 1)]) * 1e-9
    np.testing.assert_allclose(scan["current"][:, 0], known, rtol=1e-9)


def test_other_curves(tmp_path: Path) -> None:
    made.curve(tmp_path / "a.cur", lines=1, axis="Z", unit="nm", kind="FZ")
    assert sharptip.read(tmp_path / "a.cur")["current"].dims == ("site", "distance")
    made.curve(tmp_path / "b.cur", lines=3)
    scan = sharptip.read(tmp_path / "b.cur")
    assert scan["current"].dims == scan["bias"].dims == ("curve", "sample")
    assert scan["bias"].attrs["units"] == "V"
    whole = (tmp_path / "b.cur").read_bytes()
    (tmp_path / "b.cur").write_bytes(whole[: whole.rindex(b"\r\n", 0, -2) + 2])
    with pytest.raises(ReadError, match="5 points of 3 lines"):
        sharptip.read(tmp_path / "b.cur")


def test_the_same_real_scan_in_counts_and_in_nanometres() -> None:
    counts = sharptip.read(real("vendor", "wsxm", "sample_0.top"))
    numbers = sharptip.read(real("vendor", "wsxm", "sample_0.stp"))
    np.testing.assert_array_equal(counts["height"], numbers["height"])
    raw = np.frombuffer(real("vendor", "wsxm", "sample_0.top").read_bytes()[-512 * 512 * 2 :], "<i2").reshape(512, 512)
    volts = raw[::-1, ::-1] * (20 / 65536)  # the header: 20 V in 16 bits, 13.6 nm per volt
    np.testing.assert_allclose(counts["height"], volts * 13.6e-9, rtol=1e-6)
    assert counts["x"].values[1] == pytest.approx(500e-9 / 512, rel=1e-12)
    assert (counts["height"].attrs["direction"], counts.attrs["slow_direction"]) == ("forward", "up")
    assert "Z Calibration: -136 Å/V" in json.loads(counts.attrs["header"])
