"""An Optics11 indentation with a hold, as text and in an archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

SPRING = 0.25
TITLES = ("Time (s)", "Load (uN)", "Indentation (nm)", "Cantilever (nm)", "Piezo (nm)", "Auxiliary")
HEAD = "Date\t12/05/2025\tTime\t11:20:38\tStatus\tOK\r\nX-position (um)\t{x}\r\nY-position (um)\t500.5\r\n\r\n"
HEAD += "k (N/m)\t{k}\r\nTip radius (um)\t27.5\r\nDevice:\tChiaro\r\nMax load (µN)\t0.05\r\n{steps}Comment: \r\n\r\n"
STEPS = "Step absolute start times (s)\t1.000,3.100,4.000\r\nStep absolute end times (s)\t3.000,4.000,6.000\r\n"


def table() -> np.ndarray:
    """(sample, column): waiting, down, holding, up; the piezo counts toward the sample."""
    time = np.arange(61) * 0.1
    piezo = np.interp(time, [0, 1, 3, 4, 6], [0, 0, 1000, 1001, 10])
    bend = np.maximum(piezo - 600, 0) * 0.5
    return np.stack([time, bend * SPRING * 1e-3, np.maximum(piezo - 600, 0) - bend, bend, piezo, time * 0.01], axis=1)


def said(steps: bool = True, comma: bool = False, x: float = 5314.25) -> str:
    rows = ["\t".join(f"{v:.6f}" for v in row) for row in table()]
    body = "\r\n".join(["\t".join(TITLES), *rows]) + "\r\n"
    head = HEAD.format(x=x, k=SPRING, steps=STEPS if steps else "")
    return (head + body).replace(".", ",") if comma else head + body


def single(path: Path, steps: bool = True, comma: bool = False) -> None:
    path.write_bytes(said(steps, comma).encode())


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(2):
            file.writestr(f"indentation_{i}.txt", said(x=100.0 * i))


EXAMPLES = {"chiaro": (".zip", archive)}  # the text alone does not say where it ends
