"""From a scan of force curves to the arrays that are fitted: one part of every curve, in metres where that is known.

What cannot be judged is marked for its curve and stops no other; what no curve of the scan has is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import ChannelError, ScanError, UnitError
from ..core.scan import label
from ..core.units import say

FEWEST = 10  # samples that a part needs for anything to be said of it
STIFFEST, SOFTEST = 1e5, 1e-6  # N/m: no cantilever lies outside, so such a number was meant in another unit
LEAST_SENSITIVE = 1e-3  # m/V, likewise: detectors see 1e-8 to 1e-5
FLIPPED = 20.0  # a fall of the deflection at the deepest end, in noise levels, that no baseline has
HEIGHTS = ("height_sensor", "height")  # where the piezo was goes before where it was told to be
SIGNALS = ("deflection", "deflection_signal")  # the second: of a detector that counts in something else than volts
_BLOCK = 1000

_GIVE_K = "give it: spring_constant=0.04 (N/m), on the command line --spring-constant 0.04"
_GIVE_S = "give it: sensitivity=60e-9 (m/V), on the command line --sensitivity 60e-9"


@dataclass(frozen=True)
class Approach:
    """One part of each of n curves (the approach unless another was asked for), in order of time, NaN-padded behind.

    Samples that are not finite are left out, so the first `length` samples of a row are all finite. In an approach
    the height falls, from far away to the deepest point.
    """

    height: np.ndarray  # (n, samples) m, where the piezo, or the base of the cantilever, was
    deflection: np.ndarray  # (n, samples), repulsion positive, in `unit`; zero is not at the baseline yet
    unit: str  # 'm'; 'V', 'A' or 'arb' without a sensitivity; 'N' of a force without a spring constant
    spring_constant: np.ndarray  # (n,) N/m, NaN where it is unknown
    length: np.ndarray  # (n,) samples that are a curve's own
    faults: tuple[str, ...]  # (n,) '' or why a curve cannot be judged
    channel: str = "height"  # which height it is: 'height_sensor', 'height', or 'separation' with the deflection undone

    @property
    def force(self) -> np.ndarray:
        """(n, samples) in N, zero where the deflection is zero; NaN for curves without a spring constant.

        Raises UnitError where the deflection is in no unit of length.
        """
        if self.unit == "N":
            return self.deflection
        if self.unit != "m":
            raise UnitError(f"the deflection is in {self.unit!r}, its sensitivity is not known; {_GIVE_S}")
        return self.deflection * self.spring_constant[:, None]

    @property
    def position(self) -> np.ndarray:
        """(n, samples) in m: where the tip was, up to a constant; it falls, and stays where the sample is hard.

        Raises UnitError where the deflection is in no unit of length.
        """
        if self.unit == "N":
            raise UnitError(f"there is a force and no deflection, since the spring constant is not known; {_GIVE_K}")
        if self.unit != "m":
            raise UnitError(f"the deflection is in {self.unit!r}, its sensitivity is not known; {_GIVE_S}")
        return self.height + self.deflection

    @property
    def no_force(self) -> tuple[str, ...]:
        """(n,) '' or what is missing before a force and an indentation can be told of a curve."""
        if self.unit not in ("m", "N"):
            return (f"the deflection is in {self.unit!r}, its sensitivity is not known; {_GIVE_S}",) * len(self.length)
        known = np.isfinite(self.spring_constant)
        return tuple("" if k else f"the spring constant is not known; {_GIVE_K}" for k in known)

    def __len__(self) -> int:
        return len(self.length)


def approach_of(
    scan: xr.Dataset,
    *,
    spring_constant: float | None = None,
    sensitivity: float | None = None,
    segment: str = "approach",
) -> Approach:
    """The approach (or another `segment`: 'retract', 'pause') of every curve of a scan (curve, sample).

    spring_constant in N/m and sensitivity in m/V go before what the scan says, as attribute or as channel (curve); a
    deflection in metres, or a force, that was made with the scan's own is made anew. A height that was measured goes
    before one that was told. Of several parts of one name the first is taken; a scan without `segment` is one
    approach.

    Raises ScanError for what are no force curves, ChannelError where a height or a deflection is missing, UnitError
    where a unit is not SI or a number cannot be meant in its unit.
    """
    names = [name for name in (*HEIGHTS, "separation") if _on_curves(scan, name)]
    _check_curves(scan, names)
    own, k = _constant(scan, "spring_constant", spring_constant, SOFTEST, STIFFEST)
    place = _places(scan, segment)
    deflection, unit = _deflection(scan, place, own, k, sensitivity)
    channel = names[0]
    height = _part(scan, channel, place)
    if channel == "separation":
        if unit != "m":
            missing = _GIVE_K if unit == "N" else _GIVE_S
            raise ChannelError(
                f"{label(scan)} has a separation and no height; its deflection in m is needed: {missing}"
            )
        height = height - deflection
    for other in names[1:]:
        gone = ~np.isfinite(height).any(axis=1)  # a curve whose sensor said nothing
        if other != "separation" and gone.any():
            height[gone] = _part(scan, other, place)[gone]
    height, deflection, length = _finite(height, deflection)
    faults = _faults(scan, height, deflection, unit, length, segment)
    return Approach(height, deflection, unit, k, length, faults, channel)


def approaches(
    scan: xr.Dataset,
    block: int = _BLOCK,
    *,
    spring_constant: float | None = None,
    sensitivity: float | None = None,
    segment: str = "approach",
) -> Iterator[tuple[slice, Approach]]:
    """(which curves, their approaches) of a large scan, `block` curves at a time; no more is read. As `approach_of`."""
    for start in range(0, scan.sizes.get("curve", 0), block):
        which = slice(start, min(start + block, scan.sizes["curve"]))
        part = scan.isel(curve=which)
        yield which, approach_of(part, spring_constant=spring_constant, sensitivity=sensitivity, segment=segment)


# -- which channels -----------------------------------------------------------------------------------------------


def _on_curves(scan: xr.Dataset, name: str) -> bool:
    return name in scan.data_vars and {"curve", "sample"} <= set(scan[name].dims)


def _check_curves(scan: xr.Dataset, heights: list[str]) -> None:
    if not {"curve", "sample"} <= set(scan.sizes):
        axes = ", ".join(f"{n} {d}" for d, n in scan.sizes.items())
        raise ScanError(f"{label(scan)} holds no force curves (curve, sample); its axes are {axes or 'none'}")
    has = ", ".join(str(name) for name in scan.data_vars if _on_curves(scan, str(name)))
    if not heights:
        raise ChannelError(f"{label(scan)} has no height of its curves, nor a separation; it has {has}")
    if not any(_on_curves(scan, name) for name in (*SIGNALS, "force")):
        raise ChannelError(f"{label(scan)} has no deflection of its curves, nor a force; it has {has}")


def _unit(scan: xr.Dataset, name: str, *allowed: str) -> str:
    unit = scan[name].attrs.get("units")
    if unit not in allowed:
        said = "says no unit" if unit is None else f"is in {unit!r}"
        raise UnitError(f"{label(scan)}: {name!r} {said}; curves hold it in {' or '.join(map(repr, allowed))}")
    return str(unit)


def _constant(
    scan: xr.Dataset, name: str, given: float | None, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """(the scan's own, the one to use) for each curve; NaN where it is unknown."""
    n, unit = scan.sizes["curve"], {"spring_constant": "N/m", "sensitivity": "m/V"}[name]
    if name in scan.data_vars:
        _unit(scan, name, unit)
        own = np.asarray(scan[name].values, float) * np.ones(n)
    else:
        own = np.full(n, float(scan.attrs.get(name, np.nan)))
    own = np.where(np.isfinite(own) & (own > 0), own, np.nan)
    if given is None:
        return own, own
    if not (np.isfinite(given) and low <= given <= high):
        example = {"spring_constant": "0.04", "sensitivity": "60e-9"}[name]
        raise UnitError(
            f"{name}={given:g} cannot be in {unit}; {low:g} to {high:g} is possible: give {unit}, as {name}={example}"
        )
    return own, np.full(n, float(given))


def _deflection(
    scan: xr.Dataset, place: np.ndarray, own: np.ndarray, k: np.ndarray, sensitivity: float | None
) -> tuple[np.ndarray, str]:
    """The deflection in metres where that can be known, else as it was recorded, and its unit."""
    signal = next((name for name in SIGNALS if _on_curves(scan, name)), None)
    unit = None if signal is None else _unit(scan, signal, "m", "V", "A", "arb")
    high = LEAST_SENSITIVE if unit in (None, "m", "V") else np.inf  # of other detectors nobody knows
    was, s = _constant(scan, "sensitivity", sensitivity, 0.0, high)
    if signal is not None and unit == "m":
        if sensitivity is not None and not np.isfinite(was).all():
            raise UnitError(
                f"{label(scan)}: the deflection is in metres already, by a sensitivity that the file does not say; "
                "leave the sensitivity out"
            )
        again = 1.0 if sensitivity is None else (s / was)[:, None]
        return _part(scan, signal, place) * again, "m"
    if signal is not None and np.isfinite(s).all() and (unit == "V" or sensitivity is not None):
        return _part(scan, signal, place) * s[:, None], "m"
    if not _on_curves(scan, "force"):
        return _part(scan, str(signal), place), str(unit)
    _unit(scan, "force", "N")
    force, made_with = _part(scan, "force", place), np.where(np.isfinite(own), own, k)
    return (force / made_with[:, None], "m") if np.isfinite(made_with).all() else (force, "N")


# -- which samples ------------------------------------------------------------------------------------------------


def _places(scan: xr.Dataset, segment: str) -> np.ndarray:
    """(first, number) of the samples that are the first `segment` of each curve, (n, 2)."""
    n, samples = scan.sizes["curve"], scan.sizes["sample"]
    if "segment" not in scan.data_vars:
        if segment != "approach":
            raise ChannelError(f"{label(scan)} does not say which samples are the {segment}; it has no 'segment'")
        return np.tile([0, samples], (n, 1))
    kinds = json.loads(str(scan.attrs.get("segments", "[]")))
    if segment not in kinds:
        raise ScanError(f"{label(scan)} has no {segment!r}; its curves are made of {', '.join(kinds) or 'no parts'}")
    first = last = kinds.index(segment)
    while last + 1 < len(kinds) and kinds[last + 1] == segment:
        last += 1
    part = scan["segment"].transpose("curve", "sample").values
    mine = (part >= first) & (part <= last)
    return np.stack([np.where(mine.any(axis=1), mine.argmax(axis=1), 0), mine.sum(axis=1)], axis=1)


def _part(scan: xr.Dataset, name: str, place: np.ndarray) -> np.ndarray:
    """(n, longest) samples of a channel at their `place`, as floats, NaN behind the end of each."""
    if name in (*HEIGHTS, "separation"):
        _unit(scan, name, "m")
    values = np.asarray(scan[name].transpose("curve", "sample").values, float)
    longest = max(1, int(place[:, 1].max(initial=0)))
    index = place[:, :1] + np.arange(longest)
    taken = np.take_along_axis(values, np.minimum(index, values.shape[1] - 1), axis=1)
    taken[np.arange(longest) >= place[:, 1:]] = np.nan
    return taken


def _finite(height: np.ndarray, deflection: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both without the samples where one of them is not finite, and how many are left of each curve."""
    good = np.isfinite(height) & np.isfinite(deflection)
    length = good.sum(axis=1)
    behind = np.arange(good.shape[1]) >= length[:, None]
    for row in np.flatnonzero((good == behind).any(axis=1)):  # with a gap inside
        for values in (height, deflection):
            values[row, : length[row]] = values[row, good[row]]
    height[behind] = deflection[behind] = np.nan
    return height, deflection, length


# -- what is wrong with a curve -----------------------------------------------------------------------------------


def _faults(
    scan: xr.Dataset, height: np.ndarray, deflection: np.ndarray, unit: str, length: np.ndarray, segment: str
) -> tuple[str, ...]:
    """'' or what is wrong, for each curve, under the name that it has in the whole file."""
    names = scan["curve"].values if "curve" in scan.coords else np.arange(len(length))
    told = np.full(len(length), "", object)
    for n in np.flatnonzero(length < FEWEST):
        some = f"{length[n]} finite sample{'' if length[n] == 1 else 's'} in its {segment}; it needs {FEWEST}"
        told[n] = some if length[n] else f"no finite sample in its {segment}"
    if segment in ("approach", "retract"):
        way = _way(height, length)
        for n in np.flatnonzero((length >= FEWEST) & ~(way < 0 if segment == "approach" else way > 0)):
            told[n] = _wrong_way(float(way[n]), segment)
    if segment == "approach":
        fall = _fall(height, deflection, length)
        for n in np.flatnonzero((fall > 0) & (told == "")):
            told[n] = (
                f"its deflection falls by {say(float(fall[n]), unit)} where the tip is deepest: no repulsion, or a "
                "sign that is turned; repulsion is positive, so turn the sign of the deflection if it is that"
            )
    return tuple(why and f"curve {name}: {why}" for name, why in zip(names, told, strict=True))


def _wrong_way(way: float, segment: str) -> str:
    if way == 0:
        return f"its height does not change in the {segment}"
    goes, should = ("rises", "fall") if way > 0 else ("falls", "rise")
    return (
        f"its height {goes} by {say(abs(way), 'm')} in the {segment}, where it should {should}; turn the sign of the "
        "height, or swap approach and retract"
    )


def _mean(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """(n,) mean of the marked samples of each row."""
    return np.where(which, values, 0.0).sum(axis=1) / np.maximum(which.sum(axis=1), 1)


def _way(height: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(n,) how far the last tenth lies above the first."""
    tenth, sample = np.maximum(1, length // 10)[:, None], np.arange(height.shape[1])
    n = length[:, None]
    return _mean(height, (sample >= n - tenth) & (sample < n)) - _mean(height, sample < np.minimum(tenth, n))


def _fall(height: np.ndarray, deflection: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(n,) how far the deflection of an approach ends under its first half's line; 0 for noise, or if it rose."""
    n, sample = length[:, None], np.arange(height.shape[1])
    far, deepest = sample < n // 2, (sample >= n - np.maximum(2, n // 40)) & (sample < n)
    z = height - _mean(height, far)[:, None]
    d = deflection - _mean(deflection, far)[:, None]
    slope = _mean(z * d, far) / np.maximum(_mean(z * z, far), 1e-300)
    above = np.where(sample < n, d - slope[:, None] * z, 0.0)
    noise, fall = np.sqrt(_mean(above**2, far)), -_mean(above, deepest)
    range_ = np.where(sample < n, d, 0.0).max(axis=1) - np.where(sample < n, d, 0.0).min(axis=1)
    deep = (fall > FLIPPED * noise) & (fall > 3 * above.max(axis=1)) & (fall > 0.5 * range_)
    return np.where(deep & (length >= FEWEST), fall, 0.0)
