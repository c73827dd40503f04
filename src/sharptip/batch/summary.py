"""What came of a batch: a table with a row for every cleaned channel and every file left out, and a page to look at."""

from __future__ import annotations

import csv
import io as text
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..clean import OF_FILMS, named
from ..core.errors import SharptipError
from ..core.files import write_text
from ..core.grid import INCOMPLETE
from ..core.marks import marks
from ..core.units import say
from .clean_file import LEARNED, Order
from .journal import Record
from .which import ALL

TABLE, PAGE = "summary.csv", "summary.html"
LARGEST_SHOWN = 2**24  # values of a channel that is read once more for its picture
SHOWN_PIXELS = 160  # along the longer side of a picture
LISTED = 300  # files left out that the page lists; the table has them all
_ROWS = 4  # scans in one figure
_CAPTION = (
    "Scans spread over the batch, before and after, and what was taken off. Each picture has colours of its own; the "
    "number under it is the range they span, from the 0.5th to the 99.5th percentile."
)
_TIMED = 20  # files from which on a speed means something


@dataclass(frozen=True)
class Outcome:
    """The records of a batch, each with the `name` of its file; `worked` files were worked on in this run. Those of
    files that this run was not asked about say that they are `earlier`."""

    out: Path
    records: list[Record]
    order: Order
    worked: int
    seconds: float

    def count(self, status: str) -> int:
        return sum(record["status"] == status for record in self.records)

    @property
    def left(self) -> list[Record]:
        return [record for record in self.records if record["status"] != "cleaned"]

    @property
    def _of_films(self) -> list[str]:
        """The steps of the order that only films go through."""
        return [] if self.order.steps == LEARNED else [step for step in named(self.order.steps) if step in OF_FILMS]

    def as_still(self, row: Record) -> bool:
        """Whether a channel went without the steps for films that were asked for, since it is no film."""
        return bool(self._of_films and row["steps"]) and not OF_FILMS & set(row["steps"].split(","))

    def told(self) -> str:
        """The outcome in a line."""
        mine = [record for record in self.records if not record.get("earlier")]
        n, left, before = len(mine), sum(r["status"] != "cleaned" for r in mine), len(self.records) - len(mine)
        cut = sum(any(INCOMPLETE in row for row in record["rows"]) for record in mine)
        short = f", {cut} of them stopped or cut off and read as far as they go" if cut else ""
        if stills := sum(any(self.as_still(row) for row in record["rows"]) for record in mine):
            what = "a still" if stills == 1 else "stills"
            short += f", {stills} of them {what}, without {' and '.join(self._of_films)}"
        rest = f"; {left} left out, see {self.out / TABLE}" if left else f"; {self.out / PAGE}"
        rest += f"; {before} of earlier runs are there too" if before else ""
        return f"{n - left} of {n} files cleaned into {self.out}{short}{rest}"


def printable(said: str) -> str:
    """A file name that is no Unicode, with what cannot be shown written out."""
    return said.encode("utf-8", "backslashreplace").decode()


# -- the table ----------------------------------------------------------------------------------------------------


def write_table(outcome: Outcome) -> Path:
    """`summary.csv`; lengths and numbers of a channel are in SI units."""
    sheet = text.StringIO()
    writer = csv.DictWriter(sheet, columns(outcome), restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for record in outcome.records:
        for row in record["rows"] or [{}]:
            writer.writerow({key: _cell(value) for key, value in {**row, **_of_file(record)}.items()})
    return write_text(outcome.out / TABLE, printable(sheet.getvalue()))


def columns(outcome: Outcome) -> list[str]:
    first = ["file", "status", "reason", "format", "scan", "channel", "unit", "images", "lines", "columns", "height_m",
             "width_m", "before_rms", "after_rms"]  # fmt: skip
    changes = [key for row in _rows(outcome) for key in row if key not in ("steps", *first)]
    return [*first, *dict.fromkeys(changes), "steps", "seconds", "target", "notes"]


def _of_file(record: Record) -> Record:
    target = record.get("target", "") if record["status"] == "cleaned" else ""
    about = {"file": record["name"], "status": record["status"], "reason": record.get("reason", "")}
    return about | {"seconds": record["seconds"], "target": target, "notes": "; ".join(record["notes"])}


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


# -- the page -----------------------------------------------------------------------------------------------------


def write_page(outcome: Outcome, pictures: int) -> Path:
    """`summary.html`: counts, reasons, and `pictures` scans before and after, spread over the batch."""
    from .. import __version__
    from ..report.page import Fact, Page, Section, Text
    from ..report.page import write_page as write

    n, cleaned = len(outcome.records), outcome.count("cleaned")
    facts = [Fact("Cleaned", cleaned), Fact("Left out", outcome.count("left out"))]
    if there := outcome.count("already there"):
        facts.append(Fact("Already there", there, note="not written by this command and not replaced"))
    if outcome.worked >= _TIMED:
        note = f"{outcome.worked} files in this run"
        facts.append(Fact("Speed", outcome.worked / outcome.seconds, unit="files/s", note=note))
    sections = [Section("What was done", [Text(_done(outcome)), *_numbers(outcome)])]
    if films := list(_films(outcome)):
        sections.append(Section("Frames that show nothing, or look odd", films))
    if outcome.left:
        sections.append(Section("What was left out, and why", _reasons(outcome)))
    if drawn := _pictures(outcome, pictures):
        sections.append(Section("Before and after", drawn))
    lede = f"{cleaned} of {n} files were cleaned" + (
        f"; {n - cleaned} were not, for the reasons below." if outcome.left else "."
    )
    question = "Which scans were cleaned, which were not and why, and what was taken off them?"
    footer = f"Made by sharptip {__version__}. Every file and channel is a row of {TABLE}."
    page = Page(f"{cleaned} files cleaned", question, lede, facts, sections, footer=footer)
    return write(page, outcome.out / PAGE)


def _done(outcome: Outcome) -> str:
    ways = dict.fromkeys(row["steps"] for row in _rows(outcome) if row["steps"])
    what = " or ".join(way.replace(",", ", ") for way in ways) or outcome.order.steps
    channel = outcome.order.channel
    which = "Every height" if channel == ALL else f"The channel {channel.replace(',', ' or ')!r}"
    asked = f" ({outcome.order.steps})" if ":" in outcome.order.steps else ""
    return f"{which} of every scan went through the steps {what}{asked}. The raw files are untouched."


def _numbers(outcome: Outcome) -> Iterator[Any]:
    """What each step took off, over the batch: one table, a row per channel, unit and step."""
    from ..report.page import Table

    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in _rows(outcome):
        for step in row["steps"].split(","):
            if (value := row.get(f"{step}_rms")) is not None:
                found[row["channel"], row["unit"], step].append(value)
    if not found:
        return
    rows: list[list[str | int]] = []
    for (channel, unit, step), values in found.items():
        low, middle, high = np.percentile(values, (5, 50, 95))
        rows.append([step, channel, len(values), *(say(float(v), unit) for v in (middle, low, high))])
    yield Table(
        ["step", "channel", "scans", "median", "5 %", "95 %"], rows,
        "What each step took off: rms about the mean of a scan, and how that spreads over the batch.",
    )  # fmt: skip
    spots = [row["scars"] for row in _rows(outcome) if "scars" in row]
    if spots:
        yield Table(
            ["scars in a scan", "scans"],
            [["none", sum(n == 0 for n in spots)], ["1 to 9", sum(0 < n < 10 for n in spots)],
             ["10 and more", sum(n >= 10 for n in spots)]],
            "How many scars were mended.",
        )  # fmt: skip


def _films(outcome: Outcome) -> Iterator[Any]:
    """The films with marked frames, and why they are marked."""
    from ..report.page import Table

    found: list[list[str | int]] = [
        [printable(record["name"]), row["images"], row["junk_frames"], row["doubtful_frames"], row["marked_frames"]]
        for record in outcome.records if record["status"] == "cleaned"
        for row in record["rows"] if row.get("marked_frames")
    ]  # fmt: skip
    if found:
        rest = len(found) - LISTED
        yield Table(
            ["film", "frames", "junk", "doubtful", "which, and why"], found[:LISTED],
            "Frames are marked and kept; movies show the mark, and --skip-junk leaves junk out of them.",
            note=f"{rest} more are in {TABLE}." if rest > 0 else "",
        )  # fmt: skip


def _rows(outcome: Outcome) -> Iterator[Record]:
    return (row for record in outcome.records if record["status"] == "cleaned" for row in record["rows"])


def _reasons(outcome: Outcome) -> list[Any]:
    from ..report.page import Table

    groups: dict[str, list[Record]] = defaultdict(list)
    for record in outcome.left:
        groups[_kind(record)].append(record)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    grouped: list[list[str | int]] = [[kind, len(of), printable(Path(of[0]["name"]).name)] for kind, of in ordered]
    each: list[list[str]] = [[printable(r["name"]), printable(r["reason"])] for r in outcome.left[:LISTED]]
    rest = len(outcome.left) - len(each)
    return [
        Table(["reason", "files", "for example"], grouped, "Reasons, the most frequent first."),
        Table(["file", "reason"], each, "Every file that was left out", folded=True,
              note=f"{rest} more are in {TABLE}." if rest else ""),
    ]  # fmt: skip


def _kind(record: Record) -> str:
    """A reason without what differs from file to file: numbers, brackets and quoted bytes."""
    if record["status"] == "already there":
        return "something is in its place already; --overwrite replaces it"
    said = re.sub(r"\s*\([^()]*\)", "", printable(record["reason"]))
    said = re.sub(r" (and|that) begins .*", "", said)
    return re.sub(r"(?<![\w'])\d[\d.,e+-]*", "…", said)


def _pictures(outcome: Outcome, wanted: int) -> list[Any]:
    from ..report.figures import before_after_figure
    from ..report.page import Picture

    shown = [pair for record in _spread(outcome, wanted) if (pair := _pair(record, outcome)) is not None]
    drawn = []
    for start in range(0, len(shown), _ROWS):
        raw, cleaned, sizes, units, titles = zip(*shown[start : start + _ROWS], strict=True)
        figure = before_after_figure(raw, cleaned, sizes, units, titles)
        drawn.append(
            Picture(
                figure,
                _CAPTION if start == 0 else "More, shown in the same way.",
                f"Before and after: {', '.join(titles)}.",
            )
        )
    return drawn


def _spread(outcome: Outcome, wanted: int) -> list[Record]:
    """Cleaned files at even distances over the batch, none of them too large to be read once more."""
    fit = [
        r for r in outcome.records
        if r["status"] == "cleaned" and all(w["images"] * w["lines"] * w["columns"] <= LARGEST_SHOWN for w in r["rows"])
    ]  # fmt: skip
    n = min(wanted, len(fit))
    return [fit[int((i + 0.5) * len(fit) / n)] for i in range(n)]


def _pair(record: Record, outcome: Outcome) -> tuple[Any, ...] | None:
    """(before, after, pixel size, unit, title) of the first image of a file; None where it cannot be read any more."""
    from ..core.scan import pixel_size
    from .clean_file import read

    row = record["rows"][0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what there is to say of a file was said when it was cleaned
            scans = read(Path(record["file"]), outcome.order), read(outcome.out / record["target"], outcome.order)
    except SharptipError:
        return None
    frame = _frame_shown(scans[1], row["channel"])
    raw, cleaned = (_image(s, row["channel"], frame) for s in scans)
    if raw is None or cleaned is None or raw.shape != cleaned.shape or not np.isfinite(raw).any():
        return None
    skip = max(1, -(-max(raw.shape) // SHOWN_PIXELS))
    scan = next(s for s in scans[0] if _shows(s, row["channel"]))
    size = None if row["height_m"] is None else tuple(skip * p for p in pixel_size(scan))
    raw, cleaned = raw[::skip, ::skip], cleaned[::skip, ::skip]
    title = f"{printable(record['name'])} · {row['channel']}" + ("" if frame is None else f" · frame {frame}")
    return raw - np.nanmedian(raw), cleaned, size, row["unit"], title


def _shows(scan: Any, channel: str) -> bool:
    """Whether the scan has images of the channel; beside them a file may hold curves of the same name."""
    return channel in scan.data_vars and {"y", "x"} <= set(scan[channel].dims)


def _frame_shown(scans: list[Any], channel: str) -> int | None:
    """Of a film the frame in the middle of those without a mark: the first ones often show nothing yet."""
    scan = next((s for s in scans if _shows(s, channel)), None)
    if scan is None or "time" not in scan[channel].dims:
        return None
    found, n = marks(scan), scan.sizes["time"]
    good = [i for i in range(n) if i not in found] or list(range(n))
    return good[len(good) // 2]


def _image(scans: list[Any], channel: str, frame: int | None) -> np.ndarray | None:
    """That frame, or the first image there is."""
    scan = next((s for s in scans if _shows(s, channel)), None)
    if scan is None:
        return None
    values = scan[channel] if frame is None else scan[channel].isel(time=frame)
    values = values.transpose(..., "y", "x")
    return np.asarray(values[(0,) * (values.ndim - 2)].values, float)
