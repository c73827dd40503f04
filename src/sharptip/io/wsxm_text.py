"""Images that WSxM writes as text: a matrix, or a list of points with x, y and z.

Layout: the file specifications of spmimages.ftmc.uam.es. The first line is that of every WSxM file, the second says
which of the two it is. Lines of the matrix begin with the lowest y and each with the greatest x, as in WSxM's binary
files; amplitudes say its extent. A list of points runs along x first and says its units in the line before the points.
Neither says how many lines it has: a file that ends early, just where a line of the image does, cannot be told.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid
from ..core.units import to_si
from .layout import finite, image_axes, text
from .wsxm_header import quantity

NAME = "wsxm_text"
SUFFIXES = (".txt", ".xyz")
GENERIC = False

_MAGIC = b"WSxM file copyright"
_KINDS = ("WSxM ASCII Matrix file", "WSxM ASCII XYZ file")
_UNITS = re.compile(r"X\[(.*?)\]\s*Y\[(.*?)\]\s*Z\[(.*?)\]")
_AMPLITUDE = re.compile(r"([XYZ]) Amplitude:\s*(.+)")
_NEAR = 1e-3  # of a step, that a point may lie beside its place


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_MAGIC) and any(kind.encode() in head[:512] for kind in _KINDS)


def read(path: Path) -> list[Grid]:
    raw = path.read_bytes()
    if not raw.endswith(b"\n"):
        raise ReadError("the last line has no end; the file is truncated")
    lines = text(raw).splitlines()
    start = next((i for i, line in enumerate(lines) if i > 1 and _numbers(line)), len(lines))
    header = "\n".join(lines[:start])
    rows = [line.split() for line in lines[start:] if line.strip()]
    if not rows or len({len(row) for row in rows}) != 1:
        raise ReadError("the lines of numbers are of different lengths; the file is truncated or damaged")
    table = np.array(rows, float)
    make = _matrix if _KINDS[0] in header else _points
    values, unit, axes = make(header, table)
    channel = Channel.from_vendor("Topography", values, unit)
    if channel.unit not in ("m", "arb"):  # the file names no channel; only lengths are heights
        channel = Channel.from_vendor("Signal", values, unit)
    return [Grid(path.stem, (channel,), axes, header)]


def _numbers(line: str) -> bool:
    try:
        return bool(line.split()) and all(np.isfinite(float(word)) for word in line.split())
    except ValueError:
        return False


def _matrix(header: str, table: np.ndarray) -> tuple[np.ndarray, str, dict[str, Axis]]:
    said = {m[1]: quantity(m[2].strip(), f"{m[1]} Amplitude") for m in _AMPLITUDE.finditer(header)}
    if not {"X", "Y"} <= set(said):
        raise ReadError("the header does not say the X and Y Amplitude")
    height, width = (abs(said[k][0]) * _metres(said[k][1], k) for k in "YX")
    shape = table.shape[0], table.shape[1]
    return np.ascontiguousarray(table[::-1, ::-1]), said.get("Z", (0.0, "arb"))[1], image_axes(shape, height, width)


def _metres(unit: str, axis: str) -> float:
    factor, si = to_si("Å" if unit == "A" else unit)  # ampere is no length; programs write it for ångström
    if si != "m":
        raise ReadError(f"{axis} is in {unit!r}; an image that is not of a place is not read")
    return factor


def _points(header: str, table: np.ndarray) -> tuple[np.ndarray, str, dict[str, Axis]]:
    units = _UNITS.search(header)
    if not units or table.shape[1] != 3:
        raise ReadError("the header does not say the units of x, y and z, or the points have other than three numbers")
    x, y, z = table.T
    turns = np.flatnonzero(np.diff(x) * np.sign(x[-1] - x[0] or 1.0) < 0)
    nx = int(turns[0]) + 1 if turns.size else len(x)
    ny = len(x) // nx
    if nx < 2 or ny < 2 or nx * ny != len(x):
        raise ReadError(f"{len(x)} points make no image of {nx} points a line")
    xs, ys = x.reshape(ny, nx), y.reshape(ny, nx)
    dx, dy = (finite(v, "a pixel") for v in ((xs[0, -1] - xs[0, 0]) / (nx - 1), (ys[-1, 0] - ys[0, 0]) / (ny - 1)))
    places = np.meshgrid(xs[0, 0] + dx * np.arange(nx), ys[0, 0] + dy * np.arange(ny))
    if (
        not dx
        or not dy
        or any(np.abs(a - b).max() > _NEAR * abs(d) for a, b, d in zip((xs, ys), places, (dx, dy), strict=True))
    ):
        raise ReadError("the points lie on no regular grid")
    values = z.reshape(ny, nx)[:: -1 if dy > 0 else 1, :: -1 if dx < 0 else 1]  # row 0 is that of the greatest y
    size = abs(dy) * _metres(units[2], "Y") * ny, abs(dx) * _metres(units[1], "X") * nx
    return np.ascontiguousarray(values), units[3], image_axes((ny, nx), *size)
