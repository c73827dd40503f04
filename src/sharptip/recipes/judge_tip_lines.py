"""In what state is the tip, by the lines scanned so far?

The attributes of `judge_tip`, asked again after every scan line, so that a bad tip costs a few lines and not a frame.
The published network looks at 20 lines at a time (Gordon et al., Mach. Learn. Sci. Technol. 1, 015001 (2020)); ours
remembers all of them and is calibrated line by line, so that its answer after 5 lines is as unsure as it should be.
When to stop, and where the tip changed, is decided on its answers by `measure.stopping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..clean import rows
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..measure.frame_features import line_features
from ..measure.stopping import first_above, stop_line
from ..simulate.hydrogen_silicon import ATTRIBUTES, image

PAPER = "Gordon et al., Mach. Learn. Sci. Technol. 1, 015001 (2020)"


def example(rng: np.random.Generator, options: Options) -> Example:
    """One simulated image of H:Si(100), 96 × 96 pixels, with the six attributes of its tip; each its own group."""
    drawn = image(rng)
    return Example(drawn.scan, drawn.attributes, group=f"surface {int(rng.integers(2**31))}")


def lines_aligned(scan: xr.Dataset, *, channel: str) -> xr.Dataset:
    """Heights in metres lose each line's own median; pictures come like that already, and stay as they are."""
    return rows(scan, channel=channel, method="median") if scan[channel].attrs.get("units") == "m" else scan


def network(options: Options) -> Any:
    """A causal network, one logit per attribute after every line."""
    from ..nets import LineClassifier

    return LineClassifier(outputs=len(options["classes"]), width=options["width"], dropout=options["dropout"])


def forest(options: Options) -> Any:
    """Extremely randomised trees on the statistics of the lines so far; one for each count of lines."""
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(options["trees"], min_samples_leaf=3, max_features=0.3, random_state=options["seed"])


SURE = (0.1, 0.9)  # calibrated probabilities of a bad tip at which nothing more needs to be scanned
CHANGED = 0.5  # probability of a tip change at which an alarm is given


def decide(p: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """After which line the frame is known to be good or bad, and at which line the tip is said to have changed."""
    out: dict[str, Any] = {}
    if "Bad/Blurry" in classes:
        line, bad = stop_line(p[None, :, classes.index("Bad/Blurry")], *SURE)
        out |= {"verdict": "bad" if bad[0] else "good", "stop_line": int(line[0])}
    if "Tip Change" in classes:
        out["change_line"] = int(first_above(p[None, :, classes.index("Tip Change")], CHANGED)[0])
    return out


RECIPE = Recipe(
    name="judge_tip_lines",
    question="In what state is the tip, by the scan lines so far?",
    eats=(Port("height", "m", arbitrary=True),),
    gives=(Port("probability", "1", ("line", "label")),),
    kind="rate",
    view="whole",
    scale="lines",
    lines=(5, 10, 20, 40),
    classes=ATTRIBUTES,
    example=example,
    clean=(lines_aligned,),
    build=network,
    decide=decide,
    features=lambda x: line_features(x[:, 0]),
    symmetries=("identity", "flip_x"),
    distortions=("gain",),
    baselines={"forest": forest},
    claims=(
        Claim("macro_auroc", 0.96, PAPER, "20 of 128 lines, four states, images split at random"),
        Claim("balanced_accuracy", 0.847, PAPER, "20 of 128 lines, four states, images split at random"),
    ),
    options={
        "tile": 96, "examples": 4000, "epochs": 12, "batch": 64, "lr": 3e-3, "weight_decay": 0.05, "dropout": 0.2,
        "schedule": "cosine", "precision": "bf16", "members": 2, "symmetric": True, "width": 16, "trees": 60,
    },
)  # fmt: skip
