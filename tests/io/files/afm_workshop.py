"""AFM Workshop force curves: one as text, and a map of 2 × 3 in an archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

MAP = (2, 3)
EXTEND, RETRACT = 9, 7  # samples
HEAD = "Force-Distance Curve\r\nSoftware Version:\t4.0.0.62\r\n\r\nMode:\t{mode}\r\nPoint:\t{point}\r\n"
HEAD += "X, um:\t{x:.6f}\r\nY, um:\t{y:.6f}\r\nLight Lever Gain, mV/nm:\t20.0\r\nForce Constant, nN/nm:\t0.5\r\n\r\n"


def columns(point: int) -> dict[str, np.ndarray]:
    """Numbers as they stand in the columns: Z-Sense grows toward the sample."""
    down, up = np.arange(EXTEND), np.arange(RETRACT)
    return {
        "Extend Z-Sense(nm)": 100.0 + 2.5 * down + point,
        "Extend T-B(V)": 0.5 + 0.01 * np.maximum(down - 5, 0),
        "Retract Z-Sense(nm)": 120.0 - 2.5 * up + point,
        "Retract T-B(V)": 0.53 - 0.005 * up,
    }


def said(point: int, mode: str = "Mapping") -> str:
    table = columns(point)
    rows = [",".join(table)]
    for i in range(max(EXTEND, RETRACT)):
        rows.append(",".join(f"{v[i]:.4f}" if i < len(v) else "" for v in table.values()))
    x, y = place(point)
    head = HEAD.format(mode=mode, point=point + 1, x=x, y=y)
    return head + "\r\n".join(rows) + "\r\n\r\n\r\n"


def place(point: int) -> tuple[float, float]:
    """Micrometres; the first line is at the bottom."""
    return 5.0 + 2.0 * (point % MAP[1]), 1.0 + 3.0 * (point // MAP[1])


def single(path: Path) -> None:
    path.write_bytes(said(0, "Single").encode())


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for point in range(MAP[0] * MAP[1]):
            file.writestr(f"curve_{point:02}.csv", said(point))


EXAMPLES = {"afm_workshop": (".zip", archive)}  # the text alone does not say where it ends
