"""The response spectra in a scan: which channels hold them, over which axes, in which unit.

A complex response is kept as two channels along `frequency`, NAME_real and NAME_imag, as files of pycroscopy are read
(`response_real`, `deflection_real` …), or as `amplitude` and `phase`; a modulus alone as `amplitude`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import ChannelError, ScanError, UnitError
from ..core.scan import label
from ..core.units import ARBITRARY

AXIS = "frequency"
UNITS = ("V", "m", "m/V", "A", "1", ARBITRARY)  # that a response may have


@dataclass(frozen=True)
class Spectra:
    """values (n, f), complex, or real where a modulus was kept; frequency (f,) Hz; dims: axes that the n run over."""

    values: np.ndarray
    frequency: np.ndarray
    dims: tuple[str, ...]
    unit: str
    name: str


def spectra_of(scan: xr.Dataset, signal: str | None = None) -> Spectra:
    """Every spectrum of a scan. signal: which, `response` for `response_real` and `response_imag`; the only one else.

    Raises ChannelError, UnitError or ScanError naming what is missing, in another unit, or without hertz.
    """
    signal = signal or _only(scan)
    frequency = _frequency(scan)
    first, second = _pair(scan, signal)
    dims = tuple(str(d) for d in first.dims if d != AXIS)
    unit = _unit(scan, first)
    values = _flat(first, dims)
    if second is not None:
        other = _flat(second, dims)
        if _unit(scan, second, UNITS if second.name != "phase" else ("rad",)) != unit and second.name != "phase":
            raise UnitError(f"{label(scan)}: {first.name!r} is in {unit!r} and {second.name!r} in another unit")
        values = values * np.exp(1j * other) if second.name == "phase" else values + 1j * other
    return Spectra(values, frequency, dims, unit, signal)


def neighbours_of(dims: tuple[str, ...], shape: tuple[int, ...]) -> np.ndarray:
    """(n, 8) places of the pixels around each spectrum in a map, −1 beyond the edge; (n, 0) where there is no map."""
    places = np.arange(int(np.prod(shape))).reshape(shape)
    if "y" not in dims or "x" not in dims:
        return np.full((places.size, 0), -1)
    axes = (dims.index("y"), dims.index("x"))
    padded = np.pad(places, [(1, 1) if k in axes else (0, 0) for k in range(len(shape))], constant_values=-1)
    around = [(dy, dx) for dy in (0, 1, 2) for dx in (0, 1, 2) if (dy, dx) != (1, 1)]
    found = []
    for move in around:
        cut = [slice(None)] * len(shape)
        for axis, start in zip(axes, move, strict=True):
            cut[axis] = slice(start, start + shape[axis])
        found.append(padded[tuple(cut)].ravel())
    return np.stack(found, axis=1)


def _only(scan: xr.Dataset) -> str:
    """The one signal with a frequency axis."""
    along = [str(n) for n, v in scan.data_vars.items() if AXIS in v.dims]
    found = [n.removesuffix("_real") for n in along if n.endswith("_real")]
    if not found and "amplitude" in along:
        found = ["amplitude"]
    if len(found) == 1:
        return found[0]
    if found:
        raise ChannelError(f"{label(scan)} has spectra of {', '.join(found)}; say which with signal={found[0]!r}")
    raise ChannelError(
        f"{label(scan)} has no channel 'response_real' with 'response_imag', and no 'amplitude', along 'frequency'; "
        f"it has {', '.join(map(str, scan.data_vars))}"
    )


def _pair(scan: xr.Dataset, signal: str) -> tuple[xr.DataArray, xr.DataArray | None]:
    """(real part, imaginary part), or (amplitude, phase), or (amplitude, None)."""
    if signal == "amplitude":
        phase = scan.get("phase")
        names = ["amplitude"] if phase is None or AXIS not in phase.dims else ["amplitude", "phase"]
    else:
        names = [f"{signal}_real", f"{signal}_imag"]
    for name in names:
        if name not in scan.data_vars:
            raise ChannelError(f"{label(scan)} has no channel {name!r}; it has {', '.join(map(str, scan.data_vars))}")
        if AXIS not in scan[name].dims:
            raise ChannelError(f"{label(scan)}: {name!r} has axes {scan[name].dims}, and no spectra along 'frequency'")
    return scan[names[0]], scan[names[1]] if len(names) == 2 else None


def _frequency(scan: xr.Dataset) -> np.ndarray:
    if AXIS not in scan.dims:
        raise ChannelError(f"{label(scan)} has no axis 'frequency'; it has {', '.join(map(str, scan.dims))}")
    if AXIS not in scan.coords:
        raise ScanError(f"{label(scan)}: nobody says the frequencies of its spectra; give its axis 'frequency' in 'Hz'")
    unit = scan[AXIS].attrs.get("units")
    if unit != "Hz":
        raise UnitError(f"{label(scan)}: the axis 'frequency' is in {unit!r}; a resonance is fitted in 'Hz'")
    values = np.asarray(scan[AXIS].values, float)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ScanError(f"{label(scan)}: the axis 'frequency' holds numbers that are no frequencies above zero")
    return values


def _unit(scan: xr.Dataset, part: xr.DataArray, units: tuple[str, ...] = UNITS) -> str:
    unit = part.attrs.get("units")
    if unit not in units:
        raise UnitError(
            f"{label(scan)}: {part.name!r} is in {unit!r}; a response is in {' or '.join(map(repr, units))}"
        )
    return str(unit)


def _flat(part: xr.DataArray, dims: tuple[str, ...]) -> np.ndarray:
    values = part.transpose(*dims, AXIS).values
    return np.asarray(values, float).reshape(-1, values.shape[-1])
