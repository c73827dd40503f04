"""A report is data: a `Page` of sections of small blocks, and one function that turns it into one HTML file.

The file carries everything it shows (style, figures), asks no network and runs no script, so it can be mailed,
archived and opened in ten years. It reads on a phone, on a dark screen and on paper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from ..core.files import write_text
from .style import size_px, to_svg

Cell = str | float | int | bool | None
ABSENT = "–"  # shown where a number is not known


@dataclass(frozen=True)
class Fact:
    """One number with what makes it honest.

    `value` and `interval` (95 %) are fractions where `percent`, else in `unit`; `real` says whether it was measured
    on real scans (True), on simulated ones (False) or is neither (None); `claim` is what was published for the same
    quantity, by `source`.
    """

    label: str
    value: float | str
    interval: tuple[float, float] | None = None
    percent: bool = False
    unit: str = ""
    real: bool | None = None
    claim: float | None = None
    source: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        return self.value if isinstance(self.value, str) else self._number(self.value)

    @property
    def interval_shown(self) -> str:
        return "" if self.interval is None else _between(*(self._number(v) for v in self.interval))

    @property
    def claim_shown(self) -> str:
        return "" if self.claim is None else self._number(self.claim)

    @property
    def strip(self) -> dict[str, float] | None:
        """Positions in percent for the small strip under a fraction: the interval, the value and the claim."""
        if not self.percent or isinstance(self.value, str) or not math.isfinite(self.value):
            return None
        low, high = self.interval or (self.value, self.value)
        if not (math.isfinite(low) and math.isfinite(high)):
            low = high = self.value
        places = {"value": self.value, "low": low, "width": high - low}
        if self.claim is not None:
            places["claim"] = self.claim
        return {name: 100 * min(max(v, 0.0), 1.0) for name, v in places.items()}

    def _number(self, value: float) -> str:
        if not math.isfinite(value):
            return ABSENT
        return f"{100 * value:.1f} %" if self.percent else f"{number(value)} {self.unit}".rstrip()


@dataclass(frozen=True)
class Text:
    """One paragraph, or several."""

    paragraphs: str | Sequence[str]
    kind: Literal["text"] = "text"

    @property
    def each(self) -> Sequence[str]:
        return (self.paragraphs,) if isinstance(self.paragraphs, str) else self.paragraphs


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the first cell of a row names it. `folded` hides a long one behind its caption."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str
    note: str = ""
    folded: bool = False
    kind: Literal["table"] = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.caption!r}: a row has {len(row)} cells, not {len(self.columns)}: {row}")

    @property
    def shown(self) -> list[list[str]]:
        return [[cell(value) for value in row] for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, and are set flush right."""
        columns = list(zip(*self.shown, strict=True)) or [()] * len(self.columns)
        return [i > 0 and _all_numbers(column) for i, column in enumerate(columns)]


@dataclass(frozen=True)
class Picture:
    """A figure with the sentence under it, and the words that stand for it where it cannot be seen."""

    figure: Figure
    caption: str
    alt: str
    kind: Literal["picture"] = "picture"

    @property
    def size(self) -> tuple[int, int]:
        return size_px(self.figure)

    @property
    def source(self) -> str:
        return "data:image/svg+xml," + quote(to_svg(self.figure), safe=" /:;=,()+*!@$&?")


@dataclass(frozen=True)
class Warning:
    """Something the reader must know before believing a number nearby."""

    text: str
    kind: Literal["warning"] = "warning"


@dataclass(frozen=True)
class Facts:
    """Numbers side by side."""

    facts: Sequence[Fact]
    kind: Literal["facts"] = "facts"


Block = Text | Table | Picture | Warning | Facts


@dataclass(frozen=True)
class Section:
    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A whole report: the question, the answer in a sentence (`lede`) and in numbers, and the sections under it."""

    title: str
    question: str
    lede: str
    answers: Sequence[Fact] = ()
    sections: Sequence[Section] = ()
    warnings: Sequence[str] = ()
    footer: str = ""
    language: str = "en"
    anchors: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchors", _anchors([s.heading for s in self.sections]))


def number(value: float) -> str:
    r"""A number for people: three significant digits, whole numbers whole, a power of ten written as one.

    >>> number(0.12345), number(12000), number(3.2e-12)
    ('0.123', '12\u202f000', '3.2×10⁻¹²')
    """
    if not math.isfinite(value):
        return ABSENT
    if value == int(value) and abs(value) < 1e9:
        whole = f"{abs(int(value)):,}".replace(",", "\u202f") if abs(value) >= 10000 else str(abs(int(value)))
        return ("−" if value < 0 else "") + whole
    text = f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.3g}"
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa}×10{str(int(power)).translate(_SUPERSCRIPT)}"
    return text.replace("-", "−")


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def cell(value: Cell) -> str:
    """A table cell for people; None and NaN are a dash."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else number(float(value))


def html(page: Page) -> str:
    """The page as the text of one HTML document."""
    return _template().render(page=page, counter=_Counter())


def write_page(page: Page, path: str | Path) -> Path:
    """Write the page to `path`: whole or not at all, also when killed in the middle.

    Raises WriteError where the file cannot be written.
    """
    return write_text(path, html(page))


class _Counter:
    """Numbers figures and tables in the order of the page."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, kind: str) -> int:
        self._last[kind] = self._last.get(kind, 0) + 1
        return self._last[kind]


@cache
def _template():  # type: ignore[no-untyped-def]
    environment = Environment(
        loader=PackageLoader("sharptip.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assert environment.loader is not None
    environment.globals["css"] = Markup(environment.loader.get_source(environment, "page.css")[0])
    return environment.get_template("page.html")


def _anchors(headings: Sequence[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for heading in headings:
        name = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
        while name in taken:
            name += "-more"
        taken.append(name)
    return tuple(taken)


def _between(low: str, high: str) -> str:
    """'81.0 %', '97.0 %' → '81.0–97.0 %': a unit that both share is said once."""
    unit = re.search(r"\s\S+$", low)
    if unit and high.endswith(unit[0]):
        low = low[: unit.start()]
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def _all_numbers(column: Sequence[str]) -> bool:
    filled = [text for text in column if text != ABSENT]
    return bool(filled) and all(re.match(r"[−<>≤≥≈±]?\s?\d", text) for text in filled)
