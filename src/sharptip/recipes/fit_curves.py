"""How stiff is what this force curve touched, and where did it touch? Contact mechanics, nothing learned.

A law of `physics.contact` is fitted to the approach of every curve (`measure.force_fit`), with standard errors that
know the noise of the baseline and how badly the law fits. The tip is never guessed: it comes from the options or from
what the scan says, and what is missing is asked for.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ModelError
from ..core.scan import label
from ..fit.labelled_curves import curves_of
from ..fit.recipe import Example, Options, Port, Recipe
from ..fit.rows import Answers, Rows, needed
from ..measure.apparent_modulus import above_zero, modulus_from
from ..measure.approach import Approach, approach_of
from ..measure.contact_point import FINDERS
from ..measure.curve_errors import contact_median, contact_p90
from ..measure.curve_numbers import numbers
from ..measure.force_fit import fit_curves
from ..measure.modulus_errors import apparent_median, modulus_median, modulus_p90, modulus_within
from ..physics.contact import LAWS, SYMBOLS, Law, Tip
from ..simulate.force_curves import force_curves

NAME = "fit_curves"
EATS = (Port("height", "m", ("sample",)), Port("deflection", "m", ("sample",)))
UNITS = {  # answer → unit; those of a ForceFit, and the last two beside it
    "contact": "m", "contact_error": "m", "modulus": "Pa", "modulus_error": "Pa", "indentation": "m", "force": "N",
    "offset": "m", "tilt": "1", "tilt_error": "1", "noise": "m", "r_squared": "1", "misfit": "1",
    "apparent_modulus": "Pa", "adhesion": "N",
}  # fmt: skip
SAID = {"transition": "flat"}  # what a scan of labelled curves calls a field of the tip
DEEP = 0.05  # of the indentation, the last part, which gives the apparent modulus
CLASSICAL = ("ratio of variances", "goodness of variances", "line and parabola")


def law_of(scan: xr.Dataset, options: Options) -> Law:
    """The law that the options name, or the scan. Raises ModelError where nobody does, or none is called that."""
    name = options["law"] or scan.attrs.get("law")
    known = ", ".join(n for n, law in LAWS.items() if law.proportional)
    if not name:
        raise ModelError(f"{label(scan)}: which law? Say law=NAME (on the command line --set law=NAME): {known}")
    if name not in LAWS or not LAWS[name].proportional:
        raise ModelError(f"recipe {NAME!r}: there is no law {name!r} that it can fit; there are {known}")
    return LAWS[name]


def tip_of(scan: xr.Dataset, options: Options, law: Law) -> Tip:
    """The tip, from the options and else from the scan. Raises ModelError for what the law needs and nobody says."""
    said: dict[str, Any] = {}
    for field in (f.name for f in fields(Tip)):
        value = options.get(field)
        value = scan.attrs.get(field, scan.attrs.get(SAID.get(field, field))) if value is None else value
        if value is not None:
            said[field] = float(value)
    tip = Tip(**said)
    for name in law.missing(tip):
        symbol, unit, what = SYMBOLS[name]
        raise ModelError(
            f"{label(scan)}: the law {law.name!r} needs the {name} ({symbol}), the {what}; "
            f"say {name}=NUMBER in {unit} (on the command line --set {name}=NUMBER)"
        )
    try:
        law.force(1e-9, 1.0, tip)
    except ValueError as error:
        raise ModelError(f"{label(scan)}: {error}") from error
    return tip


def rows(scan: xr.Dataset, options: Options) -> Rows:
    """Every curve, fitted; what could not be is among the faults."""
    _checked(scan)
    law = law_of(scan, options)
    tip = tip_of(scan, options, law)
    given = {k: options[k] for k in ("spring_constant", "sensitivity")}
    approach = approach_of(scan, **given)
    if approach.unit != "m":
        raise ModelError(f"{label(scan)}: {approach.no_force[0]}")
    limits = {k: options[k] for k in ("max_indentation", "max_force", "weights")}
    fit = fit_curves(approach, law, tip, contact=_contact(approach, options), **limits)
    kept = {name: getattr(fit, name) for name in UNITS if hasattr(fit, name)}
    kept["apparent_modulus"] = _deepest(approach, kept, law, tip)
    kept["adhesion"] = _adhesion(scan, approach, kept["contact"], given)
    kept["doubt"] = np.array([r if c else "" for r, c in zip(fit.reason, fit.converged, strict=True)], str)
    faults = tuple("" if c else r for r, c in zip(fit.reason, fit.converged, strict=True))
    return Rows(np.zeros((len(faults), 1, 1), np.float32), ("curve",), faults, kept)


def _contact(approach: Approach, options: Options) -> np.ndarray | None:
    """(n,) m, the contacts of the classical finder that the options name; None where they are to be fitted."""
    if options["contact"] == "fit":
        return None
    if options["contact"] not in FINDERS:
        known = ", ".join(map(repr, ("fit", *FINDERS)))
        raise ModelError(f"recipe {NAME!r}: option 'contact' is {options['contact']!r}; it is one of {known}")
    return FINDERS[options["contact"]](approach)


def _checked(scan: xr.Dataset) -> None:
    """Units by name; which of several heights is taken, `approach_of` says."""
    for port in EATS:
        if port.name in scan.data_vars and port.name == "height":
            needed(scan, port, NAME)
    if not {"height", "height_sensor", "separation"} & set(map(str, scan.data_vars)):
        needed(scan, EATS[0], NAME)


def _deepest(approach: Approach, kept: Answers, law: Law, tip: Tip) -> np.ndarray:
    """(n,) Pa, the modulus that the deepest part of a curve alone gives, from its mean depth and force."""
    depth, force = above_zero(approach, kept["contact"], kept["offset"], kept["tilt"])
    last = depth >= (1 - DEEP) * np.nanmax(np.nan_to_num(depth, nan=-np.inf), axis=1, initial=0.0)[:, None]
    n = np.maximum(last.sum(axis=1), 1)
    deep, pressed = (np.where(last, v, 0.0).sum(axis=1) / n for v in (depth, force))
    return law.modulus(np.nan_to_num(deep), pressed, tip)


def _adhesion(scan: xr.Dataset, approach: Approach, contact: np.ndarray, given: dict[str, Any]) -> np.ndarray:
    """(n,) N, how hard the retract pulled at most; NaN without a retract."""
    if "retract" not in json.loads(str(scan.attrs.get("segments", "[]"))):
        return np.full(len(contact), np.nan)
    retract = approach_of(scan, segment="retract", **given)
    found = numbers(approach, retract, contact).get("adhesion")
    return np.full(len(contact), np.nan) if found is None else found.value


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> Answers:
    return dict(rows.kept)


def example(rng: np.random.Generator, options: Options) -> Example:
    """Good curves of one session with a bead or a sharp tip, whose scan says the tip and the law."""
    drawn = force_curves(rng, options["curves"], per_session=options["curves"], faulty=0.0, setting=options["setting"])
    about = {k: float(drawn.record[k][0]) for k in ("radius", "half_angle", "thickness")}
    drawn.scan.attrs.update(about, poisson=0.5, law=str(drawn.truth["law"][0]))
    truth = {k: drawn.truth[k] for k in ("contact", "modulus")}
    return Example(drawn.scan, truth, group=f"session {rng.integers(2**62)}")


def found_by(name: str) -> Any:
    """A classical contact point with the modulus that the law gives behind it."""

    def found(scan: xr.Dataset, options: Options) -> Answers:
        approach = approach_of(scan, spring_constant=options["spring_constant"], sensitivity=options["sensitivity"])
        law = law_of(scan, options)
        contact = FINDERS[name](approach)
        return {"contact": contact, "modulus": modulus_from(approach, contact, law, tip_of(scan, options, law))}

    return found


RECIPE = Recipe(
    name=NAME,
    question="How stiff is what this force curve touched, and where did it touch?",
    kind="each",
    eats=EATS,
    gives=(*(Port(name, unit, ()) for name, unit in UNITS.items()), Port("doubt", "1", ())),
    example=example,
    rows=rows,
    build=lambda options: None,
    answer=answer,
    classical={name: found_by(name) for name in CLASSICAL},
    measures={
        "contact_error_nm median": contact_median,
        "contact_error_nm p90": contact_p90,
        "modulus_error median": modulus_median,
        "modulus_error p90": modulus_p90,
        "modulus_in_interval": modulus_within,
        "apparent_modulus_error median": apparent_median,
    },
    labelled=lambda path, options: curves_of(path, options),
    options={
        "law": "", "radius": None, "half_angle": None, "poisson": None, "transition": None, "thickness": None,
        "spring_constant": None, "sensitivity": None, "max_indentation": None, "max_force": None, "weights": "samples",
        "contact": "fit",
        "curves": 16, "setting": "cell, bead", "examples": 20,
    },
    apart=True,
    noun="curves",
)  # fmt: skip
