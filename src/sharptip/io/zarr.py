"""The native store (`.zarr`): scans whole, with history, header, exact coordinates and every bit of the numbers.

Layout: Zarr version 3, one group per scan, one array per variable or coordinate with its dimension names, so that any
zarr reader opens it. Numbers are plain bytes with a CRC-32C per chunk and attributes have a SHA-256 of their own:
instrument noise hardly compresses, and this way damage is noticed and a size can be checked before it is believed.
Large arrays stay in the store and are read, and verified, chunk by chunk.
Text on an axis ('forward', 'backward') is stored as its place in a list that is kept in the array's attributes.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, WriteError
from ..core.files import draft_beside
from ..core.grid import Grid
from ..core.lazy import Lazy
from . import store
from .door import read_later
from .store import Node, Variable

NAME = "zarr"
SUFFIXES = (".zarr",)
GENERIC = False
LAZY = True

_OURS = "_sharptip"  # the attribute of a group that says what is in it
_LABELS = "_labels"  # the attribute of an array of numbers that stand for texts
_LAYOUT = 1
_CRC = 4  # bytes of the checksum at the end of each chunk


def detect(head: bytes, path: Path) -> bool:
    return not head and (path / "zarr.json").is_file()


def read(path: Path) -> list[Grid]:
    """The scans of a store as grids, for a look at them; `scans` gives them back whole."""
    return [store.grid(node) for node in _nodes(path) if store.is_scan(node)]


def scans(path: Path) -> dict[str, Any]:
    """Path in the tree → the Dataset that was written there, bit for bit."""
    return {node.path: store.dataset(node) for node in _nodes(path)}


def _nodes(path: Path) -> list[Node]:
    import zarr

    root = zarr.open_group(str(path), mode="r", zarr_format=3, use_consolidated=False)
    ours = dict(root.attrs).get(_OURS)
    if not isinstance(ours, dict) or ours.get("layout") != _LAYOUT:
        raise ReadError("this store was not written by sharptip; open it with xarray and give it to sharptip.write")
    return [_node(root if p == "/" else root[p.strip("/")], p, path) for p in ours["nodes"]]


def _node(group: Any, where: str, path: Path) -> Node:
    attrs = dict(group.attrs)
    ours = attrs.pop(_OURS)
    variables = {
        name: _variable(group[name], path / where.strip("/") / name, path, name in ours["coords"])
        for name in ours["variables"]
    }
    node = Node(where, attrs, variables, tuple(ours["coords"]))
    if store.digest(node, ours.get("nodes")) != ours["sha256"]:
        raise ReadError(f"the attributes of {where!r} do not match their checksum: damaged, or edited by hand")
    return node


def _variable(array: Any, folder: Path, path: Path, is_coord: bool) -> Variable:
    """One array, once all its chunks are there at their full length."""
    found = [f for f in (folder / "c").rglob("*") if f.is_file()] if array.shape else [folder / "c"]
    needed = math.prod(-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True))
    for file in found if len(found) == needed else [folder / "c"]:
        if not file.is_file() or file.stat().st_size != _chunk_bytes(array):
            raise ReadError(
                f"{folder.name!r} of shape {array.shape} needs {needed} chunks of {_chunk_bytes(array)} bytes, which "
                f"are not all there ({file.relative_to(path)}); truncated or damaged"
            )
    attrs, dims = dict(array.attrs), tuple(array.metadata.dimension_names or ())
    if _LABELS in attrs:
        return Variable(dims, np.array(attrs.pop(_LABELS))[np.asarray(array[...])], attrs)
    if is_coord or not dims or array.nbytes <= store.AT_ONCE:
        return Variable(dims, np.asarray(array[...]), attrs)
    load = partial(_rows, folder, (folder / "zarr.json").stat().st_mtime_ns)
    return Variable(dims, Lazy(array.shape, array.dtype, partial(read_later, load, NAME, path)), attrs)


def _chunk_bytes(array: Any) -> int:
    return math.prod(array.chunks) * array.dtype.itemsize + _CRC


def _rows(folder: Path, modified: int, which: np.ndarray) -> np.ndarray:
    """Places along the first axis of an array; the checksums of their chunks are verified on the way."""
    import zarr

    store.unchanged(folder / "zarr.json", modified)
    array = zarr.open_array(str(folder), mode="r", zarr_format=3)
    others = [range(-(-n // c)) for n, c in zip(array.shape[1:], array.chunks[1:], strict=True)]
    for place in itertools.product(np.unique(which // array.chunks[0]), *others):
        file = folder.joinpath("c", *map(str, place))
        if not file.is_file():  # zarr would take a chunk that is gone for one full of zeros
            raise ReadError(f"{file.relative_to(folder.parent)} is gone since the store was opened")
    return np.asarray(array.oindex[which])


def write(nodes: Mapping[str, Any], path: Path) -> None:
    """Write path → Dataset as one store: beside its place first, then moved there in one step."""
    if path.exists() and not (path / "zarr.json").is_file():
        raise WriteError(f"{path}: something that is no zarr store is there; it is not overwritten")
    made = [store.plain(where, scan) for where, scan in nodes.items()]
    with draft_beside(path) as draft:
        try:
            _fill(draft / "new", made)
            if path.exists():
                os.replace(path, draft / "old")
            os.replace(draft / "new", path)
        finally:
            if not path.exists() and (draft / "old").exists():
                os.replace(draft / "old", path)


def _fill(folder: Path, nodes: list[Node]) -> None:
    import zarr

    root = zarr.create_group(str(folder), zarr_format=3)
    paths = [node.path for node in nodes]
    for node in nodes:
        group = root if node.path == "/" else root.require_group(node.path.strip("/"))
        listed = paths if node.path == "/" else None
        ours = {
            "layout": _LAYOUT, "variables": list(node.variables), "coords": list(node.coords),
            "sha256": store.digest(node, listed),
        }  # fmt: skip
        group.attrs.put(node.attrs | {_OURS: ours | ({"nodes": listed} if listed else {})})
        for name, variable in node.variables.items():
            _store(group, name, variable)


def _store(group: Any, name: str, variable: Variable) -> None:
    from zarr.codecs import BytesCodec, Crc32cCodec

    values, attrs = variable.values, variable.attrs
    if values.dtype.kind == "U":
        labels, codes = np.unique(np.asarray(values), return_inverse=True)
        values, attrs = codes.reshape(values.shape).astype(np.int32), attrs | {_LABELS: labels.tolist()}
    rows = store.rows_at_once(values) if values.ndim else 0
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(rows, *values.shape[1:]) if values.ndim else (),
        dtype=values.dtype.newbyteorder("="),
        filters=None,
        serializer=BytesCodec(endian="little"),
        compressors=[Crc32cCodec()],
        fill_value=0,
        dimension_names=list(variable.dims),
        attributes=attrs,
        config={"write_empty_chunks": True},
    )
    if not rows:
        array[...] = np.asarray(values)
    else:
        for where, part in store.stretches(values, rows):
            array[where] = part
