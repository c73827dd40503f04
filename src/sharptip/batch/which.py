"""Which channels of a scan are cleaned: those that were named; of `all` those that show the surface's height.

Levelling and aligning lines ask two things of a channel: that its zero is chance, and that its tilt is the scanner's.
Both are true of heights. A current, a force, a frequency shift, a phase, an amplitude or an adhesion has a zero that
means something (a set point, no interaction); the difference of both ways of a lateral force is the friction; the place
of the tip, or how long it waited at a point, is no picture of the surface at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import xarray as xr

ALL = "all"  # instead of a channel's name: every height
FEWEST = 2  # lines, and columns, of an image: levelling takes all there is off a single line
_HEIGHT = re.compile(r"height(_sensor)?(_original|_signal)?(_\d+)?")  # as recorded, in volts, the second of its name
_MARKS = ("mask", "disagree")  # images that say where something is
_ACROSS = {"y", "x", "direction", "time", "z"}  # axes of images; with another one a channel is made of spectra
_TOLD = 3  # channels that are named where more were left as measured


def images(scan: xr.Dataset, lines: bool = False) -> list[str]:
    """The channels that are images; with `lines` also images that are a single line."""
    return [
        str(name) for name, v in scan.data_vars.items()
        if {"y", "x"} <= set(v.dims) <= _ACROSS and v.dtype.kind in "fiu" and name not in _MARKS
        and (lines or min(scan.sizes["y"], scan.sizes["x"]) >= FEWEST)
    ]  # fmt: skip


def chosen(scan: xr.Dataset, wanted: Sequence[str], lines: bool = False) -> list[str]:
    """The image channels that are meant."""
    names = images(scan, lines)
    return [n for n in names if _HEIGHT.fullmatch(n)] if ALL in wanted else [n for n in names if n in wanted]


def as_measured(scans: Iterable[xr.Dataset], wanted: Sequence[str]) -> str:
    """What to say of the images that `all` leaves as they are; nothing where there is none."""
    if ALL not in wanted:
        return ""
    kept = list(dict.fromkeys(n for scan in scans for n in images(scan) if n not in chosen(scan, wanted)))
    more = f" and {len(kept) - _TOLD} more" if len(kept) > _TOLD else ""
    return f"no heights, so as measured: {', '.join(kept[:_TOLD])}{more}; --channel NAME levels one" if kept else ""


def missing(scans: Sequence[xr.Dataset], wanted: Sequence[str]) -> str:
    """Why there is nothing to clean, and what there is."""
    there = list(dict.fromkeys(name for scan in scans for name in images(scan)))
    if there:
        alike = next((name for name in there if any(name.startswith(w) for w in wanted)), there[0])
        if ALL in wanted:
            listed = ", ".join(there)
            return f"has no height; it has {listed}, as measured unless it is named: --channel {there[0]}"
        asked = " or ".join(map(repr, wanted))
        name = ",".join([*wanted, alike])
        rest = ", or all" if any(chosen(scan, [ALL]) for scan in scans) else ""
        return f"has no image channel {asked}; it has {', '.join(there)}: name one, --channel {name}{rest}"
    for scan in scans:
        if chosen(scan, wanted, lines=True):
            return f"is a line of {max(scan.sizes['y'], scan.sizes['x'])} pixels; only images are cleaned"
    dims = {str(d) for scan in scans for v in scan.data_vars.values() for d in v.dims}
    if "curve" in dims:
        n = sum(scan.sizes.get("curve", 0) for scan in scans)
        return f"holds {n} curve{'s' * (n != 1)} and no image; only images are cleaned"
    what = "spectra" if dims & {"bias", "distance", "frequency", "sample"} else "channels"
    return f"holds {what} over {', '.join(sorted(dims)) or 'nothing'} and no image; only images are cleaned"
