"""A file of Gwyddion 1, whose containers name the type of each component by GLib's number, before the name."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

NY, NX = 3, 5
HEIGHT, WIDTH = 3e-7, 1e-6
INT, BOOLEAN, DOUBLE, STRING, OBJECT = 24, 20, 60, 64, 80


def heights() -> np.ndarray:
    return (np.arange(NY)[:, None] * 10 + np.arange(NX) ** 2) * 1e-9


def _object(name: str, body: bytes) -> bytes:
    return name.encode() + b"\0" + struct.pack("<I", len(body)) + body


def _entry(kind: int, name: str, value: bytes) -> bytes:
    """A component of a container."""
    return struct.pack("<I", kind) + name.encode() + b"\0" + value


def _part(name: str, letter: str, value: bytes) -> bytes:
    """A component of any other object."""
    return name.encode() + b"\0" + letter.encode() + value


def _field(values: np.ndarray, units: bool) -> bytes:
    body = _part("xres", "i", struct.pack("<i", NX)) + _part("yres", "i", struct.pack("<i", NY))
    body += _part("xreal", "d", struct.pack("<d", WIDTH)) + _part("yreal", "d", struct.pack("<d", HEIGHT))
    for name in ("si_unit_xy", "si_unit_z") if units else ():
        body += _part(name, "o", _object("GwySIUnit", _part("unitstr", "s", b"m\0")))
    body += _part("data", "D", struct.pack("<I", values.size) + values.astype("<f8").tobytes())
    return _object("GwyDataField", body)


def container(path: Path, units: bool = True) -> None:
    meta = _object("GwyContainer", _entry(STRING, "Bias", b"0.5 V\0"))
    body = _entry(OBJECT, "/0/data", _field(heights(), units)) + _entry(STRING, "/0/data/title", b"Topography\0")
    body += _entry(BOOLEAN, "/0/show", b"\1") + _entry(DOUBLE, "/0/base/min", struct.pack("<d", -1e-9))
    body += _entry(INT, "/0/select/rect", struct.pack("<i", 7)) + _entry(OBJECT, "/0/meta", meta)
    mask = (np.arange(NY * NX).reshape(NY, NX) % 2).astype(float)
    body += _entry(OBJECT, "/0/mask", _field(mask, units)) + _entry(STRING, "/filename", b"old.gwy\0")
    path.write_bytes(b"GWYO" + _object("GwyContainer", body))


EXAMPLES = {"gwyo": (".gwy", container)}
