"""What a force curve says without a model of the tip: baseline, stiffness, adhesion, work and hysteresis, with errors.

Everything here needs a calibrated lever and a contact point at most, never a radius. Curves go through together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.units import to_si
from .approach import Approach

CLEAR = 0.05  # of the approach's travel that is left out before the contact, where the curve begins to bend
TAIL = 0.1  # of the retract, its farthest part, that tells its baseline
UPPER = 0.5  # of the greatest force, above which the stiffness is read
FEW = 5  # samples that a line is fitted to
FARTHER = 4.0  # times its own length, as far as a baseline is drawn out
SEEN = 5.0  # noise levels that a signal must rise to be called one


@dataclass(frozen=True)
class Quantity:
    """One number for each curve, with its standard error; None where nobody can tell one."""

    value: np.ndarray  # (n,)
    error: np.ndarray | None  # (n,)
    unit: str

    def hidden(self, sound: np.ndarray) -> Quantity:
        """NaN for curves that are not sound."""
        error = None if self.error is None else np.where(sound, self.error, np.nan)
        return Quantity(np.where(sound, self.value, np.nan), error, self.unit)


@dataclass(frozen=True)
class Baseline:
    """The line that the deflection follows far from the sample: level at the contact, tilt, and noise about it."""

    level: np.ndarray  # (n,) at the contact
    tilt: np.ndarray  # (n,) per metre of height
    noise: np.ndarray  # (n,) standard deviation about the line
    error: np.ndarray  # (n,) standard error of the level
    samples: np.ndarray  # (n,) that it rests on
    reach: np.ndarray  # (n,) m of height over which it was seen


def baseline_of(approach: Approach, contact: np.ndarray) -> Baseline:
    """The line through the samples above the contact (n,), in the approach's own unit; NaN where there are too few."""
    h, d = approach.height, approach.deflection
    travel = _last(h, approach.length) - h[:, 0]
    with np.errstate(invalid="ignore"):
        far = h > (contact - CLEAR * travel)[:, None]  # the travel is negative
    x = h - contact[:, None]
    level, tilt, noise, error, n = _line(x, d, far)
    reach = np.where(far, x, -np.inf).max(axis=1) - np.where(far, x, np.inf).min(axis=1)
    return Baseline(level, tilt, noise, error, n, np.where(n > 1, reach, 0.0))


def without_baseline(part: Approach, contact: np.ndarray, baseline: Baseline) -> np.ndarray:
    """(n, samples) of the deflection above the baseline.

    The tilt is not taken along where the part is more than `FARTHER` times as long as what it was seen on.
    """
    x = part.height - contact[:, None]
    known = np.isfinite(x)
    travel = np.where(known, x, -np.inf).max(axis=1) - np.where(known, x, np.inf).min(axis=1)
    tilt = np.where(travel <= FARTHER * baseline.reach, baseline.tilt, 0.0)
    return part.deflection - baseline.level[:, None] - tilt[:, None] * x


def numbers(approach: Approach, retract: Approach | None, contact: np.ndarray) -> dict[str, Quantity]:
    """All that a curve says, by name. In newtons where the spring constant is known, else in the deflection's own unit.

    contact: (n,) height in m. `stiffness` is the slope of the force against the height of the piezo in the upper half
    of the force: of an infinitely hard sample it is the spring constant. `work_of_adhesion` is the area under the
    retract where it pulls, `hysteresis` the area between approach and retract. In other units than newtons it is
    `slope`, `peak` and `pull_off`. Curves with a fault, or where a number cannot be told, are NaN.
    """
    base = baseline_of(approach, contact)
    scale, unit = _scale(approach)
    out = {"noise": Quantity(base.noise * scale, base.noise * scale / np.sqrt(2 * np.maximum(base.samples, 1)), unit)}
    push = without_baseline(approach, contact, base)
    out["tilt"] = Quantity(base.tilt * scale, None, _per_metre(unit))
    out |= _pushed(approach, push, base, scale, unit, contact)
    if retract is not None and retract.unit == approach.unit:
        pull = without_baseline(retract, contact, base)
        zero, wide = _far_end(retract, pull, contact)
        out |= _pulled(retract, pull - zero[:, None], wide, base, scale, unit)
        out["hysteresis"] = _hysteresis(approach, push, retract, pull - zero[:, None], base, scale, unit)
    sound = np.array([not fault for fault in approach.faults])
    return {name: q.hidden(sound) for name, q in out.items()}


def first_contact(approach: Approach, steps: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(contact, low, high) (n,) heights in m where the deflection leaves its baseline for good, or NaN.

    A plain threshold, which needs nothing learned and no law: the last sample within three noise levels, going back
    from the deepest. A soft sample was touched before that: low is where five noise levels are left, high where a
    force that grows as the square of the depth, a cone's, would have begun to reach three and five there.
    """
    contact = approach.height[:, 0] + 0.6 * (_last(approach.height, approach.length) - approach.height[:, 0])
    low, high = contact.copy(), contact.copy()
    for _ in range(steps):
        base = baseline_of(approach, contact)
        above = without_baseline(approach, contact, base)
        low, contact, high = (_leaves(approach, above, base.noise * level) for level in (SEEN, 3.0, 1.0))
    high = np.fmax(high, contact + (contact - low) / (np.sqrt(SEEN / 3.0) - 1))
    rises = _deepest(approach, above) > SEEN * base.noise
    sound = rises & np.array([not fault for fault in approach.faults])
    return tuple(np.where(sound, v, np.nan) for v in (contact, low, high))  # type: ignore[return-value]


# -- parts of the above -------------------------------------------------------------------------------------------


def _per_metre(unit: str) -> str:
    return "1" if unit == "m" else f"{unit}/m"


def _scale(approach: Approach) -> tuple[np.ndarray, str]:
    """What turns the deflection into newtons, and the unit that comes out."""
    if approach.unit == "m" and np.isfinite(approach.spring_constant).any():
        return approach.spring_constant, "N"
    return np.ones(len(approach)), approach.unit


def _last(values: np.ndarray, length: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, np.maximum(length - 1, 0)[:, None], axis=1)[:, 0]


def _line(x: np.ndarray, y: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, ...]:
    """Least squares along rows over the marked samples: (level at x = 0, slope, scatter, error of level, number)."""
    use = which & np.isfinite(x) & np.isfinite(y)
    n = use.sum(axis=1)
    some = np.maximum(n, 1)
    xs, ys = np.where(use, x, 0.0), np.where(use, y, 0.0)
    xm, ym = xs.sum(axis=1) / some, ys.sum(axis=1) / some
    dx, dy = np.where(use, x - xm[:, None], 0.0), np.where(use, y - ym[:, None], 0.0)
    square = (dx * dx).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (dx * dy).sum(axis=1) / square
        scatter = np.sqrt(np.maximum((dy * dy).sum(axis=1) - slope**2 * square, 0) / np.maximum(n - 2, 1))
        error = scatter * np.sqrt(1 / some + xm**2 / square)
    few = n < FEW
    return *(np.where(few, np.nan, v) for v in (ym - slope * xm, slope, scatter, error)), n


def _slope_error(x: np.ndarray, which: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    use = which & np.isfinite(x)
    n = np.maximum(use.sum(axis=1), 1)
    xs = np.where(use, x, 0.0)
    dx = np.where(use, x - (xs.sum(axis=1) / n)[:, None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return scatter / np.sqrt((dx * dx).sum(axis=1))


def _leaves(approach: Approach, above: np.ndarray, level: np.ndarray) -> np.ndarray:
    """(n,) height of the last sample, in order of time, that is not above the level."""
    with np.errstate(invalid="ignore"):
        under = (above <= level[:, None]) & np.isfinite(above)
    last = above.shape[1] - 1 - under[:, ::-1].argmax(axis=1)
    found = np.take_along_axis(approach.height, last[:, None], axis=1)[:, 0]
    return np.where(under.any(axis=1) & np.isfinite(level), found, np.nan)


def _deepest(part: Approach, above: np.ndarray) -> np.ndarray:
    """(n,) mean of the last thousandth of an approach, of three samples at least."""
    n = part.length[:, None]
    sample = np.arange(above.shape[1])
    end = (sample >= n - np.maximum(3, n // 1000)) & (sample < n)
    return np.where(end, above, 0.0).sum(axis=1) / np.maximum(end.sum(axis=1), 1)


def _pushed(
    a: Approach, push: np.ndarray, base: Baseline, scale: np.ndarray, unit: str, contact: np.ndarray
) -> dict[str, Quantity]:
    """Greatest force, stiffness and indentation of the approach."""
    peak = _deepest(a, push)
    with np.errstate(invalid="ignore"):
        touching = a.height <= contact[:, None]
        upper = touching & (push >= UPPER * peak[:, None])
    _, slope, scatter, _, _ = _line(a.height, push, upper)
    out = {
        "peak_force" if unit == "N" else "peak": Quantity(peak * scale, base.error * np.abs(scale), unit),
        "stiffness" if unit == "N" else "slope": Quantity(
            -slope * scale, _slope_error(a.height, upper, scatter) * scale, _per_metre(unit)
        ),
    }
    if a.unit == "m":
        depth = contact - _last(a.height, a.length) - peak
        out["indentation"] = Quantity(depth, None, "m")
    return out


def _far_end(r: Approach, pull: np.ndarray, contact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(level of the far end of the retract, NaN where it does not leave the sample; its standard error)."""
    n, sample = r.length[:, None], np.arange(pull.shape[1])
    far = (sample >= n - np.maximum(FEW, TAIL * n)) & (sample < n)
    some = np.maximum(far.sum(axis=1), 1)
    level = np.where(far, pull, 0.0).sum(axis=1) / some
    spread = np.sqrt(np.where(far, (pull - level[:, None]) ** 2, 0.0).sum(axis=1) / some)
    away = (_last(r.height, r.length) > contact) & (r.length >= 2 * FEW)
    away &= np.array([not fault for fault in r.faults])
    return np.where(away, level, np.nan), spread / np.sqrt(some)


def _pulled(
    r: Approach, pull: np.ndarray, wide: np.ndarray, base: Baseline, scale: np.ndarray, unit: str
) -> dict[str, Quantity]:
    """Adhesion and its work; zero where the greatest pull is one that noise would also show."""
    known = np.isfinite(pull)
    least = np.where(known.any(axis=1), -np.where(known, pull, np.inf).min(axis=1), np.nan)
    with np.errstate(invalid="ignore"):
        chance = base.noise * np.sqrt(2 * np.log(np.maximum(r.length, 3)))
        seen = least > chance + base.noise
        adhesion = np.where(np.isfinite(least), np.where(seen, least, 0.0), np.nan)
    error = np.hypot(base.noise, wide)
    out = {"adhesion" if unit == "N" else "pull_off": Quantity(adhesion * scale, error * np.abs(scale), unit)}
    if unit == "N" and r.unit == "m":
        work, length = _area_of_pull(r, pull, seen)
        out["work_of_adhesion"] = Quantity(work * scale, np.hypot(wide, base.error) * length * scale, "J")
    return out


def _area_of_pull(r: Approach, pull: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(∫ −d dz from where the lever begins to pull to the end of the retract, the length of that way), (n,) each."""
    known = np.isfinite(pull)
    lowest = np.where(known, pull, np.inf).argmin(axis=1)
    sample = np.arange(pull.shape[1])
    pushing = (pull > 0) & (sample <= lowest[:, None])
    first = np.where(pushing.any(axis=1), pull.shape[1] - pushing[:, ::-1].argmax(axis=1), 0)
    on = (sample >= first[:, None]) & known
    z = r.height + r.deflection
    step = np.diff(np.where(known, z, 0.0), axis=1) * (on[:, 1:] & on[:, :-1])
    middle = 0.5 * (np.where(known, pull, 0.0)[:, 1:] + np.where(known, pull, 0.0)[:, :-1])
    work = -(middle * step).sum(axis=1)
    finite = np.where(known.any(axis=1), np.where(seen, work, 0.0), np.nan)
    return finite, np.abs(step.sum(axis=1))


def _hysteresis(
    a: Approach, push: np.ndarray, r: Approach, pull: np.ndarray, base: Baseline, scale: np.ndarray, unit: str
) -> Quantity:
    """Energy that is lost in a cycle: the area between the approach and the retract, over the height of the piezo."""
    told = "J" if unit == "N" else to_si(f"{unit}·m")[1]
    lost = -(_area(a.height, push) + _area(r.height, pull))
    way = np.abs(_last(a.height, a.length) - a.height[:, 0])
    return Quantity(lost * scale, base.error * way * np.abs(scale), told)


def _area(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    known = np.isfinite(x) & np.isfinite(y)
    xs, ys = np.where(known, x, 0.0), np.where(known, y, 0.0)
    both = known[:, 1:] & known[:, :-1]
    area = (0.5 * (ys[:, 1:] + ys[:, :-1]) * np.diff(xs, axis=1) * both).sum(axis=1)
    return np.where(both.any(axis=1), area, np.nan)
