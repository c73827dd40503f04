"""What do scans of two populations look like when donors, days, tips and washing vary more than one would like?

Each image has a seed of its own, from (seed, batch, population, index): image 7 is the same however many are drawn.
Donors, tips and days have theirs, and every donor gives healthy and exposed images in equal shares on the same days
and with the same tips, so that none of them tells the label.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..core.errors import ScanError
from ..core.history import entry
from ..core.scan import scan_of
from .cytoskeleton import Donor, cytoskeleton, preparation

Record = dict[str, Any]

LABELS = ("healthy", "exposed", "treated")
MODES = {1: "A", 2: "B"}  # batch → how the exposed networks are damaged
IMAGES_PER_CELL = 2  # images of one donor and label that come from the same cell, and share its damage
TIPS = 2  # per batch, taken in turn cell by cell
DAYS = 3  # per batch, donors spread over them

# Difficulty, set once on seeds 1000 and on so that a forest on pixels comes near the published 86 % and 67 % of tiles
# in batches 1 and 2, and then left alone; `benchmarks/difficulty.py` measures what it gives. Damage is drawn per cell
# from a beta distribution (a, b) times a reach; healthy cells carry a little wear of the same kind. The sizes of the
# damage and of the nuisances, in `cytoskeleton.py`, belong to the same setting.
WEAR = (1.0, 9.0, 0.5)
DAMAGE = {1: (10.0, 2.0, 1.0), 2: (4.5, 4.0, 1.0)}
TREATED = (0.1, 0.2)  # what treatment leaves of the damage
SPACING_SPREAD = 0.12  # donors, ± as one standard deviation cut at two
TIP_RADIUS = (4e-9, 12e-9)  # metres, new tip


class Sample(NamedTuple):
    """One image of a population; unpacks in this order."""

    name: str
    label: str
    group: str
    batch: str
    scan: xr.Dataset
    truth: dict[str, np.ndarray]
    record: Record


def population(
    seed: int,
    *,
    batch: int = 1,
    healthy: int = 60,
    exposed: int = 65,
    treated: int = 0,
    donors: int = 5,
    shape: tuple[int, int] = (512, 512),
    pixel_size: float = 4e-9,
) -> Iterator[Sample]:
    """Scans of one batch: all healthy ones, then the exposed, then the treated.

    Batch 1 is damaged in mode A and batch 2 in mode B; their donors, tips and days are different ones. The group of
    an image is its donor. See `image` for what is in a sample and for the errors raised.
    """
    for label, number in zip(LABELS, (healthy, exposed, treated), strict=True):
        for index in range(number):
            yield image(seed, label, index, batch=batch, donors=donors, shape=shape, pixel_size=pixel_size)


def image(
    seed: int,
    label: str,
    index: int,
    *,
    batch: int = 1,
    donors: int = 5,
    shape: tuple[int, int] = (512, 512),
    pixel_size: float = 4e-9,
) -> Sample:
    """Image number `index` of a population, the same whatever else is drawn.

    Its scan holds `height` (y, x) float32 in metres, and says its session, donor, cell, tip and day; its truth and
    record are those of `cytoskeleton`. Raises ScanError for a label or batch that is none, or without donors.
    """
    if label not in LABELS:
        raise ScanError(f"there is no population {label!r}; there are {', '.join(LABELS)}")
    if batch not in MODES:
        raise ScanError(f"there is no batch {batch}; there are {', '.join(map(str, MODES))}")
    if donors < 1:
        raise ScanError(f"{donors} donors cannot give an image; take at least 1")
    which = index % donors
    cell = index // donors // IMAGES_PER_CELL
    person = donor(seed, which, batch=batch, donors=donors)
    of_cell = _stream(seed, batch, "cell", LABELS.index(label), which, cell)
    of_image = _stream(seed, batch, "image", LABELS.index(label), index)
    damage = strength(of_cell, label, batch)
    tip = (which + cell) % TIPS
    radius = float(_stream(seed, batch, "tip", tip).uniform(*TIP_RADIUS))
    radius *= float(np.exp(of_image.normal(0, 0.1)))  # wear and dirt, image by image
    prepared = preparation(of_image, preparation(of_cell, person))
    mode = MODES[batch]
    height, truth, record = cytoskeleton(
        of_image, shape=shape, pixel_size=pixel_size, damage=damage, mode=mode, donor=prepared, tip_radius=radius
    )
    day = f"batch-{batch}-day-{which % DAYS + 1}"
    name = f"batch-{batch}_{person.name}_{label}-{index:03d}"
    scan = scan_of(height.astype(np.float32), pixel_size, name=name)
    scan.attrs |= {
        "simulated": 1, "batch": f"batch-{batch}", "donor": person.name, "cell": f"{person.name}-{label}-{cell}",
        "tip": f"batch-{batch}-tip-{tip + 1}", "day": day, "session": day,
    }  # fmt: skip
    options = {"seed": seed, "label": label, "index": index, "batch": batch, "donors": donors}
    scan.attrs["history"] = json.dumps([entry("simulate.population", options)])
    record |= {"seed": seed, "index": index, "label": label, "cell": cell, "tip": tip}
    return Sample(name, label, person.name, f"batch-{batch}", scan, truth, record)


def donor(seed: int, which: int, *, batch: int = 1, donors: int = 5) -> Donor:
    """A donor of a batch, numbered through from batch to batch: a random effect around the usual network."""
    rng = _stream(seed, batch, "donor", which)
    usual = Donor()
    spread = float(np.clip(rng.normal(0, SPACING_SPREAD), -2 * SPACING_SPREAD, 2 * SPACING_SPREAD))
    return replace(
        usual,
        name=f"donor-{(batch - 1) * donors + which + 1}",
        spacing=usual.spacing * (1 + spread),
        half_width=usual.half_width * float(np.exp(rng.normal(0, 0.06))),
        height=usual.height * float(np.exp(rng.normal(0, 0.1))),
        residue=usual.residue * float(np.exp(rng.normal(0, 0.25))),
        waviness=usual.waviness * float(np.exp(rng.normal(0, 0.2))),
        grains=usual.grains * float(np.exp(rng.normal(0, 0.5))),
    )


def strength(rng: np.random.Generator, label: str, batch: int) -> float:
    """Damage (0 to 1) of one cell. Treated cells have the exposed ones' damage, times what treatment leaves."""
    if label == "healthy":
        a, b, reach = WEAR
        return reach * float(rng.beta(a, b))
    a, b, reach = DAMAGE[batch]
    damage = reach * float(rng.beta(a, b))
    return damage * float(rng.uniform(*TREATED)) if label == "treated" else damage


_STREAMS = {"donor": 0, "tip": 1, "cell": 2, "image": 3}


def _stream(seed: int, batch: int, kind: str, *number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(batch, _STREAMS[kind], *number)))
