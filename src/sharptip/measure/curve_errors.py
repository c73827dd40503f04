"""How far answers about force curves are from what people saw: arrays in, one number out. NaN rows do not count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]
HUGE = 1e300
EXPONENT = 2.0  # of force against depth for a cone or a pyramid


def accept_auroc(truth: Arrays, answer: Arrays) -> float:
    """Area under the ROC curve: how often a kept curve is rated above a rejected one (Mann–Whitney)."""
    kept, p = np.asarray(truth["accept"], float), np.asarray(answer["accept"], float)
    known = np.isfinite(kept) & np.isfinite(p)
    good, bad = p[known & (kept > 0.5)], np.sort(p[known & (kept <= 0.5)])
    if not len(good) or not len(bad):
        return float("nan")
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.mean() / 2 / len(bad))


def contact_errors(truth: Arrays, answer: Arrays) -> np.ndarray:
    """(known,) m, how far a contact is from where a person saw it."""
    away = np.abs(np.asarray(answer["contact"], float) - truth["contact"])
    return away[np.isfinite(away)]


def contact_median(truth: Arrays, answer: Arrays) -> float:
    """Median contact error in nm."""
    return _quantile(1e9 * contact_errors(truth, answer), 0.5)


def contact_p90(truth: Arrays, answer: Arrays) -> float:
    """Contact error in nm that nine of ten curves stay below."""
    return _quantile(1e9 * contact_errors(truth, answer), 0.9)


def within_error(truth: Arrays, answer: Arrays) -> float:
    """Share of the curves whose contact is off by no more than its stated standard error; 0.68 were honest."""
    away, stated = np.abs(answer["contact"] - truth["contact"]), answer["contact_error"]
    known = np.isfinite(away) & np.isfinite(stated)
    return float(np.mean(away[known] <= stated[known])) if known.any() else float("nan")


def modulus_errors(truth: Arrays, answer: Arrays) -> np.ndarray:
    """(known,) relative error of the modulus that follows from the contact error: one law, fitted from both contacts.

    answer["approach"] (n, 2, samples): height (m) and deflection. The modulus from our contact over that from the
    person's, minus one, its size; infinite where one of them leaves nothing to fit.
    """
    height, deflection = np.moveaxis(np.asarray(answer["approach"], float), 1, 0)
    ours, theirs = (stiffness(height, deflection, v["contact"]) for v in (answer, truth))
    known = np.isfinite(truth["contact"]) & np.isfinite(answer["contact"])
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(ours / theirs - 1)
    return np.where(np.isfinite(error), error, np.inf)[known]


def stiffness(height: np.ndarray, deflection: np.ndarray, contact: np.ndarray, p: float = EXPONENT) -> np.ndarray:
    """(n,) least-squares a of d − d₀ = a δ^p behind a contact (n,), with d₀ the deflection before it (n, samples).

    δ = (contact − height) − (d − d₀). NaN where nothing, or nothing before, is left; its unit does not matter to a
    ratio of two.
    """
    behind = height < contact[:, None]
    before = ~behind & np.isfinite(height)
    near = before & (before[:, ::-1].cumsum(axis=1)[:, ::-1] <= 5)  # the last ones before contact
    with np.errstate(invalid="ignore", divide="ignore"):
        zero = np.where(near, deflection, 0.0).sum(axis=1) / near.sum(axis=1)
        d = deflection - zero[:, None]
        depth = np.where(behind, np.maximum(contact[:, None] - height - d, 0.0), 0.0) ** p
        return (np.where(behind, d, 0.0) * depth).sum(axis=1) / (depth * depth).sum(axis=1)


def modulus_median(truth: Arrays, answer: Arrays) -> float:
    """Median relative error of the modulus."""
    return _quantile(modulus_errors(truth, answer), 0.5)


def modulus_p90(truth: Arrays, answer: Arrays) -> float:
    """Relative error of the modulus that nine of ten curves stay below."""
    return _quantile(modulus_errors(truth, answer), 0.9)


def _quantile(values: np.ndarray, q: float) -> float:
    if not len(values):
        return float("nan")
    found = float(np.quantile(np.minimum(values, HUGE), q))  # between two infinities there is no number
    return found if found < HUGE / 2 else float("inf")
