"""The header that every kind of WSxM file begins with: sections of lines `key: value` up to `[Header end]`."""

from __future__ import annotations

import re

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis
from ..core.units import to_si
from .cut_off import There
from .layout import count, finite, image_axes, take

END = re.compile(rb"\[Header end\]\r?\n")
GENERAL, CONTROL = "General Info", "Control"
Facts = dict[tuple[str, str], str]  # value by section and key

# How the numbers are stored, by the letters of their name alone: programs write 'short', 'short-data', 'float data' …
_TYPES = {
    "short": "<i2", "shortdata": "<i2", "unsignedshort": "<u2", "integer": "<i2", "integerdata": "<i4",
    "signedinteger": "<i4", "float": "<f4", "floatdata": "<f4", "simple": "<f4", "double": "<f8",
}  # fmt: skip
_QUANTITY = re.compile(r"\s*([-+.\deE]+)\s*(.*)")


def facts_of(header: str) -> Facts:
    facts, section = Facts(), ""
    for line in header.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        key, is_fact, value = line.partition(":")
        if is_fact:
            facts[section, key.strip()] = value.strip()
    return facts


def shape_of(facts: Facts) -> tuple[int, int]:
    ny, nx = (count(facts[GENERAL, f"Number of {k}"], f"Number of {k}") for k in ("rows", "columns"))
    return ny, nx


def numbers(data: bytes, start: int, images: int, facts: Facts, there: There) -> np.ndarray:
    """(image, y, x) as the file has them, which they must fill from `start` on: a view, nothing is copied.

    Of a file that was cut off, the whole images; of a single one, its whole rows.
    """
    shape = (images, *shape_of(facts))
    said = facts.get((GENERAL, "Image Data Type"), "short")  # old files hold shorts and do not say so
    dtype = _TYPES.get(re.sub("[^a-z]", "", said.lower()))
    if dtype is None:
        raise ReadError(f"numbers of type {said!r} are not known; images are {', '.join(_TYPES)}")
    if said.lower() == "integer" and len(data) - start == 4 * int(np.prod(shape, dtype=object)):
        dtype = "<i4"
    row = shape[2] * np.dtype(dtype).itemsize
    if images == 1:
        shape = (1, there.count("the image", start, shape[1], row, "rows"), shape[2])
    else:
        shape = (there.count("the file", start, images, shape[1] * row, "images"), *shape[1:])
    cut = there.attrs()
    stored = take(data, start, shape, dtype, "the image" if images == 1 else f"{images} images")
    if not cut and start + stored.nbytes != len(data):
        raise ReadError(f"{len(data) - start - stored.nbytes} bytes follow the image; the header is damaged")
    return stored


def quantity(said: str, what: str) -> tuple[float, str]:
    """'500 nm' → (500.0, 'nm')."""
    match = _QUANTITY.fullmatch(said)
    if not match:
        raise ReadError(f"{what} is {said!r}, which is no number; the header is damaged")
    return finite(match[1], what), match[2]


def axes_of(facts: Facts) -> dict[str, Axis]:
    return image_axes(shape_of(facts), _extent(facts, "Y"), _extent(facts, "X"))


def _extent(facts: Facts, axis: str) -> float:
    """Metres along an axis."""
    what = f"{axis} Amplitude"
    value, unit = quantity(facts[CONTROL, what], what)
    factor, si = to_si(unit)
    if si != "m":
        raise ReadError(f"{what} is in {unit!r}; an image that is not of a place, such as a spectrum, is not read")
    return abs(value) * factor


def worth(facts: Facts, key: str, stored: np.ndarray, cut: bool = False) -> tuple[float, str]:
    """(What one stored number is worth, its unit). Whole numbers together span an amplitude; others are in its unit.

    cut: some are missing, so that nobody knows what they span unless the header says it.
    """
    said = facts.get((GENERAL, key))
    amplitude, unit = quantity(said, key) if said else (0.0, "arb")
    if stored.dtype.kind not in "iu":
        return 1.0, unit
    span = int(stored.max()) - int(stored.min())
    if cut:  # of all counts the header may say the greatest and the least
        ends = [facts.get(("Miscellaneous", k)) for k in ("Maximum", "Minimum")]
        most, least = (finite(end, "Maximum or Minimum") if end else np.nan for end in ends)
        if not most >= stored.max() >= stored.min() >= least:
            return 1.0, "arb"
        span = int(most - least)
    if not span:
        return 1.0, "arb"  # what a count is worth cannot be told where all are the same
    return (amplitude / span, unit) if said else (1.0, unit)
