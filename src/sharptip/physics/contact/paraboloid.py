"""A paraboloid, which stands for a sphere that is not pressed in deep: Hertz (1881), as Sneddon derives it (1965)."""

from __future__ import annotations

import numpy as np

from .law import Law, Numbers, Tip, known, plane_strain, smallest
from .power import power

DEEP = 0.5  # radii: there a sphere's force is 5 % below the paraboloid's


def coefficient(modulus: Numbers, tip: Tip) -> Numbers:
    """4/3 · E/(1 − ν²) · √R, in N/m^1.5."""
    return 4 / 3 * plane_strain(modulus, tip) * np.sqrt(known(tip, "radius"))


def doubt(indentation: float, tip: Tip) -> str:
    ratio = indentation / smallest(known(tip, "radius"))
    if ratio <= DEEP:
        return ""
    return f"indented {ratio:.2g} R deep; a paraboloid stands for a sphere to {DEEP} R: use the law sphere"


force, stiffness = power(coefficient, 1.5)
LAW = Law(
    name="paraboloid",
    equation="F = 4/3 · E/(1−ν²) · √R · δ^(3/2)",
    needs=("radius",),
    assumptions="elastic, isotropic, flat half-space; small strains; no friction, no adhesion; rigid tip",
    validity=f"δ ≤ {DEEP} R where it stands for a sphere; δ below a tenth of the sample's thickness",
    source="Hertz, J. reine angew. Math. 92, 156 (1881); Sneddon, Int. J. Eng. Sci. 3, 47 (1965)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
    exponent=1.5,
)
