"""Modulus and work of adhesion from the way back: JKR's or DMT's law fitted to many retracts at once.

The work of adhesion follows from the largest pull, 1.5 π w R (JKR) or 2 π w R (DMT). With it, modulus and contact are
the least squares of the force between the deepest point and the pull-off. The indentation is taken from the measured
deflection, whose noise σ then shows as (k + dF/dδ) σ in the force, by which residuals are weighted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..physics.contact import LAWS, Law, Tip
from .approach import Approach
from .curve_bins import Sums, binned, even

BINS = 400
FAR = 0.2  # of the samples, at least, that tell the baseline
PULL = {"jkr": 1.5 * np.pi, "dmt": 2 * np.pi}  # F = PULL · w · R
SEEN = 6.0  # noise levels that a pull must exceed
TURNS, HALVINGS = 30, 1e-6
CONTACTS = np.linspace(-0.6, 1.2, 46)  # of the travel from pull-off to the deepest point


@dataclass(frozen=True)
class Adhesive:
    """(n,) each: modulus (Pa), work (J/m²), pull_off (N, positive), contact (m, height at δ = 0); with errors."""

    modulus: np.ndarray
    modulus_error: np.ndarray
    work: np.ndarray
    pull_off: np.ndarray
    pull_off_error: np.ndarray
    contact: np.ndarray
    contact_error: np.ndarray
    r_squared: np.ndarray
    converged: np.ndarray
    reason: tuple[str, ...]


def fit_retract(retract: Approach, law: Law, tip: Tip) -> Adhesive:
    """Fit 'jkr' or 'dmt' to retracts, as `approach_of(scan, segment="retract")` gives them; `tip` says the radius.

    Raises ValueError for another law or a tip without radius, UnitError where the deflection has no unit of length.
    """
    if law.name not in PULL:
        raise ValueError(f"the law {law.name!r} has no adhesion; give {' or '.join(PULL)}")
    if tip.radius is None:
        raise ValueError(f"the law {law.name!r} needs the radius of the tip; say Tip(radius=...)")
    _ = retract.position  # raises where the deflection has no unit of length
    faults = [f or ("" if np.isfinite(k) else "its spring constant is not known; say spring_constant in N/m")
              for f, k in zip(retract.faults, retract.spring_constant, strict=True)]  # fmt: skip
    sound = np.flatnonzero([not f for f in faults])
    names = [n for n in Adhesive.__dataclass_fields__ if n not in ("converged", "reason")]
    out = {name: np.full(len(retract), np.nan) for name in names} | {"converged": np.zeros(len(retract), bool)}
    if len(sound):
        values, reasons = _fit(retract, sound, law, tip)
        for name, value in values.items():
            out[name][sound] = value
        for i, reason in zip(sound, reasons, strict=True):
            faults[i] = reason
    return Adhesive(**out, reason=tuple(faults))


def _fit(retract: Approach, rows: np.ndarray, law: Law, tip: Tip) -> tuple[dict[str, np.ndarray], list[str]]:
    k, length = retract.spring_constant[rows, None], retract.length[rows]
    sums = Sums(-retract.height[rows]), Sums(retract.deflection[rows])
    first, end = np.zeros(len(rows)), length.astype(float)
    b = binned(*sums, even(first, end, BINS))
    lowest = _levelled(b.x, b.y, b.count)[2]
    off = np.clip(np.take_along_axis(b.edges, lowest[:, None] + 1, 1)[:, 0] + 2.0, 2, end)
    half = BINS // 2  # of the bins in contact, where the first ones were too wide
    b = binned(*sums, np.concatenate([even(first, off, half), even(off, end, BINS - half)[:, 1:]], axis=1))
    x, count = b.x, b.count  # x falls along the retract: how far the base is down
    y, noise, lowest = _levelled(x, b.y, count)
    pull = k[:, 0] * _deepest_pull(retract.deflection[rows], b.y, y, lowest)
    held = (np.arange(BINS) <= lowest[:, None]) & (count > 0)
    work = np.maximum(pull, 1e-18)[:, None] / (PULL[law.name] * np.asarray(tip.radius))
    known = replace(tip, work=work)
    start = _start(x, y, held * count, k, known, pull[:, None], lowest)
    p, error, residual, done = _refined(x, y, held * count, k, law, known, start, noise)
    seen = pull > SEEN * k[:, 0] * noise / np.sqrt(3)
    spread = (held * (y - _mean(y, held)) ** 2).sum(axis=1)
    values = {
        "modulus": np.exp(p[:, 1]), "modulus_error": np.exp(p[:, 1]) * error[:, 1], "work": work[:, 0],
        "pull_off": pull, "pull_off_error": k[:, 0] * noise, "contact": -p[:, 0], "contact_error": error[:, 0],
        "r_squared": 1 - (held * residual**2).sum(axis=1) / np.maximum(spread, 1e-300), "converged": done & seen,
    }  # fmt: skip
    words = "no pull that stands out of the noise; fit a law without adhesion"
    said = ["" if d else "the fit did not converge" for d in done]
    return values, [why if s else words for s, why in zip(seen, said, strict=True)]


def _deepest_pull(raw: np.ndarray, binned_: np.ndarray, level: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """(n,) m below the baseline of the lowest mean of three samples; bins would mix it with what comes after."""
    three = (raw[:, :-2] + raw[:, 1:-1] + raw[:, 2:]) / 3
    zero = np.take_along_axis(binned_ - level, lowest[:, None], 1)[:, 0]
    return zero - np.min(np.where(np.isfinite(three), three, np.inf), axis=1)


def _mean(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    return (values * which).sum(axis=1, keepdims=True) / np.maximum(which.sum(axis=1, keepdims=True), 1)


def _levelled(x: np.ndarray, y: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deflection above the line of what comes after the pull-off, the noise of a sample, and the bin of the pull."""
    place = np.arange(BINS)
    last = BINS - np.argmax(count[:, ::-1] > 0, axis=1)[:, None]
    far = np.broadcast_to((place >= BINS * (1 - FAR)), y.shape) & (count > 0)
    level = y - _mean(y, far)
    lowest = np.argmin(np.where(count > 0, level, np.inf), axis=1)
    after = (place > (lowest[:, None] + last) / 2) & (count > 0)  # a neck may reach on far beyond the largest pull
    far = np.where(after.sum(axis=1, keepdims=True) >= 10, after, far)
    dx, dy = x - _mean(x, far), y - _mean(y, far)
    tilt = (far * dx * dy).sum(axis=1, keepdims=True) / np.maximum((far * dx * dx).sum(axis=1, keepdims=True), 1e-300)
    flat = dy - tilt * dx
    noise = np.sqrt((far * count * flat**2).sum(axis=1) / np.maximum(far.sum(axis=1) - 2, 1))
    return flat, noise, lowest


def _start(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, k: np.ndarray, tip: Tip, pull: np.ndarray, lowest: np.ndarray
) -> np.ndarray:
    """Contact x₀ (m) and log E (n, 2): the best of a grid, with DMT's law, whose modulus has a closed form."""
    off = np.take_along_axis(x, lowest[:, None], 1)
    reach = x.max(axis=1, keepdims=True, where=w > 0, initial=-np.inf) - off
    best, least = np.zeros((len(x), 2)), np.full(len(x), np.inf)
    for share in CONTACTS:
        x0 = off + share * reach
        s = LAWS["paraboloid"].force(x - x0 - y, 1.0, tip)
        modulus = (w * s * (k * y + pull)).sum(1) / np.maximum((w * s * s).sum(1), 1e-300)
        r = k * y + pull - modulus[:, None] * s
        cost = np.where(modulus > 0, (w * (r / (k + 0.1 * k)) ** 2).sum(1), np.inf)
        better = cost < least
        best[better] = np.column_stack([x0[:, 0], np.log(np.maximum(modulus, 1e-3))])[better]
        least = np.minimum(cost, least)
    return best


def _refined(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, k: np.ndarray, law: Law, tip: Tip, start: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Parameters (n, 2), their errors, residuals (n, bins) m, and whether they are a minimum."""

    def residual(p: np.ndarray) -> np.ndarray:
        depth, modulus = x - p[:, :1] - y, np.exp(p[:, 1:])
        stiff = np.maximum(law.stiffness(depth, modulus, tip), 0.0)
        return (k * y - law.force(depth, modulus, tip)) / (k + np.where(np.isfinite(stiff), stiff, 0.0))

    p, damp, done = start.copy(), np.full(len(start), 1e-2), np.zeros(len(start), bool)
    r = residual(p)
    cost = (w * r * r).sum(axis=1)
    step = np.stack([np.full(len(p), 1e-11), np.full(len(p), 1e-5)], axis=1)
    for _ in range(TURNS):
        j = np.stack([(residual(p + step * np.eye(2)[i]) - r) / step[:, i : i + 1] for i in range(2)], axis=2)
        normal, right = np.einsum("nm,nmi,nmj->nij", w, j, j), np.einsum("nm,nmi,nm->ni", w, j, r)
        scale = np.sqrt(np.maximum(np.einsum("nii->ni", normal), 1e-300))
        unit = normal / (scale[:, :, None] * scale[:, None, :]) + damp[:, None, None] * np.eye(2)
        trial = p - np.linalg.solve(unit, (right / scale)[..., None])[..., 0] / scale
        new = residual(trial)
        fresh = (w * new * new).sum(axis=1)
        better = fresh <= cost
        done |= better & (cost - fresh <= HALVINGS * cost)
        p[better], r[better] = trial[better], new[better]
        cost, damp = np.where(better, fresh, cost), np.where(better, damp * 0.2, damp * 6)
    unit = normal / (scale[:, :, None] * scale[:, None, :])
    error = np.sqrt(np.maximum(np.einsum("nii->ni", np.linalg.pinv(unit)), 0)) / scale
    bins = np.maximum((w > 0).sum(axis=1) - 2, 1)
    return p, error * np.maximum(noise, np.sqrt(cost / bins))[:, None], r, done | (damp > 1e6)
