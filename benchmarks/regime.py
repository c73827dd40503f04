"""How well is the regime of a drying film told, and a scan of several regimes found? Every number of docs/regime.md.

    python benchmarks/regime.py --out build/regime --model src/sharptip/weights/regime.sharptip

Drawn once into --out and kept there: training scans for the baselines (as the model's own), scans to set the threshold
of "mixed" on, and test scans from a seed of their own. On the test scans stand side by side the model; the forest on
eleven features and the logistic regression on the Minkowski measures, learnt from the model's training scans; Otsu's
threshold with the Euler rule; and the published chain: binary lattice images with speckle teach an autoencoder and a
classifier, a scan is levelled by a polynomial, thresholded, cleaned by the autoencoder, cut into windows, and the
windows vote. Windows are half a scan wide, 64 pixels against the published 200, so that it runs on one core; the
published conditions on the windows' shapes (eccentricity, diameter) are left out, those on confidence are kept.

All of it is simulated: it says what the software does, and nothing about real films.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from scipy.special import softmax
from skimage.filters import threshold_multiotsu

from sharptip import Model
from sharptip.clean import polynomial, polynomial_fit, row_offsets, rows
from sharptip.core.scan import pixel_size
from sharptip.fit.intervals import cluster_bootstrap, wilson
from sharptip.fit.metrics import auroc
from sharptip.fit.prepare import prepare
from sharptip.fit.recipe import settled
from sharptip.fit.train_network import logits, run_network
from sharptip.measure.regime import REGIMES, regime_of_image
from sharptip.nets.speckled_films import PairedClassifier, SpeckleAutoencoder
from sharptip.recipes.regime import MIXED, RECIPE, example, state_of
from sharptip.report.pictures import scale_bar
from sharptip.report.style import LINES, PALETTE, new_figure, save, styled
from sharptip.simulate.drying_film import scan_film

SEEDS = {"threshold": 31001, "test": 77001}  # never used for training or for choosing anything but what they name
SCANS = {"threshold": 300, "test": 900}
SHARE_MIXED = 1 / 3
CROP, STRIDE = 64, 16  # pixels of the published chain's windows here
NAMES = {
    "model": "model", "forest": "forest, 11 features", "minkowski_logistic": "Minkowski, logistic",
    "otsu_euler": "Otsu and Euler rule", "published": "published chain",
}  # fmt: skip
VIEWS = (0.4, 0.5, 0.625, 0.8, 1.0, 1.25, 1.6)  # of the lattice across a scan; taught with 0.625 to 1
CONFIDENCE = (0.8, 0.2)  # least mean and largest spread of the winning regime's probability over the windows
LATTICES = 400  # for the published chain; four crops of each


@dataclass(frozen=True)
class Drawn:
    """Scans as the model sees them (n, 128, 128), as they came (n, 128, 128), and what they show."""

    levelled: np.ndarray
    raw: np.ndarray
    truth: np.ndarray
    in_gap: np.ndarray

    @property
    def mixed(self) -> np.ndarray:
        return self.truth == MIXED


def scans(folder: Path, name: str) -> Drawn:
    """The scans of that name, drawn with states from the gaps among them; read back where they are there."""
    path = folder / f"{name}.npz"
    if not path.exists():
        options = settled(RECIPE, {"mixed": SHARE_MIXED, "gaps": False})
        listed = []
        for child in np.random.SeedSequence(SEEDS[name]).spawn(SCANS[name]):
            e = example(np.random.default_rng(child), options)
            z = prepare(RECIPE, e.scan).channels[0]
            listed.append((z.astype(np.float32), e.scan.height.values, e.truth, e.scan.attrs["in_gap"]))
        levelled, raw, truth, gap = zip(*listed, strict=True)
        np.savez(path, levelled=np.stack(levelled), raw=np.stack(raw), truth=np.array(truth), in_gap=np.array(gap) > 0)
    return Drawn(**np.load(path))


# The published chain ---------------------------------------------------------------------------------------------


class Published:
    """Classifier and autoencoder learnt from lattice images; `probabilities` of each window of a scan."""

    def __init__(self, folder: Path, seed: int = 0, epochs: int = 8) -> None:
        x, y = lattice_crops(folder, seed)
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.autoencoder, self.classifier = SpeckleAutoencoder(), PairedClassifier(CROP, len(REGIMES))
        clean = torch.from_numpy(x[:, None].astype(np.float32))
        noisy = [torch.from_numpy(speckle(rng, x, 0.4, 0.005, 0.005)[:, None]) for _ in range(2)]
        learn(self.autoencoder, noisy[0], clean, torch.nn.functional.binary_cross_entropy, epochs, seed)
        learn(self.classifier, noisy[1], torch.from_numpy(y), torch.nn.functional.cross_entropy, epochs, seed)

    def windows(self, height: np.ndarray) -> np.ndarray:
        """Probabilities (windows, 5) for a raw scan (y, x)."""
        binary = torch.from_numpy(binarised(height)[None, None].astype(np.float32))
        clean = (run_network(self.autoencoder, binary.numpy()) > 0.5).astype(np.float32)[0, 0]
        view = np.lib.stride_tricks.sliding_window_view(clean, (CROP, CROP))[::STRIDE, ::STRIDE]
        votes = run_network(self.classifier, np.ascontiguousarray(view.reshape(-1, 1, CROP, CROP)))
        return softmax(votes.astype(float), axis=1)


def lattice_crops(folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Binary crops (n, 64, 64) of lattices outside the gaps, flipped and shifted by chance, and their classes (n,)."""
    path = folder / "lattices.npz"
    if not path.exists():
        options = settled(RECIPE, {"gaps": True})
        children = np.random.SeedSequence(seed + 5).spawn(LATTICES)
        drawn = [state_of(np.random.default_rng(c), REGIMES[i % 5], options)[0] for i, c in enumerate(children)]
        np.savez(path, states=np.stack(drawn))
    states = np.load(path)["states"]
    rng = np.random.default_rng(seed)
    crops, labels = [], []
    for i, state in enumerate(states):
        for _ in range(4):
            shifted = np.roll(state > 0, rng.integers(0, len(state), 2), (0, 1))[:CROP, :CROP]
            crops.append(shifted[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])])
            labels.append(i % 5)
    return np.stack(crops), np.array(labels)


def speckle(rng: np.random.Generator, x: np.ndarray, share: float, mean: float, spread: float) -> np.ndarray:
    """Pixels turned over, mean ± spread of them, in a share of the images."""
    rate = np.where(rng.random(len(x)) < share, np.abs(rng.normal(mean, spread, len(x))), 0.0)
    return (x ^ (rng.random(x.shape) < rate[:, None, None])).astype(np.float32)


def learn(net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, loss, epochs: int, seed: int) -> None:
    """Adam at 1e-3, batches of 64, in place."""
    optimiser, rng = torch.optim.Adam(net.parameters(), 1e-3), np.random.default_rng(seed)
    net.train()
    for _ in range(epochs):
        for part in np.array_split(rng.permutation(len(x)), max(len(x) // 64, 1)):
            optimiser.zero_grad()
            loss(net(x[part]), y[part]).backward()
            optimiser.step()
    net.eval()


def binarised(height: np.ndarray) -> np.ndarray:
    """The published way: normalised, lines aligned by median differences, 5th-order polynomial off, lowest Otsu cut."""
    z = (height.astype(float) - height.mean()) / max(height.std(), 1e-300)
    z = z - row_offsets(z, "difference")
    z = z - polynomial_fit(z, (5, 5))
    return z > threshold_multiotsu(z)[0]


# Scores ----------------------------------------------------------------------------------------------------------


def five(truth: np.ndarray, probability: np.ndarray) -> dict[str, object]:
    """Balanced accuracy over the five regimes, and of each, with intervals over scans."""
    index = np.array([REGIMES.index(t) for t in truth])
    right = probability[:, : len(REGIMES)].argmax(1) == index

    def balanced(regime: np.ndarray, hit: np.ndarray) -> float:
        return float(np.mean([hit[regime == c].mean() for c in np.unique(regime)]))

    found = cluster_bootstrap(balanced, np.arange(len(index)), (index, right))
    each = {name: round(float(right[index == i].mean()), 3) for i, name in enumerate(REGIMES)}
    interval = [round(found.low, 3), round(found.high, 3)]
    return {"balanced_accuracy": round(found.value, 3), "interval": interval, "n": len(index)} | each


def share(hits: np.ndarray) -> dict[str, object]:
    low, high = wilson(int(hits.sum()), len(hits))
    return {"share": round(float(hits.mean()), 3), "interval": [round(low, 3), round(high, 3)], "n": len(hits)}


def rejection(mixed: np.ndarray, score: np.ndarray, threshold: float) -> dict[str, object]:
    """Mixed scans rejected and single ones passed at a threshold, and the area under the whole curve."""
    area = cluster_bootstrap(auroc, np.arange(len(mixed)), (mixed.astype(int), score))
    return {
        "auroc": round(area.value, 3), "interval": [round(area.low, 3), round(area.high, 3)],
        "threshold": round(threshold, 4),
        "mixed_rejected": share(score[mixed] >= threshold), "single_passed": share(score[~mixed] < threshold),
    }  # fmt: skip


def equal_errors(mixed: np.ndarray, score: np.ndarray) -> float:
    """The threshold at which as large a share of mixed scans is rejected as of single ones passes."""
    tries = np.unique(score)
    gap = [abs((score[mixed] >= t).mean() - (score[~mixed] < t).mean()) for t in tries]
    return float(tries[int(np.argmin(gap))])


Answers = dict[str, tuple[np.ndarray, np.ndarray]]  # name → probabilities (n, 5), how mixed each scan looks (n,)


def answers(model: Model, drawn: Drawn) -> Answers:
    """Of the model, its baselines, and Otsu's threshold with the Euler rule."""
    tiles = model_tiles(model, drawn)
    out = {"model": learner_probability(model, model.learner, tiles)}
    out |= {name: learner_probability(model, b, tiles) for name, b in model.baselines.items()}
    pairs = {name: (p[:, :5], p[:, 5]) for name, p in out.items()}
    rule = np.eye(5)[[REGIMES.index(regime_of_image(z)) for z in drawn.levelled]]
    halves = [[regime_of_image(z[i : i + 64, j : j + 64]) for i in (0, 64) for j in (0, 64)] for z in drawn.levelled]
    pairs["otsu_euler"] = (rule, np.array([1 - max(h.count(r) for r in h) / 4 for h in halves]))
    return pairs


def published_answers(published: Published, drawn: Drawn) -> tuple[Answers, np.ndarray]:
    """Of the published chain; and which scans it passes (n,): those whose windows agree.

    The winning regime has CONFIDENCE on average over the windows, and spreads no further.
    """
    votes = np.stack([published.windows(z) for z in drawn.raw])  # (n, windows, 5)
    mean = votes.mean(1)
    winning = np.take_along_axis(votes, mean.argmax(1)[:, None, None], axis=2)[:, :, 0]
    passed = (winning.mean(1) >= CONFIDENCE[0]) & (winning.std(1) <= CONFIDENCE[1])
    return {"published": (mean, 1 - mean.max(1))}, passed


def by_view(model: Model, folder: Path, each: int = 100) -> dict[str, object]:
    """Balanced accuracy over the five regimes against the sites across a scan, on lattices outside the gaps."""
    states = np.load(folder / "lattices.npz")["states"][:each]
    truth = np.array([REGIMES[i % 5] for i in range(len(states))])
    out: dict[str, object] = {}
    for view in VIEWS:
        rng = np.random.default_rng(int(1000 * view))
        scanned = [prepare(RECIPE, scan_film(rng, [s], in_view=(view, view)).scan).channels[0] for s in states]
        drawn = Drawn(np.stack(scanned), np.stack(scanned), truth, np.zeros(len(truth), bool))
        found = five(truth, learner_probability(model, model.learner, model_tiles(model, drawn)))
        out[f"{round(view * states.shape[1])} sites"] = [found["balanced_accuracy"], found["interval"]]
    return out


def model_label(model: Model, drawn: Drawn) -> np.ndarray:
    """Number of the most probable of the six answers (n,)."""
    return learner_probability(model, model.learner, model_tiles(model, drawn)).argmax(1)


def model_tiles(model: Model, drawn: Drawn) -> np.ndarray:
    from sharptip.fit.scale import Scale

    return np.stack([Scale.own(z[None].astype(float)).numbers(z[None].astype(float)) for z in drawn.levelled])


def learner_probability(model: Model, learner, tiles: np.ndarray) -> np.ndarray:
    if hasattr(learner, "state_dict"):
        return softmax(logits(learner, tiles, RECIPE.symmetries).astype(float), axis=1)
    return learner.predict_proba(RECIPE.features(tiles))


def scored(chosen: Answers, found: Answers, test: Drawn) -> dict[str, dict[str, object]]:
    """Every score of every learner; the threshold of "mixed" is from scans of its own."""
    threshold = chosen.pop("truth")[1] > 0
    single, clear = ~test.mixed, ~test.mixed & ~test.in_gap
    rows: dict[str, dict[str, object]] = {}
    for name, (p, score) in found.items():
        cut = equal_errors(threshold, chosen[name][1])
        rows[name] = {
            "with_gaps_left_out": five(test.truth[clear], p[clear]),
            "with_every_state": five(test.truth[single], p[single]),
            "mixed": rejection(test.mixed, score, cut),
            "mixed_gaps_left_out": rejection(test.mixed[~test.in_gap], score[~test.in_gap], cut),
        }
    return rows


def decided(rejected: np.ndarray, test: Drawn) -> dict[str, object]:
    """A decision already made, scan by scan."""
    return {"mixed_rejected": share(rejected[test.mixed]), "single_passed": share(~rejected[~test.mixed])}


# Figures ---------------------------------------------------------------------------------------------------------


@styled
def examples_figure(seed: int = 3) -> Figure:
    """A lattice of each regime and the scan made of it, and at the right two that meet."""
    rng, options = np.random.default_rng(seed), settled(RECIPE, {"gaps": True})
    states = {name: [state_of(rng, name, options)[0]] for name in REGIMES}
    states[MIXED] = [states["cells"][0], states["islands"][0]]
    figure = new_figure(2.75, width=7.6)
    for column, (name, shown) in enumerate(states.items()):
        scan = rows(polynomial(scan_film(rng, shown).scan), method="difference")
        z = scan.height.values
        above, below = (figure.add_subplot(2, 6, column + 1 + 6 * i) for i in (0, 1))
        above.imshow(np.hstack([shown[0][:, :64], shown[-1][:, 64:]]), cmap="inferno", vmin=0, vmax=2)
        below.imshow(z, cmap="gray", vmin=np.percentile(z, 1), vmax=np.percentile(z, 99))
        scale_bar(below, z.shape[1], pixel_size(scan)[1])
        above.set_title(name)
        for axes in (above, below):
            axes.set_axis_off()
    return figure


@styled
def roc_figure(mixed: np.ndarray, scores: dict[str, np.ndarray]) -> Figure:
    """Mixed scans rejected against single scans passed, at every threshold, and the published point."""
    figure = new_figure(3.6)
    axes = figure.add_subplot()
    for (name, score), colour, line in zip(scores.items(), PALETTE, LINES, strict=False):
        cuts = np.concatenate([[-np.inf], np.unique(score), [np.inf]])
        rejected = [100 * (score[mixed] >= t).mean() for t in cuts]
        passed = [100 * (score[~mixed] < t).mean() for t in cuts]
        axes.plot(passed, rejected, color=colour, linestyle=line, label=NAMES[name])
    axes.plot([74], [83], "k*", markersize=10, label="as published, real scans")
    axes.plot([90], [90], "k+", markersize=10, label="goal")
    axes.set(
        xlabel="scans of one regime passed (%)",
        ylabel="scans of two regimes rejected (%)",
        xlim=(0, 101),
        ylim=(0, 101),
    )
    axes.legend(loc="lower left")
    return figure


def draw_figures(folder: Path, kept: Path) -> None:
    found = np.load(kept)
    path = save(examples_figure(), folder / "regime_examples.png")
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)  # a third of the bytes, and nobody sees it
    scores = {name: found[name] for name in NAMES if name in found.files}
    save(roc_figure(found["mixed"], scores), folder / "regime_roc.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/regime"))
    parser.add_argument("--model", type=Path, default=Path("src/sharptip/weights/regime.sharptip"))
    parser.add_argument("--figures", type=Path, default=None, help="only draw, from a finished run, into this folder")
    parser.add_argument("--quick", action="store_true", help="leave the published chain and the views out")
    args = parser.parse_args()
    if args.figures and (args.out / "mixed.npz").exists():
        return draw_figures(args.figures, args.out / "mixed.npz")
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    begin = time.process_time()
    model = Model.load(args.model, RECIPE)
    threshold, test = scans(args.out, "threshold"), scans(args.out, "test")
    truth = {"truth": (np.empty(0), threshold.mixed.astype(float))}
    found = answers(model, test)
    rows = scored(answers(model, threshold) | truth, found, test)
    rows["model"]["by_its_label"] = decided(model_label(model, test) == len(REGIMES), test)
    print(json.dumps(rows, indent=1), flush=True)
    (args.out / "scores.json").write_text(json.dumps(rows, indent=1))
    if not args.quick:
        published = Published(args.out)
        chain, passed = published_answers(published, test)
        rows |= scored(published_answers(published, threshold)[0] | truth, chain, test)
        rows["published"]["by_its_own_thresholds"] = decided(~passed, test)
        rows["model"]["by_sites_across"] = by_view(model, args.out)
        found |= chain
    (args.out / "scores.json").write_text(json.dumps(rows, indent=1))
    np.savez(args.out / "mixed.npz", mixed=test.mixed, **{name: score for name, (_, score) in found.items()})
    print(json.dumps(rows, indent=1))
    print(f"{time.process_time() - begin:.0f} s of one core")
    return None


if __name__ == "__main__":
    main()
