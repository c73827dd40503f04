"""What of a raw scan is the sample's? Tilt, bow and the level of every line, from a few weights for each pixel.

The network does not paint the answer. It says where it would trust the scan: where the bare substrate is seen, where a
line may be compared with the next, and where a line may be compared with itself some way on. Weighted least squares in
those weights (`levelling`) then gives background and lines, exactly, however high the scan or faint the substrate.

It begins with a levelling and its terraces that were found in another way, where they are given, or else with a rough
one of its own. Each further pass looks at the scan as the one before has levelled it. Every stage also sees each line
as a whole, because what goes wrong with a line goes wrong with all of it. In the end `KernelDenoiser` tells the noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .kernel_denoiser import KernelDenoiser, squeezed
from .levelling import (
    RIDGE,
    Form,
    axis,
    heights_of,
    nearest,
    roughly_level,
    solve,
    split,
    spread,
    standard,
    unless_worse,
)

FOLD = 4  # pixels along x that become channels: lines stay whole, and a step is four times cheaper
SEEN = 10  # pictures of the scan that are shown, see `views`
QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)  # of each line
NEAR = 3  # pixels to either side over which a slope along the line is shown
HEADS = 5  # per pixel: substrate, next line, further on, scar, any terrace
LEAST = 16  # pixels each way that a scan needs
PARTS = ("height", "background", "offsets", "tilts", "noise", "scar", "substrate")
RARE = -5.0  # logit of a scar before anything is known


class Block(nn.Module):
    """Two 3×3 convolutions beside a short cut, and what each line has to say as a whole."""

    def __init__(self, width: int, along: int):
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.lines = Lines(2 * width + along, width)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        inner = F.relu(self.first(F.relu(x)))
        told = self.lines(torch.cat([inner.mean(3), inner.amax(3), known], 1))
        return x + self.second(inner + told[..., None])


class Lines(nn.Module):
    """(n, channels, y) → (n, outputs, y): a line compared with its neighbours up to ten away."""

    def __init__(self, channels: int, outputs: int):
        super().__init__()
        self.near = nn.Conv1d(channels, outputs, 5, padding=2)
        self.far = nn.Conv1d(outputs, outputs, 5, padding=8, dilation=4)

    def forward(self, x: Tensor) -> Tensor:
        return self.far(F.relu(self.near(x)))


class Decomposer(nn.Module):
    """Scans (n, 1, y, x) of any size from 16 pixels on → (n, 7, y, x): the PARTS; x = height + background + lines.

    Or (n, 3, y, x): the scan, what a first levelling took off, and the height of the terrace that each pixel lies on.

    height: without background and lines, scars and noise still in it. background: polynomial of second degree. offsets,
    tilts: of each line, the same for all its pixels; a line is offset + tilt·u. noise: the part of the height that is.
    scar, substrate: probabilities. While it learns, these two are logits, and the answer is that of the last pass or,
    by chance, of an earlier one; the noise is told from a height that does not learn from it. widths: channels of each
    stage, on a quarter of the pixels each.
    """

    def __init__(
        self,
        widths: Sequence[int] = (24, 40, 64, 64),
        passes: int = 2,
        noise: bool = True,
        seed: int | None = None,
    ):
        super().__init__()
        self.widths, self.passes = tuple(widths), passes
        if seed is not None:
            torch.manual_seed(seed)
        along, first = len(QUANTILES), self.widths[0]
        self.stem = nn.Conv2d(SEEN * FOLD, first, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(self.widths, self.widths[1:], strict=False))
        self.inward = nn.ModuleList(Block(w, along) for w in self.widths)
        self.join = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in zip(self.widths, self.widths[1:], strict=False))
        self.outward = nn.ModuleList(Block(w, along) for w in self.widths[:-1])
        self.pixels = nn.Conv2d(first, HEADS * FOLD, 3, padding=1)
        self.gains = Lines(2 * first + along, 3)
        self.denoiser = KernelDenoiser() if noise else None
        with torch.no_grad():
            assert self.pixels.bias is not None
            self.pixels.bias[3 * FOLD : 4 * FOLD] = RARE  # scars are

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        noise = self.denoiser is not None
        return {"kind": "Decomposer", "widths": list(self.widths), "passes": self.passes, "noise": noise}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As any module does; weights that know nothing of noise leave the denoiser as it is."""
        if not any(name.startswith("denoiser.") for name in state_dict):
            mine = {k: v for k, v in self.state_dict().items() if k.startswith("denoiser.")}
            state_dict = {**state_dict, **mine}
        return super().load_state_dict(state_dict, strict, assign)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1 or 3, y, x) → (n, 7, y, x)."""
        if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < LEAST:
            raise ValueError(
                f"scans of shape (n, 1 or 3, y, x) from {LEAST} pixels on are needed, not {tuple(x.shape)}"
            )
        z = x[:, 0]
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            taken, ground = (x[:, 1], x[:, 2]) if x.shape[1] == 3 else (z - roughly_level(z), torch.zeros_like(z))
            size = spread(z - taken)
            heights = heights_of(ground)
            first = Form(*split(taken), heights)
        form = first
        last = int(torch.randint(self.passes, ())) if self.training else self.passes - 1
        for i in range(last + 1):
            with torch.set_grad_enabled(torch.is_grad_enabled() and i == last):
                maps, gains = self.look(z - taken, ground)
                with torch.autocast(x.device.type, enabled=False):
                    form, trust = refined(z - taken - ground, ground, form, size, maps.float(), gains.float())
            if i < last:
                taken = form.image(z.shape[2]).detach()
                ground = nearest(z - taken, form.heights)
        if not self.training:
            form = unless_worse(z, form, first)
        with torch.autocast(x.device.type, enabled=False):
            parts = self.told(z, form, trust, maps.float())
        return torch.cat([parts[:, :4], self.noise(parts)[:, None], parts[:, 4:]], 1)

    def noise(self, parts: Tensor) -> Tensor:
        """(n, y, x): what of the height is noise; zero for a network that is not asked for it."""
        height, scar = parts[:, 0].detach(), parts[:, 4].detach()
        if self.denoiser is None:
            return torch.zeros_like(height)
        return self.denoiser(height, torch.sigmoid(scar) if self.training else scar)

    def look(self, level: Tensor, ground: Tensor) -> tuple[Tensor, Tensor]:
        """Levelled scans and their terraces (n, y, x) → maps (n, HEADS, y, x), gains of the lines (n, 3, y)."""
        w = level.shape[2]
        seen, lines = views(level, ground)
        seen = F.pad(seen, (0, -w % FOLD, 0, 0), mode="replicate")
        x = F.relu(self.stem(fold(seen)))
        kept, known = [], [lines]
        for i, block in enumerate(self.inward):
            if i:
                x = self.down[i - 1](F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False))
                known.append(F.avg_pool1d(known[-1], 2, ceil_mode=True, count_include_pad=False))
            x = block(x, known[i])
            kept.append(x)
        for i in reversed(range(len(self.outward))):
            wide = x.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., : kept[i].shape[2], : kept[i].shape[3]]
            x = self.outward[i](self.join[i](torch.cat([kept[i], wide], 1)), known[i])
        x = F.relu(x)
        gains = self.gains(torch.cat([x.mean(3), x.amax(3), lines], 1))
        return unfold(self.pixels(x))[..., :w], gains

    def told(self, z: Tensor, form: Form, trust: Tensor, maps: Tensor) -> Tensor:
        """The PARTS (n, 6, y, x) but noise of z (n, y, x). Zero is where substrate is seen, and trusted (n, y, x)."""
        substrate, _, _, scar, _ = maps.unbind(1)
        background, offsets, tilts = standard(*form[:3], z.shape[2])
        height = z - background - offsets[..., None] - tilts[..., None] * axis(z.shape[2], z)
        bare = torch.sigmoid(substrate) * trust
        zero = ((bare * height).sum((1, 2)) / (bare.sum((1, 2)) + RIDGE))[:, None, None]
        if not self.training:
            scar, substrate = torch.sigmoid(scar), torch.sigmoid(substrate)
        wide = [v[..., None].expand_as(z) for v in (offsets, tilts)]
        return torch.stack([height - zero, background + zero, *wide, scar, substrate], 1)


def refined(rest: Tensor, ground: Tensor, form: Form, size: Tensor, maps: Tensor, gains: Tensor) -> tuple[Form, Tensor]:
    """The form that follows from what was seen, around the one before, and the trust (n, y, x) in each pixel's level.

    rest: the scan (n, y, x) without what was taken off before and without the terraces `ground` (n, y, x). size: the
    scale (n, 1, 1) on which least squares are solved.
    """
    _, following, further, scar, terrace = maps.unbind(1)
    sound = torch.sigmoid(-scar)
    gain = gains.clamp(-8, 8).exp()[..., None]
    weights = [torch.sigmoid(m) * sound * gain[:, i] for i, m in enumerate((terrace, following, further))]
    on = (ground[:, None] == form.heights[..., None, None]).to(rest.dtype)
    more = solve(rest / size, weights[0], weights[1], weights[2], on)
    return Form(*(a + b * size[:, 0] for a, b in zip(form, more, strict=True))), weights[0]


# How a scan is shown to the network -------------------------------------------------------------------------------


def views(level: Tensor, ground: Tensor) -> tuple[Tensor, Tensor]:
    """(n, SEEN, y, x): a scan in units of its noise and of its spread, and less what it is to be compared with.

    That is its own low end, the median and the low end of each line, the line above, the line itself further on, the
    zero that it has, and the terrace (n, y, x) that a pixel may lie on. Then the quantiles of each line (n, k, y).
    Heights are shown on a scale that is straight for small ones and logarithmic for large ones.
    """
    w = level.shape[2]
    z = level - level.flatten(1).median(1).values[:, None, None]
    size = spread(z)
    along = (z[..., 1:] - z[..., :-1]).abs().flatten(1).median(1).values[:, None, None]
    noise = torch.maximum(along, 1e-3 * size)
    ranked = z.sort(2).values
    of_lines = torch.stack([ranked[..., round(q * (w - 1))] for q in QUANTILES], 1)  # (n, k, y)
    low = of_lines[:, 1].median(1).values[:, None, None]  # of the image, by its lines
    above = F.pad(z[:, 1:] - z[:, :-1], (0, 0, 1, 0))
    on = F.pad(z[..., 2 * NEAR :] - z[..., : -2 * NEAR], (NEAR, NEAR))
    compared = (z, z - low, z - of_lines[:, 3, :, None], z - of_lines[:, 1, :, None], above, on)
    shown = [squeezed(c / noise) / 3 for c in compared]
    more = [squeezed(c / noise) / 3 for c in (level, level - ground, ground)]
    lines = squeezed(of_lines / noise[:, None, :, 0]) / 3
    return torch.stack([*shown, (z / size).clamp(-4, 4), *more], 1), lines


def fold(x: Tensor) -> Tensor:
    """(n, c, y, x) → (n, FOLD·c, y, x/FOLD): neighbours along the line become channels."""
    n, c, h, w = x.shape
    return x.view(n, c, h, w // FOLD, FOLD).permute(0, 1, 4, 2, 3).reshape(n, c * FOLD, h, w // FOLD)


def unfold(x: Tensor) -> Tensor:
    """The inverse of `fold`."""
    n, c, h, w = x.shape
    return x.view(n, c // FOLD, FOLD, h, w).permute(0, 1, 3, 4, 2).reshape(n, c // FOLD, h, w * FOLD)


# How far an answer is from the truth ---------------------------------------------------------------------------------

FLOOR = 1e-5  # of the mean square height: an error below 0.3 % of it is no longer worth learning from
ZERO = 0.1  # weight of the zero: which of several terraces is at zero is a convention
COST = (
    5.0  # mean squares of the height: a pixel that costs more to mistake for a scar, or a scar for it, counts as this
)
SURE = 0.2  # mean squares of the height that every pixel counts for


def decomposition_loss(answer: Tensor, truth: Tensor) -> Tensor:
    """Answers (n, 7, y, x) of a network that learns against the PARTS (n, 7, y, x) → scalar.

    The mean logarithm of each scan's error, so that one per cent better counts the same for every scan, with the zero
    apart; cross-entropy of scars and substrate, and the Dice loss of the scars. A pixel that is taken for a scar, or a
    scar that is not, counts by what that does to the height. Of the noise the share n of its variance that is left, as
    n / (1 + n): scans whose noise nobody can tell from texture do not drown the others.
    """
    u = axis(truth.shape[3], truth)
    height, *true, quiet, scarred, ground = truth.unbind(1)
    level, *found, noise, scar, substrate = answer.unbind(1)
    size = height.flatten(1).var(1) + torch.finfo(truth.dtype).tiny
    off = sum(a - b for a, b in zip(found[:2], true[:2], strict=True)) + (found[2] - true[2]) * u
    zero = off.mean((1, 2))
    shape = 0.5 * torch.log((off - zero[:, None, None]).square().mean((1, 2)) / size + FLOOR).mean()
    zeros = 0.5 * torch.log(zero.square() / size + FLOOR).mean()

    streak = (level + off - height).detach() * scarred  # raw less what is true
    jump = F.pad(height[:, 1:-1] - (height[:, :-2] + height[:, 2:]) / 2, (0, 0, 1, 1)) * (1 - scarred)
    weight = SURE + ((streak.square() + jump.square()) / size[:, None, None]).clamp(max=COST)
    p = torch.sigmoid(scar)
    dice = 1 - (2 * (p * scarred).sum() + 1) / ((p + scarred).sum() + 1)
    marked = 3 * F.binary_cross_entropy_with_logits(scar, scarred, weight) + 0.2 * dice
    bare = F.binary_cross_entropy_with_logits(substrate, ground)

    sound = 1 - scarred
    left = ((noise - quiet).square() * sound).sum((1, 2)) / (quiet.square() * sound).sum((1, 2)).clamp(min=1e-12)
    return shape + ZERO * zeros + marked + 0.3 * bare + (left / (1 + left)).mean()
