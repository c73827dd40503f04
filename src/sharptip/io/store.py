"""What the two stores (`.zarr`, `.nc`) share: a scan as arrays and attributes, and a checksum of all but numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, WriteError
from ..core.grid import Axis, Channel, Grid
from ..core.lazy import Lazy, for_xarray

AT_ONCE = 2**24  # bytes; larger arrays stay in the store until they are asked for
CHUNK = 2**22  # bytes that are read, and whose checksum is verified, at a time: about a frame


@dataclass(frozen=True)
class Variable:
    """One array of a group: numpy's, a `Lazy`, or, on the way out, whatever gives numbers for a slice."""

    dims: tuple[str, ...]
    values: Any
    attrs: dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One group: a scan, or the root that holds scans."""

    path: str
    attrs: dict[str, Any]
    variables: dict[str, Variable]
    coords: tuple[str, ...]


def is_scan(node: Node) -> bool:
    return bool(set(node.variables) - set(node.coords))


def plain(where: str, scan: Any) -> Node:
    """A Dataset as a node whose attributes are what JSON gives back. Its numbers are not read yet."""
    variables = {}
    for name, v in scan.variables.items():
        if v.dtype.kind not in "biufcU":
            raise WriteError(f"{name!r} holds values of type {v.dtype}, which the store cannot keep; use plain numbers")
        variables[str(name)] = Variable(tuple(map(str, v.dims)), v, _json(v.attrs, str(name)))
    return Node(where, _json(scan.attrs, where), variables, tuple(str(c) for c in scan.coords))


def _json(attrs: Mapping[Any, Any], what: str) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return value.tolist()
        raise WriteError(f"an attribute of {what!r} is a {type(value).__name__}, which JSON does not know")

    return json.loads(json.dumps({str(k): v for k, v in attrs.items()}, default=plain))


def digest(node: Node, more: object) -> str:
    """SHA-256 over everything of a group that is not numbers, and over `more`."""
    facts = [(name, v.dims, v.values.shape, v.values.dtype.kind, v.attrs) for name, v in node.variables.items()]
    picture = json.dumps([node.path, more, node.attrs, node.coords, facts], sort_keys=True)
    return hashlib.sha256(picture.encode()).hexdigest()


def rows_at_once(values: Any) -> int:
    """Places along the first axis that share a chunk: equal parts of about CHUNK bytes, with hardly any padding."""
    whole = values.dtype.itemsize * int(np.prod(values.shape))
    parts = min(len(values), -(-whole // CHUNK))
    return -(-len(values) // max(1, parts))


def stretches(values: Any, rows: int) -> Iterator[tuple[slice, np.ndarray]]:
    """All the numbers, `rows` of the first axis at a time."""
    for start in range(0, len(values), rows):
        where = slice(start, min(start + rows, len(values)))
        yield where, np.asarray(values[where])


def unchanged(file: Path, modified: int) -> None:
    """Raises ReadError where a file was written anew after its scan was opened: what is in it now is another scan."""
    if file.stat().st_mtime_ns != modified:
        raise ReadError("it was written anew since it was opened; read it again")


def grid(node: Node) -> Grid:
    """A node as a grid, for a look at it."""
    axes = {}
    for dim in dict.fromkeys(d for v in node.variables.values() for d in v.dims):
        if dim in node.coords:
            axis = node.variables[dim]
            axes[dim] = Axis(axis.values, str(axis.attrs.get("units", "1")), axis.attrs.get("spacing"))
        else:
            n = next(v.values.shape[v.dims.index(dim)] for v in node.variables.values() if dim in v.dims)
            axes[dim] = Axis(np.arange(n), "1")
    channels = [
        Channel(name, v.values, str(v.attrs.get("units", "1")), str(v.attrs.get("vendor_name", name)), v.dims, v.attrs)
        for name, v in node.variables.items()
        if name not in node.coords
    ]
    name = str(node.attrs.get("name", "")) or node.path.strip("/")
    return Grid(name, tuple(channels), axes, node.attrs.get("header", ""), node.attrs)


def dataset(node: Node) -> Any:
    """The Dataset that was written, bit for bit; what is large is read part by part when it is asked for."""
    import xarray as xr

    made = {
        name: xr.Variable(v.dims, for_xarray(v.values) if isinstance(v.values, Lazy) else v.values, v.attrs)
        for name, v in node.variables.items()
    }
    data = {name: v for name, v in made.items() if name not in node.coords}
    return xr.Dataset(data, {name: made[name] for name in node.coords}, node.attrs)
