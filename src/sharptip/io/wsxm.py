"""WSxM files: images (`.stp`, `.top`, `.tom` and other channels, one to a file), spectroscopy images, movies, curves.

Layout: Nanotec's "WSxM file structure" and the file specifications of spmimages.ftmc.uam.es. The second line says what
the file holds; the header (see `wsxm_header`) ends where `[Header end]` stands, the size that the third line says is
not always right. Rows of little-endian numbers follow: the bottom row comes first and each row begins at its right
end, so that an image is turned by 180°. Integers are counts: all of them span the Z Amplitude; others are in its unit.

Of a file that was cut off, the whole rows, images and frames are read. What a count is worth is known then only if the
header says the greatest and the least of all counts (`Maximum`, `Minimum`); otherwise counts stay counts.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid
from . import wsxm_curve, wsxm_stack
from .cut_off import There
from .layout import native
from .wsxm_header import END, GENERAL, Facts, axes_of, facts_of, numbers, shape_of, worth

NAME = "wsxm"
SUFFIXES = (".stp", ".top", ".tom", ".gsi", ".mpp", ".cur", ".curve")
GENERIC = False

_MAGIC = b"WSxM file copyright"
_WAYS = {"Forward": "forward", "Backward": "backward"}


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_MAGIC) and b"\nImage header size:" in head[:512]


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    end = END.search(data)
    if not end:
        raise ReadError("the header has no end ([Header end]); the file is truncated")
    header = data[: end.end()].decode("latin-1")
    kind, facts = header.splitlines()[1].strip(), facts_of(header)
    if kind.endswith("curve file"):
        return [wsxm_curve.grid(path, kind, header, facts, data[end.end() :])]
    if kind not in ("SxM Image file", *wsxm_stack.SPECTROSCOPY, wsxm_stack.MOVIE):
        raise ReadError(f"it holds a {kind!r}; WSxM's images, spectroscopy images, movies and curves are read")
    direction = facts.get((GENERAL, "Y scanning direction"), "").lower()
    attrs: dict[str, object] = {"slow_direction": direction} if direction in ("up", "down") else {}
    there = There(len(data))
    if kind == wsxm_stack.MOVIE:
        channels, axes = wsxm_stack.movie(path, data, end.end(), facts, there)
    elif kind in wsxm_stack.SPECTROSCOPY:
        topography, channels, axes, said = wsxm_stack.spectroscopy(path, data, end.end(), facts, there)
        channels, attrs = [_channel(facts, topography, "Topography"), *channels], {**attrs, **said}
    else:
        name = facts.get((GENERAL, "Acquisition channel")) or path.suffix.lstrip(".") or "Channel"
        stored = numbers(data, end.end(), 1, facts, there)[0]
        channels, axes = [_channel(facts, stored, name)], axes_of(facts)
    return [Grid(path.stem, tuple(channels), axes, header, {**attrs, **there.attrs()})]


def _channel(facts: Facts, stored: np.ndarray, name: str) -> Channel:
    """An image in the unit of the Z Amplitude, NaN where rows are missing; counts without one stay counts."""
    ny = shape_of(facts)[0]
    factor, unit = worth(facts, "Z Amplitude", stored, len(stored) < ny)
    values = native(stored[::-1, ::-1])
    if values.dtype.kind in "iu":
        values = values * factor
    if len(values) < ny:  # the bottom row comes first
        values = np.pad(values, ((ny - len(values), 0), (0, 0)), constant_values=np.nan)
    if unit == "Pi":  # phase in units of π
        values, unit = values * math.pi, "rad"
    made = Channel.from_vendor(name, values, unit)
    way = _WAYS.get(facts.get((GENERAL, "X scanning direction"), ""))
    return replace(made, attrs={**made.attrs, **({"direction": way} if way else {})})
