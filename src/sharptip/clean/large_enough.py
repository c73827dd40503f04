"""How small may an image be, so that what the instrument adds can be told from what is on the sample?

With as many numbers to be found as there are pixels, everything is background and the image is cleaned to nothing.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import ScanError

LEAST = 8  # lines, or pixels in a line
HIGHEST = 12  # degree: a background that bends more often follows the sample, and costs the sixth power of it


def large_enough(z: np.ndarray, what: str, lines: int = LEAST, columns: int = LEAST) -> np.ndarray:
    """Images z (..., y, x) themselves, or ScanError if they have fewer lines or columns; `what` asks for so many."""
    ny, nx = z.shape[-2:]
    if ny < lines or nx < columns:
        raise ScanError(
            f"an image of {ny} × {nx} pixels (lines × columns) is too small: {what} needs {lines} × {columns} or more, "
            "or it takes the sample for background; leave this step out, or scan more of the sample"
        )
    return z


def fits(z: np.ndarray, what: str, degree: tuple[int, int]) -> np.ndarray:
    """z itself, or ScanError if a polynomial of degree (in y, in x) goes through every pixel of a line or column.

    Along an axis of one pixel there is nothing to be fitted, so a single line has a background along x alone.
    """
    least = [d + 2 if n > 1 else 1 for n, d in zip(z.shape[-2:], degree, strict=True)]
    if z.shape[-2] == z.shape[-1] == 1:
        least = [degree[0] + 2, degree[1] + 2]
    return large_enough(z, what, *least)


def smooth(degree: int, least: int = 0) -> int:
    """The degree of a polynomial itself, or ScanError for one that no background has."""
    if not least <= degree <= HIGHEST:
        raise ScanError(f"the degree of a background is from {least} to {HIGHEST}, not {degree}; 1, 2 or 3 is usual")
    return degree
