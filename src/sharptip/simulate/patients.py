"""Force curves of cells of patients, healthy or sick, that differ in the coat of their cells and not in their modulus.

A bead presses a cell that is an elastic half-space under a brush (Iyer et al., Nat. Nanotechnol. 4, 389 (2009), found
brushes of normal and of cancerous cervical cells to differ). The length of the brush differs between the classes, and
also from patient to patient, cell to cell and curve to curve; the modulus varies in the same three levels, alike in
both.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..core.history import entry
from ..physics.brush import brush_gap

NODES = 400  # forces at which a curve is computed before it is read off


@dataclass(frozen=True)
class Clinic:
    """Standard deviations are of natural logarithms."""

    healthy: float = 0.45e-6  # m, typical length of the brush
    sick: float = 0.75e-6
    patient: float = 0.15  # of the length, from patient to patient
    cell: float = 0.2
    curve: float = 0.3
    modulus: float = 2000.0  # Pa, typical of both classes
    modulus_spread: tuple[float, float, float] = (0.3, 0.4, 0.2)  # patient, cell, curve
    density: float = 1e15  # chains per m²
    radius: float = 2.5e-6  # m
    spring_constant: float = 0.06  # N/m
    largest: tuple[float, float] = (1.5e-9, 3e-9)  # N, at which an approach is turned
    noise: float = 0.5e-9  # m of deflection
    tilt: float = 2e-3  # m of deflection per m of way
    samples: int = 600
    way: float = 5e-6  # m, of each approach


class Patient(NamedTuple):
    """Curves of one patient: scan (curve, sample); truth `sick` 0/1, `cell`, `patient`; record of what was drawn."""

    scan: xr.Dataset
    truth: dict[str, np.ndarray]
    record: dict[str, np.ndarray]


def patient(
    rng: np.random.Generator,
    sick: bool,
    *,
    cells: int = 5,
    curves: int = 8,
    name: str = "",
    clinic: Clinic | None = None,
) -> Patient:
    """One patient: `cells` cells with `curves` curves each."""
    about = clinic or Clinic()
    n = cells * curves
    cell = np.repeat(np.arange(cells), curves)

    def drawn(typical: float, spread: tuple[float, float, float]) -> np.ndarray:
        effects = rng.normal(0, spread[0]) + rng.normal(0, spread[1], cells)[cell] + rng.normal(0, spread[2], n)
        return typical * np.exp(effects)

    length = drawn(about.sick if sick else about.healthy, (about.patient, about.cell, about.curve))
    modulus = drawn(about.modulus, about.modulus_spread)
    force = rng.uniform(*about.largest, n)
    height, deflection = _approaches(rng, length, modulus, force, about)
    name = name or f"patient {rng.integers(2**62)}"
    truth = {"sick": np.full(n, float(sick)), "patient": np.full(n, name),
             "cell": np.array([f"{name}, cell {c}" for c in cell])}  # fmt: skip
    record = {"brush_length": length, "modulus": modulus, "largest_force": force}
    return Patient(_scan(height, deflection, about, name), truth, record)


def _approaches(
    rng: np.random.Generator, length: np.ndarray, modulus: np.ndarray, largest: np.ndarray, about: Clinic
) -> tuple[np.ndarray, np.ndarray]:
    """Height and deflection (n, samples): brush, cell and cantilever bear the same force, and their ways add up."""
    f = largest[:, None] * np.linspace(0, 1, NODES) ** 2
    stiffness = 4 / 3 * modulus[:, None] / (1 - 0.5**2) * np.sqrt(about.radius)
    gap = brush_gap(
        np.maximum(f, 1e-18), length[:, None], np.full((1, 1), about.density), np.full((1, 1), about.radius)
    )
    come = (length[:, None] - gap) + (f / stiffness) ** (2 / 3) + f / about.spring_constant
    come -= come[:, :1]
    at = come[:, -1:] - about.way * np.linspace(1, 0, about.samples)
    force = np.stack([np.interp(*row, left=0.0) for row in zip(at, come, f, strict=True)])
    tilt = rng.normal(0, about.tilt, (len(f), 1)) * (at - at[:, :1])
    deflection = force / about.spring_constant + tilt + rng.normal(0, about.noise, at.shape)
    return -at + rng.normal(0, 2e-6, (len(f), 1)), deflection + rng.normal(0, 20e-9, (len(f), 1))


def _scan(height: np.ndarray, deflection: np.ndarray, about: Clinic, name: str) -> xr.Dataset:
    n = len(height)
    channels = {
        "height": (("curve", "sample"), height, {"units": "m"}),
        "deflection": (("curve", "sample"), deflection, {"units": "m"}),
        "segment": (("curve", "sample"), np.zeros(height.shape, np.int8), {"units": "1"}),
        "length": ("curve", np.full(n, height.shape[1]), {"units": "1"}),
        "spring_constant": ("curve", np.full(n, about.spring_constant), {"units": "N/m"}),
    }
    attrs = {"name": name, "source": "", "format": "simulated", "header": "{}", "segments": '["approach"]'}
    attrs["history"] = json.dumps([entry("simulate_patient", asdict(about))])
    return xr.Dataset(channels, attrs=attrs)
