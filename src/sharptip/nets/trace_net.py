"""Which state is each frame of a trace in, and is the trace worth keeping? Three networks that answer alike.

Traces (n, 3, frames): the first channel, the second (0 where there is one only), and 1 where a frame was taken. Answers
(n, 1 + classes, frames): the logit of keeping the trace, the same at every frame, then the logits of each class.

- TraceLSTM: two bidirectional layers of 64, a head per frame and one on the whole trace, as AutoSiM's recurrent network
  (Li et al., Nat. Commun. 11, 5833 (2020)).
- ScatterNet: the trace as a picture, 64 × 64, of how often each pair of numbers occurred (donor and acceptor; a number
  and the next one where there is one channel), then 16, 32 and 64 maps and their means. It knows no frames.
- TraceTCN: dilated convolutions over about 500 frames, and the mean, the spread and the largest value of every map over
  the whole trace for what no window shows, such as how many states there are (after Bai et al., arXiv 1803.01271).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DILATIONS = (1, 2, 4, 8, 16, 32, 64, 1, 4, 16)
PICTURE = 64  # pixels each way
REACH = 2.0  # of the picture, either way, in the units of the trace
LIMIT = 8.0  # beyond which a number only says that it is large


class TraceTCN(nn.Module):
    """(n, 3, frames) → (n, 1 + classes, frames); width: maps of every layer."""

    def __init__(self, classes: int = 5, width: int = 48, dropout: float = 0.1, seed: int | None = None):
        super().__init__()
        self.classes, self.width, self.dropout = classes, width, dropout
        if seed is not None:
            torch.manual_seed(seed)
        self.stem = nn.Conv1d(3, width, 5, padding=2)
        self.blocks = nn.ModuleList([_Block(width, d) for d in DILATIONS])
        self.whole = nn.Linear(3 * width, width)
        self.drop = nn.Dropout(dropout)
        self.keep = nn.Linear(width, 1)
        self.frame = nn.Sequential(nn.Conv1d(2 * width, width, 1), nn.ReLU(), nn.Conv1d(width, classes, 1))

    @property
    def config(self) -> dict[str, Any]:
        return {"kind": "TraceTCN", "classes": self.classes, "width": self.width, "dropout": self.dropout}

    def forward(self, x: Tensor) -> Tensor:
        x, taken = _limited(x)
        h = F.relu(self.stem(x)) * taken
        for block in self.blocks:
            h = block(h, taken)
        whole = F.relu(self.whole(pooled(h, taken)))  # (n, width)
        beside = torch.cat([h, whole[:, :, None].expand_as(h)], 1)
        return _answer(self.keep(self.drop(whole)), self.frame(beside))


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.near = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, h: Tensor, taken: Tensor) -> Tensor:
        return (h + self.mix(F.relu(self.norm(self.near(h))))) * taken


class TraceLSTM(nn.Module):
    """(n, 3, frames) → (n, 1 + classes, frames); width: of each direction of both layers."""

    def __init__(self, classes: int = 5, width: int = 64, dropout: float = 0.1, seed: int | None = None):
        super().__init__()
        self.classes, self.width, self.dropout = classes, width, dropout
        if seed is not None:
            torch.manual_seed(seed)
        self.memory = nn.LSTM(3, width, num_layers=2, bidirectional=True, batch_first=True, dropout=dropout)
        self.frame = nn.Conv1d(2 * width, classes, 1)
        self.keep = nn.Sequential(nn.Linear(6 * width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1))

    @property
    def config(self) -> dict[str, Any]:
        return {"kind": "TraceLSTM", "classes": self.classes, "width": self.width, "dropout": self.dropout}

    def forward(self, x: Tensor) -> Tensor:
        x, taken = _limited(x)
        h = self.memory(x.transpose(1, 2))[0].transpose(1, 2) * taken  # (n, 2 · width, frames)
        return _answer(self.keep(pooled(h, taken)), self.frame(h))


class ScatterNet(nn.Module):
    """(n, 3, frames) → (n, 1 + classes, frames); classes are all alike, for a picture knows no frames."""

    def __init__(self, classes: int = 5, dropout: float = 0.1, seed: int | None = None):
        super().__init__()
        self.classes, self.dropout = classes, dropout
        if seed is not None:
            torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for above, here in ((2, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(above, here, 3, padding=1), nn.BatchNorm2d(here), nn.ReLU(), nn.MaxPool2d(2)]
        self.maps = nn.Sequential(*layers)
        self.keep = nn.Sequential(nn.Dropout(dropout), nn.Linear(64, 1))

    @property
    def config(self) -> dict[str, Any]:
        return {"kind": "ScatterNet", "classes": self.classes, "dropout": self.dropout}

    def forward(self, x: Tensor) -> Tensor:
        keep = self.keep(self.maps(pictures(x)).mean((2, 3)))
        return _answer(keep, x.new_zeros(len(x), self.classes, x.shape[2]))


def pictures(x: Tensor) -> Tensor:
    """(n, 3, frames) → (n, 2, PICTURE, PICTURE): how often pairs of numbers occurred, on a root scale with a maximum
    of 1.

    The second map is 1 all over where the pairs are of two channels, 0 where they are of neighbours in time.
    """
    n = len(x)
    two = (x[:, 1] != 0).any(1)
    after = torch.cat([x[:, 0, 1:], x[:, 0, -1:]], 1)
    other = torch.where(two[:, None], x[:, 1], after)
    taken = x[:, 2] * torch.where(two[:, None], x[:, 2], torch.cat([x[:, 2, 1:], torch.zeros_like(x[:, 2, :1])], 1))
    at = [((v / REACH + 1) * PICTURE / 2).long().clamp(0, PICTURE - 1) for v in (x[:, 0], other)]
    counts = x.new_zeros(n, PICTURE * PICTURE).scatter_add_(1, at[1] * PICTURE + at[0], taken)
    root = (counts / counts.amax(1, keepdim=True).clamp(min=1)).sqrt().view(n, 1, PICTURE, PICTURE)
    return torch.cat([root, two.to(x.dtype)[:, None, None, None].expand_as(root)], 1)


def pooled(h: Tensor, taken: Tensor) -> Tensor:
    """(n, maps, frames) → (n, 3 · maps): mean, spread and largest value over the frames that were taken."""
    count = taken.sum(2).clamp(min=1)
    mean = (h * taken).sum(2) / count
    variance = ((h - mean[:, :, None]).square() * taken).sum(2) / count
    most = h.masked_fill(taken == 0, -1e4).amax(2).clamp(min=-1e3)
    return torch.cat([mean, (variance + 1e-6).sqrt(), most], 1)


def trace_loss(answer: Tensor, target: Tensor) -> Tensor:
    """answer (n, 1 + classes, frames) against target (n, 2, frames): whether to keep the trace, and the class of each
    frame; NaN is unknown."""
    keep, state = target[:, 0, 0], target[:, 1]
    said = torch.isfinite(keep)
    loss = F.binary_cross_entropy_with_logits(answer[said, 0, 0], keep[said]) if said.any() else answer.sum() * 0
    known = torch.isfinite(state)
    if not known.any():
        return loss
    logits = answer[:, 1:].transpose(1, 2)[known]
    return loss + F.cross_entropy(logits, state[known].long())


def _limited(x: Tensor) -> tuple[Tensor, Tensor]:
    taken = x[:, 2:3]
    return torch.cat([x[:, :2].clamp(-LIMIT, LIMIT) * taken, taken], 1), taken


def _answer(keep: Tensor, frames: Tensor) -> Tensor:
    return torch.cat([keep[:, :, None].expand(-1, 1, frames.shape[2]), frames], 1)
