"""Which single pixels were thrown out, and what should be there? Each is put to the median of its eight neighbours.

A spike stands above the highest (or below the lowest) of its neighbours by more than they differ among themselves and
by more than `height` times the noise: an atom or a particle several pixels wide is none.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.history import step
from .channel import each_image, on_images

HEIGHT = 6.0  # standard deviations of the noise above the highest neighbour


def find_spikes(z: np.ndarray, height: float = HEIGHT) -> np.ndarray:
    """Mask (y, x), True on a spike, of one image z (y, x). Pixels at the border, or beside NaN, are none."""
    found = np.zeros(z.shape, bool)
    if min(z.shape) < 3:
        return found
    around = _around(z)
    high, low = around.max(axis=0), around.min(axis=0)
    inner = z[1:-1, 1:-1]
    apart = np.abs(np.diff(z, axis=1))
    apart = apart[np.isfinite(apart)]
    if apart.size == 0:
        return found
    place = int(0.5 * (apart.size - 1))
    noise = 1.4826 * float(np.partition(apart, place)[place]) / np.sqrt(2)
    least = np.maximum(high - low, height * noise)
    found[1:-1, 1:-1] = (inner - high > least) | (low - inner > least)
    return found


def _around(z: np.ndarray) -> np.ndarray:
    """The eight neighbours of every inner pixel: (8, y − 2, x − 2)."""
    ny, nx = z.shape
    places = [(i, j) for i in (0, 1, 2) for j in (0, 1, 2) if (i, j) != (1, 1)]
    return np.stack([z[i : ny - 2 + i, j : nx - 2 + j] for i, j in places])


def without_spikes(z: np.ndarray, height: float = HEIGHT) -> np.ndarray:
    """Images z (..., y, x) with spikes put to the median of their neighbours."""
    return each_image(z, lambda image: _mended(image, height))


def _mended(z: np.ndarray, height: float) -> np.ndarray:
    out = z.copy()
    row, column = np.nonzero(find_spikes(z, height))
    if len(row):
        near = [z[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        out[row, column] = np.median(near, axis=0)
    return out


@step
def spikes(scan: xr.Dataset, *, channel: str = "height", height: float = HEIGHT) -> xr.Dataset:
    """Mend single pixels of a channel that stand out by more than `height` standard deviations of the noise.

    Raises ChannelError for a channel that is not there, ScanError for one that is no image.
    """
    return on_images(scan, channel, lambda z: without_spikes(z, height))
