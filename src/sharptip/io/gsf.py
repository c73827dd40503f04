"""Gwyddion Simple Field (`.gsf`): one channel, a text header and float32 numbers.

Layout: Gwyddion user guide, "Gwyddion Simple Field". After the magic line come `key = value` lines, then one to four
NUL bytes up to a multiple of four, then little-endian float32, the top line first.
"""

from __future__ import annotations

from pathlib import Path

from ..core.errors import ReadError
from ..core.grid import Channel, Grid
from ..core.units import to_si
from .layout import Size, count, given_axes, join_directions, native, positive, split_direction, take, text

NAME = "gsf"
SUFFIXES = (".gsf",)
GENERIC = False
NEEDS_SIZE = True  # XReal and YReal may be left out

MAGIC = b"Gwyddion Simple Field 1.0\n"


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(MAGIC)


def read(path: Path, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[Grid]:
    data = path.read_bytes()
    end = data.find(b"\0")
    if not data.startswith(MAGIC) or end < 0:
        raise ReadError("the header does not begin with the Gwyddion Simple Field line and end with a NUL byte")
    header = text(data[len(MAGIC) : end])
    facts = {k.strip(): v.strip() for k, _, v in (line.partition("=") for line in header.splitlines())}
    shape = count(facts["YRes"], "YRes"), count(facts["XRes"], "XRes")
    start = end + 4 - end % 4
    if data[end:start].strip(b"\0") or start + 4 * shape[0] * shape[1] != len(data):
        raise ReadError(
            f"{shape[0]} × {shape[1]} numbers from byte {start} do not fill the file of {len(data)} bytes; "
            "it is truncated or its header is damaged"
        )
    factor, si = to_si(facts.get("XYUnits", ""))
    own = None
    if si == "m":  # a side that is left out is 1 by the format's rule
        own = positive(facts.get("YReal", 1), "YReal") * factor, positive(facts.get("XReal", 1), "XReal") * factor
    values = native(take(data, start, shape, "<f4", "the field"))
    title = facts.get("Title", "") or "data"
    base, way = split_direction(title)
    made = Channel.from_vendor(base, values, facts.get("ZUnits", ""))
    channels, axes = join_directions(
        [(base, way, Channel(made.name, made.data, made.unit, title, made.dims, made.attrs))]
    )
    axes |= given_axes(shape, size, own, "this field")
    return [Grid(path.stem, tuple(channels), axes, header)]
