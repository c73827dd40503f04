"""What a tip in contact hears of polarisation and charge: one number for each write step and read voltage.

In contact Kelvin probe force microscopy every write voltage W_n is followed by reading at a voltage v:

    R(n, v) = s P_n(v) (1 + χ|v|) + k_e (v − V_s,n)

s P: piezoelectric, with the sign of the polarisation; χ: how the field strengthens it; k_e: electrostatic force between
tip and cantilever and the sample, which nulls at the surface potential V_s,n = V_0 + charge (Balke et al., ACS Nano 9,
6484 (2015)). P_n(v) is what is left after writing *and* reading (`switching`), the charge is what injection has left
(`charge_injection`). In a relaxor a share of the polarisation is reversible and follows the read voltage alone,
erf(v/√2 w). The amplitude of the a.c. voltage is part of s and k_e. Units: R in whatever the instrument counts; s in
that, k_e in that per volt.

Assumed: each read voltage has its own run through all write steps, as instruments do it, and a run begins with the
polarisation that the last extreme of the voltage leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import erf

from .charge_injection import surface_potential
from .switching import polarisation


@dataclass(frozen=True)
class Junction:
    """One number, or an array (n,), of each: what is under the tip."""

    piezo: np.ndarray | float = 0.0  # s P_s, response
    coercive: np.ndarray | float = 1.0  # V
    spread: np.ndarray | float = 0.1  # V
    imprint: np.ndarray | float = 0.0  # V
    field_gain: np.ndarray | float = 0.0  # χ, 1/V
    slope: np.ndarray | float = 0.0  # k_e, response/V
    potential: np.ndarray | float = 0.0  # V_0, V
    injected: np.ndarray | float = 0.0  # κ, share per write step
    lost: np.ndarray | float = 0.0  # λ, share per write step
    reversible: np.ndarray | float = 0.0  # share of the polarisation that follows the read voltage
    width: np.ndarray | float = 1.0  # of the reversible part, V

    def column(self, name: str) -> np.ndarray:
        """One parameter as (n, 1), or (1, 1) where it is one number."""
        return np.atleast_1d(np.asarray(getattr(self, name), float))[:, None]

    def __len__(self) -> int:
        return max(np.size(getattr(self, f.name)) for f in fields(self))


def response(write: np.ndarray, read: np.ndarray | None, junction: Junction) -> np.ndarray:
    """R (n, steps, reads): write (steps,) V in order of time, read (reads,) V; None: measured while writing, one read.

    >>> response(np.array([0.0, 4.0]), np.array([0.0, 1.0]), Junction(slope=0.5, potential=1.0))[0, 0].tolist()
    [-0.5, 0.0]
    """
    write = np.asarray(write, float)
    at = write[:, None] if read is None else np.broadcast_to(np.asarray(read, float), (len(write), len(read)))
    p = switched(write, read, junction)  # (n, steps, reads)
    free = junction.column("reversible")[..., None]
    p = (1 - free) * p + free * erf(at / (np.sqrt(2) * junction.column("width")[..., None]))
    charge = surface_potential(write, junction.column("injected")[:, 0], junction.column("lost")[:, 0])
    null = junction.column("potential")[..., None] + charge[..., None]
    gain = 1 + junction.column("field_gain")[..., None] * np.abs(at)
    return junction.column("piezo")[..., None] * p * gain + junction.column("slope")[..., None] * (at - null)


def switched(write: np.ndarray, read: np.ndarray | None, junction: Junction) -> np.ndarray:
    """P/P_s (n, steps, reads) of the part that has hysteresis, after writing and, where it is read so, reading."""
    coercive, spread, imprint = (junction.column(name) for name in ("coercive", "spread", "imprint"))  # (n, 1)
    if read is None:
        return polarisation(write[None, None], coercive, spread, imprint, left_by(write)).swapaxes(1, 2)
    runs = np.empty((len(read), 2 * len(write)))
    runs[:, 0::2] = write
    runs[:, 1::2] = np.asarray(read, float)[:, None]
    return polarisation(runs[None], coercive, spread, imprint, left_by(write))[..., 1::2].swapaxes(1, 2)


def left_by(write: np.ndarray) -> float:
    """P/P_s, ±1, that a run of write voltages leaves: the sign of the later of its two extremes."""
    return 1.0 if int(np.argmax(write[::-1])) < int(np.argmin(write[::-1])) else -1.0
