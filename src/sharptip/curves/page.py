"""What is shown of fitted curves: the figure of one, a sheet of many, and the page that holds all of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .. import __version__
from ..core.history import steps
from ..core.scan import label
from ..core.units import say
from ..core.units import shown as scale
from ..report.curves import Drawing, curve_figure, maps_figure, sheet_figure
from ..report.page import Fact, Page, Picture, Section, Table, Text, Warning
from .fitted import BAD, GOOD, NOT_JUDGED, VERDICTS, Column, Fitted, Settings
from .maps import has_grid, shown

_CAPTIONS = {  # figure → heading, caption
    "curve": ("One curve", "Data, fit and what is left over, with 95 % intervals in brackets."),
    "curves": ("Many curves", ""),
    "maps": ("Maps", "Grey where nothing was told; colours span the 0.5th to the 99.5th percentile."),
}
ON_SHEET = 12  # curves on the sheet
LISTED = 300  # curves that are not good and that the page lists; the table has them all


def drawing_of(fitted: Fitted, i: int) -> Drawing:
    """Curve i with its name, its numbers and its verdict in words."""
    plain = fitted.draw(i)
    verdict, reason = str(fitted.verdicts[i]), str(fitted.reasons[i])
    wanted = [c for c in fitted.columns if c.name in fitted.headline or (not fitted.headline and c.is_number)]
    told = [_said(c, i) if c.is_number else f"{c.name}: {c.values[i]}" for c in wanted if _tells(c, i)]
    numbers = "; ".join(told)
    words = "\n".join(line for line in (f"{verdict}: {reason}".rstrip(": "), numbers) if line)
    return replace(plain, title=fitted.names[i], words=words, verdict=verdict)


def _tells(column: Column, i: int) -> bool:
    return bool(np.isfinite(column.values[i])) if column.is_number else bool(column.values[i])


def figures_of(fitted: Fitted, curve: int) -> dict[str, Figure]:
    """'curve': the one that was asked for; 'curves': many, where there are many; 'maps', where there is a grid."""
    out = {"curve": curve_figure(drawing_of(fitted, curve))}
    if fitted.n > 1:
        out["curves"] = sheet_figure([drawing_of(fitted, i) for i in _spread(fitted)])
    if has_grid(fitted) and (maps := shown(fitted)):
        out["maps"] = maps_figure(maps)
    return out


def _spread(fitted: Fitted) -> list[int]:
    """Numbers of curves for the sheet: up to a third of them not good, evenly spread."""
    bad, good = (np.flatnonzero((fitted.verdicts == GOOD) == wanted) for wanted in (False, True))
    few = min(len(bad), max(ON_SHEET // 3, ON_SHEET - len(good)))
    chosen = [*_even(bad, few), *_even(good, ON_SHEET - few)]
    return sorted(int(i) for i in chosen)


def _even(of: np.ndarray, n: int) -> np.ndarray:
    n = min(n, len(of))
    return of[((np.arange(n) + 0.5) * len(of) / max(n, 1)).astype(int)]


def _said(column: Column, i: int) -> str:
    """'contact 1.302 (1.298 to 1.306) µm': as many digits as the interval leaves."""
    name, value = column.name.replace("_", " "), float(column.values[i])
    if column.low is None or column.high is None or np.isnan([column.low[i], column.high[i]]).any():
        return f"{name} {say(value, column.unit)}"
    if np.isinf([column.low[i], column.high[i]]).any():
        return f"{name} {say(value, column.unit)} (its 95 % interval has no end)"
    low, high = float(column.low[i]), float(column.high[i])
    factor, unit = scale(max(abs(value), (high - low) / 2), column.unit)
    width = (high - low) / 2 * factor
    digits = 2 if not width > 0 else min(max(1 - math.floor(math.log10(width)), 0), 6)
    told = " to ".join(f"{v * factor:.{digits}f}" for v in (low, high))
    return f"{name} {value * factor:.{digits}f} ({told}) {unit}".rstrip()


# -- the page -----------------------------------------------------------------------------------------------------


def page_of(
    file: Path,
    fitted: Sequence[Fitted],
    figures: Sequence[Mapping[str, Figure]],
    left: Sequence[str],
    settings: Settings,
) -> Page:
    """The whole report of a file."""
    n = sum(f.n for f in fitted)
    facts = [Fact(v.capitalize(), sum(f.count(v) for f in fitted)) for v in VERDICTS if any(f.count(v) for f in fitted)]
    kinds = ", ".join(dict.fromkeys(f.kind for f in fitted))
    sections = [s for f, drawn in zip(fitted, figures, strict=True) for s in _sections(f, drawn, len(fitted) > 1)]
    sections.append(Section("Where this comes from", list(_provenance(file, fitted, left, settings))))
    good = sum(f.count(GOOD) for f in fitted)
    lede = f"{n} curves ({kinds}) in {file.name}: {good} good" + (
        f", {n - good} not, each for the reason that the table gives." if n > good else "."
    )
    footer = f"Made by sharptip {__version__}. Every curve is a row of curves.csv; fit.json says what was done."
    question = "What do the curves in this file say, and which of them can be believed?"
    return Page(f"{n} curves of {file.name}", question, lede, facts, sections, footer=footer)


def _sections(fitted: Fitted, figures: Mapping[str, Figure], several: bool) -> Iterator[Section]:
    tail = f" · {fitted.scan.attrs.get('name', '')}" if several else ""
    blocks: list[Any] = [_summary(fitted) if fitted.count(GOOD) else Text(_none_good(fitted))]
    blocks += [Warning(why[:1].upper() + why[1:] + ".") for why in fitted.missing]
    if fitted.notes:
        blocks.append(Text(" ".join(fitted.notes)))
    yield Section(f"What the curves say{tail}", blocks)
    for name, (heading, caption) in _CAPTIONS.items():
        if name in figures:
            said = caption or _sheet_told(fitted)
            yield Section(f"{heading}{tail}", [Picture(figures[name], said, heading)])
    if fitted.count(GOOD) < fitted.n:
        yield Section(f"Curves that are not good, and why{tail}", list(_not_good(fitted)))


def _sheet_told(fitted: Fitted) -> str:
    """How many of the curves the sheet shows, and how many of those are not good."""
    shown = _spread(fitted)
    bad = int((fitted.verdicts[shown] != GOOD).sum())
    which = f"All {fitted.n} curves" if len(shown) == fitted.n else f"{len(shown)} of {fitted.n} curves, evenly spread"
    many = {0: "all of them are", len(shown): "none of them is"}.get(bad, f"{len(shown) - bad} of those shown are")
    return f"{which}; {many} good."


def _none_good(fitted: Fitted) -> str:
    which = f"None of the {fitted.n} curves is" if fitted.n > 1 else "The one curve is not"
    return f"{which} good, so no number is told of them together. The numbers of each are in curves.csv."


def _summary(fitted: Fitted) -> Table:
    """Each number over the good curves: median, and from where to where nine tenths of them lie."""
    good = fitted.verdicts == GOOD
    rows: list[list[Any]] = []
    for c in fitted.columns:
        known = c.values[good] if c.is_number else np.empty(0)
        known = known[np.isfinite(known)] if known.size else known
        if not len(known):
            continue
        low, middle, high = (say(float(v), c.unit) for v in np.percentile(known, (5, 50, 95)))
        half = None if c.low is None or c.high is None else float(np.nanmedian((c.high - c.low)[good] / 2))
        rows.append(
            [c.name.replace("_", " "), len(known), middle, low, high, "–" if half is None else say(half, c.unit)]
        )
    return Table(
        ["number", "curves", "median", "5 %", "95 %", "median ± (95 %)"], rows,
        f"{fitted.kind.capitalize()}: what the {int(good.sum())} good ones say, and how that spreads.",
    )  # fmt: skip


def _not_good(fitted: Fitted) -> Iterator[Table]:
    counted: list[list[Any]] = [[why, verdict, n] for verdict, why, n in fitted.reasons_counted()]
    yield Table(["reason", "verdict", "curves"], counted, "Reasons, the most frequent first.")
    worse = np.flatnonzero(np.isin(fitted.verdicts, [BAD, NOT_JUDGED]) | (fitted.reasons != ""))
    each: list[list[Any]] = [[fitted.names[i], str(fitted.verdicts[i]), str(fitted.reasons[i])] for i in worse[:LISTED]]
    rest = len(worse) - len(each)
    yield Table(["curve", "verdict", "reason"], each, "Every curve that something is said against", folded=True,
                note=f"{rest} more are in curves.csv." if rest else "")  # fmt: skip


def _provenance(file: Path, fitted: Sequence[Fitted], left: Sequence[str], settings: Settings) -> Iterator[Any]:
    rows: list[list[Any]] = [["file", str(file)], ["format", str(fitted[0].scan.attrs.get("format", ""))]]
    rows += [["scan", f"{label(f.scan)}: {f.n} {f.kind}"] for f in fitted]
    rows += [["said by hand", f"{name} = {value}"] for name, value in vars(settings).items() if value is not None]
    for f in fitted:
        rows += [[f"fitted with {name}", str(how)] for name, how in f.made_by.items()]
        rows += [["step", f"{s['step']} {s['options']}"] for s in steps(f.scan)]
    rows += [["not fitted", why] for why in left]
    yield Table(["what", "from where"], rows, "The file, what was said beyond it, and every step.")
    yield Text("Numbers are in SI units in the table; intervals are 95 %. The raw file is untouched.")
