"""Force curves as NT-MDT's Nova software exports them to text (`…_Curve_DFL_Height_51.txt`).

Layout: no header at all. Three columns with a tab between them and a decimal comma: the height in nm, evenly spaced
and growing away from the sample, then the signal of the approach and of the retract at that height. What the signal is
stands in the name that Nova gives the file, `Curve_<signal>_<axis>`, and nowhere else, so a file that was renamed is
not recognised; `DFL` is the photodiode's difference in nA, which is no `deflection` yet. Where a curve did not reach
the end of the axis, Nova fills up with its first number, and so do these numbers.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid
from .curve import Curve, grid
from .layout import text
from .table import lines, numbers

NAME = "ntmdt_text"
SUFFIXES = (".txt",)
GENERIC = True  # the content alone is only numbers

_NAMED = re.compile(r"Curve_([A-Za-z]+)_Height(?:_|\.|$)", re.IGNORECASE)
_ROW = re.compile(rb"\s*-?\d+(,\d+)?(\t-?\d+(,\d+)?){2}\s*")
_SIGNALS = {"DFL": ("Deflection", "nA"), "LF": ("Lateral", "nA"), "MAG": ("Amplitude", "nA"), "IPR": ("Current", "nA")}
_UNEVEN = 0.01  # of a step, which is more than the four decimals make


def detect(head: bytes, path: Path) -> bool:
    rows = head.splitlines()[:8]
    return bool(_NAMED.search(path.name)) and len(rows) == 8 and all(map(_ROW.fullmatch, rows))


def read(path: Path) -> list[Grid]:
    named = _NAMED.search(path.name)
    if not named:
        raise ReadError("its name does not say what the signal is, as Nova's 'Curve_DFL_Height' does")
    rows = [row.replace(",", ".") for row in lines(text(path.read_bytes()), path.name)]
    height, *ways = numbers(rows, 3, path.name).T
    step = np.diff(height)
    if not np.isfinite(height).all() or len(step) < 2 or np.ptp(step) > _UNEVEN * abs(step.mean()):
        raise ReadError("its heights are not evenly spaced; rows are lost or damaged")
    if step.mean() < 0:
        height, ways = height[::-1], [way[::-1] for way in ways]
    n = len(height)
    signal, unit = _SIGNALS.get(named[1].upper(), (named[1], "arb"))
    down_up = np.concatenate([ways[0][::-1], ways[1]])  # both are listed from the surface
    made = Channel.from_vendor(signal, down_up, unit, ("sample",))
    channels = (
        Channel("height", np.concatenate([height[::-1], height]) * 1e-9, "m", "Height", ("sample",)),
        replace(made, vendor_name=named[1]),
    )
    curve = Curve(channels, (("approach", n), ("retract", n)))
    return [grid(path.stem, [curve], "")]
