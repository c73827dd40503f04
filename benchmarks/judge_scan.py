"""Are good scans told from bad ones, on simulated scans, on hand-sorted AFM scans and on rated STM images?

python benchmarks/judge_scan.py                         the shipped model on fresh simulated scans, fault by fault
python benchmarks/judge_scan.py --learner light --learn 2000   another learner, learned here
python benchmarks/judge_scan.py --real ../shared/data   the shipped model on real scans, which nothing was tuned on
python benchmarks/judge_scan.py --usual                 the table that names faults
python benchmarks/judge_scan.py --figure docs/figures/judge_scan.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import sharptip
from sharptip import Model
from sharptip.core.scan import scan_of
from sharptip.fit.intervals import cluster_bootstrap, proportion
from sharptip.fit.metrics import auroc
from sharptip.fit.prepare import prepare
from sharptip.fit.recipe import Example
from sharptip.measure.scan_quality import INDICATORS, indicators, likeliest_fault
from sharptip.recipes.judge_scan import CLASSES, RECIPE
from sharptip.simulate.faults import FAULTS, faulty

TEST, USUAL = 660_000, 670_000  # seeds that nothing was tuned on, and those of the table of good scans


def simulated(model: Model, n: int) -> None:
    """Accuracy beside the baselines, and how much of each fault is found and named, on n fresh scans."""
    drawn = [faulty(np.random.default_rng([TEST, i]), bool(i % 2)) for i in range(n)]
    examples = [Example(d.scan, CLASSES[bool(d.faults)], str(i)) for i, d in enumerate(drawn)]
    table = model.score(examples, real=False)
    print("| learner | metric | value (95 %) | scans |\n|---|---|---|---|")
    for r in table[table["learner"] != "published"].itertuples():
        print(f"| {r.learner} | {r.metric} | {r.value:.3f} ({r.low:.3f}–{r.high:.3f}) | {r.n} |")
    p = model.probabilities(examples)["model"][:, 1]
    print("\n| fault | found | named | scans |\n|---|---|---|---|")
    for fault in FAULTS:
        mine = [i for i, d in enumerate(drawn) if d.faults == (fault,)]
        named = [likeliest_fault(prepare(RECIPE, drawn[i].scan).channels[0])[0] == fault for i in mine]
        v = proportion(p[mine] > 0.5, np.array(mine))
        print(f"| {fault} | {v.value:.2f} ({v.low:.2f}–{v.high:.2f}) | {np.mean(named):.2f} | {len(mine)} |")


def real(model: Model, folder: Path) -> None:
    """The two real checks: 12 AFM scans sorted by hand, and STM images of H:Si(100) by their 'Bad/Blurry' score."""
    paths = sorted(folder.glob("labelled/scan_quality_ofdspm/*/*.ibw"))
    examples = [Example(sharptip.read(path), path.parent.name, path.name) for path in paths]
    for name, q in model.probabilities(examples).items():
        truth = np.array([e.truth == "bad" for e in examples])
        v = proportion((q[:, 1] > 0.5) == truth, np.arange(len(truth)))
        print(f"| AFM, sorted by hand | {name} | accuracy {v.value:.2f} ({v.low:.2f}–{v.high:.2f}), AUROC "
              f"{auroc(truth, q[:, 1]):.2f} | {len(truth)} scans |")  # fmt: skip
    stm = np.load(folder / "labelled" / "tip_state_HSi100" / "hsi100_tip_state_96px.npz")
    bad = stm["mean_score"][:, list(stm["label_names"]).index("Bad/Blurry")]
    clear = np.flatnonzero((bad <= 0.2) | (bad >= 0.8))[::8]
    images = [(i, stm["images"][i].astype(float)) for i in clear if np.ptp(stm["images"][i]) > 0]
    scans = [Example(scan_of(z, 1e-10, unit="arb"), CLASSES[bad[i] > 0.5], str(stm["session"][i])) for i, z in images]
    session = np.array([e.group for e in scans])
    truth = np.array([e.truth == "bad" for e in scans])
    for name, q in model.probabilities(scans).items():
        v = cluster_bootstrap(auroc, session, (truth, q[:, 1]))
        print(f"| STM, rated by a crowd | {name} | AUROC {v.value:.3f} ({v.low:.3f}–{v.high:.3f}) | "
              f"{len(truth)} images, {v.groups} sessions |")  # fmt: skip


def usual(n: int) -> None:
    """Median and 95th percentile of each fault's indicator on n good scans, for `measure.scan_quality.USUAL`."""
    good = [faulty(np.random.default_rng([USUAL, i]), False).scan for i in range(n)]
    found = [indicators(prepare(RECIPE, scan).channels[0]) for scan in good]
    for fault in INDICATORS:
        low, high = np.quantile([f[fault] for f in found], [0.5, 0.95])
        print(f'    "{fault}": ({low:.3g}, {max(high, low + 0.05):.3g}),')


def figure(path: Path) -> None:
    """Good scans and one with each fault."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from sharptip.report.figures import scale_bar

    fig, axes = plt.subplots(3, 6, figsize=(8, 4.4))
    names = [None] * (axes.size - len(FAULTS)) + list(FAULTS)
    for i, (axis, fault) in enumerate(zip(axes.flat, names, strict=True)):
        scan = faulty(np.random.default_rng([7, i]), fault is not None, fault=fault, side=128).scan
        z = prepare(RECIPE, scan).channels[0]
        axis.imshow(z, cmap="inferno", vmin=np.quantile(z, 0.01), vmax=np.quantile(z, 0.99))
        scale_bar(axis, z.shape[1], float(scan["x"][1] - scan["x"][0]))
        axis.set_title(fault or "good", fontsize=8)
        axis.axis("off")
    fig.tight_layout(pad=0.3)
    fig.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, default=1200)
    parser.add_argument("--learner", default="forest")
    parser.add_argument("--learn", type=int, help="simulated examples to learn from; without, the shipped model")
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--usual", action="store_true")
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    if given.usual:
        return usual(given.scans)
    if given.figure:
        return figure(given.figure)
    if given.learn:
        options = {"learner": given.learner, "tile": given.tile, "epochs": given.epochs, "examples": given.learn}
        model = Model(RECIPE, **options).fit(seed=1)
    else:
        model = Model.trained("judge_scan")
    return real(model, given.real) if given.real else simulated(model, given.scans)


if __name__ == "__main__":
    main()
