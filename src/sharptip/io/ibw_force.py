"""Force curves of Asylum Research instruments in Igor binary waves: samples × channels, timed by the wave itself.

Layout: the wave is that of `ibw`; the first dimension is time in seconds, the labels of the second name the channels.
The note holds `Indexes`, the samples at which one part of the curve ends and the next begins, and `Direction`, which
way each part went: 1 toward the sample, -1 back, 0 waiting, the first entry belonging to no part. Names are Asylum's
short ones, a V at the end means volts. `Raw` is where the piezo was told to be, `ZSnsr` where it was; both grow toward
the sample. A curve taken from a map is called `Line0010Point0025`, its line counted from the bottom.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Channel, Grid
from .curve import Curve, away, grid
from .layout import count, finite, floats, positive

# Beginning of Asylum's short name, lower-case → what a reader would call it, and its unit without a V at the end.
_NAMES = {
    "raw": ("Height", "m"), "height": ("Height", "m"), "zsnsr": ("ZSensor", "m"), "zsensor": ("ZSensor", "m"),
    "lvdt": ("ZSensor", "m"), "defl": ("Deflection", "m"), "amp": ("Amplitude", "m"), "phas": ("Phase", "deg"),
    "phs": ("Phase", "deg"), "freq": ("Frequency", "Hz"), "frq": ("Frequency", "Hz"), "lat": ("Lateral", "V"),
    "cur": ("Current", "A"), "force": ("Force", "N"), "bias": ("Bias", "V"), "tipb": ("Bias", "V"),
    "surfb": ("Surface bias", "V"), "drive": ("Excitation", "V"), "pot": ("Potential", "V"), "user": ("User", "V"),
    "inputi": ("Input I", "V"), "inputq": ("Input Q", "V"), "diss": ("Dissipation", "W"),
    "ind": ("Indentation", "m"), "temp": ("Temperature", "K"),
}  # fmt: skip
_MOST = 64  # channels that were recorded at once
_KINDS = {"1": "approach", "-1": "retract", "0": "pause"}
_PLACE = re.compile(r"Line(\d+)Point(\d+)", re.IGNORECASE)


def is_curve(dims: Sequence[int], unit: str, labels: Sequence[str]) -> bool:
    """Whether a wave of these dimensions, first unit and channel labels is a force curve."""
    named = any(label.lower().startswith(("raw", "zsnsr", "lvdt", "defl")) for label in labels)
    return len(dims) == 2 and dims[1] <= _MOST and (unit == "s" or (unit != "m" and named))


def read(name: str, values: np.ndarray, labels: Sequence[str], step: float, unit: str, header: str) -> Grid:
    """The curve of a wave; values: (channel, sample), labels: of the channels, step: between samples, in `unit`."""
    notes = _notes(header)
    samples = values.shape[1]
    k, invols = (_known(notes.get(key)) for key in ("springconstant", "invols"))
    attrs = {key: v for key, v in (("spring_constant", k), ("sensitivity", invols)) if v is not None}
    channels = []
    for label, row in zip(labels, values, strict=True):
        channel = _channel(label, row)
        channels.append(channel)
        if channel.name == "deflection" and channel.unit == "m" and k is not None:
            how = {"computed": "deflection times spring_constant; its baseline is not taken away"}
            channels.append(
                replace(channel, name="force", data=np.asarray(channel.data) * np.float64(k), unit="N", attrs=how)
            )
    if unit == "s":
        time = np.arange(samples) * positive(step, "the time between samples")
        channels.append(Channel("time", time, "s", "x scaling of the wave", ("sample",)))
    curve = Curve(tuple(channels), _parts(notes, samples))
    beside, facts = _place(name, notes)
    return grid(name, [curve], header, attrs | facts, beside)


def _notes(header: str) -> dict[str, str]:
    """Values of the note by lower-case key; the last of a key counts, for it was written with the curve."""
    return {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in header.split("\n"))}


def _known(said: str | None) -> float | None:
    """A calibration, None where it is absent or nobody calibrated."""
    if said is None or said.lower() in ("", "nan", "inf", "-inf"):
        return None
    number = finite(said, "a calibration")
    return number if number > 0 else None


def _channel(label: str, row: np.ndarray) -> Channel:
    plain = label.lower()
    said, unit = next((v for start, v in _NAMES.items() if plain.startswith(start)), (label, "arb"))
    if plain.endswith("v") and plain not in _NAMES:
        unit = "V"
    channel = Channel.from_vendor(said, floats(row), unit, ("sample",))
    named = replace(channel, vendor_name=label)
    return away(named) if named.name in ("height", "height_sensor") else named


def _parts(notes: Mapping[str, str], samples: int) -> tuple[tuple[str, int], ...]:
    """(kind, samples) of the parts in order. One nameless part where the note does not say them."""
    if "indexes" not in notes:
        return (("other", samples),)
    edges = [int(finite(n, "Indexes")) for n in notes["indexes"].split(",") if n.strip()]
    ways = [n.strip() for n in notes.get("direction", "").split(",") if n.strip()][1 : len(edges)]
    if len(ways) != len(edges) - 1:
        ways = ["?"] * (len(edges) - 1)
    if not edges or edges[0] < 0 or edges[-1] > samples or edges != sorted(edges):
        raise ReadError(f"the parts of a curve of {samples} samples are said to end at {edges}; the note is damaged")
    if edges[-1] == samples - 1:
        edges[-1] = samples  # the last index is that of the last sample
    kinds = ["other", *(_KINDS.get(w, "other") for w in ways), "other"]  # what lies outside of all parts is kept too
    parts = [(kind, b - a) for kind, a, b in zip(kinds, [0, *edges], [*edges, samples], strict=True)]
    return tuple((kind, n) for kind, n in parts if n)


def _place(name: str, notes: Mapping[str, str]) -> tuple[list[Channel], dict[str, object]]:
    """Where the curve was taken: the sensors of the stage, and its row and column if it is one of a map."""
    out: list[tuple[str, float, str, str]] = []
    for ours, key in (("tip_x", "xlvdt"), ("tip_y", "ylvdt")):
        said = notes.get(key, "")
        if said and math.isfinite(float(said)):
            out.append((ours, float(said), "m", key.upper()))
    facts: dict[str, object] = {}
    match = _PLACE.fullmatch(name)
    if match and {"fmapscanlines", "fmapscanpoints"} <= set(notes):
        ny, nx = (_whole(notes[key], key) for key in ("fmapscanlines", "fmapscanpoints"))
        if int(match[1]) < ny and int(match[2]) < nx:
            facts["map_shape"] = [ny, nx]
            out += [("row", float(ny - 1 - int(match[1])), "1", "Line"), ("column", float(match[2]), "1", "Point")]
    return [Channel(ours, np.array([v]), unit, vendor, ("curve",)) for ours, v, unit, vendor in out], facts


def _whole(said: str, key: str) -> int:
    return count(int(finite(said, key)), key)
