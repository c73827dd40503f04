"""One file of curves or spectra, fitted: a table, maps, figures and a page in a folder of its own.

The folder knows what was written into it (`fit.json`); what something else wrote is never replaced unasked. All of it
is made in a draft folder first and put in its place at the end, so nobody sees half of it.
"""

from __future__ import annotations

import csv
import io as text
import json
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from .. import __version__, io
from ..core.errors import ScanError, SharptipError, WriteError
from ..core.files import is_there, make_folder, putting, write_text
from ..core.history import steps
from ..core.scan import label
from ..io.layout import Size
from ..report.page import write_page
from ..report.style import save
from .fitted import BAD, GOOD, VERDICTS, Fitted, Settings, Tell
from .kinds import kind_of, why_none
from .maps import has_grid, maps_of
from .page import figures_of, page_of

RECORD, TABLE, PAGE = "fit.json", "curves.csv", "report.html"


@dataclass(frozen=True)
class Outcome:
    """What came of a file: the scans that were fitted, those that were not and why, and what was written."""

    file: Path
    out: Path
    fitted: list[Fitted]
    left: list[str]
    written: list[str]
    curve: int

    def values(self) -> dict[str, Any]:
        """For programs: every number of the table, in SI units."""
        return {
            "file": str(self.file), "out": str(self.out), "written": self.written, "not_fitted": self.left,
            "scans": [_values(f) for f in self.fitted],
        }  # fmt: skip

    def told(self) -> str:
        """For people, a few lines."""
        lines = []
        for f in self.fitted:
            counts = ", ".join(f"{n} {v}" for v in VERDICTS if (n := f.count(v)))
            lines.append(f"{label(f.scan)}: {f.n} {f.kind}: {counts}")
            lines += [f"  {v}, {n} of {f.n}: {why}" for v, why, n in f.reasons_counted()[:5]]
            lines += [f"  {why}" for why in f.missing]
        lines += [f"left out: {why}" for why in self.left]
        return "\n".join([*lines, f"{self.out / PAGE}"])


def fit_file(
    file: str | Path,
    out: str | Path,
    settings: Settings | None = None,
    *,
    curve: str | None = None,
    size: Size = "unknown",
    overwrite: bool = False,
    tell: Tell = lambda what, done, of: None,
) -> Outcome:
    """Fit every curve of a file and write what comes out into the folder `out`.

    curve: the one that is drawn, by its number from 0, or 'row,column' on a map; the first good one, if left out.
    tell(what, done, of) is shown the progress.

    Raises ReadError for what is no scan, ScanError where nothing in it can be fitted, UnitError where a number cannot
    be in its unit, WriteError where something else lies in the way.
    """
    file, out, settings = Path(file), Path(out), settings or Settings()
    names = _names_there(out, overwrite)
    fitted, left = _fit_all(io.scans(file, size=size), settings, tell)
    chosen = _chosen(fitted[0], curve)
    draft = _draft(out)
    try:
        tell("figures", 0, 1)
        outcome = Outcome(file, out, fitted, left, [], chosen)
        _write(outcome, draft, settings)
        _put(draft, out, names, overwrite)
        tell("figures", 1, 1)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Outcome(
        file, out, fitted, left, sorted(p for p in json.loads((out / RECORD).read_text())["written"]), chosen
    )


def _fit_all(scans: Sequence[xr.Dataset], settings: Settings, tell: Tell) -> tuple[list[Fitted], list[str]]:
    """Every scan that holds curves; the others with the reason. Raises where nothing is left."""
    fitted, left, first = list[Fitted](), list[str](), None
    for scan in scans:
        kind = kind_of(scan)
        if kind is None:
            left.append(why_none(scan))
            continue
        try:
            fitted.append(kind.fit(scan, settings, tell))
        except SharptipError as error:
            first = first or error
            left.append(str(error) if label(scan) in str(error) else f"{label(scan)}: {error}")
    if fitted:
        return fitted, left
    if first is not None:
        raise type(first)(next(why for why in left if str(first) in why))
    raise ScanError("; ".join(left[:3]) + (f"; and {len(left) - 3} more" if len(left) > 3 else ""))


def _chosen(fitted: Fitted, curve: str | None) -> int:
    """The number of the curve that is drawn."""
    if curve is None:
        for verdict in VERDICTS:
            if fitted.count(verdict):
                return int((fitted.verdicts == verdict).argmax())
    try:
        wanted = [int(part) for part in str(curve).split(",")]
    except ValueError:
        raise ScanError(f"--curve {curve!r} is no number; give 17, or 'row,column' of a map: 3,12") from None
    places = fitted.places
    if len(wanted) == 1 and wanted[0] in places["curve"]:
        return int((places["curve"] == wanted[0]).argmax())
    if len(wanted) == 2 and "row" in places and "column" in places:
        found = (places["row"] == wanted[0]) & (places["column"] == wanted[1])
        if found.any():
            return int(found.argmax())
    raise ScanError(
        f"{label(fitted.scan)} has no curve {curve}; it has {fitted.n}, from {places['curve'].min()} to "
        f"{places['curve'].max()}" + (", on a map also 'row,column'" if "row" in places else "")
    )


# -- the folder ---------------------------------------------------------------------------------------------------


def _names_there(out: Path, overwrite: bool) -> set[str]:
    """Names in the folder that an earlier run wrote. Raises WriteError where `out` is no folder."""
    if is_there(out) and not out.is_dir():
        raise WriteError(f"{out}: is a file; what comes out needs a folder of its own, choose another --out")
    record = out / RECORD
    if not record.is_file():
        return set()
    try:
        return set(json.loads(record.read_text(encoding="utf-8"))["written"])
    except (ValueError, KeyError, TypeError):
        if not overwrite:
            raise WriteError(f"{record}: was not written by this command; --overwrite replaces it") from None
        return set()


def _draft(out: Path) -> Path:
    """A folder beside the results, on the same disk."""
    make_folder(out)
    with putting(out):
        for old in out.glob(".unfinished-*"):  # of a run that was killed
            shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))


def _put(draft: Path, out: Path, ours: set[str], overwrite: bool) -> None:
    """Everything to its place; what an earlier run wrote and this one did not is taken away."""
    new = sorted(p.name for p in draft.iterdir())
    foreign = [name for name in new if (out / name).exists() and name not in ours and name != RECORD]
    if foreign and not overwrite:
        raise WriteError(
            f"{out / foreign[0]}: is there already and was not written by this command; --overwrite replaces it, or "
            "choose another --out"
        )
    with putting(out):
        for name in sorted(ours - set(new)) + new:
            target = out / name
            if target.is_dir():
                shutil.rmtree(target)
            elif name not in new:
                target.unlink(missing_ok=True)
        for name in sorted(new, key=lambda n: n == RECORD):  # the record last: it says that the rest is there
            os.replace(draft / name, out / name)


# -- what is written ----------------------------------------------------------------------------------------------


def _write(outcome: Outcome, draft: Path, settings: Settings) -> None:
    write_text(draft / TABLE, _table(outcome.fitted))
    figures = []
    for number, f in enumerate(outcome.fitted):
        tail = "" if number == 0 else f"-{number + 1}"
        figures.append(figures_of(f, outcome.curve if number == 0 else _chosen(f, None)))
        for name, figure in figures[-1].items():
            save(figure, draft / f"{name}{tail}.png")
        if has_grid(f):
            maps = maps_of(f)
            for suffix in (".zarr", ".gwy"):
                io.write(maps, draft / f"maps{tail}{suffix}")
    write_page(page_of(outcome.file, outcome.fitted, figures, outcome.left, settings), draft / PAGE)
    record = {
        "version": __version__, "file": str(outcome.file.absolute()),
        "options": {k: v for k, v in asdict(settings).items() if v is not None},
        "scans": [_about(f) for f in outcome.fitted], "not_fitted": outcome.left,
        "written": sorted([*(p.name for p in draft.iterdir()), RECORD]),
    }  # fmt: skip
    write_text(draft / RECORD, json.dumps(record, ensure_ascii=False, indent=1))


def _table(fitted: Sequence[Fitted]) -> str:
    """Every curve of every scan as a row; units are in the names of the columns."""
    rows = [{"scan": f.scan.attrs.get("name", ""), "kind": f.kind, **row} for f in fitted for row in f.rows()]
    first = ["scan", "kind", "curve", "row", "column", "tip_x_m", "tip_y_m", "verdict", "reason"]
    there = dict.fromkeys(key for f, n in zip(fitted, _firsts(fitted), strict=True) for key in rows[n])
    columns = [c for c in first if c in there] + [c for c in there if c not in first]
    sheet = text.StringIO()
    writer = csv.DictWriter(sheet, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return sheet.getvalue()


def _firsts(fitted: Sequence[Fitted]) -> list[int]:
    """The first row of each scan in the common table."""
    return [sum(f.n for f in fitted[:i]) for i in range(len(fitted))]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _json(value: Any) -> Any:
    """JSON has no infinity: '-inf' and 'inf', which float() reads in most languages, for an interval without an end."""
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _about(fitted: Fitted) -> dict[str, Any]:
    """A scan and what was done to it, without its numbers."""
    return {
        "scan": fitted.scan.attrs.get("name", ""), "kind": fitted.kind, "curves": fitted.n,
        "verdicts": {v: fitted.count(v) for v in VERDICTS}, "made_by": dict(fitted.made_by),
        "missing": list(fitted.missing), "notes": list(fitted.notes), "history": steps(fitted.scan),
    }  # fmt: skip


def _values(fitted: Fitted) -> dict[str, Any]:
    units = {name: c.unit for c in fitted.columns for name, _ in c.parts}
    rows = [{name: _json(value) for name, value in row.items()} for row in fitted.rows()]
    return {**_about(fitted), "units": units, "rows": rows}


__all__ = ["BAD", "GOOD", "PAGE", "RECORD", "TABLE", "Outcome", "fit_file"]
