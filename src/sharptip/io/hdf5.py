"""HDF5 files opened with care: the HDF5 library may hang for ever, or crash, on damage that it does not look for.

Looked at before it sees a file: that this ends where its superblock says, and that no heap of texts (`GCOL`) holds an
object of no length, over which the library never gets on. Then, where processes can be forked, a child reads all names,
attributes and shapes first: if it dies or hangs, this process does not. Layout: HDF5 File Format Specification 3.0.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.errors import ReadError

MAGIC = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_SCANNED = 2**24  # bytes at the beginning and at the end in which heaps are looked for
_PATIENCE = 20  # seconds that reading names and attributes may take
_END = {0: 40, 1: 44, 2: 28, 3: 28}  # version of the superblock → where it says at which byte the file ends


def is_ours(head: bytes, path: Path, asked: Callable[[Any], bool]) -> bool:
    """What `asked` says of the open file; False for what is no HDF5 file, or a damaged one."""
    if not head.startswith(MAGIC) or not path.is_file():
        return False
    try:
        with opened(path) as file:
            return asked(file)
    except (ReadError, OSError, RuntimeError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as h5py gives it, read only. Raises ReadError where it is damaged."""
    import h5py

    about = path.stat()
    said = _damage(path, about.st_size, about.st_mtime_ns)
    if said:
        raise ReadError(said)
    with h5py.File(path, "r") as file:
        yield file


@lru_cache(maxsize=64)
def _damage(path: Path, size: int, modified: int) -> str:
    """What is wrong with the file, '' for nothing; asked several times of a file, looked at once."""
    with path.open("rb") as file:
        begin = file.read(min(_SCANNED, size))
        file.seek(max(len(begin), size - _SCANNED))
        rest = file.read()
    at = _END.get(begin[8] if len(begin) > 8 else -1)
    if at is None or not begin.startswith(MAGIC):
        return "it begins like no HDF5 file that is known"
    (end,) = struct.unpack_from("<Q", begin, at) if len(begin) >= at + 8 else (-1,)
    if end > size:
        return f"its HDF5 superblock says that it ends at byte {end}, and it has {size}; it is truncated"
    if (end < size and size - end > _SCANNED) or any((begin + rest)[end - size :] if end < size else b""):
        return f"its HDF5 superblock says that it ends at byte {end}, and it has {size}; it is damaged"
    return _heaps(begin) or _heaps(rest) or _outlived(path)


def _heaps(data: bytes) -> str:
    at = data.find(_HEAP)
    while at >= 0:
        (length,) = struct.unpack_from("<Q", data, at + 8) if at + 16 <= len(data) else (0,)
        place, end = at + 16, min(at + length, len(data))
        while place + 16 <= end:
            index, size = struct.unpack_from("<H6xQ", data, place)
            step = 16 + (size + 7) // 8 * 8 if index else size
            if step == 0:
                return "a heap of texts and references has an object of no length; it is damaged"
            place += step
        at = data.find(_HEAP, at + 8)
    return ""


def _outlived(path: Path) -> str:
    """'' where a child of this process has read everything but the numbers, or none can be made to try."""
    if not hasattr(os, "fork"):
        return ""
    import h5py

    with h5py._objects.phil, warnings.catch_warnings():  # no other thread is inside HDF5 while the process is doubled
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _look_over(path)
    _, status = os.waitpid(child, 0)
    return "" if os.WIFEXITED(status) else "the HDF5 library does not survive reading it; it is damaged"


def _look_over(path: Path) -> None:
    """In the child: touch all that readers touch, and end. What raises an error raises it again in the parent."""
    import faulthandler
    import resource
    import signal

    try:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_PATIENCE)
        import h5py

        def touch(_: str, thing: Any) -> None:
            for key in thing.attrs:
                _ = thing.attrs[key]
            if isinstance(thing, h5py.Dataset) and thing.size:
                _ = thing[(0,) * thing.ndim]

        with h5py.File(path, "r") as file:
            touch("", file)
            file.visititems(touch)
    finally:
        os._exit(0)
