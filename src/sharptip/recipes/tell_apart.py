"""Which of two populations does this scan come from?

The review's detailed example: scans of red-blood-cell cytoskeletons, healthy or exposed to vesicles of a parasite, told
apart by a small convolutional network (doi 10.3762/bjnano.12.66, Figure 3 and Table 1). The same page serves any two
populations of scans; `sharptip study` runs it on a lab's own files with everything that a claim needs. Its simulated
examples are spectrin networks with two kinds of damage; what is scored on them says that the software works and nothing
about cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clean import plane, rows
from ..data.augment import REVIEW_SIX
from ..fit.recipe import Claim, Example, Options, Port, Recipe

REVIEW = "doi 10.3762/bjnano.12.66"


def example(rng: np.random.Generator, options: Options) -> Example:
    """One simulated cytoskeleton of a donor of its own, healthy or exposed with equal chance."""
    from ..simulate.population import image

    label = options["classes"][int(rng.integers(2))]
    seed, index = int(rng.integers(2**31)), int(rng.integers(1000))
    kind = "exposed" if label == options["classes"][1] else "healthy"
    drawn = image(seed, kind, index, batch=options["batch_of_cells"], shape=(256, 256))
    return Example(drawn.scan, label, f"{drawn.group} of {seed}")


def network(options: Options) -> Any:
    """One of Table 1's networks, or the modern one, for tiles of options['tile'] pixels."""
    from ..nets import ARCHITECTURES, build, modern

    outputs = 1 if len(options["classes"]) == 2 else len(options["classes"])
    common = {"size": options["tile"], "outputs": outputs}
    if options["dropout"]:  # else what the architecture has of its own: none in Table 1
        common["dropout"] = options["dropout"]
    if options["architecture"] == "modern":
        return modern(**common)
    return build({**ARCHITECTURES[options["architecture"]], **common})


def forest(options: Options) -> Any:
    """The review's baseline: a random forest on the pixels of the tiles."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(options["trees"], random_state=options["seed"], n_jobs=1)


RECIPE = Recipe(
    name="tell_apart",
    question="Which of two populations does this scan come from?",
    eats=(Port("height", "m"),),
    gives=(Port("probability", "1", ("label",)),),
    kind="classify",
    classes=("healthy", "exposed"),
    example=example,
    clean=(plane, rows),
    build=network,
    scale="own",
    symmetries=REVIEW_SIX,
    baselines={"random_forest": forest},
    claims=(
        Claim("tile_accuracy", 0.990, REVIEW, "batch 1, 100 tiles of 25 images"),
        Claim("tile_accuracy", 0.966, REVIEW, "batch 2, 88 tiles of 22 images"),
        Claim("tile_accuracy", 0.861, REVIEW, "both batches in one model"),
        Claim("random_forest_tile_accuracy", 0.860, REVIEW, "random forest on pixels, batch 1"),
        Claim("random_forest_tile_accuracy", 0.670, REVIEW, "random forest on pixels, batch 2"),
        Claim("experts_accuracy", 0.75, REVIEW, "two experts by eye"),
    ),
    options={
        "architecture": "architecture 1",
        "channel": "height",
        "unit": "m",
        "trees": 150,
        "batch_of_cells": 1,
        "examples": 80,
    },
)
