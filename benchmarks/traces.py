"""How well traces are sorted, cut into states and timed, by kind and by signal to noise; and the figures of the docs.

python benchmarks/traces.py --scans 10                 # tables, on simulated traces that nothing learned from
python benchmarks/traces.py --figure docs/figures      # traces.png
python benchmarks/traces.py --kelvin FILE.dat --figure docs/figures   # fit_parabola.png, of a real sweep
python benchmarks/traces.py --coverage                 # of the intervals of Kelvin parabolas
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from sharptip import Model, read
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid
from sharptip.fit.each import everybody
from sharptip.fit.intervals import cluster_bootstrap
from sharptip.fit.rows import joined
from sharptip.measure.dwell_times import dwell_rate, dwells_of
from sharptip.measure.parabola import fit_parabola
from sharptip.physics.parabola import kelvin_parabola
from sharptip.recipes.traces import RECIPE, example
from sharptip.report.style import BLUE, GREEN, INK, MUTED, VERMILION, new_figure, save, styled
from sharptip.simulate.telegraph import KINDS, telegraph


def tables(model: Model, scans: int) -> None:
    """Every learner's measures for each kind of trace, 95 % intervals over scans."""
    for kind in KINDS:
        options = {**RECIPE.options, "of": kind}
        drawn = [example(np.random.default_rng([2026, KINDS.index(kind), i]), options) for i in range(scans)]
        said = [everybody(model, e.scan)[0] for e in drawn]
        truth = joined([e.truth for e in drawn])
        groups = np.repeat(np.arange(scans), len(truth["accept"]) // scans)
        print(f"\n{kind}: {len(groups)} simulated traces, {scans} scans")
        for learner in said[0]:
            answers = joined([s[learner] for s in said])
            print(f"  {learner:14s}", "  ".join(f"{name} {_interval(measure, truth, answers, groups)}"
                                               for name, measure in RECIPE.measures.items()
                                               if "state" in answers or name.startswith("accept")))  # fmt: skip


def _interval(measure, truth, answers, groups) -> str:
    def of(rows: np.ndarray) -> float:
        return measure({k: v[rows] for k, v in truth.items()}, {k: v[rows] for k, v in answers.items()})

    found = cluster_bootstrap(of, groups, np.arange(len(groups)), 200)
    return f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"


def coverage() -> None:
    """How often 95 % intervals of a Kelvin parabola hold the true potential; 500 spectra for each number."""
    rng = np.random.default_rng(0)
    for points in (30, 200, 1500):
        bias = np.linspace(-1, 1, points)
        for alike in (0.0, 0.5, 0.9):
            white = rng.normal(0, 0.3 * np.sqrt(1 - alike**2), (500, points + 200))
            noise = lfilter([1], [1, -alike], white, axis=1)[:, 200:]
            for spikes in (0.0, 0.05):
                added = (rng.random(noise.shape) < spikes) * rng.normal(0, 10, noise.shape)
                fit = fit_parabola(bias, kelvin_parabola(bias, 0.2, 3.0, -10.0) + noise + added)
                inside = float(((fit.low <= 0.2) & (fit.high >= 0.2)).mean())
                print(f"{points} points, neighbours alike by {alike}, spikes {spikes:.0%}: inside {inside:.3f}")


@styled
def trace_figure(model: Model):
    """A current with its states and levels, and how long it stayed in each."""
    drawn = (telegraph(np.random.default_rng(s), kind="current", junk="", frames=1600, snr=4) for s in range(100))
    t = next(t for t in drawn if len(t.level) == 2 and t.rate.max() * t.frame_time < 0.1)
    axes = {"site": Axis(np.zeros(1), "1"), "time": Axis.regular(1600, t.frame_time, "s")}
    answer = model.predict(from_grid(Grid("", (Channel("current", t.trace, "A", "I", ("site", "time")),), axes)))
    state, level = answer["state"].values[0], answer["level"].values[0]
    figure = new_figure(4.2, 7)
    top, *below = figure.subplot_mosaic([["trace", "trace"], ["low", "high"]]).values()
    shown, time = slice(0, 400), 1e3 * answer["time"].values
    scale = 1e12
    top.plot(time[shown], scale * t.trace[0, shown], color=MUTED, lw=0.8)
    top.plot(time[shown], scale * level[np.nan_to_num(state).astype(int)][shown], color=VERMILION, lw=1.6)
    top.set(xlabel="time (ms)", ylabel="current (pA)",
            title=f"keep: {float(answer['accept'][0]):.2f}, two states, simulated with signal to noise 4")  # fmt: skip
    dwells = dwells_of(np.nan_to_num(state, nan=-1).astype(int)[None], t.frame_time)
    for k, (ax, colour, name) in enumerate(zip(below, (BLUE, GREEN), ("k12", "k21"), strict=True)):
        seconds = dwells.seconds[(dwells.state == k) & dwells.whole]
        rate, error = float(answer[name][0]), float(answer[f"{name}_error"][0])
        edges = np.linspace(0, 1e3 * seconds.max(), 16)
        ax.hist(1e3 * seconds, edges, color=colour, alpha=0.6)
        x = np.linspace(0, edges[-1], 200)
        counted, _ = dwell_rate(dwells, k, t.frame_time)
        for r, style, what in ((rate, "-", "chain"), (counted, ":", "dwells")):
            ax.plot(x, len(seconds) * edges[1] * 1e-3 * r * np.exp(-1e-3 * r * x), color=INK, ls=style, label=what)
        true = t.rate[k, 1 - k]
        ax.set(xlabel=f"dwell in the {('lower', 'upper')[k]} state (ms)", ylabel="dwells",
               title=f"{name} = {rate:.0f} ± {error:.0f} /s (true {true:.0f})")  # fmt: skip
        ax.legend()
    return figure


@styled
def kelvin_figure(file: Path):
    """A real sweep forth and back with both fits, and what they leave."""
    scan = read(file)
    answer = Model("fit_parabola").predict(scan)
    figure = new_figure(3.6, 7)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    bias = scan["bias"].values
    for i, (way, colour) in enumerate(zip(("forward", "backward"), (BLUE, VERMILION), strict=True)):
        shift = scan["frequency_shift"].values[i, 0]
        fit = answer.isel(direction=i, site=0)
        p, low, high = (1e3 * float(fit[k]) for k in ("potential", "potential_low", "potential_high"))
        left.plot(bias, shift, ".", ms=1.5, color=colour, alpha=0.35)
        line = kelvin_parabola(bias, fit["potential"].values, fit["curvature"].values, fit["maximum"].values)
        left.plot(bias, line, color=colour, label=f"{way}: {p:.0f} mV ({low:.0f} to {high:.0f})")
        right.errorbar([p], [i], xerr=[[p - low], [high - p]], fmt="o", color=colour, capsize=3)
    left.set(xlabel="bias (V)", ylabel="frequency shift (Hz)", title="Kelvin parabola, measured")
    left.legend(loc="lower center")
    right.set(xlabel="V_CPD (mV)", yticks=(0, 1), yticklabels=("forward", "backward"),
              ylim=(-0.7, 1.7), title="95 % intervals")  # fmt: skip
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=0, help="of sixteen traces, for each kind")
    parser.add_argument("--model", help="NAME.sharptip; the one that ships if left out")
    parser.add_argument("--figure", type=Path, help="folder for figures")
    parser.add_argument("--kelvin", type=Path, help="a Nanonis bias spectrum with a frequency shift")
    parser.add_argument("--coverage", action="store_true", help="of the intervals of Kelvin parabolas")
    given = parser.parse_args()
    if given.coverage:
        coverage()
        return
    if given.kelvin:
        print(save(kelvin_figure(given.kelvin), given.figure / "fit_parabola.png"))
        return
    model = Model.load(given.model) if given.model else Model.trained("traces")
    if given.figure:
        print(save(trace_figure(model), given.figure / "traces.png"))
    if given.scans:
        tables(model, given.scans)


if __name__ == "__main__":
    main()
