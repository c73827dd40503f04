"""WSxM images in each of its types of number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NY, NX = 4, 6
LENGTH_X, LENGTH_Y = 0.3, 100.0  # µm and nm
PER_COUNT = 0.25  # nm


def counts() -> np.ndarray:
    """Row 0 on top, x to the right, without any symmetry."""
    return (np.arange(NY)[:, None] * 100 + np.arange(NX) ** 2 - 700).astype(np.int16)


def image(
    path: Path,
    *,
    kind: str = "short",
    channel: str = "Topography",
    unit: str = "nm",
    lateral: str = "\xb5m",
    size: int | None = None,
    what: str = "SxM Image file",
    said: bool = True,
) -> None:
    """size: what the header says its own size is; said: whether it says the type of its numbers."""
    amplitude = (int(counts().max()) - int(counts().min())) * PER_COUNT
    lines = [
        "[Control]", "", f"    X Amplitude: {LENGTH_X} {lateral}", f"    Y Amplitude: {LENGTH_Y} nm", "    Z Gain: 1",
        "", "[General Info]", "", f"    Acquisition channel: {channel}",
        *([f"    Image Data Type: {kind}"] if said else []),
        f"    Number of columns: {NX}", f"    Number of rows: {NY}", "    X scanning direction: Backward",
        "    Y scanning direction: Down", f"    Z Amplitude: {amplitude} {unit}", "", "[Head Settings]", "",
        "    X Calibration: 290.4 \xc5/V", "", "[Header end]", "",
    ]  # fmt: skip
    body = "\r\n".join(lines).encode("latin-1")
    start = f"WSxM file copyright UAM\r\n{what}\r\nImage header size: %s\r\n\r\n"
    length = len(body) + len(start) + 1 if size is None else size
    numbers = counts() if kind in ("short", "integer") else counts() * PER_COUNT
    dtype = {"short": "<i2", "integer": "<i2", "float": "<f4", "double": "<f8"}[kind]
    path.write_bytes((start % length).encode() + body + numbers[::-1, ::-1].astype(dtype).tobytes())


EXAMPLES = {"wsxm": (".stp", image)}
