"""What does this scan frame show? Residual convolutions that also look along whole scan lines.

A scan is not a photograph: its lines are taken one after another, and what happens to the tip or the feedback happens
to a line and all that follow. Beside the usual mean and maximum over the frame, each stage is therefore averaged along
the fast axis, compared with the lines before and after by a convolution along the slow axis, and its largest and mean
answers are kept. A second input channel, made inside, is the local contrast: faint lattices stay visible beside bright
defects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .parts import Walked

CONTRAST = 17  # pixels over which the local mean and the local spread are taken
FAINTEST = 0.1  # of the frame's mean spread; flatter places are not blown up to full contrast
BRIGHTEST = 4.0  # spreads at which the local contrast is cut
LINE_FEATURES = 32  # of each stage, looked for along the slow axis
ALONG = 5  # lines that one of them compares


class Block(nn.Module):
    """Two 3×3 convolutions and a short cut, halving the map where `stride` is 2 (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.short = nn.Identity() if inputs == outputs and stride == 1 else nn.Sequential(
            nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.first(x)))
        return F.relu(self.norm2(self.second(inner)) + self.short(x))


class FrameClassifier(Walked):
    """Frames (n, channels, y, x) → logits (n, outputs), of any size from 16 pixels on.

    width: maps of the first stage; each later one has twice as many on a quarter of the pixels. blocks: residual blocks
    of each stage. dropout: before the output. contrast, along: whether it sees the local contrast, and looks along the
    lines; without, it is a plain residual network.
    """

    def __init__(
        self,
        channels: int = 1,
        outputs: int = 1,
        width: int = 16,
        blocks: Sequence[int] = (1, 2, 2, 2),
        dropout: float = 0.2,
        contrast: bool = True,
        along: bool = True,
        seed: int | None = None,
    ):
        super().__init__()
        self.channels, self.outputs, self.width = channels, outputs, width
        self.blocks, self.dropout, self.contrast, self.along = tuple(blocks), dropout, contrast, along
        if seed is not None:
            torch.manual_seed(seed)
        self.stem = nn.Conv2d((1 + contrast) * channels, width, 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        widths = [width << k for k in range(len(self.blocks))]
        before = width
        for k, (maps, count) in enumerate(zip(widths, self.blocks, strict=True), 1):
            stage = [Block(before if j == 0 else maps, maps, 2 if k > 1 and j == 0 else 1) for j in range(count)]
            self.add_module(f"stage{k}", nn.Sequential(*stage))
            if along:
                self.add_module(f"lines{k}", nn.Conv1d(maps, LINE_FEATURES, ALONG, padding=ALONG // 2))
            before = maps
        self.drop = nn.Dropout(dropout)
        self.embedding_size = 2 * before + along * 2 * LINE_FEATURES * len(widths)
        self.output = nn.Linear(self.embedding_size, outputs)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {"kind": "FrameClassifier", "channels": self.channels, "outputs": self.outputs, "width": self.width,
                "blocks": list(self.blocks), "dropout": self.dropout, "contrast": self.contrast,
                "along": self.along}  # fmt: skip

    def walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every intermediate as (name, tensor): stage1 (n, width, y/2, x/2), …, embedding (n, d), output."""
        x = torch.cat([x, local_contrast(x)], 1) if self.contrast else x
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.stem_norm(self.stem(x)))
        along = []
        for k in range(1, len(self.blocks) + 1):
            x = getattr(self, f"stage{k}")(x)
            yield f"stage{k}", x
            if self.along:
                seen = F.relu(getattr(self, f"lines{k}")(x.mean(3)))  # (n, LINE_FEATURES, lines)
                along += [seen.amax(2), seen.mean(2)]
        embedding = torch.cat([x.mean((2, 3)), x.amax((2, 3)), *along], 1)
        yield "embedding", embedding
        yield "output", self.output(self.drop(embedding))

    def layer_names(self) -> list[str]:
        """Names that `activations` knows, first layer first."""
        return [*(f"stage{k}" for k in range(1, len(self.blocks) + 1)), "embedding", "output"]


def local_contrast(x: Tensor, side: int = CONTRAST) -> Tensor:
    """Frames (n, c, y, x) less their local mean, divided by their local spread, cut at ± 4."""
    high = x - _local_mean(x, side)
    spread = _local_mean(high * high, side).clamp(min=0).sqrt()
    return (high / (spread + FAINTEST * spread.mean((2, 3), keepdim=True) + 1e-6)).clamp(-BRIGHTEST, BRIGHTEST)


def _local_mean(x: Tensor, side: int) -> Tensor:
    """Mean over a square of `side` pixels, at the edges over what there is of it."""
    return running_mean(running_mean(x, side, 2), side, 3)


def running_mean(x: Tensor, side: int, dim: int) -> Tensor:
    """Mean of the `side` neighbours along one axis, fewer at its ends; by running sums, much faster than pooling."""
    n, at = x.shape[dim], torch.arange(x.shape[dim], device=x.device)
    low, high = (at - side // 2).clamp(min=0), (at + side // 2 + 1).clamp(max=n)
    total = torch.cat([torch.zeros_like(x.narrow(dim, 0, 1)), x.cumsum(dim)], dim)
    shape = [n if d == dim else 1 for d in range(x.ndim)]
    return (total.index_select(dim, high) - total.index_select(dim, low)) / (high - low).view(shape)
