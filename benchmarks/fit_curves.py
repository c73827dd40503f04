"""How good and how fast is the fit of contact mechanics to force curves?

python benchmarks/fit_curves.py                           stated intervals against the truth, and speed, simulated
python benchmarks/fit_curves.py --real FILE.npz           measured curves with the contact that a person clicked
python benchmarks/fit_curves.py --figure docs/figures/fit_curves.png
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.measure.test_force_fit import BEAD, RAMP, SHARP, curves

from sharptip import Model
from sharptip.fit.intervals import cluster_bootstrap
from sharptip.fit.labelled_curves import curves_of
from sharptip.measure.apparent_modulus import apparent_modulus
from sharptip.measure.force_fit import ForceFit, fit_curves
from sharptip.measure.force_model import predicted
from sharptip.measure.law_table import shape_of
from sharptip.physics.contact import LAWS, Tip
from sharptip.recipes.fit_curves import CLASSICAL, RECIPE

CASES = {
    "bead, cells": ("paraboloid", BEAD, (300, 30e3)),
    "bead, stiff": ("paraboloid", BEAD, (1e6, 1e8)),
    "sphere, cells": ("sphere", BEAD, (300, 30e3)),
    "cone, cells": ("cone", Tip(half_angle=0.6), (300, 30e3)),
    "blunted cone, cells": ("blunted_cone", SHARP, (500, 50e3)),
}


def simulated(n: int, samples: int) -> None:
    """Errors, coverage of the 95 % intervals, and curves a second of processor time, case by case."""
    print(
        "| curves | noise | contact, median (nm) | modulus, median (%) | in 95 %: contact | modulus | tilt | curves/s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for i, (case, (name, tip, modulus)) in enumerate(CASES.items()):
        for noise, pink in (("white", 0.0), ("white and 1/f", 0.3e-9)):
            made, truth = curves(np.random.default_rng([i, 9]), n, LAWS[name], tip, modulus, samples=samples, pink=pink)
            start = time.process_time()
            fit = fit_curves(made, LAWS[name], tip)
            speed = n / (time.process_time() - start)
            low, high = fit.interval()
            inside = (
                np.abs(fit.contact - truth["contact"]) < 1.96 * fit.contact_error,
                (low < truth["modulus"]) & (truth["modulus"] < high),
                np.abs(fit.tilt - truth["tilt"]) < 1.96 * fit.tilt_error,
            )
            contact = 1e9 * np.median(np.abs(fit.contact - truth["contact"]))
            relative = 100 * np.median(np.abs(fit.modulus / truth["modulus"] - 1))
            shares = " | ".join(f"{np.mean(s):.3f}" for s in inside)
            print(f"| {case} | {noise} | {contact:.2f} | {relative:.2f} | {shares} | {speed:.0f} |")


def real(path: Path) -> None:
    """Contact and modulus beside what people clicked, on curves that they kept; intervals over files."""
    examples = curves_of(path)
    kept = np.concatenate([e.truth["accept"] for e in examples]) == 1
    truth = {k: np.concatenate([e.truth[k] for e in examples]) for k in ("contact", "modulus")}
    groups = np.repeat([e.group for e in examples], [len(e.truth["contact"]) for e in examples])
    print("| fitted to | answered | contact (nm) | nine of ten (nm) | modulus (%) | apparent (%) | in 95 % | misfit |")
    print("|---|---|---|---|---|---|---|---|")
    for said, options in (
        ("all", {}),
        ("500 nm", {"max_indentation": 5e-7}),
        ("0.8 nN", {"max_force": 8e-10}),
        ("all, contact by ratio of variances", {"contact": "ratio of variances"}),
    ):
        model = Model(RECIPE, law="blunted_cone", **options)
        parts = [model.predict(e.scan) for e in examples]
        a = {k: np.concatenate([p[k].values for p in parts]) for k in ("contact", "contact_error", "modulus", "misfit")}
        a["apparent"] = np.concatenate([p["apparent_modulus"].values for p in parts])
        away = 1e9 * np.abs(a["contact"] - truth["contact"])
        use = np.flatnonzero(kept & np.isfinite(away))
        found = cluster_bootstrap(lambda v: float(np.median(v)), groups[use], away[use], 1000)
        off = {k: 100 * np.median(np.abs(a[k] / truth["modulus"] - 1)[use]) for k in ("modulus", "apparent")}
        inside = np.mean(away[use] < 1.96e9 * a["contact_error"][use])
        print(
            f"| {said} | {len(use)} of {kept.sum()} | {found.value:.0f} ({found.low:.0f}–{found.high:.0f}) "
            f"| {np.quantile(away[use], 0.9):.0f} | {off['modulus']:.0f} | {off['apparent']:.0f} | {inside:.2f} "
            f"| {np.median(a['misfit'][use]):.1f} |"
        )
    for name in CLASSICAL:
        found_by = [RECIPE.classical[name](e.scan, Model(RECIPE, law="blunted_cone").options) for e in examples]
        away = 1e9 * np.abs(np.concatenate([f["contact"] for f in found_by]) - truth["contact"])
        use = np.flatnonzero(kept & np.isfinite(away))
        found = cluster_bootstrap(lambda v: float(np.median(v)), groups[use], away[use], 1000)
        nine = np.quantile(away[use], 0.9)
        print(f"| {name} | {len(use)} | {found.value:.0f} ({found.low:.0f}–{found.high:.0f}) | {nine:.0f} | | | | |")
    print(f"{len(set(groups[kept]))} files")


def drawn(path: Path) -> None:
    """One simulated curve with its fit, residuals and contact, and its apparent modulus."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    law = LAWS["paraboloid"]
    made, truth = curves(
        np.random.default_rng(3), 1, law, BEAD, (2e3, 2.1e3), white=1e-9, pink=1e-9, contact=(0.5, 0.6)
    )
    fit = fit_curves(made, law, BEAD)
    height, y = 1e6 * made.height[0], 1e9 * (made.deflection[0] - fit.offset[0])
    line = 1e9 * (_model(fit, made.height, law) - fit.offset[0])
    figure, (top, middle, last) = plt.subplots(
        3, 1, figsize=(6, 6.6), height_ratios=(2.6, 1.1, 2), layout="constrained"
    )
    middle.sharex(top)
    top.plot(height, y, ".", ms=2, color="0.6", label="deflection, simulated")
    top.plot(
        height,
        line,
        "C3",
        lw=1.2,
        label=f"paraboloid: {fit.modulus[0] / 1e3:.2f} ± {fit.modulus_error[0] / 1e3:.2f} kPa",
    )
    middle.plot(height, y - line, ".", ms=2, color="0.6")
    at, wide = 1e6 * fit.contact[0], 1.96e6 * fit.contact_error[0]
    for axis in (top, middle):
        axis.axvspan(at - wide, at + wide, color="C0", alpha=0.3, lw=0)
        axis.axvline(at, color="C0", lw=0.8)
    top.plot(
        [],
        [],
        color="C0",
        label=f"contact, 95 % ± {1e3 * wide:.0f} nm (true: {1e3 * (1e6 * truth['contact'][0] - at):+.0f} nm)",
    )
    top.set(ylabel="deflection (nm)")
    top.legend(frameon=True, edgecolor="none", fontsize=8)
    middle.set(xlabel="height of the piezo (µm)", ylabel="residual (nm)")
    _apparent(last, made, fit, truth)
    figure.savefig(path, dpi=110)


def _apparent(last, made, fit: ForceFit, truth: dict) -> None:
    """The apparent modulus against the indentation, for the contact as fitted and moved either way."""
    law = LAWS["paraboloid"]
    for shift, color in ((0, "C3"), (60e-9, "C1"), (-60e-9, "C2")):
        depth, modulus = apparent_modulus(made, fit.contact + shift, law, BEAD, offset=fit.offset, tilt=fit.tilt)
        deep = depth[0] > 40e-9
        name = (
            "contact as fitted"
            if not shift
            else f"contact {abs(shift) * 1e9:.0f} nm too {'early' if shift > 0 else 'late'}"
        )
        last.plot(1e9 * depth[0][deep], modulus[0][deep] / 1e3, ".", ms=2, color=color, label=name)
    last.axhline(truth["modulus"][0] / 1e3, color="k", lw=0.8)
    last.set(xlabel="indentation (nm)", ylabel="apparent modulus (kPa)", ylim=(0, 5))
    last.legend(frameon=False, markerscale=4, fontsize=8)


def _model(fit: ForceFit, height: np.ndarray, law) -> np.ndarray:
    x = height[:1, :1] - height[:1]
    p = np.array([[height[0, 0] - fit.contact[0], np.log(fit.modulus[0]), fit.offset[0], fit.tilt[0]]])
    return predicted(p, x, shape_of(law, BEAD, RAMP), np.array([[0.05]]))[0][0]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--curves", type=int, default=1000)
    asked.add_argument("--samples", type=int, default=2000)
    asked.add_argument("--real", type=Path)
    asked.add_argument("--figure", type=Path)
    given = asked.parse_args()
    if given.figure:
        drawn(given.figure)
    elif given.real:
        real(given.real)
    else:
        simulated(given.curves, given.samples)


if __name__ == "__main__":
    main()
