"""Which files are meant, and where does the result of each go?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ReadError, WriteError

STORE = "zarr.json"  # a folder that holds this is one scan and no folder of scans


@dataclass(frozen=True)
class Sources:
    """The files in order, the folder that their names are said from, and folders that could not be listed."""

    base: Path
    files: tuple[Path, ...]
    closed: tuple[tuple[Path, str], ...] = ()

    def name(self, file: Path | str) -> str:
        return os.path.relpath(file, self.base)


def find(given: Sequence[Path], out: Path | None = None) -> Sources:
    """Every file that was named or lies in a folder that was named; hidden ones and what is in `out` are passed over.

    Raises ReadError where there is none, WriteError where `out` is the very folder of the scans.
    """
    named = list(dict.fromkeys(_absolute(path) for path in given))
    out = None if out is None else _absolute(out)
    alone = len(named) == 1 and _is_folder(named[0])
    base = named[0] if alone else Path(os.path.commonpath([path.parent for path in named]))
    if out is not None and out.resolve() == base.resolve():
        raise WriteError(f"{out}: is the folder of the raw scans, which stays as it is; choose another --out")
    closed: list[tuple[Path, str]] = []
    found: dict[Path, None] = {}
    for path in named:
        found |= dict.fromkeys(_below(path, out, closed) if _is_folder(path) else [path])
    if not found and not closed:
        raise ReadError(f"{', '.join(map(str, given))}: holds no file; name files, or a folder of scans")
    return Sources(base, tuple(found), tuple(closed))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not (path / STORE).is_file()


def _below(folder: Path, out: Path | None, closed: list[tuple[Path, str]]) -> Iterable[Path]:
    """Files and zarr stores below a folder, sorted folder by folder."""

    def cannot(error: OSError) -> None:
        closed.append((Path(error.filename), f"the folder cannot be listed ({error.strerror})"))

    own = None if out is None else out.resolve()
    for where, folders, files in os.walk(folder, onerror=cannot):
        inner = [f for f in sorted(folders) if not f.startswith(".") and (Path(where) / f).resolve() != own]
        stores = [f for f in inner if os.path.isfile(os.path.join(where, f, STORE))]
        folders[:] = [f for f in inner if f not in stores]
        for name in sorted([*stores, *(f for f in files if not f.startswith("."))]):
            yield Path(where, name)


def targets(
    sources: Sources, out: Path, suffix: str, kept: Mapping[str, str], taken: Iterable[str]
) -> dict[Path, Path]:
    """Each file with the place of its result below `out`, the folders kept: a.sxm → a.zarr, but a.sxm.zarr where an
    a.gwy lies beside it.

    No two are the same, also where upper and lower case are one. `kept` are places (below `out`) that files were given
    in an earlier run; `taken` are places that no other file may have.
    """
    below = [Path(sources.name(file)) for file in sources.files]
    stems = Counter(_folded(path.with_suffix("")) for path in below)
    used = {_folded(name) for name in taken} | {_folded(p) for path in below for p in path.parents}
    used |= {_folded(name) for name in kept.values()}
    used |= {_folded(os.path.relpath(file, _absolute(out))) for file in sources.files}
    places = {}
    for file, path in zip(sources.files, below, strict=True):
        place = kept.get(str(file))
        if place is None:
            plain = path.with_suffix(suffix) if stems[_folded(path.with_suffix(""))] == 1 else Path(f"{path}{suffix}")
            place = _free(plain, used)
        used.add(_folded(place))
        places[file] = out / place
    return places


def _free(place: Path, used: set[str]) -> str:
    free, number = place, 2
    while _folded(free) in used:
        free, number = place.with_name(f"{place.stem}-{number}{place.suffix}"), number + 1
    return str(free)


def _folded(path: Path | str) -> str:
    return os.path.normpath(path).casefold()


def fingerprint(path: Path) -> tuple[int, int] | None:
    """(bytes, last change in nanoseconds) of a file, or of all files of a store together; None where nothing is."""
    try:
        stats = [os.stat(file) for file in ([path] if path.is_file() else _inside(path))]
    except OSError:
        return None
    return (sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)) if stats else None


def _inside(folder: Path) -> list[str]:
    return [os.path.join(where, name) for where, _, files in os.walk(folder) for name in files]
