"""What of a raw scan is the sample's? Tilt, bow and the level of every line, from a few weights for each pixel.

The network does not paint the answer. It says where it would trust the scan: where the bare substrate is seen, where a
line may be compared with the next, and where a line may be compared with itself some way on. Weighted least squares in
those weights then gives background and lines, exactly, however high the scan or faint the substrate:

    Σ w0·(z − b)²  +  Σ w1·(z(y+1) − z(y) − b(y+1) + b(y))²  +  Σ w2·(z(x+l) − z(x) − b(x+l) + b(x))²  →  least
    b = o(y) + t(y)·u + c1·u + c2·u·v + c3·u²          u, v from −1 to 1 along x and y

Two passes: the second looks at the scan as the first has levelled it. Every stage also sees each line as a whole,
because what goes wrong with a line goes wrong with all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FOLD = 4  # pixels along x that become channels: lines stay whole, and a step is four times cheaper
SEEN = 7  # pictures of the scan that are shown, see `views`
QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)  # of each line
NEAR = 3  # pixels to either side over which a slope along the line is shown
HEADS = 4  # per pixel: substrate, next line, further on, scar
LAG = 8  # a line is compared with itself an eighth of its length further on
LEAST = 16  # pixels each way that a scan needs
PARTS = ("height", "background", "offsets", "tilts", "scar", "substrate")
RARE = -5.0  # logit of a scar before anything is known
RIDGE = 1e-4  # keeps the fit solvable where nothing is trusted


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
    """Scans (n, 1, y, x) of any size from 16 pixels on → (n, 6, y, x): the PARTS; x = height + background + lines.

    height: without background and lines, scars and noise still in it. background: polynomial of second degree. offsets,
    tilts: of each line, the same for all its pixels; a line is offset + tilt·u. scar, substrate: probabilities. While
    it learns, these two are logits, and the answer is that of the last pass or, by chance, of an earlier one. widths:
    channels of each stage, on a quarter of the pixels each.
    """

    def __init__(self, widths: Sequence[int] = (24, 40, 64, 64), passes: int = 2, seed: int | None = None):
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
        with torch.no_grad():
            assert self.pixels.bias is not None
            self.pixels.bias[3 * FOLD : 4 * FOLD] = RARE  # scars are

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {"kind": "Decomposer", "widths": list(self.widths), "passes": self.passes}

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, y, x) → (n, 6, y, x)."""
        if x.ndim != 4 or x.shape[1] != 1 or min(x.shape[2:]) < LEAST:
            raise ValueError(f"scans of shape (n, 1, y, x) from {LEAST} pixels on are needed, not {tuple(x.shape)}")
        z = x[:, 0]
        with torch.no_grad():
            level = roughly_level(z)
            size = spread(level)
        taken = z - level
        last = int(torch.randint(self.passes, ())) if self.training else self.passes - 1
        for i in range(last + 1):
            with torch.set_grad_enabled(torch.is_grad_enabled() and i == last):
                maps, gains = self.look(z - taken)
                with torch.autocast(x.device.type, enabled=False):
                    parts = self.decompose(z, taken, size, maps.float(), gains.float())
            taken = (z - parts[:, 0]).detach()
        return parts

    def look(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Levelled scans (n, y, x) → maps (n, HEADS, y, x), gains of the lines (n, 3, y)."""
        w = level.shape[2]
        seen, lines = views(level)
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

    def decompose(self, z: Tensor, taken: Tensor, size: Tensor, maps: Tensor, gains: Tensor) -> Tensor:
        """The PARTS (n, 6, y, x) of z (n, y, x) that follow from what was seen, around what was taken off before."""
        substrate, following, further, scar = maps.unbind(1)
        sound = torch.sigmoid(-scar)
        gain = gains.clamp(-8, 8).exp()[..., None]
        weights = [torch.sigmoid(m) * sound * gain[:, i] for i, m in enumerate((substrate, following, further))]
        offsets, tilts, polynomial = solve((z - taken) / size, *weights)
        start, slopes, bend = split(taken / size)  # the rough levelling has the same form
        offsets, tilts, polynomial = (a * size[:, 0] for a in (offsets + start, tilts + slopes, polynomial + bend))
        background, offsets, tilts = standard(offsets, tilts, polynomial, z.shape[2])
        lines = offsets[..., None] + tilts[..., None] * axis(z.shape[2], z)
        if not self.training:
            scar, substrate = torch.sigmoid(scar), torch.sigmoid(substrate)
        wide = [v[..., None].expand_as(z) for v in (offsets, tilts)]
        return torch.stack([z - background - lines, background, *wide, scar, substrate], 1)


# How a scan is shown to the network -------------------------------------------------------------------------------


def roughly_level(z: Tensor) -> Tensor:
    """(n, y, x) without the median slope along x, and with every line on the median difference to the one above."""
    n, _, w = z.shape
    lag = max(w // 16, 1)
    slope = (z[..., lag:] - z[..., :-lag]).flatten(1).median(1).values / lag  # per pixel
    z = z - slope[:, None, None] * torch.arange(w, device=z.device, dtype=z.dtype)
    steps = (z[:, 1:] - z[:, :-1]).median(2).values
    offsets = torch.cat([steps.new_zeros(n, 1), steps.cumsum(1)], 1)
    z = z - offsets[..., None]
    return z - z.flatten(1).median(1).values[:, None, None]


def spread(z: Tensor) -> Tensor:
    """Mean distance of z (n, y, x) from its median, (n, 1, 1); 1 where z is constant."""
    middle = z.flatten(1).median(1).values[:, None, None]
    size = (z - middle).abs().mean((1, 2), keepdim=True)
    return torch.where(size > 0, size, torch.ones_like(size))


def views(level: Tensor) -> tuple[Tensor, Tensor]:
    """(n, SEEN, y, x): a scan in units of its noise and of its spread, and less what it is to be compared with.

    That is its own low end, the median and the low end of each line, the line above, and the line itself further on.
    Then the quantiles of each line (n, k, y). Heights are shown on a scale that is straight for small ones and
    logarithmic for large ones.
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
    shown = [torch.asinh(c / noise) / 3 for c in compared]
    lines = torch.asinh(of_lines / noise[:, None, :, 0]) / 3
    return torch.stack([*shown, (z / size).clamp(-4, 4)], 1), lines


def fold(x: Tensor) -> Tensor:
    """(n, c, y, x) → (n, FOLD·c, y, x/FOLD): neighbours along the line become channels."""
    n, c, h, w = x.shape
    return x.view(n, c, h, w // FOLD, FOLD).permute(0, 1, 4, 2, 3).reshape(n, c * FOLD, h, w // FOLD)


def unfold(x: Tensor) -> Tensor:
    """The inverse of `fold`."""
    n, c, h, w = x.shape
    return x.view(n, c // FOLD, FOLD, h, w).permute(0, 1, 3, 4, 2).reshape(n, c // FOLD, h, w * FOLD)


# What follows from the weights -------------------------------------------------------------------------------------


def axis(n: int, like: Tensor) -> Tensor:
    """n places from −1 to 1."""
    return torch.linspace(-1, 1, n, device=like.device, dtype=like.dtype)


def solve(z: Tensor, level: Tensor, following: Tensor, further: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets (n, y), tilts (n, y) and c1, c2, c3 (n, 3) that fit z (n, y, x) best, in the sense of the module's head.

    level: the weights w0; following: w1, of which the last line is not used; further: w2, of which the last places are
    not used.
    """
    _, h, w = z.shape
    u, v = axis(w, z), axis(h, z)
    one = torch.ones_like(u)
    powers = torch.stack([one, u, u * u, u**3, u**4], 1)  # (x, 5)
    m = level @ powers  # (n, y, 5): moments of the weights of each line
    r = (level * z) @ powers[:, :3]
    w1 = following[:, :-1]
    k = w1 @ powers[:, :3]
    t = (w1 * (z[:, 1:] - z[:, :-1])) @ powers[:, :2]
    lag = max(w // LAG, 1)
    w2 = further[..., :-lag]
    rise, bend = float(u[lag] - u[0]), u[lag:] ** 2 - u[:-lag] ** 2
    ways = torch.stack([torch.full_like(bend, rise), bend], 1)  # what u and u² gain over the lag
    pairs = (ways[:, :, None] * ways[:, None, :]).flatten(1)  # (x, 4)
    q = (w2 @ pairs).unflatten(2, (2, 2))
    d = (w2 * (z[..., lag:] - z[..., :-lag])) @ ways  # (n, y, 2)

    down = v[1] - v[0]
    oo = torch.diag_embed(m[..., 0]) + chain(k[..., 0])
    ot = torch.diag_embed(m[..., 1]) + chain(k[..., 1])
    tt = torch.diag_embed(m[..., 2] + q[..., 0, 0]) + chain(k[..., 2])
    og = torch.stack([m[..., 1], m[..., 1] * v + down * apart(k[..., 1]), m[..., 2]], 2)
    slope = m[..., 2] + q[..., 0, 0]
    curve = m[..., 3] + q[..., 0, 1]
    tg = torch.stack([slope, slope * v + down * apart(k[..., 2]), curve], 2)
    s = slope.sum(1), (slope * v).sum(1), (slope * v * v).sum(1) + down**2 * k[..., 2].sum(1)
    c = curve.sum(1), (curve * v).sum(1), (m[..., 4] + q[..., 1, 1]).sum(1)
    gg = torch.stack([s[0], s[1], c[0], s[1], s[2], c[1], c[0], c[1], c[2]], 1).unflatten(1, (3, 3))
    bo = r[..., 0] + apart(t[..., 0])
    bt = r[..., 1] + d[..., 0] + apart(t[..., 1])
    rising = r[..., 1] + d[..., 0]
    bg = torch.stack([rising.sum(1), (rising * v).sum(1) + down * t[..., 1].sum(1), (r[..., 2] + d[..., 1]).sum(1)], 1)

    total = torch.cat([torch.cat([oo, ot, og], 2), torch.cat([ot, tt, tg], 2), torch.cat([og.mT, tg.mT, gg], 2)], 1)
    # lines keep to the common tilt unless they have reason not to: a tilt of its own costs as much as a line of misfit
    hold = torch.cat([z.new_full((h,), RIDGE), z.new_full((h,), TILT_COST * w), z.new_full((3,), RIDGE)])
    found = torch.linalg.solve(total + torch.diag(hold), torch.cat([bo, bt, bg], 1))
    return found[:, :h], found[:, h : 2 * h], found[:, 2 * h :]


TILT_COST = 0.1


def chain(weight: Tensor) -> Tensor:
    """(n, y − 1) weights of neighbouring lines → (n, y, y): the matrix of Σ weight·(o(y+1) − o(y))²."""
    own = F.pad(weight, (0, 1)) + F.pad(weight, (1, 0))
    return torch.diag_embed(own) - torch.diag_embed(weight, 1) - torch.diag_embed(weight, -1)


def apart(flow: Tensor) -> Tensor:
    """(n, y − 1) → (n, y): what each step adds to the line below it and takes from the one above."""
    return F.pad(flow, (1, 0)) - F.pad(flow, (0, 1))


def split(taken: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets, tilts and c1, c2, c3 of what has that form exactly: the inverse of putting it together."""
    u = axis(taken.shape[2], taken)
    far, half = taken.shape[2] - 1, taken.shape[2] // 2
    left, right, inner = taken[..., 0], taken[..., far], taken[..., half]
    tilts = (right - left) / 2
    even = (right + left) / 2
    p = u[half]
    bend = (even + tilts * p - inner) / (1 - p * p)
    c3 = bend.mean(1)
    zero = torch.zeros_like(c3)
    return even - c3[:, None], tilts, torch.stack([zero, zero, c3], 1)


def standard(offsets: Tensor, tilts: Tensor, c: Tensor, w: int) -> tuple[Tensor, Tensor, Tensor]:
    """(background (n, y, x), offsets, tilts): all that is a polynomial of second degree is background."""
    h = offsets.shape[1]
    v, u = axis(h, offsets), axis(w, offsets)
    slow = torch.stack([torch.ones_like(v), v, v * v], 1)  # (y, 3)
    down = torch.linalg.pinv(slow.double()).to(offsets.dtype) @ offsets.mT  # (3, n)
    across = torch.linalg.pinv(slow[:, :2].double()).to(offsets.dtype) @ tilts.mT
    level, slope = (slow @ down).mT, (slow[:, :2] @ across).mT
    common = c[:, :1] + c[:, 1:2] * v + slope
    background = level[..., None] + common[..., None] * u + c[:, 2, None, None] * u * u
    return background, offsets - level, tilts - slope


# How far an answer is from the truth ---------------------------------------------------------------------------------

FLOOR = 1e-5  # of the mean square height: an error below 0.3 % of it is no longer worth learning from


def decomposition_loss(answer: Tensor, truth: Tensor) -> Tensor:
    """Answers (n, 6, y, x) of a network that learns against the PARTS (n, 6, y, x) → scalar.

    The mean logarithm of each scan's error, so that one per cent better counts the same for every scan; cross-entropy
    of scars and substrate, and the Dice loss of the scars.
    """
    u = axis(truth.shape[3], truth)
    height, *true, scarred, ground = truth.unbind(1)
    _, *found, scar, substrate = answer.unbind(1)
    size = height.flatten(1).var(1) + torch.finfo(truth.dtype).tiny
    error = sum(a - b for a, b in zip(found[:2], true[:2], strict=True)) + (found[2] - true[2]) * u
    level = 0.5 * torch.log(error.square().mean((1, 2)) / size + FLOOR).mean()
    p = torch.sigmoid(scar)
    dice = 1 - (2 * (p * scarred).sum() + 1) / ((p + scarred).sum() + 1)
    marked = 3 * F.binary_cross_entropy_with_logits(scar, scarred) + 0.2 * dice
    bare = F.binary_cross_entropy_with_logits(substrate, ground)
    return level + marked + 0.3 * bare
