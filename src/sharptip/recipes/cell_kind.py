"""Is this cell healthy or cancerous, judged by the surface parameters of its adhesion map?

The review's example of machine learning without a network (doi 10.3762/bjnano.12.66, after Sokolov et al., PNAS 115,
12920 (2018)): maps of adhesion recorded in ringing mode are cut into four quadrants, each becomes a row of surface
parameters, the rows of a cell are averaged, and a random forest judges the cell. A patient is judged by several cells.

Absolute sizes count, so the scale is learned once and kept ("fixed"). Healthy and cancerous are simulated here; what
is scored on them says that the software works and nothing about cells. Classifying samples by surface parameters of
AFM maps is claimed by US patents 11 506 683 and 11 796 564; whoever uses it for more than research asks a lawyer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import ModelError
from ..data.tiles import four_tiles
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..measure import PARAMETERS, surface_values
from ..simulate.cells import KINDS

PAPER = "doi 10.1073/pnas.1816459115"
SPOILED = 0.5  # relative: a quadrant whose Sq is further from the median of its cell's quadrants is left out

# Sdr needs a length, Std is the way the cell happened to lie.
FEATURES = tuple(name for name in PARAMETERS if name not in ("Sdr", "Std"))


def example(rng: np.random.Generator, options: Options) -> Example:
    """One simulated cell of a patient. All generators spawned from one seed draw from one cohort of patients."""
    from ..simulate.cells import cell

    sequence = rng.bit_generator.seed_seq
    cohort = int(np.random.SeedSequence(sequence.entropy).generate_state(1)[0])  # type: ignore[attr-defined]
    kind = KINDS[int(rng.integers(2))]
    number = int(rng.integers(max(options["patients"] // 2, 1)))
    drawn = cell(rng, kind, patient=(cohort, number), pixels=options["pixels"])
    return Example(drawn.scan, options["classes"][KINDS.index(kind)], drawn.patient)


def cell_features(maps: np.ndarray) -> np.ndarray:
    """Maps (n, 1, y, x) of whole cells → surface parameters (n, len(FEATURES)), averaged over sound quadrants.

    Lengths are in pixels, which the model keeps at the physical size that it was trained at.
    """
    return np.stack([_averaged(four_tiles(image[0].astype(float))) for image in maps])


def _averaged(quadrants: np.ndarray) -> np.ndarray:
    found = [surface_values(q, 1.0) for q in quadrants]
    rows = np.array([[f[name] for name in FEATURES] for f in found])
    sq = rows[:, FEATURES.index("Sq")]
    sound = np.abs(sq - np.median(sq)) <= SPOILED * np.median(sq)
    rows = rows[sound] if sound.any() else rows
    known = np.isfinite(rows)
    return np.where(known, rows, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)  # 0 where no quadrant has it


def learner(options: Options) -> Any:
    """The estimator, or network, that options['learner'] names."""
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier

    trees, seed = options["trees"], options["seed"]
    if options["learner"] == "random forest":
        return RandomForestClassifier(trees, random_state=seed, n_jobs=1)
    if options["learner"] == "extra trees":
        return ExtraTreesClassifier(trees, random_state=seed, n_jobs=1)
    if options["learner"] == "boosting":
        return GradientBoostingClassifier(n_estimators=100, max_depth=2, subsample=0.5, random_state=seed)
    if options["learner"] == "network":
        from ..nets import ConvClassifier

        return ConvClassifier((8, 16, 16, 32), (), size=options["tile"], head="gap", norm="group", dropout=0.3)
    known = "'random forest', 'extra trees', 'boosting' and 'network'"
    raise ModelError(f"recipe 'cell_kind': there is no learner {options['learner']!r}; there are {known}")


def on_one(*names: str) -> Any:
    """A logistic regression that sees these parameters alone."""

    def build(options: Options) -> Any:
        from sklearn.compose import ColumnTransformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        picked = ColumnTransformer([("picked", StandardScaler(), [FEATURES.index(n) for n in names])])
        return make_pipeline(picked, LogisticRegression(max_iter=2000, C=0.1))

    return build


def patient_scores(probability: np.ndarray, patients: np.ndarray, at_least: int) -> tuple[np.ndarray, np.ndarray]:
    """Names (p,) of the patients and the `at_least`-th highest probability among the cells of each.

    "At least m of a patient's cells are above a threshold" is the same as "the m-th highest is": the ROC curve of a
    vote, over all thresholds, is that of this score. Patients with fewer cells are judged by their lowest.
    """
    names = np.unique(patients)
    ranked = [np.sort(probability[patients == name])[::-1] for name in names]
    return names, np.array([r[min(at_least, len(r)) - 1] for r in ranked])


def conformal_sets(calibration: np.ndarray, truth: np.ndarray, score: np.ndarray, error: float = 0.1) -> np.ndarray:
    """Which of the two classes (n, 2) cannot be ruled out for patients of these scores (n,), at this error rate.

    calibration, truth: scores and classes (0 or 1) of patients that the model has not learned from. Split conformal
    prediction, class by class (Vovk, Mach. Learn. 92, 349 (2013)): each class is missed in `error` of cases at most,
    if patients are exchangeable. Both classes left means: undecided.
    """
    left = []
    for kind in (0, 1):
        strange = np.abs(kind - calibration[truth == kind])
        here = np.abs(kind - score)
        p = (1 + (strange[None, :] >= here[:, None]).sum(axis=1)) / (1 + len(strange))
        left.append(p > error)
    return np.stack(left, axis=1)


RECIPE = Recipe(
    name="cell_kind",
    question="Is this cell healthy or cancerous, by the surface parameters of its adhesion map?",
    eats=(Port("adhesion", "N"),),
    gives=(Port("probability", "1", ("label",)),),
    kind="classify",
    classes=KINDS,
    example=example,
    build=learner,
    features=cell_features,
    scale="fixed",
    symmetries=("identity", "flip_x", "flip_y"),
    baselines={"logistic_Sq": on_one("Sq"), "logistic_all": on_one(*FEATURES)},
    claims=(
        Claim("group_accuracy", 0.94, PAPER, "bladder cells from urine, five cells per patient, adhesion"),
        Claim("auroc", 0.97, "follow-up on cell lines", "adhesion; accuracy 0.91"),
    ),
    options={
        "channel": "adhesion",
        "unit": "N",
        "learner": "random forest",
        "trees": 500,
        "tile": 256,
        "pixels": 256,
        "patients": 50,
        "examples": 250,
    },
)
