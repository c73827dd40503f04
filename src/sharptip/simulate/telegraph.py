"""What does a recorder show of something that switches? Traces of two to four states, and what is mistaken for them.

A chain in continuous time moves between states at rates of 0.02 to 0.5 per frame; what is recorded is the level of each
state for the part of the frame that it was there, seen by an instrument of finite bandwidth, with its noise.

- "pair": donor and acceptor of one molecule, after AutoSiM (Li et al., Nat. Commun. 11, 5833 (2020); reference 110 of
  doi 10.3762/bjnano.12.66): efficiency E_k in state k, acceptor E·N and leak, donor (1 − E)·N/γ, shot and read noise,
  bleaching, blinking.
- "current" and "deflection": one channel of a scanning probe microscope that stands still: telegraph noise of a
  tunnelling current (A), dwells of a cantilever (m), with white and 1/f noise, drift, hum and quantisation.

Junk is what people sort out: nothing there, several at once, spikes, drifting. Everything drawn is in the record.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import lfilter

KINDS = ("pair", "current", "deflection")
JUNK = ("nothing", "several", "spikes", "drifting")
STATES = (1, 2, 3, 4)
CHANCE = {"pair": (0.1, 0.5, 0.25, 0.15), "current": (0.0, 0.6, 0.25, 0.15), "deflection": (0.0, 0.6, 0.25, 0.15)}
RATE = (0.02, 0.5)  # per frame, drawn evenly in the logarithm, of leaving a state for each other one, shared by them
SNR = (2.0, 15.0)  # pair: intensity of the molecule over its noise; one channel: smallest step over the noise
FRAMES = (200, 2000)
FRAME_TIME = {"pair": (0.01, 0.2), "current": (1e-4, 1e-2), "deflection": (1e-4, 1e-2)}  # seconds
PARTS = 8  # of a frame, on which the chain and the bandwidth are followed
DARK = -1  # state of a frame in which nothing can be told of it: bleached, blinking


class Telegraph(NamedTuple):
    """A trace (channels, frames), the state of each frame (−1: dark), whether to keep it, rates in 1/s, and the
    record."""

    trace: np.ndarray
    states: np.ndarray
    accept: bool
    rate: np.ndarray  # (K, K) from row to column, 0 on the diagonal; K states that were visited, by level
    level: np.ndarray  # (K,) of the last channel: E, A or m
    frame_time: float
    record: dict[str, Any]


def telegraph(rng: np.random.Generator, *, kind: str | None = None, junk: str | None = None,
              frames: int | None = None, snr: float | None = None) -> Telegraph:  # fmt: skip
    """One trace. kind: one of KINDS, or drawn; junk: one of JUNK, '' for a good trace, or drawn with even odds of good
    and junk; frames and snr: drawn where None. Raises ValueError for an unknown kind or junk."""
    kind = str(rng.choice(KINDS, p=(0.4, 0.3, 0.3))) if kind is None else kind
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it is {', '.join(KINDS)}")
    if junk is None:
        junk = str(rng.choice(JUNK)) if rng.random() < 0.5 else ""
    if junk and junk not in JUNK:
        raise ValueError(f"junk is {junk!r}; it is {', '.join(JUNK)}, or '' for a trace worth keeping")
    frames = round(_log_even(rng, FRAMES)) if frames is None else frames
    snr = _log_even(rng, SNR) if snr is None else snr
    record = {"kind": kind, "junk": junk, "frames": frames, "snr": snr, "frame_time": _log_even(rng, FRAME_TIME[kind])}
    chain = _chain(rng, int(rng.choice(STATES, p=CHANCE[kind])), frames, record)
    return (_pair if kind == "pair" else _one_channel)(rng, chain, record)


class _Chain(NamedTuple):
    share: np.ndarray  # (frames · PARTS, K) of each part of a frame in each state
    states: np.ndarray  # (frames,) where most of the frame was
    rate: np.ndarray  # (K, K) per frame


def occupancy(rng: np.random.Generator, rate: np.ndarray, parts: int, length: float) -> np.ndarray:
    """(parts, K) share of each part of `length` that a chain with these rates (K, K) is in each state."""
    k, end = len(rate), parts * length
    leave = rate.sum(1)
    if not leave.all():  # a state that is never left would be the end of the chain
        return np.eye(k)[np.full(parts, int(rng.integers(k)))]
    where = np.cumsum(rate, 1) / leave[:, None]
    now, t = int(np.searchsorted(np.cumsum(_stationary(rate)), rng.random())), 0.0
    times, states = [0.0], [min(now, k - 1)]
    while True:
        t += rng.standard_exponential() / leave[states[-1]]
        if t >= end:
            break
        times.append(t)
        states.append(min(int((where[states[-1]] < rng.random()).sum()), k - 1))
    edges = np.append(times, end)
    spent = np.zeros((len(edges), k))
    np.cumsum(np.diff(edges)[:, None] * (np.array(states)[:, None] == np.arange(k)), axis=0, out=spent[1:])
    looks = np.linspace(0, end, parts + 1)
    return np.stack([np.diff(np.interp(looks, edges, spent[:, i])) for i in range(k)], 1) / length


def _stationary(rate: np.ndarray) -> np.ndarray:
    """(K,) share of the time that a chain spends in each state."""
    move = np.eye(len(rate)) + (rate - np.diag(rate.sum(1))) / (1.01 * rate.sum(1).max())
    for _ in range(12):  # squared so often, it has forgotten where it began
        move = move @ move
    return move[0] / move[0].sum()


def _chain(rng: np.random.Generator, k: int, frames: int, record: dict[str, Any]) -> _Chain:
    """A chain of k states, of which only those are counted that it was seen in."""
    rate = _log_even(rng, RATE, (k, k)) / max(k - 1, 1) * (1 - np.eye(k))
    share = occupancy(rng, rate, frames * PARTS, 1 / PARTS)
    states = share.reshape(frames, PARTS, k).mean(1).argmax(1)
    seen = np.unique(states)
    record |= {"states": len(seen), "drawn_states": k}
    if len(seen) < k:  # time in a state that no frame shows belongs to the one it came from; there is next to none
        share = share[:, seen] / np.maximum(share[:, seen].sum(1, keepdims=True), 1e-9)
        rate, states = rate[np.ix_(seen, seen)], np.searchsorted(seen, states)
    return _Chain(share, states, rate)


def _pair(rng: np.random.Generator, chain: _Chain, record: dict[str, Any]) -> Telegraph:
    """Donor and acceptor, background taken off, in photons."""
    frames, junk = record["frames"], record["junk"]
    photons = record["snr"] ** 2 * _log_even(rng, (1.2, 20))
    read = np.sqrt(photons**2 / record["snr"] ** 2 - photons)
    record |= {
        "gamma": float(rng.uniform(0.7, 1.4)),
        "leak": float(rng.uniform(0, 0.12)),
        "photons": photons,
        "read": read,
    }
    molecules = {"nothing": 0, "several": int(rng.integers(2, 4))}.get(junk, 1)
    total, states, level, rate = np.zeros((2, frames)), np.full(frames, DARK), np.zeros(0), np.zeros((0, 0))
    for i in range(molecules):
        one = chain if i == 0 else _chain(rng, int(rng.choice((1, 2, 3))), frames, {})
        light, lit, efficiency = _molecule(rng, one, record)
        total += light
        if i == 0:
            states, level, rate = np.where(lit, one.states, DARK), efficiency, one.rate
    if junk == "drifting":
        total = total * (1 + _wander(rng, frames) * rng.uniform(0.5, 1.5)).clip(0) + photons * _wander(rng, frames)
    noisy = rng.poisson(np.clip(total, 0, None)) + np.minimum(total, 0) + rng.normal(0, read, total.shape)
    if junk == "spikes":
        noisy = noisy + _spikes(rng, total.shape, photons)
    accept = not junk and (states >= 0).mean() > 0.2
    return _told(noisy, states, accept, rate, level, record)


def _molecule(rng: np.random.Generator, chain: _Chain, record: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """(donor and acceptor (2, frames), frames in which both are lit, efficiency of each state)."""
    frames, k = len(chain.states), len(chain.rate)
    photons = record["photons"] * rng.uniform(0.85, 1.15)
    efficiency = _apart(rng, k, 0.08, 0.92)
    transfer = (chain.share @ efficiency).reshape(frames, PARTS).mean(1)
    t = np.arange(frames)
    acceptor = t < rng.exponential(2.5 * frames)
    donor = t < rng.exponential(2.5 * frames)
    if rng.random() < 0.3:
        blink = occupancy(rng, np.array([[0, 0.004], [0.1, 0]]), frames, 1.0)[:, 1] > 0.5
        acceptor = acceptor & ~blink
    transfer = np.where(acceptor, transfer, 0.0)
    light = np.where(donor, photons, 0.0)
    first = (1 - transfer) * light / record["gamma"]
    return np.stack([first, transfer * light + record["leak"] * first]), acceptor & donor, efficiency


def _one_channel(rng: np.random.Generator, chain: _Chain, record: dict[str, Any]) -> Telegraph:
    """A current (A) or a deflection (m), in units of the smallest step until the end."""
    frames, junk = record["frames"], record["junk"]
    record |= {"bandwidth": _log_even(rng, (0.5, 20)), "drift": abs(rng.normal(0, 0.15))}
    if junk == "drifting":
        record["drift"] = rng.uniform(2, 8)
    sources = {"nothing": 0, "several": int(rng.integers(2, 5)), "spikes": int(rng.integers(2))}.get(junk, 1)
    signal, level = np.zeros(frames), _levels(rng, len(chain.rate))
    for i in range(sources):
        one = chain if i == 0 else _chain(rng, 2, frames, {})
        steps = level if i == 0 else _levels(rng, len(one.rate)) * rng.uniform(0.3, 1.5)
        signal = signal + _seen(one.share @ steps, record["bandwidth"])
    signal = signal + _noise(rng, frames, record) + record["drift"] * _wander(rng, frames)
    if junk == "spikes":
        signal = signal + _spikes(rng, (frames,), 1.0)
    step = _log_even(rng, (1e-12, 1e-9) if record["kind"] == "current" else (2e-11, 5e-9))
    record |= {"step": step * (-1) ** int(rng.integers(2)), "offset": rng.normal(0, 5) * step}
    quantum = max(float(np.ptp(signal)), 1e-9) / 2 ** int(rng.integers(7, 16))
    trace = np.round(signal / quantum) * quantum * record["step"] + record["offset"]
    states = chain.states if sources else np.zeros(frames, int)
    accept = not junk and len(chain.rate) > 1
    return _told(trace[None], states, accept, chain.rate, level * record["step"] + record["offset"], record)


def _noise(rng: np.random.Generator, frames: int, record: dict[str, Any]) -> np.ndarray:
    """White and 1/f noise of 1/snr together, and hum."""
    pink = float(rng.uniform(0, 0.7))
    hum = float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0
    record |= {"pink": pink, "hum": hum}
    noise = np.sqrt(1 - pink**2) * rng.standard_normal(frames) + pink * _pink(rng, frames)
    wave = np.sin(2 * np.pi * rng.uniform(0.02, 0.5) * np.arange(frames) + rng.uniform(0, 2 * np.pi))
    return (noise + hum * wave) / record["snr"]


def _seen(fine: np.ndarray, bandwidth: float) -> np.ndarray:
    """(frames · PARTS,) → (frames,): a low-pass of first order, `bandwidth` its corner in radians per frame, and the
    mean."""
    keep = float(np.exp(-bandwidth / PARTS))
    low, _ = lfilter([1 - keep], [1, -keep], fine, zi=[keep * fine[0]])
    return low.reshape(-1, PARTS).mean(1)


def _pink(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Noise whose power falls as 1/f, of standard deviation 1."""
    f = np.fft.rfftfreq(frames)
    f[0] = np.inf
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(frames)) / np.sqrt(f), frames)
    return noise / max(noise.std(), 1e-12)


def _wander(rng: np.random.Generator, frames: int) -> np.ndarray:
    """A slow way from peak to peak 1 about 0: a slope, a walk, a wave, in shares of their own."""
    t = np.linspace(0, 1, frames)
    walk = np.cumsum(rng.standard_normal(frames)) / np.sqrt(frames)
    wave = np.sin(2 * np.pi * (rng.uniform(0.3, 3) * t + rng.random()))
    path = np.array([rng.normal() * t, rng.normal() * walk, 0.5 * rng.normal() * wave]).sum(0)
    return (path - path.mean()) / max(float(np.ptp(path)), 1e-9)


def _spikes(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> np.ndarray:
    """Single frames, 2 to 15 in a hundred, that stick out by 1 to 8 times `size`, to one side or to both."""
    hit = rng.random(shape) < _log_even(rng, (0.02, 0.15))
    sign = 1 if rng.random() < 0.5 else rng.choice((-1, 1), shape)
    return hit * sign * size * _log_even(rng, (1, 8), shape)


def _levels(rng: np.random.Generator, k: int) -> np.ndarray:
    """(k,) levels whose smallest step is 1, in any order."""
    steps = rng.uniform(1, 2, max(k - 1, 1))
    return rng.permutation(np.r_[0, np.cumsum(steps / steps.min())][:k])


def _apart(rng: np.random.Generator, k: int, low: float, high: float) -> np.ndarray:
    """(k,) numbers between low and high, in any order, no two nearer than half of an even spacing."""
    while True:
        drawn = rng.uniform(low, high, k)
        if k == 1 or np.diff(np.sort(drawn)).min() >= 0.5 * (high - low) / k:
            return drawn


def _told(trace: np.ndarray, states: np.ndarray, accept: bool, rate: np.ndarray, level: np.ndarray,
          record: dict[str, Any]) -> Telegraph:  # fmt: skip
    """States numbered from the lowest level up, rates in 1/s."""
    order = np.argsort(level)
    rank = np.append(np.argsort(order), DARK)  # the last one is reached by the index −1
    return Telegraph(trace, rank[states], bool(accept), rate[np.ix_(order, order)] / record["frame_time"], level[order],
                     record["frame_time"], record)  # fmt: skip


def _log_even(rng: np.random.Generator, ends: tuple[float, float], size: tuple[int, ...] | None = None) -> Any:
    drawn = np.exp(rng.uniform(math.log(ends[0]), math.log(ends[1]), size))
    return float(drawn) if size is None else drawn
