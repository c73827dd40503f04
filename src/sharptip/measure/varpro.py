"""Which member of a family of lines is in each of many spectra? Variable projection, in batches.

A family is a template T(f; centre, width) whose height enters linearly: y = c·T + noise. For any centre and width the
best c is in closed form, so that only two numbers are searched for: first on a grid, where |T̂*·y|² is one matrix
product for a whole map, then by Levenberg–Marquardt steps on all spectra at once, with exact derivatives and 2×2
systems solved in closed form (Golub & Pereyra, Inverse Problems 19, R1, 2003; the step is Kaufman's).

A background that is linear in its coefficients is projected out of spectra and templates alike. Complex spectra have a
complex height c, real ones a real height.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Slopes = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

BLOCK = 256  # spectra at a time: what they need stays in the processor's cache
CLOSE = 0.25  # standard errors; a step below this is the last, since the next would be many times smaller
ROUNDS = 60
DAMPING, HOPELESS = 1e-3, 1e8  # to begin with, and where no step is short enough to help


@dataclass(frozen=True)
class Template:
    """A family of lines as a small record.

    name         for messages
    values       (axis (f,), theta (n, 2)) → (n, f)
    slopes       (axis, theta) → (values, ∂/∂theta0, ∂/∂theta1), each (n, f)
    reach        theta (n, 2) → (n, 2): how far a step may go in each of its numbers
    """

    name: str
    values: Callable[[np.ndarray, np.ndarray], np.ndarray]
    slopes: Slopes
    reach: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Refined:
    """Where the search ended, one row per spectrum.

    theta (n, 2); height (n,) complex or real; rest (n,) sum of squares left over; information (n, 2, 2) on theta with
    the height unknown, for noise of σ² = 1 per complex (or real) sample; coupling (n, 2): how log(height) follows a
    change of theta; energy (n,): Σ|T|²; settled (n,).
    """

    theta: np.ndarray
    height: np.ndarray
    rest: np.ndarray
    information: np.ndarray
    coupling: np.ndarray
    energy: np.ndarray
    settled: np.ndarray


def unit(templates: np.ndarray) -> np.ndarray:
    """Templates (k, f), each of length 1."""
    return templates / np.sqrt((np.abs(templates) ** 2).sum(axis=1, keepdims=True))


def refine(
    spectra: np.ndarray, axis: np.ndarray, theta: np.ndarray, template: Template, basis: np.ndarray | None = None
) -> Refined:
    """The least-squares member of the family, by Levenberg–Marquardt from a start for each spectrum.

    spectra (n, f), finite, without their part in the basis; theta (n, 2), not changed; basis (f, terms), orthonormal.
    """
    theta = np.array(theta, float)
    problem = _Problem(spectra, _dot(spectra, spectra).real, axis, template, basis)
    now = problem.at(theta, np.arange(len(theta)))
    damping, settled = np.full(len(theta), DAMPING), np.zeros(len(theta), bool)
    live = np.arange(len(theta))
    for _ in range(ROUNDS):
        if len(live) == 0:
            break
        here = _State(*(field[live] for field in now))
        step, reach = _step(here, damping[live]), template.reach(theta[live])
        step *= np.minimum(1, (reach / np.maximum(np.abs(step), 1e-300)).min(axis=1))[:, None]
        trial = problem.at(theta[live] + step, live)
        better = trial.rest <= here.rest
        theta[live[better]] += step[better]
        for field, new in zip(now, trial, strict=True):
            field[live[better]] = new[better]
        done = _close(here, step, spectra.shape[1]) | (damping[live] > HOPELESS)
        damping[live] *= np.where(better, 0.1, 10.0)
        settled[live[done]] = True
        live = live[~done]
    matrix = now.information[:, [0, 2, 2, 1]].reshape(-1, 2, 2)
    return Refined(theta, now.height, now.rest, matrix, now.coupling, now.energy, settled)


class _State(NamedTuple):
    """The model at theta, a row per spectrum: everything that a step needs."""

    height: np.ndarray
    rest: np.ndarray
    downhill: np.ndarray  # (n, 2)
    information: np.ndarray  # (n, 3): 00, 11, 01
    coupling: np.ndarray  # (n, 2)
    energy: np.ndarray


class _Problem(NamedTuple):
    spectra: np.ndarray
    total: np.ndarray  # (n,) sums of squares
    axis: np.ndarray
    template: Template
    basis: np.ndarray | None

    def at(self, theta: np.ndarray, rows: np.ndarray) -> _State:
        """The state of some rows, a block at a time."""
        parts = [self._block(theta[i : i + BLOCK], rows[i : i + BLOCK]) for i in range(0, max(len(rows), 1), BLOCK)]
        return _State(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))

    def _block(self, theta: np.ndarray, rows: np.ndarray) -> _State:
        """The height in closed form, what is left over, and its derivatives by theta."""
        y = self.spectra[rows]
        t, *slopes = self.template.slopes(self.axis, theta)
        if self.basis is not None and self.basis.shape[1]:
            t, *slopes = (x - (x @ self.basis) @ self.basis.T for x in (t, *slopes))
        first, second = slopes
        energy = np.maximum(_dot(t, t).real, 1e-300)
        height = _dot(t, y) / energy
        power = np.abs(height) ** 2
        along = [_dot(t, d) for d in slopes]
        downhill = [(height.conj() * (_dot(d, y) - height * a.conj())).real for d, a in zip(slopes, along, strict=True)]
        squares = [_dot(d, d).real - np.abs(a) ** 2 / energy for d, a in zip(slopes, along, strict=True)]
        mixed = (_dot(first, second) - along[0].conj() * along[1] / energy).real
        return _State(
            height,
            np.maximum(self.total[rows] - power * energy, 0),
            np.stack(downhill, axis=1),
            power[:, None] * np.stack([*squares, mixed], axis=1),
            -np.stack(along, axis=1) / energy[:, None],
            energy,
        )


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ conj(a)·b along the axis of each spectrum."""
    return np.vecdot(a, b)


def _step(state: _State, damping: np.ndarray) -> np.ndarray:
    """(n, 2): (M + λ diag M) δ = downhill, in closed form."""
    a, b, c = state.information.T
    a, b = a * (1 + damping) + 1e-300, b * (1 + damping) + 1e-300
    determinant = np.maximum(a * b - c * c, 1e-12 * a * b)
    g, h = state.downhill.T
    return np.stack([b * g - c * h, a * h - c * g], axis=1) / determinant[:, None]


def _close(state: _State, step: np.ndarray, samples: int) -> np.ndarray:
    """(n,) whether a step was small beside the standard errors, or beside the numbers themselves."""
    a, b, c = state.information.T
    moved = a * step[:, 0] ** 2 + b * step[:, 1] ** 2 + 2 * c * step[:, 0] * step[:, 1]
    return (moved <= CLOSE**2 * state.rest / max(samples - 2, 1)) | (np.abs(step) < 1e-12).all(axis=1)
