"""How are the heights of a surface spread, and how much material or void lies above and below?

Height and functional parameters of ISO 25178-2:2021. Heights z are counted from their mean; what is not a number is
left out. The material ratio Smr(c) is the share of the surface that is higher than c; its inverse, the bearing curve
z(p), is the height above which a share p of the surface lies.
"""

from __future__ import annotations

import numpy as np

SECANT = 0.40  # of the material ratio: the straight part of the bearing curve is where a secant this long is flattest
PEAKS, CORE = 0.10, 0.80  # material ratios that part peaks, core and valleys in the volume parameters


def height_parameters(z: np.ndarray) -> dict[str, float]:
    """Sa, Sq, Ssk, Sku, Sp, Sv, Sz of heights z (any shape), in the unit of z; Ssk and Sku are pure numbers.

    Ssk and Sku of a flat surface are undefined: NaN.
    """
    off = _finite(z)
    off = off - off.mean()
    sq = float(np.sqrt(np.mean(off**2)))
    reduced = off / sq if sq > 0 else np.full(off.shape, np.nan)
    square = reduced * reduced
    return {
        "Sa": float(np.mean(np.abs(off))),
        "Sq": sq,
        "Ssk": float(np.mean(square * reduced)),
        "Sku": float(np.mean(square * square)),
        "Sp": float(off.max()),
        "Sv": float(0.0 - off.min()),
        "Sz": float(np.ptp(off)),
    }


def functional_parameters(z: np.ndarray) -> dict[str, float]:
    """Sk, Spk, Svk, Smr1, Smr2 and the volumes Vmp, Vmc, Vvc, Vvv of heights z (any shape).

    The core of the bearing curve is the secant over 40 % of the material ratio with the smallest slope, drawn on to
    0 and 100 %: Sk is its drop; Spk and Svk are the heights of right-angled triangles with the areas of the hills
    above and the dales below it, and Smr1, Smr2 their legs. Volumes are per area of the map, so their unit is that
    of z (m³/m²). Shares of a flat surface are undefined: NaN.
    """
    curve = np.sort(_finite(z))[::-1]
    curve = curve - curve.mean()
    ratio = (np.arange(curve.size) + 0.5) / curve.size
    return _core(curve, ratio) | _volumes(curve)


def _core(curve: np.ndarray, ratio: np.ndarray) -> dict[str, float]:
    if curve[0] == curve[-1]:
        return {"Sk": 0.0, "Spk": 0.0, "Svk": 0.0, "Smr1": float("nan"), "Smr2": float("nan")}
    span = min(max(round(SECANT * curve.size), 1), curve.size - 1)
    drop = curve[:-span] - curve[span:]
    flattest = np.flatnonzero(drop <= drop.min() * (1 + 1e-9))
    start = int(flattest[len(flattest) // 2])  # of equally flat ones the middle
    slope = float(drop[start]) / (span / curve.size)
    middle, height = (ratio[start] + ratio[start + span]) / 2, (curve[start] + curve[start + span]) / 2
    top, bottom = height + slope * middle, height - slope * (1 - middle)  # the line at 0 and 100 %
    hills, dales = np.maximum(curve - top, 0.0), np.maximum(bottom - curve, 0.0)
    smr1, smr2 = float(np.mean(curve > top)), float(np.mean(curve >= bottom))
    return {
        "Sk": float(top - bottom),
        "Spk": 2 * float(hills.mean()) / smr1 if smr1 > 0 else 0.0,
        "Svk": 2 * float(dales.mean()) / (1 - smr2) if smr2 < 1 else 0.0,
        "Smr1": smr1,
        "Smr2": smr2,
    }


def _volumes(curve: np.ndarray) -> dict[str, float]:
    def material(p: float) -> float:  # above the height that a share p of the surface exceeds
        return float(np.maximum(curve - _height_at(curve, p), 0.0).mean())

    def void(p: float) -> float:
        return float(np.maximum(_height_at(curve, p) - curve, 0.0).mean())

    return {
        "Vmp": material(PEAKS),
        "Vmc": material(CORE) - material(PEAKS),
        "Vvc": void(PEAKS) - void(CORE),
        "Vvv": void(CORE),
    }


def _height_at(curve: np.ndarray, p: float) -> float:
    """z(p) of a falling bearing curve, between its samples by linear interpolation."""
    return float(np.interp(p * curve.size - 0.5, np.arange(curve.size), curve))


def _finite(z: np.ndarray) -> np.ndarray:
    return np.asarray(z, float)[np.isfinite(z)]
