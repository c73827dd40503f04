"""Nobody ever sees half a file: written beside its place, then put there at once. What a disk refuses is told here."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import WriteError

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def putting(path: str | Path) -> Iterator[None]:
    """What the disk refuses behind here leaves as a WriteError that names the path, the reason and the next move."""
    try:
        yield
    except OSError as error:
        raise WriteError(_refused(path, error)) from error


def _refused(path: str | Path, error: OSError) -> str:
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and not os.path.isdir(path):
        file = next((p for p in Path(path).parents if os.path.isfile(p)), path)
        where = "is" if file == path else f"cannot be written: {file} is"
        return f"{path}: {where} a file and no folder; choose another place"
    move = "make room, or choose another place" if error.errno in _FULL else "choose another place"
    return f"{path}: cannot be written ({error.strerror or error}); {move}"


def make_folder(path: str | Path) -> Path:
    """The folder, made with those above it where it is not there. Raises WriteError where the disk refuses."""
    with putting(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def is_there(path: str | Path) -> bool:
    """Whether something lies where a result is to go. Raises WriteError where nobody may look."""
    with putting(path):
        return Path(path).exists()


@contextmanager
def draft_beside(path: str | Path) -> Iterator[Path]:
    """A hidden folder on the disk of `path`, for what is to be put there when it is whole; gone in the end.

    Raises WriteError where the folder of `path` cannot be written in.
    """
    path = Path(path)
    with putting(path):
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


def write_whole(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Call `write(temporary)` and move the result to `path`; on any failure `path` is as it was.

    Raises WriteError naming the path where the disk refuses.
    """
    path = Path(path)
    with putting(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o644)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def write_text(path: str | Path, text: str) -> Path:
    """`write_whole` for a text."""
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
