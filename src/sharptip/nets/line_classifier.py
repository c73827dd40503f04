"""What does the scan show so far? An answer after every line, which no line to come can change.

Convolutions that reach back to earlier lines only, then per line the mean and the maximum along the fast axis, then
dilated convolutions back in time with the mean and the largest value of everything so far (a causal temporal network,
Bai et al., arXiv 1803.01271, in place of the recurrent one of Gordon et al., Mach. Learn. Sci. Technol. 1, 015001
(2020)). A frame that is cut off after any line gives the same answers for the lines it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .frame_classifier import running_mean

CONTRAST = 17  # pixels along a line over which the local mean is taken
DILATIONS = (1, 2, 4, 8)  # lines between those that a convolution back in time compares: 31 lines in all
PAST = 9  # lines, this one included, over which the local spread is taken


class CausalConv2d(nn.Module):
    """3 lines × 3 pixels, this line and the two above it (`dilation` lines apart); group norm would mix lines, so the
    norm is over the maps of each pixel's line alone."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1, kernel: int = 3):
        super().__init__()
        self.above = (kernel - 1) * dilation
        self.conv = nn.Conv2d(inputs, outputs, kernel, (1, stride), (0, kernel // 2), (dilation, 1), bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(F.pad(x, (0, 0, self.above, 0)))))


class LineClassifier(nn.Module):
    """Frames (n, 1, lines, x) → logits (n, lines, outputs), for any number of lines.

    width: maps of the first convolution; twice and four times as many follow. memory: values kept of each line.
    """

    def __init__(self, outputs: int = 1, width: int = 16, memory: int = 96, dropout: float = 0.2,
                 seed: int | None = None):  # fmt: skip
        super().__init__()
        self.outputs, self.width, self.memory, self.dropout = outputs, width, memory, dropout
        if seed is not None:
            torch.manual_seed(seed)
        self.stem = CausalConv2d(2, width, stride=3, kernel=5)
        self.stage1 = CausalConv2d(width, 2 * width, stride=2)
        self.stage2 = CausalConv2d(2 * width, 2 * width, dilation=2)
        self.stage3 = CausalConv2d(2 * width, 4 * width, stride=2, dilation=2)
        self.stage4 = CausalConv2d(4 * width, 4 * width, dilation=4)
        self.line = nn.Conv1d(8 * width, memory, 1)
        self.past = nn.ModuleList([nn.Conv1d(memory, memory, 3, dilation=d) for d in DILATIONS])
        self.drop = nn.Dropout(dropout)
        self.output = nn.Linear(3 * memory, outputs)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {"kind": "LineClassifier", "outputs": self.outputs, "width": self.width, "memory": self.memory,
                "dropout": self.dropout}  # fmt: skip

    def walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every intermediate as (name, tensor): stage1 (n, maps, lines, x/6), …, lines (n, d, lines), output."""
        x = torch.cat([x, line_contrast(x)], 1).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        for name in ("stage1", "stage2", "stage3", "stage4"):
            x = getattr(self, name)(x)
            yield name, x
        h = F.relu(self.line(torch.cat([x.mean(3), x.amax(3)], 1)))  # (n, memory, lines)
        for conv, dilation in zip(self.past, DILATIONS, strict=True):
            h = h + F.relu(conv(F.pad(h, (2 * dilation, 0))))
        number = torch.arange(1, h.shape[2] + 1, device=h.device, dtype=h.dtype)
        so_far = torch.cat([h, h.cummax(2).values, h.cumsum(2) / number], 1)
        yield "lines", so_far
        yield "output", self.output(self.drop(so_far.transpose(1, 2)))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, lines, x) → (n, lines, outputs)."""
        return dict(self.walk(x))["output"]

    def activations(self, x: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Intermediates by name (all, or those asked for). Raises ValueError for an unknown name."""
        found = dict(self.walk(x))
        wanted = list(found) if names is None else list(names)
        if unknown := [n for n in wanted if n not in found]:
            raise ValueError(f"no layer is called {unknown[0]!r}; there are: {', '.join(found)}")
        return {name: found[name] for name in wanted}

    def layer_names(self) -> list[str]:
        """Names that `activations` knows, first layer first."""
        return ["stage1", "stage2", "stage3", "stage4", "lines", "output"]


def line_contrast(x: Tensor) -> Tensor:
    """(n, 1, lines, x) less its local mean along each line, over the spread of the last lines; cut at ± 4."""
    high = x - running_mean(x, CONTRAST, 3)
    square = running_mean(high * high, CONTRAST, 3)
    # the mean over the lines so far, at most PAST of them
    total = F.pad(square.cumsum(2), (0, 0, PAST, 0))
    count = torch.arange(1, x.shape[2] + 1, device=x.device).clamp(max=PAST).view(1, 1, -1, 1)
    spread = ((total[:, :, PAST:] - total[:, :, :-PAST]) / count).clamp(min=0).sqrt()
    return (high / (spread + 0.1)).clamp(-4, 4)
