"""Steps in order: by names, with options where they are to differ, and chains that are known by one name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import xarray as xr

from ..core.errors import ScanError
from ..core.scan import label
from .arc import arc
from .directions import directions
from .drift import drift
from .facet import facet
from .flatten import flatten
from .junk import junk
from .lines import lines
from .mask import relevel
from .options import name_of, options_of, parts
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
OF_FILMS = frozenset({"junk", "drift"})  # steps about the frames of a film together
OF_A_STILL = ",".join(name for name in CHAINS["film"] if name not in OF_FILMS)


def named(steps: str | Sequence[str]) -> tuple[str, ...]:
    """The steps in order, each as its name with its options, 'rows:method=matching'; chains are taken apart.

    steps: "plane,rows:method=matching", "spikes,auto", or a list of such. Raises ScanError for a step or an option that
    is not there, or a value that the step cannot take.
    """
    out: list[str] = []
    for text in _listed(steps) or [""]:
        name = name_of(text)
        if name in CHAINS:
            if text != name:
                own = ",".join(CHAINS[name])
                raise ScanError(f"{name!r} is a chain and takes no options; name its steps with theirs: {own}")
            out += CHAINS[name]
        elif name in STEPS:
            options_of(text, STEPS[name])
            out.append(text.strip(": "))
        else:
            raise ScanError(f"there is no step {name!r}; there are {', '.join(STEPS)}; and chains: {', '.join(CHAINS)}")
    return tuple(out)


def _listed(steps: str | Sequence[str]) -> list[str]:
    return parts(steps) if isinstance(steps, str) else [p for step in steps for p in parts(step) or [""]]


def step_of(text: str) -> Callable[..., xr.Dataset]:
    """The step that a text such as 'rows:method=matching' stands for, with its options. Raises ScanError."""
    (text,) = named([text])
    return partial(STEPS[name_of(text)], **options_of(text, STEPS[name_of(text)]))


def run(scan: xr.Dataset, steps: str | Sequence[str] = "auto", *, channel: str = "height") -> xr.Dataset:
    """The scan after every step in order, as `fitting` lists them: run(scan, "spikes,rows:method=matching").

    Warns where a still goes through a film's chain. Raises ScanError for a step or an option that is not there, and
    whatever the steps raise.
    """
    if said := left_out(scan, steps):
        warnings.warn(said, stacklevel=2)
    for text in fitting(scan, steps):
        scan = step_of(text)(scan, channel=channel)
    return scan


def fitting(scan: xr.Dataset, steps: str | Sequence[str] = "auto") -> tuple[str, ...]:
    """The steps for this scan. In a film, "auto" also marks the junk frames, before all else; a still goes through the
    chain "film" without the steps about several frames. Errors as in `named`."""
    names, listed = named(steps), _listed(steps)
    if "time" not in scan.dims:
        return named([OF_A_STILL if name_of(part) == "film" else part for part in listed])
    return ("junk", *names) if "auto" in listed and "junk" not in names else names


def left_out(scan: xr.Dataset, steps: str | Sequence[str]) -> str:
    """What to say of a still that goes through a film's chain; '' for every other scan. Errors as in `named`."""
    if "time" in scan.dims or "film" not in map(name_of, _listed(steps)):
        return ""
    return f"{label(scan)} is no film, so it goes through {OF_A_STILL.replace(',', ' and ')} alone"
