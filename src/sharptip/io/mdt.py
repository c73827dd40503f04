"""NT-MDT files (`.mdt`): frames one after the other, each an image, spectra, a text or a palette.

Layout: NT-MDT's published structure, as the kaitai project describes it; frames of many curves (type 190) explain
themselves in their `index.xml`. A frame is 22 bytes of type, version and date, and what belongs to its type: old images
and spectra hold 16-bit integers with offset, step and a code for the unit; MDA frames (from version 7 on) name and
calibrate each dimension and quantity. The first line of an image is its bottom one; backward lines run from left to
right already. A title such as `1F:Height` says pass and direction.

Of a file that was cut off, the frames that are whole are read, and the whole lines of an image in which it ends. In
older frames the title stands behind the numbers and is lost then.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.units import to_si
from .cut_off import LEAST, Part, There
from .layout import SWEPT, Size, count, finite, given_axes, image_axes, join_directions, positive, take, text

NAME = "mdt"
SUFFIXES = (".mdt",)
GENERIC = False
NEEDS_SIZE = True  # a frame may count its pixels only

_MAGIC = b"\x01\xb0\x93\xff"
_START, _HEAD = 33, 22
_IMAGE, _SPECTRUM, _TEXT, _OLD_MDA, _MDA, _PALETTE, _CURVES, _POINTS = 0, 1, 3, 105, 106, 107, 190, 201
_TYPES = {_TEXT: "a text", _OLD_MDA: "an old MDA frame", _PALETTE: "a palette"}
_UNITS = {
    -10: "1/cm", -5: "m", -4: "cm", -3: "mm", -2: "µm", -1: "nm", 0: "Å", 1: "nA", 2: "V", 3: "", 4: "kHz", 5: "deg",
    6: "%", 7: "°C", 8: "V", 9: "s", 10: "ms", 11: "µs", 12: "ns", 13: "counts", 14: "px", 20: "A", 21: "mA", 22: "µA",
    23: "nA", 24: "pA", 25: "V", 26: "mV", 27: "µV", 28: "nV", 29: "pV", 30: "N", 31: "mN", 32: "µN", 33: "nN",
    34: "pN",
}  # fmt: skip
_SI_CODES = {0x1: "", 0x101: "m", 0x100001: "A", 0xFFFD010200: "V", 0x1000001: "s"}
_CELLS = {-1: "i1", 1: "u1", -2: "<i2", 2: "<u2", -4: "<i4", 4: "<u4", -8: "<i8", 8: "<u8", -5892: "<f4", -13320: "<f8"}
_MOST = 64  # dimensions and quantities of a frame
_LONGEST_INDEX = 2**26


@dataclass(frozen=True)
class Frame:
    """One frame: its own bytes, and what its beginning says."""

    index: int
    kind: int
    version: str
    date: tuple[int, ...]
    variables: int
    data: bytes  # zeros behind its end, where the file was cut off
    there: int  # bytes of it that the file has

    @property
    def whole(self) -> bool:
        return self.there == len(self.data)


@dataclass(frozen=True)
class Scale:
    """physical = offset + step · number, in a vendor's unit."""

    offset: float
    step: float
    unit: str

    def axis(self, n: int) -> Axis:
        factor, unit = _si(self.unit)
        return Axis((self.offset + np.arange(n) * self.step) * factor, unit)


@dataclass(frozen=True)
class Found:
    """What one frame holds: channels on common axes, named by a title; `image` where these are y and x."""

    title: str
    recorded: list[tuple[str, str | None, Channel]]
    axes: dict[str, Axis]
    header: dict[str, object]
    key: tuple[object, ...] = ()
    more: list[Channel] = field(default_factory=list)


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_MAGIC)


def read(path: Path, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[Grid]:
    data = path.read_bytes()
    there = There(len(data))
    frames = _frames(data, there)
    found: list[Found] = []
    others: list[dict[str, object]] = []
    unread: list[str] = []
    for frame in frames:
        about = {"frame": frame.index, "type": frame.kind, "version": frame.version, "date": list(frame.date)}
        if not frame.whole:
            found += _begun(frame, about, size, there)
        elif frame.kind in _READ:
            try:
                found.append(_READ[frame.kind](frame, about, size))
            except NotImplementedError as error:
                unread.append(f"frame {frame.index}: {error}")
                others.append(about)
        elif frame.kind in _TYPES:
            others.append(about | {"what": _TYPES[frame.kind], "text": _readable(frame)})
        else:
            unread.append(f"frame {frame.index}: of the unknown type {frame.kind}")
    cut = there.attrs()
    if not found:
        kinds = unread + [str(o["what"]) for o in others if "what" in o]
        raise ReadError(f"no frame holds an image or a spectrum; there are {', '.join(kinds) or 'none'}")
    _only_unknown(found, size)
    grids = [_grid(path.stem, i, group, others) for i, group in enumerate(_groups(found))]
    if unread:
        grids[0] = replace(grids[0], attrs={**grids[0].attrs, "unread_frames": json.dumps(unread)})
    return [replace(grid, attrs={**grid.attrs, **cut}) for grid in grids]


def _frames(data: bytes, there: There) -> list[Frame]:
    """The frames one behind the other; of a file that was cut off, the last one is not whole."""
    said, _, last = struct.unpack_from("<IIH", data, 4)
    if said + _START < len(data):
        raise ReadError(f"the file says it has {said + _START} bytes and has {len(data)}; it is damaged")
    there.end = said + _START
    frames, at = list[Frame](), _START
    while len(frames) <= last and (at + _HEAD <= len(data) or there.end == len(data)):
        index = len(frames)
        size, kind, major, minor, *date, variables = struct.unpack_from("<IHBB6HH", data, at)
        if size < _HEAD + variables or at + size > there.end or size > len(data) / LEAST:
            raise ReadError(f"frame {index} is said to be {size} bytes long; the file is damaged")
        raw = data[at : at + size]
        frames.append(Frame(index, kind, f"{major}.{minor}", tuple(date), variables, raw.ljust(size, b"\0"), len(raw)))
        at += size
        if not frames[-1].whole:
            break
    if at > len(data) or len(frames) <= last:
        whole = sum(frame.whole for frame in frames)
        if whole or last:
            there.parts.append(Part("the file" if whole else "what follows", whole, last + 1, "frames"))
    elif at != len(data):
        raise ReadError(f"{len(data) - at} bytes follow the last frame; the file is damaged")
    return frames


def _begun(frame: Frame, about: dict[str, object], size: Size, there: There) -> list[Found]:
    """The frame in which the file ends, if it is an image with a whole line; what is behind its last one is NaN."""
    if frame.kind not in (_IMAGE, _MDA):
        return []
    try:
        one = _READ[frame.kind](frame, about, size)
    except (NotImplementedError, ReadError, LookupError, struct.error):  # its own header is cut off
        return []
    lines, ny = about.get("lines"), len(one.axes["y"].values) if "y" in one.axes else 0
    if not ny or not isinstance(lines, int) or lines < 1:
        return []
    there.parts.append(Part(f"frame {frame.index}", min(lines, ny), ny))
    for _, _, channel in one.recorded:
        assert isinstance(channel.data, np.ndarray)
        channel.data[: max(0, ny - lines)] = np.nan  # the first line is the bottom one
    return [one]


def _readable(frame: Frame) -> str:
    return re.sub(r"[^\x20-\x7e\n]+", "", frame.data[_HEAD:].decode("latin-1").replace("\0", ""))


def _si(unit: str) -> tuple[float, str]:
    try:
        return to_si(unit)
    except UnitError:
        return 1.0, "arb"


# --- grids of frames -------------------------------------------------------------------------------------------------


def _groups(found: list[Found]) -> list[list[Found]]:
    """Frames on the same axes go together, until a title comes again: that is the next scan."""
    groups: list[list[Found]] = []
    for one in found:
        for group in groups:
            if one.key and group[0].key == one.key and one.title not in [g.title for g in group]:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _grid(stem: str, i: int, group: list[Found], others: list[dict[str, object]]) -> Grid:
    channels, axes = join_directions([r for one in group for r in one.recorded])
    more = [c for one in group for c in one.more]
    name = stem if i == 0 else f"{stem} {i + 1}"
    header = {"frames": [one.header for one in group], "others": others}
    return Grid(name, unique(channels + more), group[0].axes | axes, header)


def _direction(title: str) -> tuple[str, str | None]:
    """'2B:Phase' → ('2:Phase', 'backward')."""
    match = re.match(r"(\d*)([FB]):(.*)", title)
    return (f"{match[1]}:{match[3]}", {"F": "forward", "B": "backward"}[match[2]]) if match else (title, None)


def _channel(title: str, values: np.ndarray, unit: str, dims: tuple[str, ...]) -> tuple[str, str | None, Channel]:
    base, way = _direction(title)
    made = Channel.from_vendor(base.split(":", 1)[-1] or "untitled", values, unit, dims)
    return base, way, replace(made, vendor_name=title or "untitled")


def _image_axes(shape: tuple[int, int], scales: tuple[Scale, Scale], size: Size) -> dict[str, Axis]:
    """Axes of an image from its (y, x) scales; the caller's size where the frame knows no lengths."""
    if all(_si(s.unit)[1] == "m" for s in scales):
        if not all(s.step for s in scales):
            raise NotImplementedError("its pixels are 0 wide")
        steps = [positive(abs(s.step), "the pixel size") * _si(s.unit)[0] for s in scales]
        return image_axes(shape, steps[0] * shape[0], steps[1] * shape[1])
    return given_axes(shape, size, None, f"a frame in {scales[0].unit or 'no unit'}")


def _only_unknown(found: list[Found], size: Size) -> None:
    """Refuses a size where every frame has its own."""
    own = [f for f in found if "y" in f.axes and f.header.get("size") != "given"]
    if own and len(own) == len(found):
        ny, nx = (len(own[0].axes[d].values) for d in "yx")
        given_axes((ny, nx), size, (1.0, 1.0), "this file")


# --- frames of 16-bit integers ---------------------------------------------------------------------------------------


def _scales(frame: Frame) -> list[Scale]:
    out = []
    for k in range(3):
        offset, step, code = struct.unpack_from("<ffh", frame.data, _HEAD + 10 * k)
        out.append(Scale(finite(offset, "an offset"), finite(step, "a step"), _UNITS.get(code, "counts")))
    return out


def _integers(frame: Frame, about: dict[str, object]) -> tuple[np.ndarray, list[tuple[float, ...]], str]:
    """(numbers of all lines or points, points, unit of their place) and, in `about`, what follows them."""
    at = _HEAD + frame.variables
    mode, nx, ny, dots = struct.unpack_from("<4H", frame.data, at)
    at, places, unit = at + 8, [], ""
    if dots:
        (length,) = struct.unpack_from("<i", frame.data, at)
        unit = _UNITS.get(struct.unpack_from("<h", frame.data, at + 12)[0], "")
        at += 4 + count(length, "the length of a header")
        places = [struct.unpack_from("<ffii", frame.data, at + 16 * k) for k in range(dots)]
        at += 16 * dots
    n = sum(int(p[2] + p[3]) for p in places) if frame.kind == _POINTS else nx * ny
    values = take(frame.data, at, (count(n, "the number of points"),), "<i2", f"frame {frame.index}")
    if not frame.whole:
        about["lines"] = (frame.there - at) // (2 * max(nx, 1))
    title, end = _string(frame.data, at + 2 * n, "cp1251")
    xml, _ = _string(frame.data, end, "utf-16-le")
    if end > frame.there:
        title = xml = ""  # cut off
    raw = frame.data[_HEAD : _HEAD + frame.variables].hex()
    about |= {"title": title, "xml": xml, "mode": mode, "pixels": [nx, ny], "variables": raw}
    return values, places, unit


def _string(data: bytes, at: int, codec: str) -> tuple[str, int]:
    """A text behind its length; '' where the frame has ended."""
    if at + 4 > len(data):
        return "", at
    (n,) = struct.unpack_from("<I", data, at)
    raw = take(data, at + 4, (n,), "u1", "a text").tobytes()
    return raw.decode(codec, "replace").rstrip("\0"), at + 4 + n


def _calibrated(values: np.ndarray, scale: Scale) -> np.ndarray:
    if scale.step == 0:
        raise NotImplementedError("its converter's step is 0, so that its numbers have no scale")
    return values * np.float64(scale.step) + scale.offset


def _read_image(frame: Frame, about: dict[str, object], size: Size) -> Found:
    x, y, z = _scales(frame)
    values, _, _ = _integers(frame, about)
    nx, ny = (count(n, "pixels") for n in _pixels(about))
    rows = _calibrated(values.reshape(ny, nx)[::-1], z)
    axes = _image_axes((ny, nx), (y, x), size)
    about["size"] = "given" if axes["x"].unit != "m" or _si(x.unit)[1] != "m" else "own"
    title = str(about["title"])
    return Found(title, [_channel(title, rows, z.unit, ("y", "x"))], axes, about, ("image", ny, nx, x, y))


def _pixels(about: dict[str, object]) -> list[int]:
    pixels = about["pixels"]
    assert isinstance(pixels, list)
    return pixels


def _read_spectrum(frame: Frame, about: dict[str, object], size: Size) -> Found:
    """Spectra one after the other, or at points."""
    if struct.unpack_from("<4H", frame.data, _HEAD + frame.variables)[3]:
        return _read_points(replace(frame, kind=_POINTS), about, size)
    x, _, z = _scales(frame)
    values, _, _ = _integers(frame, about)
    nx, ny = (count(max(n, 1), "points") for n in _pixels(about))
    title, swept = str(about["title"]), _sweep(x.unit)
    axes = {swept: x.axis(nx), "site": Axis(np.arange(ny) * 1.0, "1")}
    recorded = [_channel(title, _calibrated(values.reshape(ny, nx), z), z.unit, ("site", swept))]
    return Found(title, recorded, axes, about, ("spectrum", nx, ny, x))


def _sweep(unit: str) -> str:
    return SWEPT.get(_si(unit)[1], "sample")


def _read_points(frame: Frame, about: dict[str, object], size: Size) -> Found:
    """Curves at points, there and back, NaN behind the end of the shorter ones."""
    x, _, z = _scales(frame)
    values, places, unit = _integers(frame, about)
    lengths = np.array([[int(p[2]), int(p[3])] for p in places])
    both = np.full((2, len(places), int(lengths.max())), np.nan)
    at = 0
    for i, ways in enumerate(lengths):
        for k, n in enumerate(ways):
            both[k, i, :n] = _calibrated(values[at : at + n], z)
            at += n
    title, swept = str(about["title"]), _sweep(x.unit)
    made = _channel(title, both, z.unit, ("direction", "site", swept))
    made = (made[0], None, made[2])
    if not lengths[:, 1].any():
        made = (made[0], None, replace(made[2], data=both[0], dims=("site", swept)))
    axes = {swept: x.axis(both.shape[2]), "site": Axis(np.arange(len(places)) * 1.0, "1")}
    if lengths[:, 1].any():
        axes["direction"] = Axis(np.array(["forward", "backward"]), "1")
    more = _tips([p[:2] for p in places], unit)
    return Found(title, [made], axes, about, (), more)


def _tips(places: list[tuple[float, ...]], unit: str) -> list[Channel]:
    factor, si = _si(unit)
    if si != "m":
        return []
    table = np.array(places, float) * factor
    return [Channel(f"tip_{a}", table[:, k], "m", a, ("site",), {"vendor_units": unit}) for k, a in enumerate("xy")]


# --- MDA frames ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """One dimension or one quantity of an MDA frame."""

    name: str
    comment: str
    scale: Scale
    first: int
    last: int
    cell: str


def _read_mda(frame: Frame, about: dict[str, object], size: Size) -> Found:
    head, _, names, comments, view, spec, source = struct.unpack_from("<II36x5I", frame.data, _HEAD)
    at = _HEAD + head
    title = take(frame.data, at, (names,), "u1", "a title").tobytes().decode("cp1251").rstrip("\0")
    xml = take(frame.data, at + names, (comments,), "u1", "a comment").tobytes().decode("utf-16-le", "replace")
    at += names + comments + view + spec + source
    _, length, cells, width, n, m = struct.unpack_from("<IIQIII", frame.data, at)
    at += 8 + length
    if n > _MOST or m > _MOST:
        raise ReadError(f"frame {frame.index} is said to have {n} dimensions and {m} quantities; it is damaged")
    about |= {"title": title, "xml": xml.rstrip("\0")}
    found = []
    for _ in range(n + m):
        one, at = _calibration(frame.data, at)
        found.append(one)
    about["calibrations"] = [c.__dict__ | {"scale": c.scale.__dict__} for c in found]
    kinds = np.dtype([(str(k), c.cell) for k, c in enumerate(found[n:])])
    if kinds.itemsize != width:
        raise ReadError(f"frame {frame.index} has cells of {width} bytes, but its quantities need {kinds.itemsize}")
    raw = take(frame.data, at, (count(cells, "the number of cells"), width), "u1", f"frame {frame.index}")
    if n and not frame.whole:
        about["lines"] = (frame.there - at) // (width * max(1, found[0].last - found[0].first + 1))
    columns = np.frombuffer(raw.tobytes(), kinds)
    values = [_calibrated(columns[str(k)], c.scale) for k, c in enumerate(found[n:])]
    return _mda(title, found[:n], found[n:], values, about, size)


def _calibration(data: bytes, at: int) -> tuple[Calibration, int]:
    total, length, *lengths = struct.unpack_from("<5I", data, at)
    code, _, _, bias, step, first, last, cell, _ = struct.unpack_from("<QdQddQQiI", data, at + 20)
    name, comment, unit = _texts(data, at + 8 + length, lengths)
    if cell not in _CELLS:
        raise NotImplementedError(f"its cells have the unknown type {cell}")
    scale = Scale(finite(bias, "an offset"), finite(step, "a step"), unit or _SI_CODES.get(code, "counts"))
    return Calibration(name, comment, scale, first, last, _CELLS[cell]), at + count(total, "a length")


def _texts(data: bytes, at: int, lengths: list[int]) -> list[str]:
    out = []
    for n in lengths:
        out.append(text(take(data, at, (n,), "u1", "a text").tobytes()).rstrip("\0"))
        at += n
    return out


def _mda(
    title: str,
    dims: list[Calibration],
    quantities: list[Calibration],
    values: list[np.ndarray],
    about: dict[str, object],
    size: Size,
) -> Found:
    counts = [count(d.last - d.first + 1, "the length of a dimension") for d in dims]
    way = re.match(r"\d*[FB]:|", title)
    titles = [title if len(quantities) == 1 else f"{way[0] if way else ''}{q.name}" for q in quantities]
    if dims and int(np.prod(counts)) != len(values[0]):
        raise ReadError(f"{counts} cells are said to be {len(values[0])}; the frame is damaged")
    if len(dims) == 2:
        nx, ny = counts
        x, y = dims[0].scale, dims[1].scale
        axes = _image_axes((ny, nx), (y, x), size)
        about["size"] = "given" if _si(x.unit)[1] != "m" else "own"
        shape = [v.reshape(ny, nx)[::-1] for v in values]
        recorded = [_channel(t, v, q.scale.unit, ("y", "x")) for t, v, q in zip(titles, shape, quantities, strict=True)]
        return Found(title, recorded, axes, about, ("image", ny, nx, x, y))
    if len(dims) == 1 and dims[0].scale.step:
        axis = dims[0].scale.axis(counts[0])
        left, swept = list(zip(titles, values, quantities, strict=True)), _sweep(dims[0].scale.unit)
    elif not dims and len(quantities) == 2:  # the first quantity is what the second one was measured over
        factor, unit = _si(quantities[0].scale.unit)
        axis, swept = Axis(values[0] * factor, unit), _sweep(quantities[0].scale.unit)
        left = [(title, values[1], quantities[1])]
    else:
        raise NotImplementedError(f"an MDA frame of {len(dims)} dimensions and {len(quantities)} quantities")
    recorded = [_channel(t, v[None], q.scale.unit, ("site", swept)) for t, v, q in left]
    return Found(title, recorded, {"site": Axis(np.zeros(1), "1"), swept: axis}, about)


# --- frames of many curves -------------------------------------------------------------------------------------------


def _read_curves(frame: Frame, about: dict[str, object], size: Size) -> Found:
    """Spectra at points; a point that was visited several times is as many sites."""
    blocks = _blocks(frame.data)
    raw = blocks.get("index.xml", b"")
    if not raw or len(raw) > _LONGEST_INDEX or b"<!" in raw.replace(b"<!--", b""):
        raise NotImplementedError("many curves without an index that is understood")
    try:
        index = ElementTree.fromstring(raw.decode("utf-8", "replace"))
    except ElementTree.ParseError as error:
        raise ReadError(f"the index of the curves is damaged ({error})") from error
    tables = {tag: [dict(e.attrib) for e in index.iter(tag)] for tag in ("Name", "Axis", "Meas", "Data", "Point")}
    about |= {"index": raw.decode("utf-8", "replace"), "xml": _parameters(blocks), "title": "curves"}
    measured, axes_used = tables["Meas"], {(m["axis0"], m.get("axis1", "-1")) for m in tables["Meas"]}
    if len(axes_used) != 1 or next(iter(axes_used))[1] != "-1":
        raise NotImplementedError(f"curves over several axes {sorted(axes_used)}")
    axis = tables["Axis"][int(measured[0]["axis0"])]
    swept = tables["Name"][int(axis["name"])]
    n = count(axis["count"], "the points of a curve")
    sites = _sites(tables["Point"], measured, blocks)
    names = sorted({int(m["name"]) for m in measured})
    recorded = []
    for k in names:
        about_name = tables["Name"][k]
        stack = np.full((2, len(sites), n), np.nan)
        for s, (_, visit) in enumerate(sites):
            for m in visit:
                if int(m["name"]) == k:
                    stack[int(m["inverse0"] == "1"), s] = _curve(tables["Data"][int(m["data"])], m, blocks, n)
        recorded += _both(about_name["name"], stack, about_name["unit"], _sweep(swept["unit"]))
    factor, unit = _si(swept["unit"])
    values = np.linspace(finite(axis["start"], "a start"), finite(axis["stop"], "a stop"), n) * factor
    places = [(finite(p["x"], "a place"), finite(p["y"], "a place")) for p, _ in sites]
    found = {_sweep(swept["unit"]): Axis(values, unit), "site": Axis(np.arange(len(sites)) * 1.0, "1")}
    more = _tips(list(places), sites[0][0]["unit"])
    more.append(Channel("visit", np.array([float(v[0]["pass"]) for _, v in sites]), "1", "pass", ("site",)))
    return Found("curves", recorded, found, about, (), more)


def _both(name: str, stack: np.ndarray, unit: str, swept: str) -> list[tuple[str, str | None, Channel]]:
    ways = ("forward", "backward")
    recorded = [
        (name, w, Channel.from_vendor(name, v, unit, ("site", swept))) for w, v in zip(ways, stack, strict=True)
    ]
    return [r for r in recorded if np.isfinite(r[2].data).any()]


def _blocks(data: bytes) -> dict[str, Any]:
    """Named blocks of bytes; several of one name (the parameters of the points) keep a list."""
    n = count(struct.unpack_from("<I", data, _HEAD)[0], "the number of blocks")
    sizes = take(data, _HEAD + 4, (n, 2), "<u4", "the table of blocks").astype(int)
    at = _HEAD + 4 + 8 * n
    names = []
    for length, _ in sizes:
        names.append(text(take(data, at, (int(length),), "u1", "a name").tobytes()))
        at += int(length)
    blocks: dict[str, Any] = {}
    for name, (_, length) in zip(names, sizes, strict=True):
        raw = take(data, at, (int(length),), "u1", f"block {name!r}").tobytes()
        at += int(length)
        if name.endswith("params.xml"):
            blocks.setdefault(name, []).append(raw)
        else:
            blocks[name] = raw
    if at != len(data):
        raise ReadError(f"{len(data) - at} bytes follow the last block of curves; the file is damaged")
    return blocks


def _parameters(blocks: dict[str, Any]) -> list[str]:
    """The distinct texts of parameters, verbatim."""
    raws = [raw for name in blocks if name.endswith("params.xml") for raw in blocks[name]]
    return list(dict.fromkeys(raw.decode("utf-16", "replace") for raw in raws))


def _sites(
    points: list[dict[str, str]], measured: list[dict[str, str]], blocks: dict[str, Any]
) -> list[tuple[dict[str, str], list[dict[str, str]]]]:
    """(point, what was measured there in one visit), in the order of the points."""
    sites = []
    for point in points:
        raw = blocks[point["name"]]
        which = take(raw, int(point["offset"]), (len(raw) // 4 - int(point["offset"]) // 4,), "<i4", "a point")
        visits: dict[str, list[dict[str, str]]] = {}
        for k in which:
            if not 0 <= k < len(measured):
                raise ReadError(f"a point names the measurement {k}, of {len(measured)}")
            visits.setdefault(measured[k]["pass"], []).append(measured[k])
        sites += [(point, visits[key]) for key in sorted(visits, key=int)]
    if not sites:
        raise ReadError("no curve belongs to a point")
    return sites


def _curve(data: dict[str, str], measured: dict[str, str], blocks: dict[str, Any], n: int) -> np.ndarray:
    """One curve along the axis: what was measured on the way back is stored in the order of time."""
    dtype = {"float64": "<f8", "float32": "<f4", "int16": "<i2", "int32": "<i4"}.get(data["type"])
    if dtype is None:
        raise NotImplementedError(f"curves of the type {data['type']!r}")
    values = take(blocks[data["name"]], int(data["offset"]), (count(data["count"], "points"),), dtype, data["name"])
    full = np.full(n, np.nan)
    full[: len(values)] = values[:n]
    return full[::-1] if measured["inverse0"] == "1" else full


_READ = {
    _IMAGE: _read_image, _SPECTRUM: _read_spectrum, _POINTS: _read_points, _MDA: _read_mda, _CURVES: _read_curves,
}  # fmt: skip
