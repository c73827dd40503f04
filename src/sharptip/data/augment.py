"""What may change in a tile without changing its label? Declared by name, applied on the fly.

Symmetries are exact and cost no truth; a recipe declares those that its label has (chirality forbids a mirror; a
raw scan forbids what swaps the fast and the slow axis). Distortions are drawn at random within the ranges named
here. Everything takes and gives tensors (n, c, h, w) of standardised values and an explicit numpy generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SYMMETRIES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "rot90": lambda x: torch.rot90(x, 1, (2, 3)),
    "rot180": lambda x: torch.rot90(x, 2, (2, 3)),
    "rot270": lambda x: torch.rot90(x, 3, (2, 3)),
    "flip_x": lambda x: x.flip(3),
    "flip_y": lambda x: x.flip(2),
    "transpose": lambda x: x.transpose(2, 3),
    "antitranspose": lambda x: x.flip(2).transpose(2, 3).flip(2),
}
REVIEW_SIX = ("identity", "rot90", "rot180", "rot270", "flip_x", "flip_y")  # the review's ×6
RAW_SCAN = ("identity", "rot180", "flip_x", "flip_y")  # keeps the fast axis the fast axis


def apply_symmetries(x: Tensor, which: np.ndarray, names: Sequence[str]) -> Tensor:
    """Each tile under its own symmetry: x (n, c, h, w), which (n,) indices into names."""
    out = x.clone()
    for i, name in enumerate(names):
        chosen = torch.from_numpy(np.flatnonzero(which == i))
        if len(chosen) and name != "identity":
            out[chosen] = SYMMETRIES[name](x[chosen])
    return out


def gain(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Amplitude × 0.8–1.25 and offset ± 0.2 per tile: another cantilever calibration, another levelling."""
    n = len(x)
    factor, offset = rng.uniform(np.log(0.8), np.log(1.25), n), rng.uniform(-0.2, 0.2, n)
    return x * _per_tile(np.exp(factor)) + _per_tile(offset)


def gamma(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Heights stretched where they are high or low: |x|^g with g 0.7–1.4, sign kept."""
    return x.sign() * x.abs() ** _per_tile(rng.uniform(0.7, 1.4, len(x)))


def noise(x: Tensor, rng: np.random.Generator) -> Tensor:
    """White noise of 0–0.2 of the scan's spread."""
    return x + _per_tile(rng.uniform(0, 0.2, len(x))) * torch.from_numpy(rng.standard_normal(x.shape, np.float32))


def line_offsets(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Every scan line shifted by its own height, 0–0.3 of the spread: what the feedback leaves behind."""
    n, c, h, _ = x.shape
    offsets = rng.standard_normal((n, c, h, 1), np.float32)
    return x + _per_tile(rng.uniform(0, 0.3, n)) * torch.from_numpy(offsets)


def streaks(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Up to three scars per tile along the fast axis, 10–40 pixels, ± 0.5–3 of the spread."""
    out = x.clone()
    h, w = x.shape[2:]
    for tile in out:
        for _ in range(rng.integers(0, 4)):
            start, length = int(rng.integers(0, w)), int(rng.integers(10, 41))
            tile[:, int(rng.integers(0, h)), start : start + length] += float(rng.choice([-1, 1]) * rng.uniform(0.5, 3))
    return out


def tilt(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A plane of ± 0.3 of the spread across the tile: levelling is never perfect."""
    h, w = x.shape[2:]
    y, xx = torch.linspace(-1, 1, h)[:, None], torch.linspace(-1, 1, w)[None, :]
    a, b = (_per_tile(rng.uniform(-0.3, 0.3, len(x))) for _ in range(2))
    return x + a * y + b * xx


def blur(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A blunter tip: 3×3 binomial smoothing mixed in by 0–1."""
    k = torch.tensor([0.25, 0.5, 0.25])
    kernel = (k[:, None] * k[None, :]).expand(x.shape[1], 1, 3, 3)
    smooth = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=x.shape[1])
    share = _per_tile(rng.uniform(0, 1, len(x)))
    return (1 - share) * x + share * smooth


def elastic(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Shape distortion by drift and creep: a smooth displacement of 1–3 pixels, affine ± 10 %, zoom 0.8–1.25."""
    n, _, h, w = x.shape
    matrix = np.eye(2)[None] * np.exp(rng.uniform(np.log(0.8), np.log(1.25), (n, 1, 1)))
    matrix = matrix + rng.uniform(-0.1, 0.1, (n, 2, 2))
    theta = np.concatenate([matrix, np.zeros((n, 2, 1))], axis=2).astype(np.float32)
    grid = F.affine_grid(torch.from_numpy(theta), [n, 1, h, w], align_corners=False)
    coarse = torch.from_numpy(rng.standard_normal((n, 2, max(2, h // 24), max(2, w // 24)), np.float32))
    reach = _per_tile(rng.uniform(1, 3, n)) * 2 / torch.tensor([w, h]).view(1, 2, 1, 1)  # pixels → grid units
    bend = F.interpolate(coarse, (h, w), mode="bicubic", align_corners=False) * reach
    return F.grid_sample(x, grid + bend.permute(0, 2, 3, 1), padding_mode="reflection", align_corners=False)


def framing(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Another frame of the same surface: shifted by up to a tenth of it and stretched by up to a tenth, each way."""
    n = len(x)
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, [0, 1], [0, 1]] = np.exp(rng.uniform(-0.1, 0.1, (n, 2)))
    theta[:, :, 2] = rng.uniform(-0.2, 0.2, (n, 2))  # of half a frame
    grid = F.affine_grid(torch.from_numpy(theta), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


DISTORTIONS: dict[str, Callable[[Tensor, np.random.Generator], Tensor]] = {
    f.__name__: f for f in (gain, gamma, noise, line_offsets, streaks, tilt, blur, elastic, framing)
}


def _per_tile(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32)).view(-1, 1, 1, 1)
