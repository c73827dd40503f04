"""High-speed AFM films (`.asd`) of each file version, field by field after libasd's published layout."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

FRAMES, NY, NX = 3, 5, 7
RANGE_NM = (140, 70)  # x, y: pixels of 20 nm and 14 nm
FRAME_MS = 250.0
EXTENSION, GAIN = 20.0, 2.0  # nm/V, and volts per volt
SENSOR, PHASE = 12.5, 30.0  # nm/V and degrees/V
COMMENT = "mica, 50 µM"


def steps() -> np.ndarray:
    """(kind, frame, y, x): steps of a converter of 12 bits."""
    return np.random.default_rng(3).integers(0, 4096, (2, FRAMES, NY, NX)).astype("<i2")


def asd(
    path: Path,
    version: int = 1,
    kinds: tuple[bytes, bytes] = (b"TP", b"PH"),
    ad_range: int = 0x40000,
    sensitivities: tuple[float, float] = (SENSOR, PHASE),
    tail: bytes = b"",
) -> None:
    """Version 0 writes its texts in UTF-16 and a header size without the comment, as real files do."""
    n = 1 + bool(kinds[1])
    if version == 0:
        operator, comment = "ab".encode("utf-16-be"), COMMENT.encode("utf-16-be")
        head = struct.pack("<i2s2s", 0, *kinds) + struct.pack("<5i", 131, 32, len(operator), 6, len(comment))
        head += struct.pack("<4h3fIi", NX, NY, *RANGE_NM, FRAME_MS, EXTENSION, GAIN, ad_range, 12)
        head += struct.pack("<?ihh6B", True, 1, 0, 2022, 7, 15, 16, 8, 30, 15)
        head += struct.pack("<2f3i3ih", 9900.0, 4500.0, 0, 0, 0, FRAMES, FRAMES, 0, 17)
        head += operator + struct.pack("<2fi", *sensitivities, 5) + b"\0" * 6 + comment
    else:
        operator, comment = b"ab", COMMENT.encode("shift_jis", "replace")
        extra = struct.pack("<i?id5i", FRAMES, False, 0, 0.0, 255, 0, 0, 0, 0) if version == 2 else b""
        size = 165 + len(operator) + len(comment) + len(extra)
        head = struct.pack("<6i", version, size, 32, 932, len(operator), len(comment))
        head += struct.pack("<4s4s", *kinds) + struct.pack("<8i", FRAMES, FRAMES, 5, 17, NX, NY, *RANGE_NM)
        head += struct.pack("<?9i", True, 1, 2022, 7, 15, 16, 8, 30, 15, 0) + struct.pack(
            "<3f", FRAME_MS, *sensitivities
        )
        head += struct.pack("<5iIi", 0, 0, 0, 0, 9, ad_range, 12)
        head += struct.pack("<6f", 9900.0, 4500.0, 30.0, 15.0, EXTENSION, GAIN) + operator + comment + extra
        assert len(head) == size
    body = b""
    for kind in steps()[:n]:
        for i, frame in enumerate(kind):
            body += struct.pack("<iHHhhff?bhii", i + 1, frame.max(), frame.min(), 4, 5, 0.5, -0.5, i == 1, 0, 0, 0, 0)
            body += frame.tobytes()
    path.write_bytes(head + body + tail)


EXAMPLES = {"asd": (".asd", asd)}


def asd_film(path: Path, frames: int, side: int = 256) -> None:
    """A long film of TP alone, written frame by frame: a tilted ground with discs that go to the right."""
    asd(path, kinds=(b"TP", b""))
    head = bytearray(path.read_bytes()[: -FRAMES * (32 + 2 * NX * NY)])
    struct.pack_into("<2i", head, 32, frames, frames)
    struct.pack_into("<2i", head, 48, side, side)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    with path.open("wb") as file:
        file.write(head)
        for i in range(frames):
            discs = 200 * ((x + i) % 40 < 12) * (y % 40 < 12)
            z = (2000 - discs - x / 4 - y / 8 + rng.integers(-8, 9, (side, side))).astype("<i2")
            file.write(struct.pack("<iHHhhff?bhii", i + 1, z.max(), z.min(), 0, 0, 0, 0, False, 0, 0, 0, 0))
            file.write(z.tobytes())
