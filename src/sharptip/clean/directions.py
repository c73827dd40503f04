"""Do the way there and the way back agree? Where they do not, the tip did not follow the surface, or changed it.

The two passes over a line show the same surface, moved against each other by the lag of the loop and the hysteresis of
the scanner. That shift is measured and taken out; what is left apart is noise (of two passes) or a place that the tip
lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import step
from ..core.scan import label
from .channel import image_channel
from .drift import moved

FARTHEST = 0.1  # of a line: shifts up to this are looked for
APART = 4.0  # standard deviations of the usual difference beyond which the passes disagree


@dataclass(frozen=True)
class Compared:
    """Two passes over one area, flattened, in the unit of the channel."""

    lag: float  # pixels by which backward lies to the right of forward
    likeness: float  # correlation coefficient, once shifted
    noise: float  # robust standard deviation of one pass: that of the difference over √2
    apart: np.ndarray  # (y, x): forward − backward, once shifted; NaN where one of them shows nothing
    disagree: np.ndarray  # (y, x) bool
    lines: np.ndarray  # (y,): correlation coefficient of each line


def compare_directions(forward: np.ndarray, backward: np.ndarray) -> Compared:
    """Compare two images (y, x) of one area. Both should be flattened: what lines have of their own does not match.

    Raises ScanError where the shapes differ.
    """
    if forward.shape != backward.shape or forward.ndim != 2:
        raise ScanError(f"two images of one shape are compared, not {forward.shape} and {backward.shape}")
    lag = _lag(forward, backward)
    back = moved(backward, 0.0, -lag)
    apart = forward - back
    apart = apart - (np.nanmedian(apart) if np.isfinite(apart).any() else 0.0)
    known = np.isfinite(apart)
    spread = 1.4826 * float(np.median(np.abs(apart[known]))) if known.any() else 0.0
    disagree = known & (np.abs(apart) > APART * spread) if spread > 0 else np.zeros(apart.shape, bool)
    both = np.where(known, forward, np.nan), np.where(known, back, np.nan)
    return Compared(lag, _likeness(*both), spread / np.sqrt(2), apart, disagree,
                    np.array([_likeness(a, b) for a, b in zip(*both, strict=True)]))  # fmt: skip


def _lag(forward: np.ndarray, backward: np.ndarray) -> float:
    """Shift along x in pixels at which the passes are most alike, with a fraction from the parabola at the top."""
    reach = max(1, int(FARTHEST * forward.shape[1]))
    a, b = (np.nan_to_num(z - np.nanmean(z, axis=1, keepdims=True)) if np.isfinite(z).any(axis=1).all()
            else np.nan_to_num(z - np.nanmean(z)) for z in (forward, backward))  # fmt: skip
    n = forward.shape[1]
    shifts = np.arange(-reach, reach + 1)
    alike = np.empty(len(shifts))
    for k, shift in enumerate(shifts):
        one, other = a[:, max(0, -shift) : n - max(0, shift)], b[:, max(0, shift) : n - max(0, -shift)]
        power = np.sqrt(float((one * one).sum()) * float((other * other).sum()))
        alike[k] = float((one * other).sum()) / power if power > 0 else 0.0
    k = int(np.argmax(alike))
    if not 0 < k < len(shifts) - 1:
        return float(shifts[k])
    bend = alike[k - 1] - 2 * alike[k] + alike[k + 1]
    return float(shifts[k] + (0.5 * (alike[k - 1] - alike[k + 1]) / bend if bend < 0 else 0.0))


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    if np.count_nonzero(known) < 3:
        return float("nan")
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    power = np.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / power if power > 0 else float("nan")


@step
def directions(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """Compare the two directions of a channel, which should be flattened before.

    Adds `disagree` (…, y, x), 1 where they are further apart than their noise explains, with the attributes `lag_px`
    (backward behind forward), `likeness` (correlation) and `noise` (of one pass, in the channel's unit), and
    `line_likeness` (…, y). Raises ChannelError for a channel that is not there, ScanError for one recorded in one
    direction only.
    """
    data = image_channel(scan, channel)
    if "direction" not in data.dims:
        raise ScanError(f"{label(scan)}: {channel!r} was recorded in one direction only; there is nothing to compare")
    turned = data.transpose("direction", ..., "y", "x")
    forward, backward = (turned.sel(direction=way).values for way in ("forward", "backward"))
    found = [compare_directions(forward[at], backward[at]) for at in np.ndindex(forward.shape[:-2])]
    dims = turned.dims[1:]
    about = {
        "units": "1", "lag_px": [c.lag for c in found], "likeness": [c.likeness for c in found],
        "noise": [c.noise for c in found],
    }  # fmt: skip
    disagree = np.stack([c.disagree for c in found]).reshape(forward.shape).astype(float)
    lines = np.stack([c.lines for c in found]).reshape(forward.shape[:-1])
    return scan.assign(
        disagree=xr.Variable(dims, disagree, about), line_likeness=xr.Variable(dims[:-1], lines, {"units": "1"})
    )
