"""How large are a network's holes, and how is its backbone connected?

A levelled height image of a network is cut by Otsu's threshold into backbone and holes; the holes are counted and
measured, and the backbone, thinned to its skeleton, gives lengths and the degrees of its nodes. Lengths that decide
(smoothing, local background, smallest hole, merging of junctions) are physical, so images of different pixel size
can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import skeletonize

SMOOTHING = 5e-9  # metres, Gaussian: about the tip's own blur, so that noise makes no holes
NEIGHBOURHOOD = 400e-9  # metres, side of the square whose mean is the local background: several meshes wide
SMALLEST = 150e-18  # m², a hole or a piece of backbone below this is noise: a few pixels of a fast scan
MERGE = 12e-9  # metres, junctions nearer than twice this are one: thinning splits a crossing of four in two of three
RIM = 32e-9  # metres from the border within which an end is none: the image cuts tubes, and thinning shortens them

UNITS: dict[str, str] = {
    "hole_density": "1/m^2",  # whole holes per area of the image
    "hole_area_mean": "m^2",
    "hole_area_median": "m^2",
    "hole_area_max": "m^2",
    "hole_fraction": "1",  # share of the image below the threshold, border holes included
    "hole_circularity": "1",  # mean of 4π·area/perimeter², 1 for a disc
    "length_density": "1/m",  # skeleton length per area
    "junction_density": "1/m^2",
    "end_fraction": "1",  # shares of all nodes: loose ends, junctions of three, of four and more
    "three_fraction": "1",
    "four_fraction": "1",
    "degree_mean": "1",  # mean branches of a node, a loose end counting one
    "Sq": "m",  # rms, skewness and kurtosis of the heights (ISO 25178-2)
    "Ssk": "1",
    "Sku": "1",
}


def network_morphology(height: np.ndarray, pixel_size: float) -> dict[str, float]:
    """The features named in `UNITS` of one network.

    height: (y, x) in metres, levelled; pixel_size: metres. NaN pixels are filled with the median and count as
    holes at most. Where there is no hole, or no node, the features that would describe it are zero.
    """
    z = np.asarray(height, dtype=float)
    z = np.where(np.isfinite(z), z, np.nanmedian(z) if np.isfinite(z).any() else 0.0)
    backbone = find_backbone(z, pixel_size)
    return _holes(backbone, pixel_size) | _skeleton(backbone, pixel_size) | _heights(z)


def feature_table(images: Iterable[np.ndarray], pixel_sizes: float | Sequence[float]) -> pd.DataFrame:
    """`network_morphology` of each image as a row; columns and units as in `UNITS`."""
    images = list(images)
    sizes = [float(pixel_sizes)] * len(images) if isinstance(pixel_sizes, (int, float)) else list(pixel_sizes)
    rows = [network_morphology(image, size) for image, size in zip(images, sizes, strict=True)]
    return pd.DataFrame(rows, columns=list(UNITS))


def find_backbone(z: np.ndarray, pixel_size: float) -> np.ndarray:
    """Mask (y, x) of the network in a levelled height image z (y, x), in metres: Otsu above the local background."""
    side = max(int(NEIGHBOURHOOD / pixel_size) | 1, 3)
    smooth = ndimage.gaussian_filter(z, SMOOTHING / pixel_size, truncate=3)
    local = smooth - ndimage.uniform_filter(smooth, side, mode="reflect")
    if np.ptp(local) <= 1e-9 * np.abs(z).max(initial=0.0):  # flat but for rounding
        return np.zeros(z.shape, bool)
    backbone = local > threshold_otsu(local)
    least = SMALLEST / pixel_size**2
    backbone = _without_small(backbone, least, np.ones((3, 3)))
    return ~_without_small(~backbone, least, None)


def _without_small(mask: np.ndarray, least: float, structure: np.ndarray | None) -> np.ndarray:
    labels, _ = ndimage.label(mask, structure)
    large = np.bincount(labels.ravel()) >= least
    large[0] = False
    return large[labels]


def _holes(backbone: np.ndarray, pixel_size: float) -> dict[str, float]:
    """Areas and roundness of the holes that lie wholly in view."""
    labels, number = ndimage.label(~backbone)
    area = np.bincount(labels.ravel(), minlength=number + 1).astype(float)
    whole = np.ones(number + 1, bool)
    whole[0] = False
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        whole[edge] = False
    size = area[whole] * pixel_size**2
    out = {"hole_density": len(size) / (backbone.size * pixel_size**2), "hole_fraction": float(1 - backbone.mean())}
    if len(size) == 0:
        return out | {"hole_area_mean": 0.0, "hole_area_median": 0.0, "hole_area_max": 0.0, "hole_circularity": 0.0}
    round_ = 4 * np.pi * area[whole] / perimeters(labels, number)[whole] ** 2
    return out | {
        "hole_area_mean": float(size.mean()),
        "hole_area_median": float(np.median(size)),
        "hole_area_max": float(size.max()),
        "hole_circularity": float(round_.mean()),
    }


def perimeters(labels: np.ndarray, number: int) -> np.ndarray:
    """Perimeter (number + 1,) in pixels of each label, by Crofton's formula with lines in four directions.

    Lines of one direction, a distance d apart, that cross a boundary n times give its length as (π/2)·n·d on
    average over directions. Diagonal lines through pixels are 1/√2 apart.
    """
    total = np.zeros(number + 1)
    grid = np.pad(labels, 1)
    ways = [(grid[:, 1:], grid[:, :-1], 1.0), (grid[1:], grid[:-1], 1.0)]
    ways += [(grid[1:, 1:], grid[:-1, :-1], 0.5**0.5), (grid[1:, :-1], grid[:-1, 1:], 0.5**0.5)]
    for here, there, distance in ways:
        crossed = here != there
        count = np.bincount(here[crossed], minlength=number + 1) + np.bincount(there[crossed], minlength=number + 1)
        total += count * distance
    return np.pi / 2 * total / 4


def _skeleton(backbone: np.ndarray, pixel_size: float) -> dict[str, float]:
    """Length and nodes of the thinned backbone."""
    skeleton = skeletonize(backbone)
    area = backbone.size * pixel_size**2
    ends, degrees = nodes(skeleton, MERGE / pixel_size, RIM / pixel_size)
    n = ends + len(degrees)
    return {
        "length_density": skeleton_length(skeleton) * pixel_size / area,
        "junction_density": len(degrees) / area,
        "end_fraction": ends / n if n else 0.0,
        "three_fraction": float((degrees == 3).sum()) / n if n else 0.0,
        "four_fraction": float((degrees >= 4).sum()) / n if n else 0.0,
        "degree_mean": (ends + float(degrees.sum())) / n if n else 0.0,
    }


def skeleton_length(skeleton: np.ndarray) -> float:
    """Length in pixels of thin lines: 0.948 per straight link and 1.340 per diagonal one.

    The weights have no bias over all directions of a line (Kulpa, Comput. Graph. Image Process. 6, 434 (1977)).
    """
    s = skeleton
    straight = int((s[:, 1:] & s[:, :-1]).sum()) + int((s[1:] & s[:-1]).sum())
    corner = s[:-1, :-1] & s[1:, 1:] & ~s[:-1, 1:] & ~s[1:, :-1]
    other = s[:-1, 1:] & s[1:, :-1] & ~s[:-1, :-1] & ~s[1:, 1:]
    return 0.948 * straight + 1.340 * int(corner.sum() + other.sum())


def nodes(skeleton: np.ndarray, merge: float, rim: float = 1.0) -> tuple[int, np.ndarray]:
    """Number of loose ends, and the degree of each junction, of a skeleton (y, x).

    Junction pixels within `merge` pixels of one another's reach are one junction, and its degree is the number of
    branches that leave it; spurs that do not get out of it are not counted, nor ends within `rim` pixels of the border.
    """
    eight = np.ones((3, 3))
    neighbours = ndimage.uniform_filter(skeleton.astype(np.float32), 3, mode="constant") * 9
    neighbours = np.rint(neighbours).astype(int) - skeleton
    branching = skeleton & (neighbours >= 3)
    reach = ndimage.distance_transform_edt(~branching) <= merge if branching.any() else branching
    clusters, number = ndimage.label(reach, eight)
    touched = ndimage.maximum_filter(clusters, size=3)
    contact = skeleton & ~reach & (touched > 0)
    pieces, count = ndimage.label(contact, eight)
    owner = np.zeros(count + 1, int)
    owner[pieces[contact]] = touched[contact]
    degrees = np.bincount(owner[1:], minlength=number + 1)[1:]
    inner = np.zeros(skeleton.shape, bool)
    border = max(int(np.ceil(rim)), 1)
    inner[border:-border, border:-border] = True
    ends = int((skeleton & ~reach & (neighbours == 1) & inner).sum())
    return ends, degrees[degrees >= 3]


def _heights(z: np.ndarray) -> dict[str, float]:
    """Root mean square, skewness and kurtosis of the heights about their mean; zero on a flat image."""
    off = z - z.mean()
    sq = float(np.sqrt(np.mean(off**2)))
    if sq <= 1e-12 * np.abs(z).max(initial=0.0):
        return {"Sq": 0.0, "Ssk": 0.0, "Sku": 0.0}
    reduced = off / sq
    square = reduced * reduced
    return {"Sq": sq, "Ssk": float(np.mean(square * reduced)), "Sku": float(np.mean(square * square))}
