"""The quantities by which loops are compared, by closed formulas: coercive voltages, imprint, remanence, work.

Branches. The steps at which the write voltage rises make the rising branch R↑(V), the others the falling one R↓(V),
both on the write voltages that occur. What comes before the first extreme is left out where a later cycle covers it.
Then, after Jesse, Lee & Kalinin, Rev. Sci. Instrum. 77, 073702 (2006), with ΔR the jump of a branch from end to end:

    coercive voltage V±     the mean of the voltage weighted by the branch's own change, ∫ V dR / ΔR: for hysterons the
                            mean of their distribution, and the place of the step for a square loop
    imprint                 (V₊ + V₋)/2;  coercive voltage (V₊ − V₋)/2
    remanent response       (R↓(0) − R↑(0))/2, with the sign of what a positive voltage writes
    work of switching       |∮ R dV|, the area of the loop, in response · V

Read axis. For every write step R against the read voltage is fitted by a straight line over the reads that switch
nothing (below the smallest coercive voltage, three at least):

    electrostatic slope k_e    its slope, mean over the steps;
    nulling potential          −intercept/slope where the response is zero; its mean over both poled states is the
                               surface potential V_s, since ±P cancel; their difference is what a loop of charge shows

`noise` is the standard deviation of one value, from third differences along the steps. For standard errors of
voltages see `loop_fit`, which knows the physics.
"""

from __future__ import annotations

import numpy as np

from .loops import Loops

_ENDS = 0.1  # share of a branch at each end over which its level is taken
_FEWEST = 3  # reads of a straight line
_AHEAD, _CLEAR, _MOST = 0.1, 4.0, 0.75  # of the reach; noise · reach in the area of a loop; share of the clear loops
_POLED = 0.25  # share of the steps about each extreme of the write voltage that are called poled

NAMES = (
    "coercive_positive", "coercive_negative", "imprint", "remanent", "offset", "work", "slope", "potential", "window",
)  # fmt: skip


def quantities(loops: Loops) -> dict[str, np.ndarray]:
    """name → (n,): those of NAMES, in V, response, response·V and response/V; `noise` in response.

    NaN for loops with a fault, and `slope`, `potential` and `window` where there are fewer than three reads. The loop
    is that of the read voltage closest to zero.
    """
    at = 0 if loops.read is None else int(np.argmin(np.abs(loops.read)))
    volts, rising, falling = branches(loops.write, loops.response[:, :, at])
    out = loop_quantities(volts, rising, falling)
    out |= read_quantities(loops, 0.5 * np.abs(out["coercive_positive"] - out["coercive_negative"]))
    out["noise"] = noise(loops.response)
    bad = ~loops.sound
    return {k: np.where(bad, np.nan, v) for k, v in out.items()}


def backwards(loops: Loops) -> np.ndarray:
    """(n,) loops whose response runs ahead of their voltage, where most of the clear loops of the scan do.

    Polarisation and charge both lag, so a rising branch changes at the higher voltage; the other way round, time or the
    voltage axis was reversed. A few such loops in a scan are noise or two mechanisms against each other, and are left.
    """
    q = quantities(loops)
    ahead = q["coercive_positive"] - q["coercive_negative"] < -_AHEAD * loops.reach
    clear = q["work"] > _CLEAR * q["noise"] * loops.reach
    return ahead & clear if clear.any() and ahead[clear].mean() > _MOST else np.zeros(len(ahead), bool)


def branches(write: np.ndarray, response: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(volts (m,), rising (n, m), falling (n, m)) of responses (n, steps) at write voltages (steps,) in order of time.

    A voltage that a branch never visits is filled in from its neighbours on the branch. Extremes belong to both.
    """
    reach = np.abs(write).max()
    places = np.round(write / (reach * 1e-6)).astype(np.int64)
    volts, where = np.unique(places, return_inverse=True)
    steps = np.diff(np.concatenate([write[-1:], write]))
    ahead = np.diff(np.concatenate([write, write[:1]]))
    virgin = np.arange(len(write)) < min(np.argmax(write), np.argmin(write))
    curves = []
    for way in (1.0, -1.0):
        on = (way * steps > 0) | ((way * ahead > 0) & (way * steps <= 0))
        curves.append(_branch(response, where.ravel(), on, virgin, len(volts)))
    return volts * reach * 1e-6, curves[0], curves[1]


def _branch(response: np.ndarray, where: np.ndarray, on: np.ndarray, virgin: np.ndarray, m: int) -> np.ndarray:
    settled = np.isin(where, where[on & ~virgin])
    used = on & ~(virgin & settled)
    counts = np.bincount(where[used], minlength=m)
    share = np.zeros((len(where), m))
    share[np.flatnonzero(used), where[used]] = 1 / counts[where[used]]
    out = response @ share
    seen = np.flatnonzero(counts)
    for k in np.flatnonzero(counts == 0):
        low, high = seen[seen < k], seen[seen > k]
        near = [int(x) for x in (*low[-1:], *high[:1])]
        out[:, k] = out[:, near].mean(1)
    return out


def loop_quantities(volts: np.ndarray, rising: np.ndarray, falling: np.ndarray) -> dict[str, np.ndarray]:
    """Quantities (n,) of two branches (n, m) on ascending voltages (m,), V.

    >>> v = np.linspace(-4, 4, 81)
    >>> q = loop_quantities(v, np.where(v > 2, 1.0, -1.0)[None], np.where(v > -1, 1.0, -1.0)[None])
    >>> [round(float(q[k][0]), 2) for k in ("coercive_positive", "coercive_negative", "remanent", "work")]
    [2.05, -0.95, 1.0, 6.0]
    """
    plus, minus = _centroid(volts, rising), _centroid(volts, falling)
    at_zero = [_at_zero(volts, b) for b in (falling, rising)]
    gap = falling - rising
    area = ((gap[:, 1:] + gap[:, :-1]) / 2 * np.diff(volts)).sum(1)
    return {
        "coercive_positive": plus, "coercive_negative": minus, "imprint": (plus + minus) / 2,
        "remanent": (at_zero[0] - at_zero[1]) / 2, "offset": (at_zero[0] + at_zero[1]) / 2, "work": np.abs(area),
    }  # fmt: skip


def _at_zero(volts: np.ndarray, branch: np.ndarray) -> np.ndarray:
    k = int(np.clip(np.searchsorted(volts, 0.0), 1, len(volts) - 1))
    part = float(np.clip(-volts[k - 1] / (volts[k] - volts[k - 1]), 0, 1))
    return branch[:, k - 1] * (1 - part) + branch[:, k] * part


def _centroid(volts: np.ndarray, branch: np.ndarray) -> np.ndarray:
    """∫ V dR / ΔR between the levels at both ends, (n,); never beyond the voltages that were written."""
    few = max(1, round(_ENDS * len(volts)))
    low, high = branch[:, :few].mean(1), branch[:, -few:].mean(1)
    jump = np.where(high == low, np.nan, high - low)
    inner = slice(few // 2, len(volts) - few // 2)
    share = (high[:, None] - branch[:, inner]) / jump[:, None]  # of the jump that is still to come: 1 → 0
    v = volts[inner]
    still = ((share[:, 1:] + share[:, :-1]) / 2 * np.diff(v)).sum(1)
    return np.clip(v[0] + still, volts[0], volts[-1])


def read_quantities(loops: Loops, coercive: np.ndarray) -> dict[str, np.ndarray]:
    """Slope against the read voltage, potential at which the response nulls, its change between poled states."""
    n = len(loops.response)
    empty = {k: np.full(n, np.nan) for k in ("slope", "potential", "window")}
    if loops.read is None or len(loops.read) < _FEWEST:
        return empty
    near = np.sort(np.abs(loops.read))[_FEWEST - 1]
    weight = (np.abs(loops.read)[None] <= np.maximum(np.nan_to_num(coercive) * 0.7, near * 1.0001)[:, None]).astype(
        float
    )
    total = weight.sum(1)
    mean_v = weight @ loops.read / total
    centred = weight * (loops.read - mean_v[:, None])
    slopes = np.einsum("nsr,nr->ns", loops.response, centred) / (centred**2).sum(1)[:, None]
    level = np.einsum("nsr,nr->ns", loops.response, weight) / total[:, None] - slopes * mean_v[:, None]
    slope = slopes.mean(1)
    up, down = _poled(loops.write)
    high, low = (np.median(level[:, s], axis=1) for s in (up, down))
    safe = np.where(slope == 0, np.nan, slope)
    return {"slope": slope, "potential": -(high + low) / 2 / safe, "window": -(high - low) / safe}


def _poled(write: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps after the positive extreme, on the way down, and after the negative one, on the way up."""
    falls = np.diff(np.concatenate([write[-1:], write])) < 0
    far = np.abs(write).max() * (1 - 2 * _POLED)
    up, down = falls & (write > far), ~falls & (write < -far)
    every = np.ones(len(write), bool)
    return (up if up.any() else every), (down if down.any() else every)


def noise(response: np.ndarray) -> np.ndarray:
    """σ (n,) of one value, from third differences along the steps, robustly: loops are smooth between their jumps."""
    third = np.diff(response, n=3, axis=1)
    return np.median(np.abs(third), axis=(1, 2)) / 0.6745 / np.sqrt(20.0)
