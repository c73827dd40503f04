"""A resonance out of a spectrum at one glance, or through the formula of the oscillator.

Spectra are (n, 2, bins), real and imaginary part on an even axis x from −1 to 1 over the band, each divided by its root
mean square. Five numbers describe a line there: (log of its height, place x0, log of its width in x, cos φ, sin φ).

- `glance`: the dense network of the review, 2·bins → 256 → 128 → 64 → 5, learned from simulated lines whose numbers are
  known (`line_loss`); Borodinov et al., npj Comput. Mater. 5, 25 (2019).
- `Formula`: convolutions with a long and a short reach; its five numbers are drawn as a line again by `drawn`, and it
  learns from spectra alone that the drawing resembles them (`drawing_loss`); after the physics-constrained autoencoders
  of the package AutoPhysLearn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .dense import DeepNet

NUMBERS = 5  # of a line
RELATIVE = 0.053  # half the band over its middle, where nobody says another: 1.25 to 1.39 MHz


def glance(bins: int) -> nn.Module:
    """(n, 2, bins) → (n, 5)."""
    return nn.Sequential(nn.Flatten(), DeepNet(2 * bins, (256, 128, 64), NUMBERS))


class Formula(nn.Module):
    """(n, 2, bins) → (n, 5), which stay where a line can be: in the band, with a width between a bin and the band."""

    def __init__(self, bins: int):
        super().__init__()
        self.near = nn.Sequential(
            nn.Conv1d(2, 8, 7), nn.SELU(), nn.Conv1d(8, 6, 7), nn.SELU(), nn.Conv1d(6, 4, 5), nn.SELU(),
            nn.AdaptiveAvgPool1d(64),
        )  # fmt: skip
        self.near_dense = nn.Sequential(
            nn.Flatten(), nn.Linear(256, 64), nn.SELU(), nn.Linear(64, 32), nn.SELU(), nn.Linear(32, 20), nn.SELU()
        )
        wide: list[nn.Module] = [nn.MaxPool1d(2)]
        for pool in (16, 8, 4):
            for _ in range(2):
                wide += [nn.Conv1d(4, 4, 5, padding=2), nn.SELU()]
            wide.append(nn.AdaptiveAvgPool1d(pool))
        self.wide = nn.Sequential(*wide, nn.Flatten())
        self.numbers = nn.Sequential(nn.Linear(36, 16), nn.SELU(), nn.Linear(16, 8), nn.SELU(), nn.Linear(8, NUMBERS))
        self.narrowest = 2.0 / bins

    def forward(self, x: Tensor) -> Tensor:
        seen = self.near(x)  # (n, 4, 64)
        z = self.numbers(torch.cat([self.near_dense(seen), self.wide(seen)], dim=1))  # (n, 5)
        low, high = torch.tensor([self.narrowest, 2.0]).log()
        width = low + (high - low) * torch.sigmoid(z[:, 2])
        return torch.stack([z[:, 0], 1.1 * torch.tanh(z[:, 1]), width, z[:, 3], z[:, 4]], dim=1)


def drawn(numbers: Tensor, bins: int, relative: float = RELATIVE) -> Tensor:
    """The line (n, 2, bins) of five numbers (n, 5): height · e^{iφ} / (Q (ρ² − 1) − iρ), `physics.oscillator.shape`."""
    height, place, width = numbers[:, :1].exp(), numbers[:, 1:2], numbers[:, 2:3].exp()
    direction = nn.functional.normalize(numbers[:, 3:5], dim=1)
    x = torch.linspace(-1, 1, bins, device=numbers.device)
    ratio = (1 + relative * x) / (1 + relative * place)  # f/f0
    quality = (1 + relative * place) / (relative * width)
    a = quality * (ratio * ratio - 1)
    size = height / (a * a + ratio * ratio)
    real, imaginary = a * size, ratio * size
    cos, sin = direction[:, :1], direction[:, 1:]
    return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=1)


def line_loss(numbers: Tensor, truth: Tensor) -> Tensor:
    """Mean squared difference of the five numbers; those that nobody knows (NaN) are left out."""
    known = ~truth.isnan()
    return ((numbers - truth.nan_to_num())[known] ** 2).mean()


def drawing_loss(numbers: Tensor, spectra: Tensor) -> Tensor:
    """Mean squared difference of the drawn line and the spectrum (n, 2, bins) that it was seen in."""
    return ((drawn(numbers, spectra.shape[-1]) - spectra) ** 2).mean()
