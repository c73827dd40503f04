"""Which frames of a film show nothing of the sample: the tip was away, had not yet landed, or jumped?

A frame is junk when it is empty: lost, without any variation beyond the steps of the converter, or for the most part at
the end of its range. It is doubtful when part of that is true, when it repeats lines of the frame before, when its
heights vary much more or much less than is usual in the film, when none of its lines resembles the next while those of
other frames do, when it resembles neither the frame before nor the one after while most frames do, or when both of them
show the same place and it another one. Nothing is taken out: frames are marked, with the reason.

A film is gone through twice, frame by frame, so that one which stays in its file needs no memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import step
from ..core.marks import REASONS
from ..core.scan import label
from .channel import Film, Frames, image_channel
from .drift import CHANCE, shift_of, spectrum
from .neighbours import median

FEWEST_LEVELS = 8  # different heights in a frame: fewer are the converter's noise
UNUSUAL = 6.0  # robust deviations of the logarithm of a frame's spread from the film's median
SPREAD = 0.1  # least robust deviation of that logarithm: films are never steadier than 10 %
DEAD = 0.05  # of the lines without variation, or repeated, that a frame may have
UNLIKE = 0.35  # of the film's usual likeness of neighbours
AT_END = (0.1, 0.5)  # of the pixels at the frame's greatest or least height: doubtful, junk
SCRIPTLESS = 0.15  # of the film's usual likeness of neighbouring lines, where that is above RESEMBLING
RESEMBLING = 0.2
QUIET = (0.15, 0.35)  # of the lines, one below the other without resembling the next, beyond three times the usual: if
# they lie off the others, and in any case
OFF = 10.0  # robust deviations of the steps between lines by which such lines lie off the others
JUMP = 0.1  # of the frame's size, and
FAST = 5.0  # times the film's usual shift: how far a frame lies off its neighbours, which lie at one place


@dataclass(frozen=True)
class Marks:
    """For every frame of a film whether it is junk, whether it is doubtful, and why; '' where it is neither."""

    junk: np.ndarray  # (time,) bool
    doubtful: np.ndarray  # (time,) bool
    reasons: tuple[str, ...]


@dataclass
class _Look:
    """What is seen of one frame by itself."""

    spread: float  # logarithm of the standard deviation of what is seen
    dead: str
    at_end: float  # share of the pixels at the greatest or at the least height
    repeated: int  # lines that are those of the frame before, number for number
    script: float  # likeness of each line and the next
    quiet: int  # most lines, one below the other, that do not resemble the next
    off: bool  # whether these lie off the other lines
    ground: _Ground


def junk_frames(film: Film) -> Marks:
    """Which frames of a film (time, y, x) are junk or doubtful. With less than four frames alive none is doubtful.

    film: an array, or anything that has a length and gives frames (y, x) by their number; each is asked for twice.
    """
    why, looks = _looked_at(film)
    junk = np.array([bool(reason) for reason in why])
    if len(looks) >= 4:
        rows = film[0].shape[0]
        for i, (reason, is_junk) in _odd_ones(looks, rows).items():
            why[i], junk[i] = reason, is_junk
        for i, reason in _unlike(film, {i: looks[i].ground for i in looks if not why[i]}).items():
            why[i] = reason
    return Marks(junk, np.array([bool(reason) for reason in why]) & ~junk, tuple(why))


# Each frame by itself -------------------------------------------------------------------------------------------


def _looked_at(film: Film) -> tuple[list[str], dict[int, _Look]]:
    """For each frame why it is empty, '' where it is not; and what is seen of those that are not."""
    why, looks, before = [], {}, None
    for i in range(len(film)):
        frame = film[i]
        why.append(_empty(frame))
        if not why[-1]:
            looks[i] = _look(frame, before)
        before = frame
    return why, looks


def _empty(frame: np.ndarray) -> str:
    if np.isfinite(frame).all() and len(np.unique(frame[::8, ::8])) >= FEWEST_LEVELS:
        return ""
    known = frame[np.isfinite(frame)]
    if known.size < 0.5 * frame.size:
        return f"{1 - known.size / frame.size:.0%} of its pixels are missing"
    levels = len(np.unique(known))
    said = f"it is empty: {levels} height{'s' * (levels > 1)} in {known.size} pixels"
    return "" if levels >= FEWEST_LEVELS else said


def _look(frame: np.ndarray, before: np.ndarray | None) -> _Look:
    ground = _Ground.of(frame)
    image = ground.off(frame)
    least, greatest = np.nanmin(frame), np.nanmax(frame)
    at_end = max(np.count_nonzero(frame == least), np.count_nonzero(frame == greatest)) / frame.size
    varies = np.nanmax(frame, axis=1, initial=least) > np.nanmin(frame, axis=1, initial=greatest)
    same = 0
    if before is not None and before.shape == frame.shape:
        same = int(np.count_nonzero((frame == before).all(axis=1) & varies))
    alike = _neighbours_alike(image + ground.columns)
    start, quiet = _longest(alike < _by_chance(frame.shape[1]))
    return _Look(
        spread=float(np.log(max(float(np.std(image)), 1e-300))),
        dead=_dead_lines(frame),
        at_end=at_end,
        repeated=same,
        script=float(np.median(alike)) if len(alike) else 1.0,
        quiet=quiet,
        off=_lies_off(frame, start, quiet),
        ground=ground,
    )


def _dead_lines(frame: np.ndarray) -> str:
    """Lines without any variation: the converter was at its end, or the lines were never recorded."""
    dead = int(np.count_nonzero(np.ptp(frame, axis=1) == 0)) + int(np.count_nonzero(np.isnan(frame).all(axis=1)))
    return f"{dead} of its {len(frame)} lines do not vary" if dead > DEAD * len(frame) else ""


@dataclass(frozen=True)
class _Ground:
    """What is taken off a frame before it is compared with others: it need be found only once."""

    middle: float | None  # in place of lost pixels, where there are any
    rows: np.ndarray  # (y,)
    columns: np.ndarray  # (x,)
    ends: tuple[float, float]  # what is further out is cut off: one streak must not be all

    @classmethod
    def of(cls, frame: np.ndarray) -> _Ground:
        """The levels of its lines, then those of its columns, and between what nearly all the rest lies."""
        middle = None if np.isfinite(frame).all() else float(np.median(frame[np.isfinite(frame)]))
        values = _filled(frame, middle)
        rows = median(values).astype(np.result_type(values, np.float32))
        image = (values - rows[:, None]).astype(np.float32)
        columns = median(np.ascontiguousarray(image.T)).astype(np.float32)
        image -= columns
        low, high = np.quantile(image.ravel()[:: max(1, image.size // 2**14)], [0.005, 0.995])
        return cls(middle, rows, columns, (float(low), float(high)))

    def off(self, frame: np.ndarray) -> np.ndarray:
        """The frame without them, as 32-bit floats."""
        image = (_filled(frame, self.middle) - self.rows[:, None]).astype(np.float32)
        image -= self.columns
        return np.clip(image, *self.ends, out=image)


def _filled(frame: np.ndarray, middle: float | None) -> np.ndarray:
    return frame if middle is None else np.where(np.isfinite(frame), frame, middle)


def _neighbours_alike(image: np.ndarray) -> np.ndarray:
    """Correlation of each line with the next, (y - 1,), but for their tilts; 0 where one of them does not vary."""
    x = np.linspace(-1, 1, image.shape[1], dtype=np.float32)
    lines = image - image.mean(axis=1, keepdims=True)
    lines -= np.outer(lines @ x / max(float(x @ x), 1e-30), x)
    power = np.einsum("yx,yx->y", lines, lines)
    norm = np.sqrt(power[1:] * power[:-1])
    both = np.einsum("yx,yx->y", lines[1:], lines[:-1])
    return np.divide(both, norm, out=np.zeros_like(both), where=norm > 0)


def _by_chance(columns: int) -> float:
    """The correlation that two lines of noise hardly ever have."""
    return 4 / float(np.sqrt(columns))


def _longest(low: np.ndarray) -> tuple[int, int]:
    """(start, length) of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(np.int8), [0]])))
    if not len(edges):
        return 0, 0
    lengths = edges[1::2] - edges[::2]
    k = int(np.argmax(lengths))
    return int(edges[2 * k]), int(lengths[k])


def _lies_off(frame: np.ndarray, start: int, length: int) -> bool:
    """Whether the lines from `start` on step off those before, or behind, far more than lines do in this frame."""
    if not length:
        return False
    some = frame[:, :: max(1, frame.shape[1] // 64)]
    levels = median(_filled(some, None if np.isfinite(some).all() else float(np.nanmedian(some))))
    steps = np.abs(np.diff(levels))
    usual = 1.4826 * float(np.median(steps)) + 1e-300
    edges = [k for k in (start - 1, start, start + length - 1, start + length) if 0 <= k < len(steps)]
    return any(steps[k] > OFF * usual for k in edges)


# Each frame beside the film -------------------------------------------------------------------------------------


def _odd_ones(looks: dict[int, _Look], rows: int) -> dict[int, tuple[str, bool]]:
    """Frames that are unlike what is usual in the film: why, and whether they are junk."""
    all_of = list(looks.values())
    spreads = np.array([look.spread for look in all_of])
    middle = float(np.median(spreads))
    width = max(1.4826 * float(np.median(np.abs(spreads - middle))), SPREAD)
    at_end, script, quiet = (float(np.median([getattr(k, n) for k in all_of])) for n in ("at_end", "script", "quiet"))
    still = np.median([look.repeated for look in all_of]) > DEAD * rows  # all frames are the same, by intent
    out: dict[int, tuple[str, bool]] = {}
    for i, look in looks.items():
        beyond = look.spread - middle
        if look.at_end > AT_END[1] > 2 * at_end:
            out[i] = f"{look.at_end:.0%} of its pixels are at the end of its range", True
        elif look.dead:
            out[i] = look.dead, False
        elif look.repeated > DEAD * rows and not still:
            out[i] = f"{look.repeated} of its {rows} lines are those of the frame before", False
        elif look.at_end > AT_END[0] and look.at_end > 3 * at_end:
            out[i] = f"{look.at_end:.0%} of its pixels are at the end of its range", False
        elif look.script < SCRIPTLESS * script and script > RESEMBLING:
            said = f"{max(look.script, 0.0):.2g}, where {script:.2g} is usual"
            out[i] = f"its lines do not resemble each other: a likeness of {said}", False
        elif look.quiet > QUIET[0 if look.off else 1] * rows + 3 * quiet:
            where = " and lie off the others" if look.off else ""
            out[i] = f"{look.quiet + 1} of its {rows} lines show nothing{where}", False
        elif abs(beyond) > UNUSUAL * width:
            how = "more" if beyond > 0 else "less"
            out[i] = f"its heights vary {np.exp(abs(beyond)):.3g} times {how} than is usual in this film", False
    return out


def _unlike(film: Film, good: dict[int, _Ground]) -> dict[int, str]:
    """Frames that resemble none of their neighbours, and those that show another place than both of them."""
    alike, shifts = dict.fromkeys(good, 0.0), []
    away: dict[int, float] = {}  # frames off their neighbours, by so many pixels
    known: list[tuple[int, np.ndarray]] = []  # the last two frames and their spectra
    for i, ground in good.items():
        frame = film[i]
        shape = frame.shape[0], frame.shape[1]
        known.append((i, spectrum(ground.off(frame))))
        if len(known) == 1:
            continue
        (one, a), (other, b) = known[-2:]
        dy, dx, likeness = shift_of(a, b, shape[1])
        alike[one], alike[other] = max(alike[one], likeness), max(alike[other], likeness)
        shifts.append(np.hypot(dy, dx))
        if len(known) == 3:
            if min(shifts[-2:]) > JUMP * min(shape):
                dy, dx, both = shift_of(known[0][1], b, shape[1])
                if np.hypot(dy, dx) < 0.35 * min(shifts[-2:]) and both > CHANCE / np.sqrt(shape[0] * shape[1]):
                    away[one] = min(shifts[-2:])
            del known[0]
    typical = float(np.median(list(alike.values()))) if good else 0.0
    usual = float(np.median(shifts)) if shifts else 0.0
    why = {
        i: f"it lies {far:.0f} pixels off the frames before and after, which show one place"
        for i, far in away.items()
        if far > FAST * usual
    }
    for i, likeness in alike.items():
        if likeness < UNLIKE * typical:
            why[i] = f"it is unlike its neighbours: a likeness of {likeness:.2g}, where {typical:.2g} is usual"
    return why


@step
def junk(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """Mark the frames of a film that show nothing, `junk` (time), and those that look odd, `doubtful` (time): 1 or 0.

    Why is in the attribute `reasons` of both, a JSON list with a text for each frame.

    Raises ChannelError for a channel that is not there, ScanError for a scan that is no film.
    """
    data = image_channel(scan, channel)
    if "time" not in data.dims:
        raise ScanError(f"{label(scan)} has no time axis; junk frames are those of a film")
    found = junk_frames(Frames.of(data))
    about = {"units": "1", REASONS: json.dumps(found.reasons)}
    return scan.assign(
        junk=xr.Variable(("time",), found.junk.astype(float), about),
        doubtful=xr.Variable(("time",), found.doubtful.astype(float), about),
    )
