"""What a cantilever does while its base is lowered onto a sample, and lifted again.

The force on a tip is a law of how deep it is, so a curve is traced by its indentation δ (δ < 0 is a gap): at each δ the
force F says the deflection d = F/k, and the base has come s = δ + d down from where an undeflected tip would touch.
Read off at the heights of the piezo, that is the curve; nothing is solved by iteration. Where F falls faster than k the
path turns back, which no base can follow: there the tip jumps, as in the instrument.

Many curves at once; every number of a curve is an array (n, 1), paths are (n, nodes).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import betainc

from ..physics.contact import Law, Tip

Numbers = Mapping[str, np.ndarray]

GAP_NODES, DEPTH_NODES = 64, 160
RELAXED = 1e-3  # of the deepest indentation: below this depth power-law relaxation is not resolved


def nodes(depth: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Indentations (n, nodes) from −reach to depth, dense at contact; depth, reach: (n, 1) m."""
    gap = -reach * np.linspace(1, 0, GAP_NODES, endpoint=False) ** 2
    return np.concatenate([gap, depth * np.linspace(0, 1, DEPTH_NODES) ** 2], axis=1)


def force(delta: np.ndarray, law: Law, tip: Tip, p: Numbers) -> np.ndarray:
    """Force (n, nodes) in N of an approach at a steady rate. p: the numbers of `force_curves.PARAMETERS`, each (n, 1).

    The sample's law, softened by relaxation, stiffened by what lies under it, weakened where it slips; a brush or a
    double layer before it, attraction, and something soft that is touched first.
    """
    body = elastic(delta, law, tip, p)
    under = law.force(delta - p["substrate_depth"], p["modulus"] * p["substrate_ratio"], tip)
    first = touched_first(delta, law, tip, p)
    total = body + np.where(p["substrate_ratio"] > 0, under, 0) + first
    total = total - slips(delta, total, p)
    total = total + p["brush_force"] * np.exp(np.minimum(delta, 0) / p["brush_length"])
    return total - p["attraction"] * np.exp(np.minimum(delta, 0) / p["attraction_length"])


def elastic(delta: np.ndarray, law: Law, tip: Tip, p: Numbers) -> np.ndarray:
    """The law's force, its modulus falling as (time since contact)^−β, rising with depth, and right at the deepest.

    At a steady rate Ting's integral of F ∝ δⁿ with E(t) ∝ t^−β is F ∝ δ^(n−β), doi 10.1115/1.3625192.
    """
    relative = np.maximum(delta / p["depth"], RELAXED)
    stiffer = (1 + p["stiffening"] * relative) / (1 + p["stiffening"])
    return law.force(delta, p["modulus"], tip) * stiffer * relative ** -p["relaxation"]


def touched_first(delta: np.ndarray, law: Law, tip: Tip, p: Numbers) -> np.ndarray:
    """Something soft before the sample, e.g. debris or a membrane fold; it slides off over `first_slide` metres."""
    into = np.maximum(delta + p["first_gap"], 0)
    past = np.maximum(into - p["first_depth"], 0) / p["first_slide"]
    return law.force(into, p["modulus"] * p["first_ratio"], tip) * np.exp(-past * past)


def slips(delta: np.ndarray, total: np.ndarray, p: Numbers) -> np.ndarray:
    """Force that is lost at up to three depths and comes back as the tip goes on."""
    lost = np.zeros_like(total)
    for n in ("1", "2", "3"):
        past = delta / p["depth"] - p["slip_depth_" + n]
        fresh = np.exp(-np.maximum(past, 0) / p["slip_recovery"])
        lost += np.where(past > 0, p["slip_loss_" + n] * fresh, 0) * total
    return lost


def path(delta: np.ndarray, f: np.ndarray, k: np.ndarray) -> np.ndarray:
    """How far the base has come down, (n, nodes) m: never back, so a tip that would turn back jumps."""
    return np.maximum.accumulate(delta + f / k, axis=1)


def lifted(delta: np.ndarray, f: np.ndarray, p: Numbers, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """(path, force) of the way back, on the same indentations.

    The force of a viscoelastic sample falls by Ting's rule at equal rates of approach and retract: with x = δ/depth,
    the time t = 2 − x and t₁ = t − 2^(1/(1−β)) (t − 1), it is t^(n−β) I(t₁/t; n, 1−β). Adhesion holds the tip until
    the gap is `pull_length`.
    """
    beta, x = p["relaxation"], np.clip(delta / p["depth"], 0, 1)
    t = 2 - x
    since = np.clip(t - 2 ** (1 / (1 - beta)) * (t - 1), 0, None) / t
    ratio = t ** (exponent - beta) * betainc(exponent, 1 - beta, since)
    ratio /= np.maximum(x, RELAXED) ** (exponent - beta)
    held = np.clip(1 + delta / p["pull_length"], 0, 1)
    back = np.where(delta > 0, f * np.minimum(ratio, 1), 0) - p["adhesion"] * held
    s = delta + back / p["spring_constant"]
    return np.minimum.accumulate(s[:, ::-1], axis=1)[:, ::-1], back


def read_off(come: np.ndarray, s: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Force (n, samples) where the base has come down `come` metres (n, samples), from the path s and force f."""
    return np.stack([np.interp(*row) for row in zip(come, s, f, strict=True)])


def deepest(wanted: np.ndarray, law: Law, modulus: np.ndarray, tip: Tip, limit: np.ndarray) -> np.ndarray:
    """Indentation (n, 1) m at which the law takes the force `wanted` (n, 1), or `limit` (n, 1) where that is less."""
    low, high = np.full_like(limit, -30.0), np.log(limit)
    for _ in range(24):
        middle = (low + high) / 2
        more = law.force(np.exp(middle), modulus, tip) > wanted
        low, high = np.where(more, low, middle), np.where(more, middle, high)
    return np.exp(high)
