"""Where are the dangling bonds of a scan, and what does each look like by itself?

A dangling bond on H:Si(100) is a nearly point-like source of 0.7–1.2 nm: its picture is a picture of the tip. Bright
spots are found with a Laplacian of Gaussian of the bond's own size, kept if they are as large as a bond, whole and
alone, and cut out centred to a fraction of a pixel. All lengths are physical, so scans of any pixel size give crops
alike. The least size and the exclusion of neighbours follow the published conditioning codes (Rashidi & Wolkow, ACS
Nano 12, 5185 (2018)).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import ndimage

from ..core.errors import ModelError
from ..core.grid import Axis
from ..core.history import step
from ..core.scan import channel as channel_of
from ..core.scan import label
from ..core.scan import pixel_size as pixel_size_of

BOND = 0.4e-9  # metres, standard deviation of a bond of 0.95 nm at half height
LEAST = 0.9e-9  # metres, smallest diameter of a bright spot at LEVEL of its height
LARGEST = 3.0e-9  # metres; a bond and its twin are smaller, lumps of dirt are not
ATOMS = 0.2e-9  # metres, Gaussian that hides the lattice while a spot is measured
FLOOR = 25  # percentile of the heights around a spot that is taken for what it stands on
LEVEL = 0.3  # of the spot's height above what is around it
TWIN = 1.4e-9  # metres within which a fainter spot may be the same bond, seen by a second apex
ALONE = 2.6e-9  # metres to the next bond: twice half a crop, less than that and one is in the other's picture
OUTSTANDING = 8.0  # robust spreads of the filtered image above which a spot is no noise
SPACING = 0.1e-9  # metres per pixel of a crop
SIDE = 28  # pixels of a crop, the side the published networks read

UNITS = {"y": "m", "x": "m", "height": "m", "diameter": "m"}


def find_bonds(height: np.ndarray, pixel_size: float, *, alone: float = ALONE) -> pd.DataFrame:
    """Bonds of a levelled image (y, x) in metres, square pixels of `pixel_size` metres; brightest first.

    Columns as in UNITS: the centre counted from the middle of pixel (0, 0), the height above the surroundings, the
    diameter of a disc of the spot's area at LEVEL. Left out: spots nearer to the border than half a crop, smaller
    than LEAST, larger than LARGEST, and nearer than `alone` (metres) to another bond. NaN pixels are filled, and
    what touches one is left out.
    """
    lost = ~np.isfinite(height)
    z = np.where(lost, np.nanmedian(height) if not lost.all() else 0.0, height)
    reduced = BOND / pixel_size
    response = -(reduced**2) * ndimage.gaussian_laplace(z, reduced, truncate=4)
    smooth = ndimage.gaussian_filter(z, ATOMS / pixel_size)
    peaks = _peaks(response, TWIN / pixel_size)
    columns: dict[str, list[float]] = {name: [] for name in UNITS}
    for row, column in peaks[_far_apart(peaks, alone / pixel_size)]:
        if not _whole(row, column, lost, pixel_size):
            continue
        size, tall = _spot(smooth, row, column, pixel_size)
        if not LEAST <= size <= LARGEST:
            continue
        centre = _subpixel(response, row, column) * pixel_size
        for name, value in zip(UNITS, (*centre, tall, size), strict=True):
            columns[name].append(float(value))
    return pd.DataFrame(columns).sort_values("height", ascending=False, ignore_index=True)


def crops(height: np.ndarray, pixel_size: float, centres: np.ndarray, *, side: int = SIDE, spacing: float = SPACING
          ) -> np.ndarray:  # fmt: skip
    """(n, side, side) pictures of `spacing` metres per pixel around centres (n, 2) metres, linearly interpolated."""
    u = (np.arange(side) - (side - 1) / 2) * spacing
    out = np.empty((len(centres), side, side))
    for i, (y, x) in enumerate(np.asarray(centres, float).reshape(-1, 2)):
        grid = np.meshgrid((y + u) / pixel_size, (x + u) / pixel_size, indexing="ij")
        out[i] = ndimage.map_coordinates(height, grid, order=1, mode="nearest")
    return out


@step
def bond_crops(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """The scan's bonds, each on SIDE × SIDE pixels of SPACING, one below the other: a scan (n·SIDE, SIDE).

    Scans of finer pixels are first averaged over whole blocks of them, so noise does not depend on the pixel size.
    A constant or too small channel comes back as it was, for others to refuse. Raises ModelError where no bond is
    whole and alone, or the size of the scan is not known.
    """
    values = channel_of(scan, channel).transpose("y", "x").values.astype(float)
    finite = values[np.isfinite(values)]
    if not finite.size or np.ptp(finite) == 0 or min(values.shape) < 8:
        return scan
    if scan.attrs.get("size") == "unknown":
        raise ModelError(
            f"{label(scan)} has no known size, so its bonds cannot be told; read it with size=(…) in metres"
        )
    z, pixel = coarser(values, pixel_size_of(scan))
    found = find_bonds(z, pixel)
    if found.empty:
        raise ModelError(
            f"{label(scan)}: no dangling bond was found that is whole and alone ({LEAST * 1e9:g} nm or larger, "
            f"{SIDE * SPACING / 2 * 1e9:g} nm from the border); scan an area with bonds on it"
        )
    cut = crops(z, pixel, found[["y", "x"]].to_numpy())
    data = cut.reshape(-1, SIDE)
    axes = {d: Axis.regular(n, SPACING) for d, n in zip(("y", "x"), data.shape, strict=True)}
    coords = {d: xr.Variable((d,), a.values, {"units": "m"}) for d, a in axes.items()}
    return xr.Dataset({channel: xr.Variable(("y", "x"), data, scan[channel].attrs)}, coords, scan.attrs)


def coarser(values: np.ndarray, pixels: tuple[float, float]) -> tuple[np.ndarray, float]:
    """(image, pixel size): square pixels nearest to SPACING by averaging blocks of 1, 2, 4, … pixels.

    values (y, x) of `pixels` (dy, dx) metres; pixels that are not square are made so along y.
    """
    dy, dx = pixels
    if abs(dy / dx - 1) > 0.01:
        rows = np.arange(max(round(values.shape[0] * dy / dx), 2)) * dx / dy
        columns = np.arange(values.shape[1])
        values = ndimage.map_coordinates(values, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest")
    block = 2 ** max(round(np.log2(SPACING / dx)), 0)
    h, w = values.shape[0] // block, values.shape[1] // block
    return values[: h * block, : w * block].reshape(h, block, w, block).mean(axis=(1, 3)), dx * block


def _peaks(response: np.ndarray, reach: float) -> np.ndarray:
    """(n, 2) local maxima that stand out, highest first, each the highest within `reach` pixels."""
    spread = 1.4826 * np.median(np.abs(response - np.median(response)))
    top = response == ndimage.maximum_filter(response, size=3)
    peaks = np.argwhere(top & (response > OUTSTANDING * spread) & (response > 0))
    peaks = peaks[np.argsort(-response[tuple(peaks.T)], kind="stable")]
    kept: list[np.ndarray] = []
    for p in peaks:
        if all(np.hypot(*(p - q)) > reach for q in kept):
            kept.append(p)
    return np.array(kept, int).reshape(-1, 2)


def _far_apart(peaks: np.ndarray, distance: float) -> np.ndarray:
    """Mask (n,) of peaks with no other nearer than `distance` pixels."""
    apart = np.hypot(*(peaks[:, None] - peaks[None]).transpose(2, 0, 1)) if len(peaks) else np.zeros((0, 0))
    return (apart + np.diag(np.full(len(peaks), np.inf))).min(axis=1, initial=np.inf) > distance


def _whole(row: int, column: int, lost: np.ndarray, pixel_size: float) -> bool:
    """Whether the whole crop around a pixel is inside the image and none of it was lost."""
    half = int(np.ceil((SIDE - 1) / 2 * SPACING / pixel_size))
    if min(row, column) < half or row + half >= lost.shape[0] or column + half >= lost.shape[1]:
        return False
    return not lost[row - half : row + half + 1, column - half : column + half + 1].any()


def _spot(z: np.ndarray, row: int, column: int, pixel_size: float) -> tuple[float, float]:
    """(diameter, height) in metres of the bright spot around a pixel; no diameter for one that has no end in reach."""
    half = int(np.ceil(LARGEST / pixel_size / 1.5))
    top, left = max(row - half, 0), max(column - half, 0)
    part = z[top : row + half + 1, left : column + half + 1]
    floor = float(np.percentile(part, FLOOR))
    tall = float(z[row, column]) - floor
    labels, _ = ndimage.label(part > floor + LEVEL * tall)
    own = labels == labels[row - top, column - left]
    if tall <= 0 or own[[0, -1]].any() or own[:, [0, -1]].any():  # the edge of a terrace, or a ridge
        return 0.0, tall
    return 2 * float(np.sqrt(own.sum() / np.pi)) * pixel_size, tall


def _subpixel(response: np.ndarray, row: int, column: int) -> np.ndarray:
    """(2,) position of a peak in pixels, by a parabola through three pixels along each axis."""
    centre = []
    for i, line in ((row, response[:, column]), (column, response[row])):
        a, b, c = line[i - 1], line[i], line[i + 1]
        bend = a - 2 * b + c
        centre.append(i + (0.5 * (a - c) / bend if bend < 0 else 0.0))
    return np.array(centre)


def second_peak(crop: np.ndarray) -> float:
    """How high the autocorrelation of a bond's crop (y, x) stands beyond its first valley, relative to its middle.

    A twin gives the autocorrelation a second peak at its own offset. The largest value, over directions, of a rise
    after a fall; 0 where it only falls. Offsets up to half the crop.
    """
    z = crop - np.median(crop)
    z = np.clip(z, 0.2 * z.max(), None) - 0.2 * z.max()
    n = crop.shape[0]
    power = np.abs(np.fft.rfft2(z, s=(2 * n, 2 * n))) ** 2
    correlation = np.fft.fftshift(np.fft.irfft2(power, s=(2 * n, 2 * n)))
    ways, radii = np.linspace(0, np.pi, 24, endpoint=False), np.arange(0, n // 2 + 1, 0.5)
    grid = [n + np.outer(f(ways), radii) for f in (np.sin, np.cos)]
    lines = ndimage.map_coordinates(correlation, grid, order=1) / max(correlation[n, n], np.finfo(float).tiny)
    valley = np.minimum.accumulate(lines, axis=1)
    return float((lines - valley).max())


def roundness(crop: np.ndarray) -> float:
    """Smaller over larger second moment of a bond's crop (y, x) above LEVEL of its height: 1 for a disc."""
    z = crop - np.percentile(crop, FLOOR)
    middle = [n // 2 for n in z.shape]
    labels, _ = ndimage.label(z > LEVEL * z[middle[0] - 2 : middle[0] + 2, middle[1] - 2 : middle[1] + 2].max())
    own = labels == labels[middle[0], middle[1]]
    y, x = np.nonzero(own)
    if labels[middle[0], middle[1]] == 0 or len(y) < 3:
        return 0.0
    low, high = np.linalg.eigvalsh(np.cov(np.stack([y, x])))
    return float(low / high) if high > 0 else 0.0
