"""Createc spectra (`.VERT`), which are text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HALF = 4
PIEZO, GAIN_Z, PREAMP = 19.2, 10, 9
CODE = 0b10000011  # I, dI/dV, NA01
BIAS = np.linspace(-300, 150, HALF)  # mV


def table(back: bool = True, ramp: str = "bias") -> np.ndarray:
    """(point, column): bias in mV, height in counts, current, dI/dV, frequency shift."""
    there = np.arange(HALF)
    k = np.concatenate([there, there[::-1]]) if back else there
    n = len(k)
    bias = BIAS[k] if ramp in ("bias", "both") else np.full(n, -50.0)
    height = 1000.0 * k if ramp in ("height", "both") else np.full(n, 20.0)
    return np.stack([bias, height, np.arange(n) - 5000.0, np.arange(n) + 0.25, np.arange(n) / 8 - 7], axis=1)


def spectrum(
    path: Path, *, kind: str = "ParVERT30", ramp: str = "bias", back: bool = True, third: bool = False
) -> None:
    rows = table(back, ramp)
    if third:
        rows = np.insert(rows, 2, 77.0, axis=1)
    head = [
        f"[{kind}]", "DAC-Type=20bit", f"GainZ / GainZ={GAIN_Z}", f"Gainpreamp / GainPre 10^={PREAMP}",
        f"ZPiezoconst / ZPiezoconst= {PIEZO}", "PLLOn=1", "VertSpecBack=1", "memo:made", "DATA",
        f"    {len(rows)}    -120    200    {CODE}    1    0    {3 if third else 2}",
    ]  # fmt: skip
    lines = ["\t".join([str(i), *(f"{v:.5f}" for v in row)]) for i, row in enumerate(rows)]
    path.write_bytes("\r\n".join([*head, *lines, ""]).encode("latin-1"))


EXAMPLES = {"createc_spectrum": (".VERT", spectrum)}
