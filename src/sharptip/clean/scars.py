"""Which streaks along the fast axis did the tip leave that are not on the sample, and what was there before?

A scar is a run of pixels along a few lines that are all higher, or all lower, than the lines above and below by
more than those lines usually differ: by `low` all along it and by `high` somewhere. Differences are in units of the
rms difference of neighbouring lines.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from math import frexp

import numpy as np
import xarray as xr

from ..core.history import step
from .channel import image_channel, on_images
from .neighbours import only
from .streaks import DOWN, UP, likely_scars

LOW, HIGH = 0.25, 0.666  # rms differences of neighbouring lines
MAX_WIDTH = 4  # lines
MIN_LENGTH = 16  # pixels
MOST = 0.05  # of the pixels on scars: where more look like it, they are the image's own texture
STRICTER = 6  # times that the thresholds are raised by half before it is believed that there is none
AGAIN = ("direction", "time")  # axes along which the next image shows the same place
LONG = 0.5  # of a line: where more was mended, that is told
EIGHT = np.ones(8, bool).view(np.uint64)[0]  # pixels that are True
ROUNDS = 2  # mending a scar bares what was hidden beside it


class PerhapsFibre(UserWarning):
    """Most of a line was mended, which may have been a fibre along the fast axis."""


def find_scars(
    z: np.ndarray,
    *,
    low: float = LOW,
    high: float = HIGH,
    max_width: int = MAX_WIDTH,
    min_length: int = MIN_LENGTH,
    before: np.ndarray | None = None,
    again: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Mask (y, x), True on a scar, of one image z (y, x). Pixels that are NaN, or beside NaN, are on none.

    Scars are rare. Where the thresholds find them on more than MOST of the image, as they do in an image of noise or of
    atoms, they are raised. Of what is found, `likely_scars` leaves out what is on the sample: `before` and `again` as
    there.
    """
    single = np.full((len(z), z.shape[1] + 1), np.nan, np.float32)  # to compare needs no more, and is twice as fast
    middle, size = _about(z)
    np.multiply(z - middle, 1 / size, out=single[:, :-1], casting="same_kind")  # a lost column parts the lines
    usual, most = _usual_step(single), MOST * z.size
    for _ in range(STRICTER):
        if not usual > 0:
            break
        found = _scarred(single, low * usual, high * usual, max_width, min_length, most)[:, :-1]
        if np.count_nonzero(found) <= most:
            return likely_scars(z, found, max_width, before, again) if found.any() else found > 0
        usual *= 1.5
    return np.zeros(z.shape, bool)


def _about(z: np.ndarray) -> tuple[float, float]:
    """Middle of the heights, and the power of two that is next to their size."""
    some = z.ravel()[:: max(1, z.size // 4096) | 1]
    some = some[np.isfinite(some)]
    if not some.size:
        return 0.0, 1.0
    middle = float(np.partition(some, some.size // 2)[some.size // 2])
    return middle, 2.0 ** min(max(frexp(np.abs(some - middle).max())[1], -1000), 1000)


def _usual_step(z: np.ndarray) -> float:
    """Root mean square of the differences of neighbouring lines."""
    power = number = 0.0
    for first in range(0, len(z) - 1, lines := _lines_at_once(z)):
        some = z[first : first + lines + 1]
        apart = some[1:] - some[:-1]
        known = np.isfinite(apart)
        number += np.count_nonzero(known)
        apart = only(apart, known)
        power += float(np.einsum("yx,yx->y", apart, apart).sum(dtype=float))
    return (power / number) ** 0.5 if number else 0.0


def _scarred(
    z: np.ndarray, low: float, high: float, max_width: int, min_length: int, most: float = np.inf
) -> np.ndarray:
    """Runs by thresholds in the unit of z (y, x), whose last column is NaN: (y, x) of the bits UP and DOWN, or 0.
    Not all of them where there are more than `most` pixels."""
    found = np.zeros(z.shape, np.uint8)
    for first in range(0, len(z), lines := _lines_at_once(z)):
        some = slice(first, first + lines + max_width + 1)
        for _ in _marked(found[some].ravel(), z[some].ravel(), z.shape[1], low, high, max_width, min_length):
            if np.count_nonzero(found[some]) > most:
                return found
    return found


def _lines_at_once(z: np.ndarray) -> int:
    """So few that the processor's nearest memory holds them."""
    return max(16, 2**17 // z.shape[1])


def _marked(
    found: np.ndarray, z: np.ndarray, line: int, low: float, high: float, max_width: int, min_length: int
) -> Iterator[None]:
    """Set `found`, of pixels in a row like z, where a scar is; `line` pixels make a line and the last one is NaN.
    Stops at every kind of scar that there is.

    A scar stands out from both lines beside it in each of its lines, so all that must be known is where pixels are by
    more than `low` above, or below, those some lines further on.
    """
    above: list[np.ndarray] = []
    below: list[np.ndarray] = []
    for lag in range(1, min(max_width, len(z) // line - 2) + 1):
        apart = z[lag * line :] - z[: -lag * line]
        above.append(apart > np.float32(low))
        below.append(apart < np.float32(-low))
    for sign, rising, falling in ((1, above, below), (-1, below, above)):
        for width, (up, down) in enumerate(zip(rising, falling, strict=True), start=1):
            if width == 1:
                begins, ends = up, down
            else:  # every line of it stands out from the one before, and from the one behind
                begins, ends = begins[:-line] & up, ends[line:] & down
            runs = _runs(begins[:-line] & ends[line:], min_length)
            if len(runs[0]):
                _take(found, z, runs, sign, width, line, high)
                yield


def _runs(weak: np.ndarray, min_length: int) -> tuple[np.ndarray, np.ndarray]:
    """First pixels (n,) and lengths (n,) of what is True for at least `min_length` pixels (pixel,) on end."""
    none = np.zeros(0, int), np.zeros(0, int)
    if min_length >= 15:  # a run has eight pixels on end of which the first is one of every eighth
        eights = weak[: len(weak) // 8 * 8].view(np.uint64)
        if not (eights == EIGHT).any():
            return none
    length = 1
    while length < min_length:  # True where the next `length` pixels are
        more = min(length, min_length - length)
        weak = weak[:-more] & weak[more:]
        length += more
    if not weak.any():
        return none
    edges = np.flatnonzero(weak[1:] != weak[:-1]) + 1  # the last pixel is on none
    starts, ends = (edges if not weak[0] else np.append(0, edges)).reshape(-1, 2).T
    return starts, ends - starts + length - 1


def _take(
    found: np.ndarray, z: np.ndarray, runs: tuple[np.ndarray, np.ndarray], sign: int, width: int, line: int, high: float
) -> None:
    """Set the bit on those runs, told by the pixels before their first line, that stand out by `high` somewhere."""
    starts, lengths = runs
    before = np.cumsum(lengths) - lengths
    pixels = np.repeat(starts - before, lengths) + np.arange(lengths.sum())
    lines = sign * z[pixels + np.arange(width + 2)[:, None] * line]  # the one before, its own, the one behind
    excess = lines[1:-1].min(axis=0) - np.maximum(lines[0], lines[-1])
    tall = np.repeat(np.maximum.reduceat(excess, before) > high, lengths)
    found[pixels[tall] + np.arange(1, width + 1)[:, None] * line] |= UP if sign > 0 else DOWN


def mend(z: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """z (y, x) with masked pixels drawn straight from the nearest good pixel above to the nearest below.

    At the top and bottom edge, or beside a lost line, the one good neighbour is taken; without any, the pixel stays.
    """
    line = mask.shape[1]
    bad = np.zeros((len(z) + 2, line), bool)  # and beyond the edges none is
    bad[1:-1] = mask | ~np.isfinite(z)
    pixel = np.flatnonzero(mask)
    above, below = pixel.copy(), pixel + 2 * line  # in `bad`, which has a line more before the first
    for place, on in ((above, -line), (below, line)):
        while (still := bad.ravel()[place]).any():
            place += on * still
    above, below = above - line, below - line
    has_above, has_below = above >= 0, below < z.size
    values = z.ravel()
    top, bottom = values[np.where(has_above, above, 0)], values[np.where(has_below, below, 0)]
    share = (pixel - above) / (below - above)
    value = np.where(has_above & has_below, (1 - share) * top + share * bottom, np.where(has_above, top, bottom))
    out = z.copy()
    some = has_above | has_below
    out.ravel()[pixel[some]] = value[some]
    return out


def without_scars(
    z: np.ndarray,
    *,
    low: float = LOW,
    high: float = HIGH,
    max_width: int = MAX_WIDTH,
    min_length: int = MIN_LENGTH,
    rounds: int = ROUNDS,
    again: Sequence[int] = (),
) -> np.ndarray:
    """Images z (..., y, x) with their scars found and mended, `rounds` times over.

    again: axes of z along which the next image shows the same place again: directions, frames. What it shows too is no
    scar.
    """
    out = np.empty_like(z)
    for place in np.ndindex(z.shape[:-2]):
        others = [z[next_to] for next_to in _next(place, z.shape, again)]
        frame, before = z[place], None
        for _ in range(rounds):
            scarred = find_scars(
                frame, low=low, high=high, max_width=max_width, min_length=min_length, before=before, again=others
            )
            if not scarred.any():
                break
            frame = mend(frame, scarred)
            before = scarred if before is None else before | scarred
        out[place] = frame
    return out


def _next(place: tuple[int, ...], shape: tuple[int, ...], axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Places one before and one behind along each of the axes, where there are any."""
    beside = [(*place[:a], place[a] + way, *place[a + 1 :]) for a in axes for way in (-1, 1)]
    return [p for p in beside if all(0 <= k < n for k, n in zip(p, shape, strict=False))]


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
    pixels. What the other direction or the next frames show too is left as measured. A warning tells where most of a
    line was mended, which may have been a fibre along the fast axis. Raises ChannelError for a channel that is not
    there, ScanError for one that is no image.
    """
    axes = [name for name in image_channel(scan, channel).dims if name not in ("y", "x")]
    again = [axis for axis, name in enumerate(axes) if name in AGAIN]

    def change(z: np.ndarray) -> np.ndarray:
        out = without_scars(
            z, low=low, high=high, max_width=max_width, min_length=min_length, rounds=rounds, again=again
        )
        if said := _said(z, out):
            warnings.warn(f"{channel}: {said}", PerhapsFibre, stacklevel=5)
        return out

    return on_images(scan, channel, change)


def _said(z: np.ndarray, out: np.ndarray) -> str:
    """What to say of images (..., y, x) before and after, where most of a line was mended."""
    lines = np.count_nonzero((out != z) & np.isfinite(z), axis=-1) > LONG * z.shape[-1]
    if not lines.any():
        return ""
    if z.ndim == 2:
        at = np.flatnonzero(lines)
        where = f"line {at[0]} was" if len(at) == 1 else f"{len(at)} lines, the first of them line {at[0]}, were"
    else:
        where = "in some images lines were"
    return (
        f"{where} mended along most of the width; a fibre along the fast axis would look the same (turn the scan, or "
        "compare with the way back; without the step scars it stays)"
    )
