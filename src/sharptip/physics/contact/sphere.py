"""A rigid sphere, exactly: Sneddon (1965). The paraboloid is its limit for small indentations.

With u = artanh(a/R), a the contact radius: δ = R u tanh u and F = E/(1−ν²) · R² · [(1 + tanh²u) u − tanh u], which is
the usual form with ln((R + a)/(R − a)) = 2u. The depth is inverted for u by Newton's method.
"""

from __future__ import annotations

import numpy as np

from .law import Law, Numbers, Tip, known, plane_strain, smallest

DEEP = 1.0  # radii; a hemisphere on a shaft touches with no more than its hemisphere
STEPS = 6
SMALL = 0.03  # of u, below which the closed form loses digits to the series


def contact(depth: np.ndarray) -> np.ndarray:
    """u of a relative depth δ/R ≥ 0: the root of u tanh u = δ/R."""
    u = np.where(depth < 1, np.sqrt(depth) * (1 + depth / 6), depth + 0.15)
    for _ in range(STEPS):
        t = np.tanh(u)
        u = u - (u * t - depth) / np.maximum(t + u * (1 - t * t), 1e-300)
    return u


def reduced_force(u: np.ndarray) -> np.ndarray:
    """F (1−ν²) / (E R²)."""
    t = np.tanh(u)
    series = t**3 * (4 / 3 + t**2 * (8 / 15 + t**2 * (12 / 35)))
    return np.where(u < SMALL, series, (1 + t * t) * u - t)


def force(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
    radius = known(tip, "radius")
    u = contact(np.maximum(indentation, 0.0) / radius)
    return plane_strain(modulus, tip) * radius**2 * reduced_force(u)


def stiffness(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
    """2 a E/(1−ν²), as for any round tip."""
    radius = known(tip, "radius")
    return 2 * plane_strain(modulus, tip) * radius * np.tanh(contact(np.maximum(indentation, 0.0) / radius))


def doubt(indentation: float, tip: Tip) -> str:
    ratio = indentation / smallest(known(tip, "radius"))
    return "" if ratio <= DEEP else f"indented {ratio:.2g} R deep: more than a hemisphere would touch"


LAW = Law(
    name="sphere",
    equation="F = E/(1−ν²) · [(R²+a²)/2 · ln((R+a)/(R−a)) − aR], δ = a/2 · ln((R+a)/(R−a))",
    needs=("radius",),
    assumptions="elastic, isotropic, flat half-space; small strains; no friction, no adhesion; rigid tip",
    validity=f"δ ≤ {DEEP:.0f} R; δ below a tenth of the sample's thickness",
    source="Sneddon, Int. J. Eng. Sci. 3, 47 (1965)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
)
