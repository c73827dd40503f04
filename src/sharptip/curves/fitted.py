"""What came out of the curves of one scan, whatever they are: a table with units and intervals, verdicts, a drawing."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from ..report.curves import Drawing

GOOD, DOUBTFUL, BAD, NOT_JUDGED = "good", "doubtful", "bad", "not judged"
VERDICTS = (GOOD, DOUBTFUL, BAD, NOT_JUDGED)
INTERVAL = 1.959964  # standard errors on either side of a value: 95 %

Tell = Callable[[str, int, int], object]  # what is done, how much of it, of how much


@dataclass(frozen=True)
class Settings:
    """What a person said of the curves beyond what the file says; None where nothing was said. SI units, radians."""

    spring_constant: float | None = None  # N/m
    sensitivity: float | None = None  # m/V
    law: str | None = None  # of contact mechanics
    radius: float | None = None  # m, of the tip
    half_angle: float | None = None  # rad, of the tip
    poisson: float | None = None  # of the sample
    thickness: float | None = None  # m, of the sample on its hard support
    temperature: float | None = None  # K, for a thermal tune
    model: str | None = None  # FILE.sharptip that is asked in place of the one that ships


@dataclass(frozen=True)
class Column:
    """One number (or word) for each curve: (n,) in a SI unit, with its 95 % interval where one is known."""

    name: str
    unit: str
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    @classmethod
    def of(cls, name: str, unit: str, values: np.ndarray, error: np.ndarray | None) -> Column:
        """From standard errors; without an interval where there are none."""
        if error is None:
            return cls(name, unit, values)
        return cls(name, unit, values, values - INTERVAL * error, values + INTERVAL * error)

    @classmethod
    def joined(cls, parts: Sequence[Column]) -> Column:
        """The same column of one block of curves after the other."""
        first = parts[0]
        low, high = (
            None if getattr(first, end) is None else np.concatenate([getattr(p, end) for p in parts])
            for end in ("low", "high")
        )
        return cls(first.name, first.unit, np.concatenate([p.values for p in parts]), low, high)

    @property
    def is_number(self) -> bool:
        return self.values.dtype.kind in "fiub"

    @property
    def parts(self) -> Iterator[tuple[str, np.ndarray]]:
        """(column name with its unit, numbers) as the table has them."""
        tail = "" if self.unit == "1" or not self.is_number else f"_{self.unit}"
        yield f"{self.name}{tail}", self.values
        if self.low is not None and self.high is not None:
            yield f"{self.name}_low{tail}", self.low
            yield f"{self.name}_high{tail}", self.high


@dataclass(frozen=True)
class Fitted:
    """The answers about all n curves of one scan. `dims` are the scan's axes that the curves run over."""

    kind: str
    scan: xr.Dataset
    dims: tuple[str, ...]
    columns: tuple[Column, ...]
    verdicts: np.ndarray  # (n,) of VERDICTS
    reasons: np.ndarray  # (n,) words, '' for a good curve
    draw: Callable[[int], Drawing]  # of one curve, by its number from 0
    missing: tuple[str, ...] = ()  # what was not computed, and which option would give it
    notes: tuple[str, ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict)  # what was fitted with which options
    headline: tuple[str, ...] = ()  # columns that are told over the figure of a curve; all of them, if empty

    @property
    def n(self) -> int:
        return len(self.verdicts)

    def count(self, verdict: str) -> int:
        return int((self.verdicts == verdict).sum())

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @property
    def names(self) -> list[str]:
        """How each curve is called."""
        if self.dims == ("curve",):
            return [f"curve {n}" for n in self.places["curve"]]
        return [", ".join(f"{d} {v}" for d, v in zip(self.dims, self.place(i), strict=True)) for i in range(self.n)]

    def place(self, i: int) -> tuple[int, ...]:
        """Where curve i is along the scan's axes."""
        return tuple(int(v) for v in np.unravel_index(i, tuple(self.scan.sizes[d] for d in self.dims)))

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Columns that say which curve a row is: its number, its row and column on a map, and where it was measured."""
        shape = tuple(self.scan.sizes[d] for d in self.dims)
        out: dict[str, np.ndarray] = {"curve": np.arange(self.n)}
        if self.dims == ("curve",) and "curve" in self.scan.coords:
            out["curve"] = np.asarray(self.scan["curve"].values).astype(int)
        for d, index in zip(self.dims, np.indices(shape), strict=True):
            if d != "curve":
                out[{"y": "row", "x": "column"}.get(d, d)] = index.ravel()
        for name in ("row", "column", "tip_x", "tip_y"):
            if name in self.scan.variables and set(self.scan[name].dims) <= set(self.dims):
                values = self.scan[name].broadcast_like(self.scan[list(self.dims)].coords.to_dataset())
                named = name if name in ("row", "column") else f"{name}_m"
                flat = _flat(values, self.dims)
                out[named] = flat.astype(int) if name in ("row", "column") and np.isfinite(flat).all() else flat
        return out

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table, a row for each curve; None where nothing is told, ±inf where an interval has no end."""
        table = {name: _plain(values) for name, values in self.places.items()}
        table |= {"verdict": list(map(str, self.verdicts)), "reason": list(map(str, self.reasons))}
        table |= {name: _plain(values) for c in self.columns for name, values in c.parts}
        for cells in zip(*table.values(), strict=True):
            yield dict(zip(table, cells, strict=True))

    def reasons_counted(self) -> list[tuple[str, str, int]]:
        """(verdict, reason, how many), the most frequent first. Alike but for numbers is alike: the first is told."""
        told: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for verdict, why in zip(self.verdicts.tolist(), self.reasons.tolist(), strict=True):
            if verdict != GOOD or why:
                told[verdict, _general(why)][why] += 1
        counted = [(v, _first_of(reasons), reasons.total()) for (v, _), reasons in told.items()]
        return sorted(counted, key=lambda row: -row[2])


def _first_of(reasons: Counter[str]) -> str:
    """
    >>> _first_of(Counter(["noise of 3 nm", "noise of 4 nm"])), _first_of(Counter(["no contact", "no contact"]))
    ('noise of 3 nm (the first of them; the numbers differ)', 'no contact')
    """
    first = next(iter(reasons))
    return first if len(reasons) == 1 else f"{first} (the first of them; the numbers differ)"


def faults_of(answer: xr.Dataset, n: int) -> np.ndarray:
    """(n,) what a model says against single rows; '' where nothing."""
    out = np.full(n, "", object)
    for place, why in json.loads(answer.attrs.get("faults", "{}")).items():
        out[int(place)] = why
    return out


def columns_of(answer: xr.Dataset, dims: Sequence[str], leave: Sequence[str] = ()) -> tuple[Column, ...]:
    """A model's answer as columns: each port with one number per row; `x_error`, `x_low`, `x_high` go with `x`."""
    flat = {str(n): _flat(v, dims) for n, v in answer.data_vars.items() if set(v.dims) == set(dims)}
    out = []
    for name, values in flat.items():
        if name in leave or any(name.endswith(tail) and name.removesuffix(tail) in flat for tail in _TAILS):
            continue
        unit = str(answer[name].attrs["units"])
        error = next((flat[f"{name}{tail}"] for tail in _ERRORS if f"{name}{tail}" in flat), None)
        if f"{name}_low" in flat and f"{name}_high" in flat:
            out.append(Column(name, unit, values, flat[f"{name}_low"], flat[f"{name}_high"]))
        elif error is not None:
            out.append(Column.of(name, unit, values, error))
        else:
            out.append(Column(name, unit, values))
    return tuple(out)


_ERRORS = ("_error", "_uncertainty", "_std", "_sd")
_TAILS = ("_low", "_high", *_ERRORS)


def _flat(values: xr.DataArray, dims: Sequence[str]) -> np.ndarray:
    return np.asarray(values.transpose(*dims).values).ravel()


def _plain(values: np.ndarray) -> list[Any]:
    """None for what is no number."""
    if values.dtype.kind == "f":
        return [None if gone else v for v, gone in zip(values.tolist(), np.isnan(values), strict=True)]
    return values.tolist() if values.dtype.kind in "iub" else list(map(str, values))


def _general(reason: str) -> str:
    import re

    return re.sub(r"(?<![\w'])[-−]?\d[\d.,e+-]*", "…", re.sub(r"^curve \S+: ", "", reason))
