"""What of this raw scan is the sample's, and what the instrument's?

The learned form of levelling: background, a level and a tilt for every line, scars and noise, told apart from
particles, terraces and fibres by a network that learned from simulated scans of which every part is known
(`simulate.dirty`). It starts from what `clean.flatten` finds. What was taken off comes with the answer, so that height
+ background + lines is the raw scan wherever no scar was mended; the noise is part of the height. After the
post-processing of high-speed AFM films that the review asks for; the network is `nets.Decomposer`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..clean import flatten_fit, mend, relevel, rows, scars
from ..clean.flatten import Flattened
from ..clean.mask import background
from ..clean.neighbours import flat_parts
from ..clean.substrate import substrate_of
from ..core.scan import scan_of
from ..fit.recipe import Example, Options, Port, Recipe
from ..simulate.dirty import STEPS, Dirty, dirty

SIDE = 128  # pixels of a simulated scan
SCARRED = 0.8  # probability from which a pixel is taken for a scar; to mend what is none costs more than to miss one


def example(rng: np.random.Generator, options: Options) -> Example:
    """One simulated raw scan with its parts; each its own group. A share `stepped` of them has steps in any case."""
    stepped = options["stepped"] > 0 and rng.random() < options["stepped"]
    steps = int(rng.integers(1, STEPS[1] + 1)) if stepped else None
    d = dirty(rng, (options["tile"], options["tile"]), steps=steps)
    return Example(d.scan(), truth(d), group=f"scan {rng.integers(2**62)}")


def truth(d: Dirty) -> xr.Dataset:
    """The parts of a simulated scan by the names of the answers; its height keeps its noise, as a levelled one does."""
    parts = {"height": (d.level, "m"), "background": (d.background, "m"), "row_offsets": (d.offsets, "m"),
             "row_tilts": (d.tilts, "m"), "noise": (d.noise, "m"), "scar_mask": (d.scars.astype(float), "1"),
             "substrate": (d.substrate.astype(float), "1")}  # fmt: skip
    scan = scan_of(d.level, d.pixel_size)
    return scan.assign({k: xr.Variable(("y", "x")[: v.ndim], v, {"units": u}) for k, (v, u) in parts.items()})


def network(options: Options) -> Any:
    from ..nets import Decomposer

    return Decomposer(widths=options["widths"], passes=options["passes"], noise=options["noise"])


def loss(answer: Any, truth: Any) -> Any:
    from ..nets.decomposer import decomposition_loss

    return decomposition_loss(answer, truth)


def first_answer(raw: np.ndarray, options: Options) -> list[tuple[np.ndarray, str]]:
    """What `clean.flatten` takes off, and the height of the terrace that it lays each pixel on, both (y, x)."""
    found = flatten_fit(raw)
    image = np.where(np.isfinite(found.image), found.image, 0.0)
    ground = np.zeros(image.shape)
    for height in terraces_of(found):
        ground = np.where(np.abs(image - height) < np.abs(image - ground), height, ground)
    return [(found.background + found.offsets[:, None], "value"), (ground, "difference")]


def terraces_of(found: Flattened) -> tuple[float, ...]:
    """Heights of the terraces on the substrate of a levelled image."""
    flat, noise = flat_parts(found.image.astype(np.float32), 1e-6 * float(np.nanmax(np.abs(found.image), initial=0.0)))
    heights = found.image[flat & np.isfinite(found.image)]
    return substrate_of(heights, noise).terraces if heights.size and noise > 0 else ()


def put_together(raw: np.ndarray, found: dict[str, np.ndarray], options: Options) -> dict[str, np.ndarray]:
    """The height is exactly what is left of the raw scan, drawn from the lines beside a scar where there is one.

    The noise stays in it, and is told beside it; where a scar was mended there is none.
    """
    u = np.linspace(-1, 1, raw.shape[1])
    height = raw - found["background"] - found["row_offsets"][:, None] - found["row_tilts"][:, None] * u
    scarred = found["scar_mask"] > SCARRED
    return {
        **found, options["channel"]: mend(height, scarred), "scar_mask": scarred.astype(float),
        "noise": np.where(scarred, 0.0, found["noise"]),
    }  # fmt: skip


def masked_levelling(scan: xr.Dataset) -> xr.Dataset:
    """The classical way with what there is: align lines, level on the background, align on it, mend scars, level."""
    scan = relevel(rows(scan, method="difference"), degree=2)
    _, mask = background(scan["height"].values, 2)
    return relevel(scars(rows(scan, method="difference", mask=mask)), degree=2)


RECIPE = Recipe(
    name="clean_scan",
    question="What of this raw scan is the sample's, and what the instrument's?",
    eats=(Port("height", "m"),),
    gives=(
        Port("height", "m", number="difference"),
        Port("background", "m"),
        Port("row_offsets", "m", ("y",), number="difference"),
        Port("row_tilts", "m", ("y",), number="difference"),
        Port("noise", "m", number="difference"),
        Port("scar_mask", "1", number="plain"),
        Port("substrate", "1", number="plain"),
    ),
    kind="restore",
    example=example,
    build=network,
    loss=loss,
    first=first_answer,
    finish=put_together,
    least=16,
    scale="own",
    baselines={"masked levelling": lambda options: masked_levelling},
    options={
        "channel": "height", "unit": "m", "stepped": 0.4, "widths": (24, 40, 64, 64), "passes": 1, "noise": True,
        "tile": SIDE,
        "examples": 400, "epochs": 80, "batch": 8, "lr": 1e-3, "schedule": "cosine", "precision": "bf16", "clip": 20.0,
        "fresh": True, "half": True,
    },
)  # fmt: skip
