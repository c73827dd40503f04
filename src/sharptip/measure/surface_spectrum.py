"""Over which lengths, and along which way, does a surface repeat itself?

Spatial parameters of ISO 25178-2:2021 from the autocorrelation function (ACF) and the power spectrum, and what the
spectrum's slope and the growth of height differences say of a fractal surface. Images are (y, x) on pixels of
(dy, dx) metres, not necessarily square; lengths are metres.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

DECAY = 0.2  # of the ACF: beyond the lag where it has fallen to this, two points know nothing of one another
WAYS = 180  # directions in half a turn along which the ACF is followed
SMOOTH = np.radians(3)  # standard deviation to which the angular spectrum is smoothed
LAGS = (1, 2, 3, 4, 6, 8)  # pixels along x, over which height differences must grow as a power for a fractal surface


def acf(z: np.ndarray) -> np.ndarray:
    """Autocorrelation (2·(h//2)+1, 2·(w//2)+1) of an image (h, w): 1 at lag zero, which is in the middle.

    Every lag is the mean over the pairs of pixels that are both there, NaN pixels belonging to none; the image is not
    taken to be periodic.
    """
    there = np.isfinite(z)
    off = np.where(there, z - z[there].mean(), 0.0)
    shape = [fft.next_fast_len(n + n // 2, real=True) for n in z.shape]
    products = fft.irfft2(np.abs(fft.rfft2(off, shape)) ** 2, shape)
    pairs = fft.irfft2(np.abs(fft.rfft2(there.astype(float), shape)) ** 2, shape)
    h, w = (n // 2 for n in z.shape)
    middle = np.ix_(np.arange(-h, h + 1), np.arange(-w, w + 1))
    covariance = products[middle] / np.maximum(pairs[middle], 0.5)
    return covariance / covariance[h, w]


def texture_parameters(z: np.ndarray, pixel_size: tuple[float, float]) -> dict[str, float]:
    """Sal and Str from the ACF of an image (y, x).

    Sal: the shortest lag, over all directions, at which the ACF has fallen to 0.2, in metres. Str: the ratio of the
    shortest to the longest such lag, 1 for a surface that is alike in all directions. A direction along which the ACF
    stays above 0.2 up to half the image counts with that lag, so Str is then an upper bound; where this is so for all
    directions, Sal is longer than the image can show: NaN.
    """
    dy, dx = pixel_size
    found = acf(z)
    h, w = (n // 2 for n in found.shape)
    angle = np.arange(WAYS) * np.pi / WAYS
    step = min(dy, dx) / 2
    reach = min(h * dy, w * dx)
    lag = np.arange(0, reach + step / 2, step)
    at = [h + np.outer(np.sin(angle), lag) / dy, w + np.outer(np.cos(angle), lag) / dx]
    along = ndimage.map_coordinates(found, at, order=1, mode="nearest")
    below = along <= DECAY
    falls = below.any(axis=1)
    if not falls.any():
        return {"Sal": float("nan"), "Str": float("nan")}
    first = np.where(falls, below.argmax(axis=1), len(lag) - 1)
    row = np.arange(WAYS)
    above, under = along[row, first - 1], along[row, first]
    part = np.where(falls, (above - DECAY) / np.maximum(above - under, 1e-12), 1.0)
    crossing = lag[first - 1] + part * step
    return {"Sal": float(crossing.min()), "Str": float(crossing.min() / crossing.max())}


def power(z: np.ndarray, pixel_size: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power (y, x) of a complete image under a Hann window, and the spatial frequencies (y, 1) and (1, x) in 1/m.

    The powers sum up to the mean square of the windowed image's heights, the window's own loss made good.
    """
    window = np.outer(np.hanning(z.shape[0] + 2)[1:-1], np.hanning(z.shape[1] + 2)[1:-1])
    mean = (z * window).sum() / window.sum()
    found = np.abs(fft.fft2((z - mean) * window)) ** 2 / (z.size * (window**2).sum())
    qy, qx = (fft.fftfreq(n, d) for n, d in zip(z.shape, pixel_size, strict=True))
    return found, qy[:, None], qx[None, :]


def direction(z: np.ndarray, pixel_size: tuple[float, float]) -> float:
    """Std: the way along which the ridges of a texture run, in radians from x towards growing y, in [0, π).

    Across it lies the maximum of the angular spectrum, the power at all frequencies of one direction.
    """
    found, qy, qx = power(z, pixel_size)
    angle = np.mod(np.arctan2(qy + 0 * qx, qx + 0 * qy), np.pi)
    enough = np.hypot(qy * z.shape[0] * pixel_size[0], qx * z.shape[1] * pixel_size[1]) >= 3  # the window blurs below
    bins = 4 * WAYS
    which = np.rint(angle[enough] / np.pi * bins).astype(int) % bins
    spectrum = np.bincount(which, found[enough], bins)
    smooth = ndimage.gaussian_filter1d(spectrum, SMOOTH / np.pi * bins, mode="wrap")
    return float(np.mod(smooth.argmax() * np.pi / bins + np.pi / 2, np.pi))


def radial_spectrum(
    z: np.ndarray, pixel_size: tuple[float, float], bins: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean power per frequency of rings of the spectrum: frequencies (n,) in 1/m, rising, and powers (n,).

    Rings run from one wave over the image to the Nyquist frequency of the coarser axis, one wave wide, or `bins` of
    them with equal ratios, of which empty ones are left out.
    """
    found, qy, qx = power(z, pixel_size)
    q = np.hypot(qy, qx)
    lowest = max(1 / (n * d) for n, d in zip(z.shape, pixel_size, strict=True))
    highest = min(0.5 / d for d in pixel_size)
    if bins is None:
        edges = np.arange(0.5 * lowest, highest + lowest, lowest)
    else:
        edges = np.geomspace(0.75 * lowest, highest, bins + 1)
    which = np.digitize(q.ravel(), edges) - 1
    inside = (which >= 0) & (which < len(edges) - 1) & (q.ravel() <= highest)
    count = np.bincount(which[inside], minlength=len(edges) - 1)
    total = np.bincount(which[inside], found.ravel()[inside], len(edges) - 1)
    centre = np.bincount(which[inside], q.ravel()[inside], len(edges) - 1)
    some = count > 0
    return centre[some] / count[some], total[some] / count[some]


def spectral_slopes(z: np.ndarray, pixel_size: tuple[float, float]) -> dict[str, float]:
    """Exponents b of the ring-averaged power ∝ q^b over the lower and the upper half of the frequencies (log–log).

    A self-affine surface of Hurst exponent H has b = −2H − 2 where q is well above one over its correlation length.
    """
    q, found = radial_spectrum(z, pixel_size, bins=32)
    q, found = q[found > 0], found[found > 0]
    middle = np.sqrt(q[0] * q[-1]) if q.size else np.nan
    out = {}
    for name, part in (("slope_low", q <= middle), ("slope_high", q > middle)):
        out[name] = float(np.polyfit(np.log(q[part]), np.log(found[part]), 1)[0]) if part.sum() > 2 else float("nan")
    return out


def fractal_dimension(z: np.ndarray) -> float:
    """Sfd = 3 − H, H being half the exponent with which the mean square height difference along x grows over lags 1–8.

    2 for a smooth surface, towards 3 for one that is as rough at every scale. Along x alone: line offsets between
    scan lines, which no surface has, do not count.
    """
    structure = [float(np.nanmean((z[:, lag:] - z[:, :-lag]) ** 2)) for lag in LAGS if lag < z.shape[1]]
    if len(structure) < 3 or not min(structure) > 0:
        return float("nan")
    exponent = np.polyfit(np.log(LAGS[: len(structure)]), np.log(structure), 1)[0]
    return float(np.clip(3 - exponent / 2, 2.0, 3.0))
