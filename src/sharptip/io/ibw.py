"""Igor binary waves (`.ibw`) as Asylum Research instruments save their images and force curves.

Layout: WaveMetrics technical note 3, "Igor Binary Format". Version 5 is a 64-byte file header and a 320-byte wave
header, the numbers with the first index (x) fastest, then the note, the units and the labels of each dimension. Version
7 is the same for waves with names longer than 31 bytes: the name stands at the end of the file. Both byte orders
occur. The 16-bit words of the headers sum to zero, so a damaged header is recognised. Asylum writes one
layer per channel, its name as a dimension label, the lowest line of the image first, everything in SI units except
phase (degrees); the wave's own data unit says 'm' for every layer and is no help. Curves are in `ibw_force`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import INCOMPLETE, Axis, Channel, Grid, unique
from ..core.units import to_si
from . import ibw_force
from .layout import Size, count, floats, given_axes, join_directions, positive, split_direction, take, text, until_nul

NAME = "ibw"
SUFFIXES = (".ibw",)
GENERIC = False
NEEDS_SIZE = True  # an Igor wave need not have lengths on its axes; Asylum's always do

_TYPES = {2: "f4", 4: "f8", 8: "i1", 16: "i2", 32: "i4", 72: "u1", 80: "u2", 96: "u4"}
_HEADERS = {2: 126, 5: 384, 7: 384}  # version → bytes of file header and wave header, which the checksum covers
_LAST_WORDS = (b"MFP3D", b"Force", b"ARDF")
_LABEL = 32  # bytes of one dimension label, at least
_LONG_NAME = 56  # where version 7 says how many bytes the name at the end of the file has

# Beginning of Asylum's channel name, lower-case → the unit its software saves it in.
_UNITS = {
    "height": "m", "zsensor": "m", "deflection": "m", "amplitude": "m", "phase": "deg", "current": "A",
    "potential": "V", "bias": "V", "tipbias": "V", "frequency": "Hz", "lateral": "V", "user": "V", "adhesion": "N",
    "force": "N", "stiffness": "N/m", "modulus": "Pa", "youngs": "Pa", "indent": "m", "dissipation": "W", "drive": "V",
    "losstan": "1",
}  # fmt: skip


def detect(head: bytes, path: Path) -> bool:
    order, version = _version(head)
    return bool(order) and (_sums_to_zero(head, order, version) or path.suffix.lower() == ".ibw")


def read(path: Path, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[Grid]:
    data = path.read_bytes()
    order, version = order_of(data), _version(data)[1]
    grid = _wave(data, order, path, size, _long_name(data, order) if version == 7 else "")
    if version == 5 and (why := _cut_off(data, order)):
        grid = replace(grid, attrs={**grid.attrs, INCOMPLETE: why})
    return [grid]


def _cut_off(data: bytes, order: str) -> str:
    """What is missing of what Asylum's software puts behind the wave: small previews, and a list of them whose last
    word is the kind of the file. A wave with nothing behind it was saved by Igor alone and is whole."""
    wave_size, *parts = struct.unpack_from(order + "12i", data, 4)
    behind = data[64 + wave_size + sum(parts) :]
    if not behind.strip(b"\0") or behind.rstrip(b"\0 \r\n").endswith(_LAST_WORDS):
        return ""
    return (
        "the file was cut off: the end of the previews that Asylum's software puts behind the wave is missing; the "
        "wave, its note and its labels are whole"
    )


def order_of(data: bytes) -> str:
    """The byte order of a wave of several dimensions, '<' or '>'. Raises ReadError where it is none, or is damaged."""
    order, version = _version(data)
    if not order:
        raise ReadError("it does not begin like an Igor binary wave")
    if not _sums_to_zero(data, order, version):
        raise ReadError("the checksum of the Igor header is wrong; the file is damaged")
    if version == 2:
        name = until_nul(data[22:42])
        raise ReadError(f"Igor wave {name!r} has one dimension (file version 2): a curve, not an image")
    return order


def _version(head: bytes) -> tuple[str, int]:
    for order in "<>":
        if len(head) >= 126:
            (version,) = struct.unpack_from(order + "h", head)
            if version in _HEADERS:
                return order, version
    return "", 0


def _sums_to_zero(head: bytes, order: str, version: int) -> bool:
    covered = head[: _HEADERS[version]]
    words = np.frombuffer(covered, order + "i2", len(covered) // 2)
    return len(covered) == _HEADERS[version] and int(words.sum(dtype=np.int64)) & 0xFFFF == 0


def _long_name(data: bytes, order: str) -> str:
    (length,) = struct.unpack_from(order + "H", data, _LONG_NAME)
    return until_nul(take(data, len(data) - length, (length,), "u1", "the wave's name").tobytes()) if length else ""


def _wave(data: bytes, order: str, path: Path, size: Size, long_name: str) -> Grid:
    wave_size, formula, note, unit_size, *rest = struct.unpack_from(order + "4i4i4i", data, 4)
    kind, name = struct.unpack_from(order + "h", data, 80)[0], long_name or until_nul(data[92:124])
    dims = [n for n in struct.unpack_from(order + "4i", data, 132) if n]
    steps = struct.unpack_from(order + "4d", data, 148)
    units = [until_nul(data[216 + 4 * i : 220 + 4 * i]) for i in range(4)]
    if kind not in _TYPES or len(dims) not in (2, 3):
        what = f"number type {kind} and dimensions {dims}"
        raise ReadError(f"Igor wave {name!r} has {what}; images and force curves have 2 or 3 and are real numbers")
    shape = [count(n, "a dimension of the wave") for n in reversed(dims)]
    values = take(data, 384, tuple(shape), order + _TYPES[kind], f"the wave {name!r}")
    if wave_size < 320 + values.nbytes or any(n < 0 for n in (formula, note, unit_size, *rest)):
        raise ReadError("the sizes in the Igor header contradict each other; the file is damaged")
    at = 64 + wave_size + formula
    tail = take(data, at, (note + unit_size + sum(rest),), "u1", "what follows the wave").tobytes()
    if re.search(rb"[\0-\x08\x0e-\x1f]", tail[:note]):
        raise ReadError("the note behind the wave is no text; bytes were lost or added before it")
    header = text(tail[:note]).replace("\r", "\n")
    at = note + unit_size + sum(rest[:4])
    columns = _labels(tail, at, rest[4:], 1, dims[1])
    if ibw_force.is_curve(dims, units[0], columns):
        return ibw_force.read(name or path.stem, values, columns, steps[0], units[0], header)
    if units[0] == "s":
        raise ReadError(f"Igor wave {name!r} is a curve or a volume with dimensions {dims}, not an image")
    layers = values.reshape(-1, *shape[-2:])
    labels = _labels(tail, at, rest[4:], 2, len(layers))
    unit = until_nul(data[212:216]) if len(layers) == 1 else ""
    channels, axes = join_directions([_channel(*both, unit) for both in zip(labels, layers, strict=True)])
    axes |= _image_axes((shape[-2], shape[-1]), steps, units, size)
    return Grid(name or path.stem, unique(channels), axes, header, _facts(header))


def _image_axes(shape: tuple[int, int], steps: tuple[float, ...], units: list[str], size: Size) -> dict[str, Axis]:
    """Axes with the wave's own pixel size to its last digit; the caller's size where the wave has no lengths."""
    factors = [factor for factor, si in map(to_si, units[:2]) if si == "m"]
    if len(factors) < 2:
        return given_axes(shape, size, None, "this Igor wave")
    dx, dy = (positive(step, "the pixel size") * factor for step, factor in zip(steps, factors, strict=False))
    given_axes(shape, size, (shape[0] * dy, shape[1] * dx), "this Igor wave")  # refuses a size beside its own
    return {"y": Axis.regular(shape[0], dy), "x": Axis.regular(shape[1], dx)}


def _labels(tail: bytes, at: int, sizes: list[int], dim: int, n: int) -> list[str]:
    """Names of the n places along a dimension; the first label of a dimension names the dimension itself."""
    start = at + sum(sizes[:dim])
    raw = tail[start : start + sizes[dim]]
    whole, rest = divmod(len(raw), n + 1)
    width = whole if not rest and whole > _LABEL else _LABEL
    fields = [raw[i : i + width] for i in range(0, len(raw), width)]
    if any(field[:1] == b"\0" and field.strip(b"\0") for field in fields):
        raise ReadError("the names behind the wave are shifted; bytes were lost or added before them")
    labels = [until_nul(field) for field in fields[1:]][:n]
    return [label or f"layer {i}" for i, label in enumerate(labels + [""] * (n - len(labels)))]


def _channel(label: str, layer: np.ndarray, wave_unit: str) -> tuple[str, str | None, Channel]:
    base, way = split_direction(label)
    plain = base.lower().removeprefix("nap").removeprefix("map")  # of a second pass; of a map of force curves
    unit = wave_unit or next((u for start, u in _UNITS.items() if plain.startswith(start)), "arb")
    channel = Channel.from_vendor(base, floats(layer[::-1]), unit)
    return base, way, Channel(channel.name, channel.data, channel.unit, label, channel.dims, channel.attrs)


def _facts(header: str) -> dict[str, object]:
    facts = dict(line.split(":", 1) for line in header.split("\n") if ":" in line)
    down = facts.get("ScanDown", "").strip()
    return {"slow_direction": {"0": "up", "1": "down"}[down]} if down in ("0", "1") else {}
