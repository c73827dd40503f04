"""Films of JPK's fast microscopes (`.h5-jpk`): HDF5 files with one group per film and one per channel and direction.

Layout: the Universal Spectroscopy and Imaging Data model of pycroscopy (a dataset of positions × frames, x fastest),
with JPK's own attributes: the grid in `position-pattern.grid.*`, and for every channel the encoder and the calibration
slots of `jpk_properties`. The bottom line comes first unless the grid is reflected. Frames have their starting times
in `meta-data/start-times`, in milliseconds; they are read one at a time, as they are compressed one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.lazy import Lazy
from . import hdf5
from .jpk_properties import Facts, Scale, line, slots
from .layout import count, image_axes, positive

NAME = "jpk_h5"
SUFFIXES = (".h5-jpk",)
GENERIC = False
LAZY = True

_RATIO = 1032  # HDF5's gzip packs no stretch of bytes tighter than this
_WAYS = {"false": "forward", "true": "backward"}  # the attribute `retrace`
_SETTINGS = {"i-gain": "arb", "p-gain": "arb", "relative-setpoint": "arb"}  # of each frame; no unit is said

Recorded = dict[str, tuple[str, Scale]]  # direction → dataset, scale


def detect(head: bytes, path: Path) -> bool:
    """An HDF5 file that calls itself a JPK scan."""
    if not path.is_file():
        return head.startswith(hdf5.MAGIC) and b"file-format-info" in head and b"JPK SCAN" in head
    return hdf5.is_ours(head, path, lambda file: _text(file.attrs.get("file-format-info", "")) == "JPK SCAN")


def read(path: Path) -> list[Grid]:
    import h5py

    with hdf5.opened(path) as file:
        films = [file[name] for name in sorted(file) if isinstance(file[name], h5py.Group)]
        films = [film for film in films if any(name.startswith("Channel_") for name in film)]
        names = [path.stem if len(films) == 1 else f"{path.stem}_{k}" for k in range(len(films))]
        return [_film(film, path, name) for film, name in zip(films, names, strict=True)]


def _film(film: Any, path: Path, name: str) -> Grid:
    facts = _facts(film)
    grid = {key: facts[f"position-pattern.grid.{key}"] for key in ("ilength", "jlength", "ulength", "vlength")}
    shape = count(grid["jlength"], "grid.jlength"), count(grid["ilength"], "grid.ilength")
    size = positive(grid["vlength"], "grid.vlength"), positive(grid["ulength"], "grid.ulength")
    flip = facts.get("position-pattern.grid.reflect") != "true"
    groups = {film[key]: _facts(film[key]) for key in sorted(film) if key.startswith("Channel_")}
    frames = _frames(groups, shape, path)
    channels = [_channel(path, *one, frames, shape, flip) for one in _recorded(groups)]
    axes = {"time": Axis(_starts(film, frames), "s"), **image_axes(shape, *size)}
    if any("direction" in c.dims for c in channels):
        axes["direction"] = Axis(np.array(["forward", "backward"]), "1")
    header = {"/": _facts(film.file), film.name: facts, **{group.name: said for group, said in groups.items()}}
    slow = {"topDown": "down", "bottomUp": "up"}.get(facts.get("motion", ""))
    attrs = {"start_time": facts.get("start-time", ""), **({"slow_direction": slow} if slow else {})}
    return Grid(name, unique(channels + _settings(film, frames)), axes, header, attrs)


def _facts(group: Any) -> Facts:
    return {key: _text(value) for key, value in group.attrs.items()}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return repr(value.item()) if isinstance(value, np.number) else str(value)


def _data(group: Any) -> Any:
    """The dataset of a channel; its group also holds a thumbnail."""
    found = [group[name] for name in group if name != "thumbnail"]
    if len(found) != 1:
        raise ReadError(f"{group.name} holds {len(found)} datasets beside its thumbnail, not one")
    return found[0]


def _frames(groups: Mapping[Any, Facts], shape: tuple[int, int], path: Path) -> int:
    """How many frames there are: as many in every channel, each of the size of the grid."""
    shapes = {_data(group).shape for group in groups}
    if len(shapes) != 1 or len(told := shapes.pop()) != 2 or told[0] != shape[0] * shape[1] or told[1] < 1:
        raise ReadError(f"the channels of a film of {shape[0]} × {shape[1]} pixels do not have that shape")
    if told[0] * told[1] > path.stat().st_size * _RATIO:
        raise ReadError(f"the film claims {told[1]} frames, more than its file can hold; it is damaged")
    return int(told[1])


def _recorded(groups: Mapping[Any, Facts]) -> list[tuple[str, Recorded]]:
    """(vendor's name, what was recorded of it) in the file's order; both directions of a channel together."""
    out: dict[str, tuple[str, Recorded]] = {}
    for group, facts in groups.items():
        vendor = facts.get("channel.fancy-name") or facts["channel.name"]
        first = line(facts, "encoder.", vendor)
        if first is None:
            raise ReadError(f"channel {vendor!r} is encoded by {facts.get('encoder.scaling.type')!r}, not known")
        scales, default, _ = slots(facts, first, vendor)
        ways = out.setdefault(facts["channel.name"], (vendor, {}))[1]
        way = _WAYS[facts["retrace"]]
        if way in ways:  # recorded twice: two channels
            ways = out.setdefault(group.name, (vendor, {}))[1]
        ways[way] = (_data(group).name, scales[default])
    return list(out.values())


def _channel(path: Path, vendor: str, ways: Recorded, frames: int, shape: tuple[int, int], flip: bool) -> Channel:
    """One channel, (time, direction, y, x), or (time, y, x) where it was recorded one way."""
    order = [way for way in ("forward", "backward") if way in ways]
    parts = [ways[way] for way in order]
    both = len(parts) == 2
    dims = ("time", *(("direction",) if both else ()), "y", "x")
    inner = (2, *shape) if both else shape
    data = Lazy((frames, *inner), np.dtype(float), partial(_load, path, parts, shape, flip))
    unit = parts[0][1].unit
    if any(scale.unit != unit for _, scale in parts):
        raise ReadError(f"channel {vendor!r} has two units in its two directions; the file is damaged")
    made = Channel.from_vendor(vendor, data, unit, dims)
    return made if both else replace(made, attrs={**made.attrs, "direction": order[0]})


def _load(
    path: Path, parts: list[tuple[str, Scale]], shape: tuple[int, int], flip: bool, which: np.ndarray
) -> np.ndarray:
    """The frames asked for, (frame, direction, y, x), in the unit of the scale."""

    out = np.empty((len(which), len(parts), *shape))
    with hdf5.opened(path) as file:
        for k, (name, scale) in enumerate(parts):
            for frame, place in zip(out, which, strict=True):
                frame[k] = scale.of(file[name][:, int(place)]).reshape(shape)[:: -1 if flip else 1]
    return out


def _starts(film: Any, frames: int) -> np.ndarray:
    """Seconds since the first frame began."""
    starts = np.asarray(film["meta-data/start-times"], np.int64).ravel()
    if len(starts) != frames or not (np.diff(starts) > 0).all():
        raise ReadError(f"{frames} frames have {len(starts)} starting times that do not ascend; the file is damaged")
    return (starts - starts[0]) * 1e-3


def _settings(film: Any, frames: int) -> list[Channel]:
    """What the feedback was set to in each frame."""
    out = []
    for name, unit in _SETTINGS.items():
        if f"meta-data/{name}" in film:
            values = np.asarray(film[f"meta-data/{name}"], float).ravel()
            if len(values) == frames:
                out.append(Channel(name.replace("-", "_"), values, unit, name, ("time",)))
    return out
