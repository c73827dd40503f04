"""What a scan holds → what is asked of its curves. One row for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr

from ..core.scan import label
from ..measure.loops import holds_loops
from . import force, loops
from .fitted import Fitted, Settings, Tell


@dataclass(frozen=True)
class Kind:
    """One kind of curves: how a scan that holds them is told, and what is fitted to them."""

    name: str
    holds: str  # what a scan must have, in words
    gives: str  # what comes out, in words
    fits: Callable[[xr.Dataset], bool]
    fit: Callable[[xr.Dataset, Settings, Tell], Fitted]


KINDS = (
    Kind(
        "force curves",
        "a height (or separation) and a deflection (or force) along curves",
        "contact, stiffness, adhesion, work, hysteresis; modulus where the tip is told; verdict and reason",
        force.holds,
        force.fit,
    ),
    Kind(
        "hysteresis loops",
        "a piezoresponse (or amplitude and phase) along write voltages that go up and down",
        "mechanism, coercive voltages, imprint, work of switching, surface potential; verdict and reason",
        holds_loops,
        loops.fit,
    ),
)


def kind_of(scan: xr.Dataset) -> Kind | None:
    """The first kind that a scan holds."""
    return next((kind for kind in KINDS if kind.fits(scan)), None)


def why_none(scan: xr.Dataset) -> str:
    """Why nothing is fitted to a scan, in words."""
    dims = {d for v in scan.data_vars.values() for d in v.dims}
    has = ", ".join(str(n) for n in scan.data_vars)
    if {"y", "x"} <= dims and dims <= {"y", "x", "direction", "time"}:
        return f"{label(scan)} holds images ({has}), not curves; `sharptip clean` and `sharptip measure` are for those"
    return f"{label(scan)} holds nothing that is fitted; it has {has or 'no channel'} along {', '.join(map(str, dims))}"
