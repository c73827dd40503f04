"""Kelvin parabola: how the frequency of a cantilever falls with the bias between tip and sample.

    Δf(V) = c − a · (V − V_CPD)²,   a = f₀ / (4 k) · ∂²C/∂z²

V (V) is the bias, V_CPD (V) the contact potential difference, at which the electrostatic force is least, a (Hz/V²) the
curvature, c (Hz) the greatest frequency shift: all that is not electrostatic. f₀ (Hz), k (N/m): of the cantilever;
C (F): of tip and sample; z (m): their distance.

Assumes that the force is that of a capacitor, F = ½ ∂C/∂z · (V − V_CPD)², that the sweep charges and moves nothing, and
amplitudes small against the decay of the force; a is above 0 then. One V_CPD stands for the whole tip: it is the
mean over patches, weighted by their share of ∂²C/∂z². Source: Nonnenmacher, O'Boyle & Wickramasinghe, Appl. Phys.
Lett. 58, 2921 (1991); Albrecht, Grütter, Horne & Rugar, J. Appl. Phys. 69, 668 (1991), for Δf.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def kelvin_parabola(bias: ArrayLike, potential: ArrayLike, curvature: ArrayLike, maximum: ArrayLike) -> np.ndarray:
    """Frequency shift (Hz) at each bias (V); potential (V), curvature (Hz/V²) and maximum (Hz) broadcast against it.

    >>> float(kelvin_parabola(1.3, potential=0.3, curvature=2.0, maximum=-5.0))
    -7.0
    """
    return np.asarray(maximum) - np.asarray(curvature) * (np.asarray(bias) - np.asarray(potential)) ** 2


def capacitance_curvature(curvature: np.ndarray, frequency: float, spring_constant: float) -> np.ndarray:
    """∂²C/∂z² (F/m²) of a parabola's curvature (Hz/V²), for a cantilever of that frequency (Hz) and constant (N/m)."""
    return 4 * spring_constant / frequency * np.asarray(curvature)
