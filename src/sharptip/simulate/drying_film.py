"""What does a microscope show of a drying nanoparticle film, or of a place where two films meet?

A lattice state becomes a film with heights: bare substrate, residual liquid, particles on top, all a little rough and
rounded. It is turned, shifted and magnified at will, felt by a tip of finite size and scanned with every artefact of
`scanner`. Scans are 500 nm to 90 µm wide while the pattern is the same: the lattice gas knows no length, so neither
does the question, and only the number of sites in view, 80 to 128 across, is kept near the lattice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import ndimage

from ..core.errors import ScanError
from ..core.history import entry
from ..core.scan import scan_of
from .lattice_gas import LIQUID, PARTICLE, Gas
from .scanner import Settings, sample, scan_it
from .surface import self_affine
from .tip import half_width, sphere_cone

WIDTH = (500e-9, 90e-6)  # metres, of a scan, drawn evenly in its logarithm
IN_VIEW = (0.625, 1.0)  # of the lattice, across the scan
PARTICLE_HEIGHT = (2e-9, 10e-9)  # metres
LIQUID_HEIGHT = (0.2, 0.8)  # of the particle's
UNEVEN = 0.1  # relative spread of the height from site to site
ROUGHNESS = (0.02, 0.15)  # of the particle's height, rms
ROUNDING = (0.3, 0.8)  # sites, Gaussian: capillary rims and the particles' own shape
TIP_RADIUS = (4e-9, 20e-9)  # metres
TIP_ANGLE = np.radians(18)  # half opening angle
MARGIN = 16  # pixels around the scan that drift and the tip reach
BOUNDARY = (1.0, 6.0)  # pixels over which one film fades into the other
SHARE = (0.35, 0.65)  # of the scan on one side of the boundary, before it bends
BEND = 0.08  # of the scan's side, rms

# Where each regime is found, as ranges of μ; the label is decided by what comes out. kT, coverage and sweeps for all.
CHEMICAL_POTENTIAL: dict[str, tuple[float, float]] = {
    "liquid": (-2.45, -2.0),
    "holes": (-2.65, -2.35),
    "cells": (-2.85, -2.45),
    "labyrinth": (-3.3, -2.6),
    "islands": (-4.0, -3.1),
}
TEMPERATURE = (0.2, 0.45)
COVERAGE = (0.25, 0.35)
SWEEPS = (40, 300)  # drawn evenly in the logarithm: films caught early and late


class Film(NamedTuple):
    """scan: `height` (y, x) in metres. side: (y, x), the share of the second state at each pixel. record: JSON-able."""

    scan: xr.Dataset
    side: np.ndarray
    record: dict[str, Any]


def draw_gas(rng: np.random.Generator, regime: str) -> tuple[Gas, int]:
    """A gas and a number of sweeps that often, not always, end in `regime`. Raises ScanError for an unknown one."""
    if regime not in CHEMICAL_POTENTIAL:
        raise ScanError(f"there is no regime {regime!r}; there are {', '.join(CHEMICAL_POTENTIAL)}")
    kT, mu, coverage = (rng.uniform(*r) for r in (TEMPERATURE, CHEMICAL_POTENTIAL[regime], COVERAGE))
    return Gas(float(kT), float(mu), float(coverage)), round(_log_uniform(rng, SWEEPS))


def scan_film(
    rng: np.random.Generator,
    states: Sequence[np.ndarray],
    *,
    shape: tuple[int, int] = (128, 128),
    settings: Settings | None = None,
    in_view: tuple[float, float] = IN_VIEW,
) -> Film:
    """A scan of one lattice state, or of two that meet along a smooth boundary.

    states: one or two arrays (size, size) of 0 bare, 1 liquid, 2 particle; in_view: how much of the lattice's side is
    across the scan, drawn between the two; above 1 it repeats. Raises ScanError for any other number of states.
    """
    if len(states) not in (1, 2):
        raise ScanError(f"a scan shows one state, or two that meet; {len(states)} were given")
    for_film, for_roughness, for_boundary, for_scanner = rng.spawn(4)
    outer = (shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN)
    pixel = _log_uniform(for_film, WIDTH) / shape[1]
    drawn = {
        "particle_height": _log_uniform(for_film, PARTICLE_HEIGHT), "tip_radius": _log_uniform(for_film, TIP_RADIUS),
        "liquid_height": float(for_film.uniform(*LIQUID_HEIGHT)), "rounding": float(for_film.uniform(*ROUNDING)),
        "sites_per_pixel": float(for_film.uniform(*in_view)) * len(states[0]) / shape[1],
    }  # fmt: skip
    films = [_heights(for_film, state, outer, drawn) for state in states]
    side = boundary(for_boundary, outer) if len(states) == 2 else np.zeros(outer)
    surface = films[0] + side * (films[-1] - films[0])
    rms = float(for_film.uniform(*ROUGHNESS)) * drawn["particle_height"]
    length = float(for_film.uniform(2, 12)) * pixel
    surface = surface + self_affine(for_roughness, outer, pixel, rms=rms, correlation_length=length)[0]
    reach = half_width(float(np.ptp(surface)), pixel, radius=drawn["tip_radius"], half_angle=TIP_ANGLE)
    tip = sphere_cone(reach, pixel, radius=drawn["tip_radius"], half_angle=TIP_ANGLE)
    images, truth, scanned = scan_it(for_scanner, surface, pixel, settings or Settings(), tip=tip, margin=MARGIN)
    scan = scan_of(images["height"].astype(np.float32), pixel, name="drying film")
    scan.attrs |= {"simulated": 1, "history": json.dumps([entry("simulate.drying_film", drawn)])}
    return Film(scan, sample(side, truth["position"]), drawn | {"pixel_size": pixel, "rms": rms, "scanner": scanned})


def _heights(rng: np.random.Generator, state: np.ndarray, shape: tuple[int, int], drawn: dict[str, Any]) -> np.ndarray:
    """Height (y, x) in metres of a state seen at `sites_per_pixel`, turned and shifted by chance."""
    level = np.zeros(3)
    level[LIQUID], level[PARTICLE] = drawn["liquid_height"], 1.0
    height = drawn["particle_height"] * level[state] * (1 + UNEVEN * rng.standard_normal(state.shape))
    angle, n = rng.uniform(0, 2 * np.pi), len(state)
    turn = drawn["sites_per_pixel"] * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).reshape(2, -1)
    place = turn @ grid + rng.uniform(0, n, (2, 1))
    rounded = ndimage.gaussian_filter(height, drawn["rounding"], mode="wrap")
    return ndimage.map_coordinates(rounded, place, order=1, mode="grid-wrap").reshape(shape)


def boundary(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Share (y, x), 0 to 1, of the second film: a line through the scan that bends and fades."""
    angle, side = rng.uniform(0, 2 * np.pi), min(shape)
    y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    along = np.cos(angle) * y + np.sin(angle) * x
    bend, _ = self_affine(rng, shape, 1.0, rms=BEND * side, correlation_length=side / 4, hurst=1.0)
    distance = along + bend
    middle = np.quantile(distance[MARGIN:-MARGIN, MARGIN:-MARGIN], rng.uniform(*SHARE))
    return 1 / (1 + np.exp(-np.clip((distance - middle) / rng.uniform(*BOUNDARY), -50, 50)))


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))
