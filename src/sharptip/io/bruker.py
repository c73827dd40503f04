"""Bruker (Digital Instruments, Veeco) Nanoscope files: `.spm`, `.pfc`, `.000`, `.001` …

Layout: NanoScope software user guide, appendix on the file format. The header is text (`bruker_header`); each section
`\\*Ciao image list` says where an image lies, each `\\*Ciao force image list` where a channel of force curves lies
(`bruker_force`). Images are little-endian integers of 2 bytes, of 4 from version 9.2 on even where `Bytes/pixel` still
says 2; the length of the data decides. Their number is the fraction of the full range times the hard value of
`Z scale` times the sensitivity that the soft scale names. The bottom line is stored first.
"""

from __future__ import annotations

import mmap
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from . import bruker_force
from .bruker_header import FIRST, LAST, LONGEST, Section, extent, full_range, quoted, sections
from .layout import count, image_axes, join_directions, take

NAME = "bruker"
SUFFIXES = (".spm", ".pfc", ".000", ".001")
GENERIC = False
LAZY = True  # curves of a force volume stay in the file

_IMAGE = "Ciao image list"
_STRAY = 4096  # bytes behind the last image; what a program appends on purpose is larger or zero
_WAYS = {"trace": "forward", "retrace": "backward"}

Found = tuple[str, str | None, Channel]


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(FIRST)


def read(path: Path) -> list[Grid]:
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # a force volume does not fit into the memory
    end = data.find(LAST, 0, LONGEST)
    if end < 0:
        raise ReadError("the header has no end (\\*File list end); the file is truncated")
    header = data[:end].decode("latin-1")
    found = sections(header)
    lists = [values for name, values in found if name in (_IMAGE, bruker_force.SECTION)]
    if not lists:
        what = "a force curve" if header.startswith("\\*Force") else "no image"
        raise ReadError(f"it holds {what} in a format older than NanoScope 4.3, which is not known")
    _check_end(data, [values for _, values in found])
    said = _left_out(found)
    grids = _images(data, path.stem, header, found) + bruker_force.grids(path, header, found)
    return [replace(grid, attrs={**grid.attrs, **said}) for grid in grids]


def _left_out(found: list[tuple[str, Section]]) -> dict[str, str]:
    """The sections whose numbers are neither images nor curves, such as the voltammograms of a cell, by name."""
    names = [name for name, s in found if name not in (_IMAGE, bruker_force.SECTION) and _length(s)]
    return {"left_out": ", ".join(names)} if names else {}


def _length(section: Section) -> int:
    """Bytes of the data that a section places; 0 for one that places none, or lists a plot that was not recorded."""
    if "data offset" not in section or section.get("data length", "0") == "0":
        return 0
    return count(section["data length"], "Data length")


def _images(data: mmap.mmap, stem: str, header: str, found: list[tuple[str, Section]]) -> list[Grid]:
    """One grid for the images of each number of pixels and size."""
    images = [values for name, values in found if name == _IMAGE]
    common: Section = {}
    for name, values in found:
        if name not in (_IMAGE, bruker_force.SECTION):
            common |= values
    groups: dict[tuple[object, ...], list[Found]] = {}
    axes: dict[tuple[object, ...], dict[str, Axis]] = {}
    for image in images:
        made, where = _image(data, image, common)
        key: tuple[object, ...] = tuple((len(a.values), a.spacing) for a in where.values())
        axes[key] = where
        groups.setdefault(key, []).append(made)
    slow = images[0].get("frame direction", "").lower() if images else ""
    attrs = {"slow_direction": slow} if slow in ("up", "down") else {}
    grids = []
    for k, (shape, recorded) in enumerate(groups.items()):
        channels, direction = join_directions(recorded)
        name = stem if k == 0 else f"{stem}_{k + 1}"
        grids.append(Grid(name, unique(channels), direction | axes[shape], header, attrs))
    return grids


def _check_end(data: mmap.mmap, lists: list[Section]) -> None:
    """A few bytes behind the last data mean that the data were shifted: bytes were added before them."""
    end = max(count(s["data offset"], "Data offset") + _length(s) for s in lists if _length(s))
    behind = data[end : end + _STRAY]
    if len(behind) < _STRAY and behind.strip(b"\0\x1a"):
        raise ReadError(f"{len(behind)} bytes follow the last image; bytes were added before it, the file is damaged")


def _image(data: mmap.mmap, image: Section, common: Section) -> tuple[Found, dict[str, Axis]]:
    nx, ny = count(image["samps/line"], "Samps/line"), count(image["number of lines"], "Number of lines")
    length = count(image["data length"], "Data length")
    width = length // (nx * ny)
    if width not in (2, 4) or width * nx * ny != length:
        raise ReadError(f"an image of {ny} × {nx} pixels has {length} bytes; the header is damaged")
    name = quoted(image["@image data"])
    counts = take(data, count(image["data offset"], "Data offset"), (ny, nx), f"<i{width}", f"the image {name!r}")
    whole, unit = full_range(image["@z scale"], common)
    values = counts[::-1] * np.float64(whole / 256**width)
    channel = Channel.from_vendor(name, values, unit)
    way = _WAYS.get(image.get("line direction", "").lower())
    return (name, way, replace(channel, vendor_name=name)), image_axes((ny, nx), *extent(image, common))
