"""Is this force curve any good, what is wrong with it, and where does the tip touch?

One network looks at the whole approach: it says how likely an expert would keep the curve, rates it 0–10, names the
artefacts it shows, and where contact is, with a standard error. It learns from simulated curves, whose artefacts are
known, or from curves that people have kept, rejected and marked; the questions that those labels leave open go on being
taught by simulated curves then.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from ..fit.curve_rows import CHANNELS, contact_answer, contact_target, cropped, curve_rows, thinned
from ..fit.labelled_curves import curves_of
from ..fit.recipe import Example, Options, Port, Recipe
from ..fit.rows import Answers, Rival, Rows
from ..measure.approach import approach_of
from ..measure.contact_point import FINDERS
from ..measure.curve_errors import (
    accept_auroc,
    contact_median,
    contact_p90,
    modulus_median,
    modulus_p90,
    within_error,
)
from ..measure.curve_view import FACTS, GRID
from ..simulate.curve_faults import KINDS
from ..simulate.force_curves import force_curves

LABELS = tuple(KINDS)
ASIDE = 640  # simulated curves that stand by while real ones are learned from
ENOUGH = 3.5  # rating, times how plain contact is, from which a simulated curve is kept
PLAIN, STEEP = 5.0, 1.5
KEPT, DOUBTFUL = 0.5, 0.15  # probabilities that an expert keeps a curve


def example(rng: np.random.Generator, options: Options) -> Example:
    """Curves of one session, good and bad."""
    d = force_curves(rng, options["curves"], per_session=options["curves"])
    truth = {name: d.truth[name] for name in ("contact", "rating", "kinds")}
    truth["accept"] = (truth["rating"] * plainness(d.scan) >= ENOUGH).astype(float)
    return Example(d.scan, truth, group=f"{rng.integers(2**62)}")


def plainness(scan: xr.Dataset) -> np.ndarray:
    """(n,) between 0 and 1: how plain the contact of each curve is.

    Half, where the variance rises PLAIN times as much at contact as anywhere else. That people keep curves by this
    before all else was read off real labels; docs/rate_curves.md has by how much it closes the gap to them.
    """
    seen = curve_rows(scan)
    other = 4 * features(seen)[:, FACTS.index("next best ratio")]  # the logarithm of the next best ratio over the best
    return np.where(seen.sound, 1 / (1 + np.exp(STEEP * (other + np.log(PLAIN)))), 0.0)


def rows(scan: xr.Dataset, options: Options) -> Rows:
    return curve_rows(scan)


def target(rows: Rows, truth: Answers, options: Options) -> np.ndarray:
    """(n, 3 + kinds): the place of contact, accept, rating as a share of 10, and each kind 0 or 1; NaN: unknown."""
    n = len(rows.faults)
    unknown = np.full(n, np.nan)
    kinds = np.asarray(truth.get("kinds", np.full((n, len(LABELS)), np.nan)), float)
    said = [truth.get("accept", unknown), np.asarray(truth.get("rating", unknown), float) / 10]
    return np.column_stack([contact_target(rows, truth), *said, kinds])


def network(options: Options) -> Any:
    from ..nets import CurveRater

    return CurveRater(CHANNELS, len(FACTS), 2 + len(LABELS), options["widths"], options["dropout"], options.get("seed"))


def loss(output: Any, target: Any) -> Any:
    from ..nets.curve_rater import rater_loss

    return rater_loss(output, target)


def vary(
    numbers: np.ndarray, target: np.ndarray, rng: np.random.Generator, options: Options
) -> tuple[np.ndarray, np.ndarray]:
    """Cropped; beside real curves stand simulated ones, for the rating and the artefacts that nobody told of those."""
    if options["simulated"] and np.isnan(target[:, 2:]).all():
        x, y = _aside(options["curves"])
        some = rng.choice(len(x), min(len(x), round(options["simulated"] * len(numbers))), replace=False)
        numbers, target = np.concatenate([numbers, x[some]]), np.concatenate([target, y[some]])
    return cropped(numbers, target, rng)


@lru_cache(maxsize=1)
def _aside(curves: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulated rows whose contact and acceptance are left to the people who labelled the real ones."""
    options = {"curves": curves}
    found = []
    for seed in range(-(-ASIDE // curves)):
        e = example(np.random.default_rng((seed, 5)), options)
        r = rows(e.scan, options)
        found.append((r.numbers[r.sound], target(r, e.truth, options)[r.sound]))
    x, y = (np.concatenate(part) for part in zip(*found, strict=True))
    y[:, :2] = np.nan
    return x, y.astype(np.float32)


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> Answers:
    assert output is not None  # a network was built
    logits = np.zeros((len(output), 2 + len(LABELS)))  # where no curve can be judged, the network was not asked
    if rows.sound.any():
        logits[rows.sound] = output[rows.sound, GRID:]
    p = 1 / (1 + np.exp(-logits.clip(-60, 60)))
    accept, rating, kinds = p[:, 0], 10 * p[:, 1], p[:, 2:]
    said = {"accept": accept, "rating": rating, "artefact": kinds, "verdict": verdicts(accept, kinds)}
    return said | contact_answer(rows, output)


def verdicts(accept: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """(n,) 'good', 'doubtful' or 'bad', with the most likely artefact where one is likelier than not."""
    plain = np.where(accept >= KEPT, "good", np.where(accept >= DOUBTFUL, "doubtful", "bad")).astype(object)
    worst = kinds.argmax(axis=1)
    named = (kinds.max(axis=1) >= 0.5) & (plain != "good")
    return np.array([f"{v}: {LABELS[w]}" if n else v for v, w, n in zip(plain, worst, named, strict=True)], str)


def features(rows: Rows) -> np.ndarray:
    """(n, facts)."""
    return rows.numbers[:, CHANNELS, : len(FACTS)]


def forest(options: Options) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(200, min_samples_leaf=3, random_state=options["seed"])


def finder(name: str) -> Any:
    """A classical contact point as a baseline that learns nothing."""

    def found(scan: xr.Dataset, options: Options) -> Answers:
        approach = approach_of(scan)
        return {"contact": FINDERS[name](approach), "approach": thinned(approach)}

    return found


CLASSICAL = ("ratio of variances", "goodness of variances", "goodness of fit", "broken line", "line and parabola")

RECIPE = Recipe(
    name="rate_curves",
    question="Is this force curve any good, what is wrong with it, and where does the tip touch?",
    kind="each",
    eats=(
        Port("height", "m", ("sample",)),
        Port("deflection", "m", ("sample",), arbitrary=True),
    ),
    gives=(
        Port("accept", "1", ()),
        Port("rating", "1", ()),
        Port("artefact", "1", ("label",)),
        Port("contact", "m", ()),
        Port("contact_error", "m", ()),
        Port("verdict", "1", ()),
    ),
    classes=LABELS,
    example=example,
    rows=rows,
    target=target,
    build=network,
    loss=loss,
    vary=vary,
    answer=answer,
    features=features,
    rivals={"random forest": Rival("accept", forest)},
    classical={name: finder(name) for name in CLASSICAL},
    measures={
        "accept_auroc": accept_auroc,
        "contact_error_nm median": contact_median,
        "contact_error_nm p90": contact_p90,
        "modulus_error median": modulus_median,
        "modulus_error p90": modulus_p90,
        "contact_within_error": within_error,
    },
    labelled=lambda path, options: curves_of(path, options),
    options={
        "curves": 16, "simulated": 0.25, "start_from": "rate_curves", "widths": (8, 12, 16, 24, 32, 48, 48),
        "examples": 400, "epochs": 14, "batch": 48, "lr": 2e-3,
        "schedule": "cosine", "weight_decay": 0.01, "clip": 5.0, "dropout": 0.2, "half": True,
    },
    apart=True,
    noun="curves",
)  # fmt: skip
