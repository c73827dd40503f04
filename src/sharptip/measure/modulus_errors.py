"""How far fitted moduli are from those that are known: arrays in, one number out. Rows of NaN do not count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]


def relative(truth: Arrays, answer: Arrays, name: str = "modulus") -> np.ndarray:
    """(known,) size of answer over truth, minus one; curves that were given no answer count as infinitely wrong."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(np.asarray(answer[name], float) / np.asarray(truth["modulus"], float) - 1)
    return np.where(np.isfinite(error), error, np.inf)[np.isfinite(truth["modulus"])]


def modulus_median(truth: Arrays, answer: Arrays) -> float:
    """Median relative error of the modulus."""
    return quantile(relative(truth, answer), 0.5)


def modulus_p90(truth: Arrays, answer: Arrays) -> float:
    """Relative error of the modulus that nine of ten curves stay below; NaN where one of ten has no answer."""
    return quantile(relative(truth, answer), 0.9)


def apparent_median(truth: Arrays, answer: Arrays) -> float:
    """Median relative error of the modulus that the deepest part alone gives."""
    return quantile(relative(truth, answer, "apparent_modulus"), 0.5)


def modulus_within(truth: Arrays, answer: Arrays) -> float:
    """Share of the answered curves whose true modulus lies in the 95 % interval that is stated."""
    error = np.asarray(answer["modulus_error"], float) / np.asarray(answer["modulus"], float)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(np.log(np.asarray(answer["modulus"], float) / np.asarray(truth["modulus"], float)))
    known = np.isfinite(error) & np.isfinite(away)
    return float(np.mean(away[known] <= 1.96 * error[known])) if known.any() else float("nan")


def quantile(values: np.ndarray, q: float) -> float:
    """A quantile that may lie among the infinite; NaN then."""
    if not len(values):
        return float("nan")
    found = float(np.quantile(values, q, method="lower"))
    return found if np.isfinite(found) else float("nan")
