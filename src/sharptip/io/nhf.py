"""Nanosurf Studio files (`.nhf`): images, WaveMode images with a curve in every pixel, and grids of force curves.

Layout: Nanosurf's own reader (package nanosurf). HDF5: a group per measurement, in it one per segment (a pass over the
lines, or a part of the curves), in it a flat dataset per channel. Images begin with the bottom line, and both passes
run to the right. A channel with n times as many numbers as pixels holds a curve of n samples for each. The curves of a
grid lie end to end; their lengths stand in a dataset `number_of_datapoints_acquired` (version 1), or in the one whose
block id the channel names (version 2). Version 1 was compared on one real file; version 2 is untested on real files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import LARGEST, Axis, Channel, Grid, unique
from ..core.lazy import Lazy
from . import hdf5
from .layout import count, finite, image_axes, join_directions, positive
from .nhf_signal import Scale, Step, calibrations, scale

NAME = "nhf"
SUFFIXES = (".nhf",)
GENERIC = False
LAZY = True
UNTESTED = "version 2 of .nhf is read as Nanosurf's own reader does and has met no real file; compare with Studio"

_VERSION = "nsf_file_version_major"
_WAYS = {"forward": "forward", "backward": "backward"}
_PARTS = (
    ("advance", "approach"),
    ("retract", "retract"),
    ("wait", "pause"),
    ("pause", "pause"),
    ("sweep", "modulation"),
)
_NAMES = {"Position Z": "height_sensor", "Z-Controller In": "height_error"}
_COUNTS = "number_of_datapoints_acquired"
_BOOKKEEPING = (_COUNTS, "channel_data_offsets")
_MOST = 4096  # groups or datasets beside each other


@dataclass(frozen=True)
class Recorded:
    """One channel of one segment: where it lies and how its numbers become physical."""

    name: str
    place: str
    size: int
    scale: Scale
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Segment:
    name: str
    channels: tuple[Recorded, ...]
    blocks: Mapping[Any, np.ndarray]  # block id (None in version 1) → samples of each curve


def detect(head: bytes, path: Path) -> bool:
    if not path.is_file():
        return head.startswith(hdf5.MAGIC) and _VERSION.encode() in head
    return hdf5.is_ours(head, path, lambda file: _VERSION in file.attrs)


def read(path: Path) -> list[Grid]:
    import h5py

    with hdf5.opened(path) as file:
        major = int(file.attrs[_VERSION])
        if major not in (1, 2):
            raise ReadError(f"version {major} of .nhf files is not known; known are 1 and 2")
        steps = calibrations(file) if major == 2 else []
        groups = [file[key] for key in _few(file) if isinstance(file[key], h5py.Group)]
        groups = [g for g in groups if g.attrs.get("group_type") != "calibration" and _label(g)]
        said = {"reader_untested": UNTESTED} if major == 2 else {}
        grids: list[Grid] = []
        for group in groups:
            name = path.stem if len(groups) == 1 else f"{path.stem} {_label(group)}"
            header = {"/": _plain(file.attrs), **_headers(group)}
            grids += [
                replace(g, header=header, attrs={**g.attrs, **said}) for g in _measurement(path, group, name, steps)
            ]
        return grids


def _few(group: Any) -> list[str]:
    keys = list(group)
    if len(keys) > _MOST:
        raise ReadError(f"{group.name} holds {len(keys)} groups and arrays; the file is damaged")
    return sorted(keys)


def _label(thing: Any) -> str:
    """What a measurement, segment or channel is called; '' for what has no name."""
    keys = ("measurement_name", "segment_name", "signal_name", "name")
    return next((str(thing.attrs[k]) for k in keys if k in thing.attrs), "")


def _plain(attrs: Any) -> dict[str, Any]:
    out = {}
    for key, value in attrs.items():
        out[key] = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
    return out


def _headers(group: Any) -> dict[str, Any]:
    found = {group.name: _plain(group.attrs)}
    group.visititems(lambda _, thing: found.__setitem__(thing.name, _plain(thing.attrs)))
    return found


def _measurement(path: Path, group: Any, name: str, steps: list[Step]) -> list[Grid]:
    """One grid for the images of all passes, one for the curves of each; or one for a grid of force curves."""
    import h5py

    about = _plain(group.attrs)
    parts = [group[key] for key in _few(group) if isinstance(group[key], h5py.Group) and _label(group[key])]
    parts.sort(key=lambda part: int(part.attrs.get("segment_index", 0)))
    segments = [_segment(part, steps) for part in parts]
    own = _segment(group, steps)
    if any(s.blocks for s in segments):
        return [_curves(path, segments, own, about, name)]
    shape, size = _extent(about, [_plain(part.attrs) for part in parts])
    grids, used = _images(path, segments, shape, size, about, name)
    for segment in segments:
        grids += _pixel_curves(path, segment, shape, size, about, f"{name} {segment.name}", used)
    left = [c.name for s in (own, *segments) for c in s.channels if c.place not in used]
    more = {"left_out": ", ".join(dict.fromkeys(left))} if left else {}
    return [replace(grid, attrs={**grid.attrs, **more}) for grid in grids]


def _segment(group: Any, steps: list[Step]) -> Segment:
    import h5py

    channels, blocks = [], dict[Any, np.ndarray]()
    for key in _few(group):
        thing = group[key]
        if not isinstance(thing, h5py.Dataset):
            continue
        if thing.size > LARGEST:
            raise ReadError(f"{thing.name} claims {thing.size} numbers; the file is damaged")
        about, label = _plain(thing.attrs), _label(thing)
        if "dataset_block_size_id" in about:
            blocks[about["dataset_block_size_id"]] = np.ravel(thing[()]).astype(np.int64)
        elif label == _COUNTS:
            blocks[None] = np.ravel(thing[()]).astype(np.int64)
        elif label and label not in _BOOKKEEPING and "dataset_element_type" in about:
            channels.append(Recorded(label, thing.name, int(thing.size), scale(about, thing, steps), about))
    return Segment(_label(group), tuple(channels), blocks)


def _extent(about: Mapping[str, Any], parts: list[dict[str, Any]]) -> tuple[tuple[int, int], tuple[float, float]]:
    """((lines, points), (height, width) in metres)."""
    facts = {k: v for said in (*parts[::-1], about) for k, v in said.items()}
    if "image_number_of_lines" in facts:
        shape = facts["image_number_of_lines"], facts["image_points_per_line"]
        size = facts["image_size_y"], facts["image_size_x"]
    elif "rect_axis_size" in facts:
        shape, size = facts["rect_axis_size"], facts["rect_axis_range"]
    else:
        raise ReadError("a measurement says no number of lines; images and grids of force curves are known")
    ny, nx = (count(n, "the number of lines or points") for n in shape)
    height, width = (positive(s, "the size of the image") for s in size)
    return (ny, nx), (height, width)


def _images(
    path: Path,
    segments: list[Segment],
    shape: tuple[int, int],
    size: tuple[float, float],
    about: Mapping[str, Any],
    name: str,
) -> tuple[list[Grid], set[str]]:
    """The channels with a number for every pixel, and where they lie."""
    recorded, used = [], set()
    for segment in segments:
        for one in segment.channels:
            if one.size == shape[0] * shape[1]:
                rows = _load(path, one, 0, one.size).reshape(shape)[::-1]
                made = _named(one, np.ascontiguousarray(rows), ("y", "x"))
                recorded.append((one.name, _WAYS.get(segment.name.lower()), made))
                used.add(one.place)
    if not recorded:
        return [], used
    channels, axes = join_directions(recorded)
    direction = str(about.get("image_scan_direction", "")).lower()
    attrs = {"slow_direction": direction} if direction in ("up", "down") else {}
    return [Grid(name, unique(channels), axes | image_axes(shape, *size), "", attrs)], used


def _named(one: Recorded, data: np.ndarray | Lazy, dims: tuple[str, ...]) -> Channel:
    made = Channel.from_vendor(one.name, data, one.scale.unit, dims)
    if one.name in _NAMES and made.unit in ("m", "V"):
        fits = made.unit == "m" or _NAMES[one.name] != "height_sensor"
        made = replace(made, name=_NAMES[one.name] if fits else f"{_NAMES[one.name]}_signal")
    return made


def _load(path: Path, one: Recorded, start: int, stop: int) -> np.ndarray:
    with hdf5.opened(path) as file:
        return one.scale.of(np.ravel(file[one.place][start:stop]))


def _pixel_curves(
    path: Path,
    segment: Segment,
    shape: tuple[int, int],
    size: tuple[float, float],
    about: Mapping[str, Any],
    name: str,
    used: set[str],
) -> list[Grid]:
    """Channels with several numbers for every pixel: one period of an oscillation each, as WaveMode records it."""
    n = shape[0] * shape[1]
    lengths = {one.size // n for one in segment.channels if one.size > n and one.size % n == 0}
    grids = []
    for samples in sorted(lengths):
        members = [one for one in segment.channels if one.size == n * samples]
        used.update(one.place for one in members)
        channels = []
        for one in members:
            load = partial(_rows, str(path), one, samples)
            channels.append(_named(one, Lazy((n, samples), np.dtype(float), load), ("curve", "sample")))
        row, column = (v.ravel().astype(float) for v in np.indices(shape))
        places = [("row", shape[0] - 1 - row, "1"), ("column", column, "1")]
        places += [("tip_x", column * (size[1] / shape[1]), "m"), ("tip_y", row[::-1] * (size[0] / shape[0]), "m")]
        places += [("length", np.full(n, float(samples)), "1")]
        channels += [Channel(label, v, unit, label, ("curve",)) for label, v, unit in places]
        frequency = about.get("wave_frequency")
        if frequency:
            period = 1 / positive(frequency, "wave_frequency")
            times = np.broadcast_to(np.arange(samples) * (period / samples), (n, samples))
            channels.append(Channel("time", times, "s", "wave_frequency", ("curve", "sample")))
        segments = np.broadcast_to(np.zeros(samples), (n, samples))
        channels.append(Channel("segment", segments, "1", "segment", ("curve", "sample")))
        axes = {"curve": Axis(np.arange(n), "1"), "sample": Axis(np.arange(samples), "1")}
        attrs = {"segments": json.dumps(["other"]), "map_shape": list(shape), **_calibration(about)}
        grids.append(Grid(f"{name} curves", unique(channels), axes, "", attrs))
    return grids


def _rows(path: str, one: Recorded, samples: int, which: np.ndarray) -> np.ndarray:
    with hdf5.opened(Path(path)) as file:
        stored = file[one.place]
        found = [np.ravel(stored[int(i) * samples : (int(i) + 1) * samples]) for i in which]
    return one.scale.of(np.stack(found))


def _calibration(about: Mapping[str, Any]) -> dict[str, object]:
    """Spring constant (N/m) and sensitivity (m/V) of the lever as they were calibrated, where they were."""
    keys = {"spring_constant": "spring_constant", "sensitivity": "deflection_sensitivity"}
    said = {name: about.get(f"spm_probe_calibration_{key}") for name, key in keys.items()}
    return {name: finite(v, name) for name, v in said.items() if v is not None and finite(v, name) > 0}


# --- grids of force curves -------------------------------------------------------------------------------------------


def _curves(path: Path, segments: list[Segment], own: Segment, about: Mapping[str, Any], name: str) -> Grid:
    """Approach, pauses and retract of every curve end to end; a channel is NaN in the parts that lack it."""
    segments = [s for s in segments if s.blocks]
    lengths = [_lengths(s) for s in segments]
    n = {len(one) for one in lengths}
    if len(n) != 1:
        raise ReadError(f"the parts of the curves count {sorted(n)} curves; the file is damaged")
    curves, total = n.pop(), np.sum(lengths, axis=0)
    shape, dims = (curves, int(total.max())), ("curve", "sample")
    calibrated = _calibration(about)
    channels: list[Channel] = []
    for label in dict.fromkeys(c.name for s in segments for c in s.channels):
        parts = [next((c for c in s.channels if c.name == label), None) for s in segments]
        first = next(part for part in parts if part is not None)
        if any(part is not None and part.scale.unit != first.scale.unit for part in parts):
            raise ReadError(f"channel {label!r} has several units in the parts of a curve; the file is damaged")
        data = Lazy(shape, np.dtype(float), partial(_joined, str(path), tuple(parts), tuple(lengths), shape[1]))
        made = _named(first, data, dims)
        channels += _forces(replace(made, name="segment_time") if made.name == "time" else made, calibrated)
    load = partial(_numbered, tuple(lengths), shape[1])
    channels.append(Channel("segment", Lazy(shape, np.dtype(float), load), "1", "segments", dims))
    channels.append(Channel("length", total.astype(float), "1", _COUNTS, ("curve",)))
    places, placed = _places(path, own, about, curves)
    attrs = {"segments": json.dumps([_part(s.name) for s in segments]), **calibrated, **placed}
    axes = {"curve": Axis(np.arange(curves), "1"), "sample": Axis(np.arange(shape[1]), "1")}
    return Grid(name, unique(channels + places), axes, "", attrs)


def _lengths(segment: Segment) -> np.ndarray:
    """Samples of each curve in a segment; its channels must hold at least as many as they add up to."""
    sources = {one.about.get("dataset_block_size_source") for one in segment.channels} & set(segment.blocks)
    lengths = segment.blocks[next(iter(sources))] if sources else next(iter(segment.blocks.values()))
    least = min((one.size for one in segment.channels), default=0)
    if lengths.size == 0 or lengths.min() < 0 or lengths.sum() > least:
        raise ReadError(f"the curves of {segment.name!r} do not fit into its {least} numbers; the file is damaged")
    return lengths


def _joined(
    path: str, parts: tuple[Recorded | None, ...], lengths: tuple[np.ndarray, ...], longest: int, which: np.ndarray
) -> np.ndarray:
    out = np.full((len(which), longest), np.nan)
    starts = [np.cumsum(one) - one for one in lengths]
    with hdf5.opened(Path(path)) as file:
        for row, curve in zip(out, which, strict=True):
            at = 0
            for part, start, length in zip(parts, starts, lengths, strict=True):
                n, begin = int(length[curve]), int(start[curve])
                if part is not None:
                    row[at : at + n] = part.scale.of(np.ravel(file[part.place][begin : begin + n]))
                at += n
    return out


def _numbered(lengths: tuple[np.ndarray, ...], longest: int, which: np.ndarray) -> np.ndarray:
    out = np.full((len(which), longest), np.nan)
    for row, curve in zip(out, which, strict=True):
        parts = [int(one[curve]) for one in lengths]
        row[: sum(parts)] = np.repeat(np.arange(len(parts)), parts)
    return out


def _forces(channel: Channel, calibrated: Mapping[str, object]) -> list[Channel]:
    """A deflection in metres where the file knows the sensitivity, and the force where it knows the spring."""
    sensitivity, spring = calibrated.get("sensitivity"), calibrated.get("spring_constant")
    data = channel.data
    if channel.name != "deflection" or not isinstance(data, Lazy):
        return (
            [replace(channel, name="force")]
            if channel.name == "deflection_signal" and channel.unit == "N"
            else [channel]
        )
    if channel.unit == "V" and isinstance(sensitivity, float):
        data, how = data.scaled(sensitivity), {**channel.attrs, "computed": "volts times sensitivity"}
        channel = replace(channel, data=data, unit="m", attrs=how)
    if channel.unit != "m" or not isinstance(spring, float):
        return [channel]
    how = {"computed": "deflection times spring_constant; its baseline is not taken away"}
    return [channel, replace(channel, name="force", data=data.scaled(spring), unit="N", attrs=how)]


def _part(name: str) -> str:
    return next((part for word, part in _PARTS if word in name.lower()), "other")


def _places(path: Path, own: Segment, about: Mapping[str, Any], curves: int) -> tuple[list[Channel], dict[str, object]]:
    """Where each curve was taken, and its place in the map with row 0 on top; nothing where the file does not say."""
    found = {}
    for one in own.channels:
        axis = re.search(r"\b([xy])\b", one.name.lower().replace("_", " "))
        if axis and one.size == curves and one.scale.unit == "m":
            found[axis[1]] = _load(path, one, 0, curves)
    if set(found) != {"x", "y"}:
        return [], {}
    channels = [Channel(f"tip_{k}", v, "m", f"position {k}", ("curve",)) for k, v in found.items()]
    columns, rows = (np.unique(np.round(v, 12), return_inverse=True) for v in (found["x"], found["y"]))
    shape = len(rows[0]), len(columns[0])
    if shape[0] * shape[1] != curves or curves == 1:
        return channels, {}
    channels.append(Channel("row", shape[0] - 1.0 - rows[1].ravel(), "1", "position y", ("curve",)))
    channels.append(Channel("column", columns[1].ravel().astype(float), "1", "position x", ("curve",)))
    return channels, {"map_shape": list(shape)}
