"""Ratings by features, folds dealt again and again: how much is the mean better than the published trees, and is it
kinship?

    python benchmarks/rate_features.py FOLDER [--repeats 5]

Nobody says which rated curves were measured together. So folds are also made of neighbourhoods: curves are dealt to 40
clusters of alike features, and whole clusters are left out; a gain that comes from near copies on both sides is gone
there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import t as student
from sklearn.cluster import KMeans
from sklearn.model_selection import GroupKFold, KFold
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import QuantileTransformer

from sharptip.fit.labelled_ratings import ratings_of
from sharptip.recipes.rate_features import RECIPE, _as_published

CUTS = (3.5, 4.5, 5.5, 6.5)


def answers(x: np.ndarray, y: np.ndarray, parts: list, seed: int) -> dict[str, np.ndarray]:
    """Ratings of every curve by models that did not see it."""
    out = {"three averaged": np.zeros(len(y)), "extra trees, as published": np.zeros(len(y))}
    for train, test in parts:
        for name, build in (("three averaged", RECIPE.build), ("extra trees, as published", _as_published)):
            model = build({**RECIPE.options, "seed": seed}).fit(x[train], y[train])
            out[name][test] = np.clip(model.predict(x[test]), 0, 10)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    found = ratings_of(chosen.folder)
    assert RECIPE.rows is not None
    x = np.concatenate([RECIPE.rows(e.scan, RECIPE.options).numbers[:, 0] for e in found])
    y = np.concatenate([e.truth["rating"] for e in found])
    alike = QuantileTransformer(output_distribution="normal", n_quantiles=200).fit_transform(x)[:, 3:]
    near, which = (v[:, 1] for v in NearestNeighbors(n_neighbors=2).fit(alike).kneighbors(alike))
    closest = near < np.quantile(near, 0.05)
    print(f"{len(y)} curves, {len(np.unique(x, axis=0))} different rows; nearest pair {near.min():.2f} apart, median "
          f"{np.median(near):.2f}; rating of the closest twentieth and of their neighbour differ by "
          f"{np.mean((y - y[which])[closest] ** 2):.2f} in mean square, of all by "
          f"{np.mean((y - y[which]) ** 2):.2f}")  # fmt: skip
    clusters = KMeans(40, n_init=3, random_state=0).fit_predict(alike)
    for title, dealt in (("random folds", None), ("whole neighbourhoods left out", clusters)):
        squares: dict[str, list[float]] = {}
        right: dict[str, list[list[float]]] = {}
        for r in range(chosen.repeats):
            if dealt is None:
                parts = list(KFold(5, shuffle=True, random_state=r).split(x))
            else:
                parts = list(GroupKFold(5, shuffle=True, random_state=r).split(x, groups=dealt))
            for name, p in answers(x, y, parts, r).items():
                squares.setdefault(name, []).append(float(np.mean((p - y) ** 2)))
                right.setdefault(name, []).append([float(np.mean((p > c) == (y > c))) for c in CUTS])
        print(f"\n{title}, 5 parts, {chosen.repeats} times")
        for name, values in squares.items():
            told = " ".join(f"{v:.3f}" for v in np.mean(right[name], axis=0))
            print(f"  {name:28} MSE {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}; right at {CUTS}: {told}")
        gain = np.subtract(squares["extra trees, as published"], squares["three averaged"])
        n = chosen.repeats  # repeats share their curves: Nadeau and Bengio, Mach. Learn. 52, 239 (2003)
        half = student.ppf(0.975, n - 1) * np.sqrt(np.var(gain, ddof=1) * (1 / n + 1 / 4))
        print(f"  gain {gain.mean():.3f} ({gain.mean() - half:.3f} to {gain.mean() + half:.3f}, over repeats)")


if __name__ == "__main__":
    main()
