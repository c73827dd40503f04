"""Force curves of AFM Workshop instruments: a `.csv` for each, or the many of a map in a `.zip`.

Layout: the text that the instrument's software exports. A title, lines `Key:<tab>value`, a blank line, then columns
named by the part of the curve, the quantity and its unit: `Extend Z-Sense(nm),Extend T-B(V),Retract Z-Sense(nm),…`, a
row for every sample counted from the start of each part, so that a shorter part leaves fields empty. `Z-Sense` grows
toward the sample; `T-B` is the photodiode's top minus bottom. The force constant and the gain of the light lever that
the header may hold are kept as facts, unless they are 1, as they are where nobody calibrated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid
from .curve import Curve, away, grid
from .layout import finite, text
from .table import first_member, lines, members, numbers

NAME = "afm_workshop"
SUFFIXES = (".csv", ".zip")
GENERIC = False

_TITLE = b"Force-Distance Curve"
_COLUMN = re.compile(r"(\w+) (.+?)\s*\(([^()]*)\)")  # part, quantity, unit
_PARTS = {"Extend": "approach", "Hold": "pause", "Dwell": "pause", "Retract": "retract"}  # in the order of time
_NAMES = {"Z-Sense": "Height sensor", "Z-Drive": "Height", "T-B": "Deflection", "L-R": "Lateral", "Force": "Force"}

Facts = dict[str, str]


def detect(head: bytes, path: Path) -> bool:
    return (head if head.startswith(_TITLE) else first_member(head)).startswith(_TITLE)


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    files = {path.name: data} if data.startswith(_TITLE) else members(path)
    found = [_curve(text(raw), name) for name, raw in files.items() if name.lower().endswith(".csv") or len(files) == 1]
    curves, facts = [c for c, _, _ in found], [f for _, f, _ in found]
    headers = [h for _, _, h in found]
    beside, attrs = _places(facts)
    header = headers[0] if len(headers) == 1 else dict(zip(files, headers, strict=False))
    return [grid(path.stem, curves, header, _calibration(facts[0]) | attrs, beside)]


def _curve(said: str, name: str) -> tuple[Curve, Facts, str]:
    """One file: its curve, the facts of its header, and the header itself."""
    rows = lines(said, name)
    start = next((i for i, row in enumerate(rows) if _COLUMN.match(row)), None)
    if not said.startswith(_TITLE.decode()) or start is None:
        raise ReadError(f"{name} has no row that names its columns; it is damaged")
    titles = [_COLUMN.fullmatch(title.strip()) for title in rows[start].split(",")]
    values = numbers(rows[start + 1 :], len(titles), name, ",")
    facts = {k.strip(): v.strip() for k, _, v in (row.partition(":") for row in rows[:start])}
    columns: dict[str, dict[tuple[str, str], np.ndarray]] = {}
    for title, column in zip(titles, values.T, strict=True):
        if title is None or title[1] not in _PARTS:
            raise ReadError(f"{name} has a column {rows[start]!r} whose part of the curve is not known")
        columns.setdefault(title[1], {})[title[2], title[3]] = column
    parts = [(part, _length(columns[part])) for part in _PARTS if part in columns]
    keys = dict.fromkeys(key for part in columns.values() for key in part)
    channels = tuple(_channel(*key, [_part(columns[part], key, n) for part, n in parts]) for key in keys)
    return Curve(channels, tuple((_PARTS[part], n) for part, n in parts)), facts, "\n".join(rows[:start])


def _length(columns: dict[tuple[str, str], np.ndarray]) -> int:
    """Samples of a part: the rows in which one of its columns has a number."""
    taken = np.isfinite(np.stack(list(columns.values()))).any(axis=0)
    return int(np.flatnonzero(taken).max(initial=-1)) + 1


def _part(columns: dict[tuple[str, str], np.ndarray], key: tuple[str, str], n: int) -> np.ndarray:
    return columns[key][:n] if key in columns else np.full(n, np.nan)


def _channel(name: str, unit: str, parts: Sequence[np.ndarray]) -> Channel:
    made = Channel.from_vendor(_NAMES.get(name, name), np.concatenate(parts), unit, ("sample",))
    named = replace(made, vendor_name=name)
    return away(named) if named.name in ("height", "height_sensor") else named


def _calibration(facts: Facts) -> dict[str, object]:
    """What the file says, as attributes only; exactly 1 stands where nobody calibrated, and is not said."""
    out: dict[str, object] = {}
    k, gain = (finite(facts.get(key, "1"), key) for key in ("Force Constant, nN/nm", "Light Lever Gain, mV/nm"))
    if k != 1:
        out["spring_constant"] = k
    if gain > 0 and gain != 1:
        out["sensitivity"] = 1e-6 / gain  # mV/nm is 1e6 V/m
    return out


def _places(facts: Sequence[Facts]) -> tuple[list[Channel], dict[str, object]]:
    """Where the curves were taken; rows and columns where the places are all those of a rectangle."""
    if not all({"X, um", "Y, um"} <= set(f) for f in facts):
        return [], {}
    x, y = (np.array([finite(f[key], key) for f in facts]) * 1e-6 for key in ("X, um", "Y, um"))
    places = [("tip_x", x, "m", "X"), ("tip_y", y, "m", "Y")]
    attrs: dict[str, object] = {}
    columns, column = np.unique(x, return_inverse=True)
    rows, row = np.unique(-y, return_inverse=True)  # row 0 is the top of the map
    if len(facts) > 1 and len(set(zip(row, column, strict=True))) == len(columns) * len(rows) == len(facts):
        attrs["map_shape"] = [len(rows), len(columns)]
        places += [("row", row.astype(float), "1", "Y"), ("column", column.astype(float), "1", "X")]
    return [Channel(name, values, unit, vendor, ("curve",)) for name, values, unit, vendor in places], attrs
