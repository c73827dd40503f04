"""From traces to states, levels and rates: what is wrong with a trace, how it is scaled, and what a chain makes of it.

Traces are (n, channels, samples), NaN where no sample was taken: one channel (a current, a deflection), or donor and
acceptor of a pair. States are (n, samples), numbered from the lowest level up (of a pair: the least transfer), −1 where
nothing can be told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from .hidden_markov import Chains, choose_states, fit_chains, states_of
from .switching_rates import correct_missed, switching_rates

LEAST = 20  # samples of a trace that is judged
MOST_STATES = 4
DEAD = 0.75  # samples: shorter dwells are lost in a sample that is a mean over its time (docs/traces.md)
SLOW = 101  # samples over which the mean distance from the levels is drift
SEEN = 2  # samples in which a state was, or it is none
LEAST_SNR = 1.5  # step between neighbouring levels over the noise, for the baseline to call it a step
LEAST_SWITCHES = 4


@dataclass(frozen=True)
class Settled:
    """states: (n,) how many; state: (n, samples); level, noise: (n, channels, MOST_STATES), NaN beyond the last state;
    rate, error: (n, 2) from the lowest state to the next and back, in 1/s, NaN for one state only."""

    states: np.ndarray
    state: np.ndarray
    level: np.ndarray
    noise: np.ndarray
    rate: np.ndarray
    error: np.ndarray


def faults_of(traces: np.ndarray) -> tuple[str, ...]:
    """Why a trace cannot be judged, '' for one that can."""
    found = []
    for trace in traces:
        there = trace[:, np.isfinite(trace).all(0)]
        if there.shape[1] < LEAST:
            found.append(f"{there.shape[1]} samples; {LEAST} are needed")
        elif (np.ptp(there, axis=1) == 0).all():
            found.append("all samples are the same number: nothing was recorded, or the recorder was at its limit")
        else:
            found.append("")
    return tuple(found)


def scaled(traces: np.ndarray) -> np.ndarray:
    """(n, 3, samples): the trace with most of it within ±1, its second channel or zeros, and 1 where a sample was
    taken.

    One channel has no zero: the middle of its range is put there. A pair has one, for a bleached molecule is dark: both
    channels are divided by the brightest sum.
    """
    n, channels, samples = traces.shape
    there = np.isfinite(traces).all(1)
    out = np.zeros((n, 3, samples))
    whole = np.where(there, traces.sum(1), np.nan)
    low, high = _quantiles(whole, (0.02, 0.98))
    if channels == 1:
        size = np.where(high > low, high - low, 1.0)
        out[:, 0] = 2 * (traces[:, 0] - ((low + high) / 2)[:, None]) / size[:, None]
    else:
        out[:, :2] = 1.6 * traces / np.where(high > 0, high, 1.0)[:, None, None]
    out[:, 2] = 1.0
    return np.where(there[:, None], out, 0.0).astype(np.float32)


def _quantiles(values: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
    """(n,) for each share, of the samples that are there; 0 where there is none."""
    ordered = np.sort(values, axis=1)
    last = np.maximum(np.isfinite(values).sum(1) - 1, 0)
    return [np.nan_to_num(ordered[np.arange(len(values)), (q * last).round().astype(int)]) for q in shares]


def settle(traces: np.ndarray, guess: np.ndarray, dt: np.ndarray, dead: np.ndarray) -> Settled:
    """States, levels and rates of traces whose states were guessed (n, samples), −1 where they are dark.

    Levels that wander together are brought back first, and a hidden Markov chain then has the last word. dt: (n,)
    seconds between samples; dead: (n,) seconds below which a dwell is not seen.
    """
    ordered = traces[:, ::-1]  # of a pair the acceptor first, by which the states are numbered
    guess, many = renumbered(guess)
    out = _nothing(traces, guess)
    for k in np.unique(many[many > 0]):
        of = np.flatnonzero(many == k)
        x = np.where(guess[of, None] >= 0, ordered[of], np.nan)
        x = x - wander(x, guess[of], k)
        chains = fit_chains(x, int(k), begin=guess[of])
        _fill(out, of, chains, np.where(guess[of] >= 0, states_of(x, chains), -1))
        if k > 1:
            out.rate[of], out.error[of] = seen_rates(x, chains, dt[of], dead[of])
    return out


def renumbered(guess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(states without those that were hardly seen, numbered without gaps (n, samples); how many there are (n,))."""
    counts = (guess[..., None] == np.arange(MOST_STATES)).sum(1)
    kept = counts >= SEEN
    place = np.where(kept, np.cumsum(kept, 1) - 1, -1)
    place = np.concatenate([place, np.full((len(place), 1), -1)], 1)
    return place[np.arange(len(guess))[:, None], guess], kept.sum(1)


def wander(x: np.ndarray, states: np.ndarray, many: int) -> np.ndarray:
    """(n, channels, samples) slow mean distance of the samples from the mean of their state; zero for short traces."""
    there = np.isfinite(x).all(1) & (states >= 0)
    out = np.zeros_like(x)
    away = np.where(there[:, None], x, 0.0)
    for k in range(many):
        inside = (states == k) & there
        mean = np.where(inside[:, None], x, 0).sum(2) / np.maximum(inside.sum(1), 1)[:, None]
        away -= np.where(inside[:, None], mean[..., None], 0)
    weight = uniform_filter1d(there.astype(float), SLOW, axis=1, mode="constant")
    slow = uniform_filter1d(away, SLOW, axis=2, mode="constant") / np.maximum(weight, 1 / SLOW)[:, None]
    out[:] = np.where(there[:, None], slow, 0)
    return out if x.shape[2] > SLOW else np.zeros_like(x)


def seen_rates(x: np.ndarray, chains: Chains, dt: np.ndarray, dead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rates, standard errors), (n, 2) in 1/s, between the two lowest states, with the dwells that were too short to
    see."""
    found = switching_rates(x, chains, 1.0)
    rate = np.stack([found.rate[:, 0, 1], found.rate[:, 1, 0]], 1) / dt[:, None]
    error = np.stack([found.error[:, 0, 1], found.error[:, 1, 0]], 1) / dt[:, None]
    true = np.concatenate([correct_missed(r[None], float(d)) for r, d in zip(rate, dead, strict=True)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return true, error * np.where(rate > 0, true / rate, 1.0)


def plain_chains(traces: np.ndarray, dt: np.ndarray, dead: np.ndarray) -> tuple[np.ndarray, Settled]:
    """(how good each trace is (n,), 0 for one to be sorted out; what a hidden Markov chain alone makes of it).

    The usual way: as many states as the information criterion wants; kept where neighbouring levels are LEAST_SNR of
    noise apart and the trace switches LEAST_SWITCHES times. What is kept is as good as its smallest step is clear.
    """
    ordered = traces[:, ::-1]
    many, fits = choose_states(ordered, MOST_STATES)
    out = _nothing(traces, np.full((len(traces), traces.shape[2]), -1))
    for k in np.unique(many):
        of = np.flatnonzero(many == k)
        chains = fits[k - 1].of(of)
        _fill(out, of, chains, states_of(ordered[of], chains))
        if k > 1:
            out.rate[of], out.error[of] = seen_rates(ordered[of], chains, dt[of], dead[of])
    step = np.abs(np.diff(out.level, axis=2)) / np.fmax(out.noise[..., 1:], out.noise[..., :-1])
    clear = np.fmin.reduce(np.fmax.reduce(step, axis=1), axis=1)  # smallest step, in the channel that shows it best
    known = (out.state[:, 1:] >= 0) & (out.state[:, :-1] >= 0)
    switches = ((np.diff(out.state, axis=1) != 0) & known).sum(1)
    good = (many > 1) & (clear >= LEAST_SNR) & (switches >= LEAST_SWITCHES)
    return np.where(good, 1 / (1 + 1 / np.where(good, clear, 1.0)), 0.0), out


def _nothing(traces: np.ndarray, state: np.ndarray) -> Settled:
    n, channels, _ = traces.shape
    level = np.full((n, channels, MOST_STATES), np.nan)
    return Settled(
        np.zeros(n, int), state.copy(), level, level.copy(), np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    )


def _fill(out: Settled, of: np.ndarray, chains: Chains, state: np.ndarray) -> None:
    k = chains.level.shape[1]
    out.states[of], out.state[of] = k, state
    out.level[of, :, :k] = chains.level.transpose(0, 2, 1)[:, ::-1]  # as the channels came
    out.noise[of, :, :k] = chains.spread.transpose(0, 2, 1)[:, ::-1]


FEATURES = ("skewness", "kurtosis", "next", "tenth", "hundredth", "bimodality", "largest", "jumps", "slope", "pair",
            "together", "dark")  # fmt: skip


def trace_features(numbers: np.ndarray) -> np.ndarray:
    """(n, 3, samples) as `scaled` → (n, FEATURES): moments, autocorrelations, drift, and how two channels go
    together."""
    return (
        np.stack([_features(row[:, row[2] > 0]) for row in numbers]) if len(numbers) else np.zeros((0, len(FEATURES)))
    )


def _features(row: np.ndarray) -> np.ndarray:
    x, other = row[0].astype(float), row[1].astype(float)
    z = (x - x.mean()) / max(x.std(), 1e-12)
    skew, kurtosis = (z**3).mean(), (z**4).mean()
    lags = [float((z[k:] * z[:-k]).mean()) if len(z) > k else 0.0 for k in (1, 10, 100)]
    steps = np.abs(np.diff(z))
    slope = np.polyfit(np.linspace(-1, 1, len(z)), z, 1)[0]
    pair = bool(other.any())
    together = np.corrcoef(x, other)[0, 1] if pair and x.std() > 0 and other.std() > 0 else 0.0
    dark = (x + other < 0.3).mean() if pair else 0.0
    return np.array([skew, kurtosis, *lags, (skew**2 + 1) / max(kurtosis, 1e-9), np.abs(z).max(),
                     np.quantile(steps, 0.98) / max(np.median(steps), 1e-9), slope, pair, together, dark])  # fmt: skip
