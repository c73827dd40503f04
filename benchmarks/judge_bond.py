"""How well is a double tip told from single dangling bonds, and what do several bonds of one frame add?

    python benchmarks/judge_bond.py                            the shipped model: accuracy, weight × offset, votes
    python benchmarks/judge_bond.py --learn 3000               the network and the five other models, learned alike
    python benchmarks/judge_bond.py --figure docs/figures/judge_bond.png

Everything is simulated. A frame is one tip and about ten bonds; each bond is an example whose group is its frame.
Intervals are over frames.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from sharptip import Model
from sharptip.clean import plane_fit, row_offsets
from sharptip.fit.intervals import cluster_bootstrap, proportion
from sharptip.fit.recipe import Example
from sharptip.fit.votes import intraclass_correlation, majority_if_independent, sequential, worth
from sharptip.measure.bonds import coarser, find_bonds
from sharptip.recipes.judge_bond import CLASSES, RECIPE, THE_FIVE_OTHERS
from sharptip.simulate.hydrogen_silicon import bond_frame

WINDOW = 5e-9  # metres around each bond that the model is shown
TEST, ALL_OFFSETS, FAINT = 980_000, 990_000, 995_000  # seeds that nothing was tuned on


def bonds_of(seed: int, double: bool, **twin: float) -> tuple[list[Example], dict[str, float]]:
    """A window on each bond of one frame, and what its tip was."""
    rng = np.random.default_rng(seed)
    pixel = float(rng.uniform(0.06e-9, 0.14e-9))
    frame = bond_frame(rng, double, size=30e-9, pixel_size=pixel, **twin)
    z = frame.scan["height"].values - plane_fit(frame.scan["height"].values)
    found = find_bonds(*coarser(z - row_offsets(z, "difference"), (pixel, pixel)))
    half, examples = round(WINDOW / pixel / 2), []
    for y, x in found[["y", "x"]].to_numpy() / pixel:
        rows, columns = (slice(max(round(c) - half, 0), round(c) + half) for c in (y, x))
        part = frame.scan.isel(y=rows, x=columns)
        if _one_bond(part["height"].values, pixel):
            examples.append(Example(part, CLASSES[double], f"frame {seed}"))
    about = {"weight": frame.weight, "offset": frame.offset, "ghost": frame.ghost, "double": double}
    return examples, about


def _one_bond(height: np.ndarray, pixel: float) -> bool:
    z = height - plane_fit(height)
    return len(find_bonds(*coarser(z - row_offsets(z, "difference"), (pixel, pixel)))) == 1


def many(first: int, frames: int, **twin: tuple[float, float]) -> tuple[list[Example], pd.DataFrame]:
    """Bonds of frames of which every second is by a double tip; `twin`: bounds to draw offset or weight from."""
    examples, about = [], []
    for i in range(frames):
        drawn = np.random.default_rng([first, i])
        given = {k: float(drawn.uniform(*bounds)) for k, bounds in twin.items()}
        mine, known = bonds_of(first + i, bool(i % 2), **given)
        examples += mine
        about += [known | {"frame": first + i}] * len(mine)
    return examples, pd.DataFrame(about)


def bins(right: np.ndarray, about: pd.DataFrame, column: str, edges: list[float], scale: float = 1.0) -> None:
    for low, high in pairwise(edges):
        inside = (about["double"] & about[column].between(low * scale, high * scale)).to_numpy()
        if inside.any():
            v = proportion(right[inside], about["frame"].to_numpy()[inside])
            found = f"{v.value:.3f} ({v.low:.3f}–{v.high:.3f})"
            print(f"| {column} {low:g}–{high:g} | {found} | {inside.sum()} | {v.groups} |")


def votes(p: np.ndarray, about: pd.DataFrame) -> None:
    """What n bonds of a frame add, against what n independent ones would, and Wald's test."""
    truth, frame = about["double"].to_numpy().astype(int), about["frame"].to_numpy()
    right = (p > 0.5) == truth
    log_odds = np.log(np.clip(p, 1e-6, 1 - 1e-6) / np.clip(1 - p, 1e-6, 1 - 1e-6))
    rho = intraclass_correlation(right, frame)
    off = log_odds - np.array([log_odds[truth == t].mean() for t in (0, 1)])[truth]
    spread = intraclass_correlation(off, frame)
    print(f"\nintraclass correlation of errors {rho:.2f}, of log-odds about their class mean {spread:.2f}; "
          f"10 bonds are worth {worth(10, rho):.1f} and {worth(10, spread):.1f}\n")  # fmt: skip
    print("| bonds | majority | mean log-odds | if independent | frames |\n|---|---|---|---|---|")
    rng, single = np.random.default_rng(0), float(right.mean())
    for n in (1, 3, 5, 7, 9):
        able = [g for g in np.unique(frame) if (frame == g).sum() >= n]
        hits, sums = [], []
        for g in able:
            for _ in range(20):
                k = rng.choice(np.flatnonzero(frame == g), n, replace=False)
                hits.append(right[k].mean() > 0.5)
                sums.append((log_odds[k].mean() > 0) == truth[k[0]])
        groups = np.repeat(able, 20)
        a, b = (cluster_bootstrap(np.mean, groups, np.array(v, float), 500) for v in (hits, sums))
        print(f"| {n} | {a.value:.4f} ({a.low:.3f}–{a.high:.3f}) | {b.value:.4f} ({b.low:.3f}–{b.high:.3f}) | "
              f"{majority_if_independent(single, n):.5f} | {len(able)} |")  # fmt: skip
    print("\n| Wald's test | error asked | error found | undecided | looks |\n|---|---|---|---|---|")
    for name, correlation in (("bonds independent", 0.0), ("correlated as measured", max(spread, 0.0))):
        for error in (0.05, 0.01):
            out = [
                (sequential(log_odds[frame == g], error, correlation), truth[frame == g][0]) for g in np.unique(frame)
            ]
            decided = [(a, t, n) for (a, n), t in out if a is not None]
            wrong = np.mean([a != t for a, t, _ in decided]) if decided else float("nan")
            looks = np.mean([n for _, _, n in decided]) if decided else float("nan")
            print(f"| {name} | {error} | {wrong:.3f} | {1 - len(decided) / len(out):.2f} | {looks:.1f} |")


def show(table: pd.DataFrame) -> None:
    print("| learner | metric | value (95 %) | n | frames |\n|---|---|---|---|---|")
    for r in table[table["learner"] != "published"].itertuples():
        if r.metric in ("accuracy", "auroc", "ece", "group_accuracy"):
            print(f"| {r.learner} | {r.metric} | {r.value:.4f} ({r.low:.3f}–{r.high:.3f}) | {r.n} | {r.groups} |")


def figure(path: Path) -> None:
    """Six single and six double bonds, as the network sees them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from sharptip.fit.prepare import prepare

    fig, axes = plt.subplots(2, 6, figsize=(7.2, 2.9))
    for double, line in enumerate(axes):
        for i, axis in enumerate(line):
            examples, about = bonds_of(700 + 2 * i + double, bool(double))
            axis.imshow(prepare(RECIPE, examples[0].scan).channels[0], cmap="gray")
            text = f"{about['offset'] * 1e9:.1f} nm, {about['weight']:.2f}" if double else "single"
            axis.set_title(text, fontsize=8)
            axis.axis("off")
            axis.plot([2, 12], [26, 26], color="white", lw=2)
    axes[0, 0].text(2, 24.5, "1 nm", color="white", fontsize=7)
    fig.tight_layout(pad=0.4)
    fig.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--learn", type=int, help="examples from which all models are learned afresh")
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    if given.figure:
        figure(given.figure)
        return
    examples, about = many(TEST, given.frames)
    if given.learn:
        recipe = replace(RECIPE, baselines={**RECIPE.baselines, **THE_FIVE_OTHERS})
        show(Model(recipe, examples=given.learn).fit(seed=1).score(examples, real=False))
        return
    model = Model.trained("judge_bond")
    show(model.score(examples, real=False))
    p = model.probabilities(examples)["model"][:, 1]
    right = (p > 0.5) == about["double"]
    print("\n| double tips | found | bonds | frames |\n|---|---|---|---|")
    bins(right.to_numpy(), about, "weight", [0.15, 0.3, 0.5, 0.75, 1.0])
    bins(right.to_numpy(), about, "offset", [0.5, 0.6, 0.7, 0.9, 1.2], 1e-9)
    for first, twin in ((ALL_OFFSETS, {"offset": (0.2e-9, 0.5e-9)}), (FAINT, {"weight": (0.03, 0.15)})):
        others, known = many(first, given.frames // 2, **twin)
        q = model.probabilities(others)["model"][:, 1]
        for column, edges, scale in (("offset", [0.2, 0.3, 0.4, 0.5], 1e-9), ("weight", [0.03, 0.07, 0.15], 1.0)):
            if column in twin:
                bins(((q > 0.5) == known["double"]).to_numpy(), known, column, edges, scale)
    votes(p, about)


if __name__ == "__main__":
    main()
