"""One file, cleaned: read, every scan and every channel through the chain, written whole, and what came of it told."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .. import io
from ..clean import fitting, left_out, name_of, named, step_of
from ..core.errors import ChannelError, ScaleError, ScanError, SharptipError, WriteError
from ..core.files import draft_beside, is_there, make_folder, putting
from ..core.history import steps as history
from ..core.marks import marks, told
from ..core.names import UNITS
from ..core.scan import label
from ..core.units import ARBITRARY, say
from ..io.layout import Size
from ..io.pick import kept_apart, tell_lost
from . import changes, streamed, which
from .journal import Record
from .sources import fingerprint
from .streamed import Row

if TYPE_CHECKING:  # torch is for those who ask for a model
    from ..fit.model import Model

SPREADS = {"m": (1e-15, 1e-3), "": (1e-30, 1e15)}  # rms of a channel in metres, or in any other unit, that may be
RISEN = 1.05  # times its spread before, above which that of a cleaned channel is told
LEARNED = "learned"  # instead of steps: a model
KEEPS_ALL = (".zarr", ".nc", ".gwy")  # formats for every channel; into others goes the one that was cleaned
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # no other file can be written either

Step = Callable[..., xr.Dataset]


@dataclass(frozen=True)
class Order:
    """What is done to every file.

    `steps` is a chain's name, or names and chains with commas between, with options where they are to differ
    (`rows:method=matching`). `channel` is one name, or several with commas between of which each scan is cleaned in
    those that it has. `size` and `unit` are for files that say none themselves. `direction` and `scan` (a name, or a
    number from 0) take that part of a file alone.
    """

    steps: str = "auto"
    channel: str = "height"
    size: Size = None
    unit: str | None = None
    direction: str | None = None
    scan: str | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.strip() for name in self.channel.split(",") if name.strip()))

    def told(self) -> Record:
        """As the journal keeps it; what was not asked for is not there, so that older journals stay true."""
        return {k: v for k, v in asdict(self).items() if v is not None or k not in ("direction", "scan")}


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
    io.writable(out)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the reader has to say is said when the file is cleaned
            _check_asked(read(file, order), order, out)
        if is_there(out) and not overwrite:
            raise WriteError(f"{out}: is there already; --overwrite replaces it")
        with draft_beside(out) as folder:
            cleaned, told_later = cleaned_scans(file, order, folder, out)
            _write(cleaned, out, order)
            rows = [row() for row in told_later]
    except (ChannelError, ScanError, WriteError) as error:
        named = str(file) in str(error) or str(out) in str(error)
        raise type(error)(_for_commands(str(error) if named else f"{file}: {error}")) from error
    return [*filter(None, (told(marks(scan)) for scan in cleaned)), *filter(None, map(_unlikely, rows))]


def _check_asked(scans: list[xr.Dataset], order: Order, target: Path) -> list[list[str]]:
    """The channels of each scan that are to be cleaned. Raises ChannelError where there is none, WriteError where the
    format of `target` cannot hold them, before anything is done."""
    chosen = [which.chosen(scan, order.channels) for scan in scans]
    if not any(chosen):
        raise ChannelError(which.missing(scans, order.channels))
    io.check_fits(scans, target, channel=_written_alone(chosen, order, target))
    return chosen


def _written_alone(chosen: list[list[str]], order: Order, target: Path) -> str | None:
    """The one channel that goes into a format for one image, of those that were named the first that is there; None
    where all of them go, or the format says no."""
    if target.suffix in KEEPS_ALL or which.ALL in order.channels:
        return None
    there = {name for channels in chosen for name in channels}
    return next((name for name in order.channels if name in there), None)


def _for_commands(said: str) -> str:
    """A message with the options of the command line in place of Python's arguments."""
    said = re.sub(r" choose frame=, from 0 to \d+, or", "", said)  # clean takes whole films
    return re.sub(r"\b(channel|direction|scan)=", r"--\1", said)


def steps_for(scan: xr.Dataset, steps: str) -> list[tuple[str, Step]]:
    """The steps that a scan goes through, with their names. Raises ScanError."""
    if steps == LEARNED:
        return [(LEARNED, learned_step())]
    return [(name_of(text), step_of(text)) for text in fitting(scan, steps)]


def names_of(steps: str) -> tuple[str, ...]:
    """The steps that every scan goes through, each with its options. Errors as in `steps_for`."""
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
            cleaned, rows = cleaned_scans(job.file, order, job.draft, job.target)
            _put(cleaned, job, order)
            record["rows"] = [row() for row in rows]
            record |= {"status": "cleaned", "bytes": (fingerprint(job.target) or (0,))[0]}
        except Exception as error:  # not one file may stop the others, whatever is wrong with it or with us
            record |= _told(error, job)
        finally:
            shutil.rmtree(job.draft, ignore_errors=True)
    ours = re.compile(rf"^({re.escape(str(job.file))}|{re.escape(str(job.draft / job.target.name))}): ")
    notes = [ours.sub("", str(w.message)) for w in said if issubclass(w.category, UserWarning)]
    notes += filter(None, map(_unlikely, record["rows"]))
    record["notes"] = list(dict.fromkeys([*record.get("notes", []), *notes]))
    return record | {"seconds": round(time.perf_counter() - begun, 4)}


def _unlikely(row: Record) -> str:
    """What to say of numbers that no instrument gives, and of those that cleaning made worse by all appearance."""
    spread, unit = row.get("before_rms"), row["unit"]
    low, high = SPREADS["m" if unit == "m" else ""]
    if spread is None:
        return f"{row['channel']} has no number, or numbers too large to be reckoned with; is its unit right?"
    if spread == 0:
        return f"{row['channel']} is constant and stays as it is; another channel may hold the image"
    if not low <= spread <= high:
        return f"{row['channel']} spreads over {spread:.3g} {unit}, which no scan has; is its unit right?"
    after = row.get("after_rms") or 0.0
    if after > RISEN * spread:
        grown = f"from {say(spread, unit)} to {say(after, unit)}"
        return f"{row['channel']} spreads more after cleaning than before, {grown} (rms); look at it"
    return ""


def cleaned_scans(file: Path, order: Order, folder: Path, target: Path) -> tuple[list[xr.Dataset], list[Row]]:
    """Every scan of a file, cleaned where it has the channel, and for each channel a row of numbers.

    A row is known once its scan is written, to `target`. A large film is cleaned while it is written, for which
    `folder` may take some of it.

    A scan without the channel stays as it is beside the others. Raises ChannelError where no scan has it, ReadError,
    ScanError, WriteError where the format cannot hold what is asked for.
    """
    scans = read(file, order)
    chosen = _check_asked(scans, order, target)
    out: list[xr.Dataset] = []
    rows: list[Row] = []
    if kept := which.as_measured(scans, order.channels):
        warnings.warn(kept, stacklevel=2)
    for number, (scan, names) in enumerate(zip(scans, chosen, strict=True)):
        if not names and which.chosen(scan, order.channels, lines=True):
            warnings.warn(f"{label(scan)} is a single line of pixels and stays as it is", stacklevel=2)
        for name in names:
            if scan[name].attrs["units"] == ARBITRARY and ARBITRARY not in UNITS.get(name, (ARBITRARY,)):
                warnings.warn(f"{name} is in {ARBITRARY}, since nobody said its unit; --unit nm would", stacklevel=2)
        if names and order.steps != LEARNED and (said := left_out(scan, order.steps)):
            warnings.warn(said, stacklevel=2)
        cleaned, told = _cleaned(scan, names, order.steps, folder / f"film {number}") if names else (scan, [])
        out.append(cleaned)
        rows += told
    return out, rows


def _cleaned(scan: xr.Dataset, channels: list[str], steps: str, folder: Path) -> tuple[xr.Dataset, list[Row]]:
    names = () if steps == LEARNED else fitting(scan, steps)
    large = bool(names) and streamed.wanted(scan, channels, names)
    if not large:
        scan = scan.load()
    if all(streamed.nothing_in(scan, c) if large else not np.isfinite(scan[c].values).any() for c in channels):
        raise ScanError(f"has no finite pixel in {', '.join(channels)}; there is nothing to clean")
    varied = [c for c in channels if not changes.constant(scan, c)]
    if not varied:
        return scan, [_untouched(scan, c) for c in channels]
    out, rows = streamed.streamed(scan, varied, names, folder) if large else _through(scan, varied, steps)
    if not large and (said := changes.apart(scan, out, varied)):
        warnings.warn(said, stacklevel=2)
    told = dict(zip(varied, rows, strict=True))
    return out, [told.get(c) or _untouched(scan, c) for c in channels]


def _untouched(scan: xr.Dataset, channel: str) -> Row:
    """The row of a constant channel: there is nothing to take off, and its value may mean something."""
    return {**changes.about(scan, channel), "before_rms": 0.0, "after_rms": 0.0, "steps": ""}.copy


def read(file: Path, order: Order) -> list[xr.Dataset]:
    """The scans of a file, or of them what the order asks for. Raises ReadError, ScanError."""
    told = order.size is not None or order.unit is not None
    name = order.channels[0] if told and which.ALL not in order.channels else None
    about = {"channel": name, "unit": order.unit}
    try:
        found = io.scans(file, **about)
    except ScaleError:
        if order.size is None:
            raise
        found = io.scans(file, size=order.size, **about)
    found = found if order.scan is None else [io.one_scan(found, order.scan)]
    return found if order.direction is None else [io.one_direction(scan, order.direction) for scan in found]


def _through(raw: xr.Dataset, channels: list[str], steps: str) -> tuple[xr.Dataset, list[Row]]:
    """The scan after its steps, and a row of numbers for each of its channels."""
    scan, known = raw, len(history(raw))
    changed: dict[str, Record] = {channel: {} for channel in channels}
    for name, step in steps_for(raw, steps):
        for channel in channels[:1] if name in changes.WHOLE else channels:
            before, scan = scan, step(scan, channel=channel)
            changed[channel] |= changes.changed(name, before, scan, channel)
    done = ",".join(dict.fromkeys(str(entry["step"]) for entry in history(scan)[known:]))
    rows = [
        {
            **changes.about(raw, channel), "before_rms": changes.spread(changes.images(raw, channel)),
            "after_rms": changes.spread(changes.images(scan, channel)), **changed[channel], "steps": done,
        }
        for channel in channels
    ]  # fmt: skip
    return scan, [row.copy for row in rows]


def _write(scans: list[xr.Dataset], path: Path, order: Order) -> None:
    only = _written_alone([which.chosen(scan, order.channels) for scan in scans], order, path)
    io.write(scans[0] if len(scans) == 1 else scans, path, channel=only)
    if only is not None:  # the one that was cleaned first; that the others are not there, nobody has asked for
        tell_lost(path, [said for scan in scans if only in which.images(scan) for said in kept_apart(scan, only)])


def _put(scans: list[xr.Dataset], job: Job, order: Order) -> None:
    """Written in the draft folder first, then moved to its place in one step."""
    make_folder(job.draft)
    written = job.draft / job.target.name
    _write(scans, written, order)
    make_folder(job.target.parent)
    with putting(job.target):
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
        return {"reason": _for_commands(said).partition(". Known: ")[0] or type(error).__name__}
    if isinstance(error, OSError):
        return {"reason": f"cannot be read or written ({said})"}
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return {"reason": f"a mistake in sharptip, please report it: {type(error).__name__}: {said} ({place})"}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
