"""Nanonis grids of spectra (`.3ds`): a spectrum of every channel at every point of a grid or of a line.

Layout: SPECS Nanonis user manual, "Binary file format 3ds". Lines `key=value` up to `:HEADER_END:`, then big-endian
float32, one record per point: its parameters (start and end of the sweep, position of the tip, height …) and then one
sweep per channel, the sweep back (`[bwd]`) against the same swept values as the sweep forth. Points follow each other
along x; the first line is the bottom of the frame, which may be turned. Of a grid that was stopped, the points that
were never reached are missing at the end, or are there with NaN or zeros instead of parameters; here they are NaN, as
are those that a file lacks because it was cut off.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.lazy import Lazy
from ..core.units import PIXEL
from .cut_off import There, stopped
from .layout import count, finite, text
from .nanonis_names import Signal, both_ways, channel, signal

NAME = "nanonis_grid"
SUFFIXES = (".3ds",)
GENERIC = False
LAZY = True

_END = b":HEADER_END:"
_LONGEST_HEADER = 2**22  # bytes
_FEWEST = 1e-3  # of the points: a grid stopped before that is a header that is damaged
_SLUG = re.compile(r"[^a-z0-9]+")


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(b"Grid dim=") and b"\nExperiment size (bytes)=" in head


@dataclass(frozen=True)
class _Records:
    """Where the points are in the file: `record` float32 each from byte `start`, `present` of ny × nx of them."""

    path: Path
    start: int
    shape: tuple[int, int]
    record: int
    present: int

    def floats(self, lines: slice, part: slice) -> np.ndarray:
        """The same part of each point on some lines, bottom line first: (line, x, number), NaN where no point is."""
        nx = self.shape[1]
        first, last = lines.start * nx, min(lines.stop * nx, self.present)
        out = np.full(((lines.stop - lines.start) * nx, part.stop - part.start), np.nan, np.float32)
        if last > first:
            numbers = np.memmap(self.path, ">f4", "r", self.start, (self.present, self.record))
            out[: last - first] = numbers[first:last, part]
        return out.reshape(-1, nx, part.stop - part.start)


def read(path: Path) -> list[Grid]:
    header, start = _header(path)
    facts = dict(line.split("=", 1) for line in header.splitlines() if "=" in line)
    facts = {k: v.strip().strip('"') for k, v in facts.items()}
    nx, ny = (count(n, "Grid dim") for n in facts["Grid dim"].split("x"))
    points = count(facts["Points"], "Points")
    signals = [signal(name) for name in _list(facts["Channels"])]
    names = _list(facts.get("Fixed parameters", "")) + _list(facts.get("Experiment parameters", ""))
    n = count(facts["# Parameters (4 byte)"], "the number of parameters")
    if len(names) > n or count(facts["Experiment size (bytes)"], "Experiment size") != 4 * points * len(signals):
        raise ReadError(
            f"{len(names)} parameters and {len(signals)} channels of {points} points do not make records of {n} "
            f"parameters and {facts['Experiment size (bytes)']} bytes; the header is damaged"
        )
    records = _records(path, start, (ny, nx), n + points * len(signals))
    values = records.floats(slice(0, ny), slice(0, n))
    cut = _cut(path, start, records)
    unreached = ~np.any(np.nan_to_num(values) != 0, axis=-1)
    values[unreached] = np.nan
    reached = int(np.count_nonzero(~unreached))
    if not reached:
        raise ReadError("no point of the grid was recorded")
    parameters = dict(zip(names, np.moveaxis(values[::-1], -1, 0), strict=False))

    swept = signal(facts["Sweep Signal"])
    sweep, ramp = _sweep(swept, facts, parameters, points)
    axes = sweep | _axes(facts, parameters, (ny, nx))
    channels = ramp + _parameters(parameters, swept)
    for pair in both_ways(signals):
        data = _spectra(records, tuple(n + i * points for i in pair), points, unreached)
        dims = ("direction",) * (len(pair) - 1) + ("y", "x", *sweep)
        channels.append(channel([signals[i] for i in pair], data, dims, axes))
        if len(pair) > 1:
            axes |= {"direction": Axis(np.array(["forward", "backward"]), "1")}
    attrs = {"slow_direction": "up", "sweep_signal": swept.text, **_frame(facts)}
    if reached < ny * nx:
        attrs |= {"points_recorded": reached, "points_planned": ny * nx, **(cut or stopped(reached, ny * nx, "points"))}
    return [Grid(path.stem, unique(_image_first(channels)), axes, header, attrs)]


def _header(path: Path) -> tuple[str, int]:
    """The header's text, and the byte at which the numbers begin."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    end = head.find(_END)
    if end < 0:
        raise ReadError("the header has no end (:HEADER_END:); the file is truncated")
    start = end + len(_END)
    start += 2 if head[start : start + 2] == b"\r\n" else 1
    return text(head[:end]), start


def _list(said: str) -> list[str]:
    return [item.strip() for item in said.split(";") if item.strip()]


def _records(path: Path, start: int, shape: tuple[int, int], record: int) -> _Records:
    """The points, if the file holds whole ones and neither too few nor too many of them."""
    ny, nx = shape
    size = path.stat().st_size - start
    present, rest = divmod(size, 4 * record)
    if not ny * nx * _FEWEST <= present <= ny * nx - bool(rest):
        raise ReadError(
            f"{size} bytes follow the header, {4 * record} for each of {nx} × {ny} points are expected; the file is "
            "truncated or its header is damaged"
        )
    return _Records(path, start, shape, record, present)


def _cut(path: Path, start: int, records: _Records) -> dict[str, object]:
    """What is said of a file that ends within a point: a grid that was stopped ends behind one."""
    size, (ny, nx) = path.stat().st_size, records.shape
    if (size - start) % (4 * records.record) == 0:
        return {}
    there = There(size)
    there.count("the grid", start, ny * nx, 4 * records.record, "points")
    return there.attrs()


def _spectra(records: _Records, offsets: tuple[int, ...], points: int, unreached: np.ndarray) -> Lazy:
    """Sweeps that begin at the `offsets` in each record: (y, x, points), for two directions (2, y, x, points)."""
    shape = (*records.shape, points)
    load = partial(_lines, records, offsets, points, unreached)
    both = len(offsets) > 1
    return Lazy((2, *shape) if both else shape, np.dtype(np.float32), load, 2 if both else 1)


def _lines(
    records: _Records, offsets: tuple[int, ...], points: int, unreached: np.ndarray, which: np.ndarray
) -> np.ndarray:
    """Lines of the map, the top one first, those of the way back after all of the way forth."""
    ny, nx = records.shape
    out = np.empty((len(which), nx, points), np.float32)
    for line, place in zip(out, which, strict=True):
        way, row = divmod(int(place), ny)
        stored = ny - 1 - row
        line[...] = records.floats(slice(stored, stored + 1), slice(offsets[way], offsets[way] + points))[0]
        line[unreached[stored]] = np.nan
    return out


def _parameters(parameters: dict[str, np.ndarray], swept: Signal) -> list[Channel]:
    """Every parameter as an image: tip_x, tip_y, height, and the others by the vendor's name."""
    made = []
    for name, values in parameters.items():
        said = signal(name)
        unit = swept.unit if name in ("Sweep Start", "Sweep End") else said.unit
        plain = channel([said], values, ("y", "x"))
        if plain.name not in ("tip_x", "tip_y") and said.name != "Z":
            slug = _SLUG.sub("_", said.name.lower()).strip("_")
            plain = replace(Channel.from_vendor(said.name, values, unit), name=slug or "parameter", vendor_name=name)
        made.append(plain)
    return made


def _sweep(
    swept: Signal, facts: dict[str, str], parameters: dict[str, np.ndarray], points: int
) -> tuple[dict[str, Axis], list[Channel]]:
    """The swept axis; where it differs from point to point or has no name, counts of samples and its values beside."""
    segments = next((v for k, v in facts.items() if k.startswith("Segment Start")), None)
    if segments and facts.get("Filetype", "MLS") == "MLS":
        values, dims = _segments(segments, points), ("sample",)
    else:
        start, end = (_typed(parameters[f"Sweep {k}"]) for k in ("Start", "End"))
        known = np.isfinite(start) & np.isfinite(end)
        if not known.any():
            raise ReadError("no point says where its sweep starts and ends; the file is damaged")
        if np.ptp(start[known]) == np.ptp(end[known]) == 0:
            values, dims = np.linspace(start[known][0], end[known][0], points), ("sample",)
        else:
            ramp = Lazy((*start.shape, points), np.dtype(float), partial(_ramps, start, end, points))
            return _samples(points), [channel([swept], ramp, ("y", "x", "sample"))]
    if swept.axis is None:
        return _samples(points), [channel([swept], values, dims)]
    made = channel([swept], values, dims)
    return {swept.axis: Axis(np.asarray(made.data), made.unit)}, []


def _samples(points: int) -> dict[str, Axis]:
    return {"sample": Axis(np.arange(points, dtype=float), "1")}


def _ramps(start: np.ndarray, end: np.ndarray, points: int, which: np.ndarray) -> np.ndarray:
    return np.linspace(start[which], end[which], points, axis=-1)


def _typed(values: np.ndarray) -> np.ndarray:
    """The numbers as somebody typed them, where the file holds what float32 made of them: 0.22, not 0.2199999988."""
    return np.array([float(str(v)) for v in values.ravel()]).reshape(values.shape)


def _segments(table: str, points: int) -> np.ndarray:
    """Swept values of a sweep in segments `start,end,…,…,steps,…;…`: a value that two segments share is taken once."""
    rows = [[finite(v, "a segment of the sweep") for v in row.split(",")] for row in _list(table)]
    parts = [np.linspace(row[0], row[1], count(int(row[4]), "steps of a segment")) for row in rows if row[4] <= points]
    shared = [i > 0 and len(p) > 1 and p[0] == parts[i - 1][-1] for i, p in enumerate(parts)]
    for values in (
        np.concatenate([p[1:] if s else p for p, s in zip(parts, shared, strict=True)]),
        np.concatenate(parts),
    ):
        if len(values) == points:
            return values
    raise ReadError(f"the segments of the sweep have {len(values)} values, not {points}; the header is damaged")


def _axes(facts: dict[str, str], parameters: dict[str, np.ndarray], shape: tuple[int, int]) -> dict[str, Axis]:
    """Axes of the frame. A line says its steps through the positions of its points; a line has no width."""
    width, height = (abs(finite(v, "Grid settings")) for v in _list(facts["Grid settings"])[2:4])
    steps = {"y": height / shape[0], "x": width / shape[1]}
    if 1 in shape and max(shape) > 1:
        along, across = ("x", "y") if shape[0] == 1 else ("y", "x")
        steps[along] = _step(parameters) or steps[along]
        steps[across] = steps[across] or steps[along]
    if not all(steps.values()):
        return {k: Axis.regular(n, 1.0, PIXEL) for k, n in zip("yx", shape, strict=True)}
    return {k: Axis.regular(n, steps[k]) for k, n in zip("yx", shape, strict=True)}


def _step(parameters: dict[str, np.ndarray]) -> float:
    """Distance between neighbours on a line; 0 where the points do not say where they are."""
    if not {"X (m)", "Y (m)"} <= set(parameters):
        return 0.0
    x, y = (parameters[k].ravel().astype(float) for k in ("X (m)", "Y (m)"))
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(known) < 2:
        return 0.0
    a, b = known[0], known[-1]
    return math.hypot(x[b] - x[a], y[b] - y[a]) / int(b - a)


def _frame(facts: dict[str, str]) -> dict[str, object]:
    """Centre of the frame in metres, and how far it is turned clockwise."""
    x, y, *rest = (finite(v, "Grid settings") for v in _list(facts["Grid settings"]))
    return {"grid_center": [x, y], "grid_angle_deg": rest[2] if len(rest) > 2 else 0.0}


def _image_first(channels: list[Channel]) -> list[Channel]:
    """Height, then the spectra, then the other parameters."""
    rank = [0 if c.name == "height" and len(c.dims) == 2 else 2 if c.dims == ("y", "x") else 1 for c in channels]
    return [channels[i] for i in sorted(range(len(channels)), key=rank.__getitem__)]
