"""Which member of a family of lines is in each of many spectra? Variable projection, in batches.

A family is a template T(f; centre, width) whose height enters linearly: y = c·T + noise. For any centre and width the
best c is in closed form, so that only two numbers are searched for: first on a grid, where |T̂*·y|² is one matrix
product for a whole map, then by Levenberg–Marquardt steps on all spectra at once, with exact derivatives and 2×2 systems
solved in closed form (Golub & Pereyra, Inverse Problems 19, R1, 2003; the step is Kaufman's).

A background that is linear in its coefficients is projected out of spectra and templates alike. Complex spectra have a
complex height c, real ones a real height.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Slopes = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

BLOCK = 256  # spectra at a time: what they need stays in the processor's cache
CLOSE = 0.05  # standard errors; a step below this ends the search
ROUNDS = 60
LONGEST = 0.5  # of a linewidth in centre, and of log width, in one step


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


def scores(spectra: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """|T̂*·y|² (n, k) of spectra (n, f) with unit templates (k, f): what each would take off the sum of squares."""
    overlap = spectra @ templates.conj().T
    if not np.iscomplexobj(overlap):
        return np.maximum(overlap, 0) ** 2  # a real height is a modulus: lines that point down are no lines
    return overlap.real**2 + overlap.imag**2


def unit(templates: np.ndarray) -> np.ndarray:
    """Templates (k, f), each of length 1."""
    return templates / np.sqrt((np.abs(templates) ** 2).sum(axis=1, keepdims=True))


def refine(
    spectra: np.ndarray, axis: np.ndarray, theta: np.ndarray, template: Template, basis: np.ndarray | None = None
) -> Refined:
    """The least-squares member of the family from a start for each spectrum.

    spectra (n, f), finite, their background not yet taken off; theta (n, 2); basis (f, terms) orthonormal.
    """
    parts = [
        _refine(spectra[i : i + BLOCK], axis, theta[i : i + BLOCK], template, basis)
        for i in range(0, len(spectra), BLOCK)
    ]
    fields = Refined.__dataclass_fields__
    return Refined(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in fields})


@dataclass
class _State:
    """One evaluation of the model at theta: everything a step needs."""

    height: np.ndarray
    rest: np.ndarray
    downhill: np.ndarray  # (n, 2)
    information: np.ndarray  # (n, 3): 00, 11, 01
    coupling: np.ndarray  # (n, 2)
    energy: np.ndarray


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ conj(a)·b along the axis of each spectrum."""
    return np.einsum("nf,nf->n", a.conj(), b)


def _evaluate(
    spectra: np.ndarray, axis: np.ndarray, theta: np.ndarray, template: Template, basis: np.ndarray | None
) -> _State:
    """The closed-form height, what is left over, and its exact derivatives by theta."""
    t, first, second = template.slopes(axis, theta)
    if basis is not None:
        t, first, second = (x - (x @ basis) @ basis.T for x in (t, first, second))
    energy = np.maximum(_dot(t, t).real, 1e-300)
    height = _dot(t, spectra) / energy
    left = spectra - height[:, None] * t
    c0, c1 = _dot(t, first) / energy, _dot(t, second) / energy
    power = np.abs(height) ** 2
    info = np.stack(
        [
            power * (_dot(first, first).real - energy * np.abs(c0) ** 2),
            power * (_dot(second, second).real - energy * np.abs(c1) ** 2),
            power * (_dot(first, second).real - energy * (c0.conj() * c1).real),
        ],
        axis=1,
    )
    slope = np.stack([(height.conj() * _dot(d, left)).real for d in (first, second)], axis=1)
    return _State(height, _dot(left, left).real, slope, info, np.stack([-c0, -c1], axis=1), energy)


def _step(state: _State, damping: np.ndarray) -> np.ndarray:
    """(n, 2): (M + λ diag M) δ = downhill, in closed form."""
    a, b, c = state.information.T
    a, b = a * (1 + damping) + 1e-300, b * (1 + damping) + 1e-300
    determinant = np.maximum(a * b - c * c, 1e-12 * a * b)
    g, h = state.downhill.T
    return np.stack([b * g - c * h, a * h - c * g], axis=1) / determinant[:, None]


def _refine(
    spectra: np.ndarray, axis: np.ndarray, theta: np.ndarray, template: Template, basis: np.ndarray | None
) -> Refined:
    """Levenberg–Marquardt on one block; spectra that have settled leave it."""
    if basis is not None:
        spectra = spectra - (spectra @ basis) @ basis.T
    theta = np.array(theta, float)
    now = _evaluate(spectra, axis, theta, template, basis)
    damping, settled = np.full(len(theta), 1e-3), np.zeros(len(theta), bool)
    freedom = max(spectra.shape[1] - 2, 1)
    live = np.arange(len(theta))
    for _ in range(ROUNDS):
        here = _rows(now, live)
        step, reach = _step(here, damping[live]), template.reach(theta[live])
        step *= np.minimum(1, (reach / np.maximum(np.abs(step), 1e-300)).min(axis=1))[:, None]
        trial = _evaluate(spectra[live], axis, theta[live] + step, template, basis)
        better = trial.rest <= here.rest
        theta[live[better]] += step[better]
        _put(now, live[better], trial, better)
        a, b, c = here.information.T
        moved = a * step[:, 0] ** 2 + b * step[:, 1] ** 2 + 2 * c * step[:, 0] * step[:, 1]
        done = (moved <= CLOSE**2 * here.rest / freedom) | (np.abs(step) < 1e-12).all(axis=1) | (damping[live] > 1e8)
        damping[live] *= np.where(better, 0.1, 10.0)
        settled[live[done]] = True
        live = live[~done]
        if len(live) == 0:
            break
    matrix = now.information[:, [0, 2, 2, 1]].reshape(-1, 2, 2)
    return Refined(theta, now.height, now.rest, matrix, now.coupling, now.energy, settled)


def _rows(state: _State, which: np.ndarray) -> _State:
    return _State(**{name: getattr(state, name)[which] for name in _State.__dataclass_fields__})


def _put(state: _State, where: np.ndarray, other: _State, which: np.ndarray) -> None:
    for name in _State.__dataclass_fields__:
        getattr(state, name)[where] = getattr(other, name)[which]
