"""How much does a sample flow? Modulus and power of time of one force curve, from its approach and retract together.

Ting's law (`physics.contact.ting`) is linear in E₀ once the fluidity β and the contact are fixed, and in the offset and
tilt of the baseline, so only two numbers are searched for: a grid of β and contacts, then Nelder and Mead's simplex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ..physics.contact import Law, Tip, ting

MOST = 240  # samples that a curve is thinned to; Ting's integral takes the square of it
FLUIDITIES = np.array([0.02, 0.1, 0.2, 0.35, 0.5])
SHIFTS = np.array([-0.1, -0.03, 0.0, 0.03, 0.1])  # of the indentation, about the contact that was given
HIGHEST = 0.95


@dataclass(frozen=True)
class Flow:
    """modulus: Pa after one second; fluidity β; contact: m, piezo height; drag: N, by which the two ways differ.

    The errors are those of least squares, enlarged by the correlation of neighbouring residuals.
    """

    modulus: float
    modulus_error: float
    fluidity: float
    fluidity_error: float
    contact: float
    drag: float
    r_squared: float
    converged: bool


def fit_flow(
    time: np.ndarray,
    height: np.ndarray,
    deflection: np.ndarray,
    spring_constant: float,
    law: Law,
    tip: Tip,
    contact: float,
) -> Flow:
    """Fit approach and retract of one curve: time (s), height and deflection (m), (samples,) each, in order of time.

    contact (m of height) is where to begin, as `fit_curves` finds it on the approach. Drag, a force of either sign on
    the two ways, is fitted along. Raises ValueError for a law that is not proportional to the modulus, and for less
    than 20 samples that are finite.
    """
    if not law.proportional:
        raise ValueError(f"the law {law.name!r} has adhesion; rheology needs one that is proportional to the modulus")
    known = np.isfinite(time) & np.isfinite(height) & np.isfinite(deflection)
    if known.sum() < 20:
        raise ValueError(f"{known.sum()} finite samples; rheology needs 20")
    t, z, d = _thinned(time[known], height[known], deflection[known])
    curve = _Curve(t, z, d * spring_constant, d, law, tip)
    deepest = max(contact - z.min() - (d.max() - np.median(d[z > contact] if (z > contact).any() else d)), 1e-12)
    starts = [(b, contact + s * deepest) for b in FLUIDITIES for s in SHIFTS]
    best = min(starts, key=lambda p: curve.cost(p[0], p[1]))
    return _refined(curve, best, deepest)


def _thinned(*values: np.ndarray) -> list[np.ndarray]:
    """Means of equal stretches, at most MOST of them."""
    cut = np.unique(np.linspace(0, len(values[0]), min(MOST, len(values[0])) + 1).astype(int))
    count = np.diff(cut)
    return [np.add.reduceat(v, cut[:-1]) / count for v in values]


@dataclass(frozen=True)
class _Curve:
    time: np.ndarray
    height: np.ndarray
    force: np.ndarray
    deflection: np.ndarray
    law: Law
    tip: Tip

    def design(self, fluidity: float, contact: float) -> np.ndarray:
        """(samples, 4): the law's force per modulus, one, the height, and the sign of the way."""
        away = self.height > contact
        zero = np.median(self.deflection[away]) if away.sum() > 3 else self.deflection.min()
        depth = contact - self.height - (self.deflection - zero)
        # what is indented is told by the deflection, so its noise is in the law; it counts little on soft samples
        way = np.where(np.arange(len(self.time)) <= np.argmin(self.height), 1.0, -1.0)
        unit = ting(self.time, depth, fluidity, self.law, self.tip)
        return np.stack([unit, np.ones_like(unit), self.height - self.height.mean(), way], axis=1)

    def solved(self, fluidity: float, contact: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The four factors, the residuals (N) and the design."""
        a = self.design(fluidity, contact)
        size = np.maximum(np.abs(a).max(axis=0), 1e-300)
        factors = np.linalg.lstsq(a / size, self.force, rcond=None)[0] / size
        return factors, self.force - a @ factors, a

    def cost(self, fluidity: float, contact: float) -> float:
        if not 0 <= fluidity < HIGHEST:
            return np.inf
        factors, residual, _ = self.solved(fluidity, contact)
        return float(residual @ residual) if factors[0] > 0 else np.inf


def _refined(curve: _Curve, start: tuple[float, float], deepest: float) -> Flow:
    scale = np.array([0.1, 0.05 * deepest])
    first = np.array(start) / scale
    found = minimize(
        lambda p: curve.cost(*(p * scale)),
        first,
        method="Nelder-Mead",
        options={
            "initial_simplex": first + np.array([[0, 0], [0.5, 0], [0, 0.5]]),
            "xatol": 1e-3,
            "fatol": 1e-6 * curve.cost(*start),
            "maxfev": 200,
        },
    )
    beta, contact = found.x * scale
    factors, residual, design = curve.solved(beta, contact)
    error = _errors(curve, beta, contact, factors, residual, design, scale)
    spread = np.sum((curve.force - curve.force.mean()) ** 2)
    return Flow(
        float(factors[0]), error[0], float(beta), error[1], float(contact), float(factors[3]),
        float(1 - residual @ residual / spread), bool(found.nfev < 200 and beta < HIGHEST - 0.01),
    )  # fmt: skip


def _errors(
    curve: _Curve, beta: float, contact: float, factors: np.ndarray, residual: np.ndarray, design: np.ndarray,
    scale: np.ndarray,
) -> tuple[float, float]:  # fmt: skip
    """Standard errors of E₀ and β; slopes by finite differences, residuals correlated as their first lag says."""
    step = 1e-2 * scale
    ahead = [curve.design(beta + step[0], contact), curve.design(beta, contact + step[1])]
    slopes = [(a - design) @ factors / s for a, s in zip(ahead, step, strict=True)]
    jacobian = np.column_stack([design, *slopes])
    size = np.maximum(np.abs(jacobian).max(axis=0), 1e-300)
    normal = np.linalg.pinv((jacobian / size).T @ (jacobian / size))
    together = np.clip(residual[1:] @ residual[:-1] / max(residual @ residual, 1e-300), 0, 0.95)
    variance = residual @ residual / max(len(residual) - 6, 1) * (1 + together) / (1 - together)
    error = np.sqrt(np.diag(normal) * variance) / size
    return float(error[0]), float(error[4])
