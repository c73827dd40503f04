"""Rating real force curves: trained on simulation alone, on real labels, on other cell lines; and how fast.

    python benchmarks/rate_curves.py FILE.npz            # shipped model, and one trained on files of even number
    python benchmarks/rate_curves.py FILE.npz --left-out # for each cell line, one trained on the others
    python benchmarks/rate_curves.py FILE.npz --figure docs/figures/rate_curves.png
    python benchmarks/rate_curves.py --speed

FILE.npz: the layout of `fit.labelled_curves`. Files of odd number judge, those of even number are learned from.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from sharptip import Model
from sharptip.fit import Example, Recipe
from sharptip.fit.each import everybody
from sharptip.fit.intervals import cluster_bootstrap
from sharptip.fit.labelled_curves import curves_of
from sharptip.fit.rows import Answers, Known, NotAnswered, joined
from sharptip.simulate.force_curves import force_curves

RESAMPLES = 300
CURVES, SAMPLES = 1024, 2000


def halves(path: Path) -> tuple[list[Example], list[Example]]:
    """Examples of files with an even and with an odd number."""
    number = np.unique(np.load(path)["file_index"])
    made = curves_of(path)
    return tuple([e for e, i in zip(made, number, strict=True) if i % 2 == k] for k in (0, 1))  # type: ignore[return-value]


def table(recipe: Recipe, test: list[Example], said: dict[str, list[Answers]], title: str) -> None:
    """Measures of every learner with 95 % intervals over files, of all curves and of those that the expert kept."""
    truth = joined([e.truth for e in test])
    groups = np.repeat([e.group for e in test], [len(e.truth["contact"]) for e in test])
    print(f"\n{title}: {len(groups)} curves of {len(test)} files, {int((truth['accept'] == 0).sum())} rejected")
    for kept, which in (("all", np.arange(len(groups))), ("kept", np.flatnonzero(truth["accept"] == 1))):
        for learner, parts in said.items():
            answer = joined(parts)
            cells = []
            for name, measure in recipe.measures.items():
                if kept == "kept" and name == "accept_auroc":
                    continue

                def of(rows: np.ndarray, measure=measure, answer=answer) -> float:  # type: ignore[no-untyped-def]
                    return measure(*(Known(d, rows) for d in (truth, answer)))

                try:
                    found = cluster_bootstrap(
                        lambda some, of=of, which=which: of(which[some]),
                        groups[which],
                        np.arange(len(which)),
                        RESAMPLES,
                    )
                except NotAnswered:
                    continue
                cells.append(f"{name} {found.value:.3g} ({found.low:.3g}–{found.high:.3g})")
            if cells:
                print(f"  {kept:5s}{learner:22s}" + "  ".join(cells))


def asked(model: Model, test: list[Example], name: str) -> dict[str, list[Answers]]:
    """Learner → answers to each example; the model under `name`."""
    found = [everybody(model, e.scan)[0] for e in test]
    return {name if learner == "model" else learner: [f[learner] for f in found] for learner in found[0]}


def learned(learn: list[Example], saved: Path | None) -> Model:
    """The model that was kept in a file, or one trained now."""
    if saved is not None:
        return Model.load(saved)
    start = time.perf_counter()
    real = Model("rate_curves").fit(learn, seed=0)
    print(f"trained on {real.card['n_examples']} curves of {len(learn)} files in {time.perf_counter() - start:.0f} s")
    return real


def compare(path: Path, saved: Path | None) -> None:
    learn, test = halves(path)
    ships = Model.trained("rate_curves")
    said = {"simulation alone": asked(ships, test, "model")["model"]}
    real = learned(learn, saved)
    said |= asked(real, test, "real labels")
    table(real.recipe, test, said, "odd files")
    for line in sorted({e.scan.attrs["group"] for e in test}):
        some = [i for i, e in enumerate(test) if e.scan.attrs["group"] == line]
        few = {n: [said[n][i] for i in some] for n in ("simulation alone", "real labels", "ratio of variances")}
        table(real.recipe, [test[i] for i in some], few, line)


def left_out(path: Path) -> None:
    learn, test = halves(path)
    said: dict[str, list[Answers]] = {"other lines": []}
    order: list[Example] = []
    for line in sorted({e.scan.attrs["group"] for e in test}):
        model = Model("rate_curves").fit([e for e in learn if e.scan.attrs["group"] != line], seed=0)
        mine = [e for e in test if e.scan.attrs["group"] == line]
        found = asked(model, mine, "other lines")["other lines"]
        table(model.recipe, mine, {"other lines": found}, f"{line}, never learned from")
        said["other lines"] += found
        order += mine
    table(model.recipe, order, said, "all lines, each never learned from")


def figure(path: Path, out: Path, saved: Path | None) -> None:
    """Curves of the odd files, from the surest good ones to the surest bad ones, with contact and its interval."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    learn, test = halves(path)
    model = learned(learn, saved)
    answers = [model.predict(e.scan) for e in test]
    order = sorted((float(p), i, j) for i, a in enumerate(answers) for j, p in enumerate(a["accept"].values))
    places = (len(order) - 1) * np.array([1, 0.8, 0.6, 0.4, 0.15, 0.12, 0.09, 0.06, 0.03, 0.02, 0.01, 0])
    shown = [order[int(k)] for k in places]
    fig, axes = plt.subplots(3, 4, figsize=(11, 7), constrained_layout=True)
    for axis, (p, i, j) in zip(axes.flat, shown, strict=True):
        scan, a = test[i].scan, answers[i].isel(curve=j)
        n = int(scan["length"][j])
        z, d = (1e6 * scan["height"].values[j, :n], 1e9 * scan["deflection"].values[j, :n])
        kept = bool(test[i].truth["accept"][j])
        axis.plot(z, d - d[: n // 10].mean(), color="0.25", lw=0.9)
        at, error = 1e6 * float(a["contact"]), 1e6 * float(a["contact_error"])
        axis.axvspan(at - 2 * error, at + 2 * error, color="tab:orange", alpha=0.35, lw=0)
        axis.axvline(at, color="tab:orange", lw=1)
        axis.axvline(1e6 * test[i].truth["contact"][j], color="tab:blue", lw=1, ls="--")
        axis.set_title(f"{p:.2f}; the expert {'kept' if kept else 'rejected'} it", fontsize=9)
        axis.invert_xaxis()
    fig.supxlabel("piezo height (µm)")
    fig.supylabel("deflection (nm)")
    fig.savefig(out, dpi=80)


def speed() -> None:
    scan = force_curves(np.random.default_rng(0), CURVES, setting="cell, sharp tip", samples=SAMPLES).scan
    for name in ("rate_curves", "find_contact"):
        model = Model.trained(name)
        model.predict(scan.isel(curve=slice(0, 64)))
        start = time.perf_counter()
        model.predict(scan)
        print(f"{name}: {CURVES / (time.perf_counter() - start):.0f} curves of {SAMPLES} samples a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--left-out", action="store_true")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--model", type=Path, help="kept from a training on the even files")
    parser.add_argument("--speed", action="store_true")
    given = parser.parse_args()
    if given.speed:
        speed()
    elif given.file and given.figure:
        figure(given.file, given.figure, given.model)
    elif given.file:
        left_out(given.file) if given.left_out else compare(given.file, given.model)
    else:
        parser.error("give FILE.npz, or --speed")
