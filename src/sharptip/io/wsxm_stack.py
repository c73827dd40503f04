"""Stacks of images in one WSxM file: spectroscopy images (`.gsi`, older ones CITS) and movies (`.mpp`).

Layout: read off programs that write and read them (GXSM's nc2top, SciFiReaders); untested on real files. Behind the
header lie whole images. In a spectroscopy image the first is the topography, and each of the others is the signal at
one value of a ramp, which a list in the header gives. In a movie they are the frames, and their times are listed.
Whole numbers of a signal are counts of the converter, which one or two factors make physical; others are in the unit
of the Spectroscopy Amplitude. The numbers stay in the file until they are asked for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, unique
from ..core.lazy import Lazy
from ..core.units import to_si
from .cut_off import There
from .layout import count, native
from .wsxm_header import GENERAL, Facts, axes_of, numbers, quantity, shape_of, worth

SPECTROSCOPY = ("Spectroscopy Imaging Image file", "CITS Image file")
MOVIE = "Movie Image file"
UNTESTED = "spectroscopy images and movies of WSxM have been read from no real file; compare with WSxM"

_RAMPS = ("Spectroscopy images ramp value list", "Current images bias list")
_SWEEPS = {"V": "bias", "m": "distance", "Hz": "frequency", "s": "time"}
_AMPLITUDES = ("Spectroscopy Amplitude", "Current Amplitude")


def spectroscopy(
    path: Path, data: bytes, start: int, facts: Facts, there: There
) -> tuple[np.ndarray, list[Channel], dict[str, Axis], dict[str, object]]:
    """(The stored topography, the signal (y, x, what was ramped), axes, attributes)."""
    n = count(facts[GENERAL, "Number of points per ramp"], "Number of points per ramp")
    stored = numbers(data, start, n + 1, facts, there)
    if len(stored) == 1:  # it was cut off behind the topography
        return stored[0], [], axes_of(facts), {"reader_untested": UNTESTED}
    along, axis = _ramp(facts, n)
    factor, offset, unit = _signal(facts, stored[1:], len(stored) <= n)
    ny, nx = shape_of(facts)
    load = partial(_lines, str(path), start, stored.shape, stored.dtype.str, factor, offset, n)
    name = facts.get((GENERAL, "Acquisition channel")) or ("Current" if unit.endswith("A") else "Signal")
    made = Channel.from_vendor(name, Lazy((ny, nx, n), np.dtype(float), load), unit, ("y", "x", along))
    if made.name == "height":  # the channel's name may be that of the topography beside it
        made = replace(made, name="signal")
    way = next(
        (facts[GENERAL, k] for k in ("Spectroscopy direction", "Spectroscopy type") if (GENERAL, k) in facts), ""
    )
    said: dict[str, object] = {"reader_untested": UNTESTED, **({"ramp": way} if way else {})}
    return stored[0], [made], axes_of(facts) | {along: axis}, said


def _ramp(facts: Facts, n: int) -> tuple[str, Axis]:
    """What was ramped and its values; counted steps where the header does not list them all."""
    for section in _RAMPS:
        said = [facts.get((section, f"Image {k:03d}")) for k in range(n)]
        values = [quantity(v, "a value of the ramp") for v in said if v]
        units = {unit for _, unit in values}
        if len(values) == n and len(units) == 1:
            factor, si = to_si(units.pop())
            if si in _SWEEPS:
                return _SWEEPS[si], Axis(np.array([v for v, _ in values]) * factor, si)
    return "sample", Axis(np.arange(n), "1")


def _signal(facts: Facts, stored: np.ndarray, cut: bool) -> tuple[float, float, str]:
    """(factor, offset, unit) of the numbers of the signal; cut: some are missing."""
    converter = facts.get((GENERAL, "ADC to V conversion factor"))
    if stored.dtype.kind not in "iu" or not converter:
        key = next((k for k in _AMPLITUDES if (GENERAL, k) in facts), _AMPLITUDES[0])
        factor, unit = worth(facts, key, stored, cut)
        return factor, 0.0, unit
    factor, unit, offset = quantity(converter, "ADC to V conversion factor")[0], "V", 0.0
    said = facts.get((GENERAL, "Conversion factor 0 for input channel"))
    if said:
        gain, unit = quantity(said, "Conversion factor 0 for input channel")
        factor, unit = factor * gain, unit.removesuffix("/V") or "V"
        shift = facts.get((GENERAL, "Conversion offset 0 for input channel"))
        offset = quantity(shift, "Conversion offset 0 for input channel")[0] if shift else 0.0
    inverted = facts.get((GENERAL, "Channel is inverted"), "").lower() == "yes"
    return -factor if inverted else factor, offset, unit


def _lines(
    path: str, start: int, shape: tuple[int, ...], dtype: str, factor: float, offset: float, n: int, which: np.ndarray
) -> np.ndarray:
    """(line, x, step of the ramp): the lines asked for, row 0 on top; NaN for steps that were cut off."""
    stored = np.memmap(path, dtype, "r", start, shape)[1:, ::-1, ::-1]
    out = np.full((len(which), shape[2], n), np.nan)
    for line, y in zip(out, which, strict=True):
        line[:, : len(stored)] = native(stored[:, y].T) * factor + offset
    return out


def movie(path: Path, data: bytes, start: int, facts: Facts, there: There) -> tuple[list[Channel], dict[str, Axis]]:
    """A film (time, y, x), each frame read when it is asked for; counted frames where no times are said.

    Of a film that was cut off, its whole frames.
    """
    n = count(facts[GENERAL, "Number of Frames"], "Number of Frames")
    stored = numbers(data, start, n, facts, there)
    factor, unit = worth(facts, "Z Amplitude", stored, len(stored) < n)
    load = partial(_frames, str(path), start, stored.shape, stored.dtype.str, factor)
    name = facts.get((GENERAL, "Acquisition channel")) or "Topography"
    times = _times(facts, n)
    n = len(stored)
    along, axis = ("sample", Axis(np.arange(n), "1")) if times is None else ("time", Axis(times[:n], "s"))
    made = Channel.from_vendor(name, Lazy(stored.shape, np.dtype(float), load), unit, (along, "y", "x"))
    made = replace(made, attrs={**made.attrs, "reader_untested": UNTESTED})
    return list(unique([made])), {along: axis, **axes_of(facts)}


def _times(facts: Facts, n: int) -> np.ndarray | None:
    """Seconds of the frames as they are listed, or spread over the total time."""
    listed = [facts.get(("Frames Synchronization", f"Frame {k:04d}")) for k in range(n)]
    seconds = [quantity(v, "the time of a frame") for v in listed if v]
    if len(seconds) == n and (np.diff([s for s, _ in seconds]) > 0).all():
        return np.array([s * _seconds(unit) for s, unit in seconds])
    said = facts.get((GENERAL, "Total Time"))
    total, unit = quantity(said, "Total Time") if said else (0.0, "s")
    return np.arange(n) * (total * _seconds(unit) / n) if total > 0 else None


def _seconds(unit: str) -> float:
    factor, si = to_si(unit or "s")
    if si != "s":
        raise ReadError(f"the times of a movie are in {unit!r}; the header is damaged")
    return factor


def _frames(path: str, start: int, shape: tuple[int, ...], dtype: str, factor: float, which: np.ndarray) -> np.ndarray:
    stored = np.memmap(path, dtype, "r", start, shape)[:, ::-1, ::-1]
    return np.stack([native(stored[k]) * np.float64(factor) for k in which])
