"""Bruker force curves: order, scales, holds, maps and captures by the published layout; the physics of a real one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import bruker_force as made
from tests.real import real

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.core.lazy import Lazy

METRES = made.STEP * made.DEFL * 1e-9  # of deflection per count


def test_a_ramp_runs_from_the_start_of_the_approach_to_the_end_of_the_retract(tmp_path: Path) -> None:
    made.ramp(tmp_path / "a.001")
    scan = sharptip.read(tmp_path / "a.001")
    assert json.loads(scan.attrs["segments"]) == ["approach", "retract"]
    np.testing.assert_allclose(scan["deflection"][0], made.deflection(0) * METRES, rtol=1e-14)
    np.testing.assert_allclose(scan["force"][0], made.deflection(0) * METRES * made.SPRING, rtol=1e-14)
    np.testing.assert_allclose(
        scan["height_sensor"][0], -made.sensor(0) * made.STEP * made.ZSENSOR * 1e-9, rtol=1e-14, atol=1e-24
    )
    assert scan["height_sensor"].attrs["vendor_sign"] == -1
    step = made.RAMP * made.ZSENS * 1e-9 / made.N
    way = np.concatenate([np.arange(made.N)[::-1], np.arange(made.N)]) * step
    np.testing.assert_allclose(scan["height"][0], way, rtol=1e-13)
    seconds = made.RAMP / made.VELOCITY / made.N
    np.testing.assert_allclose(scan["time"][0, : made.N], np.arange(made.N) * seconds, rtol=1e-13)
    np.testing.assert_allclose(np.diff(scan["time"][0, made.N :]), 2 * seconds, rtol=1e-12)
    np.testing.assert_array_equal(scan["segment"][0], np.repeat([0, 1], made.N))
    assert scan.attrs["spring_constant"] == made.SPRING
    assert scan.attrs["sensitivity"] == pytest.approx(made.DEFL * 1e-9, rel=1e-14)
    assert "\\Spring Constant: 42.0" in json.loads(scan.attrs["header"])
    units = {"deflection": "m", "force": "N", "height_sensor": "m", "height": "m", "time": "s"}
    assert {n: scan[n].attrs["units"] for n in units} == units


def test_names_of_old_versions(tmp_path: Path) -> None:
    made.write(tmp_path / "a.001", old=True)
    scan = sharptip.read(tmp_path / "a.001")
    np.testing.assert_allclose(scan["deflection"][0], made.deflection(0) * METRES, rtol=1e-14)
    assert float(scan["height"].max()) == pytest.approx(
        made.RAMP * made.ZSENS * 1e-9 * (made.N - 1) / made.N, rel=1e-12
    )


@pytest.mark.parametrize("width", [2, 4])
def test_a_short_approach_and_a_hold(width: int, tmp_path: Path) -> None:
    approach, hold = made.N - 5, 6
    made.write(tmp_path / "a.001", approach=approach, hold=hold, width=width)
    scan = sharptip.read(tmp_path / "a.001")
    assert json.loads(scan.attrs["segments"]) == ["approach", "pause", "retract"]
    np.testing.assert_allclose(scan["deflection"][0], made.deflection(0, approach, hold) * METRES, rtol=1e-14)
    np.testing.assert_array_equal(np.bincount(scan["segment"].values[0].astype(int)), [approach, hold, made.N])
    time = scan["time"].values[0]
    assert (np.diff(time) > 0).all()
    assert time[approach + hold] - time[approach] == pytest.approx(made.HOLD_TIME, rel=1e-12)
    held = scan["height"].values[0, approach : approach + hold]
    np.testing.assert_array_equal(held, 0)


def test_a_sample_that_was_not_taken_is_no_number(tmp_path: Path) -> None:
    made.ramp(tmp_path / "a.001")
    data = bytearray((tmp_path / "a.001").read_bytes())
    data[made.START : made.START + 2] = (made.GAP).to_bytes(2, "little", signed=True)
    (tmp_path / "a.001").write_bytes(data)
    deflection = sharptip.read(tmp_path / "a.001")["deflection"].values[0]
    assert np.isnan(deflection[made.N - 1])
    assert np.isfinite(np.delete(deflection, made.N - 1)).all()


def test_a_force_volume_has_its_image_and_its_curves_in_place(tmp_path: Path) -> None:
    made.volume(tmp_path / "a.spm")
    tree = sharptip.read(tmp_path / "a.spm")
    image, curves = tree["a"].to_dataset(), tree["a_curves"].to_dataset()
    ny, nx = made.MAP
    assert curves.attrs["map_shape"] == [ny, nx]
    approach = made.N - 3
    for k in range(ny * nx):
        np.testing.assert_allclose(curves["deflection"][k], made.deflection(k, approach) * METRES, rtol=1e-14)
    # The image says at each pixel which curve belongs there, the bottom line being the first of both.
    order = image["height"].values / (440.0 / 65536 * made.ZSENS * 1e-9 * 100)
    row, column = curves["row"].values.astype(int), curves["column"].values.astype(int)
    np.testing.assert_allclose(order[::-1].ravel(), np.arange(ny * nx)[::1].reshape(ny, nx)[::-1].ravel(), atol=1e-9)
    np.testing.assert_array_equal(row, np.repeat(np.arange(ny)[::-1], nx))
    np.testing.assert_array_equal(column, np.tile(np.arange(nx), ny))
    np.testing.assert_allclose(curves["tip_x"], image["x"].values[column], rtol=1e-12, atol=1e-20)
    np.testing.assert_allclose(curves["tip_y"], image["y"].values[row], rtol=1e-12, atol=1e-20)


def test_curves_of_a_volume_stay_in_the_file_until_asked_for(tmp_path: Path) -> None:
    made.volume(tmp_path / "a.spm")
    grid = sharptip.io.grids(tmp_path / "a.spm")[1][1]
    by_name = {c.name: c.data for c in grid.channels}
    assert all(isinstance(by_name[n], Lazy) for n in ("deflection", "force", "height_sensor"))
    np.testing.assert_allclose(by_name["deflection"][7], made.deflection(7, made.N - 3) * METRES, rtol=1e-14)


def test_a_capture_turns_where_the_sync_distance_says(tmp_path: Path) -> None:
    made.capture(tmp_path / "a.pfc")
    scan = sharptip.read(tmp_path / "a.pfc")
    for k in range(made.MAP[0] * made.MAP[1]):
        np.testing.assert_allclose(scan["deflection"][k], made.captured(k) * METRES, rtol=1e-14)
    assert json.loads(scan.attrs["segments"]) == ["approach", "retract"]
    height = scan["height"].values[0]
    assert height.argmin() == made.N == scan["deflection"].values[0].argmax()
    assert (height[0], height[made.N]) == pytest.approx((2 * made.AMPLITUDE * 1e-9, 0.0), abs=1e-20)
    assert float(scan["time"][0, 1]) == pytest.approx(1 / (2000 * 2 * made.N), rel=1e-12)
    assert scan.attrs["map_shape"] == list(made.MAP)


def test_a_capture_of_unknown_phase_gets_no_height(tmp_path: Path) -> None:
    made.capture(tmp_path / "a.pfc", sync=0)
    scan = sharptip.read(tmp_path / "a.pfc")
    assert "height" not in scan
    assert json.loads(scan.attrs["segments"]) == ["other"]
    np.testing.assert_allclose(
        scan["deflection"][0], np.roll(made.captured(0), made.SYNC - made.N) * METRES, rtol=1e-14
    )


def test_what_does_not_fit_or_is_too_old_is_named(tmp_path: Path) -> None:
    made.ramp(tmp_path / "a.001")
    data = (tmp_path / "a.001").read_bytes()
    (tmp_path / "b.001").write_bytes(data.replace(b"Samps/line: 16 16", b"Samps/line: 15 16"))
    with pytest.raises(ReadError, match=r"16 \+ 15 samples do not make up"):
        sharptip.read(tmp_path / "b.001")
    (tmp_path / "c.001").write_bytes(data.replace(b"*Ciao force image list", b"*Old_ force image list"))
    with pytest.raises(ReadError, match=r"older than NanoScope 4\.3"):
        sharptip.read(tmp_path / "c.001")


def test_the_real_ramp_on_sapphire() -> None:
    """Counts by hand; the trigger stopped the ramp; the sensor followed the ramp; sapphire does not give way."""
    path = real("vendor", "bruker", "BrukerReader_ForceCurve_Sapphire_TAP525.001")
    scan = sharptip.read(path)
    raw = np.fromfile(path, "<i2", offset=40960).reshape(2, 2, 512)
    deflection, sensor = (np.concatenate([c[0, ::-1], c[1]]) for c in raw)
    np.testing.assert_allclose(scan["deflection"][0], deflection * (0.000375 * 72.76923e-9), rtol=1e-13)
    np.testing.assert_allclose(scan["height_sensor"][0], -sensor * (0.000375 * 960.1708e-9), rtol=1e-13)
    assert (scan.attrs["spring_constant"], scan.attrs["sensitivity"]) == (90.0, pytest.approx(72.76923e-9))
    height, d = scan["height_sensor"].values[0], scan["deflection"].values[0]
    approach = scan["segment"].values[0] == 0
    volts = (d[approach].max() - np.median(d[approach][:50])) / scan.attrs["sensitivity"]
    assert volts == pytest.approx(0.2061311, rel=0.05), "Trig threshold Deflection, relative"
    assert np.ptp(height[approach]) == pytest.approx(np.ptp(scan["height"].values[0][approach]), rel=0.02)
    assert float(scan["time"][0, -1]) == pytest.approx(1 / 1.02796, rel=0.002), "Scan rate"
    slope = np.polyfit(height[505:512], d[505:512], 1)[0]
    assert -1.5 < slope < -0.8, "the tip stands while the cantilever is pushed down"
    assert abs(np.median(scan["force"].values[0][:100]) - np.median(scan["force"].values[0][-100:])) < 1e-8
