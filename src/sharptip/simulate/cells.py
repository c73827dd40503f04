"""What do adhesion maps of healthy and of cancerous cells look like, patient by patient?

After the design of Sokolov et al., PNAS 115, 12920 (2018): several cells of each patient, one map of 10 µm per cell,
cut into four quadrants later. The adhesion of the two kinds differs in mean, roughness, correlation length and
skewness, each by little compared with the spread among patients and cells; the height is drawn from one and the same
population for both, so that nothing can be learned from it. The sizes of these differences are made up: they
make an exercise about as hard as the published one, and say nothing about cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import entry
from ..core.scan import scan_of
from .surface import non_gaussian, self_affine

Record = dict[str, Any]

KINDS = ("healthy", "cancerous")
SIDE = 10e-6  # metres, of a cell's map
UNIT = 10e-12  # newtons that stand for one arbitrary unit of the published maps
OF_PATIENTS = 0.6  # standard deviation of patients, as a share of the gap between the kinds
NOISE = 0.05  # of Sq, white, pixel by pixel
SPOILED = 0.08  # chance that a cell has a spoiled quadrant: debris on the tip for some of its lines


@dataclass(frozen=True)
class Population:
    """Mean and spread (standard deviation of cells of one patient) of what makes an adhesion map."""

    mean: tuple[float, float]  # N
    sq: tuple[float, float]  # N
    correlation_length: tuple[float, float]  # m
    skew: tuple[float, float]  # Ssk
    hurst: tuple[float, float]


POPULATIONS = {
    "healthy": Population((40 * UNIT, 8 * UNIT), (12 * UNIT, 3 * UNIT), (220e-9, 40e-9), (0.2, 0.3), (0.80, 0.05)),
    "cancerous": Population((50 * UNIT, 8 * UNIT), (17 * UNIT, 4 * UNIT), (150e-9, 35e-9), (0.7, 0.4), (0.72, 0.05)),
}
LOWEST = {"mean": 10 * UNIT, "sq": 3 * UNIT, "correlation_length": 50e-9, "skew": -1.0, "hurst": 0.4}
HEIGHT_SQ, HEIGHT_LENGTH = (60e-9, 0.25), (900e-9, 0.2)  # metres and relative spread, the same for both kinds


class Cell(NamedTuple):
    """One cell's scan, of kind `kind`, of patient `patient`; unpacks in this order."""

    scan: xr.Dataset
    kind: str
    patient: str
    record: Record


def cohort(seed: int, patients: int = 25, cells: int = 5, pixels: int = 256) -> Iterator[Cell]:
    """`cells` cells of each of `patients` patients of either kind. The same seed gives the same cohort."""
    for kind in KINDS:
        for number in range(patients):
            for index in range(cells):
                rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KINDS.index(kind), number, index)))
                yield cell(rng, kind, patient=(seed, number), pixels=pixels)


def cell(rng: np.random.Generator, kind: str, *, patient: tuple[int, int], pixels: int = 256) -> Cell:
    """One cell of patient number `patient[1]` of cohort `patient[0]`, who is the same whatever else is drawn.

    Its scan holds `adhesion` (N) and `height` (m), pixels × pixels over 10 µm. Raises ScanError for a kind that is
    none.
    """
    if kind not in POPULATIONS:
        raise ScanError(f"there is no kind of cell {kind!r}; there are {', '.join(KINDS)}")
    for_cell, for_adhesion, for_height = rng.spawn(3)
    person = effects(*patient, kind)
    drawn = {}
    for field in fields(Population):
        centre, spread = getattr(POPULATIONS[kind], field.name)
        value = for_cell.normal(centre + person[field.name], spread)
        drawn[field.name] = float(max(value, LOWEST[field.name]))
    pixel = SIDE / pixels
    adhesion, spoiled = _adhesion(for_adhesion, drawn, pixels)
    scan = scan_of(adhesion.astype(np.float32), pixel, channel="adhesion", unit="N", name=f"{kind}-{patient[1]}")
    height = _height(for_height, person, pixels)
    scan["height"] = xr.Variable(("y", "x"), height.astype(np.float32), {"units": "m", "vendor_name": "height"})
    options = {"kind": kind, "cohort": patient[0], "patient": patient[1]}
    scan.attrs |= {"simulated": 1, "history": json.dumps([entry("simulate.cell", options)])}
    return Cell(scan, kind, f"{kind}-{patient[1]} of {patient[0]}", drawn | {"spoiled": spoiled})


def effects(cohort: int, number: int, kind: str) -> dict[str, float]:
    """How far a patient is from the mean of the kind in each parameter, and in the two of the height (relative)."""
    rng = np.random.default_rng(np.random.SeedSequence(cohort, spawn_key=(99, KINDS.index(kind), number)))
    a, b = (POPULATIONS[k] for k in KINDS)
    gaps = {f.name: abs(getattr(a, f.name)[0] - getattr(b, f.name)[0]) for f in fields(Population)}
    out = {name: float(rng.normal(0, OF_PATIENTS * gap)) for name, gap in gaps.items()}
    return out | {"height_sq": float(rng.normal(0, 0.15)), "height_length": float(rng.normal(0, 0.15))}


def _adhesion(rng: np.random.Generator, drawn: dict[str, float], pixels: int) -> tuple[np.ndarray, int | None]:
    """The map (y, x) in newtons, and which quadrant of it is spoiled, if one is."""
    pixel = SIDE / pixels
    rough, _ = self_affine(
        rng, (pixels, pixels), pixel, rms=1.0, correlation_length=drawn["correlation_length"], hurst=drawn["hurst"]
    )
    texture = non_gaussian(rough, skew=skewing(drawn["skew"]), rounds=2)
    texture = (texture - texture.mean()) / texture.std() + NOISE * rng.standard_normal(texture.shape)
    force = np.maximum(drawn["mean"] + drawn["sq"] * texture, 0.0)  # a pull-off force is never below zero
    if not rng.random() < SPOILED:
        return force, None
    quadrant, half = int(rng.integers(4)), pixels // 2
    rows = slice(half * (quadrant // 2), half * (quadrant // 2) + half)
    columns = slice(half * (quadrant % 2), half * (quadrant % 2) + half)
    lines = rng.random((half, 1)) < 0.5  # the debris comes and goes line by line
    force[rows, columns] += np.where(lines, 4 * drawn["sq"], 0.0)
    return force, quadrant


def _height(rng: np.random.Generator, person: dict[str, float], pixels: int) -> np.ndarray:
    """A cell's surface (y, x) in metres, with nothing in it of the cell's kind."""
    sq = HEIGHT_SQ[0] * np.exp(person["height_sq"] + rng.normal(0, HEIGHT_SQ[1]))
    length = HEIGHT_LENGTH[0] * np.exp(person["height_length"] + rng.normal(0, HEIGHT_LENGTH[1]))
    rough, _ = self_affine(rng, (pixels, pixels), SIDE / pixels, rms=sq, correlation_length=length, hurst=0.8)
    return rough


def skewing(skewness: float) -> float:
    """The `skew` of `non_gaussian` that gives Gaussian heights this skewness (0 to about ±1.5), by interpolation."""
    from scipy.special import ndtri

    heights = ndtri((np.arange(4000) + 0.5) / 4000)
    tried = np.linspace(-2.0, 2.0, 81)
    bent = np.sinh(np.arcsinh(heights)[None, :] + tried[:, None])
    off = bent - bent.mean(axis=1, keepdims=True)
    found = (off**3).mean(axis=1) / (off**2).mean(axis=1) ** 1.5
    return float(np.interp(skewness, found, tried))
