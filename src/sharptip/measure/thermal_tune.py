"""What a cantilever's thermal noise says of it: resonance, quality factor, and its spring constant by equipartition.

    S(f) = A² f0⁴ / ((f² − f0²)² + (f f0/Q)²) + B²,   ⟨x²⟩ = ∫ (S − B²) df = (π/2) A² f0 Q,   k = C · k_B T / ⟨x²⟩

S (m²/Hz) one-sided power spectral density, A (m/√Hz) that far below the resonance, B white noise of the detector. C is
0.971 where x is the true motion of the end in the first mode, and 0.817 where it was measured by the angle of a light
beam whose sensitivity was found by pressing on a hard sample, as is usual: the thermal mode bends otherwise than a load
does (Butt & Jaschke, Nanotechnology 6, 1 (1995)). A rectangular lever far from the sample, one mode in the band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fitting import least_squares

BOLTZMANN = 1.380649e-23  # J/K
OPTICAL_LEVER = 0.817  # C, see above
WIDTHS = 30.0  # line widths on either side of the peak that are fitted
LOWEST = 5e-3  # of the band, below which 1/f noise stands higher than any resonance
FEWEST = 12  # samples


@dataclass(frozen=True)
class ThermalTune:
    """Of one spectrum, with standard errors; NaN with a `fault` where none can be told. SI units."""

    resonance: float  # Hz
    quality: float
    amplitude: float  # A, unit of the spectrum (density)
    floor: float  # B
    errors: tuple[float, float, float, float]  # of these four
    scatter: float  # of ln S about the fit: 1/√N of N averages, where the law holds
    fault: str = ""

    @property
    def mean_square(self) -> float:
        """⟨x²⟩, the squared unit of the spectrum times Hz."""
        return 0.5 * np.pi * self.amplitude**2 * self.resonance * self.quality

    def spring_constant(self, temperature: float, mode: float = OPTICAL_LEVER) -> tuple[float, float]:
        """(k, its standard error) in N/m at a temperature in K, for a spectrum in m/√Hz; `mode` is C."""
        k = mode * BOLTZMANN * temperature / self.mean_square
        f, q, a, _ = self.errors
        return k, k * float(
            np.sqrt((2 * a / self.amplitude) ** 2 + (f / self.resonance) ** 2 + (q / self.quality) ** 2)
        )


def density(frequency: np.ndarray, resonance: float, quality: float, amplitude: float, floor: float) -> np.ndarray:
    """√S at each frequency (Hz)."""
    r = np.asarray(frequency) / resonance
    return np.sqrt(amplitude**2 / ((r * r - 1) ** 2 + (r / quality) ** 2) + floor**2)


def fit_thermal(frequency: np.ndarray, spectrum: np.ndarray) -> ThermalTune:
    """The highest resonance in an amplitude spectral density (n,) over frequencies (n,) Hz.

    Logarithms are fitted: the scatter of an averaged density is a share of it, not a number of its own unit.
    """
    use = np.isfinite(frequency) & np.isfinite(spectrum) & (spectrum > 0)
    use &= frequency > LOWEST * np.nanmax(frequency, initial=0.0)
    f, s = np.asarray(frequency, float)[use], np.asarray(spectrum, float)[use]
    if len(f) < FEWEST:
        return _none(f"{len(f)} finite samples above zero; {FEWEST} are needed")
    top = int(np.argmax(s))
    floor = float(np.median(s))
    if s[top] < 1.5 * floor:
        return _none("no resonance stands out of the noise")
    half = np.flatnonzero(s**2 > 0.5 * (s[top] ** 2 + floor**2))
    width = max(float(np.ptp(f[half[np.abs(half - top) < len(f) // 10]])), 2 * float(np.median(np.diff(f))))
    near = np.abs(f - f[top]) < WIDTHS * width
    if near.sum() < FEWEST:
        near = np.abs(np.arange(len(f)) - top) < FEWEST
    f, s = f[near], s[near]
    q0 = f[np.argmax(s)] / width
    start = np.log([f[np.argmax(s)], q0, s.max() / q0, floor])
    return _fitted(f, s, start)


def _fitted(f: np.ndarray, s: np.ndarray, start: np.ndarray) -> ThermalTune:
    def left(p: np.ndarray) -> np.ndarray:
        return 2 * (np.log(s) - np.log(density(f, *np.exp(p))))

    found = least_squares(left, start)
    if found is None:
        return _none("the fit does not settle")
    p, covariance, scatter = found
    values = np.exp(p)
    errors = values * np.sqrt(np.diag(covariance))
    if not f.min() < values[0] < f.max() or not np.isfinite(errors).all():
        return _none("the fit leaves the band")
    f0, quality, amplitude, floor = (float(v) for v in values)
    e = [float(v) for v in errors]
    return ThermalTune(f0, quality, amplitude, floor, (e[0], e[1], e[2], e[3]), scatter)


def _none(why: str) -> ThermalTune:
    nan = float("nan")
    return ThermalTune(nan, nan, nan, nan, (nan, nan, nan, nan), nan, why)
