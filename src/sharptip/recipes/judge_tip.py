"""In what state is the tip, by the look of this STM image?

Several attributes at once, as a crowd rated them on images of H:Si(100): single atoms, dimers or only rows to be seen;
asymmetric features; a tip change; bad or blurry. The published ensembles give one of four states (Gordon et al., Rev.
Sci. Instrum. 90, 103704 (2019)). A person sees what the next one does not, so the truth is a share of raters and the
answer is a probability. Simulated examples are H:Si(100) under tips of every state (`simulate.hydrogen_silicon`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..clean import plane, rows
from ..data.augment import RAW_SCAN
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..measure.frame_features import frame_features
from ..simulate.hydrogen_silicon import ATTRIBUTES, image

PAPER = "Gordon et al., Rev. Sci. Instrum. 90, 103704 (2019)"


def example(rng: np.random.Generator, options: Options) -> Example:
    """One simulated image of H:Si(100), 96 × 96 pixels, with the six attributes of its tip; each its own group."""
    drawn = image(rng)
    return Example(drawn.scan, drawn.attributes, group=f"surface {int(rng.integers(2**31))}")


def flattened(scan: xr.Dataset, *, channel: str) -> xr.Dataset:
    """Heights in metres are levelled and their lines aligned; pictures come like that already, and stay as they are."""
    if scan[channel].attrs.get("units") != "m":
        return scan
    return rows(plane(scan, channel=channel), channel=channel, method="difference")


def network(options: Options) -> Any:
    """A residual network that looks along the scan lines too, one logit per attribute."""
    from ..nets import FrameClassifier

    return FrameClassifier(
        outputs=len(options["classes"]), width=options["width"], blocks=(1, 1, 1, 1), dropout=options["dropout"],
        contrast=options["contrast"], along=options["along"],
    )  # fmt: skip


def forest(options: Options) -> Any:
    """Extremely randomised trees on power spectra, line statistics and slopes."""
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(options["trees"], min_samples_leaf=3, max_features=0.3, random_state=options["seed"])


RECIPE = Recipe(
    name="judge_tip",
    question="In what state is the tip: atoms, dimers or rows to be seen, asymmetric, changed, or bad?",
    eats=(Port("height", "m", arbitrary=True),),
    gives=(Port("probability", "1", ("label",)),),
    kind="rate",
    view="whole",
    classes=ATTRIBUTES,
    example=example,
    clean=(flattened,),
    build=network,
    features=lambda x: frame_features(x[:, 0]),
    symmetries=RAW_SCAN,
    distortions=("framing", "gain"),
    baselines={"forest": forest},
    claims=(
        Claim("macro_auroc", 0.95, PAPER, "four states of H:Si(100), images split at random"),
        Claim("auroc Bad/Blurry", 0.98, PAPER, "good or bad, images split at random"),
        Claim("mean_precision", 0.89, PAPER, "four states of H:Si(100), images split at random"),
    ),
    options={
        "tile": 96, "examples": 4000, "epochs": 20, "batch": 64, "lr": 3e-3, "weight_decay": 0.05, "dropout": 0.2,
        "schedule": "cosine", "precision": "bf16", "members": 3, "symmetric": True, "width": 16,
        "contrast": True, "along": True, "trees": 200,
    },
)  # fmt: skip
