"""Which frames of a film show nothing of the sample: the tip was away, had not yet landed, or jumped?

A frame is junk when it is empty: lost, or without any variation beyond the steps of the converter. It is doubtful when
its heights vary much more or much less than is usual in the film, or when it resembles neither the frame before nor the
one after while most frames do. Nothing is taken out: frames are marked, with the reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import step
from ..core.scan import label
from .channel import image_channel
from .coarsen import VIEW, halved
from .drift import shift_of, spectrum
from .neighbours import median

FEWEST_LEVELS = 8  # different heights in a frame: fewer are the converter's noise
UNUSUAL = 6.0  # robust deviations of the logarithm of a frame's spread from the film's median
SPREAD = 0.1  # least robust deviation of that logarithm: films are never steadier than 10 %
DEAD = 0.05  # of the lines without variation that a frame may have
UNLIKE = 0.35  # of the film's usual likeness of neighbours
SAMPLE = 2**13  # pixels from which levels are told


@dataclass(frozen=True)
class Marks:
    """For every frame of a film whether it is junk, whether it is doubtful, and why; '' where it is neither."""

    junk: np.ndarray  # (time,) bool
    doubtful: np.ndarray  # (time,) bool
    reasons: tuple[str, ...]


def junk_frames(film: np.ndarray) -> Marks:
    """Which frames of a film (time, y, x) are junk or doubtful. With less than four frames alive none is doubtful."""
    why = [_empty(frame) for frame in film]
    empty = np.array([bool(reason) for reason in why])
    alive = np.flatnonzero(~empty)
    if len(alive) >= 4:
        for i, reason in _doubts(film, alive).items():
            why[i] = reason
    return Marks(empty, np.array([bool(reason) for reason in why]) & ~empty, tuple(why))


def _doubts(film: np.ndarray, alive: np.ndarray) -> dict[int, str]:
    seen = {int(i): _seen(film[i]) for i in alive}
    spread = {i: float(np.log(max(float(np.std(image)), 1e-300))) for i, image in seen.items()}
    middle = float(np.median(list(spread.values())))
    usual = max(1.4826 * float(np.median(np.abs(np.array(list(spread.values())) - middle))), SPREAD)
    why = {}
    for i, value in spread.items():
        if abs(value - middle) > UNUSUAL * usual:
            how = "more" if value > middle else "less"
            why[i] = f"its heights vary {np.exp(abs(value - middle)):.3g} times {how} than is usual in this film"
        if dead := _dead_lines(film[i]):
            why[i] = dead
    good = [i for i in seen if i not in why]
    alike = dict.fromkeys(good, 0.0)
    spectra = {i: spectrum(seen[i]) for i in good}
    for one, other in pairwise(good):
        likeness = shift_of(spectra[one], spectra[other], seen[one].shape[1])[2]
        alike[one], alike[other] = max(alike[one], likeness), max(alike[other], likeness)
    typical = float(np.median(list(alike.values()))) if good else 0.0
    for i, likeness in alike.items():
        if likeness < UNLIKE * typical:
            why[i] = f"it is unlike its neighbours: a likeness of {likeness:.2g}, where {typical:.2g} is usual"
    return why


def _dead_lines(frame: np.ndarray) -> str:
    """Lines without any variation: the converter was at its end, or the lines were never recorded."""
    dead = int(np.count_nonzero(np.ptp(frame, axis=1) == 0)) + int(np.count_nonzero(np.isnan(frame).all(axis=1)))
    return f"{dead} of its {len(frame)} lines do not vary" if dead > DEAD * len(frame) else ""


def _empty(frame: np.ndarray) -> str:
    good = np.isfinite(frame)
    known = np.count_nonzero(good)
    if known < 0.5 * frame.size:
        return f"{1 - known / frame.size:.0%} of its pixels are missing"
    every = max(1, frame.size // SAMPLE) | 1
    if len(np.unique(frame.ravel()[::every][good.ravel()[::every]])) >= FEWEST_LEVELS:
        return ""
    levels = len(np.unique(frame[good]))
    return "" if levels >= FEWEST_LEVELS else f"it is empty: {levels} different heights in {frame.size} pixels"


def _seen(frame: np.ndarray) -> np.ndarray:
    """The frame without the levels of its lines and columns, coarse; what is far out is cut off: one streak is not all.

    Pixels that are lost are at zero.
    """
    while min(frame.shape) >= 2 * VIEW:
        frame = halved(frame)
    image = (frame - np.nanmedian(frame.ravel()[:: max(1, frame.size // SAMPLE) | 1])).astype(np.float32)
    if not np.isfinite(image).all():
        image = np.nan_to_num(image)
    image -= median(image).astype(np.float32)[:, None]
    image -= median(np.ascontiguousarray(image.T)).astype(np.float32)
    low, high = np.quantile(image.ravel()[:: max(1, image.size // SAMPLE) | 1], [0.005, 0.995])
    return np.clip(image, low, high)


@step
def junk(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """Mark the frames of a film that show nothing, `junk` (time), and those that look odd, `doubtful` (time): 1 or 0.

    Why is in the attribute `reasons` of both, a JSON list with a text for each frame.

    Raises ChannelError for a channel that is not there, ScanError for a scan that is no film.
    """
    data = image_channel(scan, channel)
    if "time" not in data.dims:
        raise ScanError(f"{label(scan)} has no time axis; junk frames are those of a film")
    if "direction" in data.dims:
        data = data.isel(direction=0)
    found = junk_frames(data.transpose("time", "y", "x").values)
    about = {"units": "1", "reasons": json.dumps(found.reasons)}
    return scan.assign(
        junk=xr.Variable(("time",), found.junk.astype(float), about),
        doubtful=xr.Variable(("time",), found.doubtful.astype(float), about),
    )
