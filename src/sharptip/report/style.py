"""How our figures look, on paper, on a bright and on a dark screen.

A figure is drawn once, with `INK`, `MUTED` and `FAINT` for everything that is not data. Saved as PNG these are dark
on white; in a page they become CSS variables of the SVG, which follow the reader's light or dark setting. Data wear
the Okabe–Ito colours, which colour-blind readers tell apart, and differ in marker or line style besides, so that a
black-and-white print still says which is which.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

INK, MUTED, FAINT = "#1b2430", "#5b6673", "#c9d0d8"

BLUE, VERMILION, GREEN, PINK, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
PALETTE = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY)
_ON_DARK = {  # the same, lifted where they would sink into a dark page
    INK: "#e6eaf0", MUTED: "#a3aebb", FAINT: "#3b4552", BLUE: "#3f9fd8", VERMILION: "#ee7a2b", GREEN: "#2bb78d",
}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))

HEIGHTS = "inferno"  # dark to bright without a break, read alike by colour-blind eyes
EVIDENCE = LinearSegmentedColormap.from_list("evidence", [BLUE, "#f4f4f4", VERMILION])  # label 0 ← none → label 1

WIDTH = 4.6  # inches: letters of 10 pt are still 9 px high on a phone 360 px wide
RASTER_DPI = 170  # for the images inside a figure
_CSS_PX = 96  # CSS pixels in an inch
_CHART, _IMAGES = 1.12, 1.5  # a page shows charts so that their letters match its text, and images as wide as it is

_STYLE: Any = {
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "font.size": 10, "axes.titlesize": 10.5, "axes.labelsize": 10, "legend.fontsize": 9,
    "xtick.labelsize": 9, "ytick.labelsize": 9,
    "text.color": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "axes.edgecolor": MUTED,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "axes.titlelocation": "left", "axes.grid": False, "grid.color": FAINT, "grid.linewidth": 0.7,
    "legend.frameon": False, "lines.linewidth": 1.6, "patch.linewidth": 0.8,
    "svg.fonttype": "path", "svg.hashsalt": "sharptip", "axes.unicode_minus": True,
}  # fmt: skip

F = TypeVar("F", bound=Callable[..., Figure])


def styled(draw: F) -> F:
    """Run a drawing function under our style, leave matplotlib's settings as they were, and fix the figure's layout.

    The layout solver starts from where it last stopped, so a figure that is laid out at each drawing never comes out
    the same twice.
    """

    @functools.wraps(draw)
    def run(*args: Any, **options: Any) -> Figure:
        with matplotlib.rc_context(_STYLE):
            figure = draw(*args, **options)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return run  # type: ignore[return-value]


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of `width` × `height` inches with a canvas of its own; pyplot never hears of it."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def size_px(figure: Figure) -> tuple[int, int]:
    """(width, height) in CSS pixels at which a page shows a figure where there is room."""
    scale = _CSS_PX * (_IMAGES if any(axes.images for axes in figure.axes) else _CHART)
    width, height = figure.get_size_inches()
    return round(width * scale), round(height * scale)


def to_svg(figure: Figure) -> str:
    """The figure as SVG text whose ink follows the reader's light or dark setting; the same bytes every time."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for i, colour in enumerate(_ON_DARK):
        svg = svg.replace(colour, f"var(--c{i})")
    bright = ";".join(f"--c{i}:{colour}" for i, colour in enumerate(_ON_DARK))
    dark = ";".join(f"--c{i}:{colour}" for i, colour in enumerate(_ON_DARK.values()))
    rule = f"<style>svg{{{bright}}}@media screen and (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    end = svg.index(">") + 1
    return svg[:end] + rule + svg[end:]


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, PDF or SVG, by the ending of `path`, on white. Returns the path."""
    with matplotlib.rc_context(_STYLE):
        figure.savefig(path, dpi=RASTER_DPI, facecolor="white")
    return Path(path)
