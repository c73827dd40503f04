"""Omicron MATRIX: up and down, both directions, stopped scans, curves, grids of curves, and what is missing is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import matrix as made
from tests.io.parts import assert_is_a_part, numbers
from tests.io.test_mutants import DAMAGE, hold_together, read_or_refused

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.fit.reader_contract import check_reader
from sharptip.io import matrix

NY, NX, N = made.NY, made.NX, made.SAMPLES
Z, CURRENT, CURVE = "chain--3_7.Z_mtrx", "chain--3_7.I_mtrx", "chain--3_7.I(V)_mtrx"


def test_image_both_ways_up_and_down(tmp_path: Path) -> None:
    raw = made.image(tmp_path / Z)
    up, down = sharptip.io.scans(tmp_path / Z)
    lines = made.linear(raw).reshape(2, NY, 2, NX)
    np.testing.assert_array_equal(up["height"].sel(direction="forward"), lines[0, ::-1, 0])
    np.testing.assert_array_equal(up["height"].sel(direction="backward"), lines[0, ::-1, 1, ::-1])
    np.testing.assert_array_equal(down["height"].sel(direction="forward"), lines[1, :, 0])
    np.testing.assert_array_equal(down["height"].sel(direction="backward"), lines[1, :, 1, ::-1])
    assert (up.attrs["slow_direction"], down.attrs["slow_direction"]) == ("up", "down")
    np.testing.assert_allclose(up["x"], np.arange(NX) * 5e-8, rtol=1e-12)
    np.testing.assert_allclose(up["y"], np.arange(NY) * 5e-8, rtol=1e-12)
    assert up["height"].attrs["units"] == "m"
    assert "no real file" in up.attrs["reader_untested"]


def test_parameters_count_until_the_result_is_named(tmp_path: Path) -> None:
    """A change before the name counts and one after it does not; the chain goes on in a second file."""
    raw = made.image(tmp_path / Z)
    made.result(tmp_path / CURRENT, raw, raw.size)
    scan = sharptip.io.scans(tmp_path / CURRENT)[0]
    assert scan["current"].attrs["units"] == "A"
    np.testing.assert_array_equal(
        scan["current"].sel(direction="forward"), made.multi(raw).reshape(2, NY, 2, NX)[0, ::-1, 0]
    )
    assert scan["x"].values[1] == made.WIDTH / NX
    header = json.loads(scan.attrs["header"])
    assert header["elements"]["Note.Words"] == ["made", "--"]
    assert header["marks"] == [made.MARK]


@pytest.mark.parametrize("both", [False, True])
def test_one_way_scans(both: bool, tmp_path: Path) -> None:
    raw = made.image(tmp_path / Z, both=both, down=False)
    scan = sharptip.read(tmp_path / Z)
    lines = made.linear(raw).reshape(NY, 1 + both, NX)[::-1]
    if both:
        np.testing.assert_array_equal(scan["height"].sel(direction="forward"), lines[:, 0])
    else:
        np.testing.assert_array_equal(scan["height"], lines[:, 0])
        assert scan["height"].attrs["direction"] == "forward"


@pytest.mark.parametrize("recorded", [NX * 2 * 2 + 3, NX * 2 * NY, NX * 2 * NY + NX * 2 + 5])
def test_a_stopped_scan_keeps_every_value_it_has(recorded: int, tmp_path: Path) -> None:
    raw = made.image(tmp_path / Z, recorded)
    found = sharptip.io.scans(tmp_path / Z)
    assert len(found) == 1 + (recorded > NX * 2 * NY)
    values = np.concatenate([scan["height"].values.ravel() for scan in found])
    np.testing.assert_array_equal(np.sort(values[np.isfinite(values)]), np.sort(made.linear(raw)))
    lowest = found[0]["height"].sel(direction="forward").values[-1]
    np.testing.assert_array_equal(lowest, made.linear(raw[:NX]))


@pytest.mark.parametrize("recorded", [None, 2 * N - 3, N, 4])
def test_curve_there_and_back(recorded: int | None, tmp_path: Path) -> None:
    raw = made.curve(tmp_path / CURVE, recorded)
    scan = sharptip.read(tmp_path / CURVE)
    values = made.multi(raw)
    np.testing.assert_allclose(scan["bias"], np.linspace(-1, 1, N))
    there = scan["current"].sel(direction="forward") if len(raw) > N else scan["current"]
    assert there.dims == ("site", "bias")
    np.testing.assert_array_equal(there[0, : len(values[:N])], values[:N])
    if len(raw) > N:
        back = scan["current"].sel(direction="backward")[0, ::-1]
        np.testing.assert_array_equal(back[: len(raw) - N], values[N:])
    assert (float(scan["tip_x"][0]), float(scan["tip_y"][0])) == (1.5e-8, -2.5e-8)
    assert scan["current"].attrs["vendor_name"] == "I(V)"


def test_curves_on_a_grid(tmp_path: Path) -> None:
    raw = made.volume(tmp_path / CURVE)
    found = sharptip.io.scans(tmp_path / CURVE)
    points = made.multi(raw).reshape(2, NY // 2, 2, NX // 2, 2, N)
    assert [(s.attrs["scan_direction"], s.attrs["slow_direction"]) for s in found] == [
        ("forward", "up"), ("backward", "up"), ("forward", "down"), ("backward", "down"),
    ]  # fmt: skip
    assert found[0]["current"].dims == ("direction", "y", "x", "bias")
    np.testing.assert_array_equal(found[0]["current"][0], points[0, ::-1, 0, :, 0])
    np.testing.assert_array_equal(found[1]["current"][1], points[0, ::-1, 1, ::-1, 1, ::-1])
    np.testing.assert_array_equal(found[3]["current"][0], points[1, :, 1, ::-1, 0])
    np.testing.assert_allclose(found[0]["x"], np.arange(NX // 2) * 1e-7, rtol=1e-12)


def test_an_unknown_transfer_function_leaves_the_numbers_and_says_so(tmp_path: Path) -> None:
    raw = made.image(tmp_path / "chain--3_7.Df_mtrx")
    scan = sharptip.io.scans(tmp_path / "chain--3_7.Df_mtrx")[0]
    assert scan["frequency_shift"].attrs["units"] == "arb"
    np.testing.assert_array_equal(scan["frequency_shift"].sel(direction="forward").values[-1], raw[:NX].astype(float))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    made.image(tmp_path / Z)
    with pytest.raises(ReadError, match="it is a parameter file"):
        sharptip.read(tmp_path / "chain_0001.mtrx")
    renamed = tmp_path / "chain--3_8.Z_mtrx"
    renamed.write_bytes((tmp_path / Z).read_bytes())
    with pytest.raises(ReadError, match="do not name it"):
        sharptip.read(renamed)
    (tmp_path / "a.Z_mtrx").write_bytes((tmp_path / Z).read_bytes())
    with pytest.raises(ReadError, match="call it so again"):
        sharptip.read(tmp_path / "a.Z_mtrx")
    (tmp_path / "chain_0001.mtrx").unlink()
    with pytest.raises(ReadError, match=r"chain_0001\.mtrx is not beside it"):
        sharptip.read(tmp_path / Z)


@pytest.mark.parametrize("part", [Z, "chain_0001.mtrx"])
def test_damaged_results_and_damaged_parameters(part: str, tmp_path: Path) -> None:
    """In place, since the mutants of all formats are copies under another name, which this format refuses."""
    made.image(tmp_path / Z)
    whole, sound = (tmp_path / part).read_bytes(), numbers(sharptip.io.grids(tmp_path / Z)[1])
    rng = np.random.default_rng(1)
    refused = 0
    for i in range(700):
        damage = DAMAGE[i % len(DAMAGE)]
        (tmp_path / part).write_bytes(damage(whole, rng))
        found = read_or_refused(tmp_path / Z)
        refused += found is None
        assert found is None or hold_together(found, tmp_path / Z)
        if found is not None and damage.__name__ == "truncated" and part == Z:
            assert_is_a_part(found, sound, points=True)
    assert refused > 100


@pytest.mark.parametrize("make", [made.image, made.curve, made.volume])
def test_every_truncation_is_refused_or_told_and_the_contract_is_kept(make: Callable, tmp_path: Path) -> None:
    path = tmp_path / (Z if make is made.image else CURVE)
    make(path)
    assert check_reader(matrix, path) > 300
    whole, sound = path.read_bytes(), numbers(sharptip.io.grids(path)[1])
    parts = 0
    for keep in sorted({*range(0, len(whole), 7), *range(len(whole) - 40, len(whole))}):
        path.write_bytes(whole[:keep])
        if (found := read_or_refused(path)) is not None:
            assert_is_a_part(found, sound, points=True)
            parts += 1
    assert parts


def access2(path: Path) -> tuple[dict, object]:
    mtrx = pytest.importorskip("access2thematrix").MtrxData()
    traces, message = mtrx.open(str(path))
    assert message.startswith("Success"), message
    return traces, mtrx


@pytest.mark.parametrize(("both", "down"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("missing_lines", [0, 2])
def test_access2thematrix_reads_the_same_images(both: bool, down: bool, missing_lines: int, tmp_path: Path) -> None:
    planned = NY * NX * (1 + both) * (1 + down)
    made.image(tmp_path / Z, planned - missing_lines * NX * (1 + both), both, down)
    traces, other = access2(tmp_path / Z)
    for trace in traces.values():
        theirs = other.select_image(trace)[0]
        way, slow = trace.split("/")
        scan = next(s for s in sharptip.io.scans(tmp_path / Z) if s.attrs["slow_direction"] == slow)
        ours = scan["height"].sel(direction=way) if both else scan["height"]
        lines = np.isfinite(ours).all("x")
        np.testing.assert_allclose(ours[::-1][lines[::-1]], theirs.data, rtol=1e-14)
        assert theirs.channel_name_and_unit == ["Z", "m"]
        assert theirs.width == pytest.approx(float(scan["x"][1] * NX))


def test_access2thematrix_reads_the_same_curves(tmp_path: Path) -> None:
    made.curve(tmp_path / CURVE)
    _, other = access2(tmp_path / CURVE)
    scan = sharptip.read(tmp_path / CURVE)
    for trace, way in (("trace", "forward"), ("retrace", "backward")):
        theirs = other.select_curve(trace)[0]
        np.testing.assert_allclose(scan["bias"], theirs.data[0], rtol=1e-14)
        np.testing.assert_allclose(scan["current"].sel(direction=way)[0], theirs.data[1], rtol=1e-14)
    assert theirs.referenced_by["Location (m)"] == [1.5e-8, -2.5e-8]


@pytest.mark.parametrize(
    ("both", "down", "mode"), [(True, True, 0), (True, False, 1), (True, True, 2), (False, True, 0)]
)
def test_access2thematrix_reads_the_same_grid_of_curves(both: bool, down: bool, mode: int, tmp_path: Path) -> None:
    made.volume(tmp_path / CURVE, None, both, down, mode)
    _, other = access2(tmp_path / CURVE)
    found = {f"{s.attrs['scan_direction']}/{s.attrs['slow_direction']}": s for s in sharptip.io.scans(tmp_path / CURVE)}
    assert set(found) == set(other.volume_scan)
    for way, sweeps in other.volume_scan.items():
        for sweep, theirs in sweeps.items():
            direction = {"trace": "forward", "retrace": "backward"}[sweep]
            ours = found[way]["current"].sel(direction=direction)
            np.testing.assert_allclose(ours[::-1], theirs, rtol=1e-14)
