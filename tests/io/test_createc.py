"""Createc images: units from the gains in the header, both ways, scans that were stopped; and physics in real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import createc as made
from tests.real import real

import sharptip
from sharptip.core.errors import ReadError

METRES = 20 / 2**20 * made.GAIN_Z * made.PIEZO * 1e-10  # per count
AMPERES = 20 / 2**20 / 10**made.PREAMP


@pytest.mark.parametrize("kind", ["[Paramco32]", "[Paramet32]", "[Parameter]"])
def test_every_way_of_storing_says_the_same(kind: str, tmp_path: Path) -> None:
    made.image(tmp_path / "a.dat", kind=kind)
    scan = sharptip.read(tmp_path / "a.dat")
    counts = made.planes()
    assert list(scan.data_vars) == ["height", "current", "frequency_shift"]
    np.testing.assert_allclose(scan["height"], counts[[0, 3]] * METRES, rtol=1e-12)
    np.testing.assert_allclose(scan["current"], counts[[1, 4]] * AMPERES, rtol=1e-12)
    np.testing.assert_array_equal(scan["frequency_shift"], counts[[2, 5]])
    assert scan["height"].dims == ("direction", "y", "x")
    assert {n: v.attrs["units"] for n, v in scan.data_vars.items()} == {
        "height": "m", "current": "A", "frequency_shift": "Hz",
    }  # fmt: skip
    np.testing.assert_allclose(scan["x"], np.arange(made.NX) * 2e-10, rtol=1e-12)
    np.testing.assert_allclose(scan["y"], np.arange(made.NY) * 7e-10, rtol=1e-12)
    header = json.loads(scan.attrs["header"])
    assert header.startswith(kind)
    assert "Dacto[Å]z" in header


def test_the_bits_of_the_converter_are_found_or_the_counts_stay(tmp_path: Path) -> None:
    made.image(tmp_path / "a.dat", without=("DAC-Type",))
    np.testing.assert_allclose(sharptip.read(tmp_path / "a.dat")["height"][0], made.planes()[0] * METRES, rtol=1e-12)
    made.image(tmp_path / "b.dat", bits=16, without=("DAC-Type",))
    scan = sharptip.read(tmp_path / "b.dat")
    np.testing.assert_allclose(scan["height"][0], made.planes()[0] * METRES * 16, rtol=1e-12)
    made.image(tmp_path / "c.dat", without=("DAC-Type", "Dacto"))
    scan = sharptip.read(tmp_path / "c.dat")
    assert scan["height"].attrs["units"] == "arb"
    np.testing.assert_array_equal(scan["height"][0], made.planes()[0])


def test_a_size_is_reckoned_from_steps_where_the_header_has_no_length(tmp_path: Path) -> None:
    made.image(tmp_path / "a.dat", without=("Length",))
    scan = sharptip.read(tmp_path / "a.dat")
    assert scan["x"].values[1] == pytest.approx(12 * 20 / 2**20 * 10 * 96e-10, rel=1e-12)
    assert scan["y"].values[1] == pytest.approx(42 * 20 / 2**20 * 10 * 96e-10, rel=1e-12)


def test_lines_that_were_not_scanned_are_nan(tmp_path: Path) -> None:
    for name, without in (("a.dat", ()), ("b.dat", ("ImageYPosMax",))):
        made.image(tmp_path / name, lines=3, without=without)
        scan = sharptip.read(tmp_path / name)
        assert (scan.attrs["lines_recorded"], scan.attrs["lines_planned"]) == (3, made.NY)
        np.testing.assert_array_equal(np.isnan(scan["current"].values).all(axis=(0, 2)), [False] * 3 + [True] * 2)
        np.testing.assert_array_equal(scan["frequency_shift"][:, :3], made.planes()[[2, 5], :3])


def test_one_way_and_signals_nobody_names(tmp_path: Path) -> None:
    made.image(tmp_path / "a.dat", ways=1, selected=0b111111)
    made.image(tmp_path / "b.dat", ways=2, selected=0b111111)
    scan = sharptip.read(tmp_path / "a.dat")
    assert list(sharptip.read(tmp_path / "b.dat").data_vars) == list(scan.data_vars), "all six are selected: one way"
    assert list(scan.data_vars) == ["height", "current", *(f"channel_bit_{k}" for k in range(2, 6))]
    assert scan["channel_bit_5"].attrs["units"] == "arb"
    np.testing.assert_array_equal(scan["channel_bit_5"], made.planes()[5])


def test_more_channels_than_the_file_has_are_refused(tmp_path: Path) -> None:
    made.image(tmp_path / "a.dat")
    whole = (tmp_path / "a.dat").read_bytes()
    (tmp_path / "a.dat").write_bytes(whole.replace(b"Channels / Channels=6", b"Channels / Channels=9"))
    with pytest.raises(ReadError, match="9 channels"):
        sharptip.read(tmp_path / "a.dat")


def test_the_feedback_of_real_scans_kept_its_setpoint() -> None:
    """Constant current: 300 pA at -550 mV. Constant frequency shift: 7 Hz below resonance, at 0.2 mV."""
    scan = sharptip.read(real("vendor", "createc", "createc_scan_atomic_11nm.dat"))
    assert float(scan["current"].mean()) == pytest.approx(-300e-12, rel=0.01)
    assert scan["x"].values[-1] + scan["x"].values[1] == pytest.approx(11.25e-9, rel=1e-3)
    scan = sharptip.read(real("vendor", "createc", "createc_scan_qplus_10ch_afm.dat"))
    assert list(scan.data_vars) == ["height", "current", "frequency_shift", "na02", "na03"]
    assert float(scan["frequency_shift"].mean()) == pytest.approx(-7.0, abs=0.01)


def test_both_ways_of_real_scans_show_the_same_place() -> None:
    scan = sharptip.read(real("vendor", "createc", "createc_scan_atomic_11nm.dat"))
    forward, backward = (z - np.median(z, axis=1, keepdims=True) for z in scan["height"].values)
    assert np.corrcoef(forward.ravel(), backward.ravel())[0, 1] > 0.5
    assert np.corrcoef(forward.ravel(), backward[:, ::-1].ravel())[0, 1] < 0
    depth = np.median(forward) - forward[150:270, 180:290].min()
    assert 1e-11 < depth < 1e-10, "a molecule that looks like a hole much less than an atom deep"


def test_steps_and_dac_agree_with_the_length_in_real_headers() -> None:
    for name in ("createc_scan_atomic_11nm", "createc_scan_qplus_10ch_afm"):
        header = json.loads(sharptip.read(real("vendor", "createc", f"{name}.dat")).attrs["header"])
        said = dict(line.split("=", 1) for line in header.splitlines() if line.count("=") == 1)
        nx, step = int(said["Num.X / Num.X"]), int(said["Delta X / Delta X [Dac]"])
        assert nx * step * 20 / 2**20 * 10 * 96 == pytest.approx(float(said["Length x[A]"]), rel=1e-4)
