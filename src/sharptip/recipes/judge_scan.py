"""Is this scan good, or should it be taken again?

For any AFM or STM scan: learned from simulated scans of many kinds of surface, good ones and ones with a fault (noise,
line offsets, scars, parachuting, ringing, double, blunt and changing tips, saturation, drift, lost contact). The review
reports the classifier of DeepSPM (Krull et al., Commun. Phys. 3, 54 (2020)): a network of the VGG kind that sees one
surface at 64 × 64 pixels. It is one of three learners here; the default is a forest on numbers that look for one fault
each (`measure.scan_quality`), and a light network the third.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..clean import plane
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..measure.scan_quality import feature_rows

DEEPSPM = "doi 10.1038/s42005-020-0317-3"
CLASSES = ("good", "bad")


def example(rng: np.random.Generator, options: Options) -> Example:
    """One simulated scan of a surface of its own, good or with a fault or two, with equal chance."""
    from ..simulate.faults import faulty

    bad = bool(rng.integers(2))
    return Example(faulty(rng, bad).scan, CLASSES[bad], f"scan {rng.integers(2**62)}")


def learner(options: Options) -> Any:
    """What options['learner'] names: 'forest' on the numbers, a 'light' network or one like DeepSPM's, 'vgg'."""
    if options["learner"] == "forest":
        return forest(options)
    from ..nets import build, modern

    if options["learner"] == "light":
        return modern((16, 32, 64, 96), size=options["tile"], dropout=options["dropout"])
    if options["learner"] == "vgg":
        return build({"kind": "ConvClassifier", "filters": (64, 128, 256, 512), "dense": (1024, 1024),
                      "norm": "batch", "padding": "same", "size": options["tile"], "dropout": 0.5})  # fmt: skip
    raise ValueError(f"learner is {options['learner']!r}; it is 'forest', 'light' or 'vgg'")


def forest(options: Options) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(options["trees"], min_samples_leaf=2, max_leaf_nodes=250, max_features=0.3,
                                  random_state=options["seed"], n_jobs=1)  # fmt: skip


def logistic(options: Options) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


RECIPE = Recipe(
    name="judge_scan",
    question="Is this scan good, or should it be taken again?",
    eats=(Port("height", "m", arbitrary=True),),
    gives=(Port("probability", "1", ("label",)),),
    kind="classify",
    classes=CLASSES,
    example=example,
    clean=(partial(plane, robust=True),),
    build=learner,
    scale="own",
    view="whole",
    symmetries=("identity", "flip_x", "flip_y", "rot180"),  # the fast axis stays the fast axis
    features=feature_rows,
    baselines={"logistic": logistic},
    claims=(Claim("accuracy", 0.94, DEEPSPM, "one surface, MgPc on Ag(100), 7589 images labelled by hand"),),
    options={"learner": "forest", "trees": 150, "channel": "height", "unit": "m", "examples": 2500, "epochs": 15},
)
