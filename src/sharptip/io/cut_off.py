"""Files that end before their header says (a full disk, a copy that broke off), and scans that were stopped.

What was written before the end is as it was: its whole lines, curves and frames are read, what is missing is NaN or
left out by name, and `attrs["incomplete"]` says how much is there. Three kinds of files are refused: those without a
single whole line or curve; those whose header asks for a thousand times what they have, since it is the header that is
damaged; and those that lack a few bytes only. A copy breaks off anywhere, and hardly ever so near to its end; a
transfer as text loses a byte here and there (of random ones about one in 65 536), and behind each of them every number
has moved.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ..core.errors import ReadError
from ..core.grid import INCOMPLETE, LARGEST, Channel
from ..core.lazy import Lazy, Load
from .layout import take

FEWEST, RAREST = 64, 2**14  # bytes, and one byte in so many: no more than these are lost within a file, not at its end
_OTHER_WAY = {"forward": "backward", "backward": "forward", "Trace": "Retrace", "Retrace": "Trace"}
_LISTED = 6  # names of what is whole
LEAST = 1e-3  # of the bytes that the header asks for


class Part(NamedTuple):
    """One image or channel: how many of its lines, curves or frames are in the file."""

    name: str
    there: int
    of: int
    unit: str = "lines"


@dataclass
class There:
    """How much of each part of a file of `size` bytes is there; filled as the parts are taken, in their order."""

    size: int
    parts: list[Part] = field(default_factory=list)
    end: int = 0  # where the last part ends or should end

    def count(self, what: str, at: int, n: int, step: int, unit: str = "lines") -> int:
        """How many of the n pieces of `step` bytes, from byte `at` on, are in the file, whole ones."""
        if at < 0 or n < 1 or step < 1:
            raise ReadError(f"{what} is said to be at byte {at} with {n} {unit} of {step} bytes; the header is damaged")
        there = min(n, max(0, self.size - at) // step)
        self.end = max(self.end, at + n * step)
        self.parts.append(Part(what, there, n, unit))
        if there < n and (n * step > self.size / LEAST or n * step > 8 * LARGEST):
            raise ReadError(f"{what} needs {n * step} bytes and the file has {self.size}; its header is damaged")
        return there

    def take(
        self, data: bytes | mmap.mmap, at: int, shape: tuple[int, ...], dtype: str, what: str, unit: str = "lines"
    ) -> np.ndarray | None:
        """As `layout.take`; where the file ends within, floats with NaN behind the last whole line; None before it."""
        kind = np.dtype(dtype)
        if at < 0 or any(n < 1 for n in shape) or math.prod(shape) > LARGEST:
            return take(data, at, shape, dtype, what)  # says what is wrong
        there = self.count(what, at, shape[0], math.prod(shape[1:]) * kind.itemsize, unit)
        if there == shape[0]:
            return take(data, at, shape, dtype, what)
        if not there:
            return None
        out = np.full(shape, np.nan, float if kind.kind in "iu" else kind.newbyteorder("="))
        out[:there] = take(data, at, (there, *shape[1:]), dtype, what)
        return out

    def attrs(self) -> dict[str, object]:
        """What a scan says of its cut-off file, nothing of a whole one. Raises ReadError for one not to be believed."""
        lost = self.end - self.size
        if lost <= 0:
            return {}
        if not any(part.there for part in self.parts):
            raise ReadError(
                f"it ends at byte {self.size} of {self.end}, before the first line, curve or frame is whole; it is "
                "truncated or its header is damaged"
            )
        if lost <= max(FEWEST, self.size // RAREST):
            raise ReadError(
                f"{lost} of {self.end} bytes are missing: so few are rather lost on the way, as by a transfer as text, "
                "than cut off, and then every number behind them is another one; copy the file again"
            )
        return cut_off([*told(self.parts)], self.size, self.end)


def told(parts: Sequence[Part]) -> list[str]:
    """'Z is whole', '3 of the 6 lines of Current', 'Phase is missing': how much of each part is there."""
    whole = [part.name for part in parts if part.there == part.of]
    missing = [part.name for part in parts if not part.there]
    said = [f"{_listed(whole, _LISTED)} whole"] if whole else []
    said += [f"{p.there} of the {p.of} {p.unit} of {p.name} {be(p.there)} there" for p in parts if 0 < p.there < p.of]
    return said + ([f"{_listed(missing)} missing"] if missing else [])


def _listed(names: Sequence[str], most: int | None = None) -> str:
    """'Z, Current forward are': both directions of a channel are called by its name alone."""
    short = list(names)
    for name in names:
        base, _, way = name.rpartition(" ")
        other = _OTHER_WAY.get(way, "")
        if other and f"{base} {other}" in names:
            short[short.index(name)] = base
    short = list(dict.fromkeys(short))
    if most and len(short) > most + 1:
        short[most:] = [f"{len(short) - most} more"]
    return f"{', '.join(short)} {be(len(short))}"


def be(n: int) -> str:
    return "is" if n == 1 else "are"


def cut_off(said: Sequence[str], size: int | None = None, end: int | None = None) -> dict[str, object]:
    """The attribute of a scan whose file was cut off: what of it is there and what is not."""
    share = f"{share_of(size, end)} of it is there; " if size and end else ""
    return {INCOMPLETE: f"the file was cut off: {share}{'; '.join(said)}"}


def share_of(size: int, end: int) -> str:
    """A share of bytes in percent, never rounded up to all of them."""
    return f"{math.floor(1000 * size / end) / 10:g} %"


def stopped(there: int, n: int, unit: str = "lines") -> dict[str, object]:
    """The attributes of a scan that its instrument did not finish: nothing of one that it did."""
    if there >= n:
        return {}
    return {INCOMPLETE: f"the scan was stopped: {there} of {n} {unit} were recorded"}


def joined(*found: Mapping[str, object]) -> dict[str, object]:
    """One attribute of several, such as a scan that was stopped and whose file was cut off as well."""
    said = [str(attrs[INCOMPLETE]) for attrs in found if INCOMPLETE in attrs]
    return {INCOMPLETE: "; ".join(said)} if said else {}


def padded(channel: Channel, n: int) -> Channel:
    """A channel of parts that are read when asked for, with n of them; those that are missing are NaN."""
    data = channel.data
    if len(data) == n:
        return channel
    assert isinstance(data, Lazy)
    load = partial(nan_behind, data.load, len(data), data.shape[1:])
    return replace(channel, data=Lazy((n, *data.shape[1:]), data.dtype, load))


def nan_behind(load: Load, end: int, shape: tuple[int, ...], places: np.ndarray) -> np.ndarray:
    """The parts before `end`, and NaN for those behind."""
    out = np.full((len(places), *shape), np.nan)
    if (there := places < end).any():
        out[there] = load(places[there])
    return out
