"""The native store (`.zarr`): scans whole, with history, header, exact coordinates and every bit of the numbers.

Layout: Zarr version 3, one group per scan, one array per variable or coordinate with its dimension names, so that any
zarr reader opens it. Numbers are plain bytes with a CRC-32C per chunk and attributes have a SHA-256 of their own:
instrument noise hardly compresses, and this way damage is noticed and a size can be checked before it is believed.
Text on an axis ('forward', 'backward') is stored as its place in a list that is kept in the array's attributes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, WriteError
from ..core.grid import LARGEST, Axis, Channel, Grid

NAME = "zarr"
SUFFIXES = (".zarr",)
GENERIC = False

_OURS = "_sharptip"  # the attribute of a group that says what is in it
_LABELS = "_labels"  # the attribute of an array of numbers that stand for texts
_LAYOUT = 1
_CHUNK = 2**25  # bytes; a larger array is cut along its first axis
_CRC = 4  # bytes of the checksum at the end of each chunk


@dataclass(frozen=True)
class Variable:
    """One array of a group."""

    dims: tuple[str, ...]
    values: np.ndarray
    attrs: dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One group: a scan, or the root that holds scans."""

    path: str
    attrs: dict[str, Any]
    variables: dict[str, Variable]
    coords: tuple[str, ...]


def detect(head: bytes, path: Path) -> bool:
    return not head and (path / "zarr.json").is_file()


def read(path: Path) -> list[Grid]:
    """The scans of a store as grids, for a look at them; `scans` gives them back whole."""
    return [_grid(node) for node in _nodes(path) if set(node.variables) - set(node.coords)]


def scans(path: Path) -> dict[str, Any]:
    """Path in the tree → the Dataset that was written there, bit for bit."""
    import xarray as xr

    out = {}
    for node in _nodes(path):
        made = {name: xr.Variable(v.dims, v.values, v.attrs) for name, v in node.variables.items()}
        data = {name: v for name, v in made.items() if name not in node.coords}
        out[node.path] = xr.Dataset(data, {name: made[name] for name in node.coords}, node.attrs)
    return out


def _grid(node: Node) -> Grid:
    axes = {}
    dims = dict.fromkeys(d for v in node.variables.values() for d in v.dims)
    for dim in dims:
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


def _nodes(path: Path) -> list[Node]:
    import zarr

    root = zarr.open_group(str(path), mode="r", zarr_format=3, use_consolidated=False)
    ours = dict(root.attrs).get(_OURS)
    if not isinstance(ours, dict) or ours.get("layout") != _LAYOUT:
        raise ReadError("this store was not written by sharptip; open it with xarray and give it to sharptip.write")
    return [_node(root if p == "/" else root[p.strip("/")], p, path / p.strip("/")) for p in ours["nodes"]]


def _node(group: Any, where: str, folder: Path) -> Node:
    attrs = dict(group.attrs)
    ours = attrs.pop(_OURS)
    variables = {name: _variable(group[name], folder / name) for name in ours["variables"]}
    node = Node(where, attrs, variables, tuple(ours["coords"]))
    if _digest(node, ours.get("nodes")) != ours["sha256"]:
        raise ReadError(f"the attributes of {where!r} do not match their checksum: damaged, or edited by hand")
    return node


def _variable(array: Any, folder: Path) -> Variable:
    files = [folder / "c"] if array.shape == () else [f for f in (folder / "c").rglob("*") if f.is_file()]
    stored = sum(f.stat().st_size for f in files) - _CRC * len(files)
    needed = math.prod(array.shape) * array.dtype.itemsize
    if needed != stored or needed > 16 * LARGEST:
        raise ReadError(
            f"{folder.name!r} of shape {array.shape} needs {needed} bytes, but {stored} are stored; damaged"
        )
    values, attrs = np.asarray(array[...]), dict(array.attrs)
    if _LABELS in attrs:
        values = np.array(attrs.pop(_LABELS))[values]
    return Variable(tuple(array.metadata.dimension_names or ()), values, attrs)


def _digest(node: Node, nodes: object) -> str:
    """SHA-256 over everything of a group that is not numbers."""
    facts = [(name, v.dims, v.values.shape, v.values.dtype.kind, v.attrs) for name, v in node.variables.items()]
    picture = json.dumps([node.path, nodes, node.attrs, node.coords, facts], sort_keys=True)
    return hashlib.sha256(picture.encode()).hexdigest()


def write(nodes: Mapping[str, Any], path: Path) -> None:
    """Write path → Dataset as one store: beside its place first, then moved there in one step."""
    if path.exists() and not (path / "zarr.json").is_file():
        raise WriteError(f"{path}: something that is no zarr store is there; it is not overwritten")
    made = [_plain(where, scan) for where, scan in nodes.items()]
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        _fill(temporary / "new", made)
        if path.exists():
            os.replace(path, temporary / "old")
        os.replace(temporary / "new", path)
    finally:
        if not path.exists() and (temporary / "old").exists():
            os.replace(temporary / "old", path)
        shutil.rmtree(temporary, ignore_errors=True)


def _plain(where: str, scan: Any) -> Node:
    """A Dataset as a node whose attributes are what JSON gives back."""
    variables = {}
    for name, v in scan.variables.items():
        if v.dtype.kind not in "biufcU":
            raise WriteError(f"{name!r} holds values of type {v.dtype}, which the store cannot keep; use plain numbers")
        variables[str(name)] = Variable(tuple(map(str, v.dims)), v.values, _json(v.attrs, str(name)))
    return Node(where, _json(scan.attrs, where), variables, tuple(str(c) for c in scan.coords))


def _json(attrs: Mapping[Any, Any], what: str) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return value.tolist()
        raise WriteError(f"an attribute of {what!r} is a {type(value).__name__}, which JSON does not know")

    return json.loads(json.dumps({str(k): v for k, v in attrs.items()}, default=plain))


def _fill(folder: Path, nodes: list[Node]) -> None:
    import zarr

    root = zarr.create_group(str(folder), zarr_format=3)
    paths = [node.path for node in nodes]
    for node in nodes:
        group = root if node.path == "/" else root.require_group(node.path.strip("/"))
        listed = paths if node.path == "/" else None
        ours = {
            "layout": _LAYOUT, "variables": list(node.variables), "coords": list(node.coords),
            "sha256": _digest(node, listed),
        }  # fmt: skip
        group.attrs.put(node.attrs | {_OURS: ours | ({"nodes": listed} if listed else {})})
        for name, variable in node.variables.items():
            _store(group, name, variable)


def _store(group: Any, name: str, variable: Variable) -> None:
    from zarr.codecs import BytesCodec, Crc32cCodec

    values, attrs = variable.values, variable.attrs
    if values.dtype.kind == "U":
        labels, codes = np.unique(values, return_inverse=True)
        values, attrs = codes.reshape(values.shape).astype(np.int32), attrs | {_LABELS: labels.tolist()}
    rows = max(1, _CHUNK // max(1, values[:1].nbytes)) if values.ndim else 0
    # A chunk is stored whole, so the first axis is cut only into equal parts: no byte is padding.
    while rows and rows < len(values) and len(values) % rows:
        rows -= 1
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(min(rows, len(values)), *values.shape[1:]) if values.ndim else (),
        dtype=values.dtype.newbyteorder("="),
        filters=None,
        serializer=BytesCodec(endian="little"),
        compressors=[Crc32cCodec()],
        fill_value=0,
        dimension_names=list(variable.dims),
        attributes=attrs,
        config={"write_empty_chunks": True},
    )
    array[...] = values
