"""Indentation curves of Optics11 Chiaro and Piuma instruments: a `.txt` for each, or several in a `.zip`.

Layout: the text that the instrument writes. Lines of `Key<tab>value`, several to a line, values after a colon, or
`Key (unit) value`; then a row of column names with units, `Time (s)`, `Load (uN)`, `Indentation (nm)`,
`Cantilever (nm)`, `Piezo (nm)`, `Auxiliary`, and a row for every sample, with a decimal comma where the computer had
one. The piezo counts toward the sample. `Step absolute start times (s)` and end times, where they are given, cut the
curve into parts, and the way of the piezo says what each is; without them it turns where the piezo is furthest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid
from .curve import Curve, away, grid
from .layout import finite, text
from .table import first_member, lines, members, numbers

NAME = "chiaro"
SUFFIXES = (".txt", ".zip")
GENERIC = False

_BEGIN, _TABLE = "Date\t", "Time (s)\tLoad"
_TELLING = (b"\nk (N/m)\t", b"\nTip radius (um)\t", b"\nTime (s)\tLoad")  # lines of every file
_STARTS, _ENDS = "Step absolute start times (s)", "Step absolute end times (s)"
_STILL = 0.02  # of the longest way of the piezo in one part: what moves less is a pause
_TITLE = re.compile(r"(.+?)\s*\(([^()]*)\)|(.+)")  # name and unit, or a name without
_NAMES = {"Load": "Force", "Cantilever": "Deflection", "Piezo": "Height", "Indentation": "Indentation"}

Facts = dict[str, str]


def detect(head: bytes, path: Path) -> bool:
    return _ours(head) or _ours(first_member(head))


def _ours(begin: bytes) -> bool:
    return begin.startswith(_BEGIN.encode()) and all(line in begin for line in _TELLING)


def read(path: Path) -> list[Grid]:
    """One grid for the curves that are made of the same parts."""
    data = path.read_bytes()
    files = members(path) if data.startswith(b"PK\x03\x04") else {path.name: data}
    groups: dict[tuple[str, ...], list[tuple[str, Curve, Facts, str]]] = {}
    for name, raw in files.items():
        curve, facts, header = _curve(text(raw), name)
        groups.setdefault(tuple(kind for kind, _ in curve.parts), []).append((name, curve, facts, header))
    grids = []
    for i, group in enumerate(groups.values()):
        headers = {name: header for name, _, _, header in group}
        said = headers if len(headers) > 1 else group[0][3]
        facts_of = [facts for _, _, facts, _ in group]
        beside = _beside(facts_of)
        attrs: dict[str, object] = {}
        if len({facts["k (N/m)"] for facts in facts_of}) == 1:
            attrs["spring_constant"] = float(beside.pop("spring_constant").data[0])
        title = path.stem + (f"_{i + 1}" if i else "")
        grids.append(grid(title, [curve for _, curve, _, _ in group], said, attrs, list(beside.values())))
    return grids


def _curve(said: str, name: str) -> tuple[Curve, Facts, str]:
    rows = lines(said, name)
    start = next((i for i, row in enumerate(rows) if row.startswith(_TABLE)), None)
    if start is None:
        raise ReadError(f"{name} has no row {_TABLE!r} that names its columns; it is damaged")
    titles = [title for title in rows[start].split("\t") if title]
    values = numbers([row.rstrip("\t").replace(",", ".") for row in rows[start + 1 :]], len(titles), name)
    channels = [_channel(title, column) for title, column in zip(titles, values.T, strict=True)]
    piezo = next((c for c in channels if c.name == "height"), None)
    if piezo is None:
        raise ReadError(f"{name} has no column 'Piezo'; its columns are {titles}")
    facts = _facts(rows[:start])
    parts = _parts(facts, values[:, 0], np.asarray(piezo.data))
    return Curve(tuple(channels), tuple(parts)), facts, "\n".join(rows[:start])


def _parts(facts: Facts, time: np.ndarray, height: np.ndarray) -> list[tuple[str, int]]:
    """(kind, samples) of the parts of a curve; those before the first step and after the last are parts as well."""
    said = [v for key in (_STARTS, _ENDS) for v in facts.get(key, "").split(",") if v.strip()]
    edges = sorted({0, len(time), *np.searchsorted(time, sorted(finite(v, _STARTS) for v in said))})
    if len(edges) == 2:
        turn = int(np.argmin(height)) + 1
        return [(kind, n) for kind, n in (("approach", turn), ("retract", len(time) - turn)) if n]
    ways = [height[b - 1] - height[a] for a, b in pairwise(edges)]
    still = _STILL * max(abs(w) for w in ways)
    kinds = ["pause" if abs(w) <= still else "approach" if w < 0 else "retract" for w in ways]
    parts: list[tuple[str, int]] = []
    for kind, (a, b) in zip(kinds, pairwise(edges), strict=True):
        n = int(b - a)
        if parts and (parts[-1][0] == kind or n == 1):  # the sample between the end of a step and the next start
            parts[-1] = parts[-1][0], parts[-1][1] + n
        else:
            parts.append((kind, n))
    return parts


def _channel(title: str, values: np.ndarray) -> Channel:
    match = _TITLE.fullmatch(title.strip())
    name, unit = (match[1] or match[3], match[2] or "arb") if match else (title, "arb")
    made = replace(Channel.from_vendor(_NAMES.get(name, name), values, unit, ("sample",)), vendor_name=name)
    return away(made) if made.name == "height" else made


def _facts(rows: Sequence[str]) -> Facts:
    """Values by key: every second field of a line is a key."""
    out: Facts = {}
    for row in rows:
        fields = [field.strip() for field in row.split("\t")]
        out |= dict(zip(fields[::2], fields[1::2], strict=False))
    return out


def _beside(facts: Sequence[Facts]) -> dict[str, Channel]:
    """The spring constant of each curve and where it was taken."""
    columns = [("spring_constant", "k (N/m)", 1.0, "N/m")]
    columns += [("tip_x", "X-position (um)", 1e-6, "m"), ("tip_y", "Y-position (um)", 1e-6, "m")]
    return {
        ours: Channel(ours, np.array([_number(f[key], key) * factor for f in facts]), unit, key, ("curve",))
        for ours, key, factor, unit in columns
        if all(key in f for f in facts)
    }


def _number(said: str, key: str) -> float:
    return finite(said.replace(",", "."), key)
