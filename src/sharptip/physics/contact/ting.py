"""A material that flows as a power law, pressed and released: Ting (1966).

E(t) = E₀ (t/t₀)^−β with t₀ = 1 s: E₀ is the modulus after one second, β is 0 for a solid and 1 for a liquid.
While the contact grows, F(t) = ∫₀ᵗ E(t − t′) dS(t′), S the force per modulus of the elastic law. When it shrinks, only
what the tip touched up to t₁ counts, the time at which the contact was as large on the way in:
∫_{t₁}^{t} E(t − t′) dδ(t′) = 0.
Contact is lost when no such time is left. Indentation is taken for linear between samples, over which the kernel is
integrated exactly.
"""

from __future__ import annotations

import numpy as np

from .law import Law, Tip

SECOND = 1.0  # t₀


def relaxation(age: np.ndarray, modulus: float, fluidity: float) -> np.ndarray:
    """E(t) in Pa, `age` seconds after a step."""
    return modulus * (np.asarray(age) / SECOND) ** -fluidity


def memory(time: np.ndarray, fluidity: float) -> np.ndarray:
    """(n, n − 1) mean of ((tᵢ − t′)/t₀)^−β over each interval j before tᵢ, 0 over later ones; times the interval, s."""
    age = np.maximum(time[:, None] - time[None, :], 0.0) / SECOND
    power = age ** (1 - fluidity)
    return SECOND * (power[:, :-1] - power[:, 1:]) / (1 - fluidity)


def ting(time: np.ndarray, indentation: np.ndarray, fluidity: float, law: Law, tip: Tip) -> np.ndarray:
    """Force per E₀ (n,) in m² of one curve: times (n,) in s and indentations (n,) in m, up to one maximum and back.

    E₀ times this is the force. Negative indentations are out of contact. The law is proportional to the modulus
    and of a half-space. Raises ValueError for a fluidity outside 0 to 1 or for times that do not rise.
    """
    if not 0 <= fluidity < 1:
        raise ValueError(f"fluidity (β) is {fluidity}; it lies between 0, a solid, and 1, a liquid")
    if not np.all(np.diff(time) > 0):
        raise ValueError("times do not rise from sample to sample; say the time of each")
    depth = np.maximum(indentation, 0.0)
    shape = law.force(depth, 1.0, tip)
    kernel = memory(time, fluidity)
    step = np.diff(time)
    deepest = int(np.argmax(depth))
    counted = _counted(kernel * (np.diff(depth) / step), deepest)
    return np.sum(kernel * (np.diff(shape) / step) * counted, axis=1)


def _counted(parts: np.ndarray, deepest: int) -> np.ndarray:
    """(n, n − 1) share of each interval that lies before t₁; parts are those of Ting's integral over each interval."""
    n = len(parts)
    after = np.cumsum(parts[:, ::-1], axis=1)[:, ::-1]  # of the integral from the start of interval j on
    loading = np.arange(n - 1) < deepest
    start = np.where(loading & (after >= 0), np.arange(n - 1), -1).max(axis=1)  # t₁ lies in this interval
    share = np.where(np.arange(n - 1) < start[:, None], 1.0, 0.0)
    rows = np.flatnonzero(start >= 0)
    part = parts[rows, start[rows]]
    inside = np.divide(after[rows, start[rows]], part, out=np.zeros(len(rows)), where=part > 0)
    share[rows, start[rows]] = np.clip(inside, 0.0, 1.0)
    share[: deepest + 1] = 1.0  # on the way in everything counts; the kernel is 0 over what is to come
    return share
