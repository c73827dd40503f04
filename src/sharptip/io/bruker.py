"""Bruker (Digital Instruments, Veeco) Nanoscope images: `.spm`, `.000`, `.001` …

Layout: NanoScope software user guide, appendix on the file format. Lines `\\Key: value` in sections `\\*Name`, ended by
`\\*File list end`; each `\\*Ciao image list` section says where its image lies. Parameters that begin with `@` hold a
value `V [soft scale] (hard scale) hard value`: the number is the fraction of the full range times the hard value of
`Z scale` times the sensitivity that the soft scale names. Numbers are little-endian integers of 2 bytes, of 4 from
version 9.2 on even where `Bytes/pixel` still says 2; the length of the data decides. The bottom line is stored first.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.units import to_si
from .layout import count, finite, image_axes, join_directions, positive, take

NAME = "bruker"
SUFFIXES = (".spm", ".000", ".001")
GENERIC = False

_IMAGE = "Ciao image list"
_FIRST, _LAST = (b"\\*File list", b"\\*Force file list"), b"\\*File list end"
_STRAY = 4096  # bytes behind the last image; what a program appends on purpose is larger or zero
_WAYS = {"trace": "forward", "retrace": "backward"}

Section = dict[str, str]


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_FIRST)


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    end = data.find(_LAST)
    if end < 0:
        raise ReadError("the header has no end (\\*File list end); the file is truncated")
    header = data[:end].decode("latin-1")
    sections = _sections(header)
    images = [values for name, values in sections if name == _IMAGE]
    if not images:
        what = "a force curve" if data.startswith(_FIRST[1]) else "no image in the format of NanoScope 4.3 or later"
        raise ReadError(f"it holds {what}; images have a section \\*{_IMAGE}")
    _check_end(data, [values for _, values in sections])
    common: Section = {}
    for name, values in sections:
        if name != _IMAGE:
            common |= values
    groups: dict[tuple[object, ...], list[tuple[str, str | None, Channel]]] = {}
    axes: dict[tuple[object, ...], dict[str, Axis]] = {}
    for image in images:
        made, where = _image(data, image, common)
        key: tuple[object, ...] = tuple((len(a.values), a.spacing) for a in where.values())
        axes[key] = where
        groups.setdefault(key, []).append(made)
    slow = images[0].get("frame direction", "").lower()
    attrs = {"slow_direction": slow} if slow in ("up", "down") else {}
    grids = []
    for k, (shape, recorded) in enumerate(groups.items()):
        channels, direction = join_directions(recorded)
        name = path.stem if k == 0 else f"{path.stem}_{k + 1}"
        grids.append(Grid(name, unique(channels), direction | axes[shape], header, attrs))
    return grids


def _sections(header: str) -> list[tuple[str, Section]]:
    """(name, values by lower-case key) of each section in order; the first of a key counts."""
    out: list[tuple[str, Section]] = []
    for line in header.splitlines():
        if line.startswith("\\*"):
            out.append((line[2:].strip(), {}))
        elif line.startswith("\\") and ": " in line and out:
            key, value = line[1:].split(": ", 1)
            out[-1][1].setdefault(re.sub(r"^@\d+:", "@", key).strip().lower(), value.strip())
    return out


def _check_end(data: bytes, sections: list[Section]) -> None:
    """A few bytes behind the last data mean that the data were shifted: bytes were added before them."""
    blocks = [s for s in sections if "data offset" in s and "data length" in s]
    end = max(count(s["data offset"], "Data offset") + count(s["data length"], "Data length") for s in blocks)
    behind = data[end:]
    if len(behind) < _STRAY and behind.strip(b"\0\x1a"):
        raise ReadError(f"{len(behind)} bytes follow the last image; bytes were added before it, the file is damaged")


def _image(data: bytes, image: Section, common: Section) -> tuple[tuple[str, str | None, Channel], dict[str, Axis]]:
    nx, ny = count(image["samps/line"], "Samps/line"), count(image["number of lines"], "Number of lines")
    length = count(image["data length"], "Data length")
    width = length // (nx * ny)
    if width not in (2, 4) or width * nx * ny != length:
        raise ReadError(f"an image of {ny} × {nx} pixels has {length} bytes; the header is damaged")
    name = _quoted(image["@image data"])
    counts = take(data, count(image["data offset"], "Data offset"), (ny, nx), f"<i{width}", f"the image {name!r}")
    full_range, unit = _full_range(image["@z scale"], common)
    values = counts[::-1] * np.float64(full_range / 256**width)
    channel = Channel.from_vendor(name, values, unit)
    way = _WAYS.get(image.get("line direction", "").lower())
    return (name, way, replace(channel, vendor_name=name)), image_axes((ny, nx), *_extent(image, common))


def _quoted(value: str) -> str:
    """'S [ZSensor] "Height Sensor"' → 'Height Sensor'; the internal name where the other is empty."""
    match = re.fullmatch(r'S \[([^\]]*)\] "([^"]*)"', value)
    if not match or not (match[2] or match[1]):
        raise ReadError(f"the image's name is {value!r}; the header is damaged")
    return match[2] or match[1]


def _value(value: str) -> tuple[str, float, str]:
    """(soft scale, hard value, its unit) of 'V [Sens. Zsens] (0.0067 V/LSB) 440.0 V'."""
    match = re.fullmatch(r"V\s*(?:\[([^\]]*)\])?\s*(?:\(.*\))?\s*([-+.\deE]+)\s*(\S*)", value)
    if not match:
        raise ReadError(f"the scale {value!r} is not understood; the header is damaged")
    return match[1] or "", finite(match[2], "a scale"), match[3]


def _full_range(scale: str, common: Section) -> tuple[float, str]:
    """The whole range of the integers in the channel's unit, from 'Z scale' and the sensitivity it names."""
    soft, hard, unit = _value(scale)
    if hard == 0:
        raise ReadError(f"the scale {scale!r} is zero; the header is damaged")
    if not soft:
        return hard, unit
    sensitivity = common.get(f"@{soft.lower()}")
    if sensitivity is None:
        raise ReadError(f"the scale names {soft!r}, which the header does not hold")
    _, factor, per = _value(sensitivity)
    return hard * factor, _product(unit, per)


def _product(unit: str, per: str) -> str:
    """Unit of a hard value in `unit` times a sensitivity in `per`: 'mV' · 'nm/V' → 'mV·nm/V'; 'Arb' · 'nN/Arb' → 'nN'.

    A sensitivity without a unit leaves the unit as it is; a product that nobody understands is 'arb'.
    """
    if not per:
        return unit
    if per.endswith("/" + unit):
        return per.removesuffix("/" + unit)
    joined = f"{unit}·{per}"
    try:
        to_si(joined)
    except UnitError:
        return "arb"
    return joined


def _extent(image: Section, common: Section) -> tuple[float, float]:
    """(height, width) in metres: 'Scan Size' of the image, '100 100 nm' (fast, slow), or of the scan and its ratio."""
    said = image.get("scan size") or common["scan size"]
    match = re.fullmatch(r"([-+.\deE]+)(?:\s+([-+.\deE]+))?\s*(\S+)", said)
    factor, si = to_si(match[3]) if match else (0.0, "")
    if not match or si != "m":
        raise ReadError(f"Scan Size is {said!r}; the header is damaged")
    width = positive(match[1], "Scan Size") * factor
    if match[2]:
        return positive(match[2], "Scan Size") * factor, width
    fast, _, slow = (image.get("aspect ratio") or common.get("aspect ratio", "1:1")).partition(":")
    return width * positive(slow or 1, "Aspect Ratio") / positive(fast, "Aspect Ratio"), width
