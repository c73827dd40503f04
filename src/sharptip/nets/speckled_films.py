"""The networks of the published regime classifier: one names the regime, the other takes speckle off before.

After Gordon et al., Nano Letters 2020, from the public description: 3×3 convolutions with 32 and 64 filters, in pairs,
each pair with pooling and dropout, then 256 neurons; and an autoencoder of 64 and 32 filters for binary images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PairedClassifier(nn.Module):
    """Tiles (n, 1, size, size) → logits (n, outputs). Two convolutions, pooling and dropout, twice; then 256 neurons.

    Almost all weights join the flattened maps to the neurons: 41 million at the published size of 200 pixels.
    Raises ValueError for a size that four does not divide.
    """

    def __init__(self, size: int = 200, outputs: int = 5, dropout: float = 0.25, dense_dropout: float = 0.5):
        super().__init__()
        if size % 4:
            raise ValueError(f"tiles of {size} pixels cannot be halved twice; take a multiple of 4")
        self.maps = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Dropout(dropout),  # (n, 32, size/2, size/2)
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Dropout(dropout),  # (n, 64, size/4, size/4)
        )  # fmt: skip
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(64 * (size // 4) ** 2, 256), nn.ReLU(), nn.Dropout(dense_dropout)
        )
        self.output = nn.Linear(256, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.dense(self.maps(x)))


class SpeckleAutoencoder(nn.Module):
    """Binary tiles (n, 1, h, w) with speckle → the same without, as probabilities 0 to 1; h and w multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.decode = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(64, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.decode(self.encode(x)))
