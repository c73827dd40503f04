"""How good is this force curve, from 0 to 10, by its fifteen features (Müller et al., doi 10.1186/s12859-019-3010-3)?

Three learners are averaged: extremely randomised trees, boosted trees and a support vector machine. Real ratings that
people may use exist as features only, so a model learns from features and rates curves: from a scan of curves the same
features are computed. docs/rate_features.md
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ..fit.labelled_ratings import TOP, ratings_of
from ..fit.metrics import auroc
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..fit.rows import Rival, Rows, needed
from ..measure.approach import approach_of
from ..measure.curve_features import FEATURES, curve_features
from ..measure.paraboloid_fit import paraboloid_fit
from ..simulate.force_curves import force_curves

HEIGHT = Port("height", "m", ("sample",))
MISSING = 5.0  # in the place of a feature that cannot be computed: beyond nearly all that can
CUTS = (3.5, 5.5, 6.5)  # between poor and good, beside 4.5; the paper does not say its own
PAPER = "Müller et al. 2019, BMC Bioinformatics 20, 465"
NAMES = tuple(FEATURES)


def example(rng: np.random.Generator, options: Options) -> Example:
    """A session of simulated curves with the rating that the simulator gives them."""
    drawn = force_curves(rng, options["curves"], samples=int(rng.integers(600, 2000)))
    return Example(drawn.scan, {"rating": drawn.truth["rating"]}, f"session {rng.integers(2**62)}")


def rows(scan: xr.Dataset, options: Options) -> Rows:
    """A scan of `features` as it is; a scan of curves by the features of its approaches."""
    if "features" in scan:
        given = str(scan.attrs.get("features", "")).split(",")
        table = needed(scan, Port("features", "1", ("feature",)), "rate_features").values
        faults = tuple(
            "" if np.isfinite(row).any() else f"curve {i}: none of its features" for i, row in enumerate(table)
        )
        found = {name: table[:, given.index(name)] for name in NAMES if name in given}
        table = np.column_stack([found.get(name, np.full(len(table), np.nan)) for name in NAMES])
    else:
        if "height" in scan or not {"height_sensor", "separation"} & set(map(str, scan.data_vars)):
            needed(scan, HEIGHT, "rate_features")
        table, faults = features_of(scan, options)
    sound = np.array([not f for f in faults], bool)
    numbers = np.where(np.isfinite(table), table, MISSING) * sound[:, None]
    return Rows(numbers[:, None].astype(np.float32), ("curve",), faults, {"features": table})


def features_of(scan: xr.Dataset, options: Options) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n, 15) features of the approaches of a scan, by the paraboloid that fits each best, and their faults."""
    given: dict[str, Any] = {k: options.get(k) for k in ("spring_constant", "sensitivity")}
    approach = approach_of(scan, **given)
    position, force = approach.position, approach.deflection  # a gain of the force changes no feature
    contact, fit, level = paraboloid_fit(position, force)
    return curve_features(position, force - level[:, None], fit - level[:, None], contact), approach.faults


def build(options: Options) -> Any:
    """The mean of three regressors; one of them alone by `learner`."""
    from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, VotingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PowerTransformer
    from sklearn.svm import SVR

    seed = options["seed"]
    learners = {
        "trees": ExtraTreesRegressor(100, max_depth=15, min_samples_split=10, random_state=seed),
        "boosted": GradientBoostingRegressor(
            n_estimators=300, learning_rate=0.03, max_depth=4, subsample=0.5, max_features=0.4, random_state=seed
        ),
        "vectors": make_pipeline(PowerTransformer(), SVR(C=10, gamma=0.02, epsilon=0.3)),
    }
    if options["learner"] == "all":
        return VotingRegressor(list(learners.items()), weights=[1, 1, 2])
    if options["learner"] not in learners:
        raise ValueError(f"learner is {options['learner']!r}; it is all, {', '.join(learners)}")
    return learners[options["learner"]]


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> dict[str, np.ndarray]:
    assert output is not None  # this recipe always learns
    return {"rating": np.clip(np.asarray(output, float).reshape(len(rows.numbers)), 0, TOP)}


def _mse(truth: Any, answer: Any) -> float:
    return float(np.nanmean((answer["rating"] - truth["rating"]) ** 2))


def _macro(truth: Any, answer: Any) -> float:
    """Mean over the rating levels: a rare rating counts as much as a frequent one."""
    levels = np.rint(truth["rating"])
    squares = (answer["rating"] - truth["rating"]) ** 2
    return float(np.mean([np.nanmean(squares[levels == u]) for u in np.unique(levels)]))


def _accuracy(truth: Any, answer: Any, cut: float) -> float:
    known = np.isfinite(answer["rating"]) & np.isfinite(truth["rating"])
    return float(np.mean((answer["rating"][known] > cut) == (truth["rating"][known] > cut)))


def _auroc(truth: Any, answer: Any, cut: float) -> float:
    known = np.isfinite(answer["rating"]) & np.isfinite(truth["rating"])
    return auroc(truth["rating"][known] > cut, answer["rating"][known])


def _as_published(options: Options) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(100, max_depth=15, min_samples_split=10, random_state=options["seed"])


def _forest(options: Options) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(100, min_samples_leaf=3, random_state=options["seed"])


def _constant(options: Options) -> Any:
    from sklearn.dummy import DummyRegressor

    return DummyRegressor()


RECIPE = Recipe(
    name="rate_features",
    question="How good is this force curve, from 0 to 10, by its features?",
    kind="each",
    eats=(HEIGHT, Port("deflection", "m", ("sample",))),
    gives=(Port("rating", "1", ()),),
    example=example,
    rows=rows,
    build=build,
    target=lambda rows, truth, options: truth["rating"],
    answer=answer,
    features=lambda rows: rows.numbers[:, 0],
    rivals={
        "extra trees, as published": Rival("rating", _as_published),
        "random forest": Rival("rating", _forest),
        "constant": Rival("rating", _constant),
    },
    measures={
        "mse": _mse,
        "macro_mse": _macro,
        "accuracy": partial(_accuracy, cut=4.5),
        "auroc": partial(_auroc, cut=4.5),
        **{f"accuracy_at {cut}": partial(_accuracy, cut=cut) for cut in CUTS},
    },
    labelled=ratings_of,
    claims=(
        Claim("mse", 1.0, PAPER, "below this, of ts_zef18 by extra trees"),
        Claim("accuracy", 0.87, PAPER, "above this, good against poor; the cut is not said"),
    ),
    options={"learner": "all", "spring_constant": None, "sensitivity": None, "curves": 16, "examples": 60},
    noun="curves",
)
