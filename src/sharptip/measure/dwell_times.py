"""How long does a trace stay in each state before it leaves? Dwells, and the rate that they tell.

Times of a chain in one state are exponential; dwells cut off by an end of the trace (or by a gap in it) are known only
to be longer, and dwells shorter than a dead time were not seen at all. The likeliest rate then is the number of dwells
that ended, over the time that was waited beyond the dead time; its standard error is the rate over the root of that
number (Colquhoun & Sigworth, in Single-Channel Recording (1983), chapter 11).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Dwells(NamedTuple):
    """One entry per dwell: the trace it is of, its state, its seconds, and whether both of its ends were seen."""

    trace: np.ndarray
    state: np.ndarray
    seconds: np.ndarray
    whole: np.ndarray


def dwells_of(states: np.ndarray, dt: float) -> Dwells:
    """Dwells of states (n, samples), −1 where the state is unknown; dt: seconds between samples."""
    states = np.atleast_2d(states)
    n, samples = states.shape
    apart = np.full((n, 1), -2)
    flat = np.concatenate([states, apart], 1).ravel()
    first = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    last = np.r_[first[1:], flat.size]
    here = flat[first]
    before, after = np.r_[-2, here[:-1]], np.r_[here[1:], -2]
    known = here >= 0
    whole = (before >= 0) & (after >= 0)
    return Dwells((first // (samples + 1))[known], here[known], ((last - first) * dt)[known], whole[known])


def dwell_rate(dwells: Dwells, state: int, dead_time: float = 0.0) -> tuple[float, float]:
    """(rate at which a state is left, its standard error) in 1/s, of whole dwells of `dead_time` (s) and longer.

    NaN where no whole dwell is that long.
    """
    long = dwells.seconds[(dwells.state == state) & dwells.whole & (dwells.seconds >= dead_time)]
    waited = float((long - dead_time).sum())
    if not waited > 0:
        return float("nan"), float("nan")
    rate = len(long) / waited
    return rate, rate / float(np.sqrt(len(long)))


def smooth_short(states: np.ndarray, least: int) -> np.ndarray:
    """States (n, samples) in which dwells of fewer than `least` samples have joined the dwell before them.

    So every dwell that is left is as long as the dead time says, which `correct_missed` counts on. A short first dwell
    becomes unknown (−1), as does one after a gap.
    """
    out = np.array(states)
    for row in out:
        first = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
        last = np.r_[first[1:], len(row)]
        before = -1
        for a, b in zip(first, last, strict=True):
            if row[a] >= 0 and b - a < least:
                row[a:b] = before
            before = row[a]
    return out
