"""Nanonis scans (`.sxm`).

Layout: SPECS Nanonis user manual, "SXM file format". Lines `:TAG:` each followed by its values, up to `:SCANIT_END:`;
then the bytes 1A 04 and big-endian float32 images in SI units, one per channel and direction in the order of the
table under `:DATA_INFO:`. Lines are stored in the order they were recorded, from the bottom when SCAN_DIR is 'up',
and each pixel in the order it was recorded, so backward lines are mirrored. Lines that were never recorded are NaN.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid, unique
from .layout import count, image_axes, join_directions, native, positive, take, text

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
    recorded, at = [], start
    for name, unit, ways in _channels(tags["DATA_INFO"]):
        for way in ways:
            values = take(data, at, (ny, nx), order + "f4", f"channel {name!r} ({way})")
            at += values.nbytes
            values = native(values[:: -1 if up else 1, :: -1 if way == "backward" else 1])
            made = Channel.from_vendor(name.replace("_", " "), values, unit)
            recorded.append((name, way, Channel(made.name, made.data, made.unit, name, made.dims, made.attrs)))
    if len(data) != at:
        raise ReadError(f"{len(data) - at} bytes follow the last image; the header is damaged")
    _whole_lines(recorded)
    channels, axes = join_directions(recorded)
    axes |= image_axes((ny, nx), height, width)
    return [Grid(path.stem, unique(channels), axes, header, {"slow_direction": "up" if up else "down"})]


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


def _whole_lines(recorded: list[tuple[str, str, Channel]]) -> None:
    """An unfinished scan is NaN from some line on, in every channel; NaN for all of a channel is no scan."""
    if all(np.isnan(channel.data).all() for _, _, channel in recorded):
        raise ReadError("no line of the scan was recorded")
