"""The loop of nine parameters with which piezoresponse loops are fitted by hand: two branches of error functions.

Jesse, Lee & Kalinin, Rev. Sci. Instrum. 77, 073702 (2006) name its quantities. With a0 the lower and a1 the upper
level's distance, a2 the slope, a3 and a4 the voltages of the two branches and b0 … b3 the widths at the four knees,

    rising(V)  = a0 + a1 · ½(1 + erf((V − a3)/w(V; b0, b1))) + a2 V,
    falling(V) = a0 + a1 · ½(1 + erf((V − a4)/w(V; b2, b3))) + a2 V,

where w goes from its first to its second width over one width at the branch's own voltage. Nothing but a shape: no
history, so no minor loops and no read voltage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import erf


@dataclass(frozen=True)
class ErfLoop:
    """Levels in the unit of the response, voltages and widths in V, slope in response per V."""

    bottom: float  # a0
    height: float  # a1
    slope: float  # a2
    rising_at: float  # a3
    falling_at: float  # a4
    rising_widths: tuple[float, float]  # b0, b1: before and after
    falling_widths: tuple[float, float]  # b2, b3


def branches(volts: np.ndarray, loop: ErfLoop) -> tuple[np.ndarray, np.ndarray]:
    """(rising, falling) response at `volts` (…), V."""
    volts = np.asarray(volts, float)
    line = loop.bottom + loop.slope * volts
    rising = line + loop.height * _knee(volts - loop.rising_at, *loop.rising_widths)
    return rising, line + loop.height * _knee(volts - loop.falling_at, *loop.falling_widths)


def _knee(volts: np.ndarray, before: float, after: float) -> np.ndarray:
    """A step from 0 to 1 at 0 V, of two widths."""
    blend = 0.5 * (1 + erf(2 * volts / (before + after)))
    return 0.5 * (1 + erf(volts / (before + (after - before) * blend)))
