"""Images that WSxM writes as text: the example of its specification, orientation, units, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import wsxm_text as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError


def test_matrix(tmp_path: Path) -> None:
    made.matrix(tmp_path / "a.txt")
    scan = sharptip.read(tmp_path / "a.txt")
    np.testing.assert_allclose(scan["height"], made.heights() * 1e-9, rtol=1e-12)
    np.testing.assert_allclose([scan["y"][1], scan["x"][1]], np.array(made.PIXEL) * 1e-9, rtol=1e-12)


@pytest.mark.parametrize(("unit", "falling", "factor"), [("nm", False, 1e-9), ("A", True, 1e-10)])
def test_points(unit: str, falling: bool, factor: float, tmp_path: Path) -> None:
    made.points(tmp_path / "a.xyz", unit, falling)
    scan = sharptip.read(tmp_path / "a.xyz")
    np.testing.assert_allclose(scan["height"], made.heights() * 1e-9, rtol=1e-12)
    np.testing.assert_allclose([scan["y"][1], scan["x"][1]], np.array(made.PIXEL) * factor, rtol=1e-12)


def test_the_same_image_of_the_specification_both_ways(tmp_path: Path) -> None:
    first = "WSxM file copyright UAM\n"
    numbers = "0 0 0\n1 0 2\n2 0 3\n0 1 5\n1 1 8\n2 1 0\n"
    (tmp_path / "a.xyz").write_text(f"{first}WSxM ASCII XYZ file\nX[nm] Y[nm] Z[a.u.]\n{numbers}")
    amplitudes = "X Amplitude: 3 nm\nY Amplitude: 2 nm\nZ Amplitude: 1 a.u.\n"
    (tmp_path / "a.txt").write_text(f"{first}WSxM ASCII Matrix file\n{amplitudes}3 2 0\n0 8 5\n")
    one, other = (sharptip.read(tmp_path / f"a.{s}") for s in ("xyz", "txt"))
    np.testing.assert_array_equal(one["height"], [[5, 8, 0], [0, 2, 3]])
    np.testing.assert_array_equal(one["height"], other["height"])
    assert one["height"].attrs["units"] == "arb"


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    made.points(tmp_path / "a.xyz")
    whole = (tmp_path / "a.xyz").read_bytes()
    (tmp_path / "a.xyz").write_bytes(whole.replace(b"\r\n10.0\t20.0\t", b"\r\n13.0\t20.0\t"))
    with pytest.raises(ReadError, match="no regular grid"):
        sharptip.read(tmp_path / "a.xyz")
    (tmp_path / "a.xyz").write_bytes(whole[: whole.rindex(b"\r\n", 0, -2) + 2])
    with pytest.raises(ReadError, match="make no image"):
        sharptip.read(tmp_path / "a.xyz")
    made.points(tmp_path / "a.xyz", unit="V")
    with pytest.raises(ReadError, match="Y is in 'V'"):
        sharptip.read(tmp_path / "a.xyz")


@pytest.mark.parametrize("make", [made.matrix, made.points])
def test_damaged_files_are_refused_or_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a.txt")
    whole = (tmp_path / "a.txt").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        at, n = (int(v) for v in rng.integers(0, len(whole), 2))
        bits = bytearray(whole if n % 2 else whole[: at + 1])
        bits[at] ^= 1 << (n % 8)
        (tmp_path / "b.txt").write_bytes(bytes(bits))
        try:
            sharptip.io.grids(tmp_path / "b.txt")
        except ReadError:
            refused += 1
    assert refused > 20
