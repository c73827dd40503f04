"""Createc spectra at one place (`.VERT`): current and other signals while the bias or the height is ramped.

The layout is described by py_createc; keys and converters are those of the images (see createc.py). After the word DATA
a line says how many points there are, where (in counts), which signals (a bit for each) and, in `[ParVERT32]`, how
many outputs; then come lines of the point's number, the bias in mV, the height in counts, x too where there are three
outputs, and the signals. A ramp that goes forth and back over the same values has a direction.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from .createc import amperes, facts_of, metres, volts
from .layout import count, text

NAME = "createc_spectrum"
SUFFIXES = (".vert",)
GENERIC = False

_MAGIC = (b"[ParVERT30]", b"[ParVERT32]")
_DATA = re.compile(rb"DATA[ \t]*\r?\n([ \t]*\d+[ \t][-+\d \t.]*)\r?\n")
_SIGNALS = ("I", "dI/dV", "d2I/dV2", "ADC0", "ADC1", "ADC2", "ADC3", "NA01", "NA02", "NA03", "di_q", "di2_q", "DAC0")
_BIAS, _HEIGHT = "V", "Z"


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(_MAGIC) and b"=" in head


def read(path: Path) -> list[Grid]:
    raw = path.read_bytes()
    data = _DATA.search(raw)
    if not data:
        raise ReadError("no line that says the number of points follows the word DATA; the file is truncated")
    if not raw.endswith(b"\n"):
        raise ReadError("the last line has no end; the file is truncated")
    header = text(raw[: data.end()])
    facts = facts_of(header)
    said = [int(float(v)) for v in data[1].split()]
    points, code = count(said[0], "the number of points"), said[3]
    lines = [line.strip() for line in text(raw[data.end() :]).splitlines() if line.strip()]
    if len(lines) != points:
        raise ReadError(f"{len(lines)} of {points} points are there; the file is truncated or damaged")
    table = np.loadtxt(lines, comments=None, ndmin=2).T[1:]
    names = _names(code, len(table))
    channels = [_channel(name, values, facts) for name, values in zip(names, table, strict=True)]
    return [_grid(path.stem, channels, header)]


def _names(code: int, n: int) -> list[str]:
    """What the columns behind the point's number are; those that nothing names are numbered."""
    signals = [name for bit, name in enumerate(_SIGNALS) if code >> bit & 1]
    outputs = [_BIAS, _HEIGHT, *(["X"] if n == len(signals) + 3 else [])]
    names = outputs + signals
    if n < len(names):
        raise ReadError(f"the lines have {n} numbers for {', '.join(names)}; the file is damaged")
    return names + [f"Column {k}" for k in range(len(names), n)]


def _channel(name: str, values: np.ndarray, facts: dict[str, str]) -> Channel:
    """One column in SI units; counts that no gain in the header explains stay counts."""
    per_count = volts(facts)
    factors = {_HEIGHT: (metres(facts, per_count), "m"), "I": (amperes(facts, per_count), "A")}
    factor, unit = factors.get(name, (None, "DAC"))
    if name == _BIAS:
        return replace(Channel.from_vendor("Bias", values, "mV"), vendor_name=name)
    if name == "NA01" and facts.get("PLLOn") == "1":
        return replace(Channel.from_vendor("Frequency shift", values, "Hz"), vendor_name=name)
    plain = {_HEIGHT: "Height", "I": "Current", "X": "Output X"}.get(name, name)
    if factor is None:
        return replace(Channel.from_vendor(plain, values, "DAC"), vendor_name=name)
    return replace(Channel.from_vendor(plain, values * factor, unit), vendor_name=name, attrs={"vendor_units": "DAC"})


def _grid(name: str, channels: list[Channel], header: str) -> Grid:
    """Spectra over what was ramped, if only one thing was; else over counted samples."""
    bias, height, *signals = channels
    moving = [c for c in (bias, height) if np.ptp(c.data) > 0]
    swept = moving[0] if len(moving) == 1 and moving[0].unit in ("V", "m") else None
    n = len(bias.data)
    axes = {"sample": Axis(np.arange(n, dtype=float), "1")}
    if swept is not None:
        axes = {"bias" if swept is bias else "distance": Axis(np.asarray(swept.data), swept.unit)}
        signals = [height if swept is bias else bias, *signals]
    else:
        signals = channels
    (along,) = axes
    values = axes[along].values
    both = swept is not None and n % 2 == 0 and _mirrored(values[: n // 2], values[n // 2 :])
    if both:
        axes = {
            along: Axis(values[: n // 2], axes[along].unit),
            "direction": Axis(np.array(["forward", "backward"]), "1"),
        }
    made = []
    for c in signals:
        data = np.asarray(c.data)[None]
        if both:
            data = np.stack([data[:, : n // 2], data[:, : n // 2 - 1 : -1]])
        made.append(replace(c, data=data, dims=("direction", "site", along) if both else ("site", along)))
    return Grid(name, unique(made), axes | {"site": Axis(np.zeros(1), "1")}, header)


def _mirrored(there: np.ndarray, back: np.ndarray) -> bool:
    return bool(np.allclose(there, back[::-1], rtol=0, atol=1e-6 * np.ptp(there)))
