"""Createc spectra: what was ramped is the axis, both ways, and units come from the gains in the header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.io.files import createc_spectrum as made

import sharptip
from sharptip.core.errors import ReadError

METRES = 20 / 2**20 * made.GAIN_Z * made.PIEZO * 1e-10
AMPERES = 20 / 2**20 / 10**made.PREAMP


def test_a_bias_ramp_there_and_back(tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.VERT")
    scan = sharptip.read(tmp_path / "a.VERT")
    table, n = made.table(), made.HALF
    np.testing.assert_allclose(scan["bias"], made.BIAS * 1e-3, rtol=1e-12)
    assert scan["current"].dims == ("direction", "site", "bias")
    np.testing.assert_allclose(scan["current"][0, 0], table[:n, 2] * AMPERES, rtol=1e-12)
    np.testing.assert_allclose(scan["current"][1, 0], table[: n - 1 : -1, 2] * AMPERES, rtol=1e-12)
    np.testing.assert_allclose(scan["height"], 20 * METRES, rtol=1e-12)
    np.testing.assert_allclose(scan["conductance"][0, 0], table[:n, 3], rtol=1e-12)
    assert scan["conductance"].attrs["units"] == "arb"
    np.testing.assert_allclose(scan["frequency_shift"][0, 0], table[:n, 4], rtol=1e-12)
    assert scan["frequency_shift"].attrs["vendor_name"] == "NA01"


def test_a_height_ramp_one_way_and_a_third_output(tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.VERT", kind="ParVERT32", ramp="height", back=False, third=True)
    scan = sharptip.read(tmp_path / "a.VERT")
    np.testing.assert_allclose(scan["distance"], np.arange(made.HALF) * 1000 * METRES, rtol=1e-12)
    np.testing.assert_allclose(scan["bias"], -0.05, rtol=1e-12)
    assert scan["current"].dims == ("site", "distance")
    np.testing.assert_array_equal(scan["output_x"], 77)


@pytest.mark.parametrize("ramp", ["both", "none"])
def test_two_ramps_or_none_are_counted(ramp: str, tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.VERT", ramp=ramp)
    scan = sharptip.read(tmp_path / "a.VERT")
    assert scan["bias"].dims == scan["height"].dims == ("site", "sample")
    np.testing.assert_allclose(scan["bias"][0], made.table(ramp=ramp)[:, 0] * 1e-3, rtol=1e-4)


def test_a_lost_line_is_noticed(tmp_path: Path) -> None:
    made.spectrum(tmp_path / "a.VERT")
    lines = (tmp_path / "a.VERT").read_bytes().splitlines(keepends=True)
    (tmp_path / "a.VERT").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ReadError, match="7 of 8 points"):
        sharptip.read(tmp_path / "a.VERT")
