"""What a force curve looks like in some thirty plain numbers: the features of the rivals that learn on no raw curve.

No model of contact is fitted and no spring constant needed. Deflections are shares of the curve's own rise and lengths
are shares of its ramp or of its part in contact, so gain, unit and offset change nothing; three numbers keep the size.
"""

from __future__ import annotations

import numpy as np

from .approach import Approach
from .contact_point import broken_line, line_and_parabola, ratio_of_variances, threshold
from .contact_point.ramp import Ramp, between, ramp_of, sums, windows

LEVELS = (0.03, 0.1, 0.25, 0.5, 0.75)  # of the rise above the value at contact
FIT_SAMPLES = 64
TINY = 1e-12  # m, or V: below anything that is measured
LARGEST = 10.0  # rises: beyond, a deflection says no more


def curve_shape(approach: Approach, retract: Approach | None = None) -> dict[str, np.ndarray]:
    """Name → (n,) number, NaN where a curve cannot be judged. retract: the way back of the same curves.

    `noise` neighbouring samples at the far end; `tilt`, `bow`, `waves`, `bump` of the part before contact; `share` of
    the ramp before contact; `depth_…` share of the part in contact at which the deflection has risen so far;
    `exponent`, `misfit` of a power law; `dip` the deepest fall and `fall` all falls in contact; `jump` the largest
    step; `first_slope`, `flat_end` at the ends of contact; how far finders of contact disagree; `adhesion`,
    `hysteresis`, both 0 without a way back.
    """
    ramp = ramp_of(approach)
    contact = ratio_of_variances(ramp)
    at = _sample(ramp, contact)
    line, rest = _baseline(ramp, at)
    table = {"noise": ramp.noise, "share": ramp.way[np.arange(len(at)), at], **line}
    table |= _contact_part(ramp, at, rest) | _disagreement(ramp, contact)
    table |= _sizes(approach, ramp, contact) | _way_back(approach, retract, ramp)
    return {name: np.where(ramp.judged, value, np.nan) for name, value in table.items()}


def _sample(ramp: Ramp, height: np.ndarray) -> np.ndarray:
    """(n,) sample that is nearest to a height."""
    away = np.where(ramp.inside(), np.abs(ramp.height - height[:, None]), np.inf)
    return np.clip(np.nan_to_num(away, nan=0.0).argmin(axis=1), 4, np.maximum(ramp.length - 4, 4)).clip(
        max=away.shape[1] - 1
    )


def _smooth(values: np.ndarray, length: np.ndarray, share: float) -> np.ndarray:
    width = windows(length, share, 3)[:, None]
    i, stop = np.arange(values.shape[1]), length[:, None]
    first, last = np.clip(i - width // 2, 0, None), np.minimum(i + width // 2 + 1, stop)
    return between(sums(values), first, last) / np.maximum(last - first, 1)


def _baseline(ramp: Ramp, at: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features of the part before contact, and the signal above its line."""
    before = ramp.index < at[:, None]
    n = np.maximum(before.sum(axis=1), 1)

    def mean(values: np.ndarray, which: np.ndarray) -> np.ndarray:
        return (np.where(which, values, 0).sum(axis=1) / np.maximum(which.sum(axis=1), 1))[:, None]

    x, y = ramp.way - mean(ramp.way, before), ramp.signal - mean(ramp.signal, before)
    slope = mean(x * y, before) / np.maximum(mean(x * x, before), 1e-12)
    rest = np.where(ramp.inside(), y - slope * x, 0.0)
    thirds = [
        mean(rest, (ramp.index >= a * n[:, None] / 3) & (ramp.index < (a + 1) * n[:, None] / 3))[:, 0] for a in range(3)
    ]
    smooth = _smooth(rest, np.maximum(at, 1), 0.05)
    late = before & (ramp.index > 0.5 * n[:, None])
    return {
        "tilt": ramp.tilt + slope[:, 0],
        "bend": slope[:, 0],
        "bow": thirds[0] + thirds[2] - 2 * thirds[1],
        "last_third": thirds[2] - thirds[1],
        "waves": np.sqrt(mean(rest**2, before)[:, 0]),
        "slow_waves": np.sqrt(mean(smooth**2, before)[:, 0]),
        "bump": np.where(late, smooth, -np.inf).max(axis=1, initial=0),
        "dent": -np.where(late, smooth, np.inf).min(axis=1, initial=0),
    }, rest


def _contact_part(ramp: Ramp, at: np.ndarray, rest: np.ndarray) -> dict[str, np.ndarray]:
    """Features of the part behind contact."""
    rows, last = np.arange(len(at)), np.maximum(ramp.length - 1, 1)
    inside = (ramp.index >= at[:, None]) & ramp.inside()
    smooth = _smooth(rest, ramp.length, 0.003)
    rise = np.maximum(smooth[rows, last] - smooth[rows, at], 1e-6)[:, None]
    y = np.where(inside, np.clip((smooth - smooth[rows, at][:, None]) / rise, -LARGEST, LARGEST), 0.0)
    come = np.maximum(ramp.way[rows, last] - ramp.way[rows, at], 1e-6)[:, None]
    x = np.clip((ramp.way - ramp.way[rows, at][:, None]) / come, 0, 1)
    out = {}
    for level in LEVELS:
        out[f"depth_{round(100 * level)}"] = x[rows, (inside & (y > level)).argmax(axis=1)]
    out |= _power(np.where(inside, x, 0), y, at, last)
    highest = np.maximum.accumulate(y, axis=1)
    step = np.where(inside[:, 1:] & inside[:, :-1], np.diff(y, axis=1), 0.0)
    n = inside.sum(axis=1)
    out |= {
        "dip": np.where(inside, highest - y, 0).max(axis=1),
        "fall": -np.where(step < 0, step, 0).sum(axis=1),
        "jump": step.max(axis=1, initial=0) * n / 100,
        "flat_end": _slope(y, x, ramp.length - n // 10, ramp.length),
        "first_slope": _slope(y, x, at, at + n // 10 + 2),
        "roughness": np.abs(np.where(step[:, 1:] * step[:, :-1] != 0, np.diff(step, axis=1), 0)).sum(axis=1)
        / np.maximum(n, 1),
    }
    return out


def _slope(y: np.ndarray, x: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    rows = np.arange(len(start))
    a, b = (np.clip(i, 0, y.shape[1] - 1) for i in (start, stop - 1))
    return (y[rows, b] - y[rows, a]) / np.maximum(x[rows, b] - x[rows, a], 1e-3)


def _power(x: np.ndarray, y: np.ndarray, at: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
    """Exponent of y = xⁿ through both ends of the part, and what it leaves over."""
    some = np.rint(at[:, None] + (last - at)[:, None] * np.linspace(0, 1, FIT_SAMPLES)).astype(int)
    u, v = np.take_along_axis(x, some, axis=1), np.take_along_axis(y, some, axis=1)
    use = (v > 0.05) & (u > 0.05) & (u < 0.98)
    a, b = np.log(np.where(use, u, 1)), np.log(np.where(use, v, 1))
    exponent = np.clip((a * b).sum(axis=1) / np.maximum((a * a).sum(axis=1), 1e-6), 0.2, 8)
    left = v - u ** exponent[:, None]
    return {"exponent": exponent, "misfit": np.sqrt((left**2).mean(axis=1)), "misfit_sign": left.mean(axis=1)}


def _disagreement(ramp: Ramp, contact: np.ndarray) -> dict[str, np.ndarray]:
    """How far other finders put the contact above this one, as a share of the way from there to the end."""
    rows = np.arange(len(contact))
    inside = np.maximum(contact - ramp.height[rows, np.maximum(ramp.length - 1, 0)], TINY)

    def above(other: np.ndarray) -> np.ndarray:
        return np.nan_to_num(np.clip((other - contact) / inside, -2, 5))

    return {
        "other_line": above(broken_line(ramp)),
        "other_parabola": above(line_and_parabola(ramp)),
        "other_level": above(threshold(ramp)),
    }


def _sizes(approach: Approach, ramp: Ramp, contact: np.ndarray) -> dict[str, np.ndarray]:
    rows, last = np.arange(len(contact)), np.maximum(ramp.length - 1, 0)
    rise = np.nanmax(np.nan_to_num(approach.deflection, nan=-np.inf), axis=1) - np.nanmin(
        np.nan_to_num(approach.deflection, nan=np.inf), axis=1
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "log_rise": np.log(np.maximum(rise, TINY)),
            "log_come": np.log(np.maximum(contact - ramp.height[rows, last], TINY)),
            "log_samples": np.log(np.maximum(ramp.length, 1)),
        }


def _way_back(approach: Approach, retract: Approach | None, ramp: Ramp) -> dict[str, np.ndarray]:
    """Adhesion and hysteresis as shares of the rise; zeros without a way back."""
    n = len(approach.height)
    if retract is None:
        return {"adhesion": np.zeros(n), "hysteresis": np.zeros(n)}
    back, there = retract.deflection, approach.deflection
    tenth = np.maximum(np.asarray(retract.length) // 10, 1)[:, None]
    i = np.arange(back.shape[1])
    far = (i >= np.asarray(retract.length)[:, None] - tenth) & (i < np.asarray(retract.length)[:, None])
    level = np.where(far, back, 0).sum(axis=1) / tenth[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.nanmax(there, axis=1) - np.nanmedian(there[:, : max(3, there.shape[1] // 20)], axis=1)
        pull = (level - np.nanmin(back, axis=1)) / rise
        areas = [_area(a.height, d) for a, d in ((approach, there), (retract, back - level[:, None]))]
        areas[0] = _area(approach.height, there - np.nanmedian(there[:, :10], axis=1)[:, None])
        return {"adhesion": pull, "hysteresis": 1 - areas[1] / areas[0]}


def _area(height: np.ndarray, deflection: np.ndarray) -> np.ndarray:
    step = np.abs(np.diff(height, axis=1))
    return np.nansum(step * (deflection[:, 1:] + deflection[:, :-1]) / 2, axis=1)
