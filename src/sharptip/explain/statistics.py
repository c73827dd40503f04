"""Do two populations differ, by how much, and may they be called alike?

Three answers that are easily taken for one another. A small p-value says that a difference is not chance, not that it
is large; a large p-value says that none was found, not that there is none. For "alike" there is a test of its own,
with a margin said beforehand: `equivalence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import gammaln, ndtri, stdtr, stdtrit

from ..fit.intervals import RESAMPLES, cluster_bootstrap, expanded_percentiles, proportion, wilson

ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """Mean of a minus mean of b. `effect` is Hedges' g: that difference in standard deviations.

    Each `(low, high)` is a 95 % interval. `bootstrap` is only there where groups were given, `n` then counts groups,
    and `shared` says how many groups gave values to both sides.
    """

    difference: float
    difference_interval: tuple[float, float]
    t: float
    dof: float
    p: float
    effect: float
    effect_interval: tuple[float, float]
    n: tuple[int, int]
    bootstrap: tuple[float, float] | None = None
    shared: int = 0


@dataclass(frozen=True)
class Equivalence:
    """Outcome of two one-sided tests; all in the unit of the values, but `margin_sd` in the reference's s.d.

    `interval` holds the difference with 1 − 2α confidence (90 %); the populations are `equivalent` where it lies
    within ±`margin`. `verdict` says in words what was decided and what was not.
    """

    difference: float
    interval: tuple[float, float]
    margin: float
    margin_sd: float
    p: float
    equivalent: bool
    verdict: str
    n: tuple[int, int]


def welch(a: np.ndarray, b: np.ndarray) -> Comparison:
    """Welch's t test of two means with unequal spreads, and how large the difference is.

    t = (m₁ − m₂)/√(s₁²/n₁ + s₂²/n₂) with the Welch–Satterthwaite degrees of freedom. The effect is in units of
    √((s₁² + s₂²)/2), corrected for small samples (Hedges 1981), with an interval that needs no equal spreads (Bonett,
    Psychol. Methods 13, 99 (2008)). Values must be independent; for tiles or donors see `cluster_welch`.

    Raises ValueError for fewer than two values on a side.
    """
    a, b = _sample(a, "a"), _sample(b, "b")
    difference, se, dof = _welch_parts(a, b)
    half = float(stdtrit(dof, 1 - ALPHA / 2)) * se
    t = difference / se if se > 0 else float(np.sign(difference)) * float("inf")
    p = float(2 * stdtr(dof, -abs(t))) if difference or se else 1.0
    effect, spread = _effect(a, b)
    z = float(ndtri(1 - ALPHA / 2)) * spread
    return Comparison(
        difference,
        (difference - half, difference + half),
        t,
        dof,
        p,
        effect,
        (effect - z, effect + z),
        (len(a), len(b)),
    )


def cluster_welch(
    a: np.ndarray,
    groups_a: Sequence | np.ndarray,
    b: np.ndarray,
    groups_b: Sequence | np.ndarray,
    resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> Comparison:
    """Welch's test on the means of groups, so that tiles of one image or images of one donor count once.

    The effect is then in s.d. between groups. `bootstrap` holds the difference of group means when whole groups are
    drawn again; a group that gave values to both sides is drawn for both (Welch's test then is on the safe side).
    """
    means_a, names_a = group_means(a, groups_a)
    means_b, names_b = group_means(b, groups_b)
    plain = welch(means_a, means_b)
    shared = sorted(set(names_a.tolist()) & set(names_b.tolist()), key=str)
    rng = np.random.default_rng(0) if rng is None else rng
    both_a, both_b = _of(shared, means_a, names_a), _of(shared, means_b, names_b)
    only_a, only_b = _without(shared, means_a, names_a), _without(shared, means_b, names_b)
    drawn = np.empty(resamples)
    for i in range(resamples):
        joint = rng.integers(len(shared), size=len(shared)) if shared else np.array([], dtype=int)
        again_a = np.concatenate([both_a[joint], _again(only_a, rng)])
        again_b = np.concatenate([both_b[joint], _again(only_b, rng)])
        drawn[i] = again_a.mean() - again_b.mean()
    bounds = expanded_percentiles(drawn, min(len(means_a), len(means_b)))
    return Comparison(**{**vars(plain), "bootstrap": bounds, "shared": len(shared)})


def equivalence(
    a: np.ndarray,
    b: np.ndarray,
    margin: float,
    groups_a: Sequence | np.ndarray | None = None,
    groups_b: Sequence | np.ndarray | None = None,
    alpha: float = ALPHA,
) -> Equivalence:
    """Is the mean of a within `margin` standard deviations of the mean of the reference b? Two one-sided tests.

    The unit of the margin is the s.d. of the reference's own values (from image to image, also where groups are
    given), so 0.5 reads "no further off than half the usual difference between two reference images". It must be
    chosen before the data are seen. With groups, the tests are on group means, as in `cluster_welch`.
    Source: Schuirmann, J. Pharmacokinet. Biopharm. 15, 657 (1987), with Welch's standard error.

    Raises ValueError for a margin that is not positive, or groups for one side only.
    """
    if not margin > 0:
        raise ValueError(f"the margin is {margin}; it must be a positive number of standard deviations")
    if (groups_a is None) != (groups_b is None):
        raise ValueError("groups were given for one side only; give them for both or for neither")
    width = margin * float(_sample(b, "b").std(ddof=1))
    if groups_a is not None and groups_b is not None:
        a, b = group_means(a, groups_a)[0], group_means(b, groups_b)[0]
    a, b = _sample(a, "a"), _sample(b, "b")
    difference, se, dof = _welch_parts(a, b)
    if se > 0:
        p = float(max(stdtr(dof, -(difference + width) / se), stdtr(dof, (difference - width) / se)))
    else:
        p = 0.0 if abs(difference) < width else 1.0
    half = float(stdtrit(dof, 1 - alpha)) * se
    low, high = difference - half, difference + half
    different = not low <= 0 <= high
    unit = f"{margin:g} s.d. of the reference"
    if p < alpha:
        verdict = f"equivalent within ±{unit}" + (", though a smaller difference is there" if different else "")
    elif different:
        verdict = f"different, and not shown to differ by less than {unit}"
    else:
        verdict = f"undecided: neither a difference nor equivalence within ±{unit} is shown; more groups are needed"
    return Equivalence(difference, (low, high), width, margin, p, bool(p < alpha), verdict, (len(a), len(b)))


def group_means(values: np.ndarray, groups: Sequence | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the values of each group, and the groups' names, sorted."""
    values, groups = np.asarray(values, dtype=float), np.asarray(groups)
    if len(values) != len(groups):
        raise ValueError(f"{len(values)} values and {len(groups)} groups; give one group for each value")
    names, index = np.unique(groups, return_inverse=True)
    return np.bincount(index, values) / np.bincount(index), names


def extrapolate(images: Sequence[float], accuracy: Sequence[float], at: Sequence[float]) -> np.ndarray:
    """Accuracy to be expected `at` larger numbers of training images: 1 − (c + a·n^−b), fitted to a learning curve.

    With fewer than four points the floor c is taken as zero, which flatters; treat the answer as a hope, not a result.
    Raises ValueError for fewer than two points.
    """
    n, error = np.asarray(images, dtype=float), 1 - np.asarray(accuracy, dtype=float)
    if len(n) < 2:
        raise ValueError(f"a learning curve needs two points or more to be followed further; it has {len(n)}")
    with_floor = len(n) >= 4

    def law(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return (theta[2] if with_floor else 0.0) + theta[0] * (x / n[0]) ** -theta[1]

    start = np.array([max(error[0], 1e-3), 0.5, 0.0][: 3 if with_floor else 2])
    upper = [1.0, 3.0, 1.0][: len(start)]
    fitted = least_squares(lambda theta: law(theta, n) - error, np.minimum(start, upper), bounds=(0.0, upper))
    return np.clip(1 - law(fitted.x, np.asarray(at, dtype=float)), 0.0, 1.0)


def _welch_parts(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Difference of means, its standard error and Welch–Satterthwaite degrees of freedom."""
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    total = float(va + vb)
    dof = total**2 / float(va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)) if total > 0 else float(len(a) + len(b) - 2)
    return float(a.mean() - b.mean()), float(np.sqrt(total)), dof


def _effect(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Hedges' g and its standard error."""
    va, vb = float(a.var(ddof=1)), float(b.var(ddof=1))
    square = (va + vb) / 2
    if square == 0:
        return (0.0 if a.mean() == b.mean() else float("inf")), float("nan")
    d = float(a.mean() - b.mean()) / np.sqrt(square)
    na, nb = len(a) - 1, len(b) - 1
    dof = na + nb
    small = float(np.exp(gammaln(dof / 2) - gammaln((dof - 1) / 2)) * np.sqrt(2 / dof)) if dof > 1 else 1.0
    variance = d**2 * (va**2 / na + vb**2 / nb) / (8 * square**2) + (va / na + vb / nb) / square
    return float(small * d), float(np.sqrt(variance))


def _sample(values: np.ndarray, side: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"side {side} has shape {values.shape}; a test of means needs two independent values or more")
    return values


def _of(wanted: list, means: np.ndarray, names: np.ndarray) -> np.ndarray:
    place = {name: i for i, name in enumerate(names.tolist())}
    return means[[place[name] for name in wanted]] if wanted else means[:0]


def _without(unwanted: list, means: np.ndarray, names: np.ndarray) -> np.ndarray:
    return means[~np.isin(names, unwanted)] if unwanted else means


def _again(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(values, len(values)) if len(values) else values


__all__ = [
    "Comparison", "Equivalence", "cluster_bootstrap", "cluster_welch", "equivalence", "extrapolate", "group_means",
    "proportion", "welch", "wilson",
]  # fmt: skip
