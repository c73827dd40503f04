"""How well do surface parameters of adhesion maps tell two kinds of simulated cells, per cell and per patient?

    python benchmarks/cell_kind.py --json      # about six minutes on one core

25 patients of either kind with five cells each are learned from; 40 new ones of either kind are asked about. All of it
is simulated, with differences between the kinds that were made up: the numbers compare ways of learning, and show that
labels without meaning give 50 %, and say nothing about cells. Published: 94 % of patients by five cells each (Sokolov
et al., PNAS 115, 12920 (2018)).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sharptip import Model
from sharptip.fit import Example
from sharptip.fit.intervals import cluster_bootstrap, proportion
from sharptip.fit.metrics import accuracy, auroc
from sharptip.fit.prepare import prepare
from sharptip.recipes.cell_kind import FEATURES, KINDS, RECIPE, cell_features, conformal_sets, learner, patient_scores
from sharptip.simulate.cells import cohort

TRAIN_SEED, TEST_SEED = 1, 20_261_122
PATIENTS, TEST_PATIENTS, CELLS = 25, 40, 5
PERMUTATIONS = 20
SUBSETS, SIZES = 500, (3, 12)  # random sets of parameters, and how many are in one
ERROR = 0.1  # of the conformal decision


class Data:
    """Features (n, k), truth (n,) and patients (n,) of one channel of a cohort."""

    def __init__(self, model: Model, cells: list[Example]) -> None:
        self.x = cell_features(np.concatenate([model._tiles(prepare(model.recipe, c.scan), c.group) for c in cells]))
        self.y = np.array([KINDS.index(c.truth) for c in cells])
        self.patient = np.array([c.group for c in cells])

    def folds(self) -> GroupKFold:
        return GroupKFold(5, shuffle=True, random_state=0)

    def truth_of(self, names: np.ndarray) -> np.ndarray:
        return np.array([self.y[self.patient == name][0] for name in names])


def examples(seed: int, patients: int) -> list[Example]:
    return [Example(c.scan, c.kind, c.patient) for c in cohort(seed, patients, CELLS)]


def judged(name: str, out_of_fold: np.ndarray, asked: np.ndarray, train: Data, test: Data) -> dict[str, object]:
    """Per cell and per patient; the vote (at least m cells above a threshold) is chosen on the training patients."""
    auc = cluster_bootstrap(auroc, test.patient, (test.y, asked))
    cell = cluster_bootstrap(accuracy, test.patient, (test.y, (asked > 0.5).astype(int)))
    best = (-1.0, 1, 0.5)
    for m in range(1, CELLS + 1):
        names, score = patient_scores(out_of_fold, train.patient, m)
        truth = train.truth_of(names)
        for threshold in np.unique(score):
            right = float(np.mean((score >= threshold) == truth))
            best = max(best, (right, m, float(threshold)))
    _, m, threshold = best
    names, score = patient_scores(asked, test.patient, m)
    truth = test.truth_of(names)
    voted = proportion((score >= threshold) == truth, names)
    mean = np.array([asked[test.patient == n].mean() for n in names])
    averaged = proportion((mean > 0.5) == truth, names)
    areas = {str(k): auroc(truth, patient_scores(asked, test.patient, k)[1]) for k in range(1, CELLS + 1)}
    return {
        "cell_auroc": [auc.value, auc.low, auc.high], "cell_accuracy": [cell.value, cell.low, cell.high],
        "patient_accuracy_mean": [averaged.value, averaged.low, averaged.high],
        "patient_accuracy_vote": [voted.value, voted.low, voted.high], "vote": {"at_least": m, "threshold": threshold},
        "patient_auroc_by_m": areas, "patient_auroc_mean": auroc(truth, mean), "patients": len(names),
    }  # fmt: skip


def both(estimator: object, train: Data, test: Data) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the second kind: out of fold by patient for the training cells, and for the test cells."""
    kept = {"groups": train.patient, "cv": train.folds(), "method": "predict_proba"}
    out_of_fold = cross_val_predict(clone(estimator), train.x, train.y, **kept)[:, 1]
    return out_of_fold, clone(estimator).fit(train.x, train.y).predict_proba(test.x)[:, 1]


def permuted(train: Data, test: Data) -> dict[str, float]:
    """Cell and patient accuracy when the training patients' labels are dealt out at random: 50 % if nothing leaks."""
    rng = np.random.default_rng(0)
    names = np.unique(train.patient)
    forest = learner({**RECIPE.options, "trees": 100, "seed": 0})
    found = []
    for _ in range(PERMUTATIONS):
        dealt = dict(zip(names, rng.permutation(train.truth_of(names)), strict=True))
        p = clone(forest).fit(train.x, [dealt[n] for n in train.patient]).predict_proba(test.x)[:, 1]
        found.append(accuracy(test.y, (p > 0.5).astype(int)))
    return {"mean": float(np.mean(found)), "spread": float(np.std(found, ddof=1)), "permutations": PERMUTATIONS}


def subsets(train: Data, test: Data) -> dict[str, object]:
    """Random sets of parameters, judged by cross-validation over patients; what the winner is worth on new ones."""
    rng = np.random.default_rng(0)
    model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
    rows = []
    for _ in range(SUBSETS):
        picked = rng.choice(len(FEATURES), size=int(rng.integers(SIZES[0], SIZES[1] + 1)), replace=False)
        kept = {"groups": train.patient, "cv": train.folds(), "method": "predict_proba"}
        p = cross_val_predict(model, train.x[:, picked], train.y, **kept)[:, 1]
        rows.append((auroc(train.y, p), picked))
    rows.sort(key=lambda r: -r[0])
    asked = clone(model).fit(train.x[:, rows[0][1]], train.y).predict_proba(test.x[:, rows[0][1]])[:, 1]
    often = np.bincount(np.concatenate([r[1] for r in rows[: SUBSETS // 10]]), minlength=len(FEATURES))
    drawn = np.bincount(np.concatenate([r[1] for r in rows]), minlength=len(FEATURES))
    lift = often / np.maximum(drawn, 1)
    return {
        "best": [FEATURES[i] for i in rows[0][1]], "best_in_cross_validation": rows[0][0],
        "best_on_new_patients": auroc(test.y, asked), "median": float(np.median([r[0] for r in rows])),
        "parameters_of_the_best_tenth": [FEATURES[i] for i in np.argsort(-lift)[:8]],
    }  # fmt: skip


def conformal(out_of_fold: np.ndarray, asked: np.ndarray, train: Data, test: Data) -> dict[str, float]:
    """Calibrated on the training patients out of fold: how often the truth is kept, how often one answer is left."""
    names, score = patient_scores(out_of_fold, train.patient, 3)
    new, asked_score = patient_scores(asked, test.patient, 3)
    left, truth = conformal_sets(score, train.truth_of(names), asked_score, ERROR), test.truth_of(new)
    one = left.sum(axis=1) == 1
    right = left[np.arange(len(truth)), truth]
    return {"wanted_coverage": 1 - ERROR, "coverage": float(right.mean()), "decided": float(one.mean()),
            "right_of_decided": float(right[one].mean()) if one.any() else float("nan")}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--no-network", action="store_true", help="leave the network on the maps out")
    options = parser.parse_args()
    start = time.perf_counter()
    learn, ask = examples(TRAIN_SEED, PATIENTS), examples(TEST_SEED, TEST_PATIENTS)
    bare = replace(RECIPE, baselines={}, features=lambda maps: maps[:, 0, 0, :1])  # fitted for its scale alone
    channels = {"adhesion": {}, "height": {"channel": "height", "unit": "m"}}
    data = {}
    for channel, chosen in channels.items():
        model = Model(bare, trees=1, **chosen).fit(learn)
        data[channel] = Data(model, learn), Data(model, ask)
    train, test = data["adhesion"]
    only_sq = [FEATURES.index("Sq")]
    common = {**RECIPE.options, "seed": 0}
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
    methods: dict[str, tuple[object, Data, Data]] = {
        name: (learner({**common, "learner": name}), train, test)
        for name in ("random forest", "extra trees", "boosting")
    }
    methods["logistic on all"] = (logistic, train, test)
    methods["logistic on Sq"] = (logistic, picked(train, only_sq), picked(test, only_sq))
    methods["random forest on height"] = (learner(common), *data["height"])
    results, kept = {}, {}
    for name, (estimator, a, b) in methods.items():
        kept[name] = both(estimator, a, b)
        results[name] = judged(name, *kept[name], a, b)
    if not options.no_network:
        network = Model(bare, learner="network", epochs=20, tile=256).fit(learn)
        p = [network.predict(c.scan)["probability"].values[1] for c in (*learn, *ask)]
        seen, asked = np.array(p[: len(learn)]), np.array(p[len(learn) :])
        results["network on the maps"] = judged("network", seen, asked, train, test)
        results["network on the maps"].pop("patient_accuracy_vote")  # its threshold would be set on what it learned
        results["network on the maps"].pop("vote")
    result = {
        "real": False, "train_patients": 2 * PATIENTS, "test_patients": 2 * TEST_PATIENTS, "cells_each": CELLS,
        "learners": results, "permuted_labels": permuted(train, test), "random_subsets": subsets(train, test),
        "conformal": conformal(*kept["random forest"], train, test), "published_patient_accuracy": 0.94,
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, row in results.items():
        print(f"{name:24} " + "  ".join(f"{k} {v[0]:.3f} [{v[1]:.3f}, {v[2]:.3f}]" for k, v in row.items()
                                         if isinstance(v, list)))  # fmt: skip


def picked(data: Data, columns: list[int]) -> Data:
    """The same cells with some of their features."""
    out = object.__new__(Data)
    out.x, out.y, out.patient = data.x[:, columns], data.y, data.patient
    return out


if __name__ == "__main__":
    main()
