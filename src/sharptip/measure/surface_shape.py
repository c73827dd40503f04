"""How steep is a surface, how many hills has it, and what do its level sets look like?

Hybrid and feature parameters of ISO 25178-2:2021, Minkowski numbers of level sets and grey-level co-occurrence.
Images are (y, x) on pixels of (dy, dx) metres, not necessarily square.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.feature import graycomatrix, graycoprops
from skimage.morphology import local_maxima, reconstruction

PRUNING = 0.05  # of Sz: a hill that rises less above the saddle to a higher one is none (Wolf pruning)
LEVELS = (-1.0, 0.0, 1.0)  # heights, in units of Sq from the mean, at which level sets are measured
GREYS = 32  # of the co-occurrence matrix, spread over ±3 Sq


def gradient(z: np.ndarray, pixel_size: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(∂z/∂y, ∂z/∂x) of the inner pixels (y−2, x−2), by central differences over two pixels; NaN beside NaN."""
    dy, dx = pixel_size
    return (z[2:, 1:-1] - z[:-2, 1:-1]) / (2 * dy), (z[1:-1, 2:] - z[1:-1, :-2]) / (2 * dx)


def hybrid_parameters(z: np.ndarray, pixel_size: tuple[float, float]) -> dict[str, float]:
    """Sdq, the rms gradient, and Sdr, the area of the surface beyond that of its map, as a share of the latter.

    Sdr means something for heights only, where z and the pixels have one unit.
    """
    slope2 = np.square(gradient(z, pixel_size)).sum(axis=0)
    return {"Sdq": float(np.sqrt(np.nanmean(slope2))), "Sdr": float(np.nanmean(np.sqrt(1 + slope2) - 1))}


def feature_parameters(z: np.ndarray, pixel_size: tuple[float, float]) -> dict[str, float]:
    """Spd (hills per m²), Spc (their mean curvature, −½∇²z at the top) and S10z of a complete image.

    Hills are the peaks that rise by 5 % of Sz at least above the saddle to a higher one; those on the image's rim are
    left out, for they may be slopes. S10z is the mean height of the five highest hills plus the mean depth of the
    five deepest dales, NaN where there are fewer.
    """
    area = z.size * pixel_size[0] * pixel_size[1]
    hills, dales = find_hills(z), find_hills(-z)
    bent = _laplacian(z, pixel_size)
    spc = float(-0.5 * bent[hills[:, 0] - 1, hills[:, 1] - 1].mean()) if len(hills) else float("nan")
    top, low = (np.sort(z[tuple(where.T)]) for where in (hills, dales))
    s10z = float(top[-5:].mean() - low[:5].mean()) if min(len(top), len(low)) >= 5 else float("nan")
    return {"Spd": len(hills) / area, "Spc": spc, "S10z": s10z}


def find_hills(z: np.ndarray, pruning: float = PRUNING) -> np.ndarray:
    """Tops (n, 2) as (row, column) of the hills of an image that survive pruning, without those on the rim.

    Lowering the image by the pruning height and growing it back under itself leaves one flat top per hill that stands
    out by that much (Vincent, IEEE Trans. Image Process. 2, 176 (1993)); the highest pixel under it is the top.
    """
    depth = pruning * float(np.ptp(z))
    if depth == 0:
        return np.zeros((0, 2), int)
    grown = reconstruction(z - depth, z, method="dilation")
    flats, number = ndimage.label(local_maxima(grown, connectivity=2, allow_borders=True), np.ones((3, 3)))
    tops = np.array(ndimage.maximum_position(z, flats, np.arange(1, number + 1)), int).reshape(-1, 2)
    rim = (tops == 0).any(axis=1) | (tops == np.array(z.shape) - 1).any(axis=1)
    return tops[~rim]


def _laplacian(z: np.ndarray, pixel_size: tuple[float, float]) -> np.ndarray:
    dy, dx = pixel_size
    inner = z[1:-1, 1:-1]
    return (z[2:, 1:-1] - 2 * inner + z[:-2, 1:-1]) / dy**2 + (z[1:-1, 2:] - 2 * inner + z[1:-1, :-2]) / dx**2


def minkowski_numbers(mask: np.ndarray, pixel_size: tuple[float, float]) -> tuple[float, float, float]:
    """Share of the area, length of the boundary (1/m) and Euler number (1/m²) per area, of a mask (y, x).

    The boundary is counted on lines of four directions (Crofton's formula), each direction standing for the angles
    nearest to it. The Euler number is the mean of that of 4- and of 8-neighbours, so that a mask and its complement
    differ in sign alone; the image's own border is no boundary.
    """
    dy, dx = pixel_size
    diagonal = np.hypot(dy, dx)
    tilt = np.arctan2(dy, dx)  # of the diagonals: directions 0, tilt, π/2, π − tilt
    counted = [  # neighbours that differ, the distance of two such lines, and the angles they stand for
        (mask[:, 1:] != mask[:, :-1], dy, tilt),
        (mask[1:] != mask[:-1], dx, np.pi / 2 - tilt),
        (mask[1:, 1:] != mask[:-1, :-1], dy * dx / diagonal, np.pi / 4),
        (mask[1:, :-1] != mask[:-1, 1:], dy * dx / diagonal, np.pi / 4),
    ]
    # lines of one direction that fill the image hold as many pairs as `crossed` has pixels
    length = sum(crossed.mean() * apart * angle / 2 for crossed, apart, angle in counted) / (dy * dx)
    four = mask[1:, 1:].astype(int) + mask[1:, :-1] + mask[:-1, 1:] + mask[:-1, :-1]
    euler = (np.mean(four == 1) - np.mean(four == 3)) / 4 / (dy * dx)
    return float(mask.mean()), float(length), float(euler)


def level_sets(z: np.ndarray, pixel_size: tuple[float, float]) -> dict[str, float]:
    """Minkowski numbers of what is higher than the mean and one Sq below and above it: `area`, `edge`, `euler` each.

    NaN throughout for a flat image.
    """
    centre, sq = float(z.mean()), float(z.std())
    out: dict[str, float] = {}
    for level in LEVELS:
        found = minkowski_numbers(z > centre + level * sq, pixel_size) if sq > 0 else (float("nan"),) * 3
        out |= {f"{kind}_{level:+.0f}": value for kind, value in zip(("area", "edge", "euler"), found, strict=True)}
    return out


def co_occurrence(z: np.ndarray) -> dict[str, float]:
    """Contrast, homogeneity, energy and correlation of neighbouring grey levels (Haralick 1973), over four directions.

    32 grey levels over ±3 Sq, neighbours one pixel apart: these depend on the pixel size. NaN for a flat image.
    """
    names = ("contrast", "homogeneity", "energy", "correlation")
    sq = float(z.std())
    if sq == 0:
        return {f"glcm_{name}": float("nan") for name in names}
    level = np.clip(((z - z.mean()) / (6 * sq) + 0.5) * GREYS, 0, GREYS - 1).astype(np.uint8)
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    pairs = graycomatrix(level, [1], angles, levels=GREYS, symmetric=True, normed=True)
    return {f"glcm_{name}": float(graycoprops(pairs, name).mean()) for name in names}
