"""Force curves: contact, what needs no tip, the rating, and contact mechanics where somebody says what the tip is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..measure import curve_numbers as measured
from ..measure.approach import Approach, approach_of, approaches
from ..measure.curve_numbers import Quantity
from ..report.curves import Drawing, Mark, Trace
from .fitted import BAD, GOOD, NOT_JUDGED, Column, Fitted, Settings, Tell
from .tip import Mechanics, mechanics_of

BLOCK = 500  # curves that are in the memory together
NO_BASELINE = 0.1  # of the travel before the contact, less than which no baseline can be told
CLIPPED = 0.02  # of the approach at exactly its greatest deflection: the detector had no more
_SHOWN = {"height_sensor": "height (sensor)", "height": "height", "separation": "height (from separation)"}


def holds(scan: xr.Dataset) -> bool:
    """Whether a scan holds force curves: samples along curves, of a height and a deflection or force."""
    named = {str(n) for n, v in scan.data_vars.items() if {"curve", "sample"} <= set(v.dims)}
    return bool(named & {"height", "height_sensor", "separation"}) and bool(
        named & {"deflection", "deflection_signal", "force"}
    )


def fit(scan: xr.Dataset, settings: Settings, tell: Tell) -> Fitted:
    """Every curve of a scan. Raises ScanError, ChannelError or UnitError for what is wrong with all of them."""
    tip = mechanics_of(settings)
    parts = []
    for which, approach in approaches(scan, BLOCK, **_calibration(settings)):
        parts.append(_block(scan.isel(curve=which), approach, settings, tip))
        tell("force curves", which.stop, scan.sizes["curve"])
    if not parts:
        raise ScanError("there is no curve in it")
    columns = tuple(Column.joined([p.columns[name] for p in parts]) for name in parts[0].columns)
    return Fitted(
        kind="force curves",
        scan=scan,
        dims=("curve",),
        columns=columns,
        verdicts=np.concatenate([p.verdicts for p in parts]),
        reasons=np.concatenate([p.reasons for p in parts]),
        draw=partial(_drawing, scan, settings, tip, {c.name: c for c in columns}),
        missing=_missing(parts[0].approach_unit, parts[0].lacks, tip),
        notes=_notes(parts[0], tip),
        made_by=tip.made_by,
    )


@dataclass(frozen=True)
class _Part:
    """A block of curves, answered."""

    columns: dict[str, Column]
    verdicts: np.ndarray
    reasons: np.ndarray
    approach_unit: str
    lacks: str
    height: str
    retracts: bool


def _calibration(settings: Settings) -> dict[str, Any]:
    return {"spring_constant": settings.spring_constant, "sensitivity": settings.sensitivity}


def _block(scan: xr.Dataset, approach: Approach, settings: Settings, tip: Mechanics) -> _Part:
    retract = _retract(scan, settings)
    contact, low, high = measured.first_contact(approach)
    columns = {"contact": Column("contact", "m", contact, np.fmin(low, high), np.fmax(low, high))}
    columns |= {name: _column(name, q) for name, q in measured.numbers(approach, retract, contact).items()}
    columns |= {"spring_constant": Column("spring_constant", "N/m", approach.spring_constant)}
    verdicts, reasons = _judged(approach, contact)
    found = tip.fit(scan, approach)
    columns |= {c.name: c for c in found.columns}
    verdicts, reasons = found.judged(verdicts, reasons)
    lacks = next((why for why in approach.no_force if why), "")
    return _Part(columns, verdicts, reasons, approach.unit, lacks, approach.channel, retract is not None)


def _retract(scan: xr.Dataset, settings: Settings) -> Approach | None:
    """The way back, where there is one."""
    if '"retract"' not in str(scan.attrs.get("segments", "")):
        return None
    return approach_of(scan, segment="retract", **_calibration(settings))


def _column(name: str, quantity: Quantity) -> Column:
    return Column.of(name, quantity.unit, quantity.value, quantity.error)


# -- verdicts -----------------------------------------------------------------------------------------------------


def _judged(approach: Approach, contact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A verdict and its reason for each curve, from what can be seen without anything learned."""
    n = len(approach)
    verdicts, reasons = np.full(n, GOOD, object), np.full(n, "", object)
    height, last = approach.height, np.maximum(approach.length - 1, 0)
    end = np.take_along_axis(height, last[:, None], axis=1)[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        before = (height[:, 0] - contact) / (height[:, 0] - end)
    clipped = _clipped(approach)
    for i in range(n):
        if approach.faults[i]:
            verdicts[i], reasons[i] = NOT_JUDGED, approach.faults[i]
        elif not np.isfinite(contact[i]):
            verdicts[i] = BAD
            reasons[i] = f"no contact: the deflection never rises {measured.SEEN:g} noise levels above its baseline"
        elif before[i] < NO_BASELINE:
            verdicts[i] = BAD
            reasons[i] = f"hardly a baseline: contact after {before[i]:.0%} of the way"
        elif clipped[i] > CLIPPED:
            verdicts[i] = BAD
            reasons[i] = f"the detector is at its end: {clipped[i]:.0%} of the approach at one greatest deflection"
    return verdicts, reasons


def _clipped(approach: Approach) -> np.ndarray:
    """(n,) the share of an approach that lies at exactly its greatest deflection, beyond the first such sample."""
    d = np.where(np.isfinite(approach.deflection), approach.deflection, -np.inf)
    top = d.max(axis=1, initial=-np.inf)
    return ((d == top[:, None]) & np.isfinite(d)).sum(axis=1) / np.maximum(approach.length, 1) - 1 / np.maximum(
        approach.length, 1
    )


def _missing(unit: str, lacks: str, tip: Mechanics) -> tuple[str, ...]:
    """What the table does not hold, and which option would give it."""
    told = []
    if lacks:
        what = "forces in N, adhesion, work" if unit != "N" else "indentation and work of adhesion"
        told.append(f"not computed: {what}, since {lacks}")
    return (*told, *tip.missing)


def _notes(part: _Part, tip: Mechanics) -> tuple[str, ...]:
    told = [f"The heights are those of {part.height!r}."] if part.height != "height" else []
    if not part.retracts:
        told.append("There is no retract, so nothing is said of adhesion and hysteresis.")
    return (*told, *tip.notes)


# -- one curve drawn ----------------------------------------------------------------------------------------------


def _drawing(scan: xr.Dataset, settings: Settings, tip: Mechanics, columns: dict[str, Column], i: int) -> Drawing:
    """Force (or deflection) above its baseline against height, the fit, and the contact with its interval."""
    one = scan.isel(curve=[i])
    approach = approach_of(one, **_calibration(settings))
    contact = columns["contact"]
    at = contact.values[i : i + 1]
    unit = "N" if approach.unit == "N" or (approach.unit == "m" and np.isfinite(approach.spring_constant[0])) else ""
    scale = float(approach.spring_constant[0]) if unit and approach.unit == "m" else 1.0
    known = bool(np.isfinite(at[0]))
    anchor = at if known else approach.height[:, :1].mean(axis=1)
    base = measured.baseline_of(approach, anchor) if known else _flat_baseline(approach)
    n = int(approach.length[0])
    x, y = approach.height[0, :n], measured.without_baseline(approach, anchor, base)[0, :n] * scale
    traces = [Trace(x, y, "approach")]
    if (retract := _retract(one, settings)) is not None and retract.unit == approach.unit:
        back = measured.without_baseline(retract, anchor, base)[0] * scale
        m = int(retract.length[0])
        traces.append(Trace(retract.height[0, :m], back[:m], "retract", "aside"))
    residual = None
    if known:
        line, name = tip.line(columns, i, x, y)
        if line is None:
            line, name = _straight(x, y, at[0], columns, i), "baseline and slope"
        traces.append(Trace(x, line, name, "fit"))
        residual = (x, y - line)
    place = Mark(float(at[0]), float(contact.low[i]), float(contact.high[i]), "contact, 95 %")  # type: ignore[index]
    y_name = ("force", "N") if unit else ("deflection", approach.unit)
    return Drawing(
        f"curve {i}", "", (_SHOWN[approach.channel], "m"), y_name, traces, residual, [place] if known else []
    )


def _flat_baseline(approach: Approach) -> measured.Baseline:
    """For a curve without a contact: its own mean, so that it is drawn as it is."""
    level = np.array([np.nanmean(approach.deflection[0]) if approach.length[0] else 0.0])
    zero = np.zeros(1)
    return measured.Baseline(level, zero, zero, zero, zero)


def _straight(x: np.ndarray, y: np.ndarray, at: float, columns: dict[str, Column], i: int) -> np.ndarray:
    """The baseline as far as the contact, then nothing, then the line whose slope is told; NaN between."""
    slope = next(columns[name].values[i] for name in ("stiffness", "slope") if name in columns)
    line = np.where(x > at, 0.0, np.nan)
    peak = float(np.mean(y[-max(3, len(y) // 200) :]))
    upper = (x <= at) & (y >= measured.UPPER * peak)
    if np.isfinite(slope) and upper.any():
        line[upper] = y[upper].mean() - slope * (x[upper] - x[upper].mean())
    return line
