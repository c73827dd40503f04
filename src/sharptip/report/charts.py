"""Figures that show numbers: every value with its interval, and beside it what it has to beat."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .style import BLUE, FAINT, INK, LINES, MARKERS, MUTED, PALETTE, VERMILION, WIDTH, new_figure, styled

CHANCE = 0.5  # accuracy of a coin between two classes
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.0f} %")
_VERDICTS = {"better": (BLUE, "o"), "worse": (VERMILION, "X"), "open": (MUTED, "s")}  # colour and marker
_SAID = {"better": "better than none", "worse": "worse than none", "open": "not told apart from none"}
_DOTS_RASTERISED = 500  # above this many, points are one small image: a report must not weigh megabytes


@dataclass(frozen=True)
class Score:
    """One row of `score_figure`: an accuracy with its 95 % interval, and what was published for the same."""

    name: str
    value: float
    interval: tuple[float, float]
    role: Literal["ours", "baseline"] = "baseline"
    claim: float | None = None


@dataclass(frozen=True)
class Curve:
    """Accuracy (n points) against the number of training images, with 95 % interval and, if wanted, what follows."""

    images: Sequence[float]
    accuracy: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    beyond: tuple[Sequence[float], Sequence[float]] | None = None  # (images, accuracy) of an extrapolation


@dataclass(frozen=True)
class Applied:
    """What a model says of one population: score per image (probability of class 1) and fraction below one half."""

    scores: Sequence[float]
    fraction: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Effect:
    """One row of `remedy_figure`: a test quantity as (value, low, high), what training gave, and what is known of it.

    A verdict is of the paired difference to doing nothing: 'better', 'worse', or 'open' where its interval holds zero.
    """

    name: str
    accuracy: tuple[float, float, float]
    cross_entropy: tuple[float, float, float]
    train_accuracy: float
    train_cross_entropy: float
    accuracy_verdict: str = "open"
    cross_entropy_verdict: str = "open"


@styled
def score_figure(rows: Sequence[Score], chance: float | None = CHANCE) -> Figure:
    """Accuracies as dots with intervals, best to read from the top; the published claim as an open diamond."""
    figure = new_figure(0.75 + 0.42 * len(rows))
    axes = figure.subplots()
    for y, row in enumerate(rows):
        colour, marker = (BLUE, "o") if row.role == "ours" else (MUTED, "s")
        axes.plot(row.interval, (y, y), color=colour, linewidth=2.4, solid_capstyle="round", alpha=0.55)
        axes.plot(row.value, y, marker, color=colour, markersize=7)
        if row.claim is not None:
            axes.plot(
                row.claim, y, "D", markerfacecolor="none", markeredgecolor=VERMILION, markersize=7, markeredgewidth=1.5
            )
    if chance is not None:
        axes.axvline(chance, color=FAINT, linewidth=1.2, zorder=0)
        axes.text(chance, -0.75, "chance", color=MUTED, fontsize=8, ha="center", va="bottom")
    axes.set_yticks(range(len(rows)), [_lines(row.name) for row in rows])
    axes.set_ylim(len(rows) - 0.45, -0.8)
    ends = np.array([end for row in rows for end in (row.value, *row.interval)] + ([] if chance is None else [chance]))
    lowest = float(np.min(ends[np.isfinite(ends)], initial=1.0))  # an interval may be unknown: one group has none
    axes.set_xlim(max(0.0, np.floor(10 * lowest) / 10 - 0.02), 1.02)
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.set_xlabel(
        "accuracy, with 95 % interval" + (" (◇ published)" if any(r.claim is not None for r in rows) else "")
    )
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


@styled
def learning_curve_figure(curves: Mapping[str, Curve], chance: float | None = CHANCE) -> Figure:
    """Accuracy against the number of training images (logarithmic), the review's Figure 2 measured."""
    figure = new_figure(3.0)
    axes = figure.subplots()
    for (name, curve), colour, marker, line in zip(curves.items(), PALETTE, MARKERS, LINES, strict=False):
        axes.fill_between(curve.images, curve.low, curve.high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(curve.images, curve.accuracy, color=colour, marker=marker, markersize=5, linestyle=line, label=name)
        if curve.beyond is not None:
            axes.plot(*curve.beyond, color=colour, linestyle=(0, (1, 2)), linewidth=1.2)
    if chance is not None:
        axes.axhline(chance, color=FAINT, linewidth=1.2, zorder=0)
    axes.set_xscale("log")
    ends = [curve.beyond[0][-1] for curve in curves.values() if curve.beyond is not None]
    ticks = sorted({int(n) for n in [*(n for curve in curves.values() for n in curve.images), *ends]})
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.set_xticks([], minor=True)
    axes.set(
        xlabel="training images" + (" (dotted: extrapolated)" if ends else ""), ylabel="accuracy on images never seen"
    )
    axes.yaxis.set_major_formatter(_PERCENT)
    _legend_above(axes, len(curves))
    return figure


@styled
def training_figure(histories: Sequence[Mapping[str, Sequence[float]]], stop_at: float | None = None) -> Figure:
    """Accuracy and loss against the epoch for every random grouping, training and validation; the review's Figure 6.

    Each history holds `train_accuracy`, `validation_accuracy`, `train_loss`, `validation_loss`, one number per epoch.
    The thick line is the mean over the groupings that were still training at that epoch.
    """
    figure = new_figure(4.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, quantity in ((upper, "accuracy"), (lower, "loss")):
        for part, colour, line in (("train", BLUE, "-"), ("validation", VERMILION, "--")):
            runs = [np.asarray(history[f"{part}_{quantity}"], dtype=float) for history in histories]
            for run in runs:
                axes.plot(np.arange(1, len(run) + 1), run, color=colour, linewidth=0.8, alpha=0.28)
            mean = _mean_of_ragged(runs)
            name = "training" if part == "train" else part
            axes.plot(np.arange(1, len(mean) + 1), mean, color=colour, linewidth=2.2, linestyle=line, label=name)
        axes.set_ylabel(quantity)
    if stop_at is not None:
        upper.axhline(stop_at, color=FAINT, linewidth=1.2, zorder=0)
        place = {"transform": upper.get_yaxis_transform(), "ha": "left", "va": "bottom"}
        upper.text(0.01, stop_at, f"stops at {100 * stop_at:.0f} %", fontsize=8, color=MUTED, **place)
    upper.yaxis.set_major_formatter(_PERCENT)
    lower.set_xlabel("epoch")
    lower.set_ylim(bottom=0)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(upper, 2)
    return figure


@styled
def remedy_figure(history: Mapping[str, Any], rows: Sequence[Effect]) -> Figure:
    """Over-fitting and what helps: losses of one run left (the review's Figure 5), every remedy on tests right.

    history: `loss` and `val_loss`, one number per epoch of a run that was not stopped; `best_epoch` (its weights are
    kept) and `last_epoch` (where early stopping ended), counted from 0. The first row is doing nothing; a faint line
    carries its value through the others.
    """
    figure = new_figure(1.5 + 0.33 * len(rows), 2.3 * WIDTH)
    left, middle, right = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1.25, 1, 1]})
    _crossover(left, history)
    for axes, quantity in ((middle, "accuracy"), (right, "cross_entropy")):
        axes.axvline(getattr(rows[0], quantity)[0], color=FAINT, linewidth=1.2, zorder=0)
        for y, row in enumerate(rows):
            value, *ends = getattr(row, quantity)
            colour, marker = _VERDICTS[getattr(row, f"{quantity}_verdict")]
            axes.plot(ends, (y, y), color=colour, linewidth=2.4, alpha=0.55, solid_capstyle="round")
            axes.plot(value, y, marker, color=colour, markersize=7)
            axes.plot(getattr(row, f"train_{quantity}"), y, "|", color=INK, markersize=9, markeredgewidth=1.4)
        axes.set_ylim(len(rows) - 0.5, -0.6)
        axes.set_xlabel("95 % interval  ( | training)")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    middle.set_yticks(range(len(rows)), [row.name for row in rows])
    right.set_yticks([])
    middle.xaxis.set_major_formatter(_PERCENT)
    middle.set_title("accuracy on tests")
    right.set_title("cross-entropy on tests (nats)")
    lowest = min(min(max(0.0, low) if np.isfinite(low) else v for row in rows for v, low, _ in [row.accuracy]), 0.5)
    middle.set_xlim(lowest - 0.02, 1.02)
    highest = max(row.cross_entropy[0] for row in rows)  # an interval of very few repeats would push all to the left
    right.set_xlim(-0.04 * highest, min(right.get_xlim()[1], 2 * highest))
    keys = [Line2D([], [], color=c, marker=m, linestyle="none", label=_SAID[v]) for v, (c, m) in _VERDICTS.items()]
    figure.legend(handles=keys, loc="outside lower right", ncols=3)
    return figure


def _crossover(axes: Axes, history: Mapping[str, Any]) -> None:
    """Training and validation loss against the epoch, with the place where early stopping ends and what it keeps."""
    training, validation = (np.asarray(history[k], float) for k in ("loss", "val_loss"))
    epochs = np.arange(1, len(training) + 1)
    best, last = history["best_epoch"] + 1, history["last_epoch"] + 1
    for values, colour, line, name in ((training, BLUE, "-", "training"), (validation, VERMILION, "--", "validation")):
        axes.plot(epochs[:last], values[:last], color=colour, linestyle=line, linewidth=2.2, label=name)
        axes.plot(epochs[last - 1 :], values[last - 1 :], color=colour, linestyle=line, linewidth=1.0, alpha=0.7)
    axes.plot(best, validation[best - 1], "D", color=VERMILION, markersize=7, label=f"kept: epoch {best}")
    axes.axvline(last, color=MUTED, linewidth=1.2, linestyle=":", label=f"stopped: epoch {last}")
    axes.set(xlabel="epoch (thin: not stopped)", ylabel="loss (nats)", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(axes, 2)


@styled
def architecture_figure(rows: Mapping[str, Sequence[float]]) -> Figure:
    """Validation accuracy of each architecture, one dot per grouping and its mean; what Table 1 chose from."""
    figure = new_figure(0.75 + 0.42 * len(rows))
    axes = figure.subplots()
    for y, values in enumerate(rows.values()):
        _marks(axes, np.asarray(values, dtype=float), y, "o", MUTED)
        axes.plot(np.mean(values), y, "D", color=BLUE, markersize=7)
    axes.set_yticks(range(len(rows)), [_lines(name) for name in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.set_xlabel("validation accuracy (dots: groupings, ◆: mean)")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


@styled
def map_histogram_figure(
    values_by_class: Mapping[str, np.ndarray], names: Sequence[str] | None = None, bins: int = 24
) -> Figure:
    """How strongly each feature map answers to each population; the review's Figure 8.

    values_by_class: name → (n, k) mean intensity per image and map, 0–1. Above, the histogram of every population as
    a share of its images; below it one mark per image, and its mean.
    """
    groups = {name: np.atleast_2d(np.asarray(values, dtype=float)) for name, values in values_by_class.items()}
    k = next(iter(groups.values())).shape[1]
    names = [f"map {i + 1}" for i in range(k)] if names is None else list(names)
    figure = new_figure(0.35 + 2.0 * k)
    heights = {"height_ratios": [3, 0.5 + 0.32 * len(groups)] * k}
    panels = figure.subplots(2 * k, 1, sharex=True, squeeze=False, gridspec_kw=heights)[:, 0]
    edges = np.linspace(0, 1, bins + 1)
    for i in range(k):
        upper, lower = panels[2 * i], panels[2 * i + 1]
        for y, ((name, values), colour, marker, line) in enumerate(
            zip(groups.items(), PALETTE, MARKERS, LINES, strict=False)
        ):
            share = np.histogram(values[:, i], edges)[0] / max(len(values), 1)
            upper.stairs(share, edges, color=colour, fill=True, alpha=0.14)
            upper.stairs(share, edges, color=colour, linestyle=line, linewidth=1.6, label=f"{name} ({len(values)})")
            _marks(lower, values[:, i], y, marker, colour)
            lower.plot(values[:, i].mean(), y, "|", color=INK, markersize=13, markeredgewidth=1.8)
        upper.set_title(names[i])
        upper.yaxis.set_major_formatter(_PERCENT)
        upper.set_ylabel("share")
        lower.set_ylim(len(groups) - 0.5, -0.5)
        lower.set_yticks([])
        lower.spines["left"].set_visible(False)
    panels[-1].set(xlabel="mean intensity of the map, 0–1 over all images", xlim=(-0.02, 1.02))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=min(3, len(groups)))
    return figure


@styled
def deletion_figure(
    fractions: np.ndarray,
    important: np.ndarray,
    random: np.ndarray,
    important_interval: tuple[np.ndarray, np.ndarray] | None = None,
    random_interval: tuple[np.ndarray, np.ndarray] | None = None,
) -> Figure:
    """Score of the predicted class as pixels are blurred away: most important first, against a random order."""
    figure = new_figure(2.8)
    axes = figure.subplots()
    series = (
        ("most important first", important, important_interval, BLUE, "o", "-"),
        ("random order", random, random_interval, MUTED, "s", "--"),
    )
    for name, values, interval, colour, marker, line in series:
        if interval is not None:
            axes.fill_between(fractions, *interval, color=colour, alpha=0.16, linewidth=0)
        axes.plot(fractions, values, color=colour, marker=marker, markersize=4.5, linestyle=line, label=name)
    axes.set(xlabel="share of the pixels blurred away", ylabel="score of the predicted class")
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.set_xlim(-0.02, 1.02)
    _legend_above(axes, 2)
    return figure


@styled
def confusion_figure(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts (true class, predicted class), shaded by the share of the true class."""
    matrix = np.asarray(matrix)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 0.85 * len(classes)
    figure = new_figure(side + 0.9, min(WIDTH, side + 1.8))
    axes = figure.subplots()
    for (i, j), value in np.ndenumerate(share):
        axes.add_patch(_square(i, j, 0.08 + 0.82 * float(value)))
        pale = value < 0.5  # on a pale square the ink reads, on a deep one white does
        axes.text(j, i - 0.07, f"{matrix[i, j]}", ha="center", va="center", fontsize=13, color=INK if pale else "white")
        axes.text(
            j, i + 0.24, f"{100 * value:.0f} %", ha="center", va="center", fontsize=8, color=INK if pale else "white"
        )
    axes.set(xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5), xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


@styled
def applied_figure(groups: Mapping[str, Applied], classes: tuple[str, str], threshold: float = 0.5) -> Figure:
    """Where every image of each population lies between the two classes, and what fraction falls to `classes[0]`.

    Give the reference populations too: a fraction means little before it is seen what theirs is.
    """
    figure = new_figure(0.95 + 0.62 * len(groups))
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [1.5, 1]})
    for y, (group, colour, marker) in enumerate(zip(groups.values(), PALETTE, MARKERS, strict=False)):
        scores = np.asarray(group.scores, dtype=float)
        _marks(left, scores, y, marker, colour)
        if group.fraction is None:
            continue
        if group.interval is not None:
            right.plot(group.interval, (y, y), color=colour, linewidth=2.4, alpha=0.55, solid_capstyle="round")
        right.plot(group.fraction, y, marker, color=colour, markersize=7)
        right.text(group.fraction, y - 0.2, f"{100 * group.fraction:.0f} %", ha="center", va="bottom", fontsize=8)
    left.axvline(threshold, color=FAINT, linewidth=1.2, zorder=0)
    left.set_yticks(
        range(len(groups)), [f"{_lines(name, 12)}\n({len(group.scores)})" for name, group in groups.items()]
    )
    left.set(ylim=(len(groups) - 0.5, -0.6), xlim=(-0.03, 1.03), xlabel="score of each image, 0–1")
    left.set_xticks([0, 1], classes)
    right.set(xlim=(-0.05, 1.1), xlabel=f"predicted {classes[0]}")
    right.set_xticks([0, 0.5, 1])
    right.xaxis.set_major_formatter(_PERCENT)
    for axes in (left, right):
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure


@styled
def permutation_figure(null: np.ndarray, observed: float, p: float, chance: float | None = CHANCE) -> Figure:
    """Accuracies reached when the labels were shuffled, and the accuracy reached with the true ones."""
    null = np.asarray(null, dtype=float)
    figure = new_figure(2.5)
    axes = figure.subplots()
    axes.hist(
        null,
        bins=min(20, max(5, len(null) // 4)),
        color=MUTED,
        alpha=0.45,
        label=f"labels shuffled ({len(null)} times)",
    )
    axes.axvline(observed, color=BLUE, linewidth=2.4, label=f"true labels: {100 * observed:.0f} %, p = {p:.2g}")
    if chance is not None:
        axes.axvline(chance, color=FAINT, linewidth=1.2, zorder=0)
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="accuracy", ylabel="shuffles")
    _legend_above(axes, 1)
    return figure


def _lines(name: str, width: int = 22) -> str:
    """A long name in several lines, so that it leaves room for what it names."""
    return textwrap.fill(name, width)


def _marks(axes: Axes, values: np.ndarray, y: int, marker: str, colour: str) -> None:
    """One mark per value in the row `y`, spread a little in height (by no chance) so that none hides another."""
    spread = y + 0.44 * ((np.arange(len(values)) * 0.6180339887) % 1 - 0.5)
    small = len(values) > _DOTS_RASTERISED
    axes.plot(values, spread, marker, color=colour, markersize=4, alpha=0.5, markeredgewidth=0, rasterized=small)


def _square(row: int, column: int, depth: float) -> Rectangle:
    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=BLUE, alpha=depth, edgecolor="none")


def _mean_of_ragged(runs: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over runs at each epoch, of those that reached it."""
    longest = max((len(run) for run in runs), default=0)
    return np.array([np.mean([run[e] for run in runs if len(run) > e]) for e in range(longest)])


def _legend_above(axes: Axes, entries: int) -> None:
    """A legend over the axes, where it can cover no data."""
    columns = min(3, entries)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.2, columnspacing=1.4)


__all__ = [
    "Applied", "Curve", "Effect", "Score", "applied_figure", "architecture_figure", "confusion_figure",
    "deletion_figure", "learning_curve_figure", "map_histogram_figure", "permutation_figure", "remedy_figure",
    "score_figure", "training_figure",
]  # fmt: skip
