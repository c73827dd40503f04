"""Figures of curves and spectra: one with its fit and what is left, many on a sheet, and maps of what came out."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..core.units import shown
from .pictures import SHOWN_RANGE, PixelSize, scale_bar
from .style import BLUE, FAINT, HEIGHTS, INK, MUTED, ORANGE, SKY, VERMILION, WIDTH, new_figure, styled

Role = Literal["data", "aside", "fit"]
_LOOK = {"data": (BLUE, 1.1, 3), "aside": (SKY, 0.9, 2), "fit": (VERMILION, 1.6, 4)}  # colour, width, layer
_MOST = 1500  # points of a line that are drawn: a report must not weigh megabytes
_FEW = 12  # points of a line below which each is a dot
_LETTERS = 58  # of a line of words over a figure
_VERDICT = {"good": BLUE, "doubtful": ORANGE, "bad": VERMILION, "not judged": MUTED}


@dataclass(frozen=True)
class Trace:
    """One line of a figure, (n,) against (n,) in the SI units of its figure; `fit` lines have a residual."""

    x: np.ndarray
    y: np.ndarray
    name: str
    role: Role = "data"


@dataclass(frozen=True)
class Mark:
    """A place on the x axis with its 95 % interval."""

    at: float
    low: float
    high: float
    name: str


@dataclass(frozen=True)
class Drawing:
    """All that a figure of one curve shows. `residual` is (x, data minus fit) where something was fitted."""

    title: str
    words: str
    x: tuple[str, str]  # name, SI unit
    y: tuple[str, str]
    traces: Sequence[Trace]
    residual: tuple[np.ndarray, np.ndarray] | None = None
    marks: Sequence[Mark] = field(default_factory=tuple)
    verdict: str = ""


@dataclass(frozen=True)
class Map:
    """One quantity over a grid: (y, x) in its SI unit, NaN where nothing was told."""

    name: str
    unit: str
    values: np.ndarray
    pixel_size: PixelSize = None


@styled
def curve_figure(drawing: Drawing) -> Figure:
    """One curve with its fit, the residual under it, marked places with their intervals, and the verdict in words."""
    words = [line for part in drawing.words.split("\n") for line in textwrap.wrap(part, _LETTERS)]
    heights = [3.0, 0.9] if drawing.residual is not None else [3.0]
    figure = new_figure(sum(heights) + 0.55 + 0.17 * len(words))
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    x_factor, x_unit = _scale([t.x for t in drawing.traces], drawing.x[1])
    y_factor, y_unit = _scale([t.y for t in drawing.traces], drawing.y[1])
    _lines(panels[0], drawing.traces, x_factor, y_factor)
    if drawing.residual is not None:
        x, left = drawing.residual
        r_factor, r_unit = _scale([left], drawing.y[1])
        x, left = _thinned(x, left)
        panels[1].axhline(0, color=FAINT, linewidth=1.0, zorder=0)
        panels[1].plot(x * x_factor, left * r_factor, color=MUTED, linewidth=0.8)
        panels[1].set_ylabel(_named("residual", r_unit))
        panels[1].yaxis.set_major_locator(MaxNLocator(3))
    for mark in drawing.marks:
        for axes in panels:
            _mark(axes, mark, x_factor)
    panels[0].xaxis.set_major_locator(MaxNLocator(6))
    panels[0].set_ylabel(_named(drawing.y[0], y_unit))
    panels[-1].set_xlabel(_named(drawing.x[0], x_unit))
    if len([t for t in drawing.traces if t.name]) + len(drawing.marks) > 1:
        panels[0].legend(loc="best", handlelength=1.4)
    title = "\n".join([*textwrap.wrap(drawing.title, _LETTERS), *words])
    panels[0].set_title(title, fontsize=9, color=_VERDICT.get(drawing.verdict, INK), linespacing=1.35)
    return figure


@styled
def sheet_figure(drawings: Sequence[Drawing], columns: int = 3) -> Figure:
    """Many curves side by side, small: each in its own range, with its number and verdict over it."""
    rows = math.ceil(len(drawings) / columns)
    figure = new_figure(rows * 1.5 + 0.3, WIDTH * 1.15)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, drawing in zip(panels, drawings, strict=False):
        x_factor, x_unit = _scale([t.x for t in drawing.traces], drawing.x[1])
        y_factor, y_unit = _scale([t.y for t in drawing.traces], drawing.y[1])
        _lines(axes, drawing.traces, x_factor, y_factor, 0.7)
        for mark in drawing.marks:
            _mark(axes, mark, x_factor, 0.7)
        colour = _VERDICT.get(drawing.verdict, INK)
        axes.set_title(f"{drawing.title}: {drawing.verdict}".rstrip(": "), fontsize=7, color=colour)
        axes.tick_params(labelsize=6, length=2, pad=1.5)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.set_xlabel(x_unit, fontsize=6.5, labelpad=0.5)
        axes.set_ylabel(y_unit, fontsize=6.5, labelpad=0.5)
    for axes in panels[len(drawings) :]:
        axes.set_visible(False)
    return figure


@styled
def maps_figure(maps: Sequence[Map], columns: int = 2) -> Figure:
    """Maps with a scale bar and a colour bar each, in a unit of their size; grey where nothing is told."""
    rows = math.ceil(len(maps) / columns)
    ny, nx = maps[0].values.shape
    dy, dx = _both(maps[0].pixel_size)
    tall = min(max(ny * dy / (nx * dx), 0.3), 1.8)
    figure = new_figure(rows * (WIDTH / columns * 0.8 * tall + 0.42))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, one in zip(panels, maps, strict=False):
        known = one.values[np.isfinite(one.values)]
        low, high = np.percentile(known, SHOWN_RANGE) if len(known) else (0.0, 1.0)
        factor, unit = shown(max(abs(low), abs(high)), one.unit)
        image = np.ma.masked_invalid(one.values * factor)
        drawn = axes.imshow(image, cmap=HEIGHTS, vmin=low * factor, vmax=high * factor, aspect=dy / dx)
        axes.set_facecolor(FAINT)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(_named(one.name, unit), fontsize=8)
        scale_bar(axes, nx, None if one.pixel_size is None else dx)
        bar = figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.03)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)  # type: ignore[operator]
    for axes in panels[len(maps) :]:
        axes.set_visible(False)
    return figure


def _lines(axes: Axes, traces: Sequence[Trace], x_factor: float, y_factor: float, thin: float = 1.0) -> None:
    for trace in traces:
        colour, width, layer = _LOOK[trace.role]
        x, y = _thinned(trace.x, trace.y)
        dots = "o" if len(x) < _FEW else ""
        look: Any = {"color": colour, "linewidth": width * thin, "zorder": layer, "marker": dots, "markersize": 4}
        axes.plot(x * x_factor, y * y_factor, label=trace.name, **look)
    axes.ticklabel_format(useOffset=False)


def _mark(axes: Axes, mark: Mark, factor: float, thin: float = 1.0) -> None:
    if not math.isfinite(mark.at):
        return
    if math.isfinite(mark.low) and math.isfinite(mark.high):
        axes.axvspan(mark.low * factor, mark.high * factor, color=ORANGE, alpha=0.25, linewidth=0, zorder=1)
    axes.axvline(mark.at * factor, color=ORANGE, linewidth=1.2 * thin, linestyle="--", zorder=1, label=mark.name)


def _scale(values: Sequence[np.ndarray], unit: str) -> tuple[float, str]:
    """Factor and unit in which the largest of the values is read."""
    if unit == "Hz":  # a band is read best around its middle
        return shown(float(np.nanmedian(np.concatenate([np.ravel(v) for v in values]))), unit)
    largest = max((float(np.nanmax(np.abs(v))) for v in values if np.isfinite(v).any()), default=0.0)
    return shown(largest, unit)


def _named(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A long line as the least and greatest of each stretch, in order, so that no spike is lost."""
    if len(x) <= _MOST:
        return x, y
    step = -(-2 * len(x) // _MOST)
    n = len(x) // step
    rows = np.where(np.isfinite(y[: n * step]), y[: n * step], 0.0).reshape(n, step)
    places = np.arange(n) * step
    ends = np.sort(np.stack([places + rows.argmin(axis=1), places + rows.argmax(axis=1)], axis=1), axis=1).ravel()
    keep = np.unique(np.concatenate([ends, [0, len(x) - 1]]))
    return x[keep], y[keep]


def _both(size: PixelSize) -> tuple[float, float]:
    if size is None:
        return 1.0, 1.0
    return (float(size[0]), float(size[1])) if isinstance(size, tuple) else (float(size), float(size))
