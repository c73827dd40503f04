"""What is under the tip, fitted to its loops: hysterons, electrostatic force and injected charge, with uncertainties.

    R(n, v) = s P_n(v; V_c, σ, V_i) (1 + χ|v|) + k_e v − k_e V_0 − k_e κ h_n(r)

(physics.tip_response; h_n = Σ_k (1 − r)^{n−k} V_w,k is what one unit of injection leaves, and r = κ + λ how fast it is
forgotten). R is linear in s, sχ, k_e, k_e V_0 and k_e κ: those are solved for in closed form at every step, and
Levenberg–Marquardt moves V_c, σ, V_i and r alone (variable projection: Golub & Pereyra, SIAM J. Numer. Anal. 10, 413
(1973)), all loops of a scan at once. Standard errors are those of the linearised model with all parameters free, and
the noise that the residual shows.

With a single read voltage k_e v and k_e V_0 are one constant, so k_e, V_0 and κ are NaN, and a slow charge loop and a
ferroelectric one differ by their shape alone. A loop that saturates nowhere leaves s and V_c uncertain together, and
the standard errors say so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ..physics.charge_injection import surface_potential
from ..physics.tip_response import Junction, switched
from .loops import Loops

TURNS = 15  # of Levenberg–Marquardt
TOGETHER = 400  # loops that are fitted at once
_LOW = np.array([0.0, 0.005, -0.8, 0.02])  # of V_c, σ, V_i (shares of the reach) and r
_HIGH = np.array([1.3, 0.7, 0.8, 0.97])
_STEP = 3e-3  # for derivatives; below it lie the kinks between hysterons
_GRID = (  # V_c, σ as a share of V_c, V_i, r: where the search begins
    (0.04, 0.1, 0.17, 0.25, 0.34, 0.44, 0.55, 0.67, 0.8),
    (0.1, 0.3),
    (-0.3, -0.2, -0.1, -0.03, 0.03, 0.1, 0.2, 0.3),
    (0.06, 0.25, 0.6),
)
_RIDGE = 1e-6  # of the mean square of a column: keeps columns that are alike apart
_ENOUGH = 1e-4  # relative gain of a turn below which a loop has settled
_STUCK = 1e3  # damping from which no step will help


@dataclass(frozen=True)
class Fitted:
    """Of n loops: name → (n,) in V, response, response/V and shares per step; standard errors of the same names.

    values: piezo, coercive, spread, imprint, field_gain, slope, potential, injected, lost. residual: root mean square
    of what is left, response. curve: (n, steps, reads) the fitted response.
    """

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    residual: np.ndarray
    curve: np.ndarray


def fit_loops(loops: Loops) -> Fitted:
    """The junction of every loop; NaN for those with a fault."""
    parts = []
    for i in range(0, len(loops.response), TOGETHER):
        parts.append(_fit(replace(loops, response=loops.response[i : i + TOGETHER])))
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
    theta = _descend(model, y, _nearest(model, y))
    return model.told(theta, y, size, loops.response.shape)


def _nearest(model: _Model, y: np.ndarray) -> np.ndarray:
    """(n, 4): the point of a coarse grid that leaves least. All loops share the columns, so it is matrix products."""
    best, least = np.zeros((len(y), 4)), np.full(len(y), np.inf)
    for coercive in _GRID[0]:
        theta = np.array([(coercive, *rest) for rest in product(coercive * np.array(_GRID[1]), *_GRID[2:])])
        rates = len(_GRID[3])
        b = model.columns(theta, np.repeat(model.hysteresis(theta[::rates]), rates, axis=0))
        square = np.einsum("gmk,gml->gkl", b, b)
        square[:, range(b.shape[2]), range(b.shape[2])] += _RIDGE * b.shape[1]
        across = np.einsum("gmk,nm->gkn", b, y, optimize=True)
        taken = (across * np.linalg.solve(square, across)).sum(1)  # (grid, n) of the sum of squares
        k = taken.argmax(0)
        left = (y**2).sum(1) - taken[k, np.arange(len(y))]
        better = left < least
        best[better], least[better] = theta[k[better]], left[better]
    return best


def _descend(model: _Model, y: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Levenberg–Marquardt from theta (n, 4), each row on its own until it has settled."""
    theta, rest = theta.copy(), model.rest(theta, y)
    damp, going = np.full(len(y), 1e-2), np.arange(len(y))
    for _ in range(TURNS):
        now, left = theta[going], rest[going]
        slopes = model.slopes(now, y[going], left)
        square = np.einsum("nmk,nml->nkl", slopes, slopes)
        down = np.einsum("nmk,nm->nk", slopes, left)
        square[:, range(4), range(4)] += damp[going, None] * np.einsum("nkk->nk", square) + 1e-9
        wished = np.clip(now - np.linalg.solve(square, down[..., None])[..., 0], _LOW, _HIGH)
        tried = model.rest(wished, y[going])
        gain = 1 - (tried**2).sum(1) / np.maximum((left**2).sum(1), 1e-300)
        better = going[gain > 0]
        theta[better], rest[better] = wished[gain > 0], tried[gain > 0]
        damp[going] = np.clip(np.where(gain > 0, damp[going] / 5, damp[going] * 8), 1e-6, None)
        going = going[((gain > _ENOUGH) | (gain <= 0)) & (damp[going] < _STUCK)]
        if not len(going):
            break
    return theta


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
        self.names = [
            "piezo",
            *(["gain"] if self.gains else []),
            *(["slope"] if self.sweeps else []),
            "level",
            "charge",
        ]

    def hysteresis(self, theta: np.ndarray) -> np.ndarray:
        """P/P_s (n, values) at theta (n, 4)."""
        about = Junction(coercive=theta[:, 0], spread=theta[:, 1], imprint=theta[:, 2])
        return switched(self.write, self.read, about).reshape(len(theta), -1)

    def columns(self, theta: np.ndarray, p: np.ndarray | None = None) -> np.ndarray:
        """(n, values, columns) at theta (n, 4); p: its hysteresis, where that is known."""
        p = self.hysteresis(theta) if p is None else p
        charge = surface_potential(self.write, 1.0, theta[:, 3] - 1.0) * theta[:, 3:]  # as large as the voltages
        parts = {"piezo": p, "gain": p * np.abs(self.at), "level": np.ones_like(p)}
        parts["slope"] = np.broadcast_to(self.at, p.shape)
        parts["charge"] = -np.repeat(charge, p.shape[1] // len(self.write), axis=1)
        return np.stack([parts[name] for name in self.names], axis=-1)

    def rest(self, theta: np.ndarray, y: np.ndarray, p: np.ndarray | None = None) -> np.ndarray:
        """(n, values): what the best coefficients leave, model less data."""
        b = self.columns(theta, p)
        return np.einsum("nmk,nk->nm", b, solved(b, y)) - y

    def slopes(self, theta: np.ndarray, y: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """(n, values, 4): how `rest` changes with theta."""
        out = np.empty((*rest.shape, 4))
        here = self.hysteresis(theta)
        for k in range(4):
            moved = theta.copy()
            moved[:, k] += np.where(moved[:, k] + _STEP > _HIGH[k], -_STEP, _STEP)
            there = self.rest(moved, y, here if k == 3 else None)  # r moves the charge alone
            out[..., k] = (there - rest) / (moved[:, k] - theta[:, k])[:, None]
        return out

    def told(self, theta: np.ndarray, y: np.ndarray, size: np.ndarray, shape: tuple[int, ...]) -> Fitted:
        """Values and standard errors in V and response."""
        b = self.columns(theta)
        beta = solved(b, y)
        curve = np.einsum("nmk,nk->nm", b, beta)
        free = max(y.shape[1] - b.shape[2] - 4, 1)
        variance = ((curve - y) ** 2).sum(1) / free
        slopes = [b]
        for k in range(4):
            up, down = theta.copy(), theta.copy()
            up[:, k], down[:, k] = up[:, k] + 3 * _STEP, np.maximum(down[:, k] - 3 * _STEP, _LOW[k])
            change = (self.columns(up) - self.columns(down)) / (up - down)[:, k, None, None]
            slopes.append(np.einsum("nmk,nk->nm", change, beta)[..., None])
        every = np.concatenate(slopes, axis=2)
        scale = np.sqrt((every**2).sum(1)) + 1e-12
        normal = np.einsum("nmk,nml->nkl", every, every) / scale[:, :, None] / scale[:, None]
        covariance = np.linalg.inv(normal + 1e-9 * np.eye(normal.shape[1])) * variance[:, None, None]
        covariance /= scale[:, :, None] * scale[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):  # a potential without a slope is nobody's
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
            values |= {
                "slope": k * size / reach,
                "potential": -level / k * reach,
                "injected": kappa,
                "lost": rate - kappa,
            }
            taken = {"charge": rate / k, "rate": charge / k, "slope": -kappa / k}
            errors |= {
                "slope": error({"slope": 1.0}) * size / reach,
                "potential": error({"level": 1 / k, "slope": -level / k**2}) * reach,
                "injected": error(taken),
                "lost": error({**{n: -v for n, v in taken.items()}, "rate": 1 - charge / k}),
            }
        return values, errors


def solved(columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients (n, columns) of columns (n, values, columns) that leave least of y (n, values)."""
    square = np.einsum("nmk,nml->nkl", columns, columns)
    square[:, range(columns.shape[2]), range(columns.shape[2])] += _RIDGE * columns.shape[1]
    return np.linalg.solve(square, np.einsum("nmk,nm->nk", columns, y)[..., None])[..., 0]
