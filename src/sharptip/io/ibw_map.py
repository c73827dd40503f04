"""Force maps of Asylum Research instruments: a folder with one Igor wave for each curve.

Layout: the curves are called `Line0003Point0012.ibw`, lines counted from the bottom of the map, and often lie in a
folder for each line, `FMLine0003`; each is a wave as `ibw_force` reads it. Curves that were not measured have no file.
Opening a map reads the beginning of each file; a curve is read when it is asked for.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.lazy import Lazy
from . import ibw
from .door import DAMAGE
from .layout import count

NAME = "ibw_map"
SUFFIXES = (".ibw",)  # of the files within
GENERIC = False
LAZY = True

_CURVE = re.compile(r"Line(\d+)Point(\d+)\.ibw", re.IGNORECASE)
_LINE = re.compile(r"FMLine\d+", re.IGNORECASE)
_START = 384  # bytes of the headers of a wave


@dataclass(frozen=True)
class Map:
    """The files of the curves in the order of their places, with the samples of each."""

    files: tuple[Path, ...]
    places: tuple[tuple[int, int], ...]  # (line, point)
    lengths: tuple[int, ...]
    parts: tuple[str, ...] = ()

    @property
    def longest(self) -> int:
        return max(self.lengths)


def detect(head: bytes, path: Path) -> bool:
    """A folder with a curve of a map, or with a folder of a line that has one."""
    return not head and path.is_dir() and next(_found(path), None) is not None


def _found(folder: Path) -> Iterator[tuple[tuple[int, int], Path]]:
    """((line, point), file) of the curves in a folder."""
    for path in folder.iterdir():
        if match := _CURVE.fullmatch(path.name):
            yield (int(match[1]), int(match[2])), path
        elif _LINE.fullmatch(path.name) and path.is_dir():
            yield from _found(path)


def read(path: Path) -> list[Grid]:
    found = sorted(_found(path))
    if len({place for place, _ in found}) < len(found):
        raise ReadError("two of its files are the same curve of the map; it holds more than one map")
    sound, unread = [], []
    for place, file in found:
        try:
            sound.append((place, file, _samples(file)))
        except (ReadError, *DAMAGE) as error:
            unread.append(f"{file.relative_to(path)}: {error}")
    if not sound:
        raise ReadError(f"none of its {len(found)} curves can be read: {unread[0]}")
    places, files, lengths = zip(*sound, strict=True)
    model = _curve(files[int(np.argmax(lengths))])
    here = Map(files, places, lengths, tuple(json.loads(str(model.attrs["segments"]))))
    facts = {"unread": json.dumps(unread)} if unread else {}
    axes = {"curve": Axis(np.arange(len(files)), "1"), "sample": Axis(np.arange(here.longest), "1")}
    placed, shape = _places(here, model)
    channels = [_channel(here, c) for c in model.channels if c.name not in ("row", "column", "length")]
    channels.append(Channel("length", np.array(lengths, float), "1", "length", ("curve",)))
    header = {files[0].name: model.header}
    return [Grid(path.name, unique(channels + placed), axes, header, {**model.attrs, **shape, **facts})]


def _samples(file: Path) -> int:
    """Samples of a curve, from the beginning of its file. Raises ReadError where that is no Igor wave."""
    with file.open("rb") as opened:
        head = opened.read(_START)
    order = ibw.order_of(head)
    (samples,) = struct.unpack_from(order + "i", head, 132)
    return count(samples, "the length of the curve")


def _curve(file: Path) -> Grid:
    return ibw.read(file)[0]


def _channel(here: Map, one: Channel) -> Channel:
    """A channel of the model curve as that of all curves."""
    dims = ("curve", "sample") if "sample" in one.dims else ("curve",)
    shape = (len(here.files), here.longest)[: len(dims)]
    data = Lazy(shape, np.dtype(float), partial(_load, here, one.name, one.unit, shape[1:]))
    return replace(one, data=data, dims=dims)


def _places(here: Map, model: Grid) -> tuple[list[Channel], dict[str, object]]:
    """Row and column of each curve, row 0 on top, in the map that the notes or the names of the files speak of."""
    lines, points = (np.array(v) for v in zip(*here.places, strict=True))
    ny, nx = (int(v.max()) + 1 for v in (lines, points))
    said = model.attrs.get("map_shape")
    if isinstance(said, list) and said[0] >= ny and said[1] >= nx:
        ny, nx = said
    row, column = (ny - 1.0 - lines), points.astype(float)
    made = [
        Channel(name, v, "1", said, ("curve",)) for name, v, said in (("row", row, "Line"), ("column", column, "Point"))
    ]
    return made, {"map_shape": [ny, nx]}


def _load(here: Map, name: str, unit: str, shape: tuple[int, ...], which: np.ndarray) -> np.ndarray:
    """One channel of the curves asked for; NaN behind their ends, and where a curve has no such channel."""
    out = np.full((len(which), *(shape or (1,))), np.nan)
    for row, k in zip(out, which, strict=True):
        grid = _curve(here.files[k])
        found = next((c for c in grid.channels if c.name == name and c.unit == unit), None)
        if found is None:
            continue
        values = np.asarray(found.data, float).ravel()
        if name == "segment":
            values = _parts(here, grid, here.files[k])[values.astype(int)]
        row[: len(values)] = values
    return out.reshape(len(which), *shape)


def _parts(here: Map, grid: Grid, file: Path) -> np.ndarray:
    """Which parts of the map's curves those of one curve are: a dwell may be missing in some."""
    own, at, places = json.loads(str(grid.attrs["segments"])), 0, []
    for kind in own:
        if kind not in here.parts[at:]:
            raise ReadError(f"{file.name} is made of {own}, and the longest curve of the map of {list(here.parts)}")
        at = here.parts.index(kind, at) + 1
        places.append(at - 1.0)
    return np.array(places)
