"""What potential charge leaves on a surface that is written with a sequence of voltages, and how it leaks away.

While a voltage V_w is on the tip, charge flows in until the surface would follow it; between the writes it leaks:

    dV_s/dt = κ' (V_w − V_s)    for the length of a write step,      dV_s/dt = −V_s/τ_d    for the length of a step,

so that over one step, with κ = what is taken in of the difference and λ = 1 − exp(−t/τ_d) of the potential lost,

    V_s ← V_s + κ (V_w − V_s) − λ V_s.

Assumed: one trap level, no lateral spreading, reading injects nothing. Balke et al., ACS Nano 9, 6484 (2015) tells such
hysteresis from ferroelectric switching by its dependence on the read voltage. V_s is linear in the voltages.
"""

from __future__ import annotations

import numpy as np


def surface_potential(
    write: np.ndarray, injected: np.ndarray | float, lost: np.ndarray | float, start: np.ndarray | float = 0.0
) -> np.ndarray:
    """V_s after each write step, V: (…, steps) V → (…, steps). injected κ, lost λ: shares per step, 0 ≤ κ + λ ≤ 1.

    >>> surface_potential(np.array([4.0, 4.0, 0.0]), injected=0.5, lost=0.0).tolist()
    [2.0, 3.0, 1.5]
    """
    write = np.asarray(write, float)
    share, kept = np.asarray(injected, float), 1.0 - np.asarray(injected, float) - np.asarray(lost, float)
    shape = np.broadcast_shapes(write.shape[:-1], share.shape, kept.shape)
    now = np.broadcast_to(np.asarray(start, float), shape)
    out = np.empty((*shape, write.shape[-1]))
    for k in range(write.shape[-1]):
        now = kept * now + share * write[..., k]
        out[..., k] = now
    return out
