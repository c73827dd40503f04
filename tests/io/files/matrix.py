"""Omicron MATRIX files, by their published layout: parameter files, and results (image, curve, grid of curves)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

NY, NX, SAMPLES = 6, 8, 10
HEIGHT, WIDTH = 3e-7, 4e-7
MAGIC = b"ONTMATRX0101"
LINEAR = ("TFF_Linear1D", {"Factor": 4e11, "Offset": 12.0})
MULTI = ("TFF_MultiLinear1D", {"Raw_1": 7.0, "PreOffset": 1.0, "Offset": 5.0, "NeutralFactor": 3e9, "PreFactor": 2e3})
CHANNELS = {1: ("Z", "m", LINEAR), 2: ("I", "A", MULTI), 3: ("I(V)", "A", MULTI), 4: ("Df", "Hz", ("TFF_Odd", {}))}
MARK = "MTRX$STS_LOCATION-3,4;1.5e-08,-2.5e-08%%0000000000000001-1-1-0%%"


def counts(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**30), 2**30, n).astype("<i4")


def linear(raw: np.ndarray) -> np.ndarray:
    return (raw - 12.0) / 4e11


def multi(raw: np.ndarray) -> np.ndarray:
    return (7.0 - 1.0) * (raw - 5.0) / (3e9 * 2e3)


def text(words: str) -> bytes:
    return struct.pack("<I", len(words)) + words.encode("utf-16-le")


def value(what: object) -> bytes:
    if isinstance(what, bool):
        return b"LOOB" + struct.pack("<I", what)
    if isinstance(what, int):
        return b"GNOL" + struct.pack("<i", what)
    if isinstance(what, float):
        return b"BUOD" + struct.pack("<d", what)
    return b"GRTS" + text(str(what))


def block(kind: bytes, body: bytes, timed: bool = True) -> bytes:
    return kind + struct.pack("<I", len(body)) + (struct.pack("<Q", 1500000000) if timed else b"") + body


def elements(said: Mapping[str, tuple[object, str]]) -> bytes:
    by_element: dict[str, list[bytes]] = {}
    for key, (what, unit) in said.items():
        element, name = key.split(".")
        by_element.setdefault(element, []).append(text(name) + text(unit) + b"\0" * 4 + value(what))
    parts = [text(e) + struct.pack("<I", len(ps)) + b"".join(ps) for e, ps in by_element.items()]
    return block(b"APEE", b"\0" * 4 + struct.pack("<I", len(parts)) + b"".join(parts))


def modified(key: str, what: object, unit: str) -> bytes:
    element, name = key.split(".")
    return block(b"DOMP", b"\0" * 4 + text(element) + text(name) + text(unit) + b"\0" * 4 + value(what))


def channels() -> bytes:
    named = b"\0" * 8 + struct.pack("<I", 1) + b"\0" * 16 + text("device") + text("there")
    named += struct.pack("<I", len(CHANNELS))
    for number, (name, unit, _) in CHANNELS.items():
        named += b"\0" * 4 + struct.pack("<I", number) + b"\0" * 8 + text(name) + text(unit)
    named += struct.pack("<I", len(CHANNELS))
    for number, (name, _, _) in CHANNELS.items():
        named += struct.pack("<Q", number) + b"\0" * 4 + struct.pack("<I", number) + text(name)
    transfer = b""
    for number, (_, unit, (function, said)) in CHANNELS.items():
        transfer += b"\0" * 4 + struct.pack("<I", number) + text(function) + text(unit) + struct.pack("<I", len(said))
        transfer += b"".join(text(k) + value(v) for k, v in said.items())
    body = block(b"TCID", named, False) + block(b"SCHC", b"\0" * 8, False) + block(b"REFX", transfer, False)
    return block(b"YSCC", b"\0" * 4 + body)


def settings(both: bool = True, down: bool = True, subgrid: int = 0, mode: int = 0) -> dict[str, tuple[object, str]]:
    said: dict[str, tuple[object, str]] = {
        "XYScanner.Points": (NX, "--"), "XYScanner.Lines": (NY, "--"), "XYScanner.Width": (WIDTH, "Meter"),
        "XYScanner.Height": (HEIGHT, "Meter"), "XYScanner.X_Offset": (1e-8, "Meter"),
        "XYScanner.Y_Offset": (0.0, "Meter"), "XYScanner.Angle": (0, "Degree"), "XYScanner.X_Retrace": (both, "--"),
        "XYScanner.Y_Retrace": (down, "--"), "XYScanner.Enable_Subgrid": (subgrid > 0, "--"),
        "XYScanner.Subgrid_X": (max(1, subgrid), "--"), "XYScanner.Subgrid_Y": (max(1, subgrid), "--"),
        "XYScanner.Subgrid_Match_Mode": (mode, "--"), "Spectroscopy.Device_1_Start": (-1.0, "Volt"),
        "Spectroscopy.Device_1_End": (1.0, "Volt"), "Spectroscopy.Device_1_Points": (SAMPLES, "--"),
        "Spectroscopy.Enable_Device_1_Ramp_Reversal": (True, "--"), "Note.Words": ("made", "--"),
    }  # fmt: skip
    return said


def parameters(folder: Path, chain: str, results: list[str], said: Mapping[str, tuple[object, str]]) -> Path:
    """The log: all settings, a change, the channels, a mark, and the results' names, the last in a second file."""
    body = block(b"ATEM", b"\0" * 8) + elements({**said, "XYScanner.Width": (9e-9, "Meter")}) + channels()
    body += modified("XYScanner.Width", *said["XYScanner.Width"]) + block(b"KRAM", text(MARK))
    body += b"".join(block(b"FERB", b"\0" * 4 + text(name)) for name in results[:-1])
    late = block(b"FERB", b"\0" * 4 + text(results[-1])) + modified("XYScanner.Width", 5e-9, "Meter")
    path = folder / f"{chain}_0001.mtrx"
    path.write_bytes(MAGIC + body)
    (folder / f"{chain}_0002.mtrx").write_bytes(MAGIC + late)
    return path


def result(path: Path, raw: np.ndarray, planned: int) -> None:
    about = b"\0" * 20 + struct.pack("<2i", planned, len(raw)) + b"\0" * 20
    body = b"\0" * 4 + block(b"CSED", about, False) + block(b"ATAD", raw.tobytes(), False)
    path.write_bytes(MAGIC + block(b"TLKB", body))


def image(path: Path, recorded: int | None = None, both: bool = True, down: bool = True) -> np.ndarray:
    """A result and its parameter files; recorded: values until the scan was stopped. Returns the integers."""
    planned = NY * NX * (1 + both) * (1 + down)
    raw = counts(planned)[:recorded]
    result(path, raw, planned)
    parameters(
        path.parent, path.name.split("--")[0], [path.name, path.name.replace(".Z_", ".I_")], settings(both, down)
    )
    return raw


def curve(path: Path, recorded: int | None = None) -> np.ndarray:
    raw = counts(2 * SAMPLES)[:recorded]
    result(path, raw, 2 * SAMPLES)
    parameters(path.parent, path.name.split("--")[0], [path.name], settings())
    return raw


def volume(path: Path, recorded: int | None = None, both: bool = True, down: bool = True, mode: int = 0) -> np.ndarray:
    """Curves on every second point of every second line."""
    ways = 2 if both and mode == 0 else 1
    planned = (NY // 2) * (NX // 2) * 2 * SAMPLES * ways * (1 + down)
    raw = counts(planned)[:recorded]
    result(path, raw, planned)
    parameters(path.parent, path.name.split("--")[0], [path.name], settings(both, down, 2, mode))
    return raw


# None for the tests over all formats: they copy one file under another name, and these are two, found by their names.
EXAMPLES: dict[str, object] = {}
