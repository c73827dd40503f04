"""How well is the state of a tip judged on measurement days that were never seen, and what of the network helps?

    python benchmarks/judge_tip.py ARRAYS.npz [--keep FOLDER] [--json]          all sessions, left out in five folds
    python benchmarks/judge_tip.py ARRAYS.npz --ablation [--keep FOLDER]        the same with parts taken away
    python benchmarks/judge_tip.py ARRAYS.npz --simulated                       learned on simulation only
    python benchmarks/judge_tip.py ARRAYS.npz --others                          other surfaces shown to what ships

ARRAYS.npz is laid out as `sharptip.fit.labelled` says (3610 real images of H:Si(100) of 22 sessions were used). Beside
the scores stand: the sessions that were put aside while the recipe was being made, by themselves; what a perfect judge
could reach, given how often two people disagree about the same image; and the scores among images with two raters or
more, and among those of them about which all raters agree.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sharptip.fit import Model
from sharptip.fit.crossval import answers_out_of_fold
from sharptip.fit.kinds import kind_of
from sharptip.fit.labelled import examples_of
from sharptip.fit.metrics import auroc
from sharptip.fit.score import by_name, judgement_table
from sharptip.recipes.judge_tip import RECIPE
from sharptip.simulate.faults import faulty

ASIDE = (  # drawn once at random before any network was tried
    "default_2014Nov24-163657", "default_2015Sep25-072856", "default_2014Nov21-173705", "default_2015Sep29-084756",
    "default_2014Dec15-145157",
)  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "as shipped, one member": {"members": 1},
    "no look along the lines": {"members": 1, "along": False},
    "no local contrast": {"members": 1, "contrast": False},
    "neither": {"members": 1, "along": False, "contrast": False},
    "no augmentation": {"members": 1, "augment": False},
    "no mean over symmetric copies": {"members": 1, "symmetric": False},
}


def scores(examples: list[Any], answers: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, Any]:
    """The score table, by name, of the chosen examples."""
    kind = kind_of(RECIPE, RECIPE.classes)
    some = {name: p[chosen] for name, p in answers.items()}
    table = judgement_table(RECIPE, kind, [examples[i] for i in np.flatnonzero(chosen)], some, True)
    found = by_name(RECIPE, table)
    return {
        "n_images": int(chosen.sum()),
        "n_groups": len({examples[i].group for i in np.flatnonzero(chosen)}),
        **found,
    }


def ceiling(shares: np.ndarray, raters: np.ndarray, draws: int = 200_000) -> dict[str, float]:
    """AUROC of a judge who knows, for every image, the chance that a person says yes.

    That chance is taken as beta-distributed over the images, with the mean and the disagreement of the images that two
    people rated; votes are drawn with as many raters as the images have.
    """
    rng = np.random.default_rng(0)
    out = {}
    for k, name in enumerate(RECIPE.classes):
        two = shares[raters == 2, k]
        mean, divided = two.mean(), np.mean(np.abs(two - 0.5) < 0.25)
        alike = 1 - divided / (2 * mean * (1 - mean))  # correlation of two raters
        size = (1 - alike) / alike
        chance = rng.beta(mean * size, (1 - mean) * size, draws)
        people = rng.choice(raters, draws)
        out[name] = auroc(rng.binomial(people, chance) / people >= 0.5, chance)
    return {**out, "macro": float(np.mean(list(out.values())))}


def others(number: int = 160) -> dict[str, dict[str, Any]]:
    """Simulated frames of other surfaces: how many the shipped model calls unlike what it knows, and how many bad."""
    model = Model.trained(RECIPE.name)
    called: dict[str, list[tuple[int, bool]]] = {}
    for i in range(number):
        drawn = faulty(np.random.default_rng([31, i]), False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = model.predict(drawn.scan)
        bad = float(answer["probability"].sel(label="Bad/Blurry")) >= 0.5
        called.setdefault(drawn.ground, []).append((int(answer.attrs["unlike"]), bad))
    return {
        name: {"unlike": sum(u for u, _ in v), "bad": sum(b for _, b in v), "n": len(v)} for name, v in called.items()
    }


def shown(title: str, found: dict[str, Any]) -> str:
    low, high = found["interval95"]["macro_auroc"]
    each = "  ".join(f"{k} {v:.3f}" for k, v in found["auroc"].items() if v is not None)
    return (f"{title}: macro AUROC {found['macro_auroc']:.3f} ({low:.3f}–{high:.3f}), ECE {found['ece']:.3f}; {each}; "
            f"{found['n_images']} images, {found['n_groups']} sessions")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arrays", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--epochs", type=int, default=20, help="of each network of the ablation")
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.others:
        print(json.dumps(others(), indent=1))
        return
    examples, _ = examples_of(given.arrays, RECIPE)
    everything = np.ones(len(examples), bool)
    report: dict[str, Any] = {}
    if given.ablation:
        for name, options in VARIANTS.items():
            asked = {**options, "trees": 1, "epochs": given.epochs}
            answers = answers_out_of_fold(RECIPE, examples, asked, k=given.folds, keep=given.keep)
            report[name] = scores(examples, {"model": answers["model"]}, everything)
            print(shown(name, report[name]), flush=True)
        return
    if given.simulated:
        model = Model(RECIPE).fit(seed=0)
        report["learned on simulation only"] = scores(examples, model.probabilities(examples), everything)
    else:
        options = {"classes": RECIPE.classes}
        answers = answers_out_of_fold(RECIPE, examples, options, k=given.folds, keep=given.keep)
        raters = np.array([e.raters for e in examples])
        aside = np.isin([e.group for e in examples], ASIDE)
        report["all sessions"] = scores(examples, answers, everything)
        if aside.any():
            report["sessions put aside while the recipe was made"] = scores(examples, answers, aside)
            report["the others"] = scores(examples, answers, ~aside)
        report["images with two raters or more"] = scores(examples, answers, raters > 1)
        shares = np.array([[e.truth[c] for c in RECIPE.classes] for e in examples])
        agreed = (raters > 1) & (np.abs(shares - 0.5) > 0.49).all(axis=1)
        report["images on which two raters or more agree about everything"] = scores(examples, answers, agreed)
        report["a perfect judge"] = ceiling(shares, raters)
    if given.json:
        print(json.dumps(report))
        return
    for title, found in report.items():
        if "macro_auroc" not in found:
            print(f"{title}: " + "  ".join(f"{k} {v:.3f}" for k, v in found.items()))
            continue
        print(shown(title, found))
        for name, other in found["baselines"].items():
            print("   " + shown(name, {**found, **other}))


if __name__ == "__main__":
    main()
