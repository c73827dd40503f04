"""The population study, the main job: are two populations of scans different, where, why, and how far to believe it.

from sharptip.study import compare
metrics = compare("scans/", "result/", apply=["treated"], groups="groups.csv")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import registry
from ..core.errors import StudyError
from ..core.units import is_si
from ..fit.recipe import Recipe
from .protocol import PROTOCOLS, Protocol

Tell = Callable[[str, int, int], object]


def compare(
    scans: str | Path,
    out: str | Path,
    *,
    apply: Sequence[str] = (),
    groups: str | None = None,
    reference: str | None = None,
    channel: str = "height",
    unit: str = "m",
    size: Any = None,
    pixel_size: float | None = None,
    protocol: Protocol | str = "quick",
    recipe: Recipe | str = "tell_apart",
    simulated: bool = False,
    truth: str | Path | None = None,
    tell: Tell = lambda what, done, of: None,
) -> dict[str, Any]:
    """Compare the populations in a folder, or in a CSV table; write the report and return what metrics.json holds.

    scans: folder with one sub-folder per population, or a table with columns file, label, maybe frame, group, batch.
    apply: populations (folders or labels) that are judged and not learned from. groups, reference: see
    `study.collect`. channel, unit: what is compared. size: for files that say none. truth: masks of simulated scans.
    tell(what, done, of): called as the work goes on.

    What is done is kept in `out/work`; the same call after an interruption goes on from there and ends the same.
    Raises StudyError where nothing can be compared.
    """
    from . import collect, findings, pages, why
    from .run import Study

    begun = time.perf_counter()
    scans, out = Path(scans), Path(out)
    protocol = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    chosen: Recipe = registry.get("recipes", recipe) if isinstance(recipe, str) else recipe
    chosen = chosen.on_channel({"channel": channel, "unit": unit})
    if not is_si(unit):
        raise StudyError(f"--unit {unit!r} is not an SI unit; scans hold theirs in 'm', 'V', 'A', 'rad', 'arb' …")
    if scans.is_file() and groups is not None:
        raise StudyError(f"{scans} is a table: give it a column 'group' instead of --groups {groups!r}")
    entries = collect.from_table(scans) if scans.is_file() else collect.from_folder(scans, groups)
    collection = collect.collect(
        entries, chosen, tile=protocol.tile, applied=apply, reference=reference, size=size, pixel_size=pixel_size,
        on_image=lambda done, of: tell("reading", done, of),
    )  # fmt: skip
    simulated = simulated or collection.simulated
    done = [0]

    def on_unit(name: str) -> None:
        done[0] += 1
        tell(name, done[0], max(done[0], study_units[0]))

    study_units = [0]
    study = Study(collection, chosen, protocol, out / "work", on_unit)
    study_units[0] = study.units()
    found = study.run()
    explained = why.explain(study, found, Path(truth) if truth else None)
    seconds = study.work.saved + time.perf_counter() - begun
    values = findings.metrics(study, found, explained, chosen.claims, not simulated, seconds)
    findings.write_tables(out, study, found, explained)
    _save_model(study, found, out, not simulated)
    pages.write_report(out / "report.html", study, found, explained, values, chosen.claims, _question(study))
    findings.write_metrics(out, values)
    return values


def _question(study: Any) -> str:
    a, b = study.collection.classes
    asked = f"Do scans of {a} and {b} differ, where, and why?"
    for name in study.collection.applied:
        asked += f" Are the {name} like the {a}?"
    return asked


def _save_model(study: Any, found: dict[str, Any], out: Path, real: bool) -> None:
    """The tested network as a model that `sharptip predict` takes."""
    from ..fit.model import Model
    from ..fit.scale import Scale

    c = study.collection
    net = study.final_network(found["best"], found["final"])
    own = [Scale.own(c.images[study.compared[i]].height[None].astype(float)) for i in study.dev]
    spreads = np.stack([s.spread for s in own])
    card = {
        "real": real, "seed": study.protocol.seed, "n_examples": len(study.dev),
        "n_groups": len(set(study.data.groups[study.dev])), "pixel_size": list(c.pixel_size) if c.pixel_size else None,
        "tile": c.tile, "range": [spreads.min(axis=0).tolist(), spreads.max(axis=0).tolist()],
        "scale": {"offset": [0.0], "spread": np.median(spreads, axis=0).tolist()},
        "test": {k: found["test"][k] for k in ("image_accuracy", "interval95", "n_images", "n_groups")},
    }  # fmt: skip
    options = {"classes": c.classes, "architecture": found["best"], "channel": c.channel, "unit": c.unit}
    Model.from_network(study.recipe, net, card, **options).save(out / "model.sharptip")


__all__ = ["PROTOCOLS", "Protocol", "StudyError", "compare"]
