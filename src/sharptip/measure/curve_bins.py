"""Means of stretches of many curves at once: a curve of thousands of samples in a hundred numbers and their counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class Sums:
    """Cumulative sums of rows (n, samples), NaN counted as nothing; then the mean of any stretch costs two look-ups."""

    def __init__(self, values: np.ndarray) -> None:
        n, samples = values.shape
        self.start = np.nan_to_num(values[:, :1])  # taken off, so that sums stay small
        self.total = np.zeros((n, samples + 1))
        np.cumsum(np.nan_to_num(values - self.start), axis=1, out=self.total[:, 1:])

    def means(self, edges: np.ndarray) -> np.ndarray:
        """(n, bins) means between sample edges (n, bins + 1); 0 where a bin is empty."""
        at = np.take_along_axis(self.total, edges, axis=1)
        count = np.diff(edges, axis=1)
        return np.where(count > 0, np.diff(at, axis=1) / np.maximum(count, 1) + self.start, 0.0)

    def place(self, value: np.ndarray, length: np.ndarray, coarse: int = 64) -> np.ndarray:
        """(n,) sample at which the rows, which rise, pass a value (n,); to a fraction of a bin of length/coarse."""
        edges = even(np.zeros(len(length)), length.astype(float), coarse)
        mean = self.means(edges)
        i = np.clip((mean < value[:, None]).sum(axis=1) - 1, 0, coarse - 2)[:, None]
        low, high = np.take_along_axis(mean, i, 1)[:, 0], np.take_along_axis(mean, i + 1, 1)[:, 0]
        part = np.divide(value - low, high - low, out=np.zeros(len(low)), where=high > low)
        middle = (edges[:, 1:] + edges[:, :-1]) / 2
        a, b = np.take_along_axis(middle, i, 1)[:, 0], np.take_along_axis(middle, i + 1, 1)[:, 0]
        return np.clip(a + part * (b - a), 0, length)


def even(first: np.ndarray, last: np.ndarray, bins: int) -> np.ndarray:
    """Edges (n, bins + 1) of bins of nearly equal count from sample `first` to `last`, each (n,)."""
    share = np.linspace(0, 1, bins + 1)
    return np.rint(first[:, None] + (last - first)[:, None] * share).astype(np.int64)


@dataclass(frozen=True)
class Binned:
    """n curves in bins: travel x toward the sample and deflection y, both in metres, and the samples in each bin."""

    x: np.ndarray  # (n, bins)
    y: np.ndarray
    count: np.ndarray
    edges: np.ndarray  # (n, bins + 1), in samples


def binned(x: Sums, y: Sums, edges: np.ndarray) -> Binned:
    return Binned(x.means(edges), y.means(edges), np.diff(edges, axis=1).astype(float), edges)
