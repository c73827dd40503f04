"""What kinds of judgement differ in: how a truth becomes numbers, and how a learner's numbers become probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from ..core.errors import ModelError
from . import calibrate
from .recipe import Example, Recipe


class Classify:
    """One class of several: truth is its number; probabilities are of one neuron, or one per class."""

    def __init__(self, recipe: Recipe, classes: Sequence[str]) -> None:
        self.recipe, self.classes = recipe, tuple(classes)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Shape of a network's answer to one tile."""
        return (1,) if len(self.classes) == 2 else (len(self.classes),)

    def truth(self, example: Example) -> np.ndarray:
        """() number of the class. Raises ModelError for an unknown one."""
        if example.truth not in self.classes:
            raise ModelError(f"an example is {example.truth!r}; the classes are {', '.join(self.classes)}")
        return np.array(self.classes.index(example.truth))

    def stratum(self, example: Example) -> str:
        """What is spread evenly when groups are dealt to folds."""
        return str(example.truth)

    def demand_enough(self, y: np.ndarray) -> None:
        """Raises ModelError where there is nothing to tell apart."""
        if len(np.unique(y)) < 2:
            raise ModelError(f"all examples are {self.classes[int(y[0])]!r}; a classifier learns from two classes")

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Logits (n, 1) or (n, classes) → (n, classes)."""
        if logits.shape[1] == 1:
            p = expit(logits[:, 0].astype(float))
            return np.stack([1 - p, p], axis=1)
        return softmax(logits.astype(float), axis=1)

    def learn(self, estimator: Any, features: np.ndarray, y: np.ndarray) -> Any:
        """A scikit-learn classifier, fitted."""
        return estimator.fit(features, y)

    def estimate(self, estimator: Any, features: np.ndarray) -> np.ndarray:
        """Its answer, (n, classes)."""
        return estimator.predict_proba(features)

    def calibration(self, logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(slope, offset) from logits of examples that were held out."""
        if logits.shape[1] == 1:
            return calibrate.platt(logits, y[:, None])
        slope = calibrate.temperature(logits, y)
        return np.full(logits.shape[1], slope), np.zeros(logits.shape[1])


class Rate:
    """Several attributes at once. Truth is the share of raters that saw each, with the number of raters behind it."""

    def __init__(self, recipe: Recipe, classes: Sequence[str]) -> None:
        self.recipe, self.classes = recipe, tuple(classes)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Shape of a network's answer to one tile; with lines, of as many lines as a tile has (set by the model)."""
        return (len(self.classes),)

    def truth(self, example: Example) -> np.ndarray:
        """(k + 1,): the share of each attribute, then the number of raters. Raises ModelError."""
        if not isinstance(example.truth, Mapping):
            raise ModelError(
                f"an example is {example.truth!r}; recipe {self.recipe.name!r} learns the share of raters for each of "
                f"{', '.join(self.classes)}"
            )
        missing = [c for c in self.classes if c not in example.truth]
        if missing:
            raise ModelError(f"an example does not rate {missing[0]!r}; it rates {', '.join(example.truth)}")
        shares = np.array([float(example.truth[c]) for c in self.classes])
        if not ((shares >= 0) & (shares <= 1)).all():
            bad = self.classes[int(np.argmax(~((shares >= 0) & (shares <= 1))))]
            raise ModelError(f"an example rates {bad!r} {example.truth[bad]}; a share of raters is between 0 and 1")
        return np.append(shares, float(example.raters))

    def stratum(self, example: Example) -> str:
        """Groups are dealt to folds by size alone: attributes overlap."""
        return "rated"

    def demand_enough(self, y: np.ndarray) -> None:
        """Raises ModelError where no attribute differs between the examples."""
        if not (np.ptp(y[:, :-1], axis=0) > 0).any():
            raise ModelError("all examples are rated alike; there is nothing to tell apart")

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Logits (n, k) or (n, lines, k) → the same shape."""
        return expit(logits.astype(float))

    def learn(self, estimator: Any, features: np.ndarray, y: np.ndarray) -> Any:
        """A scikit-learn regressor of the shares; raters count by the square root of their number."""
        return estimator.fit(features, y[:, :-1], sample_weight=rater_weight(y[:, -1]))

    def estimate(self, estimator: Any, features: np.ndarray) -> np.ndarray:
        """Its answer as shares, (n, k)."""
        return np.clip(estimator.predict(features).reshape(len(features), -1), 0.0, 1.0)

    def calibration(self, logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(slope, offset), (k,) or (lines, k), from logits of examples that were held out."""
        shares = y[:, :-1] if logits.ndim == 2 else np.repeat(y[:, None, :-1], logits.shape[1], axis=1)
        return calibrate.platt(logits, shares, rater_weight(y[:, -1]))


def rater_weight(raters: np.ndarray) -> np.ndarray:
    """How much a vote of several people counts, 1 on average.

    Between 1 each (raters always agree) and their number (they are independent): the root of it.
    """
    weight = np.sqrt(np.maximum(np.asarray(raters, float), 1.0))
    return weight / weight.mean()


def kind_of(recipe: Recipe, classes: Sequence[str]) -> Classify | Rate:
    """The kind of judgement that a recipe makes."""
    return Rate(recipe, classes) if recipe.kind == "rate" else Classify(recipe, classes)
