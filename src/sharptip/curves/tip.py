"""Contact mechanics of force curves, where somebody says what the tip is; otherwise what would have to be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from ..measure.approach import Approach
from .fitted import BAD, DOUBTFUL, GOOD, Column, Settings

GIVE_TIP = (
    "not computed: Young's modulus, since nobody says what the tip is; give --law paraboloid --radius 20e-9 (m), or "
    "--law cone --half-angle 35 (degrees)"
)


@dataclass(frozen=True)
class Found:
    """What the models say of a block of curves."""

    columns: tuple[Column, ...] = ()
    doubts: np.ndarray | None = None  # (n,) words against a fit
    bad: np.ndarray | None = None  # (n,) words against a curve

    def judged(self, verdicts: np.ndarray, reasons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The verdicts, with what the models say added to those that were good."""
        for words, verdict in ((self.bad, BAD), (self.doubts, DOUBTFUL)):
            if words is not None:
                new = (words != "") & (verdicts == GOOD)
                verdicts, reasons = np.where(new, verdict, verdicts), np.where(new, words, reasons)
        return verdicts, reasons


@dataclass(frozen=True)
class Mechanics:
    """The models that are asked about force curves."""

    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, scan: xr.Dataset, approach: Approach) -> Found:
        return Found()

    def line(
        self, columns: Mapping[str, Column], i: int, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray | None, str]:
        """The fitted force along the approach of curve i, and its name; None where no law was fitted."""
        return None, ""


def mechanics_of(settings: Settings) -> Mechanics:
    if settings.law is None and settings.radius is None and settings.half_angle is None:
        return Mechanics(missing=(GIVE_TIP,))
    return Mechanics()
