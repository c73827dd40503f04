"""A study is many units of work; each is done once, kept whole, and found again after any interruption.

A unit is named, gets its own seed from its name, and gives a dictionary of JSON values and arrays. Killed at any
moment, the study begins again, finds what is done, and ends as if it had run through.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import StudyError
from ..core.files import write_text, write_whole

Result = dict[str, Any]


class Work:
    """Units in `folder`, valid for one `key`: the protocol and the data. Another key starts over.

    Raises StudyError where `folder` holds files of another kind, which are not touched.
    """

    def __init__(self, folder: Path, key: str, on_unit: Callable[[str], object] | None = None) -> None:
        self.folder = folder
        self.on_unit = on_unit or (lambda name: None)
        self.saved = 0.0  # seconds of earlier runs whose work was found
        mark = folder / "key.json"
        try:
            same = json.loads(mark.read_text())["key"] == key
        except (OSError, ValueError, KeyError, TypeError):
            same = False
        if not same and folder.exists():
            visible = [p for p in folder.iterdir() if not p.name.startswith(".")]  # a killed write leaves a hidden one
            if visible and not mark.exists():
                raise StudyError(f"{folder}: holds files that no study made; choose another --out")
            for old in [*folder.glob("*.npz"), *folder.glob("*.state")]:
                old.unlink()
        write_text(mark, json.dumps({"key": key}))

    def do(self, name: str, make: Callable[[Path], Result]) -> Result:
        """The unit's result: found, or made by `make(state)` and kept.

        `state` is a file where the unit may keep what is half done; it is gone when the unit is done.
        """
        kept = self.folder / f"{_file_name(name)}.npz"
        found = _load(kept)
        if found is None:
            begun = time.perf_counter()
            state = self.folder / f"{_file_name(name)}.state"
            result = make(state)
            result["unit_seconds"] = time.perf_counter() - begun
            write_whole(kept, lambda path: _save(path, result))
            state.unlink(missing_ok=True)
            found = _load(kept)
            assert found is not None
        else:
            self.saved += found["unit_seconds"]
        self.on_unit(name)
        return {k: v for k, v in found.items() if k != "unit_seconds"}


def seed_of(seed: int, name: str) -> int:
    """A seed for a unit that depends on the study's seed and the unit's name alone, not on the order of work."""
    return zlib.crc32(f"{seed}/{name}".encode())


def digest(*parts: Any) -> str:
    """A short name for content: arrays by their bytes, everything else by its JSON."""
    out = hashlib.sha256()
    for part in parts:
        out.update(part.tobytes() if isinstance(part, np.ndarray) else json.dumps(part, sort_keys=True).encode())
    return out.hexdigest()[:16]


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _save(path: Path, result: Result) -> None:
    arrays = {k: v for k, v in result.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in result.items() if k not in arrays}
    with path.open("wb") as file:
        np.savez(file, **arrays, json_=np.array(json.dumps(rest)))  # type: ignore[arg-type]


def _load(path: Path) -> Result | None:
    """The kept result, or None for a file that is not there or not whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
        return {**json.loads(str(arrays.pop("json_"))), **arrays}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
