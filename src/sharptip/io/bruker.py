"""Bruker (Digital Instruments, Veeco) Nanoscope files: `.spm`, `.pfc`, `.000`, `.001` …

Layout: NanoScope software user guide, appendix on the file format. The header is text (`bruker_header`); each section
`\\*Ciao image list` says where an image lies, each `\\*Ciao force image list` where a channel of force curves lies
(`bruker_force`); before version 4.3 the sections have other names (`bruker_old`). Images are little-endian integers
of 2 bytes, of 4 from version 9.2 on; the length of the data decides. `Bytes/pixel` says how many counts there are, 2
or 4 bytes of them: numbers of 4 bytes may count in 2. A number is the fraction of all counts times the hard value
of `Z scale` times the sensitivity that the soft scale names. The bottom line is stored first. What lies outside of the
`Valid data` of a scan that was stopped is no measurement. Of a file that was cut off, what is there is read, as long as
its parts follow each other without a gap.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from . import bruker_force, bruker_old
from .bruker_header import FIRST, Section, counted_bytes, end, extent, full_range, number, quoted, sections
from .cut_off import There, joined, stopped
from .layout import UNKNOWN, count, given_axes, image_axes, join_directions

NAME = "bruker"
SUFFIXES = (".spm", ".pfc", ".000", ".001")
GENERIC = False
LAZY = True  # curves of a force volume stay in the file

_IMAGES = ("Ciao image list", *bruker_old.IMAGES)
_STRAY = 4096  # bytes behind the last image; what a program appends on purpose is larger or zero
_WAYS = {"trace": "forward", "retrace": "backward"}

Found = tuple[str, str | None, Channel]


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(FIRST)


def read(path: Path) -> list[Grid]:
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # a force volume does not fit into the memory
    header = data[: end(data)].decode("latin-1")
    found = sections(header)
    if not any(name in _IMAGES or name == bruker_force.SECTION for name, _ in found):
        what = "a force curve" if header.startswith("\\*Force") else "no image"
        raise ReadError(f"it holds {what} in a format older than NanoScope 4.3, which is not known")
    _check_end(data, [values for _, values in found])
    there = There(len(data))
    grids = _images(data, path.stem, header, found, there) + bruker_force.grids(path, header, found, there)
    said = _left_out(found, there)
    if cut := there.attrs():
        _check_order(data, [values for _, values in found])
    return [replace(grid, attrs={**grid.attrs, **said, **joined(grid.attrs, cut)}) for grid in grids]


def _left_out(found: list[tuple[str, Section]], there: There) -> dict[str, str]:
    """The sections whose numbers are neither images nor curves, such as the voltammograms of a cell, by name."""
    names = []
    for name, section in found:
        if name not in (*_IMAGES, bruker_force.SECTION) and _length(section):
            there.count(name, count(section["data offset"], "Data offset"), 1, _length(section), "parts")
            names.append(name)
    return {"left_out": ", ".join(names)} if names else {}


def _length(section: Section) -> int:
    """Bytes of the data that a section places; 0 for one that places none, or lists a plot that was not recorded."""
    if "data offset" not in section or section.get("data length", "0") == "0":
        return 0
    return count(section["data length"], "Data length")


def _images(data: mmap.mmap, stem: str, header: str, found: list[tuple[str, Section]], there: There) -> list[Grid]:
    """One grid for the images of each number of pixels and size."""
    images = [values for name, values in found if name in _IMAGES]
    common: Section = {}
    for _, values in found:
        if "data offset" not in values:  # images, curves and plots are no settings of all
            common |= values
    groups: dict[tuple[object, ...], list[Found]] = {}
    axes: dict[tuple[object, ...], dict[str, Axis]] = {}
    lines: dict[tuple[object, ...], int] = {}
    empty = [image for image in images if image["samps/line"].split()[0] == "0"]
    for image in images:
        if image in empty:
            continue
        ny, nx, width = _shape(image, common)
        counts = there.take(data, count(image["data offset"], "Data offset"), (ny, nx), f"<i{width}", _told(image))
        if counts is None:
            continue
        made, where = _image(counts, width, image, common)
        key: tuple[object, ...] = tuple((len(a.values), a.spacing) for a in where.values())
        axes[key] = where
        lines[key] = min(lines.get(key, ny), int(_valid(image, (ny, nx)).any(axis=1).sum()))
        groups.setdefault(key, []).append(made)
    attrs = _facts(images, empty)
    grids = []
    for k, (shape, recorded) in enumerate(groups.items()):
        channels, direction = join_directions(recorded)
        name = stem if k == 0 else f"{stem}_{k + 1}"
        stop = stopped(lines[shape], len(axes[shape]["y"].values))
        grids.append(Grid(name, unique(channels), direction | axes[shape], header, {**attrs, **stop}))
    return grids


def _facts(images: list[Section], empty: list[Section]) -> Mapping[str, object]:
    """Which way the slow axis went, and what has no pixels, such as curves over time."""
    slow = images[0].get("frame direction", "").lower() if images else ""
    facts: dict[str, object] = {"slow_direction": slow} if slow in ("up", "down") else {}
    if empty:
        facts["unread"] = json.dumps([f"{_name(image)}: it has no pixels" for image in empty])
    return facts


def _check_end(data: mmap.mmap, lists: list[Section]) -> None:
    """A few bytes behind the last data mean that the data were shifted: bytes were added before them."""
    end = max(count(s["data offset"], "Data offset") + _length(s) for s in lists if _length(s))
    behind = data[end : end + _STRAY]
    if len(behind) < _STRAY and behind.strip(b"\0\x1a"):
        raise ReadError(f"{len(behind)} bytes follow the last image; bytes were added before it, the file is damaged")


def _check_order(data: mmap.mmap, lists: list[Section]) -> None:
    """What is to be believed of a file that was cut off has its parts one behind the other, and zeros before them."""
    placed = sorted((count(s["data offset"], "Data offset"), _length(s)) for s in lists if _length(s))
    if any(at + length != behind for (at, length), (behind, _) in pairwise(placed)):
        raise ReadError(f"it ends at byte {len(data)} and its parts do not follow each other; the header is damaged")
    between = data[end(data) : placed[0][0]].partition(b"\x1a")[2]
    if between.startswith(b"\0") and between.strip(b"\0"):
        raise ReadError(
            f"it ends at byte {len(data)} and has numbers before byte {placed[0][0]}; bytes were lost there"
        )


def _image(counts: np.ndarray, width: int, image: Section, common: Section) -> tuple[Found, dict[str, Axis]]:
    name, (ny, nx) = _name(image), counts.shape
    whole, unit = full_range(image["@z scale"], common) if "@z scale" in image else bruker_old.full_range(image, common)
    values = counts * np.float64(whole / 256 ** counted_bytes(image, width))
    values[~_valid(image, (ny, nx))] = np.nan
    channel = Channel.from_vendor(name, values[::-1], unit)
    way = _WAYS.get(image.get("line direction", "").lower())
    size = extent(image, common)
    axes = image_axes((ny, nx), *size) if size else given_axes((ny, nx), UNKNOWN, None, "a scan of no size")
    attrs = dict(channel.attrs)
    if scanned := image.get("scan line", "").replace("Main", ""):  # a second pass over each line
        attrs["scan_line"] = scanned
    return (f"{scanned}:{name}", way, replace(channel, vendor_name=name, attrs=attrs)), axes


def _name(image: Section) -> str:
    return quoted(image["@image data"]) if "@image data" in image else image["image data"]


def _told(image: Section) -> str:
    """'Height Trace': an image by its name and direction."""
    return " ".join([_name(image), image.get("line direction", "")]).strip()


def _shape(image: Section, common: Section) -> tuple[int, int, int]:
    """(lines, pixels of a line, bytes of a pixel): those that fill the data.

    They are the image's own, or those of its valid part, or those of the scan: each is wrong in some files.
    """
    length = count(image["data length"], "Data length")
    asked = [(image, "number of lines", "samps/line"), (image, "valid data len y", "valid data len x")]
    asked.append((common, "lines", "samps/line"))
    said = [(count(s[y], y), count(s[x].split()[0], x)) for s, y, x in asked if s.get(y, "0") != "0" and x in s]
    for ny, nx in said:
        width, rest = divmod(length, ny * nx)
        if width in (2, 4) and not rest:
            return ny, nx, width
    sizes = " or ".join(f"{ny} × {nx}" for ny, nx in dict.fromkeys(said))
    raise ReadError(f"an image of {sizes} pixels has {length} bytes; the header is damaged")


def _valid(image: Section, shape: tuple[int, int]) -> np.ndarray:
    """Which pixels, in the order of the file, were measured."""
    inside = np.ones(shape, bool)
    for axis, (letter, n) in enumerate(zip("yx", shape, strict=True)):
        length = int(number(image, f"valid data len {letter}") or n)
        start = int(number(image, f"valid data start {letter}") or 0)
        if length != n and 0 <= start < start + length <= n:
            place = np.arange(n)
            inside &= np.expand_dims((place >= start) & (place < start + length), 1 - axis)
    return inside
