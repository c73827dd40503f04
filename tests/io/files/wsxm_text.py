"""The image of WSxM's own specification, and a larger one, as a matrix and as points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NY, NX = 4, 5
PIXEL = (20.0, 10.0)  # nm along y and x


def heights() -> np.ndarray:
    """In nm, row 0 on top."""
    return np.arange(NY)[:, None] * 10.0 + np.arange(NX) ** 2


def matrix(path: Path) -> None:
    head = ["WSxM file copyright UAM", "WSxM ASCII Matrix file", f"X Amplitude: {NX * PIXEL[1]} nm"]
    head += [f"Y Amplitude: {NY * PIXEL[0]} nm", "Z Amplitude: 46 nm", ""]
    rows = ["\t".join(f"{v:g}" for v in row) for row in heights()[::-1, ::-1]]
    path.write_text("\r\n".join([*head, *rows, ""]), newline="")


def points(path: Path, unit: str = "nm", falling: bool = False) -> None:
    """falling: the greatest x and y come first."""
    head = ["WSxM file copyright UAM", "WSxM ASCII XYZ file; made", f"X[{unit}]  Y[{unit}]  Z[nm]", ""]
    ys, xs = range(NY), range(NX)
    if falling:
        ys, xs = ys[::-1], xs[::-1]
    rows = [f"{x * PIXEL[1]}\t{y * PIXEL[0]}\t{heights()[NY - 1 - y, x]}" for y in ys for x in xs]
    path.write_text("\r\n".join([*head, *rows, ""]), newline="")


EXAMPLES: dict[str, tuple] = {}  # the format says no number of lines, so one that lost whole lines cannot be refused
