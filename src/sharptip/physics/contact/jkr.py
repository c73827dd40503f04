"""A paraboloid that sticks, short-ranged forces: Johnson, Kendall & Roberts (1971).

In units of a₀ = (2π w R² (1−ν²)/E)^(1/3), with x = a/a₀: δ = a₀²/R · (x² − √x) and F = 2π w R · (4/3 x³ − 2 x^(3/2)).
The pull-off force −1.5 π w R is at x^(3/2) = 3/4; held by its displacement, the contact breaks where dδ/dx = 0, at
x^(3/2) = 1/4. Depth is inverted for x by Newton's method. In contact the indentation may be negative: a neck.

`force` follows the retract: contact as far as the neck holds. On the approach the tip touches at δ = 0, not before.
"""

from __future__ import annotations

import numpy as np

from .law import Law, Numbers, Tip, known, plane_strain
from .paraboloid import doubt

BREAKS = 0.25 ** (2 / 3)  # x where the neck breaks
DEEPEST_NECK = BREAKS**0.5 - BREAKS**2  # −δ R / a₀² there
STEPS = 8


def scales(modulus: Numbers, tip: Tip) -> tuple[Numbers, Numbers, Numbers]:
    """a₀ (m), a₀²/R (m) and 2π w R (N)."""
    radius, work = known(tip, "radius"), known(tip, "work")
    touch = (2 * np.pi * work * radius**2 / plane_strain(modulus, tip)) ** (1 / 3)
    return touch, touch**2 / radius, 2 * np.pi * work * radius


def contact(depth: np.ndarray) -> np.ndarray:
    """x ≥ BREAKS of a relative depth δR/a₀² ≥ −DEEPEST_NECK: the larger root of x² − √x = depth."""
    beyond = np.maximum(depth + DEEPEST_NECK, 0.0)
    x = BREAKS + np.sqrt(beyond * 2 / 3) + 1e-12  # above the root, from where Newton's steps fall to it
    x = np.maximum(x, np.sqrt(np.maximum(depth, 0.0)) + 0.1)
    for _ in range(STEPS):
        x = np.maximum(x - (x * x - np.sqrt(x) - depth) / (2 * x - 0.5 / np.sqrt(x)), BREAKS + 1e-12)
    return x


def relative(indentation: Numbers, modulus: Numbers, tip: Tip) -> tuple[np.ndarray, np.ndarray, Numbers, Numbers]:
    """x, whether in contact, a₀ and 2π w R."""
    touch, depth, pull = scales(modulus, tip)
    ratio = np.asarray(indentation) / depth
    return contact(np.maximum(ratio, -DEEPEST_NECK)), ratio >= -DEEPEST_NECK, touch, pull


def force(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
    x, touching, _, pull = relative(indentation, modulus, tip)
    return np.where(touching, pull * (4 / 3 * x**3 - 2 * x**1.5), 0.0)


def stiffness(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
    x, touching, touch, _ = relative(indentation, modulus, tip)
    unit = plane_strain(modulus, tip) * touch
    return np.where(touching, unit * (4 * x**2 - 3 * np.sqrt(x)) / (2 * x - 0.5 / np.sqrt(x)), 0.0)


def pull_off(tip: Tip) -> Numbers:
    """1.5 π w R in newtons."""
    return 1.5 * np.pi * known(tip, "work") * known(tip, "radius")


LAW = Law(
    name="jkr",
    equation="F = 4/3 · E/(1−ν²) · a³/R − √(8π w a³ E/(1−ν²)), δ = a²/R − √(2π w a (1−ν²)/E)",
    needs=("radius", "work"),
    assumptions="elastic, isotropic, flat half-space; small strains; no friction; "
    "adhesion of no range, inside the contact",
    validity="soft samples, large radii, strong adhesion: "
    "Tabor's (R w² (1−ν²)²/(E² z₀³))^(1/3) above 5, z₀ ≈ 0.3 nm; δ ≤ 0.5 R",
    source="Johnson, Kendall & Roberts, Proc. R. Soc. A 324, 301 (1971)",
    force=force,
    stiffness=stiffness,
    doubt=doubt,
    proportional=False,
)
