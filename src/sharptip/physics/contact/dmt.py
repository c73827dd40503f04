"""A paraboloid that is drawn by long-ranged forces outside the contact: Derjaguin, Muller & Toporov (1975)."""

from __future__ import annotations

import numpy as np

from . import paraboloid
from .law import Law, Numbers, Tip, known


def pull_off(tip: Tip) -> Numbers:
    """2π w R in newtons."""
    return 2 * np.pi * known(tip, "work") * known(tip, "radius")


def force(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
    """Hertz' force less the pull-off force, from δ = 0 on; before, nothing."""
    touching = np.asarray(indentation) >= 0
    return np.where(touching, paraboloid.force(indentation, modulus, tip) - pull_off(tip), 0.0)


LAW = Law(
    name="dmt",
    equation="F = 4/3 · E/(1−ν²) · √R · δ^(3/2) − 2π w R",
    needs=("radius", "work"),
    assumptions="elastic, isotropic, flat half-space; small strains; no friction; "
    "adhesion acts outside the contact and deforms nothing",
    validity="stiff samples, small radii, weak adhesion: "
    "Tabor's (R w² (1−ν²)²/(E² z₀³))^(1/3) below 0.1, z₀ ≈ 0.3 nm; δ ≤ 0.5 R",
    source="Derjaguin, Muller & Toporov, J. Colloid Interface Sci. 53, 314 (1975)",
    force=force,
    stiffness=paraboloid.stiffness,
    doubt=paraboloid.doubt,
    proportional=False,
)
