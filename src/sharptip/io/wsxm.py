"""WSxM images (`.stp`, `.top`, `.tom` and its other channels, one to a file).

Layout: Nanotec's "WSxM file structure" and the file specifications of spmimages.ftmc.uam.es. Sections of lines
`key: value` up to `[Header end]` (the size that the third line says is not always right), then rows of little-endian
short, float or double. The bottom row comes first and each row begins at its right end, so the image is turned by
180°. Shorts are counts: all of them span the Z Amplitude; floats and doubles are in its unit already.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid
from ..core.units import to_si
from .layout import count, finite, image_axes, native, take

NAME = "wsxm"
SUFFIXES = (".stp", ".top", ".tom")
GENERIC = False

_MAGIC = b"WSxM file copyright"
_IMAGE = "SxM Image file"
_END = re.compile(rb"\[Header end\]\r?\n")
_TYPES = {"short": "<i2", "integer": "<i2", "float": "<f4", "double": "<f8"}
_QUANTITY = re.compile(r"\s*([-+.\deE]+)\s*(.*)")
_WAYS = {"Forward": "forward", "Backward": "backward"}


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_MAGIC) and b"\nImage header size:" in head[:512]


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    end = _END.search(data)
    if not end:
        raise ReadError("the header has no end ([Header end]); the file is truncated")
    header = data[: end.end()].decode("latin-1")
    kind = header.splitlines()[1].strip()
    if kind != _IMAGE:
        raise ReadError(f"it holds a {kind!r}; of WSxM's files only images are read")
    facts = _facts(header)
    ny, nx = (count(facts["General Info", f"Number of {k}"], f"Number of {k}") for k in ("rows", "columns"))
    said = facts.get(("General Info", "Image Data Type"), "short").lower()  # old files hold shorts and do not say so
    if said not in _TYPES:
        raise ReadError(f"numbers of type {said!r} are not known; images are {', '.join(_TYPES)}")
    stored = take(data, end.end(), (ny, nx), _TYPES[said], "the image")
    if end.end() + stored.nbytes != len(data):
        raise ReadError(f"{len(data) - end.end() - stored.nbytes} bytes follow the image; the header is damaged")
    axes = image_axes((ny, nx), _extent(facts, "Y"), _extent(facts, "X"))
    direction = facts.get(("General Info", "Y scanning direction"), "").lower()
    attrs = {"slow_direction": direction} if direction in ("up", "down") else {}
    return [Grid(path.stem, (_channel(facts, native(stored[::-1, ::-1]), path),), axes, header, attrs)]


def _facts(header: str) -> dict[tuple[str, str], str]:
    """Value by section and key."""
    facts, section = {}, ""
    for line in header.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        key, is_fact, value = line.partition(":")
        if is_fact:
            facts[section, key.strip()] = value.strip()
    return facts


def _quantity(said: str, what: str) -> tuple[float, str]:
    """'500 nm' → (500.0, 'nm')."""
    match = _QUANTITY.fullmatch(said)
    if not match:
        raise ReadError(f"{what} is {said!r}, which is no number; the header is damaged")
    return finite(match[1], what), match[2]


def _extent(facts: dict[tuple[str, str], str], axis: str) -> float:
    """Metres along an axis."""
    what = f"{axis} Amplitude"
    value, unit = _quantity(facts["Control", what], what)
    factor, si = to_si(unit)
    if si != "m":
        raise ReadError(f"{what} is in {unit!r}; an image that is not of a place, such as a spectrum, is not read")
    return abs(value) * factor


def _channel(facts: dict[tuple[str, str], str], values: np.ndarray, path: Path) -> Channel:
    """The numbers in the unit of the Z Amplitude; counts without one stay counts."""
    name = facts.get(("General Info", "Acquisition channel")) or path.suffix.lstrip(".") or "Channel"
    said = facts.get(("General Info", "Z Amplitude"))
    amplitude, unit = _quantity(said, "Z Amplitude") if said else (0.0, "arb")
    if values.dtype.kind == "i":
        span = int(values.max()) - int(values.min())
        values = values * (amplitude / span) if said and span else values.astype(float)
        unit = unit if span else "arb"  # what a count is worth cannot be told where all are the same
    if unit == "Pi":  # phase in units of π
        values, unit = values * math.pi, "rad"
    made = Channel.from_vendor(name, values, unit)
    way = _WAYS.get(facts.get(("General Info", "X scanning direction"), ""))
    return replace(made, attrs={**made.attrs, **({"direction": way} if way else {})})
