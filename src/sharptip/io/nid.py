"""Nanosurf files (`.nid`, older ones `.ezd`): images, force curves and other spectra, frequency sweeps, thermal tunes.

Layout: as Nanosurf's own NSFopen reads it. Sections of text up to `#!`; the section `DataSet` lists groups (forward,
backward, pauses, results of evaluations) and their channels, whose integers follow one after the other. An integer's
place in its range is the value's place between `Dim2Min` and `Dim2Min + Dim2Range`. The first line of an image is its
bottom one, and backward lines run from left to right already; backward curves are stored from far to near. A curve has
as many samples as its `LineDim…Points` says. A map of curves goes back and forth from its first corner.

Of a file that was cut off, the channels before its end are read, and the whole lines or curves of the one in which it
ends.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.names import standard
from ..core.units import to_si
from .cut_off import There
from .layout import SWEPT, count, finite, image_axes, join_directions, positive, ragged, text

NAME = "nid"
SUFFIXES = (".nid", ".ezd")
GENERIC = False

_START = b"\n#!"
_WAYS = {"forward": "forward", "backward": "backward"}
_PARTS = (  # of a curve, in the order of time: group → (kind, parameters of its duration and number of samples)
    ("Spec forward", "approach", "FwMod"), ("Spec fwd pause", "pause", "FwPause"),
    ("Spec backward", "retract", "BwMod"), ("Spec bwd pause", "pause", "BwPause"),
)  # fmt: skip
_LOOKAHEAD = 4096
_MOST = 1024  # groups, and channels of a group

Section = Mapping[str, str]
Sections = dict[str, Section]


@dataclass(frozen=True)
class Block:
    """One channel of one group, (line, point) as stored, in the unit of the file."""

    group: str
    about: Section
    values: np.ndarray

    @property
    def name(self) -> str:
        return self.about.get("Dim2Name") or self.group

    def lengths(self) -> list[int]:
        """How many points of each line were recorded."""
        lines, points = self.values.shape
        said = [count(self.about.get(f"LineDim{i}Points", points), "LineDimPoints") for i in range(lines)]
        if max(said) > points:
            raise ReadError(f"a line of {self.group!r} is said to have {max(said)} points of {points}")
        return said

    def lines(self) -> list[np.ndarray]:
        return [line[:n] for line, n in zip(self.values, self.lengths(), strict=True)]

    def channel(self, values: np.ndarray, dims: tuple[str, ...]) -> Channel:
        made = Channel.from_vendor(self.name, values, self.about.get("Dim2Unit", ""), dims)
        if made.unit == "N" and standard(self.name) == "deflection":
            return replace(made, name="force")
        return made


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(b"[DataSet]") and b"GroupCount=" in head[:_LOOKAHEAD]


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    end = data.find(_START)
    if end < 0:
        raise ReadError("the header has no end (#!); the file is truncated")
    header = text(data[:end])
    sections = _sections(header)
    there = There(len(data))
    blocks = _blocks(data, end + len(_START), sections, there)
    cut = there.attrs()
    images = [b for b in blocks if _is_image(b.about)]
    curves = [b for b in blocks if b.group in [p[0] for p in _PARTS] and b not in images]
    spectra = [b for b in blocks if b not in images and b not in curves and _sweep(b)]
    rest = [b for b in blocks if b not in images and b not in curves and b not in spectra]
    if curves and _sweep(curves[0]) != "distance":  # e.g. current over voltage
        spectra, curves = curves + spectra, []
    grids = _curve_grids(curves, sections) + _spectrum_grids(spectra, sections) + _image_grids(images, sections)
    grids += _other_grids(rest)
    named = len(grids) > 1
    names = [f"{path.stem} {g.name}" if named else path.stem for g in grids]
    return [replace(g, name=n, header=header, attrs={**g.attrs, **cut}) for g, n in zip(grids, names, strict=True)]


def _sections(header: str) -> Sections:
    parts = re.split(r"^\[(.+)\][ \t]*\r?$", header, flags=re.MULTILINE)
    found: Sections = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        found[name] = dict(line.rstrip().split("=", 1) for line in body.splitlines() if "=" in line)
    return found


def _blocks(data: bytes, at: int, sections: Sections, there: There) -> list[Block]:
    """Every channel, in the order of the groups; together they fill the file, if it was not cut off."""
    about, blocks = sections["DataSet"], list[Block]()
    for g in range(_few(about["GroupCount"], "groups")):
        if int(about.get(f"Gr{g}-Count", "0")) == 0:  # a group that recorded nothing
            continue
        for c in range(_few(about[f"Gr{g}-Count"], "channels")):
            name = about.get(f"Gr{g}-Ch{c}")
            if name is None:
                continue
            block, at = _block(data, at, about[f"Gr{g}-Name"], sections[name], there)
            blocks += [block] if block else []
    if at < len(data):
        raise ReadError(f"{len(data) - at} bytes follow the last channel; the header is damaged")
    if not there.parts:
        raise ReadError("no group holds a channel")
    return blocks


def _few(said: str, what: str) -> int:
    number = count(said, f"the number of {what}")
    if number > _MOST:
        raise ReadError(f"the number of {what} is {number}; the header is damaged")
    return number


def _block(data: bytes, at: int, group: str, about: Section, there: There) -> tuple[Block | None, int]:
    """(One channel, None where the file was cut off before it; where the next one begins)."""
    kind, bits, sign, order = (about[f"Save{what}"] for what in ("Mode", "Bits", "Sign", "Order"))
    if kind != "Binary" or bits not in ("8", "16", "32") or sign not in ("Signed", "Unsigned"):
        raise ReadError(f"{group!r} is saved as {kind} with {bits} bits, {sign}; binary integers are known")
    shape = count(about["Lines"], "Lines"), count(about["Points"], "Points")
    dtype = {"Intel": "<", "Motorola": ">"}[order] + ("i" if sign == "Signed" else "u") + str(int(bits) // 8)
    what, unit = f"{group}: {about.get('Dim2Name') or group}", "lines" if _is_image(about) else "curves"
    steps = there.take(data, at, shape, dtype, what, unit)
    at += math.prod(shape) * np.dtype(dtype).itemsize
    if steps is None:
        return None, at
    full = 2.0 ** int(bits)
    place = (steps + (full / 2 if sign == "Signed" else 0.0)) / full
    values = place * finite(about["Dim2Range"], "Dim2Range") + finite(about["Dim2Min"], "Dim2Min")
    return Block(group, about, values), at


def _si(unit: str | None) -> str:
    try:
        return to_si(unit or "")[1]
    except UnitError:
        return ""


def _is_image(about: Section) -> bool:
    return _si(about.get("Dim0Unit")) == "m" == _si(about.get("Dim1Unit"))


def _sweep(block: Block) -> str | None:
    return SWEPT.get(_si(block.about.get("Dim0Unit")))


# --- images ----------------------------------------------------------------------------------------------------------


def _image_grids(blocks: list[Block], sections: Sections) -> list[Grid]:
    """Images of one size share a grid; a second pass over each line ('2nd scan') gives further channels of it."""
    sizes: dict[tuple[int, int, float, float], list[Block]] = {}
    for block in blocks:
        extents = (positive(block.about[f"{d}Range"], d) * to_si(block.about[f"{d}Unit"])[0] for d in ("Dim1", "Dim0"))
        height, width = extents
        sizes.setdefault((len(block.values), block.values.shape[1], height, width), []).append(block)
    grids: list[Grid] = []
    for (ny, nx, height, width), found in sizes.items():
        channels, axes = join_directions([_recorded(b, b.values[::-1], ("y", "x")) for b in found])
        axes |= image_axes((ny, nx), height, width)
        name = f"images {len(grids) + 1}" if grids else "images"
        grids.append(Grid(name, unique(channels), axes, "", _slow_direction(sections)))
    return grids


def _recorded(block: Block, values: np.ndarray, dims: tuple[str, ...]) -> tuple[str, str | None, Channel]:
    base, way = _split(block.group)
    vendor_name = f"{block.group}: {block.name}"
    return f"{base}: {block.name}", way, replace(block.channel(values, dims), vendor_name=vendor_name)


def _split(group: str) -> tuple[str, str | None]:
    base, _, last = group.rpartition(" ")
    return (base, _WAYS[last]) if last in _WAYS else (group, None)


def _slow_direction(sections: Sections) -> dict[str, object]:
    said = sections.get("DataSet-Info", {}).get("Scan direction", "").lower()
    return {"slow_direction": said} if said in ("up", "down") else {}


# --- curves ----------------------------------------------------------------------------------------------------------


def _curve_grids(blocks: list[Block], sections: Sections) -> list[Grid]:
    """Approach, pauses and retract of each curve end to end; every channel that all parts have."""
    parts = [(group, kind, key) for group, kind, key in _PARTS if any(b.group == group for b in blocks)]
    if not parts:
        return []
    by_name: dict[str, dict[str, Block]] = {}
    for block in blocks:
        by_name.setdefault(block.name, {})[block.group] = block
    first = [next(b for b in blocks if b.group == group) for group, _, _ in parts]
    lines = {len(b.values) for b in blocks}
    if len(lines) != 1:
        raise ReadError(f"the parts of the curves count {sorted(lines)} curves; the header is damaged")
    dims = ("curve", "sample")
    channels = [_ramp(first)]
    for found in by_name.values():
        pieces = [_part(found.get(b.group), b) for b in first]
        values, lengths = ragged([np.concatenate(one) for one in zip(*pieces, strict=True)])
        made = next(iter(found.values())).channel(values, dims)
        channels.append(_away(made) if made.name == "height_sensor" else made)
    sizes = np.transpose([b.lengths() for b in first])
    segments, _ = ragged([np.repeat(np.arange(len(first)) * 1.0, n) for n in sizes])
    channels.append(Channel("segment", segments, "1", "segment", dims))
    channels.append(Channel("length", lengths, "1", "LineDimPoints", ("curve",)))
    channels += _times(first, [key for _, _, key in parts], sections)
    places, attrs = _places(len(values), sections)
    axes = {d: Axis(np.arange(n) * 1.0, "1") for d, n in zip(dims, values.shape, strict=True)}
    attrs |= {"segments": json.dumps([kind for _, kind, _ in parts])} | _calibration(sections)
    return [Grid("curves", unique(channels + places), axes, "", attrs)]


def _part(block: Block | None, like: Block) -> list[np.ndarray]:
    """Lines in the order of time; NaN for a channel that was not recorded in this part."""
    if block is None:
        return [np.full(n, np.nan) for n in like.lengths()]
    if block.lengths() != like.lengths():
        raise ReadError(f"channels of {block.group!r} differ in their number of points")
    return [line[:: -1 if "backward" in block.group else 1] for line in block.lines()]


def _ramp(parts: list[Block]) -> Channel:
    """Where the piezo was told to be: straight from the first to the last point of each line, and it counts inwards."""
    factor = to_si(parts[0].about["Dim0Unit"])[0]
    curves = []
    for i in range(len(parts[0].values)):
        pieces = [_straight(b, i)[:: -1 if "backward" in b.group else 1] for b in parts]
        curves.append(np.concatenate(pieces) * -factor)
    name = parts[0].about.get("Dim0Name", "Z-Axis")
    attrs = {"vendor_units": parts[0].about["Dim0Unit"], "vendor_sign": -1}
    return Channel("height", ragged(curves)[0], "m", name, ("curve", "sample"), attrs)


def _straight(block: Block, i: int) -> np.ndarray:
    low = finite(block.about.get(f"LineDim{i}Min", block.about["Dim0Min"]), "the start of a curve")
    span = finite(block.about.get(f"LineDim{i}Range", block.about["Dim0Range"]), "the range of a curve")
    return np.linspace(low, low + span, block.lengths()[i])


def _away(channel: Channel) -> Channel:
    return replace(channel, data=-np.asarray(channel.data), attrs={**channel.attrs, "vendor_sign": -1})


def _times(parts: list[Block], keys: list[str], sections: Sections) -> list[Channel]:
    """Seconds since the start of each curve, where the file says how long its parts took."""
    about, curves = sections.get("DataSet\\Parameters\\Spectroscopy", {}), []
    steps = [_parameter(about.get(f"{k}Time")) / max(_parameter(about.get(f"{k}Datapoints")), 1) for k in keys]
    if not all(math.isfinite(s) and s > 0 for s in steps):
        return []
    for i in range(len(parts[0].values)):
        gaps = np.concatenate([np.full(b.lengths()[i], s) for b, s in zip(parts, steps, strict=True)])
        curves.append(np.cumsum(gaps) - gaps)
    return [Channel("time", ragged(curves)[0], "s", "ModTime", ("curve", "sample"))]


def _parameter(said: str | None) -> float:
    """The number in `D[0.5]*[s]`; NaN where there is none."""
    match = re.match(r"[DL]\[([^\],]+)\]", said or "")
    return float(match[1]) if match else math.nan


def _calibration(sections: Sections) -> dict[str, object]:
    attrs: dict[str, object] = {}
    spring = sections.get("DataSet\\Calibration\\Cantilever", {}).get("Prop0", "")
    if spring.endswith("[N/m]") and _parameter(spring) > 0:
        attrs["spring_constant"] = _parameter(spring)
    head = sections.get("DataSet\\Calibration\\Scanhead", {})
    inputs = [said.split(",") for key, said in head.items() if re.match(r"In\d", key)]
    full = {v[1]: (finite(v[4], "an input's range"), v[3]) for v in inputs if len(v) > 4}
    metres, volts = full.get("TipSignalDC", (0.0, "")), full.get("TipSignalDC1", (0.0, ""))
    if metres[1] == "m" and volts[1] == "V" and metres[0] > 0 and volts[0] > 0:
        attrs["sensitivity"] = metres[0] / volts[0]
    return attrs


def _places(n: int, sections: Sections) -> tuple[list[Channel], dict[str, object]]:
    """Where each curve was taken, and its place in the map with row 0 on top; nothing where the file does not say."""
    grid = sections.get("DataSet\\SpecInfos\\SpecMapTable", {})
    if grid.get("Count") == "1" and "Map0" in grid:
        x0, x1, y0, y1, nx, ny = (finite(v, "the map") for v in grid["Map0"].split(";")[:6])
        shape = count(int(ny), "rows of the map"), count(int(nx), "columns of the map")
        step = _order(n, shape, sections)
        rows, columns = step // shape[1], step % shape[1]
        columns = np.where(rows % 2 == 1, shape[1] - 1 - columns, columns)
        tops = shape[0] - 1 - rows if y1 >= y0 else rows
        xs, ys = np.linspace(x0, x1, shape[1])[columns], np.linspace(y0, y1, shape[0])[rows]
        found = [_place("tip_x", xs, "m"), _place("tip_y", ys, "m"), _place("row", tops), _place("column", columns)]
        return found, {"map_shape": list(shape)}
    points = sections.get("DataSet\\SpecInfos\\SpecPosTable", {})
    names = points.get("PosAxis", "").split(";")
    units = points.get("PosUnits", points.get("PosUnit", "")).split(";")
    if {"X", "Y"} <= set(names) and points.get("Count") == str(n):
        table = np.array([[float(v) for v in points[f"Pos{i}"].split(";")] for i in range(n)])
        at = [(f"tip_{a.lower()}", names.index(a)) for a in "XY"]
        return [_place(name, table[:, k] * to_si(units[k])[0], "m") for name, k in at], {}
    return [], {}


def _order(n: int, shape: tuple[int, int], sections: Sections) -> np.ndarray:
    """Which place of the map each curve belongs to, counted as the tip went; curves may be repeated there."""
    about = sections.get("DataSet\\Parameters\\Spectroscopy", {})
    times = max(1, math.ceil(n / math.prod(shape)))
    each = _parameter(about.get("RepetitionMode")) == 1  # every place so often, before the next
    return np.arange(n) // times if each else np.arange(n) % math.prod(shape)


def _place(name: str, values: np.ndarray, unit: str = "1") -> Channel:
    return Channel(name, values.astype(float), unit, name, ("curve",))


# --- other spectra, and what was computed of curves ------------------------------------------------------------------


def _spectrum_grids(blocks: list[Block], sections: Sections) -> list[Grid]:
    """Spectra (site, swept axis), one grid for each swept range."""
    found: dict[tuple[object, ...], list[Block]] = {}
    for b in blocks:
        found.setdefault((b.about["Dim0Unit"], b.about["Dim0Min"], b.about["Dim0Range"], b.values.shape), []).append(b)
    grids: list[Grid] = []
    for same in found.values():
        about, (lines, points), swept = same[0].about, same[0].values.shape, str(_sweep(same[0]))
        channels, axes = join_directions([_recorded(b, _padded(b), ("site", swept)) for b in same])
        factor, unit = to_si(about["Dim0Unit"])
        start, extent = finite(about["Dim0Min"], "Dim0Min"), positive(about["Dim0Range"], "Dim0Range")
        axes[swept] = Axis(np.linspace(start, start + extent, points) * factor, unit)
        axes["site"] = Axis(np.arange(lines) * 1.0, "1")
        places, attrs = _places(lines, sections)
        channels += [replace(p, dims=("site",)) for p in places]
        name = f"spectra {len(grids) + 1}" if grids else "spectra"
        grids.append(Grid(name, unique(channels), axes, "", attrs))
    return grids


def _padded(block: Block) -> np.ndarray:
    """Every line at its full length, NaN where it was cut short."""
    recorded = np.arange(block.values.shape[1]) < np.array(block.lengths())[:, None]
    return np.where(recorded, block.values, np.nan)


def _other_grids(blocks: list[Block]) -> list[Grid]:
    """What the instrument's software computed of each curve, named by its group."""
    shapes: dict[tuple[int, ...], list[Block]] = {}
    for block in blocks:
        shapes.setdefault(block.values.shape, []).append(block)
    grids: list[Grid] = []
    for (lines, points), found in shapes.items():
        channels = []
        for b in found:
            name = re.sub(r"[^a-z0-9]+", "_", b.group.lower()).strip("_")
            made = Channel.from_vendor(b.group, _padded(b), b.about.get("Dim2Unit", ""), ("curve", "sample"))
            channels.append(replace(made, name=name if name[:1].isalpha() else f"group_{name}"))
        axes = {"curve": Axis(np.arange(lines) * 1.0, "1"), "sample": Axis(np.arange(points) * 1.0, "1")}
        grids.append(Grid(f"results of {points}", unique(channels), axes))
    return grids
