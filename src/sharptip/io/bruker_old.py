"""Scales of images from before NanoScope 4.3, whose headers know no soft scales.

Layout: as Gwyddion's list of formats describes these versions. Version 4.2 says the full range as `Z scale: 300 nm`.
Earlier ones have a range in counts for each kind of image (`Z scale height`), and say what a count is worth by the
range of the converter (`Z max`, `In1 max`, volts) and a sensitivity (`Z sensitivity`, nm/V).
"""

from __future__ import annotations

from ..core.errors import ReadError
from .bruker_header import Section, number
from .layout import finite

IMAGES = ("AFM image list", "NCAFM image list", "STM image list", "Image list")

_COUNTS = 65536
# Kind of image → range in counts, factor and unit of a count, what it is multiplied by, and what it is divided by.
_RANGES: dict[str, tuple[str, float, str, tuple[str, ...], tuple[str, ...]]] = {
    "height": ("z scale height", 2 / _COUNTS, "nm", ("z max", "z sensitivity"), ()),
    "deflection": ("z scale defl", 2 / _COUNTS, "nm", ("in1 max", "in sensitivity"), ("detect sens.",)),
    "amplitude": ("z scale ampl", 2 / _COUNTS, "nm", ("in1 max", "in sensitivity"), ("detect sens.",)),
    "frequency": ("z scale freq", 25e6 / 32768, "Hz", (), ()),
    "current": ("z scale amplitude", 2 / 32768, "nA", ("in1 max", "in sensitivity"), ()),
    "phase": ("z scale phase", 180 / _COUNTS, "deg", (), ()),
}


def full_range(image: Section, common: Section) -> tuple[float, str]:
    """(what all counts together are worth, its unit). Raises ReadError where the header does not say it."""
    if "z scale" in image:
        value, _, unit = image["z scale"].split("(")[0].strip().partition(" ")
        return finite(value, "Z scale"), unit.strip()
    kind = image.get("image data", "").lower()
    if kind not in _RANGES:
        raise ReadError(f"an image of {image.get('image data')!r} from before NanoScope 4.2 has no known scale")
    key, factor, unit, times, per = _RANGES[kind]
    whole = factor * _said(image, key)
    for name in times:
        whole *= _said(common, name)
    for name in per:
        whole /= _said(common, name)
    return whole, unit


def _said(section: Section, key: str) -> float:
    value = number(section, key)
    if not value:
        raise ReadError(f"the header does not say {key!r}, which the scale of an old image needs")
    return value
