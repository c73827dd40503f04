"""What loops have in common, and which belong together: principal components, and clusters of their scores.

The linear analysis of Neumayer et al., Nanoscale Adv. 2, 2063 (2020): every loop image is a vector, the vectors of a
map are centred, their thin singular value decomposition gives components and scores, and scores are clustered. The
number of clusters is the one of the least Bayesian information criterion of Gaussian mixtures with full covariance;
k-means begins the mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST = 8  # clusters that are tried
_RIDGE = 1e-3  # of a cluster's variance, relative to that of all scores
_TURNS = 60


@dataclass(frozen=True)
class Principal:
    """mean (m,), components (k, m), variance (k,) of the scores, and `total` of the data."""

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    total: float

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """(n, m) → (n, k)."""
        return (vectors - self.mean) @ self.components.T

    @property
    def explained(self) -> np.ndarray:
        """(k,) share of the variance."""
        return self.variance / self.total if self.total > 0 else np.zeros_like(self.variance)


def principal(vectors: np.ndarray, k: int = 10) -> Principal:
    """The k largest components of vectors (n, m); fewer where there are fewer. Signs: the largest entry is positive."""
    mean = vectors.mean(0)
    centred = vectors - mean
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    k = min(k, len(s))
    sign = np.sign(vt[np.arange(k), np.abs(vt[:k]).argmax(1)])
    n = max(len(vectors) - 1, 1)
    return Principal(mean, vt[:k] * sign[:, None], s[:k] ** 2 / n, float((s**2).sum() / n))


def clusters(scores: np.ndarray, rng: np.random.Generator, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """(labels (n,) from 0, largest cluster first; criterion (most,) for 1, 2 … clusters) of scores (n, k)."""
    spread = scores.std(0)
    z = scores / np.where(spread > 0, spread.max(), 1.0)
    most = max(1, min(most, len(z) // (2 * z.shape[1] + 2)))
    tried = [_mixture(z, k, rng) for k in range(1, most + 1)]
    criterion = np.array([c for _, c in tried])
    labels = tried[int(criterion.argmin())][0]
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels], criterion


def _mixture(z: np.ndarray, k: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """(labels, Bayesian information criterion) of k Gaussians, by expectation and maximisation from k-means."""
    n, d = z.shape
    share = np.eye(k)[_k_means(z, k, rng)]
    ridge = _RIDGE * float(z.var(0).mean() + 1e-12)
    total = -np.inf
    for _ in range(_TURNS):
        weight = share.sum(0) + 1e-9
        mean = (share.T @ z) / weight[:, None]
        logs = np.empty((n, k))
        for j in range(k):
            off = z - mean[j]
            covariance = (share[:, j, None] * off).T @ off / weight[j] + ridge * np.eye(d)
            lower = np.linalg.cholesky(covariance)
            white = np.linalg.solve(lower, off.T)
            logs[:, j] = np.log(weight[j] / n) - 0.5 * (white**2).sum(0) - np.log(np.diag(lower)).sum()
        logs -= 0.5 * d * np.log(2 * np.pi)
        top = logs.max(1, keepdims=True)
        per = top[:, 0] + np.log(np.exp(logs - top).sum(1))
        share = np.exp(logs - per[:, None])
        if per.sum() - total < 1e-4 * n:
            break
        total = per.sum()
    free = k * (1 + d + d * (d + 1) / 2) - 1
    return share.argmax(1), float(free * np.log(n) - 2 * per.sum())


def _k_means(z: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Labels (n,): Lloyd's turns from k-means++ places, the best of three."""
    best, least = np.zeros(len(z), int), np.inf
    for _ in range(3):
        places = z[rng.integers(len(z))][None]
        for _ in range(k - 1):
            far = ((z[:, None] - places) ** 2).sum(2).min(1)
            total = far.sum()
            chosen = rng.choice(len(z), p=far / total) if total > 0 else rng.integers(len(z))
            places = np.concatenate([places, z[chosen][None]])
        for _ in range(25):
            distance = ((z[:, None] - places) ** 2).sum(2)
            labels = distance.argmin(1)
            places = np.stack([z[labels == j].mean(0) if (labels == j).any() else places[j] for j in range(k)])
        if distance.min(1).sum() < least:
            best, least = labels, float(distance.min(1).sum())
    return best
