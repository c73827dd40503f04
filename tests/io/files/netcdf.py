"""Our own netCDF, by our own writer: nobody else writes it."""

from pathlib import Path

import numpy as np

import sharptip
from sharptip.core.scan import scan_of

NY, NX, PIXEL = 6, 8, 5e-8


def nc(path: Path) -> None:
    height = np.random.default_rng(0).normal(size=(NY, NX)).astype(np.float32) * np.float32(1e-9)
    sharptip.write(scan_of(height, PIXEL), path)


EXAMPLES = {"netcdf": (".nc", nc)}
