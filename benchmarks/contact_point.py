"""How well classical finders of contact do, and a forest on features of shape; and the picture of simulated curves.

python benchmarks/contact_point.py --simulated 1000            # known contacts
python benchmarks/contact_point.py --real ../shared/data       # contacts that people gave; --half odd: the other files
python benchmarks/contact_point.py --figure docs/figures
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sharptip.fit.intervals import cluster_bootstrap
from sharptip.fit.labelled_curves import curves_of
from sharptip.fit.recipe import Example
from sharptip.measure.approach import Approach, approach_of
from sharptip.measure.contact_point import FINDERS
from sharptip.measure.curve_shape import curve_shape
from sharptip.report.style import save
from sharptip.simulate.curve_faults import WHOLE
from sharptip.simulate.force_curves import CLEAN, KINDS, SETTINGS, force_curves

CELLS = "labelled/force_quality_afmml/afmml_Everything_Jan26_curves.npz"
MICA = "labelled/force_contact_JSotres/mica_1806_contact.npz"


def percentile(error: np.ndarray, q: float) -> float:
    """Of |error|, where a contact that was not found counts as infinitely wrong."""
    ordered = np.sort(np.where(np.isfinite(error), np.abs(error), np.inf))
    return float(ordered[min(int(q * len(ordered)), len(ordered) - 1)])


def report(what: str, approaches: list[Approach], contact: np.ndarray, group: np.ndarray, keep: np.ndarray) -> None:
    """Median and 90 % error of each finder, with 95 % intervals from drawing groups again."""
    print(f"{what}: {keep.sum()} curves, {len(np.unique(group[keep]))} groups; |error| in nm")
    for name, finder in FINDERS.items():
        start = time.process_time()
        found = np.concatenate([finder(a) for a in approaches])
        seconds = time.process_time() - start
        error = 1e9 * (found - contact)[keep]
        told = []
        for q in (0.5, 0.9):
            at = cluster_bootstrap(lambda e, q=q: percentile(e, q), group[keep], error)
            told.append(f"{at.value:.3g} ({at.low:.3g}–{at.high:.3g})")
        missing = int((~np.isfinite(error)).sum())
        print(f"  {name:24s} median {told[0]:24s} 90 % {told[1]:26s} not found {missing}, {len(found) / seconds:.0f}/s")


def real(examples: list[Example], what: str) -> None:
    approaches = [approach_of(e.scan) for e in examples]
    contact = np.concatenate([e.truth["contact"] for e in examples])
    accept = np.concatenate([e.truth.get("accept", np.ones(len(e.truth["contact"]))) for e in examples])
    group = np.repeat([e.group for e in examples], [len(e.truth["contact"]) for e in examples])
    report(what, approaches, contact, group, np.isfinite(contact) & (accept == 1))
    if (accept == 0).any():
        forest(approaches, accept, group)


def forest(approaches: list[Approach], accept: np.ndarray, group: np.ndarray) -> None:
    """AUROC of `accept` by a random forest on features of shape, every file once in five folds."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    x, p = np.concatenate([shapes(a) for a in approaches]), np.zeros(len(accept))
    for learn, ask in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(x, accept, group):
        trees = RandomForestClassifier(300, min_samples_leaf=3, random_state=0).fit(x[learn], accept[learn])
        p[ask] = trees.predict_proba(x[ask])[:, 1]
    at = cluster_bootstrap(roc_auc_score, group, (accept, p))
    print(f"  accept, forest on shape: AUROC {at.value:.3f} ({at.low:.3f}–{at.high:.3f}), {len(accept)} curves")


def gap(examples: list[Example], n: int) -> None:
    """AUROC of `accept` on real curves by the same forest, learned on n simulated ones alone."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score

    drawn = [force_curves(np.random.default_rng(seed), 250, samples=1000) for seed in range(300, 300 + n // 250)]
    x = np.concatenate([shapes(approach_of(d.scan)) for d in drawn])
    trees = RandomForestClassifier(300, min_samples_leaf=3, random_state=0)
    trees.fit(x, np.concatenate([d.truth["accept"] for d in drawn]))
    p = trees.predict_proba(np.concatenate([shapes(approach_of(e.scan)) for e in examples]))[:, 1]
    accept = np.concatenate([e.truth["accept"] for e in examples])
    group = np.repeat([e.group for e in examples], [len(e.truth["accept"]) for e in examples])
    at = cluster_bootstrap(roc_auc_score, group, (accept, p))
    print(f"accept, forest that saw {len(x)} simulated curves: AUROC {at.value:.3f} ({at.low:.3f}–{at.high:.3f})")


def shapes(approach: Approach) -> np.ndarray:
    return np.nan_to_num(np.column_stack(list(curve_shape(approach).values())), nan=-9)


def simulated(n: int) -> None:
    """Good curves of each setting, sessions as groups."""
    for setting in SETTINGS:
        drawn = force_curves(np.random.default_rng(0), n, setting=setting, only={})
        contact = drawn.truth["contact"]
        group = drawn.record["session"]
        report(f"simulated, {setting}", [approach_of(drawn.scan)], contact, group, drawn.truth["accept"] == 1)


def figure(folder: Path) -> None:
    """One curve of each artefact, in grey the same curve without it."""
    fixed = {**CLEAN, "noise": 0.12e-9, "relaxation": 0.15, "spring_constant": 0.06, "modulus": 2500.0, "radius": 2e-6,
             "contact_share": 0.6, "offset": 0.0, "place": 0.0, "memory": 0.3}  # fmt: skip
    fig, axes = plt.subplots(2, 6, figsize=(10, 3.6), layout="constrained")
    for axis, kind in zip(axes.flat, KINDS, strict=True):
        for only, colour in (({}, "0.75"), ({kind: 1.0 if kind in WHOLE else 0.85}, "C0")):
            drawn = force_curves(
                np.random.default_rng(5), 1, setting="cell, bead", only=only, fixed=fixed, samples=1200
            )
            height, deflection = (1e9 * drawn.scan[v].values[0] for v in ("height", "deflection"))
            axis.plot(height / 1e3, deflection, color=colour, lw=0.8)
        if np.isfinite(drawn.truth["contact"][0]):
            axis.axvline(1e6 * drawn.truth["contact"][0], color="C3", lw=0.6, ls=":")
        axis.set_title(f"{kind}, rated {drawn.truth['rating'][0]:.0f}", fontsize=7)
        axis.tick_params(labelsize=6)
        axis.invert_xaxis()
    fig.supxlabel("piezo height (µm)", fontsize=8)
    fig.supylabel("deflection (nm)", fontsize=8)
    save(fig, folder / "force_curves_simulated.png")


def half_of(path: Path, half: str) -> list[Example]:
    """Files with an even or odd index: windows of the finders were chosen on the even ones."""
    with np.load(path) as arrays:
        files = np.unique(arrays["file_index"])
    wanted = {"even": (0,), "odd": (1,), "all": (0, 1)}[half]
    return [example for file, example in zip(files, curves_of(path), strict=True) if file % 2 in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, help="folder of labelled curves")
    parser.add_argument("--half", choices=("even", "odd", "all"), default="even")
    parser.add_argument(
        "--gap", type=int, metavar="N", help="only: a forest on N simulated curves asked about real ones"
    )
    parser.add_argument("--simulated", type=int, metavar="N", help="curves of each setting")
    parser.add_argument("--figure", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.real and asked.gap:
        gap(half_of(asked.real / CELLS, asked.half), asked.gap)
    elif asked.real:
        real(half_of(asked.real / CELLS, asked.half), f"living cells, {asked.half} files, accepted")
        real(curves_of(asked.real / MICA), "mica ramps")
    if asked.simulated:
        simulated(asked.simulated)
    if asked.figure:
        figure(asked.figure)


if __name__ == "__main__":
    main()
