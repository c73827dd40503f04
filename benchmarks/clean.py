"""How far from the truth are cleaned scans, and how long does cleaning take? Ours beside TopoStats, on the same arrays.

python benchmarks/clean.py                       classical, simple and learned cleaning; error by coverage and steps
python benchmarks/clean.py --peers               TopoStats beside them, in its own environment (made at the first call)
python benchmarks/clean.py --peers --quick       a quarter of the scans
python benchmarks/clean.py --film FILE.asd --figure film.png     frames a second on a real film, and a look at it

Scans are simulated (`simulate.dirty`) from seeds that nothing was tuned on: 256 × 256 pixels; coverage 0 to 80 % by
spheres, ellipsoids or islands; none or three atomic steps; a tilt of once or ten times the surface's rms; with and
without scars. Errors are rms deviations from the true surface in units of its own rms, the best constant taken off, as
any terrace may be zero. They are given as levelled, noise and all, and after one and the same Gaussian. Times are the
processor's, of all threads together, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from sharptip.clean import find_scars, flatten_fit, plane_fit, row_offsets, run, without_scars
from sharptip.fit.intervals import cluster_bootstrap
from sharptip.simulate.dirty import Dirty, dirty

SEED = 440_044  # nothing was tuned on its scans
KINDS = ("spheres", "ellipsoids", "islands")
COVERAGE, STEPS, TILT, SCARS = (0.0, 0.2, 0.4, 0.6, 0.8), (0, 3), (1.0, 10.0), (0.0, 0.03)
SIZE = 256
GAUSSIAN = 1.0121397464510862  # pixels; what TopoStats smooths with
NM = 1e9
HERE = Path(__file__).parent


@dataclass
class Result:
    """What one method made of all scans: images (n, y, x) in nm, masks of scars, seconds of the processor."""

    images: np.ndarray
    scars: np.ndarray | None
    seconds: np.ndarray
    smoothed: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.smoothed = np.stack([gaussian_filter(z, GAUSSIAN, mode="nearest") for z in self.images])


def scans(each: int, seed: int = SEED) -> list[Dirty]:
    """`each` scans of every kind for every combination; a scan per seed."""
    cells = itertools.product(COVERAGE, STEPS, TILT, SCARS, KINDS, range(each))
    return [
        dirty(
            np.random.default_rng([seed, i]), (SIZE, SIZE), kind=kind, coverage=coverage, steps=steps, tilt=tilt,
            bow=1.0, white=0.1, walk=0.03, jumps=0.0, line_tilt=0.0, scars=scars, noise=0.05, pixel_size=2e-9,
        )
        for i, (coverage, steps, tilt, scars, kind, _) in enumerate(cells)
    ]  # fmt: skip


def classical(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = flatten_fit(z).image
    return without_scars(flat), find_scars(flat)


def simple(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = z - plane_fit(z)
    flat = flat - row_offsets(flat)
    return without_scars(flat), find_scars(flat)


def applied(method, images: np.ndarray) -> Result:  # type: ignore[no-untyped-def]
    method(images[0])
    out, scars, seconds = [], [], []
    for z in images:
        start = time.process_time()
        image, found = method(z)
        seconds.append(time.process_time() - start)
        out.append(image)
        scars.append(found)
    return Result(np.stack(out), np.stack(scars), np.array(seconds))


def learned(raw: list[Dirty]) -> Result | None:
    """The shipped decomposing network, where there is one."""
    from sharptip import Model

    if "clean_scan" not in Model.that_ship():
        return None
    model = Model.trained("clean_scan")
    model.predict(raw[0].scan())
    out, scars, seconds = [], [], []
    for d in raw:
        scan = d.scan()
        start = time.process_time()
        answer = model.predict(scan)
        seconds.append(time.process_time() - start)
        out.append(answer["height"].values * NM)
        scars.append(answer["scar_mask"].values > 0.5)
    return Result(np.stack(out), np.stack(scars), np.array(seconds))


def topostats(images: np.ndarray, pixel: float) -> Result:
    """TopoStats with its default settings and scar removal, run as a program of its own."""
    from peers import make

    python = make("topostats")
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "raw.npz", Path(folder) / "cleaned.npz"
        np.savez(given, images=images, pixel=np.full(len(images), pixel))
        subprocess.run([python, HERE / "clean_topostats.py", given, made], check=True, cwd=folder)  # it leaves a log
        found = np.load(made)
        result = Result(found["levelled"], found["scars"], found["seconds"])
        result.smoothed = found["smoothed"]
        return result


# How wrong ------------------------------------------------------------------------------------------------------


def rmse(image: np.ndarray, d: Dirty) -> float:
    """Rms deviation from the true surface over the surface's rms; the best constant is taken off."""
    error = image - d.surface * NM
    return float(np.sqrt(np.mean((error - np.median(error)) ** 2)) / (d.surface.std() * NM))


def step_bias(image: np.ndarray, d: Dirty) -> float:
    """Relative error of the step height: slope of the levels of the terraces over the true ones, less one."""
    height = d.drawn.get("step_height", 0) * NM
    if not d.drawn["steps"] or not height > 0:
        return np.nan
    truth = d.surface * NM
    flat = maximum_filter(truth, 5) - minimum_filter(truth, 5) < 0.3 * height
    level = np.rint(truth / height)
    on = flat & (np.abs(truth / height - level) < 0.15)
    values, counts = np.unique(level[on], return_counts=True)
    kept = values[counts >= 100]
    if len(kept) < 2:
        return np.nan
    true = [np.median(truth[on & (level == v)]) for v in kept]
    found = [np.median(image[on & (level == v)]) for v in kept]
    return float(np.polyfit(true, found, 1, w=np.sqrt(counts[counts >= 100]))[0] - 1)


def volume_bias(image: np.ndarray, d: Dirty) -> float:
    """Relative error of the volume of all objects above the zero of the cleaned image; on scans without steps."""
    if d.drawn["steps"] or d.drawn["coverage"] == 0:
        return np.nan
    objects = ~d.substrate
    return float(image[objects].sum() / (d.surface * NM)[objects].sum() - 1)


def scar_f1(result: Result, raw: list[Dirty]) -> float:
    """F1 of the scars' pixels over all scans that have some."""
    pairs = [(m, d.scars) for m, d in zip(result.scars, raw, strict=True) if d.scars.any()]  # type: ignore[arg-type]
    both = sum(int((m & t).sum()) for m, t in pairs)
    return 2 * both / max(sum(int(m.sum() + t.sum()) for m, t in pairs), 1)


def middle(values: np.ndarray) -> str:
    """Mean and its 95 % interval over scans; every scan is independent."""
    values = values[np.isfinite(values)]
    if not len(values):
        return "–"
    v = cluster_bootstrap(np.mean, np.arange(len(values)), (values,))
    return f"{v.value:.3f} ({v.low:.3f}–{v.high:.3f})"


def table(results: dict[str, Result], raw: list[Dirty], smoothed: bool) -> None:
    names = list(results)
    print(f"| coverage | steps | n | {' | '.join(names)} |\n|---|---|---|{'---|' * len(names)}")
    wins = dict.fromkeys(names[1:], 0)
    for coverage, steps in itertools.product(COVERAGE, STEPS):
        # objects are drawn to cover what was asked; islands and overlaps come out a little different
        mine = [i for i, d in enumerate(raw) if _asked(i, len(raw)) == (coverage, steps)]
        errors = {
            name: np.array([rmse((r.smoothed if smoothed else r.images)[i], raw[i]) for i in mine])
            for name, r in results.items()
        }
        for name in wins:
            wins[name] += int(errors[names[0]].mean() <= errors[name].mean())
        cells = " | ".join(middle(errors[name]) for name in names)
        print(f"| {coverage:.0%} | {steps} | {len(mine)} | {cells} |")
    for name, n in wins.items():
        print(f"\n{names[0]} is at least as accurate as {name} in {n} of {len(COVERAGE) * len(STEPS)} rows")


def _asked(i: int, n: int) -> tuple[float, int]:
    cells = list(itertools.product(COVERAGE, STEPS))
    return cells[i * len(cells) // n]


def summary(results: dict[str, Result], raw: list[Dirty]) -> None:
    print("\n| method | step height, relative error | volume, relative error | worst volume | F1 of scars | ms |")
    print("|---|---|---|---|---|---|")
    for name, r in results.items():
        steps = np.array([abs(step_bias(z, d)) for z, d in zip(r.images, raw, strict=True)])
        volume = np.array([abs(volume_bias(z, d)) for z, d in zip(r.images, raw, strict=True)])
        f1 = "–" if r.scars is None else f"{scar_f1(r, raw):.2f}"
        print(f"| {name} | {middle(steps)} | {middle(volume)} | {np.nanmax(volume):.2f} | {f1} | "
              f"{np.median(r.seconds) * 1e3:.1f} |")  # fmt: skip


def speed(peers: bool) -> None:
    """Milliseconds for one scan with scars, by its size; the least of several."""
    print("\n| pixels | classical, ms | TopoStats, ms | ratio |\n|---|---|---|---|")
    for size in (256, 512, 1024):
        d = dirty(np.random.default_rng([SEED, size]), (size, size), kind="spheres", coverage=0.3, steps=0, tilt=3.0,
                  bow=1.0, scars=0.03, noise=0.05, pixel_size=2e-9)  # fmt: skip
        z = d.height * NM
        ours = min(applied(classical_only, np.stack([z] * 5)).seconds) * 1e3
        theirs = min(topostats(np.stack([z] * (3 if size < 1024 else 1)), 2.0).seconds) * 1e3 if peers else np.nan
        print(f"| {size}² | {ours:.1f} | {theirs:.0f} | {theirs / ours:.0f} |")


def classical_only(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return without_scars(flatten_fit(z).image), np.zeros(z.shape, bool)


def film(path: Path, picture: Path | None) -> None:
    import sharptip

    scan = sharptip.read(path).load()
    n, repeats = scan.sizes["time"], 5
    for name in ("flatten,scars", "auto", "film"):
        took = []
        for _ in range(repeats):
            start = time.process_time()
            out = run(scan, name)
            took.append(time.process_time() - start)
        least, most = n / max(took), n / min(took)
        print(f"{name}: {least:.0f} to {most:.0f} frames of {scan.sizes['y']} × {scan.sizes['x']} "
              f"a second of one processor, in {repeats} runs")  # fmt: skip
    print("junk:", np.flatnonzero(out["junk"].values).tolist(), "doubtful:", np.flatnonzero(out["doubtful"]).tolist())
    if picture:
        _film_figure(scan, out, picture)


def _film_figure(raw, out, picture: Path) -> None:  # type: ignore[no-untyped-def]
    """A few frames, raw above and cleaned below."""
    import matplotlib.pyplot as plt

    from sharptip.core.scan import pixel_size
    from sharptip.report.pictures import scale_bar
    from sharptip.report.style import save

    shown = [0, 4, 10, 25, 40, 60]
    figure, axes = plt.subplots(2, len(shown), figsize=(2.1 * len(shown), 4.6), layout="constrained")
    low, high = -1.0, 4.0
    for column, i in zip(axes.T, shown, strict=True):
        before, after = raw["height"].values[i] * NM, out["height"].values[i] * NM
        column[0].imshow(before - np.median(before), cmap="afmhot", vmin=-15, vmax=15)
        last = column[1].imshow(after, cmap="afmhot", vmin=low, vmax=high)
        mark = "junk" if out["junk"].values[i] else "doubtful" if out["doubtful"].values[i] else ""
        column[0].set_title(f"frame {i}, {float(raw['time'][i]):.0f} s\n{mark}", fontsize=8)
        for ax in column:
            ax.set_axis_off()
            scale_bar(ax, before.shape[1], pixel_size(raw)[1])
    figure.colorbar(last, ax=axes[1], label="height (nm)", shrink=0.9)
    save(figure, picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one scan of each combination instead of four")
    parser.add_argument("--seed", type=int, default=SEED, help="another one while something is being changed")
    parser.add_argument("--only", choices=["error", "speed"])
    parser.add_argument("--film", type=Path)
    parser.add_argument("--figure", type=Path)
    chosen = parser.parse_args()
    if chosen.film:
        return film(chosen.film, chosen.figure)
    if chosen.only != "speed":
        raw = scans(1 if chosen.quick else 4, chosen.seed)
        images = np.stack([d.height for d in raw]) * NM
        results = {"classical": applied(classical, images), "plane, rows, scars": applied(simple, images)}
        if (network := learned(raw)) is not None:
            results["learned"] = network
        if chosen.peers:
            results["TopoStats"] = topostats(images, 2.0)
        best = np.stack([d.level for d in raw]) * NM
        results["nothing but noise left"] = Result(best, np.stack([d.scars for d in raw]), np.zeros(len(raw)))
        print(f"{len(raw)} simulated scans of {SIZE}²; error / rms of the surface, mean (95 %)\n\nAs levelled:\n")
        table(results, raw, smoothed=False)
        print(f"\nAfter a Gaussian of {GAUSSIAN:.2f} pixels, for all:\n")
        table(results, raw, smoothed=True)
        summary(results, raw)
    if chosen.only != "error":
        speed(chosen.peers)
    return None


if __name__ == "__main__":
    sys.exit(main())
