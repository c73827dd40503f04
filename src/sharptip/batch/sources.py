"""Which files are meant, and where does the result of each go?"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ReadError, WriteError
from .beside import is_no_scan, said
from .journal import NAME

STORE = "zarr.json"  # a folder that holds this is one scan and no folder of scans
WRITTEN_HERE = (NAME, "summary.csv", "summary.html")  # beside the results of a run


@dataclass(frozen=True)
class Sources:
    """The files in order, the folder that their names are said from, and what was passed over: folders that could not
    be listed, with the reason, those with the results of an earlier run, and files that are plainly no scans."""

    base: Path
    files: tuple[Path, ...]
    closed: tuple[tuple[Path, str], ...] = ()
    results: tuple[Path, ...] = ()
    beside: tuple[Path, ...] = ()

    def name(self, file: Path | str) -> str:
        return str(file) if Path(file) == self.base else os.path.relpath(file, self.base)


def find(given: Sequence[Path], out: Path | None = None) -> Sources:
    """Every file that was named or lies in a folder that was named; hidden ones and what is in `out` are passed over.

    So are folders with the results of an earlier run and files that are plainly no scans (README, fit.py), unless they
    are named themselves. Raises ReadError where there is no file, WriteError where `out` is the very folder of the
    scans.
    """
    named = list(dict.fromkeys(_absolute(path) for path in given))
    out = None if out is None else _absolute(out)
    alone = len(named) == 1 and is_folder(named[0])
    base = named[0] if alone else Path(os.path.commonpath([path.parent for path in named]))
    if out is not None and out.resolve() == base.resolve():
        raise WriteError(f"{out}: is the folder of the raw scans, which stays as it is; choose another --out")
    walk = _Walk(out, named)
    found: dict[Path, None] = {}
    for path in named:
        found |= dict.fromkeys(walk.below(path) if is_folder(path) else [path])
    if not found and not walk.closed:
        only = f" but results of an earlier run in {', '.join(map(str, walk.results))}" if walk.results else ""
        rest = f" ({said([path.name for path in walk.beside])})" if walk.beside else ""
        raise ReadError(f"{', '.join(map(str, given))}: holds no file{only}{rest}; name files, or a folder of scans")
    beside = tuple(path for path in walk.beside if path not in found)
    return Sources(base, tuple(found), tuple(walk.closed), tuple(walk.results), beside)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def is_folder(path: Path | str) -> bool:
    """Whether this is a folder of scans. One that nobody may look into is, and is named when it is walked through."""
    return os.path.isdir(path) and not is_store(path)


def is_store(path: Path | str) -> bool:
    """Whether a folder is one scan. Unlike pathlib, `os.path` says no, and raises nothing, where nobody may look."""
    return os.path.isfile(os.path.join(path, STORE))


class _Walk:
    """Through folders, each one once: links to folders are followed where nothing else has led there."""

    def __init__(self, out: Path | None, named: Sequence[Path]) -> None:
        self.closed: list[tuple[Path, str]] = []  # folders that cannot be listed, and why
        self.results: list[Path] = []  # folders that a run of ours has written
        self.beside: list[Path] = []  # files that are plainly no scans
        self._named = set(map(os.path.realpath, named))
        self._seen = set() if out is None else {str(out.resolve())}

    def below(self, folder: Path) -> Iterator[Path]:
        """Files and zarr stores, sorted folder by folder; those behind links come last."""
        links: list[Path] = []
        if self._is_new(folder):
            yield from self._through(folder, links)
        while links:
            start = links.pop(0)
            if self._enters(start):
                yield from self._through(start, links)

    def _through(self, start: Path, links: list[Path]) -> Iterator[Path]:
        for at, folders, files in os.walk(start, onerror=self._cannot):
            where = Path(at)
            shown = sorted(f for f in folders if not f.startswith("."))
            stores = [f for f in shown if is_store(where / f)]
            inner = [f for f in shown if f not in stores]
            links += [where / f for f in inner if os.path.islink(where / f)]
            real = [f for f in inner if not os.path.islink(where / f)]
            folders[:] = [f for f in real if self._enters(where / f)]
            ours = WRITTEN_HERE if is_result(where) else ()
            for name in sorted([*stores, *(f for f in files if not f.startswith(".") and f not in ours)]):
                if name not in stores and is_no_scan(where / name):
                    self.beside.append(where / name)
                else:
                    yield where / name

    def _cannot(self, error: OSError) -> None:
        self.closed.append((Path(error.filename), f"the folder cannot be listed ({error.strerror})"))

    def _enters(self, folder: Path) -> bool:
        if not self._is_new(folder):
            return False
        if is_result(folder) and os.path.realpath(folder) not in self._named:
            self.results.append(folder)
            return False
        return True

    def _is_new(self, folder: Path) -> bool:
        place = os.path.realpath(folder)
        new = place not in self._seen
        self._seen.add(place)
        return new


def is_result(folder: Path) -> bool:
    """Whether a run of ours has put its results there: its journal says so in its first line."""
    try:
        with (folder / NAME).open("rb") as file:
            said = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and "run" in said


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
