"""Background, lines and terraces that fit scans best under given weights: everything about them that follows exactly.

Σ w0·(z − b − g)²  +  Σ w1·(z(y+1) − z(y) − b(y+1) + b(y))²  +  Σ w2·(z(x+l) − z(x) − b(x+l) + b(x))²  →  least
b = o(y) + t(y)·u + c1·u + c2·u·v + c3·u²          u, v from −1 to 1 along x and y
g = the height of the terrace that a pixel lies on, 0 on one of them; also found; z is less g in w1, w2
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

LAG = 8  # a line is compared with itself an eighth of its length further on
TERRACES = 6  # at most, beside the one at zero
FIFTH = 0.2533 * 2**0.5  # standard deviations of white noise below which a fifth of its differences are
FLAT = 2.5 * 2**0.5  # standard deviations of the noise by which a flat pixel's neighbours may differ
FAR = 3.0  # standard deviations of the noise; what is further from a terrace does not lie on it
FLATTER = 0.98  # of what it was: so little must be left between terraces for a new levelling to be believed
RIDGE = 1e-4  # keeps the fit solvable where nothing is trusted
TILT_COST = 0.1  # lines of misfit that a tilt of its own costs a line


class Form(NamedTuple):
    """What is taken off: offsets (n, y), tilts (n, y), c1, c2, c3 (n, 3); and the heights of terraces (n, TERRACES)."""

    offsets: Tensor
    tilts: Tensor
    polynomial: Tensor
    heights: Tensor

    def image(self, w: int) -> Tensor:
        """(n, y, x) for lines of w pixels."""
        v, u = axis(self.offsets.shape[1], self.offsets), axis(w, self.offsets)
        c1, c2, c3 = (c[:, None] for c in self.polynomial.unbind(1))
        rising = self.tilts + c1 + c2 * v
        return self.offsets[..., None] + rising[..., None] * u + c3[..., None] * u * u


def axis(n: int, like: Tensor) -> Tensor:
    """n places from −1 to 1."""
    return torch.linspace(-1, 1, n, device=like.device, dtype=like.dtype)


def solve(
    z: Tensor, level: Tensor, following: Tensor, further: Tensor, on: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Offsets (n, y), tilts (n, y), c1, c2, c3 (n, 3) and heights (n, k) that fit z (n, y, x) best, as said above.

    level: the weights w0; following: w1, of which the last line is not used; further: w2, of which the last places are
    not used. on (n, k, y, x): 1 where a pixel lies on a terrace whose height is still to be found.
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

    seen = on * level[:, None]
    e = (seen @ powers[:, :3]).permute(0, 2, 1, 3)  # (n, y, k, 3): of the weights of each line on each terrace
    oh, th = e[..., 0], e[..., 1]
    gh = torch.stack([th.sum(1), (th * v[:, None]).sum(1), e[..., 2].sum(1)], 1)  # (n, 3, k)
    hh, bh = torch.diag_embed(oh.sum(1)), (seen * z[:, None]).sum((2, 3))

    upper = [torch.cat(row, 2) for row in ([oo, ot, og, oh], [ot, tt, tg, th], [og.mT, tg.mT, gg, gh])]
    total = torch.cat([*upper, torch.cat([oh.mT, th.mT, gh.mT, hh], 2)], 1)
    # lines keep to the common tilt unless they have reason not to: a tilt of its own costs as much as a line of misfit
    few = z.new_full((3 + on.shape[1],), RIDGE)
    hold = torch.cat([z.new_full((h,), RIDGE), z.new_full((h,), TILT_COST * w), few])
    found = torch.linalg.solve(total + torch.diag(hold), torch.cat([bo, bt, bg, bh], 1))
    return found[:, :h], found[:, h : 2 * h], found[:, 2 * h : 2 * h + 3], found[:, 2 * h + 3 :]


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


# The terraces ---------------------------------------------------------------------------------------------------


def heights_of(ground: Tensor) -> Tensor:
    """The heights (n, TERRACES) that are in ground (n, y, x) beside zero; infinity for those that there are not."""
    out = ground.new_full((len(ground), TERRACES), torch.inf)
    for i, image in enumerate(ground):
        there = torch.unique(image)
        there = there[there != 0][:TERRACES]
        out[i, : len(there)] = there
    return out


def nearest(level: Tensor, heights: Tensor) -> Tensor:
    """(n, y, x): of zero and the heights (n, k), the one that each pixel of level (n, y, x) is nearest to."""
    ground = torch.zeros_like(level)
    for k in range(heights.shape[1]):
        other = heights[:, k, None, None]
        ground = torch.where((level - other).abs() < (level - ground).abs(), other, ground)
    return ground


def unless_worse(z: Tensor, form: Form, first: Form) -> Form:
    """The form, or the first one for scans (n, y, x) whose terraces it lays less flat than that did."""
    w = z.shape[2]
    level = z - first.image(w)
    apart = (level[..., 2:] - level[..., :-2]).abs()
    noise = apart.flatten(1).kthvalue(max(1, apart[0].numel() // 5), 1).values[:, None, None] / FIFTH
    flat = F.pad(apart <= FLAT * noise, (1, 1)).to(z.dtype)

    def unevenness(some: Form) -> Tensor:
        here = z - some.image(w)
        off = (here - nearest(here, some.heights)).abs()
        return (torch.minimum(off, FAR * noise) * flat).sum((1, 2))

    stepped = torch.isfinite(first.heights).any(1)
    worse = stepped & (unevenness(form) > FLATTER * unevenness(first))
    return Form(*(torch.where(worse[:, None], a, b) for a, b in zip(first, form, strict=True)))


# Where to begin -------------------------------------------------------------------------------------------------


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
