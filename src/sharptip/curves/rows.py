"""Rows of a scan that a recipe answers: its answer as a table, and each row drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ModelError
from ..report.curves import Drawing, Trace
from .fitted import BAD, DOUBTFUL, GOOD, NOT_JUDGED, Column, Fitted, Settings, Tell, columns_of, faults_of

Columns = Mapping[str, Column]
Words = np.ndarray | None  # (n,) words against each row, '' for none


@dataclass(frozen=True)
class Signal:
    """What is drawn of the rows of a scan: y along x, in SI units."""

    y: Callable[[int], np.ndarray]  # of row i
    x: Callable[[int], np.ndarray]
    y_name: tuple[str, str]  # with its unit
    x_name: tuple[str, str]


@dataclass(frozen=True)
class Asked:
    """A recipe, as it is asked about the rows of a scan."""

    kind: str
    recipe: str
    signal: Callable[[xr.Dataset, tuple[str, ...]], Signal]
    line: Callable[[Columns, xr.Dataset, int, np.ndarray], np.ndarray | None] = lambda *_: (
        None
    )  # (columns, answer, i, x)
    against: Callable[[Columns], tuple[Words, Words]] = lambda columns: (None, None)  # (bad, doubtful)
    options: Callable[[xr.Dataset], dict[str, Any]] = lambda scan: {}
    headline: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def fit_rows(asked: Asked, scan: xr.Dataset, settings: Settings, tell: Tell) -> Fitted:
    """Every row of a scan, answered. Raises ModelError where no model is there to be asked, and what it raises."""
    model = _model(asked, scan, settings)
    tell(asked.kind, 0, 1)
    answer = model.predict(scan)
    dims = next(tuple(map(str, answer[p.name].dims)) for p in model.recipe.gives if not p.dims)
    n = int(np.prod([scan.sizes[d] for d in dims]))
    columns = columns_of(answer, dims)
    tell(asked.kind, 1, 1)
    verdicts, reasons = verdicts_of(faults_of(answer, n), *asked.against({c.name: c for c in columns}))
    return Fitted(
        asked.kind, scan, dims, columns, verdicts, reasons,
        draw=partial(_drawing, asked, asked.signal(scan, dims), {c.name: c for c in columns}, answer),
        notes=asked.notes, headline=asked.headline,
        made_by={asked.recipe: {k: v for k, v in model.card.items() if k in ("real", "n_examples", "seed")}},
    )  # fmt: skip


def _model(asked: Asked, scan: xr.Dataset, settings: Settings) -> Any:
    """The model that was named, the one that ships, or the recipe itself where it learns nothing."""
    from ..fit.model import Model

    if settings.model is not None:
        model = Model.load(settings.model)
        if model.recipe.name != asked.recipe:
            raise ModelError(
                f"{settings.model}: answers {model.recipe.name!r}; {asked.kind} are for a model of {asked.recipe!r}"
            )
        return model
    if asked.recipe in Model.that_ship():
        return Model.trained(asked.recipe)
    model = Model(asked.recipe, **asked.options(scan))
    if not model.learns_nothing:
        raise ModelError(
            f"no trained model of {asked.recipe!r} ships; train one, sharptip train {asked.recipe} --out m.sharptip, "
            "and name it: --model m.sharptip"
        )
    return model


def verdicts_of(faults: np.ndarray, bad: Words, doubts: Words) -> tuple[np.ndarray, np.ndarray]:
    """A verdict and its reason for each row: faults first, then what makes it bad, then doubts."""
    verdicts, reasons = np.full(len(faults), GOOD, object), np.full(len(faults), "", object)
    for verdict, words in ((NOT_JUDGED, faults), (BAD, bad), (DOUBTFUL, doubts)):
        if words is not None:
            new = (words != "") & (verdicts == GOOD)
            verdicts, reasons = np.where(new, verdict, verdicts), np.where(new, words, reasons)
    return verdicts, reasons


def said_where(which: np.ndarray, words: str) -> np.ndarray:
    """(n,) the words where the rows are marked."""
    return np.where(np.asarray(which, bool), words, "").astype(object)


def along(scan: xr.Dataset, name: str, axis: str, dims: tuple[str, ...], called: str = "") -> Signal:
    """The rows of one channel along one axis of the scan, or along `sample` with a channel for its x."""
    y = scan[name]
    over = axis if axis in y.dims else next(str(d) for d in y.dims if d not in dims)

    def row(of: xr.DataArray, i: int) -> np.ndarray:
        at = dict(zip(dims, np.unravel_index(i, tuple(scan.sizes[d] for d in dims)), strict=True))
        return np.asarray(of.isel({d: k for d, k in at.items() if d in of.dims}).values, float)

    x = scan[axis] if axis in scan.variables else scan[over]
    return Signal(
        partial(row, y.transpose(..., over)), partial(row, x), (called or name.replace("_", " "), y.attrs["units"]),
        (axis, str(x.attrs.get("units", "1"))),
    )  # fmt: skip


def _drawing(asked: Asked, signal: Signal, columns: Columns, answer: xr.Dataset, i: int) -> Drawing:
    x, y = signal.x(i), signal.y(i)
    return drawn_row(signal, x, y, asked.line(columns, answer, i, x), "fit")


def drawn_row(signal: Signal, x: np.ndarray, y: np.ndarray, line: np.ndarray | None, name: str) -> Drawing:
    """One row with what was fitted to it."""
    traces = [Trace(x, y, signal.y_name[0])]
    residual = None
    if line is not None and np.isfinite(line).any():
        order = np.argsort(x, kind="stable")
        traces.append(Trace(x[order], line[order], name, "fit"))
        residual = (x[order], (y - line)[order])
    return Drawing("", "", signal.x_name, signal.y_name, traces, residual)
