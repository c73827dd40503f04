"""A cone or four-sided pyramid with a blunt apex: a paraboloid of radius R up to b from the axis, sides beyond.

Sneddon's integrals of this profile (Briscoe et al. 1994), with a the contact radius, s = √(a² − b²),
φ = π/2 − arcsin(b/a) = arctan(s/b), and c the slope of the sides:

    δ = a (a − s)/R + c a φ
    F = 2 E/(1−ν²) · { [2a³ − s (2a² + b²)] / (3R) + c (a² φ + b s)/2 }

For a cone c = cot α; for the pyramid Rico et al. put c = 2√2/π · cot α. As long as a ≤ b the tip is a paraboloid.
Depth is inverted for s by Newton's method, which converges from above.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import paraboloid
from .law import Law, Numbers, Tip, known, plane_strain

STEPS = 12
PYRAMID = 2 * 2**0.5 / np.pi
ASSUMPTIONS = "elastic, isotropic, flat half-space; small strains; no friction, no adhesion; rigid tip; a parabolic cap"
VALIDITY = "δ below a tenth of the sample's thickness; b ≤ cR, or the profile would be hollow"


def rim(tip: Tip, c: Numbers) -> Numbers:
    """b in metres: where the cap ends; unless the tip says, R cos α, or where the cap is as steep as the sides."""
    if tip.transition is not None:
        return known(tip, "transition")
    return known(tip, "radius") * np.minimum(np.cos(known(tip, "half_angle")), c)


def depth_and_slope(s: np.ndarray, b: Numbers, radius: Numbers, c: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """δ at s = √(a² − b²), and dδ/ds."""
    a = np.hypot(s, b)
    phi = np.arctan2(s, b)
    slope = 2 * s / radius - (a * a + s * s) / (radius * a) + c * (s * phi + b) / a
    return a * (a - s) / radius + c * a * phi, slope


def sides(indentation: np.ndarray, b: Numbers, radius: Numbers, c: Numbers) -> np.ndarray:
    """s in metres for indentations ≥ b²/R."""
    s = np.maximum(2 / (np.pi * c) * (indentation + b * c), 1e-6 * b)  # a little above the asymptote of large depths
    for _ in range(STEPS):
        depth, slope = depth_and_slope(s, b, radius, c)
        s = np.maximum(s - (depth - indentation) / slope, 0.1 * s)
    return s


def blunted(steepness: float) -> tuple[Callable, Callable, Callable]:
    """Force, stiffness and doubt of a blunt tip whose sides are `steepness` times as steep as a cone's."""

    def shape(tip: Tip) -> tuple[Numbers, Numbers, Numbers]:
        c = steepness / np.tan(known(tip, "half_angle"))
        return rim(tip, c), known(tip, "radius"), c

    def force(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
        b, radius, c = shape(tip)
        s = sides(np.maximum(indentation, b * b / radius), b, radius, c)
        a2 = s * s + b * b
        cap = (2 * a2 * np.sqrt(a2) - s * (2 * a2 + b * b)) / (3 * radius)
        side = c * (a2 * np.arctan2(s, b) + b * s) / 2
        deep = 2 * plane_strain(modulus, tip) * (cap + side)
        return np.where(np.asarray(indentation) > b * b / radius, deep, paraboloid.force(indentation, modulus, tip))

    def stiffness(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
        b, radius, c = shape(tip)
        s = sides(np.maximum(indentation, b * b / radius), b, radius, c)
        deep = 2 * plane_strain(modulus, tip) * np.hypot(s, b)
        shallow = paraboloid.stiffness(indentation, modulus, tip)
        return np.where(np.asarray(indentation) > b * b / radius, deep, shallow)

    def doubt(indentation: float, tip: Tip) -> str:
        b, radius, c = shape(tip)
        if np.all(b <= radius * c * (1 + 1e-9)):
            return ""
        where = f"the cap ends {np.max(b):.3g} m from the axis, where it is steeper than the sides"
        return f"{where}: say a transition of at most {np.min(radius * c):.3g} m"

    return force, stiffness, doubt


force, stiffness, doubt = blunted(1.0)
CONE = Law(
    name="blunted_cone",
    equation="F = 2E/(1−ν²) · {[2a³ − s(2a²+b²)]/(3R) + c(a²φ + bs)/2}, δ = a(a−s)/R + caφ, "
    "s = √(a²−b²), φ = arctan(s/b), c = cot α",
    needs=("radius", "half_angle"),
    assumptions=ASSUMPTIONS,
    validity=VALIDITY,
    source="Briscoe, Sebastian & Adams, J. Phys. D 27, 1156 (1994)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
)

force, stiffness, doubt = blunted(PYRAMID)
PYRAMIDAL = Law(
    name="blunted_pyramid",
    equation="as blunted_cone with c = 2√2/π · cot α",
    needs=("radius", "half_angle"),
    assumptions=ASSUMPTIONS + "; the square section is replaced by a round one",
    validity=VALIDITY,
    source="Rico et al., Phys. Rev. E 72, 021914 (2005)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
)
