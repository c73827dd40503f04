"""Nanosurf `.nid` files: sections of text, then the integers of every channel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

NY, NX = 4, 6
HEIGHT, WIDTH = 2e-6, 6e-6
POINTS = 8  # of a curve; the second one was stopped early
LENGTHS = [8, 5, 8, 8, 8, 8]
Channels = Iterable[tuple[str, dict[str, object], np.ndarray]]  # group, section, integers (line, point)


def steps(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**31), 2**31, shape).astype("<i4")


def value(raw: np.ndarray, low: float, span: float) -> np.ndarray:
    return (raw + 2.0 ** (8 * raw.itemsize - 1)) / 2.0 ** (8 * raw.itemsize) * span + low


def _write(path: Path, info: str, more: str, channels: Channels) -> None:
    groups: dict[str, list[int]] = {}
    channels = list(channels)
    for i, (group, _, _) in enumerate(channels):
        groups.setdefault(group, []).append(i)
    text = f"[DataSet]\nVersion=2\nGroupCount={len(groups)}\n"
    for g, (group, found) in enumerate(groups.items()):
        text += f"Gr{g}-Name={group}\nGr{g}-ID={g}\nGr{g}-Count=9\n"
        text += "".join(f"Gr{g}-Ch{2 * c + 1}=DataSet-{g}:{i}\n" for c, i in enumerate(found))
    text += f"\n[DataSet-Info]\n{info}\n{more}"
    for g, found in enumerate(groups.values()):
        for i in found:
            _, section, raw = channels[i]
            about = {"Version": 2, "Points": raw.shape[1], "Lines": raw.shape[0], **section, "SaveMode": "Binary"}
            about |= {"SaveBits": 8 * raw.itemsize, "SaveSign": "Signed", "SaveOrder": "Intel"}
            text += f"\n[DataSet-{g}:{i}]\n" + "".join(f"{k}={v}\n" for k, v in about.items())
    data = b"".join(channels[i][2].tobytes() for found in groups.values() for i in found)
    path.write_bytes(text.replace("\n", "\r\n").encode() + b"\r\n\r\n#!" + data)


def _dim(i: int, name: str, unit: str, low: float, span: float) -> dict[str, object]:
    return {f"Dim{i}Name": name, f"Dim{i}Unit": unit, f"Dim{i}Range": span, f"Dim{i}Min": low}


def image(path: Path, direction: str = "Up", bits: int = 32) -> None:
    """Height and lateral force both ways, then a second pass of the amplitude, forward only."""
    frame = _dim(0, "X*", "m", 0, WIDTH) | _dim(1, "Y*", "m", 0, HEIGHT)
    raw = [steps((NY, NX), i).astype(f"<i{bits // 8}") for i in range(5)]
    z, force = _dim(2, "Z-Axis", "m", -1e-6, 2e-6), _dim(2, "Friction force", "V", -10, 20)
    channels = [("Scan forward", frame | z, raw[0]), ("Scan forward", frame | force, raw[1])]
    channels += [("Scan backward", frame | z, raw[2]), ("Scan backward", frame | force, raw[3])]
    channels += [("2nd scan forward", frame | _dim(2, "Phase", "°", -180, 360), raw[4])]
    _write(path, f"-- Scan --=--------\nScan direction={direction}\nRotation=0 °", "", channels)


def curves(path: Path) -> None:
    """A map of 2 × 3 curves, in and out."""
    n = len(LENGTHS)
    more = "[DataSet\\SpecInfos\\SpecMapTable]\nSubSectionCount=0\nCount=1\nMap0=-1e-06;1e-06;-5e-07;5e-07;3;2;0;1\n\n"
    more += "[DataSet\\Calibration\\Cantilever]\nPropCount=1\nProp0=D[0.25]*[N/m]\n\n"
    more += "[DataSet\\Calibration\\Scanhead]\nIn0=5,TipSignalDC,Deflection,m,5e-07,0\nIn1=15,TipSignalDC1,D,V,10,0\n\n"
    more += "[DataSet\\Parameters\\Spectroscopy]\nFwModTime=D[0.8]*[s]\nBwModTime=D[1.6]*[s]\n"
    more += f"FwModDatapoints=L[{POINTS}]*[]\nBwModDatapoints=L[{POINTS}]*[]\n"
    ramp = _dim(0, "Z-Axis", "m", 1e-6, 1e-6)
    force = ramp | _dim(2, "Deflection", "N", -2e-6, 4e-6)
    for i, m in enumerate(LENGTHS):
        force |= {f"LineDim{i}Range": 1e-6, f"LineDim{i}Min": 1e-6 + i * 1e-8, f"LineDim{i}Points": m}
    back = {k: v for k, v in force.items() if not k.endswith("Points")}
    channels = [("Spec forward", force, steps((n, POINTS), 1)), ("Spec backward", back, steps((n, POINTS), 2))]
    slope = _dim(0, "NameX4", "Unit4", 0, 0) | _dim(2, "NameZ4", "N/m", 0, 50)
    channels += [("SlopeOut10", slope, steps((n, 3), 3))]
    _write(path, "-- Spec --=--------", more, channels)


def thermal(path: Path) -> None:
    about = _dim(0, "Frequency", "Hz", 0, 1000) | _dim(2, "Amplitude Spectral Density", "fm/sqrt(Hz)", 0, 4)
    channels = [(group, about, steps((1, 11), i)) for i, group in enumerate(["Spectrum FFT", "Spectrum Fit"])]
    _write(path, "-- Thermal Tuning --=--------\nSpring Constant:=27.13 N/m", "", channels)


EXAMPLES = {"nid": (".nid", image), "nid_curves": (".nid", curves), "nid_thermal": (".nid", thermal)}
READER = {"nid_curves": "nid", "nid_thermal": "nid"}
