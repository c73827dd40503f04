"""What is under the tip, fitted to its loops: hysterons, electrostatic force and injected charge, with uncertainties.

    R(n, v) = s P_n(v; V_c, σ, V_i) (1 + χ|v|) + k_e v − k_e V_0 − k_e κ h_n(r)

(physics.tip_response; h_n = Σ_k (1 − r)^{n−k} V_w,k is what one unit of injection leaves, and r = κ + λ how fast it is
forgotten). R is linear in s, sχ, k_e, k_e V_0 and k_e κ: those are solved for in closed form at every step, and
Levenberg–Marquardt moves V_c, σ, V_i and r alone (variable projection: Golub & Pereyra, SIAM J. Numer. Anal. 10, 413
(1973)), all loops of a scan at once. Standard errors are those of the linearised model with all parameters free, and the
noise that the residual shows.

With a single read voltage k_e v and k_e V_0 are one constant, so k_e, V_0 and κ are NaN, and a slow charge loop and a
ferroelectric one differ by their shape alone. A loop that saturates nowhere leaves s and V_c uncertain together, and the
standard errors say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..physics.charge_injection import surface_potential
from ..physics.tip_response import Junction, switched
from .loop_quantities import branches, loop_quantities, noise
from .loops import Loops

TURNS = 15  # of Levenberg–Marquardt
TOGETHER = 400  # loops that are fitted at once
_LOW = np.array([0.0, 0.005, -0.8, 0.02])  # of V_c, σ, V_i (shares of the reach) and r
_HIGH = np.array([1.3, 0.7, 0.8, 0.97])
_STEP = np.array([1e-3, 1e-3, 1e-3, 1e-3])  # for derivatives; below it lie the kinks between hysterons
_POOR = 1.3  # residual over noise from which another start is tried
_OTHER_STARTS = ((0.25, 0.08, 0.0, 0.3), (0.6, 0.2, 0.0, 0.1))


@dataclass(frozen=True)
class Fitted:
    """Of n loops: name → (n,) in V, response, response/V and shares per step; standard errors of the same names.

    values: piezo, coercive, spread, imprint, field_gain, slope, potential, injected, lost. residual: root mean square of
    what is left, response. curve: (n, steps, reads) the fitted response.
    """

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    residual: np.ndarray
    curve: np.ndarray


def fit_loops(loops: Loops) -> Fitted:
    """The junction of every loop; NaN for those with a fault."""
    parts = []
    for i in range(0, len(loops.response), TOGETHER):
        part = loops.response[i : i + TOGETHER]
        parts.append(_fit(Loops(part, loops.write, loops.read, loops.unit, loops.dims, ("",) * len(part))))
    bad = ~loops.sound

    def whole(pieces: list[np.ndarray]) -> np.ndarray:
        out = np.concatenate(pieces)
        out[bad] = np.nan
        return out

    values = {k: whole([p.values[k] for p in parts]) for k in parts[0].values}
    errors = {k: whole([p.errors[k] for p in parts]) for k in parts[0].errors}
    return Fitted(values, errors, whole([p.residual for p in parts]), whole([p.curve for p in parts]))


def _fit(loops: Loops) -> Fitted:
    size = np.maximum(np.sqrt((loops.response**2).mean((1, 2))), 1e-300)
    y = (loops.response / size[:, None, None]).reshape(len(size), -1)
    model = _Model(loops)
    theta, cost = _descend(model, y, _start(loops))
    sigma = noise(loops.response) / size
    for start in _OTHER_STARTS:
        poor = np.flatnonzero(cost / y.shape[1] > (_POOR * sigma) ** 2)
        if len(poor):
            found, its_cost = _descend(model, y[poor], np.tile(np.array(start), (len(poor), 1)))
            better = its_cost < cost[poor]
            theta[poor[better]], cost[poor[better]] = found[better], its_cost[better]
    return model.told(theta, y, size, loops.response.shape)


def _start(loops: Loops) -> np.ndarray:
    """(n, 4) from the closed formulas, as shares of the reach."""
    at = 0 if loops.read is None else int(np.argmin(np.abs(loops.read)))
    found = loop_quantities(*branches(loops.write, loops.response[:, :, at]))
    half = np.abs(found["coercive_positive"] - found["coercive_negative"]) / 2 / loops.reach
    v, i = np.nan_to_num(half, nan=0.3), np.nan_to_num(found["imprint"] / loops.reach)
    return np.clip(np.stack([v, np.full_like(v, 0.1), i, np.full_like(v, 0.3)], 1), _LOW + 0.02, _HIGH - 0.02)


def _descend(model: _Model, y: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg–Marquardt from theta (n, 4): (theta, sum of squares), each row on its own."""
    rest = model.rest(theta, y)
    cost, damp = (rest**2).sum(1), np.full(len(y), 1e-2)
    for _ in range(TURNS):
        slopes = np.empty((*rest.shape, 4))
        for k, step in enumerate(_STEP):
            moved = theta.copy()
            moved[:, k] += np.where(moved[:, k] + step > _HIGH[k], -step, step)
            slopes[..., k] = (model.rest(moved, y) - rest) / (moved[:, k] - theta[:, k])[:, None]
        square = np.einsum("nmk,nml->nkl", slopes, slopes)
        down = np.einsum("nmk,nm->nk", slopes, rest)
        diagonal = np.einsum("nkk->nk", square) + 1e-12
        square[:, range(4), range(4)] += damp[:, None] * diagonal + 1e-12
        wished = np.clip(theta - np.linalg.solve(square, down[..., None])[..., 0], _LOW, _HIGH)
        new_rest = model.rest(wished, y)
        new_cost = (new_rest**2).sum(1)
        good = new_cost < cost
        gain = np.where(good, (cost - new_cost) / np.maximum(cost, 1e-300), 0.0)
        theta, rest, cost = np.where(good[:, None], wished, theta), np.where(good[:, None], new_rest, rest), np.where(good, new_cost, cost)  # fmt: skip
        damp = np.clip(np.where(good, damp / 5, damp * 5), 1e-6, 1e6)
        if not (gain > 1e-5).any() and (damp > 1).all():
            break
    return theta, cost


class _Model:
    """The columns of the linear part, for one run of voltages; everything in shares of the reach."""

    def __init__(self, loops: Loops):
        self.reach = loops.reach
        self.write = loops.write / self.reach
        self.read = None if loops.read is None else loops.read / self.reach
        self.sweeps = self.read is None or len(self.read) > 1
        self.gains = self.read is not None and len(self.read) > 2
        reads = 1 if self.read is None else len(self.read)
        at = self.write[:, None] if self.read is None else np.broadcast_to(self.read, (len(self.write), reads))
        self.at = at.ravel()
        self.names = ["piezo", *(["gain"] if self.gains else []), *(["slope"] if self.sweeps else []), "level", "charge"]

    def columns(self, theta: np.ndarray) -> np.ndarray:
        """(n, values, columns) at theta (n, 4)."""
        n = len(theta)
        p = switched(self.write, self.read, Junction(coercive=theta[:, 0], spread=theta[:, 1], imprint=theta[:, 2]))
        p = p.reshape(n, -1)
        charge = surface_potential(self.write, 1.0, theta[:, 3] - 1.0)
        charge = charge * theta[:, 3:]  # of the size of the voltages, whatever r is
        parts = {"piezo": p, "gain": p * np.abs(self.at), "level": np.ones_like(p)}
        parts["slope"] = np.broadcast_to(self.at, p.shape)
        parts["charge"] = -np.repeat(charge, p.shape[1] // len(self.write), axis=1)
        return np.stack([parts[name] for name in self.names], axis=-1)

    def solved(self, theta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(columns, their coefficients (n, columns)) that leave least."""
        b = self.columns(theta)
        square = np.einsum("nmk,nml->nkl", b, b)
        square[:, range(b.shape[2]), range(b.shape[2])] += 1e-6 * b.shape[1]
        return b, np.linalg.solve(square, np.einsum("nmk,nm->nk", b, y)[..., None])[..., 0]

    def rest(self, theta: np.ndarray, y: np.ndarray) -> np.ndarray:
        b, beta = self.solved(theta, y)
        return np.einsum("nmk,nk->nm", b, beta) - y

    def told(self, theta: np.ndarray, y: np.ndarray, size: np.ndarray, shape: tuple[int, ...]) -> Fitted:
        """Values and standard errors in V and response."""
        b, beta = self.solved(theta, y)
        curve = np.einsum("nmk,nk->nm", b, beta)
        free = max(y.shape[1] - b.shape[2] - 4, 1)
        variance = ((curve - y) ** 2).sum(1) / free
        slopes = [b]
        for k, step in enumerate(_STEP * 3):
            up, down = theta.copy(), theta.copy()
            up[:, k] += step
            down[:, k] = np.maximum(down[:, k] - step, 0.0 if k != 2 else -np.inf)
            change = (self.columns(up) - self.columns(down)) / (up - down)[:, k, None, None]
            slopes.append(np.einsum("nmk,nk->nm", change, beta)[..., None])
        every = np.concatenate(slopes, axis=2)
        scale = np.sqrt((every**2).sum(1)) + 1e-12
        normal = np.einsum("nmk,nml->nkl", every, every) / scale[:, :, None] / scale[:, None]
        covariance = np.linalg.inv(normal + 1e-9 * np.eye(normal.shape[1])) * variance[:, None, None]
        covariance /= scale[:, :, None] * scale[:, None]
        values, errors = self._named(np.concatenate([beta, theta], 1), covariance, size)
        return Fitted(values, errors, np.sqrt(variance) * size, (curve * size[:, None]).reshape(shape))

    def _named(
        self, found: np.ndarray, covariance: np.ndarray, size: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        place = {name: k for k, name in enumerate([*self.names, "coercive", "spread", "imprint", "rate"])}
        reach, n = self.reach, len(found)

        def of(name: str) -> np.ndarray:
            return found[:, place[name]]

        def error(weights: dict[str, np.ndarray | float]) -> np.ndarray:
            """Of a quantity whose derivatives with respect to some parameters are `weights`."""
            w = np.zeros((n, found.shape[1]))
            for name, value in weights.items():
                w[:, place[name]] = value
            return np.sqrt(np.maximum(np.einsum("nk,nkl,nl->n", w, covariance, w), 0.0))

        values = {"piezo": of("piezo") * size}
        errors = {"piezo": error({"piezo": 1.0}) * size}
        for name in ("coercive", "spread", "imprint"):
            values[name], errors[name] = of(name) * reach, error({name: 1.0}) * reach
        nothing = np.full(n, np.nan)
        for name in ("field_gain", "slope", "potential", "injected", "lost"):
            values[name], errors[name] = nothing, nothing
        if self.gains:
            s, g = of("piezo"), of("gain")
            values["field_gain"] = g / s / reach
            errors["field_gain"] = error({"gain": 1 / s, "piezo": -g / s**2}) / reach
        if self.sweeps:
            k, level, charge, rate = of("slope"), of("level"), of("charge"), of("rate")
            kappa = charge * rate / k
            values |= {"slope": k * size / reach, "potential": -level / k * reach, "injected": kappa, "lost": rate - kappa}
            taken = {"charge": rate / k, "rate": charge / k, "slope": -kappa / k}
            errors |= {
                "slope": error({"slope": 1.0}) * size / reach,
                "potential": error({"level": 1 / k, "slope": -level / k**2}) * reach,
                "injected": error(taken),
                "lost": error({**{n: -v for n, v in taken.items()}, "rate": 1 - charge / k}),
            }
        return values, errors
