"""Answers about curves that lie on a grid, as a scan of images."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.history import remember
from ..core.names import UNITS
from ..core.units import ARBITRARY, PIXEL
from ..report.curves import Map
from ..report.pictures import PixelSize
from .fitted import GOOD, NOT_JUDGED, Fitted

LEAST_FILLED = 0.1  # of the grid's places; a few curves of a large map are no picture
MOST_SHOWN = 8  # maps in one figure
_LEVEL = 0.02  # by how much steps of a grid's places may differ and still be one pixel size


def has_grid(fitted: Fitted) -> bool:
    """Whether the curves fill enough of a grid to be shown as images."""
    found = _grid(fitted)
    return found is not None and fitted.n >= max(4, LEAST_FILLED * found[0] * found[1])


def maps_of(fitted: Fitted) -> xr.Dataset:
    """A scan (y, x) with an image for each number of the table, and `good`: 1 for curves that were called so.

    Row 0 is the top. The pixel size is that of the map where the file says it, else of the places of its curves, else
    the size is unknown. Places without a curve, and without an answer, are NaN.
    """
    ny, nx, row, column = _grid(fitted)  # type: ignore[misc]
    size = pixel_size_of(fitted, ny, nx)
    images = {}
    for c in fitted.columns:
        if c.is_number and np.isfinite(c.values).any():
            images[_safe(c.name, c.unit)] = (_image(c.values, ny, nx, row, column), c.unit)
    known = np.where(fitted.verdicts == NOT_JUDGED, np.nan, fitted.verdicts == GOOD)
    images["good"] = (_image(known.astype(float), ny, nx, row, column), "1")
    axes = {}
    for d, n, step in (("y", ny, size and size[0]), ("x", nx, size and size[1])):
        axes[d] = xr.Variable((d,), np.arange(n) * (step or 1.0), {"units": "m" if size else PIXEL})
    scan = xr.Dataset({name: (("y", "x"), v, {"units": unit}) for name, (v, unit) in images.items()}, axes)
    scan.attrs["name"] = f"{fitted.scan.attrs.get('name', '')} fitted".strip()
    if size is None:
        scan.attrs["size"] = "unknown"
    kept = {k: fitted.scan.attrs[k] for k in ("source", "format") if k in fitted.scan.attrs}
    out = remember(fitted.scan, scan, "fit_file", {"kind": fitted.kind, **fitted.made_by})
    out.attrs = {**scan.attrs, **kept, "history": out.attrs["history"]}
    return out


def shown(fitted: Fitted) -> list[Map]:
    """The maps that a person is shown, the first of them the most asked for."""
    scan = maps_of(fitted)
    size: PixelSize = None if scan.attrs.get("size") == "unknown" else pixel_size_of(fitted, *scan["good"].shape)
    names = [str(n) for n in scan.data_vars if n != "good" and _differs(scan[n].values)]
    wanted = [n for n in names if n in fitted.headline]
    names = wanted or names
    return [Map(n.replace("_", " "), scan[n].attrs["units"], scan[n].values, size) for n in names[:MOST_SHOWN]]


def _differs(image: np.ndarray) -> bool:
    known = image[np.isfinite(image)]
    return known.size > 1 and float(np.ptp(known)) > 1e-9 * float(np.abs(known).max())


def pixel_size_of(fitted: Fitted, ny: int, nx: int) -> tuple[float, float] | None:
    """(dy, dx) in metres of the grid; None where nothing says it."""
    scan = fitted.scan
    if fitted.dims == ("y", "x"):
        if scan.attrs.get("size") == "unknown" or ny < 2 or nx < 2:
            return None
        return tuple(float(scan[d].values[1] - scan[d].values[0]) for d in ("y", "x"))  # type: ignore[return-value]
    if "map_size" in scan.attrs:
        height, width = (float(v) for v in scan.attrs["map_size"])
        return height / ny, width / nx
    return _steps_of_tip(fitted, ny, nx)


def _steps_of_tip(fitted: Fitted, ny: int, nx: int) -> tuple[float, float] | None:
    """From where the tip was, where that is a grid whose rows and columns are straight and even."""
    places = fitted.places
    if "tip_x_m" not in places or ny < 2 or nx < 2:
        return None
    _, _, row, column = _grid(fitted)  # type: ignore[misc]
    ones = np.ones(fitted.n)
    design = np.stack([row * ones, column * ones, ones], axis=1)
    x, y = places["tip_x_m"], places["tip_y_m"]
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    steps, _left, *_ = np.linalg.lstsq(design, np.stack([x, y], axis=1), rcond=None)
    dy, dx = np.hypot(*steps[0]), np.hypot(*steps[1])  # the map may be turned
    off = float(np.abs(design @ steps - np.stack([x, y], axis=1)).max())
    if not (dy > 0 and dx > 0) or off > max(_LEVEL * min(ny * dy, nx * dx), 0.5 * min(dy, dx)):
        return None
    return float(dy), float(dx)


def _grid(fitted: Fitted) -> tuple[int, int, np.ndarray, np.ndarray] | None:
    """(rows, columns of the grid, row, column of each curve)."""
    scan, places = fitted.scan, fitted.places
    if fitted.dims == ("y", "x"):
        return scan.sizes["y"], scan.sizes["x"], places["row"], places["column"]
    if "map_shape" not in scan.attrs or "row" not in places or "column" not in places:
        return None
    ny, nx = (int(v) for v in scan.attrs["map_shape"])
    row, column = places["row"].astype(int), places["column"].astype(int)
    inside = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
    return (ny, nx, row, column) if inside.all() else None


def _image(values: np.ndarray, ny: int, nx: int, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    image = np.full((ny, nx), np.nan)
    image[row, column] = values
    return image


def _safe(name: str, unit: str) -> str:
    """A name under which a scan may hold this unit: the table of names knows 'potential' in volts only."""
    return name if unit in (*UNITS.get(name, (unit,)), ARBITRARY) else f"{name}_fitted"
