"""ZIP archives of very many small members (force maps have hundreds of thousands), each of them a read away.

Layout: PKWARE's APPNOTE.TXT. The central directory at the end lists every member with its place and sizes; it is read
once and kept as it is, with 16 bytes more for each member, since a table of Python objects would take a gigabyte for a
large map. A member is believed when its own header repeats its name and its bytes have the size and the checksum that
the directory says.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..core.errors import ReadError
from .layout import text

_LOCAL, _CENTRAL, _END, _END64, _LOCATOR64 = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
_LONGEST_END = 22 + 65535  # bytes of the end record and its comment
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 1  # flag
_FIELDS = 20  # bytes that a local header's extra fields may be longer than those of the directory; read in one go
MOST = 2**30  # bytes of one member; no curve or picture comes near
RATIO = 1032  # deflate packs no stretch of bytes tighter than this


@dataclass(frozen=True)
class Archive:
    """The members of a ZIP file, which end at byte `end`.

    keys: (member,) hashes of their names, ascending; places: where the entry of each is in the directory.
    """

    path: Path
    end: int
    directory: bytes
    keys: array[int]
    places: array[int]

    def __contains__(self, name: str) -> bool:
        return self._place(name) is not None

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of the directory."""
        return (text(name) for _, name in _entries(self.directory, len(self.places)))

    def _place(self, name: str) -> int | None:
        key = hash(name)
        at = bisect_left(self.keys, key)
        return self.places[at] if at < len(self.keys) and self.keys[at] == key else None

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return reopened, (self.path,)

    def size(self, name: str) -> int:
        """Bytes that a member has when it is unpacked. Raises ReadError for a size that it cannot have."""
        return self._entry(name)[4]

    def read(self, file: BinaryIO, name: str) -> bytes:
        """A member's bytes. Raises ReadError where they are not what the directory says."""
        method, crc, at, packed, size = self._entry(name)
        encoded = len(name.encode())
        file.seek(at)
        raw = file.read(30 + encoded + _FIELDS + packed)
        if len(raw) < 30 or raw[:4] != _LOCAL:
            raise ReadError(f"the archive has no member where {name!r} should be; it is damaged")
        names, extra = struct.unpack_from("<HH", raw, 26)
        if text(raw[30 : 30 + names]) != name:
            raise ReadError(f"the archive has another member where {name!r} should be; it is damaged")
        start = 30 + names + extra
        if start + packed > len(raw):
            file.seek(at)
            raw = file.read(start + packed)
        body = raw[start : start + packed]
        if method == _DEFLATED:
            try:
                body = zlib.decompressobj(-15).decompress(body, size + 1)
            except zlib.error as error:
                raise ReadError(f"the member {name!r} cannot be unpacked ({error}); the archive is damaged") from error
        if len(body) != size or zlib.crc32(body) != crc:
            raise ReadError(f"the member {name!r} is not what its checksum says; the archive is damaged")
        return body

    def _entry(self, name: str) -> tuple[int, int, int, int, int]:
        """(method, checksum, place, packed size, size) of a member."""
        at = self._place(name)
        if at is None:
            raise ReadError(f"the archive has no member {name!r}")
        flags, method = struct.unpack_from("<HH", self.directory, at + 8)
        crc, packed, size, names, extra = struct.unpack_from("<IIIHH", self.directory, at + 16)
        (place,) = struct.unpack_from("<I", self.directory, at + 42)
        if 0xFFFFFFFF in (packed, size, place):
            size, packed, place = self._wide(at + 46 + names, extra, size, packed, place)
        if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
            raise ReadError(f"the member {name!r} is encrypted or packed by method {method}; unpack the archive first")
        if size > MOST or size > packed * (RATIO if method else 1) + 64 or place + packed > self.end:
            raise ReadError(f"the member {name!r} claims {size} bytes, packed in {packed}; the archive is damaged")
        return method, crc, place, packed, size

    def _wide(self, at: int, length: int, size: int, packed: int, place: int) -> tuple[int, int, int]:
        """The same three numbers, those too large for 32 bits from the ZIP64 field at `at`."""
        end = at + length
        while at + 4 <= end:
            kind, n = struct.unpack_from("<HH", self.directory, at)
            if kind == 1:
                wide = iter(struct.unpack_from(f"<{n // 8}Q", self.directory, at + 4))
                size, packed, place = (next(wide) if v == 0xFFFFFFFF else v for v in (size, packed, place))
            at += 4 + n
        return size, packed, place


def archive(path: Path) -> Archive:
    """The archive in a file. Raises ReadError where it is no whole ZIP file."""
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _LONGEST_END))
        tail = file.read()
        count, length, start = _end(file, tail, size)
        file.seek(start)
        directory = file.read(length)
    keys, places = array("q"), array("q")
    for at, name in _entries(directory, count):
        keys.append(hash(text(name)))
        places.append(at)
    order = np.argsort(np.array(keys))
    known = np.array(keys)[order]
    if (known[1:] == known[:-1]).any():
        raise ReadError("the directory of the archive is damaged: it has a name twice")
    return Archive(path, start, directory, array("q", known.tobytes()), array("q", np.array(places)[order].tobytes()))


def _entries(directory: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    """(place, name) of each entry of a directory. Raises ReadError where they do not fill it."""
    at = 0
    for _ in range(count):
        if directory[at : at + 4] != _CENTRAL:
            raise ReadError("the directory of the archive is damaged")
        names, extra, comment = struct.unpack_from("<HHH", directory, at + 28)
        yield at, directory[at + 46 : at + 46 + names]
        at += 46 + names + extra + comment
    if at != len(directory):
        raise ReadError("the directory of the archive is damaged: its length is wrong")


def reopened(path: Path) -> Archive:
    """The archive in another process, where it is read once and kept as long as its file stays as it is."""
    about = path.stat()
    return _kept(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=2)
def _kept(path: Path, size: int, changed: int) -> Archive:
    return archive(path)


def _end(file: BinaryIO, tail: bytes, size: int) -> tuple[int, int, int]:
    """(number of members, bytes of the directory, its place) from the record at the end of the file."""
    at = tail.rfind(_END)
    if at < 0 or at + 22 > len(tail) or at + 22 + struct.unpack_from("<H", tail, at + 20)[0] != len(tail):
        raise ReadError("the archive has no end; the file is truncated or bytes follow it")
    count, length, start = struct.unpack_from("<HII", tail, at + 10)
    stop = size - len(tail) + at
    if count == 0xFFFF or 0xFFFFFFFF in (length, start):
        place = at - 20
        if place >= 0 and tail[place : place + 4] == _LOCATOR64:
            (stop,) = struct.unpack_from("<Q", tail, place + 8)
            file.seek(stop)
            record = file.read(56)
            if len(record) < 56 or record[:4] != _END64:
                raise ReadError("the directory of the archive is damaged")
            count, length, start = struct.unpack_from("<QQQ", record, 32)
    if start + length != stop or count * 46 > length:
        raise ReadError("the directory of the archive is not where its end says; the file is damaged")
    return count, length, start
