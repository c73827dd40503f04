"""What a scan holds → what is asked of its curves. One row for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import xarray as xr

from ..core.scan import label
from ..measure.loops import holds_loops
from . import force, loops, spectra
from .fitted import Fitted, Settings, Tell
from .rows import Asked, fit_rows


@dataclass(frozen=True)
class Kind:
    """One kind of curves: how a scan that holds them is told, and what is fitted to them."""

    name: str
    holds: str  # what a scan must have, in words
    gives: str  # what comes out, in words
    fits: Callable[[xr.Dataset], bool]
    fit: Callable[[xr.Dataset, Settings, Tell], Fitted]


def _asked(asked: Asked, holds: str, gives: str, fits: Callable[[xr.Dataset], bool]) -> Kind:
    """A kind whose rows a recipe answers."""
    return Kind(asked.kind, holds, f"{gives} (recipe {asked.recipe})", fits, partial(fit_rows, asked))


KINDS = (
    Kind(
        "force curves",
        "a height (or separation) and a deflection (or force), along curves",
        "contact, stiffness, adhesion, work, hysteresis; rating and artefact; modulus where the tip is told",
        force.holds,
        force.fit,
    ),
    _asked(
        spectra.RESONANCES,
        "a complex response, or its amplitude, along frequency",
        "resonance, quality factor, amplitude and phase",
        spectra.holds_resonances,
    ),
    Kind(
        "thermal spectra",
        "an amplitude spectral density along frequency",
        "resonance and quality factor; spring constant where the temperature is told",
        spectra.holds_thermal,
        spectra.fit_tunes,
    ),
    Kind(
        "hysteresis loops",
        "a piezoresponse (or amplitude and phase) along write voltages that go up and down",
        "mechanism, coercive voltages, imprint, work of switching, surface potential; verdict and reason",
        holds_loops,
        loops.fit,
    ),
    _asked(
        spectra.PARABOLAS,
        "a frequency shift along bias",
        "contact potential difference and curvature",
        spectra.holds_parabolas,
    ),
    Kind(
        "current–voltage curves",
        "a current along bias",
        "conductance at zero bias, asymmetry; no law is fitted",
        spectra.holds_currents,
        spectra.fit_currents,
    ),
    _asked(
        spectra.TRACES,
        "a current along time",
        "states, levels and rates of switching",
        spectra.holds_traces,
    ),
)


def kind_of(scan: xr.Dataset) -> Kind | None:
    """The first kind that a scan holds."""
    return next((kind for kind in KINDS if kind.fits(scan)), None)


def why_none(scan: xr.Dataset) -> str:
    """Why nothing is fitted to a scan, in words."""
    dims = dict.fromkeys(str(d) for v in scan.data_vars.values() for d in v.dims)
    has = ", ".join(str(n) for n in scan.data_vars)
    if {"y", "x"} <= dims.keys() <= {"y", "x", "direction", "time"}:
        return f"{label(scan)} holds images ({has}), not curves; `sharptip clean` and `sharptip measure` are for those"
    return f"{label(scan)} holds nothing that is fitted; it has {has or 'no channel'} along {', '.join(dims)}"
