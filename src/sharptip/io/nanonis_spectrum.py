"""Nanonis spectra at one place, and records over time (`.dat`): bias and Z spectroscopy, frequency sweeps, charts …

Layout: SPECS Nanonis user manual, "ASCII file format dat". Lines of a key, a tab and a value; the line `[DATA]`; the
names of the columns; one line of numbers per swept value, in SI units. The first column is what was swept, for the
sweep forth and the sweep back (`[bwd]`) alike; a history has no such column and says its sample period instead.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.units import to_si
from .layout import count, positive, text
from .nanonis_names import Signal, both_ways, channel, signal

NAME = "nanonis_spectrum"
SUFFIXES = (".dat",)
GENERIC = False

_DATA = re.compile(rb"^\[DATA\][ \t]*\r?\n", re.MULTILINE)
_EXPERIMENT = re.compile(rb"^Experiment\t", re.MULTILINE)
_PERIOD = re.compile(r"sample period \(([^()]+)\)", re.IGNORECASE)


def detect(head: bytes, path: Path) -> bool:
    data = _DATA.search(head)
    return bool(data and _EXPERIMENT.search(head, 0, data.start()) and b"\0" not in head)


def read(path: Path) -> list[Grid]:
    raw = path.read_bytes()
    data = _DATA.search(raw)
    if not data:
        raise ReadError("there is no line [DATA]; the file is truncated")
    if not raw.endswith(b"\n"):
        raise ReadError("the last line has no end; the file is truncated")
    header = text(raw[: data.start()])
    facts = dict(line.rstrip("\t ").split("\t", 1) for line in header.splitlines() if "\t" in line.rstrip("\t "))
    first, *lines = text(raw[data.end() :]).splitlines()
    signals = [signal(name) for name in first.rstrip("\t").split("\t")]
    table = _table(lines, len(signals))
    swept, axis = _axis(signals, table, facts)
    _whole(facts, table, first)
    columns = range(1 if swept else 0, len(signals))
    axes = axis | {"site": Axis(np.zeros(1), "1")}
    channels = []
    for pair in both_ways([signals[i] for i in columns]):
        places = [columns[i] for i in pair]
        values = table[:, places].T[:, None, :]
        dims = ("direction",) * (len(pair) - 1) + ("site", *axis)
        channels.append(channel([signals[i] for i in places], values if len(pair) > 1 else values[0], dims, axes))
        if len(pair) > 1:
            axes |= {"direction": Axis(np.array(["forward", "backward"]), "1")}
    attrs = {"experiment": facts.get("Experiment", "").strip()}
    if swept:
        attrs["sweep_signal"] = swept.text
    return [Grid(path.stem, unique(_places(facts, channels) + channels), axes, header, attrs)]


def _table(lines: list[str], n: int) -> np.ndarray:
    """The numbers, (row, column)."""
    rows = [line.strip("\t ") for line in lines if line.strip()]
    if not rows:
        raise ReadError("no number follows the names of the columns; the file is truncated")
    table = np.loadtxt(rows, delimiter="\t", comments=None, ndmin=2)
    if table.shape[1] != n:
        raise ReadError(f"the lines have {table.shape[1]} numbers for {n} columns; the file is damaged")
    return table


def _axis(signals: list[Signal], table: np.ndarray, facts: dict[str, str]) -> tuple[Signal | None, dict[str, Axis]]:
    """What was swept, if the first column is that, and the axis along the lines of the table."""
    first = signals[0]
    plain = not first.backward and not first.tags
    if plain and first.axis and len(signals) > 1 and np.isfinite(table[:, 0]).all():
        made = channel([first], table[:, 0], (first.axis,))
        return first, {first.axis: Axis(np.asarray(made.data), made.unit)}
    for key, value in facts.items():
        if period := _PERIOD.search(key):
            factor = _seconds(period[1])
            return None, {"time": Axis.regular(len(table), positive(value, key) * factor, "s")}
    return None, {"sample": Axis(np.arange(len(table), dtype=float), "1")}


def _seconds(unit: str) -> float:
    try:
        factor, si = to_si(unit)
    except UnitError:
        factor, si = 1.0, ""
    if si != "s":
        raise ReadError(f"the sample period is in {unit!r}, which is no time; the header is damaged")
    return factor


def _whole(facts: dict[str, str], table: np.ndarray, first: str) -> None:
    """A spectrum whose settings are in the header has as many points as it was asked for; segments count otherwise."""
    module = facts.get("Experiment", "").strip().lower()
    settings = {k.split(">", 1)[1]: v for k, v in facts.items() if k.lower().startswith(f"{module}>")}
    segments = "MLS" in settings.get("Sweep mode", "") or any("Segment" in k or "MultiLine" in k for k in facts)
    if "Num Pixel" in settings and not segments:
        planned = count(settings["Num Pixel"], "Num Pixel")
        if len(table) < planned:
            raise ReadError(f"{len(table)} of {planned} points of the spectrum are there; the file is truncated")


def _places(facts: dict[str, str], channels: list[Channel]) -> list[Channel]:
    """Where the tip was, of what the header says of it; a recorded height says it better than the one before it."""
    made = []
    for key in ("X (m)", "Y (m)", "Z (m)"):
        try:
            value = float(facts[key])
        except (KeyError, ValueError):  # 'N/A'
            continue
        place = channel([signal(key)], np.array([value]), ("site",))
        if not (place.name == "height" and any(c.name == "height" for c in channels)):
            made.append(replace(place, attrs={**place.attrs, "said_by": "header"}))
    return made
