"""How a channel of a Nanosurf `.nhf` file becomes physical: the range of its integers, and the graph of calibrations.

Layout: Nanosurf's own reader (package nanosurf). A channel says the physical values of the least and of the greatest
number that its type can hold. In version 1 types are numbered and that is all. In version 2 one number of each type
stands for a sample that was not taken, and a channel may name the signal that its user saw (`signal_selected`) beside
the one that is stored (`signal_id`): then the group `calibration` leads from one to the other by steps, each a known
function between two signals, which may be passed both ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ReadError
from .layout import finite

_NUMBERED = ("int32", "uint8", "uint16", "uint32", "uint64", "int16", "int64", "double")  # of version 1
_INVERSE = {"linear": "linear", "exponential": "logarithmic", "logarithmic": "exponential"}


@dataclass(frozen=True)
class Step:
    """One function between two signals: a·x + b, b·exp((x - c)/a) or a·ln(x/b) + c, or the way back."""

    source: str
    sink: str
    unit: str
    kind: str
    numbers: tuple[float, ...]
    back: bool = False

    def of(self, x: np.ndarray) -> np.ndarray:
        kind = _INVERSE[self.kind] if self.back and self.kind != "linear" else self.kind
        if kind == "linear":
            a, b = self.numbers[:2]
            return (x - b) / a if self.back else x * a + b
        a, b, c = self.numbers[:3]
        return b * np.exp((x - c) / a) if kind == "exponential" else a * np.log(x / b) + c


@dataclass(frozen=True)
class Scale:
    """Stored numbers → physical ones: (x - least)·factor + offset, or the steps, and NaN where nothing was taken."""

    unit: str
    factor: float = 1.0
    offset: float = 0.0
    least: float = 0.0
    missing: float | None = None
    steps: tuple[Step, ...] = ()

    def of(self, stored: np.ndarray) -> np.ndarray:
        values = stored.astype(float)
        if self.missing is not None:
            values[stored == self.missing] = np.nan
        for step in self.steps:
            values = step.of(values)
        return values if self.steps else (values - self.least) * self.factor + self.offset


def scale(about: Mapping[str, Any], dataset: Any, steps: list[Step]) -> Scale:
    """What a channel's attributes and the calibrations of its file make of its numbers; 'arb' where nothing does."""
    said = about["dataset_element_type"]
    old = not isinstance(said, str)
    kind = _NUMBERED[int(said)] if old else str(said)
    missing = dataset.fillvalue if not old and kind != "double" else None
    stored, shown = str(about.get("signal_id", "")), str(about.get("signal_selected", ""))
    if shown and shown != stored:
        path = _path(steps, stored, shown)
        if path:
            return Scale(path[-1].unit, missing=missing, steps=tuple(path))
    prefix = "base" if old else "signal"
    counted = _unit(str(about.get("signal_unit", ""))) == "int" == _unit(str(about.get("signal_calibration_unit", "")))
    if counted or f"{prefix}_calibration_max" not in about:
        return Scale("arb", missing=missing)
    low, high = (finite(about[f"{prefix}_calibration_{end}"], f"the {end} of a channel") for end in ("min", "max"))
    least, most = _range(kind, old)
    unit = _unit(str(about.get(f"{prefix}_calibration_unit", "")))
    return Scale(unit, (high - low) / (most - least), low, least, missing)


def _range(kind: str, old: bool) -> tuple[float, float]:
    """The least and greatest number that stands for a value."""
    if kind == "double":
        return 0.0, 1.0
    limits = np.iinfo(kind)
    if old:
        return float(limits.min), float(limits.max)
    return (float(limits.min + 1), float(limits.max)) if limits.min else (0.0, float(limits.max - 1))


def _unit(said: str) -> str:
    """'Meter (m)' → 'm'; 'm' → 'm'."""
    found = re.search(r"\(([^)]+)\)", said)
    return found[1] if found else said


def calibrations(file: Any) -> list[Step]:
    """Every step that the calibrations of a file allow; those of an unknown kind are left out."""
    out: list[Step] = []
    for group in file.values():
        if group.attrs.get("group_type") == "calibration":
            for node in group.values():
                out += _both_ways(node.attrs)
    return out


def _both_ways(said: Mapping[str, Any]) -> Iterator[Step]:
    """A calibration gives its source from its sink, except one that is passable to the right only."""
    kind = str(said.get("signal_mapping_type", "")).removesuffix("_non_invertible")
    numbers = tuple(float(v) for v in np.ravel(said.get("signal_mapping_parameters", ())))
    if kind not in _INVERSE or len(numbers) < (2 if kind == "linear" else 3):
        return
    if not all(np.isfinite(numbers)) or numbers[0] == 0:
        raise ReadError(f"a calibration has the numbers {numbers}; the file is damaged")
    source, sink = str(said["signal_source_id"]), str(said["signal_sink_id"])
    units = {end: _unit(str(said[f"signal_{end}_unit"])) for end in ("source", "sink")}
    way = said["signal_invertibility"]
    if way in ("left", "two_way"):
        yield Step(sink, source, units["source"], kind, numbers)
    if way in ("right", "two_way"):
        yield Step(source, sink, units["sink"], kind, numbers, back=way == "two_way")


def _path(steps: list[Step], start: str, end: str) -> list[Step]:
    """The fewest steps from one signal to another; none where they are not connected."""
    reached: dict[str, list[Step]] = {start: []}
    edge = [start]
    while edge and end not in reached:
        at = edge.pop(0)
        for step in steps:
            if step.source == at and step.sink not in reached:
                reached[step.sink] = [*reached[at], step]
                edge.append(step.sink)
    return reached.get(end, [])
