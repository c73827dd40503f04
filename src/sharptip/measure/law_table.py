"""A law of contact for the tips of many curves; looked up instead of solved where each number would take a root."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from ..physics.contact import Law, Tip

NODES = 2048


class Shape(Protocol):
    """δ (n, samples) m → force per modulus (m²) and its slope (m); `take` is the same for some of the n curves."""

    def __call__(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def take(self, rows: np.ndarray) -> Shape: ...


def tip_of(tip: Tip, rows: slice | np.ndarray) -> Tip:
    """A tip with numbers for each curve (n, 1), for some of the curves."""
    values = {f.name: getattr(tip, f.name) for f in fields(tip)}
    return Tip(**{name: v[rows] if np.ndim(v) else v for name, v in values.items()})


def shape_of(law: Law, tip: Tip, deepest: float) -> Shape:
    """The law's shape to a depth of `deepest` metres: tabulated, unless it is a power or the curves' tips differ."""
    differ = any(np.ndim(getattr(tip, f.name)) for f in fields(tip))
    return Solved(law, tip) if law.exponent is not None or differ else Table(law, tip, deepest)


@dataclass(frozen=True)
class Solved:
    law: Law
    tip: Tip

    def __call__(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.law.force(depth, 1.0, self.tip), self.law.stiffness(depth, 1.0, self.tip)

    def take(self, rows: np.ndarray) -> Shape:
        return Solved(self.law, tip_of(self.tip, rows))


class Table:
    """Cubic Hermite interpolation over t = √δ, from values and slopes; beyond the end a straight line in δ."""

    def __init__(self, law: Law, tip: Tip, deepest: float) -> None:
        self.step = np.sqrt(deepest) / (NODES - 2)
        t = self.step * np.arange(NODES)
        self.value, self.slope = law.force(t * t, 1.0, tip), law.stiffness(t * t, 1.0, tip)
        rise, a = self.slope * 2 * t * self.step, np.diff(self.value)
        self.terms = rise[:-1], 3 * a - 2 * rise[:-1] - rise[1:], rise[:-1] + rise[1:] - 2 * a
        self.end = t[-1] ** 2

    def __call__(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = np.sqrt(np.maximum(depth, 0.0)) / self.step
        i = np.minimum(place, NODES - 2).astype(np.int64)
        u = np.minimum(place - i, 1.0)
        first, second, third = (c[i] for c in self.terms)
        slope = self.slope[i] + u * (self.slope[i + 1] - self.slope[i])
        force = self.value[i] + u * (first + u * (second + u * third))
        return force + slope * np.maximum(depth - self.end, 0.0), slope

    def take(self, rows: np.ndarray) -> Shape:
        return self
