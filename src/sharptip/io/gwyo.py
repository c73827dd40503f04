"""Files of Gwyddion 1 (`.gwy` that begins with GWYO).

Layout: that of Gwyddion 2 (see gwy.py), but for containers: the type of a component comes before its name, and as the
number that GLib gave to it. A field of that time may say no unit; then it needs a size.
"""

from __future__ import annotations

from pathlib import Path

from ..core.errors import ReadError
from ..core.grid import Grid
from .gwy import images, unpack
from .layout import Size

NAME = "gwyo"
SUFFIXES = (".gwy",)
GENERIC = False
NEEDS_SIZE = True  # as for gwy: a channel without a lateral unit has no physical size

MAGIC = b"GWYO"


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(MAGIC)


def read(path: Path, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[Grid]:
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        raise ReadError("it does not begin with GWYO")
    return images(unpack(data, old=True), path, size)
