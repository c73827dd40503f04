"""How much of a ferroelectric's polarisation has switched after a sequence of voltages, and what heat does to it.

The scalar Preisach picture without interaction (Preisach, Z. Phys. 94, 277 (1935)): the volume under the tip is many
hysterons. One of coercive voltage c points up from the moment at which V − V_i ≥ +c, down from V − V_i ≤ −c, and else
keeps what it was; V_i is the imprint, common to all, and c is Gaussian about V_c with spread σ. So a branch that starts
from saturation is an error function,

    P(V)/P_s = erf((V − V_i ∓ V_c)/(√2 σ)),

minor loops and wiping-out come by themselves, and a read voltage beyond c switches back what was written.

With temperature, from Landau's theory of a continuous transition (Lines & Glass, Principles and Applications of
Ferroelectrics, ch. 3), P_s ∝ (1 − T/T_C)^½ and V_c ∝ (1 − T/T_C)^{3/2} below T_C, and nothing above.

Assumed: quasi-static writing (no dependence on the length of a pulse), one imprint, no back-switching in time. Valid
for the shape of loops well below T_C; absolute coercive voltages of thin films are far below Landau's.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

HYSTERONS = 32  # cells of equal probability in the distribution of coercive voltages
_REACH = 2.4  # standard deviations at which the distribution is cut


def polarisation(
    volts: np.ndarray,
    coercive: np.ndarray | float,
    spread: np.ndarray | float,
    imprint: np.ndarray | float = 0.0,
    start: np.ndarray | float = -1.0,
) -> np.ndarray:
    """P/P_s, from −1 to 1, after each voltage of a sequence: (…, steps), V → (…, steps).

    coercive, spread, imprint: (…) in V, broadcast against the axes of `volts` before the last. start: P/P_s of every
    hysteron before the first voltage. Within a cell of coercive voltages what is switched grows linearly, so the answer
    is a continuous function of every parameter.

    >>> polarisation(np.array([0.0, 5.0, 0.0, -1.0, -5.0]), coercive=2.0, spread=0.1).round(2).tolist()
    [-1.0, 1.0, 1.0, 1.0, -1.0]
    """
    low, width = _cells(np.asarray(coercive, float), np.asarray(spread, float))
    drive = np.asarray(volts, float) - np.asarray(imprint, float)[..., None]
    cells = np.broadcast_shapes(drive.shape[:-1], low.shape[:-1])
    state = np.broadcast_to(np.asarray(start, float)[..., None], (*cells, HYSTERONS)).copy()
    out = np.empty((*cells, drive.shape[-1]))
    for k in range(drive.shape[-1]):
        u = drive[..., k, None]
        switched = np.clip((np.abs(u) - low) / width, 0.0, 1.0)
        state += switched * (np.sign(u) - state)
        out[..., k] = state.mean(-1)
    return out


def _cells(coercive: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower ends and widths (…, hysterons) of cells that hold equal shares of the coercive voltages."""
    edges = np.clip(ndtri(np.linspace(0, 1, HYSTERONS + 1)), -_REACH, _REACH)
    places = np.maximum(coercive[..., None] + np.maximum(spread, 1e-9)[..., None] * edges, 0.0)
    return places[..., :-1], np.maximum(np.diff(places, axis=-1), 1e-12)


def saturation_at(
    temperature: np.ndarray | float, at_zero: np.ndarray | float, curie: np.ndarray | float
) -> np.ndarray:
    """P_s(T), in the unit of `at_zero`: temperatures in K."""
    return np.asarray(at_zero) * np.sqrt(_below(temperature, curie))


def coercive_at(temperature: np.ndarray | float, at_zero: np.ndarray | float, curie: np.ndarray | float) -> np.ndarray:
    """V_c(T), V: temperatures in K."""
    return np.asarray(at_zero) * _below(temperature, curie) ** 1.5


def _below(temperature: np.ndarray | float, curie: np.ndarray | float) -> np.ndarray:
    return np.maximum(1.0 - np.asarray(temperature, float) / np.asarray(curie, float), 0.0)
