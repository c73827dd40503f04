"""Scans as netCDF-4 (`.nc`), which every language of science reads, and our own ones read back whole.

Layout: one group per scan, dimensions with their coordinates, one variable per channel; attributes are netCDF's own
where it has such a thing, and otherwise (nested facts, null, true) lie as JSON in the group's `_sharptip`, beside a
SHA-256 over everything that is not numbers. Numbers are plain, with a Fletcher-32 checksum per chunk. Text has a fixed
length, since texts of any length lie in HDF5's global heap, whose damage HDF5 does not notice: it may read for ever. A
netCDF file of somebody else's is not taken for a scan: open it with xarray and give it to `sharptip.write`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, WriteError
from ..core.files import write_whole
from ..core.grid import Grid
from ..core.lazy import Lazy
from . import hdf5, store
from .door import read_later
from .store import Node, Variable

NAME = "netcdf"
SUFFIXES = (".nc",)
GENERIC = False
LAZY = True

_OURS = "_sharptip"
_LAYOUT = 1
_SUM = 4  # bytes of the checksum at the end of each chunk
_LIBVER = ("v110", "v110")  # HDF5 from 2016 on; from there on its own structures have checksums
_TAKEN = ("dtype", "coordinates", "scale_factor", "add_offset", "missing_value", "CLASS", "NAME", "DIMENSION_LIST")


def detect(head: bytes, path: Path) -> bool:
    return hdf5.is_ours(head, path, lambda file: _OURS in file.attrs)


def read(path: Path) -> list[Grid]:
    """The scans of a file as grids, for a look at them; `scans` gives them back whole."""
    return [store.grid(node) for node in _nodes(path) if store.is_scan(node)]


def scans(path: Path) -> dict[str, Any]:
    """Path in the tree → the Dataset that was written there, bit for bit."""
    return {node.path: store.dataset(node) for node in _nodes(path)}


def _nodes(path: Path) -> list[Node]:

    with hdf5.opened(path) as file:
        root = json.loads(file.attrs[_OURS])
        if root.get("layout") != _LAYOUT:
            raise ReadError(
                f"it has layout {root.get('layout')!r}, which a newer sharptip wrote; this one reads {_LAYOUT}"
            )
        return [_node(file[where], where, path) for where in root["nodes"]]


def _node(group: Any, where: str, path: Path) -> Node:
    ours = json.loads(group.attrs[_OURS])
    variables = {
        name: _variable(group[name], tuple(dims), ours["odd"].get(name, {}), name in ours["coords"], path)
        for name, dims in ours["variables"].items()
    }
    attrs = _attrs(group, ours["odd"].get("", {}))
    node = Node(where, {name: attrs[name] for name in ours["attrs"]}, variables, tuple(ours["coords"]))
    if store.digest(node, _loose(node, ours.get("nodes"))) != ours["sha256"]:
        raise ReadError(f"what is written at {where!r} does not match its checksum: damaged, or edited by hand")
    return node


def _variable(data: Any, dims: tuple[str, ...], odd: Mapping[str, Any], is_coord: bool, path: Path) -> Variable:
    attrs = _attrs(data, odd)
    if data.dtype.kind == "S":
        return Variable(dims, _from_letters(data[...]), attrs)
    kind = np.dtype(bool) if data.attrs.get("dtype") == b"bool" else data.dtype
    if dims:
        _complete(data)
    if is_coord or not dims or data.nbytes <= store.AT_ONCE:
        return Variable(dims, np.asarray(data[...], kind), attrs)
    load = partial(_rows, path, data.name, path.stat().st_mtime_ns)
    return Variable(dims, Lazy(data.shape, kind, partial(read_later, load, NAME, path)), attrs)


def _complete(data: Any) -> None:
    """Every chunk is stored at its full length: HDF5 takes one that is gone for one full of zeros."""
    if data.chunks is None or not data.fletcher32:
        raise ReadError(f"{data.name!r} has no checksums; the file is damaged, or was rewritten by another program")
    chunks = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
    needed = chunks * (math.prod(data.chunks) * data.dtype.itemsize + _SUM)
    stored = data.id.get_storage_size()
    if stored != needed:
        raise ReadError(f"{data.name!r} of shape {data.shape} needs {needed} bytes, but {stored} are stored; damaged")


def _rows(path: Path, name: str, modified: int, which: np.ndarray) -> np.ndarray:
    """Places along the first axis, in any order; the checksums of their chunks are verified on the way."""

    store.unchanged(path, modified)
    places, back = np.unique(which, return_inverse=True)
    with hdf5.opened(path) as file:
        data = file[name]
        if len(places) == places[-1] - places[0] + 1:
            return data[places[0] : places[-1] + 1][back]
        return np.stack([data[int(i)] for i in places])[back]


def _attrs(of: Any, odd: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as they were given; those that netCDF and HDF5 keep for themselves are left out."""
    own = {k: _back(of.attrs[k]) for k in of.attrs if _native_name(k)}
    return own | dict(odd)


def _native_name(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)) and name not in _TAKEN and name != "REFERENCE_LIST"


def _back(value: Any) -> Any:
    """netCDF keeps a number as an array of one, and HDF5 a text as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, np.ndarray):
        return value.item() if value.size == 1 else value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _native(name: str, value: Any) -> bool:
    """Whether netCDF gives back what it is given under this name."""
    if not _native_name(name) or isinstance(value, bool):
        return False
    if isinstance(value, list):
        return (
            len(value) > 1
            and len({type(v) for v in value}) == 1
            and type(value[0]) in (int, float)
            and all(_native(name, v) for v in value)
        )
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) or (
        isinstance(value, str) and re.fullmatch(r"[^\0\ud800-\udfff]+", value) is not None
    )


def _loose(node: Node, nodes: object) -> object:
    """What the checksums of chunks do not cover: single numbers, and text on an axis."""
    values = {k: v.values for k, v in node.variables.items() if not v.dims or v.values.dtype.kind == "U"}
    return [nodes, {k: repr(np.asarray(v).tolist()) for k, v in values.items()}]


def write(nodes: Mapping[str, Any], path: Path) -> None:
    """Write path → Dataset as one file, a group for each."""
    try:
        import h5netcdf
    except ImportError:
        raise WriteError(f"{path}: netCDF needs h5netcdf: pip install 'sharptip[netcdf]'") from None
    made = [store.plain(where, scan) for where, scan in nodes.items()]

    def fill(temporary: Path) -> None:
        with h5netcdf.File(temporary, "w", libver=_LIBVER) as file:
            for node in made:
                group = file if node.path == "/" else file.create_group(node.path)
                _fill(group, node, [n.path for n in made] if node.path == "/" else None)

    write_whole(path, fill)


def _fill(group: Any, node: Node, nodes: list[str] | None) -> None:
    facts = {"": node.attrs} | {name: v.attrs for name, v in node.variables.items()}
    odd = {of: {k: v for k, v in attrs.items() if not _native(k, v)} for of, attrs in facts.items()}
    ours = {
        "layout": _LAYOUT, "nodes": nodes, "variables": {name: v.dims for name, v in node.variables.items()},
        "coords": node.coords, "attrs": list(node.attrs), "odd": {of: attrs for of, attrs in odd.items() if attrs},
        "sha256": store.digest(node, _loose(node, nodes)),
    }  # fmt: skip
    group.dimensions = {d: n for v in node.variables.values() for d, n in zip(v.dims, v.values.shape, strict=True)}
    group.attrs[_OURS] = _text(json.dumps(ours))
    for key, value in node.attrs.items():
        if _native(key, value):
            group.attrs[key] = _text(value)
    beside = [c for c in node.coords if node.variables[c].dims != (c,)]
    if beside:
        group.attrs["coordinates"] = _text(" ".join(beside))  # by which xarray knows them
    for name, variable in node.variables.items():
        _put(group, name, variable)


def _put(group: Any, name: str, variable: Variable) -> None:
    values, about = variable.values, {k: v for k, v in variable.attrs.items() if _native(k, v)}
    if values.dtype.kind == "U":
        letters = _letters(np.asarray(values))
        length = f"{name}_letters"
        group.dimensions[length] = letters.shape[-1]
        made = group.create_variable(name, (*variable.dims, length), "S1")
        made[...] = letters
        about["_Encoding"] = "utf-8"  # as xarray writes letters
    elif not variable.dims:
        made = group.create_variable(name, (), _stored(values.dtype))
        made[...] = np.asarray(values, _stored(values.dtype))
    else:
        rows = store.rows_at_once(values)
        chunks = (rows, *values.shape[1:])
        made = group.create_variable(name, variable.dims, _stored(values.dtype), chunks=chunks, fletcher32=True)
        for where, part in store.stretches(values, rows):
            made[where] = part.astype(_stored(values.dtype))
    if values.dtype.kind == "b":
        about["dtype"] = "bool"  # as xarray writes flags
    for key, value in about.items():
        made.attrs[key] = _text(value)


def _stored(kind: np.dtype) -> np.dtype:
    return np.dtype(np.int8) if kind.kind == "b" else kind.newbyteorder("=")


def _text(value: Any) -> Any:
    """A text as netCDF's characters, of which one alone would be read as a byte; anything else as it is."""
    if not isinstance(value, str):
        return value
    import h5py

    raw = value.encode("utf-8")
    return np.array(raw, h5py.string_dtype("utf-8", max(2, len(raw))))


def _letters(texts: np.ndarray) -> np.ndarray:
    """Texts as an array of single bytes, with one axis more."""
    raw = np.char.encode(texts, "utf-8")
    return raw[..., None].view("S1")


def _from_letters(letters: np.ndarray) -> np.ndarray:
    joined = np.ascontiguousarray(letters).view(f"S{letters.shape[-1]}")[..., 0]
    return np.char.decode(joined, "utf-8")
