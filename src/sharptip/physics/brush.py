"""The force on a round tip that presses a brush of chains grafted to a surface, as the coat of a living cell."""

from __future__ import annotations

import numpy as np

KT = 4.11e-21  # J at 25 °C


def brush_force(gap: np.ndarray, length: np.ndarray, density: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Force in N between a tip of `radius` (m) and a surface with a brush, `gap` metres above it.

    F = 100 kT R N^(3/2) L exp(−2π h/L), with N the grafting density (1/m²) and L (m) the length of the relaxed brush;
    made for 0.2 < h/L < 0.9 and R much larger than L. It takes no notice of how fast the tip comes.
    Source: Butt et al., J. Microsc. 169, 75 (1993), after Alexander and de Gennes; on cells: Iyer, Gaikwad, Subba-Rao,
    Woodworth, Sokolov, Nat. Nanotechnol. 4, 389 (2009).
    """
    return 100 * KT * radius * density**1.5 * length * np.exp(-2 * np.pi * np.asarray(gap) / length)


def brush_gap(force: np.ndarray, length: np.ndarray, density: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """The gap in m at which the brush bears `force` (N): never more than `length`, and 0 where it is pressed flat."""
    with np.errstate(divide="ignore"):
        gap = -length / (2 * np.pi) * np.log(np.asarray(force) / brush_force(np.zeros(1), length, density, radius))
    return np.clip(gap, 0, length)
