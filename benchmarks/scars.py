"""Does mending scars leave alone what lies near the fast axis, and does it still mend scars?

python benchmarks/scars.py                  simulated scans: scars, and then fibres, rods and rings without any scar
python benchmarks/scars.py --film FILE.asd  how much of a real film is mended

Beside it stand the thresholds alone, as `scars` was before it looked at shape (`clean.streaks`). Scans with scars are
those of `clean.py`, from other seeds; nothing was tuned on either. A scan is a group of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from clean import NM, SIZE, middle, rmse, scans
from scipy.ndimage import gaussian_filter

from sharptip.clean import flatten_fit, without_scars
from sharptip.fit.intervals import cluster_bootstrap

SEED = 550_056  # nothing was tuned on its scans
EACH = 8  # images of every kind of structure
HEIGHT, NOISE, LINES = 2.0, 0.05, 0.1  # nm

Surface = Callable[[np.random.Generator], np.ndarray]


def by_thresholds(z: np.ndarray, again: tuple[int, ...] = ()) -> np.ndarray:
    """What `without_scars` was before: every streak that the thresholds find is mended."""
    with patch("sharptip.clean.scars.likely_scars", lambda z, found, *_: found > 0):
        return without_scars(z)


METHODS = {"now": without_scars, "thresholds alone": by_thresholds}


# Scans with scars ---------------------------------------------------------------------------------------------------


def of_scars(each: int, seed: int) -> None:
    raw = [d for d in scans(each, seed) if d.scars.any()]
    flat = [flatten_fit(d.height * NM).image for d in raw]
    errors, counts = {}, {}
    for name, method in METHODS.items():
        made = [method(z) for z in flat]
        errors[name] = np.array([rmse(z, d) for z, d in zip(made, raw, strict=True)])
        found = [m != z for m, z in zip(made, flat, strict=True)]
        counts[name] = np.array(
            [((f & d.scars).sum(), f.sum(), d.scars.sum()) for f, d in zip(found, raw, strict=True)]
        )
    print(f"{len(raw)} simulated scans of {SIZE}² with scars; mean or ratio of sums (95 % over scans)\n")
    print("| method | error / rms of the surface | mended pixels on scars | scars' pixels mended | F1 |")
    print("|---|---|---|---|---|")
    for name in METHODS:
        both, found, there = counts[name].T.astype(float)
        cells = (_ratio(both, found), _ratio(both, there), _ratio(2 * both, found + there))
        print(f"| {name} | {middle(errors[name])} | {' | '.join(cells)} |")
    now, before = errors.values()
    print(f"\nerror now / before: {_ratio(now, before)}; F1 now − before: {_f1_gain(*counts.values())}\n")


def _ratio(a: np.ndarray, b: np.ndarray) -> str:
    v = cluster_bootstrap(lambda a, b: float(a.sum() / b.sum()), np.arange(len(a)), (a, b))
    return f"{v.value:.3f} ({v.low:.3f}–{v.high:.3f})"


def _f1_gain(now: np.ndarray, before: np.ndarray) -> str:
    def f1(c: np.ndarray) -> float:
        return float(2 * c[:, 0].sum() / (c[:, 1] + c[:, 2]).sum())

    v = cluster_bootstrap(lambda a, b: f1(a) - f1(b), np.arange(len(now)), (now, before))
    return f"{v.value:.3f} ({v.low:.3f}–{v.high:.3f})"


# Structure without scars --------------------------------------------------------------------------------------------


def stick(rng: np.random.Generator, angle: float, width: float, length: float = np.inf) -> np.ndarray:
    """Height (y, x) of a straight fibre or rod at ±`angle` degrees to the fast axis, somewhere in the image."""
    y, x = np.mgrid[:SIZE, :SIZE] - rng.uniform(0.2, 0.8, 2)[:, None, None] * SIZE
    a = np.deg2rad(angle) * rng.choice([-1, 1])
    across, along = y * np.cos(a) - x * np.sin(a), x * np.cos(a) + y * np.sin(a)
    return HEIGHT * ((np.abs(across) <= width / 2) & (np.abs(along) <= length / 2))


def rings(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    out = np.zeros((SIZE, SIZE))
    for _ in range(8):
        cy, cx, radius = *rng.uniform(0.1, 0.9, 2) * SIZE, rng.uniform(10, 60)
        out = np.maximum(out, HEIGHT * np.exp(-((np.hypot(y - cy, x - cx) - radius) ** 2) / 5))
    return out


def structures() -> dict[str, Surface]:
    out: dict[str, Surface] = {}
    for angle in (0.5, 1, 2, 3, 5, 10):
        for width in (3, 5):
            out[f"fibre, {angle}°, {width} px"] = lambda rng, a=angle, w=width: stick(rng, a, w)
    for width in (2, 4):
        out[f"ten rods along the line, 24 × {width} px"] = lambda rng, w=width: np.max(
            [stick(rng, 0, w, 24) for _ in range(10)], axis=0
        )
    return out | {"eight rings": rings}


def of_structures(seed: int) -> None:
    print("Share of the height left by mending, of structure without any scar; mean (95 %)\n")
    print(
        f"| structure, {EACH} images each | {' | '.join(f'{m}, {k}' for k in ('sharp', 'blurred') for m in METHODS)} |"
    )
    print(f"|---|{'---|' * 2 * len(METHODS)}")
    for k, (name, surface) in enumerate(structures().items()):
        cells = []
        for blurred in (0, 1):
            drawn = [_levelled(np.random.default_rng([seed, k, i]), surface, blurred) for i in range(EACH)]
            for method in METHODS.values():
                cells.append(middle(np.array([method(z)[on].mean() / z[on].mean() for on, z in drawn])))
        print(f"| {name} | {' | '.join(cells)} |")


def _levelled(rng: np.random.Generator, surface: Surface, blur: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the structure stands (y, x), and the levelled image of it."""
    z = gaussian_filter(surface(rng), blur) if blur else surface(rng)
    raw = z + NOISE * rng.standard_normal(z.shape) + LINES * rng.standard_normal((SIZE, 1)) + np.linspace(-3, 3, SIZE)
    return z > z.max() / 2, flatten_fit(raw).image


def of_film(path: Path) -> None:
    import sharptip

    film = sharptip.read(path)["height"].load().transpose("time", "y", "x").values
    flat = np.stack([flatten_fit(z * NM).image for z in film])
    for name, made in (("now", without_scars(flat, again=(0,))), ("now, each frame by itself", without_scars(flat)),
                       ("thresholds alone", by_thresholds(flat))):  # fmt: skip
        print(f"{name}: {(made != flat).sum()} pixels mended of {flat.size}, {(made != flat).mean():.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=1, help="scans with scars of each kind and combination")
    parser.add_argument("--seed", type=int, default=SEED, help="another one while something is being changed")
    parser.add_argument("--only", choices=["scars", "structures"])
    parser.add_argument("--film", type=Path)
    chosen = parser.parse_args()
    if chosen.film:
        return of_film(chosen.film)
    if chosen.only != "structures":
        of_scars(chosen.each, chosen.seed)
    if chosen.only != "scars":
        of_structures(chosen.seed)
    return None


if __name__ == "__main__":
    sys.exit(main())
