"""What people fit resonances with: least squares from the highest sample, and the linear fit of a rational function."""

from __future__ import annotations

import numpy as np

from ..physics.oscillator import background_basis
from .resonance import fit_spectra
from .resonance_grid import LINE
from .varpro import refine

ROUNDS = 5  # of reweighting


def from_highest_sample(spectra: np.ndarray, frequency: np.ndarray) -> dict[str, np.ndarray]:
    """Levenberg–Marquardt from the highest of the moduli, smoothed over three samples, and the width there.

    spectra (n, f) complex, frequency (f,) Hz. The same answers as `fit_spectra`: a careful fit of the usual kind.
    """
    order = np.argsort(frequency)
    f, power = frequency[order], np.abs(spectra[:, order]) ** 2
    padded = np.pad(power, ((0, 0), (1, 1)), mode="edge")
    smooth = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    top = smooth.argmax(axis=1)
    floor = np.median(smooth, axis=1, keepdims=True)
    high = smooth - floor > 0.5 * (smooth[np.arange(len(top)), top][:, None] - floor)
    quality = f[top] / np.maximum(_run(high, top) * np.median(np.diff(f)), 1e-300)
    return fit_spectra(spectra, frequency, start=np.stack([f[top], quality], axis=1))


def _run(high: np.ndarray, top: np.ndarray) -> np.ndarray:
    """(n,) samples of the unbroken stretch of `high` (n, f) around `top`."""
    places = np.arange(high.shape[1])
    low_before = np.where(~high & (places < top[:, None]), places, -1).max(axis=1)
    low_after = np.where(~high & (places > top[:, None]), places, high.shape[1]).min(axis=1)
    return low_after - low_before - 1


def linear(spectra: np.ndarray, frequency: np.ndarray) -> dict[str, np.ndarray]:
    """The rational function y (f² − i f b − c) = g as a linear problem in b, c (real) and g (complex), reweighted.

    Each round divides by the modulus of the last denominator (Sanathanan & Koerner, IEEE Trans. Autom. Control 8, 56,
    1963). No start is needed; noise in y is on both sides, so that weak lines come out too broad. Returns amplitude,
    resonance, quality and phase, (n,) each, NaN where no oscillator came out.
    """
    middle = float(np.mean(frequency))
    f = frequency / middle
    y = np.asarray(spectra, complex)
    weight = np.ones(y.shape)
    unit_one = np.ones_like(y)
    for _ in range(ROUNDS):
        columns = np.stack([1j * f * y, y, unit_one, 1j * unit_one], axis=1) * weight[:, None]
        right = f**2 * y * weight
        matrix = (columns.conj() @ np.swapaxes(columns, 1, 2)).real
        vector = (columns.conj() @ right[:, :, None]).real
        size = np.sqrt(np.maximum(np.diagonal(matrix, axis1=1, axis2=2), 1e-300))
        scaled = matrix / (size[:, :, None] * size[:, None, :]) + 1e-12 * np.eye(4)
        b, c, real, imaginary = (np.linalg.solve(scaled, vector / size[:, :, None])[..., 0] / size).T
        weight = 1 / np.maximum(np.abs(f**2 - 1j * f * b[:, None] - c[:, None]), 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = np.sqrt(np.where((c > 0) & (b > 0), c, np.nan))
        height = (real + 1j * imaginary) / place**2
        return {
            "amplitude": np.abs(height), "resonance": place * middle, "quality": place / b, "phase": np.angle(height),
        }  # fmt: skip


def from_truth(
    spectra: np.ndarray, frequency: np.ndarray, resonance: np.ndarray, quality: np.ndarray, background: int = 0
) -> dict[str, np.ndarray]:
    """Least squares from the true resonance and quality factor: what no start can beat; for simulated spectra."""
    basis = background_basis(frequency, background)
    y = spectra - (spectra @ basis) @ basis.T
    found = refine(y, frequency, np.log(np.stack([resonance, quality], axis=1)), LINE, basis)
    place, sharp = np.exp(found.theta.T)
    return {
        "amplitude": np.abs(found.height) / sharp, "resonance": place, "quality": sharp,
        "phase": np.angle(found.height),
    }  # fmt: skip
