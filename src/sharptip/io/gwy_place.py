"""Where an image of a `.gwy` container belongs in a scan: Gwyddion knows images alone, our films and maps have axes.

Each slice of a repeated axis is a channel of its own for Gwyddion, with frame and time in its title. What Gwyddion has
no word for is in the channel's metadata: the scan it is of, its place along each axis and what is there, the variable's
attributes, and the number that lost pixels (NaN) were filled with. `said` writes that, `joined` puts it together again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.grid import Axis, Channel
from ..core.units import is_si

PLACE, LOST, FACTS = "place", "lost", "attributes"  # of what our own writer keeps in the metadata


def _is_plain(value: object) -> bool:
    """What JSON gives back as it was."""
    return isinstance(value, str | int | float) or (isinstance(value, list) and all(map(_is_plain, value)))


@dataclass(frozen=True)
class Place:
    """One image: number of its scan, axes of its variable, and along each repeated one (axis, index, value, unit)."""

    scan: int
    dims: tuple[str, ...]
    at: tuple[tuple[str, int, str | float, str], ...]
    attrs: Mapping[str, Any]


def title(name: str, scan: Any, index: Mapping[str, int], way: object = None) -> str:
    """'height [frame 3, 1.5 s]', 'current [forward] [bias 0.1 V]': what Gwyddion shows."""
    said = [_shown(scan, dim, k) for dim, k in index.items()] + ([str(way)] if way else [])
    return name + "".join(f" [{s}]" for s in said)


def _shown(scan: Any, dim: str, k: int) -> str:
    if dim not in scan.coords:
        return f"{dim} {k}"
    value, unit = scan[dim].values[k], str(scan[dim].attrs.get("units", ""))
    if dim == "time":
        return f"frame {k}, {value:.6g} {unit}"
    return str(value) if dim == "direction" else f"{dim} {value} {'' if unit == '1' else unit}".rstrip()


def said(number: int, scan: Any, name: str, index: Mapping[str, int]) -> str:
    """The place of a slice as JSON text."""
    at = []
    for dim, k in index.items():
        known = dim in scan.coords
        value = scan[dim].values[k].item() if known else float(k)
        at.append([dim, k, value, str(scan[dim].attrs.get("units", "1")) if known else "1"])
    attrs = {k: v for k, v in scan[name].attrs.items() if _is_plain(v) and k not in ("units", "vendor_name")}
    return json.dumps({"scan": number, "dims": list(scan[name].dims), "at": at, "attrs": attrs})


def place_of(text: object) -> Place | None:
    """What `said` wrote, or nothing where it is not that."""
    try:
        found = json.loads(str(text))
        at = tuple((str(d), int(k), v if isinstance(v, str) else float(v), str(u)) for d, k, v, u in found["at"])
        attrs = {str(k): v for k, v in dict(found["attrs"]).items() if _is_plain(v)}
        place = Place(int(found["scan"]), tuple(map(str, found["dims"])), at, attrs)
    except (ValueError, TypeError, KeyError):
        return None
    sound = all(re.fullmatch(r"[a-z][a-z0-9_]*", d) and k >= 0 and is_si(u) for d, k, _, u in at)
    return place if sound and sorted(place.dims) == sorted({"y", "x"} | {d for d, *_ in at}) else None


def facts_of(scan: Any, but: Iterable[str]) -> str:
    """The plain attributes of a scan as JSON text, without those that are kept by name."""
    return json.dumps({k: v for k, v in scan.attrs.items() if _is_plain(v) and k not in but})


def not_plain(scan: Any) -> list[str]:
    """Attributes of a scan that `facts_of` cannot keep, and coordinates that are no axis of their own."""
    return [str(k) for k, v in scan.attrs.items() if not _is_plain(v)] + [
        str(c) for c in scan.coords if c not in scan.dims
    ]


def facts_in(text: object) -> dict[str, Any]:
    """What `facts_of` wrote, or nothing."""
    try:
        found = json.loads(str(text))
    except ValueError:
        return {}
    return {k: v for k, v in found.items() if _is_plain(v)} if isinstance(found, dict) else {}


def joined(slices: Sequence[tuple[Place, Channel]]) -> tuple[list[Channel], dict[str, Axis]]:
    """Channels of one scan, each put together from its slices, and the axes along which they repeat.

    A slice that is there twice, as after copying a channel in Gwyddion, and a variable of which some slices are missing
    in a way that leaves no axis, become images of their own.
    """
    variables: dict[tuple[str, tuple[str, ...]], list[tuple[Place, Channel]]] = {}
    for place, channel in slices:
        variables.setdefault((channel.name, tuple(d for d, *_ in place.at)), []).append((place, channel))
    channels: list[Channel] = []
    axes: dict[str, Axis] = {}
    for (_, dims), parts in variables.items():
        own = _axes(dims, parts)
        first: dict[tuple[int, ...], Channel] = {}
        for place, channel in parts:
            first.setdefault(tuple(k for _, k, *_ in place.at), channel)
        whole = len(first) == np.prod([len(a.values) for a in own.values()], dtype=int)
        if not whole or any(d in axes and not _same(axes[d], own[d]) for d in dims):
            channels += [channel for _, channel in parts]
            continue
        axes |= own
        shape = tuple(len(own[d].values) for d in dims)
        stack = [np.asarray(first[k].data) for k in sorted(first)]
        data = np.stack(stack).reshape(*shape, *stack[0].shape) if dims else stack[0]
        place, about = parts[0]
        data = data.transpose([(*dims, "y", "x").index(d) for d in place.dims])
        channels.append(Channel(about.name, data, about.unit, about.vendor_name, place.dims, place.attrs))
        kept = set(map(id, first.values()))
        channels += [channel for _, channel in parts if id(channel) not in kept]
    return channels, axes


def _axes(dims: tuple[str, ...], parts: Sequence[tuple[Place, Channel]]) -> dict[str, Axis]:
    axes = {}
    for i, dim in enumerate(dims):
        found = {place.at[i][1]: place.at[i][2:] for place, _ in parts}
        values = np.array([found[k][0] for k in sorted(found)])
        axes[dim] = Axis(values, found[min(found)][1])
    return axes


def _same(one: Axis, other: Axis) -> bool:
    return one.unit == other.unit and np.array_equal(one.values, other.values)


def filled(values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, float]:
    """(numbers without NaN, where there were none or infinite ones, what stands there now) of an image.

    Gwyddion has no NaN: like its own importers, lost pixels get the mean of the others and a mask. The number is one
    that no other pixel has.
    """
    known = np.isfinite(values)
    if known.all():
        return values, None, 0.0
    number = float(values[known].mean()) if known.any() else 0.0
    while (values == number).any():
        number = float(np.nextafter(number, np.inf))
    return np.where(np.isnan(values), number, values), ~known, number


def lost(values: np.ndarray, number: object, mask: np.ndarray | None) -> np.ndarray | None:
    """Where pixels are lost, by the number that they were filled with; by the mask, where they were changed since."""
    try:
        found = values == float(str(number))
    except ValueError:
        return None
    return found if found.any() or mask is None else mask > 0
