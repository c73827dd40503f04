"""Hysteresis loops of a file: what the recipe `switching` says of each; one drawn beside the fit of its physics."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..fit.model import Model
from ..measure.loop_fit import fit_loops
from ..measure.loops import Loops, loops_of
from ..report.curves import Drawing, Trace
from .fitted import BAD, DOUBTFUL, GOOD, NOT_JUDGED, Column, Fitted, Settings, Tell, columns_of, faults_of

WELL, POORLY = (
    0.8,
    0.5,
)  # share of a loop's variance that its fit explains: a good loop, and the least of a doubtful one
FILLED = 0.1  # share of a loop's values that were missing or stood out, from which it is doubtful
_LEFT = (  # answers of the recipe that a table does without
    "noise", "response_offset", "fitted_imprint", "fitted_imprint_uncertainty",
    *(f"learned_{n}{u}" for n in ("coercive", "imprint", "potential", "injected") for u in ("", "_uncertainty")),
)  # fmt: skip

_HEADLINE = (
    "mechanism", "mechanism_probability", "probability_ferroelectric", "coercive_positive", "coercive_negative",
    "imprint", "remanent_response", "work_of_switching", "surface_potential", "explained",
)  # fmt: skip


def fit(scan: xr.Dataset, settings: Settings, tell: Tell) -> Fitted:
    """Every loop of a scan. Raises ScanError, ChannelError or UnitError for what is wrong with all of them."""
    model = Model.load(settings.model) if settings.model else Model.trained("switching")
    loops = loops_of(scan, **{k: model.options[k] for k in ("off_field", "on", "phase_offset")})
    if not len(loops.faults):
        raise ScanError("there is no loop in it")
    answer = model.predict(scan)
    tell("loops", len(loops.faults), len(loops.faults))
    columns = columns_of(answer, loops.dims, leave=_LEFT)
    likeliest, sure = _mechanism(answer, loops)
    verdicts, reasons = _verdicts(answer, loops, faults_of(answer, len(loops.faults)))
    words = (
        Column("mechanism", "1", likeliest),
        Column("mechanism_probability", "1", sure),
        *_each_mechanism(answer, loops),
    )
    several = loops.read is not None and len(loops.read) > 1
    alone = "one read voltage: surface potential, electrostatic slope and injected charge need several"
    return Fitted(
        "hysteresis loops", scan, loops.dims, (*words, *columns), verdicts, reasons, partial(_drawing, loops),
        missing=() if several else (alone,), made_by={"model": "switching"}, headline=_HEADLINE,
        notes=("the mechanism is told by a network that has learned on simulated loops alone",),
    )  # fmt: skip


def _each_mechanism(answer: xr.Dataset, loops: Loops) -> tuple[Column, ...]:
    """The probability of each mechanism, which a map can show."""
    p = answer["probability"].transpose(*loops.dims, "label").values.reshape(len(loops.faults), -1)
    names = [str(v).replace(" ", "_") for v in answer["label"].values]
    return tuple(Column(f"probability_{name}", "1", p[:, i]) for i, name in enumerate(names))


def _mechanism(answer: xr.Dataset, loops: Loops) -> tuple[np.ndarray, np.ndarray]:
    p = answer["probability"].transpose(*loops.dims, "label").values.reshape(len(loops.faults), -1)
    best = np.nan_to_num(p, nan=-1.0).argmax(1)
    known = np.isfinite(p).all(1)
    return np.where(known, answer["label"].values[best], ""), np.where(known, p.max(1), np.nan)


def _verdicts(answer: xr.Dataset, loops: Loops, faults: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    explained = answer["explained"].transpose(*loops.dims).values.ravel()
    filled = loops.filled / loops.response[0].size
    verdicts, reasons = np.full(len(faults), GOOD, object), faults.copy()
    for i in range(len(faults)):
        if faults[i]:
            verdicts[i] = NOT_JUDGED
        elif not explained[i] >= POORLY:
            verdicts[i], reasons[i] = BAD, f"the fit explains {max(explained[i], 0):.0%} of the loop"
        elif explained[i] < WELL:
            verdicts[i], reasons[i] = DOUBTFUL, f"the fit explains {explained[i]:.0%} of the loop"
        elif filled[i] > FILLED:
            verdicts[i], reasons[i] = DOUBTFUL, f"{loops.filled[i]} of its values were missing or stood out"
    return verdicts, reasons


def _drawing(loops: Loops, i: int) -> Drawing:
    """Response against write voltage read closest to 0 V, with its fit; the outermost reads thin beside it."""
    one = replace(
        loops, response=loops.response[i : i + 1], faults=loops.faults[i : i + 1], filled=loops.filled[i : i + 1]
    )
    reads = loops.response.shape[2]
    near = 0 if loops.read is None else int(np.argmin(np.abs(loops.read)))
    names = ["while writing"] if loops.read is None else [f"read at {v:g} V" for v in loops.read]
    y = one.response[0]
    traces = [Trace(loops.write, y[:, k], names[k], "aside") for k in sorted({0, reads - 1} - {near})]
    traces.append(Trace(loops.write, y[:, near], names[near], "data"))
    left = None
    if not loops.faults[i]:
        curve = fit_loops(one).curve[0, :, near]
        traces.append(Trace(loops.write, curve, "fit", "fit"))
        left = (loops.write, y[:, near] - curve)
    return Drawing(f"loop {i}", "", ("write voltage", "V"), ("response", loops.unit), traces, left)
