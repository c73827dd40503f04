"""Tables of numbers in text files and the ZIP archives they come in."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.errors import ReadError

HEAD = 65536  # bytes of the first file that a reader looks at
MOST = 2**28  # bytes of text in one file or archive; no export comes near
_LOCAL, _MAC = b"PK\3\4", b"__MACOSX/"  # of a member; of what an Apple adds to archives
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
        files = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith(_MAC.decode())]
        there = path.stat().st_size
        absurd = any(i.compress_size > there or i.file_size > RATIO * i.compress_size + 64 for i in files)
        if absurd or sum(i.file_size for i in files) > MOST:
            raise ReadError("the archive claims more text than it can hold; it is damaged")
        for info in files:
            out[info.filename] = archive.read(info)
    if not out:
        raise ReadError("the archive holds no file")
    return out


def first_member(head: bytes) -> bytes:
    """The beginning of the first file in the ZIP archive that begins so; b'' where this is none.

    Its directory is not asked: the archives of other formats have hundreds of thousands of members.
    """
    at = 0
    while head[at : at + 4] == _LOCAL and at + 30 <= len(head):
        (method,) = struct.unpack_from("<H", head, at + 8)
        packed, _, name, extra = struct.unpack_from("<IIHH", head, at + 18)
        called, start = head[at + 30 : at + 30 + name], at + 30 + name + extra
        if called.endswith(b"/") or called.startswith(_MAC):
            at = start + packed
            continue
        body = head[start : start + packed if packed else None]  # 0 where the size follows the bytes
        try:
            return body if method == 0 else zlib.decompressobj(-15).decompress(body, HEAD) if method == 8 else b""
        except zlib.error:
            return b""
    return b""
