"""How many curves does a verdict need, and on how many cells and patients? Simulated patients, and real cell lines.

    python benchmarks/sort_curves.py --figure docs/figures/sort_curves.png [--experts FILE.npz] [--patients 40]

Scores are log-odds of a model that never saw the patient (or the map); `measure.nested_decision` learns their
variances.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sharptip import Model
from sharptip.data.split import folds
from sharptip.fit.metrics import auroc
from sharptip.fit.recipe import Example, settled
from sharptip.measure.nested_decision import (
    curves_needed,
    error,
    error_if_independent,
    learned,
    log_odds,
    probability,
    summed,
)
from sharptip.recipes.sort_curves import RECIPE, labelled
from sharptip.simulate.patients import patient

WRONG = 0.005  # of verdicts, Minelli et al.'s demand
NUMBERS = np.unique(np.logspace(0, 3, 60).astype(int))


def people(n: int, seed: int, cells: int = 5, curves: int = 8) -> list[Example]:
    """n simulated patients, every second one sick."""
    drawn = [patient(np.random.default_rng((seed, i)), bool(i % 2), cells=cells, curves=curves) for i in range(n)]
    return [Example(d.scan, dict(d.truth), str(d.truth["patient"][0])) for d in drawn]


def scores(examples: list[Example], options: dict[str, Any], k: int = 5) -> dict[str, np.ndarray]:
    """Log-odds of every curve by a model that never saw its group, with its truths."""
    groups = [e.group for e in examples]
    out: list[dict[str, np.ndarray]] = [{} for _ in examples]
    for train, test in folds(groups, [""] * len(groups), k, np.random.default_rng(0)):
        model = Model(RECIPE, **options).fit([examples[i] for i in train])
        for i in test:
            out[i] = {**examples[i].truth, "score": model.predict(examples[i].scan)["log_odds"].values}
    table = {key: np.concatenate([o[key] for o in out]) for key in out[0]}
    good = np.isfinite(table["score"]) & np.isfinite(table["sick"])
    return {key: v[good] for key, v in table.items()}


def told(title: str, table: dict[str, np.ndarray], levels: tuple[str, ...]) -> Any:
    """Prints what the scores say at each level; returns what was learned of them."""
    known = learned(table["score"], table["sick"], [table[level] for level in levels])
    outer, sick = np.unique(table[levels[0]], return_index=True)
    truth = table["sick"][sick]
    print(
        f"\n{title}: {len(table['score'])} curves, {len(outer)} {levels[0]}s ({int(truth.sum())} of the second class)"
    )
    print(f"  AUROC of curves {auroc(table['sick'], table['score']):.3f}")
    for level in levels:
        names, index = np.unique(table[level], return_inverse=True)
        count = np.bincount(index)
        mean, of = np.bincount(index, table["score"]) / count, np.bincount(index, table["sick"]) / count
        print(f"  AUROC of {level}s by their mean {auroc(of > 0.5, mean):.3f} (n = {len(names)})")
    spread = ", ".join(f"{n} {s:.2f}" for n, s in zip((*levels, "curve"), np.sqrt(known.variances), strict=True))
    print(f"  classes {known.distance:.2f} apart; standard deviations {spread}; shared {known.shared:.2f}")
    alone, placed = curves_needed(WRONG, known)
    one = [1] * (len(levels) - 1)
    floor = error(known, [1, *one, 10**6])
    print(
        f"  curves for fewer than {WRONG:g} wrong: {alone} if independent; "
        f"from one {levels[-1]}: {placed or 'none suffices'}"
    )
    print(f"  wrong with any number of curves of one {levels[-1]}: {floor:.3f}")
    return known


def held_out(title: str, table: dict[str, np.ndarray], levels: tuple[str, ...], k: int = 5) -> None:
    """What verdicts on groups that the variances were not learned from are worth: summed, and nested."""
    names = np.unique(table[levels[0]])
    said: dict[str, list[float]] = {"summed": [], "nested": []}
    truth: list[float] = []
    for train, test in folds(names, [""] * len(names), k, np.random.default_rng(1)):
        here, there = (np.isin(table[levels[0]], names[part]) for part in (train, test))
        known = learned(table["score"][here], table["sick"][here], [table[v][here] for v in levels])
        outer, odds = log_odds(known, table["score"][there], [table[v][there] for v in levels])
        said["nested"] += odds.tolist()
        said["summed"] += summed(table["score"][there], table[levels[0]][there])[1].tolist()
        truth += [float(table["sick"][table[levels[0]] == name][0]) for name in outer]
    for how, odds in said.items():
        p, t = probability(np.array(odds)), np.array(truth)
        sure = np.maximum(p, 1 - p) > 1 - WRONG
        wrong = np.mean((p > 0.5)[sure] != t[sure]) if sure.any() else np.nan
        loss = -np.mean(np.log(np.clip(np.where(t == 1, p, 1 - p), 1e-9, 1)))
        print(f"  {title}, {how}: AUROC {auroc(t, p):.3f}, log loss {loss:.2f}, wrong {np.mean((p > 0.5) != t):.2f}; "
              f"sure by {WRONG:g} of {sure.sum()}, wrong among them {wrong:.3f}")  # fmt: skip


def draw(axes: Any, known: Any, title: str, levels: tuple[str, ...]) -> None:
    """Share of wrong verdicts over the number of curves."""
    ones = [1] * (len(known.variances) - 1)
    axes.plot(NUMBERS, [error_if_independent(known, n) for n in NUMBERS], "k--", label="if curves were independent")
    if len(levels) == 1:
        axes.plot(NUMBERS, [error(known, [1, n]) for n in NUMBERS], label=f"all of one {levels[0]}")
        for m in (3, 10):
            few = NUMBERS[m <= NUMBERS]
            axes.plot(few, [error(known, [m, n / m]) for n in few], label=f"spread over {m} {levels[0]}s")
    else:
        for cells in (1, 3, 10):
            few = NUMBERS[cells <= NUMBERS]
            each = [error(known, [1, cells, *ones[2:], n / cells]) for n in few]
            axes.plot(few, each, label=f"spread over {cells} {levels[1]}{'s' if cells > 1 else ''} of a {levels[0]}")
    axes.axhline(WRONG, color="0.6", lw=0.8)
    axes.set(
        xscale="log", yscale="log", ylim=(1e-4, 0.5), xlabel="curves", ylabel="share of wrong verdicts", title=title
    )
    axes.legend(frameon=False, fontsize=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", type=Path, required=True)
    parser.add_argument("--experts", type=Path, help="curves whose files name a group")
    parser.add_argument("--classes", nargs=2, default=["MCF10a", "MCF7"])
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--set", type=int, default=40, dest="epochs", help="epochs of each training")
    chosen = parser.parse_args()
    figure, axes = plt.subplots(
        1, 2 if chosen.experts else 1, figsize=(9.6 if chosen.experts else 5, 3.8), squeeze=False
    )
    levels: tuple[str, ...] = ("patient", "cell")
    table = scores(people(chosen.patients, 1), {"epochs": chosen.epochs})
    draw(axes[0, 0], told("simulated patients", table, levels), "simulated patients", levels)
    held_out("patients not learned from", table, levels)
    if chosen.experts:
        options = {"classes": tuple(chosen.classes), "epochs": chosen.epochs}
        table = scores(labelled(chosen.experts, settled(RECIPE, options)), options)
        title = f"{chosen.classes[0]} and {chosen.classes[1]}, real; maps, no patients"
        draw(axes[0, 1], told(title, table, ("map",)), title, ("map",))
        held_out("maps not learned from", table, ("map",))
    figure.tight_layout()
    figure.savefig(chosen.figure, dpi=110)


if __name__ == "__main__":
    main()
