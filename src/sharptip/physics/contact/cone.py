"""A sharp cone: Sneddon (1965)."""

from __future__ import annotations

import numpy as np

from .law import Law, Numbers, Tip, known, plane_strain
from .power import power

SHARP = 10  # cap depths b²/R beyond which it hardly matters that a tip is blunt


def coefficient(modulus: Numbers, tip: Tip) -> Numbers:
    """2/π · E/(1 − ν²) · tan α, in N/m²."""
    return 2 / np.pi * plane_strain(modulus, tip) * np.tan(known(tip, "half_angle"))


def doubt(indentation: float, tip: Tip) -> str:
    """A tip whose radius is known is no sharp one as long as its cap does much of the touching."""
    if tip.radius is None or not np.max(tip.radius) > 0:
        return ""
    cap = float(np.max(tip.radius * np.cos(known(tip, "half_angle")) ** 2))
    if indentation >= SHARP * cap:
        return ""
    depth = f"indented {indentation * 1e9:.3g} nm, {indentation / cap:.2g} times the depth of the blunt cap"
    return f"{depth}; a tip is sharp from {SHARP} times on: use the law blunted_cone or blunted_pyramid"


force, stiffness = power(coefficient, 2)
LAW = Law(
    name="cone",
    equation="F = 2/π · E/(1−ν²) · tan α · δ²",
    needs=("half_angle",),
    assumptions="elastic, isotropic, flat half-space; small strains; no friction, no adhesion; rigid, sharp tip",
    validity=f"δ ≥ {SHARP} R cos²α, the depth of a blunt cap; δ below a tenth of the sample's thickness",
    source="Sneddon, Int. J. Eng. Sci. 3, 47 (1965)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
    exponent=2,
)
