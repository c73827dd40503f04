"""Which frames of a film does `clean.junk_frames` mark, and which should it? Simulated films with spoiled frames.

python benchmarks/junk.py                        five films of each sample; what is marked, by sample and by fault
python benchmarks/junk.py --films 2 --seed 1     another seed, while something is being changed

Films have 36 frames of 128 × 128 pixels: spheres, islands or fibres that cover 5 to 80 %, rough surfaces and terraces
that drift by up to 4 pixels a frame, particles that diffuse, particles that come and stay, and a ground whose
roughness is hardly above the noise. Every frame has its own tilt, offsets of lines, scars and noise, and a converter's
steps. A sixth of the frames is spoiled in one of the ways of FAULTS, the first ones always, as when a film begins
before the tip has landed. Every film is independent; intervals count films.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from sharptip.clean import junk_frames
from sharptip.clean.drift import moved
from sharptip.fit.intervals import cluster_bootstrap
from sharptip.simulate.dirty import dirty
from sharptip.simulate.surface import self_affine

SEED = 640_640  # nothing was tuned on its films
SIZE, FRAMES, SHARE = 128, 36, 1 / 6
PIXEL = 2e-9  # metres
SAMPLES = ("sparse", "dense", "islands", "fibres", "rough", "terraces", "diffusing", "growing", "bare")
FAULTS = ("constant", "flicker", "noise", "saturated", "landing", "frozen", "half frozen", "jumped", "lost")
EMPTY = ("constant", "flicker", "saturated")  # nothing was recorded in these: junk and not only doubtful
Image = np.ndarray


@dataclass(frozen=True)
class Film:
    """Heights (time, y, x) in metres, and which fault each frame has, '' where it has none."""

    heights: np.ndarray
    faults: tuple[str, ...]
    sample: str


def film(rng: np.random.Generator, sample: str, faults: tuple[str, ...] = FAULTS, size: int = SIZE) -> Film:
    surfaces = _surfaces(rng, sample, size)
    sq = float(np.median([z.std() for z in surfaces])) * (0.3 if sample == "bare" else 1.0)
    noise = sq * rng.uniform(0.05, 0.3) if sample != "bare" else 3 * sq
    step = sq * rng.uniform(0.02, 0.3)  # of the converter
    raw = np.stack([_scanned(rng, z, sq, noise) for z in surfaces])
    raw += sq * np.cumsum(rng.normal(0, 0.3, FRAMES))[:, None, None]  # the piezo creeps
    whole = raw.copy()
    drawn = [""] * FRAMES
    first = int(rng.integers(1, 4))
    others = rng.choice(np.arange(first + 1, FRAMES), int(SHARE * FRAMES) - first + 1, replace=False)
    ceiling = raw.max() + 20 * sq
    for i in (*range(first), *sorted(others)):
        choice = [f for f in faults if i or f not in ("frozen", "half frozen", "jumped")]
        drawn[i] = str(rng.choice(choice))
        raw[i] = _spoiled(rng, whole[i], raw[i - 1], drawn[i], noise, step, ceiling)
    return Film(np.rint(np.minimum(raw, ceiling) / step) * step, tuple(drawn), sample)


def _surfaces(rng: np.random.Generator, sample: str, size: int) -> list[Image]:
    """What the tip would see in each frame."""
    if sample in ("diffusing", "growing"):
        return _particles(rng, sample, size)
    wide = 2 * size
    if sample in ("rough", "bare"):
        z, _ = self_affine(
            rng, (wide, wide), PIXEL, rms=PIXEL * rng.uniform(0.1, 1), hurst=float(rng.uniform(0.4, 0.9)),
            correlation_length=PIXEL * rng.uniform(4, 20),
        )  # fmt: skip
    else:
        kind = {"islands": "islands", "fibres": "fibres"}.get(sample, "spheres")
        cover = {"sparse": (0.03, 0.15), "dense": (0.6, 0.8), "terraces": (0.0, 0.1)}.get(sample, (0.2, 0.5))
        z = dirty(
            rng, (wide, wide), kind=kind, coverage=float(rng.uniform(*cover)), steps=3 if sample == "terraces" else 0,
            pixel_size=PIXEL,
        ).surface  # fmt: skip
    speed, course = rng.uniform(0, min(4, size / 2 / FRAMES)), rng.uniform(0, 2 * np.pi)
    walk = np.cumsum(rng.normal(0, 0.3, (FRAMES, 2)), axis=0)
    place = np.outer(np.arange(FRAMES) - FRAMES / 2, speed * np.array([np.sin(course), np.cos(course)])) + walk
    edge = size // 2
    return [moved(z, dy, dx)[edge : edge + size, edge : edge + size] for dy, dx in place]


def _particles(rng: np.random.Generator, sample: str, size: int) -> list[Image]:
    """Round particles that walk about, or that come one after the other and stay."""
    n, radius = int(rng.integers(20, 80)), rng.uniform(3, 8)
    at, speed = rng.uniform(0, size, (n, 2)), rng.uniform(0.5, 2.5) if sample == "diffusing" else 0.1
    born = np.zeros(n) if sample == "diffusing" else np.sort(rng.uniform(-0.2 * FRAMES, FRAMES, n))
    y, x = np.mgrid[:size, :size]
    out = []
    for t in range(FRAMES):
        at = at + rng.normal(0, speed, at.shape)
        image = np.zeros((size, size))
        for py, px in at[born <= t] % size:
            image = np.maximum(image, np.sqrt(np.clip(radius**2 - (y - py) ** 2 - (x - px) ** 2, 0, None)))
        out.append(image * PIXEL)
    return out


def _scanned(rng: np.random.Generator, z: Image, sq: float, noise: float) -> Image:
    """A frame as the instrument writes it: a height of its own, tilt, bow, offsets of lines, a jump, scars, noise."""
    ny, nx = z.shape
    y, x = np.linspace(-1, 1, ny)[:, None], np.linspace(-1, 1, nx)
    out = rng.uniform(0.8, 1.2) * z + sq * (2 * x + 1.5 * y + 0.5 * x * x) + sq * rng.normal(0, 0.1, (ny, 1))
    if rng.random() < 0.05:  # the tip picked something up, or lost it; the frame shows the sample all the same
        out[int(rng.integers(ny)) :] += sq * rng.uniform(-8, 8)
    for line in np.flatnonzero(rng.random(ny) < 0.01):
        start = int(rng.integers(nx))
        out[line, start : start + int(rng.integers(10, 60))] += 3 * sq
    return out + noise * rng.standard_normal(z.shape)


def _spoiled(
    rng: np.random.Generator, sound: Image, before: Image, fault: str, noise: float, step: float, ceiling: float
) -> Image:
    z = sound.copy()
    ny = len(z)
    away = z.max() + rng.uniform(5, 50) * z.std()
    still = away + noise * rng.uniform(0.3, 1.5) * rng.standard_normal(z.shape)  # the tip hangs in the air
    if fault == "constant":
        return np.full_like(z, away)
    if fault == "flicker":
        return away + step * rng.integers(0, 2, z.shape)
    if fault == "noise":
        loud = 1.0 if rng.random() < 0.5 else (z - z.mean(axis=1, keepdims=True)).std() / noise
        return away + loud * noise * (rng.standard_normal(z.shape) + rng.normal(0, 1, (ny, 1)))
    if fault == "saturated":
        level = np.quantile(z, rng.uniform(0, 0.3))
        return np.minimum(z - level + ceiling, ceiling)
    if fault == "landing":
        first = int(rng.uniform(0.25, 0.75) * ny)
        z[:first] = still[:first] if rng.random() < 0.5 else away
        return z
    if fault == "frozen":
        return before.copy()
    if fault == "half frozen":
        last = int(rng.uniform(0.3, 0.8) * ny)
        z[last:] = before[last:]
        return z
    if fault == "jumped":
        far = rng.uniform(0.25, 0.45) * ny
        angle = rng.uniform(0, 2 * np.pi)
        return np.roll(z, (round(far * np.sin(angle)), round(far * np.cos(angle))), (0, 1))
    z[int(rng.uniform(0.1, 0.9) * ny) :] = np.nan
    return z


def judged(films: list[Film]) -> dict[str, object]:
    """Shares with 95 % intervals over films: what is marked rightly, by sample; what is found, by fault."""
    rows = []
    for number, one in enumerate(films):
        begun = time.process_time()
        marks = junk_frames(one.heights)
        took = (time.process_time() - begun) / len(one.faults)
        marked = marks.junk | marks.doubtful
        rows += [
            (number, one.sample, fault, bool(marked[i]), bool(marks.junk[i]), marks.reasons[i], took)
            for i, fault in enumerate(one.faults)
        ]
    out: dict[str, object] = {"films": len(films), "milliseconds": 1e3 * float(np.median([r[6] for r in rows]))}
    for name, of in [("all", None), *((s, s) for s in SAMPLES)]:
        mine = [r for r in rows if of in (None, r[1])]
        out[f"precision, {name}"] = share([r for r in mine if r[3]], lambda r: bool(r[2]))
        out[f"recall, {name}"] = share([r for r in mine if r[2]], lambda r: r[3])
    for fault in FAULTS:
        out[f"found, {fault}"] = share([r for r in rows if r[2] == fault], lambda r: r[3])
    empty = [r for r in rows if r[2] in EMPTY]
    out["empty frames called junk"] = share(empty, lambda r: r[4])
    out["sound frames marked"] = share([r for r in rows if not r[2]], lambda r: r[3])
    out["sound frames called junk"] = share([r for r in rows if not r[2]], lambda r: r[4])
    false: dict[str, list[str]] = defaultdict(list)
    for r in rows:
        if r[3] and not r[2]:
            false[r[1]].append(r[5])
    out["wrongly"] = dict(false)
    return out


def share(rows: list, said) -> dict[str, float] | None:  # type: ignore[no-untyped-def, type-arg]
    if not rows:
        return None
    of = cluster_bootstrap(np.mean, np.array([r[0] for r in rows]), (np.array([float(said(r)) for r in rows]),))
    return {"share": of.value, "low": of.low, "high": of.high, "frames": len(rows), "films": len({r[0] for r in rows})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=5, help="of each sample")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    films = [
        film(np.random.default_rng([chosen.seed, k, n]), sample)
        for k, sample in enumerate(SAMPLES)
        for n in range(chosen.films)
    ]
    found = judged(films)
    if chosen.json:
        print(json.dumps(found))
        return
    print(f"{found['films']} simulated films of {FRAMES} frames; {found['milliseconds']:.1f} ms of one core a frame\n")
    for key, value in found.items():
        if isinstance(value, dict) and "share" in value:
            print(f"{key:<28} {value['share']:.1%} ({value['low']:.1%}–{value['high']:.1%}), {value['frames']} frames")
    print("\nWrongly marked:")
    for sample, reasons in found["wrongly"].items():  # type: ignore[attr-defined]
        print(f"  {sample}: {len(reasons)}, e.g. {reasons[0]}")


if __name__ == "__main__":
    sys.exit(main())
