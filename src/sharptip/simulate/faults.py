"""Good scans and scans that went wrong, of many kinds of surface, by AFM and by STM.

A good scan has a little of everything that an instrument adds. A bad one has one fault of FAULTS, or two, so strong
that one would scan again. Drift is none of them: on a surface that nobody knows it leaves nothing to see in one scan.
Strengths are relative to the rms roughness Sq of the surface, lengths in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..core.history import remember
from ..core.scan import scan_of
from . import surface as surfaces
from .hydrogen_silicon import surface as hydrogen_silicon
from .metals import gold, with_molecules
from .scanner import Settings, scan_it
from .stm import Surface, Tip, look
from .tip import double, offsets, paraboloid

GOOD = Settings(
    drift_velocity=(0.0, 0.08), creep=(0.0, 2.0), tip_change=0.0, climb=(0.7, 1.0), fall=(0.5, 1.0), overshoot=0.1,
    damping=(0.5, 1.0), bow=(0.0, 1.0), line_tilt=(0.0, 0.03), offset_walk=(0.0, 0.03), offset_white=(0.0, 0.1),
    jump_rate=(0.0, 0.0), scar_rate=(0.0, 0.01), scar_height=(0.3, 1.5), spikes=0.1, spike_rate=(0.0, 2e-5),
    saturation=0.0, white=(0.003, 0.1), flicker=(0.0, 0.06), hum=0.1, hum_amplitude=(0.0, 0.03), interference=0.1,
    interference_amplitude=(0.0, 0.05),
)  # fmt: skip

FAULTS: dict[str, dict[str, Any]] = {  # what each changes in the settings of a good scan; empty: see `faulty`
    "noise": {"white": (0.4, 2.5), "flicker": (0.0, 0.6)},
    "row offsets": {"offset_white": (0.5, 3.0), "offset_walk": (0.0, 0.5)},
    "jumps": {"jump_rate": (0.015, 0.06)},
    "scars": {"scars": 1.0, "scar_rate": (0.08, 0.4), "scar_length": (10.0, 60.0), "scar_height": (1.0, 6.0)},
    "parachuting": {"climb": (0.3, 0.9), "fall": (0.02, 0.1)},
    "ringing": {"overshoot": 1.0, "damping": (0.03, 0.12)},
    "hum": {"hum": 1.0, "hum_amplitude": (0.4, 1.5)},
    "saturation": {},
    "tip change": {"tip_change": 1.0, "tip_change_shift": (4.0, 16.0), "tip_change_offset": (0.0, 0.3)},
    "double tip": {},
    "blunt tip": {},
    "lost contact": {},
}
TWO = 0.3  # share of bad scans with a second fault
LINE_TIMES = (0.04, 1.0)  # seconds; mains hum then has 2 to 60 waves per line
SIDES = (96, 128, 128, 128, 256)  # pixels


class Judged(NamedTuple):
    """A scan, the names of its faults (none: a good scan), and what it shows."""

    scan: xr.Dataset
    faults: tuple[str, ...]
    ground: str


def faulty(rng: np.random.Generator, bad: bool, *, fault: str | None = None, side: int | None = None) -> Judged:
    """A good scan or one with `fault`, or with one or two that are drawn; `side` pixels square, drawn from SIDES.

    Raises ValueError for a fault that is not in FAULTS.
    """
    if fault is not None and fault not in FAULTS:
        raise ValueError(f"no fault is called {fault!r}; there are: {', '.join(FAULTS)}")
    names: tuple[str, ...] = ()
    if bad:
        number = 1 if fault or rng.random() > TWO else 2
        names = (fault,) if fault else tuple(str(n) for n in rng.choice(list(FAULTS), number, replace=False))
    n = int(rng.choice(SIDES)) if side is None else side
    kind = str(rng.choice(list(GROUNDS)))
    height, pixel = GROUNDS[kind](rng, n)
    settings = replace(GOOD, line_time=float(np.exp(rng.uniform(*np.log(LINE_TIMES)))))
    for name in names:
        settings = replace(settings, **FAULTS[name])
    tip = _tip(rng, names, float(height.std()), pixel)
    images, _, record = scan_it(rng, height, pixel, settings, tip=tip)
    z = images["height"]
    if "lost contact" in names:
        z = lost_contact(rng, z, record["sq"])
    if "saturation" in names:
        z = saturated(rng, z)
    scan = scan_of(z, pixel, name=f"simulated {kind}, {' and '.join(names) or 'good'}")
    known = remember(scan, scan, "simulate_scan", {"ground": kind, "faults": list(names)})
    return Judged(known, names, kind)


def lost_contact(rng: np.random.Generator, z: np.ndarray, sq: float) -> np.ndarray:
    """For a block of lines, or from some column on in each of them, nothing but a drifting level is recorded."""
    out, (lines, columns) = z.copy(), z.shape
    start = int(rng.integers(0, lines - lines // 5))
    stop = min(lines, start + int(rng.integers(lines // 6, lines)))
    left = 0 if rng.random() < 0.7 else int(rng.integers(columns // 2))
    level = np.median(z) + sq * rng.normal(0, 2) + np.cumsum(rng.normal(0, 0.03 * sq, stop - start))
    out[start:stop, left:] = level[:, None] + 0.02 * sq * rng.standard_normal((stop - start, columns - left))
    return out


def saturated(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """What lies above, or below, the range of the piezo or the converter is recorded as its limit, without noise."""
    share = float(rng.uniform(0.1, 0.4))
    return np.minimum(z, np.quantile(z, 1 - share)) if rng.random() < 0.7 else np.maximum(z, np.quantile(z, share))


def _tip(rng: np.random.Generator, names: tuple[str, ...], sq: float, pixel: float) -> np.ndarray:
    """A tip a few pixels sharp; a second apex, or an end as wide as the surface's own features, where asked for."""
    half, rise = (9, float(rng.uniform(0.2, 0.8))) if "blunt tip" in names else (2, float(rng.uniform(2, 10)))
    tip = paraboloid(half, pixel, radius=(half * pixel) ** 2 / (2 * rise * max(sq, 1e-13)))
    tip[np.hypot(*offsets(half, 1.0)) > half + 0.5] = np.inf  # a round end, not a square one
    if "double tip" in names:
        far, way = float(rng.uniform(5, 20)), float(rng.uniform(0, 2 * np.pi))
        shift = (round(far * np.sin(way)), round(far * np.cos(way)))
        tip = double(tip, shift=shift, offset=float(rng.uniform(0, 0.6)) * sq)
    return tip


# What is scanned: (rng, pixels) → height (m), pixel size (m) ----------------------------------------------------

Ground = Callable[[np.random.Generator, int], tuple[np.ndarray, float]]


def _rough(rng: np.random.Generator, n: int) -> tuple[np.ndarray, float]:
    pixel = float(np.exp(rng.uniform(np.log(0.5e-9), np.log(50e-9))))
    z, _ = surfaces.self_affine(
        rng, (n, n), pixel, rms=pixel * float(rng.uniform(0.05, 1)), hurst=float(rng.uniform(0.5, 1)),
        correlation_length=pixel * float(rng.uniform(0.04, 0.3)) * n, anisotropy=float(np.exp(rng.normal(0, 0.3))),
    )  # fmt: skip
    if rng.random() < 0.5:
        z = surfaces.non_gaussian(z, skew=float(rng.uniform(-0.8, 0.8)), tail=float(rng.uniform(0.6, 1.4)))
    return z, pixel


def _under(rng: np.random.Generator, z: np.ndarray, pixel: float) -> np.ndarray:
    """z on a substrate that is a little rough."""
    rms = float(rng.uniform(0.01, 0.15)) * float(z.std())
    rough, _ = surfaces.self_affine(rng, z.shape, pixel, rms=rms, correlation_length=8 * pixel, hurst=0.7)
    return z + rough


def _particles(rng: np.random.Generator, n: int) -> tuple[np.ndarray, float]:
    pixel = float(rng.uniform(1e-9, 20e-9))
    radius = pixel * n * float(rng.uniform(0.02, 0.07))
    z, _ = surfaces.particles(rng, (n, n), pixel, number=int(rng.integers(5, 60)), radius=radius, spread=0.2)
    return _under(rng, z, pixel), pixel


def _terraces(rng: np.random.Generator, n: int) -> tuple[np.ndarray, float]:
    pixel = float(rng.uniform(1e-9, 20e-9))
    width, angle = pixel * n * float(rng.uniform(0.1, 0.6)), float(rng.uniform(0, 2 * np.pi))
    z = surfaces.terraces((n, n), pixel, step_height=0.4e-9, width=width, angle=angle)
    return _under(rng, z - z.min(), pixel), pixel


def _grating(rng: np.random.Generator, n: int) -> tuple[np.ndarray, float]:
    pixel = float(rng.uniform(5e-9, 50e-9))
    z = surfaces.grating((n, n), pixel, pitch=pixel * n * float(rng.uniform(0.1, 0.4)), height=20e-9,
                         duty=float(rng.uniform(0.3, 0.7)), angle=float(rng.uniform(0, 2 * np.pi)))  # fmt: skip
    return _under(rng, z, pixel), pixel


def _fibres(rng: np.random.Generator, n: int) -> tuple[np.ndarray, float]:
    pixel = float(rng.uniform(0.5e-9, 5e-9))
    z, _ = surfaces.fibres(rng, (n, n), pixel, number=int(rng.integers(2, 12)), length=pixel * n * 0.8,
                           persistence_length=pixel * n * float(rng.uniform(0.1, 1)),
                           radius=pixel * float(rng.uniform(1.5, 3)))  # fmt: skip
    return _under(rng, z, pixel), pixel


def _tunnelling(make: Callable[[np.random.Generator, float], Surface], sizes: tuple[float, float]) -> Ground:
    """A crystal surface as a sharp tip sees it, `sizes` metres across."""

    def ground(rng: np.random.Generator, n: int) -> tuple[np.ndarray, float]:
        size = float(np.exp(rng.uniform(*np.log(sizes))))
        pixel, blur = size / n, float(rng.uniform(0, 1.2e-10))
        grid = np.arange(n) * pixel
        z = look(make(rng, size), Tip(blur=(blur, blur)), grid, grid + np.zeros((n, 1)), pixel)
        return z, pixel

    return ground


GROUNDS: dict[str, Ground] = {
    "rough surface": _rough,
    "particles": _particles,
    "terraces": _terraces,
    "grating": _grating,
    "fibres": _fibres,
    "H:Si(100)": _tunnelling(hydrogen_silicon, (3.8e-9, 40e-9)),
    "Au(111)": _tunnelling(gold, (5e-9, 60e-9)),
    "molecules on a metal": _tunnelling(with_molecules, (8e-9, 30e-9)),
}
