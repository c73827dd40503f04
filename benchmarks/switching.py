"""How well loops tell mechanism, temperature and physical parameters. Everything here is simulated.

    python benchmarks/switching.py mechanisms --model switching      # network beside linear and non-linear rivals
    python benchmarks/switching.py temperature                       # is 5 °C told apart, and on whose sample?
    python benchmarks/switching.py parameters --model switching      # fit and network: errors, and what intervals hold
    python benchmarks/switching.py figures --data ../shared/data --out docs/figures      # maps of real files

Groups are simulated samples; intervals are 95 %, from drawing whole groups again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sharptip import Model, read
from sharptip.fit.intervals import cluster_bootstrap
from sharptip.measure.loop_fit import fit_loops
from sharptip.measure.loops import Loops, loops_of
from sharptip.recipes.switching import RECIPE, example, features, loops_in, rows
from sharptip.simulate.loops import Run, draw_loops, draw_sample, temperature_series, triangle

OPTIONS = {**RECIPE.options, "seed": 0}
STEP = 5.0  # °C
RUN = Run(triangle(9.0, 64), np.linspace(-3, 3, 9))


def show(name: str, of, groups: np.ndarray, digits: int = 3) -> str:
    found = cluster_bootstrap(of, list(groups), np.arange(len(groups)), 1000)
    return f"{name:42s} {found.value:.{digits}f} ({found.low:.{digits}f}–{found.high:.{digits}f})"


def learners() -> dict[str, object]:
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    def on_scores(learner: object) -> object:
        return make_pipeline(PCA(10, random_state=0), StandardScaler(), learner)

    def network() -> MLPClassifier:  # 10 → 32 → 16 → classes
        return MLPClassifier(
            hidden_layer_sizes=(32, 16), max_iter=400, early_stopping=True, n_iter_no_change=20, random_state=0
        )

    return {
        "LDA on 10 principal components": on_scores(LinearDiscriminantAnalysis()),
        "SVM on 10 principal components": on_scores(SVC(C=10.0)),
        "MLP 10-32-16 on principal components": on_scores(network()),
        "LDA on loop quantities": make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()),
        "SVM on loop quantities": make_pipeline(StandardScaler(), SVC(C=10.0)),
    }


# --- mechanisms -------------------------------------------------------------------------------------------------------


def drawn(seed: int, runs: int, run: Run | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(flat small images, loop quantities, mechanisms, networks' numbers, run of each loop)."""
    parts = []
    for i, child in enumerate(np.random.default_rng(seed).spawn(runs)):
        scan, truth, _ = draw_loops(child, OPTIONS["pixels"], run=run)
        r = rows(scan, OPTIONS)
        x = r.numbers[r.sound]
        flat = x[:, 0].reshape(len(x), 16, 4, 16, 4).mean((2, 4)).reshape(len(x), -1)
        parts.append((flat, features(r)[r.sound], truth["mechanism"][r.sound], x, np.full(len(x), i)))
    return tuple(np.concatenate(p) for p in zip(*parts, strict=True))  # type: ignore[return-value]


def mechanisms(arguments: argparse.Namespace) -> None:
    from sharptip.fit.each import _outputs

    model = Model.load(arguments.model) if Path(arguments.model).exists() else Model.trained(arguments.model)
    for title, run in (("each run its own voltages", None), ("always the same voltages", RUN)):
        train, test = drawn(1, arguments.runs, run), drawn(2, arguments.runs // 2, run)
        print(f"{title}: {len(train[2])} loops to learn from, {len(test[2])} of {arguments.runs // 2} others to judge")
        said = {}
        for name, learner in learners().items():
            k = 0 if "principal" in name else 1
            said[name] = learner.fit(train[k], train[2]).predict(test[k])  # type: ignore[attr-defined]
        said["CNN 16-32-64 (shipped)"] = _outputs(model.learner, test[3])[:, :5].argmax(1)
        for name, guess in said.items():
            right = guess == test[2]
            print(show(name, lambda which, r=right: float(r[which].mean()), test[4]), flush=True)
        table = np.zeros((5, 5), int)
        np.add.at(table, (test[2], guess), 1)
        print("rows: true, columns: the network's", RECIPE.classes, table, sep="\n")


# --- temperature ------------------------------------------------------------------------------------------------------

SNRS = (2.0, 5.0, 10.0, 20.0)


def told_apart(kelvin: np.ndarray, guess: np.ndarray) -> tuple[float, float, float]:
    """(share of neighbouring temperatures put in order, share within 2.5 °C, median error in °C)."""
    steps = np.unique(kelvin)
    pairs = ((guess[kelvin == a], guess[kelvin == b]) for a, b in pairwise(steps))
    order = [float(np.mean(0.5 + 0.5 * np.sign(warm[None] - cool[:, None]))) for cool, warm in pairs]  # a tie is half
    off = np.abs(guess - kelvin)
    return float(np.mean(order)), float(np.mean(off < STEP / 2)), float(np.median(off))


def vectors(loops: np.ndarray, scale: float) -> np.ndarray:
    return (loops / scale).reshape(len(loops), -1)


def own_sample(snr: float, scatter: float, samples: int) -> list[dict[str, tuple[float, float, float]]]:
    """Learn from pixels of a sample, judge other pixels of the same sample, as published; one entry for each sample."""
    found = []
    for rng in np.random.default_rng(11).spawn(samples):
        sample = replace(draw_sample(rng), scatter=scatter)
        x, t = temperature_series(rng, sample, RUN, 40, snr)
        y, u = temperature_series(rng, sample, RUN, 20, snr)
        found.append(judged(vectors(x, 1.0), t, vectors(y, 1.0), u))
    return found


def judged(x: np.ndarray, t: np.ndarray, y: np.ndarray, u: np.ndarray) -> dict[str, tuple]:
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler

    scores = PCA(10, random_state=0).fit(x)
    spread = StandardScaler().fit(scores.transform(x))
    a, b = spread.transform(scores.transform(x)), spread.transform(scores.transform(y))
    middle, size = t.mean(), t.std()
    net = MLPRegressor(
        hidden_layer_sizes=(32, 16), max_iter=600, early_stopping=True, n_iter_no_change=25, random_state=0
    )
    out = {
        "linear (ridge) on principal components": Ridge(1.0).fit(a, t).predict(b),
        "MLP 10-32-16 on principal components": net.fit(a, (t - middle) / size).predict(b) * size + middle,
        "LDA on principal components": LinearDiscriminantAnalysis().fit(a, t.round().astype(int)).predict(b) + t[0] % 1,
    }
    steps = np.unique(u)
    together = np.array([out["MLP 10-32-16 on principal components"][u == k].mean() for k in steps])
    return {k: told_apart(u, v) for k, v in out.items()} | {"MLP, mean of 20 pixels": told_apart(steps, together)}


def other_samples(snr: float, scatter: float, samples: int, reference: bool) -> list[dict[str, tuple]]:
    """Learn from some samples, judge others. reference: each loop beside its sample's mean loop at 25 °C."""
    rngs = np.random.default_rng(12).spawn(samples)
    series = []
    for rng in rngs:
        sample = replace(draw_sample(rng), scatter=scatter)
        x, t = temperature_series(rng, sample, RUN, 6, snr)
        first = x[t == t[0]].mean(0)
        size = np.sqrt((first**2).mean())
        v = vectors(x, size if reference else 1.0)
        series.append(
            (np.concatenate([v, np.broadcast_to(first.reshape(1, -1) / size, v.shape)], 1) if reference else v, t)
        )
    cut = samples * 3 // 4
    x, t = (np.concatenate([s[k] for s in series[:cut]]) for k in (0, 1))
    return judged_each(x, t, series[cut:])


def judged_each(x: np.ndarray, t: np.ndarray, tests: list[tuple[np.ndarray, np.ndarray]]) -> list[dict[str, tuple]]:
    from sklearn.decomposition import PCA
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    net = MLPRegressor(
        hidden_layer_sizes=(32, 16), max_iter=300, early_stopping=True, n_iter_no_change=20, random_state=0
    )
    learner = make_pipeline(PCA(20, random_state=0), StandardScaler(), net).fit(x, (t - t.mean()) / t.std())
    return [{"MLP on principal components": told_apart(u, learner.predict(y) * t.std() + t.mean())} for y, u in tests]


def line(title: str, found: list[dict[str, tuple]]) -> None:
    for name in found[0]:
        values = np.array([f[name] for f in found])
        parts = [interval(values[:, k], 2 if k < 2 else 1) for k in range(3)]
        print(f"| {title} | {name} | " + " | ".join(parts) + f" | {len(values)} |", flush=True)


def interval(values: np.ndarray, digits: int) -> str:
    """The mean over groups."""
    return show("", lambda which: float(values[which].mean()), np.arange(len(values)), digits).strip()


def temperature(arguments: argparse.Namespace) -> None:
    print("| test | learner | neighbours 5 °C apart in order | within 2.5 °C | median error (°C) | samples |")
    print("|---|---|---|---|---|---|")
    for scatter in (0.01, 0.03):
        for snr in SNRS:
            line(f"same sample, pixels ±{scatter:.0%}, SNR {snr:g}", own_sample(snr, scatter, arguments.samples))
    for reference in (False, True):
        for snr in (5.0, 20.0):
            name = "new samples, a loop at 25 °C known" if reference else "new samples"
            line(f"{name}, pixels ±1%, SNR {snr:g}", other_samples(snr, 0.01, arguments.samples * 6, reference))


# --- parameters -------------------------------------------------------------------------------------------------------

PARAMETERS = ("coercive", "imprint", "potential", "injected")


def parameters(arguments: argparse.Namespace) -> None:
    model = Model.load(arguments.model) if Path(arguments.model).exists() else Model.trained(arguments.model)
    kept: dict[str, list] = {"group": [], "several": []}
    for i, child in enumerate(np.random.default_rng(3).spawn(arguments.runs // 4)):
        e = example(child, OPTIONS)
        r = rows(e.scan, OPTIONS)
        a = {k: np.asarray(v) for k, v in model.predict(e.scan).items()}
        fit = fit_loops(loops_in(r))
        reach = e.truth["reach"]
        for name in PARAMETERS:
            unit = reach if name != "injected" else 1.0
            for who, value, error in (
                ("fit", fit.values[name], fit.errors[name]),
                ("net", a[f"learned_{name}"], a[f"learned_{name}_uncertainty"]),
            ):
                kept.setdefault(f"{name} {who}", []).append(np.stack([(value - e.truth[name]) / unit, error / unit], 1))
        kept["group"].append(np.full(len(reach), i))
        kept["several"].append(np.full(len(reach), r.kept["response"].shape[2] > 1))
        kept.setdefault("mechanism", []).append(e.truth["mechanism"])
    every = {k: np.concatenate(v) for k, v in kept.items()}
    hysteresis = np.isin(every["mechanism"], [0, 4])
    charged = np.isin(every["mechanism"], [1, 4])
    for several in (True, False):
        for name in PARAMETERS:
            which = (every["several"] == several) & (charged if name == "injected" else hysteresis)
            if name in ("potential", "injected") and not several:
                continue
            for who in ("fit", "net"):
                off, error = every[f"{name} {who}"][which].T
                ok = np.isfinite(off) & np.isfinite(error)
                off, error, groups = off[ok], error[ok], every["group"][which][ok]
                print(
                    f"{'several reads' if several else 'one read':14s}{name:10s}{who:4s} n {ok.sum():5d}",
                    show("median |error|", lambda w, o=off: float(np.median(np.abs(o[w]))), groups),
                    show("rms", lambda w, o=off: float(np.sqrt(np.mean(np.clip(o[w], -1, 1) ** 2))), groups),
                    show(
                        "held by 95 %", lambda w, o=off, s=error: float(np.mean(np.abs(o[w]) < 1.96 * s[w])), groups, 2
                    ),
                )


# --- figures ----------------------------------------------------------------------------------------------------------


SHOWN = ("coercive_positive", "coercive_negative", "imprint", "work_of_switching", "remanent_response")
WELL = 0.8  # share of a loop that the fit explains, from which it is shown
SURE = 2.0  # V; surface potentials that are less certain are not shown


def figures(arguments: argparse.Namespace) -> None:
    from sharptip.report.curves import maps_figure
    from sharptip.report.style import save

    model = Model.load(arguments.model) if Path(arguments.model).exists() else Model.trained(arguments.model)
    measured = loops_of(read(Path(arguments.data) / "pfm_be/GPim/cKPFM loop_0001 10 x 10-proc.npz", size="unknown"))
    save(images_figure(measured), Path(arguments.out) / "switching_images.png")
    for name, file, size in (
        ("switching_beps", "pfm_be/DTMicroscope/BEPS_PTO_50x50.h5", {}),
        ("switching_ckpfm", "pfm_be/GPim/cKPFM loop_0001 10 x 10-proc.npz", {"size": "unknown"}),
    ):
        scan = read(Path(arguments.data) / file, **size)
        answer = model.predict(scan)
        good = answer["explained"].values > (0.5 if size else WELL)
        save(
            maps_figure(maps_of(answer, good, None if size else float(scan["x"].values[1])), columns=3),
            Path(arguments.out) / f"{name}.png",
        )
        print(name, f"{good.mean():.0%} of {good.size} loops well fitted")
        for k in SHOWN + (("surface_potential",) if size else ()):
            v = answer[k].values[good]
            low, high = np.nanpercentile(v, (25, 75))
            print(f"   {k}: median {np.nanmedian(v):.3g} {answer[k].attrs['units']}, quartiles {low:.3g} to {high:.3g}")
        best = answer["probability"].values[good].argmax(-1)
        print("   likeliest:", {c: int((best == k).sum()) for k, c in enumerate(RECIPE.classes)})


def maps_of(answer, good: np.ndarray, pixel: float | None) -> list:
    """Maps of a real file: outliers beyond the 2nd and 98th percentile take the colour of those."""
    from sharptip.report.curves import Map

    def shown(name: str, values: np.ndarray, unit: str, where: np.ndarray) -> Map:
        known = values[where & np.isfinite(values)]
        low, high = np.percentile(known, (2, 98)) if len(known) else (0.0, 1.0)
        return Map(name, unit, np.where(where, np.clip(values, low, high), np.nan), pixel)

    maps = [shown(k.replace("_", " "), answer[k].values, answer[k].attrs["units"], good) for k in SHOWN]
    sure = good & (answer["surface_potential_uncertainty"].values < SURE)
    if sure.any():
        maps.append(shown("surface potential", answer["surface_potential"].values, "V", sure))
    else:
        maps.append(shown("uncertainty of V_c", answer["coercive_voltage_uncertainty"].values, "V", good))
    p = answer["probability"].values
    maps += [Map(f"probability of {c}", "1", p[..., k], pixel) for k, c in ((0, "ferroelectric"), (4, "mixed"))]
    return [*maps, Map("cluster", "1", answer["cluster"].values.astype(float), pixel)]


def images_figure(real: Loops):
    """A simulated loop of every mechanism, unfolded: response against write step and read voltage; and a real one."""
    from sharptip.report.style import new_figure, styled
    from sharptip.simulate.loops import MECHANISMS, draw_junction, measured, stacked

    run = Run(triangle(8.0, 64, 2), np.linspace(-4, 4, 9))
    rng = np.random.default_rng(5)
    junctions = stacked([draw_junction(rng, m, run.reach)[0] for m in MECHANISMS])
    values = measured(rng, run, junctions, 10.0)

    @styled
    def draw():
        figure = new_figure(2.3)
        shown = [*zip(values, MECHANISMS, strict=True), (real.response.mean(0), "measured")]
        for axes, (one, name) in zip(figure.subplots(1, 6, sharey=True), shown, strict=True):
            reach, end = np.abs(one).max(), 5 if name == "measured" else 4
            axes.imshow(one, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto", extent=(-end, end, 64, 0))
            axes.set_title(name, fontsize=7.5)
            axes.set_xticks([-end, 0, end])
            axes.set_xlabel("read (V)", fontsize=8)
        figure.axes[0].set_ylabel("write step", fontsize=8)
        return figure

    return draw()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("mechanisms", "temperature", "parameters", "figures"))
    parser.add_argument("--model", default="switching", help="FILE.sharptip, or the name of one that ships")
    parser.add_argument("--runs", type=int, default=160)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--out", default="docs/figures")
    arguments = parser.parse_args()
    {"mechanisms": mechanisms, "temperature": temperature, "parameters": parameters, "figures": figures}[
        arguments.what
    ](arguments)


if __name__ == "__main__":
    main()
