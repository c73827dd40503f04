"""Spectra of any band as a network sees them, and its five numbers as a resonance again: the two halves together.

On the axis x of a band, −1 at its lowest and 1 at its highest frequency, a line is (log height, place, log width,
cos φ, sin φ); see `nets.resonance`. Heights are in units of the spectrum's own root mean square.
"""

from __future__ import annotations

import numpy as np

BINS = 80


def even(spectra: np.ndarray, frequency: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Spectra (n, f) at `bins` even places over their band: linear between samples, averaged where they are denser."""
    x = _place(frequency, frequency)
    places = np.linspace(-1, 1, bins)
    reach = max(2 / (bins - 1), float(np.diff(np.sort(x)).max(initial=0)))
    weight = np.maximum(1 - np.abs(x[:, None] - places) / reach, 0)
    return spectra @ (weight / weight.sum(axis=0))


def numbers_of(spectra: np.ndarray, frequency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(what a network sees (n, 2, BINS) float32, the root mean square (n,) that it was divided by); NaN becomes 0."""
    seen = even(np.nan_to_num(spectra), frequency)
    size = np.sqrt((np.abs(seen) ** 2).mean(axis=1))
    seen = seen / np.where(size > 0, size, 1)[:, None]
    return np.stack([seen.real, seen.imag], axis=1).astype(np.float32), size


def line_of(
    amplitude: np.ndarray, resonance: np.ndarray, quality: np.ndarray, phase: np.ndarray,
    size: np.ndarray, frequency: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """(n, 5) of resonances that are known."""
    height = np.log(amplitude * quality / size)
    width = np.log(resonance / quality / (np.ptp(frequency) / 2))
    return np.stack([height, _place(resonance, frequency), width, np.cos(phase), np.sin(phase)], axis=1)


def resonance_of(line: np.ndarray, size: np.ndarray, frequency: np.ndarray) -> dict[str, np.ndarray]:
    """amplitude, resonance, quality, phase of the five numbers (n, 5); a line outside the band is put on its edge."""
    half, middle = np.ptp(frequency) / 2, (frequency.min() + frequency.max()) / 2
    line = np.asarray(line, float)
    resonance = middle + half * np.clip(line[:, 1], -1, 1)
    quality = resonance / (half * np.exp(np.clip(line[:, 2], np.log(1 / len(frequency)), np.log(8.0))))
    amplitude = size * np.exp(np.clip(line[:, 0], -20, 20)) / quality
    phase = np.arctan2(line[:, 4], line[:, 3])
    return {"amplitude": amplitude, "resonance": resonance, "quality": quality, "phase": phase}


def _place(value: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    half, middle = np.ptp(frequency) / 2, (frequency.min() + frequency.max()) / 2
    return (np.asarray(value) - middle) / max(half, 1e-300)
