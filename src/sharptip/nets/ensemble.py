"""Several networks that answer as one: the mean of their logits, set right by a slope and an offset per output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """(n, …) → (n, outputs), or (n, lines, outputs) of networks that answer after every line.

    logit = slope · mean(logits of the members) + offset. `slope` and `offset` are buffers, (outputs,) or (lines,
    outputs); they are 1 and 0 until `calibrate` sets them. A scan of more lines than were calibrated takes the last.
    """

    def __init__(self, members: Sequence[nn.Module], shape: Sequence[int]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("slope", torch.ones(*shape))
        self.register_buffer("offset", torch.zeros(*shape))
        self.slope: Tensor
        self.offset: Tensor

    def calibrate(self, slope: Any, offset: Any) -> None:
        """Set both from arrays of the shape they have."""
        self.slope.copy_(torch.as_tensor(slope))
        self.offset.copy_(torch.as_tensor(offset))

    def forward(self, x: Tensor) -> Tensor:
        mean = torch.stack([member(x) for member in self.members]).mean(0)
        slope, offset = self.slope, self.offset
        if slope.ndim == 2:  # (lines, outputs)
            line = torch.arange(mean.shape[1], device=mean.device).clamp(max=len(slope) - 1)
            slope, offset = slope[line], offset[line]
        return slope * mean + offset
