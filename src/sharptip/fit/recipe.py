"""A question, written down: what is eaten, what is given, how examples are made, how the answer is learned.

A recipe is a frozen record on one page. It decides; `fit.model.Model` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ModelError

if TYPE_CHECKING:  # a recipe can be listed without waiting for xarray
    from pathlib import Path

    import xarray as xr

    from .rows import Rival, Rows

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Port:
    """A channel that goes in or comes out: its name, SI unit and axes.

    arbitrary: it may also come in 'arb', as pictures without a height scale do; only for recipes whose answer does not
    depend on the size of the numbers. number: what a network that restores says of it: its "value" on the scan's own
    scale, a "difference" of values, or a "plain" number such as a probability.
    """

    name: str
    unit: str
    dims: tuple[str, ...] = ("y", "x")
    arbitrary: bool = False
    number: str = "value"


@dataclass(frozen=True)
class Claim:
    """A published number to be held beside ours: metric, value, where it was printed, what it rests on."""

    metric: str
    value: float
    source: str
    note: str = ""


@dataclass(frozen=True)
class Example:
    """A scan with its truth. `group` is what must not be split between learning and judging.

    truth: a class name ('classify'); a scan of the recipe's outputs ('restore'); the share of people, 0–1, who saw each
    attribute, by its name ('rate'), of `raters` people; arrays by name with an entry for each row ('each'), NaN where
    nobody knows. beside: other looks at the same place, for a recipe that has them; None where one is missing.
    """

    scan: xr.Dataset
    truth: Any
    group: str = ""
    raters: int = 1
    beside: tuple[xr.Dataset | None, ...] = ()


_KNOWN = {
    "kind": ("classify", "rate", "restore", "each"),
    "scale": ("own", "fixed", "lines"),
    "view": ("tiles", "whole"),
}


@dataclass(frozen=True)
class Recipe:
    """One application on one page.

    kind      'classify': tiles of a fixed size are judged and averaged; truth is one of `classes`.
              'rate': several attributes at once, `classes` by name, each between 0 and 1; a truth may be the soft
              vote of several people. With `lines`, the network answers after every scan line.
              'restore': the whole scan goes through; truth is a scan with the variables of `gives`.
              'each': each row of a scan (curve, spectrum, loop, trace) is a question; see the slots below.
    view      'tiles': a scan is cut into tiles at the pixels of the training; 'whole': it is brought to one tile,
              for questions that belong to a whole frame.
    eats      channels the recipe needs, by name, unit and axes; missing ones are refused by name.
    gives     what an answer holds.
    example   (rng, options) → Example, simulated.
    clean     steps (scan, channel=name) → scan, run on every channel that is eaten, before anything else.
    build     options → network or scikit-learn estimator. A network gets tiles (n, channels, tile, tile), or whole
              scans for 'restore'; an estimator gets `features(tiles)` rows, one per tile.
    scale     'own': each scan's own robust spread, multiplied back for restorations; 'fixed': learned once from the
              training scans and kept with their range, so that `predict` can warn outside it; 'lines': each line by
              what the scanner had seen until then, so that an answer never rests on lines to come.
    loss      'auto', the name of one, or (answer, truth) → scalar on tensors.
    least     pixels each way that a scan must have.
    itself    (tiles, rng, options) → what the network sees and what it is held against, drawn anew for every batch; for
              a recipe that restores and learns from what it is to restore. A truth is then for judging alone.
    first     ('restore': the channel (y, x) as it came, options) → images (y, x) of a first answer that the network is
              shown beside the channel and starts from, and for each what `Port.number` says. Missing pixels are NaN in
              the channel only.
    beside    (place, sizes, options) → places of other looks at what a scan shows there (the other direction, frames
              before and after), None where there is none; a place says where on each axis that repeats. The network
              sees them as further channels, brought onto the first.
    doubts    (the channel (y, x) as it came, answers by name, options) → why not to believe an answer, '' if nothing
              speaks against it; kept in the attribute `doubts`, a JSON list with a text for each frame.
    finish    ('restore': the channel (y, x) as it came, answers by name, options) → answers by name, for what follows
              from the others exactly; missing pixels are NaN in the channel.
    decide    (probabilities, classes) → plain values that follow from them (a verdict, a line at which to stop), kept
              in the attributes of an answer.
    baselines name → options → estimator, learned beside the model on the same features.
    options   every option with its default; there are no others.

    For 'each' (`build` may give None: then nothing is learned, and `predict` needs no `fit`):

    rows      (scan, options) → Rows. It refuses by name what it cannot eat (`rows.needed`); the axes of a port in
              `eats` are those that it goes along.
    target    (rows, truth, options) → (n, …) numbers, which `loss` holds against a network's; NaN where unknown.
    answer    (rows, a network's numbers (n, …) or None, options) → name → (n, …) in SI units, for every port of
              `gives`; the axes of such a port are those beyond the rows' own.
    vary      (numbers, target, rng, options) → the same, changed at random for every batch in the place of distortions.
    rivals    name → Rival that learns one truth from `features(rows)` (n, k).
    classical name → (scan, options) → name → (n, …): baselines that learn nothing.
    measures  name → (truths by name, answers by name) → number. One that asks for what a learner does not say is left
              out for it. A name with a space, 'error median', is nested in the JSON of a score.
    labelled  (path, options) → examples: the layout in which people bring labels for it.
    apart     the rows know nothing of each other, so that all cores may answer a long scan, block by block.
    noun      what a row is called, in the plural.
    """

    name: str
    question: str
    eats: tuple[Port, ...]
    gives: tuple[Port, ...]
    build: Callable[[Options], Any]
    kind: str = "classify"
    classes: tuple[str, ...] = ()
    example: Callable[[np.random.Generator, Options], Example] | None = None
    clean: tuple[Callable[..., xr.Dataset], ...] = ()
    loss: str | Callable[[Any, Any], Any] = "auto"
    scale: str = "own"
    view: str = "tiles"
    lines: tuple[int, ...] = ()
    least: int = 1
    itself: Callable[[np.ndarray, np.random.Generator, Options], tuple[np.ndarray, np.ndarray]] | None = None
    finish: Callable[[np.ndarray, dict[str, np.ndarray], Options], dict[str, np.ndarray]] | None = None
    first: Callable[[np.ndarray, Options], list[tuple[np.ndarray, str]]] | None = None
    beside: Callable[[Mapping[str, int], Mapping[str, int], Options], list[dict[str, int] | None]] | None = None
    doubts: Callable[[np.ndarray, dict[str, np.ndarray], Options], str] | None = None
    features: Callable[[Any], np.ndarray] | None = None
    decide: Callable[[np.ndarray, Sequence[str]], dict[str, Any]] | None = None
    symmetries: tuple[str, ...] = ("identity",)
    distortions: tuple[str, ...] = ()
    baselines: Mapping[str, Callable[[Options], Any]] = field(default_factory=dict)
    claims: Sequence[Claim] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: Callable[[xr.Dataset, Options], Rows] | None = None
    target: Callable[[Rows, dict[str, np.ndarray], Options], np.ndarray] | None = None
    answer: Callable[[Rows, np.ndarray | None, Options], dict[str, np.ndarray]] | None = None
    vary: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None
    rivals: Mapping[str, Rival] = field(default_factory=dict)
    classical: Mapping[str, Callable[[xr.Dataset, Options], Mapping[str, np.ndarray]]] = field(default_factory=dict)
    measures: Mapping[str, Callable[..., float]] = field(default_factory=dict)
    labelled: Callable[[Path, Options], list[Example]] | None = None
    apart: bool = False
    noun: str = "rows"

    def __post_init__(self) -> None:
        for slot, known in _KNOWN.items():
            if getattr(self, slot) not in known:
                choice = " or ".join(map(repr, known))
                raise ModelError(f"recipe {self.name!r}: {slot} is {getattr(self, slot)!r}; it is {choice}")
        if self.kind == "classify" and len(self.classes) < 2:
            raise ModelError(f"recipe {self.name!r}: a classifier names two classes at least")
        if self.kind == "rate" and not self.classes:
            raise ModelError(f"recipe {self.name!r}: name the attributes it rates, in `classes`")
        if self.kind == "each" and (self.rows is None or self.answer is None):
            raise ModelError(f"recipe {self.name!r}: answers each row, and does not say `rows` and `answer`")
        if not self.eats or not self.gives:
            raise ModelError(f"recipe {self.name!r}: name what it eats and what it gives")

    def on_channel(self, options: Options) -> Recipe:
        """The same recipe eating the channel that its options name, for recipes that leave the choice to the user."""
        if "channel" not in options:
            return self
        old, name, unit = self.eats[0], options["channel"], options["unit"]
        eats = (replace(old, name=name, unit=unit), *self.eats[1:])
        if self.kind in ("classify", "rate"):
            return replace(self, eats=eats)
        gives = (replace(p, unit=unit) if p.unit == old.unit else p for p in self.gives)
        return replace(self, eats=eats, gives=tuple(replace(p, name=name) if p.name == old.name else p for p in gives))


# Options that every recipe has, because the one loop and the one door into it have them.
COMMON: dict[str, Any] = {
    "examples": 200,  # simulated examples when no real ones are given
    "fresh": False,  # as many new ones in every epoch, for recipes that restore
    "epochs": 20,
    "batch": 24,
    "lr": 1e-3,
    "tile": 128,  # pixels; what a network sees at once while it learns
    "precision": "fp32",
    "clip": None,  # the largest norm that a step's gradient may have
    "half": False,  # the weights are rounded to 16 bits in the end, and the file is half as large
    "processes": 1,  # on this machine, through torch's DistributedDataParallel
    "members": 1,  # networks of an ensemble, each learned without one part of the groups and calibrated on that part
    "symmetric": False,  # an answer is the mean over the scan's symmetric copies
    "schedule": "constant",  # of the learning rate over the epochs; or "cosine"
    # the review's remedies against over-fitting, one plain argument each; a smaller model is the recipe's own option
    "augment": True,  # the symmetries and distortions that the recipe declares
    "dropout": 0.0,  # share of the dense neurons silenced at each step
    "weight_decay": 0.0,  # penalty on the weights, decoupled from the gradient
    "patience": None,  # early stopping: epochs without a better validation loss, then back to the best
    "stop_at_accuracy": None,  # the review's rule is 0.96 of training accuracy
    "start_from": None,  # transfer: a saved model (.sharptip), or the name of one that ships: its weights to begin with
    "freeze": None,  # transfer: the first layer that still learns, e.g. "conv4"; those before it are kept
}


def settled(recipe: Recipe, given: Options) -> dict[str, Any]:
    """All options of a recipe, defaults under what was given. Raises ModelError for one that does not exist."""
    known = {**COMMON, "classes": recipe.classes, **recipe.options}
    for name in given:
        if name not in known:
            raise ModelError(f"recipe {recipe.name!r} has no option {name!r}; it has {', '.join(sorted(known))}")
        _checked(recipe.name, name, given[name], known[name])
    return {**known, **given}


CHOICES = {"schedule": ("constant", "cosine"), "precision": ("fp32", "bf16")}
AT_LEAST = {"epochs": 1, "batch": 1, "tile": 1, "examples": 1, "processes": 1, "patience": 1, "trees": 1, "members": 1}


def _checked(recipe: str, name: str, value: Any, default: Any) -> None:
    """Refuse a number where none belongs, a text where a number does, and numbers that cannot mean anything."""
    if isinstance(default, bool) and not isinstance(value, bool):
        raise ModelError(f"recipe {recipe!r}: option {name!r} is {value!r}; it is true or false")
    if name in CHOICES and value not in CHOICES[name]:
        raise ModelError(f"recipe {recipe!r}: option {name!r} is {value!r}; it is {' or '.join(CHOICES[name])}")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = isinstance(default, int) and not isinstance(default, bool)
    if number and not (math.isfinite(value) and (not whole or float(value).is_integer())):
        kind = "a whole number" if whole else "a number"
        raise ModelError(f"recipe {recipe!r}: option {name!r} is {value!r}; it is {kind}, such as {default!r}")
    if name == "dropout" and number and not 0 <= value < 1:
        raise ModelError(
            f"recipe {recipe!r}: option 'dropout' is {value!r}; it is a share of neurons, from 0 to below 1"
        )
    if isinstance(default, int | float) and not isinstance(default, bool) and not number:
        raise ModelError(f"recipe {recipe!r}: option {name!r} is {value!r}; it is a number, such as {default!r}")
    if isinstance(default, str) and not isinstance(value, str) and (name != "start_from" or value is not None):
        raise ModelError(f"recipe {recipe!r}: option {name!r} is {value!r}; it is a text, such as {default!r}")
    if number and (value < AT_LEAST.get(name, 0) or (name == "lr" and value <= 0)):
        raise ModelError(
            f"recipe {recipe!r}: option {name!r} is {value!r}; it is {AT_LEAST.get(name, 'above 0')} or more"
        )
