"""H:Si(100)-2×1 seen by tips of every state: single atoms, dimers, asymmetric, rows, changing, bad.

Dimer rows 7.68 Å apart, dimers 3.84 Å apart along them, two hydrogen atoms on each dimer; single steps of 1.36 Å across
which the rows turn by 90°; dangling bonds (bright, 0.7–1.2 nm wide), missing dimers, dihydrides and dirt. How a tip of
each state blurs or doubles this follows the ladder of Rashidi & Wolkow (ACS Nano 12, 5185 (2018)) and Gordon et al.
(Rev. Sci. Instrum. 90, 103704 (2019)); 'published' draws extra apexes as arXiv:2510.25921 (2025) states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.signal import lfilter

from ..core.history import remember
from ..core.scan import scan_of
from .scanner import lag
from .stm import Bumps, Steps, Surface, Tip, Wave, ghost_share, look, ragged_edges

ROW_PITCH = 7.68e-10  # metres across the dimer rows: two surface lattice constants
DIMER_PITCH = 3.84e-10  # metres along a row: one surface lattice constant
STEP = 1.36e-10  # metres, one atomic layer
ATOM_OFFSET = 1.72e-10  # metres, a hydrogen atom from the middle of its dimer
ATOM_WIDTH = 0.75e-10  # metres, standard deviation of an atom for the sharpest tip
BODY_WIDTH = (0.85e-10, 1.9e-10)  # metres along and across the row: the dimer under its atoms
CORRUGATION = 55e-12  # metres, of the sharpest tip

STATES = ("atoms", "dimers", "asymmetric", "rows", "multi", "published", "bad")
ATTRIBUTES = ("Asymmetries", "Individual Atoms", "Dimers", "Rows", "Tip Change", "Bad/Blurry")
BAD = ("blurred", "noise", "crash", "unstable", "glitches")
SHARES = {"atoms": 0.12, "dimers": 0.34, "asymmetric": 0.1, "rows": 0.16, "multi": 0.05, "published": 0.03, "bad": 0.2}
DIRT, BAD_DIRT = 0.002, 0.06  # lumps per nm²; a bad tip is often over dirt, which it has made
CHANGES = 0.15  # share of images in which the tip changes
SIZES = ((3.8e-9, 4.2e-9), (4.2e-9, 10e-9), (10e-9, 40e-9))  # metres; most published images show a few dimer rows
SIZE_SHARES = (0.55, 0.3, 0.15)


class Drawn(NamedTuple):
    """A scan, and what is true of it: `state`, `change` (first line of the new tip, or None), `attributes` (one number
    in 0–1 for each of ATTRIBUTES, soft where the noise hides what the tip could resolve), `record`."""

    scan: xr.Dataset
    state: str
    change: int | None
    attributes: dict[str, float]
    record: dict[str, Any]


@dataclass(frozen=True)
class Conditions:
    """What the instrument adds. Heights in metres, lengths in pixels, rates per line."""

    noise: float = 3e-12  # rms of the tunnelling noise, coloured along the line by the loop
    colour: float = 2.0  # px over which the loop remembers
    line: float = 2e-12  # rms of what each line sits too high or low
    tilt: float = 0.3e-9  # from edge to edge
    drift: float = 0.02  # px per line
    lag: tuple[float, float] = (0.9, 0.8)  # loop gain per pixel, up and down
    glitches: float = 0.0
    glitch: float = 50e-12


def surface(rng: np.random.Generator, size: float, *, bonds: float = 0.01, defects: float = 0.01, dirt: float = DIRT,
            step_width: float | None = None) -> Surface:  # fmt: skip
    """A piece of H:Si(100) of `size` metres and some margin. bonds, defects, dirt: mean number per nm².

    step_width: metres of a terrace; None has one edge pass through the view as often as 30 nm wide terraces would.
    """
    angle = float(rng.uniform(0, np.pi))
    terrace = step_width or 30e-9 * float(rng.lognormal(0, 0.4))
    roughness = (0.15 * ROW_PITCH, float(rng.uniform(0.5, 1.5)) * ROW_PITCH)  # edges along and across their rows
    steps = Steps(
        height=STEP * float(rng.choice([-1, 1])),
        width=terrace,
        angle=float(rng.uniform(0, 2 * np.pi)),
        offset=float(rng.uniform(-1, 1)) * terrace,
        ragged=ragged_edges(rng, 4 * size, ROW_PITCH, roughness),
        kink=ROW_PITCH,
    )
    waves = lattice(CORRUGATION * float(rng.uniform(0.6, 1.3)), float(rng.uniform(0.6, 1.4)))
    across = tuple(replace(w, k=(w.k[1], -w.k[0])) for w in waves)
    bumps = Bumps.join(
        dangling_bonds(rng, size, bonds, angle), missing(rng, size, defects, angle), contaminants(rng, size, dirt)
    )
    return Surface((waves, across), bumps, steps, angle)


def lattice(height: float, body: float = 1.0) -> tuple[Wave, ...]:
    """The lattice's plane waves (k along, across the rows) for a corrugation of about `height` metres.

    `body` is how much of the dimer is seen under its two atoms. Fourier coefficients of Gaussians at ± ATOM_OFFSET and
    of one in the middle; each stands for itself and its conjugate.
    """
    waves = []
    for n, m in ((1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1)):
        ku, kv = n / ROW_PITCH, m / DIMER_PITCH
        atom = np.exp(-2 * np.pi**2 * ATOM_WIDTH**2 * (ku**2 + kv**2))
        middle = np.exp(-2 * np.pi**2 * ((BODY_WIDTH[0] * kv) ** 2 + (BODY_WIDTH[1] * ku) ** 2))
        even = 0.5 * atom * np.cos(2 * np.pi * ku * ATOM_OFFSET) + body * middle
        odd = 0.5 * atom * np.sin(2 * np.pi * ku * ATOM_OFFSET)
        waves.append(Wave((kv, ku), 0.5 * height * float(even), 0.5 * height * float(odd)))
    return tuple(waves)


def sites(rng: np.random.Generator, size: float, density: float, angle: float, least: float = 0.0) -> np.ndarray:
    """Centres (n, 2) in metres of dimers drawn at random within `size` and a margin; density per nm².

    least: metres below which two are not drawn.
    """
    margin = min(2e-9, size)
    n = int(rng.poisson(density * ((size + 2 * margin) * 1e9) ** 2))
    place = rng.uniform(-margin, size + margin, (n, 2))
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    pitch = np.array([DIMER_PITCH, ROW_PITCH])
    place = (np.rint(place @ turn.T / pitch) * pitch) @ turn
    if least and n > 1:
        from .surface import separate

        place = place[separate(place, least)]
    return place


def dangling_bonds(rng: np.random.Generator, size: float, density: float, angle: float, *, halo: bool | None = None,
                   least: float = 0.0) -> Bumps:  # fmt: skip
    """Bright protrusions of 1–2 Å on one side of a dimer, 0.7–1.2 nm wide at half height, with a dark halo or not.

    All of one image look alike, because the tip, bias and doping are the same.
    """
    place = sites(rng, size, density, angle, least)
    n = len(place)
    side = rng.choice([-1.0, 1.0], n) * ATOM_OFFSET
    place = place + side[:, None] * np.array([np.sin(angle), np.cos(angle)])
    height = rng.uniform(1e-10, 2e-10) * rng.normal(1, 0.05, n)
    width = rng.uniform(0.7e-9, 1.2e-9) / 2.3548 * rng.normal(1, 0.03, n)
    bright = Bumps(place, height, np.stack([width, width], 1), np.zeros(n))
    if not (rng.random() < 0.5 if halo is None else halo):
        return bright
    reach = rng.uniform(1.8, 2.6)
    return Bumps.join(bright, replace(bright, height=-rng.uniform(0.1, 0.25) * height, width=reach * bright.width))


def missing(rng: np.random.Generator, size: float, density: float, angle: float) -> Bumps:
    """Missing dimers (dark, one dimer long) and dihydrides (two shallow dark spots across the row)."""
    place = sites(rng, size, density, angle)
    n = len(place)
    deep = rng.random(n) < 0.6
    height = -np.where(deep, rng.uniform(0.5e-10, 1.3e-10, n), rng.uniform(0.2e-10, 0.5e-10, n))
    width = np.stack([np.where(deep, 1.7e-10, 1.3e-10), np.full(n, 2.6e-10)], axis=1)
    return Bumps(place, height, width, np.full(n, -angle))


def contaminants(rng: np.random.Generator, size: float, density: float) -> Bumps:
    """Lumps of dirt: one to four overlapping bumps of 1–6 Å height and 0.4–1.5 nm width each."""
    centres = sites(rng, size, density, 0.0)
    number = rng.integers(1, 5, len(centres))
    place = np.repeat(centres, number, axis=0) + rng.normal(0, 0.5e-9, (number.sum(), 2))
    n = len(place)
    height, width = rng.uniform(1e-10, 6e-10, n), rng.uniform(0.3e-9, 0.8e-9, (n, 2))
    return Bumps(place, height, width, rng.uniform(0, np.pi, n))


def tip(rng: np.random.Generator, kind: str) -> Tip:
    """A tip of one of STATES. Raises ValueError for another name."""
    angle = float(rng.uniform(0, np.pi))
    if kind == "atoms":
        return Tip(blur=_near(rng, 0.1e-10, 0.4e-10), angle=angle)
    if kind == "dimers":
        return Tip(blur=_near(rng, 0.7e-10, 1.1e-10), angle=angle)
    if kind == "asymmetric":
        if rng.random() < 0.5:  # one lobe of every dimer is felt less
            return Tip(blur=_near(rng, 0.2e-10, 0.8e-10), angle=angle, skew=float(rng.uniform(0.7, 1.6)))
        long = float(rng.uniform(1.2e-10, 2.0e-10))
        return Tip(_apexes(rng, 2, (1.0e-10, 2.8e-10), (0.2, 0.5)), (long, 0.3 * long), angle)
    if kind == "rows":
        return Tip(blur=_near(rng, 1.5e-10, 2.3e-10), angle=angle)
    if kind == "multi":
        return Tip(
            _apexes(rng, int(rng.integers(2, 4)), (0.4e-9, 2.5e-9), (0.05, 0.5)), _near(rng, 0.3e-10, 1.2e-10), angle
        )
    if kind == "published":
        return published(rng, 0.04e-9)
    if kind == "bad":
        extra = _apexes(rng, int(rng.integers(1, 5)), (0.5e-9, 3e-9), (0.1, 0.5))
        return Tip(extra, _near(rng, 4e-10, 9e-10, 0.5), angle)
    raise ValueError(f"no tip is {kind!r}; there are: {', '.join(STATES)}")


def published(rng: np.random.Generator, pixel_size: float) -> Tip:
    """Two, three or four extra apexes (½, 3/10, 1/5) 1–11 px away and a blur of 0.3–0.6 px (arXiv:2510.25921).

    There each apex adds A/(1 + exp(c − d·h)) to a height h scaled to 0–1; here it carries the share of the current
    that gives its twin the same height, A/(1 + exp(c − d)) of the highest feature.
    """
    number = int(rng.choice([2, 3, 4], p=[0.5, 0.3, 0.2]))
    offset = rng.uniform(1, 11, (number, 2)) * rng.choice([-1, 1], (number, 2)) * pixel_size
    gain = rng.uniform(1, 2.5, number) / (1 + np.exp(rng.uniform(5, 9, number) - rng.uniform(7, 10, number)))
    extra = [(float(y), float(x), float(w)) for (y, x), w in zip(offset, np.clip(gain, 0.02, 2), strict=True)]
    blur = float(rng.uniform(0.3, 0.6)) * pixel_size
    return Tip(((0.0, 0.0, 1.0), *extra), (blur, blur))


def conditions(rng: np.random.Generator, kind: str) -> Conditions:
    """What the instrument adds to an image by a tip of this state: bad ones are noisier and less stable."""
    quiet = Conditions(
        noise=float(rng.lognormal(np.log(1.2e-12), 0.8)),
        colour=float(rng.uniform(0.7, 6)),
        line=float(rng.lognormal(np.log(1.0e-12), 0.7)),
        tilt=float(rng.uniform(0, 0.3e-9)),
        drift=float(abs(rng.normal(0, 0.05))),
        lag=(0.95, float(rng.uniform(0.5, 0.95))),
        glitches=float(rng.choice([0, rng.uniform(0, 0.04)], p=[0.6, 0.4])),
        glitch=float(rng.uniform(10e-12, 120e-12)),
    )
    if kind != "bad":
        return quiet
    return replace(quiet, noise=quiet.noise * float(rng.uniform(1, 5)), glitches=float(rng.uniform(0, 0.08)))


def image(
    rng: np.random.Generator,
    kind: str | None = None,
    shape: tuple[int, int] = (96, 96),
    size: float | None = None,
    *,
    change: bool | int | None = None,
    given: Conditions | None = None,
    ground: Surface | None = None,
) -> Drawn:
    """One STM image (y, x) of H:Si(100), height in metres, raw: tilted, its lines not aligned.

    kind: one of STATES, or None to draw it as often as real sessions show it. size: metres along x (square pixels).
    change: the first line of a new tip, True for a random one, False for none, None for one in about seven.
    """
    kind = str(rng.choice(list(SHARES), p=list(SHARES.values()))) if kind is None else kind
    if size is None:
        size = float(np.exp(rng.uniform(*np.log(SIZES[int(rng.choice(3, p=SIZE_SHARES))]))))
    pixel = size / shape[1]
    if ground is None:
        ground = surface(rng, size, dirt=BAD_DIRT if kind == "bad" and rng.random() < 0.5 else DIRT)
    about = conditions(rng, kind) if given is None else given
    y, x = _raster(rng, shape, pixel, about.drift)
    first = tip(rng, kind)
    z = look(ground, first, y, x, pixel)
    line, later = _line_of_change(rng, change, shape[0]), None
    if line is not None:
        later = str(rng.choice([s for s in STATES if s != "published"]))
        other = tip(rng, later).shifted(*rng.normal(0, 0.2e-9, 2))
        z[line:] = look(ground, other, y[line:], x[line:], pixel) + float(rng.normal(0, 80e-12))
    bad = str(rng.choice(BAD, p=(0.4, 0.1, 0.2, 0.15, 0.15))) if kind == "bad" else None
    attributes = _attributes(ground, [first] if line is None else [first, other], about, pixel, line, bad)
    z = _measured(rng, z, about, bad)
    record = {"state": kind, "later": later, "bad": bad, "size": size, "apexes": len(first.apexes), "bumps":
              len(ground.bumps.height), "noise": about.noise}  # fmt: skip
    scan = scan_of(z, pixel, name=f"simulated H:Si(100), {kind}")
    scan.attrs["history"] = remember(scan, scan, "simulate_hydrogen_silicon", record).attrs["history"]
    return Drawn(scan, kind, line, attributes, record)


def _attributes(ground: Surface, tips: list[Tip], about: Conditions, pixel: float, line: int | None, bad: str | None
                ) -> dict[str, float]:  # fmt: skip
    """What a person would tick: the finest thing that stands out of the noise of one line width."""
    out = dict.fromkeys(ATTRIBUTES, 0.0)
    seen = [_visible(ground, t, about, pixel) for t in tips]
    best = max(seen, key=lambda v: v["Rows"] + v["Dimers"] + v["Individual Atoms"])
    out |= best
    if bad is not None:
        spared = 0.3 if bad == "glitches" else 0.0
        out = {k: v * spared for k, v in out.items()}
        out["Bad/Blurry"] = 1.0 - 0.5 * spared
    out["Tip Change"] = 0.0 if line is None else 1.0
    return out


def _visible(ground: Surface, tip: Tip, about: Conditions, pixel: float) -> dict[str, float]:
    """Shares in 0–1 of each attribute from the amplitudes that the blur leaves of rows, dimers and atoms."""
    blur = tip.covariance() + np.eye(2) * (pixel**2 / 12 + (pixel * 0.4) ** 2)
    left = {}
    for wave in ground.textures[0]:
        c, s = np.cos(ground.angle), np.sin(ground.angle)
        k = np.array([c * wave.k[0] + s * wave.k[1], -s * wave.k[0] + c * wave.k[1]])
        apexes = sum(w * np.exp(-2j * np.pi * (k @ np.array([y, x]))) for y, x, w in tip.apexes)
        apexes /= sum(w for _, _, w in tip.apexes)
        amplitude = np.hypot(wave.even, tip.skew * wave.odd) * abs(apexes) * np.exp(-2 * np.pi**2 * (k @ blur @ k))
        left[round(wave.k[1] * ROW_PITCH), round(wave.k[0] * DIMER_PITCH)] = float(amplitude)
    noise = 0.3 * about.noise + 0.3e-12
    rows, dimers = _beyond(left[1, 0], 3 * noise), _beyond(left[0, 1], 2 * noise)
    atoms = _beyond(left[2, 0], 2 * noise) * _beyond(left[2, 1] + left[-2, 1], 0.25 * left[0, 1])
    ghost = len(tip.apexes) > 1
    odd = max(_beyond(tip.skew, 0.6), 0.6 * ghost)
    return {
        "Asymmetries": odd * max(rows, dimers),
        "Individual Atoms": atoms * (1 - odd),
        "Dimers": dimers * (1 - atoms) * (1 - 0.7 * odd),
        "Rows": rows * (1 - dimers) * (1 - 0.7 * odd),
        "Bad/Blurry": (1 - rows) * (1 - dimers),
    }


def _beyond(value: float, scale: float) -> float:
    """0 for nothing, ½ at `scale`, 1 far above it."""
    return float(value**4 / (value**4 + scale**4 + 1e-60))


def _raster(
    rng: np.random.Generator, shape: tuple[int, int], pixel: float, drift: float
) -> tuple[np.ndarray, np.ndarray]:
    """y (rows,), x (rows, columns) in metres of a raster that drifts by `drift` pixels per line, some way."""
    lines, way = np.arange(shape[0]), float(rng.uniform(0, 2 * np.pi))
    y = pixel * (lines * (1 + min(drift, 0.5) * np.sin(way)))
    return y, pixel * (np.arange(shape[1])[None, :] + (drift * np.cos(way) * lines)[:, None])


def _line_of_change(rng: np.random.Generator, change: bool | int | None, lines: int) -> int | None:
    if change is None:
        change = bool(rng.random() < CHANGES)
    if change is True:
        return int(rng.integers(lines // 10, lines - lines // 10))
    return None if change is False else int(change)


def _measured(rng: np.random.Generator, z: np.ndarray, about: Conditions, bad: str | None) -> np.ndarray:
    """z with the loop's lag, noise, lines and glitches, tilt, and what makes an image bad."""
    lines, columns = z.shape
    if bad == "noise":
        z = z * float(rng.uniform(0, 0.1))
    if bad == "unstable":
        z = _unstable(rng, z)
    z = lag(z, *about.lag)
    z = z + about.noise * coloured(rng, z.shape, about.colour)
    z += about.line * rng.standard_normal((lines, 1))
    rate = max(about.glitches, 0.03) if bad in ("glitches", "crash") else about.glitches
    tall = float(rng.uniform(0.3e-9, 5e-9)) if bad in ("glitches", "crash") else about.glitch
    for line in np.flatnonzero(rng.random(lines) < rate):
        z[line] += _glitch(rng, columns, tall)
    if bad == "crash":
        z = _crash(rng, z)
    up, along = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    return z + about.tilt * (up * np.linspace(-1, 1, lines)[:, None] + along * np.linspace(-1, 1, columns)[None, :])


def coloured(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> np.ndarray:
    """Noise of unit rms that remembers `memory` pixels along each line and nothing across: what a loop leaves."""
    keep = float(np.exp(-1 / max(memory, 1e-3)))
    white = rng.standard_normal((shape[0], shape[1] + 16))
    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], white, axis=1)[:, 16:]


def _glitch(rng: np.random.Generator, columns: int, height: float) -> np.ndarray:
    """One line along which the tip jumps up or down for a while and comes back."""
    start, length = int(rng.integers(columns)), int(rng.exponential(columns / 3)) + 2
    out = np.zeros(columns)
    n = len(out[start : start + length])
    out[start : start + length] = rng.choice([-1, 1]) * height * np.linspace(1, float(rng.uniform(0, 1)), n)
    return out


def _unstable(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Lines shifted along x and lifted at random: an apex that wanders faster than the image is taken."""
    out = z.copy()
    reach = rng.uniform(2, 8)
    blocks = np.repeat(rng.normal(0, reach, len(z)), rng.integers(1, 4, len(z)))[: len(z)]
    for i, shift in enumerate(np.rint(blocks).astype(int)):
        out[i] = np.roll(z[i], shift) + rng.normal(0, 40e-12)
    return out


def _crash(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """From some line on, or for some lines, the tip ploughs: tall ragged streaks of nanometres."""
    out = z.copy()
    start = int(rng.integers(len(z)))
    stop = min(len(z), start + int(rng.integers(2, max(3, len(z) // 2))))
    rough = np.repeat(rng.normal(0, 1, (stop - start, -(-z.shape[1] // 6))), 6, axis=1)[:, : z.shape[1]]
    out[start:stop] += float(rng.uniform(0.5e-9, 4e-9)) * rough * (rng.random(rough.shape) < 0.5)
    return out


def _near(rng: np.random.Generator, low: float, high: float, spread: float = 0.15) -> tuple[float, float]:
    """A blur that is nearly round."""
    blur = float(rng.uniform(low, high))
    return blur, blur * float(np.exp(rng.normal(0, spread)))


def _apexes(rng: np.random.Generator, number: int, reach: tuple[float, float], share: tuple[float, float]
            ) -> tuple[tuple[float, float, float], ...]:  # fmt: skip
    """The first apex at 0 and number − 1 others, `reach` metres away, with `share` of the first one's current."""
    out = [(0.0, 0.0, 1.0)]
    for _ in range(number - 1):
        far, way = float(rng.uniform(*reach)), float(rng.uniform(0, 2 * np.pi))
        out.append((far * np.sin(way), far * np.cos(way), float(rng.uniform(*share)) / (1 - share[1] / 2)))
    return tuple(out)


# Bonds as pictures of the tip ------------------------------------------------------------------------------------

GHOST = (0.15, 1.0)  # height of a bond's twin relative to the bond
GHOST_OFFSET = (0.2e-9, 1.2e-9)  # metres between a bond and its twin


class BondFrame(NamedTuple):
    """A frame with dangling bonds by one tip: `double` or not; `ghost` and `offset` (m) of the twin, 0 without one;
    `centres` (n, 2) in metres of the bonds."""

    scan: xr.Dataset
    double: bool
    ghost: float
    offset: float
    centres: np.ndarray


def bond_frame(
    rng: np.random.Generator,
    double: bool,
    *,
    size: float = 20e-9,
    pixel_size: float = 0.1e-9,
    density: float = 0.02,
    ghost: float | None = None,
    offset: float | None = None,
    alone: bool = False,
) -> BondFrame:
    """A frame (y, x) of `size` metres with bonds of `density` per nm² or, `alone`, one bond near its middle.

    ghost, offset: of a double tip's second apex, drawn evenly from GHOST and GHOST_OFFSET where they are not given.
    Sharp and blunt tips alike are nearly round; what tells a double tip is its twin.
    """
    ground = surface(rng, size, bonds=0.0)
    if alone:
        bonds = _in_the_middle(rng, dangling_bonds(rng, size, 1.0, ground.angle), size)
        ground = replace(ground, steps=None)
    else:
        bonds = dangling_bonds(rng, size, density, ground.angle, least=2.6e-9)
    bright = bonds.height > 0
    ground = replace(ground, bumps=Bumps.join(ground.bumps, bonds))
    blur = float(rng.uniform(0.3e-10, 2.5e-10))
    only = Tip(blur=(blur, blur * float(np.exp(rng.normal(0, 0.05)))), angle=float(rng.uniform(0, np.pi)))
    ghost, offset = (ghost or 0.0, offset or 0.0) if double else (0.0, 0.0)
    if double:
        ghost = ghost or float(rng.uniform(*GHOST))
        offset, way = offset or float(rng.uniform(*GHOST_OFFSET)), float(rng.uniform(0, 2 * np.pi))
        w = ghost_share(ghost, float(bonds.height[bright].mean()) if bright.any() else 1.5e-10)
        only = replace(only, apexes=((0.0, 0.0, 1 - w), (offset * np.sin(way), offset * np.cos(way), w)))
    about = replace(conditions(rng, "dimers"), glitches=float(rng.choice([0.0, 0.005])))
    shape = (round(size / pixel_size), round(size / pixel_size))
    y, x = _raster(rng, shape, pixel_size, about.drift)
    z = _measured(rng, look(ground, only, y, x, pixel_size), about, None)
    name = "double" if double else "single"
    scan = scan_of(z, pixel_size, name=f"simulated bonds, {name} tip")
    drawn = {"double": double, "ghost": ghost, "offset": offset}
    scan.attrs["history"] = remember(scan, scan, "simulate_bond_frame", drawn).attrs["history"]
    return BondFrame(scan, double, ghost, offset, bonds.centre[bright])


def _in_the_middle(rng: np.random.Generator, bonds: Bumps, size: float) -> Bumps:
    """Of many bonds the first, with its halo, moved near the middle of the view."""
    bright = int((bonds.height > 0).sum())
    own = [0] if len(bonds.height) == bright else [0, bright]
    shift = size / 2 + rng.uniform(-0.3e-9, 0.3e-9, 2) - bonds.centre[0]
    return Bumps(bonds.centre[own] + shift, bonds.height[own], bonds.width[own], bonds.angle[own])
