"""The three who compete: the network, the review's random forest on pixels, and hand-made morphology.

Each learns from tiles or images of some groups and answers for others; none sees a label it is tested on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.batches import Batches
from ..data.split import folds
from ..fit.loop import History, binary_loss, cosine, train
from ..fit.recipe import Recipe
from ..fit.train_network import run_network
from .protocol import Protocol


def flat(tiles: Sequence[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tiles per image → (tiles (n, t, t), label per tile, image per tile)."""
    owner = np.repeat(np.arange(len(tiles)), [len(t) for t in tiles])
    return np.concatenate(tiles), labels[owner], owner


def per_image(values: np.ndarray, owner: np.ndarray, n: int) -> np.ndarray:
    """Mean over the tiles of each image."""
    return np.bincount(owner, values, n) / np.bincount(owner, minlength=n)


def new_network(recipe: Recipe, architecture: str, tile: int, classes: tuple[str, str], seed: int) -> Any:
    """A network with the weights of this seed; the process's random state is left alone."""
    options = {**recipe.options, "architecture": architecture, "tile": tile, "classes": classes, "dropout": 0.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return recipe.build(options)


def train_network(
    net: Any,
    architecture: str,
    protocol: Protocol,
    tiles: Sequence[np.ndarray],
    labels: np.ndarray,
    seed: int,
    validation: tuple[Sequence[np.ndarray], np.ndarray] | None = None,
    state: Path | None = None,
) -> History:
    """Training as the protocol says for this architecture: six-fold augmentation, no early stopping.

    `validation` (tiles per image, labels) is only watched, for the figure; nothing is decided by it here.
    """
    x, y, _ = flat(tiles, labels)
    xs, ys = torch.from_numpy(x[:, None]), torch.from_numpy(y.astype(np.float32))
    limit = None if protocol.steps is None else max(protocol.steps, -(-len(x) // protocol.batch))
    batches = Batches(xs, ys, protocol.batch, protocol.symmetries, copies="all", limit=limit)
    watched = None
    if validation is not None:
        vx, vy, _ = flat(*validation)
        truth = torch.from_numpy(vy.astype(np.float32))

        def watched() -> dict[str, float]:
            logits = torch.from_numpy(run_network(net, vx[:, None]))
            right = (logits.flatten() > 0) == (truth > 0.5)
            return {"loss": float(binary_loss(logits, truth)), "accuracy": float(right.float().mean())}

    how = protocol.training(architecture)
    return train(
        net, batches, binary_loss, epochs=how.epochs, lr=how.lr, stop_at_accuracy=how.stop_at_accuracy,
        schedule=cosine(how.epochs) if how.falling else None, validate=watched, precision=protocol.precision, seed=seed,
        state=state,
    )  # fmt: skip


def network_scores(net: Any, tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Probability of the second class for every tile of every image, in order."""
    x = np.concatenate(tiles)[:, None]
    return 1 / (1 + np.exp(-run_network(net, x)[:, 0].astype(float)))


def growing_forest(
    trees: Sequence[int], tiles: Sequence[np.ndarray], labels: np.ndarray, asked: Sequence[np.ndarray], seed: int
) -> np.ndarray:
    """The same forest at several numbers of trees, grown on from one to the next: (len(trees), tiles asked)."""
    from sklearn.ensemble import RandomForestClassifier

    x, y, _ = flat(tiles, labels)
    flattened = np.concatenate(asked).reshape(-1, x[0].size)
    forest = RandomForestClassifier(random_state=seed, n_jobs=-1, warm_start=True)
    out = []
    for n in trees:
        forest.set_params(n_estimators=n).fit(x.reshape(len(x), -1), y)
        out.append(forest.predict_proba(flattened)[:, 1])
    return np.stack(out)


PENALTIES = (0.03, 0.3, 3.0)  # inverse strengths of the logistic regression's penalty that are tried


def morphology_scores(
    features: np.ndarray, labels: np.ndarray, groups: Sequence[str], asked: np.ndarray, seed: int
) -> np.ndarray:
    """Hand-made morphology and logistic regression: probability of the second class for every image asked.

    features, asked: (images, k). The penalty is chosen by cross-validation over the groups that may be learned from.
    """
    parts = folds(groups, labels, 4, np.random.default_rng(seed)) if len(set(groups)) > 1 else []
    parts = [(learn, ask) for learn, ask in parts if len(set(labels[learn])) == 2]

    def right(penalty: float) -> float:
        hits = [(_logistic(penalty, features[a], labels[a], features[b]) > 0.5) == labels[b] for a, b in parts]
        return float(np.concatenate(hits).mean()) if hits else 0.0

    return _logistic(max(PENALTIES, key=right), features, labels, asked)


def _logistic(penalty: float, features: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    missing = SimpleImputer(strategy="median", keep_empty_features=True)  # what an image without a hole cannot have
    learner = make_pipeline(missing, StandardScaler(), LogisticRegression(C=penalty, max_iter=2000))
    return learner.fit(features, labels).predict_proba(asked)[:, 1]
