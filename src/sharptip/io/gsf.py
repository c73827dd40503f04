"""Gwyddion Simple Field (`.gsf`): one channel, a text header and float32 numbers.

Layout: Gwyddion user guide, "Gwyddion Simple Field". After the magic line come `key = value` lines, then one to four
NUL bytes up to a multiple of four, then little-endian float32, the top line first. Ours say in a line of their own,
`sharptip`, what the format has no word for: the channel's name and unit, the history, the instrument's header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.files import write_whole
from ..core.grid import Channel, Grid
from ..core.units import to_si
from .layout import Size, count, given_axes, join_directions, native, positive, split_direction, take, text
from .pick import KEPT, facts, kept_apart, odd_attributes, only, regular, restored, single

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
    said = {k.strip(): v.strip() for k, _, v in (line.partition("=") for line in header.splitlines())}
    shape = count(said["YRes"], "YRes"), count(said["XRes"], "XRes")
    start = end + 4 - end % 4
    if data[end:start].strip(b"\0") or start + 4 * shape[0] * shape[1] != len(data):
        raise ReadError(
            f"{shape[0]} × {shape[1]} numbers from byte {start} do not fill the file of {len(data)} bytes; "
            "it is truncated or its header is damaged"
        )
    factor, si = to_si(said.get("XYUnits", ""))
    own = None
    if si == "m":  # a side that is left out is 1 by the format's rule
        own = positive(said.get("YReal", 1), "YReal") * factor, positive(said.get("XReal", 1), "XReal") * factor
    values = native(take(data, start, shape, "<f4", "the field"))
    title = said.get("Title", "") or "data"
    base, way = split_direction(title)
    made = Channel.from_vendor(base, values, said.get("ZUnits", ""))
    ours = restored(said.get("sharptip"))
    if ours:
        way_said = {"direction": ours["direction"]} if "direction" in ours else {}
        named = Channel(
            ours["variable"], values, ours["units"], ours.get("vendor_name", ours["variable"]), attrs=way_said
        )
        kept = {k: ours[k] for k in KEPT if k in ours}
        return [Grid(path.stem, (named,), given_axes(shape, size, own, "this field"), header, kept)]
    channels, axes = join_directions(
        [(base, way, Channel(made.name, made.data, made.unit, title, made.dims, made.attrs))]
    )
    axes |= given_axes(shape, size, own, "this field")
    return [Grid(path.stem, tuple(channels), axes, header)]


def write(nodes: Mapping[str, Any], path: Path) -> list[str]:
    """Write the one image there is; returns what the format cannot keep."""
    _, scan, image = only(nodes, [("y", "x")], ".gsf")
    values, same = single(np.asarray(image.values), repr(image.name))
    unit, way = str(image.attrs["units"]), image.attrs.get("direction")
    lines = {"XRes": values.shape[1], "YRes": values.shape[0]}
    if scan["x"].attrs["units"] == "m":
        for axis, n in (("X", values.shape[1]), ("Y", values.shape[0])):
            start, step = regular(scan, axis.lower(), ".gsf")
            lines |= {f"{axis}Real": repr(n * step), f"{axis}Offset": repr(start)}
        lines["XYUnits"] = "m"
    lines |= {"ZUnits": "" if unit in ("1", "arb") else unit, "Title": f"{image.name} [{way}]" if way else image.name}
    lines["sharptip"] = json.dumps(facts(scan, image))
    head = MAGIC + "".join(f"{k} = {v}\n" for k, v in lines.items()).encode("utf-8")
    raw = head + b"\0" * (4 - len(head) % 4) + values.astype("<f4").tobytes()
    write_whole(path, lambda temporary: temporary.write_bytes(raw))
    lost = kept_apart(scan, str(image.name)) + odd_attributes(scan, image)
    return lost + ([] if same else ["more than 7 digits (32-bit floats)"])
