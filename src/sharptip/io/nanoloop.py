"""Hysteresis loops of switching-spectroscopy piezoresponse as PySSPFM saves them (`on_f_….txt`, `off_f_….txt`).

Layout: `save_nanoloop_file` of PySSPFM. Lines that begin with `#`, the last of them naming the columns with their
units: `Loop index`, `Read Volt (V)`, `Write Volt (V)`, then what was measured, `Amplitude`, `Phase`, `Res Freq`,
`Q Fact` and their uncertainties `Sigma …`; a row for every write voltage of every loop. Each loop becomes a curve, for
its voltage goes up and down. Whether the field was on while it was measured is said by the file's name alone.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from .curve import CURVE
from .layout import ragged, text
from .table import lines, numbers

NAME = "nanoloop"
SUFFIXES = (".txt",)
GENERIC = False

_COLUMNS = re.compile(rb"^# ?Loop index\tRead Volt \(V\)\tWrite Volt \(V\)\t", re.MULTILINE)
_TITLE = re.compile(r"(.+?)\s*\(([^()]*)\)|(.+)")
_NAMES = {
    "Write Volt": "bias", "Read Volt": "bias_read", "Amplitude": "amplitude", "Phase": "phase",
    "Res Freq": "frequency", "Freq res": "frequency", "Q Fact": "quality_factor", "Q fact": "quality_factor",
    "Amp": "amplitude", "Pha": "phase",
}  # fmt: skip
_UNCERTAIN = re.compile(r"(Sigma|inc) (.+)")
_FIELDS = {"on_f_": "on", "off_f_": "off"}


def detect(head: bytes, path: Path) -> bool:
    return head.startswith(b"#") and bool(_COLUMNS.search(head))


def read(path: Path) -> list[Grid]:
    rows = lines(text(path.read_bytes()), path.name)
    header = [row for row in rows if row.startswith("#")]
    titles = [title.strip() for title in header[-1].lstrip("# ").split("\t") if title.strip()]
    values = numbers([re.sub(r"\t+", "\t", row) for row in rows if row not in header], len(titles), path.name)
    starts = np.flatnonzero(np.diff(values[:, 0], prepend=np.nan) != 0)
    index = values[starts, 0]
    if not np.isfinite(index).all() or (np.diff(index) != 1).any():
        raise ReadError(f"its loops are numbered {index.tolist()}; rows are lost or damaged")
    loops = np.split(values, starts[1:])
    lengths = {len(loop) for loop in loops}
    if len(lengths) > 1:
        raise ReadError(f"its loops have {sorted(lengths)} rows; the file is truncated or damaged")
    if not all(_closed(loop[:, 2]) for loop in loops):
        raise ReadError("a loop of its write voltage does not come back; the file is truncated or damaged")
    channels = [_channel(title, [loop[:, i] for loop in loops]) for i, title in enumerate(titles) if i]
    channels.append(Channel("length", np.array([float(len(loop)) for loop in loops]), "1", "Loop index", ("curve",)))
    axes = {"curve": Axis(index.astype(int), "1"), "sample": Axis(np.arange(len(loops[0])), "1")}
    field = next((way for start, way in _FIELDS.items() if path.name.startswith(start)), None)
    attrs = {"field": field} if field else {}
    return [Grid(path.stem, unique(channels), axes, "\n".join(header), attrs)]


def _closed(volts: np.ndarray) -> bool:
    """Whether a voltage went up and down and ended a step away from where it began."""
    steps = np.diff(volts)
    return bool(len(steps) and steps.max() > 0 > steps.min() and abs(volts[-1] - volts[0]) <= 1.5 * abs(steps).max())


def _channel(title: str, loops: list[np.ndarray]) -> Channel:
    match = _TITLE.fullmatch(title)
    name, unit = (match[1] or match[3], match[2]) if match else (title, "")
    uncertain = _UNCERTAIN.fullmatch(name)
    plain = uncertain[2] if uncertain else name
    channel = Channel.from_vendor(plain, ragged(loops)[0], unit or "", CURVE)
    ours = _NAMES.get(plain, channel.name) + ("_uncertainty" if uncertain else "")
    return replace(channel, name=ours, vendor_name=title)
