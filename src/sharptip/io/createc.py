"""Createc STM and qPlus images (`.dat`): every channel, forth and back, of software STMAFM 2 to 4.

The layout is described by py_createc and SpectraFox; the vendor's software shows the keys. A header of 16384 bytes has
lines `key / key=value`, and after the word DATA follow the planes, all forward ones before all backward ones, top line
first and x to the right both ways: 16-bit integers after 2 unused bytes (`[Parameter]`), float32 after 4
(`[Paramet32]`), or those 4 bytes and the float32 compressed with zlib (`[Paramco32]`).

Height and current are counts of a converter of ±10 V with 16 or 20 bits; gains and piezo constants are in the header.
`Dacto[A]z`, which has two digits, only tells 16 from 20 bits: it is nm per count (whatever its name says) at gain 10.

Lines that were not scanned are zeros. Of a file that was cut off, what is there is read; compressed numbers have no
checksum then, but unpacking them would hardly get past a place where they are damaged.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import LARGEST, Channel, Grid, unique
from .cut_off import LEAST, There, cut_off, joined, stopped
from .layout import count, finite, image_axes, join_directions, positive, text

NAME = "createc"
SUFFIXES = (".dat",)
GENERIC = False

_KINDS = {b"[Parameter]": ("<i2", 2), b"[Paramet32]": ("<f4", 4), b"[Paramco32]": ("<f4", 4)}  # numbers, unused bytes
_COMPRESSED = b"[Paramco32]"
_HEADER = 16384
_RANGE = 20.0  # volts that the converters span
_NAMES = {0: "Topography", 1: "Current"}  # signal by its bit in Channelselectval
_PLL = {7: "Frequency shift", 8: "NA02", 9: "NA03"}
_TIGHTEST = 1032  # deflate packs no stretch of bytes tighter than this
_SLACK = 2**20  # bytes that may follow the planes: spare lines


def detect(head: bytes, path: Path) -> bool:
    return head[:11] in _KINDS and b"Num.X" in head


def read(path: Path) -> list[Grid]:
    data = path.read_bytes()
    header, body = _parts(data)
    facts = facts_of(header)
    nx, ny = count(facts["Num.X"], "Num.X"), count(facts["Num.Y"], "Num.Y")
    planes, there, ends = _planes(data[:11], body, facts, (ny, nx))
    n = len(planes)
    ways = 2 if _whole(facts, "Scanmode", "ScanXMode") == 2 and n % 2 == 0 and len(_bits(facts)) != n else 1
    whole = [plane for plane, part in zip(planes, there.parts, strict=True) if part.there == part.of]
    lines = _lines(facts, [plane for plane in whole if plane is not None], ny)
    recorded = []
    for i, plane in enumerate(planes):
        way = None if ways == 1 else "forward" if i < n // 2 else "backward"
        name = _label(_bit(facts, i % (n // ways), n // ways), facts)
        there.parts[i] = there.parts[i]._replace(name=" ".join([name, *([way] if way else [])]))
        if plane is None:
            continue
        values = plane.astype(np.float32)
        values[lines:] = np.nan
        made = _channel(_bit(facts, i % (n // ways), n // ways), values, facts, data[:11])
        recorded.append((str(i % (n // ways)), way, made))
    channels, axes = join_directions(recorded)
    size = _length(facts, "y", ny, data[:11]), _length(facts, "x", nx, data[:11])
    attrs: dict[str, object] = {"lines_recorded": lines, "lines_planned": ny} if lines < ny else {}
    cut = there.attrs()
    if not cut and not ends:
        cut = cut_off(["every plane is whole; the end of the packed numbers, which holds their checksum, is missing"])
    attrs |= joined(cut, stopped(lines, ny))
    return [Grid(path.stem, unique(channels), axes | image_axes((ny, nx), *size), header, attrs)]


def _parts(data: bytes) -> tuple[str, bytes]:
    """The header's text, and the bytes behind the word DATA (a folder may be called that too)."""
    if data[:11] == _COMPRESSED:
        found = [m.start() for m in re.finditer(rb"DATA(?=\x78)", data[: _HEADER + 1])]
        if not found:
            raise ReadError("no compressed numbers follow the header; the file is truncated")
        end, start = found[-1], found[-1] + 4
    else:
        end = start = _HEADER
    return text(data[:end].rstrip(b"\0")), data[start:]


def facts_of(header: str) -> dict[str, str]:
    """Value by either of the names that a line gives it; the first line that has a name counts."""
    facts: dict[str, str] = {}
    for line in header.splitlines():
        key, is_fact, value = line.partition("=")
        for name in key.replace("[Å]", "[A]").split(" / ") if is_fact else ():
            facts.setdefault(name.strip(), value.strip())
    return facts


def _whole(facts: dict[str, str], *names: str) -> int | None:
    said = next((facts[name] for name in names if name in facts), None)
    return None if said is None else int(finite(said, names[0]))


def _planes(
    kind: bytes, body: bytes, facts: dict[str, str], shape: tuple[int, int]
) -> tuple[list[np.ndarray | None], There, bool]:
    """(The planes (y, x) as they are stored, None for those that the file lacks; what is there; has it its end)."""
    dtype, unused = _KINDS[kind]
    plane, ends = math.prod(shape) * np.dtype(dtype).itemsize, True
    n = _whole(facts, "Channels")
    if n is not None and not 0 < n * plane <= min(LARGEST, len(body) * _TIGHTEST / LEAST):
        raise ReadError(f"{n} channels of {shape[0]} × {shape[1]} pixels are more than any scan has; header damaged")
    if kind == _COMPRESSED:
        if n is None:
            raise ReadError("the header does not say how many Channels there are; it is damaged")
        unpack = zlib.decompressobj()
        body = unpack.decompress(body, unused + n * plane + _SLACK)
        ends = unpack.eof
        if unpack.unconsumed_tail or (ends and len(body) < unused + n * plane):
            raise ReadError(f"{n} channels do not end where the compressed numbers end; the header is damaged")
    n = n or max((len(body) - unused) // plane, len(_bits(facts)))
    there = There(len(body))
    names = [f"plane {i}" for i in range(n)]
    return [there.take(body, unused + i * plane, shape, dtype, what) for i, what in enumerate(names)], there, ends


def _lines(facts: dict[str, str], planes: list[np.ndarray], ny: int) -> int:
    """Lines that were scanned: the header says the next one, counted from 1; without, lines of zeros are none."""
    following = _whole(facts, "ImageYPosMax")
    if following is not None and 1 < following <= ny:
        return following - 1
    if following is not None and following > ny:
        return ny
    if not planes:
        return ny  # the file was cut off in the first of them
    scanned = np.flatnonzero(np.any([plane.any(axis=1) for plane in planes], axis=0))
    if len(scanned) == 0:
        raise ReadError("no line of the scan was recorded")
    return int(scanned[-1]) + 1


def _bit(facts: dict[str, str], place: int, n: int) -> int | None:
    """Which signal the plane at a place is: its bit in Channelselectval; without, the first two are known."""
    bits = _bits(facts)
    if len(bits) == n:
        return bits[place]
    return place if place in _NAMES else None


def _bits(facts: dict[str, str]) -> list[int]:
    selected = _whole(facts, "Channelselectval") or 0
    return [b for b in range(32) if selected >> b & 1]


def _channel(bit: int | None, values: np.ndarray, facts: dict[str, str], kind: bytes) -> Channel:
    """Counts made heights and currents; what no gain in the header explains stays as counts."""
    per_count = volts(facts, kind)
    factors = {0: metres(facts, per_count), 1: amperes(facts, per_count)}
    if bit in _NAMES and (factor := factors[bit]) is not None:
        made = Channel.from_vendor(_NAMES[bit], values * np.float64(factor), "m" if bit == 0 else "A")
        return replace(made, attrs={"vendor_units": "DAC"})
    if bit == 7 and _whole(facts, "PLLOn"):
        return Channel.from_vendor(_PLL[7], values, "Hz")
    return Channel.from_vendor(_label(bit, facts), values, "DAC")


def _label(bit: int | None, facts: dict[str, str]) -> str:
    names = _NAMES | (_PLL if _whole(facts, "PLLOn") else {})
    return "Channel" if bit is None else names.get(bit, f"Channel bit {bit}")


def metres(facts: dict[str, str], per_count: float | None) -> float | None:
    """Metres of height per count, of converters that make `per_count` volts; None where the header does not tell."""
    if per_count is None or not {"GainZ", "ZPiezoconst"} <= set(facts):
        return None
    return per_count * finite(facts["GainZ"], "GainZ") * finite(facts["ZPiezoconst"], "ZPiezoconst") * 1e-10


def amperes(facts: dict[str, str], per_count: float | None) -> float | None:
    """Amperes per count; None where the header does not tell."""
    if per_count is None or "Gainpreamp" not in facts:
        return None
    return float(per_count / 10.0 ** finite(facts["Gainpreamp"], "Gainpreamp"))


def volts(facts: dict[str, str], kind: bytes = b"") -> float | None:
    """Volts per count, None where nothing tells how many bits the converter has."""
    if said := re.search(r"(\d+) ?bit", facts.get("DAC-Type", "")):
        bits = count(said[1], "DAC-Type")
    elif "Dacto[A]z" in facts and "ZPiezoconst" in facts:
        step = positive(facts["Dacto[A]z"], "Dacto[A]z") / positive(facts["ZPiezoconst"], "ZPiezoconst")
        bits = min((16, 20), key=lambda b: abs(math.log2(_RANGE / step) - b))
    elif kind == b"[Parameter]":
        bits = 16
    else:
        return None
    if not 12 <= bits <= 32:
        raise ReadError(f"a converter of {bits} bits is not known; the header is damaged")
    return _RANGE / 2**bits


def _length(facts: dict[str, str], axis: str, n: int, kind: bytes) -> float:
    """Metres along an axis: as the header says, or steps times what the scanner makes of one."""
    if f"Length {axis}[A]" in facts:
        return positive(facts[f"Length {axis}[A]"], f"Length {axis}[A]") * 1e-10
    upper, per_count = axis.upper(), volts(facts, kind)
    piezo = facts.get(f"{upper}piezoconst") or facts.get(f"{upper}Piezoconst")
    if per_count is None or piezo is None:
        raise ReadError(f"the header says neither Length {axis}[A] nor the piezo constant; it is damaged")
    steps = abs(finite(facts[f"Delta {upper}"], f"Delta {upper}")) * n
    return (
        steps * per_count * positive(facts[f"Gain{upper}"], f"Gain{upper}") * positive(piezo, "piezo constant") * 1e-10
    )
