"""What does the scan show so far? An answer after every line, which no line to come can change.

Convolutions that reach back to earlier lines only, then per line the mean and the maximum along the fast axis, then
dilated convolutions back in time with the mean and the largest value of everything so far (a causal temporal network,
Bai et al., arXiv 1803.01271, in place of the recurrent one of Gordon et al., Mach. Learn. Sci. Technol. 1, 015001
(2020)). A frame that is cut off after any line gives the same answers for the lines it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .frame_classifier import running_mean
from .parts import Walked

CONTRAST = 17  # pixels along a line over which the local mean is taken
DILATIONS = (1, 2, 4, 8)  # lines between those that a convolution back in time compares: 31 lines in all
STEPS = 4  # numbers that say how a line differs from the one above it
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


class LineClassifier(Walked):
    """Frames (n, 1, lines, x) → logits (n, lines, outputs), for any number of lines.

    width: maps of the first convolution; twice and four times as many follow. memory: values kept of each line.
    """

    def __init__(self, outputs: int = 1, width: int = 16, memory: int = 96, dropout: float = 0.2,
                 seed: int | None = None):  # fmt: skip
        super().__init__()
        self.outputs, self.width, self.memory, self.dropout = outputs, width, memory, dropout
        if seed is not None:
            torch.manual_seed(seed)
        self.stem = CausalConv2d(3, width, stride=3, kernel=5)
        self.stage1 = CausalConv2d(width, 2 * width, stride=2)
        self.stage2 = CausalConv2d(2 * width, 4 * width, dilation=2)
        self.stage3 = CausalConv2d(4 * width, 4 * width, stride=2, dilation=2)
        self.stage4 = CausalConv2d(4 * width, 6 * width, dilation=4)
        self.known = nn.BatchNorm1d(STEPS)
        self.line = nn.Conv1d(12 * width + 4 * width + STEPS, memory, 1)
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
        step = F.pad(x[:, :, 1:] - x[:, :, :-1], (0, 0, 1, 0))
        known = self.known(line_steps(x, step))
        x = torch.cat([x, line_contrast(x), step], 1).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        seen = [known]
        for name in ("stage1", "stage2", "stage3", "stage4"):
            x = getattr(self, name)(x)
            yield name, x
            if name in ("stage1", "stage4"):
                seen += [x.mean(3), x.amax(3)]
        h = F.relu(self.line(torch.cat(seen, 1)))  # (n, memory, lines)
        for conv, dilation in zip(self.past, DILATIONS, strict=True):
            h = h + F.relu(conv(F.pad(h, (2 * dilation, 0))))
        number = torch.arange(1, h.shape[2] + 1, device=h.device, dtype=h.dtype)
        so_far = torch.cat([h, h.cummax(2).values, h.cumsum(2) / number], 1)
        yield "lines", so_far
        yield "output", self.output(self.drop(so_far.transpose(1, 2)))

    def layer_names(self) -> list[str]:
        """Names that `activations` knows, first layer first."""
        return ["stage1", "stage2", "stage3", "stage4", "lines", "output"]


def line_steps(x: Tensor, step: Tensor) -> Tensor:
    """(n, STEPS, lines): how far each line is from the one above it, by itself and against the lines so far; how alike
    the two are; how rough the line is along itself."""
    size = step.abs().mean((1, 3)) + 0.01  # (n, lines)
    number = torch.arange(1, size.shape[1] + 1, device=x.device)
    usual = size.cumsum(1) / number
    rough = F.pad(x[..., 1:] - x[..., :-1], (1, 0)).abs().mean((1, 3)) + 0.01
    centred = x - x.mean(3, keepdim=True)
    above = F.pad(centred[:, :, :-1], (0, 0, 1, 0))
    norm = (centred.square().sum(3) * above.square().sum(3)).sqrt() + 1e-3
    alike = ((centred * above).sum(3) / norm).mean(1)
    return torch.stack([size.log(), (size / usual).log(), rough.log(), alike], 1)


def line_contrast(x: Tensor) -> Tensor:
    """(n, 1, lines, x) less its local mean along each line, over the spread of the last lines; cut at ± 4."""
    high = x - running_mean(x, CONTRAST, 3)
    square = running_mean(high * high, CONTRAST, 3)
    # the mean over the lines so far, at most PAST of them
    total = F.pad(square.cumsum(2), (0, 0, PAST, 0))
    count = torch.arange(1, x.shape[2] + 1, device=x.device).clamp(max=PAST).view(1, 1, -1, 1)
    spread = ((total[:, :, PAST:] - total[:, :, :-PAST]) / count).clamp(min=0).sqrt()
    return (high / (spread + 0.1)).clamp(-4, 4)
