"""Nanonis scans (`.sxm`).

Layout: SPECS Nanonis user manual, "SXM file format". Lines `:TAG:` each followed by its values, up to `:SCANIT_END:`;
then the bytes 1A 04 and big-endian float32 images in SI units, one per channel and direction in the order of the
table under `:DATA_INFO:`. Lines are stored in the order they were recorded, from the bottom when SCAN_DIR is 'up',
and each pixel in the order it was recorded, so backward lines are mirrored. Lines of a scan that was stopped are NaN,
or zero in every image. Of a file that was cut off, what is there is read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid, unique
from .cut_off import There, joined, stopped
from .layout import count, image_axes, join_directions, native, positive, text

NAME = "sxm"
SUFFIXES = (".sxm",)
GENERIC = False

_END = b":SCANIT_END:"
_START = b"\x1a\x04"
_WAYS = {"both": ("forward", "backward"), "forward": ("forward",), "backward": ("backward",)}


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(b":NANONIS_VERSION:")


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    end = data.find(_END)
    start = data.find(_START, end) + len(_START)
    if end < 0 or start < len(_START):
        raise ReadError("the header has no end (:SCANIT_END:); the file is truncated")
    header = text(data[:end])
    tags = _tags(header)
    if tags.get("SCANIT_TYPE", "FLOAT").split()[0] != "FLOAT":
        raise ReadError(f"numbers of type {tags['SCANIT_TYPE']!r} are not known; images are FLOAT")
    order = "<" if "LSBFIRST" in tags.get("SCANIT_TYPE", "") else ">"
    nx, ny = (count(n, "SCAN_PIXELS") for n in tags["SCAN_PIXELS"].split())
    width, height = (positive(v, "SCAN_RANGE") for v in tags["SCAN_RANGE"].split())
    up = _slow_direction(tags) == "up"
    there, images, at = There(len(data)), list[Image](), start
    for name, unit, ways in _channels(tags["DATA_INFO"]):
        for way in ways:
            values = there.take(data, at, (ny, nx), order + "f4", f"{name} {way}")
            at += 4 * ny * nx
            if values is not None:
                images.append((name, unit, way, values))
    if len(data) > at:
        raise ReadError(f"{len(data) - at} bytes follow the last image; the header is damaged")
    cut = there.attrs()
    whole = {name for name, n, of, _ in there.parts if n == of}
    lines = _lines([v for name, _, way, v in images if f"{name} {way}" in whole], ny) if whole else ny
    recorded = [(name, way, _channel(name, unit, way, v[:lines], ny, up)) for name, unit, way, v in images]
    channels, axes = join_directions(recorded)
    axes |= image_axes((ny, nx), height, width)
    attrs = {"slow_direction": "up" if up else "down", **joined(cut, stopped(lines, ny))}
    return [Grid(path.stem, unique(channels), axes, header, attrs)]


Image = tuple[str, str, str, np.ndarray]  # name, unit, direction, numbers as they are stored


def _channel(name: str, unit: str, way: str, values: np.ndarray, ny: int, up: bool) -> Channel:
    """An image with its lines from top to bottom, NaN where they were not recorded."""
    rows = np.full((ny, values.shape[1]), np.nan, np.float32)
    rows[: len(values)] = values
    turned = native(rows[:: -1 if up else 1, :: -1 if way == "backward" else 1])
    made = Channel.from_vendor(name.replace("_", " "), turned, unit)
    return replace(made, vendor_name=name)


def _tags(header: str) -> dict[str, str]:
    parts = re.split(r"^:([^\n]+?):[ \t]*\r?\n", header, flags=re.MULTILINE)
    return {name: value.strip("\r\n") for name, value in zip(parts[1::2], parts[2::2], strict=True)}


def _slow_direction(tags: dict[str, str]) -> str:
    said = tags["SCAN_DIR"].strip()
    if said not in ("up", "down"):
        raise ReadError(f"SCAN_DIR is {said!r}, not 'up' or 'down'; the header is damaged")
    return said


def _channels(table: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(name, unit, directions) of each row of the table, which begins with its column names."""
    lines = [line.strip().split("\t") for line in table.splitlines() if line.strip()]
    columns = [c.strip() for c in lines[0]]
    out = []
    for line in lines[1:]:
        row = dict(zip(columns, (v.strip() for v in line), strict=False))
        if row["Direction"] not in _WAYS:
            raise ReadError(f"channel {row['Name']!r} has direction {row['Direction']!r}; the header is damaged")
        out.append((row["Name"], row["Unit"], _WAYS[row["Direction"]]))
    return out


def _lines(images: list[np.ndarray], ny: int) -> int:
    """Lines that were recorded: behind the last of them every image is NaN, or every image is zero."""
    recorded = np.zeros(ny, bool)
    for values in images:
        recorded |= (np.isfinite(values) & (values != 0)).any(axis=1)
    if not recorded.any() and any(np.isfinite(values).any() for values in images):
        return ny  # zero everywhere is what was recorded, whatever it was
    if not recorded.any():
        raise ReadError("no line of the scan was recorded")
    return int(np.flatnonzero(recorded)[-1]) + 1
