"""Which streaks along the fast axis did the tip leave that are not on the sample, and what was there before?

A scar is a run of pixels along a few lines that are all higher, or all lower, than the lines above and below by
more than those lines usually differ: by `low` all along it and by `high` somewhere. Differences are in units of the
rms difference of neighbouring lines.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.history import step
from .channel import each_image, on_images

LOW, HIGH = 0.25, 0.666  # rms differences of neighbouring lines
MAX_WIDTH = 4  # lines
MIN_LENGTH = 16  # pixels
MOST = 0.05  # of the pixels on scars: where more look like it, they are the image's own texture
STRICTER = 6  # times that the thresholds are raised by half before it is believed that there is none
ROUNDS = 2  # mending a scar bares what was hidden beside it


def find_scars(
    z: np.ndarray,
    *,
    low: float = LOW,
    high: float = HIGH,
    max_width: int = MAX_WIDTH,
    min_length: int = MIN_LENGTH,
) -> np.ndarray:
    """Mask (y, x), True on a scar, of one image z (y, x). Pixels that are NaN, or beside NaN, are on none.

    Scars are rare. Where the thresholds find them on more than MOST of the image, as they do in an image of noise or of
    atoms, they are raised.
    """
    z = (z - _middle(z)).astype(np.float32)  # to compare needs no more, and is twice as fast
    apart = np.diff(z, axis=0)
    apart = apart[np.isfinite(apart)]
    usual = float(np.sqrt(np.mean(apart.astype(float) ** 2))) if apart.size else 0.0
    for _ in range(STRICTER):
        found = _scarred(z, low * usual, high * usual, max_width, min_length) if usual > 0 else np.zeros(z.shape, bool)
        if np.count_nonzero(found) <= MOST * z.size:
            return found
        usual *= 1.5
    return np.zeros(z.shape, bool)


def _scarred(z: np.ndarray, low: float, high: float, max_width: int, min_length: int) -> np.ndarray:
    """Mask (y, x) of runs, by thresholds in the unit of z."""
    found = np.zeros(z.shape, bool)
    for sign in (1, -1):
        up = z if sign == 1 else -z
        inner = up
        for width in range(1, min(max_width, len(z) - 2) + 1):
            if width > 1:
                inner = np.minimum(inner[:-1], up[width - 1 :])  # least of `width` lines, at the first of them
            beside = np.maximum(up[: -width - 1], up[width + 1 :])
            runs = _runs(inner[1:-1] - beside, low, high, min_length)
            for i in range(width):
                found[1 + i : 1 + i + len(runs)] |= runs
    return found


def _middle(z: np.ndarray) -> float:
    known = z[np.isfinite(z)]
    return float(np.median(known[:: max(1, known.size // 4096)])) if known.size else 0.0


def _runs(excess: np.ndarray, low: float, high: float, min_length: int) -> np.ndarray:
    """Runs along x above `low` that are long enough and somewhere above `high`."""
    weak = excess > low
    kept = np.zeros(weak.shape, bool)
    lines = np.flatnonzero(np.count_nonzero(weak, axis=1) >= min_length)
    if len(lines) == 0:
        return kept
    padded = np.zeros((len(lines), weak.shape[1] + 2), bool)  # no run goes on from one line to the next
    padded[:, 1:-1] = weak[lines]
    flat = padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start, end = edges[::2], edges[1::2]
    long = end - start >= min_length
    for first, last in zip(start[long], end[long], strict=True):
        line, at = divmod(int(first) - 1, padded.shape[1])
        run = slice(at, at + int(last - first))
        if excess[lines[line], run].max() > high:
            kept[lines[line], run] = True
    return kept


def mend(z: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """z (y, x) with masked pixels drawn straight from the nearest good pixel above to the nearest below.

    At the top and bottom edge, or beside a lost line, the one good neighbour is taken; without any, the pixel stays.
    """
    row, column = np.nonzero(mask)
    bad = mask | ~np.isfinite(z)
    above, below = row - 1, row + 1
    for _ in range(len(z)):
        go_up = (above >= 0) & bad[np.maximum(above, 0), column]
        go_down = (below < len(z)) & bad[np.minimum(below, len(z) - 1), column]
        if not (go_up.any() or go_down.any()):
            break
        above, below = above - go_up, below + go_down
    has_above, has_below = above >= 0, below < len(z)
    top = z[np.where(has_above, above, 0), column]
    bottom = z[np.where(has_below, below, 0), column]
    share = (row - above) / (below - above)
    value = np.where(has_above & has_below, (1 - share) * top + share * bottom, np.where(has_above, top, bottom))
    out = z.copy()
    some = has_above | has_below
    out[row[some], column[some]] = value[some]
    return out


def without_scars(
    z: np.ndarray,
    *,
    low: float = LOW,
    high: float = HIGH,
    max_width: int = MAX_WIDTH,
    min_length: int = MIN_LENGTH,
    rounds: int = ROUNDS,
) -> np.ndarray:
    """Images z (..., y, x) with their scars found and mended, `rounds` times over."""

    def mended(frame: np.ndarray) -> np.ndarray:
        for _ in range(rounds):
            scarred = find_scars(frame, low=low, high=high, max_width=max_width, min_length=min_length)
            if not scarred.any():
                break
            frame = mend(frame, scarred)
        return frame

    return each_image(z, mended)


@step
def scars(
    scan: xr.Dataset,
    *,
    channel: str = "height",
    low: float = LOW,
    high: float = HIGH,
    max_width: int = MAX_WIDTH,
    min_length: int = MIN_LENGTH,
    rounds: int = ROUNDS,
) -> xr.Dataset:
    """Mend the scars of a channel from the lines above and below them.

    `low` and `high` are thresholds in rms differences of neighbouring lines, `max_width` is in lines, `min_length` in
    pixels. Raises ChannelError for a channel that is not there, ScanError for one that is no image.
    """
    return on_images(
        scan,
        channel,
        lambda z: without_scars(z, low=low, high=high, max_width=max_width, min_length=min_length, rounds=rounds),
    )
