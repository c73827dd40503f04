"""Park Systems TIFF files, by their published layout: an image of one channel, or spectra on three points."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

NY, NX = 6, 8
HEIGHT_UM, WIDTH_UM = 0.3, 0.4
GAIN = 2.5e-4  # micrometres (or what the unit is) per number
MAGIC = 0x0E031301


def counts(dtype: str = "i4") -> np.ndarray:
    """(y, x) with row 0 on top."""
    return np.random.default_rng(3).integers(-9000, 9000, (NY, NX)).astype("<" + dtype)


def curves() -> np.ndarray:
    """(curve, channel, sample): Z position and force of ten samples on three points."""
    return np.random.default_rng(4).integers(-9000, 9000, (3, 2, 10)).astype("<i4")


def wide(text: str, characters: int) -> bytes:
    return text.encode("utf-16-le").ljust(2 * characters, b"\0")


def header(
    kind: int = 0, source: str = "Z Height", unit: str = "um", dtype: str = "i4", forward: int = 1, up: int = 1,
    scale: float = 1.0, offset: float = 0.0, log: int = 0, version: int = 2, regions: int = 0, square: bool = False,
) -> bytes:  # fmt: skip
    out = struct.pack("<i", kind) + wide(source, 32) + wide("NCM", 8) + struct.pack("<d2i", 0.0, 0, 0)
    out += struct.pack("<2idid", NX, NY, 0.0, 0, 0.1) + struct.pack("<3i", forward, up, 0)
    out += struct.pack("<6d", WIDTH_UM, HEIGHT_UM, 1.0, 2.0, 0.5, 0.01) + wide("um", 8) + struct.pack("<2d", 0.0, 0.5)
    out += struct.pack("<3d", GAIN, scale, offset) + wide(unit, 8) + struct.pack("<6i", -9000, 9000, 0, 0, log, 0)
    if version == 2:
        out += struct.pack("<2d", 1.0, 12.0) + wide("High", 8) + wide("High", 8) + wide("Closed", 8)
        out += struct.pack("<3i", {"i2": 0, "i4": 1, "f4": 2}[dtype], regions, 0) + b"\0" * 220
    return out


def park(path: Path, dtype: str = "i4", version: int = 2, tail: int = 0, **said: object) -> None:
    """tail: bytes put between the numbers and the page, so that the page lies behind the head of the file."""
    numbers = counts(dtype)[::-1].tobytes()
    parts = {50435: header(dtype=dtype, version=version, **said), 50436: wide("made", 8), 50434: numbers}
    path.write_bytes(tiff(parts, version, tail))


def spectra(path: Path, kind: int = 2) -> None:
    sources = [("Z Scan", "um", 1e-3), ("Force", "nN", 0.5)]
    out = b"".join(wide(n, 32) + wide(u, 8) + struct.pack("<d2i", g, 0, 0) for n, u, g in sources)
    out += b"\0" * 96 * (8 - len(sources))
    out += struct.pack("<5i4fi", len(sources), 0, 10, 3, 0, 1.0, 1.0, 0.3, 0.3, 0) + b"\0" * (64 + 32 + 32)
    out += struct.pack("<2i4d", 0, 0, 0.0, 0.0, 0.0, 0.0) + struct.pack("<2d2f", 0.6, 25.0, 1.0, 0.0)
    out += struct.pack("<5fid", 0, 0, 0, 0, 0, 0, 1.0) + wide("um", 8) + struct.pack("<2i", 0, kind)
    out += b"\0" * 52 + struct.pack("<i", 1) + b"\0" * 96
    out += b"".join(struct.pack("<3f", 0.25 * i, 0.5, 2.0 * i) for i in range(3))
    path.write_bytes(tiff({50435: header(2), 50438: out, 50439: curves().tobytes()}, 2))


def tiff(parts: dict[int, bytes], version: int, tail: int = 0) -> bytes:
    """One page: a thumbnail of 2 × 2 and Park's tags; what the tags hold comes first, the page last."""
    thumbnail = bytes(range(4))
    out = bytearray(b"II*\0\0\0\0\0" + thumbnail)
    tags = [(256, 4, 1, 2), (257, 4, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 4, 1, 2), (279, 4, 1, 4), (50432, 4, 1, MAGIC), (50433, 4, 1, 0x1000000 + version)]
    for tag, raw in sorted(parts.items()):
        tags.append((tag, 1, len(raw), len(out)))
        out += raw + b"\0" * (len(raw) % 2)
    out += b"\0" * tail
    out[4:8] = struct.pack("<I", len(out))
    return bytes(out) + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags) + b"\0" * 4


EXAMPLES = {"park": (".tiff", park), "park_spectra": (".tiff", spectra)}
READER = {"park_spectra": "park"}
