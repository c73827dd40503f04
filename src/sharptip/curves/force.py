"""Force curves: contact, what needs no tip, the rating, and contact mechanics where somebody says what the tip is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..fit.side_by_side import ROWS, side_by_side
from ..measure import curve_numbers as measured
from ..measure.approach import Approach, approach_of, approaches
from ..measure.curve_numbers import Quantity
from ..report.curves import Drawing, Mark, Trace
from .fitted import BAD, DOUBTFUL, GOOD, INTERVAL, NOT_JUDGED, Column, Fitted, Settings, Tell
from .tip import Found, Mechanics, mechanics_of

NO_BASELINE = 0.1  # of the travel before the contact, less than which no baseline can be told
CLIPPED = 0.02  # of the approach at exactly its greatest deflection: the detector had no more
STIFFER = 1.1  # times the spring constant, above which a stiffness is no property of the sample
HEADLINE = ("contact", "modulus", "stiffness", "slope", "peak_force", "peak", "adhesion", "pull_off", "rating")
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
    blocks = (
        (scan.isel(curve=which).load(), approach)
        for which, approach in approaches(scan, ROWS, **_calibration(settings))
    )
    for part in side_by_side(lambda b: _block(*b, settings, tip), blocks):
        parts.append(part)
        tell("force curves", sum(len(p.verdicts) for p in parts), scan.sizes["curve"])
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
        notes=_notes(parts[0]),
        made_by=tip.made_by,
        headline=HEADLINE,
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
    found = tip.ask(approach, str(scan.attrs["history"]))
    contact = _first_told((*found.contacts, _threshold(approach)))
    numbers = measured.numbers(approach, retract, contact.values)
    columns = [contact, *found.columns, *(Column.of(name, q.unit, q.value, q.error) for name, q in numbers.items())]
    columns.append(Column("spring_constant", "N/m", approach.spring_constant))
    verdicts, reasons = _judged(approach, contact.values, found, numbers)
    lacks = next((why for why in approach.no_force if why), "")
    named = {c.name: c for c in columns}
    return _Part(named, verdicts, reasons, approach.unit, lacks, approach.channel, retract is not None)


def _first_told(contacts: tuple[Column, ...]) -> Column:
    """The contact of each curve by the first of several ways that tells it."""
    first, *others = contacts
    values, low, high = first.values, first.low, first.high
    for other in others:
        gone = ~np.isfinite(values)
        values = np.where(gone, other.values, values)
        low, high = (
            np.where(gone, b, a) if a is not None and b is not None else a
            for a, b in ((low, other.low), (high, other.high))
        )
    return Column("contact", "m", values, low, high)


def _threshold(approach: Approach) -> Column:
    """The contact where nothing learned says it."""
    contact, low, high = measured.first_contact(approach)
    return Column("contact", "m", contact, np.fmin(low, high), np.fmax(low, high))


def _retract(scan: xr.Dataset, settings: Settings) -> Approach | None:
    """The way back, where there is one."""
    if '"retract"' not in str(scan.attrs.get("segments", "")):
        return None
    return approach_of(scan, segment="retract", **_calibration(settings))


# -- verdicts -----------------------------------------------------------------------------------------------------


def _judged(
    approach: Approach, contact: np.ndarray, found: Found, numbers: dict[str, Quantity]
) -> tuple[np.ndarray, np.ndarray]:
    """A verdict and its reason for each curve: what can be seen of it first, then what the models say."""
    n, stiff = len(approach), _too_stiff(approach, numbers)
    verdicts, reasons = np.full(n, GOOD, object), np.full(n, "", object)
    told = (
        (NOT_JUDGED, np.array([why.partition(": ")[2] for why in approach.faults], object)),
        (BAD, _seen(approach, contact, numbers)),
        (BAD, found.bad),
        (DOUBTFUL, _besides(stiff, found.doubts)),
    )
    for verdict, words in told:
        if words is not None:
            new = (words != "") & (verdicts == GOOD)
            verdicts, reasons = np.where(new, verdict, verdicts), np.where(new, words, reasons)
    hidden = (verdicts == BAD) & (stiff != "")  # what physics forbids is told beside what a model thinks
    return verdicts, np.where(hidden, reasons + "; " + stiff, reasons)


def _besides(words: np.ndarray | None, others: np.ndarray | None) -> np.ndarray | None:
    """Words, and behind them those of others about the same curve."""
    if words is None or others is None:
        return others if words is None else words
    both = (words != "") & (others != "")
    return np.where(both, words + "; " + others, np.where(words != "", words, others))


def _seen(approach: Approach, contact: np.ndarray, numbers: dict[str, Quantity]) -> np.ndarray:
    """(n,) what makes a curve useless that needs nothing learned to be seen."""
    end = np.take_along_axis(approach.height, np.maximum(approach.length - 1, 0)[:, None], axis=1)[:, 0]
    peak, noise = numbers.get("peak_force") or numbers["peak"], numbers["noise"]
    with np.errstate(invalid="ignore", divide="ignore"):
        before = (approach.height[:, 0] - contact) / (approach.height[:, 0] - end)
        rises = peak.value > measured.SEEN * noise.value
    clipped, words = _clipped(approach), np.full(len(contact), "", object)
    for i in np.flatnonzero(clipped > CLIPPED):
        words[i] = f"the detector is at its end: {clipped[i]:.0%} of the approach at one greatest deflection"
    for i in np.flatnonzero(before < NO_BASELINE):
        words[i] = f"hardly a baseline: contact after {before[i]:.0%} of the way"
    for i in np.flatnonzero(~np.isfinite(contact) | (~rises & (before >= NO_BASELINE))):
        words[i] = f"no contact: the deflection does not rise {measured.SEEN:g} noise levels above its baseline"
    return words


def _too_stiff(approach: Approach, numbers: dict[str, Quantity]) -> np.ndarray:
    """(n,) doubts where the lever seems to bend farther than the piezo goes."""
    words = np.full(len(approach), "", object)
    slope = numbers.get("stiffness") or numbers.get("slope")
    if approach.unit != "m" or slope is None or slope.error is None:
        return words
    most = approach.spring_constant if "stiffness" in numbers else np.ones(len(approach))
    with np.errstate(invalid="ignore"):
        surely = (slope.value - INTERVAL * slope.error) / most
    for i in np.flatnonzero(surely > STIFFER):
        times = slope.value[i] / most[i]
        words[i] = (
            f"the lever seems to bend {times:.2f} times as far as the piezo goes: the sensitivity or the height is off"
        )
    return words


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


def _notes(part: _Part) -> tuple[str, ...]:
    told = [f"The heights are those of {part.height!r}."] if part.height != "height" else []
    if not part.retracts:
        told.append("There is no retract, so nothing is said of adhesion and hysteresis.")
    return tuple(told)


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
    traces = [Trace(x, y, "approach")] if n else []
    if (retract := _retract(one, settings)) is not None and retract.unit == approach.unit:
        back = measured.without_baseline(retract, anchor, base)[0] * scale
        m = int(retract.length[0])
        traces += [Trace(retract.height[0, :m], back[:m], "retract", "aside")] if m else []
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
    return measured.Baseline(level, zero, zero, zero, zero, zero)


def _straight(x: np.ndarray, y: np.ndarray, at: float, columns: dict[str, Column], i: int) -> np.ndarray:
    """The baseline as far as the contact, then nothing, then the line whose slope is told; NaN between."""
    slope = next(columns[name].values[i] for name in ("stiffness", "slope") if name in columns)
    line = np.where(x > at, 0.0, np.nan)
    peak = float(np.mean(y[-max(3, len(y) // 1000) :]))
    upper = (x <= at) & (y >= measured.UPPER * peak)
    if np.isfinite(slope) and upper.any():
        line[upper] = y[upper].mean() - slope * (x[upper] - x[upper].mean())
    return line
