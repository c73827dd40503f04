"""Which of the streaks that look like scars are on the sample after all?

A scar begins and ends with the time of its lines, and the lines above and below know nothing of it. Rims of rings,
fibres and rods that lie near the fast axis do otherwise: they are thicker than a scar, go on from line to line with a
steady shift, have flanks, or are lower in their outer lines than in the middle ones; and they are there again in the
way back and in the next frame. What lies within few lines, is as high in each of them, and was looked at but once, is
not told from a scar by anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

FLANKS = 0.2  # of a scar's height: what the lines beside it have of it, at most, in the mean of both sides
FLANK = 0.05  # and on one of them, where the other may be the foot of something
OUTER = 0.8  # of the inner lines' height: what the outer lines of a scar have, at least
SHIFT = 0.5  # lines by which a scar moves from one end to the other, at most
AGAIN = 0.5  # of a scar's height: what another look at the same place shows of it, at most
MOVED = tuple(
    (dy, dx) for dy in (-1, 0, 1) for dx in (-6, 0, 6) if dy or dx
)  # lines and pixels by which that look may be off
GAP = 3  # pixels along the line between the parts of one streak on neighbouring lines, at most
UP, DOWN = 1, 2  # bits of a mask: higher, or lower, than the lines above and below


@dataclass(frozen=True)
class Streaks:
    """n streaks, each of pixels that touch and stand out to the same side; arrays (pixel,)."""

    n: int
    label: np.ndarray  # number of the streak
    row: np.ndarray
    column: np.ndarray
    above: np.ndarray  # rows of the nearest pixels above and below that are on no streak of this side
    below: np.ndarray
    sign: np.ndarray  # 1 where higher, −1 where lower
    share: np.ndarray  # of the way from above to below at which the pixel is
    size: np.ndarray  # (n,): pixels of each streak

    @classmethod
    def of(cls, found: np.ndarray) -> Streaks:
        """found: (y, x) of the bits UP and DOWN."""
        lines, width = found.shape
        pixel = np.flatnonzero(found != 0)
        bits = found.ravel()[pixel]
        up = pixel[bits != DOWN]
        pixel = np.concatenate([up, pixel[bits != UP]])
        side = np.where(np.arange(len(pixel)) < len(up), UP, DOWN).astype(found.dtype)
        row = pixel // width
        column = pixel - row * width
        n, label = connected(row + (side == DOWN) * (lines + 1), column, width, GAP)
        above, below = _beyond(found, row, column, side)
        sign, share = np.where(side == UP, 1.0, -1.0), (row - above) / (below - above)
        return cls(n, label, row, column, above, below, sign, share, np.bincount(label))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum (n,) of values (pixel,) over the pixels of each streak."""
        return np.bincount(self.label, values, self.n)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last row (n,)."""
        return _ends(self.n, self.label, self.row)

    def excess(self, z: np.ndarray, dy: int = 0, dx: int = 0) -> np.ndarray:
        """(pixel,): how far z (y, x) stands out of what is above and below the streak, to the side of the streak.

        dy, dx: lines and pixels from the streak at which to look. Beyond an edge pixels are taken for others.
        """
        flat, width, at = z.ravel(), z.shape[1], self.column + (dy * z.shape[1] + dx)
        top, own, bottom = (flat.take(at + rows * width, mode="clip") for rows in (self.above, self.row, self.below))
        out = self.sign * (own - top - (bottom - top) * self.share)
        return out if np.isfinite(out).all() else np.where(np.isfinite(out), out, 0.0)

    def only(self, which: np.ndarray) -> Streaks:
        """The pixels (pixel,) that are True; streaks keep their numbers."""
        arrays = {
            name: getattr(self, name)[which] for name in ("label", "row", "column", "above", "below", "sign", "share")
        }
        return replace(self, **arrays)


def connected(row: np.ndarray, column: np.ndarray, width: int, gap: int = 0) -> tuple[int, np.ndarray]:
    """Number of regions, and which one each pixel (pixel,) is in; the pixels are in order, in lines of `width`.

    Pixels touch by their corners too, and across `gap` pixels between one line and the next. Ten times faster than to
    label an image that has little in it.
    """
    if not len(row):
        return 0, np.zeros(0, int)
    line = width + gap + 1  # lines are parted
    place = row * line + column
    begins = np.diff(place, prepend=-2) > 1
    start, run = place[begins], np.cumsum(begins) - 1
    stop = place[np.append(begins[1:], True)] + 1
    first = np.searchsorted(stop, start + line - gap)  # the runs in the next line that this one touches
    count = np.maximum(np.searchsorted(start, stop + line + gap, side="right") - first, 0)
    one = np.repeat(np.arange(len(start)), count)
    other = np.arange(len(one)) - np.repeat(np.cumsum(count) - count - first, count)
    number, before = np.arange(len(start)), None
    while before is None or (number != before).any():
        before = number
        low = np.minimum(number[one], number[other])
        number = number.copy()
        np.minimum.at(number, one, low)
        np.minimum.at(number, other, low)
        number = number[number]
    own, label = np.unique(number, return_inverse=True)
    return len(own), label[run]


def _beyond(
    found: np.ndarray, row: np.ndarray, column: np.ndarray, bits: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the nearest pixels above and below each (pixel,) that have none of the bits; may be beyond the edge."""
    above, below, end = row - 1, row + 1, len(found) - 1
    while (more := (above >= 0) & (found[above, column] & bits > 0)).any():
        above = above - more
    while (more := (below <= end) & (found[np.minimum(below, end), column] & bits > 0)).any():
        below = below + more
    return above, below


def _ends(n: int, label: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest row of each of n labels."""
    first, last = np.full(n, np.iinfo(row.dtype).max), np.zeros(n, row.dtype)
    np.minimum.at(first, label, row)
    np.maximum.at(last, label, row)
    return first, last


def likely_scars(
    z: np.ndarray, found: np.ndarray, max_width: int, before: np.ndarray | None = None, again: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Mask (y, x) of the streaks `found` (y, x; bits UP and DOWN) that nothing tells to be on the sample.

    z: the image (y, x). before: mask (y, x) of what was mended already; with it no region may become thicker than
    `max_width` lines. again: images (y, x) of the same place, the way back or the frames next to this one.
    """
    streaks = Streaks.of(found)
    excess = streaks.excess(z)
    scar = ~_shaped(streaks, z, excess, max_width)
    scar &= ~_repeated(streaks, excess, again, scar)
    chosen = _apart(streaks, found, scar, _outstanding(streaks, z, found), max_width, before)[streaks.label]
    out = np.zeros(z.shape, bool)
    out[streaks.row[chosen], streaks.column[chosen]] = True
    return out


def _shaped(s: Streaks, z: np.ndarray, excess: np.ndarray, max_width: int) -> np.ndarray:
    """Streaks (n,) of a shape that no scar has."""
    first, last = s.rows()
    height = s.sum(excess) / s.size
    outer = (s.row == first[s.label]) | (s.row == last[s.label])
    number = s.sum(outer)
    low = s.sum(excess * outer)
    inner = (height * s.size - low) / np.maximum(s.size - number, 1)
    (flank_above, shift_above), (flank_below, shift_below) = (_edge(s, z, way) for way in (-1, 1))
    return (
        (last - first >= max_width)
        | ((flank_above + flank_below > 2 * FLANKS * height) & (np.minimum(flank_above, flank_below) > FLANK * height))
        | ((low < OUTER * inner * number) & (number < s.size))
        | ((np.minimum(abs(shift_above), abs(shift_below)) > SHIFT) & (shift_above * shift_below > 0))
    )


def _edge(s: Streaks, z: np.ndarray, way: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the upper (way −1) or lower (1) edge of each streak (n,): how far the line beside it stands out of the next
    one, to the side of the streak; and lines by which the edge moves from the streak's left end to its right."""
    on = np.flatnonzero((s.above if way < 0 else s.below) == s.row + way)
    label, row, column = s.label[on], s.row[on], s.column[on]
    number = np.bincount(label, minlength=s.n)  # at least 1

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(label, values, s.n) / number

    near, far = row + way, np.clip(row + 2 * way, 0, len(z) - 1)
    flank = s.sign[on] * (z[near, column] - z[far, column])
    x, y = column - mean(column)[label], row - mean(row)[label]
    square = mean(x * x)
    return mean(np.where(np.isfinite(flank), flank, 0.0)), mean(x * y) * np.sqrt(12 / np.maximum(square, 1))


def _repeated(s: Streaks, excess: np.ndarray, again: Sequence[np.ndarray], those: np.ndarray) -> np.ndarray:
    """Streaks (n,) that stand out as much in another image of the same place; only `those` are looked at."""
    out = np.zeros(s.n, bool)
    for image in map(np.ascontiguousarray, again):
        some = (those & ~out)[s.label]
        left, own = s.only(some), excess[some]
        shown = left.excess(image)
        if not len(own) or np.array_equal(shown, own):  # a frame that was recorded twice is no second look
            continue
        enough = np.maximum(AGAIN * s.sum(excess**2), 1e-300)
        out |= left.sum(shown * own) > enough
        some = ~out[left.label]
        left, own = left.only(some), own[some]
        for dy, dx in MOVED if len(own) else ():
            out |= left.sum(left.excess(image, dy, dx) * own) > enough
    return out


def _outstanding(s: Streaks, z: np.ndarray, found: np.ndarray) -> np.ndarray:
    """By how much (n,) a streak stands out of what is above and below it and all others that touch it, on average.

    What is left of the surface between two scars does not.
    """
    above, below = _beyond(found, s.row, s.column, UP | DOWN)
    share = (s.row - above) / (below - above)
    return s.sum(replace(s, above=above, below=below, share=share).excess(z)) / s.size


def _apart(
    s: Streaks, found: np.ndarray, scar: np.ndarray, size: np.ndarray, max_width: int, before: np.ndarray | None
) -> np.ndarray:
    """Streaks (n,) that are scars even with what touches them, to whichever side that stands out; size: how far (n,).

    Beside a scar, and beside a fibre, what is left of the surface looks like a streak to the other side. So where
    several together are thicker than a scar, none is one but the greatest and those to its side; and none at all
    beside a greater one that is no scar.
    """
    if before is None:
        pixels = np.flatnonzero(found != 0)
    else:
        pixels = np.flatnonzero((found != 0) | before)
    row = pixels // found.shape[1]
    column = pixels - row * found.shape[1]
    n, region = connected(row, column, found.shape[1])
    first, last = _ends(n, region, row)
    mended = np.zeros(n, bool)
    if before is not None:
        mended[region[before[row, column]]] = True
    one = np.empty(s.n, int)  # a pixel of each streak
    one[s.label] = np.arange(len(s.label))
    at = region[np.searchsorted(pixels, s.row[one] * found.shape[1] + s.column[one])]
    greatest = np.zeros(n)
    np.maximum.at(greatest, at, size)
    strongest = size == greatest[at]
    of_sample = np.zeros(n, bool)
    of_sample[at[strongest & ~scar]] = True
    thick = (last - first >= max_width)[at]
    side = np.zeros(n)
    side[at[strongest]] = s.sign[one[strongest]]
    return scar & ~of_sample[at] & (~thick | ((s.sign[one] == side[at]) & ~mended[at]))
