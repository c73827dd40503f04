"""Gwyddion's native files (`.gwy`), read and written.

Layout: Gwyddion user guide, "Gwyddion native format GWY": four letters GWYP, then one serialised object, which is a
name, a size and components; a component is a name, a letter for its type, and a value, which may be an object again.
Channels are `/N/data` with their titles, masks and metadata beside them, the top line first. Their numbers are written
as float64 whatever they were, the one kind that the guide gives a GwyDataField ("array of doubles"): a film recorded in
16 bits takes four times its size. What has to stay small goes into `.zarr` or `.nc`.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, WriteError
from ..core.files import write_whole
from ..core.grid import Channel, Grid, unique
from ..core.units import is_si, to_si
from . import gwy_place as places
from .gwy_place import FACTS, LOST, PLACE, Place
from .layout import Size, count, given_axes, join_directions, positive, split_direction, take, text
from .pick import KEPT, regular

NAME = "gwy"
SUFFIXES = (".gwy",)
GENERIC = False

_TOLD = 6  # variables that are named when they cannot be kept
NEEDS_SIZE = True  # a channel without a lateral unit has no physical size

MAGIC = b"GWYP"
_ATOMS = {"b": "<B", "c": "<b", "i": "<i", "q": "<q", "d": "<d", "f": "<f"}
_ARRAYS = {"C": "i1", "I": "<i4", "Q": "<i8", "D": "<f8", "F": "<f4"}
_GLIB = {16: "c", 20: "b", 24: "i", 40: "q", 60: "d", 64: "s", 80: "o"}  # types in the containers of Gwyddion 1
_DEEPEST = 32  # objects within objects; a container with fields and their units is 3 deep


class Object(dict[str, Any]):
    """A serialised object: its components by name, and what it is."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(MAGIC)


def read(path: Path, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[Grid]:
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        raise ReadError("it does not begin with GWYP")
    return images(unpack(data), path, size)


def unpack(data: bytes, old: bool = False) -> Object:
    """The container behind the four letters; old: as Gwyddion 1 wrote it."""
    container, end = _object(data, 4, 0, old)
    if end != len(data):
        raise ReadError(f"the container ends at byte {end} of {len(data)}; the file is damaged")
    return container


def images(container: Object, path: Path, size: Size) -> list[Grid]:
    """The images of a container, those of the same size together."""
    fields = {int(m[1]): o for key, o in container.items() if (m := re.fullmatch(r"/(\d+)/data", key)) and _field(o)}
    if not fields:
        raise ReadError("the container holds no image channel (no /0/data)")
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, o in sorted(fields.items()):
        place = _place(container, i)
        size_of = o.get("xres"), o.get("yres"), o.get("xreal"), o.get("yreal"), _unit(o, "xy")
        groups.setdefault((*size_of, place and place.scan), []).append(i)
    return [
        _grid(container, {i: fields[i] for i in ids}, size, path.stem if k == 0 else f"{path.stem}_{k + 1}")
        for k, ids in enumerate(groups.values())
    ]


def _place(container: Object, i: int) -> Place | None:
    meta = container.get(f"/{i}/meta")
    return places.place_of(meta.get(_OURS + PLACE)) if isinstance(meta, dict) else None


def _field(o: object) -> bool:
    return isinstance(o, Object) and o.kind == "GwyDataField"


def _unit(field: Object, which: str) -> str:
    unit = field.get(f"si_unit_{which}", {})
    return str(unit.get("unitstr", "")) if isinstance(unit, dict) else ""


def _grid(container: Object, fields: Mapping[int, Object], size: Size, name: str) -> Grid:
    first = next(iter(fields.values()))
    shape = count(first["yres"], "yres"), count(first["xres"], "xres")
    factor, si = to_si(_unit(first, "xy"))
    own = None
    if si == "m":
        own = positive(first["yreal"], "yreal") * factor, positive(first["xreal"], "xreal") * factor
    recorded, slices, masks, header = [], [], [], {}
    for i, field in fields.items():
        title = str(container.get(f"/{i}/data/title", f"channel {i}"))
        meta = container.get(f"/{i}/meta", {})
        base, way = split_direction(title)
        values, mask, place = _values(field, shape), _mask(container, i, shape), _place(container, i)
        if isinstance(meta, dict) and (gone := places.lost(values, meta.get(_OURS + LOST), mask)) is not None:
            values = np.where(gone, np.nan, values)
            mask = None if mask is not None and np.array_equal(mask > 0, ~np.isfinite(values)) else mask
        channel = _channel(title, base, values, _unit(field, "z"), meta)
        if place is None:
            recorded.append((base, way, channel))
        else:
            slices.append((place, channel))
        if mask is not None:
            masks.append(Channel("mask", mask, "1", f"mask of {title}"))
        header[str(i)] = {"title": title, "meta": _facts(meta)}
    channels, axes = places.joined(slices)
    others, ways = join_directions(recorded)
    axes |= ways | given_axes(shape, size, own, "this channel")
    about = {"filename": container.get("/filename", ""), "channels": header}
    return Grid(name, unique(channels + others + masks), axes, about, _kept(header))


def _mask(container: Object, i: int, shape: tuple[int, int]) -> np.ndarray | None:
    mask = container.get(f"/{i}/mask")
    return _values(mask, shape) if isinstance(mask, Object) and mask.kind == "GwyDataField" else None


def _channel(title: str, base: str, values: np.ndarray, unit: str, meta: object) -> Channel:
    ours = meta if isinstance(meta, dict) else {}
    if all(isinstance(ours.get(_OURS + k), str) for k in ("variable", "unit", "vendor_name")):
        name, unit, vendor_name = (str(ours[_OURS + k]) for k in ("variable", "unit", "vendor_name"))
        if re.fullmatch(r"[a-z][a-z0-9_]*", name) and is_si(unit):
            return Channel(name, values, unit, vendor_name)
    channel = Channel.from_vendor(base, values, unit)
    return Channel(channel.name, channel.data, channel.unit, title, ("y", "x"), channel.attrs)


def _values(field: Object, shape: tuple[int, int]) -> np.ndarray:
    data = field.get("data")
    if (
        (field.get("yres"), field.get("xres")) != shape
        or not isinstance(data, np.ndarray)
        or data.size != np.prod(shape)
    ):
        raise ReadError(f"a field says {field.get('yres')} × {field.get('xres')} pixels and holds other numbers")
    return data.reshape(shape).astype(data.dtype.newbyteorder("="))


def _facts(value: object) -> object:
    """JSON-able picture of a nested object, large arrays as their length."""
    if isinstance(value, dict):
        return {k: _facts(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= 64 else f"array of {value.size}"
    return [_facts(v) for v in value] if isinstance(value, list) else value


def _object(data: bytes, at: int, depth: int, old: bool) -> tuple[Object, int]:
    if depth > _DEEPEST:
        raise ReadError("objects are nested deeper than any Gwyddion file; the file is damaged")
    kind, at = _string(data, at, len(data))
    (size,) = struct.unpack_from("<I", data, at)
    at += 4
    end = at + size
    if end > len(data):
        raise ReadError(f"object {kind[:40]!r} needs {size} bytes from byte {at}, but the file ends at {len(data)}")
    out = Object(kind)
    while at < end:
        letter = ""
        if old and kind == "GwyContainer":  # the type is a number of GLib's and comes before the name
            letter, at = _GLIB.get(struct.unpack_from("<I", data, at)[0], "?"), at + 4
        name, at = _string(data, at, end)
        if at >= end:
            raise ReadError(f"component {name[:40]!r} has no value; the file is damaged")
        if not letter:
            letter, at = chr(data[at]), at + 1
        out[name], at = _value(data, at, letter, depth, name, old)
        if at > end:
            raise ReadError(f"component {name[:40]!r} reaches beyond its object; the file is damaged")
    return out, end


def _value(data: bytes, at: int, kind: str, depth: int, name: str, old: bool) -> tuple[Any, int]:
    if kind in _ATOMS:
        (value,) = struct.unpack_from(_ATOMS[kind], data, at)
        return (bool(value) if kind == "b" else value), at + struct.calcsize(_ATOMS[kind])
    if kind == "s":
        return _string(data, at, len(data))
    if kind == "o":
        return _object(data, at, depth + 1, old)
    if kind not in _ARRAYS and kind not in "SO":
        raise ReadError(f"component {name[:40]!r} has the unknown type {kind!r}; the file is damaged")
    (n,) = struct.unpack_from("<I", data, at)
    at += 4
    if kind in _ARRAYS:
        values = take(data, at, (n,), _ARRAYS[kind], f"component {name[:40]!r}")
        return values, at + values.nbytes
    if n > len(data) - at:
        raise ReadError(f"component {name[:40]!r} is said to have {n} items; the file is damaged")
    items = []
    for _ in range(n):
        item, at = _string(data, at, len(data)) if kind == "S" else _object(data, at, depth + 1, old)
        items.append(item)
    return items, at


def _string(data: bytes, at: int, end: int) -> tuple[str, int]:
    stop = data.find(b"\0", at, end)
    if stop < 0:
        raise ReadError(f"a name at byte {at} has no end; the file is damaged")
    return text(data[at:stop]), stop + 1


# What our own writer keeps beside a channel, and gives back when the file is read.
_OURS = "sharptip "
_NOT_FACTS = (*KEPT, "source", "format", "size")  # attributes that are kept by name, or are those of the file itself


def _kept(channels: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """Attributes that our writer left in the metadata: history, header and what was known of the scan."""
    metas = [c["meta"] for c in channels.values() if isinstance(c["meta"], dict)]
    kept = {k.removeprefix(_OURS): v for k, v in (metas[0] if metas else {}).items() if k.startswith(_OURS)}
    try:
        listed = json.loads(str(kept.get("history")))
    except ValueError:
        return {}
    if not isinstance(listed, list):
        return {}
    others = {k: v for k, v in places.facts_in(kept.get(FACTS)).items() if k not in _NOT_FACTS}
    return others | {k: kept[k] for k in KEPT if isinstance(kept.get(k), str)}


def write(nodes: Mapping[str, Any], path: Path) -> list[str]:
    """Write every image of the scans into one container; returns what it cannot keep."""
    scans = [one for one in nodes.values() if one.data_vars]
    data = contained(scans, path)
    odd = [f"the attributes {', '.join(some)}" for one in scans if (some := places.not_plain(one))]
    others = [f"{name} {dict(v.sizes)}" for one in scans for name, v in one.data_vars.items()
              if not {"y", "x"} <= set(v.dims)]  # fmt: skip
    more = f" and {len(others) - _TOLD} more" if len(others) > _TOLD else ""
    write_whole(path, lambda temporary: temporary.write_bytes(data))
    return [*([f"what is no image: {', '.join(others[:_TOLD])}{more}"] if others else []), *odd]


def contained(scans: list[Any], path: Path) -> bytes:
    """The bytes of a container with every image of the scans, each slice of a repeated axis as its own channel.

    Titles say the slice, e.g. 'height [frame 3, 1.5 s]'; header and history of the scan are in each channel's
    metadata, and so is its place along the axes. Lost pixels (NaN) get a mask, as Gwyddion has it.
    """
    parts, i = [], 0
    for number, scan in enumerate(scans):
        masks = [v for v in scan.data_vars if str(v) == "mask"]
        first = i
        for name in scan.data_vars:
            if str(name) in masks and len(scan.data_vars) > 1:
                continue
            for index in _slices(scan, str(name)):
                parts += _channel_parts(scan, str(name), number, index, i)
                i += 1
        if masks and len(scan.data_vars) > 1 and set(scan["mask"].dims) == {"y", "x"} and i > first:
            parts.append(_component(f"/{first}/mask", "o", _field_bytes(scan, _image(scan, "mask", {}), "1")))
    if not i:
        raise WriteError("there is no image (a variable with axes y and x) to write as .gwy; write .zarr")
    parts.append(_component("/filename", "s", str(path.name)))
    return MAGIC + _object_bytes("GwyContainer", b"".join(parts))


def _slices(scan: Any, name: str) -> Iterator[dict[str, int]]:
    """Where each (y, x) image of a variable is; nothing for a variable that is no image."""
    variable = scan[name]
    if not {"y", "x"} <= set(variable.dims):
        return
    repeats = [d for d in variable.dims if d not in ("y", "x")]
    for flat in np.ndindex(*(variable.sizes[d] for d in repeats)):
        yield dict(zip(map(str, repeats), map(int, flat), strict=True))


def _channel_parts(scan: Any, name: str, number: int, index: dict[str, int], i: int) -> list[bytes]:
    unit = str(scan[name].attrs.get("units", "1"))
    about = {"variable": name, "unit": unit, "vendor_name": str(scan[name].attrs.get("vendor_name", name))}
    about |= {k: str(scan.attrs[k]) for k in KEPT if k in scan.attrs} | {PLACE: places.said(number, scan, name, index)}
    about |= {FACTS: places.facts_of(scan, _NOT_FACTS)}
    values, gone, fill = places.filled(_image(scan, name, index))
    own_mask = "mask" in scan.data_vars and name != "mask"
    parts = [
        _component(f"/{i}/data", "o", _field_bytes(scan, values, unit)),
        _component(f"/{i}/data/title", "s", places.title(name, scan, index, scan[name].attrs.get("direction"))),
        _component(f"/{i}/data/visible", "b", i == 0),
    ]
    if gone is not None:
        about[LOST] = repr(fill)
        if not own_mask:
            parts.append(_component(f"/{i}/mask", "o", _field_bytes(scan, gone, "1")))
    meta = b"".join(_component(_OURS + k, "s", v) for k, v in about.items())
    return [*parts, _component(f"/{i}/meta", "o", _object_bytes("GwyContainer", meta))]


def _image(scan: Any, name: str, index: dict[str, int]) -> np.ndarray:
    values = scan[name].isel(index).transpose("y", "x").values
    if np.iscomplexobj(values):
        raise WriteError(f"{name!r} is complex, which .gwy cannot hold; write .zarr")
    return np.asarray(values, float)


def _field_bytes(scan: Any, values: np.ndarray, unit: str) -> bytes:
    lateral = scan["x"].attrs.get("units")
    parts = []
    for axis in ("x", "y"):
        at, step = regular(scan, axis, ".gwy")
        parts += [
            _component(f"{axis}res", "i", scan.sizes[axis]),
            _component(f"{axis}real", "d", step * scan.sizes[axis]),
            _component(f"{axis}off", "d", at),
        ]
    for which, said in (("xy", "m" if lateral == "m" else ""), ("z", "" if unit in ("1", "arb") else unit)):
        parts.append(_component(f"si_unit_{which}", "o", _object_bytes("GwySIUnit", _component("unitstr", "s", said))))
    parts.append(_component("data", "D", np.ascontiguousarray(values, "<f8")))
    return _object_bytes("GwyDataField", b"".join(parts))


def _object_bytes(kind: str, components: bytes) -> bytes:
    if len(components) >= 2**32:
        raise WriteError("an object of a .gwy file cannot exceed 4 GiB; write .zarr")
    return kind.encode() + b"\0" + struct.pack("<I", len(components)) + components


def _component(name: str, kind: str, value: Any) -> bytes:
    start = name.encode() + b"\0" + kind.encode()
    if kind == "o":
        return start + bytes(value)
    if kind == "s":
        return start + str(value).replace("\0", " ").encode() + b"\0"
    if kind == "D":
        return start + struct.pack("<I", value.size) + value.tobytes()
    return start + struct.pack(_ATOMS[kind], value)
