"""Createc images (`.dat`) in each of the three ways that the vendor's software has stored them."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

NY, NX = 5, 7
LENGTH = 35.0, 14.0  # Å along y and x
GAIN_Z, PIEZO, PREAMP = 3, 19.2, 9


def planes(n: int = 6) -> np.ndarray:
    """(plane, y, x) counts, the first half of the planes forward; every number tells where it belongs."""
    p, y, x = np.meshgrid(np.arange(n), np.arange(NY), np.arange(NX), indexing="ij")
    return 1000 * (p + 1) + 100 * y + x


def facts(n: int, bits: int, lines: int, ways: int, selected: int) -> list[str]:
    return [
        f"DAC-Type={bits}bit", "Titel / Titel=made", "Delta X / Delta X [Dac]=12", "Delta Y / Delta Y [Dac]=42",
        f"Num.X / Num.X={NX}", f"Num.Y / Num.Y={NY}", "GainX / GainX=10", "GainY / GainY=10", f"GainZ / GainZ={GAIN_Z}",
        "BiasVoltage / BiasVolt.[mV]=-550.00", f"Gainpreamp / GainPre 10^={PREAMP}", "Chan(1,2,4) / ScanChannels=3",
        f"ZPiezoconst / ZPiezoconst= {PIEZO:.2f}", "Xpiezoconst / Xpiezoconst= 96.00",
        "YPiezoconst / YPiezoconst= 96.00", "ActDriveDir=C:\\DATAx\\2020", "PLLOn=1",
        f"Scanmode / ScanXMode={ways}", f"Channels / Channels={n}", f"Channelselectval / Channelselectval={selected}",
        f"Dacto[\xc5]z={2e1 * PIEZO / 2**bits:.5f}", f"ImageYPosMax={lines + 1}",
        f"Length x[A]={LENGTH[1]}", f"Length y[A]={LENGTH[0]}", "memo:made",
    ]  # fmt: skip


def image(
    path: Path,
    *,
    kind: str = "[Paramco32]",
    bits: int = 20,
    lines: int = NY,
    ways: int = 2,
    selected: int = 0b10000011,
    without: tuple[str, ...] = (),
    header: int = 16384,
) -> None:
    """without: keys that the header lacks; lines: how many were scanned."""
    counts = planes()
    counts[:, lines:] = 0
    said = [line for line in facts(len(counts), bits, lines, ways, selected) if not line.startswith(without or ("\0",))]
    head = "\r\n".join([kind, *said, ""]).encode("cp1252").ljust(header - 4, b"\0") + b"DATA"
    if kind == "[Parameter]":
        body = b"\0\0" + counts.astype("<i2").tobytes()
    else:
        spare = np.zeros(4 * NX + 32)
        body = np.concatenate([[0.0], counts.ravel(), spare]).astype("<f4").tobytes()
    path.write_bytes(head + (zlib.compress(body) if kind == "[Paramco32]" else body))


def small(path: Path) -> None:
    """With a header as long as it needs to be, so that damage finds the numbers too."""
    image(path, header=700)


EXAMPLES = {"createc": (".dat", small)}
