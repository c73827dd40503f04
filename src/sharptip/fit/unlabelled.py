"""Frames of films, without any truth, as examples for a recipe that can learn from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..core.errors import ModelError
from ..core.scan import channel, label
from .recipe import Example, Options, Recipe

APART = 0.5  # correlation of the two passes below which they do not show the same


def frames_of(scans: Sequence[xr.Dataset], recipe: Recipe, options: Options) -> list[Example]:
    """At most options["examples"] frames, evenly over all scans; each scan is a group.

    Where forward and backward were recorded, each is the other's truth: two looks at one surface, each with noise of
    its own. Raises ChannelError for a scan without the channel, ModelError where there is nothing, or where the two
    passes do not show the same.
    """
    name = recipe.eats[0].name
    places: list[tuple[int, dict[str, int]]] = []
    for i, scan in enumerate(scans):
        channel(scan, name)
        repeats = [str(d) for d in scan[name].dims if d not in (*recipe.eats[0].dims, "direction")]
        places += [(i, dict(zip(repeats, at, strict=True))) for at in np.ndindex(*(scan.sizes[d] for d in repeats))]
    if not places:
        raise ModelError(f"there is no frame to learn from; recipe {recipe.name!r} takes scans with {name!r}")
    chosen = np.unique(np.linspace(0, len(places) - 1, min(options["examples"], len(places))).round().astype(int))
    examples: list[Example] = []
    for i, at in (places[k] for k in chosen):
        frame, group = scans[i][[name]].isel(at).assign_attrs(scans[i].attrs), f"{i} {label(scans[i])}"
        if "direction" not in frame.dims or frame.sizes["direction"] < 2:
            one = frame.squeeze("direction", drop=True) if "direction" in frame.dims else frame
            examples.append(Example(one, None, group))
            continue
        there, back = (frame.sel(direction=d, drop=True) for d in ("forward", "backward"))
        level = [_cleaned(recipe, one) for one in (there, back)]
        _demand_alike(level[0][name].values, level[1][name].values, group)
        examples += [Example(there, level[1], group), Example(back, level[0], group)]
    return examples


def _cleaned(recipe: Recipe, scan: xr.Dataset) -> xr.Dataset:
    """A truth is cleaned like what is learned from it."""
    for clean in recipe.clean:
        scan = clean(scan, channel=recipe.eats[0].name)
    return scan


def _demand_alike(there: np.ndarray, back: np.ndarray, name: str) -> None:
    both = np.isfinite(there) & np.isfinite(back)
    alike = np.corrcoef(there[both], back[both])[0, 1] if both.sum() > 2 else 0.0
    if not alike >= APART:
        raise ModelError(
            f"{name}: forward and backward correlate by {alike:.2f} only, so neither is the other's truth; "
            "bring them onto each other, or keep one direction"
        )
