"""How soon is the state of a tip known, how much scan time does that save, and how soon is a tip change noticed?

    python benchmarks/judge_tip_lines.py ARRAYS.npz [--keep FOLDER] [--json]

ARRAYS.npz is laid out as `sharptip.fit.labelled` says (3610 real images of H:Si(100) of 22 sessions were used, taken
row by row). Three answers:

    real       scores after 5, 10, 20, 40 and all lines; every session judged by a model that never saw it
    stopping   a model of the other sessions stops at each frame of the sessions that were put aside as soon as the
               probability of a bad tip is below 0.1 or above 0.9
    changes    simulated frames, where the line of a tip change is known exactly: the alarm is set so that one frame in
               twenty without a change rings; beside it a CUSUM on the likeness of neighbouring lines
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from sharptip.fit import Example, Model
from sharptip.fit.crossval import answers_out_of_fold
from sharptip.fit.intervals import cluster_bootstrap, wilson
from sharptip.fit.kinds import kind_of
from sharptip.fit.labelled import examples_of
from sharptip.fit.scale import by_lines
from sharptip.fit.score import by_name, judgement_table
from sharptip.measure.stopping import alarm_threshold, delays, first_above, line_cusum, stop_line
from sharptip.recipes.judge_tip_lines import ATTRIBUTES, RECIPE, SURE
from sharptip.simulate.hydrogen_silicon import image

ASIDE = (  # drawn once at random before any network was tried
    "default_2014Nov24-163657", "default_2015Sep25-072856", "default_2014Nov21-173705", "default_2015Sep29-084756",
    "default_2014Dec15-145157",
)  # fmt: skip
FALSE_ALARMS = 0.05  # of the frames without a change
BAD, CHANGE = ATTRIBUTES.index("Bad/Blurry"), ATTRIBUTES.index("Tip Change")


def real(examples: list[Any], keep: Path | None, folds: int) -> dict[str, Any]:
    """Scores by count of lines, every session left out once."""
    answers = answers_out_of_fold(RECIPE, examples, {"classes": RECIPE.classes}, k=folds, keep=keep)
    found = by_name(RECIPE, judgement_table(RECIPE, kind_of(RECIPE, RECIPE.classes), examples, answers, True))
    return found["lines"]


def stopping_at_counts(examples: list[Any], keep: Path | None, folds: int) -> dict[str, Any]:
    """What stopping after 5, 10, 20 or 40 lines, if sure by then, saves and costs; every session left out once."""
    answers = answers_out_of_fold(RECIPE, examples, {"classes": RECIPE.classes}, k=folds, keep=keep)
    counts = (*RECIPE.lines, 96)
    p = np.stack([answers["model" + (f" after {n} lines" if n < 96 else "")][:, BAD] for n in counts], axis=1)
    truth = np.array([e.truth["Bad/Blurry"] >= 0.5 for e in examples])
    groups = np.array([e.group for e in examples])
    at, bad = stop_line(p, *SURE, least=1)
    line, early = np.array(counts)[at - 1], at < len(counts)
    mean = {"decided early": early, "scan time saved": 1 - line / 96, "right with stopping": bad == truth,
            "right after all lines": (p[:, -1] >= 0.5) == truth}  # fmt: skip
    found = {
        k: cluster_bootstrap(lambda v: float(np.mean(v)), groups, np.asarray(v, float))[:3] for k, v in mean.items()
    }
    right = cluster_bootstrap(lambda v: float(np.mean(v)), groups[early], (bad == truth)[early].astype(float))[:3]
    return {**found, "right of those decided early": right, "n_images": len(examples), "n_groups": len(set(groups))}


def stopping(examples: list[Any]) -> dict[str, Any]:
    """What stopping early would have saved and cost on sessions that were put aside."""
    aside = [e for e in examples if e.group in ASIDE]
    model = Model(RECIPE).fit([e for e in examples if e.group not in ASIDE], seed=0)
    p = model.line_by_line(aside)[:, :, BAD]
    truth = np.array([e.truth["Bad/Blurry"] >= 0.5 for e in aside])
    groups = np.array([e.group for e in aside])
    line, bad = stop_line(p, *SURE)
    whole = p[:, -1] >= 0.5
    early = line < p.shape[1]

    def share(values: np.ndarray) -> list[float]:
        return list(cluster_bootstrap(lambda v: float(np.mean(v)), groups, values.astype(float))[:3])

    return {
        "n_images": len(aside), "n_groups": len(set(groups)), "decided_early": share(early),
        "saved_scan_time": share(1 - line / p.shape[1]), "right_when_stopped_early": share((bad == truth)[early])
        if early.all() else [float(np.mean((bad == truth)[early]))],
        "right_with_stopping": share(bad == truth), "right_after_all_lines": share(whole == truth),
    }  # fmt: skip


def drawn(n: int, change: bool, seed: int) -> tuple[list[Example], np.ndarray]:
    """Simulated frames of lattices that can be seen, with the first line (from 1) of the new tip."""
    frames = [image(np.random.default_rng([seed, i]), ("atoms", "dimers", "rows")[i % 3], change=change)
              for i in range(n)]  # fmt: skip
    lines = np.array([0 if d.change is None else d.change + 1 for d in frames])
    return [Example(d.scan, d.attributes, str(i)) for i, d in enumerate(frames)], lines


def changes(model: Model, n: int = 400) -> dict[str, Any]:
    """How many tip changes are noticed and after how many lines, at one false alarm in twenty frames."""
    quiet, _ = drawn(n, False, 11)
    fresh, _ = drawn(n, False, 12)
    changed, at = drawn(n, True, 13)

    def cusum(examples: list[Example]) -> np.ndarray:
        return np.concatenate([line_cusum(by_lines(e.scan["height"].values[None])) for e in examples])

    found = {}
    for name, ask in {"model": lambda e: model.line_by_line(e)[:, :, CHANGE], "cusum": cusum}.items():
        threshold = alarm_threshold(ask(quiet), FALSE_ALARMS)
        late = delays(ask(changed), at, threshold)
        seen = np.isfinite(late)
        found[name] = {
            "noticed": float(seen.mean()), "noticed_interval95": wilson(int(seen.sum()), n),
            "within_5_lines": float(np.mean(late <= 5)), "median_delay_lines": float(np.nanmedian(late)),
            "false_alarms_on_fresh_frames": float(np.mean(first_above(ask(fresh), threshold) > 0)), "n_images": n,
        }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arrays", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", choices=("real", "counts", "stopping", "changes"))
    parser.add_argument("--simulated", action="store_true", help="a model that learned on simulation beside what ships")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report: dict[str, Any] = {}
    examples, _ = examples_of(given.arrays, RECIPE)
    if given.only in (None, "changes"):
        report["changes, shipped model (learned on real images)"] = changes(Model.trained(RECIPE.name))
        if given.simulated:
            report["changes, learned on simulation"] = changes(Model(RECIPE, examples=2500).fit(seed=0))
    if given.only in (None, "stopping"):
        report["stopping"] = stopping(examples)
    if given.only in (None, "counts"):
        report["stopping after 5, 10, 20 or 40 lines"] = stopping_at_counts(examples, given.keep, given.folds)
    if given.only in (None, "real"):
        report["real"] = real(examples, given.keep, given.folds)
    if given.json:
        print(json.dumps(report))
        return
    for title, found in report.items():
        print(title)
        for name, value in found.items():
            if title == "real":
                low, high = value["interval95"]["macro_auroc"]
                forest = value["baselines"]["forest"]["macro_auroc"]
                print(f"   after {name} lines: {value['macro_auroc']:.3f} ({low:.3f}–{high:.3f}); forest {forest:.3f}")
            else:
                print(f"   {name}: {value}")


if __name__ == "__main__":
    main()
