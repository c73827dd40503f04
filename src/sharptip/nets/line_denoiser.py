"""What would this pixel be, told by everything but its own scan line? Convolutions that are blind by construction.

The noise of a scanning probe image is of one piece along the line, because pixels of a line follow each other in time,
and new on the next line. A network that never sees the line it is asked about cannot learn that line's noise, however
far it reaches, and so can be taught by the noisy line itself, at every pixel at once. Each convolution here looks
upwards only; the image and its mirror image go through the same weights, so that the lines above and the lines below
are both seen (the half planes of Laine et al., NeurIPS 2019, of which a line leaves two). Other looks at the same
place, such as the way back or the frames before and after, have noise of their own and are seen whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

MISSING = 0.1  # how often each other look is hidden while learning, and how often all are: an answer must do without
LEAST, MOST = -10.0, 8.0  # logarithm of the variance that can be said, in units of the scan's own spread
SHARE = 0.5  # between the mean square error (1) and the likelihood (0); Seitzer et al., ICLR 2022


class LineDenoiser(nn.Module):
    """(n, 1 + beside, y, x) → (n, 2, y, x): a guess at the first channel, and by how much it will miss that, as it is.

    The channels after the first are the other looks, zero where there is none. width: maps of each layer; dilations: of
    each layer that looks upwards after the first.
    """

    def __init__(
        self, beside: int = 0, width: int = 16, dilations: Sequence[int] = (1, 1, 2, 4), seed: int | None = None
    ):
        super().__init__()
        self.beside, self.width, self.dilations = beside, width, tuple(dilations)
        if seed is not None:
            torch.manual_seed(seed)
        self.first = _Upwards(1, width, 1)
        self.layers = nn.ModuleList(_Upwards(width, width, d) for d in self.dilations)
        if beside:
            self.others = nn.Conv2d(beside, width, 3, padding=1)
            self.others_layers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in (1, 2))
        self.together = nn.Conv2d(width * (3 if beside else 2), 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)
        self.last = nn.Conv2d(width, 2, 1)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {"kind": "LineDenoiser", "beside": self.beside, "width": self.width, "dilations": list(self.dilations)}

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1 + beside, y, x) → (n, 2, y, x): the guess and its standard deviation."""
        seen = [self._lines_above_and_below(x[:, :1])]
        if self.beside:
            other = _bent(self.others(x[:, 1:]))
            for layer in self.others_layers:
                other = other + _bent(layer(other))
            seen.append(other)
        out = self.last(_bent(self.narrow(_bent(self.together(torch.cat(seen, dim=1))))))
        return torch.cat([out[:, :1], (0.5 * out[:, 1:].clamp(LEAST, MOST)).exp()], dim=1)

    def _lines_above_and_below(self, own: Tensor) -> Tensor:
        """(n, 1, y, x) → (n, 2·width, y, x), where no line has seen itself."""
        both = torch.cat([own, own.flip(2)])
        maps = _bent(self.first(both))
        for layer in self.layers:
            maps = maps + _bent(layer(maps))
        maps = F.pad(maps, (0, 0, 1, 0))[:, :, :-1]  # one line further down: from here on a line is not in its own maps
        above, below = maps.chunk(2)
        return torch.cat([above, below.flip(2)], dim=1)


class _Upwards(nn.Module):
    """3 × 3 weights on a line and the two lines `dilation` and 2·`dilation` above it."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.dilation, self.weights = dilation, nn.Conv2d(inputs, outputs, 3, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        d = self.dilation
        return self.weights(F.pad(x, (d, d, 2 * d, 0)))


def _bent(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


def some_hidden(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Tiles (n, 1 + beside, y, x) with some of the other looks at zero, and the tiles (n, 1, y, x) to be guessed."""
    n, others = len(x), x.shape[1] - 1
    hidden = (rng.random((n, others)) < MISSING) | (rng.random((n, 1)) < MISSING)
    seen = x.copy()
    seen[:, 1:][hidden] = 0
    return seen, x[:, :1]


def denoising_loss(answer: Tensor, noisy: Tensor) -> Tensor:
    """−log likelihood of (n, 1, y, x) under a normal distribution of mean and deviation `answer` (n, 2, y, x).

    Each pixel's share is weighted by its deviation: where the guess is poor the mean must still be learned (β = 0.5).
    """
    mean, deviation = answer[:, :1], answer[:, 1:]
    missed = ((noisy - mean) / deviation).square()
    return ((deviation.log() + 0.5 * missed) * deviation.detach().pow(2 * SHARE)).mean()
