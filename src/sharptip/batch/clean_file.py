"""One file, cleaned: read, every scan and every channel through the chain, written whole, and what came of it told."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .. import io
from ..clean import STEPS, fitting, named
from ..core.errors import ChannelError, ScaleError, ScanError, SharptipError, WriteError
from ..core.grid import INCOMPLETE
from ..core.history import steps as history
from ..core.marks import KINDS, marks, told
from ..io.layout import Size
from .journal import Record
from .sources import fingerprint

if TYPE_CHECKING:  # torch is for those who ask for a model
    from ..fit.model import Model

ALL = "all"  # instead of a channel's name: every image channel
LEARNED = "learned"  # instead of steps: a model
MENDS = frozenset({"scars", "spikes"})  # steps that change some spots, which are counted, and leave the rest
WHOLE = frozenset({"junk", "drift"})  # steps about all channels of a film, taken once, with the first of them
KEEPS_ALL = (".zarr", ".nc", ".gwy")  # formats for every channel; into others goes the one that was cleaned
_MARKS = ("mask", "disagree")  # images that say where something is
_ACROSS = {"y", "x", "direction", "time", "z"}  # axes of images; with another one a channel is made of spectra
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # no other file can be written either

Step = Callable[..., xr.Dataset]


@dataclass(frozen=True)
class Order:
    """What is done to every file.

    `steps` is a chain's name, or names with commas between; `size` and `unit` are for files that say none themselves.
    """

    steps: str = "auto"
    channel: str = "height"
    size: Size = None
    unit: str | None = None


@dataclass(frozen=True)
class Job:
    """A file, where its result goes, and a folder of its own, on the same disk, to write it in first."""

    file: Path
    target: Path
    draft: Path


def learned_step() -> Step:
    """The step that a trained model does in place of the chain."""
    return trained().step


@cache
def trained() -> Model:
    """The model that cleans; its weights are read once."""
    from ..fit.model import Model

    return Model.trained("clean_scan")


def clean_one(file: Path, out: Path, order: Order, overwrite: bool = False) -> list[str]:
    """A single file to a place of its own; what there is to say of it. Raises the errors of what it does."""
    if out.resolve() == file.resolve():
        raise WriteError(f"{out}: is the raw scan itself, which stays as it is; choose another --out")
    if out.exists() and not overwrite:
        raise WriteError(f"{out}: is there already; --overwrite replaces it")
    cleaned, _ = cleaned_scans(file, order)
    _write(cleaned, out, order)
    return [said for scan in cleaned if (said := told(marks(scan)))]


def steps_for(scan: xr.Dataset, steps: str) -> list[tuple[str, Step]]:
    """The steps that a scan goes through, with their names. Raises ScanError."""
    if steps == LEARNED:
        return [(LEARNED, learned_step())]
    return [(name, STEPS[name]) for name in fitting(scan, steps)]


def names_of(steps: str) -> tuple[str, ...]:
    """The names of the steps that every scan goes through. Errors as in `steps_for`."""
    if steps == LEARNED:
        learned_step()
        return (LEARNED,)
    return named(steps)


def clean_file(order: Order, job: Job) -> Record:
    """What came of a file, as plain JSON values; whatever goes wrong with it is an answer too.

    `status` is 'cleaned' or 'left out' with its `reason`; `full` is there where nothing more can be written at all.
    """
    begun = time.perf_counter()
    record: Record = {"file": str(job.file), "source": fingerprint(job.file), "status": "left out", "rows": []}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            cleaned, record["rows"] = cleaned_scans(job.file, order)
            _put(cleaned, job, order)
            record |= {"status": "cleaned", "bytes": (fingerprint(job.target) or (0,))[0]}
        except Exception as error:  # not one file may stop the others, whatever is wrong with it or with us
            record |= _told(error, job)
        finally:
            shutil.rmtree(job.draft, ignore_errors=True)
    notes = [str(w.message).removeprefix(f"{job.file}: ") for w in said if issubclass(w.category, UserWarning)]
    record["notes"] = list(dict.fromkeys([*record.get("notes", []), *notes]))
    return record | {"seconds": round(time.perf_counter() - begun, 4)}


def cleaned_scans(file: Path, order: Order) -> tuple[list[xr.Dataset], list[Record]]:
    """Every scan of a file, cleaned where it has the channel, and a row of numbers for each channel that was.

    A scan without it stays as it is beside the others. Raises ChannelError where no scan has it, ReadError, ScanError.
    """
    scans = read(file, order)
    chosen = [_channels(scan, order.channel) for scan in scans]
    if not any(chosen):
        raise ChannelError(_missing(scans, order.channel))
    out, rows = [], []
    for scan, channels in zip(scans, chosen, strict=True):
        if channels and not any(np.isfinite(scan.load()[c].values).any() for c in channels):
            raise ScanError(f"has no finite pixel in {', '.join(channels)}; there is nothing to clean")
        cleaned, told = _through(scan.load(), channels, order.steps) if channels else (scan, [])
        out.append(cleaned)
        rows += told
    return out, rows


def read(file: Path, order: Order) -> list[xr.Dataset]:
    told = order.size is not None or order.unit is not None
    about = {"channel": order.channel, "unit": order.unit} if told and order.channel != ALL else {"unit": order.unit}
    try:
        return io.scans(file, **about)
    except ScaleError:
        if order.size is None:
            raise
        return io.scans(file, size=order.size, **about)


def _channels(scan: xr.Dataset, wanted: str) -> list[str]:
    names = [
        str(name) for name, v in scan.data_vars.items()
        if {"y", "x"} <= set(v.dims) <= _ACROSS and v.dtype.kind in "fiu" and name not in _MARKS
    ]  # fmt: skip
    return names if wanted == ALL else [name for name in names if name == wanted]


def _missing(scans: list[xr.Dataset], wanted: str) -> str:
    """Why there is nothing to clean, and what there is."""
    images = list(dict.fromkeys(name for scan in scans for name in _channels(scan, ALL)))
    if images:
        return f"has no image channel {wanted!r}; it has {', '.join(images)}"
    dims = {str(d) for scan in scans for v in scan.data_vars.values() for d in v.dims}
    if "curve" in dims:
        n = sum(scan.sizes.get("curve", 0) for scan in scans)
        return f"holds {n} curve{'s' * (n != 1)} and no image; only images are cleaned"
    what = "spectra" if dims & {"bias", "distance", "frequency", "sample"} else "channels"
    return f"holds {what} over {', '.join(sorted(dims)) or 'nothing'} and no image; only images are cleaned"


def _through(raw: xr.Dataset, channels: list[str], steps: str) -> tuple[xr.Dataset, list[Record]]:
    """The scan after its steps, and a row of numbers for each of its channels."""
    scan, known = raw, len(history(raw))
    changes: dict[str, Record] = {channel: {} for channel in channels}
    for name, step in steps_for(raw, steps):
        for channel in channels[:1] if name in WHOLE else channels:
            before, scan = scan, step(scan, channel=channel)
            changes[channel] |= _changed(name, before, scan, channel)
    done = ",".join(dict.fromkeys(str(entry["step"]) for entry in history(scan)[known:]))
    rows = [
        {
            **_about(raw, channel), **_cut_off(raw), "before_rms": _spread(_images(raw, channel)),
            "after_rms": _spread(_images(scan, channel)), **changes[channel], "steps": done,
        }
        for channel in channels
    ]  # fmt: skip
    return scan, rows


def _about(scan: xr.Dataset, channel: str) -> Record:
    lines, columns = scan.sizes["y"], scan.sizes["x"]
    size = {"height_m": _extent(scan, "y"), "width_m": _extent(scan, "x")}
    return {
        "format": str(scan.attrs.get("format", "")), "scan": str(scan.attrs.get("name", "")), "channel": channel,
        "unit": str(scan[channel].attrs["units"]), "images": scan[channel].size // (lines * columns), "lines": lines,
        "columns": columns, **size,
    }  # fmt: skip


def _cut_off(scan: xr.Dataset) -> Record:
    return {INCOMPLETE: str(scan.attrs[INCOMPLETE])} if INCOMPLETE in scan.attrs else {}


def _extent(scan: xr.Dataset, axis: str) -> float | None:
    if scan.attrs.get("size") == "unknown":
        return None
    values = scan[axis].values
    spacing = values[1] - values[0] if len(values) > 1 else scan[axis].attrs.get("spacing", np.nan)
    return _number(float(spacing) * len(values))


def _changed(name: str, before: xr.Dataset, after: xr.Dataset, channel: str) -> Record:
    """The spread of what a step took off, and how many spots it mended; of one for whole films, the junk it found."""
    if name == "junk":
        found = marks(after)
        counts = {f"{kind}_frames": sum(mark.kind == kind for mark in found.values()) for kind in KINDS}
        return {**counts, "marked_frames": told(found)}
    if name in WHOLE or after[channel].dims != before[channel].dims or after[channel].shape != before[channel].shape:
        return {}
    pairs = zip(_images(before, channel), _images(after, channel), strict=True)
    out: Record = {f"{name}_rms": _spread(np.asarray(b, float) - a for b, a in pairs)}
    if name in MENDS:
        pairs = zip(_images(before, channel), _images(after, channel), strict=True)
        spots = [_spots(b, a) for b, a in pairs]
        out |= {name: sum(n for n, _ in spots), f"{name}_pixels": sum(n for _, n in spots)}
    return out


def _images(scan: xr.Dataset, channel: str) -> np.ndarray:
    """Every image of a channel: (n, y, x)."""
    values = scan[channel].variable.transpose(..., "y", "x").values
    return values.reshape(-1, *values.shape[-2:])


def _spots(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """(spots that differ, their pixels) of two images."""
    from scipy.ndimage import label

    differ = (before != after) & np.isfinite(after)
    return (int(label(differ, np.ones((3, 3)))[1]) if differ.any() else 0), int(differ.sum())


def _spread(images: Iterable[np.ndarray]) -> float | None:
    """The rms about each image's mean, for the zero of a height is chance."""
    n, squares = 0, 0.0
    for image in images:
        finite = image[np.isfinite(image)].astype(float)
        n += finite.size
        squares += float(finite.var()) * finite.size if finite.size else 0.0
    return _number(float(np.sqrt(squares / n))) if n else None


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _write(scans: list[xr.Dataset], path: Path, order: Order) -> None:
    only = None if path.suffix in KEEPS_ALL or order.channel == ALL else order.channel
    io.write(scans[0] if len(scans) == 1 else scans, path, channel=only)


def _put(scans: list[xr.Dataset], job: Job, order: Order) -> None:
    """Written in the draft folder first, then moved to its place in one step."""
    job.draft.mkdir(parents=True, exist_ok=True)
    written = job.draft / job.target.name
    _write(scans, written, order)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.target.is_dir() and not job.target.is_symlink():
        os.replace(job.target, job.draft / "before")
    os.replace(written, job.target)


def _told(error: Exception, job: Job) -> Record:
    """The reason in one line, without the file's name, which stands beside it."""
    chain = list(_causes(error))
    full = next((e for e in chain if isinstance(e, OSError) and e.errno in _FULL), None)
    if full is not None:
        return {"reason": f"cannot be written ({full.strerror})", "full": full.strerror}
    if any(isinstance(e, MemoryError) for e in chain):
        return {"reason": "needs more memory than there is", "memory": True}
    said = " ".join(str(error).split())
    if isinstance(error, ScaleError):
        return {"reason": "says no physical size; give --size 2e-6 (its width in metres), or --size unknown"}
    if isinstance(error, SharptipError):
        said = re.sub(rf"^{re.escape(str(job.file))}( \(\w+\))?:? *", "", said)
        return {"reason": said.partition(". Known: ")[0] or type(error).__name__}
    if isinstance(error, OSError):
        return {"reason": f"cannot be read or written ({said})"}
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return {"reason": f"a mistake in sharptip, please report it: {type(error).__name__}: {said} ({place})"}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
