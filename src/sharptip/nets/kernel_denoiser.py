"""Which of its neighbours say what a pixel would be without noise? Weights for each pixel, and their mean.

The network does not paint the quiet image. It gives each pixel weights, none below zero and together one, for the 5 × 5
pixels around it and for 24 means over 3 × 3 further out; the quiet height is the mean under these weights. So it lies
between heights that were measured, follows every gain and offset, and `noise` = height − mean. Before it has learned
anything it is a bilateral filter (Tomasi & Manduchi 1998): the network corrects the logarithms of that one's weights.
Predicted kernels: Mildenhall et al. 2018 (Burst denoising with kernel prediction networks).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TOLD = ((1, 2), (1, 4), (0, 1), (0, 2))  # (axis, pixels) of second differences: how they grow tells noise from texture
SHOWN = 7 + len(TOLD) + 1  # pictures of the image, see `pictures`
REACH = 2  # pixels to each side that are weighed one by one
FAR = 3  # pixels between the means over 3 × 3 that are weighed further out
NEAR_ONES, FAR_ONES = (2 * REACH + 1) ** 2, (2 * REACH + 1) ** 2 - 1
ITSELF = NEAR_ONES // 2  # place of the pixel among the near ones
ALIKE = 2.0  # standard deviations of the noise from which on a height counts for little, until the network knows better
FAINT = 1e-3  # of the mean height: less noise than that is none
SAMPLE = 2**13  # differences that are looked at
FIFTH = 0.2533 * 6**0.5  # standard deviations of white noise below which a fifth of its second differences are
MOST = 5.0  # by which a weight's logarithm may be corrected, up or down


class KernelDenoiser(nn.Module):
    """Levelled images (n, y, x) of any size, and how sure a scar is (n, y, x) → their noise (n, y, x).

    widths: channels on a quarter and on a sixteenth of the pixels.
    """

    def __init__(self, widths: Sequence[int] = (32, 48)):
        super().__init__()
        a, b = widths
        self.first = nn.Conv2d(SHOWN * 4, a, 3, padding=1)
        self.inward = Pair(a)
        self.down = nn.Conv2d(a, b, 1)
        self.deep = nn.ModuleList([Pair(b), Pair(b)])
        self.up = nn.Conv2d(a + b, a, 1)
        self.outward = Pair(a)
        self.weights = nn.Conv2d(a, (NEAR_ONES + FAR_ONES) * 4, 1)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(cast(Tensor, self.weights.bias))

    def forward(self, z: Tensor, scar: Tensor) -> Tensor:
        """(n, y, x), (n, y, x) → (n, y, x)."""
        h, w = z.shape[1:]
        x = F.pixel_unshuffle(F.pad(pictures(z, scar), (0, w % 2, 0, h % 2), mode="replicate"), 2)
        x = self.inward(F.relu(self.first(x)))
        deep = self.down(F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False))
        for pair in self.deep:
            deep = pair(deep)
        wide = deep.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., : x.shape[2], : x.shape[3]]
        x = F.relu(self.outward(self.up(torch.cat([x, wide], 1))))
        seen = MOST * torch.tanh(F.pixel_shuffle(self.weights(x), 2)[..., :h, :w].float() / MOST)
        apart = z[:, None] - around(z)
        weights = (seen - (apart / (ALIKE * scale(z)[0][:, None])).square()).softmax(1)
        return (weights * apart).sum(1)


class Pair(nn.Module):
    """Two 3×3 convolutions beside a short cut."""

    def __init__(self, width: int):
        super().__init__()
        self.one, self.two = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(F.relu(self.one(F.relu(x))))


def around(z: Tensor) -> Tensor:
    """(n, y, x) → (n, NEAR_ONES + FAR_ONES, y, x): the heights that a pixel's weights are for."""
    return torch.cat([shifted(z, 1), shifted(box(z, 1), FAR)[:, [k for k in range(NEAR_ONES) if k != ITSELF]]], 1)


def shifted(z: Tensor, apart: int) -> Tensor:
    """(n, y, x) → (n, NEAR_ONES, y, x): the image moved by REACH steps of `apart` pixels each way; edges go on."""
    h, w = z.shape[1:]
    far = REACH * apart
    wide = F.pad(z[:, None], (far, far, far, far), mode="replicate")[:, 0]
    steps = range(0, 2 * far + 1, apart)
    return torch.stack([wide[:, i : i + h, j : j + w] for i in steps for j in steps], 1)


def box(z: Tensor, reach: int) -> Tensor:
    """Mean over (2·reach + 1)² pixels of z (n, y, x); edges go on."""
    wide = F.pad(z[:, None], (reach, reach, reach, reach), mode="replicate")
    across = F.avg_pool2d(wide, (2 * reach + 1, 1), 1)
    return F.avg_pool2d(across, (1, 2 * reach + 1), 1)[:, 0]


def bend(z: Tensor, axis: int, apart: int) -> Tensor:
    """A fifth of the second differences of z (n, y, x) along y (0) or x (1) is below: (n, 1, 1), in units that make it
    the standard deviation of white noise.
    """
    size = z.shape[axis + 1] - 2 * apart
    if size < 1:
        return z.new_zeros(len(z), 1, 1)
    low, middle, high = (z.narrow(axis + 1, k * apart, size) for k in range(3))
    some = (low - 2 * middle + high).abs().flatten(1)
    some = some[:, :: max(1, some.shape[1] // SAMPLE) | 1]
    return some.kthvalue(max(1, some.shape[1] // 5), 1).values[:, None, None] / FIFTH


def scale(z: Tensor) -> tuple[Tensor, Tensor]:
    """About the standard deviation of the noise of z (n, y, x), and the mean height beside it: both (n, 1, 1)."""
    size = (z - z.mean((1, 2), keepdim=True)).abs().mean((1, 2), keepdim=True)
    noise = torch.maximum(bend(z, 1, 1), FAINT * size)
    return torch.where(noise > 0, noise, torch.ones_like(noise)), size


def pictures(z: Tensor, scar: Tensor) -> Tensor:
    """(n, SHOWN, y, x): differences to neighbours and to means around, in units of the noise, and the scars."""
    noise, size = scale(z)
    across = z[:, 1:] - z[:, :-1]
    wide = box(z, 2)
    compared = (
        F.pad(z[..., 1:] - z[..., :-1], (1, 0)), F.pad(across, (0, 0, 1, 0)), z - box(z, 1), z - wide,
        wide - box(wide, 6), z - z.flatten(1).median(1).values[:, None, None],
    )  # fmt: skip
    told = [torch.log((v + FAINT * noise) / noise).expand_as(z) for v in (*(bend(z, *t) for t in TOLD), size)]
    return torch.stack([*(squeezed(c / noise) / 2 for c in compared), scar, *told], 1)


def squeezed(z: Tensor) -> Tensor:
    """The inverse hyperbolic sine, faster than torch's own: straight for small z, then a logarithm."""
    return torch.sign(z) * torch.log(z.abs() + torch.sqrt(z * z + 1))
