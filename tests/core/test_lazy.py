"""Numbers that stay in the file: what is asked for is what is read, and nothing else."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sharptip.core.errors import ReadError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.lazy import Lazy
from sharptip.core.scan import check, from_grid
from sharptip.io.layout import ragged, stored

FILM = np.random.default_rng(0).integers(-9000, 9000, (7, 5, 4)).astype("<i2")
ASKED: list[int] = []


def _noted(frames: np.ndarray, which: np.ndarray) -> np.ndarray:
    ASKED.extend(int(i) for i in which)
    return frames[which]


@pytest.fixture
def lazy() -> Lazy:
    ASKED.clear()
    return Lazy(FILM.shape, np.dtype(float), partial(_noted, FILM.astype(float)))


KEYS = [3, -1, slice(2, 5), slice(None, None, 3), np.array([6, 0]), (2, slice(1, 3)), (slice(0, 2), 1, slice(None)),
        (..., 2), slice(0, 0), (slice(None), np.array([0, 3]))]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_it_answers_as_an_array_does(lazy: Lazy, key: object) -> None:
    np.testing.assert_array_equal(lazy[key], FILM.astype(float)[key])


def test_a_frame_costs_a_frame_through_xarray_too(lazy: Lazy) -> None:
    axes = {"time": Axis(np.arange(7) * 0.5, "s"), "y": Axis.regular(5, 1e-9), "x": Axis.regular(4, 1e-9)}
    scan = check(from_grid(Grid("film", (Channel("height", lazy, "m", "TP", ("time", "y", "x")),), axes, "h")))
    assert scan.sizes == {"time": 7, "y": 5, "x": 4}
    np.testing.assert_array_equal(scan["height"].isel(time=4, x=slice(1, 3)), FILM[4, :, 1:3])
    assert ASKED == [4]
    np.testing.assert_array_equal(scan["height"].isel(time=slice(5, 7)), FILM[5:])
    assert ASKED == [4, 5, 6]


def test_a_unit_is_applied_when_the_numbers_are_read(lazy: Lazy) -> None:
    channel = Channel.from_vendor("Height", lazy, "nm", ("time", "y", "x"))
    assert (channel.unit, ASKED) == ("m", [])
    np.testing.assert_array_equal(np.asarray(channel.data), FILM * 1e-9)
    assert list(map(len, Lazy(FILM.shape, np.dtype(float), lazy.load).blocks())) == [7]


def test_parts_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "film.bin"
    file.write_bytes(b"head" + FILM.tobytes())
    offsets = 4 + np.arange(7) * 40
    found = stored(file, offsets, (5, 4), "<i2", "the film")
    np.testing.assert_array_equal(found[:], FILM)
    again = pickle.loads(pickle.dumps(found.scaled(2.0)))
    np.testing.assert_array_equal(again[3], FILM[3] * 2.0)
    with pytest.raises(ReadError, match="do not fit"):
        stored(file, offsets + 1, (5, 4), "<i2", "the film")
    file.write_bytes(b"head")
    with pytest.raises(ReadError, match="shorter"):
        found[6]


def test_ragged_curves_are_padded_with_nan() -> None:
    padded, lengths = ragged([np.arange(3.0), np.arange(1.0)])
    np.testing.assert_array_equal(lengths, [3, 1])
    np.testing.assert_array_equal(padded, [[0, 1, 2], [0, np.nan, np.nan]])


MAP = np.random.default_rng(1).normal(size=(2, 3, 4, 5))


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        (1, [3, 4, 5]),
        ((0, 2), [2]),
        ((slice(None), 1), [1, 4]),
        ((1, np.array([2, 0]), 3), [5, 3]),
        ((np.array([1, 0]), slice(0, 2), slice(1, 3)), [3, 4, 0, 1]),
        ((..., 3), [0, 1, 2, 3, 4, 5]),
        ((0, 1, 2, 3), [1]),
    ],
    ids=str,
)
def test_a_line_of_one_direction_costs_that_line(key: tuple[object, ...], lines: list[int]) -> None:
    ASKED.clear()
    lazy = Lazy(MAP.shape, np.dtype(float), partial(_noted, MAP.reshape(6, 4, 5)), lead=2)
    np.testing.assert_array_equal(lazy[key], MAP[key])
    assert lines == ASKED
    np.testing.assert_array_equal(lazy.scaled(2.0)[1, 2], MAP[1, 2] * 2)
    np.testing.assert_array_equal(np.concatenate(list(lazy.blocks())), MAP.reshape(6, 4, 5))


def test_a_part_of_two_leading_axes_reads_its_own_lines_only() -> None:
    """Frames of a stack that is read line by line: the places that are asked for count the lines of all frames."""
    asked: list[np.ndarray] = []
    values = np.arange(24.0).reshape(2, 3, 4)

    def load(places: np.ndarray) -> np.ndarray:
        asked.append(places)
        return values.reshape(6, 4)[places]

    second = Lazy((2, 3, 4), np.dtype(float), load, 2).part(1)
    assert (second.shape, second.lead) == ((3, 4), 1)
    np.testing.assert_array_equal(second[1:], values[1, 1:])
    assert [list(a) for a in asked] == [[4, 5]]
