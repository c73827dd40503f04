"""What does a blend of two polymers look like while its phases come apart?

The concentration φ of one polymer, from −1 (none of it) to 1 (pure), follows Cahn and Hilliard's equation
(J. Chem. Phys. 28, 258 (1958))

    ∂φ/∂t = M ∇²(φ³ − φ − κ∇²φ)

in units of the grid's spacing. The mean of φ is the blend's composition: 0 gives two interwoven phases, ±0.3 droplets
of the rarer phase in the other. Domains coarsen as t^(1/3). The step is semi-implicit in Fourier space with Eyre's
splitting of the energy (MRS Proc. 529, 39 (1998)): the energy falls at every step, however long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import fft, ndimage, special

from .scanner import Settings, scan_it

Record = dict[str, Any]

SPLIT = 1.5  # linear part taken implicitly; the energy falls at any step while 3φ² − 1 < 2·SPLIT, which is |φ| < 1.15
QUENCH = 0.05  # spread of φ in the mixed melt, from which everything grows
PER_DOMAIN = 8  # grid spacings per domain at least when `blend` stops; interfaces are then resolved


def cahn_hilliard(
    phi: np.ndarray, time: float, *, step: float = 0.5, kappa: float = 0.5, mobility: float = 1.0
) -> np.ndarray:
    """φ (..., y, x) after `time`, from φ at the start, on a periodic grid of spacing one.

    The mean is conserved. A long `step` slows growth down rather than making it unstable.
    """
    shape = phi.shape[-2:]
    ky, kx = 2 * np.pi * fft.fftfreq(shape[0])[:, None], 2 * np.pi * fft.rfftfreq(shape[1])[None, :]
    k2 = (ky**2 + kx**2).astype(phi.dtype)
    steps = max(round(time / step), 1)
    rate = mobility * time / steps * k2
    below = 1 / (1 + rate * (SPLIT + kappa * k2))
    wave = fft.rfft2(phi)
    for _ in range(steps):
        local = fft.rfft2(phi * (phi * phi - (1 + SPLIT)))
        wave = (wave - rate * local) * below
        phi = fft.irfft2(wave, s=shape)
    return phi


def free_energy(phi: np.ndarray, kappa: float = 0.5) -> float:
    """Mean of (φ² − 1)²/4 + κ|∇φ|²/2 over a periodic grid (y, x): what never rises."""
    ky, kx = 2 * np.pi * fft.fftfreq(phi.shape[0])[:, None], 2 * np.pi * fft.fftfreq(phi.shape[1])[None, :]
    gradient = float(np.mean((ky**2 + kx**2) * np.abs(fft.fft2(phi)) ** 2) / phi.size)
    return float(np.mean((phi**2 - 1) ** 2) / 4) + kappa * gradient / 2


def domain_size(phi: np.ndarray) -> float:
    """2π over the mean wave number of the structure factor of φ (y, x), in grid spacings: one bright and one dark."""
    ky, kx = fft.fftfreq(phi.shape[0])[:, None], fft.fftfreq(phi.shape[1])[None, :]
    found = np.abs(fft.fft2(phi - phi.mean())) ** 2
    return float(found.sum() / (np.hypot(ky, kx) * found).sum())


def blend(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    composition: float,
    size: float,
    kappa: float = 0.5,
    step: float = 1.0,
) -> tuple[np.ndarray, Record]:
    """φ (y, x) of a blend of mean `composition` whose domains have grown to `size` pixels (see `domain_size`).

    Coarsening looks alike at all times, so it is run until domains are 9 to 13 grid spacings wide and then enlarged
    to the wanted size; smaller sizes are not to be had without interfaces a pixel wide. Returns φ and what was drawn.
    """
    grown_to = float(rng.uniform(9.0, 13.0))
    zoom = size / grown_to
    grid = tuple(max(round(n / zoom) + 2, 4 * PER_DOMAIN) for n in shape)
    grid = tuple(fft.next_fast_len(n, real=True) for n in grid)
    phi = composition + QUENCH * rng.standard_normal(grid)
    phi += composition - phi.mean()
    time, spent = 40.0, 0.0
    while True:
        phi = cahn_hilliard(phi, time - spent, step=step, kappa=kappa)
        spent, now = time, domain_size(phi)
        if now >= grown_to or spent > 5000:
            break
        time *= float(np.clip((grown_to / now) ** 3, 1.1, 2.0))
    zoom = size / now
    at = np.meshgrid(*(np.arange(n) / zoom for n in shape), indexing="ij")
    out = ndimage.map_coordinates(phi, at, order=3, mode="grid-wrap")
    return out, {"composition": composition, "size": size, "time": spent, "grid": list(grid), "zoom": zoom}


def phase_image(
    rng: np.random.Generator,
    phi: np.ndarray,
    pixel_size: float,
    *,
    contrast: float,
    softness: float = 0.25,
    relief: float = 4e-9,
    crosstalk: float = 0.1,
    settings: Settings | None = None,
) -> tuple[dict[str, np.ndarray], Record]:
    """What a tapping tip records of a blend: `phase` (y, x) in radians and `height` (y, x) in metres.

    The phase goes from one value to another `contrast` radians away across an interface, ϕ₁ + (ϕ₂ − ϕ₁)·σ(φ/softness);
    which phase is the brighter is drawn, as it hangs on the set point. The film's relief is that of the phases and
    of waves wider than they; `crosstalk`, a share of the contrast, of its steepness along the scan line shows in the
    phase, where the feedback lags behind. Both images then pass through the scanner.
    """
    settings = Settings() if settings is None else settings
    for_film, for_phase, for_height = rng.spawn(3)
    sign = float(for_film.choice([-1.0, 1.0]))
    centre = float(for_film.uniform(np.radians(20), np.radians(70)))
    waves = ndimage.gaussian_filter(for_film.standard_normal(phi.shape), phi.shape[0] / 8, mode="wrap")
    film = relief * (0.5 * phi + 0.5 * waves / waves.std())
    steep = np.gradient(film, axis=1)
    phase = centre + sign * contrast * (special.expit(phi / softness) - 0.5)
    phase = phase + crosstalk * contrast * steep / steep.std()
    seen, _, scanned = scan_it(for_phase, phase, pixel_size, settings)
    height, _, _ = scan_it(for_height, film, pixel_size, settings)
    record = {"contrast": contrast, "centre": centre, "sign": sign, "crosstalk": crosstalk, "scanner": scanned}
    return {"phase": seen["height"], "height": height["height"]}, record
