"""Many files at once: as one scan that is read when it is computed, or one after the other on many processes.

    scans = open_many(paths, channel="height")          # axis `file`; dask reads, here or on a cluster
    for path, answer in each(roughness, paths):         # a function of a path, on all cores
    for path, answer in each(roughness, paths, executor=client.get_executor()):    # … or on dask.distributed

`each` holds no more than a few answers at a time, so that thousands of files need no more memory than some do.
"""

from __future__ import annotations

import json
import os
import pickle
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import uuid4

import numpy as np

from ..core.errors import ChannelError, ReadError, SharptipError, WorkError
from ..core.grid import Axis, Channel, Grid
from . import Path_, grids
from .layout import Size

if TYPE_CHECKING:
    import xarray as xr

T = TypeVar("T")

_AT_ONCE = 64  # files under way on an executor whose size nobody told
_SETTLED = 1.0  # s that a worker of a cluster has to have been there
_CHUNK = 2**26  # bytes of a film that one task reads


# --- a function of each file ------------------------------------------------------------------------------------------


def each(
    function: Callable[[Any], T],
    paths: Iterable[Path_],
    *,
    executor: Executor | None = None,
    at_once: int | None = None,
) -> Iterator[tuple[Path_, T | SharptipError]]:
    """(path, what `function` made of it) as they finish; an error in place of an answer never stops the others.

    function: at the top of a module, since it travels to other processes. executor: any `concurrent.futures.Executor`,
    such as `distributed.Client(...).get_executor()`; without one, a process for each core is started and ended here.
    at_once: files under way at a time. A SharptipError is handed over as it was raised, any other as a WorkError, and
    so is the death of a worker process: of those that ran beside it, only the file that kills it again is named.
    A `distributed.LocalCluster` closes workers that it has started again after a death, 15 s later, and then waits
    for ever: set `distributed.deploy.lost-worker-timeout` to hours where files may be deadly.
    """
    queue = iter(_several(paths))
    if executor is not None:
        suspects = yield from _each_on(executor, function, queue, at_once or _AT_ONCE)
        for path in [*suspects, *(queue if suspects else ())]:
            yield path, WorkError(f"{path}: not done, since a worker died and broke the executor; run it on a new one")
        return
    _can_travel(function)
    cores = os.cpu_count() or 1
    while True:
        with _processes(cores) as pool:
            suspects = yield from _each_on(pool, function, queue, at_once or 2 * cores)
        if not suspects:
            return
        for path in suspects:
            yield path, _alone(function, path)


def _several(paths: Iterable[Path_]) -> Iterable[Path_]:
    """The paths, unless they are one: the letters of its name are no files."""
    if isinstance(paths, str | bytes | os.PathLike):
        raise ReadError(f"{os.fsdecode(paths)}: is one path; give a list, such as sorted(Path(…).glob('*.sxm'))")
    return paths


def _processes(n: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(n, mp_context=get_context("spawn"))


def _each_on(
    executor: Executor, function: Callable[[Any], T], queue: Iterator[Path_], at_once: int
) -> Generator[tuple[Path_, T | SharptipError], None, list[Path_]]:
    """Until the queue is empty, or the executor is broken: then returns the files that were under way."""
    flying: dict[Future[T], Path_] = {}
    killed: list[Path_] = []
    try:
        while True:
            for path in islice(queue, at_once - len(flying)):
                try:
                    flying[_submit(executor, function, path)] = path
                except BrokenExecutor:
                    return [*flying.values(), path]
            if not flying:
                for path in killed:  # one by one: a cluster also gives up files that only ran beside a deadly one
                    yield path, _on_its_own(executor, function, path)
                return []
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            broken = [f for f in done if isinstance(f.exception(), BrokenExecutor)]
            for future in done.difference(broken):
                path = flying.pop(future)
                if _is_death(future.exception()):
                    killed.append(path)
                else:
                    yield path, _outcome(future, path)
            if broken:
                return list(flying.values())
    finally:
        for future in flying:
            future.cancel()


def _on_its_own(executor: Executor, function: Callable[[Any], T], path: Path_) -> T | SharptipError:
    """A file whose worker died beside others, once a worker is there that has settled.

    dask.distributed never starts a worker again that dies in the moment it starts: a cluster would soon have none.
    """
    _submit(executor, _nothing, path).exception()
    time.sleep(_SETTLED)
    return _outcome(_submit(executor, function, path), path)


def _submit(executor: Executor, function: Callable[[Any], T], path: Path_) -> Future[T]:
    """A try of its own: dask.distributed takes the same call for the same task and would answer with the last error."""
    return executor.submit(_call, function, path, uuid4().hex)


def _call(function: Callable[[Any], T], path: Path_, _try: str) -> T:
    return function(path)


def _nothing(path: Path_) -> None:
    pass


def _outcome(future: Future[Any], path: Path_) -> Any:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, SharptipError):
        return error
    if _is_death(error):
        return _died(path)
    told = WorkError(f"{path}: {type(error).__name__}: {error}")
    told.__cause__ = error
    return told


def _is_death(error: BaseException | None) -> bool:
    """How dask.distributed, which need not be there, says that the workers of a task died again and again."""
    return type(error).__name__ == "KilledWorker"


def _alone(function: Callable[[Any], T], path: Path_) -> T | SharptipError:
    """A file that ran beside a death, in a process of its own: now the guilty one is known."""
    with _processes(1) as pool:
        future = pool.submit(function, path)
        return _died(path) if isinstance(future.exception(), BrokenExecutor) else _outcome(future, path)


def _died(path: Path_) -> WorkError:
    return WorkError(f"{path}: the process that worked on it died (killed, out of memory, or a crash in a library)")


def _can_travel(function: Callable[..., Any]) -> None:
    try:
        pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise WorkError(f"{function!r} cannot travel to another process ({error}); define it in a module") from None


# --- one scan of many files -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Survey:
    """What a file says of the channel, without its numbers."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    unit: str
    axes: dict[str, Axis]
    format: str


def open_many(
    paths: Iterable[Path_],
    *,
    channel: str,
    size: Size = None,
    unit: str | None = None,
    others: Literal["refuse", "leave out"] = "refuse",
    executor: Executor | None = None,
) -> xr.Dataset:
    """One channel of many files as one scan with the axis `file`, whose numbers dask reads when they are computed.

    All files have the shape, unit and axes of the first that can be read; `others`, and files that cannot be read, are
    refused by name, or left out by name (a warning, and `attrs["left_out"]`). size, unit: as in `read`, for files that
    say none. executor: where the files are looked at first; see `each`. The headers stay in the files.

    Raises ReadError.
    """
    import xarray as xr

    from ..core.history import entry
    from ..core.scan import check

    listed = [os.fspath(p) for p in _several(paths)]
    for path, n in Counter(listed).items():
        if n > 1:
            raise ReadError(f"{path}: is named {n} times; name each file once")
    about: dict[str, Any] = {"channel": channel, "size": size, "unit": unit}
    sound, left_out = _fitting(listed, partial(_survey, **about), executor)
    if left_out and (others == "refuse" or not sound):
        raise ReadError(
            f"{len(left_out)} of {len(listed)} files cannot be read together with the others: {_first(left_out)}"
            + ("; others='leave out' goes on without them" if sound else "")
        )
    if not sound:
        raise ReadError("there is no file to open; the list of paths is empty")
    for path, reason in left_out.items():
        warnings.warn(f"left out: {path}: {reason}", stacklevel=2)
    first = next(iter(sound.values()))
    scan = xr.Dataset(coords={d: (d, a.values, {"units": a.unit}) for d, a in first.axes.items()})
    for d, a in first.axes.items():
        if a.spacing is not None and len(a.values) == 1:
            scan[d].attrs["spacing"] = a.spacing
    scan = scan.assign_coords(file=("file", list(sound), {"units": "1"}))
    scan[channel] = (("file", *first.dims), _stacked(list(sound), first, about), {"units": first.unit})
    formats = sorted({s.format for s in sound.values()})
    step = entry("open_many", {"files": len(sound), "left_out": len(left_out), "format": formats, **about})
    scan.attrs = {"name": "", "source": f"{len(sound)} files", "format": ", ".join(formats), "header": '""'}
    scan.attrs |= {"history": json.dumps([step]), "left_out": json.dumps(left_out, ensure_ascii=False)}
    if any(a.unit == "px" for a in first.axes.values()):
        scan.attrs["size"] = "unknown"
    return check(scan)


def _fitting(
    paths: list[str], survey: Callable[[str], _Survey], executor: Executor | None
) -> tuple[dict[str, _Survey], dict[str, str]]:
    """(what each file says, in the order given; why others are left out)."""
    answers = (
        dict(each(survey, paths, executor=executor)) if executor is not None else {p: _tried(survey, p) for p in paths}
    )
    sound: dict[str, _Survey] = {}
    left_out: dict[str, str] = {}
    for path in paths:
        found = answers[path]
        if isinstance(found, _Survey):
            differs = _differs(found, next(iter(sound.values()), found))
            if not differs:
                sound[path] = found
                continue
            left_out[path] = differs
        else:
            left_out[path] = str(found)
    return sound, left_out


def _tried(survey: Callable[[str], _Survey], path: str) -> _Survey | SharptipError:
    try:
        return survey(path)
    except SharptipError as error:
        return error


def _differs(one: _Survey, first: _Survey) -> str:
    """How a file differs from the first, or nothing."""
    for what in ("dims", "shape", "unit", "dtype"):
        if getattr(one, what) != getattr(first, what):
            return f"its {what} is {getattr(one, what)}, and that of the first file {getattr(first, what)}"
    for dim, axis in one.axes.items():
        a, b = axis.values, first.axes[dim].values
        same = np.allclose(a, b, rtol=1e-6, atol=0) if a.dtype.kind == "f" else np.array_equal(a, b)
        spacings = (axis.spacing or 0.0, first.axes[dim].spacing or 0.0) if len(a) == 1 else (0.0, 0.0)
        if axis.unit != first.axes[dim].unit or not same or not np.isclose(*spacings, rtol=1e-6, atol=0):
            return f"its axis {dim!r} is not that of the first file (another pixel size, times or directions)"
    return ""


def _survey(path: str, channel: str, size: Size, unit: str | None) -> _Survey:
    format, grid, found = _found(path, channel, size, unit)
    axes = {d: grid.axes[d] for d in found.dims}
    return _Survey(found.dims, tuple(found.data.shape), np.dtype(found.data.dtype), found.unit, axes, format)


def _found(path: str, channel: str, size: Size, unit: str | None) -> tuple[str, Grid, Channel]:
    """The channel in the first grid that has it."""
    named = None if unit is None and size is None else channel  # only numbers without a name are given one
    format, grids_ = grids(path, size=size, channel=named, unit=unit)
    for grid in grids_:
        for one in grid.channels:
            if one.name == channel:
                return format, grid, one
    known = ", ".join(dict.fromkeys(c.name for g in grids_ for c in g.channels))
    raise ChannelError(f"{path} has no channel {channel!r}; it has {known}")


def _stacked(paths: list[str], first: _Survey, about: dict[str, Any]) -> Any:
    """A dask array (file, …), whose every task opens one file and reads one stretch of it."""
    try:
        import dask
        import dask.array
    except ImportError:
        raise ReadError("many files as one scan need dask: pip install 'sharptip[dask]'") from None
    part = max(1, _CHUNK // max(1, first.dtype.itemsize * int(np.prod(first.shape[1:]))))
    take = dask.delayed(_stretch, pure=True)
    files = []
    for path in paths:
        stretches = [
            dask.array.from_delayed(
                take(path, start, min(start + part, first.shape[0]), first.shape, about),
                (min(part, first.shape[0] - start), *first.shape[1:]), first.dtype,
            )
            for start in range(0, first.shape[0], part)
        ]  # fmt: skip
        files.append(dask.array.concatenate(stretches) if len(stretches) > 1 else stretches[0])
    return dask.array.stack(files)


def _stretch(path: str, start: int, stop: int, shape: tuple[int, ...], about: dict[str, Any]) -> np.ndarray:
    data = _found(path, **about)[2].data
    if data.shape != shape:
        raise ReadError(f"{path}: has shape {data.shape}, and had {shape} when it was opened; open it again")
    return np.asarray(data[start:stop])


def _first(left_out: dict[str, str], most: int = 5) -> str:
    said = [reason if path in reason else f"{path}: {reason}" for path, reason in islice(left_out.items(), most)]
    return "; ".join(said) + (f"; and {len(left_out) - most} more" if len(left_out) > most else "")
