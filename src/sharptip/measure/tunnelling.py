"""What a current–voltage curve says without a law: the conductance at zero bias, and how unequal its two sides are.

No law is fitted: a tunnelling spectrum is a density of states, and every sample has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR = 0.1  # of the largest bias: where the conductance at zero is read
FEWEST = 5  # samples for it
CLIPPED = 0.05  # of the samples at one end of the current: the amplifier had no more


@dataclass(frozen=True)
class CurrentVoltage:
    """Of n spectra; NaN, with a `fault`, where nothing can be told. SI units."""

    conductance: np.ndarray  # (n,) A/V at zero bias: the slope of the line through |V| ≤ NEAR of the largest
    conductance_error: np.ndarray  # its standard error
    rectification: np.ndarray  # (n,) |current at the highest bias| over that at the lowest, where they are opposite
    noise: np.ndarray  # (n,) A about that line
    clipped: np.ndarray  # (n,) bool
    fault: np.ndarray  # (n,) ''


def current_voltage(bias: np.ndarray, current: np.ndarray) -> CurrentVoltage:
    """Spectra current (n, points) A over bias (points,) or (n, points) V."""
    i = np.asarray(current, float)
    v = np.broadcast_to(np.asarray(bias, float), i.shape)
    known = np.isfinite(i) & np.isfinite(v)
    reach = np.where(known, np.abs(v), 0.0).max(axis=1)
    near = known & (np.abs(v) <= NEAR * reach[:, None])
    slope, error, noise, n = _line(np.where(near, v, 0.0), np.where(near, i, 0.0), near)
    fault = np.full(len(i), "", object)
    fault[n < FEWEST] = f"fewer than {FEWEST} points within a tenth of the largest bias"
    fault[known.sum(axis=1) == 0] = "no finite point"
    for values in (slope, error, noise):
        values[fault != ""] = np.nan
    return CurrentVoltage(slope, error, _rectification(v, i, known), noise, _clipped(i, known), fault)


def _line(v: np.ndarray, i: np.ndarray, use: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n = use.sum(axis=1)
    some = np.maximum(n, 1)
    dv = np.where(use, v - (v.sum(axis=1) / some)[:, None], 0.0)
    di = np.where(use, i - (i.sum(axis=1) / some)[:, None], 0.0)
    square = np.maximum((dv * dv).sum(axis=1), 1e-300)
    slope = (dv * di).sum(axis=1) / square
    noise = np.sqrt(np.maximum((di * di).sum(axis=1) - slope**2 * square, 0) / np.maximum(n - 2, 1))
    return slope, noise / np.sqrt(square), noise, n


def _rectification(v: np.ndarray, i: np.ndarray, known: np.ndarray) -> np.ndarray:
    ends = [np.where(known, sign * v, -np.inf).argmax(axis=1)[:, None] for sign in (1, -1)]
    high, low = (np.take_along_axis(i, end, axis=1)[:, 0] for end in ends)
    v_high, v_low = (np.take_along_axis(v, end, axis=1)[:, 0] for end in ends)
    even = (v_high > 0) & (v_low < 0) & (np.abs(v_high + v_low) < 0.05 * (v_high - v_low)) & (low != 0)
    return np.where(even, np.abs(high) / np.abs(np.where(low == 0, np.nan, low)), np.nan)


def _clipped(i: np.ndarray, known: np.ndarray) -> np.ndarray:
    n = np.maximum(known.sum(axis=1), 1)
    top, bottom = (np.where(known, sign * i, -np.inf).max(axis=1) for sign in (1, -1))
    at = ((i == top[:, None]) & known).sum(axis=1), ((i == -bottom[:, None]) & known).sum(axis=1)
    return (np.maximum(*at) / n > CLIPPED) & (top > -bottom)
