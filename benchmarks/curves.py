"""Speed and error of contact points, fits and ratings of force curves, beside nanite on the same curves.

    python benchmarks/curves.py                                   # ours, simulated curves of known truth
    python benchmarks/curves.py --peers                           # beside nanite (see benchmarks/peers.py)
    python benchmarks/curves.py --peers --experts FILE.npz        # and against contacts that experts clicked
    … --ratings FOLDER      # also rates by the model learned on ratings of the layout of ts_zef18

One thread each, in seconds of processor. Ours is timed on whole files, from the scan to the answer; nanite on one curve
after the other without its start and its reading of files. Its rating shares one learned regressor here; the call that
its documentation shows learns it anew for every curve, and is timed apart.
"""

# ruff: noqa: E402 - the number of threads is settled before numpy is imported
from __future__ import annotations

import os

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from peers import make

from sharptip import Model
from sharptip.fit.labelled_curves import curves_of
from sharptip.fit.labelled_ratings import ratings_of
from sharptip.measure.approach import approach_of
from sharptip.measure.contact_point import FINDERS
from sharptip.simulate.force_curves import force_curves

METHODS = ("deviation_from_baseline", "fit_constant_line", "fit_constant_polynomial", "fit_line_polynomial",
           "frechet_direct_path", "gradient_zero_crossing")  # fmt: skip
FEWEST = 400  # samples of an expert's curve that is taken; nanite asks for 600 to rate
ENOUGH = 1000.0  # curves a second
Row = dict[str, Any]


def simulated(n: int, seed: int = 0) -> list[tuple[Any, dict[str, np.ndarray]]]:
    """(scan, truth) of sessions of sound curves of beads on cells, of about n curves in all."""
    out: list[tuple[Any, dict[str, np.ndarray]]] = []
    rng = np.random.default_rng(seed)
    while sum(len(t["contact"]) for _, t in out) < n:
        drawn = force_curves(rng, 64, per_session=64, faulty=0.0, setting="cell, bead", samples=1500)
        if drawn.truth["law"][0] == "paraboloid":
            drawn.scan.attrs.update(law="paraboloid", radius=float(drawn.record["radius"][0]), poisson=0.5)
            out.append((drawn.scan, drawn.truth))
    return out


def experts(path: Path, n: int) -> list[tuple[Any, dict[str, np.ndarray]]]:
    """Curves that experts kept, some of every file, with where they saw contact; files of one tip together."""
    tips: dict[tuple[float, float], list[tuple[Any, np.ndarray]]] = {}
    for example in curves_of(path):
        keep = (np.asarray(example.truth["accept"]) == 1) & (example.scan["length"].values >= FEWEST)
        of = np.flatnonzero(keep)[:: max(1, 2608 // n)]
        if len(of):
            tip = example.scan.attrs["half_angle"], example.scan.attrs["spring_constant"]
            tips.setdefault(tip, []).append((example.scan.isel(curve=of), np.asarray(example.truth["contact"])[of]))
    out = []
    for parts in tips.values():
        scan = xr.concat([s for s, _ in parts], "curve", join="outer", combine_attrs="override")
        scan = scan.assign_coords(curve=("curve", np.arange(scan.sizes["curve"]), {"units": "1"}))
        scan.attrs["law"] = "cone"
        out.append((scan, {"contact": np.concatenate([c for _, c in parts])}))
    return out


def errors(truth: dict[str, np.ndarray], contact: np.ndarray | None, modulus: np.ndarray | None) -> Row:
    """Median and 90 % of the distance in nm and of |ln modulus ratio| in per cent, and how many got no answer."""
    out: Row = {}
    if contact is not None:
        away = np.abs(contact - truth["contact"]) * 1e9
        out |= {"contact_nm": float(np.nanmedian(away)), "contact_nm_p90": float(np.nanquantile(away, 0.9))}
        out["none"] = int(np.isnan(away).sum())
    if modulus is not None and "modulus" in truth:
        with np.errstate(invalid="ignore", divide="ignore"):
            off = np.abs(modulus / truth["modulus"] - 1) * 100
        out |= {"modulus_%": float(np.nanmedian(off)), "modulus_%_p90": float(np.nanquantile(off, 0.9))}
    return out


def timed(scans: list[Any], action: Callable[[Any], Any]) -> tuple[list[Any], float]:
    """(answers, seconds a curve), after one call that warms up."""
    action(scans[0])
    start = time.process_time()
    said = [action(scan) for scan in scans]
    return said, (time.process_time() - start) / sum(s.sizes["curve"] for s in scans)


def ours(data: list[tuple[Any, dict[str, np.ndarray]]], raters: dict[str, Model]) -> list[Row]:
    """A row for each finder of contact, the fit, each rating, and fit and rating together."""
    scans = [scan for scan, _ in data]
    truth = {k: np.concatenate([t[k] for _, t in data]) for k in ("contact", "modulus") if k in data[0][1]}
    rows, seconds = [], {}
    for name, finder in FINDERS.items():
        said, each = timed(scans, lambda scan, finder=finder: finder(approach_of(scan)))
        rows.append({"who": f"sharptip, {name}", "ms": each * 1e3, **errors(truth, np.concatenate(said), None)})
    fit = Model("fit_curves")
    said, seconds["fit"] = timed(scans, fit.predict)
    both = [np.concatenate([a[k].values for a in said]) for k in ("contact", "modulus")]
    rows.append({"who": "sharptip, fit_curves", "ms": seconds["fit"] * 1e3, **errors(truth, *both)})
    for name, model in raters.items():
        said, seconds[name] = timed(scans, model.predict)
        rating = np.concatenate([a["rating"].values for a in said])
        row = {
            "who": f"sharptip, {name}",
            "ms": seconds[name] * 1e3,
            "rating": float(np.nanmean(rating)),
            "ratings": rating,
        }
        if "contact" in said[0]:
            row |= errors(truth, np.concatenate([a["contact"].values for a in said]), None)
        together = {"who": f"sharptip, fit_curves and {name}", "ms": (seconds["fit"] + seconds[name]) * 1e3}
        rows += [row, together]
    return rows


def nanite(data: list[tuple[Any, dict[str, np.ndarray]]], python: Path, folder: Path) -> list[Row]:
    """A row for each of its ways to a first contact point, before and after its fit."""
    truth = {k: np.concatenate([t[k] for _, t in data]) for k in ("contact", "modulus") if k in data[0][1]}
    law = data[0][0].attrs["law"]
    raw: dict[str, Any] = {"poisson": 0.5, "methods": METHODS, "model": {"cone": "hertz_cone"}.get(law, "hertz_para")}
    parts = [approach_of(scan) for scan, _ in data]
    most = max(p.height.shape[1] for p in parts)
    for name in ("height", "deflection"):
        wide = [
            np.pad(getattr(p, name), ((0, 0), (0, most - p.height.shape[1])), constant_values=np.nan) for p in parts
        ]
        raw[name] = np.concatenate(wide)
    raw["spring_constant"] = np.concatenate([p.spring_constant for p in parts])
    tips = [np.degrees(s.attrs["half_angle"]) if law == "cone" else s.attrs["radius"] for s, _ in data]
    raw["tip"] = np.concatenate([np.full(len(p), t) for p, t in zip(parts, tips, strict=True)])
    np.savez(folder / "curves.npz", **raw)
    script = Path(__file__).with_name("curves_nanite.py")
    subprocess.run([python, script, folder / "curves.npz", folder / "answers.npz"], check=True)
    with np.load(folder / "answers.npz") as kept:
        said = {k: kept[k] for k in kept.files}
    print("nanite raised:", ", ".join(said["errors"].tolist()) or "nothing")
    slow = float(np.mean(said["documented"]))
    rows = []
    for m, method in enumerate(METHODS):
        first, fit, rating = (float(np.nanmean(said[f"seconds_{k}"][m])) for k in ("first", "fit", "rating"))
        rows.append({"who": f"nanite, {method}", "ms": first * 1e3, **errors(truth, said["first"][m], None)})
        after = errors(truth, said["contact"][m], said["modulus"][m])
        rows.append({"who": "  then its fit", "ms": (first + fit) * 1e3, **after})
        scored = {"rating": float(np.nanmean(said["rating"][m])), "ratings": said["rating"][m]}
        rows.append({"who": "  and its rating", "ms": (first + fit + rating) * 1e3, **scored})
        rows.append({"who": "  by the documented call", "ms": (first + fit + slow) * 1e3})
    return rows


def shown(rows: list[Row]) -> None:
    """A line for each."""
    columns = ("contact_nm", "contact_nm_p90", "modulus_%", "modulus_%_p90", "rating", "none")
    print(f"{'':46}{'curves/s':>10}" + "".join(f"{c:>15}" for c in columns))
    for row in rows:
        cells = "".join(f"{row[c]:15.4g}" if c in row else f"{'':15}" for c in columns)
        print(f"{row['who']:46}{1e3 / row['ms']:10.0f}{cells}")


def compared(title: str, data: list[Any], raters: dict[str, Model], python: Path | None) -> dict[str, Any]:
    """Everything on one set of curves."""
    n = sum(scan.sizes["curve"] for scan, _ in data)
    samples = float(np.median(np.concatenate([s["length"].values for s, _ in data])))
    print(f"\n{title}: {n} curves of {samples:.0f} samples in {len(data)} files")
    mine = ours(data, raters)
    with tempfile.TemporaryDirectory() as folder:
        theirs = nanite(data, python, Path(folder)) if python else []
    shown([*mine, *theirs])
    for name in raters:
        rate = 1e3 / next(r["ms"] for r in mine if r["who"] == f"sharptip, fit_curves and {name}")
        print(f"fit_curves and {name}: {rate:.0f} curves/s, {rate / ENOUGH:.2f} of the {ENOUGH:.0f} asked for")
        alike = next(r["ratings"] for r in mine if r["who"] == f"sharptip, {name}")
        for row in (r for r in theirs if "ratings" in r):
            good = np.isfinite(alike) & np.isfinite(row["ratings"])
            print(f"  its ratings and nanite's: correlation {np.corrcoef(alike[good], row['ratings'][good])[0, 1]:.2f}")
            break
    return {"title": title, "n": n, "rows": [{k: v for k, v in r.items() if k != "ratings"} for r in [*mine, *theirs]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="also nanite, in its own environment")
    parser.add_argument("--experts", type=Path, help="an archive of curves with clicked contact")
    parser.add_argument("--ratings", type=Path, help="a folder of ratings by features")
    parser.add_argument("--curves", type=int, default=320, help="of each set")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    machine = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    print(f"{machine or platform.processor()}, one thread, Python {platform.python_version()}")
    raters = {}
    if chosen.ratings:
        raters["rate_features"] = Model("rate_features").fit(ratings_of(chosen.ratings))
    if "rate_curves" in Model.that_ship():
        raters["rate_curves"] = Model.trained("rate_curves")
    python = make("nanite") if chosen.peers else None
    out = [compared("simulated beads on cells", simulated(chosen.curves), raters, python)]
    if chosen.experts:
        out.append(
            compared("experts' contacts on living cells", experts(chosen.experts, chosen.curves), raters, python)
        )
    if chosen.json:
        json.dump({"machine": machine, "sets": out}, sys.stdout)


if __name__ == "__main__":
    main()
