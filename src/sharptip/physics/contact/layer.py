"""A layer of thickness h on a rigid support: the half-space's force times a polynomial in how far the tip feels down.

Dimitriadis et al. (2002) give it for a paraboloid and any Poisson ratio, the layer bonded to the support or free to
slip; Garcia & Garcia (2018) for ν = 0.5, bonded, paraboloid and cone. They differ, and an exact solution of the same
problem (the Fredholm equation of Lebedev & Ufliand 1958, solved in the tests) sides with the latter: at
χ = √(Rδ)/h = 0.35 the bonded polynomial of Dimitriadis is 4 % too low, at 0.6 it is 11 % too low; Garcia's is right to
0.2 % and 2 %. The free one is 5 % too high at 0.35.
The factor of χ⁴ is taken with the sign it is printed with at ν = 0.5; the printed general form gives the other one,
which is further from the exact solution at any ν.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import cone, paraboloid
from .law import Law, Numbers, Tip, known

PARABOLOID = (1.133, 1.497, 1.469, 0.755)  # Garcia & Garcia, of χ, χ², χ³, χ⁴
CONE = (0.721, 0.650, 0.491, 0.225)  # of x = δ tan α / h
THIN = 0.6  # χ or x up to which the polynomials are kept to
INCOMPRESSIBLE = 0.5
ASSUMPTIONS = "elastic, isotropic layer; small strains; no friction, no adhesion at the tip; rigid tip; rigid support"


def bonded(tip: Tip) -> tuple[Numbers, Numbers]:
    """α₀ and β₀ of Dimitriadis et al. for a layer that sticks to its support."""
    nu = known(tip, "poisson")
    alpha = -(1.2876 - 1.4678 * nu + 1.3442 * nu**2) / (1 - nu)
    return alpha, (0.6387 - 1.0277 * nu + 1.5164 * nu**2) / (1 - nu)


def free(tip: Tip) -> tuple[Numbers, Numbers]:
    """α₀ and β₀ of Dimitriadis et al. for a layer that slips on its support."""
    nu = known(tip, "poisson")
    return -0.347 * (3 - 2 * nu) / (1 - nu), 0.056 * (5 - 2 * nu) / (1 - nu)


def dimitriadis(constants: Callable[[Tip], tuple[Numbers, Numbers]]) -> Callable[[Tip], tuple[Numbers, ...]]:
    """The four factors of χ, χ², χ³, χ⁴."""

    def factors(tip: Tip) -> tuple[Numbers, ...]:
        a, b = constants(tip)
        third = -8 / np.pi**3 * (a**3 + 4 * np.pi**2 / 15 * b)
        return -2 * a / np.pi, 4 * a * a / np.pi**2, third, np.abs(16 * a / np.pi**4 * (a**3 + 3 * np.pi**2 / 5 * b))

    return factors


def constant(factors: tuple[float, ...]) -> Callable[[Tip], tuple[Numbers, ...]]:
    def same(tip: Tip) -> tuple[Numbers, ...]:
        return factors

    return same


def on_paraboloid(factors: Callable[[Tip], tuple[Numbers, ...]]) -> tuple[Callable, Callable]:
    """Force and stiffness of a paraboloid: Hertz' times 1 + Σ factorₙ χⁿ."""

    def force(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
        chi = reach(indentation, tip)
        series = sum(c * chi ** (n + 1) for n, c in enumerate(factors(tip)))
        return paraboloid.force(indentation, modulus, tip) * (1 + series)

    def stiffness(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
        chi = reach(indentation, tip)
        series = sum(c * (1 + (n + 1) / 3) * chi ** (n + 1) for n, c in enumerate(factors(tip)))
        return paraboloid.stiffness(indentation, modulus, tip) * (1 + series)

    return force, stiffness


def reach(indentation: Numbers, tip: Tip) -> np.ndarray:
    """χ = √(Rδ)/h."""
    return np.sqrt(known(tip, "radius") * np.maximum(indentation, 0.0)) / known(tip, "thickness")


def cone_force(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
    x = cone_reach(indentation, tip)
    return cone.force(indentation, modulus, tip) * (1 + sum(c * x ** (n + 1) for n, c in enumerate(CONE)))


def cone_stiffness(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
    x = cone_reach(indentation, tip)
    series = sum(c * (1 + (n + 1) / 2) * x ** (n + 1) for n, c in enumerate(CONE))
    return cone.stiffness(indentation, modulus, tip) * (1 + series)


def cone_reach(indentation: Numbers, tip: Tip) -> np.ndarray:
    """δ tan α / h."""
    return np.maximum(indentation, 0.0) * np.tan(known(tip, "half_angle")) / known(tip, "thickness")


def thin(ratio: float, tip: Tip, incompressible: bool) -> str:
    """Doubts about a layer felt too well, or of a Poisson ratio that the numbers are not for."""
    if incompressible and not np.allclose(known(tip, "poisson"), INCOMPRESSIBLE, atol=0.01):
        return f"Poisson's ratio is {np.min(tip.poisson):.2g}; this law is for an incompressible layer, 0.5"
    if ratio <= THIN:
        return ""
    return f"the contact is {ratio:.2g} layers wide; the series holds to {THIN}: indent less"


def doubt(indentation: float, tip: Tip) -> str:
    shallow = paraboloid.doubt(indentation, tip).replace(": use the law sphere", "")
    return thin(float(np.max(reach(indentation, tip))), tip, False) or shallow


def doubt_incompressible(indentation: float, tip: Tip) -> str:
    return thin(float(np.max(reach(indentation, tip))), tip, True) or doubt(indentation, tip)


def doubt_cone(indentation: float, tip: Tip) -> str:
    return thin(float(np.max(cone_reach(indentation, tip))), tip, True) or cone.doubt(indentation, tip)


force, stiffness = on_paraboloid(dimitriadis(bonded))
BONDED = Law(
    name="layer_bonded",
    equation="F = paraboloid · [1 − (2α₀/π)χ + (4α₀²/π²)χ² − (8/π³)(α₀³+4π²β₀/15)χ³ + |(16α₀/π⁴)(α₀³+3π²β₀/5)|χ⁴], "
    "χ = √(Rδ)/h, α₀ = −(1.2876−1.4678ν+1.3442ν²)/(1−ν), β₀ = (0.6387−1.0277ν+1.5164ν²)/(1−ν)",
    needs=("radius", "thickness"),
    assumptions=ASSUMPTIONS + "; the layer sticks to it",
    validity=f"χ ≤ {THIN}, where it is 11 % low; to 1 % for χ ≤ 0.2; δ ≤ {paraboloid.DEEP} R",
    source="Dimitriadis et al., Biophys. J. 82, 2798 (2002)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
)

force, stiffness = on_paraboloid(dimitriadis(free))
FREE = Law(
    name="layer_free",
    equation="as layer_bonded with α₀ = −0.347 (3−2ν)/(1−ν), β₀ = 0.056 (5−2ν)/(1−ν)",
    needs=("radius", "thickness"),
    assumptions=ASSUMPTIONS + "; the layer slips on it",
    validity=f"χ ≤ {THIN}; 3 % high at χ = 0.2, 5 % at 0.35 (ν = 0.5); δ ≤ {paraboloid.DEEP} R",
    source="Dimitriadis et al., Biophys. J. 82, 2798 (2002)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
)

force, stiffness = on_paraboloid(constant(PARABOLOID))
PARABOLOID_LAYER = Law(
    name="layer_paraboloid",
    equation="F = paraboloid · (1 + 1.133χ + 1.497χ² + 1.469χ³ + 0.755χ⁴), χ = √(Rδ)/h",
    needs=("radius", "thickness"),
    assumptions=ASSUMPTIONS + "; the layer sticks to it and is incompressible",
    validity=f"ν = 0.5; χ ≤ {THIN}, where it is 2 % high; δ ≤ {paraboloid.DEEP} R",
    source="Garcia & Garcia, Biophys. J. 114, 2923 (2018)",
    force=force,
    stiffness=stiffness,
    doubt=doubt_incompressible,
)

CONE_LAYER = Law(
    name="layer_cone",
    equation="F = cone · (1 + 0.721x + 0.650x² + 0.491x³ + 0.225x⁴), x = δ tan α / h",
    needs=("half_angle", "thickness"),
    assumptions=ASSUMPTIONS + "; the layer sticks to it and is incompressible",
    validity=f"ν = 0.5; x ≤ {THIN}; δ ≥ {cone.SHARP} R cos²α, the depth of a blunt cap",
    source="Garcia & Garcia, Biophys. J. 114, 2923 (2018)",
    force=cone_force,
    stiffness=cone_stiffness,
    doubt=doubt_cone,
)
