"""Several networks that answer as one: the mean of their logits, set right by a slope and an offset per output.

Where the networks have an embedding, the ensemble also knows what the frames looked like that it learned from, and can
say how strange a new one is: Mahalanobis distance along the main axes of the first member's embedding (Lee et al.,
NeurIPS 2018), 1 where one in a hundred frames of unseen sessions lies further out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

AXES = 32  # main axes of the embedding that are looked along
USUAL = 0.99  # of the frames that the first member did not learn from are less strange than 1


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
        size = getattr(members[0], "embedding_size", 0)
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("axes", torch.zeros(size, min(AXES, size)))
        self.slope: Tensor
        self.offset: Tensor
        self.centre: Tensor
        self.axes: Tensor

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

    def embed(self, x: Tensor) -> Tensor:
        """(n, …) → (n, d), what the first member makes of the frames before it answers."""
        first: Any = self.members[0]
        return first.activations(x, ["embedding"])["embedding"]

    def know(self, learned: Tensor, unseen: Tensor) -> None:
        """Set centre and axes from embeddings (n, d) of frames that the first member learned from, and their length
        from those (m, d) of frames that it did not."""
        centre = learned.mean(0)
        _, size, axes = torch.linalg.svd(learned - centre, full_matrices=False)
        kept = min(self.axes.shape[1], int((size > 1e-4 * size[0]).sum()))
        scaled = axes[:kept].T * (len(learned) ** 0.5 / size[:kept])
        reach = torch.quantile(((unseen - centre) @ scaled).norm(dim=1), USUAL)
        self.centre.copy_(centre)
        self.axes.zero_()
        self.axes[:, :kept] = (scaled / reach).half().float()  # kept in 16 bits, as the weights are

    def strangeness(self, x: Tensor) -> Tensor:
        """(n, …) → (n,), above 1 for frames unlike those it learned from; zeros where that was never learned."""
        if not len(self.centre):
            return torch.zeros(len(x))
        return ((self.embed(x) - self.centre) @ self.axes).norm(dim=1)
