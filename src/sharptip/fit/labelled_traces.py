"""Many labelled traces in one file: a numpy archive (.npz) → examples for a Model, one for each group.

traces   (n, T) numbers, or (n, 2, T) donor and acceptor; NaN where no sample was taken
dt       seconds between samples: one number, or one for each trace
group    (n,) what must not be parted: a molecule, a sample, a day; or `session`
accept   (n,) 1 where a person kept the trace, 0 where not
states   (n, T) state of each sample, 0 the lowest; negative or NaN where nobody knows; optional
k12, k21 (n,) rates in 1/s between the two lowest states; optional
unit     SI unit of the numbers (text), that of options['unit'] where it is missing
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ReadError, StudyError
from ..core.grid import Axis, Channel, Grid
from ..core.scan import from_grid
from ..core.units import is_si
from .labelled import arrays_of, numbers
from .recipe import Example, Options


def traces_of(path: str | Path, options: Options) -> list[Example]:
    """One example per group; the channel's name is options['channel'], and options['second'] for the acceptor.

    Truth: `accept`, and of what the file tells `state` (n, T), NaN where it is unknown, `states` (their number), `k12`
    and `k21` in 1/s.
    Raises ReadError or StudyError naming what is amiss.
    """
    arrays = arrays_of(Path(path))
    traces = numbers(arrays, "traces", None, path)
    if traces.ndim not in (2, 3) or 0 in traces.shape or (traces.ndim == 3 and traces.shape[1] > 2):
        raise ReadError(f"{path}: traces has shape {traces.shape}; it is (n, T), or (n, 2, T) for donor and acceptor")
    traces = traces[:, None] if traces.ndim == 2 else traces
    n, channels, length = traces.shape
    dt = numbers(arrays, "dt", None, path)
    dt = np.repeat(dt, n) if dt.shape == (1,) else dt
    if dt.shape != (n,) or not (dt > 0).all():
        raise ReadError(f"{path}: dt is {dt.ravel()[:3].tolist()}…; it is seconds between samples, one or {n} of them")
    names = [options["channel"], options["second"]][:channels]
    truth = _truth(arrays, n, length, path)
    groups = _groups(arrays, n, path)
    unit = str(arrays.get("unit", options["unit"]))
    if unit != options["unit"]:
        ask = (
            f"say --set unit={unit}"
            if is_si(unit)
            else "arrays hold SI units ('A', 'm', 'V') or 'arb': convert the traces"
        )
        raise StudyError(f"{path}: unit is {unit!r} and the model's is {options['unit']!r}; {ask}")
    return [
        Example(_scan(traces[of], float(dt[of[0]]), names, unit, g), {k: v[of] for k, v in truth.items()}, group=g)
        for g in dict.fromkeys(groups.tolist())
        for of in _of_one_rate(np.flatnonzero(groups == g), dt)
    ]


def _of_one_rate(of: np.ndarray, dt: np.ndarray) -> list[np.ndarray]:
    """Traces of one group apart by the time between their samples, for a scan has one axis of time."""
    return [of[dt[of] == each] for each in np.unique(dt[of])]


def _truth(arrays: dict[str, np.ndarray], n: int, length: int, path: Any) -> dict[str, np.ndarray]:
    accept = numbers(arrays, "accept", np.full(n, np.nan), path)
    if not np.isin(accept[np.isfinite(accept)], (0, 1)).all():
        raise ReadError(f"{path}: accept holds {np.unique(accept)[:5].tolist()}; it is 0 or 1 for each trace")
    truth = {"accept": accept}
    if "states" in arrays:
        state = numbers(arrays, "states", None, path)
        if state.shape != (n, length):
            raise ReadError(
                f"{path}: states has shape {state.shape} for traces of {length} samples; it is {(n, length)}"
            )
        truth["state"] = state = np.where(state >= 0, state, np.nan)
        known = np.isfinite(state).any(1)
        truth["states"] = np.where(known, 1 + np.where(np.isfinite(state), state, 0).max(1), np.nan)
    truth |= {name: numbers(arrays, name, None, path) for name in ("k12", "k21") if name in arrays}
    for name, values in truth.items():
        if len(values) != n:
            raise ReadError(f"{path}: {name} has {len(values)} entries for {n} traces")
    return truth


def _groups(arrays: dict[str, np.ndarray], n: int, path: Any) -> np.ndarray:
    groups = arrays.get("group", arrays.get("session"))
    if groups is None:
        raise StudyError(
            f"{path}: has neither 'group' nor 'session'; say for each trace what it must not be parted from, "
            "or every score would be too good"
        )
    if len(np.atleast_1d(groups)) != n:
        raise ReadError(f"{path}: group has {len(np.atleast_1d(groups))} entries for {n} traces")
    return np.atleast_1d(groups).astype(str)


def _scan(traces: np.ndarray, dt: float, names: list[str], unit: str, name: str) -> xr.Dataset:
    """(site, time)."""
    axes = {"site": Axis(np.arange(len(traces)), "1"), "time": Axis.regular(traces.shape[2], dt, "s")}
    channels = tuple(Channel(c, traces[:, i], unit, c, ("site", "time")) for i, c in enumerate(names))
    return from_grid(Grid(name, channels, axes), format="labelled traces")
