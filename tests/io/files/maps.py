"""Maps of spectra in an `.npz`: records, complex numbers, and what was swept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SHAPE = (3, 4, 2, 5)  # y, x, and two swept axes


def records() -> np.ndarray:
    cells = np.zeros(SHAPE, [("Amplitude [V]", "<f4"), ("Phase [deg]", "<f4")])
    rng = np.random.default_rng(1)
    for name in cells.dtype.names:
        cells[name] = rng.normal(size=SHAPE)
    return cells


def spectra() -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)


def npz_map(path: Path) -> None:
    with path.open("wb") as file:
        swept = {
            "bias_read": np.arange(10.0).reshape(2, 5),
            "bias_write": np.linspace(-5, 5, 5),
            "notes": np.arange(7.0),
        }
        np.savez_compressed(file, fit=records(), spectra=spectra(), **swept)


EXAMPLES = {"npz_map": (".npz", npz_map)}
READER = {"npz_map": "array"}
