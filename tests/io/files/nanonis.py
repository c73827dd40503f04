"""Nanonis grids (`.3ds`) and spectra (`.dat`), as the instrument writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NY, NX, POINTS = 3, 4, 5
STEP = 2e-10  # metres between points of the grid
ANGLE = 30.0  # degrees that the frame is turned clockwise
CHANNELS = ["Current (A)", "Phase (deg)", "Current [bwd] (A)"]
FIXED, OWN = ["Sweep Start", "Sweep End"], ["X (m)", "Y (m)", "Z (m)", "Scan:Current (A)"]


def sweeps() -> np.ndarray:
    """(channel, y, x, point) with row 0 on top: every number tells where it belongs."""
    c, y, x, k = np.meshgrid(*map(np.arange, (len(CHANNELS), NY, NX, POINTS)), indexing="ij")
    return ((c + 1) + y / 10 + x / 100 + k / 1000).astype(np.float32)


def heights() -> np.ndarray:
    return (1e-9 + 1e-11 * np.arange(NY)[:, None] + 1e-12 * np.arange(NX)).astype(np.float32)


def positions() -> tuple[np.ndarray, np.ndarray]:
    """x and y of the tip, row 0 on top: the frame is turned clockwise about its centre (1 µm, 2 µm)."""
    u = (np.arange(NX) - (NX - 1) / 2) * STEP
    v = ((NY - 1) / 2 - np.arange(NY)[:, None]) * STEP
    turn = np.radians(ANGLE)
    return 1e-6 + u * np.cos(turn) + v * np.sin(turn), 2e-6 - u * np.sin(turn) + v * np.cos(turn)


def grid(
    path: Path,
    *,
    missing: int = 0,
    unreached: float | None = None,
    start: np.ndarray | float = -0.22,
    signal: str = "Bias (V)",
    extra: str = "",
    shape: tuple[int, int] = (NY, NX),
    size: tuple[float, float] | None = None,
) -> None:
    """missing: points left out at the end; unreached: what fills the last point; shape: fewer lines or points."""
    ny, nx = shape
    x, y = (np.broadcast_to(p, (NY, NX)) for p in positions())
    own = [np.broadcast_to(start, (NY, NX)), np.full((NY, NX), 0.22), x, y, heights(), np.full((NY, NX), 3e-12)]
    records = np.concatenate([np.stack(own, -1), np.moveaxis(sweeps(), 0, 2).reshape(NY, NX, -1)], axis=-1)
    records = records[:ny, :nx][::-1].reshape(ny * nx, -1).astype(">f4")  # the bottom line first
    if unreached is not None:
        records[-1] = unreached
    width, height = size or (nx * STEP, ny * STEP)
    head = [
        f'Grid dim="{nx} x {ny}"',
        f"Grid settings=1.000000E-6;2.000000E-6;{width:.6E};{height:.6E};{ANGLE:.6E}",
        "Filetype=MLS" if extra else "Filetype=Linear",
        f'Sweep Signal="{signal}"',
        f'Fixed parameters="{";".join(FIXED)}"',
        f'Experiment parameters="{";".join(OWN)}"',
        f"# Parameters (4 byte)={len(FIXED + OWN)}",
        *([extra] if extra else []),
        f"Experiment size (bytes)={4 * POINTS * len(CHANNELS)}",
        f"Points={POINTS}",
        f'Channels="{";".join(CHANNELS)}"',
        "Delay before measuring (s)=0.000000E+0",
        'Experiment="Grid Spectroscopy"',
        'Start time="01.02.2020 03:04:05"',
        'End time="01.02.2020 03:24:05"',
        "User=",
        f'Comment="made{37 * "."}"',  # so long that no test cuts the file between points: that is a stopped grid
        "Bias>Bias (V)=5E-1",
        ":HEADER_END:\r\n",
    ]
    path.write_bytes("\r\n".join(head).encode() + records[: ny * nx - missing].tobytes())


BIAS = np.linspace(-0.05, 0.05, 6)
COLUMNS = [
    "Current [AVG] (A)",
    "Current [00001] (A)",
    "LI Demod 1 X (A)",
    "Current [AVG] [bwd] (A)",
    "Phase (deg) [filt]",
]


def columns() -> np.ndarray:
    """(column, point)."""
    return (np.arange(len(COLUMNS))[:, None] + 1) * 1e-12 + np.arange(len(BIAS)) * 1e-14


def spectrum(path: Path, swept: str = "Bias calc (V)", experiment: str = "bias spectroscopy", extra: str = "") -> None:
    head = f"Experiment\t{experiment}\t\r\nSaved Date\t01.02.2020 03:04:05\t\r\nUser\t\t\r\nX (m)\t153.514E-9\t\r\n"
    head += (
        f"Y (m)\t-93.4937E-9\t\r\nZ (m)\tN/A\t\r\n{extra}Bias Spectroscopy>Num Pixel\t{len(BIAS)}\t\r\n\r\n[DATA]\r\n"
    )
    lines = ["\t".join([swept, *COLUMNS])]
    lines += ["\t".join(f"{v:.7E}" for v in row) for row in np.vstack([BIAS, columns()]).T]
    path.write_bytes((head + "\r\n".join(lines) + "\r\n").encode())


EXAMPLES = {"nanonis_grid": (".3ds", grid), "nanonis_spectrum": (".dat", spectrum)}
