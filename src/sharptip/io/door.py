"""The one door between damaged bytes and a person: whatever they raise leaves it as a ReadError that names the file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, ScanError
from ..core.lazy import Load

# What Python, numpy and the libraries under the readers raise on bytes that make no sense. At this one door they become
# a ReadError; an error of any other type is a mistake of ours and is shown as it is.
DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, OSError, RecursionError,
    RuntimeError, SyntaxError, TypeError, UnicodeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@contextmanager
def door(format: str, path: Path) -> Iterator[None]:
    """Whatever damage raises behind here leaves as a ReadError that names the file and the reader."""
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # numbers that damage has made need no warning
            yield
    except (ReadError, ScanError) as error:
        said = str(error)
        kind = type(error) if isinstance(error, ReadError) else ReadError
        raise kind(said if said.startswith(str(path)) else f"{path} ({format}): {said}") from error
    except DAMAGE as error:
        about = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ReadError(f"{path}: damaged, or not really a {format} file ({about})") from error


def read_later(load: Load, format: str, path: Path, which: np.ndarray) -> np.ndarray:
    """The `load` of a `Lazy`, through the same door as everything else of its file."""
    with door(format, path):
        return load(which)
