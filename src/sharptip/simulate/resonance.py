"""What would an instrument record of resonances: spectra of chosen signal-to-noise, and maps of domains and walls?

    spectrum = physics.oscillator.response + background + noise (+ a second mode)

Ranges are those of band-excitation piezoresponse near contact resonance (1.25 to 1.39 MHz, Q 30 to 300).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..physics.oscillator import response


@dataclass(frozen=True)
class Ranges:
    """From what every number of a spectrum is drawn.

    band, bins   Hz and samples of the frequency axis
    inner        share of the band, in its middle, in which resonances lie (flat)
    quality      flat in log Q
    amplitude    drive response A, in the unit of the signal, flat in log A
    snr          peak over noise, A·Q/σ, flat in log
    noise        'gaussian', complex and circular; or 'uniform' in real and imaginary part, of the same σ
    background   height of a complex line through the band, in units of the peak; 0 for none
    two_modes    share of spectra with a second mode in the band
    """

    band: tuple[float, float] = (1.25e6, 1.39e6)
    bins: int = 80
    inner: float = 0.8
    quality: tuple[float, float] = (30.0, 300.0)
    amplitude: tuple[float, float] = (1e-5, 1.5e-4)
    snr: tuple[float, float] = (0.3, 100.0)
    noise: str = "gaussian"
    background: float = 0.0
    two_modes: float = 0.0

    @property
    def frequency(self) -> np.ndarray:
        """The axis (bins,) in Hz."""
        return np.linspace(*self.band, self.bins)


def spectra(rng: np.random.Generator, n: int, ranges: Ranges | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(spectra (n, bins) complex, everything that was drawn: name → (n,)).

    Names: amplitude, resonance (Hz), quality, phase (rad), snr, noise (σ), two_modes.
    """
    r = ranges or Ranges()
    middle, half = np.mean(r.band), np.ptp(r.band) / 2 * r.inner
    drawn = {
        "amplitude": _log_uniform(rng, r.amplitude, n),
        "resonance": rng.uniform(middle - half, middle + half, n),
        "quality": _log_uniform(rng, r.quality, n),
        "phase": rng.uniform(-np.pi, np.pi, n),
    }
    return _observed(rng, r, drawn)


def resonance_map(
    rng: np.random.Generator, shape: tuple[int, int], ranges: Ranges | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(spectra (y, x, bins), everything that was drawn: name → (y, x)): two domains 180° apart with walls between them.

    At a wall the drive response drops to a tenth; stiffness (f0) and loss (Q) vary smoothly over the sample, by half of
    what the ranges leave. Noise is one σ for the whole map.
    """
    from .surface import self_affine

    r = ranges or Ranges()
    polar, stiff, loss = (self_affine(rng, shape, 1.0, rms=1.0, correlation_length=max(shape) / 4)[0] for _ in range(3))
    middle, half = np.mean(r.band), np.ptp(r.band) / 2 * r.inner
    low, high = np.log(r.quality)
    peak_snr = float(_log_uniform(rng, r.snr, 1)[0])
    amplitude = float(_log_uniform(rng, r.amplitude, 1)[0])
    up = float(rng.uniform(0, np.pi))
    wall = 1 - 0.9 * np.exp(-((polar / 0.15) ** 2))
    drawn = {
        "amplitude": amplitude * wall,
        "resonance": middle + half * np.tanh(stiff / 2),
        "quality": np.exp((low + high) / 2 + (high - low) / 2 * np.tanh(loss / 2)),
        "phase": np.where(polar > 0, up, up - np.pi),
    }
    sigma = amplitude * np.exp((low + high) / 2) / peak_snr
    flat = {k: v.ravel() for k, v in drawn.items()}
    flat["snr"] = flat["amplitude"] * flat["quality"] / sigma
    seen, truth = _observed(rng, r, flat)
    return seen.reshape(*shape, r.bins), {k: v.reshape(shape) for k, v in truth.items()}


def _observed(
    rng: np.random.Generator, r: Ranges, drawn: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Spectra of what was drawn, and the drawn with what was added to it."""
    n = len(drawn["resonance"])
    f = r.frequency
    clean = response(f, drawn["amplitude"], drawn["resonance"], drawn["quality"], drawn["phase"])
    peak = drawn["amplitude"] * drawn["quality"]
    second = rng.random(n) < r.two_modes
    if second.any():
        clean[second] += _second_mode(rng, r, {k: v[second] for k, v in drawn.items()})
    if r.background:
        ends = r.background * peak[:, None] * _circular(rng, (n, 2))
        x = (f - f[0]) / max(np.ptp(f), 1e-300)
        clean = clean + ends[:, :1] * (1 - x) + ends[:, 1:] * x
    snr = drawn.get("snr", _log_uniform(rng, r.snr, n))
    noise = peak / snr
    error = _circular(rng, clean.shape) if r.noise == "gaussian" else _uniform(rng, clean.shape)
    return clean + noise[:, None] * error, {**drawn, "snr": snr, "noise": noise, "two_modes": second}


def _second_mode(rng: np.random.Generator, r: Ranges, first: dict[str, np.ndarray]) -> np.ndarray:
    """Another resonance 2 to 5 linewidths away, 0.3 to 1 times as high."""
    n = len(first["resonance"])
    width = first["resonance"] / first["quality"]
    away = rng.uniform(2, 5, n) * width * np.where(first["resonance"] > np.mean(r.band), -1, 1)
    size = rng.uniform(0.3, 1.0, n) * first["amplitude"]
    return response(r.frequency, size, first["resonance"] + away, first["quality"], rng.uniform(-np.pi, np.pi, n))


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float], n: int) -> np.ndarray:
    low, high = (float(np.log(x)) for x in limits)
    return np.exp(rng.uniform(low, high, n))


def _circular(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Complex Gaussian numbers with E|n|² = 1."""
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Complex numbers, flat in both parts, with E|n|² = 1."""
    return (rng.uniform(-1, 1, shape) + 1j * rng.uniform(-1, 1, shape)) * np.sqrt(1.5)
