"""What does a rough, stepped, fibrous or ruled surface look like before any tip has touched it?

Heights and lengths are in metres, arrays are (y, x), `rng` comes first. Each random surface is returned with a
record of what was drawn; the deterministic ones (terraces, gratings) return the height alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import fft

Record = dict[str, Any]

NEGLIGIBLE = 1e-6  # correlation that no surface shows


def self_affine(
    rng: np.random.Generator,
    shape: tuple[int, int],
    pixel_size: float,
    *,
    rms: float,
    correlation_length: float,
    hurst: float = 0.8,
    anisotropy: float = 1.0,
) -> tuple[np.ndarray, Record]:
    """A periodic Gaussian surface with autocovariance rms²·exp(−(r/ξ)^(2·hurst)).

    The spectrum is the Fourier transform of the autocovariance on the periodic grid, clipped at zero, and colours
    white noise. `anisotropy` is ξy/ξx with ξx = `correlation_length`. Returns height (y, x) in metres.
    After Sinha et al., Phys. Rev. B 38, 2297 (1988).
    """
    spectrum = power_spectrum(shape, pixel_size, rms, correlation_length, hurst, anisotropy)
    white = fft.rfft2(rng.standard_normal(shape))
    height = fft.irfft2(np.sqrt(spectrum) * white, s=shape)
    record = {"rms": rms, "correlation_length": correlation_length, "hurst": hurst, "anisotropy": anisotropy}
    return height, record


def power_spectrum(
    shape: tuple[int, int],
    pixel_size: float,
    rms: float,
    correlation_length: float,
    hurst: float,
    anisotropy: float = 1.0,
) -> np.ndarray:
    """Half-plane discrete spectrum (rfft2 layout, m²) of the surface above; its full-plane mean is rms².

    Where the correlation still counts at half the image's size, its periodic repeats are added: cut off there
    instead, it has a kink, whose spectrum is partly negative, and clipping that would put noise on whole lines.
    """
    sizes = [
        n * pixel_size / length
        for n, length in zip(shape, (correlation_length * anisotropy, correlation_length), strict=True)
    ]
    repeats = [(-1, 0, 1) if np.exp(-((size / 2) ** (2 * hurst))) > NEGLIGIBLE else (0,) for size in sizes]
    y, x = (np.fft.fftfreq(n) * size for n, size in zip(shape, sizes, strict=True))
    covariance = np.zeros(shape)
    for i in repeats[0]:
        for j in repeats[1]:
            r2 = (y + i * sizes[0])[:, None] ** 2 + (x + j * sizes[1])[None, :] ** 2
            covariance += np.exp(-(r2**hurst))
    covariance *= rms**2 / covariance[0, 0]
    return np.clip(fft.rfft2(covariance).real, 0.0, None)


def non_gaussian(height: np.ndarray, *, skew: float = 0.0, tail: float = 1.0, rounds: int = 4) -> np.ndarray:
    """The same texture with skewed or heavy-tailed heights.

    Heights go through the sinh-arcsinh transform sinh((asinh(h/σ) + skew)/tail), standardised (Jones & Pewsey,
    Biometrika 96, 761 (2009)): skew > 0 raises peaks, tail < 1 lengthens both tails. Each round then restores the
    first surface's Fourier amplitudes and ranks the wanted heights back onto it, so that after a few rounds the
    heights are exact and the spectrum is close. Mean and rms are those of `height`.
    """
    centre, sigma = height.mean(), height.std()
    wanted = np.sinh((np.arcsinh((height - centre) / sigma) + skew) / tail)
    wanted = centre + sigma * (wanted - wanted.mean()) / wanted.std()
    values = np.sort(wanted, axis=None)
    amplitude = np.abs(fft.rfft2(height))
    out = wanted
    for _ in range(rounds):
        phase = fft.rfft2(out)
        phase /= np.maximum(np.abs(phase), np.finfo(float).tiny)
        coloured = fft.irfft2(amplitude * phase, s=height.shape)
        out = np.empty(height.size)
        out[np.argsort(coloured, axis=None)] = values
        out = out.reshape(height.shape)
    return out


def particles(
    rng: np.random.Generator,
    shape: tuple[int, int],
    pixel_size: float,
    *,
    number: int,
    radius: float,
    spread: float = 0.1,
    spacing: float | None = None,
) -> tuple[np.ndarray, Record]:
    """Spheres that rest on a plane, placed at random without touching (random sequential adsorption).

    Radii are normal with relative `spread`; `spacing` is the least distance of two centres (default: two radii).
    Returns the height (y, x) in metres and a record with each centre (y, x) and radius; where no room is left,
    fewer than `number` are placed.
    """
    least = 2 * radius if spacing is None else spacing
    size = np.array(shape) * pixel_size
    candidates = rng.random((max(30 * number, 1), 2)) * size
    centres = candidates[separate(candidates, least)][:number]
    radii = radius * np.clip(1 + spread * rng.standard_normal(len(centres)), 0.2, None)
    height = np.zeros(shape)
    for centre, r in zip(centres, radii, strict=True):
        rows, columns, distance2 = _window(shape, pixel_size, centre, r)
        cap = np.where(distance2 < r**2, r + np.sqrt(np.maximum(r**2 - distance2, 0.0)), 0.0)
        height[rows, columns] = np.maximum(height[rows, columns], cap)
    return height, {"centres": centres.tolist(), "radii": radii.tolist()}


def separate(points: np.ndarray, distance: float) -> np.ndarray:
    """Which of the points (n, 2) stay when each, in order, is refused if an earlier one kept is nearer than `distance`.

    The outcome of random sequential adsorption, found in a few vectorised rounds: a point is kept once no
    undecided or kept point before it is in reach. Returns a mask (n,).
    """
    from scipy.spatial import cKDTree

    n = len(points)
    pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")  # i < j, so i comes first
    kept, alive = np.zeros(n, bool), np.ones(n, bool)
    while alive.any():
        pairs = pairs[alive[pairs[:, 0]] & alive[pairs[:, 1]]]
        waits = np.zeros(n, bool)
        waits[pairs[:, 1]] = True
        now = alive & ~waits
        kept |= now
        alive &= ~now
        alive[pairs[now[pairs[:, 0]], 1]] = False
    return kept


def _window(
    shape: tuple[int, int], pixel_size: float, centre: np.ndarray, reach: float
) -> tuple[slice, slice, np.ndarray]:
    """The rows and columns within `reach` of a centre, and the squared distance (m²) of their pixels from it."""
    low = np.maximum(np.floor((centre - reach) / pixel_size).astype(int), 0)
    high = np.minimum(np.ceil((centre + reach) / pixel_size).astype(int) + 1, shape)
    y = np.arange(low[0], high[0])[:, None] * pixel_size - centre[0]
    x = np.arange(low[1], high[1])[None, :] * pixel_size - centre[1]
    return slice(low[0], high[0]), slice(low[1], high[1]), y**2 + x**2


def terraces(
    shape: tuple[int, int], pixel_size: float, *, step_height: float, width: float, angle: float = 0.0
) -> np.ndarray:
    """Atomic terraces: floor of the distance along `angle` (radians from x) in units of `width`, times the step."""
    return step_height * np.floor(_along(shape, pixel_size, angle) / width)


def grating(
    shape: tuple[int, int],
    pixel_size: float,
    *,
    pitch: float,
    height: float,
    duty: float = 0.5,
    angle: float = 0.0,
) -> np.ndarray:
    """A rectangular line grating: `height` over the first `duty` of every `pitch` along `angle` (radians from x)."""
    return height * (np.mod(_along(shape, pixel_size, angle) / pitch, 1.0) < duty)


def _along(shape: tuple[int, int], pixel_size: float, angle: float) -> np.ndarray:
    y = np.arange(shape[0])[:, None] * pixel_size
    x = np.arange(shape[1])[None, :] * pixel_size
    return x * np.cos(angle) + y * np.sin(angle)


def worm_like_chain(
    rng: np.random.Generator, *, length: float, persistence_length: float, step: float, start: tuple[float, float]
) -> np.ndarray:
    """Points (n, 2) in (y, x) of a chain in the plane whose heading diffuses by dθ = sqrt(ds/Lp)·N(0, 1).

    In two dimensions the tangents then lose each other as <cos θ(s)> = exp(−s/2Lp) (Rivetti et al., J. Mol.
    Biol. 264, 919 (1996)).
    """
    n = max(round(length / step), 1)
    turn = np.sqrt(step / persistence_length) * rng.standard_normal(n - 1)
    heading = rng.uniform(0, 2 * np.pi) + np.concatenate([[0.0], np.cumsum(turn)])
    steps = step * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    return np.asarray(start) + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def fibres(
    rng: np.random.Generator,
    shape: tuple[int, int],
    pixel_size: float,
    *,
    number: int,
    length: float,
    persistence_length: float,
    radius: float,
) -> tuple[np.ndarray, Record]:
    """Worm-like chains with a Gaussian cross-section, `2·radius` high and `radius` wide (standard deviation).

    Returns the height (y, x) in metres and a record with the points of every chain.
    """
    size = np.array(shape) * pixel_size
    height = np.zeros(shape)
    chains = []
    for _ in range(number):
        start = rng.random(2) * size
        chain = worm_like_chain(
            rng,
            length=length,
            persistence_length=persistence_length,
            step=pixel_size,
            start=(float(start[0]), float(start[1])),
        )
        chains.append(chain.tolist())
        inside = ((chain > -4 * radius) & (chain < size + 4 * radius)).all(axis=1)
        for point in chain[inside]:
            rows, columns, distance2 = _window(shape, pixel_size, point, 4 * radius)
            bump = 2 * radius * np.exp(-distance2 / (2 * radius**2))
            height[rows, columns] = np.maximum(height[rows, columns], bump)
    return height, {"chains": chains, "persistence_length": persistence_length, "radius": radius}
