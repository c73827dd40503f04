"""Tiles → batches: shuffled anew each epoch, changed on the fly, the same for the same generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .augment import DISTORTIONS, apply_symmetries


@dataclass(frozen=True)
class Batches:
    """What the training loop calls at each epoch: `batches(epoch, rng)` → (x, y) of at most `size` tiles.

    x: (n, c, h, w) float32; y: (n, ...) float32. With copies="all" every tile appears once under each declared
    symmetry (the review's ×6: 400 tiles are 2400 per epoch); with copies="one" each tile appears once, under a
    symmetry drawn at random. `limit` stops an epoch after so many batches.
    """

    x: Tensor
    y: Tensor
    size: int = 24
    symmetries: Sequence[str] = ("identity",)
    distortions: Sequence[str] = ()
    copies: str = "all"
    limit: int | None = None

    def __len__(self) -> int:
        """Batches per epoch."""
        n = len(self.x) * (len(self.symmetries) if self.copies == "all" else 1)
        whole = -(-n // self.size)
        return whole if self.limit is None else min(whole, self.limit)

    def __call__(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        n, k = len(self.x), len(self.symmetries)
        if self.copies == "all":
            order = rng.permutation(n * k)
            tile, symmetry = order // k, order % k
        else:
            tile, symmetry = rng.permutation(n), rng.integers(0, k, n)
        for b in range(len(self)):
            part = slice(b * self.size, (b + 1) * self.size)
            chosen = torch.from_numpy(tile[part])
            x = apply_symmetries(self.x[chosen], symmetry[part], self.symmetries)
            for name in self.distortions:
                x = DISTORTIONS[name](x, rng)
            yield x, self.y[chosen]
