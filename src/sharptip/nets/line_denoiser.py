"""What would this pixel be without its noise? A small stack of dilated convolutions that can learn without a truth.

The noise of a scanning probe image is correlated along the line, because pixels of a line follow each other in time,
and white down the columns. A network that is blind to one pixel alone reads its noise off the neighbours and keeps it
(Broaddus et al., ISBI 2020). Here it is blind to a run of pixels along the line, and asked for the middle of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHARE = 0.02  # of the pixels are asked for at a time


class LineDenoiser(nn.Module):
    """(n, 1, y, x) → the same without noise, for any size. width: maps of each layer; dilations: of each layer."""

    def __init__(self, width: int = 24, dilations: Sequence[int] = (1, 2, 4, 2, 1), seed: int | None = None):
        super().__init__()
        self.width, self.dilations = width, tuple(dilations)
        if seed is not None:
            torch.manual_seed(seed)
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in self.dilations)
        self.last = nn.Conv2d(width, 1, 1)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {"kind": "LineDenoiser", "width": self.width, "dilations": list(self.dilations)}

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, y, x) → (n, 1, y, x)."""
        x = F.leaky_relu(self.first(x), 0.1)
        for layer in self.layers:
            x = x + F.leaky_relu(layer(x), 0.1)
        return self.last(x)


def blinded(x: np.ndarray, rng: np.random.Generator, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles (n, 1, y, x) with runs hidden, and (n, 2, y, x): the tiles themselves, and 1 where the network is asked.

    A run is the pixel that is asked for and `reach` pixels to either side; it shows a piece of a line nearby instead.
    """
    n, _, h, w = x.shape
    asked = rng.random((n, h, w)) < SHARE
    hidden = asked.copy()
    for d in range(1, reach + 1):
        hidden[..., d:] |= asked[..., :-d]
        hidden[..., :-d] |= asked[..., d:]
    up, along = rng.integers(1, 3, (n, h, w)) * rng.choice([-1, 1], (n, h, w)), rng.integers(-2, 3, (n, h, w))
    rows = np.arange(h)[:, None] + up
    rows = np.where((rows < 0) | (rows >= h), np.arange(h)[:, None] - up, rows)  # at the edge, from the other side
    columns = np.clip(np.arange(w) + along, 0, w - 1)
    other = x[np.arange(n)[:, None, None], 0, np.clip(rows, 0, h - 1), columns]
    seen = np.where(hidden, other, x[:, 0])[:, None]
    return seen, np.concatenate([x, asked[:, None].astype(x.dtype)], axis=1)


def denoising_loss(answer: Tensor, truth: Tensor) -> Tensor:
    """Mean square error against (n, 1, y, x), or against (n, 2, y, x) where the second channel is 1."""
    if truth.shape[1] == 1:
        return F.mse_loss(answer, truth)
    asked = truth[:, 1:]
    return ((answer - truth[:, :1]).square() * asked).sum() / asked.sum().clamp(min=1)
