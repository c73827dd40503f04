"""Park Systems images and spectra (`.tiff` of XEP, SmartScan and their kin). Untested on real files.

Layout: TIFF 6.0 with the private tags 50432 to 50441, known from Park's own `pspylib` and from Gwyddion's notes. The
picture of the TIFF is a thumbnail; the numbers lie under 50434 (image) and 50439 (spectra), and what they mean under
50435 and 50438. One file holds one channel of one direction, the lowest line of the image first;
value = gain · (scale · number + offset).
"""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from .layout import count, finite, image_axes, positive, take

NAME = "park"
SUFFIXES = (".tiff", ".tif")
GENERIC = False
UNTESTED = (
    "the Park reader was written from the published layout and has met no real file; compare with Park's software"
)

_MAGIC, _VERSION, _DATA, _HEADER, _COMMENTS = 50432, 50433, 50434, 50435, 50436
_SPECTRA_HEADER, _SPECTRA = 50438, 50439
_SIGNATURE = 0x0E031301
_VERSIONS = (0x01000001, 0x01000002)
_IMAGE, _SPECTROSCOPY = 0, 2  # 1 is a line profile
_NUMBERS = {0: "<i2", 1: "<i4", 2: "<f4"}
_STRIPS, _STRIP_BYTES = 273, 279
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # of a number of a TIFF type
_MOST_TAGS = 4096
_AT_SITES = (3, 5, 7, 9)  # I/V, photo-current, thermal and P/E spectra; the others are curves along a distance
_CHANNELS = 8  # that the spectroscopy header has room for

Fields = list[tuple[str, str] | tuple[str, str, int]]

# Packed, little-endian; a text is 16-bit characters. What version 1 has, and what version 2 adds.
_IMAGE_HEADER: Fields = [
    ("image_type", "<i4"), ("source", "<u2", 32), ("head_mode", "<u2", 8), ("low_pass", "<f8"), ("auto_flatten", "<i4"),
    ("ac_track", "<i4"), ("width", "<i4"), ("height", "<i4"), ("angle", "<f8"), ("sine_scan", "<i4"),
    ("overscan", "<f8"), ("forward", "<i4"), ("up", "<i4"), ("swap_xy", "<i4"), ("width_um", "<f8"),
    ("height_um", "<f8"), ("x_offset_um", "<f8"), ("y_offset_um", "<f8"), ("scan_rate", "<f8"), ("set_point", "<f8"),
    ("set_point_unit", "<u2", 8), ("tip_bias", "<f8"), ("sample_bias", "<f8"), ("gain", "<f8"), ("scale", "<f8"),
    ("offset", "<f8"), ("unit", "<u2", 8), ("data_min", "<i4"), ("data_max", "<i4"), ("data_mean", "<i4"),
    ("compression", "<i4"), ("log_scale", "<i4"), ("square", "<i4"),
]  # fmt: skip
_VERSION_2: Fields = [
    ("z_servo_gain", "<f8"), ("z_range", "<f8"), ("xy_voltage_mode", "<u2", 8), ("z_voltage_mode", "<u2", 8),
    ("xy_servo_mode", "<u2", 8), ("data_type", "<i4"), ("x_regions", "<i4"), ("y_regions", "<i4"),
]  # fmt: skip
_SOURCE: Fields = [("name", "<u2", 32), ("unit", "<u2", 8), ("gain", "<f8"), ("is_x", "<i4"), ("is_y", "<i4")]
_SPECTRA_FIELDS: Fields = [
    ("channels", "<i4"), ("mean", "<i4"), ("samples", "<i4"), ("points", "<i4"), ("driving", "<i4"),
    ("forward_period", "<f4"), ("backward_period", "<f4"), ("forward_speed", "<f4"), ("backward_speed", "<f4"),
    ("grid", "<i4"), ("offset", "<f8", 8), ("log_scale", "<i4", 8), ("square", "<i4", 8), ("grid_columns", "<i4"),
    ("reference_image", "<i4"), ("grid_width", "<f8"), ("grid_height", "<f8"), ("grid_x", "<f8"), ("grid_y", "<f8"),
    ("spring_constant", "<f8"), ("sensitivity_V_per_um", "<f8"), ("force_limit_V", "<f4"), ("interval", "<f4"),
    ("voltages", "<f4", 4), ("delay", "<f4"), ("z_servo", "<i4"), ("source_gain", "<f8"), ("source_unit", "<u2", 8),
    ("extended", "<i4"), ("spectroscopy", "<i4"), ("more", "<u4", 13), ("data_type", "<i4"), ("reserved", "<u4", 24),
]  # fmt: skip

Tags = dict[int, tuple[int, int, int]]  # tag → (byte where its values are, how many, bytes of each)


def detect(head: bytes, path: Path) -> bool:
    """A TIFF whose first page carries Park's number under Park's tag; the page may lie behind the head."""
    if len(head) < 8 or not head.startswith(b"II*\0"):
        return False
    (at,) = struct.unpack_from("<I", head, 4)
    if at + 2 <= len(head) - 12 * _MOST_TAGS or not path.is_file():
        page = head[at : at + 2 + 12 * _MOST_TAGS]
    else:
        with path.open("rb") as file:
            file.seek(at)
            page = file.read(2 + 12 * _MOST_TAGS)
    entries = [struct.unpack_from("<HHII", page, i) for i in range(2, len(page) - 11, 12)]
    return any(tag == _MAGIC and value == _SIGNATURE for tag, _, _, value in entries[: _number_of_tags(page)])


def _number_of_tags(page: bytes) -> int:
    return min(int.from_bytes(page[:2], "little"), _MOST_TAGS)


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    tags = _tags(data)
    version = _number(data, tags, _VERSION)
    if _number(data, tags, _MAGIC) != _SIGNATURE or version not in _VERSIONS:
        raise ReadError(f"it is a TIFF of Park's version {version:#x}; known are {', '.join(map(hex, _VERSIONS))}")
    about = _header(data, tags, _HEADER, _IMAGE_HEADER + (_VERSION_2 if version == _VERSIONS[1] else []))
    kind = about["image_type"]
    if kind not in (_IMAGE, _SPECTROSCOPY):
        raise ReadError(
            f"{about['source']!r} is of type {kind}, a line profile or damaged; images and spectra are read"
        )
    if about.get("x_regions") or about.get("y_regions"):
        raise ReadError("its pixels are of several sizes (regions of higher density), which is not read")
    about["comments"] = _text(_bytes(data, tags, _COMMENTS)) if _COMMENTS in tags else ""
    name = path.stem
    if kind == _IMAGE:
        return [_image(name, data, tags, about)]
    reference = [_image(name, data, tags, about)] if _DATA in tags and tags[_DATA][1] else []
    return [_spectra(name, data, tags, about), *reference]


def _tags(data: bytes) -> Tags:
    """Where the values of every tag of the first page are; all of them, and the thumbnail, must be inside the file."""
    if not data.startswith(b"II*\0"):
        raise ReadError("it does not begin like a little-endian TIFF file")
    (at,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, at)
    if n > _MOST_TAGS:
        raise ReadError(f"the page has {n} tags; the file is damaged")
    tags: Tags = {}
    for place in range(at + 2, at + 2 + 12 * n, 12):
        tag, kind, values, where = struct.unpack_from("<HHII", data, place)
        if kind not in _BYTES:
            raise ReadError(f"tag {tag} has the unknown type {kind}; the file is damaged")
        size = values * _BYTES[kind]
        tags[tag] = (where if size > 4 else place + 8, values, _BYTES[kind])
        take(data, tags[tag][0], (size,), "u1", f"tag {tag}")
    take(data, at + 2 + 12 * n, (4,), "u1", "the end of the page")
    if {_STRIPS, _STRIP_BYTES} <= set(tags):
        for start, size in zip(_numbers(data, tags, _STRIPS), _numbers(data, tags, _STRIP_BYTES), strict=True):
            take(data, int(start), (int(size),), "u1", "the thumbnail")
    return tags


def _bytes(data: bytes, tags: Tags, tag: int) -> bytes:
    if tag not in tags:
        raise ReadError(f"the TIFF has no tag {tag}, which Park's files have; it is damaged")
    at, values, size = tags[tag]
    return data[at : at + values * size]


def _numbers(data: bytes, tags: Tags, tag: int) -> np.ndarray:
    return np.frombuffer(_bytes(data, tags, tag), {2: "<u2", 4: "<u4"}[tags[tag][2]])


def _number(data: bytes, tags: Tags, tag: int) -> int:
    return int(_numbers(data, tags, tag)[0])


def _text(raw: bytes | np.ndarray) -> str:
    """16-bit characters up to the first zero."""
    return bytes(raw).decode("utf-16-le", "replace").split("\0", 1)[0].strip()


def _header(data: bytes, tags: Tags, tag: int, fields: Fields) -> dict[str, Any]:
    return _plain(
        np.frombuffer(take(_bytes(data, tags, tag), 0, (np.dtype(fields).itemsize,), "u1", "a header"), fields)
    )


def _plain(record: np.ndarray) -> dict[str, Any]:
    """The fields of one packed record by name: texts as text, numbers as numbers."""
    said = {}
    for name in record.dtype.names or ():
        value = record[name][0]
        said[name] = _text(value) if value.ndim and value.dtype == "<u2" else value.tolist()
    return said


def _image(name: str, data: bytes, tags: Tags, about: dict[str, Any]) -> Grid:
    shape = count(about["height"], "the height in pixels"), count(about["width"], "the width in pixels")
    height, width = (positive(about[k], k) * 1e-6 for k in ("height_um", "width_um"))
    scale = finite(about["scale"], "the data scale") or 1.0  # zero where an older program did not write it
    gain, offset = _gain(about["gain"], "the image"), finite(about["offset"], "the data offset")
    counts = _exactly(_bytes(data, tags, _DATA), shape, about.get("data_type", 0), "the image")
    values = (counts[::-1] * np.float64(scale) + offset) * gain
    way = {"direction": "forward" if about["forward"] else "backward"}
    channel = _named(about["source"], values, about["unit"], about["log_scale"], ("y", "x"), way)
    said = {
        "slow_direction": "up" if about["up"] else "down",
        "fast_axis": "y" if about["swap_xy"] else "x",
        "reader_untested": UNTESTED,
    }
    return Grid(name, (channel,), image_axes(shape, height, width), about, said)


def _gain(value: float, what: str) -> np.float64:
    if not finite(value, f"the gain of {what}"):
        raise ReadError(f"the gain of {what} is 0; the header is damaged")
    return np.float64(value)


def _exactly(raw: bytes, shape: tuple[int, ...], kind: int, what: str) -> np.ndarray:
    if kind not in _NUMBERS:
        raise ReadError(f"{what} has numbers of type {kind}; known are 0 (int16), 1 (int32) and 2 (float)")
    numbers = take(raw, 0, shape, _NUMBERS[kind], what)
    if numbers.nbytes != len(raw):
        raise ReadError(f"{what} needs {numbers.nbytes} bytes and has {len(raw)}; the header is damaged")
    return numbers


def _named(
    source: str, values: np.ndarray, unit: str, log: int, dims: tuple[str, ...], said: dict[str, Any]
) -> Channel:
    """A channel in SI units; a logarithm of numbers in a unit has no unit that a scan could hold."""
    made = Channel.from_vendor(source or "channel", values, "arb" if log or not unit else unit, dims)
    said = {"vendor_units": unit} | ({"log_scale": 1} if log else {}) | said
    return replace(made, vendor_name=source or "channel", attrs=said)


def _spectra(name: str, data: bytes, tags: Tags, about: dict[str, Any]) -> Grid:
    """Every channel of every curve, forward and backward sweep one behind the other as they are stored."""
    said, sources, where = _spectra_header(_bytes(data, tags, _SPECTRA_HEADER))
    shape = len(where), len(sources), count(said["samples"], "the samples of a curve")
    counts = _exactly(_bytes(data, tags, _SPECTRA), shape, said["data_type"], "the spectra")
    one = "site" if said["spectroscopy"] in _AT_SITES else "curve"
    channels = []
    for i, source in enumerate(sources):
        values = counts[:, i] * _gain(source["gain"], repr(source["name"]))
        offset = {"vendor_offset": said["offset"][i]} if said["offset"][i] else {}  # what it adds to is not published
        channels.append(_named(source["name"], values, source["unit"], said["log_scale"][i], (one, "sample"), offset))
    places = where.astype(float).T
    channels += [Channel.from_vendor(f"tip_{x}", place, "um", (one,)) for x, place in zip("xy", places, strict=False)]
    axes = {one: Axis(np.arange(shape[0]), "1"), "sample": Axis(np.arange(shape[2]), "1")}
    attrs: dict[str, object] = {"reader_untested": UNTESTED}
    if 0 <= said["driving"] < len(sources):
        attrs["sweep"] = sources[said["driving"]]["name"]
    if one == "curve":
        channels.append(Channel("length", np.full(shape[0], float(shape[2])), "1", "numOfDataAllDir", ("curve",)))
        attrs |= {k: v for k, v in _spring(said).items() if np.isfinite(v)}
    return Grid(f"{name} spectra", unique(channels), axes, {**about, "spectra": said, "sources": sources}, attrs)


def _spectra_header(raw: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], np.ndarray]:
    """What is said of all curves, of each channel, and (curve, [x, y, time]) in µm and s."""
    source, fields = np.dtype(_SOURCE), np.dtype(_SPECTRA_FIELDS)
    at = _CHANNELS * source.itemsize
    take(raw, 0, (at + fields.itemsize,), "u1", "the header of the spectra")
    said = _plain(np.frombuffer(raw, fields, 1, at))
    channels = count(said["channels"], "the channels")
    if channels > _CHANNELS:
        raise ReadError(f"the spectra have {channels} channels; no more than {_CHANNELS} have room")
    sources = [_plain(np.frombuffer(raw, source, 1, i * source.itemsize)) for i in range(channels)]
    points = count(said["points"], "the curves")
    return said, sources, take(raw, at + fields.itemsize, (points, 3), "<f4", "the places of the curves")


def _spring(said: dict[str, Any]) -> dict[str, float]:
    """Spring constant (N/m) and sensitivity (m/V) where the file says them."""
    k, volts_per_um = said["spring_constant"], said["sensitivity_V_per_um"]
    found = {"spring_constant": k} if k > 0 else {}
    return found | ({"sensitivity": 1e-6 / volts_per_um} if volts_per_um > 0 else {})
