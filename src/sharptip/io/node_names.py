"""What the scans of one file are called in a tree: after themselves, in letters any file system and format takes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 80  # letters; file systems take 255 bytes, and a path has several such names


def node_names(names: Iterable[str]) -> list[str]:
    """A name for each scan, no two of them alike, also where upper and lower case are one; 'scan_3' for one without.

    >>> node_names(["Topography (fwd)", "", "topography/fwd", "..", "試料 7"])
    ['Topography_fwd', 'scan_1', 'topography_fwd_2', 'scan_3', '試料_7']
    """
    taken = {"zarr.json"}  # what a zarr store itself has there
    return [_free(_safe(name) or f"scan_{i}", i, taken) for i, name in enumerate(names)]


def _safe(name: str) -> str:
    """Letters, digits and . + - alone; none of . - _ at either end, where zarr, netCDF and shells have a meaning of
    their own for them."""
    plain = re.sub(r"[^\w.+-]+", "_", unicodedata.normalize("NFC", name), flags=re.UNICODE)
    return plain.strip("._-+")[:LONGEST].rstrip("._-+")


def _free(name: str, number: int, taken: set[str]) -> str:
    free = name
    while free.casefold() in taken:
        free, number = f"{name}_{number}", number + 1
    taken.add(free.casefold())
    return free
