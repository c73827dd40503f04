"""Force curves as rows of numbers for a network, and contact points as what it is held against and says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..measure.approach import Approach, approach_of
from ..measure.curve_view import COURSE, FACTS, FEWEST, GRID, contact_of, place_on, view_of
from .rows import Answers, Rows

if TYPE_CHECKING:
    import xarray as xr

CHANNELS = len(COURSE)  # a row of numbers has one channel more, which begins with the facts
KEPT = 64  # samples of each approach that are kept for judging what a contact error does to a modulus


def curve_rows(scan: xr.Dataset) -> Rows:
    """The approaches of a scan (curve, sample), one row each; a deflection in any unit, or a force.

    kept: `height` (n, GRID) m on the grid of the numbers, `approach` (n, 2, KEPT) height (m) and deflection.
    """
    approach = approach_of(scan)
    faults = tuple(why or _too_few(n) for why, n in zip(approach.faults, approach.length, strict=True))
    sound = np.array([not f for f in faults], bool)
    n = len(faults)
    numbers = np.zeros((n, CHANNELS + 1, GRID), np.float32)
    height = np.full((n, GRID), np.nan)
    if sound.any():
        view = view_of(approach.height[sound], approach.deflection[sound], approach.length[sound])
        numbers[sound, :CHANNELS] = view.course
        numbers[sound, CHANNELS, : len(FACTS)] = view.facts
        height[sound] = view.height
    return Rows(numbers, ("curve",), faults, {"height": height, "approach": thinned(approach)})


def _too_few(length: int) -> str:
    return "" if length >= FEWEST else f"{length} samples in its approach; {FEWEST} are needed to see its course"


def thinned(approach: Approach) -> np.ndarray:
    """Denser toward the deep end, where contact is."""
    last = np.maximum(approach.length - 1, 0)[:, None]
    at = (1 - np.linspace(1, 0, KEPT) ** 2) * last
    index = np.rint(at).astype(int)
    return np.stack([np.take_along_axis(v, index, axis=1) for v in (approach.height, approach.deflection)], axis=1)


def contact_target(rows: Rows, truth: Answers) -> np.ndarray:
    """(n, 1) places of contact on the grid, NaN where it is unknown."""
    known = truth.get("contact", np.full(len(rows.faults), np.nan))
    return place_on(rows.kept["height"], np.where(rows.sound, known, np.nan))[:, None]


def contact_answer(rows: Rows, output: np.ndarray) -> Answers:
    """`contact` and `contact_error` (m) from a network's first GRID numbers; `approach` for the measures."""
    contact, error = np.full((2, len(output)), np.nan)
    if rows.sound.any():
        contact[rows.sound], error[rows.sound] = contact_of(output[rows.sound, :GRID], rows.kept["height"][rows.sound])
    return {"contact": contact, "contact_error": error, "approach": rows.kept["approach"]}


def cropped(
    numbers: np.ndarray, target: np.ndarray, rng: np.random.Generator, most: float = 0.35
) -> tuple[np.ndarray, np.ndarray]:
    """Half of the curves lose up to `most` of what comes before contact, and channels are a little stronger or weaker.

    The facts stay those of the whole curve.
    """
    n = len(numbers)
    out = numbers.copy()
    out[:, : CHANNELS - 1] *= 1 + 0.05 * rng.standard_normal((n, CHANNELS - 1, 1), dtype=np.float32)
    first = out[:, CHANNELS - 1].argmax(axis=1)
    before = np.nan_to_num(target[:, 0] - first).clip(0)
    cut = first + (before * most * rng.random(n) * (rng.random(n) < 0.5)).astype(int)
    out[:, :CHANNELS] *= (np.arange(GRID) >= cut[:, None])[:, None]
    return out, target
