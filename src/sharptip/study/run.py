"""Are two populations of scans different? The protocol, unit by unit; what each finds goes into one dictionary.

split → choose an architecture → learn again, test → baselines → folds over all → other batch → shuffled labels →
learning curves → the applied population → why
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..core.errors import StudyError
from ..data.split import apart, folds, holdout
from ..fit.metrics import accuracy, auroc, balanced_accuracy
from ..fit.recipe import Recipe
from ..measure.morphology import feature_table
from . import learners
from .believe import interval, level_of_shuffling, shuffled
from .collect import Collection
from .protocol import Protocol
from .work import Result, Work, digest, seed_of


@dataclass(frozen=True)
class Data:
    """The images that are compared, as arrays: tiles per image, labels (0 reference, 1 other), groups, batches."""

    tiles: list[np.ndarray]
    labels: np.ndarray
    groups: np.ndarray
    batches: np.ndarray
    features: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.tiles)

    def at(self, chosen: np.ndarray) -> Data:
        """Some of the images."""
        return Data(
            [self.tiles[i] for i in chosen], self.labels[chosen], self.groups[chosen], self.batches[chosen],
            self.features[chosen], [self.names[i] for i in chosen],
        )  # fmt: skip


class Study:
    """One comparison. `run` does every unit that is not done yet; all randomness comes from the protocol's seed."""

    def __init__(self, collection: Collection, recipe: Recipe, protocol: Protocol, folder: Path, on_unit: Any = None):
        self.collection, self.recipe, self.protocol = collection, recipe, protocol
        images = collection.images
        key = digest(
            [__version__, recipe.name, protocol.as_json(), collection.classes, collection.applied, collection.channel],
            [[i.entry.name, i.entry.label, i.group, i.entry.batch, i.digest] for i in images],
            [collection.tile, collection.pixel_size],
        )
        self.work = Work(folder, key, on_unit)
        table = self.work.do("morphology", lambda state: _morphology(collection))
        self.features = table["features"]
        self.feature_names: list[str] = table["names"]
        compared = collection.of(*collection.classes)
        self.data = self._data(compared)
        self.compared = compared
        rng = np.random.default_rng(seed_of(protocol.seed, "holdout"))
        called = np.array(collection.classes)[self.data.labels]
        self.dev, self.test = holdout(self.data.groups, called, protocol.holdout, rng)
        apart(self.data.groups, self.dev, self.test)

    def _data(self, chosen: np.ndarray) -> Data:
        images = [self.collection.images[i] for i in chosen]
        other = self.collection.classes[1]
        return Data(
            [i.tiles for i in images],
            np.array([int(i.entry.label == other) for i in images]),
            np.array([i.group for i in images]),
            np.array([i.entry.batch or "" for i in images]),
            self.features[chosen],
            [i.entry.name for i in images],
        )

    def seed(self, name: str) -> int:
        return seed_of(self.protocol.seed, name)

    def network(self, architecture: str, seed: int) -> Any:
        return learners.new_network(self.recipe, architecture, self.collection.tile, self.collection.classes, seed)

    # -- the units --------------------------------------------------------------------------------------------

    def units(self) -> int:
        """How many units `run` will do, for a progress bar."""
        p = self.protocol
        batches = len(set(self.data.batches) - {""})
        crossed = batches * (batches - 1) if batches > 1 else 0
        fixed = 7 + p.forest_folds  # morphology, final, two baselines' tests, shuffled morphology, two kinds of maps
        within = batches * p.batch_folds if batches > 1 else 0
        trained = len(p.architectures) * p.groupings + p.outer_folds + crossed + within + p.network_permutations
        return trained + len(p.curve) * p.curve_repeats + fixed

    def run(self) -> dict[str, Any]:
        """Everything but the explanation, as one dictionary of plain values and arrays."""
        chosen = self.choose()
        best = max(chosen, key=lambda name: float(np.mean(chosen[name]["tile_accuracy"])))
        final = self.final(best)
        return {
            "architectures": chosen,
            "best": best,
            "final": final,
            "test": self.judged(final["scores"], self.test),
            "baselines": self.baselines(),
            "outer": self.outer(best),
            "within_batch": self.within_batch(best),
            "cross_batch": self.cross_batch(best),
            "permutation": self.permutation(best),
            "curve": self.curve(best),
        }

    def choose(self) -> dict[str, dict[str, Any]]:
        """Each architecture on each random grouping of the images that are not held out."""
        out: dict[str, dict[str, Any]] = {}
        dev = self.data.at(self.dev)
        for name in self.protocol.architectures:
            runs = [self._grouping(name, g, dev) for g in range(self.protocol.groupings)]
            out[name] = {
                "tile_accuracy": [r["tile_accuracy"] for r in runs],
                "image_accuracy": [r["image_accuracy"] for r in runs],
                "histories": [r["history"] for r in runs],
                "parameters": runs[0]["parameters"],
            }
        return out

    def _grouping(self, architecture: str, g: int, dev: Data) -> Result:
        def make(state: Path) -> Result:
            # the same groupings for every architecture: they are compared on the same images
            rng = np.random.default_rng(self.seed(f"grouping {g}"))
            learn, ask = holdout(dev.groups, dev.labels, self.protocol.validation, rng)
            apart(dev.groups, learn, ask)
            a, b = dev.at(learn), dev.at(ask)
            seed = self.seed(f"choose {architecture} {g}")
            net = self.network(architecture, seed)
            watched = (b.tiles, b.labels)
            history = learners.train_network(net, architecture, self.protocol, a.tiles, a.labels, seed, watched, state)
            found = _accuracies(learners.network_scores(net, b.tiles), b)
            parameters = sum(p.numel() for p in net.parameters())
            return {**found, "history": _curves(history), "parameters": parameters}

        return self.work.do(f"choose {architecture} {g}", make)

    def final(self, best: str) -> Result:
        """The best architecture, learned again on all that is not held out: its weights and its test scores."""

        def make(state: Path) -> Result:
            dev, test = self.data.at(self.dev), self.data.at(self.test)
            seed = self.seed("final")
            net = self.network(best, seed)
            history = learners.train_network(net, best, self.protocol, dev.tiles, dev.labels, seed, None, state)
            weights = {f"weight:{k}": v.detach().numpy() for k, v in net.state_dict().items()}
            return {**weights, "scores": learners.network_scores(net, test.tiles), "history": _curves(history)}

        return self.work.do("final", make)

    def final_network(self, best: str, final: Result) -> Any:
        """The network of `final`, rebuilt."""
        import torch

        net = self.network(best, 0)
        weights = {k.removeprefix("weight:"): v for k, v in final.items() if k.startswith("weight:")}
        net.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
        return net.eval()

    def baselines(self) -> dict[str, Any]:
        """The random forest on pixels and the hand-made morphology, on the same test images."""
        dev, test = self.data.at(self.dev), self.data.at(self.test)

        searched = self._searched(dev)
        trees = max(searched, key=lambda n: searched[n])

        def forest(state: Path) -> Result:
            grown = learners.growing_forest([trees], dev.tiles, dev.labels, test.tiles, self.seed("forest"))
            return {"scores": grown[0]}

        def morphology(state: Path) -> Result:
            seed = self.seed("morphology")
            groups = list(dev.groups)
            return {"scores": learners.morphology_scores(dev.features, dev.labels, groups, test.features, seed)}

        return {
            "random_forest": self.judged(self.work.do("forest test", forest)["scores"], self.test)
            | {"trees": trees, "searched": {str(n): found for n, found in searched.items()}},
            "morphology": self.judged(self.work.do("morphology test", morphology)["scores"], self.test, tiles=False)
            | {"features": self.feature_names},
        }

    def _searched(self, dev: Data) -> dict[int, float]:
        """Number of trees → tile accuracy in cross-validation by group: the review's search on n_estimators."""
        seed, trees = self.seed("forest search"), sorted(self.protocol.forest_trees)
        parts = folds(dev.groups, dev.labels, self.protocol.forest_folds, np.random.default_rng(seed))
        right = []
        for i, (learn, ask) in enumerate(parts):
            a, b = dev.at(learn), dev.at(ask)

            def make(state: Path, a: Data = a, b: Data = b) -> Result:
                scores = learners.growing_forest(trees, a.tiles, a.labels, b.tiles, seed)
                return {"right": (scores > 0.5) == learners.flat(b.tiles, b.labels)[1]}

            right.append(self.work.do(f"forest search {i}", make)["right"])
        return dict(zip(trees, np.concatenate(right, axis=1).mean(axis=1).tolist(), strict=True))

    def outer(self, best: str) -> dict[str, Any]:
        """Every image once, by a network that never saw its group: folds over all images, test set included.

        The architecture was chosen on most of these images, so this is a check of the test, not a second test.
        """
        return self._in_folds("outer", best, np.arange(len(self.data)), self.protocol.outer_folds)

    def within_batch(self, best: str) -> dict[str, Any]:
        """Each batch by itself, in folds over its groups: what the review reports first."""
        names = sorted(set(self.data.batches) - {""})
        if len(names) < 2:
            return {}
        return {
            n: self._in_folds(f"within {n}", best, np.flatnonzero(self.data.batches == n), self.protocol.batch_folds)
            for n in names
        }

    def _in_folds(self, name: str, architecture: str, asked: np.ndarray, k: int) -> dict[str, Any]:
        """Each of the images asked once, by a network that learned from the others and never saw its group."""
        d = self.data.at(asked)
        if len(set(d.groups)) < 2:
            return {"reason": "all its scans are of one group"}
        parts = folds(d.groups, d.labels, k, np.random.default_rng(self.seed(name)))
        scores: list[np.ndarray] = [np.zeros(0)] * len(d)
        for i, (learn, ask) in enumerate(parts):
            if len(set(d.labels[learn])) < 2:
                return {"reason": "whole groups leave a fold to learn from that has one population only"}
            found = self._learn_and_ask(f"{name} {i}", architecture, d.at(learn), d.at(ask))
            for j, s in zip(ask, _split(found["scores"], d.at(ask).tiles), strict=True):
                scores[j] = s
        return self.judged(np.concatenate(scores), asked)

    def cross_batch(self, best: str) -> dict[str, Any]:
        """Learned on one batch, asked on another: the test the review lacks."""
        names = sorted(set(self.data.batches) - {""})
        if len(names) < 2:
            return {"reason": "all scans are of one batch, or no batch is named; a cross-batch test needs two"}
        pairs = {}
        for a, b in itertools.permutations(names, 2):
            learn, ask = (np.flatnonzero(self.data.batches == n) for n in (a, b))
            if min(len(set(self.data.labels[learn])), len(set(self.data.labels[ask]))) < 2:
                pairs[f"{a} → {b}"] = {"reason": "one of the two batches has one population only"}
                continue
            found = self._learn_and_ask(f"cross {a} {b}", best, self.data.at(learn), self.data.at(ask))
            network = self.judged(found["scores"], ask)
            morphology = learners.morphology_scores(
                self.data.features[learn], self.data.labels[learn], list(self.data.groups[learn]),
                self.data.features[ask], self.seed("cross morphology"),
            )  # fmt: skip
            pairs[f"{a} → {b}"] = network | {"morphology": self.judged(morphology, ask, tiles=False)}
        return {"pairs": pairs}

    def _learn_and_ask(self, name: str, architecture: str, learn: Data, ask: Data) -> Result:
        def make(state: Path) -> Result:
            seed = self.seed(name)
            net = self.network(architecture, seed)
            learners.train_network(net, architecture, self.protocol, learn.tiles, learn.labels, seed, None, state)
            return {"scores": learners.network_scores(net, ask.tiles)}

        return self.work.do(name, make)

    def permutation(self, best: str) -> dict[str, Any]:
        """What is reached when the labels are shuffled: about one half, or something leaks."""
        d, p = self.data, self.protocol
        level = level_of_shuffling(d.groups, d.labels)

        def morphology(state: Path) -> Result:
            rng = np.random.default_rng(self.seed("permutation"))
            observed = _folded_morphology(d, d.labels, self.seed("permutation folds"))
            null = [
                _folded_morphology(d, shuffled(d.labels, d.groups, level, rng), self.seed("permutation folds"))
                for _ in range(p.permutations)
            ]
            return {"observed": observed, "null": np.array(null)}

        cheap = self.work.do("shuffled morphology", morphology)
        null = cheap["null"][np.isfinite(cheap["null"])]
        networks = []
        for k in range(p.network_permutations):
            labels = shuffled(d.labels, d.groups, level, np.random.default_rng(self.seed(f"shuffle {k}")))
            parts = Data(d.tiles, labels, d.groups, d.batches, d.features, d.names)
            if min(len(set(labels[self.dev])), len(set(labels[self.test]))) < 2:
                continue
            test = parts.at(self.test)
            found = self._learn_and_ask(f"shuffled {k}", best, parts.at(self.dev), test)
            networks.append(_accuracies(found["scores"], test)["balanced_accuracy"])
        return {
            "level": level,
            "observed": cheap["observed"],
            "null": null,
            "p": float((1 + np.sum(null >= cheap["observed"])) / (1 + len(null))) if len(null) else float("nan"),
            "network_balanced_accuracy": networks,
        }

    def curve(self, best: str) -> dict[str, Any]:
        """Balanced accuracy of network and forest against the number of images learned from (the review's Figure 2).

        Asked are validation images of random groupings; the held-out test images are not touched.
        """
        dev = self.data.at(self.dev)
        rows = []
        for share, r in itertools.product(self.protocol.curve, range(self.protocol.curve_repeats)):
            rng = np.random.default_rng(self.seed(f"curve grouping {r}"))
            learn, ask = holdout(dev.groups, dev.labels, self.protocol.validation, rng)
            part = _share(learn, dev.labels, share, np.random.default_rng(self.seed(f"curve {r}")))
            rows.append(self._point(f"curve {share} {r}", best, dev.at(part), dev.at(ask)))
        sizes = sorted({r["n_images"] for r in rows})
        return {
            "n_images": sizes,
            **{
                who: [[r[who] for r in rows if r["n_images"] == n] for n in sizes]
                for who in ("network", "random_forest", "morphology")
            },
        }

    def _point(self, name: str, best: str, learn: Data, ask: Data) -> Result:
        def make(state: Path) -> Result:
            seed = self.seed(name)
            net = self.network(best, seed)
            learners.train_network(net, best, self.protocol, learn.tiles, learn.labels, seed, None, state)
            trees = [max(self.protocol.forest_trees)]
            forest = learners.growing_forest(trees, learn.tiles, learn.labels, ask.tiles, seed)[0]
            hand = learners.morphology_scores(learn.features, learn.labels, list(learn.groups), ask.features, seed)
            scores = learners.network_scores(net, ask.tiles)
            return {
                "n_images": len(learn),
                "network": _accuracies(scores, ask)["balanced_accuracy"],
                "random_forest": _accuracies(forest, ask)["balanced_accuracy"],
                "morphology": balanced_accuracy(ask.labels, (hand > 0.5).astype(int)),
            }

        return self.work.do(name, make)

    # -- judging ----------------------------------------------------------------------------------------------

    def judged(self, scores: np.ndarray, asked: np.ndarray, tiles: bool = True) -> dict[str, Any]:
        """Tile, image and group accuracy of scores for the images asked, with a 95 % interval over groups."""
        d = self.data.at(asked)
        out: dict[str, Any] = {}
        if tiles:
            found, (_, y, owner) = scores, learners.flat(d.tiles, d.labels)
            out["tile_accuracy"] = accuracy(y, (found > 0.5).astype(int))
            out["tile_interval95"] = interval(np.equal(y, found > 0.5), d.groups[owner])
            scores = learners.per_image(found, owner, len(d))
            out["n_tiles"] = len(y)
        right = (scores > 0.5) == d.labels
        out |= {
            "image_accuracy": float(right.mean()),
            "interval95": interval(right, d.groups),
            "balanced_accuracy": balanced_accuracy(d.labels, (scores > 0.5).astype(int)),
            "auroc": auroc(d.labels, scores),
            "group_accuracy": _group_accuracy(scores, d),
            "n_images": len(d),
            "n_groups": len(set(d.groups)),
            "confusion": [[int(np.sum((d.labels == t) & ((scores > 0.5) == bool(s)))) for s in (0, 1)] for t in (0, 1)],
            "scores": scores,
        }
        return out


def _morphology(collection: Collection) -> Result:
    images = collection.images
    table = feature_table(
        [i.height for i in images], [float(np.sqrt(np.prod(i.pixel_size or (1.0, 1.0)))) for i in images]
    )
    values = table.to_numpy(float)
    return {"features": np.where(np.isfinite(values), values, np.nan), "names": list(table.columns)}


def _accuracies(scores: np.ndarray, asked: Data) -> dict[str, float]:
    _, y, owner = learners.flat(asked.tiles, asked.labels)
    images = learners.per_image(scores, owner, len(asked))
    return {
        "tile_accuracy": accuracy(y, (scores > 0.5).astype(int)),
        "image_accuracy": accuracy(asked.labels, (images > 0.5).astype(int)),
        "balanced_accuracy": balanced_accuracy(asked.labels, (images > 0.5).astype(int)),
    }


def _group_accuracy(scores: np.ndarray, d: Data) -> float:
    """Share of (group, label) pairs whose mean score is on the right side."""
    keys = np.array([f"{g}\0{label}" for g, label in zip(d.groups, d.labels, strict=True)])
    right = [(scores[keys == k].mean() > 0.5) == bool(d.labels[keys == k][0]) for k in np.unique(keys)]
    return float(np.mean(right))


def _folded_morphology(d: Data, labels: np.ndarray, seed: int) -> float:
    """Balanced accuracy of the morphology baseline in cross-validation by group."""
    scores = np.full(len(d), np.nan)
    for learn, ask in folds(d.groups, labels, 5, np.random.default_rng(seed)):
        if len(set(labels[learn])) == 2:
            scores[ask] = learners.morphology_scores(d.features[learn], labels[learn], [], d.features[ask], seed)
    known = np.isfinite(scores)
    if len(set(labels[known])) < 2:
        return float("nan")
    return balanced_accuracy(labels[known], (scores[known] > 0.5).astype(int))


def _share(learn: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A random share of the images of each label, two at least; nested: a larger share holds the smaller one."""
    parts = []
    for label in np.unique(labels[learn]):
        mine = rng.permutation(learn[labels[learn] == label])
        parts.append(mine[: max(2, round(share * len(mine)))])
    return np.sort(np.concatenate(parts))


def _split(scores: np.ndarray, tiles: Sequence[np.ndarray]) -> list[np.ndarray]:
    return np.split(scores, np.cumsum([len(t) for t in tiles])[:-1])


def _curves(history: Any) -> dict[str, Any]:
    """The history without its timings: the same run twice is the same result."""
    return {
        "accuracy": history.accuracy, "loss": history.loss, "val_accuracy": history.val_accuracy,
        "val_loss": history.val_loss, "stopped": history.stopped,
    }  # fmt: skip


__all__ = ["Data", "Study", "StudyError"]
