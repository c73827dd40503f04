"""Hysteresis loops as PySSPFM saves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LOOPS, N = 3, 8
HEADER = "# Date of analysis: 2024-03-08 10;58\n# Segment other properties: height: -21.0, adhesion: 27.4\n# \n"
TITLES = "# Loop index\tRead Volt (V)\tWrite Volt (V)\tAmplitude (nm)\tPhase (deg)\tRes Freq (kHz)\tSigma Amp (nm)\t\n"


def columns() -> np.ndarray:
    """(loop, sample, column) without the index."""
    write = np.tile(4.0 - np.abs(np.arange(N) - N / 2) * 2, (LOOPS, 1))
    loop = np.arange(LOOPS)[:, None]
    amplitude = 0.5 + 0.25 * np.abs(write) + loop
    phase = np.where(np.arange(N) < N / 2, -50.0, 120.0) + loop
    return np.stack([np.full((LOOPS, N), 0.5), write, amplitude, phase, 300 + write, amplitude / 10], axis=-1)


def write(path: Path) -> None:
    rows = ["\t\t".join([str(i + 1), *(f"{v:.4f}" for v in row)]) for i, loop in enumerate(columns()) for row in loop]
    path.write_text(HEADER + TITLES + "\n".join(rows) + "\n")


EXAMPLES = {"nanoloop": (".txt", write)}
