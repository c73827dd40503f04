"""Curves in WSxM's text files (`.cur`, `.curve`): current over bias, force over height, any signal over any other.

Layout: Nanotec's "WSxM file structure", and programs that write them (GXSM's nc2top). Behind the header every line of
text is one point: x and y of the first line of the curve, then of the second …; usually there are two, there and back.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.units import to_si
from .layout import count, text
from .wsxm_header import GENERAL, Facts

_SWEEPS = {"V": "bias", "m": "distance", "Hz": "frequency", "s": "time"}
_NAMES = {"I": "Current", "F": "Force", "Z": "Height", "V": "Bias"}  # where an axis is called by one letter


def grid(path: Path, kind: str, header: str, facts: Facts, body: bytes) -> Grid:
    lines = count(facts.get((GENERAL, "Number of lines"), "1"), "Number of lines")
    points = count(facts[GENERAL, "Number of points"], "Number of points")
    rows = [line.split() for line in text(body).replace("#QNAN", "").splitlines() if line.strip()]
    if len(rows) != points or {len(row) for row in rows} != {2 * lines}:
        raise ReadError(f"the header says {points} points of {lines} lines, and {len(rows)} of other length follow")
    if not body.endswith(b"\n"):
        raise ReadError("the last line has no end; the file is truncated")
    table = np.array(rows, float).T
    x, y = table[::2], table[1::2]
    (_, along, factor, unit), (label, _, _, _) = (_axis(facts, letter) for letter in "XY")
    dims, axes, x, y = _laid_out(facts, along, unit, x * factor, y)
    channels = [Channel.from_vendor(label, y, facts.get((GENERAL, "Y axis unit"), "arb"), dims)]
    if dims == ("curve", "sample"):
        channels.append(Channel.from_vendor(_axis(facts, "X")[0], x, unit, dims))
        channels.append(Channel("length", np.full(lines, float(points)), "1", "Number of points", ("curve",)))
    return Grid(path.stem, unique(channels), axes, header, {"kind": kind})


def _axis(facts: Facts, letter: str) -> tuple[str, str, float, str]:
    """(name, axis of a scan, factor, SI unit) of 'V[#x]' in 'mV'."""
    label = re.sub(r"\[.*\]", "", facts.get((GENERAL, f"{letter} axis text"), "")).strip() or f"{letter} axis"
    try:
        factor, unit = to_si(facts.get((GENERAL, f"{letter} axis unit"), ""))
    except UnitError:
        factor, unit = 1.0, "arb"
    return _NAMES.get(label, label), _SWEEPS.get(unit, "sample"), factor, unit


def _laid_out(
    facts: Facts, along: str, unit: str, x: np.ndarray, y: np.ndarray
) -> tuple[tuple[str, ...], dict[str, Axis], np.ndarray, np.ndarray]:
    """One curve over what was swept; there and back over the same values; or curves over samples, x beside them."""
    lines, points = x.shape
    near = 1e-6 * np.ptp(x[0])
    sites = {"site": Axis(np.arange(1), "1")}
    if along != "sample" and np.isfinite(x).all() and lines <= 2:
        axes = {**sites, along: Axis(x[0], unit)}
        if lines == 1:
            return ("site", along), axes, x, y
        same, back = (np.allclose(x[0], other, rtol=0, atol=near) for other in (x[1], x[1, ::-1]))
        if same or back:
            both = np.stack([y[0], y[1] if same else y[1, ::-1]])
            if facts.get(("Miscellaneous", "First Forward"), "Yes").lower() == "no":
                both = both[::-1]
            directions = {"direction": Axis(np.array(["forward", "backward"]), "1")}
            return ("direction", "site", along), axes | directions, x, both[:, None]
    counted = {"curve": Axis(np.arange(lines), "1"), "sample": Axis(np.arange(points), "1")}
    return ("curve", "sample"), counted, x, y
