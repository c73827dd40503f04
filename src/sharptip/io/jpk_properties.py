"""What JPK's force archives and films share: headers of Java properties, encoders and calibration slots.

Layout: JPK's "JPK data file specification" for headers, and the Java documentation of `Properties.load` for their
text. A channel is stored as encoded numbers. Its encoder's straight line makes volts of them (or metres of a sensor's);
every further slot (`distance`, `force`, `nominal`, `calibrated` …) is a straight line from the slot it is based on.
The slot called default is the one that the user saw. In files of version 2 the facts of channels and segments that
repeat are written once, in a shared header, and referred to by number: `channel.height.lcd-info.*=1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from ..core.errors import ReadError
from .layout import finite, text

Facts = dict[str, str]

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
# Nearly all lines are `key=value` without an escape, and a map has tens of thousands of headers.
_SIMPLE = re.compile(r"^([\w.*-]+)=((?! )[^\\\r\n]*)\r?$", re.MULTILINE)
_OTHERS = re.compile(r"^(?![\w.*-]+=(?! )[^\\\r\n]*\r?$).+$", re.MULTILINE)
_NAMED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_LINE = re.compile(r"((?:[^\\=:\s]|\\.)*)[ \t\f]*[=:]?[ \t\f]*(.*)")
_BASES = {
    "volts": "V",
    "distance": "m",
    "force": "N",
    "absolute": "m",
    "nominal": "m",
    "calibrated": "m",
}  # their units
_WIDTHS = {"short": 2, "integer": 4, "long": 8, "float": 4, "double": 8}
_TYPE = re.compile(r"(?:memory-)?(short|integer|long|float|double|constant|raster)(?:-data)?")


def parse(raw: bytes) -> Facts:
    """Key → value of a properties file.

    >>> parse(b"#Wed\\nunit=\\\\u00B5m\\n a : 1 \\\\\\n  2")
    {'unit': 'µm', 'a': '1 2'}
    """
    whole = text(raw)
    if "\\\n" in whole or "\\\r" in whole:  # lines that go on in the next one
        whole = re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*", r"\1", whole)
    facts = dict(_SIMPLE.findall(whole))
    for line in _OTHERS.findall(whole):
        if (line := line.lstrip().rstrip("\r")) and line[0] not in "#!" and (match := _LINE.fullmatch(line)):
            facts[_plain(match[1])] = _plain(match[2])
    return facts


def parse_lines(raw: bytes, start: bytes) -> Mapping[str, str]:
    """Key → value of the lines that begin with `start`; they may not be changed.

    The header of a segment has a hundred lines on the instrument, and a curve needs the dozen on its channels, which
    are the same in most curves of a map: those are parsed once.
    """
    if b"\\\n" in raw or b"\\\r" in raw:
        return parse(raw)
    return _parsed(b"\n".join([line for line in raw.split(b"\n") if line.startswith(start)]))


@lru_cache(maxsize=64)
def _parsed(raw: bytes) -> Mapping[str, str]:
    return MappingProxyType(parse(raw))


def _plain(value: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _NAMED.get(m[2], m[2]), value)


def under(facts: Mapping[str, str], prefix: str) -> Facts:
    """The facts whose keys begin with `prefix`, without it."""
    return {key[len(prefix) :]: value for key, value in facts.items() if key.startswith(prefix)}


def resolved(facts: Mapping[str, str], prefix: str, shared: Mapping[str, Facts]) -> Facts:
    """The facts under `prefix`, with what they refer to in the shared header put in its place."""
    own = under(facts, prefix)
    for key, number in list(own.items()):
        if key.endswith(".*") and key.count(".") == 1:
            own = shared.get(f"{key[:-2]}.{number}", {}) | own
    return own


def by_number(facts: Facts) -> dict[str, Facts]:
    """The shared header by what is referred to: 'lcd-info.1' → its facts."""
    out: dict[str, Facts] = {}
    for key, value in facts.items():
        name, _, rest = key.partition(".")
        number, _, rest = rest.partition(".")
        if number.isdigit():
            out.setdefault(f"{name}.{number}", {})[rest] = value
    return out


@dataclass(frozen=True)
class Scale:
    """The way from stored numbers to `unit`: straight lines (multiplier, offset), one after the other.

    They are not made into one, since heights near zero would lose the digits that the offsets cancel.
    """

    lines: tuple[tuple[float, float], ...]
    unit: str

    def then(self, next: Scale) -> Scale:
        return Scale(self.lines + next.lines, next.unit)

    def of(self, stored: np.ndarray) -> np.ndarray:
        for multiplier, offset in self.lines:
            stored = stored * np.float64(multiplier) + offset
        return np.asarray(stored, float)


@dataclass(frozen=True)
class Coding:
    """How a channel is stored: numbers of `dtype` in a file, or computed ones (`constant`, `raster`: dtype is '')."""

    dtype: str
    slots: Mapping[str, Scale]
    default: str
    factors: Mapping[tuple[str, str], float]  # (slot, the slot it is based on) → units of the one per unit of the other


def coding(facts: Mapping[str, str], what: str) -> Coding:
    """How the channel with these facts is stored. Raises ReadError where that is said in no known way."""
    data = {**facts, **under(facts, "data.")}
    kind = _TYPE.fullmatch(data.get("type", ""))
    if kind is None:
        raise ReadError(f"{what} is stored as {data.get('type')!r}, which is not known")
    encoder, dtype = data.get("encoder.type", ""), ""
    if kind[1] in _WIDTHS:
        letter = "f" if kind[1] in ("float", "double") else "u" if encoder.lower().startswith("unsigned") else "i"
        dtype = f">{letter}{_WIDTHS[kind[1]]}"
    if encoder and (first := line(data, "encoder.", what)) is None:
        said = under(data, "encoder.scaling.")
        raise ReadError(f"{what} is encoded by {said}, which is no straight line")
    raw = first if encoder else Scale((), data.get("unit.unit", ""))
    return Coding(dtype, *slots(under(facts, "conversion-set."), raw, what))


def slots(
    facts: Mapping[str, str], first: Scale | None, what: str
) -> tuple[dict[str, Scale], str, dict[tuple[str, str], float]]:
    """(slot → line from the stored numbers, the default slot, factors as in `Coding`) of a conversion set.

    A slot that is not defined, or by anything but a straight line, is left out; where it was the default, the base
    (volts of an encoder, for example) stands in, with its own unit. Numbers that JPK's own software exported have no
    encoder and say no unit; that of the base is known by its name.
    """
    base = facts.get("conversions.base", "")
    first = first or Scale((), "")
    lines, factors = (
        {base: first if first.unit else replace(first, unit=_BASES.get(base, ""))},
        dict[tuple[str, str], float](),
    )
    waiting = {name: facts.get(f"conversion.{name}.base-calibration-slot", base)
               for name in facts.get("conversions.list", "").split()
               if facts.get(f"conversion.{name}.defined") == "true"}  # fmt: skip
    while ready := [name for name, on in waiting.items() if on in lines]:
        for name in ready:
            on = waiting.pop(name)
            own = line(facts, f"conversion.{name}.", what)
            if own is not None and name not in lines:
                lines[name] = lines[on].then(own)
                factors[name, on] = own.lines[0][0]
    default = facts.get("conversions.default", base)
    return lines, default if default in lines else base, factors


def line(facts: Mapping[str, str], prefix: str, what: str) -> Scale | None:
    """The straight line of an encoder or a slot; None where it is none, or was given no numbers (NaN)."""
    said = under(facts, f"{prefix}scaling.")
    if (said.get("type"), said.get("style", "offsetmultiplier")) != ("linear", "offsetmultiplier"):
        return None
    if "NaN" in (said["multiplier"], said["offset"]):
        return None
    multiplier, offset = finite(said["multiplier"], f"a multiplier of {what}"), finite(said["offset"], "an offset")
    return Scale(((multiplier, offset),), said.get("unit.unit", ""))
