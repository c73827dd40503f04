"""Do these dangling bonds say that the tip is single or double?

A dangling bond on H:Si(100) is nearly a point, so its picture is a picture of the tip (Rashidi & Wolkow, ACS Nano 12,
5185 (2018): 28 × 28 crops, 97 %). The bonds of a frame are found, cut out, judged one by one by a small convolutional
network, and their probabilities averaged; `sharptip.fit.votes` says what the vote is worth, since one tip made all of
them. Learned from simulated frames: second apexes 0.5–1.2 nm away that carry 0.15–1 times the current
of the first; nearer ones make one bond that is a little oval, which is neither class.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..clean import plane, plane_fit, row_offsets, rows
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..measure.bonds import SIDE, bond_crops, roundness, second_peak

PAPER = "doi 10.1021/acsnano.8b02208"
PIXELS = (0.05e-9, 0.14e-9)  # metres per pixel of simulated scans
CLASSES = ("single", "double")


def example(rng: np.random.Generator, options: Options) -> Example:
    """A scan of one bond, by a tip of its own. Every other double tip is a hard one: its twin is faint, or near."""
    from ..measure.bonds import coarser, find_bonds
    from ..simulate.hydrogen_silicon import OFFSET, WEIGHT, bond_frame

    double, pixel = bool(rng.integers(2)), float(np.exp(rng.uniform(*np.log(PIXELS))))
    hard = rng.random() < 0.5
    weight = float(rng.uniform(WEIGHT[0], 2.5 * WEIGHT[0])) if hard and rng.random() < 0.5 else None
    offset = float(rng.uniform(OFFSET[0], 1.3 * OFFSET[0])) if hard and weight is None else None
    while True:  # now and then dirt or a scar hides the bond, and the finder would pass it over
        frame = bond_frame(rng, double, size=6e-9, pixel_size=pixel, weight=weight, offset=offset, alone=True)
        z = frame.scan["height"].values
        z = z - plane_fit(z)
        if not find_bonds(*coarser(z - row_offsets(z, "difference"), (pixel, pixel))).empty:
            return Example(frame.scan, CLASSES[double], f"tip {rng.integers(2**62)}")


def network(options: Options) -> Any:
    """Two blocks of convolutions and one dense layer, as the published one."""
    from ..nets import build

    return build({"kind": "ConvClassifier", "filters": (32, 64), "dense": (128,), "size": options["tile"],
                  "dropout": options["dropout"]})  # fmt: skip


def features(tiles: np.ndarray) -> np.ndarray:
    """Rows of two numbers made by hand and the pixels: tiles (n, 1, side, side) → (n, 2 + side²)."""
    images = tiles[:, 0]
    by_hand = np.array([[second_peak(z), roundness(z)] for z in images]).reshape(len(images), 2)
    return np.hstack([by_hand, images.reshape(len(images), -1)])


def on_columns(columns: slice, *steps: Any) -> Any:
    """An estimator that sees only some columns of the features."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(ColumnTransformer([("kept", "passthrough", columns)]), *steps)


PIXEL_COLUMNS = slice(2, None)


def second_peak_rule(options: Options) -> Any:
    """A threshold on the second peak of the autocorrelation."""
    from sklearn.linear_model import LogisticRegression

    return on_columns(slice(0, 1), LogisticRegression())


def roundness_rule(options: Options) -> Any:
    """A threshold on how round the bond is."""
    from sklearn.linear_model import LogisticRegression

    return on_columns(slice(1, 2), LogisticRegression(C=100))


def logistic(options: Options) -> Any:
    from sklearn.linear_model import LogisticRegression

    return on_columns(PIXEL_COLUMNS, LogisticRegression(C=0.01, max_iter=500))


def neighbours(options: Options) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return on_columns(PIXEL_COLUMNS, KNeighborsClassifier(5, algorithm="brute"))


def support_vectors(options: Options) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    return on_columns(PIXEL_COLUMNS, CalibratedClassifierCV(SVC(C=10), ensemble=False))


def forest(options: Options) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return on_columns(PIXEL_COLUMNS, RandomForestClassifier(200, random_state=options["seed"], n_jobs=1))


def fully_connected(options: Options) -> Any:
    from sklearn.neural_network import MLPClassifier

    return on_columns(PIXEL_COLUMNS, MLPClassifier((128,), early_stopping=True, random_state=options["seed"]))


THE_FIVE_OTHERS = {"logistic": logistic, "k_neighbours": neighbours, "support_vectors": support_vectors,
                   "random_forest": forest, "fully_connected": fully_connected}  # fmt: skip
RECIPE = Recipe(
    name="judge_bond",
    question="Do these dangling bonds say that the tip is single or double?",
    eats=(Port("height", "m"),),
    gives=(Port("probability", "1", ("label",)),),
    kind="classify",
    classes=CLASSES,
    example=example,
    clean=(plane, partial(rows, method="difference"), bond_crops),
    build=network,
    scale="fixed",  # a crop is relative to its bond already
    symmetries=("identity", "rot180", "flip_x", "flip_y"),  # rows stay rows: noise runs along them
    features=features,
    baselines={"second_peak": second_peak_rule, "roundness": roundness_rule, "logistic": logistic},
    claims=(
        Claim("accuracy", 0.97, PAPER, "real crops of 28 × 28, one bond each, 3500 images"),
        Claim("group_accuracy", 0.99, PAPER, "majority over the bonds of a frame"),
    ),
    options={"examples": 10000, "epochs": 25, "tile": SIDE, "batch": 64, "dropout": 0.3, "schedule": "cosine"},
)
