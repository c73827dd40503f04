"""Force curves as atomic force microscopes record them on cells, gels, polymers and mica, with what is true of them.

Curves come in sessions: one cantilever, one tip, one kind of sample, one way to ramp; curves of a session differ in
where the sample is, how stiff it is there, and in what goes wrong. Ranges: docs/simulated_curves.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.signal import lfilter

from ..core.history import entry
from ..physics.contact import LAWS, Law, Tip
from .curve_faults import ACCEPTED, KINDS, changed, drawn_strengths, given_strengths, log_between, rating
from .pressed import deepest, force, lifted, nodes, path, read_off

THERMAL = 4.11e-21  # J, kT at 25 °C
Range = tuple[float, float]


@dataclass(frozen=True)
class Setting:
    """A kind of experiment: ranges that are drawn from log-uniformly, in SI units."""

    laws: tuple[str, ...]
    radius: Range
    modulus: Range
    spring_constant: Range
    trigger: Range  # deflection at which the approach ends
    limit: Range  # depth at which it ends at the latest
    spread: float = 0.5  # of log modulus within a session
    contact: Range = (0.3, 0.97)  # share of the ramp before contact
    brush: float = 0.4  # share of curves that meet something soft and soluble first
    brush_length: Range = (30e-9, 2e-6)
    attraction: float = 0.1  # share of curves with a small jump into contact
    relaxation: float = 0.4  # the largest power of time
    stiffening: Range = (0.03, 0.5)  # how much stiffer the deepest than the surface, as a ratio less one


SHARP = ("blunted_pyramid", "pyramid", "blunted_cone", "paraboloid", "layer_cone")
SETTINGS: dict[str, tuple[Setting, float]] = {  # and how often
    "cell, sharp tip": (
        Setting(
            SHARP, (15e-9, 150e-9), (100.0, 1e5), (0.01, 0.3), (10e-9, 100e-9), (0.4e-6, 5e-6), contact=(0.35, 0.985),
            stiffening=(0.05, 3.0),
        ), 0.35),
    "cell, bead": (
        Setting(
            ("paraboloid", "sphere", "layer_paraboloid"), (0.5e-6, 10e-6), (50.0, 5e4), (0.01, 0.3), (5e-9, 100e-9),
            (0.2e-6, 3e-6), contact=(0.3, 0.97), stiffening=(0.05, 2.0),
        ), 0.2),
    "gel": (
        Setting(
            ("paraboloid", "sphere", "pyramid", "cone"), (20e-9, 10e-6), (500.0, 1e6), (0.02, 3.0), (8e-9, 200e-9),
            (0.1e-6, 2e-6), spread=0.3, contact=(0.3, 0.95), brush=0.15, brush_length=(10e-9, 100e-9),
            attraction=0.3, relaxation=0.15,
        ), 0.15),
    "polymer": (
        Setting(
            ("paraboloid", "cone", "sphere"), (5e-9, 1e-6), (1e6, 1e9), (0.3, 40.0), (4e-9, 150e-9), (5e-9, 0.3e-6),
            spread=0.3, contact=(0.3, 0.98), brush=0.0, brush_length=(5e-9, 50e-9), attraction=0.7, relaxation=0.1,
            stiffening=(0.01, 0.2),
        ), 0.12),
    "mica": (
        Setting(
            ("paraboloid",), (5e-9, 100e-9), (2e10, 1.5e11), (0.01, 40.0), (3e-9, 150e-9), (5e-9, 0.1e-6),
            spread=0.05, contact=(0.3, 0.985), brush=0.6, brush_length=(1e-9, 80e-9), attraction=0.5, relaxation=0.0,
            stiffening=(0.001, 0.01),
        ), 0.18),
}  # fmt: skip
SAMPLES = (120, 2500)  # of a typical approach of a session; none has more than 4000
THICKNESS = (1e-6, 30e-6)  # m, of a cell or a gel, for laws of layers
VELOCITY = (0.2e-6, 50e-6)  # m/s
PER_SESSION = 16  # curves that share a cantilever
CLEAN = dict.fromkeys(
    ("noise", "flicker", "height_noise", "uneven", "tilt", "bow", "wave", "drag", "sensitivity_error", "step", "drift",
     "sway", "brush_force", "attraction", "relaxation", "stiffening", "adhesion"), 0.0,
)  # fmt: skip


class Drawn(NamedTuple):
    """Curves and what is true of them.

    scan: (curve, sample), as measured curves are held. truth: for each curve `contact` (m, height at which the tip
    touches; NaN where that was not recorded), `modulus` (Pa), `law`, `accept` (0/1), `rating` (0–10), `kinds`
    (n, kinds) 0/1 in the order of KINDS, `strength` (n, kinds). record: every number that was drawn, (n,) each.
    """

    scan: xr.Dataset
    truth: dict[str, np.ndarray]
    record: dict[str, np.ndarray]


@dataclass
class Session:
    """Curves of one session: rows (n, samples) of time, height, deflection, NaN behind the end of each."""

    rows: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    record: dict[str, np.ndarray]
    retract: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # (n,) samples before the way back


def force_curves(
    rng: np.random.Generator,
    n: int,
    *,
    retract: bool = False,
    faulty: float | None = None,
    setting: str | None = None,
    samples: int | None = None,
    per_session: int = PER_SESSION,
    only: Mapping[str, float] | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Drawn:
    """n simulated curves, of `per_session` each from as many sessions as that takes.

    retract: also the way back. faulty: share of curves with any artefact (None: 0.52). setting: only this kind of
    experiment. samples: the most that an approach may have; a typical one has half (None: 120–2500, log-uniform).
    only: artefact → strength for every curve, in place of drawn ones ({}: none). fixed: name in the record → number, in
    place of drawn ones; CLEAN holds those of an ideal instrument. Both leave all else as the same rng draws it without
    them, so that pairs of curves differ in one thing alone.

    Raises ValueError for a setting, an artefact or a number that there is not, and for less than one curve.
    """
    if n < 1:
        raise ValueError(f"asked for {n} curves; draw one at least")
    if setting is not None and setting not in SETTINGS:
        raise ValueError(f"no setting is called {setting!r}; there are: {', '.join(SETTINGS)}")
    sizes = [min(per_session, n - start) for start in range(0, n, per_session)]
    options = (retract, faulty, setting, samples, only, fixed or {})
    seeds = rng.integers(2**63, size=len(sizes))  # what one session draws changes nothing in the next
    parts = [session(np.random.default_rng(s), m, *options) for s, m in zip(seeds, sizes, strict=True)]
    truth = {key: np.concatenate([part.truth[key] for part in parts]) for key in parts[0].truth}
    record = {key: np.concatenate([part.record[key] for part in parts]) for key in parts[0].record}
    record["session"] = np.repeat(np.arange(len(sizes)), sizes)
    return Drawn(_scan(parts, record, retract), truth, record)


def session(
    rng: np.random.Generator,
    n: int,
    retract: bool,
    faulty: float | None,
    setting: str | None,
    samples: int | None,
    only: Mapping[str, float] | None,
    fixed: Mapping[str, float],
) -> Session:
    """n curves of one session."""
    shares = np.array([share for _, share in SETTINGS.values()])
    any_of_them = str(rng.choice(list(SETTINGS), p=shares / shares.sum()))
    setting = any_of_them if setting is None else setting
    law, tip, p = drawn(rng, n, SETTINGS[setting][0], fixed)
    strength = drawn_strengths(rng, n, faulty)
    strength = strength if only is None else given_strengths(n, only)
    p = ramps(rng, changed(rng, p, strength), law, tip)
    length = lengths(rng, p, samples)
    rows, touch = measured(rng, p, law, tip, length, retract)
    truth = _truth(rng, p, strength, touch, law.name)
    record = {name: value[:, 0] for name, value in p.items()} | {"setting": np.full(n, setting)}
    return Session(rows, truth, record, length)


# -- what is drawn ------------------------------------------------------------------------------------------------


def drawn(
    rng: np.random.Generator, n: int, setting: Setting, fixed: Mapping[str, float]
) -> tuple[Law, Tip, dict[str, np.ndarray]]:
    """The law, the tip and the numbers (n, 1) of n good curves of a session; those in `fixed` are as they are there."""
    one, all_ = np.zeros((1, 1)), np.zeros((n, 1))

    def log(low_high: Range) -> np.ndarray:
        return all_ + log_between(rng, one, *low_high)

    law = LAWS[str(rng.choice(setting.laws))]
    p = {"radius": log(setting.radius), "half_angle": all_ + rng.uniform(np.radians(12), np.radians(38))}
    p["thickness"] = log(THICKNESS)
    p["spring_constant"] = log(setting.spring_constant)
    typical = rng.uniform(*np.log(setting.modulus))
    p["modulus"] = np.exp(np.clip(typical + rng.normal(0, setting.spread, (n, 1)), *np.log(setting.modulus)))
    p |= {name: all_ + fixed[name] for name in p if name in fixed}
    tip = Tip(radius=p["radius"], half_angle=p["half_angle"], thickness=p["thickness"])
    limit, trigger = log(setting.limit), log(setting.trigger)
    if "spring_constant" not in fixed:  # nobody takes a cantilever that the sample cannot bend
        most = np.median(law.force(limit, p["modulus"], tip)) / (0.2 * trigger)
        p["spring_constant"] = np.maximum(np.minimum(p["spring_constant"], most), 0.006)
    p["depth"] = deepest(p["spring_constant"] * trigger, law, p["modulus"], tip, limit)
    p["peak"] = law.force(p["depth"], p["modulus"], tip) / p["spring_constant"]
    p["come"] = p["depth"] + p["peak"]
    p["relaxation"] = all_ + rng.uniform(0, 1) * setting.relaxation
    p["stiffening"] = log(setting.stiffening) * log_between(rng, all_, 0.5, 2)
    p["velocity"] = log(VELOCITY)
    low, high = setting.contact
    share = low + (high - low) * np.sqrt(rng.random()) + rng.normal(0, 0.03, (n, 1))
    p["contact_share"] = np.clip(share, 0.12, 0.99)
    p |= _instrument(rng, p, one) | _before(rng, p, setting) | _untouched(all_)
    p["adhesion"] = (
        p["peak"] * p["spring_constant"] * np.where(rng.random((n, 1)) < 0.6, log_between(rng, all_, 0.01, 1), 0)
    )
    p["pull_length"] = p["come"] * log_between(rng, all_, 0.01, 1.5)
    _check_fixed(p, fixed)
    return law, tip, p | {name: all_ + value for name, value in fixed.items()}


def _check_fixed(p: Mapping[str, np.ndarray], fixed: Mapping[str, float]) -> None:
    may = [name for name in p if name not in ("depth", "peak", "come")]
    for name in fixed:
        if name not in may:
            raise ValueError(f"no number {name!r} can be fixed; there are: {', '.join(may)}")


def _instrument(rng: np.random.Generator, p: dict[str, np.ndarray], one: np.ndarray) -> dict[str, np.ndarray]:
    """What every instrument adds a little of; lengths in metres of deflection."""
    k, peak, n = p["spring_constant"], p["peak"], len(p["peak"])
    like = np.zeros((n, 1))
    thermal = np.sqrt(THERMAL / k) * log_between(rng, one, 0.03, 1.0)
    noise = np.hypot(thermal, log_between(rng, one, 8e-12, 200e-12)) * log_between(rng, like, 0.9, 1.15)
    noise = np.minimum(noise, peak * log_between(rng, one, 0.002, 0.1))  # nobody triggers within the noise
    return {
        "noise": noise,
        "memory": like + np.maximum(rng.uniform(-0.3, 0.85), 0),  # correlation of neighbouring samples
        "flicker": noise * log_between(rng, like, 0.05, 1.5),
        "height_noise": np.minimum(like + log_between(rng, one, 5e-12, 0.8e-9), 1e-3 * p["come"]),
        "uneven": like + rng.uniform(-0.15, 0.15),  # of the piezo's speed along the ramp
        "tilt": peak * (0.015 + 0.03 * rng.standard_t(2) + 0.02 * rng.standard_normal((n, 1))),  # over the whole ramp
        "bow": peak * (0.01 * rng.standard_normal((n, 1))),
        "wave": peak * log_between(rng, like, 1e-4, 0.005),
        "wave_period": like + log_between(rng, one, 0.2e-6, 3e-6),
        "wave_phase": rng.uniform(0, 2 * np.pi, (n, 1)),
        "drag": like + log_between(rng, one, 0.3e-6, 5e-6),  # N·s/m
        "sensitivity_error": like + np.clip(rng.normal(0, 0.05), -0.15, 0.15),
        "step": np.minimum(like + log_between(rng, one, 1e-13, 2e-10), 0.02 * peak),  # of the converter
        "offset": rng.normal(0, 60e-9) + 0.1 * peak * rng.standard_normal((n, 1)),
        "place": rng.normal(0, 8e-6) + 0.3e-6 * rng.standard_normal((n, 1)),  # height of the sample
        "drift": p["come"] * rng.normal(0, 0.02, (n, 1)),  # of the sample, m over the whole ramp
        "sway": p["come"] * log_between(rng, like, 3e-4, 0.008),  # of the sample, m
        "sway_turns": rng.uniform(2, 20, (n, 1)),  # over the ramp
    }


def _before(rng: np.random.Generator, p: dict[str, np.ndarray], setting: Setting) -> dict[str, np.ndarray]:
    """Forces before contact: a brush, glycocalyx or double layer that pushes, attraction that pulls."""
    like, most = np.zeros_like(p["peak"]), p["peak"] * p["spring_constant"]
    has = (rng.random() < setting.brush) & (rng.random(like.shape) < 0.8)
    pulled = (rng.random() < setting.attraction) & (rng.random(like.shape) < 0.8)
    length = log_between(rng, np.zeros((1, 1)), *setting.brush_length) * log_between(rng, like, 0.7, 1.4)
    return {
        "brush_force": np.where(has, most * log_between(rng, like, 0.002, 0.12), 0.0),
        "brush_length": length,
        "attraction": np.where(pulled, most * log_between(rng, like, 0.003, 0.08), 0.0),
        "attraction_length": np.minimum(length, p["peak"]) * log_between(rng, like, 0.03, 0.4),
    }


def _untouched(like: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers that only artefacts change."""
    ones, none = np.ones_like(like), np.zeros_like(like)
    return {"spikes": none, "spike": none, "ceiling": none + np.inf, "cut": ones, "late": none}


def ramps(rng: np.random.Generator, p: dict[str, np.ndarray], law: Law, tip: Tip) -> dict[str, np.ndarray]:
    """With the ramp of each curve: how far the base comes down before and after contact, and where it begins.

    A ramp that begins in contact, or ends before it, is as long as it would have been.
    """
    share, come = p["contact_share"], p["come"] * p["cut"]
    late = p["late"] > 0
    share = np.where(late, np.maximum(share, 1 - log_between(rng, share, 0.005, 0.03)), share)
    inside = np.clip(share, 0, 0.99)
    ramp = np.where(share > 1, p["come"] * log_between(rng, share, 1.5, 20), come / (1 - inside))
    before = np.where(share < 0, share * 0.8 * come, share * ramp)
    return p | {"contact_share": share, "ramp": np.where(share < 0, come + before, ramp), "before": before}


def lengths(rng: np.random.Generator, p: dict[str, np.ndarray], samples: int | None) -> np.ndarray:
    """(n,) samples of each approach: ramps of a session have one rate; `samples` is the most that one has."""
    most = int(np.exp(rng.uniform(*np.log(SAMPLES)))) if samples is None else samples / 2
    share = (p["ramp"] / np.median(p["ramp"]))[:, 0]
    return np.rint(np.minimum(most * np.clip(share, 0.1, 2), 4000)).astype(int)


# -- what is measured ---------------------------------------------------------------------------------------------


def measured(
    rng: np.random.Generator, p: dict[str, np.ndarray], law: Law, tip: Tip, length: np.ndarray, retract: bool
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rows of time (s), height (m), deflection (m), and how far the base had come at contact (n,) m."""
    k, most = p["spring_constant"], int(length.max())
    reach = np.maximum(6 * np.maximum(p["brush_length"], p["attraction_length"]), 1.3 * p["first_gap"])
    delta = nodes(1.6 * p["depth"], reach)
    f = force(delta, law, tip, p)
    s = path(delta, f, k)
    part = np.arange(most) / np.maximum(length - 1, 1)[:, None]
    even = np.minimum(part, 1)
    come = p["ramp"] * (even + p["uneven"] * np.sin(2 * np.pi * even) / (2 * np.pi)) - p["before"]
    felt = read_off(come + _swayed(p, part), s, f)
    parts = [(come, felt, 1.0)]
    if retract:
        back, weaker = lifted(delta, f, p, law.exponent or 1.5)
        parts.append((come, read_off(come + _swayed(p, 2 - part), back, weaker), -1.0))
    touch = s[:, np.flatnonzero(delta[0] == 0)[0]]
    inside = np.arange(most) < length[:, None]
    rows = [recorded(rng, *part, p, inside) for part in parts]
    return _joined(rows, p, length), touch


def _swayed(p: dict[str, np.ndarray], part: np.ndarray) -> np.ndarray:
    """How far the sample has come up by then, m."""
    return p["drift"] * (part - 1) + p["sway"] * np.sin(2 * np.pi * p["sway_turns"] * part)


def recorded(
    rng: np.random.Generator,
    come: np.ndarray,
    felt: np.ndarray,
    way: float,
    p: dict[str, np.ndarray],
    inside: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Height and deflection (n, samples) as the instrument says them; way: 1 approaching, −1 going back."""
    n, most = come.shape
    x = (come + p["before"]) / p["ramp"]
    d = felt / p["spring_constant"] + way * p["drag"] * p["velocity"] / p["spring_constant"]
    d += (p["tilt"] + p["bow"] * x) * x
    d += p["wave"] * np.sin(2 * np.pi * come / p["wave_period"] + p["wave_phase"])
    d += p["flicker"] * _flicker(rng, n, most)
    memory = float(p["memory"][0, 0])
    white = rng.standard_normal((n, most), dtype=np.float32) * np.float32(np.sqrt(1 - memory**2))
    d += p["noise"] * (lfilter([1.0], [1.0, -memory], white, axis=1) if memory else white)
    seed = rng.integers(2**63)
    if p["spikes"].any():
        d += _spikes(np.random.default_rng(seed), p, inside)
    d = np.minimum(d * (1 + p["sensitivity_error"]), p["ceiling"]) + p["offset"]
    d = np.where(p["step"] > 0, np.round(d / np.maximum(p["step"], 1e-30)) * p["step"], d)
    height = p["place"] - come + p["height_noise"] * rng.standard_normal((n, most), dtype=np.float32)
    return np.where(inside, height, np.nan), np.where(inside, d, np.nan)


def _flicker(rng: np.random.Generator, n: int, samples: int, knots: int = 128) -> np.ndarray:
    """(n, samples) of noise whose power falls as 1/f, rms about 1."""
    f = np.arange(knots // 2 + 1)
    amplitude = np.where(f > 0, 1 / np.sqrt(np.maximum(f, 1)), 0)
    amplitude *= knots / np.sqrt(2 * (amplitude**2).sum()) / np.sqrt(2)
    spectrum = amplitude * (rng.standard_normal((n, len(f))) + 1j * rng.standard_normal((n, len(f))))
    coarse = np.fft.irfft(spectrum, knots, axis=1)
    at = np.linspace(0, knots // 2, samples)  # half of it: the ends of a curve need not meet
    return np.stack([np.interp(at, np.arange(knots), row) for row in coarse])


def _spikes(rng: np.random.Generator, p: dict[str, np.ndarray], inside: np.ndarray) -> np.ndarray:
    """(n, samples) of single outliers that fade within a few samples."""
    out = np.zeros(inside.shape)
    for row in np.flatnonzero(p["spikes"][:, 0]):
        length = int(inside[row].sum())
        for _ in range(int(p["spikes"][row, 0])):
            at, width = int(rng.integers(length)), int(rng.integers(1, 5))
            size = p["spike"][row, 0] * rng.uniform(0.5, 1.5) * (1 if rng.random() < 0.7 else -1)
            tail = np.exp(-np.arange(3 * width) / width)[: length - at]
            out[row, at : at + len(tail)] += size * tail
    return out


def _joined(
    parts: list[tuple[np.ndarray, np.ndarray]], p: dict[str, np.ndarray], length: np.ndarray
) -> dict[str, np.ndarray]:
    """Rows of time, height and deflection: the approach, and behind it what comes back, in order of time."""
    (height, deflection), *back = parts
    most = height.shape[1] * len(parts)
    out = {name: np.full((len(length), most), np.nan) for name in ("height", "deflection")}
    for name, one in zip(out, (height, deflection), strict=True):
        out[name][:, : one.shape[1]] = one
    for name, one in zip(out, back[0] if back else (), strict=False):
        for row, n in enumerate(length):
            out[name][row, n : 2 * n] = one[row, :n][::-1]
    step = p["ramp"] / p["velocity"] / np.maximum(length - 1, 1)[:, None]
    out["time"] = np.where(np.isfinite(out["height"]), np.arange(most) * step, np.nan)
    return out


# -- what is told -------------------------------------------------------------------------------------------------


def _truth(
    rng: np.random.Generator, p: dict[str, np.ndarray], strength: np.ndarray, touch: np.ndarray, law: str
) -> dict[str, np.ndarray]:
    stars = rating(rng, p, strength)
    seen = (touch >= -p["before"][:, 0]) & (touch <= (p["ramp"] - p["before"])[:, 0])
    touched = (p["contact_share"] <= 1)[:, 0]
    return {
        "contact": np.where(seen, p["place"][:, 0] - touch, np.nan),
        "modulus": np.where(touched, p["modulus"][:, 0], np.nan),
        "law": np.full(len(touch), law),
        "rating": stars,
        "accept": (stars >= ACCEPTED).astype(float),
        "kinds": (strength > 0).astype(np.int8),
        "strength": strength,
    }


def _scan(parts: list[Session], record: dict[str, np.ndarray], retract: bool) -> xr.Dataset:
    """One scan (curve, sample) of all sessions."""
    most = max(part.rows["height"].shape[1] for part in parts)
    channels: dict[str, Any] = {}
    for name, unit in (("height", "m"), ("deflection", "m"), ("time", "s")):
        wide = [
            np.pad(p.rows[name], ((0, 0), (0, most - p.rows[name].shape[1])), constant_values=np.nan) for p in parts
        ]
        channels[name] = (("curve", "sample"), np.concatenate(wide), {"units": unit})
    approach = np.concatenate([part.retract for part in parts])
    channels["segment"] = (("curve", "sample"), (np.arange(most) >= approach[:, None]).astype(np.int8), {"units": "1"})
    channels["length"] = ("curve", approach * (2 if retract else 1), {"units": "1"})
    channels["spring_constant"] = ("curve", record["spring_constant"], {"units": "N/m"})
    names = ["approach", "retract"] if retract else ["approach"]
    history = json.dumps([entry("simulate_force_curves", {"curves": len(approach)})])
    attrs = {"name": "simulated force curves", "source": "", "format": "simulated", "header": "{}"}
    attrs |= {"segments": json.dumps(names), "history": history}
    return xr.Dataset(channels, attrs=attrs)


__all__ = ["CLEAN", "KINDS", "SETTINGS", "Drawn", "Setting", "force_curves"]
