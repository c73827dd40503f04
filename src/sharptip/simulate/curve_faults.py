"""What goes wrong with force curves, how badly, and what an expert would say of it.

Each kind of KINDS changes some numbers of a curve, the more the higher its strength in 0–1. Sizes are shares of what is
seen of a curve (its largest deflection, its ramp, its depth) and grow as powers of the strength, as an eye tells them
apart. The rating is a design choice, not a measurement:

    rating = 9.5 · Π (1 − weight · strength^1.5) / Π (1 + (size / limit)²)

plus the scatter of a person (SCATTER, one standard deviation); a curve is accepted from ACCEPTED on. The weights say
what a curve is still good for: without contact or baseline nothing (1); a slip, a second contact, a jump, a clipped end
spoils the fit (0.8–0.95); what a fit can carry along costs less. The second product is over what every curve has a
little of (LIMITS): noise, tilt, waves, a brush before contact, stiffening with depth, a short baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Numbers = Mapping[str, np.ndarray]
Change = Callable[[np.random.Generator, Numbers, np.ndarray], dict[str, np.ndarray]]

SHARES = (0.48, 0.37, 0.12, 0.03)  # of curves with none, one, two, three kinds
SCATTER = 0.5
LIMITS = {  # sizes that halve a rating, as shares of the largest deflection; the last: ratio less one, 1/share
    "noise": 0.04, "tilt": 0.25, "bow": 0.08, "wave": 0.02, "brush": 0.03, "stiffening": 12.0, "short": 8.0,
}  # fmt: skip
ACCEPTED = 5.0


def _sign(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    return np.where(rng.random(like.shape) < 0.5, -1.0, 1.0)


def _between(rng: np.random.Generator, like: np.ndarray, low: float, high: float) -> np.ndarray:
    return rng.uniform(low, high, like.shape)


def _grown(s: np.ndarray, low: float, high: float) -> np.ndarray:
    """Sizes from low (strength 0) to high (strength 1), equal ratios for equal steps; 0 where there is none."""
    return np.where(s > 0, low * (high / low) ** s, 0.0)


def log_between(rng: np.random.Generator, like: np.ndarray, low: float, high: float) -> np.ndarray:
    """Log-uniform numbers of the shape of `like`."""
    return np.exp(rng.uniform(np.log(low), np.log(high), like.shape))


def tilted_baseline(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    way = np.where(rng.random(s.shape) < 0.65, 1.0, -1.0)  # the light that the sample reflects mostly adds
    size = _grown(s, 0.03, 0.9) * p["peak"]
    return {"tilt": p["tilt"] + way * size, "bow": p["bow"] + _between(rng, s, -0.4, 0.4) * size}


def interference(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    period = log_between(rng, s, 0.15e-6, 4e-6)
    return {
        "wave": np.where(s > 0, _grown(s, 0.005, 0.2) * p["peak"], p["wave"]),
        "wave_period": np.where(s > 0, period, p["wave_period"]),
    }


def spikes(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    number = np.where(s > 0, 1 + np.floor(6 * s * rng.random(s.shape)), 0)
    return {"spikes": number, "spike": _between(rng, s, 0.3, 1) * _grown(s, 0.02, 1) * p["peak"] + 8 * p["noise"]}


def no_contact(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    return {"contact_share": np.where(s > 0, _between(rng, s, 1.05, 2), p["contact_share"])}


def contact_at_start(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    share = np.where(rng.random(s.shape) < 0.5, _between(rng, s, 0, 0.04), _between(rng, s, -1.0, 0))
    return {"contact_share": np.where(s > 0, share, p["contact_share"])}


def slip(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    out = {"slip_recovery": np.where(s > 0, log_between(rng, s, 0.03, 1), 1.0)}
    for n, chance in (("1", 1.0), ("2", 0.4), ("3", 0.15)):
        here = (s > 0) & (rng.random(s.shape) < chance)
        out["slip_depth_" + n] = np.where(here, _between(rng, s, 0.15, 0.95), 9.0)
        out["slip_loss_" + n] = np.where(here, _grown(s, 0.01, 0.9) * _between(rng, s, 0.5, 1), 0.0)
    return out


def double_contact(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    on, gap = s > 0, p["come"] * log_between(rng, s, 0.15, 1.5)
    slides = rng.random(s.shape) < 0.5
    return {
        "first_gap": np.where(on, gap, 0.0),
        "first_ratio": np.where(
            on, _grown(s, 0.01, 0.6) * log_between(rng, s, 0.4, 1) * (p["depth"] / gap) ** 1.3, 0.0
        ),
        "first_depth": np.where(slides, gap * _between(rng, s, 0.2, 0.9), 1.0),
        "first_slide": np.where(slides, gap * log_between(rng, s, 0.02, 0.5), 1.0),
    }


def jump_in(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    pull = _grown(s, 0.02, 0.5) * p["peak"] * p["spring_constant"]
    reach = log_between(rng, s, 0.5, 8) * 0.1 * np.minimum(p["peak"], 100e-9)
    return {
        "attraction": np.where(s > 0, np.maximum(pull, p["attraction"]), p["attraction"]),
        "attraction_length": np.where(s > 0, reach, p["attraction_length"]),
    }


def saturation(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    return {"ceiling": np.where(s > 0, (1 - 0.7 * s) * p["peak"], np.inf)}


def sample_drift(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    on, way = s > 0, _sign(rng, s)
    return {
        "drift": np.where(on, way * _grown(s, 0.03, 0.5) * p["come"], p["drift"]),
        "sway": np.where(on, _grown(s, 0.005, 0.12) * p["come"] * _between(rng, s, 0.2, 1), p["sway"]),
        "sway_turns": _between(rng, s, 2, 15),
        "bow": p["bow"] + 0.2 * way * s**2 * p["peak"],
    }


def late_engagement(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    return {"cut": np.where(s > 0, 1 - 0.35 * (1 - s) - 0.6 * s, 1.0), "late": np.where(s > 0, 1.0, 0.0)}


def two_slopes(rng: np.random.Generator, p: Numbers, s: np.ndarray) -> dict[str, np.ndarray]:
    on, knee = s > 0, rng.random(s.shape) < 0.5  # the others go over from soft to stiff bit by bit
    return {
        "substrate_depth": np.where(on, p["depth"] * _between(rng, s, 0.25, 0.7), 0.0),
        "substrate_ratio": np.where(on, knee * (1 + 30 * s**2 * _between(rng, s, 0.5, 1)), 0.0),
        "stiffening": np.where(on, p["stiffening"] + (1 - knee) * 30 * s**1.5, p["stiffening"]),
    }


KINDS: dict[str, tuple[Change, float]] = {  # what it changes, and the weight of its strength in the rating
    "tilted baseline": (tilted_baseline, 0.3),
    "interference": (interference, 0.3),
    "spikes": (spikes, 0.6),
    "no contact": (no_contact, 1.0),
    "contact at start": (contact_at_start, 1.0),
    "slip": (slip, 0.9),
    "double contact": (double_contact, 0.95),
    "jump-in": (jump_in, 0.8),
    "saturation": (saturation, 0.9),
    "sample drift": (sample_drift, 0.8),
    "late engagement": (late_engagement, 0.9),
    "two slopes": (two_slopes, 0.6),
}
WHOLE = ("no contact", "contact at start")  # either there or not: their strength is 1
IN_CONTACT = ("slip", "double contact", "jump-in", "saturation", "sample drift", "late engagement", "two slopes")
AGAINST = {  # what cannot be seen with it
    "no contact": ("contact at start", *IN_CONTACT),
    "contact at start": ("late engagement", "double contact", "jump-in"),
}
FREQUENT = np.array([1.6, 1.3, 0.8, 0.6, 0.8, 1.5, 1.5, 0.8, 0.6, 0.8, 0.6, 1.2])  # how often each, relative


def drawn_strengths(rng: np.random.Generator, n: int, share: float | None = None) -> np.ndarray:
    """(n, kinds) strengths, 0 where a curve has not that kind. share: of curves that have any; None: as SHARES say."""
    shares = (
        np.array(SHARES) if share is None else np.array([1 - share, *(share * np.array(SHARES[1:]) / sum(SHARES[1:]))])
    )
    number = rng.choice(len(shares), n, p=shares)
    race = rng.exponential(1, (n, len(KINDS))) / FREQUENT
    on = race.argsort(axis=1).argsort(axis=1) < number[:, None]
    names = list(KINDS)
    for name, others in AGAINST.items():
        on[np.ix_(on[:, names.index(name)], [names.index(o) for o in others])] = False
    strength = np.where(on, rng.uniform(0.08, 1, on.shape), 0.0)
    whole = [names.index(name) for name in WHOLE]
    strength[:, whole] = on[:, whole]
    return strength


def given_strengths(n: int, only: Mapping[str, float]) -> np.ndarray:
    """(n, kinds) the same strengths for every curve. Raises ValueError for a kind that is not in KINDS."""
    unknown = [name for name in only if name not in KINDS]
    if unknown:
        raise ValueError(f"no artefact is called {unknown[0]!r}; there are: {', '.join(KINDS)}")
    return np.tile([float(only.get(name, 0.0)) for name in KINDS], (n, 1))


def changed(rng: np.random.Generator, p: Numbers, strength: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers (n, 1) of curves after what went wrong with them."""
    out = dict(p)
    for n, (change, _) in enumerate(KINDS.values()):
        out |= change(rng, out, strength[:, n : n + 1])
    return out


def rating(rng: np.random.Generator, p: Numbers, strength: np.ndarray) -> np.ndarray:
    """(n,) what an expert would say, 0–10."""
    weight = np.array([w for _, w in KINDS.values()])
    left = (1 - weight * strength**1.5).prod(axis=1)
    sizes = {name: p[name] / p["peak"] for name in ("noise", "tilt", "bow", "wave")}
    sizes["brush"] = p["brush_force"] / p["spring_constant"] / p["peak"]
    sizes |= {"stiffening": p["stiffening"], "short": 1 / np.maximum(p["contact_share"], 0.01)}
    for name, limit in LIMITS.items():
        left = left / (1 + (sizes[name][:, 0] / limit) ** 2)
    return np.clip(9.5 * left + rng.normal(0, SCATTER, len(left)), 0, 10)
