"""Which regime has this drying nanoparticle film reached: liquid, holes, cells, labyrinth or islands? Or several?

After Gordon et al., Nano Letters 2020 (reference 142 of the review, doi 10.3762/bjnano.12.66): lattice gases, named by
their Euler number, teach a network that judges scans. There, a denoising autoencoder removes artefacts and scans of
several regimes are found by the disagreement of small windows. Here the network learns from scans with every artefact
in them, and "mixed" is an answer of its own, learnt from films that meet along a smooth boundary. All is simulated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..clean import coarsen, polynomial, rows
from ..core.errors import ModelError
from ..data.augment import RAW_SCAN
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..measure.regime import REGIMES, film_features, regime_of

if TYPE_CHECKING:
    from ..simulate.lattice_gas import Gas

PAPER = "doi 10.3762/bjnano.12.66, reference 142"
MIXED = "mixed"
TRIES = 200  # lattices before giving up; about every second one has the regime that was looked for


def example(rng: np.random.Generator, options: Options) -> Example:
    """A scan of one film, or, as often as the option says, of two that meet; a group of its own."""
    from ..simulate.drying_film import scan_film

    mixed = rng.random() < options["mixed"]
    chosen = rng.choice(len(REGIMES), 2 if mixed else 1, replace=False)
    states, gases = zip(*(state_of(rng, REGIMES[i], options) for i in chosen), strict=True)
    scan = scan_film(rng, states).scan
    scan.attrs |= {
        "regimes": "+".join(REGIMES[i] for i in chosen),
        "gases": json.dumps([asdict(gas) for gas in gases]),  # kT, mu, coverage of each film
        "in_gap": int(any(regime_of(s) is None for s in states)),
    }
    return Example(scan, MIXED if mixed else REGIMES[chosen[0]], group=f"film {rng.integers(2**31)}")


def state_of(rng: np.random.Generator, regime: str, options: Options) -> tuple[np.ndarray, Gas]:
    """A lattice (size, size) that the labelling rule gives this regime, drawn until it does, and its gas.

    Raises ModelError where it never does, on lattices too small to show a regime.
    """
    from ..simulate.drying_film import draw_gas
    from ..simulate.lattice_gas import lattice_gas

    for _ in range(TRIES):
        gas, sweeps = draw_gas(rng, regime)
        state = lattice_gas(rng, gas, size=options["size"], sweeps=sweeps)
        if regime_of(state, gaps=options["gaps"]) == regime:
            return state, gas
    raise ModelError(f"{TRIES} lattices of size {options['size']} and none was {regime!r}; take a larger size")


def network(options: Options) -> Any:
    """Five blocks; each map is kept as its mean and its spread over the scan, since a mixed film differs in places."""
    from ..nets import ConvClassifier

    return ConvClassifier(
        (8, 16, 32, 48, 64), dense=(64,), size=options["tile"], outputs=len(options["classes"]), head="spread",
        norm="batch", dropout=options["dropout"], padding="same",
    )  # fmt: skip


def features(tiles: np.ndarray) -> np.ndarray:
    """(n, 1, y, x) → (n, 11), as named in measure.regime.FILM_FEATURES."""
    return np.stack([film_features(tile[0]) for tile in tiles])


def minkowski_logistic(options: Options) -> Any:
    """The published baseline: a logistic regression on the three scale-independent Minkowski measures."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    three = ColumnTransformer([("minkowski", StandardScaler(), [0, 1, 2])])
    return make_pipeline(three, LogisticRegression(max_iter=2000, class_weight="balanced"))


def forest(options: Options) -> Any:
    """A stronger one: a forest on all eleven features, those that compare the quarters among them."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        options["trees"], min_samples_leaf=4, class_weight="balanced", random_state=options["seed"], n_jobs=1
    )


SEVERAL = 0.17  # probability of `mixed` above which a scan is rejected: both errors alike on 300 scans (docs/regime.md)


def decide(p: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """The verdict of a filter: `mixed` where several regimes are likely enough, else the likeliest single one."""
    if MIXED not in classes:
        return {}
    single = [i for i, name in enumerate(classes) if name != MIXED]
    several = p[classes.index(MIXED)] > SEVERAL
    return {"verdict": MIXED if several else classes[max(single, key=lambda i: p[i])]}


RECIPE = Recipe(
    name="regime",
    question="Which regime has this drying film reached, or does the scan show several?",
    eats=(Port("height", "m", arbitrary=True),),
    gives=(Port("probability", "1", ("label",)),),
    kind="classify",
    classes=(*REGIMES, MIXED),
    example=example,
    clean=(coarsen, polynomial, partial(rows, method="difference")),
    build=network,
    decide=decide,
    scale="own",
    view="whole",  # the lattice knows no length and neither does the answer; "mixed" belongs to a whole scan
    features=features,
    symmetries=RAW_SCAN,
    baselines={"minkowski_logistic": minkowski_logistic, "forest": forest},
    claims=(
        Claim("accuracy", 0.667, PAPER, "'two thirds' of real images of a single regime"),
        Claim("mixed_rejected", 0.83, PAPER, "real images of several regimes, by sub-sampling"),
        Claim("single_passed", 0.74, PAPER, "real images of one regime, by sub-sampling"),
    ),
    options={
        "examples": 2400,
        "epochs": 16,
        "batch": 32,
        "lr": 2e-3,
        "schedule": "cosine",
        "dropout": 0.2,
        "symmetric": True,
        "size": 128,  # lattice sites
        "gaps": False,  # True leaves out states between the classes of the labelling rule
        "mixed": 0.35,  # share of examples in which two films meet
        "trees": 25,
    },
)
