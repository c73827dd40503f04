"""Whether what was read of a file that was cut off is a part of what the whole file holds."""

from __future__ import annotations

import numpy as np

from sharptip.core.grid import INCOMPLETE, Channel, Grid

BY_POINT = ("nanonis_grid", "wsxm_spectroscopy")  # of these formats a line may be there in part
WAYS = ("forward", "backward")
Whole = list[tuple[str, tuple[str, ...], np.ndarray]]  # name, axes, numbers of every channel


def numbers(grids: list[Grid]) -> Whole:
    return [(c.name, c.dims, np.asarray(c.data)) for grid in grids for c in grid.channels]


def assert_is_a_part(found: list[Grid], whole: Whole, points: bool = False) -> None:
    """It says that it is incomplete; every line and curve it has is that of the whole file, and the rest is NaN.

    points: a line may be there in part, as of a grid that was recorded point by point.
    """
    assert any(grid.attrs.get(INCOMPLETE) for grid in found)
    for grid in found:
        for channel in grid.channels:
            if channel.name == "length":  # that of a curve of which a part is missing
                continue
            loose = points or "sample" in channel.dims  # or as the approach of a curve without its retract
            named = [w for w in whole if w[0] == channel.name or channel.name == "untitled"]  # its name was lost
            matching = [
                _matches(channel, values, loose) for _, dims, full in named for values in _ways(channel, dims, full)
            ]
            assert any(matching), f"{channel.name!r} of shape {channel.data.shape} is no part of the whole file"


def _ways(channel: Channel, dims: tuple[str, ...], whole: np.ndarray) -> list[np.ndarray]:
    """What it may be a part of: one direction, where the other one is missing altogether."""
    if "direction" not in dims or "direction" in channel.dims:
        return [whole]
    way = channel.attrs.get("direction")
    return [whole.take(k, dims.index("direction")) for k, name in enumerate(WAYS) if way in (name, None)]


def _matches(channel: Channel, whole: np.ndarray, points: bool) -> bool:
    part = np.asarray(channel.data)
    if part.ndim != whole.ndim or any(n > most for n, most in zip(part.shape, whole.shape, strict=True)):
        return False
    image = channel.dims[-2:] == ("y", "x")
    whole = whole[: len(part)] if image else whole[tuple(slice(n) for n in part.shape)]
    if part.shape != whole.shape:
        return False
    there, known = np.isfinite(part), np.isfinite(whole)
    if not np.array_equal(part[there], whole[there]):
        return False
    lines, had = (v.reshape(-1, part.shape[-1] if part.ndim > 1 else 1) for v in (there, known))
    return points or bool((lines == (had & lines.any(axis=1, keepdims=True))).all())
