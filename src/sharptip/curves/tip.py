"""What trained models and contact mechanics say of force curves; a law is fitted only where the tip is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ..core.errors import ModelError
from ..measure.approach import Approach
from ..physics.contact import LAWS, Law, Tip
from .fitted import BAD, DOUBTFUL, Column, Settings, columns_of, faults_of

if TYPE_CHECKING:
    from ..fit.model import Model

RATER, FITTER = "rate_curves", "fit_curves"  # recipes: the rating with its artefacts and contact; contact mechanics
FITTED = ("modulus", "apparent_modulus", "r_squared", "misfit")  # of the fitter's answers, those that go in the table
MISFIT = 5.0  # residuals over noise from which a law does not describe a curve; on living cells 4 to 13 are usual
_GIVE = {
    "radius": "--radius 20e-9 (m)", "half_angle": "--half-angle 35 (degrees)", "thickness": "--thickness 2e-6 (m)",
}  # fmt: skip
GIVE_TIP = "not computed: Young's modulus, since nobody says what the tip is; give a law and the tip: " + " or ".join(
    ("--law paraboloid --radius 20e-9 (m)", "--law cone --half-angle 35 (degrees)")
)


@dataclass(frozen=True)
class Found:
    """What the models say of a block of n curves."""

    contacts: tuple[Column, ...] = ()  # the one to be believed first, first
    columns: tuple[Column, ...] = ()
    bad: np.ndarray | None = None  # (n,) words against a curve, '' for none
    doubts: np.ndarray | None = None


@dataclass(frozen=True)
class Mechanics:
    """The models that are asked about force curves, and the law and tip that the fit rests on."""

    rater: Model | None = None
    fitter: Model | None = None
    law: Law | None = None
    tip: Tip = field(default_factory=Tip)
    missing: tuple[str, ...] = ()

    @property
    def made_by(self) -> dict[str, Any]:
        """For the record: which models were asked, and what they were told."""
        asked = {m.recipe.name: m for m in (self.rater, self.fitter) if m is not None}
        told: dict[str, Any] = {name: _card(m) for name, m in asked.items()}
        if self.law is not None:
            told["law"] = {"name": self.law.name, "equation": self.law.equation, "source": self.law.source,
                           **{k: v for k, v in vars(self.tip).items() if v is not None}}  # fmt: skip
        return told

    def ask(self, approach: Approach, history: str) -> Found:
        """What the models say of these curves."""
        scan = as_scan(approach, history)
        rated = None if self.rater is None else self.rater.predict(scan)
        fitted = None if self.fitter is None or any(approach.no_force) else self.fitter.predict(scan)
        contacts, columns, bad, doubts = [], list[Column](), None, None
        if fitted is not None:
            mine = {c.name: c for c in columns_of(fitted, ("curve",))}
            contacts.append(mine["contact"])
            columns += [mine[name] for name in FITTED]
            doubts = _doubts(fitted, len(approach))
        if rated is not None:
            mine = {c.name: c for c in columns_of(rated, ("curve",), leave=("verdict",))}
            contacts.append(mine.pop("contact"))
            columns += [*mine.values(), _artefact(rated)]
            against = _words(rated, bool(self.rater and self.rater.card.get("real")))
            bad, doubts = against[BAD], _first((doubts, against[DOUBTFUL]))
        return Found(tuple(contacts), tuple(columns), bad, doubts)

    def line(
        self, columns: Mapping[str, Column], i: int, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray | None, str]:
        """The law's force (N) along the heights x (m) of curve i whose force is y (N); None where none was fitted."""
        if self.law is None or "modulus" not in columns or not np.isfinite(columns["modulus"].values[i]):
            return None, ""
        k, contact = columns["spring_constant"].values[i], columns["contact"].values[i]
        depth = np.maximum(contact - x - y / k, 0.0)
        return np.asarray(self.law.force(depth, columns["modulus"].values[i], self.tip)), f"{self.law.name}, fitted"


def mechanics_of(settings: Settings) -> Mechanics:
    """The models to ask. Raises ModelError for a law that is not there or that is not told enough of the tip."""
    rater = _rater(settings.model)
    said = (settings.law, settings.radius, settings.half_angle, settings.thickness)
    if all(v is None for v in said):
        return Mechanics(rater, missing=(GIVE_TIP,))
    law, tip = _law(settings), _tip(settings)
    from ..fit.model import Model

    given = {k: v for k, v in vars(tip).items() if v is not None}
    return Mechanics(rater, Model(FITTER, law=law.name, **given), law, tip)


def as_scan(approach: Approach, history: str) -> xr.Dataset:
    """Approaches as a scan (curve, sample) of their own, with what was said by hand already in their numbers."""
    both, unit = ("curve", "sample"), approach.unit
    signal = {"N": "force", "A": "deflection_signal"}.get(unit, "deflection")
    scan = xr.Dataset(
        {
            "height": (both, approach.height, {"units": "m"}),
            signal: (both, approach.deflection, {"units": unit}),
            "spring_constant": ("curve", approach.spring_constant, {"units": "N/m"}),
        },
        {"curve": ("curve", np.arange(len(approach)), {"units": "1"})},
        {"history": history},
    )
    return scan.assign_coords(sample=("sample", np.arange(approach.height.shape[1]), {"units": "1"}))


def _rater(file: str | None) -> Model:
    """The model that rates: the one that was named, or the one that ships."""
    from ..fit.model import Model

    model = Model.trained(RATER) if file is None else Model.load(file)
    if model.recipe.name != RATER:
        raise ModelError(f"{file}: answers {model.recipe.name!r}; force curves are rated by a model of {RATER!r}")
    return model


def _law(settings: Settings) -> Law:
    known = [name for name, law in LAWS.items() if law.proportional]
    if settings.law is None:
        raise ModelError(f"a tip was told and no law; give --law, one of {', '.join(known)}")
    if settings.law.lower() in ("hertz", "sneddon"):
        raise ModelError(
            f"--law {settings.law} may mean several; 'paraboloid' is Hertz's, 'cone' and 'sphere' Sneddon's"
        )
    if settings.law not in known:
        raise ModelError(f"no law of contact that is fitted is called {settings.law!r}; there are {', '.join(known)}")
    law = LAWS[settings.law]
    if lacks := law.missing(_tip(settings)):
        raise ModelError(f"the law {law.name!r} needs the tip's {' and '.join(lacks)}; give " + " and ".join(
            _GIVE.get(name, f"--{name.replace('_', '-')}") for name in lacks))  # fmt: skip
    return law


def _tip(settings: Settings) -> Tip:
    """The tip that was told. Raises ModelError for numbers that no tip has."""
    r, angle, poisson = settings.radius, settings.half_angle, settings.poisson
    if r is not None and not 1e-10 <= r <= 1e-2:
        raise ModelError(f"radius={r:g} cannot be in m; 1e-10 to 1e-2 is possible: give m, as --radius 20e-9")
    if angle is not None and not 0 < angle < math.pi / 2:
        raise ModelError(
            f"half_angle={math.degrees(angle):g}° lies not between 0° and 90°; give degrees: --half-angle 35"
        )
    if poisson is not None and not -1 < poisson <= 0.5:
        raise ModelError(f"poisson={poisson:g} lies not between −1 and 0.5; give --poisson 0.5")
    if settings.thickness is not None and not 1e-9 <= settings.thickness <= 1e-2:
        raise ModelError(
            f"thickness={settings.thickness:g} cannot be in m; 1e-9 to 1e-2 is possible: give m, as --thickness 2e-6"
        )
    more = {} if poisson is None else {"poisson": poisson}
    return Tip(radius=r, half_angle=angle, thickness=settings.thickness, **more)


def _doubts(fitted: xr.Dataset, n: int) -> np.ndarray:
    """(n,) words against each fit."""
    faults, misfit = faults_of(fitted, n), fitted["misfit"].values
    said = fitted["doubt"].values.astype(str).astype(object)
    for i in np.flatnonzero((misfit > MISFIT) & (said == "")):
        said[i] = f"the law does not describe it: residuals of {misfit[i]:.1f} times what the noise explains"
    return np.where(faults != "", np.char.add("no modulus: ", faults.astype(str)).astype(object), said)


def _artefact(rated: xr.Dataset) -> Column:
    """The likeliest artefact of each curve in words, '' where none is likelier than not."""
    chance = rated["artefact"].transpose("curve", "label").fillna(0.0)
    names = chance["label"].values[chance.values.argmax(axis=1)]
    return Column("artefact", "1", np.where(chance.values.max(axis=1) >= 0.5, names, "").astype(object))


def _first(told: tuple[np.ndarray | None, np.ndarray]) -> np.ndarray:
    """(n,) the first of several words for each curve that says anything."""
    first, second = told
    return second if first is None else np.where(first == "", second, first)


def _words(rated: xr.Dataset, real: bool) -> dict[str, np.ndarray]:
    """(n,) what the rater says against curves that are bad, and doubtful, '' for the others.

    What has learned from simulated curves alone knows what is wrong with a curve, not what people put up with: it calls
    none of them bad.
    """
    said, kept = rated["verdict"].values.astype(str), rated["accept"].values
    verdicts = np.array([v.split(":")[0] for v in said], object)
    if not real:
        verdicts[verdicts == BAD] = DOUBTFUL
    words = np.array([_why(v, p, real) for v, p in zip(said, kept, strict=True)], object)
    return {verdict: np.where(verdicts == verdict, words, "") for verdict in (BAD, DOUBTFUL)}


def _why(verdict: str, kept: float, real: bool) -> str:
    """'bad: no_contact' and the probability that such a curve is kept, in words."""
    _, _, kind = verdict.partition(": ")
    judge = "people" if real else "a model of simulated curves"
    chance = f"{judge} would keep it with a probability {_share(kept)}" if np.isfinite(kept) else "not worth keeping"
    return f"it looks like {kind.replace('_', ' ')}; {chance}" if kind else chance


def _share(p: float) -> str:
    """
    >>> _share(0.02), _share(0.0004)
    ('of 2%', 'below 1%')
    """
    return "below 1%" if p < 0.01 else f"of {p:.0%}"


def _card(model: Model) -> dict[str, Any]:
    """What a record needs of a model; nothing of one that learns nothing."""
    return {k: model.card[k] for k in ("real", "n_examples", "seed") if k in model.card}
