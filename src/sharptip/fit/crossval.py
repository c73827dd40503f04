"""How well can this be learned from these examples? Every group is judged by a model that never saw it.

The groups are dealt to folds; for each fold the whole recipe, baselines and calibration included, is learned on the
others and asked about it. What is scored in the end is every example once. Each fold is kept on disk as soon as it is
done, so that an interrupted run goes on.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import ModelError
from ..core.files import write_whole
from ..data.split import folds
from . import each
from .kinds import kind_of
from .model import Model
from .recipe import Example, Recipe, settled
from .score import judgement_table

FOLDS = 5


def cross_validate(
    recipe: Recipe,
    examples: Sequence[Example],
    options: dict[str, Any],
    *,
    k: int = FOLDS,
    seed: int = 0,
    keep: str | Path | None = None,
    real: bool = True,
    tell: Callable[[str, int, int], object] = lambda what, done, of: None,
) -> pd.DataFrame:
    """The score table of the recipe learned anew for each of k folds of groups; fewer groups than k: one fold each.

    keep: a folder in which each fold's answers are kept, and found again by the same call. tell(what, done, of) is
    shown the progress. Raises ModelError for a recipe that restores, StudyError for fewer than two groups.
    """
    if recipe.kind == "each":
        return each.cross_validate(recipe, examples, options, k, seed, keep, real, tell)
    return judgement_table(
        recipe, kind_of(recipe, _classes(recipe, options)), examples,
        answers_out_of_fold(recipe, examples, options, k=k, seed=seed, keep=keep, tell=tell), real,
    )  # fmt: skip


def answers_out_of_fold(
    recipe: Recipe,
    examples: Sequence[Example],
    options: dict[str, Any],
    *,
    k: int = FOLDS,
    seed: int = 0,
    keep: str | Path | None = None,
    tell: Callable[[str, int, int], object] = lambda what, done, of: None,
) -> dict[str, np.ndarray]:
    """What the model and each baseline say of every example when its group was left out: name → (n, classes)."""
    if recipe.kind == "restore":
        raise ModelError(f"recipe {recipe.name!r} restores; cross-validation is for recipes that judge")
    kind = kind_of(recipe, _classes(recipe, options))
    groups = [e.group or str(i) for i, e in enumerate(examples)]
    parts = folds(groups, [kind.stratum(e) for e in examples], k, np.random.default_rng(seed))
    stamp = _stamp(recipe, examples, options, k, seed)
    answers: dict[str, np.ndarray] = {}
    for i, (train, test) in enumerate(parts):
        tell(f"fold {i + 1} of {len(parts)}", i, len(parts))
        file = Path(keep) / f"fold-{i + 1}-of-{len(parts)}-{stamp}.npz" if keep else None
        found = _kept(file, len(test), recipe)
        if not found:
            model = Model(recipe, **options).fit([examples[j] for j in train], seed)
            found = model.probabilities([examples[j] for j in test])
            if file is not None:
                write_whole(file, partial(_save, answers=found))
        for name, p in found.items():
            answers.setdefault(name, np.full((len(examples), p.shape[1]), np.nan))[test] = p
    tell("folds", len(parts), len(parts))
    return answers


def _kept(file: Path | None, n: int, recipe: Recipe) -> dict[str, np.ndarray]:
    """Answers of a fold that was finished before; nothing where there are none, or they are damaged."""
    if file is None or not file.exists():
        return {}
    try:
        with np.load(file, allow_pickle=False) as kept:
            found = {name: kept[name] for name in kept.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return {}
    whole = {"model", *recipe.baselines} <= set(found) and all(p.ndim == 2 and len(p) == n for p in found.values())
    return found if whole else {}


def _save(path: Path, answers: dict[str, np.ndarray]) -> None:
    with open(path, "wb") as file:
        np.savez(file, **answers)  # type: ignore[arg-type]


def _classes(recipe: Recipe, options: dict[str, Any]) -> tuple[str, ...]:
    return tuple(options.get("classes", recipe.classes))


def _stamp(recipe: Recipe, examples: Sequence[Example], options: dict[str, Any], k: int, seed: int) -> str:
    """Names the very question, so that answers kept for another one are never taken for its own."""
    question = [recipe.name, settled(recipe, options), k, seed]  # defaults included: they may change with the recipe
    asked = hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode())
    for e in examples:
        asked.update(str((e.group, e.truth, e.raters)).encode())
        for port in recipe.eats:
            if port.name in e.scan:
                asked.update(np.ascontiguousarray(e.scan[port.name].values).tobytes())
    return asked.hexdigest()[:16]
