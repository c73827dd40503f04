"""How hard are the simulated populations? The random forest on pixels and hand-made morphology, batch by batch.

    python benchmarks/difficulty.py --json

Images are levelled, aligned and scaled by their own robust spread, cut into four tiles of a quarter each, and split
by image, 80 % to 20 %, several times. The forest sees the flattened tiles; the logistic regression sees the features
of `sharptip.measure.morphology`. All of it is simulated: the numbers say how hard the exercise is, and nothing about
cells. Published: forest 86.0 % and 67.0 % of tiles for batches 1 and 2 (Azuri et al., Beilstein J. Nanotechnol. 12,
878 (2021)).
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sharptip.clean import plane, rows
from sharptip.data import four_tiles
from sharptip.measure import feature_table
from sharptip.simulate import image

IMAGES = {1: (60, 65), 2: (51, 58)}  # healthy, exposed: as published
PUBLISHED = {1: 0.86, 2: 0.67}
PIXEL_SIZE = 4e-9  # metres
CLIP = 5.0  # robust spreads


def scaled_tiles(seed: int, batch: int, job: tuple[str, int]) -> tuple[np.ndarray, np.ndarray, str]:
    """Four scaled tiles (4, n, n) of an image, their features (4, k), and the donor."""
    sample = image(seed, *job, batch=batch, pixel_size=PIXEL_SIZE)
    height = rows(plane(sample.scan)).height.values
    centred = height - np.median(height)
    z = np.clip(centred / (1.4826 * np.median(np.abs(centred))), -CLIP, CLIP).astype(np.float32)
    features = feature_table(four_tiles(height), PIXEL_SIZE).to_numpy()
    return four_tiles(z), features, sample.group


def measure(seed: int, batch: int, splits: int, trees: int, jobs: int) -> dict[str, object]:
    """Accuracy over tiles of both learners in one batch, with a bootstrap over images."""
    healthy, exposed = IMAGES[batch]
    listed = [("healthy", i) for i in range(healthy)] + [("exposed", i) for i in range(exposed)]
    with ProcessPoolExecutor(jobs) as pool:
        drawn = list(pool.map(partial(scaled_tiles, seed, batch), listed, chunksize=8))
    tiles = np.stack([d[0] for d in drawn]).reshape(len(drawn), 4, -1)
    features = np.stack([d[1] for d in drawn])
    label = np.array([name == "exposed" for name, _ in listed]).astype(int)
    rng = np.random.default_rng(seed)
    right: dict[str, list[tuple[int, float]]] = {"random_forest": [], "morphology": []}
    for _ in range(splits):
        order = rng.permutation(len(label))
        test, train = order[: len(label) // 5], order[len(label) // 5 :]
        forest = RandomForestClassifier(trees, n_jobs=jobs, random_state=int(rng.integers(2**31)))
        logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        for name, learner, x in (("random_forest", forest, tiles), ("morphology", logistic, features)):
            learner.fit(x[train].reshape(4 * len(train), -1), np.repeat(label[train], 4))
            answer = learner.predict(x[test].reshape(4 * len(test), -1)).reshape(-1, 4)
            share = (answer == label[test][:, None]).mean(axis=1)
            right[name] += list(zip(test.tolist(), share.tolist(), strict=True))
    out: dict[str, object] = {
        name: {"tile_accuracy": float(np.mean([s for _, s in pairs])), "interval95": interval(rng, pairs)}
        for name, pairs in right.items()
    }
    return out | {"published_forest": PUBLISHED[batch], "n_images": len(label), "n_groups": len({d[2] for d in drawn})}


def interval(rng: np.random.Generator, pairs: list[tuple[int, float]], draws: int = 2000) -> list[float]:
    """95 % interval of the mean over a bootstrap of images, each with all the splits that tested it."""
    which = {i: [s for j, s in pairs if j == i] for i, _ in pairs}
    total = np.array([sum(v) for v in which.values()])
    count = np.array([len(v) for v in which.values()])
    pick = rng.integers(len(total), size=(draws, len(total)))
    means = total[pick].sum(axis=1) / count[pick].sum(axis=1)
    return [float(q) for q in np.quantile(means, [0.025, 0.975])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=1000, help="of the populations; 1000 and on set the difficulty")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--trees", type=int, default=350)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--batch", type=int, choices=tuple(IMAGES), action="append", help="one batch alone")
    options = parser.parse_args()
    start = time.perf_counter()
    batches = {
        f"batch-{b}": measure(options.seed, b, options.splits, options.trees, options.jobs)
        for b in options.batch or IMAGES
    }
    result = {"real": False, "seed": options.seed, "splits": options.splits, "trees": options.trees} | batches
    result |= {"interval_over": "images", "seconds": round(time.perf_counter() - start, 1)}
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, found in batches.items():
        for learner in ("random_forest", "morphology"):
            low, high = found[learner]["interval95"]  # type: ignore[index]
            print(f"{name} {learner:14} {found[learner]['tile_accuracy']:.3f}  [{low:.3f}, {high:.3f}]")  # type: ignore[index]


if __name__ == "__main__":
    main()
