"""Force curves and loops in text, archives and HDF5: numbers, parts, places; afmformats reads real ones the same."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.io.files import afm_workshop, afmformats_store, chiaro, nanoloop, ntmdt_text
from tests.real import real, reals

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError

FORCE = ("vendor", "afmformats_force")


def kinds(scan: xr.Dataset) -> list[str]:
    return json.loads(scan.attrs["segments"])


# --- AFM Workshop ----------------------------------------------------------------------------------------------------


def test_afm_workshop_single(tmp_path: Path) -> None:
    afm_workshop.single(tmp_path / "a.csv")
    scan = sharptip.read(tmp_path / "a.csv")
    made = afm_workshop.columns(0)
    height = -np.concatenate([made["Extend Z-Sense(nm)"], made["Retract Z-Sense(nm)"]]) * 1e-9
    np.testing.assert_allclose(scan["height_sensor"][0], height, rtol=1e-14)
    np.testing.assert_allclose(
        scan["deflection"][0], np.concatenate([made["Extend T-B(V)"], made["Retract T-B(V)"]]), rtol=1e-13
    )
    assert scan["deflection"].attrs["units"] == "V"
    assert scan["height_sensor"].attrs["vendor_sign"] == -1
    assert kinds(scan) == ["approach", "retract"]
    np.testing.assert_array_equal(scan["segment"][0], [0] * afm_workshop.EXTEND + [1] * afm_workshop.RETRACT)
    assert (scan.attrs["spring_constant"], scan.attrs["sensitivity"]) == (0.5, pytest.approx(5e-8))
    assert "force" not in scan
    assert "Software Version:\t4.0.0.62" in json.loads(scan.attrs["header"])


def test_afm_workshop_says_one_where_nobody_calibrated(tmp_path: Path) -> None:
    said = afm_workshop.said(0, "Single").replace("mV/nm:\t20.0", "mV/nm:\t1.0").replace("nN/nm:\t0.5", "nN/nm:\t1.0")
    (tmp_path / "a.csv").write_bytes(said.encode())
    assert not {"spring_constant", "sensitivity"} & set(sharptip.read(tmp_path / "a.csv").attrs)


def test_afm_workshop_map_has_its_rows_from_the_top(tmp_path: Path) -> None:
    afm_workshop.archive(tmp_path / "a.zip")
    scan = sharptip.read(tmp_path / "a.zip")
    assert scan.attrs["map_shape"] == list(afm_workshop.MAP)
    assert scan["row"].values.tolist() == [1, 1, 1, 0, 0, 0]
    assert scan["column"].values.tolist() == [0, 1, 2, 0, 1, 2]
    places = np.array([afm_workshop.place(i) for i in range(6)]) * 1e-6
    np.testing.assert_allclose(np.stack([scan["tip_x"], scan["tip_y"]], 1), places, rtol=1e-14)
    np.testing.assert_allclose(scan["height_sensor"][:, 0], -(100.0 + np.arange(6)) * 1e-9, rtol=1e-14)
    assert len(json.loads(scan.attrs["header"])) == 6


def test_afm_workshop_with_force_and_a_hold(tmp_path: Path) -> None:
    rows = "Extend Z-Sense(nm),Extend Force(nN),Hold Z-Sense(nm),Hold Force(nN)\n1,2,3,4\n2,3,,\n\n"
    (tmp_path / "a.csv").write_text("Force-Distance Curve\nMode:\tSingle\n\n" + rows)
    scan = sharptip.read(tmp_path / "a.csv")
    assert kinds(scan) == ["approach", "pause"]
    np.testing.assert_allclose(scan["force"][0], [2e-9, 3e-9, 4e-9], rtol=1e-14)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Retract T-B(V)", "Sideways T-B(V)", "not known"),
        ("\n102.5000,", "\n102.5000,7,", "fields"),
        ("\r\n\r\n\r\n", "", "end"),
    ],
)
def test_afm_workshop_damage(old: str, new: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(afm_workshop.said(0).replace(old, new).encode())
    with pytest.raises(ReadError, match=said):
        sharptip.read(tmp_path / "a.csv")


def test_afmformats_reads_real_afm_workshop_files_the_same() -> None:
    afmformats = pytest.importorskip("afmformats")
    for path in reals("vendor/afmformats_force/fmt-afm-workshop*"):
        scan = sharptip.read(path)
        volts = "deflection" in scan
        override = {"spring constant": 1.0, "sensitivity": 1.0} if volts else {}
        curves = afmformats.load_data(path, meta_override=override)
        assert len(curves) == scan.sizes["curve"]
        for i, curve in enumerate(curves):
            # afmformats counts its heights from zero upwards; differences do not depend on it.
            ours, theirs = scan["height_sensor"].values[i], curve["height (measured)"]
            np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], atol=1e-15)
            np.testing.assert_allclose(scan["deflection" if volts else "force"].values[i], curve["force"], rtol=1e-9)
            np.testing.assert_array_equal(scan["segment"].values[i], curve["segment"])


# --- Optics11 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("comma", [False, True])
def test_chiaro_turns_where_the_piezo_is_furthest(comma: bool, tmp_path: Path) -> None:
    chiaro.single(tmp_path / "a.txt", steps=False, comma=comma)
    scan = sharptip.read(tmp_path / "a.txt")
    table = chiaro.table()
    np.testing.assert_allclose(scan["height"][0], -table[:, 4] * 1e-9, atol=1e-15)
    np.testing.assert_allclose(scan["force"][0], table[:, 1] * 1e-6, atol=1e-12)
    np.testing.assert_allclose(scan["deflection"][0], table[:, 3] * 1e-9, atol=1e-15)
    np.testing.assert_allclose(scan["time"][0], table[:, 0], atol=1e-9)
    assert scan.attrs["spring_constant"] == chiaro.SPRING
    assert kinds(scan) == ["approach", "retract"]
    assert int((scan["segment"][0] == 0).sum()) == table[:, 4].argmax() + 1
    np.testing.assert_allclose(scan["force"][0], scan["deflection"][0] * chiaro.SPRING, atol=1e-12)
    assert "Max load (µN)" in json.loads(scan.attrs["header"])


def test_chiaro_steps_are_the_parts(tmp_path: Path) -> None:
    chiaro.archive(tmp_path / "a.zip")
    scan = sharptip.read(tmp_path / "a.zip")
    assert scan.sizes["curve"] == 2
    assert kinds(scan) == ["pause", "approach", "pause", "retract"]
    np.testing.assert_allclose(scan["tip_x"], [0.0, 100e-6], rtol=1e-14)
    for part, (start, end) in enumerate([(0, 0.9), (1, 3.0), (3.1, 3.9), (4.0, 6.0)]):
        time = scan["time"].values[0][scan["segment"].values[0] == part]
        assert (time[0], time[-1]) == pytest.approx((start, end), abs=1e-9)


def test_afmformats_reads_the_real_chiaro_file_the_same(tmp_path: Path) -> None:
    afmformats = pytest.importorskip("afmformats")
    path = real(*FORCE, "fmt-chiaro-txt_AEBP1_Indentation_002.zip")
    scan = sharptip.read(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    other = afmformats.load_data(next(tmp_path.glob("*.txt")))[0]
    np.testing.assert_allclose(scan["force"][0], other["force"], rtol=1e-12)
    np.testing.assert_allclose(scan["height"][0], other["height (piezo)"], rtol=1e-12)
    np.testing.assert_array_equal(scan["time"][0], other["time"])
    turns = [int((np.asarray(segment) == 0).sum()) for segment in (scan["segment"][0], other["segment"])]
    assert abs(turns[0] - turns[1]) <= 1, "the piezo is furthest one sample after the force is greatest"
    assert scan.attrs["spring_constant"] == other.metadata["spring constant"]
    # Hooke: the load is the bending times the spring constant, to the digits that the file gives the constant.
    slope = np.polyfit(scan["deflection"].values[0], scan["force"].values[0], 1)[0]
    assert slope == pytest.approx(scan.attrs["spring_constant"], abs=5e-4)


# --- NT-MDT ----------------------------------------------------------------------------------------------------------


def test_ntmdt_text(tmp_path: Path) -> None:
    path = tmp_path / ntmdt_text.FILE
    ntmdt_text.write(path)
    scan = sharptip.read(path)
    height, down, up = ntmdt_text.columns()
    np.testing.assert_allclose(scan["height"][0], np.concatenate([height[::-1], height]) * 1e-9, atol=1e-13)
    np.testing.assert_allclose(scan["deflection_signal"][0], np.concatenate([down[::-1], up]) * 1e-9, atol=1e-13)
    assert scan["deflection_signal"].attrs["units"] == "A"
    assert kinds(scan) == ["approach", "retract"]


def test_ntmdt_text_needs_its_name_and_its_rows(tmp_path: Path) -> None:
    ntmdt_text.write(tmp_path / "renamed.txt")
    with pytest.raises(ReadError):
        sharptip.read(tmp_path / "renamed.txt")
    path = tmp_path / ntmdt_text.FILE
    ntmdt_text.write(path)
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:9] + rows[10:]))
    with pytest.raises(ReadError, match="not evenly spaced"):
        sharptip.read(path)
    path.write_bytes(b"".join(rows)[:-3])
    with pytest.raises(ReadError, match="truncated"):
        sharptip.read(path)


def test_afmformats_reads_the_real_ntmdt_file_the_same() -> None:
    afmformats = pytest.importorskip("afmformats")
    path = real(*FORCE, "fmt-ntmdt-txt-fd_2015_01_17_gel4-0,1_mQ_adh_6B_Curve_DFL_Height_51.txt")
    scan = sharptip.read(path)
    other = afmformats.load_data(path, meta_override={"spring constant": 1.0, "sensitivity": 1.0})[0]
    segment = scan["segment"].values[0]
    for part in (0, 1):  # afmformats cuts off what Nova filled up, at the surface in both halves
        n = int((other["segment"] == part).sum())
        kept = slice(0, n) if part == 0 else slice(-n, None)
        for ours, theirs in (("deflection_signal", "force"), ("height", "height (measured)")):
            values = scan[ours].values[0][segment == part][kept]
            np.testing.assert_allclose(values, other[theirs][other["segment"] == part], rtol=1e-12, atol=1e-24)


# --- afmformats and nanite -------------------------------------------------------------------------------------------


def test_afmformats_h5(tmp_path: Path) -> None:
    afmformats_store.h5(tmp_path / "a.h5")
    scan = sharptip.read(tmp_path / "a.h5")
    assert scan["length"].values.tolist() == list(afmformats_store.LENGTHS)
    for i, n in enumerate(afmformats_store.LENGTHS):
        made = afmformats_store.columns(i)
        np.testing.assert_array_equal(scan["force"][i, :n], made["force"])
        np.testing.assert_array_equal(scan["height_sensor"][i, :n], made["height (measured)"])
        np.testing.assert_array_equal(scan["segment"][i, :n], made["segment"])
        assert np.isnan(scan["force"][i, n:]).all()
    np.testing.assert_array_equal(scan["tip_x"], [1e-6, 2e-6])
    assert (scan.attrs["spring_constant"], scan.attrs["sensitivity"]) == (0.04, 5e-8)
    assert json.loads(scan.attrs["header"])["curves"]["1"]["imaging mode"] == "force-distance"


@pytest.mark.parametrize("glued", [False, True])
def test_afmformats_tab(glued: bool, tmp_path: Path) -> None:
    afmformats_store.tab(tmp_path / "a.tab", glued)
    scan = sharptip.read(tmp_path / "a.tab")
    made = afmformats_store.columns()
    np.testing.assert_array_equal(scan["force"][0], made["force"])
    np.testing.assert_array_equal(scan["time"][0], made["time"])
    assert kinds(scan) == ["approach", "retract"]


def test_afmformats_reads_its_real_files_the_same() -> None:
    afmformats = pytest.importorskip("afmformats")
    names = {"force": "force", "height": "height (piezo)", "height_sensor": "height (measured)", "time": "time",
             "segment": "segment"}  # fmt: skip
    for file, lost in (("fmt-hdf5-fd_version_0.13.3.h5", 0), ("fmt-tab-fd_version_0.13.3.tab", 1)):
        path = real(*FORCE, file)
        scan, other = sharptip.read(path), afmformats.load_data(path)[0]
        for ours, theirs in names.items():  # it reads past the row that its old version wrote beside the names …
            if lost and ours == "time":
                continue  # … and does not know the last of them
            np.testing.assert_array_equal(scan[ours].values[0, lost:], other[theirs])
        assert scan.attrs["sensitivity"] == other.metadata["sensitivity"]


def test_nanite_rating(tmp_path: Path) -> None:
    afmformats_store.nanite(tmp_path / "a.h5")
    scan = sharptip.read(tmp_path / "a.h5")
    made = afmformats_store.columns()
    np.testing.assert_array_equal(scan["force"][0], made["force"])
    np.testing.assert_array_equal(scan["separation"][0], made["height (measured)"])
    assert scan["rating"].values.tolist() == [7]
    assert np.isnan(scan["force_fit"].values[0][made["segment"] == 1]).all()
    assert json.loads(scan.attrs["header"])["curves"]["analysis/abc123_0"]["user name"] == "a"


def test_the_real_rating_by_hand() -> None:
    h5py = pytest.importorskip("h5py")
    path = real("labelled", "force_rating_nanite", "curves", "rate-export_1.7.8.h5")
    scan = sharptip.read(path)
    with h5py.File(path) as h5:
        group = h5["analysis/4443b7_0"]
        np.testing.assert_array_equal(scan["force"][0], group["force"])
        np.testing.assert_array_equal(scan["force_fit"][0], group["fit"])
        np.testing.assert_array_equal(scan["segment"][0], group["segment"])
    assert scan["rating"].values.tolist() == [5]
    residual = (scan["force"] - scan["force_fit"]).values[0]
    np.testing.assert_allclose(residual[:2000], scan["force_residual"].values[0, :2000], atol=1e-22)


# --- PySSPFM ---------------------------------------------------------------------------------------------------------


def test_nanoloops(tmp_path: Path) -> None:
    nanoloop.write(tmp_path / "off_f_a.txt")
    scan = sharptip.read(tmp_path / "off_f_a.txt")
    read, write, amplitude, phase, frequency, sigma = np.moveaxis(nanoloop.columns(), -1, 0)
    np.testing.assert_array_equal(scan["bias"], write)
    np.testing.assert_array_equal(scan["bias_read"], read)
    np.testing.assert_allclose(scan["amplitude"], amplitude * 1e-9, rtol=1e-14)
    np.testing.assert_allclose(scan["phase"], np.radians(phase), rtol=1e-14)
    np.testing.assert_allclose(scan["frequency"], frequency * 1e3, rtol=1e-14)
    np.testing.assert_allclose(scan["amplitude_uncertainty"], sigma * 1e-9, rtol=1e-14)
    units = {"amplitude": "m", "phase": "rad", "frequency": "Hz", "amplitude_uncertainty": "m", "bias": "V"}
    assert {n: scan[n].attrs["units"] for n in units} == units
    assert scan["curve"].values.tolist() == [1, 2, 3]
    assert scan.attrs["field"] == "off"
    assert "adhesion: 27.4" in json.loads(scan.attrs["header"])


def test_nanoloops_of_which_rows_are_lost(tmp_path: Path) -> None:
    nanoloop.write(tmp_path / "a.txt")
    rows = (tmp_path / "a.txt").read_text().splitlines(keepends=True)
    (tmp_path / "a.txt").write_text("".join(rows[:-2]))
    with pytest.raises(ReadError, match=r"loops have \[6, 8\] rows"):
        sharptip.read(tmp_path / "a.txt")


def test_real_nanoloops_by_numpy_and_their_hysteresis() -> None:
    for path in reals("pfm_be/PySSPFM_nanoloops/*.txt"):
        scan, table = sharptip.read(path), np.loadtxt(path)
        assert scan.sizes["curve"] == len(np.unique(table[:, 0]))
        np.testing.assert_array_equal(scan["bias"].values.ravel(), table[:, 2])
        np.testing.assert_array_equal(scan["amplitude"].values.ravel(), table[:, 3])
        np.testing.assert_allclose(scan["phase"].values.ravel(), np.radians(table[:, 4]), rtol=1e-14)
        assert scan["amplitude"].attrs["units"] == "arb"
    scan = sharptip.read(real("pfm_be", "PySSPFM_nanoloops", "off_f_KNN500n_SSPFM.0_00056.txt"))
    bias, phase = scan["bias"].values[1:], scan["phase"].values[1:]
    high, low = (np.median(phase[bias * s > 7]) for s in (1, -1))
    assert abs(abs(high - low) - np.pi) < 0.5, "both ends of the voltage turn the polarisation round"
