"""How well does clean_scan clean? Simulated raw scans over coverage × steps × tilt × scars, beside classical ways.

    python benchmarks/clean_learned.py --per-cell 5 [--csv errors.csv]

Every scan is fresh: none of the seeds is that of a scan that was learned from. Intervals of 95 % draw scans again. The
ratios are paired: error of the learned over that of the classical way on the same scan, geometric mean over scans.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy import ndimage

from sharptip import Model
from sharptip.clean import background, find_scars, flatten_fit, plane, relevel, rows, run, scars
from sharptip.recipes.clean_scan import masked_levelling
from sharptip.simulate.dirty import Dirty
from sharptip.simulate.how_clean import conditions, errors

SEED = 41117  # of the scans; training draws from small ones


def default_steps(scan: xr.Dataset) -> xr.Dataset:
    """What most programs do."""
    return scars(rows(plane(scan)))


def relevelled(scan: xr.Dataset) -> xr.Dataset:
    """Masked iterative levelling first, then lines by their median on the background, then scars."""
    scan = relevel(scan, degree=2)
    _, mask = background(scan["height"].values, 2)
    return relevel(scars(rows(scan, mask=mask)), degree=2)


def auto(scan: xr.Dataset) -> xr.Dataset:
    """What `sharptip clean` does when nothing is asked for: background, lines and substrate by turns, then scars."""
    return run(scan)


def no_steps(scan: xr.Dataset) -> xr.Dataset:
    return scan


WAYS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "raw": no_steps, "plane, rows, scars": default_steps, "relevel, rows, scars": relevelled,
    "rows, relevel, rows, scars": masked_levelling, "auto": auto,
}  # fmt: skip


def measured(per_cell: int, side: int, model: Model, seed: int) -> pd.DataFrame:
    """One row per scan and way."""
    ways = {**WAYS, "learned": model.predict}
    found = []
    for number, (condition, d) in enumerate(conditions(seed, per_cell, (side, side))):
        scan = d.scan()
        rowed = any(d.drawn[k] > 0 for k in ("white", "walk", "jumps"))
        for name, way in ways.items():
            start = time.process_time()
            answer = way(scan)
            took = time.process_time() - start
            mask = answer["scar_mask"].values > 0.5 if "scar_mask" in answer else None
            if name == "auto":
                mask = find_scars(flatten_fit(d.height).image)
            e = errors(d, answer["height"].values, mask)
            quiet = without_noise(d, answer) if name == "learned" else {}
            found.append({"way": name, "scan": number, **condition, "kind": d.drawn["kind"], "sq": d.drawn["sq"],
                          "noise": d.drawn["noise"], "rows": rowed, "seconds": took, **e, **quiet})  # fmt: skip
    return pd.DataFrame(found)


def without_noise(d: Dirty, answer: xr.Dataset) -> dict[str, float]:
    """What each way of making the height quiet leaves of the noise, in its standard deviations, scars aside.

    That is the rms of removed − noise, errors of the background and the lines taken off: 1 for doing nothing.
    """
    height = answer["height"].values
    quiet = {
        "height - noise": height - answer["noise"].values, "Gaussian 0.5 px": ndimage.gaussian_filter(height, 0.5),
        "Gaussian 1 px": ndimage.gaussian_filter(height, 1.0), "median 3 x 3": ndimage.median_filter(height, 3),
    }  # fmt: skip
    sound = ~d.scars & (answer["scar_mask"].values < 0.5)
    return {
        f"left by {k}": float(np.std((height - v - d.noise)[sound]) / np.std(d.noise[sound])) for k, v in quiet.items()
    }


def interval(values: np.ndarray, rng: np.random.Generator, of: Callable[[np.ndarray], float]) -> str:
    values = values[np.isfinite(values)]
    draws = [of(rng.choice(values, len(values))) for _ in range(500)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{of(values):.3f} ({low:.3f}–{high:.3f})"


def geometric(values: np.ndarray) -> float:
    return float(np.exp(np.mean(np.log(values))))


def paired(table: pd.DataFrame) -> None:
    """Error of the learned over that of the classical way, scan by scan."""
    errors_ = table.assign(shape=table["rmse_shape"] / table["sq"])
    about = errors_[errors_["way"] == "auto"].set_index("scan")
    ours = errors_[errors_["way"] == "learned"].set_index("scan")
    least = 1e-5  # Sq: no error is nearer to nothing
    ratios = about.assign(ratio=(ours["shape"] + least) / (about["shape"] + least))
    mixed = ratios[(ratios["coverage"] > 0) & ratios["rows"]]
    rng = np.random.default_rng(1)

    def line(name: str, part: pd.DataFrame) -> None:
        wins = f"better on {(part['ratio'] < 1).mean():.0%}"
        print(f"  {name:44s}", interval(part["ratio"].to_numpy(), rng, geometric), f"{wins} of {len(part)} scans")

    print("\nlearned / auto, RMSE with the best constant taken off, paired by scan, geometric mean")
    for (steps, coverage), part in ratios.groupby(["steps", "coverage"]):
        line(f"{steps} steps, coverage {coverage}", part)
    print("rows and particles mix: coverage 20-80 %, lines with offsets")
    for steps, part in mixed.groupby("steps"):
        line(f"{steps} steps", part)
        for scars_, some in part.groupby("scars"):
            line(f"{steps} steps, scars {scars_}", some)
    line("all", mixed)


def quietness(table: pd.DataFrame) -> None:
    """How much of the noise is left when what was told is taken off, beside filters of the same height."""
    ours = table[(table["way"] == "learned") & (table["noise"] > 0)]
    rng = np.random.default_rng(2)
    ours = ours.assign(loud=pd.cut(ours["noise"], [0, 0.02, 0.06, 1], labels=["below 0.02", "0.02-0.06", "above 0.06"]))
    print("\nwhat is left of the noise (1 for nothing done), median over scans, by the noise in Sq")
    for loud, part in [*ours.groupby("loud", observed=True), ("all", ours)]:
        print(f"  {loud} ({len(part)} scans)")
        for way in (c for c in ours if c.startswith("left by ")):
            values = part[way].to_numpy()
            nearer = (
                f"geometric mean {interval(values, rng, geometric)}, better than nothing on {(values < 1).mean():.0%}"
            )
            print(f"    {way[8:]:18s}", interval(values, rng, np.median), nearer)


def report(table: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    table = table.assign(
        relative=table["rmse"] / table["sq"], shape=table["rmse_shape"] / table["sq"], nm=table["rmse"] * 1e9
    )
    for what, of in (("relative", geometric), ("shape", geometric), ("relative", np.median), ("nm", np.median)):
        print(f"\n{what}, {of.__name__}, all {table['scan'].nunique()} scans")
        for name, rows_ in table.groupby("way", sort=False):
            print(f"  {name:28s}", interval(rows_[what].to_numpy(), rng, of))
    for steps, stepped in table.groupby("steps"):
        print(f"\nRMSE / Sq with {steps} steps, the best constant taken off, by coverage")
        for value, part in stepped.groupby("coverage"):
            ways = part.groupby("way", sort=False)
            print(f"  {value}:", "; ".join(f"{n}: {interval(r['shape'].to_numpy(), rng, geometric)}" for n, r in ways))
    for by in ("coverage", "steps", "tilt", "scars", "kind"):
        print(f"\nRMSE / Sq, geometric mean, by {by}")
        for value, part in table.groupby(by):
            cells = [
                f"{n}: {interval(r['relative'].to_numpy(), rng, geometric)}" for n, r in part.groupby("way", sort=False)
            ]
            print(f"  {value}:", "; ".join(cells))
    best = table[table["way"].isin(list(WAYS))].groupby("scan")["rmse"].min()
    ours = table[table["way"] == "learned"].set_index("scan")["rmse"]
    print(
        "\nshare of scans on which the learned way beats the best of all classical ones:", float((ours < best).mean())
    )
    for metric in ("step_bias", "volume_bias"):
        print(f"\n|{metric}|, median; mean")
        for name, r in table.groupby("way", sort=False):
            v = r[metric].dropna()
            print(f"  {name:28s}", interval(v.abs().to_numpy(), rng, np.median), f"mean {v.mean():+.3f}, n {len(v)}")
    print("\nscars where there are some: precision, recall, F1 over all pixels")
    for name, r in table[table["scars"] > 0].groupby("way", sort=False):
        if "scar_f1" in r and r["scar_f1"].notna().any():
            print(f"  {name:28s}", *(interval(r[m].to_numpy(), rng, np.mean) for m in
                                     ("scar_precision", "scar_recall", "scar_f1")))  # fmt: skip
    print(
        "\nseconds of one core per scan, median",
        table.groupby("way", sort=False)["seconds"].median().round(4).to_dict(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-cell", type=int, default=5)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--csv")
    parser.add_argument("--model", help="another than the one that ships (.sharptip)")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = Model.load(options.model) if options.model else Model.trained("clean_scan")
    table = measured(options.per_cell, options.side, model, options.seed)
    if options.csv:
        table.to_csv(options.csv, index=False)
    report(table)
    paired(table)
    quietness(table)


if __name__ == "__main__":
    main()
