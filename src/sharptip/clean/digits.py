"""In what steps was a scan digitised? Heights that differ by less say nothing, and medians of such heights jump.

Where the noise is below the converter's step, most neighbours are equal: their median difference is zero or a whole
step, and the narrowest part of their differences has no width at all. A random part of a step on every height, with
zero mean, makes them continuous again and leaves their means as they are (dither). It is laid over what is looked at,
never over what is given back.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SAMPLE = 2**12  # heights that are looked at
FEWEST_LEVELS = 8  # different heights; with fewer, they are the surface's own
WHOLE = 0.05  # of a step by which distances of levels are off a multiple of it
MOST = 0.9  # of them that are not off; of heights that are not digitised, 0.1 are by chance
ROUNDING = 1e-6  # of the range of heights, and
SINGLE = 5e-7  # of the greatest of them: two heights that are closer are one, which was rounded


def digitising_step(z: np.ndarray) -> float:
    """The smallest distance of two heights among those of z, in its unit; 0 where there is no common one.

    z may have any shape and miss pixels (NaN). Steps too small to matter, below ROUNDING, are none.
    """
    some = z.ravel()[:: max(1, z.size // SAMPLE) | 1]
    levels = np.sort(some[np.isfinite(some)].astype(float))
    if len(levels) < 2:
        return 0.0
    least = max(ROUNDING * (levels[-1] - levels[0]), SINGLE * max(levels[-1], -levels[0]))
    apart = np.diff(levels)
    apart = apart[apart > least]
    if len(apart) < FEWEST_LEVELS - 1:
        return 0.0
    step = float(np.median(apart[apart < 1.5 * apart.min()]))
    number = apart / step
    whole = np.abs(number - np.rint(number)) < WHOLE
    return step if np.count_nonzero(whole) > MOST * len(apart) else 0.0


def dithered(z: np.ndarray, step: float) -> np.ndarray:
    """z (y, x) with a random part of `step` on every height, up to half of it either way, the same at each call."""
    if not step > 0:
        return z
    return z + step * _parts(*z.shape)


@lru_cache(maxsize=1)
def _parts(lines: int, columns: int) -> np.ndarray:
    """Random numbers (y, x) from −½ to ½, of zero mean along each line: lines stay where they are."""
    part = np.random.default_rng(0).random((lines, columns), np.float32) - np.float32(0.5)
    part -= part.mean(axis=1, keepdims=True)
    return part
