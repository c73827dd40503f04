"""Laws of the form F = c · δⁿ: what tips that look the same from near and far have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .law import Numbers, Tip

Function = Callable[[Numbers, Numbers, Tip], np.ndarray]


def raised(indentation: Numbers, exponent: float) -> np.ndarray:
    """max(δ, 0)ⁿ, by roots and products where n allows: ten times faster than powers.

    >>> [float(raised(4.0, n)) for n in (0.5, 1, 1.5, 2)], float(raised(-1.0, 2))
    ([2.0, 4.0, 8.0, 16.0], 0.0)
    """
    depth = np.maximum(indentation, 0.0)
    if exponent == 1:
        return depth
    if exponent == 2:
        return depth * depth
    if exponent == 0.5:
        return np.sqrt(depth)
    return depth * np.sqrt(depth) if exponent == 1.5 else depth**exponent


def power(coefficient: Callable[[Numbers, Tip], Numbers], exponent: float) -> tuple[Function, Function]:
    """Force and stiffness of F = coefficient(modulus, tip) · δ^exponent."""

    def force(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
        return coefficient(modulus, tip) * raised(indentation, exponent)

    def stiffness(indentation: Numbers, modulus: Numbers, tip: Tip) -> np.ndarray:
        return coefficient(modulus, tip) * exponent * raised(indentation, exponent - 1)

    return force, stiffness
