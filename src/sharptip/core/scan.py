"""The noun: a scan is a plain `xarray.Dataset` that keeps five promises.

1. Every variable and axis says its SI unit in `attrs["units"]`.
2. `x` is the fast axis, `y` the slow one, both in metres and ascending; row 0 is the top of the image, and the way
   the tip went along y is kept in `attrs["slow_direction"]`. A scan whose size is unknown says so in
   `attrs["size"] = "unknown"` and has its axes in pixels.
3. Variable names come from one table (`core.names`); the vendor's own name and whole header are kept as text.
4. What repeats is an axis: direction, time, frequency, bias, distance, site, curve × sample, z.
5. `attrs["history"]` is a JSON text that lists every step that made the scan, oldest first.
"""

from __future__ import annotations

import json
import re

import numpy as np
import xarray as xr

from .errors import ChannelError, ScanError, UnitError
from .grid import PIXELS, Grid
from .history import entry, steps
from .lazy import Lazy, for_xarray
from .names import UNITS
from .units import ARBITRARY, PIXEL, is_si, to_si


def from_grid(grid: Grid, source: str = "", format: str = "") -> xr.Dataset:
    """The scan a reader's grid stands for, with `read` as the first entry of its history."""
    coords = {}
    for dim, axis in grid.axes.items():
        attrs: dict[str, object] = {"units": axis.unit}
        if axis.spacing is not None and len(axis.values) == 1:
            attrs["spacing"] = axis.spacing
        coords[dim] = xr.Variable((dim,), axis.values, attrs)
    variables = {
        c.name: xr.Variable(c.dims, _data(c.data), {"units": c.unit, "vendor_name": c.vendor_name, **c.attrs})
        for c in grid.channels
    }
    scan = xr.Dataset(variables, coords)
    scan.attrs = {"name": grid.name, "source": source, "format": format, "header": _json(grid.header)} | dict(
        grid.attrs
    )
    if any(axis.unit == PIXEL for axis in grid.axes.values()):
        scan.attrs["size"] = "unknown"
    scan.attrs.setdefault("history", json.dumps([entry("read", {"source": source, "format": format})]))
    return scan


def scan_of(
    height: np.ndarray,
    pixel_size: float | tuple[float, float] | None,
    *,
    name: str = "",
    channel: str = "height",
    unit: str = "m",
) -> xr.Dataset:
    """A scan of one channel from an array, for notebooks, simulators and tests.

    height: (y, x) in `unit` (SI), real numbers; pixel_size: metres, one number or (dy, dx); None where nobody knows it.
    Raises ScanError for a size that no scan has, and for what are no numbers.

    >>> scan_of(np.zeros((4, 5)), 2e-9).sizes["x"]
    5
    """
    from .grid import Axis, Channel

    height = np.asarray(height)
    check_real(height.dtype, "this array")
    if height.ndim != 2:
        raise ScanError(f"an image has two axes (y, x); this array has shape {height.shape}")
    if 0 in height.shape:
        raise ScanError(f"an image has a pixel at least; this array has shape {height.shape}")
    if pixel_size is None:
        axes = {d: Axis.regular(n, 1.0, PIXEL) for d, n in zip(("y", "x"), height.shape, strict=True)}
    else:
        sizes = (pixel_size, pixel_size) if isinstance(pixel_size, int | float | np.number) else tuple(pixel_size)
        if len(sizes) != 2 or not all(isinstance(s, int | float | np.number) and s > 0 for s in sizes):
            raise ScanError(f"the pixel size is {pixel_size!r}; give metres, 4e-9, or (dy, dx)")
        for s in sizes:
            _check_pixel(float(s), "the pixel size")
        axes = {d: Axis.regular(n, float(s)) for d, n, s in zip(("y", "x"), height.shape, sizes, strict=True)}
    scan = from_grid(Grid(name, (Channel(channel, height, unit, channel),), axes), format="array")
    check(scan)
    return scan


def check(scan: xr.Dataset) -> xr.Dataset:
    """The scan itself, if it keeps its promises.

    Raises ScanError or UnitError naming the promise that is broken, the thing and the value.
    """
    if not isinstance(scan, xr.Dataset):
        move = "take one of its nodes" if isinstance(scan, xr.DataTree) else "make one of an array with scan_of"
        raise ScanError(f"a scan is an xarray.Dataset; this is a {type(scan).__name__}; {move}")
    if not scan.data_vars:
        raise ScanError("the scan has no variable; a scan holds at least one channel")
    for name, variable in {**scan.data_vars, **scan.coords}.items():
        _check_unit(str(name), variable)
    for axis in ("y", "x"):
        if axis in scan.coords:
            _check_axis(scan, axis)
    for name in scan.data_vars:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)):
            raise ScanError(f"promise 3: the variable name {name!r} is not lower_case_with_underscores")
    steps(scan)
    return scan


def check_real(dtype: np.dtype, what: str) -> None:
    """Raises ScanError, which begins with `what`, for numbers that no image is made of: complex ones, text, objects."""
    if dtype.kind == "c":
        raise ScanError(f"{what} holds complex numbers; take its magnitude, abs(…), or one part, (…).real")
    if dtype.kind not in "biuf":
        raise ScanError(f"{what} holds values of type {dtype}; an image is made of plain numbers, such as float64")


def _check_unit(name: str, variable: xr.DataArray) -> None:
    unit = variable.attrs.get("units")
    if unit is None:
        raise UnitError(f"promise 1: {name!r} says no unit; set attrs['units'] to its SI unit")
    if not is_si(unit):
        hint = UNITS.get(name, (None,))[0]
        if hint is None:
            try:
                hint = to_si(unit)[1]
            except UnitError:
                hint = "an SI unit"
        raise UnitError(f"promise 1: {name!r} is in {unit!r}; scans hold it in {hint!r}")
    if name in UNITS and unit not in (*UNITS[name], ARBITRARY):
        raise UnitError(f"promise 3: {name!r} is in {unit!r}; scans hold it in {' or '.join(map(repr, UNITS[name]))}")


def _check_axis(scan: xr.Dataset, axis: str) -> None:
    unit, values = scan[axis].attrs["units"], scan[axis].values
    unknown = scan.attrs.get("size") == "unknown"
    if unit != (PIXEL if unknown else "m"):
        raise UnitError(
            f"promise 2: axis {axis!r} is in {unit!r}; it is in {'pixels (px)' if unknown else 'metres (m)'}"
        )
    if not np.isfinite(values).all() or (len(values) > 1 and not (np.diff(values) > 0).all()):
        raise ScanError(f"promise 2: axis {axis!r} is not ascending; flip the data along {axis!r}")
    if len(values) > 1 and not unknown:
        _check_pixel(float(values[1] - values[0]), f"promise 2: the pixel size along {axis!r}")


def _check_pixel(size: float, what: str) -> None:
    if not PIXELS[0] < size < PIXELS[1]:
        forgot = ", did you forget e-9?" if size >= PIXELS[1] else ""
        raise ScanError(f"{what} is {size:g} m, which no scan has; lengths are in metres, 4 nm is 4e-9{forgot}")


def pixel_size(scan: xr.Dataset) -> tuple[float, float]:
    """(dy, dx) in metres. Raises ScanError for a scan without y and x or of unknown size."""
    if scan.attrs.get("size") == "unknown":
        raise ScanError(f"{label(scan)} has no known size; read it with size=(height, width) in metres")
    sizes = []
    for axis in ("y", "x"):
        if axis not in scan.coords:
            raise ScanError(f"{label(scan)} has no {axis!r} axis; it is not an image")
        values = scan[axis].values
        sizes.append(
            float(values[1] - values[0]) if len(values) > 1 else float(scan[axis].attrs.get("spacing", np.nan))
        )
    return sizes[0], sizes[1]


def channel(scan: xr.Dataset, name: str, direction: str = "forward") -> xr.DataArray:
    """One channel of a scan; where both directions were recorded, the one asked for.

    Raises ChannelError that lists the channels there are.
    """
    if name not in scan.data_vars:
        raise ChannelError(f"{label(scan)} has no channel {name!r}; it has {', '.join(map(str, scan.data_vars))}")
    data = scan[name]
    return data.sel(direction=direction) if "direction" in data.dims else data


def label(scan: xr.Dataset) -> str:
    """How to call a scan in a message: its file and name."""
    source, name = str(scan.attrs.get("source", "")), str(scan.attrs.get("name", ""))
    return " · ".join(part for part in (source, name) if part) or "the scan"


def _data(values: object) -> object:
    return for_xarray(values) if isinstance(values, Lazy) else values


def _json(header: object) -> str:
    return json.dumps(header, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(value)


__all__ = ["channel", "check", "check_real", "from_grid", "label", "pixel_size", "scan_of"]
