"""How the signal of magnetic force microscopy falls with the lift height.

    Δφ(z) = −(Q / k) · ∂F/∂z,   Δf(z) = −(f₀ / 2k) · ∂F/∂z,   ∂F/∂z ∝ (z + δ)^−n

z (m) is the lift height, δ (m) how far the moments of tip and sample lie behind the surfaces, n = 5 for a point dipole
in the tip above a point dipole in the sample, n = 4 for a tip that acts as a single pole. Q, k (N/m), f₀ (Hz): of the
cantilever.

Assumes gradients that are small against k/Q, so that phase (rad) is proportional to them, sizes small against z + δ,
and moments that the stray field does not turn. Domains of a period λ fall as exp(−2πz/λ) instead and are none of this.
Source: Hartmann, Annu. Rev. Mater. Sci. 29, 53 (1999); Lohau, Kirsch, Carl, Dumpich & Wassermann, J. Appl. Phys. 86,
3410 (1999), for the two moments of a tip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

ORDERS = {"monopole": 4, "dipole": 5}  # of the tip, above a dipole


def magnetic_decay(lift: ArrayLike, contact: ArrayLike, depth: ArrayLike, offset: ArrayLike, order: int) -> np.ndarray:
    """Signal at each lift height (m): `offset` + `contact` · (depth / (lift + depth))^order, `contact` being the
    magnetic part at lift 0, in the unit of the signal.

    >>> float(magnetic_decay(10e-9, contact=32.0, depth=10e-9, offset=1.0, order=5))
    2.0
    """
    depth = np.asarray(depth)
    return np.asarray(offset) + np.asarray(contact) * (depth / (np.asarray(lift) + depth)) ** order


def force_gradient(phase: np.ndarray, quality: float, spring_constant: float) -> np.ndarray:
    """∂F/∂z (N/m) of a small phase shift (rad) at the resonance of a cantilever.

    >>> round(float(force_gradient(-0.1, quality=200, spring_constant=3.0)), 6)
    0.0015
    """
    return -spring_constant / quality * np.asarray(phase)
