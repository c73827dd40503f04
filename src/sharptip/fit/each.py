"""Recipes of kind 'each': every row of a scan is a question. How they learn, answer and are judged, for `Model`."""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from ..core.errors import ModelError
from ..core.files import write_whole
from ..core.history import is_simulated
from ..core.scan import label
from ..data.split import folds, holdout
from . import score as scoring
from .intervals import cluster_bootstrap
from .recipe import Example, Port, Recipe, settled
from .rows import Answers, Known, NotAnswered, Rows, joined
from .side_by_side import ROWS, side_by_side

if TYPE_CHECKING:
    from .model import Model

BLOCK = 2**24  # numbers of a channel that are looked at together; a map of curves may be larger than the memory
ROW_AXES = ("curve", "site", "y")  # along which a scan may be taken in blocks
BESIDE = ("row", "column", "tip_x", "tip_y")  # where a row was measured
RESAMPLES = 1000  # of whole groups, for the intervals of a score
POOL = 8  # batches of fresh examples that are mixed before they are learned from


# --- learning ---------------------------------------------------------------------------------------------------------


def learn(model: Model, examples: Sequence[Example], real: bool, seed: int, on_epoch: Any) -> Model:
    """What `Model.fit` does for a recipe whose rows are questions. Nothing is learned where nothing is built."""
    recipe, options = model.recipe, model.options
    if options["members"] > 1:
        raise ModelError(f"recipe {recipe.name!r} answers row by row; members > 1 is for recipes that judge scans")
    parts = [_rows(recipe, e.scan, options) for e in examples]
    x = np.concatenate([p.numbers[p.sound] for p in parts])
    if not len(x):
        reason = next(f for p in parts for f in p.faults if f)
        raise ModelError(f"recipe {recipe.name!r}: none of the rows can be learned from; the first: {reason}")
    model.card = {
        "real": real, "seed": seed, "n_examples": len(x), "n_scans": len(examples),
        "n_groups": len({e.group for e in examples}), "pixel_size": None, "tile": None, "input": list(x.shape[1:]),
    }  # fmt: skip
    model.learner = model._new_learner(seed)
    owner = np.repeat(np.arange(len(parts)), [p.sound.sum() for p in parts])
    truths = [_truth(e, p, recipe) for e, p in zip(examples, parts, strict=True)]
    if model.learner is not None:
        y = np.concatenate([_target(recipe, p, t, options)[p.sound] for p, t in zip(parts, truths, strict=True)])
        _train(model, x, y, owner, examples, seed, on_epoch)
    if recipe.rivals:
        features = np.concatenate([_features(recipe, p) for p in parts])
        truth = joined([{k: v[p.sound] for k, v in t.items()} for p, t in zip(parts, truths, strict=True)])
        for name, rival in recipe.rivals.items():
            if rival.truth in truth and _known(truth[rival.truth]):
                learned = rival.learn({**options, "seed": seed}, features, truth[rival.truth])
                model.baselines[name] = learned
    return model


def _known(truth: np.ndarray) -> bool:
    """Whether there is anything to be learned from it: more than one value that somebody knows."""
    values = truth[np.isfinite(truth)] if truth.dtype.kind == "f" else truth
    return len(np.unique(values)) > 1


def _rows(recipe: Recipe, scan: xr.Dataset, options: Mapping[str, Any]) -> Rows:
    assert recipe.rows is not None  # settled when the recipe was made
    return recipe.rows(scan, options)


def _features(recipe: Recipe, rows: Rows) -> np.ndarray:
    """(sound rows, features)."""
    if recipe.features is None:
        return rows.numbers[rows.sound].reshape(int(rows.sound.sum()), -1)
    return np.asarray(recipe.features(rows))[rows.sound]  # type: ignore[arg-type]


def _truth(example: Example, rows: Rows, recipe: Recipe) -> Answers:
    if not isinstance(example.truth, Mapping):
        raise ModelError(
            f"{label(example.scan)} comes without its truth, from which {recipe.name!r} learns; give arrays by name"
        )
    truth = {k: np.asarray(v) for k, v in example.truth.items()}
    for name, values in truth.items():
        if values.ndim == 0 or len(values) != len(rows.faults):
            raise ModelError(
                f"{label(example.scan)}: the truth {name!r} has shape {values.shape} for {len(rows.faults)} rows"
            )
    return truth


def _target(recipe: Recipe, rows: Rows, truth: Answers, options: Mapping[str, Any]) -> np.ndarray:
    if recipe.target is None:
        raise ModelError(f"recipe {recipe.name!r} builds a learner and does not say its target")
    return np.asarray(recipe.target(rows, truth, options), np.float32)


def _train(
    model: Model, x: np.ndarray, y: np.ndarray, owner: np.ndarray, examples: Sequence[Example], seed: int, on_epoch: Any
) -> None:
    if not hasattr(model.learner, "state_dict"):
        model.learner.fit(x.reshape(len(x), -1), y)
        return
    from .train_network import train_network

    model._take_over()
    validation = None
    if model.options["patience"] is not None:
        groups = [e.group or str(i) for i, e in enumerate(examples)]
        _, out = holdout(groups, [""] * len(groups), 0.2, np.random.default_rng(seed))
        validation = np.isin(owner, out)
    learning = np.ones(len(x), bool) if validation is None else ~validation
    drawn = _batches(model, x[learning], y[learning])
    history = train_network(model.learner, x, y, model.recipe, model.options, seed, validation, on_epoch, drawn)
    model.learner.requires_grad_(True)
    model.card["history"] = asdict(history)


def _batches(model: Model, x: np.ndarray, y: np.ndarray) -> Any:
    """(epoch, rng) → batches; None where x and y as they are will do."""
    recipe, options, size = model.recipe, model.options, model.options["batch"]
    fresh = options["fresh"] and not model.card["real"]
    vary = recipe.vary if options["augment"] else None
    if not fresh and vary is None:
        return None

    def drawn(epoch: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for xs, ys in _fresh(recipe, options, rng) if fresh else [(x, y)]:
            order = rng.permutation(len(xs))
            for i in range(0, len(xs), size):
                part = order[i : i + size]
                yield (xs[part], ys[part]) if vary is None else vary(xs[part], ys[part], rng, options)

    return drawn


def _fresh(
    recipe: Recipe, options: Mapping[str, Any], rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of simulated scans that were never seen before, some batches' worth at a time; `examples` scans in all."""
    assert recipe.example is not None
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for n, child in enumerate(rng.spawn(options["examples"]), 1):
        e = recipe.example(child, options)
        rows = _rows(recipe, e.scan, options)
        target = _target(recipe, rows, _truth(e, rows, recipe), options)
        waiting.append((rows.numbers[rows.sound], target[rows.sound]))
        if sum(len(x) for x, _ in waiting) >= POOL * options["batch"] or n == options["examples"]:
            yield np.concatenate([x for x, _ in waiting]), np.concatenate([y for _, y in waiting])
            waiting = []


# --- answering --------------------------------------------------------------------------------------------------------


def predict(model: Model, scan: xr.Dataset) -> xr.Dataset:
    """An answer for each row, on the rows' axes, in SI units; NaN, and why in attrs["faults"], where there is none."""
    blocks = _blocks(scan, ROWS if model.recipe.apart else None)
    ask = partial(_answered, model)
    parts = [ask(scan)] if len(blocks) == 1 else list(side_by_side(ask, (scan.isel(b).load() for b in blocks)))
    dims = parts[0][0].dims
    faults = [f for rows, _ in parts for f in rows.faults]
    named = joined([a for _, a in parts])
    answer = xr.Dataset(
        {p.name: _variable(model.recipe, p, named, parts[0][0], scan) for p in model.recipe.gives},
        coords=_coords(model, scan, dims),
    )
    answer.attrs["faults"] = json.dumps({str(i): f for i, f in enumerate(faults) if f}, ensure_ascii=False)
    return answer


def _answered(model: Model, scan: xr.Dataset) -> tuple[Rows, Answers]:
    rows = _rows(model.recipe, scan, model.options)
    return rows, answers(model, rows)


def answers(model: Model, rows: Rows) -> Answers:
    """What the model says of rows, name → (n, …); NaN, or '' in a text, for those that cannot be judged."""
    assert model.recipe.answer is not None
    out = None
    if model.learner is not None:
        out = _full(_outputs(model.learner, rows.numbers[rows.sound]), rows.sound)
    named = model.recipe.answer(rows, out, model.options)
    return {name: _hidden(np.asarray(v), rows, name, model.recipe) for name, v in named.items()}


def _outputs(learner: Any, x: np.ndarray) -> np.ndarray:
    if not hasattr(learner, "state_dict"):
        if not len(x):  # every row has a fault
            return np.zeros((0, len(getattr(learner, "classes_", [0]))), np.float32)
        flat = x.reshape(len(x), -1)
        return learner.predict_proba(flat) if hasattr(learner, "predict_proba") else learner.predict(flat)
    from .train_network import run_network

    return run_network(learner, x, batch=256) if len(x) else np.zeros((0, 1), np.float32)


def _full(values: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Values of the sound rows among zeros for the others."""
    out = np.zeros((len(sound), *values.shape[1:]), values.dtype)
    out[sound] = values
    return out


def _hidden(values: np.ndarray, rows: Rows, name: str, recipe: Recipe) -> np.ndarray:
    if len(values) != len(rows.faults):
        raise ModelError(f"recipe {recipe.name!r} gives {len(values)} values of {name!r} for {len(rows.faults)} rows")
    if rows.sound.all():
        return values
    values = values.astype(float) if values.dtype.kind in "iub" else values.copy()
    values[~rows.sound] = "" if values.dtype.kind in "UT" else np.nan
    return values


def _blocks(scan: xr.Dataset, rows: int | None) -> list[dict[str, slice]]:
    """Stretches of at most so many rows, and of no more numbers than BLOCK; one of all where the scan is short."""
    largest = max((v for v in scan.data_vars.values()), key=lambda v: v.size, default=None)
    along = next((d for d in ROW_AXES if largest is not None and d in largest.dims), None)
    if along is None or largest is None:
        return [{}]
    n = scan.sizes[along]
    step = max(1, min(n, BLOCK * n // max(1, largest.size), n if rows is None or along == "y" else rows))
    return [{along: slice(i, i + step)} for i in range(0, max(n, 1), step)]


def _variable(
    recipe: Recipe, port: Port, named: Answers, rows: Rows, scan: xr.Dataset
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    if port.name not in named:
        raise ModelError(f"recipe {recipe.name!r} promises {port.name!r} and answers {', '.join(named)}")
    values, dims = named[port.name], rows.dims
    shape = tuple(scan.sizes[d] for d in dims)
    extra = tuple(d for d in port.dims if d not in dims)
    return (*dims, *extra), values.reshape((*shape, *values.shape[1:])), {"units": rows.units.get(port.name, port.unit)}


def _coords(model: Model, scan: xr.Dataset, dims: tuple[str, ...]) -> dict[str, Any]:
    """The axes of the answer, and where each row was measured."""
    used = {*dims, *(d for p in model.recipe.gives for d in p.dims)}
    coords: dict[str, Any] = {str(n): c for n, c in scan.coords.items() if set(c.dims) <= used and n in used}
    for name in BESIDE:
        if name in scan.variables and set(scan[name].dims) <= set(dims):
            coords[name] = scan[name].variable.load()
    if "label" in used:
        coords["label"] = ("label", np.array(model.classes), {"units": "1"})
    return coords


# --- judging ----------------------------------------------------------------------------------------------------------


def everybody(model: Model, scan: xr.Dataset) -> tuple[dict[str, Answers], tuple[str, ...]]:
    """What the model, every rival that it learned and every classical baseline say: learner → name → (n, …).

    And why rows cannot be judged, '' for those that can.
    """
    recipe = model.recipe
    rows = _rows(recipe, scan, model.options)
    said = {"model": answers(model, rows)}
    for name, estimator in model.baselines.items():
        rival = recipe.rivals[name]
        values = rival.answer(estimator, _features(recipe, rows)) if rows.sound.any() else np.zeros(0)
        full = _full(values.astype(float), rows.sound)
        full[~rows.sound] = np.nan
        said[name] = {rival.truth: full}
    for name, method in recipe.classical.items():
        said[name] = {k: np.asarray(v) for k, v in method(scan, model.options).items()}
    return said, rows.faults


def score(model: Model, examples: Sequence[Example], real: bool) -> pd.DataFrame:
    """The score table of one model on examples that it has not seen."""
    both = [everybody(model, e.scan) for e in examples]
    said, faults = [s for s, _ in both], [f for _, of in both for f in of]
    left = [f for f in faults if f]
    if len(left) == len(faults):
        raise ModelError(f"none of {len(faults)} {model.recipe.noun} can be judged; the first: {left[0]}")
    if left:
        text = (
            f"{len(left)} of {len(faults)} {model.recipe.noun} cannot be judged and count nowhere; the first: {left[0]}"
        )
        warnings.warn(text, stacklevel=3)
    return _scored(model.recipe, examples, {n: joined([s[n] for s in said]) for n in said[0]}, real)


def _scored(recipe: Recipe, examples: Sequence[Example], said: Mapping[str, Answers], real: bool) -> pd.DataFrame:
    truths = [{k: np.asarray(v) for k, v in e.truth.items()} for e in examples]
    truth = joined(truths)
    sizes = [len(next(iter(t.values()))) for t in truths]
    groups = np.repeat([e.group or str(i) for i, e in enumerate(examples)], sizes)
    rows = [
        found
        for learner, answer in said.items()
        for metric, measure in recipe.measures.items()
        if (found := _measured(learner, metric, measure, truth, answer, groups)) is not None
    ]
    return scoring.table(recipe, rows, real)


def _measured(
    learner: str, metric: str, measure: Callable[..., float], truth: Answers, answer: Answers, groups: np.ndarray
) -> dict[str, Any] | None:
    """One row of the table; nothing where the measure asks for what is not known or not answered."""

    def of(rows: np.ndarray) -> float:
        return measure(Known(truth, rows), Known(answer, rows))

    every = np.arange(len(groups))
    try:
        of(every)
    except NotAnswered:
        return None
    found = cluster_bootstrap(of, groups, every, RESAMPLES)
    return scoring.row(learner, metric, found.value, found.low, found.high, len(groups), groups.tolist())


def cross_validate(
    recipe: Recipe, examples: Sequence[Example], options: dict[str, Any], k: int, seed: int,
    keep: str | Path | None, real: bool, tell: Callable[[str, int, int], object],
) -> pd.DataFrame:  # fmt: skip
    """The score table where every group is answered by a model that learned from the other groups."""
    groups = [e.group or str(i) for i, e in enumerate(examples)]
    parts = folds(groups, [""] * len(groups), k, np.random.default_rng(seed))
    stamp = _stamp(recipe, examples, options, k, seed) if keep else ""
    said: dict[int, dict[str, Answers]] = {}
    for i, (train, test) in enumerate(parts):
        tell(f"fold {i + 1} of {len(parts)}", i, len(parts))
        file = Path(keep) / f"fold-{i + 1}-of-{len(parts)}-{stamp}.npz" if keep else None
        found = _kept(file, test)
        if found is None:
            from .model import Model

            model = Model(recipe, **options).fit([examples[j] for j in train], seed)
            found = {int(j): everybody(model, examples[j].scan)[0] for j in test}
            if file is not None:
                write_whole(file, partial(_save, found=found))
        said |= found
    tell("folds", len(parts), len(parts))
    ordered = [said[j] for j in range(len(examples))]
    learners = [n for n in ordered[0] if all(n in s for s in ordered)]
    return _scored(recipe, examples, {n: joined([s[n] for s in ordered]) for n in learners}, real)


def _save(path: Path, found: Mapping[int, Mapping[str, Answers]]) -> None:
    arrays = {f"{j}|{who}|{name}": v for j, said in found.items() for who, a in said.items() for name, v in a.items()}
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _kept(file: Path | None, test: np.ndarray) -> dict[int, dict[str, Answers]] | None:
    """A fold that was finished before; None where there is none, or it is damaged."""
    if file is None or not file.exists():
        return None
    found: dict[int, dict[str, Answers]] = {}
    try:
        with np.load(file, allow_pickle=False) as kept:
            for key in kept.files:
                j, who, name = key.split("|")
                found.setdefault(int(j), {}).setdefault(who, {})[name] = kept[key]
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
    return found if set(found) == set(test.tolist()) else None


def _stamp(recipe: Recipe, examples: Sequence[Example], options: dict[str, Any], k: int, seed: int) -> str:
    """Names the very question, so that answers kept for another one are never taken for its own."""
    asked = hashlib.sha256(json.dumps([recipe.name, settled(recipe, options), k, seed], default=str).encode())
    for e in examples:
        asked.update(e.group.encode())
        for name in sorted(map(str, e.scan.data_vars)):
            asked.update(np.ascontiguousarray(e.scan[name].values).tobytes())
        for name, values in sorted(e.truth.items()):
            asked.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return asked.hexdigest()[:16]


def are_real(examples: Sequence[Example]) -> bool:
    """Whether all of them were measured."""
    return not any(is_simulated(e.scan) for e in examples)
