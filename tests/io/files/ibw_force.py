"""An Asylum force curve of a map: raw and measured height, deflection, phase and volts, with a dwell at the surface."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

READER = {"ibw_force": "ibw"}

PARTS = (("approach", 12), ("pause", 5), ("retract", 20))
N = sum(n for _, n in PARTS)
STEP, SPRING, INVOLS = 5e-4, 0.25, 8e-8
LABELS = ("Raw", "Defl", "ZSnsr", "Phas", "LatV")
INDEXES = "Indexes:0,12,17,36,\rDirection: NaN,1,0,-1,\r"
NAME = b"Line0002Point0005"
NOTE = f"SpringConstant: 9\rFMapScanPoints: 8\rFMapScanLines: 4\rInvols: {INVOLS}\r{INDEXES}"
NOTE += f"SpringConstant: {SPRING}\rXLVDT: 1.5e-06\rYLVDT: -2e-06\rTemp: 24 \xb0C\r"


def layers() -> np.ndarray:
    """(channel, sample) as stored: heights grow toward the sample; phase in degrees."""
    way = np.concatenate([np.arange(12), np.full(5, 12), 12 - np.arange(20)])
    rng = np.random.default_rng(4)
    rows = [way * 1e-8, np.maximum(way - 8, 0) * 1e-8, way * 1e-8 + 1e-10, 60 + way, rng.normal(size=N)]
    return np.stack(rows).astype(np.float32)


def write(
    path: Path,
    order: str = "<",
    note: str = NOTE,
    name: bytes = NAME,
    unit: bytes = b"s",
    names: tuple[str, ...] = LABELS,
    field: int = 32,
) -> None:
    """field: bytes of a channel's name. A wave's name of more than 31 bytes makes version 7 of the file."""
    version = 7 if len(name) > 31 else 5
    long = name if version == 7 else b""
    numbers = layers().astype(order + "f4").tobytes()
    said = note.encode("latin-1")
    labels = b"".join(label.encode().ljust(field, b"\0") for label in ("", *names))
    wave = struct.pack(order + "IIIihh6sh32sii", 0, 1, 2, layers().size, 2, 0, b"", 0, b"" if long else name, 0, 0)
    wave += struct.pack(order + "4i4d4d", N, len(LABELS), 0, 0, STEP, 1, 1, 1, 0, 0, 0, 0)
    wave += struct.pack(order + "4s4s4s4s4s", b"m", unit, b"", b"", b"") + b"\0" * (320 - 168)
    file = struct.pack(order + "iii", 320 + len(numbers), 0, len(said))
    file += struct.pack(order + "i4i4ii", 0, 0, 0, 0, 0, 0, len(labels), 0, 0, 0)
    file += struct.pack(order + "HHi", len(long), 0, 0)
    words = np.frombuffer(struct.pack(order + "hh", version, 0) + file + wave, order + "i2")
    checksum = (-int(words.sum(dtype=np.int64))) & 0xFFFF
    path.write_bytes(struct.pack(order + "hH", version, checksum) + file + wave + numbers + said + labels + long)


EXAMPLES = {"ibw_force": (".ibw", write)}
