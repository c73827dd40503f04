"""When has a scan told enough? Rules on a probability that is asked again after every line.

A sequential test in Wald's sense (Ann. Math. Stat. 16, 117 (1945)) on calibrated probabilities: stop as soon as one
side is sure enough. And the alarm for a change: the first line at which its probability passes a threshold that as few
frames without a change reach as was allowed. Lines count from 1, as a person counts them; 0 stands for never.
"""

from __future__ import annotations

import numpy as np

LEAST = 4  # lines before anything is decided
STEPS = np.concatenate([np.linspace(0.5, 0.95, 19), [0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998]])


def stop_line(p: np.ndarray, low: float, high: float, least: int = LEAST) -> tuple[np.ndarray, np.ndarray]:
    """(line at which to stop, whether the answer is yes) for probabilities p (n, lines).

    Yes as soon as p ≥ high, no as soon as p ≤ low, from line `least` on; at the last line whichever is likelier.
    """
    p = np.asarray(p, float)
    sure = (p >= high) | (p <= low)
    sure[:, : least - 1] = False
    sure[:, -1] = True
    at = sure.argmax(axis=1)
    last = p[np.arange(len(p)), at]
    return at + 1, np.where(last >= high, True, np.where(last <= low, False, last >= 0.5))


def bounds_for(p: np.ndarray, truth: np.ndarray, error: float, least: int = LEAST) -> tuple[float, float]:
    """(low, high): of the frames called yes early, and of those called no early, at most a share `error` is wrong.

    p (n, lines) of frames that were not learned from, truth (n,) booleans. The bounds are the least strict of STEPS
    that keep the promise; where none does, nothing is decided early (0 or 1).
    """
    p, truth = np.asarray(p, float), np.asarray(truth, bool)
    high = next((h for h in STEPS if _wrong(p, truth, h, least) <= error), 1.0)
    low = 1 - next((h for h in STEPS if _wrong(1 - p, ~truth, h, least) <= error), 1.0)
    return float(low), float(high)


def _wrong(p: np.ndarray, truth: np.ndarray, high: float, least: int) -> float:
    """Share of wrong ones among the frames whose p passes `high`."""
    called = p[:, least - 1 :].max(axis=1) >= high
    return float((~truth[called]).mean()) if called.any() else 1.0


def first_above(p: np.ndarray, threshold: float, least: int = LEAST) -> np.ndarray:
    """(n,) first line, from `least` on, at which p (n, lines) is above the threshold; 0 where it never is."""
    above = np.asarray(p) > threshold
    above[:, : least - 1] = False
    return np.where(above.any(axis=1), above.argmax(axis=1) + 1, 0)


def alarm_threshold(p: np.ndarray, rate: float, least: int = LEAST) -> float:
    """The threshold that a share `rate` of frames without a change, p (n, lines), pass at some line."""
    highest = np.asarray(p, float)[:, least - 1 :].max(axis=1)
    return float(np.quantile(highest, 1 - rate, method="higher"))


def delays(p: np.ndarray, change: np.ndarray, threshold: float, least: int = LEAST) -> np.ndarray:
    """(n,) lines from the first line of the new tip (`change`, counted from 1) to the alarm, that line included.

    1 is an alarm at the very line; NaN where it was missed, or was given before there was anything to see.
    """
    alarm, change = first_above(p, threshold, least), np.asarray(change)
    return np.where((alarm > 0) & (alarm >= change), alarm - change + 1.0, np.nan)


def line_cusum(frames: np.ndarray, slack: float = 0.5) -> np.ndarray:
    """CUSUM of unlikeness between neighbouring lines, (n, lines, x) → (n, lines): the classical alarm for a change.

    Each line's 1 − correlation with the line above is standardised by the lines before it (median and median deviation)
    and summed up above `slack` (Page, Biometrika 41, 100 (1954)).
    """
    z = np.asarray(frames, float)
    z = z - z.mean(axis=2, keepdims=True)
    norm = np.sqrt((z * z).sum(axis=2))
    unlike = 1 - (z[:, 1:] * z[:, :-1]).sum(axis=2) / np.maximum(norm[:, 1:] * norm[:, :-1], 1e-12)
    out = np.zeros(z.shape[:2])
    for j in range(LEAST, z.shape[1]):
        before = unlike[:, : j - 1]
        middle = np.median(before, axis=1)
        spread = 1.4826 * np.median(np.abs(before - middle[:, None]), axis=1) + 0.02
        out[:, j] = np.maximum(0.0, out[:, j - 1] + (unlike[:, j - 1] - middle) / spread - slack)
    return out
