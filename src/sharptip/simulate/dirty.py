"""What does an AFM make of a sample, and which part of it is the sample's? Raw scans with every part of them known.

    height = surface + background + offsets + tilts·u + streaks + noise        u from −1 to 1 along the line

The surface is zero on the substrate: on its largest terrace where there are steps; a rough surface without any
substrate is zero where its least-squares plane is. Particles, islands, pits and fibres stand on it, as a tip and a
feedback loop show them. Artefacts are in units of the surface's rms Sq, drawn in the manner of `simulate.scanner`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage

from ..core.history import remember
from ..core.scan import scan_of
from . import scanner
from .surface import self_affine, separate, worm_like_chain
from .tip import dilate, paraboloid

Shape = tuple[int, int]

COVERAGE = (0.0, 0.8)  # share of the image under particles, islands or fibres
STEPS = (0, 5)  # atomic steps across the image
TILT = (0.0, 10.0)  # Sq from edge to edge
BOW = (0.0, 3.0)  # Sq at the edge
WHITE = (0.003, 1.0)  # Sq: independent offsets of the lines
WALK = (0.001, 0.1)  # Sq: step of the random walk that the lines' level makes
JUMPS = (0.0, 0.05)  # per line
LINE_TILT = (0.001, 0.1)  # Sq at the edge, of each line on its own
SCARS = (0.0, 0.05)  # per line
NOISE = (0.005, 0.2)  # Sq
OBJECTS = ("spheres", "ellipsoids", "islands", "pits", "fibres")
ODDS = (0.25, 0.3, 0.15, 0.1, 0.2)  # of each
ROUGH = 0.15  # share of scans that show a rough surface and no substrate
PIXEL = (0.5e-9, 20e-9)  # metres
PITS = 0.3  # most of a surface that is drawn as pits; with more, what is left would pass for islands


@dataclass(frozen=True)
class Dirty:
    """A raw scan and its parts, in metres; arrays are (y, x), `offsets` and `tilts` (y,).

    scars: where a streak or a spike hides the surface. substrate: where nothing but the substrate is seen, on its
    largest terrace: there the surface is zero but for its roughness. On a rough surface that is everywhere. terraces:
    steps above that one, NaN where an object stands. drawn: coverage, steps, tilt … as they came out.
    """

    height: np.ndarray
    surface: np.ndarray
    background: np.ndarray
    offsets: np.ndarray
    tilts: np.ndarray
    streaks: np.ndarray
    noise: np.ndarray
    scars: np.ndarray
    substrate: np.ndarray
    terraces: np.ndarray
    pixel_size: float
    drawn: dict[str, Any]

    @property
    def lines(self) -> np.ndarray:
        """(y, x): what each line has of its own, offset and tilt."""
        return self.offsets[:, None] + self.tilts[:, None] * np.linspace(-1, 1, self.height.shape[1])

    @property
    def level(self) -> np.ndarray:
        """(y, x): the surface with its noise, which is what levelling and mending alone can reach."""
        return self.surface + self.noise

    def scan(self) -> xr.Dataset:
        """The raw scan, as simulated."""
        scan = scan_of(self.height, self.pixel_size, name=f"simulated {self.drawn['kind']}")
        return remember(scan, scan, "simulate_dirty", dict(self.drawn))


def dirty(
    rng: np.random.Generator,
    shape: Shape = (128, 128),
    *,
    kind: str | None = None,
    coverage: float | None = None,
    steps: int | None = None,
    tilt: float | None = None,
    bow: float | None = None,
    white: float | None = None,
    walk: float | None = None,
    jumps: float | None = None,
    line_tilt: float | None = None,
    scars: float | None = None,
    noise: float | None = None,
    pixel_size: float | None = None,
) -> Dirty:
    """A raw scan whose parts are known. What is not given is drawn, often as nothing at all, from the bounds above.

    kind: one of OBJECTS, or "rough" for a self-affine surface without a substrate; without coverage and steps, all
    others are the bare substrate. coverage: share 0–0.8 of the image under objects (of "pits" at most 0.3). steps:
    number of steps across the image. tilt, bow, white, walk, line_tilt, noise: in units of the surface's Sq, see the
    bounds. jumps, scars: rates per line. Raises ValueError for a kind that is not there, or an image of less than 16
    pixels.

    >>> d = dirty(np.random.default_rng(0), (64, 96), coverage=0.5, steps=2, tilt=5, scars=0.02)
    >>> bool(np.allclose(d.height, d.surface + d.background + d.lines + d.streaks + d.noise, atol=1e-18))
    True
    """
    if min(shape) < 16:
        raise ValueError(f"an image of {shape[0]} × {shape[1]} pixels shows nothing; 16 × 16 is the least")
    if kind is None:
        free = coverage is None and steps is None
        kind = "rough" if free and rng.random() < ROUGH else str(rng.choice(OBJECTS, p=ODDS))
    if kind not in (*OBJECTS, "rough"):
        raise ValueError(f"no surface is called {kind!r}; there are: {', '.join(OBJECTS)}, rough")
    pixel = _log_uniform(rng, PIXEL) if pixel_size is None else pixel_size
    surface, substrate, terraces, drawn = _rough(rng, shape, pixel) if kind == "rough" else _sample(
        rng, shape, pixel, kind, coverage, steps)  # fmt: skip
    sq = float(surface.std())
    drawn |= {
        "kind": kind, "sq": sq,
        "tilt": _given(tilt, rng, TILT, 0.9), "bow": _given(bow, rng, BOW, 0.6),
        "white": _given(white, rng, WHITE, 0.7, log=True), "walk": _given(walk, rng, WALK, 0.7, log=True),
        "jumps": _given(jumps, rng, JUMPS, 0.3), "line_tilt": _given(line_tilt, rng, LINE_TILT, 0.3, log=True),
        "scars": _given(scars, rng, SCARS, 0.6), "noise": _given(noise, rng, NOISE, 1.0, log=True),
    }  # fmt: skip
    background = sq * _background(rng, shape, drawn["tilt"], drawn["bow"])
    offsets = sq * _offsets(rng, shape[0], drawn)
    tilts = sq * drawn["line_tilt"] * rng.standard_normal(shape[0])
    streaks, scarred = _streaks(rng, shape, sq, drawn["scars"], spikes=scars is None)
    noisy = sq * _noise(rng, shape, drawn["noise"])
    shared = noisy.mean(axis=1)  # what noise has in common along a line is an offset of that line
    noisy, offsets = noisy - shared[:, None], offsets + shared
    parts = (surface, background, offsets, tilts, streaks, noisy, scarred, substrate, terraces)
    lines = offsets[:, None] + tilts[:, None] * np.linspace(-1, 1, shape[1])
    return Dirty(surface + background + lines + streaks + noisy, *parts, pixel, drawn)


# What lies on the table -----------------------------------------------------------------------------------------


def _rough(
    rng: np.random.Generator, shape: Shape, pixel: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """A self-affine surface on its least-squares plane, all of it substrate."""
    z, _ = self_affine(
        rng, shape, pixel, rms=pixel * _log_uniform(rng, (0.02, 1)), hurst=float(rng.uniform(0.3, 1)),
        correlation_length=pixel * _log_uniform(rng, (3, 0.2 * min(shape))),
        anisotropy=float(np.exp(rng.uniform(-1, 1))),
    )  # fmt: skip
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    z = z - z.mean()
    z = z - y * (z * y).sum() / (shape[1] * (y * y).sum()) - x * (z * x).sum() / (shape[0] * (x * x).sum())
    return z, np.ones(shape, bool), np.zeros(shape), {"coverage": 0.0, "steps": 0}


def _sample(
    rng: np.random.Generator, shape: Shape, pixel: float, kind: str, coverage: float | None, steps: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Objects on a stepped substrate, as a tip and a feedback loop show them: (surface, substrate, terraces, drawn)."""
    share = _given(coverage, rng, COVERAGE, 0.9)
    share = min(share, PITS) if kind == "pits" else share
    number = int(rng.integers(1, STEPS[1] + 1) * (rng.random() < 0.35)) if steps is None else steps
    objects, tall = _objects(rng, shape, pixel, kind, share)
    step = tall * _log_uniform(rng, (0.05, 1.5))
    ground = step * _terraces(rng, shape, number)
    rms = min(tall, step if number else tall) * _log_uniform(rng, (0.002, 0.15))
    fine, _ = self_affine(rng, shape, pixel, rms=rms, hurst=float(rng.uniform(0.3, 1)),
                          correlation_length=pixel * _log_uniform(rng, (1.5, 0.15 * min(shape))))  # fmt: skip
    fine -= fine.mean()
    surface = ground + objects + fine
    bare = objects == 0
    if rng.random() < 0.4:  # a tip that is a few pixels wide
        half = int(rng.integers(1, 4))
        tip = paraboloid(half, pixel, radius=(half * pixel) ** 2 / (2 * tall * rng.uniform(0.3, 2)))
        surface = dilate(surface, tip)
        bare = ndimage.binary_erosion(bare, iterations=half, border_value=1)
    if rng.random() < 0.3:  # a loop that follows late, downhill above all
        climb = float(rng.uniform(0.6, 1))
        followed = scanner.lag(surface, climb, float(rng.uniform(0.3, climb)))
        bare &= np.abs(followed - surface) < np.maximum(rms, 0.01 * tall)
        surface = followed
    level = np.rint(ground / step)
    if bare.any():
        values, counts = np.unique(level, return_counts=True)
        zero = bare & (level == values[counts.argmax()])
        level -= values[counts.argmax()]
        open_terraces = np.where(bare, level, np.nan)
        bare = zero if zero.any() else bare
        surface = surface - surface[bare].mean()
    else:
        open_terraces = np.full(shape, np.nan)
    drawn = {"coverage": float((objects != 0).mean()), "steps": number, "step_height": step * (number > 0)}
    return surface, bare, open_terraces, drawn


def _objects(
    rng: np.random.Generator, shape: Shape, pixel: float, kind: str, coverage: float
) -> tuple[np.ndarray, float]:
    """Height (y, x) of what covers that share of the image, zero elsewhere, and how tall such a thing is."""
    radius = _log_uniform(rng, (3, max(0.16 * min(shape), 3.5)))  # px
    tall = 2 * radius * pixel * (1.0 if kind == "spheres" else _log_uniform(rng, (0.05, 1)))
    if coverage <= 0:
        return np.zeros(shape), tall
    if kind == "islands":
        field, _ = self_affine(rng, shape, 1.0, rms=1, correlation_length=2 * radius, hurst=1.0)
        return tall * (field > np.quantile(field, 1 - coverage)), tall
    if kind == "fibres":
        return tall * _fibres(rng, shape, 0.5 * radius, coverage), tall
    reduced = _reduced_distance(rng, shape, radius, coverage)
    cap = np.sqrt(np.maximum(1 - reduced**2, 0))
    if kind == "pits":
        return -tall * cap, tall
    rests = 0.5 if rng.random() < 0.5 else 1.0  # a ball that rests on the substrate, or one half sunk into it
    inside = reduced < 1
    return tall * ((1 - rests) * inside + rests * cap) * inside, tall


def _reduced_distance(rng: np.random.Generator, shape: Shape, radius: float, coverage: float) -> np.ndarray:
    """Distance of each pixel from the centre of the nearest particle, in its radii; below 1 on `coverage` of the image.

    Particles are of three sizes and may lie over each other (a Boolean model) or keep apart, where there is room.
    """
    margin = int(2 * radius)
    size = np.array(shape) + 2 * margin
    apart = coverage < 0.4 and rng.random() < 0.5
    stretch = float(np.exp(rng.uniform(-0.6, 0.6)))
    number = -np.log(1 - min(coverage, 0.97)) * size.prod() / (np.pi * radius**2 / stretch)
    places = rng.random((max(int(number * (4 if apart else 1.5)) + 8, 8), 2)) * size
    if apart:
        places = places[separate(places, 2 * radius)]
    sizes = radius * np.exp(rng.uniform(0, 0.35) * rng.standard_normal(3))
    out = np.full(tuple(size), np.inf)
    for i, r in enumerate(sizes):
        empty = np.ones(tuple(size), bool)
        y, x = places[i::3].astype(int).T
        empty[y, x] = False
        if not empty.all():
            out = np.minimum(out, ndimage.distance_transform_edt(empty, sampling=(1, stretch)) / r)
    out = out[margin:-margin, margin:-margin]
    edge = np.quantile(out, coverage)  # all particles a little larger or smaller, so that the share is what was asked
    return out / max(float(edge), 1e-3)


def _fibres(rng: np.random.Generator, shape: Shape, width: float, coverage: float) -> np.ndarray:
    """Worm-like chains of height 1, as many as cover that share of the image to three standard widths each side."""
    reach = 3 * max(width, 1.0)
    length = float(rng.uniform(0.3, 1.5)) * max(shape)
    area = 2 * reach * 0.7 * min(length, max(shape))  # about what one of them covers in view
    number = int(np.ceil(-np.log(1 - min(coverage, 0.97)) * np.prod(shape) / area))
    stiff = length * _log_uniform(rng, (0.1, 5))
    empty = np.ones(shape, bool)
    for _ in range(max(number, 1)):
        start = rng.random(2) * shape
        chain = worm_like_chain(rng, length=length, persistence_length=stiff, step=0.7,
                                start=(float(start[0]), float(start[1])))  # fmt: skip
        y, x = np.rint(chain).astype(int).T
        seen = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        empty[y[seen], x[seen]] = False
    distance = ndimage.distance_transform_edt(empty)
    edge = max(float(np.quantile(distance, coverage)), 1.0)  # the widths that cover the share
    scale = edge / 3
    return np.where(distance < edge, np.exp(-(distance**2) / (2 * scale**2)), 0.0)


def _terraces(rng: np.random.Generator, shape: Shape, number: int) -> np.ndarray:
    """Level of each pixel, 0 to `number`: steps in one direction, a little curved, at uneven distances."""
    if number == 0:
        return np.zeros(shape)
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    angle, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15, 3)
    along = x * np.cos(angle) + y * np.sin(angle) + bend[0] * x * x + bend[1] * y * y + bend[2] * x * y
    wave, _ = self_affine(rng, shape, 1.0, rms=float(rng.uniform(0, 0.03)) + 1e-6, correlation_length=12.0, hurst=0.9)
    along = along + wave
    edges = np.quantile(along, np.sort(rng.uniform(0.05, 0.95, number)))
    return np.searchsorted(edges, along.ravel()).reshape(shape).astype(float)


# What the instrument adds, in units of Sq ---------------------------------------------------------------------------


def _background(rng: np.random.Generator, shape: Shape, tilt: float, bow: float) -> np.ndarray:
    """A polynomial of second degree with that tilt from edge to edge, in any direction, and that bow."""
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    way = rng.uniform(0, 2 * np.pi)
    bent = bow * rng.uniform(-1, 1, 3)
    return tilt / 2 * (np.cos(way) * x + np.sin(way) * y) + bent[0] * x * x + bent[1] * y * y + bent[2] * x * y


def _offsets(rng: np.random.Generator, lines: int, drawn: dict[str, Any]) -> np.ndarray:
    """(y,): white steps, a random walk, jumps that stay."""
    jumps = np.where(rng.random(lines) < drawn["jumps"], rng.normal(0, 1, lines), 0.0)
    walk = np.cumsum(drawn["walk"] * rng.standard_normal(lines) + jumps)
    return walk - walk.mean() + drawn["white"] * rng.standard_normal(lines)


def _streaks(
    rng: np.random.Generator, shape: Shape, sq: float, rate: float, *, spikes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(height, mask): scars along the line, and single pixels thrown out."""
    settings = replace(scanner.QUIET, scar_rate=(rate, rate), scar_length=(10.0, 60.0))
    flat = np.zeros(shape)
    out, _, known = scanner.scars(rng, flat, sq, settings)
    where = known["scars"]
    if spikes and rng.random() < 0.2:
        out, _, known = scanner.spikes(rng, out, sq, settings)
        where = where | known["spikes"]
    return out, where


def _noise(rng: np.random.Generator, shape: Shape, white: float) -> np.ndarray:
    """White noise, and at times 1/f noise along time, which runs pixel by pixel and line by line."""
    out = white * rng.standard_normal(shape)
    if rng.random() < 0.4:
        out += white * float(rng.uniform(0.1, 1.5)) * scanner.one_over_f(rng, shape[0] * shape[1]).reshape(shape)
    return out


def _given(
    value: float | None, rng: np.random.Generator, bounds: tuple[float, float], often: float, log: bool = False
) -> float:
    """The value itself; if there is none, one within the bounds, or nothing at all in the other cases."""
    drawn = _log_uniform(rng, bounds) if log else float(rng.uniform(*bounds))
    on = bool(rng.random() < often)
    return float(value) if value is not None else drawn * on


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))
