"""From a scan to the numbers a learner eats: the channels it needs, cleaned, whole, scaled, at the right pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import ChannelError, ModelError, ScanError, SharptipError
from ..core.scan import channel, label, pixel_size
from ..data.tiles import resample, tiles_of
from .recipe import Example, Recipe
from .rows import in_its_unit
from .scale import Scale, by_lines

LOST = 0.5  # share of missing pixels beyond which a scan is refused rather than mended
ROUNDING = 1e-13  # of the largest number in a channel; double precision keeps about 1e-16 per operation
SAME_PIXEL = 0.01  # relative difference of pixel sizes below which nothing is resampled


@dataclass(frozen=True)
class Prepared:
    """channels (c, y, x) in their SI units, without holes; `lost` (y, x) where there were some."""

    channels: np.ndarray
    lost: np.ndarray
    pixel_size: tuple[float, float] | None


def prepare(recipe: Recipe, scan: xr.Dataset) -> Prepared:
    """Refuse what the recipe cannot eat, then clean and fill.

    Raises ChannelError or UnitError naming the channel, ModelError for a scan that is mostly missing or too small.
    """
    for port in recipe.eats:
        found = in_its_unit(scan, port, recipe.name)
        if set(found.dims) != set(port.dims):
            raise ChannelError(
                f"{label(scan)}: {port.name!r} has axes {found.dims}; "
                f"recipe {recipe.name!r} takes {port.dims}: select one of the others first"
            )
    raw = [channel(scan, port.name) for port in recipe.eats]
    for clean in recipe.clean:
        for port in recipe.eats:
            scan = _cleaned(clean, scan, port.name)
    stack = [channel(scan, port.name).transpose(*port.dims).values.astype(float) for port in recipe.eats]
    if recipe.clean:
        stack = [_without_rounding(z, before.values) for z, before in zip(stack, raw, strict=True)]
    channels = np.stack(stack)
    lost = ~np.isfinite(channels).all(axis=0)
    if lost.mean() > LOST:
        raise ModelError(f"{label(scan)}: {lost.mean():.0%} of the pixels are missing; at most {LOST:.0%} are mended")
    if min(channels.shape[1:]) < recipe.least:
        raise ModelError(
            f"{label(scan)} is {channels.shape[1]} × {channels.shape[2]} pixels; recipe {recipe.name!r} needs "
            f"{recipe.least} × {recipe.least} at least: scan more lines"
        )
    pixels = None if scan.attrs.get("size") == "unknown" else pixel_size(scan)
    return Prepared(np.stack([fill(c) for c in channels]) if lost.any() else channels, lost, pixels)


def usable(recipe: Recipe, examples: Sequence[Example]) -> tuple[list[Example], list[tuple[str, str]]]:
    """(examples that can be judged, name and reason of those that cannot), so that one does not cost the others."""
    good, broken = [], []
    for e in examples:
        try:
            if not (Scale.own(prepare(recipe, e.scan).channels).spread > 0).any():
                raise ModelError(f"{label(e.scan)} is constant: it shows nothing to judge")
            good.append(e)
        except SharptipError as error:
            broken.append((label(e.scan), str(error)))
    return good, broken


def _cleaned(clean: Callable[..., xr.Dataset], scan: xr.Dataset, name: str) -> xr.Dataset:
    """A scan that a step of cleaning refuses, such as one of a few pixels, cannot be judged either."""
    try:
        return clean(scan, channel=name)
    except ScanError as error:
        raise ModelError(f"{label(scan)}: {error}") from error


def _without_rounding(cleaned: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """A channel of which levelling has left nothing but the rounding of its numbers is zero."""
    finite, before = cleaned[np.isfinite(cleaned)], np.abs(raw[np.isfinite(raw)])
    if finite.size and before.size and np.ptp(finite) <= ROUNDING * before.max():
        return np.where(np.isfinite(cleaned), 0.0, np.nan)
    return cleaned


def fill(image: np.ndarray) -> np.ndarray:
    """Missing pixels taken from the lines above and below, linearly; from the line itself where a column is empty."""
    out = image.copy()
    for values in (out.T, out):  # down the columns first: what is lost in a scan is whole lines
        for line in values:
            good = np.isfinite(line)
            if good.any() and not good.all():
                line[~good] = np.interp(np.flatnonzero(~good), np.flatnonzero(good), line[good])
    return out


def to_tiles(
    recipe: Recipe, prepared: Prepared, scale: Scale, tile: int, trained: tuple[float, float] | None, name: str
) -> np.ndarray:
    """Tiles (n, c, tile, tile) of a scan, at the pixel size the model was trained at where both are known.

    For a recipe that views the whole scan, that is one tile: the scan brought to `tile` pixels across, and as many
    down where the recipe answers line by line. Raises ModelError for a scan that is smaller than one tile, or constant.
    """
    if not (Scale.own(prepared.channels).spread > 0).any():  # a fixed scale has a spread whatever the scan shows
        raise ModelError(f"{name} is constant: it shows nothing to judge; check the channel and the file")
    if recipe.view == "whole":
        return _whole(recipe, prepared.channels, scale, tile, name)[None]
    numbers = scale.numbers(prepared.channels)
    if trained and prepared.pixel_size and _differ(trained, prepared.pixel_size):
        numbers = np.stack([resample(c, prepared.pixel_size, trained) for c in numbers])
    if min(numbers.shape[1:]) < tile:
        size = f" of {trained[1]:.3g} m, the pixels of the training," if trained else ""
        raise ModelError(
            f"{name} is {numbers.shape[1]} × {numbers.shape[2]} pixels{size}; recipe {recipe.name!r} "
            f"judges tiles of {tile} × {tile}: use a scan of a larger area"
        )
    return np.stack([tiles_of(c, tile) for c in numbers], axis=1).astype(np.float32)


def _whole(recipe: Recipe, channels: np.ndarray, scale: Scale, tile: int, name: str) -> np.ndarray:
    """(c, tile, tile) of a whole scan, or (c, lines, tile) at the aspect ratio it was scanned in."""
    h, w = channels.shape[1:]
    least = tile // 2
    if w < least or (not recipe.lines and h < least):
        raise ModelError(
            f"{name} is {h} × {w} pixels; recipe {recipe.name!r} needs {least} across"
            + (": scan with more pixels" if recipe.lines else f" and {least} lines: scan with more")
        )
    rows = max(1, round(h * tile / w)) if recipe.lines else tile
    levels = channels if recipe.scale == "lines" else scale.numbers(channels)
    if (h, w) != (rows, tile):
        levels = np.stack([resample(c, (1 / h, 1 / w), (1 / rows, 1 / tile)) for c in levels])
    return (by_lines(levels) if recipe.scale == "lines" else levels).astype(np.float32)


def _differ(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return any(abs(p - q) > SAME_PIXEL * q for p, q in zip(a, b, strict=True))
