"""scan → scan, one idea per file: level, align lines, level on the background, mend scars."""

from collections.abc import Callable

import xarray as xr

from .coarsen import coarsen
from .mask import background, relevel, relevel_fit
from .plane import plane, plane_fit
from .polynomial import polynomial, polynomial_fit
from .rows import row_offsets, rows
from .scars import find_scars, mend, scars, without_scars

STEPS: dict[str, Callable[..., xr.Dataset]] = {
    "plane": plane,
    "polynomial": polynomial,
    "rows": rows,
    "relevel": relevel,
    "scars": scars,
}  # by the names that the command line and recipes use

__all__ = [
    "STEPS", "background", "coarsen", "find_scars", "mend", "plane", "plane_fit", "polynomial", "polynomial_fit",
    "relevel", "relevel_fit", "row_offsets", "rows", "scars", "without_scars",
]  # fmt: skip
