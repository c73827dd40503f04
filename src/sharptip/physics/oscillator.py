"""How does a driven, damped resonance answer a drive of frequency f, and how well can a spectrum ever tell?

    H(f) = A e^{iφ} f0² / (f² − i f f0/Q − f0²)

A    drive response, in the unit of the spectrum; the peak is A·Q high
f0   resonance frequency, Hz
Q    quality factor, 1; the line is f0/Q wide
φ    phase of the drive response, rad; the textbook's φ, whose denominator has the other sign, is π away

Assumptions: one mode, linear, stationary while the band is swept. Time runs as e^{−iωt}; an instrument that counts
e^{+iωt} delivers the complex conjugate. Valid for Q ≳ 1 and any band; a linear complex background stands for modes that
are far away. Convention of band-excitation scanning probe microscopy (Jesse et al., Nanotechnology 18, 435503, 2007).

Noise is complex, white and circular; `noise` is its root mean square modulus, σ² = E|n|², so that each of the real and
the imaginary part has a standard deviation of σ/√2. The signal-to-noise ratio is A·Q/σ.
"""

from __future__ import annotations

import numpy as np

PARAMETERS = ("log_amplitude", "resonance", "log_quality", "phase")  # order of all derivatives and bounds


def shape(frequency: np.ndarray, resonance: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """The resonance with a peak of height 1, (…, frequency): 1 / (Q (ρ² − 1) − iρ) with ρ = f/f0."""
    ratio = np.asarray(frequency) / np.asarray(resonance)[..., None]
    return _inverse(np.asarray(quality)[..., None] * (ratio * ratio - 1), ratio)


def _inverse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 / (a − ib): one real division is several times faster than a complex one."""
    size = 1 / (a * a + b * b)
    return _complex(a * size, b * size)


def _complex(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    out = np.empty(real.shape, complex)
    out.real, out.imag = real, imaginary
    return out


def shape_slopes(
    frequency: np.ndarray, resonance: np.ndarray, quality: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(shape, its derivative by log f0, by log Q), each (…, frequency)."""
    ratio = np.asarray(frequency) / np.asarray(resonance)[..., None]
    q = np.asarray(quality)[..., None]
    detuning = q * (ratio * ratio - 1)
    h = _inverse(detuning, ratio)
    square = h * h
    return h, square * _complex(2 * q * ratio * ratio, -ratio), detuning * -square


def response(
    frequency: np.ndarray,
    amplitude: np.ndarray,
    resonance: np.ndarray,
    quality: np.ndarray,
    phase: np.ndarray | float = 0.0,
) -> np.ndarray:
    """H (…, frequency), complex; frequency (n,) in Hz, parameters of any one shape (…)."""
    peak = np.asarray(amplitude) * np.asarray(quality) * np.exp(1j * np.asarray(phase))
    return peak[..., None] * shape(frequency, resonance, quality)


def two_modes(frequency: np.ndarray, first: tuple[float, ...], second: tuple[float, ...]) -> np.ndarray:
    """The sum of two resonances, each (A, f0, Q, φ): what one resonance cannot be fitted to."""
    return response(frequency, *map(np.asarray, first)) + response(frequency, *map(np.asarray, second))


def gradient(
    frequency: np.ndarray,
    amplitude: np.ndarray,
    resonance: np.ndarray,
    quality: np.ndarray,
    phase: np.ndarray | float = 0.0,
) -> np.ndarray:
    """∂H / ∂(log A, f0, log Q, φ): complex (…, 4, frequency), exact."""
    peak = (np.asarray(amplitude) * np.asarray(quality) * np.exp(1j * np.asarray(phase)))[..., None]
    h, by_resonance, by_quality = (peak * part for part in shape_slopes(frequency, resonance, quality))
    return np.stack([h, by_resonance / np.asarray(resonance)[..., None], h + by_quality, 1j * h], axis=-2)


def background_basis(frequency: np.ndarray, terms: int) -> np.ndarray:
    """(frequency, terms): orthonormal polynomials in f, the constant first; what they span is projected out."""
    f = np.asarray(frequency, float)
    x = (f - f.mean()) / max(np.ptp(f), 1e-300)
    return np.linalg.qr(x[:, None] ** np.arange(terms))[0]


def without_background(spectra: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Spectra (…, frequency) less their part in the span of the basis (frequency, terms)."""
    return spectra - (spectra @ basis) @ basis.T if basis.shape[1] else spectra


def fisher(
    frequency: np.ndarray,
    amplitude: np.ndarray,
    resonance: np.ndarray,
    quality: np.ndarray,
    noise: np.ndarray | float,
    background: int = 0,
) -> np.ndarray:
    """Fisher information (…, 4, 4) of (log A, f0, log Q, φ) in one spectrum; it does not depend on φ.

    background: terms of an unknown complex polynomial under the line (0 none, 1 constant, 2 linear).
    """
    j = without_background(gradient(frequency, amplitude, resonance, quality), background_basis(frequency, background))
    return 2 * (j.conj() @ np.swapaxes(j, -1, -2)).real / np.asarray(noise)[..., None, None] ** 2


def bound(
    frequency: np.ndarray,
    amplitude: np.ndarray,
    resonance: np.ndarray,
    quality: np.ndarray,
    noise: np.ndarray | float,
    background: int = 0,
) -> np.ndarray:
    """Cramér–Rao bound (…, 4): the least standard deviation an unbiased estimate of each parameter can have."""
    information = fisher(frequency, amplitude, resonance, quality, noise, background)
    size = np.sqrt(np.diagonal(information, axis1=-2, axis2=-1))  # hertz and radians are brought to one size first
    inverse = np.linalg.inv(information / (size[..., :, None] * size[..., None, :]))
    return np.sqrt(np.diagonal(inverse, axis1=-2, axis2=-1)) / size
