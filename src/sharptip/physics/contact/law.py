"""What every law of contact says about itself, and the tip it is asked about.

A law tells the force on a tip that is pressed `indentation` metres into a half-space (or a layer) of Young's modulus
`modulus`. Indentation is counted from where the undeformed surface is met; forces are positive where they push the tip
away. Every number may be an array; numbers of curves (n, 1) meet indentations (n, samples) as numpy broadcasts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Numbers = float | np.ndarray

SYMBOLS = {  # field of a Tip → (symbol, unit, what it is)
    "radius": ("R", "m", "radius of the tip's apex, or of the sphere"),
    "half_angle": ("α", "rad", "angle between the tip's axis and its side (of a pyramid: its face)"),
    "poisson": ("ν", "1", "Poisson's ratio of the sample; 0.5 is incompressible"),
    "transition": ("b", "m", "distance from the axis at which a blunt tip's cap ends and its side begins"),
    "thickness": ("h", "m", "thickness of the layer between the tip and a rigid support"),
    "work": ("w", "J/m²", "work of adhesion"),
}


@dataclass(frozen=True)
class Tip:
    """The tip, and what must be known beforehand of what it touches; fields as in SYMBOLS, in SI units and radians.

    A field that is None is unknown; a law that needs it refuses. `poisson` is 0.5 unless said, as of tissue and gels.
    `transition` of a blunt tip is radius · cos(half_angle) unless said, a cap that the sides touch.
    """

    radius: Numbers | None = None
    half_angle: Numbers | None = None
    poisson: Numbers = 0.5
    transition: Numbers | None = None
    thickness: Numbers | None = None
    work: Numbers | None = None


@dataclass(frozen=True)
class Law:
    """One law: what it says, where it comes from, when it holds, and the numbers.

    force(indentation, modulus, tip)      → N; 0 out of contact.
    stiffness(indentation, modulus, tip)  → N/m, the derivative of the force by the indentation.
    doubt(indentation, tip)               → '' or, in words, why the law does not hold for this tip so deep.
    needs          fields of Tip without which it cannot answer.
    exponent       of the indentation, for laws that are a power of it.
    proportional   the force is `modulus` times something that the modulus is not in.
    """

    name: str
    equation: str
    needs: tuple[str, ...]
    assumptions: str
    validity: str
    source: str
    force: Callable[[Numbers, Numbers, Tip], np.ndarray]
    stiffness: Callable[[Numbers, Numbers, Tip], np.ndarray]
    doubt: Callable[[float, Tip], str]
    exponent: float | None = None
    proportional: bool = True

    def missing(self, tip: Tip) -> tuple[str, ...]:
        """The fields that this law needs and that the tip does not say."""
        return tuple(name for name in self.needs if getattr(tip, name) is None)

    def modulus(self, indentation: Numbers, force: Numbers, tip: Tip) -> np.ndarray:
        """Modulus in Pa at which `indentation` takes `force`; NaN out of contact. Only for proportional laws."""
        if not self.proportional:
            raise ValueError(f"the law {self.name!r} is not proportional to the modulus; fit it to a whole curve")
        unit = self.force(indentation, 1.0, tip)
        return np.asarray(force) / np.where(unit > 0, unit, np.nan)

    def valid(self, indentation: float, tip: Tip) -> str:
        """'' or, in words, why this law is used outside what it was made for, indentation metres deep.

        >>> from sharptip.physics.contact import LAWS, Tip
        >>> LAWS["paraboloid"].valid(2e-6, Tip(radius=1e-6))
        'indented 2 R deep; a paraboloid stands for a sphere to 0.5 R: use the law sphere'
        """
        lacks = ", ".join(self.missing(tip))
        return f"the law {self.name!r} needs {lacks}" if lacks else self.doubt(float(indentation), tip)


def known(tip: Tip, name: str) -> Numbers:
    """A field of a tip. Raises ValueError where it is None, or where it cannot be."""
    value = getattr(tip, name)
    symbol, unit, what = SYMBOLS[name]
    if value is None:
        raise ValueError(f"this law needs {name} ({symbol}, {unit}): {what}; say Tip({name}=...)")
    low, high = {"half_angle": (0, np.pi / 2), "poisson": (-1, 0.5 + 1e-12)}.get(name, (0, np.inf))
    if not np.all((np.asarray(value) > low) & (np.asarray(value) < high)):
        raise ValueError(f"{name} is {value} {unit}; {what} lies between {low:.3g} and {high:.3g}")
    return value


def plane_strain(modulus: Numbers, tip: Tip) -> Numbers:
    """E / (1 − ν²) in Pa: the modulus that a rigid tip feels."""
    return modulus / (1 - np.square(known(tip, "poisson")))


def smallest(value: Numbers) -> float:
    """The smallest of a tip's numbers."""
    return float(np.min(value))
