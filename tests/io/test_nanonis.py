"""Nanonis grids and spectra: where every number goes, what is missing, what sweeps, and what a second reader finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import nanonis as made
from tests.real import real

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError


def test_a_grid_is_read_with_its_top_line_first(tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds")
    scan = sharptip.read(tmp_path / "a.3ds")
    current, phase, backward = made.sweeps()
    assert scan["current"].dims == ("direction", "y", "x", "bias")
    np.testing.assert_array_equal(scan["current"].sel(direction="forward"), current)
    np.testing.assert_array_equal(scan["current"].sel(direction="backward"), backward)
    assert scan["current"].attrs["vendor_name_backward"] == "Current [bwd] (A)"
    assert scan["phase"].dims == ("y", "x", "bias")
    np.testing.assert_allclose(scan["phase"], np.radians(phase), rtol=1e-6)
    np.testing.assert_array_equal(scan["height"], made.heights())
    for name, expected in zip(("tip_x", "tip_y"), made.positions(), strict=True):
        np.testing.assert_allclose(scan[name], expected, rtol=1e-6)
    np.testing.assert_allclose(scan["scan_current"], 3e-12, rtol=1e-6)
    assert {n: scan[n].attrs["units"] for n in ("scan_current", "sweep_start", "tip_x")} == {
        "scan_current": "A", "sweep_start": "V", "tip_x": "m",
    }  # fmt: skip
    np.testing.assert_array_equal(scan["bias"], np.linspace(-0.22, 0.22, made.POINTS))
    assert scan["bias"].attrs["units"] == "V"
    np.testing.assert_allclose(scan["y"], np.arange(made.NY) * made.STEP, rtol=1e-12)
    np.testing.assert_allclose(scan["x"], np.arange(made.NX) * made.STEP, rtol=1e-12)
    assert scan.attrs["grid_angle_deg"] == made.ANGLE
    assert scan.attrs["grid_center"] == [1e-6, 2e-6]
    assert 'Comment="made' in json.loads(scan.attrs["header"])
    assert list(scan.data_vars)[:2] == ["height", "current"]


def test_one_spectrum_of_a_grid_is_read_by_itself(tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds")
    scan = sharptip.read(tmp_path / "a.3ds")
    one = scan["current"].isel(direction=1, y=2, x=1)
    np.testing.assert_array_equal(one, made.sweeps()[2, 2, 1])
    np.testing.assert_array_equal(scan["current"].isel(y=slice(1, 3), bias=2), made.sweeps()[[0, 2], 1:3, :, 2])


@pytest.mark.parametrize("how", [{"missing": 2}, {"unreached": np.nan}, {"unreached": 0.0}], ids=str)
def test_points_that_were_not_reached_are_nan_and_said_so(how: dict[str, float], tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds", **how)
    scan = sharptip.read(tmp_path / "a.3ds")
    lost = how.get("missing", 1)
    assert (scan.attrs["points_recorded"], scan.attrs["points_planned"]) == (12 - lost, 12)
    for name in ("current", "phase", "height", "tip_x"):
        there = np.isfinite(scan[name].transpose("y", "x", ...).values.reshape(made.NY, made.NX, -1)).all(axis=-1)
        expected = np.ones((made.NY, made.NX), bool)
        expected[0, made.NX - lost :] = False  # recorded last: the right end of the top line
        np.testing.assert_array_equal(there, expected)
    np.testing.assert_array_equal(scan["current"][0, 1:], made.sweeps()[0, 1:])


def test_a_file_that_ends_within_a_point_or_after_the_last_is_refused(tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds")
    whole = (tmp_path / "a.3ds").read_bytes()
    for damaged in (whole[:-4], whole + b"\0" * 84, whole[: -84 * 12]):
        (tmp_path / "a.3ds").write_bytes(damaged)
        with pytest.raises(ReadError):
            sharptip.read(tmp_path / "a.3ds")


def test_a_line_has_the_steps_of_its_points_and_square_pixels(tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds", shape=(1, made.NX), size=((made.NX - 1) * made.STEP, 0))
    scan = sharptip.read(tmp_path / "a.3ds")
    assert dict(scan.sizes) == {"y": 1, "x": made.NX, "direction": 2, "bias": made.POINTS}
    assert scan["x"].values[1] == pytest.approx(made.STEP, rel=1e-4)
    assert sharptip.io.describe(tmp_path / "a.3ds")["scans"][0]["pixel_size_m"] == pytest.approx([made.STEP] * 2, 1e-4)
    made.grid(tmp_path / "b.3ds", shape=(made.NY, 1), size=(0, made.NY * made.STEP))
    assert sharptip.read(tmp_path / "b.3ds")["y"].values[1] == pytest.approx(made.STEP, rel=1e-4)
    made.grid(tmp_path / "c.3ds", shape=(1, 1), size=(0, 0))
    assert sharptip.read(tmp_path / "c.3ds").attrs["size"] == "unknown"


@pytest.mark.parametrize(
    ("signal", "axis"), [("Z (m)", "distance"), ("Frequency (Hz)", "frequency"), ("Time (s)", "time")]
)
def test_the_axis_is_called_by_what_was_swept(signal: str, axis: str, tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds", signal=signal)
    scan = sharptip.read(tmp_path / "a.3ds")
    np.testing.assert_array_equal(scan[axis], np.linspace(-0.22, 0.22, made.POINTS))
    assert scan["phase"].dims == ("y", "x", axis)


def test_a_sweep_of_something_else_is_counted_and_its_values_kept(tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds", signal="Heater (W)")
    scan = sharptip.read(tmp_path / "a.3ds")
    assert scan["phase"].dims == ("y", "x", "sample")
    np.testing.assert_array_equal(scan["heater"], np.linspace(-0.22, 0.22, made.POINTS))


def test_a_sweep_that_starts_elsewhere_at_each_point_keeps_its_values_at_each(tmp_path: Path) -> None:
    start = -np.arange(1.0, 13).reshape(made.NY, made.NX)
    made.grid(tmp_path / "a.3ds", start=start)
    scan = sharptip.read(tmp_path / "a.3ds")
    assert scan["bias"].dims == ("y", "x", "sample")
    np.testing.assert_allclose(scan["bias"], np.linspace(start, 0.22, made.POINTS, axis=-1), rtol=1e-12)


TABLE = "Segment Start (V), Segment End (V), Settling (s), Integration (s), Steps (xn), Lockin, Init. Settling (s)="


def test_a_sweep_in_segments_has_their_values(tmp_path: Path) -> None:
    made.grid(tmp_path / "a.3ds", extra=TABLE + "300E-3,0E+0,1E-2,1E-1,4,0E+0,0E+0;0E+0,-500E-3,1E-2,1E-1,2,0E+0,0E+0")
    np.testing.assert_allclose(sharptip.read(tmp_path / "a.3ds")["bias"], [0.3, 0.2, 0.1, 0, -0.5], atol=1e-15)
    made.grid(tmp_path / "b.3ds", extra=TABLE + "3E-1,0E+0,0,0,3,0,0;0E+0,-5E-1,0,0,2,0,0")
    np.testing.assert_allclose(sharptip.read(tmp_path / "b.3ds")["bias"], [0.3, 0.15, 0, 0, -0.5], atol=1e-15)
    made.grid(tmp_path / "c.3ds", extra=TABLE + "3E-1,0E+0,0,0,9,0,0")
    with pytest.raises(ReadError, match="segments"):
        sharptip.read(tmp_path / "c.3ds")


def test_a_spectrum_keeps_its_averages_sweeps_and_directions(tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.dat")
    scan = sharptip.read(tmp_path / "a.dat")
    table = np.array([[float(f"{v:.7E}") for v in row] for row in made.columns()])
    assert scan["current"].dims == ("direction", "site", "bias")
    np.testing.assert_array_equal(scan["current"][:, 0], table[[0, 3]])
    np.testing.assert_array_equal(scan["current_00001"][0], table[1])
    np.testing.assert_array_equal(scan["li_demod_1_x"][0], table[2])
    np.testing.assert_allclose(scan["phase_filt"][0], np.radians(table[4]), rtol=1e-14)
    np.testing.assert_allclose(scan["bias"], made.BIAS, rtol=1e-7)
    assert scan["tip_x"].values == [153.514e-9]
    assert scan["tip_y"].values == [-93.4937e-9]
    assert "height" not in scan, "the header says N/A"
    assert scan.attrs["experiment"] == "bias spectroscopy"
    assert scan["current"].attrs["vendor_name"] == "Current [AVG] (A)"


@pytest.mark.parametrize(
    ("swept", "axis"), [("Z rel (m)", "distance"), ("Frequency (Hz)", "frequency"), ("Time (s)", "time")]
)
def test_a_spectrum_over_something_else(swept: str, axis: str, tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.dat", swept, "Z spectroscopy")
    scan = sharptip.read(tmp_path / "a.dat")
    assert scan["li_demod_1_x"].dims == ("site", axis)
    np.testing.assert_allclose(scan[axis], made.BIAS, rtol=1e-7)


def test_what_nobody_has_a_unit_for_keeps_the_vendor_s(tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.dat")
    whole = (tmp_path / "a.dat").read_bytes()
    (tmp_path / "a.dat").write_bytes(whole.replace(b"LI Demod 1 X (A)", b"Current PSD (A/grit(Hz))"))
    noise = sharptip.read(tmp_path / "a.dat")["spectral_density"]
    assert (noise.attrs["units"], noise.attrs["vendor_units"]) == ("arb", "A/grit(Hz)")


def test_a_history_has_the_time_that_its_sample_period_says(tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.dat", "Output 3 (V)", "History Data", "Sample Period (ms)\t20.0\t\r\n")
    scan = sharptip.read(tmp_path / "a.dat")
    np.testing.assert_allclose(scan["time"], np.arange(6) * 0.02, rtol=1e-12)
    assert scan["output_3"].dims == ("site", "time")
    made.spectrum(tmp_path / "b.dat", "Output 3 (V)", "Generic sweep")
    assert sharptip.read(tmp_path / "b.dat")["output_3"].dims == ("site", "sample")


def test_a_spectrum_with_fewer_points_than_it_asked_for_is_truncated(tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.dat")
    lines = (tmp_path / "a.dat").read_bytes().splitlines(keepends=True)
    (tmp_path / "a.dat").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ReadError, match="5 of 6 points"):
        sharptip.read(tmp_path / "a.dat")


GRID = ("vendor", "nanonis", "NanonisReader_STS_grid_lockin.3ds")


def test_nanonispy2_reads_the_real_grid_the_same() -> None:
    nanonispy2 = pytest.importorskip("nanonispy2")
    absent = {"Delay before measuring (s)": 0, "Start time": "", "End time": "", "Comment": ""}
    other = nanonispy2.read.Grid(str(real(*GRID)), header_override=absent).signals
    scan = sharptip.read(real(*GRID))
    names = {
        "current": "Current (A)",
        "lockin_x": "LockinX (V)",
        "lockin_y": "LockinY (V)",
        "bias_recorded": "Bias_m (V)",
    }
    for ours, theirs in names.items():
        np.testing.assert_array_equal(scan[ours], other[theirs][::-1])
    for k, ours in {2: "tip_x", 3: "tip_y", 4: "height", 6: "settling_time", 9: "final_z"}.items():
        np.testing.assert_array_equal(scan[ours], other["params"][::-1, :, k])
    np.testing.assert_allclose(scan["bias"], other["sweep_signal"], atol=1e-7)


def test_the_tip_of_the_real_grid_went_where_its_turned_frame_is() -> None:
    scan = sharptip.read(real(*GRID))
    turn = np.radians(scan.attrs["grid_angle_deg"])
    right = np.array([scan["tip_x"][0, -1] - scan["tip_x"][0, 0], scan["tip_y"][0, -1] - scan["tip_y"][0, 0]], float)
    up = np.array([scan["tip_x"][0, 0] - scan["tip_x"][-1, 0], scan["tip_y"][0, 0] - scan["tip_y"][-1, 0]], float)
    extent = scan["x"].values[-1]
    np.testing.assert_allclose(right, extent * np.array([np.cos(turn), -np.sin(turn)]), rtol=1e-3)
    np.testing.assert_allclose(up, extent * np.array([np.sin(turn), np.cos(turn)]), rtol=1e-3)


@pytest.mark.parametrize(
    "name", ["NanonisReader_BiasSpectroscopy", "nanonis_kelvin_parabola_500mv", "Bias-Spectroscopy00015_20230420"]
)
def test_nanonispy2_reads_real_spectra_the_same(name: str) -> None:
    nanonispy2 = pytest.importorskip("nanonispy2")
    path = real("vendor", "nanonis", f"{name}.dat")
    other, scan = nanonispy2.read.Spec(str(path)).signals, sharptip.read(path)
    columns = {}
    for v in scan.data_vars.values():
        if "bias" in v.dims:
            both = "direction" in v.dims
            columns[v.attrs["vendor_name"]] = v.values[0, 0] if both else v.values[0]
            if both:
                columns[v.attrs["vendor_name_backward"]] = v.values[1, 0]
    columns[scan.attrs["sweep_signal"]] = scan["bias"].values
    assert set(columns) == set(other)
    for column, values in columns.items():
        np.testing.assert_array_equal(values, other[column])


def test_the_real_kelvin_parabola_opens_downwards_both_ways() -> None:
    """The frequency shift is -(V - V0)² both ways over the same bias; its top is the contact potential difference."""
    scan = sharptip.read(real("vendor", "nanonis", "nanonis_kelvin_parabola_500mv.dat"))
    bends, tops = [], []
    for shift in scan["frequency_shift"].values[:, 0]:
        a, b, _ = np.polyfit(scan["bias"], shift, 2)
        bends.append(a)
        tops.append(-b / 2 / a)
    assert max(bends) < 0
    assert tops[0] == pytest.approx(tops[1], abs=0.02)


@pytest.mark.parametrize(
    ("experiment", "columns", "dims", "units"),
    [
        ("Spectrum", "Frequency (Hz)\tCurrent PSD (A/sqrt(Hz))", ("site", "frequency"), {"spectral_density": "A/√Hz"}),
        ("Oscilloscope", "Time (s)\tCurrent (A)", ("site", "time"), {"current": "A"}),
        ("myLongTerm", "Time (s)\tCounter 1 (cps)", ("site", "time"), {"counter_1": "arb"}),
        (
            "bias spectroscopy",
            "Bias calc (V)\tInput 3 (A)\tInput 3 [bwd] (A)\tInput 3 (A) [filt]\tInput 3 (A) [bwd] [filt]",
            ("direction", "site", "bias"),
            {"input_3": "A", "input_3_filt": "A"},
        ),
    ],
)  # fmt: skip
def test_tables_of_other_modules(
    experiment: str, columns: str, dims: tuple[str, ...], units: dict[str, str], tmp_path: Path
) -> None:
    """What the spectrum analyser, the oscilloscope and long recordings write; a first line that was written twice."""
    rows = "".join("\t".join(f"{k}.{c}E-3" for c in range(columns.count("\t") + 1)) + "\r\n" for k in range(3))
    first = f"Experiment\t{experiment}\t\r\n"
    (tmp_path / "a.dat").write_text(
        f"{first * 2}Date\t04.05.2016 14:14:43\t\r\n\r\n[DATA]\r\n{columns}\r\n{rows}", newline=""
    )
    scan = sharptip.read(tmp_path / "a.dat")
    assert {name: v.attrs["units"] for name, v in scan.data_vars.items()} == units
    assert all(v.dims == dims for v in scan.data_vars.values())
