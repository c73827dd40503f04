"""A layer on a rigid support, solved exactly: what the polynomials of the laws are held against.

The dual integral equations of a frictionless tip on a layer (Lebedev & Ufliand 1958) become a Fredholm equation:
φ(t) + 2/π ∫ φ(s) K(t, s) ds = 2/π (δ − g(t)) with K = ∫ (L(w) − 1) cos(wt/h) cos(ws/h) dw/h,
and F = π E* ∫ φ. Lengths are in contact radii.
"""

import numpy as np
from numpy.polynomial.legendre import leggauss


def transform(w, poisson, bonded):
    """L: the layer's surface displacement over the half-space's, for a wave number w/h."""
    if not bonded:
        return (np.cosh(2 * w) - 1) / (np.sinh(2 * w) + 2 * w)
    k = 3 - 4 * poisson
    return (2 * k * np.sinh(2 * w) - 4 * w) / (2 * k * np.cosh(2 * w) + k * k + 1 + 4 * w * w)


def exact(over_thickness, shape, poisson=0.5, bonded=True, nodes=40, waves=150, last=25.0):
    """Depth and force over E* of a contact of radius 1 whose layer is 1/over_thickness thick.

    shape: 'paraboloid' with R = 1 or 'cone' with half angle 45°.
    """
    x, q = leggauss(waves)
    w, weight = (x + 1) * last / 2, q * last / 2 * (transform((x + 1) * last / 2, poisson, bonded) - 1)
    x, q = leggauss(nodes)
    t, q = (x + 1) / 2, q / 2
    waves_at = np.cos(np.outer(np.append(t, 1.0), w * over_thickness))
    kernel = (waves_at * weight) @ waves_at[:-1].T * over_thickness * 2 / np.pi
    g = np.append(t, 1.0) ** 2 if shape == "paraboloid" else np.append(t, 1.0) * np.pi / 2
    right = np.stack([np.ones_like(g), g], axis=1) * 2 / np.pi
    found = np.linalg.solve(np.eye(nodes) + kernel[:-1] * q, right[:-1])
    rim = right[-1] - (kernel[-1] * q) @ found  # φ vanishes at the rim, which sets the depth
    depth = rim[1] / rim[0]
    return depth, np.pi * np.sum(q * (found[:, 0] * depth - found[:, 1]))
