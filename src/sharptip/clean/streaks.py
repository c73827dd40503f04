"""Which of the streaks that look like scars are on the sample after all?

A scar begins and ends with the time of its lines, and the lines above and below know nothing of it. Rims of rings,
fibres and rods that lie near the fast axis do otherwise: they are thicker than a scar, go on from line to line with a
steady shift, have flanks, or are lower in their outer lines than in the middle ones; and they are there again in the
way back and in the next frame. What lies within few lines, is as high in each of them, and was looked at but once, is
not told from a scar by anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

FLANKS = 0.2  # of a scar's height: what the lines beside it have of it, at most, in the mean of both sides
OUTER = 0.8  # of the inner lines' height: what the outer lines of a scar have, at least
SHIFT = 0.5  # lines by which a scar moves from one end to the other, at most
AGAIN = 0.5  # of a scar's height: what another look at the same place shows of it, at most
MOVED = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-6, 0, 6))  # lines and pixels by which that look may be off
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

    @classmethod
    def of(cls, found: np.ndarray) -> Streaks:
        """found: (y, x) of the bits UP and DOWN."""
        n, parts = 0, []
        for sign, mask in ((1.0, found & UP > 0), (-1.0, found & DOWN > 0)):
            label, row, column = connected(mask)
            parts.append((label + n, row, column, *_around(mask, row, column), np.full(len(row), sign)))
            n += int(label.max(initial=-1)) + 1
        return cls(n, *(np.concatenate(values) for values in zip(*parts, strict=True)))

    def mean(self, values: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Mean of `values` over the pixels of each streak (n,) that are known and `where`; 0 where there is none."""
        where = where & np.isfinite(values)
        label = self.label[where]
        return np.bincount(label, values[where], self.n) / np.maximum(np.bincount(label, minlength=self.n), 1)

    def excess(self, z: np.ndarray) -> np.ndarray:
        """(pixel,): how far z (y, x) stands out of what is above and below the streak, to the side of the streak."""
        top, bottom = np.maximum(self.above, 0), np.minimum(self.below, len(z) - 1)
        share = (self.row - self.above) / (self.below - self.above)
        beside = (1 - share) * z[top, self.column] + share * z[bottom, self.column]
        out = self.sign * (z[self.row, self.column] - beside)
        return np.where(np.isfinite(out), out, 0.0)


def connected(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the region, row and column of each pixel (pixel,) of a mask (y, x); pixels touch by their corners too.

    Ten times faster than to label an image, where there is little in it.
    """
    wide = mask.shape[1] + 1  # lines are parted by a pixel
    flat = np.zeros((len(mask), wide), bool)
    flat[:, :-1] = mask
    flat = flat.ravel()
    start, stop = (np.flatnonzero(flat[1:] != flat[:-1]) + 1 if not flat[0] else np.append(
        0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)).reshape(-1, 2).T  # fmt: skip
    first, last = np.searchsorted(stop, start + wide), np.searchsorted(start, stop + wide, side="right")
    one, other = _ranges(first, np.maximum(last - first, 0))
    number = connected_components(coo_matrix((np.ones(len(one), bool), (one, other)), (len(start),) * 2), False)[1]
    run, pixel = _ranges(start, stop - start)
    return number[run].astype(int), *divmod(pixel, wide)


def _ranges(first: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the ranges, and what is in them, one behind the other."""
    which = np.repeat(np.arange(len(first)), length)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(length) - length - first, length)


def _around(mask: np.ndarray, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the nearest pixels above and below that are not in the mask; −1 and the number of lines beyond the edge."""
    above, below = row - 1, row + 1
    while (more := (above >= 0) & mask[above, column]).any():
        above = above - more
    while (more := (below < len(mask)) & mask[np.minimum(below, len(mask) - 1), column]).any():
        below = below + more
    return above, below


def likely_scars(
    z: np.ndarray, found: np.ndarray, max_width: int, before: np.ndarray | None = None, again: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Mask (y, x) of the streaks `found` (y, x; bits UP and DOWN) that nothing tells to be on the sample.

    z: the image (y, x). before: mask (y, x) of what was mended already; with it no region may become thicker than
    `max_width` lines. again: images (y, x) of the same place, the way back or the frames next to this one.
    """
    streaks = Streaks.of(found)
    out = np.zeros(z.shape, bool)
    if streaks.n:
        excess = streaks.excess(z)
        scar = ~(_shaped(streaks, z, excess, max_width) | _repeated(streaks, excess, again))
        kept = _apart(streaks, found, scar, np.bincount(streaks.label, excess, streaks.n), max_width, before)
        chosen = kept[streaks.label]
        out[streaks.row[chosen], streaks.column[chosen]] = True
    return out


def _shaped(s: Streaks, z: np.ndarray, excess: np.ndarray, max_width: int) -> np.ndarray:
    """Streaks (n,) of a shape that no scar has."""
    first, last = np.full(s.n, len(z)), np.zeros(s.n, int)
    np.minimum.at(first, s.label, s.row)
    np.maximum.at(last, s.label, s.row)
    height = np.maximum(s.mean(excess, np.ones(len(excess), bool)), 1e-300)
    top, bottom = s.above == s.row - 1, s.below == s.row + 1
    flanks = [
        s.mean(s.sign * (z[near, s.column] - z[far, s.column]), edge & (far == beyond))
        for edge, near, beyond in ((top, np.maximum(s.above, 0), s.above - 1), (bottom, np.minimum(s.below, len(z) - 1), s.below + 1))
        for far in (np.clip(beyond, 0, len(z) - 1),)
    ]
    outer = (s.row == first[s.label]) | (s.row == last[s.label])
    inner = s.mean(excess, ~outer)
    shifts = [_shift(s, edge) for edge in (top, bottom)]
    return (
        (last - first >= max_width)
        | (np.mean(flanks, axis=0) > FLANKS * height)
        | (s.mean(excess, outer) < OUTER * inner)
        | ((np.abs(shifts).min(axis=0) > SHIFT) & (shifts[0] * shifts[1] > 0))
    )


def _shift(s: Streaks, edge: np.ndarray) -> np.ndarray:
    """Lines (n,) by which an edge, the pixels (pixel,) that are True, moves from the streak's left end to its right."""
    column = s.column - s.mean(s.column.astype(float), edge)[s.label]
    row = s.row - s.mean(s.row.astype(float), edge)[s.label]
    square = s.mean(column**2, edge)
    return s.mean(column * row, edge) / np.maximum(square, 1) * np.sqrt(12 * square)


def _repeated(s: Streaks, excess: np.ndarray, again: Sequence[np.ndarray]) -> np.ndarray:
    """Streaks (n,) that stand out as much in another image of the same place."""
    own = np.maximum(np.bincount(s.label, excess**2, s.n), 1e-300)
    out = np.zeros(s.n, bool)
    for image in again:
        for dy, dx in MOVED:
            other = s.excess(np.roll(image, (dy, dx), (0, 1)))
            out |= np.bincount(s.label, other * excess, s.n) > AGAIN * own
    return out


def _apart(
    s: Streaks, found: np.ndarray, scar: np.ndarray, size: np.ndarray, max_width: int, before: np.ndarray | None
) -> np.ndarray:
    """Streaks (n,) that are scars even with what touches them, to whichever side that stands out.

    Beside a scar, and beside a fibre, what is left of the surface looks like a streak to the other side. So where
    several together are thicker than a scar, none but the greatest is one; and none at all beside a greater one that
    is no scar.
    """
    mask = found > 0 if before is None else (found > 0) | before
    region, row, column = connected(mask)
    flat = row * mask.shape[1] + column
    n = int(region.max()) + 1
    first, last, mended = np.full(n, len(mask)), np.zeros(n, int), np.zeros(n, bool)
    np.minimum.at(first, region, row)
    np.maximum.at(last, region, row)
    if before is not None:
        mended[region[before[row, column]]] = True
    one = np.unique(s.label, return_index=True)[1]  # a pixel of each streak
    at = region[np.searchsorted(flat, s.row[one] * mask.shape[1] + s.column[one])]
    greatest = np.zeros(n)
    np.maximum.at(greatest, at, size)
    strongest = size == greatest[at]
    of_sample = np.zeros(n, bool)
    of_sample[at[strongest & ~scar]] = True
    thick = (last - first >= max_width)[at]
    return scar & ~of_sample[at] & (~thick | (strongest & ~mended[at]))
