"""Other looks at what a frame shows: the other pass over it, the frames before and after, brought onto it.

They come moved by whole pixels only, because a fraction of a pixel would mix neighbours and with them their noise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from ..clean import shift_between
from ..core.errors import ModelError
from .prepare import Prepared, prepare
from .recipe import Options, Recipe
from .scale import Scale

ALIKE = 0.3  # correlation, once noise is smoothed away, below which another look does not show the same
SMOOTH = 1.5  # pixels

Place = Mapping[str, int]


def onto(frame: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """`other` (y, x) moved to where `frame` shows the same, NaN where it shows nothing; None where they are unlike."""
    if frame.shape != other.shape:
        return None
    dy, dx, _ = shift_between(frame, other)
    smooth, other_smooth = (gaussian_filter(z, SMOOTH) for z in (frame, other))
    moves = {(0, 0), *((round(-dy) + i, round(-dx) + j) for i in (-1, 0, 1) for j in (-1, 0, 1))}  # noise moves peaks
    likeness = {move: _likeness(smooth, _moved(other_smooth, *move)) for move in moves}
    best = max(likeness, key=lambda move: likeness[move])
    return _moved(other, *best) if likeness[best] >= ALIKE else None


def _moved(z: np.ndarray, dy: int, dx: int) -> np.ndarray:
    out = np.full(z.shape, np.nan)
    h, w = z.shape
    if abs(dy) < h and abs(dx) < w:
        out[max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)] = z[
            max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)
        ]
    return out


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    known = np.isfinite(b)
    if known.mean() < 0.25 or not (np.ptp(a[known]) > 0 and np.ptp(b[known]) > 0):
        return -1.0
    return float(np.corrcoef(a[known], b[known])[0, 1])


def with_others(numbers: np.ndarray, one: Prepared, others: Sequence[Prepared | None], scale: Scale) -> np.ndarray:
    """numbers (1, y, x) of a frame and, on its own scale, those of the other looks: (1 + n, y, x), 0 where none is."""
    channels = [numbers]
    for other in others:
        found = None if other is None else onto(one.channels[0], other.channels[0])
        channels.append(np.zeros(numbers.shape, np.float32) if found is None
                        else np.nan_to_num(scale.numbers(found[None], clip=None)))  # fmt: skip
    return np.concatenate(channels)


class Looks:
    """The frames of a scan, cleaned for a recipe when they are asked for; the last few are kept."""

    def __init__(self, recipe: Recipe, scan: xr.Dataset, sizes: Mapping[str, int], options: Options, keep: int) -> None:
        self.recipe, self.scan, self.sizes, self.options, self.keep = recipe, scan, sizes, options, keep
        self._kept: OrderedDict[tuple[int, ...], Prepared] = OrderedDict()

    def at(self, place: Place) -> Prepared:
        """One frame. Raises what `prepare` raises."""
        key = tuple(place.values())
        if key not in self._kept:
            self._kept[key] = prepare(self.recipe, self.scan.isel(dict(place)))
            if len(self._kept) > self.keep:
                self._kept.popitem(last=False)
        return self._kept[key]

    def beside(self, place: Place) -> list[Prepared | None]:
        """The other looks that the recipe asks for, in its order; None where there is none."""
        if self.recipe.beside is None:
            return []
        return [None if other is None else self._if_any(other) for other in
                self.recipe.beside(place, self.sizes, self.options)]  # fmt: skip

    def _if_any(self, place: Place) -> Prepared | None:
        try:
            return self.at(place)
        except ModelError:  # mostly missing: it cannot help, and costs the frame it was to help nothing
            return None
