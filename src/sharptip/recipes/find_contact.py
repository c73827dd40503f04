"""Where does the tip touch? The contact point of force curves, and how sure that is.

Nothing rests on the unit of the deflection: volts, metres or numbers without a unit give the same answer. It learns
from simulated curves on everything from cells to mica, or from curves on which people have marked the contact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..fit.curve_rows import CHANNELS, contact_answer, contact_target, cropped, curve_rows
from ..fit.labelled_curves import curves_of
from ..fit.recipe import Example, Options, Port, Recipe
from ..fit.rows import Answers, Rows
from ..measure.approach import approach_of
from ..measure.contact_point import FINDERS
from ..measure.curve_errors import contact_median, contact_p90, within_error
from ..measure.curve_view import FACTS, GRID
from ..simulate.curve_faults import KINDS
from ..simulate.force_curves import force_curves


def example(rng: np.random.Generator, options: Options) -> Example:
    """Curves of one session, good and bad, and where the tip touched."""
    d = force_curves(rng, options["curves"], per_session=options["curves"])
    return Example(d.scan, {"contact": d.truth["contact"]}, group=f"{rng.integers(2**62)}")


def rows(scan: xr.Dataset, options: Options) -> Rows:
    return curve_rows(scan)


def target(rows: Rows, truth: Answers, options: Options) -> np.ndarray:
    return contact_target(rows, truth)


def network(options: Options) -> Any:
    """As rate_curves builds it, so that each can start from the other; only contact is learned and told."""
    from ..nets import CurveRater

    return CurveRater(CHANNELS, len(FACTS), 2 + len(KINDS), options["widths"], seed=options.get("seed"))


def loss(output: Any, target: Any) -> Any:
    from ..nets.curve_rater import contact_loss

    return contact_loss(output[:, :GRID], target[:, 0])


def vary(
    numbers: np.ndarray, target: np.ndarray, rng: np.random.Generator, options: Options
) -> tuple[np.ndarray, np.ndarray]:
    return cropped(numbers, target, rng)


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> Answers:
    assert output is not None  # a network was built
    return contact_answer(rows, output)


def finder(name: str) -> Any:
    """A classical contact point as a baseline that learns nothing."""
    return lambda scan, options: {"contact": FINDERS[name](approach_of(scan))}


RECIPE = Recipe(
    name="find_contact",
    question="Where does the tip touch?",
    kind="each",
    eats=(
        Port("height", "m", ("sample",)),
        Port("deflection", "m", ("sample",), arbitrary=True),
    ),
    gives=(Port("contact", "m", ()), Port("contact_error", "m", ())),
    example=example,
    rows=rows,
    target=target,
    build=network,
    loss=loss,
    vary=vary,
    answer=answer,
    classical={name: finder(name) for name in FINDERS},
    measures={
        "contact_error_nm median": contact_median,
        "contact_error_nm p90": contact_p90,
        "contact_within_error": within_error,
    },
    labelled=lambda path, options: curves_of(path, options),
    options={
        "curves": 16, "start_from": "rate_curves", "widths": (8, 12, 16, 24, 32, 48, 48),
        "examples": 200, "epochs": 8, "batch": 48, "lr": 2e-3,
        "schedule": "cosine", "weight_decay": 0.01, "clip": 5.0, "half": True,
    },
    apart=True,
    noun="curves",
)  # fmt: skip
