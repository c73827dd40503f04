"""Frames of films, without any truth, as examples for a recipe that can learn from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..clean import junk_frames
from ..core.errors import ModelError
from ..core.scan import channel, label
from .recipe import Example, Options, Recipe

PIXELS = 2**24  # of all frames that are learned from: 64 of 512 × 512, so that they fit in memory


def frames_of(scans: Sequence[xr.Dataset], recipe: Recipe, options: Options) -> list[Example]:
    """At most options["examples"] frames (fewer of large ones), evenly over all scans; each scan is a group.

    Each frame comes with the other looks at the same place that the recipe asks for, as far as there are any. Frames
    that show nothing are left out. Raises ChannelError for a scan without the channel, ModelError where there is
    nothing.
    """
    port = recipe.eats[0]
    sizes: list[dict[str, int]] = []
    places: list[tuple[int, dict[str, int]]] = []
    for i, scan in enumerate(scans):
        channel(scan, port.name)
        sizes.append({str(d): scan.sizes[d] for d in scan[port.name].dims if d not in port.dims})
        places += [(i, dict(zip(sizes[i], at, strict=True))) for at in np.ndindex(*sizes[i].values())]
    largest = max((scans[i].sizes["y"] * scans[i].sizes["x"] for i, _ in places), default=1)
    number = min(options["examples"], len(places), max(1, PIXELS // largest))
    chosen = np.unique(np.linspace(0, len(places) - 1, number).round().astype(int))
    examples: list[Example] = []
    for i, at in (places[k] for k in chosen):
        if _shows_nothing(scans[i], at, recipe):
            continue
        others = recipe.beside(at, sizes[i], options) if recipe.beside else []
        beside = tuple(None if o is None else _frame(scans[i], o, recipe) for o in others)
        examples.append(Example(_frame(scans[i], at, recipe), None, f"{i} {label(scans[i])}", beside=beside))
    if not examples:
        raise ModelError(f"there is no frame to learn from; recipe {recipe.name!r} takes scans with {port.name!r}")
    return examples


def _frame(scan: xr.Dataset, at: dict[str, int], recipe: Recipe) -> xr.Dataset:
    """One frame, read when its numbers are asked for."""
    return scan[[recipe.eats[0].name]].isel(at).assign_attrs(scan.attrs)


def _shows_nothing(scan: xr.Dataset, at: dict[str, int], recipe: Recipe) -> bool:
    image = _frame(scan, at, recipe)[recipe.eats[0].name].transpose(*recipe.eats[0].dims).values
    return bool(junk_frames(image[None]).junk[0])
