"""At what height is the substrate, and how rough is it? Read off the histogram of heights, from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE = 2**13  # heights that are looked at
BINS = 80
SMOOTH = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)  # a Gaussian of 1.5 bins
SMOOTH /= SMOOTH.sum()
WELL_FILLED = 0.12  # of the fullest level: a lower level that holds as much is the substrate
VALLEY = 0.75  # of the lower one of two peaks: the density between them falls below this, or they are one
HALF_WIDTH = 1.1774  # half width at half maximum of a Gaussian, in standard deviations
MOST_TERRACES = 6  # beside the substrate
APART = 5.0  # standard deviations of the substrate between two terraces
WINDOW = 6.0  # standard deviations of the substrate that the next, finer look covers on each side


@dataclass(frozen=True)
class Substrate:
    """Its height and the standard deviation of its heights, and the heights of terraces on it, in the image's unit."""

    level: float
    spread: float
    terraces: tuple[float, ...] = ()


def substrate_of(heights: np.ndarray, noise: float = 0.0) -> Substrate:
    """The lowest well-filled level among `heights` (n,) without NaN; `noise` is the standard deviation of a pixel.

    Particles stand on it and terraces rise from it. It holds at least WELL_FILLED of what the fullest level holds, so a
    few pits are none. On a surface without a flat part it is all of it.
    """
    values = np.sort(heights[:: max(1, heights.size // SAMPLE) | 1])
    low, high = values[int(0.002 * (len(values) - 1))], values[int(np.ceil(0.998 * (len(values) - 1)))]
    level, spread = float(values[(len(values) - 1) // 2 : len(values) // 2 + 1].mean()), 0.0
    for _ in range(8):
        span = float(high - low)
        if not span > 0:
            break
        width = max(span / BINS, noise / 2)
        density = _density(values, low, high, max(int(np.ceil(span / width)), 1))
        peak = _lowest_peak(density)
        step = span / len(density)
        level = _vertex(density, peak) * step + low
        spread = _half_width(density, peak) * step / HALF_WIDTH
        spread = max(np.sqrt(max(spread**2 - (1.5 * step) ** 2, 0.0)), 0.5 * step)
        reach = WINDOW * max(spread, 1.5 * step)
        inner = max(low, level - reach), min(high, level + reach)
        if inner[1] - inner[0] > 0.8 * span:
            break
        low, high = inner
    spread = float(max(spread, 0.8 * noise))
    return Substrate(float(level), spread, _terraces(values, float(level), spread))


def _density(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Smoothed histogram of sorted values."""
    edges = np.searchsorted(values, np.linspace(low, high, bins + 1))
    return np.convolve(np.diff(edges), SMOOTH, mode="same") if bins > len(SMOOTH) else np.diff(edges).astype(float)


def _terraces(values: np.ndarray, level: float, spread: float) -> tuple[float, ...]:
    """Other levels that are well filled, parted from the substrate and from each other, and as narrow as it is."""
    low, high = float(values[0]), float(values[-1])
    bins = int((high - low) / spread * 2) if spread > 0 else 0
    if not 8 <= bins <= 4000:
        return ()
    density = _density(values, low, high, bins)
    step = (high - low) / bins
    found: list[float] = [level]
    peaks = _peaks(density)
    most = density[int(min(max((level - low) / step, 0), bins - 1))]
    for peak in sorted(peaks, key=lambda p: -density[p]):
        height = low + _vertex(density, int(peak)) * step
        apart = min(abs(height - other) for other in found)
        if density[peak] < WELL_FILLED * most or len(found) > MOST_TERRACES:
            break
        if apart > APART * spread and _half_width(density, int(peak)) * step < 2 * HALF_WIDTH * spread:
            found.append(height)
    return tuple(sorted(found[1:]))


def _peaks(density: np.ndarray) -> np.ndarray:
    """Bins that are fuller than the one below and no less full than the one above."""
    rising = density[1:] > density[:-1]
    return np.flatnonzero(np.append(True, rising) & np.append(~rising, True))


def _lowest_peak(density: np.ndarray) -> int:
    """Bin of the lowest peak that is well filled and parted by a valley from every fuller one above it."""
    top = int(np.argmax(density))
    for peak in _peaks(density).tolist():
        if peak >= top:
            break
        if density[peak] >= WELL_FILLED * density[top] and density[peak:top].min() < VALLEY * density[peak]:
            return int(peak + np.argmax(density[peak : _valley(density, peak)]))
    return top


def _valley(density: np.ndarray, peak: int) -> int:
    """First bin above the peak at which the density has fallen below VALLEY of the greatest since."""
    most = np.maximum.accumulate(density[peak:])
    below = np.flatnonzero(density[peak:] < VALLEY * most)
    return peak + int(below[0]) if below.size else len(density)


def _vertex(density: np.ndarray, peak: int) -> float:
    """Place of the maximum in bins, from the parabola through the peak and its neighbours."""
    if not 0 < peak < len(density) - 1:
        return peak + 0.5
    a, b, c = density[peak - 1 : peak + 2]
    bend = a - 2 * b + c
    return peak + 0.5 + (0.5 * (a - c) / bend if bend < 0 else 0.0)


def _half_width(density: np.ndarray, peak: int) -> float:
    """Half width at half maximum in bins, of the steeper side: the other one may carry the sample's features."""
    half = density[peak] / 2
    sides = []
    for side in (density[peak::-1], density[peak:]):
        below = np.flatnonzero(side < half)
        if below.size:
            k = int(below[0])
            sides.append(k - 1 + (side[k - 1] - half) / (side[k - 1] - side[k]))
        else:
            sides.append(float(len(side)))
    return min(sides)
