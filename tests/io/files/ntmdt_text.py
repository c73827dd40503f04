"""A force curve as NT-MDT's Nova exports it: three columns, decimal commas, no header, the name says the signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np

N, STEP = 24, 8.0
FILE = "gel_Curve_DFL_Height_51.txt"


def columns() -> np.ndarray:
    """(3, sample): nm from the surface on, nA of the approach and the retract."""
    height = -STEP * np.arange(N)[::-1]
    return np.stack([height, np.minimum(1.5, -1 - 0.02 * (height + 60)), np.minimum(1.4, -1.1 - 0.02 * (height + 60))])


def write(path: Path) -> None:
    rows = ["\t".join(f"{v:.4f}" for v in row).replace(".", ",") for row in columns().T]
    path.write_bytes(("\r\n".join(rows) + "\r\n").encode())


EXAMPLES: dict = {}  # nothing in such a file says where it ends, so not every damage can be noticed
