"""One full training of the review's protocol: how long does it take, and how well does it end?

    python benchmarks/review_training.py [--batch 1] [--precision fp32] [--json]

125 (batch 2: 109) simulated images of 512²; 20 % of the images are held out, as in the review by image, so that donors
are on both sides. The rest is cut into four tiles of 256² each, under six symmetries (batch 1: 2400 tiles per epoch).
Architecture 1 learns in batches of 24 until 96 % of training accuracy or 30 epochs. Published: 15 to 17 minutes on four
cores for 30 epochs; 99.0 % and 96.6 % of the test tiles. What is scored here is simulated: it says that the software
works.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np

from sharptip import Model
from sharptip.data import holdout
from sharptip.fit.intervals import proportion
from sharptip.fit.prepare import prepare, to_tiles
from sharptip.fit.scale import Scale
from sharptip.simulate.population import population
from sharptip.study import learners
from sharptip.study.protocol import FULL

IMAGES = {1: (60, 65), 2: (51, 58)}  # healthy, exposed: as published
PUBLISHED = {1: 0.990, 2: 0.966}  # of the test tiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1, choices=[1, 2])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    healthy, exposed = IMAGES[words.batch]
    recipe = Model("tell_apart").recipe
    tiles, labels, groups = [], [], []
    for sample in population(words.seed, batch=words.batch, healthy=healthy, exposed=exposed):
        prepared = prepare(recipe, sample.scan)
        scale = Scale.own(prepared.channels)
        tiles.append(to_tiles(recipe, prepared, scale, FULL.tile, None, sample.name)[:, 0])
        labels.append(int(sample.label == "exposed"))
        groups.append(sample.name)
    y, g = np.array(labels), np.array(groups)
    learn, ask = holdout(g, y, FULL.holdout, np.random.default_rng(words.seed))
    net = learners.new_network(recipe, "architecture 1", FULL.tile, ("healthy", "exposed"), words.seed)
    protocol = replace(FULL, precision=words.precision)
    begun = time.perf_counter()
    history = learners.train_network(net, "architecture 1", protocol, [tiles[i] for i in learn], y[learn], words.seed)
    seconds = time.perf_counter() - begun
    asked = [tiles[i] for i in ask]
    _, truth, owner = learners.flat(asked, y[ask])
    right = (learners.network_scores(net, asked) > 0.5) == truth
    found = proportion(right, g[ask][owner])
    per_epoch = float(np.median(history.seconds))
    result = {
        "real": False, "batch": words.batch, "precision": history.precision, "tiles_per_epoch": len(learn) * 4 * 6,
        "seconds": round(seconds, 1), "epochs": len(history.loss), "stopped_by": history.stopped,
        "seconds_per_epoch": round(per_epoch, 2), "minutes_for_30_epochs": round(30 * per_epoch / 60, 2),
        "published_minutes_for_30_epochs": [15, 17], "training_accuracy": round(history.accuracy[-1] or 0, 4),
        "test_tile_accuracy": round(found.value, 4), "interval95": [round(found.low, 3), round(found.high, 3)],
        "n_test_images": len(ask), "published_test_tile_accuracy": PUBLISHED[words.batch],
    }  # fmt: skip
    print(json.dumps(result, indent=None if words.json else 1))


if __name__ == "__main__":
    main()
