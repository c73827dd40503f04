"""Images → tiles: cut without overlap, or brought to another pixel size."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def four_tiles(image: np.ndarray) -> np.ndarray:
    """The four quarters of an image: (y, x) → (4, y//2, x//2). An odd last row or column is left out.

    >>> four_tiles(np.arange(16).reshape(4, 4))[0].tolist()
    [[0, 1], [4, 5]]
    """
    h, w = image.shape[0] // 2, image.shape[1] // 2
    return np.stack([image[i * h : (i + 1) * h, j * w : (j + 1) * w] for i in (0, 1) for j in (0, 1)])


def tiles_of(image: np.ndarray, size: int) -> np.ndarray:
    """As many whole tiles of size × size as fit, centred: (y, x) → (n, size, size).

    An image smaller than a tile is continued by reflection to one tile.
    """
    short = [max(0, size - n) for n in image.shape]
    if any(short):
        mode = "reflect" if min(image.shape) > 1 else "edge"
        image = np.pad(image, [(s // 2, s - s // 2) for s in short], mode=mode)  # type: ignore[call-overload]
    rows, cols = (n // size for n in image.shape)
    top, left = ((n - k * size) // 2 for n, k in zip(image.shape, (rows, cols), strict=True))
    cut = image[top : top + rows * size, left : left + cols * size]
    return cut.reshape(rows, size, cols, size).swapaxes(1, 2).reshape(-1, size, size)


def resample(image: np.ndarray, pixel_size: tuple[float, float], target: tuple[float, float]) -> np.ndarray:
    """An image on pixels of another size: (y, x) of pixel_size metres → target metres.

    A whole number of small pixels is averaged into a large one; everything else is interpolated linearly after the
    low-pass that the larger pixel needs.
    """
    factors = [t / p for t, p in zip(target, pixel_size, strict=True)]
    whole = [round(f) for f in factors]
    if all(abs(f - w) < 1e-6 * f and w >= 1 for f, w in zip(factors, whole, strict=True)):
        fy, fx = whole
        if (fy, fx) == (1, 1):
            return image
        h, w = image.shape[0] // fy, image.shape[1] // fx
        if h and w:
            return image[: h * fy, : w * fx].reshape(h, fy, w, fx).mean(axis=(1, 3))
    smooth = ndimage.gaussian_filter(image.astype(float), [max(0.0, (f - 1) / 2) for f in factors])
    shape = [max(1, round(n / f)) for n, f in zip(image.shape, factors, strict=True)]
    rows, cols = ((np.arange(n) + 0.5) * f - 0.5 for n, f in zip(shape, factors, strict=True))
    return ndimage.map_coordinates(smooth, np.meshgrid(rows, cols, indexing="ij"), order=1, mode="nearest")
