"""Sums and maxima over all paths of a hidden Markov chain: forward–backward and Viterbi, for many chains at once.

Time runs over matrices `start · O₀ · (A O₁) · (A O₂) …` with A the moves and O_t the diagonal of how well each state
explains sample t. A product is a product in whatever order its factors are grouped: time is cut into about √T blocks,
the products within blocks are made side by side, then one step per block ties them together. Exact, and √T steps long
instead of T. Every product is scaled as it is made, so that nothing under- or overflows (Rabiner, Proc. IEEE 77, 257
(1989), section V.A).
"""

from __future__ import annotations

import math

import numpy as np

LOST = -np.inf


def forward_backward(start: np.ndarray, move: np.ndarray, log_seen: np.ndarray) -> tuple[np.ndarray, ...]:
    """(log likelihood (n,), probability of each state (n, T, K), expected number of each move (n, K, K)).

    start: (n, K); move: (n, K, K); log_seen: (n, T, K), the log density of each sample in each state, 0 for one that
    was not taken.
    """
    n, T, K = log_seen.shape
    most = log_seen.max(2)
    seen = np.exp(log_seen - most[..., None])
    blocks, size = _blocks(T)
    step = _in_blocks(
        np.concatenate([seen[:, :1, None] * np.eye(K), move[:, None] * seen[:, 1:, None]], 1), blocks, size
    )
    ahead, log_ahead = _products(step)  # (size, K, K, n, blocks)
    after = _products_after(step)
    v, before, log_likelihood = start.T.copy(), np.empty((K, n, blocks)), most.sum(1)
    for b in range(blocks):
        before[..., b] = v
        v = (v[:, None] * ahead[-1, ..., b]).sum(0)
        total = v.sum(0)
        v = v / total
        log_likelihood = log_likelihood + np.log(total) + log_ahead[..., b]
    alpha = _normal((before[None, :, None] * ahead).sum(1), 1)  # (size, K, n, blocks)
    v, behind = np.ones((K, n)), np.empty((K, n, blocks))
    for b in reversed(range(blocks)):
        behind[..., b] = v
        v = (step[0, ..., b] * (after[0, ..., b] * v[None]).sum(1)[None]).sum(1)
        v = v / v.sum(0)
    beta = _normal((after * behind[None, None]).sum(2), 1)
    alpha, beta = (_out_of_blocks(a, T) for a in (alpha, beta))  # (n, T, K)
    return log_likelihood, _normal(alpha * beta, 2), _moves(alpha, beta, seen, move)


def _moves(alpha: np.ndarray, beta: np.ndarray, seen: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Expected number of each move (n, K, K), from what is known before and after it."""
    came, goes = alpha[:, :-1], seen[:, 1:] * beta[:, 1:]
    total = (came @ move * goes).sum(2, keepdims=True)
    return move * ((came / np.maximum(total, 1e-300)).transpose(0, 2, 1) @ goes)


def likeliest_path(start: np.ndarray, move: np.ndarray, log_seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(states (n, T) of the one likeliest path, its log probability (n,)); arguments as of `forward_backward`."""
    n, T, K = log_seen.shape
    with np.errstate(divide="ignore"):
        log_start, log_move = np.log(start), np.log(move)
    blocks, size = _blocks(T)
    none = np.where(np.eye(K, dtype=bool), 0.0, LOST)
    first = log_seen[:, :1, None] + none
    step = _in_blocks(np.concatenate([first, log_move[:, None] + log_seen[:, 1:, None]], 1), blocks, size, none)
    ahead = np.empty_like(step)
    ahead[0] = step[0]
    for s in range(1, size):
        ahead[s] = (ahead[s - 1][:, :, None] + step[s][None]).max(1)
    v, before = log_start.T.copy(), np.empty((K, n, blocks))
    for b in range(blocks):
        before[..., b] = v
        v = (v[:, None] + ahead[-1, ..., b]).max(0)
    best = _out_of_blocks((before[None, :, None] + ahead).max(1), T)  # (n, T, K) best of all paths that end there
    return _back(best, log_move), best[:, -1].max(1)


def _back(best: np.ndarray, log_move: np.ndarray) -> np.ndarray:
    """States (n, T) from the end to the start: the state before is a function of the state after, and so is a block."""
    n, T, K = best.shape
    came = (best[:, :-1, :, None] + log_move[:, None]).argmax(2)  # (n, T − 1, state after)
    blocks, size = _blocks(T)
    same = np.broadcast_to(np.arange(K), (n, 1, K))
    came = np.concatenate([came, same], 1)  # what follows sample t tells its state; nothing follows the last
    padded = np.concatenate([came, np.broadcast_to(same, (n, blocks * size - T, K))], 1).reshape(n, blocks, size, K)
    whole = np.empty_like(padded)
    whole[:, :, -1] = padded[:, :, -1]
    for s in range(size - 2, -1, -1):
        whole[:, :, s] = np.take_along_axis(padded[:, :, s], whole[:, :, s + 1], 2)
    path, at = np.empty((n, blocks, size), int), best[:, -1].argmax(1)
    for b in reversed(range(blocks)):
        path[:, b] = np.take_along_axis(whole[:, b], at[:, None, None], 2)[..., 0]
        at = path[:, b, 0]
    return path.reshape(n, -1)[:, :T]


def _blocks(T: int) -> tuple[int, int]:
    """(number of blocks, samples of each) that hold T samples."""
    size = max(1, math.isqrt(T))
    return -(-T // size), size


def _in_blocks(step: np.ndarray, blocks: int, size: int, nothing: np.ndarray | None = None) -> np.ndarray:
    """(n, T, K, K) → (size, K, K, n, blocks); the last block is filled with steps that change nothing."""
    n, T, K, _ = step.shape
    fill = np.broadcast_to(np.eye(K) if nothing is None else nothing, (n, blocks * size - T, K, K))
    whole = np.concatenate([step, fill], 1).reshape(n, blocks, size, K, K)
    return np.ascontiguousarray(whole.transpose(2, 3, 4, 0, 1))


def _out_of_blocks(values: np.ndarray, T: int) -> np.ndarray:
    """(size, K, n, blocks) → (n, T, K)."""
    size, K, n, blocks = values.shape
    return np.ascontiguousarray(values.transpose(2, 3, 0, 1)).reshape(n, blocks * size, K)[:, :T]


def _products(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products of each block up to each of its steps, each scaled to a largest entry of 1, and the log of the last
    one's scale (n, blocks)."""
    out, log = np.empty_like(step), np.zeros(step.shape[3:])
    now = step[0]
    for s in range(len(step)):
        if s:
            now = (now[:, :, None] * step[s][None]).sum(1)
        scale = now.max((0, 1))
        now = out[s] = now / scale
        log += np.log(scale)
    return out, log


def _products_after(step: np.ndarray) -> np.ndarray:
    """Products of each block after each of its steps, scaled; nothing comes after the last one."""
    out = np.empty_like(step)
    K = step.shape[1]
    out[-1] = np.eye(K)[:, :, None, None]
    for s in range(len(step) - 2, -1, -1):
        now = (step[s + 1][:, :, None] * out[s + 1][None]).sum(1)
        out[s] = now / now.max((0, 1))
    return out


def _normal(values: np.ndarray, axis: int) -> np.ndarray:
    return values / values.sum(axis, keepdims=True)
