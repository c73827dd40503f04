"""JPK images (`.jpk`, `.jpk-qi-image`): a TIFF file with one page per channel and direction, and private tags.

Layout: TIFF 6.0, and JPK's public "JPK image file specification" for the tags. The first page is a thumbnail with the
geometry of the scan. Each channel page holds integers and, for every meaning these can be given (volts, nominal
height, calibrated height …), a slot of tags with a unit and a straight line; the page names the slot its user saw.
The line turns the stored integer into the slot's unit at once. Pages are stored bottom line first unless the
grid is reflected. Pixels that were not measured hold a value that the slot names; they become NaN.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid, unique
from .layout import count, finite, image_axes, join_directions, positive, take, text

NAME = "jpk"
SUFFIXES = (".jpk", ".jpk-qi-image")
GENERIC = False

# TIFF: tag type → (struct letter, bytes).
_TYPES = {
    1: ("B", 1), 2: ("s", 1), 3: ("H", 2), 4: ("I", 4), 5: ("II", 8), 6: ("b", 1), 7: ("s", 1), 8: ("h", 2),
    9: ("i", 4), 10: ("ii", 8), 11: ("f", 4), 12: ("d", 8),
}  # fmt: skip
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _COUNTS, _FORMAT = 0x100, 0x101, 0x102, 0x103, 0x111, 0x117, 0x153
_FILE_VERSION = 0x8000
_U_LENGTH, _V_LENGTH, _REFLECT, _MOTION = 0x8042, 0x8043, 0x8045, 0x804B
_CHANNEL, _RETRACE, _FANCY_NAME, _STYLE = 0x8050, 0x8051, 0x8052, 0x8053
_SLOTS, _DEFAULT_SLOT, _FIRST_SLOT, _SLOT_STEP = 0x8080, 0x8081, 0x8090, 0x30
_SLOT_ENCODER, _SLOT_UNIT, _SLOT_SCALING, _SLOT_MULTIPLIER, _SLOT_OFFSET = 0x11, 0x12, 0x13, 0x14, 0x15
_SLOT_INVALID = 0x1A  # like the others counted from the slot's first tag: what stands for a pixel without a value
_MOST_PAGES, _MOST_TAGS, _MOST_SLOTS = 256, 4096, 32
_PART = re.compile(r"^segment-style\.style : (\w+)", re.MULTILINE)

Page = dict[int, Any]


def detect(head: bytes, path: Path) -> bool:
    """A TIFF whose first page carries JPK's version tag."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return False
    (at,) = struct.unpack_from(order + "I", head, 4)
    if at + 2 > len(head):
        return path.suffix.lower() in SUFFIXES
    (n,) = struct.unpack_from(order + "H", head, at)
    tags = range(at + 2, min(at + 2 + 12 * n, len(head) - 1), 12)
    return any(struct.unpack_from(order + "H", head, tag)[0] == _FILE_VERSION for tag in tags)


def read(path: Path) -> list[Grid]:
    return [image(path.read_bytes(), path.stem)]


def image(data: bytes, name: str) -> Grid:
    """The scan in the bytes of a file; force maps carry such a file within."""
    pages = _pages(data)
    about = pages[0]
    if _FILE_VERSION not in about:
        raise ReadError("it is a TIFF without JPK's tags")
    height, width = positive(about[_V_LENGTH], "grid-vlength"), positive(about[_U_LENGTH], "grid-ulength")
    reflected = about.get(_REFLECT, 0)
    images = [page for page in pages if page.get(_CHANNEL) not in (None, "thumbnail")]
    if not images or reflected not in (0, 1):
        raise ReadError("no page holds a channel, or the grid's geometry is damaged")
    shape = _shape(images[0])
    recorded = [_channel(data, page, shape, flip=not reflected) for page in images]
    channels, axes = join_directions(recorded)
    axes |= image_axes(shape, height, width)
    header = [
        {f"{tag:#06x}": v for tag, v in page.items() if tag > 0 and not isinstance(v, np.ndarray)} for page in pages
    ]
    slow = {"bottomUp": "up", "topDown": "down"}.get(str(about.get(_MOTION)))
    return Grid(name, unique(channels), axes, header, {"slow_direction": slow} if slow else {})


def _shape(page: Page) -> tuple[int, int]:
    return count(page[_HEIGHT], "ImageLength"), count(page[_WIDTH], "ImageWidth")


def _pages(data: bytes) -> list[Page]:
    """The tags of every page: one number, a text, or an array."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise ReadError("it does not begin like a TIFF file")
    pages: list[Page] = []
    seen: set[int] = set()
    (at,) = struct.unpack_from(order + "I", data, 4)
    while at:
        if at in seen or len(pages) >= _MOST_PAGES:
            raise ReadError("the pages run in a circle; the file is damaged")
        seen.add(at)
        (n,) = struct.unpack_from(order + "H", data, at)
        if n > _MOST_TAGS:
            raise ReadError(f"a page has {n} tags; the file is damaged")
        tags = [_tag(data, at + 2 + 12 * i, order) for i in range(n)]
        pages.append(dict(tags) | {-1: order})
        (at,) = struct.unpack_from(order + "I", data, at + 2 + 12 * n)
    if not pages:
        raise ReadError("the TIFF has no page")
    return pages


def _tag(data: bytes, at: int, order: str) -> tuple[int, Any]:
    tag, kind, n = struct.unpack_from(order + "HHI", data, at)
    if kind not in _TYPES:
        raise ReadError(f"tag {tag:#06x} has the unknown type {kind}; the file is damaged")
    letter, width = _TYPES[kind]
    where = at + 8
    if n * width > 4:
        (where,) = struct.unpack_from(order + "I", data, where)
    if letter == "s":
        return tag, text(take(data, where, (n,), "u1", f"tag {tag:#06x}").tobytes().split(b"\0", 1)[0])
    values = take(data, where, (n, len(letter)), order + letter[0], f"tag {tag:#06x}")
    return tag, values[0, 0].item() if values.size == 1 else values.ravel()


def _channel(data: bytes, page: Page, shape: tuple[int, int], flip: bool) -> tuple[str, str, Channel]:
    name = str(page.get(_FANCY_NAME) or page[_CHANNEL])
    if _shape(page) != shape or page.get(_COMPRESSION, 1) != 1:
        raise ReadError(f"page {name!r} has another shape than the first one, or is compressed")
    kind = {1: "u", 2: "i", 3: "f"}[page.get(_FORMAT, 1)]
    counts = _strips(data, page, shape, f"{page[-1]}{kind}{count(page[_BITS], 'BitsPerSample') // 8}", name)
    multiplier, offset, unit = _slot(page, name)
    values = counts[:: -1 if flip else 1] * np.float64(multiplier) + offset
    if str(page.get(_FIRST_SLOT + _SLOT_ENCODER)).endswith("WithValidity"):
        values[counts[:: -1 if flip else 1] == page.get(_FIRST_SLOT + _SLOT_INVALID)] = np.nan
    if page.get(_RETRACE) not in (0, 1):
        raise ReadError(f"page {name!r} does not say whether it is trace or retrace; the file is damaged")
    way = "backward" if page[_RETRACE] else "forward"
    channel = Channel.from_vendor(name, values, unit)
    if (channel.name, channel.unit) == ("deflection_signal", "N"):
        channel = replace(channel, name="force")  # a deflection in newtons is one
    if part := _PART.search(str(page.get(_STYLE, ""))):  # which part of a force curve its pixels were made of
        channel = replace(channel, attrs={**channel.attrs, "vendor_segment": part[1]})
    return str(page[_CHANNEL]), way, replace(channel, vendor_name=name)


def _strips(data: bytes, page: Page, shape: tuple[int, int], dtype: str, name: str) -> np.ndarray:
    offsets, counts = np.atleast_1d(page[_OFFSETS]), np.atleast_1d(page[_COUNTS])
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if len(offsets) != len(counts) or int(counts.sum(dtype=np.int64)) != size:
        raise ReadError(f"the strips of page {name!r} do not add up to its {size} bytes; the file is damaged")
    parts = [take(data, int(at), (int(n),), "u1", f"page {name!r}") for at, n in zip(offsets, counts, strict=True)]
    return np.concatenate(parts).view(dtype).reshape(shape)


def _slot(page: Page, name: str) -> tuple[float, float, str]:
    """(multiplier, offset, unit) of the slot the page names as its default; another slot is never taken for it."""
    if not 1 <= page[_SLOTS] <= _MOST_SLOTS:
        raise ReadError(f"page {name!r} has {page[_SLOTS]} conversion slots; the file is damaged")
    firsts = {page[_FIRST_SLOT + i * _SLOT_STEP]: _FIRST_SLOT + i * _SLOT_STEP for i in range(page[_SLOTS])}
    default = page[_DEFAULT_SLOT]
    if default not in firsts:
        raise ReadError(f"page {name!r} names the slot {default!r}, but has {sorted(map(str, firsts))}")
    slot = firsts[default]
    scaling = page.get(slot + _SLOT_SCALING)
    if scaling == "NullScaling":
        return 1.0, 0.0, "arb"
    if scaling != "LinearScaling":
        raise ReadError(f"page {name!r} is scaled by {scaling!r}, which is not known")
    multiplier = finite(page[slot + _SLOT_MULTIPLIER], "a multiplier")
    if multiplier == 0:
        raise ReadError(f"page {name!r} has the multiplier 0; the file is damaged")
    return multiplier, finite(page[slot + _SLOT_OFFSET], "an offset"), str(page[slot + _SLOT_UNIT])
