"""Hysteresis loops of piezoresponse, of single bias sweeps and of contact Kelvin probe."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..measure.loops import loops_of
from .rows import Asked, Signal

_ALONG = {"bias", "step", "write_bias"}  # axes of write voltages


def holds(scan: xr.Dataset) -> bool:
    """A piezoresponse, or amplitude and phase, along write voltages."""
    named = {str(n): set(map(str, v.dims)) for n, v in scan.data_vars.items()}
    signal = named.get("piezo_response") or (named.get("amplitude", set()) & named.get("phase", set()))
    return bool(signal & _ALONG) or ("sample" in signal and "sample" in named.get("bias", set()))


def _signal(scan: xr.Dataset, dims: tuple[str, ...]) -> Signal:
    loops = loops_of(scan)
    middle = 0 if loops.read is None else int(np.argmin(np.abs(loops.read)))
    name = "response" if loops.read is None else f"response read at {loops.read[middle]:g} V"
    return Signal(
        lambda i: loops.response[i, :, middle], lambda i: loops.write, (name, loops.unit), ("write voltage", "V")
    )


LOOPS = Asked("hysteresis loops", "switching", _signal)
