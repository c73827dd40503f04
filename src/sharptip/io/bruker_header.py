"""The header of Bruker (Digital Instruments, Veeco) Nanoscope files: images, force curves and force volumes share it.

Layout: NanoScope software user guide, appendix on the file format. Lines `\\Key: value` in sections `\\*Name`, ended by
`\\*File list end`. Parameters that begin with `@` hold a value `V [soft scale] (hard scale) hard value`: the soft scale
names a sensitivity that stands elsewhere in the header, the hard scale is what one step of the integers is worth, the
hard value is the parameter itself, or the full range of the integers where it is called `Z scale`.
"""

from __future__ import annotations

import mmap
import re
import warnings
from dataclasses import dataclass

from ..core.errors import ReadError, UnitError
from ..core.units import to_si
from .layout import count, finite, positive

FIRST = (b"\\*File list", b"\\*Force file list", b"\\*EC File list")  # EC: under electrochemical control
LAST = (b"\\*File list end", b"\r\n\x1a")  # some files have the second only
LONGEST = 2**22  # bytes in which the end of the header is looked for; a long one has 80 kB

_DEFLECTION = ("sens. deflsens", "sens. deflection")

Section = dict[str, str]


@dataclass(frozen=True)
class Value:
    """A parameter `V [soft] (per_count unit/LSB) hard unit`."""

    soft: str
    per_count: float | None
    hard: float
    unit: str


def sections(header: str) -> list[tuple[str, Section]]:
    """(name, values by lower-case key) of each section in order; the first of a key counts."""
    out: list[tuple[str, Section]] = []
    for line in header.splitlines():
        if line.startswith("\\*"):
            out.append((line[2:].strip(), {}))
        elif line.startswith("\\") and ": " in line and out:
            key, value = line[1:].split(": ", 1)
            out[-1][1].setdefault(re.sub(r"^@\d+:", "@", key).strip().lower(), value.strip())
    return out


def end(data: bytes | mmap.mmap) -> int:
    """Where the header ends. Raises ReadError where it does not."""
    found = (data.find(mark, 0, LONGEST) for mark in LAST)
    at = next((place for place in found if place >= 0), None)
    if at is None:
        raise ReadError("the header has no end (\\*File list end); the file is truncated")
    return at


def quoted(value: str) -> str:
    """'S [ZSensor] "Height Sensor"' → 'Height Sensor'; the internal name where the other is empty or missing."""
    match = re.match(r'S \[([^\]]*)\](?: "([^"]*)")?', value)
    if not match or not (match[2] or match[1]):
        raise ReadError(f"the image's name is {value!r}; the header is damaged")
    return match[2] or match[1]


# A hard scale may have parentheses within, '(0.0001 log(Pa)/LSB)', and one version writes words where its number was.
_VALUE = re.compile(r"V\s*(?:\[([^\]]*)\])?\s*(?:\((?:([-+.\deE]+)\s|)(?:[^()]|\([^()]*\))*\))?\s*([-+.\deE]+)\s*(\S*)")


def parse(value: str) -> Value:
    """The parts of 'V [Sens. Zsens] (0.0067 V/LSB) 440.0 V'."""
    match = _VALUE.fullmatch(value)
    if not match:
        raise ReadError(f"the scale {value!r} is not understood; the header is damaged")
    per_count = None if match[2] is None else finite(match[2], "a scale")
    return Value(match[1] or "", per_count, finite(match[3], "a scale"), match[4])


def full_range(scale: str, common: Section) -> tuple[float, str]:
    """The hard value in the channel's unit, from a parameter and the sensitivity it names.

    Of 'Z scale' this is the whole range of the integers.
    """
    value = parse(scale)
    if value.hard == 0:
        raise ReadError(f"the scale {scale!r} is zero; the header is damaged")
    return in_unit(value, value.hard, common)


def per_count(scale: str, common: Section) -> tuple[float, str]:
    """What one step of the integers is worth, as the samples of force curves are scaled."""
    value = parse(scale)
    if not value.per_count:
        raise ReadError(f"the scale {scale!r} does not say what a step is worth; the header is damaged")
    return in_unit(value, value.per_count, common)


def in_unit(value: Value, number: float, common: Section) -> tuple[float, str]:
    """A number in the value's hard unit times the sensitivity that the value names."""
    if not value.soft:
        return number, value.unit
    factor, per = sensitivity(value.soft, common)
    return number * factor, _product(value.unit, per)


def sensitivity(name: str, common: Section) -> tuple[float, str]:
    """(number, unit) of a sensitivity: 'Sens. DeflSens' → (72.8, 'nm/V').

    With the setpoint in volts, version 9 leaves the unit of the deflection's sensitivity out. It is nm/V still, or
    exactly 1 where nobody calibrated. Warns where that is taken for granted.
    """
    # Headers that say a unit say nm/V, and programs for force curves (Igor, MATLAB) take the number for nm/V without a
    # look at its unit. Gwyddion and pySPM multiply by it all the same and call the product volts, which it cannot be:
    # the detector's volts are what it is multiplied with.
    said = common.get(f"@{name.lower()}")
    if said is None:
        raise ReadError(f"the scale names {name!r}, which the header does not hold")
    value = parse(said)
    if not value.unit and value.hard != 1 and name.lower() in _DEFLECTION:
        warnings.warn(f"{name} is {value.hard:g} without a unit; it is taken for nm/V", stacklevel=2)
        return value.hard, "nm/V"
    return value.hard, value.unit


def _product(unit: str, per: str) -> str:
    """Unit of a hard value in `unit` times a sensitivity in `per`: 'mV' · 'nm/V' → 'mV·nm/V'; 'Arb' · 'nN/Arb' → 'nN'.

    A sensitivity without a unit leaves the unit as it is; a product that nobody understands is 'arb'.
    """
    if not per:
        return unit
    for below in (f"/{unit}", f"*{unit}"):  # a stiffness is in 'N/m*Arb', which means per Arb too
        if per.endswith(below):
            return per.removesuffix(below)
    joined = f"{unit}·{per}"
    try:
        to_si(joined)
    except UnitError:
        return "arb"
    return joined


def extent(image: Section, common: Section) -> tuple[float, float] | None:
    """(height, width) in metres; None where the scan had no size, as when the noise at one place was recorded.

    'Scan Size' of an image, '100 100 nm' (fast, slow), is that of the square around it, which its 'Aspect Ratio' cuts;
    two different numbers are the size itself. A scan says one number and its ratio.
    """
    said = image.get("scan size") or common["scan size"]
    match = re.fullmatch(r"([-+.\deE]+)(?:\s+([-+.\deE]+))?\s*(\S+)", said)
    factor, si = to_si(match[3]) if match else (0.0, "")
    if not match or si != "m":
        raise ReadError(f"Scan Size is {said!r}; the header is damaged")
    if finite(match[1], "Scan Size") == 0:
        return None
    width = positive(match[1], "Scan Size") * factor
    if match[2] and match[2] != match[1]:
        return positive(match[2], "Scan Size") * factor, width
    ratios = [image.get("aspect ratio")] if match[2] else [image.get("aspect ratio"), common.get("aspect ratio")]
    fast, _, slow = next(filter(None, ratios), "1:1").partition(":")
    return width * positive(slow or 1, "Aspect Ratio") / positive(fast, "Aspect Ratio"), width


def number(section: Section, key: str) -> float | None:
    """The leading number of a plain parameter ('2 KHz' → 2.0), None where it is absent."""
    said = section.get(key)
    if said is None:
        return None
    return finite(said.split()[0] if said.split() else "", key)


def counted_bytes(section: Section, width: int) -> int:
    """How many of a number's `width` bytes the counts fill, of which the scales speak: 'Bytes/pixel'."""
    said = number(section, "bytes/pixel")
    if said not in (None, 2, 4):
        raise ReadError(f"Bytes/pixel is {said:g}; 2 and 4 are known, so the header is damaged")
    return width if said is None else min(int(said), width)


def counts(section: Section, key: str) -> list[int]:
    """Whole numbers of a parameter: 'Samps/line: 512 400' → [512, 400]."""
    return [count(n, key) for n in section[key].split()]
