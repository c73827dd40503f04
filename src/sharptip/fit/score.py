"""Rows of a score table: each metric with its interval over groups, for any learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import metrics
from .intervals import cluster_bootstrap, wilson

if TYPE_CHECKING:
    from .model import Model
    from .recipe import Example


def classification_rows(
    learner: str, truth: np.ndarray, probability: np.ndarray, groups: Sequence[object]
) -> list[dict[str, Any]]:
    """truth (n,) class indices; probability (n, classes); groups (n,) → rows for a table."""
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
        rows.append(row(learner, metric, function(truth, answer), low, high, len(truth), groups))
    return rows


def restoration_rows(model: Model, examples: Sequence[Example], groups: Sequence[object]) -> list[dict[str, Any]]:
    """RMSE in the unit of each output: of the scan as it came, of the model, and of each classical baseline."""
    methods: dict[str, Any] = {"untouched": lambda scan: scan, "model": model.predict}
    methods |= {name: build(model.options) for name, build in model.recipe.baselines.items()}
    rows = []
    for name, method in methods.items():
        answers = [method(e.scan) for e in examples]
        for port in model.recipe.gives:
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
