"""Is this scan like those the model learnt from? If not, its answer is a guess, however sure it sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ModelError

QUANTILE = 0.99  # of the training scans' own distances, each measured from the others
MOST_FOLDS = 200  # above this many scans (or groups), several are left out at once
FEATURES = ("log roughness", "skewness", "excess kurtosis", "log grain", "log row offsets", "log pixel noise")


@dataclass(frozen=True)
class Reference:
    """A cloud of training scans in a space of features: centre (d,), precision (d, d) of standardised features.

    `threshold` is the distance above which a scan is unlike them. Everything is JSON-able through `as_dict`.
    """

    centre: np.ndarray
    spread: np.ndarray
    precision: np.ndarray
    threshold: float
    n: int

    @classmethod
    def fit(cls, features: np.ndarray, groups: Sequence | np.ndarray | None = None) -> Reference:
        """Learn the cloud from features (n, d); groups (n,) are left out together when the threshold is found.

        The threshold is the 99 % quantile of the distances of scans that were left out, so that one new scan like the
        training scans is called unlike them about once in a hundred (with few scans: about once in n).

        Raises ModelError for fewer than three scans or groups, or features that are not finite.
        """
        features = np.asarray(features, dtype=float)
        if features.ndim != 2 or not np.isfinite(features).all():
            raise ModelError(f"features must be finite numbers of shape (scans, features); got shape {features.shape}")
        names = np.arange(len(features)) if groups is None else np.asarray(groups)
        found, index = np.unique(names, return_inverse=True)
        if len(found) < 3:
            raise ModelError(f"{len(found)} scans or groups are too few to say what is usual; give three or more")
        fold = index % min(len(found), MOST_FOLDS)
        left_out = np.empty(len(features))
        for k in np.unique(fold):
            out = fold == k
            left_out[out] = _distance(features[out], *_cloud(features[~out]))
        return cls(*_cloud(features), float(np.quantile(left_out, QUANTILE, method="higher")), len(features))

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of features (n, d) from the training scans: (n,), about √d for one like them.

        Raises ModelError where the number of features is another.
        """
        features = np.atleast_2d(np.asarray(features, dtype=float))
        if features.shape[1] != len(self.centre):
            raise ModelError(f"{features.shape[1]} features were given; the reference was made of {len(self.centre)}")
        return _distance(features, self.centre, self.spread, self.precision)

    def unlike(self, features: np.ndarray) -> np.ndarray:
        """(n,) True where a scan is further off than the threshold, or its features are not finite."""
        return ~(self.distance(features) <= self.threshold)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        return {
            "centre": self.centre.tolist(),
            "spread": self.spread.tolist(),
            "precision": self.precision.tolist(),
            "threshold": self.threshold,
            "n": self.n,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Reference:
        """The reference that `as_dict` described."""
        centre, spread, precision = (
            np.asarray(stored[name], dtype=float) for name in ("centre", "spread", "precision")
        )
        return cls(centre, spread, precision, float(stored["threshold"]), int(stored["n"]))


def image_features(image: np.ndarray) -> np.ndarray:
    """(y, x) heights → the six numbers named in `FEATURES`; logarithms of lengths are in the unit of the heights.

    Enough to notice another gain, another sample, a torn scan or a blunt tip; pixels that are NaN are left out.
    """
    image = np.asarray(image, dtype=float)
    image = image[np.isfinite(image).any(axis=1)]  # lost lines
    centred = image - np.nanmean(image)
    roughness = float(np.sqrt(np.nanmean(centred**2))) or np.finfo(float).tiny
    scaled = centred / roughness
    rows = float(np.nanstd(np.diff(np.nanmedian(centred, axis=1))))  # jumps from row to row
    steps = float(np.sqrt(np.nanmean(np.diff(centred, axis=1) ** 2)))
    curvature = float(np.nanmedian(np.abs(np.diff(centred, n=2, axis=1))))
    floor = 1e-6 * roughness  # what is smaller than this is numerically nothing
    return np.array(
        [
            np.log(roughness),
            np.nanmean(scaled**3),
            np.nanmean(scaled**4) - 3,
            np.log(roughness / max(steps, floor)),  # in pixels: how far one walks until the height has changed
            np.log(max(rows, floor)),
            np.log(max(curvature, floor)),
        ]
    )


def _cloud(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre, spread and precision of the standardised features."""
    centre, spread = features.mean(axis=0), features.std(axis=0)
    # A feature that never varied counts as varying by a little, so that a new value of it is noticed.
    spread = np.where(spread > 0, spread, np.maximum(1e-6 * np.abs(centre), 1e-12))
    covariance = _shrunk((features - centre) / spread)
    return centre, spread, np.linalg.inv(covariance)


def _shrunk(z: np.ndarray) -> np.ndarray:
    """Covariance of centred rows (n, d), drawn towards a sphere as far as its own noise says.

    Ledoit and Wolf, J. Multivar. Anal. 88, 365 (2004); never less than one part in a thousand, so that it inverts.
    """
    n, d = z.shape
    sample = z.T @ z / n
    sphere = np.eye(d) * np.trace(sample) / d
    off = float(((sample - sphere) ** 2).sum())
    noise = float((np.einsum("ni,ni->n", z, z) ** 2).sum() / n - (sample**2).sum()) / n
    share = 1.0 if off == 0 else min(1.0, max(noise / off, 1e-3))
    return (1 - share) * sample + share * sphere + 1e-9 * np.eye(d)


def _distance(features: np.ndarray, centre: np.ndarray, spread: np.ndarray, precision: np.ndarray) -> np.ndarray:
    z = (features - centre) / spread
    return np.sqrt(np.einsum("ni,ij,nj->n", z, precision, z))
