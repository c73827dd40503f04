"""Nobody ever sees half a file: written beside its place, then put there at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from .errors import WriteError


def write_whole(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Call `write(temporary)` and move the result to `path`; on any failure `path` is as it was.

    Raises WriteError naming the path where the disk refuses.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    except OSError as error:
        raise WriteError(f"{path}: cannot write there ({error.strerror}); choose another folder") from None
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text(path: str | Path, text: str) -> Path:
    """`write_whole` for a text."""
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
