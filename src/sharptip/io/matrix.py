"""Scienta Omicron MATRIX results (`*.Z_mtrx`, `*.I(V)_mtrx` …): images and spectra. Untested on real files.

Layout: known from access2theMatrix and from Gwyddion's notes. A result file holds integers alone. What they mean stands
in the parameter files of its chain, `<chain>_0001.mtrx` and following, beside it: a log of blocks (four letters
backwards, length, time) that is followed up to the entry which names the result file. Each scan is one file per
channel, its lines as they were recorded: each forward and then backward, all upwards and then downwards; a curve is a
sweep there and back. Where a scan or a curve was stopped, or its file cut off, the rest is NaN.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid
from ..core.units import to_si
from .cut_off import There, stopped
from .layout import count, finite, image_axes, join_directions, positive, take

NAME = "matrix"
SUFFIXES = (".mtrx",)
GENERIC = False
UNTESTED = "the MATRIX reader is written from the published layout and has met no real file; compare with Vernissage"

_MAGIC = b"ONTMATRX0101"
_RESULT, _PARAMETERS = b"TLKB", b"ATEM"  # the first block of either kind of file
_NAMED = re.compile(r"(?P<chain>.+)--\d+_\d+\.(?P<channel>.+)_mtrx")
_UNTIMED = (b"REFX", b"NACS", b"TCID", b"SCHC", b"TSNI", b"SXNC", b"LNEG", b"CSED", b"ATAD")  # blocks inside others
_LOCATION = re.compile(r"MTRX\$STS_LOCATION-\d+,\d+;([^,]+),([^%]+)%%")
_WORDS = {
    "Meter": "m", "Volt": "V", "Ampere": "A", "Hertz": "Hz", "Second": "s", "Newton": "N", "Degree": "deg",
    "Kelvin": "K", "Watt": "W", "Ohm": "Ω", "--": "1", "---": "1",
}  # fmt: skip
_MOST_VALUES = 2**26  # of one result; four images of 4096 × 4096
_SWEEPS = {"V": "bias", "m": "distance", "Hz": "frequency", "s": "time"}


@dataclass
class Cursor:
    """A place in a block's bytes, and what can be read there."""

    data: bytes
    at: int = 0

    def raw(self, size: int) -> bytes:
        self.at += size
        return take(self.data, self.at - size, (size,), "u1", "a parameter").tobytes()

    def number(self) -> int:
        return int.from_bytes(self.raw(4), "little")

    def text(self) -> str:
        return self.raw(2 * self.number()).decode("utf-16-le", "replace")

    def value(self) -> bool | int | float | str:
        kind = self.raw(4)
        if kind == b"GRTS":
            return self.text()
        if kind not in (b"LOOB", b"GNOL", b"BUOD"):
            raise ReadError(f"a parameter is of the unknown kind {kind!r}; the parameter file is damaged")
        if kind == b"BUOD":
            return float(struct.unpack("<d", self.raw(8))[0])
        number = int(struct.unpack("<i", self.raw(4))[0])
        return bool(number) if kind == b"LOOB" else number


@dataclass
class Settings:
    """What the parameter files say at the moment when a result was written."""

    elements: dict[str, tuple[Any, str]] = field(default_factory=dict)  # 'XYScanner.Width' → (value, unit)
    channels: dict[int, tuple[str, str]] = field(default_factory=dict)  # number → (name, unit)
    transfers: dict[int, tuple[str, str, dict[str, Any]]] = field(default_factory=dict)  # number → (function, unit, …)
    marks: list[str] = field(default_factory=list)

    def get(self, name: str) -> Any:
        if name not in self.elements:
            raise ReadError(f"the parameter file does not say {name}; it is damaged or of another kind of experiment")
        return self.elements[name][0]

    def length(self, name: str) -> float:
        factor, unit, _ = _unit(self.elements.get(name, (0, ""))[1])
        if unit != "m":
            raise ReadError(f"{name} is in {unit!r}, not a length; the parameter file is damaged")
        return positive(self.get(name), name) * factor


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_MAGIC)


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    if data[len(_MAGIC) :][:4] == _PARAMETERS:
        raise ReadError("it is a parameter file; open one of the result files beside it, such as *.Z_mtrx")
    named = _NAMED.fullmatch(path.name)
    if not named:
        raise ReadError("the name of a result file is <chain>--<run>_<cycle>.<channel>_mtrx; call it so again")
    settings = _settings(_chain(path, named["chain"]), path.name)
    planned, counts, short = _counts(data)
    number, unit = _channel_number(settings, named["channel"])
    values, transfer = _transferred(settings, number, counts)
    header = {k: getattr(settings, k) for k in ("elements", "channels", "transfers", "marks")}
    said = {"reader_untested": UNTESTED, "planned_values": planned, **short}
    make = _curves if "(" in named["channel"] else _images
    plain = Channel.from_vendor(named["channel"].split("(")[0], values, unit if transfer else "arb")
    channel, name = replace(plain, vendor_name=named["channel"]), path.name.removesuffix("_mtrx")
    scans = make(settings, channel)
    return [Grid(f"{name} {way}".strip(), found, axes, header, {**said, **more}) for way, found, axes, more in scans]


Made = Iterator[tuple[str, tuple[Channel, ...], dict[str, Axis], dict[str, object]]]  # way, channels, axes, attributes


def _chain(path: Path, chain: str) -> bytes:
    """The parameter files of a chain, one behind the other."""
    first = path.with_name(f"{chain}_0001.mtrx")
    if not first.is_file():
        raise ReadError(f"its parameter file {first.name} is not beside it; copy it there, it has sizes and units")
    parts, link = [], 1
    while (file := path.with_name(f"{chain}_{link:04d}.mtrx")).is_file():
        raw = file.read_bytes()
        if not raw.startswith(_MAGIC):
            raise ReadError(f"{file.name} does not begin like a parameter file")
        parts.append(raw[len(_MAGIC) :])
        link += 1
    return b"".join(parts)


def _blocks(data: bytes, cut: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """(four letters, content) of the blocks that lie one behind the other; cut: the last one may not be whole."""
    cursor = Cursor(data)
    while cursor.at < len(data):
        kind, size = cursor.raw(4), cursor.number()
        cursor.raw(0 if kind in _UNTIMED else 8)
        yield kind, cursor.raw(min(size, len(data) - cursor.at) if cut else size)


def _settings(log: bytes, name: str) -> Settings:
    """All that was said before the result was written."""
    settings = Settings()
    for kind, block in _blocks(log):
        cursor = Cursor(block, 4)
        if kind == b"FERB" and cursor.text() == name:
            return settings
        _note(settings, kind, block)
    raise ReadError("its parameter files do not name it; it was renamed, or they are truncated or of another chain")


def _note(settings: Settings, kind: bytes, block: bytes) -> None:
    cursor = Cursor(block, 4)
    if kind == b"APEE":  # all parameters of all experiment elements
        for _ in range(cursor.number()):
            element = cursor.text()
            for _ in range(cursor.number()):
                _note_one(settings, element, cursor)
    elif kind == b"DOMP":  # one of them was changed
        _note_one(settings, cursor.text(), cursor)
    elif kind == b"KRAM":
        settings.marks.append(Cursor(block).text())
    elif kind == b"YSCC":
        for inner, content in _blocks(block[4:]):
            if inner == b"TCID":
                settings.channels |= _channels(Cursor(content, 8))
            elif inner == b"REFX":
                settings.transfers |= dict(_transfers(Cursor(content)))


def _note_one(settings: Settings, element: str, cursor: Cursor) -> None:
    name, unit = cursor.text(), cursor.text()
    cursor.raw(4)
    settings.elements[f"{element}.{name}"] = (cursor.value(), unit)


def _channels(cursor: Cursor) -> dict[int, tuple[str, str]]:
    for _ in range(cursor.number()):  # devices
        _ = cursor.raw(16), cursor.text(), cursor.text()
    found = {}
    for _ in range(cursor.number()):
        cursor.raw(4)
        number = cursor.number()
        cursor.raw(8)
        found[number] = cursor.text(), cursor.text()
    return found


def _transfers(cursor: Cursor) -> Iterator[tuple[int, tuple[str, str, dict[str, Any]]]]:
    while cursor.at < len(cursor.data):
        cursor.raw(4)
        number, name, unit = cursor.number(), cursor.text(), cursor.text()
        yield number, (name, unit, {cursor.text(): cursor.value() for _ in range(cursor.number())})


def _counts(data: bytes) -> tuple[int, np.ndarray, dict[str, object]]:
    """How many values were planned, the integers that are there, and what is said of those that are missing."""
    kind, block = next(_blocks(data[len(_MAGIC) :], cut=True), (b"", b""))
    if kind != _RESULT:
        raise ReadError("it is neither a result file nor a parameter file; it is damaged")
    inner = dict(_blocks(block[4:], cut=True))
    if not {b"CSED", b"ATAD"} <= set(inner):
        raise ReadError("it holds no data")
    planned, recorded = take(inner[b"CSED"], 20, (2,), "<i4", "the description of the data").tolist()
    there = There(len(inner[b"ATAD"]))
    n = there.count("the data", 0, count(recorded, "the recorded values"), 4, "values")
    cut = there.attrs()
    counts = take(inner[b"ATAD"], 0, (n,), "<i4", "the data")
    if not cut and counts.nbytes != len(inner[b"ATAD"]):
        raise ReadError(f"it says {recorded} values and has {len(inner[b'ATAD'])} bytes; it is damaged")
    return planned, counts, cut or stopped(recorded, planned, "values")


def _channel_number(settings: Settings, name: str) -> tuple[int, str]:
    """The last channel that was given this name, and its unit."""
    numbers = [n for n, (channel, _) in settings.channels.items() if channel == name]
    if not numbers:
        raise ReadError(f"the parameter file knows no channel {name!r}")
    return max(numbers), _unit(settings.channels[max(numbers)][1])[2]


def _unit(text: str) -> tuple[float, str, str]:
    """Factor, SI unit and the plain spelling of 'Meter', 'Volt/Second' and the like."""
    plain = re.sub(r"[A-Za-z-]+", lambda word: _WORDS.get(word[0], word[0]), text)
    try:
        return *to_si(plain), plain
    except UnitError:
        return 1.0, "arb", "arb"


def _transferred(settings: Settings, number: int, counts: np.ndarray) -> tuple[np.ndarray, bool]:
    """The numbers in the channel's unit, and whether a known function made them so."""
    function, _, said = settings.transfers.get(number, ("", "", {}))
    p = {k: finite(v, k) for k, v in said.items() if isinstance(v, (int, float))}
    if function == "TFF_Linear1D":
        return (counts - p["Offset"]) / _not_zero(p["Factor"], function), True
    if function == "TFF_MultiLinear1D":
        divisor = _not_zero(p["NeutralFactor"] * p["PreFactor"], function)
        return (p["Raw_1"] - p["PreOffset"]) * (counts - p["Offset"]) / divisor, True
    return counts.astype(float), function == "TFF_Identity"


def _not_zero(number: float, what: str) -> float:
    if not number:
        raise ReadError(f"a factor of {what} is 0; the parameter file is damaged")
    return number


def _padded(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The values in the order they were recorded, NaN where the scan was stopped before its end."""
    planned = int(np.prod(shape, dtype=object))
    if planned > _MOST_VALUES or len(values) > planned:
        raise ReadError(f"{len(values)} values were recorded of {planned} planned ones; a file is damaged")
    out = np.full(planned, np.nan)
    out[: len(values)] = values
    return out.reshape(shape)


def _images(settings: Settings, channel: Channel) -> Made:
    lines, points = (count(settings.get(f"XYScanner.{k}"), k) for k in ("Lines", "Points"))
    ways = 1 + bool(settings.get("XYScanner.X_Retrace"))
    if len(channel.data) < points:
        raise ReadError(f"{len(channel.data)} values were recorded or are left, and a line has {points}")
    whole = bool(settings.get("XYScanner.Y_Retrace")) and len(channel.data) > lines * ways * points
    scans = _padded(channel.data[:], (1 + whole, lines, ways, points))
    axes = image_axes((lines, points), settings.length("XYScanner.Height"), settings.length("XYScanner.Width"))
    for scan, slow in zip(scans, ("up", "down"), strict=False):
        rows = scan[:: -1 if slow == "up" else 1]
        recorded = [("", "forward", _like(channel, rows[:, 0]))]
        recorded += [("", "backward", _like(channel, rows[:, 1, ::-1]))] if ways == 2 else []
        channels, direction = join_directions(recorded)
        yield slow if whole else "", tuple(channels), {**axes, **direction}, {"slow_direction": slow}


def _like(channel: Channel, values: np.ndarray, dims: tuple[str, ...] = ("y", "x")) -> Channel:
    return replace(channel, data=np.ascontiguousarray(values), dims=dims)


def _curves(settings: Settings, channel: Channel) -> Made:
    """One curve, or, where the scanner had a subgrid, a curve on each of its points."""
    along, axis, back = _sweep(settings, channel)
    n = len(axis.values)
    if settings.elements.get("XYScanner.Enable_Subgrid", (False, ""))[0]:
        yield from _volume(settings, channel, along, axis, 1 + back)
        return
    sweeps = 1 + (back and len(channel.data) > n)
    sites = _padded(channel.data[:], (1, sweeps, n))
    channels, direction = join_directions(_there_and_back(channel, sites, ("site", along)))
    marked = next((m for m in map(_LOCATION.match, reversed(settings.marks)) if m), None)
    if marked:
        for name, where in zip(("tip_x", "tip_y"), marked.groups(), strict=True):
            channels.append(Channel(name, np.array([finite(where, name)]), "m", "STS_LOCATION", ("site",)))
    yield "", tuple(channels), {"site": Axis(np.arange(1), "1"), along: axis, **direction}, {}


def _there_and_back(
    channel: Channel, sweeps: np.ndarray, dims: tuple[str, ...]
) -> list[tuple[str, str | None, Channel]]:
    """(…, sweep, sample) as channels of either direction, the values of both at rising places of the sweep."""
    recorded: list[tuple[str, str | None, Channel]] = [("", "forward", _like(channel, sweeps[..., 0, :], dims))]
    if sweeps.shape[-2] == 2:
        recorded.append(("", "backward", _like(channel, sweeps[..., 1, ::-1], dims)))
    return recorded


def _sweep(settings: Settings, channel: Channel) -> tuple[str, Axis, bool]:
    """What was swept, its values, and whether it was swept back too."""
    swept = channel.vendor_name[channel.vendor_name.index("(") :].strip("()")
    if swept in ("V", "Z"):
        unit = {"V": "V", "Z": "m"}[swept]
        device = 1 if _unit(settings.elements.get("Spectroscopy.Device_1_Start", (0, ""))[1])[1] == unit else 2
        names, back = f"Spectroscopy.Device_{device}_", f"Spectroscopy.Enable_Device_{device}_Ramp_Reversal"
    elif swept == "f":
        names, back = "FrequencyPhaseDetector.", ""
    else:
        return "sample", Axis(np.arange(len(channel.data)), "1"), False
    points = count(settings.get(f"{names}Points"), f"{names}Points")
    if points > _MOST_VALUES:
        raise ReadError(f"{names}Points is {points}; the parameter file is damaged")
    start, end = (finite(settings.get(f"{names}{k}"), f"{names}{k}") for k in ("Start", "End"))
    factor, unit, _ = _unit(settings.elements[f"{names}Start"][1])
    along = _SWEEPS.get(unit, "sample")
    return along, Axis(np.linspace(start, end, points) * factor, unit), bool(back and settings.get(back))


def _volume(settings: Settings, channel: Channel, along: str, axis: Axis, sweeps: int) -> Made:
    """Curves on every so many points and lines, in the order they were recorded; each way is a scan of its own."""
    step_x, step_y = (count(settings.get(f"XYScanner.Subgrid_{k}"), f"Subgrid_{k}") for k in "XY")
    all_x, all_y = (count(settings.get(f"XYScanner.{k}"), k) for k in ("Points", "Lines"))
    nx, ny = -(-all_x // step_x), -(-all_y // step_y)
    mode = settings.get("XYScanner.Subgrid_Match_Mode") if settings.get("XYScanner.X_Retrace") else 1
    ways = {0: ("forward", "backward"), 1: ("forward",)}.get(mode, ("backward",))
    one = ny * len(ways) * nx * sweeps * len(axis.values)
    whole = bool(settings.get("XYScanner.Y_Retrace")) and len(channel.data) > one
    scans = _padded(channel.data[:], (1 + whole, ny, len(ways), nx, sweeps, len(axis.values)))
    height = settings.length("XYScanner.Height") * ny * step_y / all_y
    width = settings.length("XYScanner.Width") * nx * step_x / all_x
    axes = {**image_axes((ny, nx), height, width), along: axis}
    for scan, slow in zip(scans, ("up", "down"), strict=False):
        for i, way in enumerate(ways):
            points = scan[:: -1 if slow == "up" else 1, i, :: -1 if way == "backward" else 1]
            channels, direction = join_directions(_there_and_back(channel, points, ("y", "x", along)))
            name = f"{way} {slow}" if len(ways) + whole > 1 else ""
            yield name, tuple(channels), {**axes, **direction}, {"slow_direction": slow, "scan_direction": way}
