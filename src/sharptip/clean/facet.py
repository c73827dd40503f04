"""Which flat parts are there, and how do they lie? The image is turned until most of its facets are level.

The slopes of neighbours are averaged with weights that fall with their distance from the slope found so far, and
narrower from round to round, down to the noise of a slope: on a crystal with many steps, the terraces win over the mean
slope of the staircase.

They win only where a facet dominates: where the slopes about the one found scatter no more than their noise, which is
far less than slopes scatter in all, and where no other slope is as frequent. Rough surfaces, lattices of atoms, grains
and crystals whose sides are alike have no such slope, and what was found would be some slope by chance. So would it be
where the noise hides the facets.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from ..core.history import step
from .channel import each_image, on_images
from .digits import digitising_step, dithered
from .flatten import NoSubstrate, in_a_line
from .large_enough import large_enough
from .plane import plane_fit

ROUNDS = 60  # of narrowing at most; the weights settle in fewer
APART = 2  # pixels between two slopes that share no pixel, and tell the noise
REACH = 3.0  # noises of a slope about the facet's, within which a slope is of it
NARROW = 0.7  # of the spread of all slopes: noise above it hides the facets
SHARP = 1.15  # noises that the slopes of a facet scatter at most; those of a surface without one fill the reach: 1.3
ALONE = 0.5  # of its frequency that another slope has at most
AGREE = 4.0  # standard errors of the facet's slope within which a plane through everything has it, and knows it better
FLAT = 1.15  # noises of a pixel, which are those of a slope, that a plane leaves of an image that is flat
NEAR = 40  # noises about the facet's slope in which others are looked for
GENTLE = 1e-3  # of the spread of all slopes, the least noise: what was computed has none


class _Slopes(NamedTuple):
    """What neighbours differ by, along a line and down, one number for each 2 × 2 pixels that are there; their spread,
    and their noise, of one direction."""

    along: np.ndarray
    down: np.ndarray
    spread: float
    noise: float


def facet_fit(z: np.ndarray) -> np.ndarray:
    """Plane (y, x) through zero with the slopes of the flat parts of one image z (y, x); by least squares, through the
    mean, where no facet dominates."""
    return _levelling(z)[0]


def _levelling(z: np.ndarray) -> tuple[np.ndarray, str]:
    """The plane (y, x) to take off, and what to say where no facet dominates."""
    ny, nx = z.shape
    slopes = _slopes(z)
    if slopes is None:
        return np.zeros(z.shape), ""
    down, along = _mode(slopes)
    plane = plane_fit(z)
    if not _dominates(slopes, down, along):
        flat = float(np.nanstd(z - plane)) <= FLAT * slopes.noise  # the image is a single facet
        return plane, "" if flat else "no facet dominates: levelled by a plane"
    error = slopes.noise * np.sqrt(len(slopes.along) / 4) ** -1  # four slopes share each pixel
    of_all = plane[1, 0] - plane[0, 0], plane[0, 1] - plane[0, 0]
    if max(abs(of_all[0] - down), abs(of_all[1] - along)) <= AGREE * error:
        return plane, ""
    return along * np.arange(nx)[None, :] + down * np.arange(ny)[:, None], ""


def _slopes(z: np.ndarray) -> _Slopes | None:
    """None where there are none, or all are the same."""
    if min(z.shape) <= APART + 1:
        return None
    z = dithered(z, digitising_step(z))
    here = z[:-1, :-1]
    along = ((z[:-1, 1:] - here) + (z[1:, 1:] - z[1:, :-1])) / 2
    down = ((z[1:, :-1] - here) + (z[1:, 1:] - z[:-1, 1:])) / 2
    known = np.isfinite(along) & np.isfinite(down)
    if not known.any():
        return None
    noise = max(_scatter(s) for s in (along, down))
    along, down = along[known], down[known]
    spread = float(np.sqrt(((along - np.median(along)) ** 2 + (down - np.median(down)) ** 2).mean() / 2))
    return _Slopes(along, down, spread, max(noise, GENTLE * spread)) if spread > 0 else None


def _scatter(slope: np.ndarray) -> float:
    """Standard deviation of the noise of slopes (y, x), from what those that share no pixel differ by."""
    found = []
    for apart in (slope[:, APART:] - slope[:, :-APART], slope[APART:] - slope[:-APART]):
        apart = np.abs(apart[np.isfinite(apart)])
        found.append(float(np.median(apart)) / (0.6745 * np.sqrt(2)) if apart.size else 0.0)
    return max(found)


def _mode(slopes: _Slopes) -> tuple[float, float]:
    """The slope (down, along) that is most frequent about the median, to within the noise."""
    x, y = float(np.median(slopes.along)), float(np.median(slopes.down))
    width = max(np.sqrt(2) * slopes.spread, slopes.noise)
    for _ in range(ROUNDS):
        weight = np.exp(-((slopes.along - x) ** 2 + (slopes.down - y) ** 2) / (2 * width**2))
        total = float(weight.sum())
        if not total > 0:
            break
        moved = float(weight @ slopes.along) / total, float(weight @ slopes.down) / total
        settled = max(abs(moved[0] - x), abs(moved[1] - y)) < 1e-6 * width
        x, y = moved
        if settled and width <= slopes.noise:
            break
        width = max(0.8 * width, slopes.noise)
    return y, x


def _dominates(slopes: _Slopes, down: float, along: float) -> bool:
    """Whether that slope is a facet's, and no other is as frequent."""
    if slopes.noise > NARROW * slopes.spread:
        return False
    off = (slopes.along - along) ** 2 + (slopes.down - down) ** 2
    near = off[off <= (REACH * slopes.noise) ** 2]
    scatter = float(np.sqrt(near.mean() / 2)) if near.size else np.inf
    return scatter <= SHARP * slopes.noise and _second(slopes, down, along) <= ALONE


def _second(slopes: _Slopes, down: float, along: float) -> float:
    """How frequent the most frequent other slope is, as a share of this one's frequency."""
    places = [np.rint((slopes.down - down) / slopes.noise), np.rint((slopes.along - along) / slopes.noise)]
    near = (np.abs(places[0]) <= NEAR) & (np.abs(places[1]) <= NEAR)
    i, j = (place[near].astype(int) + NEAR for place in places)
    side = 2 * NEAR + 1
    count = np.bincount(i * side + j, minlength=side**2).reshape(side, side).astype(float)
    count = gaussian_filter(count, 1, mode="constant")
    y, x = np.mgrid[-NEAR : NEAR + 1, -NEAR : NEAR + 1]
    this = count[NEAR - 1 : NEAR + 2, NEAR - 1 : NEAR + 2].max()
    return float(count[y**2 + x**2 > (REACH + 1) ** 2].max() / this) if this > 0 else np.inf


@step
def facet(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """Level a channel so that its largest flat facets are horizontal; the mean height of the image stays.

    For steps and crystal faces, where a plane through everything tilts the terraces. An image in which no facet
    dominates (grains, a rough surface, atoms, sides that are alike, noise steeper than the facets: coarsen first) is
    levelled by a plane: a warning says so, and the channel's attribute `levelled`. Raises ChannelError for a channel
    that is not there, ScanError for one that is no image, or of fewer than 8 lines or columns.
    """
    told: list[str] = []

    def change(image: np.ndarray) -> np.ndarray:
        plane, said = _levelling(large_enough(image, "facet"))
        told.append(said)
        return image - (plane - plane.mean())

    out = on_images(scan, channel, lambda z: each_image(z, change))
    if said := in_a_line(told):
        warnings.warn(f"{channel}: {said}", NoSubstrate, stacklevel=3)
        out[channel].attrs["levelled"] = said
    return out
