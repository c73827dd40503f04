"""How often per second does a hidden chain switch, and how well do the samples know it?

A chain that is looked at every dt moves from i to j with probability `move[i, j]`; the rates are the generator whose
exponential that is, Q = log(move)/dt, which counts the switches there and back that fall between two looks. Standard
errors are those of maximum likelihood: the curvature of the log likelihood in all parameters (moves, levels, spreads),
found by differences of its exact gradient (Fisher's identity; Oakes, J. R. Stat. Soc. B 61, 479 (1999)), handed on to
the logarithms of the rates.

What the instrument was too slow to see is another matter: dwells shorter than a dead time join their neighbours into
longer ones. For two states the true rates follow from the apparent ones (Colquhoun & Sigworth, in Single-Channel
Recording (1983), chapter 11; Blatz & Magleby, Biophys. J. 49, 967 (1986)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .chain_sums import forward_backward
from .hidden_markov import Chains, log_seen, samples_of

STEP = 1e-3  # of log odds, of levels in spreads, of log spreads: differences of the gradient
ROUNDS = 200  # of the equations for missed dwells


@dataclass(frozen=True)
class Rates:
    """rate, error: (n, K, K) from state i (row) to state j in 1/s, 0 on the diagonal; error of one standard deviation.

    NaN where no generator has these moves (faster than the samples), or where the curvature says nothing.
    """

    rate: np.ndarray
    error: np.ndarray


def switching_rates(traces: np.ndarray, chains: Chains, dt: float) -> Rates:
    """Rates of fitted chains on the traces they were fitted to; dt: seconds between samples."""
    k = chains.move.shape[-1]
    rate = generator(chains.move) / dt
    if k == 1:
        return Rates(rate, np.zeros_like(rate))
    covariance = _covariance(samples_of(traces), chains)[:, : k * (k - 1), : k * (k - 1)]
    slope = np.stack(
        [
            (generator(_moved(chains, i, STEP).move) - generator(_moved(chains, i, -STEP).move)) / (2 * STEP * dt)
            for i in range(k * (k - 1))
        ],
        axis=-1,
    )  # (n, K, K, parameters) fmt: skip
    variance = np.einsum("nija,nab,nijb->nij", slope, covariance, slope)
    return Rates(rate, np.sqrt(np.where(variance >= 0, variance, np.nan)))


def generator(move: np.ndarray) -> np.ndarray:
    """log(move) off the diagonal, per sample, (n, K, K): the rates whose moves these are; NaN where there are none.

    Negative entries, which noise leaves where a rate is 0, are 0.
    """
    value, vector = np.linalg.eig(move.astype(complex))
    real = np.asarray((value.real > 0).all(-1))
    log = np.einsum("nij,nj,njk->nik", vector, np.log(np.where(value == 0, 1, value)), _inverse(vector)).real
    rate = np.where(real[:, None, None], np.maximum(log, 0), np.nan)
    return rate * (1 - np.eye(move.shape[-1]))


def correct_missed(rates: np.ndarray, dead_time: float) -> np.ndarray:
    """Apparent rates of two states (n, 2), in 1/s, counted on dwells of `dead_time` (s) and longer → true ones.

    rates[:, 0] leaves the first state, rates[:, 1] the second. NaN where no rates would look like that: the chain is
    too fast for the instrument. Of the two solutions the slower one, as is usual.
    """
    rates = np.asarray(rates, float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        apparent = 1 / rates
        dwell = apparent.copy()
        for _ in range(ROUNDS):
            other = dwell[:, ::-1]
            dwell = (apparent + other + dead_time) * np.exp(-dead_time / other) - other
        again = (dwell + dwell[:, ::-1]) * np.exp(dead_time / dwell[:, ::-1]) - dwell[:, ::-1] - dead_time
        found = (dwell > 0) & (np.abs(again - apparent) < 1e-3 * apparent)
        true = np.where(found.all(1, keepdims=True), 1 / dwell, np.nan)
    never = rates == 0  # a state that is never left hides nothing
    return np.where(never.any(1, keepdims=True), rates, true)


def _covariance(x: np.ndarray, chains: Chains) -> np.ndarray:
    """(n, parameters, parameters) of log odds of moves, levels in spreads and log spreads; NaN where it is none."""
    count = chains.move.shape[-1] * (chains.move.shape[-1] - 1) + 2 * chains.level[0].size
    rows = [
        (_gradient(x, _moved(chains, i, STEP), chains) - _gradient(x, _moved(chains, i, -STEP), chains)) / (2 * STEP)
        for i in range(count)
    ]
    curvature = -np.stack(rows, 1)
    return _inverse((curvature + curvature.transpose(0, 2, 1)) / 2)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of each (n, k, k); NaN for one that has none."""
    size = np.abs(matrix).max((1, 2), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        good = np.isfinite(matrix).all((1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(matrix / size))) > 0)
    out = np.full_like(matrix, np.nan)
    out[good] = np.linalg.inv(matrix[good])
    return out


def _moved(chains: Chains, parameter: int, step: float) -> Chains:
    """The chains with one parameter moved: off-diagonal log odds of the moves, then levels, then log spreads."""
    k = chains.move.shape[-1]
    odds, size = k * (k - 1), chains.level[0].size
    if parameter < odds:
        i, j = divmod(parameter, k - 1)
        move = chains.move.copy()
        move[:, i, j + (j >= i)] *= np.exp(step)
        return replace(chains, move=move / move.sum(2, keepdims=True))
    state, channel = divmod((parameter - odds) % size, chains.level.shape[2])
    if parameter < odds + size:
        level = chains.level.copy()
        level[:, state, channel] += step * chains.spread[:, state, channel]
        return replace(chains, level=level)
    spread = chains.spread.copy()
    spread[:, state, channel] *= np.exp(step)
    return replace(chains, spread=spread)


def _gradient(x: np.ndarray, chains: Chains, unit: Chains) -> np.ndarray:
    """(n, parameters): of the log likelihood, in the order of `_moved`; levels in the spreads of `unit`."""
    n, k, _ = chains.level.shape
    _, share, moves = forward_backward(chains.start, chains.move, log_seen(x, chains))
    odds = (moves - chains.move * moves.sum(2, keepdims=True))[:, ~np.eye(k, dtype=bool)]
    away = (x[:, :, None] - chains.level[:, None]) / np.where(chains.spread > 0, chains.spread, 1)[:, None]
    away = np.where(np.isfinite(away), away, 0)
    seen = np.isfinite(x)[:, :, None].astype(float)
    level = np.einsum("ntk,ntkc->nkc", share, away) * unit.spread / np.where(chains.spread > 0, chains.spread, 1)
    spread = np.einsum("ntk,ntkc->nkc", share, away**2 - seen)
    return np.concatenate([odds, level.reshape(n, -1), spread.reshape(n, -1)], 1)
