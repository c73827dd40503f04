"""Figures that show images: each with a scale bar, and with a colour bar where colour is a quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..core.units import PIXEL, say, shown
from .style import EVIDENCE, HEIGHTS, INK, PALETTE, WIDTH, new_figure, styled

PixelSize = float | tuple[float, float] | None  # metres, one number or (dy, dx); None where it is not known

LONGEST_BAR = 0.4  # of the image's width
SHOWN_RANGE = (0.5, 99.5)  # percentiles that the colours span: one spike must not darken every scan
_PANEL_TITLE = 8.5  # points; a page shows figures of images larger than charts, and their letters with them
_ACROSS = 60  # characters of a panel title that fit over a whole figure


def bar_length(width: float) -> float:
    """The longest of 1, 2, 5 × 10ⁿ that fits `LONGEST_BAR` of a width, in the width's unit.

    >>> bar_length(2e-6), bar_length(90.0)
    (5e-07, 20.0)
    """
    room = width * LONGEST_BAR
    power = math.floor(math.log10(room))
    best = max(m for m in (1, 2, 5) if float(f"{m}e{power}") <= room * (1 + 1e-9))
    return float(f"{best}e{power}")


def scale_bar(axes: Axes, width_px: int, pixel_size: float | None) -> float:
    """Draw a scale bar of a round length with its label into an image, and return its length in metres.

    `width_px` is the image's width in pixels, `pixel_size` the metres per pixel along x; where that is not known
    (None) the bar is in pixels, and says so.
    """
    size, unit = (1.0, PIXEL) if pixel_size is None else (float(pixel_size), "m")
    length = bar_length(width_px * size)
    bottom, top = axes.get_ylim()
    rise = top - bottom  # negative in an image, whose y runs downwards
    corner = (-0.5 + 0.05 * width_px, bottom + 0.05 * rise)
    outline = [patheffects.withStroke(linewidth=2.2, foreground="black", alpha=0.75)]
    bar = Rectangle(corner, length / size, 0.022 * rise, facecolor="white", edgecolor="none", path_effects=outline)
    bar.set_gid("scale-bar")
    axes.add_patch(bar)
    axes.text(
        corner[0] + length / size / 2, corner[1] + 0.04 * rise, say(length, unit), color="white", fontsize=7.5,
        ha="center", va="bottom", path_effects=outline,
    )  # fmt: skip
    return length


@styled
def scan_thumbnails(
    images: Sequence[np.ndarray],
    pixel_sizes: Sequence[PixelSize],
    labels: Sequence[str],
    titles: Sequence[str],
    unit: str,
    columns: int = 3,
) -> Figure:
    """Scans side by side in one common colour range, each with its scale bar, coloured at the left by its label.

    images: (y, x) each, in `unit` (SI). Each is shown from its own median, because the zero of a height is chance.
    """
    centred = [np.asarray(image, dtype=float) - np.nanmedian(image) for image in images]
    low, high = _common_range(centred)
    factor, shown_unit = shown(max(abs(low), abs(high)), unit)
    rows = math.ceil(len(images) / columns)
    figure = new_figure(rows * (WIDTH / columns + 0.34) + 0.62)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    colours = dict(zip(dict.fromkeys(labels), PALETTE, strict=False))
    drawn = None
    for axes, image, size, label, title in zip(panels, centred, pixel_sizes, labels, titles, strict=False):
        dy, dx = _both(size)
        drawn = axes.imshow(
            image * factor,
            cmap=HEIGHTS,
            vmin=low * factor,
            vmax=high * factor,
            aspect=dy / dx,
            interpolation="antialiased",
        )
        _bare(axes)
        words = "\n".join(_short(line, columns) for line in (label, title) if line)
        axes.set_title(words, fontsize=_PANEL_TITLE, linespacing=1.35)
        axes.spines["left"].set(visible=True, color=colours.get(label, INK), linewidth=3)
        scale_bar(axes, image.shape[1], None if size is None else dx)
    for axes in panels[len(images) :]:
        axes.set_visible(False)
    if drawn is not None:
        bar = figure.colorbar(
            drawn,
            ax=list(panels),
            location="bottom",
            fraction=0.05,
            aspect=45,
            pad=0.02,
            extend="both",
            extendfrac=0.02,
        )
        bar.set_label("from the scan's median" + (f" ({shown_unit})" if shown_unit else ""), fontsize=_PANEL_TITLE)
        bar.ax.tick_params(labelsize=_PANEL_TITLE)
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


@styled
def feature_map_figure(
    tile: np.ndarray,
    maps: np.ndarray,
    names: Sequence[str] | None = None,
    pixel_size: PixelSize = None,
    columns: int = 3,
) -> Figure:
    """One tile (y, x) and what each filter of a layer makes of it: maps (k, y', x'), each in its own grey range.

    The review's Figure 7. The maps carry the tile's scale, whatever pooling and unpadded borders left of their pixels.
    """
    maps = np.asarray(maps)
    names = [f"map {i + 1}" for i in range(len(maps))] if names is None else list(names)
    rows = math.ceil((1 + len(maps)) / columns)
    figure = new_figure(rows * (WIDTH / columns + 0.2))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    dy, dx = _both(pixel_size)
    for axes, image, name in zip(panels, [tile, *maps], ["input", *names], strict=False):
        first = name == "input" and axes is panels[0]
        axes.imshow(image, cmap=HEIGHTS if first else "gray", aspect=dy / dx, interpolation="antialiased")
        _bare(axes)
        axes.set_title(_short(name, columns), fontsize=_PANEL_TITLE)
        if first:
            scale_bar(axes, tile.shape[1], None if pixel_size is None else dx)
    for axes in panels[1 + len(maps) :]:
        axes.set_visible(False)
    return figure


@styled
def cam_figure(
    tiles: np.ndarray,
    maps: np.ndarray,
    titles: Sequence[str],
    pixel_size: PixelSize = None,
    classes: tuple[str, str] = ("class 0", "class 1"),
    columns: int = 3,
) -> Figure:
    """Tiles (n, y, x) in grey, each over itself under its class activation map (n, y, x); Figures 9 and 10.

    Positive is evidence for `classes[1]`. All maps share one range, so that a strong one and a faint one look so.
    """
    tiles, maps = np.asarray(tiles, dtype=float), np.asarray(maps, dtype=float)
    reach = float(np.nanpercentile(np.abs(maps), 99)) or 1.0
    rows = math.ceil(len(tiles) / columns)
    figure = new_figure(rows * (2 * WIDTH / columns + 0.2) + 0.6)
    panels = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_visible(False)
    dy, dx = _both(pixel_size)
    drawn = None
    for i, (tile, values, title) in enumerate(zip(tiles, maps, titles, strict=True)):
        row, column = divmod(i, columns)
        plain, covered = panels[2 * row, column], panels[2 * row + 1, column]
        low, high = np.nanpercentile(tile, SHOWN_RANGE)
        for axes in (plain, covered):
            axes.set_visible(True)
            axes.imshow(tile, cmap="gray", vmin=low, vmax=high, aspect=dy / dx, interpolation="antialiased")
            _bare(axes)
        # Strong evidence covers the grey, faint evidence lets it through.
        opacity = np.clip(0.15 + 0.6 * np.abs(values) / reach, 0, 0.75)
        drawn = covered.imshow(
            values / reach, cmap=EVIDENCE, vmin=-1, vmax=1, alpha=opacity, aspect=dy / dx, interpolation="antialiased"
        )
        plain.set_title(_short(title, columns), fontsize=_PANEL_TITLE)
        scale_bar(plain, tile.shape[1], None if pixel_size is None else dx)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=list(panels.ravel()), location="bottom", fraction=0.05, aspect=45, pad=0.02)
        bar.solids.set_alpha(1)  # type: ignore[union-attr]
        bar.set_ticks([-1, 0, 1], labels=[f"speaks for {classes[0]}", "for neither", f"speaks for {classes[1]}"])
        bar.ax.tick_params(labelsize=_PANEL_TITLE)
        bar.ax.get_xticklabels()[0].set_horizontalalignment("left")
        bar.ax.get_xticklabels()[-1].set_horizontalalignment("right")
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


@styled
def evidence_figure(image: np.ndarray, evidence: np.ndarray, pixel_size: PixelSize, unit: str, title: str) -> Figure:
    """A scan (y, x) beside what of it speaks for an answer (red) and against it (blue): changes of a probability."""
    factor, shown_unit = shown(float(np.nanmax(np.abs(image))) or 1.0, unit)
    figure = new_figure(2.9)
    left, right = figure.subplots(1, 2)
    low, high = np.nanpercentile(image * factor, (1, 99))
    scan = left.imshow(image * factor, cmap="gray", vmin=low, vmax=high)
    figure.colorbar(scan, ax=left, label=shown_unit or "arbitrary", fraction=0.046, pad=0.03)
    right.imshow(image * factor, cmap="gray", vmin=low, vmax=high)
    reach = float(np.abs(evidence).max()) or 1.0
    over = right.imshow(evidence, cmap="RdBu_r", vmin=-reach, vmax=reach, alpha=0.55)
    figure.colorbar(over, ax=right, label="probability lost when hidden", fraction=0.046, pad=0.03)
    right.set_title(title)
    for axes in (left, right):
        _bare(axes)
        scale_bar(axes, image.shape[1], None if pixel_size is None else _both(pixel_size)[1])
    return figure


@styled
def before_after_figure(
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    pixel_sizes: Sequence[PixelSize],
    units: Sequence[str],
    titles: Sequence[str],
) -> Figure:
    """A row for each scan: as it was, as it is, and what was taken off, each in its own colours with its own range.

    before, after: (y, x) each, in `units` (SI). The range over a picture is that of its colours: `SHOWN_RANGE`.
    """
    tall = [_tall(image.shape, size) for image, size in zip(before, pixel_sizes, strict=True)]
    figure = new_figure(WIDTH / 3 * sum(tall) + 0.44 * len(before))
    figure.get_layout_engine().set(h_pad=0.15)  # type: ignore[union-attr,call-arg]
    rows = figure.subplots(len(before), 3, squeeze=False, height_ratios=tall)
    for panels, raw, cleaned, size, unit, title in zip(rows, before, after, pixel_sizes, units, titles, strict=True):
        dy, dx = _both(size)
        words = ("before", "after", "taken off")
        for axes, image, word in zip(panels, (raw, cleaned, raw - cleaned), words, strict=True):
            low, high = _common_range([image]) if np.isfinite(image).any() else (0.0, 0.0)
            axes.imshow(image, cmap=HEIGHTS, vmin=low, vmax=high, aspect=dy / dx, interpolation="antialiased")
            _bare(axes)
            flat = not np.isfinite(image).any() or np.nanmax(image) == np.nanmin(image)
            axes.set_xlabel(f"{word}: {'flat' if flat else say(high - low, unit)}", fontsize=_PANEL_TITLE, labelpad=2)
            scale_bar(axes, image.shape[1], None if size is None else dx)
        top = {"transform": panels[0].transAxes, "fontsize": _PANEL_TITLE, "va": "bottom"}
        name = panels[0].text(0, 1.03, _short(title, 1), **top)  # type: ignore[arg-type]
        name.set_in_layout(False)  # it runs over the whole row, of which this is only the first picture
    return figure


def _tall(shape: tuple[int, ...], size: PixelSize) -> float:
    """Height of an image over its width, where that leaves something to be seen."""
    dy, dx = _both(size)
    return min(max(shape[0] * dy / (shape[1] * dx), 0.25), 1.6)


def _short(title: str, columns: int) -> str:
    """A title that fits over its panel: a long file name loses its middle, for its ends tell it from others."""
    room = _ACROSS // columns
    if len(title) <= room:
        return title
    tail = (room - 1) // 2
    return f"{title[: room - 1 - tail]}…{title[-tail:]}"


def _both(size: PixelSize) -> tuple[float, float]:
    if size is None:
        return 1.0, 1.0
    return (float(size[0]), float(size[1])) if isinstance(size, tuple) else (float(size), float(size))


def _common_range(images: Sequence[np.ndarray]) -> tuple[float, float]:
    """Percentiles over all images, from at most 20 000 pixels of each."""
    pixels = [image.ravel()[:: max(1, image.size // 20_000)] for image in images]
    if not pixels:
        return 0.0, 1.0
    low, high = np.nanpercentile(np.concatenate(pixels), SHOWN_RANGE)
    return (float(low), float(high)) if high > low else (float(low) - 1.0, float(high) + 1.0)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


__all__ = [
    "PixelSize", "bar_length", "before_after_figure", "cam_figure", "evidence_figure", "feature_map_figure",
    "scale_bar", "scan_thumbnails",
]  # fmt: skip
