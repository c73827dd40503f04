"""JPK force curves and maps of them: `.jpk-force`, `.jpk-force-map`, `.jpk-qi-data`, `.jpk-qi-series`.

Layout: JPK's "JPK data file specification". A ZIP archive: `header.properties`, from version 2 on
`shared-data/header.properties` with what repeats, and for every segment (extend, pause, retract …) a folder with its
own header and one file of big-endian numbers per channel. A map holds such folders once more for every curve, under
`index/0`, `index/1` …, numbered along the path of the tip; curves that were not measured are missing. Maps also hold
JPK images of themselves, which become a further grid. The header with what repeats is written behind the curves: where
an archive was cut off before it, nobody knows what the numbers mean, and it is refused; behind it, all whole curves are
read.

A map is not unpacked to open it: the archive's directory says how long each curve is, and a curve's headers and
numbers are read when it is asked for. JPK's heights grow away from the sample, as a scan's do. A channel is given in
the slot that its user saw (see `jpk_properties`); `vDeflection` as `deflection`, in metres where the file has a
sensitivity, and as `force` where it has a spring constant.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..core.errors import ReadError
from ..core.grid import INCOMPLETE, Axis, Channel, Grid, checked, unique
from ..core.lazy import Lazy, Load
from ..core.names import UNITS
from . import jpk
from .cut_off import be, cut_off
from .jpk_properties import Coding, Facts, by_number, coding, parse, parse_lines, resolved
from .layout import count, finite, positive, text
from .zipped import DIRECTORY, Archive, archive

NAME = "jpk_force"
SUFFIXES = (".jpk-force", ".jpk-force-map", ".jpk-qi-data", ".jpk-qi-series")
GENERIC = False
LAZY = True

_ABOUT, _SHARED, _SEGMENT = "header.properties", "shared-data/header.properties", "segment-header.properties"
_FOLDER = re.compile(rf"((?:index/(\d+)/)?)segments/(\d+)/{re.escape(_SEGMENT)}")
_WITHIN = re.compile(r"(index/(\d+)/|(?=segments/))")  # a curve of a map, or the only one
_OURS = re.compile(rb"(index/\d+/)?(segments/\d+/(segment-header\.properties|channels/.+\.dat)|header\.properties)")
_MAPS = re.compile(rb"(index/\d+/|shared-data/|data-image\.).*|segments/(\d+/.*)?")
_IMAGES = ("data-image.force", "data-image.jpk-qi-image", "data-image.jpk")
_PARTS = {
    "extend": "approach",
    "retract": "retract",
    "pause": "pause",
    "modulation": "modulation",
    "sine": "modulation",
}

# What a scan calls a channel, and the vendor's channels that are it, the best first. The others keep their own names.
_ROLES = {
    "height": ("height", "head-height", "cellhesion-height"),
    "height_sensor": ("measuredHeight", "capacitiveSensorHeight", "strainGaugeHeight"),
    "deflection": ("vDeflection",),
    "lateral_force": ("hDeflection",),
    "height_error": ("error",),
    "segment_time": ("time",),  # counted from the start of the segment; a scan's `time` is that of the whole curve
}
_DEFLECTION = "vDeflection"


def detect(head: bytes, path: Path) -> bool:
    """A ZIP archive whose members lie where JPK puts them."""
    if not head.startswith(b"PK\3\4"):
        return False
    names = list(_names(head))
    if any(_OURS.fullmatch(name) for name in names):
        return True
    return path.is_file() and bool(names) and all(map(_MAPS.fullmatch, names)) and _ABOUT in archive(path)


def _names(head: bytes) -> Iterator[bytes]:
    """Names of the members that begin in the head of an archive."""
    at = head.find(b"PK\3\4")
    while 0 <= at <= len(head) - 30:
        (length,) = struct.unpack_from("<H", head, at + 26)
        if at + 30 + length <= len(head):
            yield head[at + 30 : at + 30 + length]
        at = head.find(b"PK\3\4", at + 4)


def read(path: Path) -> list[Grid]:
    members = archive(path)
    with path.open("rb") as file:
        images, unread = _images(members, file)
        curves = _curves(members, file)
        if not curves.roots:
            if members.lost:
                raise ReadError("it was cut off before its first force curve is whole")
            raise ReadError("the archive holds no segment of a force curve")
        grid = _grid(curves, file)
    return [replace(grid, attrs={**grid.attrs, **unread, **_incomplete(curves, grid)}), *images]


def _incomplete(curves: Curves, grid: Grid) -> dict[str, object]:
    """How many curves there are of a map that was stopped or saved in part, or of an archive that was cut off."""
    there, planned = len(curves.roots), 0
    if shape := grid.attrs.get("map_shape"):
        assert isinstance(shape, list)
        planned = math.prod(shape)
    short = f"{there} of the map's {planned} curves {be(there)} there" if there < planned else ""
    if curves.archive.lost:
        whole = short or f"{there} whole curve{'s' * (there > 1)} {be(there)} there"
        return cut_off([f"{whole}; of the archive {curves.archive.lost} is missing"])
    return {INCOMPLETE: f"the map was stopped, or a part of it was saved: {short}"} if short else {}


def _images(members: Archive, file: BinaryIO) -> tuple[list[Grid], dict[str, object]]:
    """The images within, and which of them are not understood: the curves are not lost for that."""
    found, unread = [], []
    for name in _IMAGES:
        if name in members:
            data = members.read(file, name)
            try:
                found.append(checked(jpk.image(data, f"{members.path.stem}_image"), name))
            except (ReadError, LookupError, ValueError, struct.error) as error:
                unread.append(f"{name}: {error}")
    return found, {"unread": json.dumps(unread)} if unread else {}


@dataclass(frozen=True)
class Curves:
    """Where the curves of an archive lie."""

    archive: Archive
    shared: Mapping[str, Facts]
    roots: tuple[str, ...]  # folder of each curve, '' where there is one
    numbers: np.ndarray  # (curve,) its number along the path of the tip
    segments: tuple[tuple[int, ...], ...]  # of each curve
    points: tuple[tuple[int, ...], ...] = ()  # samples of each of its segments
    channels: Mapping[str, Coding] | None = None
    longest: int = 0

    def folders(self, curve: int) -> list[str]:
        return [f"{self.roots[curve]}segments/{s}/" for s in self.segments[curve]]

    def header(self, file: BinaryIO, folder: str, start: bytes = b"") -> Mapping[str, str]:
        """What the header of a segment says, or those of its lines that begin with `start`."""
        raw = self.archive.read(file, folder + _SEGMENT)
        return parse_lines(raw, start) if start else parse(raw)


def _curves(members: Archive, file: BinaryIO) -> Curves:
    """Every curve, its segments and their lengths, from the directory of the archive and a few headers."""
    found: dict[tuple[int, str], list[int]] = {}
    first: dict[str, str] = {}  # file of a channel → the first folder that has one
    for name in members:
        if name.endswith(_SEGMENT) and (match := _FOLDER.fullmatch(name)):
            found.setdefault((int(match[2] or 0), match[1]), []).append(int(match[3]))
        elif name.endswith(".dat"):
            folder, _, short = name.rpartition("channels/")
            first.setdefault(short, folder)
    if members.lost and (last := _begun(members)) in found:
        del found[last]
    keys = sorted(found)
    shared = by_number(parse(members.read(file, _SHARED))) if _SHARED in members else {}
    segments = tuple(tuple(sorted(found[key])) for key in keys)
    curves = Curves(members, shared, tuple(root for _, root in keys), np.array([n for n, _ in keys]), segments)
    if not keys:
        return curves
    _understood(curves, file)
    channels, files = _channels(curves, file, first)
    points = tuple(
        tuple(_points(curves, file, folder, files) for folder in curves.folders(i)) for i in range(len(keys))
    )
    return replace(curves, channels=channels, points=points, longest=max(map(sum, points)))


def _begun(members: Archive) -> tuple[int, str] | None:
    """The curve in which an archive was cut off; None where that was between two curves, or behind all."""
    if members.begun or members.lost == DIRECTORY:
        return _curve_of(members.begun)
    inside: dict[tuple[int, str], list[str]] = {}
    last = None
    for name in members:
        if (last := _curve_of(name)) and not name.endswith("/"):
            inside.setdefault(last, []).append(name.removeprefix(last[1]))
    before = [sorted(names) for key, names in inside.items() if key != last]
    return last if not last or not before or sorted(inside.get(last, [])) != before[-1] else None


def _curve_of(name: str) -> tuple[int, str] | None:
    """Number and folder of the curve that a member belongs to."""
    match = _WITHIN.match(name)
    return (int(match[2] or 0), match[1]) if match else None


def _understood(curves: Curves, file: BinaryIO) -> None:
    """Raises ReadError for an archive that was cut off before what its curves share."""
    if curves.archive.lost and not curves.shared:
        facts = curves.header(file, curves.folders(0)[0])
        if any(key.endswith("lcd-info.*") for key in facts):
            raise ReadError(
                f"the file was cut off: {len(curves.roots)} curves are whole, but {_SHARED}, which says what their "
                "numbers mean, was written behind them and is missing; copy the file again"
            )


def _richest(curves: Curves) -> int:
    """The curve with the most segments: an aborted one has fewer."""
    return max(range(len(curves.roots)), key=lambda i: len(curves.segments[i]))


def _channels(curves: Curves, file: BinaryIO, first: Mapping[str, str]) -> tuple[dict[str, Coding], dict[str, int]]:
    """(channel → coding, file of a channel → bytes of a sample), in the order of the headers.

    They are those of the richest curve, and of the first curve that has a file which that one has not.
    """
    folders = dict.fromkeys(curves.folders(_richest(curves)))
    for short, folder in first.items():
        if not any(f"{one}channels/{short}" in curves.archive for one in folders):
            folders[folder] = None
    channels: dict[str, Coding] = {}
    files: dict[str, int] = {}
    for folder in folders:
        facts = curves.header(file, folder)
        for name in facts["channels.list"].split():
            if name not in channels:
                channels[name] = _coding(curves, facts, name)
            if channels[name].dtype:
                files[_file(facts, name)] = np.dtype(channels[name].dtype).itemsize
    return channels, files


def _coding(curves: Curves, facts: Mapping[str, str], channel: str) -> Coding:
    return coding(resolved(facts, f"channel.{channel}.", curves.shared), f"channel {channel!r}")


def _file(facts: Mapping[str, str], channel: str) -> str:
    return facts.get(f"channel.{channel}.data.file.name", f"channels/{channel}.dat")


def _points(curves: Curves, file: BinaryIO, folder: str, files: Mapping[str, int]) -> int:
    """Samples of a segment: the size of one of its files, or what its header says where all are computed."""
    for name, width in files.items():
        if folder + name in curves.archive:
            return curves.archive.size(folder + name) // width
    return int(curves.header(file, folder)["force-segment-header.num-points"])


def _grid(curves: Curves, file: BinaryIO) -> Grid:
    model = _richest(curves)
    about = parse(curves.archive.read(file, _ABOUT)) if _ABOUT in curves.archive else {}
    parts = [curves.header(file, folder) for folder in curves.folders(model)]
    attrs: dict[str, object] = {"segments": json.dumps([_part(curves, facts) for facts in parts])}
    channels = _signals(curves)
    channels += [
        _of_samples("time", "s", "force-segment-header.duration", curves, partial(_times, curves)),
        _of_samples("segment", "1", "segments", curves, partial(_segments, curves)),
        _of_curves("length", "1", "num-points", np.array([sum(points) for points in curves.points], float)),
    ]
    for axis in "xy":
        where = Lazy((len(curves.roots),), np.dtype(float), partial(_positions, curves, axis))
        channels.append(_of_curves(f"tip_{axis}", "m", f"header.position.{axis}", where))
    calibrated, facts = _calibration(curves)
    placed, shape = _places(curves, about, file)
    axes = {"curve": Axis(np.arange(len(curves.roots)), "1"), "sample": Axis(np.arange(curves.longest), "1")}
    header = {name: text(curves.archive.read(file, name)) for name in _headers(curves, model)}
    return Grid(curves.archive.path.stem, unique(channels + calibrated + placed), axes, header, attrs | facts | shape)


def _headers(curves: Curves, model: int) -> list[str]:
    """The headers that are kept: of the file, and of one curve. Those of a map's others would fill the memory."""
    root = curves.roots[model]
    names = [_ABOUT, _SHARED, root + _ABOUT, *(folder + _SEGMENT for folder in curves.folders(model))]
    return [name for name in dict.fromkeys(names) if name in curves.archive]


def _part(curves: Curves, facts: Mapping[str, str]) -> str:
    """approach, pause, retract, modulation or other: what a segment is."""
    known = resolved(facts, "force-segment-header.", curves.shared)
    style = known.get("settings.segment-settings.style") or known.get("settings.style") or known.get("name.name", "")
    return next((part for start, part in _PARTS.items() if style.lower().startswith(start)), "other")


def _of_samples(name: str, unit: str, vendor: str, curves: Curves, load: Load) -> Channel:
    lazy = Lazy((len(curves.roots), curves.longest), np.dtype(float), load)
    return Channel(name, lazy, unit, vendor, ("curve", "sample"))


def _of_curves(name: str, unit: str, vendor: str, values: np.ndarray | Lazy) -> Channel:
    return Channel(name, values, unit, vendor, ("curve",))


def _signals(curves: Curves) -> list[Channel]:
    """Every channel that was recorded; the vertical deflection as such and, where it is calibrated, as force."""
    found = curves.channels or {}
    best = {name: next((v for v in vendors if v in found), "") for name, vendors in _ROLES.items()}
    names = {vendor: name for name, vendor in best.items()}
    out = []
    for vendor, how in found.items():
        slots = [how.default]
        if vendor == _DEFLECTION:
            slots = [next((s for s, line in how.slots.items() if line.unit == "m"), next(iter(how.slots)))]
            slots += [s for s, line in how.slots.items() if line.unit == "N"][:1]
        for slot in slots:
            unit = how.slots[slot].unit
            name = "force" if unit == "N" and vendor == _DEFLECTION else names.get(vendor) or _own_name(vendor)
            lazy = Lazy((len(curves.roots), curves.longest), np.dtype(float), partial(_samples, curves, vendor, slot))
            made = Channel.from_vendor(vendor, lazy, unit, ("curve", "sample"))
            fits = name not in UNITS or made.unit in UNITS[name]
            attrs = {**made.attrs, "vendor_slot": slot}
            out.append(replace(made, name=name if fits else f"{name}_signal", attrs=attrs))
    return out


def _own_name(vendor: str) -> str:
    """'capacitiveSensorXPosition' → 'capacitive_sensor_x_position'."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", vendor).lower()
    return "_".join(re.findall(r"[a-z0-9]+", spaced)) if spaced[:1].isalpha() else f"channel_{spaced}"


def _calibration(curves: Curves) -> tuple[list[Channel], dict[str, object]]:
    """The spring constant and the sensitivity: facts of the file, or channels where its curves may differ in them."""
    model = (curves.channels or {}).get(_DEFLECTION)
    channels: list[Channel] = []
    facts: dict[str, object] = {}
    for name, unit, value in zip(("spring_constant", "sensitivity"), ("N/m", "m/V"), _constants(model), strict=True):
        numbers = {_constants(c)[name == "sensitivity"] for c in _shared_codings(curves)}
        if len(numbers) > 1 or (not numbers and len(curves.roots) > 1 and value is not None):
            lazy = Lazy((len(curves.roots),), np.dtype(float), partial(_constant, curves, name))
            channels.append(_of_curves(name, unit, _DEFLECTION, lazy))
        elif value is not None:
            facts[name] = value
    return channels, facts


def _shared_codings(curves: Curves) -> list[Coding]:
    """Every way in which the vertical deflection is stored, as far as the shared header says it."""
    return [
        coding(facts, f"channel {_DEFLECTION!r}")
        for key, facts in curves.shared.items()
        if key.startswith("lcd-info.") and facts.get("channel.name") == _DEFLECTION
    ]


def _constants(coding: Coding | None) -> tuple[float | None, float | None]:
    """(spring constant in N/m, sensitivity in m/V) as far as they are known."""
    found: dict[tuple[str, str], float] = {}
    if coding is not None:
        found = {(coding.slots[s].unit, coding.slots[base].unit): f for (s, base), f in coding.factors.items()}
    return found.get(("N", "m")), found.get(("m", "V"))


def _places(curves: Curves, about: Facts, file: BinaryIO) -> tuple[list[Channel], dict[str, object]]:
    """Row and column of each curve in a map, row 0 on top; nothing where its curves lie on no grid."""
    pattern = resolved(about, f"{about.get('type', '')}.position-pattern.", {})
    if pattern.get("type") != "grid-position-pattern":
        return [], {}
    nx, ny = count(pattern["grid.ilength"], "grid.ilength"), count(pattern["grid.jlength"], "grid.jlength")
    if curves.numbers.max() >= nx * ny:
        raise ReadError(f"curve {curves.numbers.max()} is none of a map of {ny} × {nx}; the header is damaged")
    j, i = np.divmod(curves.numbers, nx)
    if pattern.get("back-and-forth") == "true":
        i = np.where(j % 2, nx - 1 - i, i)
    row = j if pattern.get("grid.reflect") == "true" else ny - 1 - j
    size = [positive(pattern[f"grid.{a}length"], f"grid.{a}length") for a in "vu"]
    channels = [_of_curves("row", "1", "position-index", row.astype(float))]
    channels.append(_of_curves("column", "1", "position-index", i.astype(float)))
    return channels, {"map_shape": [ny, nx], "map_size": size}


# --- what is read when it is asked for --------------------------------------------------------------------------------


def _samples(curves: Curves, channel: str, slot: str, which: np.ndarray) -> np.ndarray:
    """One channel of the curves asked for, (curve, sample) in the slot's unit, padded with NaN."""
    out = np.full((len(which), curves.longest), np.nan)
    codings: dict[str, Coding] = {}
    with curves.archive.path.open("rb", buffering=0) as file:
        for row, curve in zip(out, which, strict=True):
            at = 0
            for folder, n in zip(curves.folders(curve), curves.points[curve], strict=True):
                facts = curves.header(file, folder, b"channel")
                if channel in facts["channels.list"].split():
                    number = facts.get(f"channel.{channel}.lcd-info.*", "")
                    how = codings.get(number) or _coding(curves, facts, channel)
                    if number:
                        codings[number] = how
                    row[at : at + n] = _numbers(curves, file, folder, facts, channel, how, slot, n)
                at += n
    return out


def _numbers(
    curves: Curves, file: BinaryIO, folder: str, facts: Mapping[str, str], channel: str, how: Coding, slot: str, n: int
) -> np.ndarray:
    """One channel of one segment."""
    if slot not in how.slots:
        raise ReadError(f"channel {channel!r} has no slot {slot!r} in {folder}, though other curves have it")
    if how.dtype:
        stored = np.frombuffer(curves.archive.read(file, folder + _file(facts, channel)), how.dtype)
        if len(stored) != n:
            raise ReadError(f"channel {channel!r} in {folder} has {len(stored)} samples, not {n} as the others")
        return how.slots[slot].of(stored)
    said = resolved(facts, f"channel.{channel}.data.", {})
    if "value" in said:
        return how.slots[slot].of(np.full(n, finite(said["value"], "a constant")))
    return how.slots[slot].of(finite(said["start"], "a start") + np.arange(n) * finite(said["step"], "a step"))


def _times(curves: Curves, which: np.ndarray) -> np.ndarray:
    """Seconds since the start of each curve; the samples of a segment share its duration evenly.

    They are no numbers from the first segment on whose duration nobody said.
    """
    out = np.full((len(which), curves.longest), np.nan)
    with curves.archive.path.open("rb", buffering=0) as file:
        for row, curve in zip(out, which, strict=True):
            at, start = 0, 0.0
            for folder, n in zip(curves.folders(curve), curves.points[curve], strict=True):
                known = resolved(curves.header(file, folder, b"force"), "force-segment-header.", curves.shared)
                said = known.get("duration") or known.get("settings.segment-settings.duration", "NaN")
                duration = np.nan if said == "NaN" else finite(said, "a duration")
                row[at : at + n] = start + np.arange(n) * (duration / max(n, 1))
                at, start = at + n, start + duration
    return out


def _segments(curves: Curves, which: np.ndarray) -> np.ndarray:
    """Which part of its curve each sample belongs to: 0, 1, 2 …"""
    out = np.full((len(which), curves.longest), np.nan)
    for row, curve in zip(out, which, strict=True):
        points = curves.points[curve]
        row[: sum(points)] = np.repeat(np.arange(len(points)), points)
    return out


def _positions(curves: Curves, axis: str, which: np.ndarray) -> np.ndarray:
    """Where the tip was told to be, in metres; NaN where a curve does not say."""
    key = re.compile(rf"^[\w-]+\.header\.position\.{axis}=(.+)$".encode(), re.MULTILINE)
    out = np.full(len(which), np.nan)
    with curves.archive.path.open("rb", buffering=0) as file:
        for k, curve in enumerate(which):
            name = curves.roots[curve] + _ABOUT
            match = key.search(curves.archive.read(file, name)) if name in curves.archive else None
            if match and match[1].strip() != b"NaN":
                out[k] = finite(match[1].decode(), f"position.{axis}")
    return out


def _constant(curves: Curves, name: str, which: np.ndarray) -> np.ndarray:
    """The spring constant or sensitivity that each curve was recorded with."""
    out = np.full(len(which), np.nan)
    with curves.archive.path.open("rb", buffering=0) as file:
        for k, curve in enumerate(which):
            facts = curves.header(file, curves.folders(curve)[0], b"channel")
            value = _constants(_coding(curves, facts, _DEFLECTION))[name == "sensitivity"]
            out[k] = np.nan if value is None else value
    return out
