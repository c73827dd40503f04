"""Nanosurf files: numbers, directions, the order of a curve and of a map; NSFopen on the same real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.io.files import nid as made
from tests.real import real, reals

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError


@pytest.mark.parametrize(("direction", "bits"), [("Up", 32), ("Down", 16), ("Down", 8)])
def test_image(direction: str, bits: int, tmp_path: Path) -> None:
    made.image(tmp_path / "a.nid", direction, bits)
    scan = sharptip.read(tmp_path / "a.nid")
    raw = [made.steps((made.NY, made.NX), i).astype(f"<i{bits // 8}")[::-1] for i in range(5)]
    np.testing.assert_allclose(scan["height"].sel(direction="forward"), made.value(raw[0], -1e-6, 2e-6), rtol=1e-12)
    np.testing.assert_allclose(scan["height"].sel(direction="backward"), made.value(raw[2], -1e-6, 2e-6), rtol=1e-12)
    np.testing.assert_allclose(scan["lateral_force"].sel(direction="backward"), made.value(raw[3], -10, 20), rtol=1e-12)
    np.testing.assert_allclose(scan["phase"], np.deg2rad(made.value(raw[4], -180, 360)), rtol=1e-12)
    assert scan["phase"].attrs["vendor_name"] == "2nd scan forward: Phase"
    assert (scan["x"].values[1], scan["y"].values[1]) == pytest.approx((1e-6, 5e-7), rel=1e-12)
    assert scan.attrs["slow_direction"] == direction.lower()
    assert "Rotation=0 °" in json.loads(scan.attrs["header"])


def test_curves_run_in_and_out_again(tmp_path: Path) -> None:
    made.curves(tmp_path / "a.nid")
    scan, results = sharptip.io.scans(tmp_path / "a.nid")
    shape = len(made.LENGTHS), made.POINTS
    there, back = (made.value(made.steps(shape, i), -2e-6, 4e-6) for i in (1, 2))
    force = scan["force"].values
    np.testing.assert_allclose(force[0], [*there[0], *back[0, ::-1]], rtol=1e-12)
    np.testing.assert_allclose(force[1, :13], [*there[1, :5], *back[1, ::-1]], rtol=1e-12)
    assert np.isnan(force[1, 13:]).all()
    assert scan["length"].values.tolist() == [16, 13, 16, 16, 16, 16]
    assert scan["segment"].values[1, :13].tolist() == [0] * 5 + [1] * 8
    assert json.loads(scan.attrs["segments"]) == ["approach", "retract"]
    height = scan["height"].values[1, :13]
    assert (height[0], height[4], height[5], height[12]) == pytest.approx((-1.01e-6, -2.01e-6, -2.01e-6, -1.01e-6))
    assert scan["time"].values[1, [0, 1, 5, 6]] == pytest.approx([0, 0.1, 0.5, 0.7])
    assert (scan.attrs["spring_constant"], scan.attrs["sensitivity"]) == (0.25, 5e-8)
    assert scan["row"].values.tolist() == [1, 1, 1, 0, 0, 0]
    assert scan["column"].values.tolist() == [0, 1, 2, 2, 1, 0]
    np.testing.assert_allclose(scan["tip_x"], [-1e-6, 0, 1e-6, 1e-6, 0, -1e-6], atol=1e-20)
    np.testing.assert_allclose(scan["tip_y"], [-5e-7] * 3 + [5e-7] * 3)
    assert results["slopeout10"].attrs["units"] == "N/m"


def test_a_group_without_channels_and_the_older_suffix(tmp_path: Path) -> None:
    made.image(tmp_path / "a.ezd")
    data = (tmp_path / "a.ezd").read_bytes()
    for said in (b"Gr3-Name=Spec forward\r\nGr3-Count=0\r\n", b"Gr3-Name=Spec forward\r\n"):
        changed = data.replace(b"GroupCount=3\r\n", b"GroupCount=4\r\n" + said)
        assert changed != data
        (tmp_path / "b.ezd").write_bytes(changed)
        assert sharptip.read(tmp_path / "b.ezd").equals(sharptip.read(tmp_path / "a.ezd"))


def test_thermal_tune(tmp_path: Path) -> None:
    made.thermal(tmp_path / "a.nid")
    scan = sharptip.read(tmp_path / "a.nid")
    density = scan["amplitude_spectral_density"]
    assert (density.dims, density.attrs["units"]) == (("site", "frequency"), "m/√Hz")
    np.testing.assert_allclose(density, made.value(made.steps((1, 11), 0), 0, 4) * 1e-15, rtol=1e-12)
    np.testing.assert_allclose(scan["frequency"], np.arange(11) * 100.0)
    assert scan["amplitude_spectral_density_2"].attrs["vendor_name"] == "Spectrum Fit: Amplitude Spectral Density"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"SaveMode=Binary", b"SaveMode=ASCII ", "saved as ASCII"),
        (b"Lines=4", b"Lines=9999999", "needs"),
        (b"Lines=4", b"Lines=1", "bytes follow the last channel"),
        (b"Points=6", b"Points=0", "Points is 0"),
    ],
)
def test_headers_that_do_not_fit_are_refused(old: bytes, new: bytes, said: str, tmp_path: Path) -> None:
    made.image(tmp_path / "a.nid")
    (tmp_path / "a.nid").write_bytes((tmp_path / "a.nid").read_bytes().replace(old, new))
    with pytest.raises(ReadError, match=said):
        sharptip.read(tmp_path / "a.nid")


def test_nsfopen_reads_real_images_the_same() -> None:
    nsfopen = pytest.importorskip("NSFopen.read")
    units = {"°": np.pi / 180}
    for path in reals("vendor/nanosurf_nid/*.nid"):
        theirs = nsfopen.read(str(path), verbose=False).data
        for scan in sharptip.io.scans(path):
            if "y" not in scan.dims:
                continue
            for v in scan.data_vars.values():
                group, name = v.attrs["vendor_name"].split(": ")
                assert group == "Scan forward"
                for way in ("forward", "backward"):
                    other = theirs["Image"][way.title()][name][::-1] * units.get(v.attrs["vendor_units"], 1)
                    np.testing.assert_allclose(v.sel(direction=way), other, rtol=1e-9)
            assert similar(scan, 1) > 0.85, "both ways show one surface, a few pixels apart"
            assert similar(scan, -1) < 0.5, "and not its mirror image"


def similar(scan: xr.Dataset, way: int) -> float:
    """Best correlation of the heights of both directions over a shift of up to ten pixels."""
    height = scan["height"].values
    there, back = height - np.median(height, axis=-1, keepdims=True)
    shifted = [np.roll(back[:, ::way], k, axis=1)[:, 20:-20].ravel() for k in range(-10, 11)]
    return max(np.corrcoef(there[:, 20:-20].ravel(), s)[0, 1] for s in shifted)


def test_nsfopen_reads_real_curves_the_same() -> None:
    nsfopen = pytest.importorskip("NSFopen.read")
    path = real("vendor", "nanosurf_nid", "spectroscopy.nid")
    theirs = nsfopen.read(str(path), verbose=False).data["Spec"]
    scan = sharptip.io.scans(path)[0]
    for i, force in enumerate(scan["force"].values):
        there, back = (np.asarray(theirs[g]["Deflection"][i]) for g in ("Forward", "Backward"))
        n = int(scan["length"][i])
        np.testing.assert_allclose(force[:n], [*there, *back[::-1]], rtol=1e-9)
        assert (np.isnan(force[n:])).all()


def test_a_real_curve_looks_like_one() -> None:
    """Force is nothing far away, both ends of the dwell meet, and the sensor follows the piezo."""
    scan = sharptip.io.scans(real("vendor", "nanosurf_nid", "spectroscopy.nid"))[0]
    for i in range(0, 100, 9):
        n = int(scan["length"][i])
        force, height, sensor = (scan[k].values[i, :n] for k in ("force", "height", "height_sensor"))
        turn = int(np.argmax(scan["segment"].values[i, :n]))
        assert abs(np.median(force[:200])) < 2e-9
        assert abs(np.median(force[-200:])) < 2e-9
        assert force[turn - 1] > 2e-7
        assert abs(force[turn] - force[turn - 1]) < 1e-8
        assert height[0] > height[turn - 1] < height[-1]
        assert np.corrcoef(height, sensor)[0, 1] > 0.95
    assert np.ptp(scan["row"].values) == np.ptp(scan["column"].values) == 9
