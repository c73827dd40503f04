"""Hysteresis loops of a scan as arrays, whatever axes the instrument gave them, and as images.

What is recognised, by the names of axes and channels (docs/writing-a-reader.md):

    (…, bias)                                 loops of one read voltage; the axis is the write voltage, in order of time
    (curve, sample) with a channel `bias`        the same, a loop in every curve; `bias_read` beside it
    (…, [field,] step, read) with `bias`, `bias_read`     contact Kelvin probe: every step read at several voltages
    a `cycle` axis                               its cycles are put one after the other

Where there is amplitude and phase and no response, the response is A cos(φ − φ₀). Values that stand out from the steps
before and after them as no loop does, which failed fits of a resonance leave behind, are filled in and counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.ndimage import median_filter

from ..core.errors import ChannelError, ScanError, UnitError
from ..core.scan import label

SIZE = 64  # of a loop image, both ways
LEAST = 8  # write steps of a loop
MISSING = 0.25  # share of a loop's values that may be missing
_AROUND, _OUT = 7, 0.5  # steps of the median that spikes are held against, and how far they stand out
_WRITE, _READ = ("step", "bias", "write_bias", "sample"), ("read", "read_bias", "bias_read")


@dataclass(frozen=True)
class Loops:
    """n loops of one run of voltages, in order of time.

    response: (n, steps, reads) in `unit`, gaps filled along the steps. write: (steps,) V. read: (reads,) V; None where
    it was measured while the write voltage was on. dims: axes of the scan that the n loops run over. faults: (n,) '' or
    why a loop cannot be judged (its response is zero then). filled: (n,) values that were missing or stood out.
    """

    response: np.ndarray
    write: np.ndarray
    read: np.ndarray | None
    unit: str
    dims: tuple[str, ...]
    faults: tuple[str, ...]
    filled: np.ndarray

    @property
    def reach(self) -> float:
        """The largest write voltage, V."""
        return float(np.abs(self.write).max())

    @property
    def sound(self) -> np.ndarray:
        return np.array([not f for f in self.faults], bool)


def loops_of(
    scan: xr.Dataset, *, off_field: int | None = None, on: bool = False, phase_offset: float | None = None
) -> Loops:
    """The loops of a scan.

    off_field: which place along `field` was measured with the write voltage off, where the scan does not say. on: take
    what was measured while it was on. phase_offset: φ₀ in rad, for amplitude and phase; where it is not given, that of
    the axis along which the scan's own A²e^{2iφ} points, which leaves the sign of all responses open.

    Raises ChannelError, UnitError or ScanError naming what is missing, with the next move.
    """
    signal = _signal(scan, phase_offset)
    write_dim = next((d for d in _WRITE if d in signal.dims), None)
    if write_dim is None:
        raise ChannelError(
            f"{label(scan)}: {signal.name!r} has axes {signal.dims} and none of write voltages: an axis 'bias' in V, "
            "or 'step' or 'sample' with a channel 'bias'"
        )
    signal, field = _one_field(scan, signal, off_field, on)
    read_dim = next((d for d in _READ if d in signal.dims and d != write_dim), None)
    cycles = ["cycle"] if "cycle" in signal.dims else []
    rows = tuple(str(d) for d in signal.dims if d not in (write_dim, read_dim, *cycles))
    ordered = signal.transpose(*rows, *cycles, write_dim, *([read_dim] if read_dim else []))
    values = np.asarray(ordered.values, float)
    shape = values.shape[: len(rows)]
    n, reads = int(np.prod(shape)), ordered.sizes[read_dim] if read_dim else 1
    values = values.reshape(n, -1, reads)
    write, strange = _write(scan, write_dim, rows, n)
    write = np.tile(write, values.shape[1] // len(write))
    _demand_loop(scan, write)
    read = None if field == "on" else _read(scan, read_dim, reads)
    values = np.where(spikes(values), np.nan, values)
    faults = tuple(s or _fault(v) for s, v in zip(strange, values, strict=True))
    filled = np.stack([np.zeros_like(v) if f else _filled(v) for v, f in zip(values, faults, strict=True)])
    missing = (~np.isfinite(values)).sum((1, 2))
    return Loops(filled, write, read, str(signal.attrs["units"]), rows or ("site",), faults, missing)


def holds_loops(scan: xr.Dataset) -> bool:
    """Whether a scan has a response along write voltages that go up and down."""
    named = {str(n): v.dims for n, v in scan.data_vars.items()}
    dims = named.get("piezo_response") or (named.get("amplitude", ()) if "phase" in named else ())
    dim = next((d for d in _WRITE if d in dims), None)
    if dim is None:
        return False
    write = scan[dim] if dim in ("bias", "write_bias") and dim in scan.coords else scan.get("bias")
    if write is None or dim not in write.dims or write.sizes[dim] < 2:
        return False
    steps = write.diff(dim).values
    return bool(np.nanmax(steps, initial=0) > 0 > np.nanmin(steps, initial=0))


def images(loops: Loops, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Loops unfolded: response, write and read voltage against (write step, read voltage), and each loop's scale.

    (n, 4, size, size) float32 and (n,): the response less its median over its scale, which is the root mean square of
    that; the voltages over the largest write voltage; and everywhere the median over the scale, squeezed into ±1. One
    read voltage makes an image that does not vary along it.
    """
    middle = np.median(loops.response, axis=(1, 2))
    centred = loops.response - middle[:, None, None]
    scale = np.sqrt((centred**2).mean((1, 2)))
    scale = np.where(scale > 0, scale, 1.0)
    shape = loops.response.shape[1:]
    read = loops.write[:, None] if loops.read is None else loops.read
    parts = [_resized(centred / scale[:, None, None], size)]
    for volts in (loops.write[:, None], read):
        one = _resized(np.broadcast_to(volts, shape)[None] / loops.reach, size)
        parts.append(np.broadcast_to(one, (len(scale), size, size)))
    parts.append(np.broadcast_to(np.tanh(middle / scale / 3)[:, None, None], (len(scale), size, size)))
    return np.stack(parts, axis=1).astype(np.float32), scale


def spikes(values: np.ndarray) -> np.ndarray:
    """(n, steps, reads) bool: where a value stands out from the median of the steps around it.

    By more than `_OUT` of that loop's range between its 10 and 90 % and eight times its noise. A median follows every
    rise and fall, so steps of a loop stay; what stands out alone, or in twos and threes, does not.
    """
    good = np.isfinite(values)
    whole = np.where(
        good, values, np.nanmedian(np.where(good.any(1, keepdims=True), values, 0.0), axis=1, keepdims=True)
    )
    off = np.abs(whole - median_filter(whole, (1, _AROUND, 1), mode="nearest"))
    low, high = np.percentile(whole, (10, 90), axis=1, keepdims=True)
    jitter = np.median(np.abs(np.diff(whole, n=3, axis=1)), axis=1, keepdims=True) / 0.6745 / np.sqrt(20.0)
    return good & (off > np.maximum(_OUT * (high - low), 8 * jitter))


def _resized(values: np.ndarray, size: int) -> np.ndarray:
    """(n, steps, reads) → (n, size, size), linear between neighbours, ends kept."""
    for axis in (1, 2):
        n = values.shape[axis]
        at = np.linspace(0, n - 1, size)
        low = np.minimum(at.astype(int), max(n - 2, 0))
        part = (at - low).reshape((-1, 1) if axis == 1 else (-1,))
        high = np.minimum(low + 1, n - 1)
        values = values.take(low, axis) * (1 - part) + values.take(high, axis) * part
    return values


# --- what a scan holds ------------------------------------------------------------------------------------------------


def _signal(scan: xr.Dataset, phase_offset: float | None) -> xr.DataArray:
    if "piezo_response" in scan:
        unit = scan["piezo_response"].attrs.get("units")
        if unit not in ("m", "V", "m/V", "arb"):
            raise UnitError(f"{label(scan)}: 'piezo_response' is in {unit!r}; a response is in m, V, m/V or arb")
        return scan["piezo_response"]
    if "amplitude" not in scan or "phase" not in scan:
        raise ChannelError(
            f"{label(scan)} has neither 'piezo_response' nor 'amplitude' with 'phase'; it has "
            f"{', '.join(map(str, scan.data_vars))}"
        )
    if scan["phase"].attrs.get("units") != "rad":
        raise UnitError(f"{label(scan)}: 'phase' is in {scan['phase'].attrs.get('units')!r}; a phase is in rad")
    amplitude, phase = scan["amplitude"], scan["phase"]
    offset = axial_mean(amplitude.values, phase.values) if phase_offset is None else phase_offset
    signal = (amplitude * np.cos(phase - offset)).rename("piezo_response")
    return signal.assign_attrs(units=amplitude.attrs["units"])


def axial_mean(amplitude: np.ndarray, phase: np.ndarray) -> float:
    """Direction φ₀ (rad, −π/2 to π/2) of the line through 0 along which A e^{iφ} lies, ½ arg Σ A² e^{2iφ}."""
    good = np.isfinite(amplitude) & np.isfinite(phase)
    return float(np.angle(np.sum(amplitude[good] ** 2 * np.exp(2j * phase[good]))) / 2)


def _one_field(scan: xr.Dataset, signal: xr.DataArray, off_field: int | None, on: bool) -> tuple[xr.DataArray, str]:
    """What was measured with the write voltage off (or on), and which of the two that is."""
    if "field" not in signal.dims:
        return signal, str(scan.attrs.get("field", "off"))
    names = json.loads(scan.attrs["fields"]) if "fields" in scan.attrs else None
    if off_field is not None:
        names = ["off" if k == off_field else "on" for k in range(signal.sizes["field"])]
    if names is None:
        raise ScanError(
            f"{label(scan)} was measured in {signal.sizes['field']} fields and does not say which of them is without "
            "the write voltage; say off_field=0 or off_field=1"
        )
    wanted = "on" if on else "off"
    if wanted not in names:
        raise ScanError(f"{label(scan)} has fields {names}; none is {wanted!r}")
    return signal.isel(field=names.index(wanted)), wanted


def _write(scan: xr.Dataset, dim: str, rows: tuple[str, ...], n: int) -> tuple[np.ndarray, list[str]]:
    """Write voltages (steps,) V of the run, and '' or what is strange for each loop."""
    found = scan[dim] if dim in ("bias", "write_bias") and dim in scan.coords else scan.get("bias")
    if found is None or dim not in found.dims:
        raise ChannelError(f"{label(scan)} has no write voltages along {dim!r}: a channel 'bias' in V")
    if found.attrs.get("units") != "V":
        raise UnitError(f"{label(scan)}: {found.name!r} is in {found.attrs.get('units')!r}; voltages are in V")
    others = [d for d in found.dims if d != dim]
    if not others:
        return np.asarray(found.values, float), [""] * n
    table = found.transpose(*[d for d in rows if d in others], dim).values.reshape(-1, found.sizes[dim])
    whole = np.flatnonzero(np.isfinite(table).all(1))
    if not len(whole) or len(table) != n:
        raise ScanError(f"{label(scan)}: no loop has all its write voltages; 'bias' has axes {found.dims}")
    first = table[whole[0]]
    near = np.isclose(table, first, atol=1e-3 * np.abs(first).max(), rtol=0).all(1)
    return first, ["" if k else "its write voltages are not those of the first loop" for k in near]


def _read(scan: xr.Dataset, dim: str | None, reads: int) -> np.ndarray:
    """Read voltages (reads,), V; 0 V where a scan of loops says none, as they are measured at zero."""
    found = scan[dim] if dim in ("read_bias", "bias_read") else scan.get("bias_read")
    if found is None:
        if reads > 1:
            raise ChannelError(f"{label(scan)} has {reads} reads and no voltages of them: a channel 'bias_read' in V")
        return np.zeros(1)
    if found.attrs.get("units") != "V":
        raise UnitError(f"{label(scan)}: {found.name!r} is in {found.attrs.get('units')!r}; voltages are in V")
    values = np.asarray(found.values, float)
    if dim is None:  # one for every step of every loop
        return np.array([float(np.nanmedian(values))])
    table = np.moveaxis(values, found.dims.index(dim), -1).reshape(-1, reads)
    if np.ptp(table, axis=0).max() > 1e-3 * np.abs(table).max():
        raise ScanError(f"{label(scan)}: its read voltages change from step to step, which no fit here knows; split it")
    return table[0]


def _demand_loop(scan: xr.Dataset, write: np.ndarray) -> None:
    steps = np.diff(write)
    if len(write) < LEAST:
        raise ScanError(
            f"{label(scan)} has {len(write)} write step{'s' * (len(write) != 1)}; a loop has {LEAST} or more"
        )
    if not np.isfinite(write).all():
        raise ScanError(f"{label(scan)}: its write voltages are not all finite")
    if not (steps.max() > 0 > steps.min()):
        way = "only rises" if steps.max() > 0 else "only falls" if steps.min() < 0 else "does not change"
        raise ScanError(f"{label(scan)}: its write voltage {way}; a loop goes up and down")


def _fault(values: np.ndarray) -> str:
    missing = int((~np.isfinite(values)).sum())
    if missing == values.size:
        return "all of its values are missing"
    if missing > MISSING * values.size or not np.isfinite(values).any(0).all():
        return f"{missing} of its {values.size} values are missing"
    if np.nanmax(values) == np.nanmin(values):
        return "its response does not vary"
    return ""


def _filled(values: np.ndarray) -> np.ndarray:
    """(steps, reads) with gaps filled in a straight line along the steps."""
    if np.isfinite(values).all():
        return values
    out = values.copy()
    at = np.arange(len(values))
    for column in out.T:
        good = np.isfinite(column)
        column[~good] = np.interp(at[~good], at[good], column[good])
    return out
