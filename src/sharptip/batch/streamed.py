"""A film larger than the memory, cleaned a few frames at a time while it is written.

Nothing of it is ever whole in the memory: its frames are read, taken through the steps and written in stretches of a
few megabytes. `junk` looks at every frame twice before that. `drift` needs the cleaned frames in order, so they are
written to a folder first and moved when they are read from there.
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from .. import io
from ..clean import STEPS, name_of, step_of
from ..clean.channel import Frames, NothingThere
from ..clean.drift import drift_lazily
from ..core.history import steps as history
from ..core.lazy import Lazy, for_xarray
from . import changes
from .journal import Record

LARGE = 2**28  # bytes of a channel, from which on a film is cleaned in this way
EACH = frozenset(STEPS) - changes.WHOLE - {"directions"}  # steps that need a few frames of one channel at a time
LOOK_BESIDE = frozenset({"scars"})  # those that look at the frames before and behind

Row = Callable[[], Record]  # what came of a channel, once it is written


def wanted(scan: xr.Dataset, channels: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the scan is a large film, and its steps are such that frames can go through them by themselves."""
    first, last = int(names[0] == "junk"), len(names) - (names[-1] == "drift")
    films = all(scan[c].dims[:1] == ("time",) for c in channels)
    large = any(scan[c].size * max(8, scan[c].dtype.itemsize) > LARGE for c in channels)
    return films and large and set(map(name_of, names[first:last])) <= EACH


def streamed(
    raw: xr.Dataset, channels: Sequence[str], names: Sequence[str], folder: Path
) -> tuple[xr.Dataset, list[Row]]:
    """The film after its steps, whose numbers are made when they are asked for, and a row for each of its channels.

    A row is known once the channel has been read from end to end. `folder` is for what has to be written in between.
    """
    scan, found = raw.copy(deep=False), {}
    if names[0] == "junk":
        scan = STEPS["junk"](raw, channel=channels[0])
        found = changes.marked(scan)
    each = [name for name in names if name_of(name) in EACH]
    tallies = {channel: _Tally() for channel in channels}
    known = history(scan)
    for channel in channels:
        scan = _changed(scan, channel, each, tallies[channel])
    made = history(scan)[len(known) :]  # channel by channel; told step by step, as it is done in memory
    ordered = [made[k] for step in range(len(each)) for k in range(step, len(made), len(each))]
    scan.attrs = {**scan.attrs, "history": json.dumps([*known, *ordered])}
    if names[-1] == "drift":
        folder.mkdir(parents=True, exist_ok=True)
        io.write(scan, folder / "cleaned.zarr")
        scan = drift_lazily(io.scans(folder / "cleaned.zarr")[0], channel=channels[0])
        for channel in channels:
            scan = _counted(scan, channel, tallies[channel])
    done = ",".join(dict.fromkeys(str(e["step"]) for e in history(scan)[len(history(raw)) :]))
    rows: list[Row] = [
        partial(_row, raw, channel, found if k == 0 else {}, tallies[channel], done)
        for k, channel in enumerate(channels)
    ]
    return scan, rows


def _changed(scan: xr.Dataset, channel: str, names: Sequence[str], tally: _Tally) -> xr.Dataset:
    """The scan with a channel that goes through the steps when it is read."""
    if not names:
        return scan
    data = scan[channel]
    first = scan[[channel]].isel(time=slice(0, 1), y=slice(0, 16), x=slice(0, 16))  # what kind of numbers they will be
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a corner of a frame says nothing of the film
        for name in names:
            first = step_of(name)(first, channel=channel)
    first[channel].attrs.pop("levelled", None)
    kind = first[channel].dtype
    lazy = Lazy(data.shape, kind, partial(_through, scan[[channel]], channel, tuple(names), tally))
    out = scan.assign({channel: xr.Variable(data.dims, for_xarray(lazy), first[channel].attrs)})
    out.attrs = {**scan.attrs, "history": first.attrs["history"]}
    return out


def _counted(scan: xr.Dataset, channel: str, tally: _Tally) -> xr.Dataset:
    """The scan with a channel whose frames are counted, as they are in the end, when they are read."""
    data = scan[channel]
    lazy = Lazy(data.shape, data.dtype, partial(_through, scan[[channel]], channel, (), tally))
    return scan.assign({channel: xr.Variable(data.dims, for_xarray(lazy), data.attrs)})


def _through(scan: xr.Dataset, channel: str, names: Sequence[str], tally: _Tally, places: np.ndarray) -> np.ndarray:
    """Some frames after the steps; what the steps changed is counted on the way.

    Where a step looks at the frames next to each, these go through the steps too, and are counted with their own.
    """
    reach = sum(name_of(name) in LOOK_BESIDE for name in names)
    wide = np.unique([p + k for p in places for k in range(-reach, reach + 1) if 0 <= p + k < scan.sizes["time"]])
    asked = np.searchsorted(wide, places)
    block = scan.isel(time=wide).load()
    if names:
        tally.take("before", places, block.isel(time=asked), channel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NothingThere)  # a few lost frames are not the film
        for name in names:
            before, block = block, step_of(name)(block, channel=channel)
            tally.changed(name_of(name), places, before.isel(time=asked), block.isel(time=asked), channel)
    out = block.isel(time=asked)
    tally.take("after", places, out, channel)
    return out[channel].transpose(*scan[channel].dims).values


class _Tally:
    """Sums over the frames of a channel; a frame that is read twice counts once."""

    def __init__(self) -> None:
        self.squares: dict[str, dict[int, tuple[int, float]]] = defaultdict(dict)
        self.spots: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)

    def take(self, name: str, places: np.ndarray, block: xr.Dataset, channel: str) -> None:
        self._keep(name, places, changes.images(block, channel).astype(float, copy=False))

    def _keep(self, name: str, places: np.ndarray, images: np.ndarray) -> None:
        for place, frame in zip(places, images.reshape(len(places), -1, *images.shape[1:]), strict=True):
            parts = [changes.squares(image) for image in frame]
            self.squares[name][int(place)] = sum(n for n, _ in parts), sum(s for _, s in parts)

    def changed(self, name: str, places: np.ndarray, before: xr.Dataset, after: xr.Dataset, channel: str) -> None:
        a, b = changes.images(before, channel).astype(float), changes.images(after, channel)
        self._keep(name, places, a - b)
        if name in changes.MENDS:
            per = len(a) // len(places)
            for k, place in enumerate(places):
                found = [changes.spots(a[i], b[i]) for i in range(k * per, (k + 1) * per)]
                self.spots[name][int(place)] = sum(n for n, _ in found), sum(n for _, n in found)

    def told(self) -> Record:
        out: Record = {}
        for name in self.squares:
            if name not in ("before", "after"):
                out[f"{name}_rms"] = changes.rms(self.squares[name].values())
            if name in self.spots:
                out[name], out[f"{name}_pixels"] = (sum(v[k] for v in self.spots[name].values()) for k in (0, 1))
        return out


def _row(raw: xr.Dataset, channel: str, found: Record, tally: _Tally, done: str) -> Record:
    rms = {f"{when}_rms": changes.rms(tally.squares[when].values()) for when in ("before", "after")}
    return {**changes.about(raw, channel), **rms, **found, **tally.told(), "steps": done}


def nothing_in(scan: xr.Dataset, channel: str) -> bool:
    """Whether no frame of a film has a finite pixel."""
    return not any(np.isfinite(frame).any() for frame in Frames.of(scan[channel]))
