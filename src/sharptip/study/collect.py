"""What is compared: every scan of the populations, with its label, group and batch, ready for the learners.

Two doors lead in: a folder with one sub-folder per population, or a table (CSV) that lists `file`, `label` and, where
there are, `frame`, `group` and `batch`. A scan that cannot be read is named with its reason and left out.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from .. import io
from ..core.errors import ReadError, SharptipError, StudyError
from ..core.history import is_simulated
from ..core.scan import label as called
from ..data.tiles import resample
from ..fit.prepare import prepare, to_tiles
from ..fit.recipe import Example, Recipe
from ..fit.scale import Scale

REFERENCES = ("healthy", "control", "untreated", "normal", "reference", "wildtype", "wt", "good", "not_bad")
SMALLEST_TILE = 96  # pixels: five valid convolutions with pooling leave one pixel of it
QUARTERED = 2 * SMALLEST_TILE  # images at least this large are cut into four tiles
KEPT_SIDE = 512  # pixels of the levelled image that is kept for pictures and for its morphology


@dataclass(frozen=True)
class Entry:
    """One image that was asked for: where it is, and what is known of it."""

    path: Path
    label: str
    frame: int | None = None
    group: str | None = None
    batch: str | None = None
    shown: str = ""  # the file below the folder, or as the table names it

    @property
    def name(self) -> str:
        file = self.shown or self.path.name
        return file if self.frame is None else f"{file}[{self.frame}]"


@dataclass(frozen=True)
class Image:
    """One image that was read: `height` (y, x) levelled, in its unit; `tiles` (k, t, t) as the learners see it."""

    entry: Entry
    group: str
    height: np.ndarray
    pixel_size: tuple[float, float] | None
    tiles: np.ndarray
    shape: tuple[int, int]  # of the scan as it was read, before it was made smaller for `height`
    scanned_pixel_size: tuple[float, float] | None
    digest: str


@dataclass(frozen=True)
class Collection:
    """All images of a study. `classes` are (reference, other); every other label is applied, not learned from."""

    images: tuple[Image, ...]
    classes: tuple[str, str]
    applied: tuple[str, ...]
    broken: tuple[tuple[str, str], ...]
    grouped: bool
    tile: int
    pixel_size: tuple[float, float] | None
    unit: str
    channel: str
    warnings: tuple[str, ...] = field(default=())
    simulated: bool = False  # one scan at least was drawn and not measured

    def of(self, *labels: str) -> np.ndarray:
        """Indices of the images with one of these labels."""
        return np.array([i for i, image in enumerate(self.images) if image.entry.label in labels], int)


def from_folder(folder: Path, groups: str | None) -> list[Entry]:
    """Every file below each sub-folder of `folder`; the sub-folder's name is the label.

    groups: a CSV table with `file`, `group` and maybe `batch`; or a regular expression searched in the path below
    `folder`, whose first bracket (or one named `group`) is the group, and one named `batch` the batch.
    """
    if not folder.is_dir():
        raise StudyError(f"{folder}: there is no such folder; give one with a sub-folder of scans per population")
    labels = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".") and p.suffix == "")
    if len(labels) < 2:
        raise StudyError(
            f"{folder}: holds {len(labels)} sub-folder(s) ({', '.join(labels) or 'none'}); "
            "a study compares two populations, one sub-folder each"
        )
    entries = [
        Entry(path, label, shown=path.relative_to(folder).as_posix())
        for label in labels
        for path in sorted((folder / label).rglob("*"))
        if _is_scan_file(path, folder)
    ]
    if not entries:
        raise StudyError(f"{folder}: its sub-folders {', '.join(labels)} are empty")
    return _with_groups(entries, folder, groups)


def _is_scan_file(path: Path, folder: Path) -> bool:
    """A visible file, or a zarr store; nothing from within a store."""
    below = path.relative_to(folder).parts
    if any(part.startswith(".") for part in below) or any(part.endswith(".zarr") for part in below[:-1]):
        return False
    return os.path.isfile(path) or path.suffix == ".zarr"  # unlike pathlib, no error where nobody may look


def from_table(table: Path) -> list[Entry]:
    """The rows of a CSV table with columns file and label, maybe frame, group, batch; paths are relative to it."""
    rows = _rows(table, ("file", "label"))
    entries = []
    for i, row in enumerate(rows, start=2):
        frame = row.get("frame") or None
        if frame is not None and not frame.isdigit():
            raise StudyError(f"{table}: line {i}: frame is {frame!r}; it counts from 0")
        group, batch = row.get("group") or None, row.get("batch") or None
        entries.append(
            Entry(table.parent / row["file"], row["label"], int(frame) if frame else None, group, batch, row["file"])
        )
    if any(e.group for e in entries) and not all(e.group for e in entries):
        raise StudyError(f"{table}: some rows have no group; give every row one, or none")
    return entries


def _rows(table: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{table}: cannot be read as a CSV table ({error})") from None
    if not rows:
        raise StudyError(f"{table}: has no rows below its heading")
    for name in needed:
        if name not in rows[0]:
            raise StudyError(f"{table}: has no column {name!r}; it has {', '.join(map(str, rows[0]))}")
        for i, row in enumerate(rows, start=2):
            if not row[name]:
                raise StudyError(f"{table}: line {i} has no {name!r}")
    return rows


def _with_groups(entries: list[Entry], folder: Path, groups: str | None) -> list[Entry]:
    if groups is None:
        return entries
    if Path(groups).is_file():
        known = {row["file"]: row for row in _rows(Path(groups), ("file", "group"))}
        alone = Counter(e.path.name for e in entries)  # a bare file name is enough where it is the only one
        out = []
        for e in entries:
            below = e.path.relative_to(folder).as_posix()
            row = known.get(below) or (known.get(e.path.name) if alone[e.path.name] == 1 else None)
            if row is None:
                raise StudyError(
                    f"{groups}: does not list {below}; every scan needs its group, or --groups is left out"
                )
            out.append(replace(e, group=row["group"], batch=row.get("batch") or None))
        return out
    if groups.endswith(".csv"):
        raise StudyError(f"{groups}: there is no such table")
    try:
        pattern = re.compile(groups)
    except re.error as error:
        raise StudyError(f"--groups {groups!r} is neither a file nor a regular expression ({error})") from None
    if not pattern.groups:
        raise StudyError(f"--groups {groups!r} has no bracket; put the part that names the group in ( )")
    out = []
    for e in entries:
        below = e.path.relative_to(folder).as_posix()
        match = pattern.search(below)
        if match is None:
            raise StudyError(f"--groups {groups!r} finds nothing in {below}")
        named = match.groupdict()
        out.append(replace(e, group=named.get("group") or match[1], batch=named.get("batch")))
    return out


def choose_classes(
    entries: Iterable[Entry], applied: Sequence[str], reference: str | None
) -> tuple[tuple[str, str], tuple[str, ...]]:
    """((reference, other), applied labels). Raises StudyError unless exactly two populations are left to compare."""
    labels = sorted({e.label for e in entries})
    names = [Path(a.rstrip("/")).name for a in applied]
    for name in names:
        if name not in labels:
            raise StudyError(f"--apply {name!r}: there is no such population; there are {', '.join(labels)}")
    compared = [label for label in labels if label not in names]
    if len(compared) != 2:
        raise StudyError(
            f"a study compares two populations and found {len(compared)} ({', '.join(compared)}); "
            "name with --apply those that are only to be judged"
        )
    if reference is None:
        reference = next((r for r in REFERENCES if r in compared), compared[0])
    if reference not in compared:
        raise StudyError(f"--reference {reference!r} is none of {', '.join(compared)}")
    other = compared[1 - compared.index(reference)]
    return (reference, other), tuple(names)


def examples(
    data: Path, recipe: Recipe, classes: Sequence[str], groups: str | None, size: io.Size
) -> tuple[list[Example], list[tuple[str, str]], tuple[str, ...]]:
    """Scans of a folder or table as examples for a Model: (examples, what is broken and why, classes).

    Labels that are not among `classes` take their place, sorted, as long as there are as many of them.
    """
    entries = from_table(data) if data.is_file() else from_folder(data, groups)
    labels = tuple(sorted({e.label for e in entries}))
    if not set(labels) <= set(classes):
        if len(labels) != len(classes):
            raise StudyError(
                f"{data}: has {', '.join(labels)}; recipe {recipe.name!r} tells {len(classes)} classes apart"
            )
        classes = tuple(sorted(labels, key=lambda name: (name not in REFERENCES, name)))
    found, broken = [], []
    for path, wanted in _by_file(entries).items():
        for e, scan in _each_scan(path, wanted, recipe, size):
            if isinstance(scan, SharptipError):
                broken.append((e.name, str(scan)))
            else:
                found.append(Example(scan, e.label, e.group or e.shown or e.path.name))
    return found, broken, tuple(classes)


def _by_file(entries: Iterable[Entry]) -> dict[Path, list[Entry]]:
    out: dict[Path, list[Entry]] = defaultdict(list)
    for e in entries:
        out[e.path].append(e)
    return out


@dataclass(frozen=True)
class _Read:
    entry: Entry
    channels: np.ndarray
    pixel_size: tuple[float, float] | None
    digest: str
    simulated: bool


def collect(
    entries: Sequence[Entry],
    recipe: Recipe,
    *,
    tile: int,
    applied: Sequence[str] = (),
    reference: str | None = None,
    size: io.Size = None,
    pixel_size: float | None = None,
    on_image: Callable[[int, int], object] = lambda done, of: None,
) -> Collection:
    """Read, level, scale and cut every image.

    tile: side in pixels that the protocol asks for; images are brought to twice that side and cut into four. Smaller
    images are one tile each, as they are. pixel_size: bring all images to these pixels (metres) first.
    Raises StudyError where nothing can be compared with what is left.
    """
    if pixel_size is not None and not pixel_size > 0:
        raise StudyError(f"--pixel-size {pixel_size:g} is no length; give metres, such as 4e-9")
    classes, names = choose_classes(entries, applied, reference)
    read, broken = _read_all(entries, recipe, size, on_image)
    read, copies = _without_copies(read)
    broken += copies
    for name in classes:
        if not any(r.entry.label == name for r in read):
            mine = {e.name for e in entries if e.label == name}
            reasons = "; ".join(why for p, why in broken if p in mine)
            raise StudyError(f"no scan of {name!r} could be used: {reasons[:600]}")
    target, side, notes = _common_pixels(read, tile, pixel_size)
    images = []
    for r in read:
        try:
            images.append(_image(r, recipe, target, side))
        except SharptipError as error:
            broken.append((r.entry.name, str(error)))
    counts = Counter(r.entry.path for r in read)
    grouped = any(r.entry.group for r in read) or max(counts.values()) > 1
    return Collection(
        tuple(images), classes, names, tuple(broken), grouped, side, target, recipe.eats[0].unit, recipe.eats[0].name,
        tuple(notes), any(r.simulated for r in read),
    )  # fmt: skip


def _read_all(
    entries: Sequence[Entry], recipe: Recipe, size: io.Size, on_image: Callable[[int, int], object]
) -> tuple[list[_Read], list[tuple[str, str]]]:
    """Everything that can be read, in the order asked for, and the reasons for the rest."""
    read: list[_Read] = []
    broken: list[tuple[str, str]] = []
    for path, wanted in _by_file(entries).items():
        for e, scan in _each_scan(path, wanted, recipe, size):
            try:
                if isinstance(scan, SharptipError):
                    raise scan
                prepared = prepare(recipe, scan)
                read.append(_Read(e, prepared.channels, prepared.pixel_size, _stamp(path), is_simulated(scan)))
            except SharptipError as error:
                broken.append((e.name, str(error)))
            on_image(len(read) + len(broken), len(entries))
    return read, broken


def _each_scan(
    path: Path, wanted: Sequence[Entry], recipe: Recipe, size: io.Size
) -> list[tuple[Entry, xr.Dataset | SharptipError]]:
    """Each entry of a file with its scan, or with why there is none; one missing frame costs that frame alone."""
    try:
        return list(zip(wanted, _scans(path, wanted, recipe, size), strict=True))
    except SharptipError as error:
        if len(wanted) == 1:
            return [(wanted[0], error)]
    return [pair for e in wanted for pair in _each_scan(path, [e], recipe, size)]


def _without_copies(read: Sequence[_Read]) -> tuple[list[_Read], list[tuple[str, str]]]:
    """Each file once: a copy on the other side of a split would be a test on what was learned."""
    first: dict[str, str] = {}
    kept, copies = [], []
    for r in read:
        if r.entry.frame is None and r.digest in first:
            copies.append((r.entry.name, f"the same bytes as {first[r.digest]}"))
            continue
        first[r.digest] = r.entry.name
        kept.append(r)
    return kept, copies


def _scans(path: Path, wanted: Sequence[Entry], recipe: Recipe, size: io.Size) -> list[xr.Dataset]:
    """One scan per wanted frame; of a file with several grids and no frame asked for, the first with the channel."""
    port = recipe.eats[0]
    about = {"size": size, "channel": port.name, "unit": port.unit} if size is not None else {"size": None}
    if wanted[0].frame is not None:
        return io.frames(path, [int(e.frame or 0) for e in wanted], **about)  # type: ignore[arg-type]
    scans = io.scans(path, **about)  # type: ignore[arg-type]
    fitting = [s for s in scans if port.name in s.data_vars] or scans
    if "y" not in fitting[0].dims:
        raise ReadError(f"{called(fitting[0])} is not an image")
    return [fitting[0]] * len(wanted)


@lru_cache(maxsize=1)  # the frames of one file follow one another
def _stamp(path: Path) -> str:
    """SHA-256 of a file; of a folder (zarr), of all its files in order."""
    out = hashlib.sha256()
    for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if part.is_file():
            out.update(part.read_bytes())
    return out.hexdigest()


def _common_pixels(
    read: Sequence[_Read], tile: int, wanted: float | None
) -> tuple[tuple[float, float] | None, int, list[str]]:
    """(pixel size the images are brought to, side of a tile, what the reader of the report must know of it)."""
    notes = []
    sizes = [r.pixel_size for r in read]
    known = [s for s in sizes if s]
    if not known or len(known) < len(sizes):
        notes.append(
            "The physical size of the scans is not known: they are compared pixel by pixel, and a difference in "
            "magnification would look like a difference between the populations."
        )
        common = None
    else:
        spread = np.ptp([np.log(s[1]) for s in known])
        common = known[0]
        if wanted:
            common = (wanted, wanted)
        elif spread > 0.02:
            low, high = min(s[1] for s in known), max(s[1] for s in known)
            notes.append(
                f"The pixels of the scans differ in size, from {low * 1e9:.3g} to {high * 1e9:.3g} nm: they are "
                "compared pixel by pixel, not metre by metre. --pixel-size brings all to one."
            )
            common = None
    sides = [_short_side(r, common) for r in read]
    large = [s for s in sides if s >= SMALLEST_TILE]
    if not large:
        raise StudyError(
            f"the largest scan is {max(sides)} pixels at its short side; five convolutions with pooling need "
            f"{SMALLEST_TILE}: use scans of more pixels" + (", or a smaller --pixel-size" if wanted else "")
        )
    short = min(large)
    if short < QUARTERED:
        return common, short, notes
    side = min(tile, short // 2)
    if common is not None:
        common = (common[0] * short / (2 * side), common[1] * short / (2 * side))
    return common, side, notes


def _short_side(r: _Read, common: tuple[float, float] | None) -> int:
    """Pixels at the short side of a scan once it is brought to the common pixel size."""
    shape = r.channels.shape[1:]
    if common is None or r.pixel_size is None:
        return min(shape)
    return int(min(n * s / c for n, s, c in zip(shape, r.pixel_size, common, strict=True)) + 1e-6)


def _image(r: _Read, recipe: Recipe, target: tuple[float, float] | None, side: int) -> Image:
    from ..fit.prepare import Prepared

    prepared = Prepared(r.channels, np.zeros(r.channels.shape[1:], bool), r.pixel_size if target else None)
    tiles = to_tiles(recipe, prepared, Scale.own(r.channels), side, target, r.entry.name)[:, 0]
    height, pixels = r.channels[0], r.pixel_size
    shrink = max(1, max(height.shape) // KEPT_SIDE)
    if shrink > 1:
        pixels_now = pixels or (1.0, 1.0)
        larger = (pixels_now[0] * shrink, pixels_now[1] * shrink)
        height = resample(height, pixels_now, larger)
        pixels = larger if pixels else None
    group = r.entry.group or r.entry.shown or r.entry.path.name
    return Image(r.entry, group, height.astype(np.float32), pixels, tiles, r.channels.shape[1:], r.pixel_size, r.digest)  # type: ignore[arg-type]
