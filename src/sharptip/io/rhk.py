"""RHK Technology files (`.sm4` of XPMPro and R9): images and spectra. Untested on real files.

Layout: RHK's description of SM4, known from spym and from Gwyddion's notes. A file header lists objects (kind, byte,
size); one of them is the index of the pages, and every page lists its own: a header, 16-bit strings, the numbers, where
the tip was. A page is one channel of one direction. Its numbers are integers (floats for computed lines), value =
scale · number + offset, and position = scale · place + offset: where the scale along x is negative a line is stored
from its right end, and where that along y is positive the lowest line comes first.

Of a file that was cut off behind the list of its pages, the pages before its end are read, and the whole lines of the
one in which it ends.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.units import to_si
from .cut_off import There
from .layout import count, finite, image_axes, join_directions, positive, take

NAME = "rhk"
SUFFIXES = (".sm4",)
GENERIC = False
UNTESTED = "the RHK reader is written from the published layout and has met no real file; compare with RHK's software"

_MAGIC = "STiMage 00"  # followed by the version, 005 or 006; older ones are laid out otherwise
_VERSIONS = ("5.", "6.")
_PAGE_INDEX, _PAGE_ARRAY, _PAGE_HEADER, _PAGE_DATA, _SPECTRA_PLACES, _STRINGS = 1, 2, 3, 4, 8, 10
_PRM, _PRM_HEADER = 13, 15
_SHOWN = (_PAGE_DATA, 9, 14, 16)  # numbers, colours and thumbnails are no header
_IMAGE, _LINE = 0, 1  # of page data; the others are text, annotations and movies
_RIGHT, _LEFT = 0, 1
_DISCRETE = 22  # a line type that stores its own positions before the spectra
_FLOAT_LINES = (1, 6, 9, 10, 11, 13, 18, 19, 21, 22)
_SWEEPS = {"V": "bias", "m": "distance", "Hz": "frequency", "s": "time"}
_MOST = 4096  # pages, objects of one list, strings
_LONGEST_TEXT = 2**24  # bytes of the parameters when unpacked

_OBJECT = np.dtype([("kind", "<u4"), ("at", "<u4"), ("size", "<u4")])
_FILE = np.dtype([("size", "<u2"), ("magic", "<u2", 18), ("pages", "<u4"), ("objects", "<u4"), ("object_size", "<u4")])
_INDEX = np.dtype([("pages", "<u4"), ("objects", "<u4"), ("reserved", "<u4", 2)])
_ENTRY = np.dtype([("id", "<u2", 8), ("data", "<u4"), ("source", "<u4"), ("objects", "<u4"), ("version", "<u4")])
_PAGE = np.dtype([
    ("field_size", "<u2"), ("strings", "<u2"), ("page_type", "<u4"), ("sub_source", "<u4"), ("line_type", "<u4"),
    ("x_corner", "<i4"), ("y_corner", "<i4"), ("nx", "<u4"), ("ny", "<u4"), ("image_type", "<u4"), ("scan", "<u4"),
    ("group", "<u4"), ("data_size", "<u4"), ("z_min", "<u4"), ("z_max", "<u4"), ("x_scale", "<f4"), ("y_scale", "<f4"),
    ("z_scale", "<f4"), ("xy_scale", "<f4"), ("x_offset", "<f4"), ("y_offset", "<f4"), ("z_offset", "<f4"),
    ("period", "<f4"), ("bias", "<f4"), ("current", "<f4"), ("angle", "<f4"), ("colours", "<u4"), ("grid_nx", "<u4"),
    ("grid_ny", "<u4"), ("objects", "<u4"), ("is_32_bit", "<u1"), ("reserved", "<u1", 63),
])  # fmt: skip
_TEXTS = (
    "label", "system_text", "session_text", "user_text", "file_name", "date", "time", "x_units", "y_units", "z_units",
    "x_label", "y_label", "status", "completed_lines", "oversampling", "sliced_voltage", "pll_status",
    "set_point_unit", "drive_values",
)  # fmt: skip

Objects = dict[int, tuple[int, int]]  # kind → (byte, size)


@dataclass(frozen=True)
class Page:
    """One channel: what is said of it, its values (y, x) or (site, sample), and where the tip stood for each site."""

    kind: int
    about: dict[str, Any]
    values: np.ndarray
    places: np.ndarray | None = None
    sweep: np.ndarray | None = None


def detect(head: bytes, path: Path) -> bool:
    said = head[2:28].decode("utf-16-le", "replace")
    return said.startswith(_MAGIC) and said[len(_MAGIC) :].startswith(_VERSIONS)


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    if not detect(data, path):
        raise ReadError("it does not begin like an RHK file of version 5 or 6")
    about = _record(data, 0, _FILE, "the file header")
    objects = _objects(data, about["size"] + 2, about["objects"])
    index_at = _place(objects, _PAGE_INDEX, "an index of pages")
    index = _record(data, index_at, _INDEX, "the index of pages")
    at = _place(_objects(data, index_at + _INDEX.itemsize, index["objects"]), _PAGE_ARRAY, "a list of pages")
    pages, left_out, there = list[Page](), list[str](), There(len(data))
    for i in range(_few(index["pages"], "pages")):
        entry = _record(data, at, _ENTRY, f"page {i}")
        found = _objects(data, at + _ENTRY.itemsize, entry["objects"])
        at += _ENTRY.itemsize + entry["objects"] * _OBJECT.itemsize
        page = None
        if entry["data"] in (_IMAGE, _LINE):
            page = _page(data, entry, found, f"page {i}", there)
            if page is None:  # it was cut off
                continue
        if page is None or not _usable(page):
            left_out.append(f"page {i} ({page.about['label'] if page else 'of data type ' + str(entry['data'])})")
        else:
            pages.append(page)
    settings = _parameters(data, objects, there)
    cut = there.attrs()
    if not pages:
        raise ReadError(f"no page of it is an image or a spectrum; there are {', '.join(left_out) or 'none'}")
    header = {"parameters": settings, "pages": [page.about for page in pages]}
    said = {"reader_untested": UNTESTED, **({"left_out": ", ".join(left_out)} if left_out else {}), **cut}
    return [*_images(path.stem, pages, header, said), *_spectra(path.stem, pages, header, said)]


def _record(data: bytes, at: int, fields: np.dtype, what: str) -> dict[str, Any]:
    record = take(data, at, (fields.itemsize,), "u1", what).view(fields)
    return {name: record[name][0].tolist() for name in fields.names or ()}


def _few(number: int, what: str) -> int:
    if number > _MOST:
        raise ReadError(f"it claims {number} {what}; the file is damaged")
    return number


def _objects(data: bytes, at: int, number: int) -> Objects:
    listed = take(data, at, (_few(number, "objects") * _OBJECT.itemsize,), "u1", "a list of objects").view(_OBJECT)
    return {int(o["kind"]): (int(o["at"]), int(o["size"])) for o in listed if o["at"]}


def _place(objects: Objects, kind: int, what: str) -> int:
    if kind not in objects:
        raise ReadError(f"it has not {what}; the file is damaged")
    return objects[kind][0]


def _page(data: bytes, entry: dict[str, Any], found: Objects, name: str, there: There) -> Page | None:
    """A page; None where the file was cut off before its first line is whole."""
    at = _place(found, _PAGE_HEADER, "a page header")
    if at + _PAGE.itemsize > there.size:
        there.count(name, at, 1, _PAGE.itemsize, "headers")
        return None
    about = _record(data, at, _PAGE, "a page header")
    own = _objects(data, at + _PAGE.itemsize, about["objects"])
    about |= _texts(data, _place(own, _STRINGS, "the names of a page"), about["strings"])
    about |= {k: finite(about[k], k) for k in ("x_scale", "y_scale", "z_scale", "x_offset", "z_offset")}
    about["other_objects"] = {k: data[o : o + n].hex() for k, (o, n) in own.items() if k not in (*_SHOWN, _STRINGS)}
    shape = count(about["ny"], "the lines of a page"), count(about["nx"], "the points of a line")
    with_positions = shape[1], shape[0] + 1
    discrete = entry["data"] == _LINE and about["line_type"] == _DISCRETE
    discrete = discrete and about["data_size"] == 4 * math.prod(with_positions)
    stored = with_positions if discrete else shape
    kind = "<f4" if entry["data"] == _LINE and about["line_type"] in _FLOAT_LINES else "<i4"
    size = math.prod(stored) * np.dtype(kind).itemsize
    if about["data_size"] != size:
        raise ReadError(f"{about['label']!r} has {about['data_size']} bytes, not the {size} that it needs")
    numbers = there.take(data, _place(found, _PAGE_DATA, "the numbers of a page"), stored, kind, name)
    if numbers is None or (discrete and np.isnan(numbers[-1]).any()):  # of these a line is a sample of all curves
        return None
    sweep = about["x_scale"] * np.arange(shape[1]) + about["x_offset"]
    if discrete:
        sweep, numbers = numbers[:, 0].astype(float), numbers[:, 1:].T
    places = None
    if entry["data"] == _LINE and _SPECTRA_PLACES in own:
        places = take(data, own[_SPECTRA_PLACES][0], (shape[0], 7), "<f4", "where the tip was")[:, 1:3]
    return Page(entry["data"], about, numbers * np.float64(about["z_scale"]) + about["z_offset"], places, sweep)


def _texts(data: bytes, at: int, number: int) -> dict[str, str]:
    """Strings one behind the other, each with its number of 16-bit characters before it."""
    said: dict[str, str] = dict.fromkeys(_TEXTS, "")
    for i in range(number):
        length = int(take(data, at, (1,), "<u2", "a string")[0])
        raw = take(data, at + 2, (2 * length,), "u1", "a string").tobytes()
        said[_TEXTS[i] if i < len(_TEXTS) else f"text_{i}"] = raw.decode("utf-16-le", "replace").rstrip("\0")
        at += 2 + 2 * length
    return said


def _parameters(data: bytes, objects: Objects, there: There) -> str:
    """The text of all settings that XPMPro writes, packed by zlib or not; '' where the file was cut off before it."""
    if not {_PRM, _PRM_HEADER} <= set(objects):
        return ""
    for kind in (_PRM_HEADER, _PRM):
        at, length = objects[kind]
        if at + length > len(data) and not there.count("the text of all settings", at, 1, max(length, 1), "texts"):
            return ""
    packed, size, packed_size = (int(n) for n in take(data, objects[_PRM_HEADER][0], (3,), "<u4", "the settings"))
    length = packed_size if packed else size
    raw = take(data, objects[_PRM][0], (length,), "u1", "the settings").tobytes()
    if packed:
        raw = zlib.decompressobj().decompress(raw, _LONGEST_TEXT)
    if len(raw) < size:
        raise ReadError(f"the settings have {len(raw)} bytes, not {size}; the file is damaged")
    return raw[:size].decode("cp437")


def _usable(page: Page) -> bool:
    """Whether a scan can hold it: an image has lengths along both axes, unlike, say, a Fourier transform."""
    return page.kind == _LINE or {_unit(page.about["x_units"])[1], _unit(page.about["y_units"])[1]} == {"m"}


def _unit(text: str) -> tuple[float, str]:
    try:
        return to_si(text)
    except UnitError:
        return 1.0, "arb"


def _images(name: str, pages: list[Page], header: object, said: dict[str, Any]) -> list[Grid]:
    """Pages of the same pixels are one scan; row 0 is the top and x runs to the right."""
    groups: dict[tuple[object, ...], list[Page]] = {}
    for page in pages:
        a = page.about
        if page.kind == _IMAGE:
            groups.setdefault((page.values.shape, abs(a["x_scale"]), abs(a["y_scale"]), a["group"]), []).append(page)
    grids = []
    for group in groups.values():
        recorded = [_image(page) for page in group]
        channels, axes = join_directions(recorded)
        about, shape = group[0].about, group[0].values.shape
        dy, dx = (positive(abs(about[f"{k}_scale"]), "a pixel") * _unit(about[f"{k}_units"])[0] for k in "yx")
        axes |= image_axes((shape[0], shape[1]), shape[0] * dy, shape[1] * dx)
        lines = {int(t) for p in group if (t := p.about["completed_lines"]).isdecimal()}
        part = {"completed_lines": min(lines)} if lines and 0 < min(lines) < shape[0] else {}
        grids.append(Grid(name, unique(channels), axes, header, {**said, **part}))
    return grids


def _image(page: Page) -> tuple[str, str | None, Channel]:
    about = page.about
    values = page.values[:: -1 if about["y_scale"] > 0 else 1, :: -1 if about["x_scale"] < 0 else 1]
    way = {_RIGHT: "forward", _LEFT: "backward"}.get(about["scan"])
    label = about["label"] or "image"
    return label, way, Channel.from_vendor(label, np.ascontiguousarray(values), about["z_units"] or "arb")


def _spectra(name: str, pages: list[Page], header: object, said: dict[str, Any]) -> list[Grid]:
    """Spectra of the same sweep at the same places are one scan."""
    groups: dict[tuple[object, ...], list[Page]] = {}
    for page in pages:
        if page.kind == _LINE and page.sweep is not None:
            at = b"" if page.places is None else page.places.tobytes()
            groups.setdefault((page.values.shape, page.about["x_units"], page.sweep.tobytes(), at), []).append(page)
    grids = []
    for group in groups.values():
        about, sweep = group[0].about, group[0].sweep
        factor, unit = _unit(about["x_units"])
        along = _SWEEPS.get(unit, "sample")
        axis = Axis(np.asarray(sweep) * factor, unit if along != "sample" else "1")
        dims = ("site", along)
        channels = [_spectrum(page, dims) for page in group]
        if group[0].places is not None:
            x, y = group[0].places.astype(float).T
            channels += [Channel(f"tip_{k}", v, "m", f"{k} coordinate", ("site",)) for k, v in (("x", x), ("y", y))]
        axes = {"site": Axis(np.arange(group[0].values.shape[0]), "1"), along: axis}
        grids.append(Grid(f"{name} {about['label'] or 'spectra'}", unique(channels), axes, header, said))
    return grids


def _spectrum(page: Page, dims: tuple[str, str]) -> Channel:
    label = page.about["label"] or "spectrum"
    return Channel.from_vendor(label, np.ascontiguousarray(page.values), page.about["z_units"] or "arb", dims)
