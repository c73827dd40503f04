"""Rows of a score table: each metric with its interval over groups, for any learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import metrics
from .intervals import cluster_bootstrap, wilson

if TYPE_CHECKING:
    from .model import Model
    from .recipe import Example, Recipe


def judgement_table(
    recipe: Recipe, kind: Any, examples: Sequence[Example], answers: Mapping[str, np.ndarray], real: bool
) -> pd.DataFrame:
    """The score table of answers name → (n, classes), however they were obtained, beside the published claims."""
    groups = [e.group or str(i) for i, e in enumerate(examples)]
    truth = np.stack([kind.truth(e) for e in examples])
    rows: list[dict[str, Any]] = []
    for name, p in answers.items():
        if recipe.kind == "rate":
            rows += rating_rows(name, kind.classes, truth[:, :-1], p, groups)
        else:
            rows += classification_rows(name, truth, p, groups)
    return table(recipe, rows, real)


def table(recipe: Recipe, rows: Sequence[dict[str, Any]], real: bool) -> pd.DataFrame:
    """Rows with where their data is from, and the recipe's claims below."""
    rows = [{**row, "data": "real" if real else "simulated", "source": ""} for row in rows]
    rows += [{"learner": "published", "metric": c.metric, "value": c.value, "data": c.note or "published",
              "source": c.source} for c in recipe.claims]  # fmt: skip
    return pd.DataFrame(rows)


def by_name(recipe: Recipe, table: pd.DataFrame) -> dict[str, Any]:
    """A score table as nested names for programs: the model's metrics, `interval95`, `baselines`, `claims`.

    Metrics 'auroc NAME' are gathered under 'auroc' by attribute. A recipe that answers line by line has `lines`: the
    same after each count of lines and after 'all'.
    """
    learners = {str(name): _named(rows) for name, rows in table[table.learner != "published"].groupby("learner")}
    claims = [{"metric": c.metric, "value": c.value, "source": c.source, "note": c.note} for c in recipe.claims]
    rivals = {*recipe.baselines, *recipe.rivals, *recipe.classical}

    def after(ending: str) -> dict[str, Any]:
        others = {n.removesuffix(ending): v for n, v in learners.items()
                  if n.removesuffix(ending) + ending == n and n.removesuffix(ending) in rivals}  # fmt: skip
        return {**learners["model" + ending], "baselines": others}

    out = {**after(""), "claims": claims}
    if recipe.lines:
        out["lines"] = {str(n): after(f" after {n} lines") for n in recipe.lines} | {"all": after("")}
    return out


def _named(rows: pd.DataFrame) -> dict[str, Any]:
    out: dict[str, Any] = {"interval95": {}}
    for r in rows.itertuples():
        first, _, attribute = str(r.metric).partition(" ")
        bounds = [None if pd.isna(v) else float(v) for v in (r.low, r.high)]
        value = None if pd.isna(r.value) else float(r.value)  # type: ignore[arg-type]
        if attribute:
            out.setdefault(first, {})[attribute] = value
            out["interval95"].setdefault(first, {})[attribute] = bounds
        else:
            out[first], out["interval95"][first] = value, bounds
    return out


def classification_rows(
    learner: str, truth: np.ndarray, probability: np.ndarray, groups: Sequence[object]
) -> list[dict[str, Any]]:
    """truth (n,) class indices; probability (n, classes); groups (n,) → rows for a table.

    Where groups hold several examples of one class each (cells of a patient, bonds under one tip), the groups are
    judged too, by the mean probability of their examples.
    """
    rows = _class_rows(learner, "", truth, probability, groups)
    names, index = np.unique(np.asarray(groups, str), return_inverse=True)
    of = np.bincount(index)
    first = np.array([truth[index == g][0] for g in range(len(names))])
    if of.mean() >= 2 and (first[index] == truth).all():
        voted = np.stack([np.bincount(index, p) / of for p in probability.T], axis=1)
        rows += _class_rows(learner, "group_", first, voted, names.tolist())
    return rows


def _class_rows(
    learner: str, prefix: str, truth: np.ndarray, probability: np.ndarray, groups: Sequence[object]
) -> list[dict[str, Any]]:
    predicted = probability.argmax(axis=1)
    found: dict[str, tuple[Any, np.ndarray]] = {
        "accuracy": (metrics.accuracy, predicted),
        "balanced_accuracy": (metrics.balanced_accuracy, predicted),
    }
    if probability.shape[1] == 2:
        found |= {"auroc": (metrics.auroc, probability[:, 1]), "ece": (metrics.calibration_error, probability[:, 1])}
    rows = []
    for metric, (function, answer) in found.items():
        low, high = interval(function, truth, answer, groups)
        rows.append(row(learner, prefix + metric, function(truth, answer), low, high, len(truth), groups))
    return rows


def rating_rows(
    learner: str, classes: Sequence[str], shares: np.ndarray, probability: np.ndarray, groups: Sequence[object]
) -> list[dict[str, Any]]:
    """shares (n, k) of the raters, probability (n, k) → rows: AUROC of each attribute and its mean, ECE, Brier score.

    An attribute counts as seen by half of the raters or more. One that is always or never seen has no AUROC. The Brier
    score and the calibration error are held against that same yes or no.
    """
    seen = shares >= 0.5
    rows = [_rated(f"auroc {name}", metrics.auroc, seen[:, i], probability[:, i], learner, groups)
            for i, name in enumerate(classes)]  # fmt: skip
    rows.append(_rated("macro_auroc", metrics.macro_auroc, seen, probability, learner, groups))
    rows.append(_rated("ece", metrics.mean_calibration_error, seen, probability, learner, groups))
    rows.append(_rated("brier", lambda t, p: float(np.mean((t - p) ** 2)), seen, probability, learner, groups))
    return rows


def _rated(
    metric: str, function: Any, truth: np.ndarray, p: np.ndarray, learner: str, groups: Sequence[object]
) -> dict[str, Any]:
    low, high = interval(function, truth.astype(float), p, groups)
    return row(learner, metric, function(truth.astype(float), p), low, high, len(truth), groups)


def restoration_rows(model: Model, examples: Sequence[Example], groups: Sequence[object]) -> list[dict[str, Any]]:
    """RMSE in the unit of each output: of the scan as it came, of the model, and of each classical baseline."""
    methods: dict[str, Any] = {"untouched": lambda scan: scan, "model": model.predict}
    methods |= {name: build(model.options) for name, build in model.recipe.baselines.items()}
    rows = []
    for name, method in methods.items():
        answers = [method(e.scan) for e in examples]
        for port in model.recipe.gives:
            if any(port.name not in a for a in (*answers, *(e.truth for e in examples))):
                continue  # a classical baseline gives the restored channel alone; of an uncertainty there is no truth
            errors = np.array(
                [
                    metrics.rmse(e.truth[port.name].values, a[port.name].values)
                    for e, a in zip(examples, answers, strict=True)
                ]
            )
            low, high = interval(lambda e, _: _root_mean(e), errors, errors, groups)
            metric = f"rmse {port.name} ({port.unit})"
            rows.append(row(name, metric, _root_mean(errors), low, high, len(errors), groups))
    return rows


def interval(function: Any, truth: np.ndarray, answer: np.ndarray, groups: Sequence[object]) -> tuple[float, float]:
    """95 % cluster-bootstrap interval of function(truth, answer), a share of 0–1 or an error."""
    names = np.asarray(groups)
    found = cluster_bootstrap(function, names, (truth, answer))
    if found.low < found.high:
        return found.low, found.high
    # every draw gives the same share, which happens by luck with few groups: each group then counts as one trial
    return (
        wilson(found.value * len(set(groups)), len(set(groups))) if 0 <= found.value <= 1 else (found.low, found.high)
    )


def row(
    learner: str, metric: str, value: float, low: float, high: float, n: int, groups: Sequence[object]
) -> dict[str, Any]:
    """One row, in the columns every score table has."""
    return {"learner": learner, "metric": metric, "value": float(value), "low": low, "high": high, "n": n,
            "groups": len(set(groups))}  # fmt: skip


def _root_mean(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
