"""Asylum force curves: parts, signs, units and places; igor2 and afmformats read the real ones the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import ibw_force as made
from tests.real import real

import sharptip
from sharptip.core.errors import ReadError

REAL = (
    ("vendor", "asylum_ibw", "IgorIBWReader_ForceCurve.ibw"),
    ("vendor", "afmformats_force", "fmt-igor-fd_SiN_FD_plot.ibw"),
)


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_units_parts_and_place(order: str, tmp_path: Path) -> None:
    made.write(tmp_path / "a.ibw", order)
    scan = sharptip.read(tmp_path / "a.ibw")
    raw, defl, sensor, phase, lateral = made.layers().astype(float)
    np.testing.assert_array_equal(scan["height"][0], -raw)
    np.testing.assert_array_equal(scan["height_sensor"][0], -sensor)
    np.testing.assert_array_equal(scan["deflection"][0], defl)
    np.testing.assert_array_equal(scan["force"][0], defl * made.SPRING)
    np.testing.assert_allclose(scan["phase"][0], np.radians(phase), rtol=1e-14)
    np.testing.assert_array_equal(scan["lateral_force"][0], lateral)
    assert scan["lateral_force"].attrs["units"] == "V"
    np.testing.assert_allclose(scan["time"][0], np.arange(made.N) * made.STEP, rtol=1e-14)
    assert json.loads(scan.attrs["segments"]) == [kind for kind, _ in made.PARTS]
    np.testing.assert_array_equal(scan["segment"][0], np.repeat([0, 1, 2], [n for _, n in made.PARTS]))
    assert (scan.attrs["spring_constant"], scan.attrs["sensitivity"]) == (made.SPRING, made.INVOLS)
    assert scan.attrs["map_shape"] == [4, 8]
    assert [float(scan[k][0]) for k in ("row", "column", "tip_x", "tip_y")] == [1, 5, 1.5e-6, -2e-6]
    assert scan["height"].attrs["vendor_name"] == "Raw"
    assert "Temp: 24 °C" in json.loads(scan.attrs["header"])


@pytest.mark.parametrize("order", ["<", ">"])
def test_names_longer_than_31_bytes_make_a_newer_version(order: str, tmp_path: Path) -> None:
    """The wave's name stands at the end of the file; channels with long names have wider fields."""
    name = b"Sample_with_a_long_story_Line0002Point0005"
    names = ("Raw", "Defl", "LVDT", "Phs1", "a channel that somebody gave a name of forty bytes")
    made.write(tmp_path / "a.ibw", order, name=name, names=names, field=64)
    scan = sharptip.read(tmp_path / "a.ibw")
    assert scan.attrs["name"] == name.decode()
    np.testing.assert_array_equal(scan["height_sensor"][0], -made.layers()[2].astype(float))
    np.testing.assert_allclose(scan["phase"][0], np.radians(made.layers()[3].astype(float)), rtol=1e-14)
    assert names[4] in [v.attrs["vendor_name"] for v in scan.data_vars.values()]


def test_without_notes_a_curve_has_one_part_and_no_force(tmp_path: Path) -> None:
    made.write(tmp_path / "a.ibw", note="", name=b"curve")
    scan = sharptip.read(tmp_path / "a.ibw")
    assert json.loads(scan.attrs["segments"]) == ["other"]
    assert "force" not in scan
    assert "row" not in scan
    assert "spring_constant" not in scan.attrs


def test_samples_outside_of_all_parts_are_kept(tmp_path: Path) -> None:
    made.write(tmp_path / "a.ibw", note=made.NOTE.replace("0,12,17,36,", "3,12,17,30,"))
    scan = sharptip.read(tmp_path / "a.ibw")
    assert json.loads(scan.attrs["segments"]) == ["other", "approach", "pause", "retract", "other"]
    np.testing.assert_array_equal(np.bincount(scan["segment"].values[0].astype(int)), [3, 9, 5, 13, 7])


@pytest.mark.parametrize("indexes", ["0,12,17,40,", "0,17,12,36,"])
def test_parts_that_do_not_fit_are_refused(indexes: str, tmp_path: Path) -> None:
    made.write(tmp_path / "a.ibw", note=made.NOTE.replace("0,12,17,36,", indexes))
    with pytest.raises(ReadError, match="said to end at"):
        sharptip.read(tmp_path / "a.ibw")


@pytest.mark.parametrize("parts", REAL)
def test_igor2_and_afmformats_read_the_real_curves_the_same(parts: tuple[str, ...]) -> None:
    igor2 = pytest.importorskip("igor2.binarywave")
    path = real(*parts)
    scan = sharptip.read(path)
    wave = igor2.load(str(path))["wave"]
    labels = [label.decode() for label in wave["labels"][1][1:]]
    data = dict(zip(labels, wave["wData"].T.astype(float), strict=True))
    np.testing.assert_array_equal(scan["height"][0], -data["Raw"])
    np.testing.assert_array_equal(scan["height_sensor"][0], -data["ZSnsr"])
    np.testing.assert_array_equal(scan["deflection"][0], data["Defl"])
    assert float(scan["time"][0, 1]) == wave["wave_header"]["sfA"][0]


def test_afmformats_makes_the_same_force() -> None:
    afmformats = pytest.importorskip("afmformats")
    path = real(*REAL[1])
    scan, other = sharptip.read(path), afmformats.load_data(path)[0]
    np.testing.assert_allclose(scan["force"][0], other["force"], rtol=1e-6)
    assert scan.attrs["sensitivity"] == other.metadata["sensitivity"]
    assert scan.attrs["spring_constant"] == other.metadata["spring constant"]


@pytest.mark.parametrize("parts", REAL)
def test_real_curves_turn_where_their_parts_say(parts: tuple[str, ...]) -> None:
    scan = sharptip.read(real(*parts))
    height, segment = scan["height_sensor"].values[0], scan["segment"].values[0]
    assert abs(height.argmin() - int((segment == 0).sum())) <= 3
    force = scan["force"].values[0]
    assert abs(force.argmax() - height.argmin()) <= 3
    assert abs(np.median(force[-200:]) - force.max()) > 20 * force[-200:].std(), "the force falls to its baseline"
