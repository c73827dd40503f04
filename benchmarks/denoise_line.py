"""How near to the surface does denoise_line come, beside classical filters? SIMULATED films, each learned from alone.

    python benchmarks/denoise_line.py --quick          # 4 films of 64 × 64 pixels
    python benchmarks/denoise_line.py                  # 12 films of 128 × 128: 4 samples × 3 kinds of noise
    python benchmarks/denoise_line.py --films 24 --csv errors.csv
    python benchmarks/denoise_line.py --real FILM      # a film of one's own, without a truth: held against the frames
                                                       # beside, which have noise of their own
    python benchmarks/denoise_line.py --passes FILE…   # scans with both directions: forward against backward

Every way is given the frames as `flatten` leaves them. A classical filter's error is told with its usual setting and
with the best of a grid of settings for each film, chosen by the truth, which nobody has: a bound on what it can do.
Errors are RMSE over Sq of the film's surface as `flatten` leaves it, a polynomial of second degree taken off;
intervals draw films again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy import ndimage, signal
from skimage.restoration import denoise_nl_means

from sharptip import Model
from sharptip.clean import flatten_fit
from sharptip.core.scan import scan_of
from sharptip.fit.beside import onto
from sharptip.fit.unlabelled import frames_of
from sharptip.simulate.scanner import one_over_f
from sharptip.simulate.surface import self_affine, separate, worm_like_chain

PIXEL = 2e-9  # metres
MARGIN = 24  # pixels around the film, for drift
SEED = 40260
LEVELS = (0.15, 0.35, 0.6)  # noise over Sq
OURS, ALONE = "denoise_line", "denoise_line, single frames"
JUDGED = 6  # frames of each film on which filters and answers are compared

# Samples: (rng, n) → surface (n, n) in metres ----------------------------------------------------------------------


def fibres(rng: np.random.Generator, n: int) -> np.ndarray:
    """DNA-like: worm-like chains 2 nm high, some 3.5 pixels wide."""
    empty = np.ones((n, n), bool)
    for _ in range(max(n * n // 1200, 3)):
        start = rng.random(2) * n
        chain = worm_like_chain(rng, length=40.0, persistence_length=25.0, step=0.5,
                                start=(float(start[0]), float(start[1])))  # fmt: skip
        y, x = np.rint(chain).astype(int).T
        seen = (y >= 0) & (y < n) & (x >= 0) & (x < n)
        empty[y[seen], x[seen]] = False
    return 2e-9 * np.exp(-(ndimage.distance_transform_edt(empty) ** 2) / (2 * 1.5**2))


def particles(rng: np.random.Generator, n: int) -> np.ndarray:
    """Half balls of 2 to 5.5 pixels radius, apart from each other."""
    places = rng.random((400, 2)) * n
    places = places[separate(places, 9)][: n * n // 400]
    y, x = np.mgrid[:n, :n]
    out = np.zeros((n, n))
    for (cy, cx), r in zip(places, rng.uniform(2, 5.5, len(places)), strict=True):
        out = np.maximum(out, 2e-9 * r * np.sqrt(np.clip(1 - ((y - cy) ** 2 + (x - cx) ** 2) / r**2, 0, None)))
    return ndimage.gaussian_filter(out, 0.6)


def terraces(rng: np.random.Generator, n: int) -> np.ndarray:
    """Ragged steps of 0.25 nm with a few islands and holes of 3 × 3 pixels."""
    y, x = np.mgrid[:n, :n] / n
    angle = rng.uniform(0, 2 * np.pi)
    ragged, _ = self_affine(rng, (n, n), 1.0, rms=0.02, correlation_length=12.0, hurst=0.9)
    out = 0.25e-9 * np.floor(3.3 * (x * np.cos(angle) + y * np.sin(angle) + ragged + 0.15 * x * y) + rng.random())
    for cy, cx in rng.integers(1, n - 2, (12, 2)):
        out[cy - 1 : cy + 2, cx - 1 : cx + 2] += rng.choice([-1, 1]) * 0.2e-9
    return ndimage.gaussian_filter(out, 0.8)


def lattice(rng: np.random.Generator, n: int) -> np.ndarray:
    """A hexagonal lattice of 6 to 9 pixels with vacancies, on a slow wave."""
    y, x = np.mgrid[:n, :n].astype(float)
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 9)
    out = np.zeros((n, n))
    for turn in angle + np.arange(3) * np.pi / 3:
        out += np.cos(2 * np.pi / period * (x * np.cos(turn) + y * np.sin(turn)))
    for cy, cx in rng.random((15, 2)) * n:
        out -= 3 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 2.5**2))
    slow, _ = self_affine(rng, (n, n), 1.0, rms=0.6, correlation_length=25.0, hurst=1.0)
    return 1e-11 * (out + slow)


SAMPLES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "fibres": fibres, "particles": particles, "terraces": terraces, "lattice": lattice,
}  # fmt: skip


# Noise: (rng, lines, pixels) → (lines, pixels) of unit deviation ---------------------------------------------------


def white(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    return rng.standard_normal((h, w))


def correlated(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """Correlated over one to three pixels along the line, as behind a low-pass, and a tenth of its power white."""
    width = rng.uniform(0.8, 1.6)
    slow = ndimage.gaussian_filter1d(rng.standard_normal((h, w + 20)), width, axis=1)[:, 10:-10]
    return 0.95 * slow / slow.std() + 0.31 * rng.standard_normal((h, w))


def flicker(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """1/f along time, which runs from line to line, noise behind a low-pass, and an offset for every line."""
    slow = one_over_f(rng, h * w).reshape(h, w)
    fast = ndimage.gaussian_filter1d(rng.standard_normal((h, w)), 0.7, axis=1)
    out = 0.6 * slow + 0.6 * fast / fast.std() + 0.5 * rng.standard_normal((h, 1))
    return out / out.std()


NOISES = {"white": white, "correlated": correlated, "flicker": flicker}


def film(sample: str, noise: str, level: float, seed: int, side: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(surface, measured), each (time, y, x) in metres. The sample drifts; fibres and particles also wander."""
    rng = np.random.default_rng([SEED, seed])
    n = side + 2 * MARGIN
    surface, velocity = SAMPLES[sample](rng, n), rng.uniform(-0.3, 0.3, 2)
    soft = sample in ("fibres", "particles")
    grid = np.mgrid[:side, :side] + float(MARGIN)
    wander, shown = np.zeros((2, n, n)), []
    for t in range(frames):
        if soft:
            fresh = np.stack([ndimage.gaussian_filter(rng.standard_normal((n, n)), 15, mode="wrap") for _ in "yx"])
            wander = 0.8 * wander + 0.36 * fresh / fresh.std()
        inside = wander[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        place = grid + velocity[:, None, None] * t + inside
        shown.append(ndimage.map_coordinates(surface, place, order=1 if sample == "terraces" else 3, mode="mirror"))
    truth = np.array(shown)
    added = np.array([NOISES[noise](rng, side, side) for _ in range(frames)])
    return truth, truth + level * truth.std() * added


# Ways --------------------------------------------------------------------------------------------------------------

Frames = np.ndarray  # (time, y, x), flattened, in metres
Way = Callable[[Frames, int], np.ndarray]  # (all frames, the one that is asked about) → (y, x)


def by_gaussian(sy: float, sx: float) -> Way:
    return lambda z, t: ndimage.gaussian_filter(z[t], (sy, sx))


def by_median(h: int, w: int) -> Way:
    return lambda z, t: ndimage.median_filter(z[t], (h, w))


def by_wiener(h: int, w: int) -> Way:
    return lambda z, t: signal.wiener(z[t], (h, w))


def by_nonlocal(strength: float) -> Way:
    """Patches of 5 × 5 within 6 pixels; the noise is read off the differences of neighbouring lines."""

    def way(z: Frames, t: int) -> np.ndarray:
        apart = np.diff(z[t], axis=0)
        noise = 1.4826 * float(np.median(np.abs(apart - np.median(apart)))) / np.sqrt(2)
        unit = z[t].std()
        return unit * denoise_nl_means(z[t] / unit, 5, 6, h=strength * noise / unit, sigma=noise / unit, fast_mode=True)

    return way


def by_neighbours(width: float) -> Way:
    """The mean of a frame and those before and after, brought onto it, then a Gaussian."""

    def way(z: Frames, t: int) -> np.ndarray:
        looks = [z[t], *(onto(z[t], z[u]) for u in (t - 1, t + 1) if 0 <= u < len(z))]
        mean = np.nanmean([look for look in looks if look is not None], axis=0)
        return ndimage.gaussian_filter(mean, width) if width else mean

    return way


CLASSICAL: dict[str, tuple[Way, Sequence[Way]]] = {  # name → usual setting, grid of settings
    "Gaussian": (by_gaussian(1.01, 1.01), [by_gaussian(a, b) for a in (0.5, 0.75, 1, 1.5, 2)
                                           for b in (0.01, 0.5, 1, 2)]),
    "median": (by_median(3, 3), [by_median(h, w) for h, w in ((3, 1), (3, 3), (5, 1), (5, 3), (5, 5))]),
    "Wiener along lines": (by_wiener(1, 5), [by_wiener(h, w) for h, w in ((1, 3), (1, 5), (1, 9), (3, 3), (5, 5))]),
    "non-local means": (by_nonlocal(0.8), [by_nonlocal(s) for s in (0.4, 0.6, 0.8, 1.2)]),
    "three frames": (by_neighbours(1.0), [by_neighbours(w) for w in (0, 0.5, 0.75, 1)]),
}  # fmt: skip


def as_scan(frames: np.ndarray) -> xr.Dataset:
    """(time, y, x) in metres as a film."""
    scan = scan_of(frames[0], PIXEL, name="film").drop_vars("height")
    scan["height"] = xr.Variable(("time", "y", "x"), frames, {"units": "m"})
    return scan.assign_coords(time=xr.Variable(("time",), np.arange(len(frames)) * 1.0, {"units": "s"}))


def error(answer: np.ndarray, truth: np.ndarray) -> float:
    """RMSE of frames (n, y, x) over the truth's Sq, once a polynomial of second degree is taken off."""
    y, x = (v.ravel() for v in np.meshgrid(*(np.linspace(-1, 1, n) for n in truth.shape[1:]), indexing="ij"))
    basis = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    apart = (answer - truth).reshape(len(truth), -1).T
    rest = apart - basis @ np.linalg.lstsq(basis, apart, rcond=None)[0]
    return float(np.sqrt(np.mean(rest**2)) / truth.std())


def learned(frames: np.ndarray, **options: object) -> tuple[xr.Dataset, float]:
    """The answer of a model that learned from the film, and the seconds of CPU that both took."""
    scan, start = as_scan(frames), time.process_time()
    model = Model("denoise_line", **options)
    model.fit(frames_of([scan], model.recipe, model.options))
    answer = model.predict(scan)
    return answer, time.process_time() - start


def one_film(number: int, side: int, frames: int, options: dict[str, object], alone: bool) -> list[dict[str, object]]:
    """A row for each way."""
    sample, noise = list(SAMPLES)[number % 4], list(NOISES)[number // 4 % 3]
    level = LEVELS[(number + number // 4 + number // 12) % 3]
    surface, measured = film(sample, noise, level, number, side, frames)
    flat, truth = (np.array([flatten_fit(z).image for z in frames_]) for frames_ in (measured, surface))
    judged = np.unique(np.linspace(0, frames - 1, min(JUDGED, frames)).round().astype(int))
    about = {"film": number, "sample": sample, "noise": noise, "level": level}
    rows = [{**about, "way": "levelled", "error": error(flat[judged], truth[judged])}]
    for name, (usual, grid) in CLASSICAL.items():
        tried = [error(np.array([way(flat, t) for t in judged]), truth[judged]) for way in (usual, *grid)]
        rows.append({**about, "way": name, "error": tried[0]})
        rows.append({**about, "way": f"{name}, best of {len(grid)} by the truth", "error": min(tried)})
    asked: dict[str, dict[str, object]] = {OURS: {}, ALONE: {"around": 0}}
    for name, chosen in asked.items():
        if name == ALONE and not alone:
            continue
        answer, seconds = learned(measured, **options, **chosen)
        found = answer["height"].values[judged]
        sure = answer["uncertainty"].values[judged]
        missed = (found - truth[judged]) - np.median(found - truth[judged], axis=(1, 2), keepdims=True)
        inside = float(np.mean(np.abs(missed) < 1.96 * sure))
        rows.append({**about, "way": name, "error": error(found, truth[judged]), "seconds": seconds, "inside": inside,
                     "doubts": answer.attrs["doubts"]})  # fmt: skip
    return rows


# Tables ------------------------------------------------------------------------------------------------------------


def interval(values: np.ndarray, of: Callable[[np.ndarray], float]) -> str:
    rng = np.random.default_rng(0)
    low, high = np.quantile([of(rng.choice(values, len(values))) for _ in range(2000)], [0.025, 0.975])
    return f"{of(values):.3f} ({low:.3f}–{high:.3f})"


def geometric(values: np.ndarray) -> float:
    return float(np.exp(np.mean(np.log(values))))


def report(table: pd.DataFrame) -> None:
    wide = table.pivot(index="film", columns="way", values="error")
    print(f"SIMULATED, {len(wide)} films; RMSE / Sq, geometric mean over films (95 %)")
    for way in table["way"].unique():
        print(f"  {way:44s} {interval(wide[way].to_numpy(), geometric)}")
    usual = wide[list(CLASSICAL)].min(axis=1)
    bound = wide[[c for c in wide if "by the truth" in c]].min(axis=1)
    for way in (w for w in (OURS, ALONE) if w in wide):
        for name, rival in (
            ("best filter with its usual setting", usual),
            ("best filter and setting by the truth", bound),
        ):
            ratio = (wide[way] / rival).to_numpy()
            print(f"  {way} over the {name}, film by film: {interval(ratio, geometric)}; better in "
                  f"{int((ratio < 1).sum())} of {len(ratio)}")  # fmt: skip
    ours = table[table["way"] == OURS]
    print(f"  inside 1.96 uncertainties: {interval(ours['inside'].to_numpy(), np.mean)}; seconds of CPU per film, "
          f"median: {ours['seconds'].median():.0f}")  # fmt: skip
    ways = [w for w in ("levelled", *CLASSICAL, ALONE, OURS) if w in wide]
    shown = table[table["way"].isin(ways)]
    for by in ("noise", "sample", "level"):
        cells = shown.pivot_table(index=by, columns="way", values="error", aggfunc=geometric)[ways]
        print(f"\nby {by}\n{cells.round(3).to_string()}")


# A real film: the frames beside it tell about each frame ------------------------------------------------------------


def pictured(before: np.ndarray, after: np.ndarray, scan: xr.Dataset, names: Sequence[str], path: Path) -> None:
    """The middle half of frames (n, y, x) before and after, and what was taken off."""
    from sharptip.core.scan import pixel_size
    from sharptip.report.pictures import before_after_figure
    from sharptip.report.style import save

    middle = tuple(slice(n // 4, n // 4 + n // 2) for n in before.shape[1:])
    cut = [[z[middle] for z in frames] for frames in (before, after)]
    n = len(before)
    save(before_after_figure(*cut, [pixel_size(scan)] * n, ["m"] * n, names), path)


def against_neighbours(path: Path, options: dict[str, object], figure: Path | None) -> None:
    """RMSE of each way's frame against the next frame as it came, which no way has seen.

    The model and the filters are given frames of even number alone, and held against the odd ones between. What the
    sample does in between, and the other frame's own noise, are in every number alike.
    """
    from sharptip import io
    from sharptip.clean import junk_frames

    scan = io.read(path)
    every = scan["height"].transpose("time", "y", "x").values
    good = np.flatnonzero(~(junk_frames(every).junk | junk_frames(every).doubtful))
    flat = {int(t): flatten_fit(every[t]).image for t in good}
    even = [t for t in flat if t % 2 == 0]
    start = time.process_time()
    model = Model("denoise_line", **options)
    half = scan[["height"]].isel(time=even)
    answer = model.fit(frames_of([half], model.recipe, model.options)).predict(half)
    print(f"REAL: {path.name}, {len(even)} frames; {time.process_time() - start:.0f} s of CPU")
    stack = np.array([flat[t] for t in even])
    if figure:
        shown = [len(even) // 4, 3 * len(even) // 4]
        pictured(stack[shown], answer["height"].values[shown], scan, [f"frame {even[k]}" for k in shown], figure)
    ways: dict[str, Way] = {"levelled": lambda z, t: z[t], **{n: usual for n, (usual, _) in CLASSICAL.items()}}
    ways |= {f"Gaussian {s}": by_gaussian(s, s) for s in (0.5, 0.75, 1.5)} | {"median 3 × 1": by_median(3, 1)}
    ways["denoise_line"] = lambda z, t: answer["height"].values[t]
    rows = []
    for k, t in enumerate(even):
        other = flat.get(t + 1)
        if other is None or onto(flat[t], other) is None:
            continue
        target = onto(flat[t], other)
        assert target is not None
        for name, way in ways.items():
            apart = way(stack, k) - target
            rows.append({"frame": t, "way": name, "apart": float(np.sqrt(np.nanvar(apart)))})
    table = pd.DataFrame(rows).pivot(index="frame", columns="way", values="apart") * 1e9
    print(f"nm from the frame that follows, {len(table)} pairs; and over that of denoise_line, pair by pair")
    for name in ways:
        ratio = (table[name] / table["denoise_line"]).to_numpy()
        print(f"  {name:24s} {interval(table[name].to_numpy(), np.mean)}   {interval(ratio, geometric)}")


def against_the_other_pass(paths: Sequence[Path], options: dict[str, object]) -> None:
    """RMSE over Sq of each way's forward pass against the backward one as it came, which no way has seen.

    Each model learns from one forward pass alone. The backward pass has noise of its own, in every number alike.
    """
    from sharptip import io

    ways: dict[str, Way] = {"levelled": lambda z, t: z[t]}
    ways |= {name: usual for name, (usual, _) in CLASSICAL.items() if name != "three frames"}
    rows = []
    for path in paths:
        scan = io.read(path)[["height"]]
        forward = scan.isel(direction=0, drop=True)
        there, back = (flatten_fit(scan["height"].isel(direction=d).values).image for d in (0, 1))
        target = onto(there, back)
        if target is None:
            print(f"left out {path.name}: the passes do not show the same")
            continue
        model = Model("denoise_line", **options)
        answer = model.fit(frames_of([forward], model.recipe, model.options)).predict(forward)["height"].values
        found = {**{name: way(there[None], 0) for name, way in ways.items()}, OURS: answer}
        sq = there.std()
        rows += [{"file": path.name, "way": n, "apart": float(np.nanstd(z - target) / sq)} for n, z in found.items()]
    print("REAL: forward pass against the backward one, over Sq")
    print(pd.DataFrame(rows).pivot(index="file", columns="way", values="apart").round(4).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--first", type=int, default=0, help="number of the first film")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--epochs", type=int, help="of the training; the recipe's own, if left out")
    parser.add_argument("--alone", action="store_true", help="also a model that sees no other frame")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--figure", type=Path, help="with --real: a picture of two frames")
    parser.add_argument("--passes", type=Path, nargs="+")
    given = parser.parse_args()
    torch.set_num_threads(1)
    options: dict[str, object] = {} if given.epochs is None else {"epochs": given.epochs}
    if given.real:
        return against_neighbours(given.real, options, given.figure)
    if given.passes:
        return against_the_other_pass(given.passes, options)
    if given.quick:
        given.films, given.side, given.frames = 4, 64, 8
        options.setdefault("epochs", 15)
    rows = []
    for number in range(given.first, given.first + given.films):
        rows += one_film(number, given.side, given.frames, options, given.alone)
        print(f"film {number}: " + ", ".join(f"{r['way']} {r['error']:.3f}" for r in rows[-2:]), flush=True)
        if given.csv:
            pd.DataFrame(rows).to_csv(given.csv, index=False)
    report(pd.DataFrame(rows))


if __name__ == "__main__":
    main()
