"""What a study found, for programs and tables: metrics.json, scans.csv, predictions.csv."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import write_text, write_whole
from ..fit.recipe import Claim
from .believe import FEW
from .run import Study

HIDDEN = ("scores", "histories", "means", "searched", "null", "features")  # arrays that are in the tables instead


def metrics(
    study: Study, found: dict[str, Any], why: dict[str, Any], claims: Sequence[Claim], real: bool, seconds: float
) -> dict[str, Any]:
    """Everything a program may want to read, in plain values; NaN becomes null."""
    c = study.collection
    ours = {
        "tile_accuracy": found["test"]["tile_accuracy"],
        "random_forest_tile_accuracy": found["baselines"]["random_forest"]["tile_accuracy"],
    }
    return _clean(
        {
            "real": real,
            "classes": list(c.classes),
            "channel": c.channel,
            "protocol": study.protocol.as_json(),
            "n_images": {label: len(c.of(label)) for label in (*c.classes, *c.applied)},
            "n_groups": len({i.group for i in c.images}),
            "grouped": c.grouped,
            "best": found["best"],
            "architectures": {
                name: {"tile_accuracy": float(np.mean(a["tile_accuracy"])), "parameters": a["parameters"]}
                for name, a in found["architectures"].items()
            },
            "test": found["test"],
            "baselines": found["baselines"],
            "all_images_by_folds": found["outer"],
            "within_batch": found["within_batch"],
            "cross_batch": found["cross_batch"],
            "permutation": found["permutation"],
            "learning_curve": found["curve"],
            "applied": why["applied"],
            "explanation": {
                name: {
                    "deletion_area": why["cam"][f"{name}_deletion_area"],
                    "deletion_area_of_fitted_layer": why["cam"].get(f"{name}_own_deletion_area"),
                    "left_after_randomising": why["cam"][f"{name}_randomised"][1][-1],
                    "agreement_with_true_holes": why["cam"].get(f"{name}_agreement"),
                }
                for name in ("review", "grad_cam")
            },
            "unlike_training": why["unlike"].get("names", []),
            "claims": [
                {"metric": k.metric, "claimed": k.value, "source": k.source, "of": k.note, "ours": ours.get(k.metric),
                 "ours_on": "these real scans" if real else "these simulated scans"}
                for k in claims
            ],
            "warnings": warnings(study, found, why),
            "broken": [{"file": file, "reason": reason} for file, reason in c.broken],
            "seconds": seconds,
        }
    )  # fmt: skip


def warnings(study: Study, found: dict[str, Any], why: dict[str, Any]) -> list[str]:
    """What a reader must know before believing a number, the gravest first."""
    c, data = study.collection, study.data
    said = []
    test = found["test"]
    if test["n_groups"] < FEW or min(np.bincount(data.labels[study.test], minlength=2)) < FEW:
        said.append(
            f"The test rests on {test['n_images']} images of {test['n_groups']} independent groups. The interval, "
            f"{_percent(test['interval95'][0])} to {_percent(test['interval95'][1])}, is all that it proves."
        )
    if not c.grouped:
        said.append(
            "Nothing was said about which scans belong together (donor, session, sample): every file counts as "
            "independent. If they are not, all intervals are too narrow. Use --groups."
        )
    said += _confounded(study)
    said += list(c.warnings)
    share = np.mean(data.labels)
    if not 0.25 < share < 0.75:
        said.append(
            f"{_percent(max(share, 1 - share))} of the images are of one population; read the balanced accuracy."
        )
    if c.broken:
        said.append(f"{len(c.broken)} scan(s) could not be used and are left out; the list is under Provenance.")
    said += _elsewhere(found)
    p = found["permutation"]["network_balanced_accuracy"]
    if p and np.mean(p) > 0.8:
        said.append("With shuffled labels the network still reaches more than 80 %: something leaks into the test.")
    if np.isfinite(test["auroc"]) and test["auroc"] - test["balanced_accuracy"] > 0.15:
        said.append(
            f"The network orders the test images better than it names them (AUROC {test['auroc']:.2f}): its threshold "
            "of one half does not fit the groups of the test."
        )
    far = why["unlike"].get("names", [])
    if far and len(far) > max(1, 0.05 * why["unlike"]["asked"]):
        said.append(
            f"{len(far)} of {why['unlike']['asked']} scans that were judged look unlike those that were learned from; "
            f"the first are {', '.join(far[:3])}. Their answers are guesses."
        )
    return said


def _elsewhere(found: dict[str, Any]) -> list[str]:
    """Batches about which a network that learned on another one only guesses."""
    pairs = found["cross_batch"].get("pairs", {})
    failed = [name for name, r in pairs.items() if "interval95" in r and r["interval95"][0] <= 0.5]
    if not failed:
        return []
    return [
        f"Asked about another batch the network only guesses, or worse ({'; '.join(failed)}): what it learned belongs "
        "to a batch, and need not hold on another day."
    ]


def _confounded(study: Study) -> list[str]:
    """A batch, or a magnification, that tells the population by itself."""
    c, data = study.collection, study.data
    said = []
    batches = sorted(set(data.batches) - {""})
    if batches and all(len(set(data.labels[data.batches == n])) == 1 for n in batches):
        said.append(
            f"Every batch holds one population only: what tells {c.classes[0]} from {c.classes[1]} may be the day, the "
            "tip or the slide. No analysis can part them; measure both in one batch."
        )
    sizes = np.array([i.scanned_pixel_size[1] if i.scanned_pixel_size else np.nan for i in c.images])[study.compared]
    if np.isfinite(sizes).all() and np.ptp(np.log(sizes)) > 0.02:
        low, high = (sizes[data.labels == k] for k in (0, 1))
        if low.max() < high.min() or high.max() < low.min():
            said.append("The pixel size alone tells the two populations apart; they were not scanned alike.")
    return said


def write_tables(folder: Path, study: Study, found: dict[str, Any], why: dict[str, Any]) -> None:
    """scans.csv: every file and its fate; predictions.csv: every image that was judged, and what each learner
    said of it (probability of the second population; the baselines judge test images only)."""
    c = study.collection
    split = {int(study.compared[i]): name for name, part in (("learn", study.dev), ("test", study.test)) for i in part}
    rows: list[list[Any]] = [
        ["file", "label", "group", "batch", "split", "pixels", "pixel_size_m", "sha256", "problem"]
    ]
    for i, image in enumerate(c.images):
        e = image.entry
        size = f"{image.shape[0]}x{image.shape[1]}"
        pixel = f"{image.scanned_pixel_size[1]:.9g}" if image.scanned_pixel_size else ""
        rows.append([e.name, e.label, image.group, e.batch or "", split.get(i, "apply"), size, pixel, image.digest, ""])
    rows += [[file, "", "", "", "left out", "", "", "", reason] for file, reason in c.broken]
    _write_csv(folder / "scans.csv", rows)
    test = study.data.at(study.test)
    head = ["file", "true", "group", "network", "random_forest", "morphology"]
    table: list[list[Any]] = [head]
    scores = [found["test"]["scores"], *(found["baselines"][k]["scores"] for k in ("random_forest", "morphology"))]
    for i, name in enumerate(test.names):
        said = [f"{s[i]:.4f}" for s in scores]
        table.append([name, c.classes[test.labels[i]], test.groups[i], *said])
    for population, r in why["applied"].items():
        for i, score in zip(c.of(population), r.get("scores", []), strict=False):
            table.append([c.images[i].entry.name, population, c.images[i].group, f"{score:.4f}", "", ""])
    _write_csv(folder / "predictions.csv", table)


def write_metrics(folder: Path, values: dict[str, Any]) -> None:
    write_text(folder / "metrics.json", json.dumps(values, indent=1, ensure_ascii=False))


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    write_whole(path, write)


def _clean(value: Any) -> Any:
    """Plain JSON values; arrays of scores left out."""
    if isinstance(value, dict):
        return {str(k): _clean(v) for k, v in value.items() if k not in HIDDEN}
    if isinstance(value, (list, tuple)):
        return [_clean(v) for v in value]
    if isinstance(value, np.ndarray):
        return _clean(value.tolist())
    if isinstance(value, np.generic):
        return _clean(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
