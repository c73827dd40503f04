"""Which options are best? k-fold cross-validation by group: the review's remedy for choosing hyper-parameters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import ModelError
from ..data.split import folds
from .model import Model
from .recipe import Example, Recipe


def choose(
    recipe: Recipe | str,
    examples: Sequence[Example],
    grid: Mapping[str, Sequence[Any]],
    *,
    k: int = 5,
    seed: int = 0,
    **options: Any,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The best combination of a grid of options, and the table it was read from.

    Every combination is fitted k times and asked about groups it has not seen; the mean of the balanced accuracy (for
    restorations: of minus the RMSE) decides. `options` are the same for all. The winner's own score is flattered by
    having been chosen: test it on examples that are not in here.

    >>> from sharptip.fit.choose import choose
    >>> best, table = choose("tell_apart", examples, {"architecture": ["architecture 1", "modern"]}) # doctest: +SKIP
    """
    if not grid or any(not values for values in grid.values()):
        raise ModelError("the grid is empty; name an option and the values to try, {'dropout': [0, 0.5]}")
    groups = [e.group or str(i) for i, e in enumerate(examples)]
    kind = Model(recipe).recipe.kind
    truths = [str(e.truth) if kind == "classify" else "" for e in examples]
    parts = folds(groups, truths, k, np.random.default_rng(seed))
    rows = []
    for values in itertools.product(*grid.values()):
        tried = dict(zip(grid, values, strict=True))
        found = [_asked(recipe, {**options, **tried}, examples, learn, ask, seed) for learn, ask in parts]
        rows.append({**tried, "score": float(np.mean(found)), "spread": float(np.std(found)), "folds": len(parts)})
    table = pd.DataFrame(rows)
    best = rows[int(table["score"].to_numpy().argmax())]
    return {name: best[name] for name in grid}, table


def _asked(
    recipe: Recipe | str,
    options: dict[str, Any],
    examples: Sequence[Example],
    learn: np.ndarray,
    ask: np.ndarray,
    seed: int,
) -> float:
    model = Model(recipe, **options).fit([examples[i] for i in learn], seed)
    table = model.score([examples[i] for i in ask], real=False)
    ours = table[table["learner"] == "model"].set_index("metric")["value"]
    if model.recipe.kind == "classify":
        return float(ours["balanced_accuracy"])
    return -float(ours.mean())
