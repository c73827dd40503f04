"""WSxM images in each of its types of number, spectroscopy images, movies and curves."""

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


RAMP = (-200.0, -50.0, 100.0)  # mV
CONVERTER, GAIN, SHIFT = 2e-4, 50.0, 3.0  # V per count, nN per V, nN
TIMES = (0.0, 1.5, 3.25)  # s


def stack(name: str, kind: str) -> np.ndarray:
    """(image, y, x), row 0 on top: three images that differ."""
    numbers = counts()[None] * 2 + np.arange(3)[:, None, None] * 11 + np.arange(NX) * (name == "ramp")
    return numbers.astype(np.int16) if kind == "short" else numbers * 0.5


def _write(path: Path, what: str, general: list[str], more: list[str], images: list[np.ndarray], kind: str) -> None:
    lines = [f"WSxM file copyright UAM\r\n{what}\r\nImage header size: 0\r\n", "[Control]", ""]
    lines += [f"    X Amplitude: {LENGTH_X} \xb5m", f"    Y Amplitude: {LENGTH_Y} nm", "", "[General Info]", ""]
    lines += [f"    Image Data Type: {kind}", f"    Number of columns: {NX}", f"    Number of rows: {NY}", *general]
    body = "\r\n".join([*lines, "", *more, "", "[Header end]", ""]).encode("latin-1")
    dtype = "<i2" if kind == "short" else "<f8"
    path.write_bytes(body + b"".join(one[::-1, ::-1].astype(dtype).tobytes() for one in images))


def spectroscopy(path: Path, kind: str = "short", listed: int = 3) -> None:
    """A topography and the normal force at three bias voltages; real numbers are in the unit of an amplitude."""
    topography = counts() if kind == "short" else counts() * PER_COUNT
    amplitude = (int(counts().max()) - int(counts().min())) * PER_COUNT
    general = [
        f"    Z Amplitude: {amplitude} nm",
        "    Spectroscopy direction: Backward",
        "    Number of points per ramp: 3",
    ]
    if kind == "short":
        general += [f"    ADC to V conversion factor: {CONVERTER} V", "    Channel is inverted: Yes"]
        general += [f"    Conversion factor 0 for input channel: {GAIN} nN/V"]
        general += [f"    Conversion offset 0 for input channel: {SHIFT} nN", "    Acquisition channel: Normal force"]
    else:
        general += ["    Spectroscopy Amplitude: 1 nA"]
    ramp = [
        "[Spectroscopy images ramp value list]",
        "",
        *(f"    Image {k:03d}: {v} mV" for k, v in enumerate(RAMP[:listed])),
    ]
    _write(path, "Spectroscopy Imaging Image file", general, ramp, [topography, *stack("ramp", kind)], kind)


def movie(path: Path, kind: str = "double", listed: bool = True) -> None:
    frames = stack("film", kind)
    general = ["    Acquisition channel: Topography", "    Number of Frames: 3", "    Total Time: 6 s"]
    general += [f"    Z Amplitude: {np.ptp(frames.astype(int)) * PER_COUNT if kind == 'short' else 1} nm"]
    times = [f"    Frame {k:04d}: {t} sec" for k, t in enumerate(TIMES)] if listed else []
    _write(path, "Movie Image file", general, ["[Frames Synchronization]", "", *times], list(frames), kind)


def curve(path: Path, lines: int = 2, back: bool = False, axis: str = "V", unit: str = "mV", kind: str = "IV") -> None:
    """Points of text; back: the second line runs the other way."""
    x = np.linspace(-100, 100, 5)
    columns = []
    for k in range(lines):
        order = slice(None, None, -1 if back and k else 1)
        columns += [x[order], (x**2 + 10 * k + x)[order]]
    header = [f"WSxM file copyright UAM\r\n{kind} curve file\r\nImage header size: 0\r\n", "[General Info]", ""]
    header += [f"    Number of lines: {lines}", "    Number of points: 5", f"    X axis text: {axis}[#x]"]
    header += [f"    X axis unit: {unit}", "    Y axis text: I[#y]", "    Y axis unit: nA", "", "[Header end]", ""]
    rows = "".join(" ".join(f"{v:g}" for v in row) + "\r\n" for row in zip(*columns, strict=True))
    path.write_text("\r\n".join(header) + rows, "latin-1", newline="")


EXAMPLES = {
    "wsxm": (".stp", image),
    "wsxm_spectroscopy": (".gsi", spectroscopy),
    "wsxm_movie": (".mpp", movie),
    "wsxm_curve": (".cur", curve),
}
READER = dict.fromkeys(("wsxm_spectroscopy", "wsxm_movie", "wsxm_curve"), "wsxm")
