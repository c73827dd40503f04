"""Bruker force curves: a ramp, a ramp with a hold, a force volume beside its image, a PeakForce capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

READER = dict.fromkeys(("bruker_ramp", "bruker_hold", "bruker_volume", "bruker_capture"), "bruker")

START = 4096
N = 16  # samples of the retract, and places for the approach
ZSENS, ZSENSOR, DEFL = 35.88, 960.17, 72.77  # nm/V
RAMP, VELOCITY, HOLD_TIME = 16.0, 32.0, 0.5  # V, V/s, s
SPRING = 42.0  # N/m
STEP = 0.000375  # V per count
MAP = (3, 4)  # rows, columns
SIZE = (600.0, 800.0)  # nm
AMPLITUDE, SYNC, POINTS = 50.0, 22, 2 * N  # nm; samples of a period
GAP = -(2**15)  # stands for a sample that was not taken


def deflection(curve: int, approach: int = N, hold: int = 0) -> np.ndarray:
    """Counts in the order in which they were taken: rising toward the turn, different in every curve."""
    down = np.arange(approach) ** 2 + curve
    up = 1000 - 7 * np.arange(N) + curve
    return np.concatenate([down, 700 + np.arange(hold) + curve, up])


def sensor(curve: int, approach: int = N, hold: int = 0) -> np.ndarray:
    """The sensor counts toward the sample."""
    return np.concatenate([100 * np.arange(approach), np.full(hold, 1600), 1600 - 90 * np.arange(N)]) + curve


def stored(taken: np.ndarray, approach: int, hold: int, width: int, digits: int) -> bytes:
    """One curve as it lies in the file: both halves from the surface, then the hold."""
    block = np.full(N, GAP if digits == 2 else -(2**31))
    block[:approach] = taken[:approach][::-1]
    parts = [block, taken[approach + hold :], taken[approach : approach + hold]]
    return np.concatenate(parts).astype(f"<i{width}").tobytes()


def write(
    path: Path,
    shape: tuple[int, int] = (1, 1),
    approach: int = N,
    hold: int = 0,
    width: int = 2,
    old: bool = False,
    digits: int | None = None,
) -> None:
    """old: the names of version 4.4, one channel and no ramp size of its own. digits: bytes that are counted."""
    n, digits = shape[0] * shape[1], digits or width
    makers = [("DeflectionError", "Deflection Error", "Sens. DeflSens", deflection)]
    makers += [] if old else [("ZSensor", "Height Sensor", "Sens. ZsensSens", sensor)]
    data, at, lists = b"", START, []
    if n > 1:
        image = (np.arange(n).reshape(shape)[::-1] * 100).astype(f"<i{width}").tobytes()
        lists += ["\\*Ciao image list", f"\\Data offset: {at}", f"\\Data length: {len(image)}"]
        lists += [f"\\Bytes/pixel: {digits}", f"\\Samps/line: {shape[1]}", f"\\Number of lines: {shape[0]}"]
        lists += [f"\\Scan Size: {SIZE[1]:g} {SIZE[0]:g} nm", "\\Line Direction: Retrace"]
        lists += ['\\@2:Image Data: S [Height] "Height"', "\\@2:Z scale: V [Sens. Zsens] (0.0067 V/LSB) 440.0 V"]
        data, at = data + image, at + len(image)
    for internal, name, soft, make in makers:
        body = b"".join(stored(make(i, approach, hold), approach, hold, width, digits) for i in range(n))
        lists += ["\\*Ciao force image list", f"\\Data offset: {at}", f"\\Data length: {len(body)}"]
        lists += [f"\\Bytes/pixel: {digits}", f"\\Samps/line: {N}" + ("" if old else f" {approach}")]
        lists += [f"\\Spring Constant: {SPRING}", f'\\@4:Image Data: S [{internal}] "{name}"']
        lists += [f"\\@4:Z scale: V [{soft}] ({STEP:.10f} V/LSB) 2.5 V"]
        lists += [] if old else [f"\\@4:Ramp size: V [Sens. Zsens] (0.0048 V/LSB) {RAMP} V"]
        lists += [f"\\@Z scan size: V [Sens. Zsens] (0.0067 V/LSB) {RAMP if old else 2 * RAMP} V"]
        data, at = data + body, at + len(body)
    version = "0x04440102" if old else "0x09400000" if width == 4 else "0x08150308"
    head = ["\\*Force file list", f"\\Version: {version}", f"\\Data length: {START}", "\\*Scanner list"]
    head += [
        f"\\@Sens. Zsens: V {ZSENS} nm/V",
        "\\*Ciao scan list",
        "\\Operating mode: Force",
        "\\PeakForce Capture: Allow",
    ]
    head += [f"\\Scan Size: {SIZE[1]:g} nm", f"\\Aspect Ratio: {shape[1]}:{shape[0]}", f"\\Samps/line: {shape[1]}"]
    head += [f"\\Lines: {shape[0]}", f"\\@Sens. DeflSens: V {DEFL} nm/V", f"\\@Sens. ZsensSens: V {ZSENSOR} nm/V"]
    head += ["\\*Ciao force list", "\\Scan rate: 1", f"\\Forward vel.: {VELOCITY}", f"\\Reverse vel.: {VELOCITY / 2}"]
    head += ["\\force/line: 16 0", *([f"\\Hold Samples: {hold}", f"\\Hold Time: {HOLD_TIME}"] if hold else [])]
    _write(path, head + lists, data)


def ramp(path: Path) -> None:
    write(path)


def held(path: Path) -> None:
    write(path, approach=N - 5, hold=6, width=4)


def volume(path: Path) -> None:
    write(path, shape=MAP, approach=N - 3)


def capture(path: Path, sync: int = SYNC) -> None:
    """One period per pixel; the first half is stored backwards."""
    data = b""
    for i in range(MAP[0] * MAP[1]):
        period = np.roll(captured(i), SYNC - N)
        data += np.concatenate([period[:N][::-1], period[N:]]).astype("<i2").tobytes()
    head = ["\\*Force file list", "\\Version: 0x09400000", "\\*Scanner list", "\\*Ciao scan list"]
    head += ["\\Operating mode: Image", f"\\Scan Size: {SIZE[1]:g} nm", f"\\Aspect Ratio: {MAP[1]}:{MAP[0]}"]
    head += [f"\\Samps/line: {MAP[1]}", f"\\Lines: {MAP[0]}", f"\\@Sens. DeflSens: V {DEFL} nm/V", "\\PFT Freq: 2 KHz"]
    head += [f"\\Peak Force Amplitude: {AMPLITUDE}", "\\PeakForce Capture: Allow", f"\\Sample Points: {POINTS}"]
    head += ["\\Sync Distance: 0", f"\\Sync Distance QNM: {sync}", "\\*Ciao force list", "\\force/line: 64 0"]
    head += ["\\*Ciao force image list", f"\\Data offset: {START}", f"\\Data length: {len(data)}", "\\Bytes/pixel: 2"]
    head += [f"\\Samps/line: {N} {N - 1}", '\\@4:Image Data: S [DeflectionError] "Deflection Error"']
    head += [f"\\@4:Z scale: V [Sens. DeflSens] ({STEP:.10f} V/LSB) 24.576 V", f"\\Spring Constant: {SPRING}"]
    _write(path, head, data)


def captured(curve: int) -> np.ndarray:
    """Counts of one period from its highest point on: the tip is lowest in the middle."""
    out = 10 * np.arange(2 * N) + curve
    out[N] = 5000 + curve
    return out


def _write(path: Path, lines: list[str], data: bytes) -> None:
    head = "\r\n".join([*lines, "\\*File list end", "\x1a"]).encode("latin-1")
    assert len(head) < START
    path.write_bytes(head.ljust(START, b"\0") + data)


EXAMPLES = {
    "bruker_ramp": (".001", ramp), "bruker_hold": (".002", held), "bruker_volume": (".spm", volume),
    "bruker_capture": (".pfc", capture),
}  # fmt: skip
