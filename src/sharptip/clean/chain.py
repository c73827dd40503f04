"""Steps in order: by names, or a chain that is known by one name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from ..core.errors import ScanError
from .arc import arc
from .directions import directions
from .drift import drift
from .facet import facet
from .flatten import flatten
from .junk import junk
from .lines import lines
from .mask import relevel
from .plane import plane
from .polynomial import polynomial
from .rows import rows
from .scars import scars
from .spikes import spikes

STEPS: dict[str, Callable[..., xr.Dataset]] = {
    "flatten": flatten,
    "plane": plane,
    "polynomial": polynomial,
    "lines": lines,
    "rows": rows,
    "relevel": relevel,
    "facet": facet,
    "arc": arc,
    "scars": scars,
    "spikes": spikes,
    "junk": junk,
    "drift": drift,
    "directions": directions,
}  # by the names that the command line and recipes use

CHAINS: dict[str, tuple[str, ...]] = {
    "auto": ("flatten", "scars"),  # and `junk` before, for a film
    "film": ("junk", "flatten", "scars", "drift"),
    "simple": ("plane", "rows", "scars"),  # what most programs do
}


def named(steps: str | Sequence[str]) -> tuple[str, ...]:
    """The names of the steps in order: of a chain, of "plane,rows", or of a list. Raises ScanError for a wrong one."""
    listed = [s.strip() for s in steps.split(",") if s.strip()] if isinstance(steps, str) else list(steps)
    if len(listed) == 1 and listed[0] in CHAINS:
        return CHAINS[listed[0]]
    for name in listed or [""]:
        if name not in STEPS:
            raise ScanError(f"there is no step {name!r}; there are {', '.join(STEPS)}; and chains: {', '.join(CHAINS)}")
    return tuple(listed)


def run(scan: xr.Dataset, steps: str | Sequence[str] = "auto", *, channel: str = "height") -> xr.Dataset:
    """The scan after every step in order, as `fitting` lists them.

    Raises ScanError for a step that is not there, and whatever the steps raise.
    """
    for name in fitting(scan, steps):
        scan = STEPS[name](scan, channel=channel)
    return scan


def fitting(scan: xr.Dataset, steps: str | Sequence[str] = "auto") -> tuple[str, ...]:
    """The names of the steps for this scan: in a film, "auto" also marks the junk frames. Errors as in `named`."""
    names = named(steps)
    return ("junk", *names) if steps == "auto" and "time" in scan.dims else names
