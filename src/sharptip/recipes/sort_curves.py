"""Healthy or sick, by the shape of force curves and without a modulus (Minelli et al. 2017, Ciasca et al. 2019)?

A curve becomes force in shares of its largest against indentation in shares of its deepest; gain, modulus and depth are
gone. Each curve gets log-odds; what they say together of a map, a cell or a patient is for `measure.nested_decision`,
since curves of a cell and cells of a patient are not independent. docs/sort_curves.md
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import expit, logit

from ..core.errors import ModelError
from ..fit.curve_table import table_of
from ..fit.labelled_curves import curves_of
from ..fit.metrics import auroc, calibration_error
from ..fit.recipe import Example, Options, Port, Recipe
from ..fit.rows import Rival, Rows, needed
from ..measure.approach import approach_of
from ..measure.unit_curve import UnitCurves, unit_curves
from ..simulate.patients import patient

HEIGHT = Port("height", "m", ("sample",))
PARTS = ("approach", "retract", "both")
SURE = 1e-6  # probabilities nearer to 0 or 1 are counted as this


def example(rng: np.random.Generator, options: Options) -> Example:
    """A patient, healthy or sick, whose cells differ in their coat."""
    drawn = patient(rng, bool(rng.random() < 0.5), cells=options["cells"], curves=options["curves"])
    return Example(drawn.scan, dict(drawn.truth), str(drawn.truth["patient"][0]))


def labelled(path: Path, options: Options) -> list[Example]:
    """A table of files (.csv: file, label, patient, cell), or an archive (.npz) whose files have a `group`."""
    classes = [str(c) for c in options["classes"]]
    if Path(path).suffix == ".csv":
        return table_of(path, classes)
    found = [e for e in curves_of(path) if e.scan.attrs.get("group") in classes]
    if {e.scan.attrs["group"] for e in found} != set(classes):
        raise ModelError(
            f'{path}: does not hold both of {classes}; name two of its groups: --set \'classes=["A", "B"]\''
        )
    return [_of_group(e, classes, options["accepted"]) for e in found]


def _of_group(example: Example, classes: list[str], accepted: bool) -> Example:
    n = example.scan.sizes["curve"]
    sick = np.full(n, float(classes.index(example.scan.attrs["group"])))
    if accepted and "accept" in example.truth:
        sick[np.asarray(example.truth["accept"]) == 0] = np.nan
    return Example(example.scan, {"sick": sick, "map": np.full(n, example.group)}, example.group)


def rows(scan: xr.Dataset, options: Options) -> Rows:
    """Shapes of the approach, of the retract on the approach's scale, or of both as two channels."""
    if options["part"] not in PARTS:
        raise ModelError(f"part is {options['part']!r}; it is {', '.join(PARTS)}")
    if "height" in scan or not {"height_sensor", "separation"} & set(map(str, scan.data_vars)):
        needed(scan, HEIGHT, "sort_curves")
    given = {k: options[k] for k in ("spring_constant", "sensitivity")}
    approach = approach_of(scan, **given)
    retract = None if options["part"] == "approach" else approach_of(scan, segment="retract", **given)
    shapes = [] if options["part"] == "retract" else [unit_curves(approach, against=options["against"])]
    if retract is not None:
        shapes.append(unit_curves(approach, retract, against=options["against"]))
    faults = tuple(next((f for f in each if f), "") for each in zip(*(s.faults for s in shapes), strict=True))
    sound = np.array([not f for f in faults], bool)
    numbers = np.stack([s.shares for s in shapes], axis=1) * sound[:, None, None]
    kept = {"stiffness": _stiffness(shapes[0], approach.spring_constant)}
    return Rows(numbers.astype(np.float32), ("curve",), faults, kept)


def _stiffness(shape: UnitCurves, k: np.ndarray) -> np.ndarray:
    """(n,) ln of force/depth^1.5 at the deepest point, an apparent modulus but for the tip; 0 where it is unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.log(np.where(np.isfinite(k), k, 1.0) * shape.largest / shape.deepest**1.5)
    return np.where(np.isfinite(value), value, 0.0)


def build(options: Options) -> Any:
    """A network, convolutional or dense."""
    from ..nets.shape_sorter import ShapeSorter

    channels, samples = options["input"]
    return ShapeSorter(channels, samples, options["learner"], dropout=options["dropout"])


def loss(output: Any, target: Any) -> Any:
    from ..nets.shape_sorter import sorter_loss

    return sorter_loss(output, target)


def vary(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """A little noise, and an end that is read a little wrong."""
    gain = 1 + 0.01 * rng.standard_normal((len(x), 1, 1))
    return (x * gain + 0.005 * rng.standard_normal(x.shape)).astype(np.float32), y


def target(rows: Rows, truth: dict[str, np.ndarray], options: Options) -> np.ndarray:
    return np.asarray(truth["sick"], float)[:, None]


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> dict[str, np.ndarray]:
    assert output is not None  # this recipe always learns
    p = np.clip(expit(output[:, 0].astype(float)), SURE, 1 - SURE)
    names = np.asarray(options["classes"], str)
    return {"sick": p, "log_odds": logit(p), "verdict": names[(p > 0.5).astype(int)]}


def features(rows: Rows) -> np.ndarray:
    """(n, 1 + shape): the apparent modulus, then every second number of the shape."""
    return np.column_stack([rows.kept["stiffness"], rows.numbers[:, :, ::2].reshape(len(rows.numbers), -1)])


def _forest(options: Options) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    forest = RandomForestClassifier(100, min_samples_leaf=3, max_features=8, random_state=options["seed"])
    return make_pipeline(ColumnTransformer([("shape", "passthrough", slice(1, None))]), forest)


def _modulus_alone(options: Options) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(ColumnTransformer([("stiffness", "passthrough", slice(0, 1))]), LogisticRegression())


def _auroc(truth: Any, answer: Any) -> float:
    known = np.isfinite(truth["sick"]) & np.isfinite(answer["sick"])
    return auroc(truth["sick"][known], answer["sick"][known])


def _auroc_of(truth: Any, answer: Any, level: str) -> float:
    """The same for groups of curves, by their mean log-odds."""
    known = np.isfinite(truth["sick"]) & np.isfinite(answer["sick"])
    names, index = np.unique(truth[level][known], return_inverse=True)
    odds = logit(np.clip(answer["sick"][known], 1e-3, 1 - 1e-3))
    count = np.bincount(index, minlength=len(names))
    sick = np.bincount(index, truth["sick"][known]) / np.maximum(count, 1)
    return auroc(sick > 0.5, np.bincount(index, odds) / np.maximum(count, 1))


def _calibration(truth: Any, answer: Any) -> float:
    known = np.isfinite(truth["sick"]) & np.isfinite(answer["sick"])
    return calibration_error(truth["sick"][known], answer["sick"][known])


RECIPE = Recipe(
    name="sort_curves",
    question="Is this cell healthy or sick, by the shape of its force curves?",
    kind="each",
    classes=("healthy", "sick"),
    eats=(HEIGHT, Port("deflection", "m", ("sample",))),
    gives=(Port("sick", "1", ()), Port("log_odds", "1", ()), Port("verdict", "1", ())),
    example=example,
    rows=rows,
    build=build,
    target=target,
    loss=loss,
    vary=vary,
    answer=answer,
    features=features,
    rivals={"random forest": Rival("sick", _forest), "modulus alone": Rival("sick", _modulus_alone)},
    measures={
        "auroc": _auroc,
        **{f"auroc_{level}": partial(_auroc_of, level=level) for level in ("map", "cell", "patient")},
        "ece": _calibration,
    },
    labelled=labelled,
    options={
        "learner": "convolutional", "part": "approach", "against": "indentation", "accepted": True,
        "spring_constant": None, "sensitivity": None, "cells": 3, "curves": 8,
        "examples": 60, "epochs": 40, "batch": 64, "lr": 1e-3, "schedule": "cosine", "dropout": 0.3,
        "weight_decay": 1e-2,
    },
    noun="curves",
)  # fmt: skip
