"""A sharp four-sided pyramid, in the two forms that the literature has; they differ by 5 %.

`pyramid` (1/√2) is the sharp limit of the blunted pyramid of Rico et al. (2005), who replace the square section by a
round one; `pyramid_bilodeau` (0.7453) is Bilodeau's variational solution for the square punch (1992). A modulus fitted
with the first is 5.4 % higher. Say which one was used.
"""

from __future__ import annotations

import numpy as np

from .cone import SHARP, doubt
from .law import Law, Numbers, Tip, known, plane_strain
from .power import power

ROUND, SQUARE = 2**-0.5, 0.7453
ASSUMPTIONS = "elastic, isotropic, flat half-space; small strains; no friction, no adhesion; rigid, sharp tip"
VALIDITY = f"δ ≥ {SHARP} R cos²α, the depth of a blunt cap; δ below a tenth of the sample's thickness"


def coefficient(modulus: Numbers, tip: Tip) -> Numbers:
    """1/√2 · E/(1 − ν²) · tan α, in N/m²."""
    return ROUND * plane_strain(modulus, tip) * np.tan(known(tip, "half_angle"))


def bilodeau(modulus: Numbers, tip: Tip) -> Numbers:
    """0.7453 · E/(1 − ν²) · tan α, in N/m²."""
    return SQUARE * plane_strain(modulus, tip) * np.tan(known(tip, "half_angle"))


force, stiffness = power(coefficient, 2)
LAW = Law(
    name="pyramid",
    equation="F = 1/√2 · E/(1−ν²) · tan α · δ²",
    needs=("half_angle",),
    assumptions=ASSUMPTIONS + "; the square section is replaced by a round one",
    validity=VALIDITY,
    source="Rico et al., Phys. Rev. E 72, 021914 (2005), without the cap",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
    exponent=2,
)

force, stiffness = power(bilodeau, 2)
BILODEAU = Law(
    name="pyramid_bilodeau",
    equation="F = 0.7453 · E/(1−ν²) · tan α · δ²",
    needs=("half_angle",),
    assumptions=ASSUMPTIONS,
    validity=VALIDITY,
    source="Bilodeau, J. Appl. Mech. 59, 519 (1992)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
    exponent=2,
)
