"""ZIP archives of very many small members (force maps have hundreds of thousands), each of them a read away.

Layout: PKWARE's APPNOTE.TXT. The central directory at the end lists every member with its place and sizes; it is read
once and kept as it is, with 16 bytes more for each member, since a table of Python objects would take a gigabyte for a
large map. A member is believed when its own header repeats its name and its bytes have the size and the checksum that
the directory says.

An archive that was cut off has no directory. Its members still stand one behind the other, each with a header of its
own, and those that are whole make a directory like the one that was lost. Where a header leaves the sizes to the record
behind the member, as JPK's do, unpacking it finds its end.
"""

from __future__ import annotations

import mmap
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
_DESCRIPTOR = b"PK\7\x08"
_LONGEST_END = 22 + 65535  # bytes of the end record and its comment
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _SIZES_BEHIND = 1, 8  # flags
_PIECE = 2**16  # bytes that are unpacked at a time to find the end of a member
_FIELDS = 20  # bytes that a local header's extra fields may be longer than those of the directory; read in one go
DIRECTORY = "the directory"  # what is lost of an archive of which every member is there
MOST = 2**30  # bytes of one member; no curve or picture comes near
RATIO = 1032  # deflate packs no stretch of bytes tighter than this


@dataclass(frozen=True)
class Archive:
    """The members of a ZIP file, which end at byte `end`.

    keys: (member,) hashes of their names, ascending; places: where the entry of each is in the directory.
    lost: of a file that was cut off, what is missing of it, '' for a whole one; begun: the member in which it ends.
    """

    path: Path
    end: int
    directory: bytes
    keys: array[int]
    places: array[int]
    lost: str = ""
    begun: str = ""

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
    """The archive in a file, as far as it goes where its end is missing. Raises ReadError where it is none."""
    lost = begun = ""
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _LONGEST_END))
        tail = file.read()
        if _has_end(tail):
            count, length, start = _end(file, tail, size)
            file.seek(start)
            directory = file.read(length)
        else:
            directory, count, lost, begun = _found_again(file)
            start = size
    keys, places = array("q"), array("q")
    for at, name in _entries(directory, count):
        keys.append(hash(text(name)))
        places.append(at)
    order = np.argsort(np.array(keys))
    known = np.array(keys)[order]
    if (known[1:] == known[:-1]).any():
        raise ReadError("the directory of the archive is damaged: it has a name twice")
    sorted_places = array("q", np.array(places)[order].tobytes())
    return Archive(path, start, directory, array("q", known.tobytes()), sorted_places, lost, begun)


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


def _has_end(tail: bytes) -> bool:
    """Whether the record that ends an archive is there, sound or not."""
    at = tail.rfind(_END)
    return 0 <= at <= len(tail) - 22


def _found_again(file: BinaryIO) -> tuple[bytes, int, str, str]:
    """Of an archive without its end: a directory of the whole members, their number, what was lost, and the member in
    which it ends."""
    directory, count, at = bytearray(), 0, 0
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while (entry := _member(data, at)) is not None:
            member, at = entry
            directory += member
            count += 1
        behind = data[at : at + 4]
        length = struct.unpack_from("<H", data, at + 26)[0] if behind == _LOCAL and at + 28 <= len(data) else 0
        begun = text(data[at + 30 : at + 30 + length])
    if not count:
        raise ReadError("the archive has no end, and no member of it is whole; the file is truncated")
    lost = DIRECTORY if behind == _CENTRAL else f"what was behind byte {at}"
    return bytes(directory), count, lost, begun


def _member(data: mmap.mmap, at: int) -> tuple[bytes, int] | None:
    """(An entry for the directory, where the next member begins) of the member at a place; None if it is not whole."""
    if data[at : at + 4] != _LOCAL or at + 30 > len(data):
        return None
    flags, method, moment, crc, packed, size, names, extra = struct.unpack_from("<HHIIIIHH", data, at + 6)
    start = at + 30 + names + extra
    stop = start + packed
    if flags & _SIZES_BEHIND and not packed:
        described = _described(data, start) if method == _DEFLATED and not flags & _ENCRYPTED else None
        if described is None:
            return None
        crc, packed, size, stop = described
    if stop > len(data) or 0xFFFFFFFF in (packed, size):
        return None
    wide = struct.pack("<HHQ", 1, 8, at) if at >= 0xFFFFFFFF else b""
    numbers = (flags, method, moment, crc, packed, size, names, len(wide), min(at, 0xFFFFFFFF))
    return struct.pack("<4s4xHHIIIIHH10xI", _CENTRAL, *numbers) + data[at + 30 : at + 30 + names] + wide, stop


def _described(data: mmap.mmap, start: int) -> tuple[int, int, int, int] | None:
    """(checksum, packed size, size, end) of packed bytes whose sizes stand behind them; None if they do not end."""
    unpack, at, size = zlib.decompressobj(-15), start, 0
    try:
        while not unpack.eof:
            piece = unpack.unconsumed_tail or data[at : at + _PIECE]
            if not piece:
                return None
            at += 0 if unpack.unconsumed_tail else len(piece)
            size += len(unpack.decompress(piece, _PIECE))
    except zlib.error:
        return None
    at -= len(unpack.unused_data)
    behind = at + 4 * (data[at : at + 4] == _DESCRIPTOR)
    if behind + 12 > len(data):
        return None
    crc, packed, said = struct.unpack_from("<III", data, behind)
    return (crc, packed, size, behind + 12) if (packed, said) == (at - start, size) else None


def _end(file: BinaryIO, tail: bytes, size: int) -> tuple[int, int, int]:
    """(number of members, bytes of the directory, its place) from the record at the end of the file."""
    at = tail.rfind(_END)
    if at + 22 + struct.unpack_from("<H", tail, at + 20)[0] != len(tail):
        raise ReadError("bytes follow the end of the archive; the file is damaged")
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
