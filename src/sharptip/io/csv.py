"""Numbers as a table (`.csv`) for spreadsheets: one row per sample of a curve or spectrum, or per pixel of an image.

Every column says its unit in its head, `force (N)`. What belongs to a whole curve (its place, its spring constant) is
repeated on each of its rows; the padding of short curves is left out; the ways of the tip are columns of their own. A
map is written a stretch of curves at a time, so that it need not fit into the memory.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..core.errors import WriteError
from ..core.files import write_whole

_COUNTS = ("row", "column", "length")
_LARGE = 10**8  # bytes of a table that are told before it is written
_CELL = 19  # bytes of a number with its comma
_ROWS = 2**18  # that are made at a time, at most, but for one curve


def write(nodes: Mapping[str, Any], path: Path) -> list[str]:
    """Write the channels of one scan; returns what the format cannot keep."""
    scans = [s for s in nodes.values() if s.data_vars]
    if len(scans) > 1:
        raise WriteError(f"{path}: .csv holds one table, and there are {len(scans)} scans; choose one (--scan)")
    scan = _ways_apart(scans[0])
    dims = _rows_of(scan)

    _tell_large(path, scan, dims)

    def fill(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            _fill(file, scan, dims)

    write_whole(path, fill)
    return ["the attributes, header and history"]


def _tell_large(path: Path, scan: Any, dims: tuple[str, ...]) -> None:
    padded = int(np.prod([scan.sizes[d] for d in dims]))
    rows = int(np.nansum(scan["length"].values)) if "length" in scan and dims[-1] == "sample" else padded
    size = rows * (len(dims) + len(scan.data_vars)) * _CELL
    if size > _LARGE:
        part = "one frame" if "time" in dims else "one channel" if len(scan.data_vars) > 1 else "a smaller part"
        said = f"a table of {rows} rows, about {size / 1e6:.0f} MB; {part}, or .zarr, takes less room"
        warnings.warn(f"{path}: {said}", stacklevel=4)


def _ways_apart(scan: Any) -> Any:
    """The scan without a direction axis: `current` becomes `current forward` and `current backward`."""
    if "direction" not in scan.dims:
        return scan
    out = scan.drop_dims("direction")
    for name in scan.data_vars:
        if "direction" in scan[name].dims:
            for way in scan["direction"].values:
                out[f"{name} {way}"] = scan[name].sel(direction=way, drop=True)
    return out


def _rows_of(scan: Any) -> tuple[str, ...]:
    """The axes along which the table runs: those of the channel with most, which all the others share.

    Raises WriteError where there is no such channel.
    """
    dims = max((tuple(v.dims) for v in scan.data_vars.values()), key=len)
    odd = {str(k): v.dims for k, v in scan.data_vars.items() if not set(v.dims) <= set(dims)}
    if odd or not dims:
        said = "; ".join(f"{k} ({', '.join(map(str, v.dims))})" for k, v in scan.data_vars.items())
        raise WriteError(f"one table cannot hold channels on different axes; choose one with channel=: {said}")
    for name, v in scan.data_vars.items():
        if v.dtype.kind == "c":
            raise WriteError(f"{name!r} is complex, which .csv has no number for; write .zarr or .nc")
    return tuple(map(str, dims))


def _fill(file: TextIO, scan: Any, dims: tuple[str, ...]) -> None:
    head = True
    for part in _parts(scan, dims):
        table = _table(part, dims, json.loads(scan.attrs.get("segments", "[]")))
        table.to_csv(file, index=False, header=head, lineterminator="\n")
        head = False


def _parts(scan: Any, dims: tuple[str, ...]) -> Iterator[Any]:
    """Stretches of the first axis; its places stay countable, since they keep their number."""
    first, n = dims[0], scan.sizes[dims[0]]
    if first not in scan.coords:
        scan = scan.assign_coords({first: np.arange(n)})
    rows = max(1, _ROWS // max(1, int(np.prod([scan.sizes[d] for d in dims[1:]]))))
    for start in range(0, n, rows):
        yield scan.isel({first: slice(start, start + rows)}).load()


def _table(part: Any, dims: tuple[str, ...], segments: list[str]) -> Any:
    """A stretch of rows: the axes first, then every channel with its unit."""
    import pandas as pd

    shape = tuple(part.sizes[d] for d in dims)
    columns = {}
    for i, dim in enumerate(dims):
        axis = _counted(dim, part[dim].values) if dim in part.coords else np.arange(shape[i])
        along = axis.reshape([-1 if k == i else 1 for k in range(len(dims))])
        columns[_head(dim, part[dim].attrs)] = np.broadcast_to(along, shape).ravel()
    for name in [*part.data_vars, *(c for c in part.coords if c not in part.dims and set(part[c].dims) <= set(dims))]:
        variable = part[name]
        values = (
            variable.expand_dims({d: part.sizes[d] for d in dims if d not in variable.dims}).transpose(*dims).values
        )
        if name == "segment" and segments:
            values = _named(values, segments)
        columns[_head(str(name), variable.attrs)] = _whole(values.ravel()) if name in _COUNTS else values.ravel()
    table = pd.DataFrame(columns)
    if "length" in part and dims[-1] == "sample":
        own = np.arange(shape[-1]) < np.asarray(part["length"].values)[..., None]
        table = table[np.broadcast_to(own, shape).ravel()]
    return table


def _counted(dim: str, values: np.ndarray) -> np.ndarray:
    """Places that only count, as whole numbers."""
    counts = dim in ("curve", "sample", "site") and np.array_equal(values, np.round(values))
    return values.astype(int) if counts else values


def _whole(values: np.ndarray) -> Any:
    """Counts without a decimal point, also beside missing ones; as they are where one is no whole number."""
    import pandas as pd

    known = values[np.isfinite(values)]
    return pd.array(values, "Int64") if np.array_equal(known, np.round(known)) else values


def _named(values: np.ndarray, segments: list[str]) -> np.ndarray:
    """Each number of a segment with its name, '0 approach'; without a number where there is none."""
    names = np.array([f"{i} {s}" for i, s in enumerate(segments)] + [""])
    known = np.isfinite(values) & (values >= 0) & (values < len(segments))
    return names[np.where(known, np.nan_to_num(values), len(segments)).astype(int)]


def _head(name: str, attrs: Mapping[str, Any]) -> str:
    unit = str(attrs.get("units", "1"))
    return name if unit == "1" else f"{name} ({unit})"
