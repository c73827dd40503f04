"""What does a scanning tunnelling microscope see of a crystal surface, with a tip that is not one sharp atom?

A surface is written down, not sampled: terraces, plane waves of the lattice on each of them, and Gaussian bumps for
everything that is not the lattice. Its height can then be had anywhere, so drift is exact, and a Gaussian blur of the
tip is exact too: a wave of wave vector k (cycles per metre) under a blur of covariance Σ loses exp(−2π² kᵀΣk), and a
bump of covariance B becomes one of B + Σ of the same volume.

Apexes at offsets d_i that carry shares w_i of the current, at constant current, give

    z(x) = 1/2κ · ln Σ_i w_i exp(2κ h(x − d_i)),    Σ w_i = 1,

because each tunnels through its own gap and the current falls by exp(−2κ z) (Tersoff & Hamann, Phys. Rev. B 31, 805
(1985)). Lengths and heights are metres, vectors (y, x).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

DECAY = 22e9  # 1/m, 2κ of the tunnelling current at a work function of 4.5 eV
REACH = 4.0  # standard deviations of a bump beyond which it is not drawn
EDGE_BLUR = 0.15e-9  # metres, width of an atomic step for the sharpest tip


@dataclass(frozen=True)
class Wave:
    """Plane wave h = Re[(even + i·skew·odd) exp(2πi k·r)]: `k` in cycles per metre, amplitudes in metres."""

    k: tuple[float, float]
    even: float
    odd: float = 0.0


@dataclass(frozen=True)
class Bumps:
    """Gaussian bumps: centre (n, 2) m, height (n,) m, widths (n, 2) m along its own two axes, angle (n,) rad from y."""

    centre: np.ndarray
    height: np.ndarray
    width: np.ndarray
    angle: np.ndarray

    @classmethod
    def none(cls) -> Bumps:
        return cls(np.empty((0, 2)), np.empty(0), np.empty((0, 2)), np.empty(0))

    @classmethod
    def join(cls, *parts: Bumps) -> Bumps:
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("centre", "height", "width", "angle")))


@dataclass(frozen=True)
class Steps:
    """Terraces `width` apart along `angle` (from x), each `height` above the last; `ragged` (2, n) is how far the edges
    wander, in metres, sampled every `kink` metres along them, for edges of even and odd number."""

    height: float
    width: float
    angle: float
    offset: float
    ragged: np.ndarray
    kink: float


@dataclass(frozen=True)
class Surface:
    """`textures`: the waves on terraces of even and of odd number. `bend` (metres, period in metres): how far the
    texture is shifted along y by a zigzag along x, before it is turned by `angle` radians."""

    textures: tuple[tuple[Wave, ...], tuple[Wave, ...]]
    bumps: Bumps
    steps: Steps | None = None
    angle: float = 0.0
    bend: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Tip:
    """Apexes (dy, dx, share of the current); `blur` (m) along y' and x' turned by `angle`; `skew` 0–1: how much less
    the tip feels one side of each dimer than the other."""

    apexes: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 1.0),)
    blur: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    skew: float = 0.0

    def covariance(self) -> np.ndarray:
        """(2, 2) of the blur in m²."""
        return _covariance(np.array([self.blur]), np.array([self.angle]))[0]

    def shifted(self, dy: float, dx: float) -> Tip:
        """The same tip with all its apexes moved: what a new foremost atom does to the picture."""
        return replace(self, apexes=tuple((y + dy, x + dx, w) for y, x, w in self.apexes))


def look(surface: Surface, tip: Tip, y: np.ndarray, x: np.ndarray, pixel_size: float = 0.0) -> np.ndarray:
    """Height (rows, columns) at constant current, in metres.

    y: (rows,), x: (rows, columns) in metres: where each line and each of its pixels is; a scan with drift has lines
    that are shifted against each other. pixel_size: metres over which a pixel averages.
    """
    blur = tip.covariance() + np.eye(2) * pixel_size**2 / 12
    shares = np.array([w for _, _, w in tip.apexes])
    heights = [height_at(surface, y - dy, x - dx, blur, tip.skew) for dy, dx, _ in tip.apexes]
    if len(heights) == 1:
        return heights[0]
    stack = np.stack(heights)
    top = stack.max(axis=0)
    current = np.tensordot(shares / shares.sum(), np.exp(DECAY * (stack - top)), 1)
    return top + np.log(current) / DECAY


def height_at(surface: Surface, y: np.ndarray, x: np.ndarray, blur: np.ndarray, skew: float = 0.0) -> np.ndarray:
    """Height (rows, columns) under one apex with a blur of covariance `blur` (2, 2) m²; y and x as for `look`."""
    floor, odd = _terraces(surface.steps, y, x, blur)
    height = floor + _texture(surface, y, x, blur, skew, odd)
    _add_bumps(height, surface.bumps, y, x, blur)
    return height


def ghost_share(ghost: float, height: float) -> float:
    """Share of the current that makes the twin of a bump of `height` metres `ghost` (0–1) times as high as the bump.

    Solves ln[(1 − w) + w e^a] = ghost · ln[(1 − w) e^a + w], a = 2κ·height, for w in 0–½ by bisection.
    """
    a, low, high = DECAY * height, 0.0, 0.5
    for _ in range(40):
        w = (low + high) / 2
        twin, first = np.log1p(w * np.expm1(a)), np.log1p((1 - w) * np.expm1(a))
        low, high = (w, high) if twin < ghost * first else (low, w)
    return (low + high) / 2


def ragged_edges(rng: np.random.Generator, length: float, kink: float, roughness: tuple[float, float]) -> np.ndarray:
    """(2, n) displacements in metres of a smooth and a rough edge: random walks of kinks that stay near zero."""
    n = max(int(length / kink) + 2, 4)
    walks = np.zeros((2, n))
    for walk, rough in zip(walks, roughness, strict=True):
        steps = rough * rng.choice([-1.0, 0.0, 1.0], n, p=[0.25, 0.5, 0.25])
        for i in range(1, n):
            walk[i] = 0.97 * walk[i - 1] + steps[i]
    return walks


def _terraces(steps: Steps | None, y: np.ndarray, x: np.ndarray, blur: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(height of the terraces in metres, whether each pixel is on a terrace of odd number)."""
    if steps is None:
        return np.zeros(x.shape), np.zeros(x.shape, bool)
    normal = np.array([np.sin(steps.angle), np.cos(steps.angle)])
    across = normal[0] * y[:, None] + normal[1] * x - steps.offset
    along = normal[1] * y[:, None] - normal[0] * x
    edge = np.rint(across / steps.width)
    where = along / steps.kink + steps.ragged.shape[1] / 2
    number = np.arange(steps.ragged.shape[1])
    wander = np.where(edge % 2 == 0, *(np.interp(where, number, r) for r in steps.ragged))
    distance = across - edge * steps.width + wander
    sigma = np.sqrt(EDGE_BLUR**2 + normal @ blur @ normal)
    height = steps.height * (edge - 0.5 + ndtr(distance / sigma))
    return height, (edge + (distance > 0)) % 2 == 1


def _texture(
    surface: Surface, y: np.ndarray, x: np.ndarray, blur: np.ndarray, skew: float, odd: np.ndarray
) -> np.ndarray:
    out = np.zeros(x.shape)
    c, s = np.cos(surface.angle), np.sin(surface.angle)
    turn = np.array([[c, -s], [s, c]])  # from the scan's (y, x) to the crystal's
    inner = turn @ blur @ turn.T
    v, u = c * y[:, None] - s * x, s * y[:, None] + c * x
    reach, period = surface.bend
    if reach:
        v = v + reach * (2 * np.abs(2 * np.mod(u / period, 1.0) - 1) - 1)
    for waves, on in zip(surface.textures, (~odd, odd), strict=True):
        if not waves or not on.any():
            continue
        everywhere = bool(on.all())
        vs, us = (v, u) if everywhere else (v[on], u[on])
        h = np.zeros(vs.shape)
        for wave in waves:
            k = np.array(wave.k)
            lost = float(np.exp(-2 * np.pi**2 * (k @ inner @ k)))
            if lost < 1e-3:
                continue
            phase = 2 * np.pi * (k[0] * vs + k[1] * us)
            h += lost * wave.even * np.cos(phase)
            if skew and wave.odd:
                h -= lost * skew * wave.odd * np.sin(phase)
        if everywhere:
            return h
        out[on] = h
    return out


def _add_bumps(height: np.ndarray, bumps: Bumps, y: np.ndarray, x: np.ndarray, blur: np.ndarray) -> None:
    """Add every bump, as the blur leaves it, to `height` (rows, columns) in place; y ascending."""
    if not len(bumps.height):
        return
    own = _covariance(bumps.width, bumps.angle)
    wide = own + blur
    peak = bumps.height * np.sqrt(np.linalg.det(own) / np.linalg.det(wide))
    inverse = np.linalg.inv(wide)
    reach = REACH * np.sqrt(np.stack([wide[:, 0, 0], wide[:, 1, 1]], axis=1))
    left, right = x.min(axis=0), x.max(axis=0)  # columns keep their order, whatever the lines' shifts
    first_row = np.searchsorted(y, bumps.centre[:, 0] - reach[:, 0])
    last_row = np.searchsorted(y, bumps.centre[:, 0] + reach[:, 0])
    first_column = np.searchsorted(right, bumps.centre[:, 1] - reach[:, 1])
    last_column = np.searchsorted(left, bumps.centre[:, 1] + reach[:, 1])
    for i in range(len(peak)):
        if first_row[i] >= last_row[i] or first_column[i] >= last_column[i]:
            continue
        part = slice(first_row[i], last_row[i]), slice(first_column[i], last_column[i])
        dy, dx = y[part[0], None] - bumps.centre[i, 0], x[part] - bumps.centre[i, 1]
        (a, b), (_, d) = inverse[i]
        height[part] += peak[i] * np.exp(-0.5 * (a * dy**2 + 2 * b * dy * dx + d * dx**2))


def _covariance(width: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """(n, 2, 2) from widths (n, 2) along axes turned by angle (n,) from y."""
    c, s = np.cos(angle), np.sin(angle)
    a, b = width[:, 0] ** 2, width[:, 1] ** 2
    cross = c * s * (a - b)
    return np.stack([np.stack([c**2 * a + s**2 * b, cross], 1), np.stack([cross, s**2 * a + c**2 * b], 1)], 1)
