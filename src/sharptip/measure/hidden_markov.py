"""Between how many states does a noisy trace switch, at which levels, and how often? Hidden Markov chains, many at
once.

A chain sits in one of K states, moves from i to j between two samples with probability `move[i, j]`, and shows in state
k a number that is normal around `level[k]` with standard deviation `spread[k]`. The likelihood is maximised by
expectation and maximisation (Baum, Petrie, Soules & Weiss, Ann. Math. Stat. 41, 164 (1970)), the path is Viterbi's, and
the number of states has the least Bayesian information criterion (Schwarz, Ann. Stat. 6, 461 (1978)).

Traces are (n, samples), or (n, channels, samples) where several numbers are recorded at once, independent in a given
state; NaN is a sample that was not taken, so that traces of unequal length stand in one array.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from .chain_sums import forward_backward, likeliest_path

LEAST_MOVE = 1e-9  # probability of a move that was never seen; keeps every state within reach of every other
LEAST_SPREAD = 0.02  # of the trace's standard deviation: a state cannot shrink onto one sample
ROUNDS = 100  # of expectation and maximisation at most
GAIN = 3e-3  # of the log likelihood in one round; below it a chain has converged
STAY = 0.9  # first guess of the probability to stay in a state
EACH = 5  # samples for each state that a trace has at least, before so many states are thought of
ALIKE = 1e-12  # relative spread below which all samples of a trace are the same number


@dataclass(frozen=True)
class Chains:
    """n fitted chains of K states, in order of their (first channel's) levels.

    level, spread: (n, K, channels), in the trace's unit. log_likelihood: (n,), of densities per unit: to be compared on
    one trace only. samples: (n,) how many there were.
    """

    start: np.ndarray  # (n, K)
    move: np.ndarray  # (n, K, K), rows sum to 1
    level: np.ndarray
    spread: np.ndarray
    log_likelihood: np.ndarray
    samples: np.ndarray

    @property
    def bic(self) -> np.ndarray:
        """(n,) Bayesian information criterion: less is better."""
        _, k, channels = self.level.shape
        free = k * (k - 1) + 2 * k * channels + k - 1
        return free * np.log(np.maximum(self.samples, 1)) - 2 * self.log_likelihood

    def of(self, which: np.ndarray) -> Chains:
        """Those chains alone, by index or mask."""
        return Chains(*(getattr(self, f.name)[which] for f in fields(self)))


def fit_chains(traces: np.ndarray, states: int, *, begin: np.ndarray | None = None) -> Chains:
    """The likeliest chain of that many states for each trace, (n, samples) or (n, channels, samples).

    begin: (n, samples) a first guess of the state of each sample, −1 where there is none; without it two are tried,
    levels that share the range and levels that share the samples, and the likelier end is kept. Where all samples are
    alike so are the levels, and the spread is 0; without a sample they are NaN. Raises ValueError for another shape.
    """
    x = samples_of(traces)
    if states < 1:
        raise ValueError(f"a chain has one state at least, not {states}")
    centre, scale = _scale(x)
    z = (x - centre) / scale
    guesses = [begin] if begin is not None else list(_first_guesses(z[..., 0], states))
    ends = [_maximise(z, _from_guess(z, guess, states)) for guess in guesses]
    best = ends[0]
    for other in ends[1:]:
        best = _better(best, other)
    chains = _in_order(best)
    units = (np.isfinite(x).sum(1) * np.log(scale[:, 0])).sum(1)
    return replace(chains, level=chains.level * scale + centre, spread=chains.spread * scale,
                   log_likelihood=chains.log_likelihood - units)  # fmt: skip


def choose_states(traces: np.ndarray, most: int = 4) -> tuple[np.ndarray, list[Chains]]:
    """(number of states (n,), the chains of 1, 2, … `most` states): states are added while the criterion falls.

    A trace for which it has risen is not fitted further; its chains of more states have a log likelihood of −∞.
    """
    x = np.asarray(traces, float)
    fits = [fit_chains(x, 1)]
    best = np.ones(len(x), int)
    for k in range(2, most + 1):
        open_ = np.flatnonzero((best == k - 1) & (fits[0].samples >= EACH * k))
        fits.append(_put(_none(fits[0], k), open_, fit_chains(x[open_], k)) if len(open_) else _none(fits[0], k))
        best[open_[fits[-1].bic[open_] < fits[-2].bic[open_]]] = k
    return best, fits


def _none(one: Chains, states: int) -> Chains:
    """Chains of so many states for the same traces, of which nothing is known yet."""
    n, channels = len(one.samples), one.level.shape[2]
    unknown = np.full((n, states, channels), np.nan)
    even = np.full((n, states, states), 1 / states)
    return Chains(even[:, 0], even, unknown, unknown, np.full(n, -np.inf), one.samples)


def states_of(traces: np.ndarray, chains: Chains) -> np.ndarray:
    """(n, samples) the state of each sample on the likeliest path; −1 where no sample was taken."""
    x = samples_of(traces)
    path, _ = likeliest_path(chains.start, chains.move, log_seen(x, chains))
    return np.where(np.isfinite(x).any(2), path, -1)


def samples_of(traces: np.ndarray) -> np.ndarray:
    """(n, samples) or (n, channels, samples) → (n, samples, channels), infinite numbers as missing."""
    x = np.asarray(traces, float)
    if x.ndim not in (2, 3) or 0 in x.shape:
        raise ValueError(f"traces are (n, samples) or (n, channels, samples), with a sample at least; not {x.shape}")
    x = x[..., None] if x.ndim == 2 else x.transpose(0, 2, 1)
    return np.where(np.isfinite(x), x, np.nan)


def log_seen(x: np.ndarray, chains: Chains) -> np.ndarray:
    """(n, samples, channels) → log density of each sample in each state (n, samples, K); 0 where none was taken."""
    out = np.zeros((*x.shape[:2], chains.level.shape[1]))
    spread = np.where(chains.spread > 0, chains.spread, 1.0)
    for c in range(x.shape[2]):
        away = (x[:, :, None, c] - chains.level[:, None, :, c]) / spread[:, None, :, c]
        density = -0.5 * away**2 - np.log(spread[:, None, :, c]) - 0.5 * np.log(2 * np.pi)
        out += np.where(np.isfinite(density), density, 0.0)
    return out


def _scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(centre, scale), each (n, 1, channels), that bring a trace to a mean of 0 and a standard deviation of 1."""
    seen = np.isfinite(x)
    count = np.maximum(seen.sum(1, keepdims=True), 1)
    centre = np.where(seen, x, 0).sum(1, keepdims=True) / count
    spread = np.sqrt((np.where(seen, x - centre, 0) ** 2).sum(1, keepdims=True) / count)
    centre = np.where(seen.any(1, keepdims=True), centre, np.nan)
    return centre, np.where(spread > ALIKE * np.abs(centre), spread, 1.0)


def _first_guesses(z: np.ndarray, states: int) -> tuple[np.ndarray, ...]:
    """Two guesses of the states (n, samples): equal parts of the range, and of the samples."""
    low, high = (_quantile(z, q) for q in (0.02, 0.98))
    share = (z - low[:, None]) / np.where(high > low, high - low, 1.0)[:, None]
    cuts = [_quantile(z, k / states)[:, None] for k in range(1, states)]
    by_rank = sum((z > cut).astype(int) for cut in cuts) if cuts else np.zeros(z.shape, int)
    by_range = np.clip(np.nan_to_num(share) * states, 0, states - 1).astype(int)
    guesses = (by_range, by_rank) if states > 1 else (by_range,)
    return tuple(np.where(np.isfinite(z), g, -1) for g in guesses)


def _quantile(z: np.ndarray, q: float) -> np.ndarray:
    """(n,) of the samples that are there, 0 where there is none."""
    ordered = np.sort(z, axis=1)  # NaN comes last
    there = np.isfinite(z).sum(1)
    at = np.clip((q * (there - 1)).round().astype(int), 0, None)
    return np.nan_to_num(ordered[np.arange(len(z)), at])


def _from_guess(z: np.ndarray, guess: np.ndarray, states: int) -> Chains:
    """Chains with the levels and spreads of the samples that were guessed to be in each state."""
    n, K = len(z), states
    member = (guess[..., None] == np.arange(K)).astype(float)
    even = np.linspace(-1, 1, K + 2)[1:-1, None]
    level, spread = _levels(z, member, np.broadcast_to(even, (n, K, z.shape[2])))
    move = np.full((n, K, K), (1 - STAY) / max(K - 1, 1))
    move[:, np.arange(K), np.arange(K)] = STAY if K > 1 else 1.0
    return Chains(np.full((n, K), 1 / K), move, level, spread, np.full(n, -np.inf), np.isfinite(z).any(2).sum(1))


def _levels(z: np.ndarray, weight: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of each state (n, K, channels); a state without weight stays where it
    was."""
    seen = np.isfinite(z)
    here = np.where(seen, z, 0.0)
    total = np.einsum("ntk,ntc->nkc", weight, seen.astype(float))
    some = np.maximum(total, 1e-12)
    level = np.where(total > 1e-6, np.einsum("ntk,ntc->nkc", weight, here) / some, before)
    square = np.einsum("ntk,ntc->nkc", weight, here**2) / some
    variance = np.where(total > 1e-6, square - level**2, 1.0)
    return level, np.sqrt(np.maximum(variance, LEAST_SPREAD**2))


def _maximise(z: np.ndarray, chains: Chains) -> Chains:
    """Expectation and maximisation until a round gains next to nothing; chains that are there no longer take part."""
    active = np.arange(len(z))
    done = chains
    for _ in range(ROUNDS):
        was = done.of(active)
        log_likelihood, share, moves = forward_backward(was.start, was.move, log_seen(z[active], was))
        gained = log_likelihood - was.log_likelihood
        level, spread = _levels(z[active], share, was.level)
        now = Chains(_probable(share[:, 0]), _probable(moves), level, spread, log_likelihood, was.samples)
        # the likelihood belongs to the parameters before this round: the last round keeps those
        still = gained > GAIN
        done = _put(done, active[still], now.of(still))
        done = _put(done, active[~still], replace(was.of(~still), log_likelihood=log_likelihood[~still]))
        active = active[still]
        if not len(active):
            break
    return done


def _probable(counts: np.ndarray) -> np.ndarray:
    """Counts as probabilities along the last axis; where nothing was counted all are alike."""
    total = counts.sum(-1, keepdims=True)
    share = np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / counts.shape[-1])
    share = np.maximum(share, LEAST_MOVE)
    return share / share.sum(-1, keepdims=True)


def _put(chains: Chains, where: np.ndarray, new: Chains) -> Chains:
    parts = {}
    for f in fields(chains):
        values = getattr(chains, f.name).copy()
        values[where] = getattr(new, f.name)
        parts[f.name] = values
    return Chains(**parts)


def _better(one: Chains, other: Chains) -> Chains:
    """For each trace the likelier of two chains."""
    wins = np.flatnonzero(other.log_likelihood > one.log_likelihood)
    return _put(one, wins, other.of(wins))


def _in_order(chains: Chains) -> Chains:
    """States numbered from the lowest level of the first channel up."""
    order = np.argsort(chains.level[..., 0], axis=1)
    row = np.arange(len(order))[:, None]
    move = chains.move[row[..., None], order[:, :, None], order[:, None, :]]
    return replace(chains, start=chains.start[row, order], move=move, level=chains.level[row, order],
                   spread=chains.spread[row, order])  # fmt: skip
