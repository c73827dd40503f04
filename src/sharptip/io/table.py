"""Tables of numbers in text files and the ZIP archives they come in."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.errors import ReadError

HEAD = 65536  # bytes of the first file that a reader looks at
MOST = 2**28  # bytes of text in one file or archive; no export comes near
RATIO = 1032  # deflate packs no stretch of bytes tighter than this


def lines(said: str, what: str) -> list[str]:
    """Lines of a text whose last line has an end. A file that was cut off would otherwise give half a number."""
    if not said.endswith("\n"):
        raise ReadError(f"the last line of {what} has no end; it is truncated")
    return said.splitlines()


def numbers(rows: Sequence[str], columns: int, what: str, separator: str | None = "\t") -> np.ndarray:
    """(row, column) numbers of the rows that are not blank; an empty field is NaN."""
    fields = [row.split(separator) for row in rows if row.strip()]
    if not fields:
        raise ReadError(f"{what} has no row of numbers; it is truncated")
    wrong = next((i for i, f in enumerate(fields) if len(f) != columns), None)
    if wrong is not None:
        raise ReadError(f"row {wrong + 1} of {what} has {len(fields[wrong])} fields, not {columns}; it is damaged")
    return np.array([[float(v) if v.strip() else np.nan for v in row] for row in fields])


def members(path: Path) -> dict[str, bytes]:
    """Name → bytes of the files in a ZIP archive, in the archive's order."""
    out: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        files = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
        there = path.stat().st_size
        absurd = any(i.compress_size > there or i.file_size > RATIO * i.compress_size + 64 for i in files)
        if absurd or sum(i.file_size for i in files) > MOST:
            raise ReadError("the archive claims more text than it can hold; it is damaged")
        for info in files:
            out[info.filename] = archive.read(info)
    if not out:
        raise ReadError("the archive holds no file")
    return out


def first_member(head: bytes, path: Path) -> bytes:
    """The beginning of the first file in a ZIP archive, b'' where this is none."""
    if not head.startswith(b"PK\x03\x04"):
        return b""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
            sound = bool(files) and files[0].compress_size <= path.stat().st_size
            return archive.open(files[0]).read(HEAD) if sound else b""
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError, ValueError):
        return b""
