"""Which of two kinds is a curve of, by its shape? A small one-dimensional convolutional network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class ShapeSorter(nn.Module):
    """Shapes (n, channels, samples) → log-odds (n, 1).

    kind: 'convolutional' (two convolutions with pooling, then a dense layer) or 'dense' (two layers, a perceptron).
    """

    def __init__(self, channels: int, samples: int, kind: str = "convolutional", width: int = 16, dropout: float = 0.3):
        super().__init__()
        if kind not in ("convolutional", "dense"):
            raise ValueError(f"kind is {kind!r}; it is 'convolutional' or 'dense'")
        self.config: dict[str, Any] = {"kind": "ShapeSorter", "channels": channels, "samples": samples, "layers": kind,
                                       "width": width, "dropout": dropout}  # fmt: skip
        if kind == "dense":
            body: list[nn.Module] = [nn.Flatten(), nn.Linear(channels * samples, 2 * width)]
            last = 2 * width
        else:
            body = [
                nn.Conv1d(channels, width, 7, padding=3), nn.ReLU(), nn.MaxPool1d(2),
                nn.Conv1d(width, 2 * width, 5, padding=2), nn.ReLU(), nn.MaxPool1d(4),
                nn.Flatten(), nn.Linear(2 * width * (samples // 8), 32),
            ]  # fmt: skip
            last = 32
        self.norm = nn.BatchNorm1d(channels * samples)
        self.body = nn.Sequential(*body, nn.ReLU(), nn.Dropout(dropout), nn.Linear(last, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.norm(x.flatten(1)).view_as(x))


def sorter_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy of log-odds (n, 1) against classes 0 and 1 (n, 1), those that are NaN left out."""
    known = ~target.isnan()
    if not known.any():
        return output.sum() * 0
    return F.binary_cross_entropy_with_logits(output[known], target[known])
