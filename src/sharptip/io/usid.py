"""HDF5 of pycroscopy: USID (positions × spectra with tables of indices and values) and NSID (arrays with scales).

Layout: the Universal Spectroscopic and Imaging Data model and the N-dimensional one, as pyUSID and pyNSID document
them. In USID a main dataset is a table (position, spectroscopic step) that names four others, with the index and value
of every position and step in each of its dimensions. In NSID a dataset has one dimension scale per axis, with a unit
and a type. Dimensions become the axes of a scan by their unit and name; numbers stay in the file until they are asked
for. Any other HDF5 file is refused, and the refusal says what it holds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import LARGEST, Axis, Channel, Grid, unique
from ..core.lazy import Lazy
from ..core.units import PIXEL, to_si
from . import hdf5
from .layout import SWEPT, Size, given_axes, join_directions, split_direction

NAME = "usid"
SUFFIXES = (".h5", ".hf5", ".hdf5")
GENERIC = True  # asked after every reader of a vendor's own HDF5
NEEDS_SIZE = True  # a dimension may have no unit
LAZY = True

_TABLES = ("Position_Indices", "Position_Values", "Spectroscopic_Indices", "Spectroscopic_Values")
_COUNTED = ("field", "cycle", "forc_cycle", "forc")  # axes of spectroscopy that have no unit and keep their name
_MOST = 10_000  # objects of a file
_LISTED = 12  # of them that a refusal names
_SMALLEST = 16  # pixels along each side of an image whose dimensions have neither name nor unit
_LONGEST_AXIS = 2**24
_DEFLATE = 1032  # packed numbers cannot be smaller than 1/1032 of themselves


@dataclass(frozen=True)
class Dimension:
    """One axis as the file describes it."""

    name: str
    values: np.ndarray
    unit: str
    kind: str = ""
    quantity: str = ""
    beside: tuple[Dimension, ...] = ()  # what else is known of each place, where the dimensions are no full grid

    @property
    def si(self) -> str:
        try:
            return to_si(self.unit)[1]
        except UnitError:
            return ""

    def metres(self) -> np.ndarray:
        return self.values * to_si(self.unit)[0]


@dataclass(frozen=True)
class Main:
    """One dataset of measured numbers: where it is, what it is, and how its axes lie in the file.

    dims: in the order of a scan (y, x, then what was swept). order: for NSID, the file's axis for each of them; for
    USID, None. rows: for USID, the row of the table for each position, shaped as the position dimensions.
    """

    place: str
    quantity: str
    unit: str
    dtype: np.dtype
    dims: list[Dimension]
    order: tuple[int, ...] | None = None
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(d.values) for d in self.dims)


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(hdf5.MAGIC)


def read(path: Path, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[Grid]:
    import h5py

    with hdf5.opened(path) as file:
        objects = _objects(file)
        mains = [m for place, o in objects.items() if isinstance(o, h5py.Dataset) for m in _mains(place, o)]
        if not mains:
            listed = [f"{place} {o.shape}" for place, o in objects.items() if isinstance(o, h5py.Dataset)]
            more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
            said = ", ".join(listed[:_LISTED]) + more
            raise ReadError(f"an HDF5 file that is neither USID nor NSID; it holds {said or 'no array'}")
        header = {place: _attributes(o) for place, o in {"/": file, **objects}.items() if len(o.attrs)}
    groups: dict[tuple[object, ...], list[Main]] = {}
    for main in _repaired(mains):
        groups.setdefault(_key(main), []).append(main)
    grids = [_grid(path, group) for group in groups.values()]
    if not any(_unsized(g) for g in grids):
        given_axes((1, 1), size, (1.0, 1.0), "this file")  # refuses a size that nothing needs
    grids = [replace(g, axes={**g.axes, **_sized(g, size)}) if _unsized(g) else g for g in grids]
    stem = path.stem if len(grids) == 1 else ""
    return [replace(g, name=stem or f"{path.stem} {g.name}", header=header) for g in grids]


def _unsized(grid: Grid) -> bool:
    return "x" in grid.axes and grid.axes["x"].unit == PIXEL


def _sized(grid: Grid, size: Size) -> dict[str, Axis]:
    shape = len(grid.axes["y"].values), len(grid.axes["x"].values)
    return given_axes(shape, size, None, f"the image {grid.channels[0].vendor_name!r} of this file")


def _objects(file: Any) -> dict[str, Any]:
    """Everything in the file by its place, each once."""
    found: dict[str, Any] = {}

    def note(place: str, thing: Any) -> None:
        if len(found) >= _MOST:
            raise ReadError(f"it holds more than {_MOST} groups and arrays")
        found[place] = thing

    file.visititems(note)
    return found


def _attributes(thing: Any) -> dict[str, object]:
    return {str(key): _plain(value) for key, value in thing.attrs.items() if _plain(value) is not None}


def _plain(value: Any) -> object:
    """Text and numbers as JSON knows them; None for references, which mean nothing outside the file."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufSUO":
        parts = [_plain(v) for v in value.ravel().tolist()]
        return None if any(p is None for p in parts) else parts
    return None


def _word(thing: Any, key: str, default: str = "") -> str:
    value = _plain(thing.attrs[key]) if key in thing.attrs else default
    return value if isinstance(value, str) else default


# --- what the file describes -----------------------------------------------------------------------------------------


def _mains(place: str, dataset: Any) -> list[Main]:
    if all(table in dataset.attrs for table in _TABLES):
        return [_usid(place, dataset)]
    if "quantity" in dataset.attrs and "DIMENSION_LIST" in dataset.attrs:
        return [_nsid(place, dataset)]
    return []


def _named(quantity: str, place: str) -> str:
    """What the numbers are: their quantity, or the last name of their place where that says nothing."""
    return place.rsplit("/", 1)[-1] if quantity.lower() in ("", "generic", "unknown") else quantity


def _checked_shape(dataset: Any, place: str) -> tuple[int, ...]:
    """The shape of a dataset, if it is one that a measurement has and the file has bytes for."""
    if math.prod(dataset.shape) > LARGEST or min(dataset.shape, default=0) < 1:
        raise ReadError(f"{place} has shape {dataset.shape}, which no measurement has")
    if dataset.nbytes > _DEFLATE * dataset.id.get_storage_size() + 4096:
        raise ReadError(f"{place} claims {dataset.nbytes} bytes from {dataset.id.get_storage_size()}; it is damaged")
    return tuple(dataset.shape)


def _small(table: Any, place: str) -> np.ndarray:
    """A table of indices or values, or a scale, as it is: read only where it is no larger than one can be."""
    _checked_shape(table, place)
    if table.size > _LONGEST_AXIS:
        raise ReadError(f"a table of {place} has {table.size} numbers; the file is damaged")
    return np.asarray(table[()])


def _nsid(place: str, dataset: Any) -> Main:
    shape = _checked_shape(dataset, place)
    dims = []
    lists = dataset.attrs["DIMENSION_LIST"]
    for k, n in enumerate(shape):
        scale = dataset.file[lists[k][0]]
        if scale.shape != (n,):
            raise ReadError(f"axis {k} of {place} has no scale of its length; the file is damaged")
        name = _word(scale, "name") or scale.name.rsplit("/", 1)[-1]
        values = _small(scale, place).astype(float)
        unit, kind, quantity = (_word(scale, key) for key in ("units", "dimension_type", "quantity"))
        dims.append(Dimension(name, values, unit, kind, quantity))
    order = sorted(range(len(dims)), key=lambda k: (_rank(dims[k]), k))
    quantity = _named(_word(dataset, "quantity"), place)
    return Main(place, quantity, _word(dataset, "units"), dataset.dtype, [dims[k] for k in order], tuple(order))


def _rank(dim: Dimension) -> int:
    """y before x before everything else, as a scan has them."""
    return {"y": 0, "x": 1}.get(_lateral(dim), 2)


def _lateral(dim: Dimension) -> str:
    """'x' or 'y' for a dimension that is called so; '' for others."""
    match = re.fullmatch(r"([xy])([ _-]?(axis|position|pos|dim))?", dim.name.strip().lower())
    return match[1] if match and dim.kind.upper() not in ("SPECTRAL", "TEMPORAL", "CHANNEL") else ""


def _usid(place: str, dataset: Any) -> Main:
    shape = _checked_shape(dataset, place)
    if len(shape) != 2:
        raise ReadError(f"{place} has shape {shape}; a USID table has positions and steps")
    tables = {name: dataset.file[dataset.attrs[name]] for name in _TABLES}
    positions, rows = _table(tables["Position_Indices"], tables["Position_Values"], shape[0], place)
    steps, columns = _table(tables["Spectroscopic_Indices"], tables["Spectroscopic_Values"], shape[1], place)
    if shape[1] == 1:  # an image: its one step is none
        steps, columns = [], columns.reshape(())
    turn = sorted(range(len(positions)), key=lambda k: (_rank(positions[k]), k))
    dims = [positions[k] for k in turn] + steps
    quantity = _named(_word(dataset, "quantity"), place)
    return Main(place, quantity, _word(dataset, "units"), dataset.dtype, dims, None, rows.transpose(turn), columns)


def _table(indices: Any, values: Any, n: int, place: str) -> tuple[list[Dimension], np.ndarray]:
    """The dimensions of a table's rows (or columns), and the row at each of their places."""
    index, value = _small(indices, place), _small(values, place).astype(float)
    if index.shape[0] != n:
        index, value = index.T, value.T
    if index.ndim != 2 or len(index) != n or value.shape != index.shape:
        raise ReadError(f"the tables of {place} do not describe its {n} positions or steps; the file is damaged")
    labels, units = (_labels(indices, values, key, index.shape[1]) for key in ("labels", "units"))
    sizes = [len(np.unique(column)) for column in index.T]
    places = tuple(np.unique(column, return_inverse=True)[1].ravel() for column in index.T)
    if math.prod(sizes) != n or len(np.unique(np.ravel_multi_index(places, sizes))) != n:
        beside = [Dimension(label, column, unit) for label, column, unit in zip(labels, value.T, units, strict=True)]
        return [Dimension("place", np.arange(n) * 1.0, "", beside=tuple(beside))], np.arange(n)
    rows = np.empty(sizes, np.int64)
    rows[places] = np.arange(n)
    dims = []
    for k, (label, unit) in enumerate(zip(labels, units, strict=True)):
        first = np.moveaxis(rows, k, 0).reshape(sizes[k], -1)[:, 0]
        dims.append(Dimension(label, value[first, k], unit))
    kept = [k for k, size in enumerate(sizes) if size > 1] or [0]
    return [dims[k] for k in kept], rows.reshape([sizes[k] for k in kept])


def _labels(indices: Any, values: Any, key: str, n: int) -> list[str]:
    for table in (indices, values):
        said = _plain(table.attrs[key]) if key in table.attrs else None
        if isinstance(said, list) and len(said) == n:
            return [str(s) for s in said]
    raise ReadError(f"a table of dimensions has no {key} for its {n} dimensions; the file is damaged")


def _repaired(mains: list[Main]) -> list[Main]:
    """Where an image's x and y are in no length, as writers do that copy the unit of the numbers: those of another
    channel with the same axes, number by number, in metres."""
    good = [m for m in mains if _is_image(m) and all(d.si == "m" for d in m.dims[:2])]
    out = []
    for m in mains:
        if _is_image(m) and any(d.si != "m" for d in m.dims[:2]):
            twin = next((g for g in good if _same_places(g, m)), None)
            m = replace(m, dims=twin.dims[:2] + m.dims[2:]) if twin else m
        out.append(m)
    return out


def _same_places(one: Main, other: Main) -> bool:
    pairs = list(zip(one.dims[:2], other.dims[:2], strict=True))
    return all(a.name == b.name and np.array_equal(a.values, b.values) for a, b in pairs)


def _is_image(main: Main) -> bool:
    return [_lateral(d) for d in main.dims[:2]] == ["y", "x"]


# --- grids -----------------------------------------------------------------------------------------------------------


def _key(main: Main) -> tuple[object, ...]:
    """What channels of one grid have in common: the group of the measurement and every axis."""
    group = main.place.split("/", 1)[0]
    return group, *((d.name, d.unit, d.values.tobytes()) for d in main.dims)


def _grid(path: Path, group: list[Main]) -> Grid:
    first = group[0]
    channel_axis = next((k for k, d in enumerate(first.dims) if d.kind.upper() == "CHANNEL"), None)
    left = [d for k, d in enumerate(first.dims) if k != channel_axis]
    turn = _turn(left)
    names = ["curve", "sample"] if turn else _names(left)
    dims = tuple(names)
    recorded = [r for m in group for r in _channels(path, m, channel_axis, dims)]
    axes = {name: _axis(d, name) for d, name in zip(left, names, strict=True)}
    if set(dims) == {"y", "x"}:
        channels, more = join_directions(recorded)
        axes |= more
    else:
        channels = [replace(c, attrs={**c.attrs, "direction": way}) if way else c for _, way, c in recorded]
    channels = _flipped(channels, left, dims)
    name = first.place.split("/", 1)[0]
    if turn:
        return _curve(Grid(name, tuple(channels), axes), left[1], turn)
    channels += [_beside(along, b) for d, along in zip(left, names, strict=True) for b in _known(d, along)]
    channels = [replace(c, name=f"{c.name}_signal") if c.name in axes else c for c in channels]
    return Grid(name, unique(channels), axes)


def _names(dims: list[Dimension]) -> list[str]:
    """Names of the axes: y and x, swept ones by their unit, others as the file calls them."""
    if len(dims) == 2 and all(_anonymous(d) for d in dims):
        return ["y", "x"]
    names: list[str] = []
    lateral = {_lateral(d) for d in dims} >= {"y", "x"}
    for k, d in enumerate(dims):
        own = re.sub(r"[^a-z0-9]+", "_", d.name.lower()).strip("_")
        first = own if own in _COUNTED else "site" if k == 0 and len(dims) > 1 else "sample"
        wished = (_lateral(d) if lateral else "") or SWEPT.get(d.si if not _lateral(d) else "", first)
        found = next(n for n in (wished, own, f"axis_{k}") if n not in names and n[:1].isalpha())
        names.append(found)
    return names


def _anonymous(dim: Dimension) -> bool:
    """Neither name nor unit says what it is; so long that two of them are an image."""
    plain = dim.si == "" and len(dim.name) <= 1 and dim.kind.upper() in ("", "UNKNOWN", "SPATIAL")
    return plain and len(dim.values) >= _SMALLEST and not dim.beside


def _axis(dim: Dimension, name: str) -> Axis:
    n = len(dim.values)
    if name in ("x", "y"):
        if dim.si != "m":
            return Axis.regular(n, 1.0, PIXEL)
        places = np.sort(dim.metres())
        step = float(places[-1] - places[0]) / max(n - 1, 1)
        if n < 2 or not np.allclose(np.diff(places), step, rtol=1e-2, atol=0):
            raise ReadError(f"the {n} places along {dim.name!r} are no regular rows or columns of an image")
        return Axis.regular(n, step)
    if name in ("site", "sample", "curve") or not dim.si:
        return Axis(dim.values if name not in ("site", "sample", "curve") else np.arange(n) * 1.0, "1")
    factor, unit = to_si(dim.unit)
    return Axis(dim.values * factor, unit)


def _known(dim: Dimension, name: str) -> list[Dimension]:
    """What is said of each place of an axis that is only counted."""
    if dim.beside:
        return list(dim.beside)
    alone = name in ("site", "sample") and len(np.unique(dim.values)) > 1 and dim.si != ""
    return [dim] if alone else []


def _beside(along: str, known: Dimension) -> Channel:
    made = Channel.from_vendor(known.name, known.values, known.unit, (along,))
    place = _lateral(known)
    return replace(made, name=f"tip_{place}") if place and made.unit == "m" else made


def _flipped(channels: list[Channel], dims: list[Dimension], names: tuple[str, ...]) -> list[Channel]:
    """Numbers along an x or y that falls, turned with it, so that both ascend."""
    for d, name in zip(dims, names, strict=True):
        if name in ("x", "y") and d.si == "m" and d.values[-1] < d.values[0]:
            channels = [replace(c, data=np.flip(np.asarray(c.data), c.dims.index(name))) for c in channels]
    return channels


# --- force curves ----------------------------------------------------------------------------------------------------


def _turn(dims: list[Dimension]) -> int:
    """Where a sweep of distance comes back: that is a force curve, approach and retract. 0 where it does not."""
    if len(dims) != 2 or dims[1].si != "m" or _lateral(dims[1]) or len(dims[1].values) < 3:
        return 0
    values = dims[1].values
    far = int(np.argmax(np.abs(values - values[0])))
    return far if abs(values[-1] - values[0]) < 0.9 * abs(values[far] - values[0]) else 0


def _curve(grid: Grid, swept: Dimension, turn: int) -> Grid:
    """Heights that fall during the approach, and which samples belong to it."""
    sign = -1.0 if swept.values[turn] > swept.values[0] else 1.0
    n, m = (len(grid.axes[d].values) for d in ("curve", "sample"))
    channels = []
    for c in grid.channels:
        name = {"raw": "height"}.get(c.name, c.name)
        if name in ("height", "height_sensor") and sign < 0 and isinstance(c.data, Lazy):
            c = replace(c, data=c.data.scaled(sign), attrs={**c.attrs, "vendor_sign": -1})
        channels.append(replace(c, name=name))
    along = np.tile(swept.metres() * sign, (n, 1))
    channels.append(Channel("height", along, "m", swept.name, ("curve", "sample"), {"vendor_sign": int(sign)}))
    segment = np.tile((np.arange(m) >= turn) * 1.0, (n, 1))
    channels.append(Channel("segment", segment, "1", swept.name, ("curve", "sample")))
    channels.append(Channel("length", np.full(n, float(m)), "1", swept.name, ("curve",)))
    return replace(grid, channels=unique(channels), attrs={"segments": '["approach", "retract"]'})


# --- numbers ---------------------------------------------------------------------------------------------------------


def _channels(
    path: Path, main: Main, channel_axis: int | None, dims: tuple[str, ...]
) -> list[tuple[str, str | None, Channel]]:
    """The dataset as channels: one for each field of a cell, part of a complex number and place on a channel axis."""
    out = []
    for label, unit, field in _fields(main):
        parts = ("real", "imag") if _type(main, field).kind == "c" else ("",)
        for part in parts:
            for k, (name, its_unit) in enumerate(_split(main, label, unit, channel_axis)):
                place = None if channel_axis is None else (channel_axis, k)
                lazy = _lazy(path, main, field, part, place)
                base, way = split_direction(name)
                made = Channel.from_vendor(base, lazy, its_unit, dims)
                made = replace(made, vendor_name=f"{name} {part}".strip())
                out.append((f"{base} {part}", way, replace(made, name=f"{made.name}_{part}" if part else made.name)))
    return out


def _fields(main: Main) -> list[tuple[str, str, str]]:
    """(label, unit, field) of each number in a cell; the field is '' where a cell is one number."""
    if main.dtype.names is None:
        return [(main.quantity, main.unit, "")]
    found = []
    for field in main.dtype.names:
        match = re.fullmatch(r"(.*?)\s*[\[(]([^\])]*)[\])]", field)
        found.append((match[1], match[2], field) if match else (field, "", field))
    return found


def _type(main: Main, field: str) -> np.dtype:
    kind = main.dtype[field] if field else main.dtype
    if kind.kind not in "fciub" or kind.itemsize > 16:
        raise ReadError(f"numbers of type {kind} in {main.place} are not understood")
    return kind


def _split(main: Main, label: str, unit: str, channel_axis: int | None) -> list[tuple[str, str]]:
    """Names and units along an axis of channels, which the file writes with underscores between them."""
    if channel_axis is None:
        return [(label, unit)]
    dim = main.dims[channel_axis]
    n = len(dim.values)
    names, units = dim.quantity.split("_"), dim.unit.split("_")
    names = names if len(names) == n else [f"{label} {k}" for k in range(n)]
    return list(zip(names, units if len(units) == n else [unit] * n, strict=True))


def _lazy(path: Path, main: Main, field: str, part: str, place: tuple[int, int] | None) -> Lazy:
    shape = tuple(n for k, n in enumerate(main.shape) if place is None or k != place[0])
    kind = _type(main, field)
    real = np.dtype(f"f{kind.itemsize // 2}") if part else kind
    load = partial(_load, path, main, field, part, place)
    small = real.kind == "f" and real.itemsize in (4, 8)
    return Lazy(shape, real.newbyteorder("=") if small else np.dtype(float), load)


def _load(
    path: Path, main: Main, field: str, part: str, place: tuple[int, int] | None, which: np.ndarray
) -> np.ndarray:
    """The numbers at some places of the first axis that is left, opened anew."""

    with hdf5.opened(path) as file:
        dataset = file[main.place]
        out = [_slab(dataset, main, int(k), place) for k in which]
    cells = np.stack([o[field] if field else o for o in out])
    return getattr(cells, part) if part else cells


def _slab(dataset: Any, main: Main, k: int, place: tuple[int, int] | None) -> np.ndarray:
    """All numbers at one place of the scan's first axis."""
    first = 0 if place is None or place[0] != 0 else 1
    if main.order is not None:
        at: list[Any] = [slice(None)] * len(main.order)
        at[main.order[first]] = k
        if place is not None:
            at[main.order[place[0]]] = place[1]
        left = [axis for axis in main.order if isinstance(at[axis], slice)]
        slab = np.asarray(dataset[tuple(at)])
        return slab.transpose(np.argsort(np.argsort(left))) if left else slab
    assert main.rows is not None
    assert main.columns is not None
    rows = main.rows[k]
    wanted = np.atleast_1d(rows).ravel()
    sorted_rows = np.unique(wanted)
    table = np.asarray(dataset[int(sorted_rows[0]) : int(sorted_rows[-1]) + 1])[sorted_rows - sorted_rows[0]]
    cells = table[np.searchsorted(sorted_rows, wanted)][:, main.columns.ravel()]
    return cells.reshape(*np.shape(rows), *main.columns.shape)
