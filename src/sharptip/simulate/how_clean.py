"""How far is a cleaned scan from the surface, which for a simulated one is known?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .dirty import Dirty, Shape, dirty

COVERAGES = (0.0, 0.2, 0.4, 0.6, 0.8)
STEPS = (0, 2)
TILTS = (0.0, 3.0, 10.0)  # Sq
SCARS = (0.0, 0.03)  # per line
LEAST = 20  # pixels that a mean rests on


def errors(d: Dirty, height: np.ndarray, scars: np.ndarray | None = None) -> dict[str, float]:
    """Errors of a cleaned height (y, x) in metres, and of a mask of scars where one was found.

    - `rmse`: against the surface with its noise, in metres: what levelling and mending can reach; `rmse_shape`: the
      same when a constant does not count; `rmse_surface`: against the surface without noise.
    - `step_bias`: of the height of one step, as a share of it. `volume_bias`: of the volume of what stands on the
      substrate, as a share of it. NaN where there is none.
    - `scar_precision`, `scar_recall` and `scar_f1`, by pixels.
    """
    off = height - d.level
    known = np.isfinite(off)
    out = {
        "rmse": float(np.sqrt(np.mean(off[known] ** 2))),
        "rmse_shape": float(np.std(off[known])),
        "rmse_surface": float(np.sqrt(np.mean((height - d.surface)[known] ** 2))),
        "step_bias": _step_bias(d, off),
        "volume_bias": float("nan"),
    }
    objects = np.isnan(d.terraces) & known
    if objects.sum() >= LEAST:
        out["volume_bias"] = float(off[objects].sum() / np.abs(d.level[objects].sum()))
    if scars is not None:
        hits = float((scars & d.scars).sum())
        found, there = float(scars.sum()), float(d.scars.sum())
        out["scar_precision"] = hits / found if found else float("nan")
        out["scar_recall"] = hits / there if there else float("nan")
        out["scar_f1"] = 2 * hits / (found + there) if found + there else float("nan")
    return out


def _step_bias(d: Dirty, off: np.ndarray) -> float:
    """Slope of the error over the terraces, by how many steps they are up, over the height of one."""
    here = np.isfinite(d.terraces) & np.isfinite(off) & ~d.scars
    if not d.drawn.get("step_height"):
        return float("nan")
    levels = [k for k in np.unique(d.terraces[here]) if (d.terraces[here] == k).sum() >= LEAST]
    if len(levels) < 2:
        return float("nan")
    means = [off[here & (d.terraces == k)].mean() for k in levels]
    return float(np.polyfit(levels, means, 1)[0] / d.drawn["step_height"])


def conditions(
    seed: int, per_cell: int, shape: Shape = (128, 128), **fixed: Any
) -> Iterator[tuple[dict[str, float], Dirty]]:
    """Simulated raw scans over coverage × steps × tilt × scars, `per_cell` of each: (condition, scan).

    The other artefacts are drawn. fixed: arguments of `dirty` that are the same for all. The same seed gives the same.
    """
    for cell, (coverage, steps, tilt, scars) in enumerate(itertools.product(COVERAGES, STEPS, TILTS, SCARS)):
        for i in range(per_cell):
            rng = np.random.default_rng([seed, cell, i])
            chosen = {"coverage": coverage, "steps": steps, "tilt": tilt, "scars": scars}
            yield chosen, dirty(rng, shape, **{**chosen, **fixed})
