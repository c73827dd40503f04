"""Fits of resonances against the Cramér–Rao bound, by signal-to-noise; their speed; BGlib beside them.

python benchmarks/resonance.py                     ours and the usual fits, simulated spectra
python benchmarks/resonance.py --peers             BGlib 0.0.6 too, in its own environment (made at the first call)
python benchmarks/resonance.py --models A.sharptip B.sharptip        trained networks as starts, and alone
python benchmarks/resonance.py --figures docs/figures --json

Every method is given the same arrays: 80 frequencies over 1.25 to 1.39 MHz, resonances in the inner 80 % of it, Q
flat in log from 30 to 300, SNR = peak height over the r.m.s. of the complex noise. What is printed is the root mean
square error of each parameter over the root mean square of the bound: 1 is what no unbiased estimate can beat. Times
are of one processor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sharptip.measure import resonance_baselines as baselines
from sharptip.measure.resonance import FLAGS, fit_spectra
from sharptip.measure.resonance_errors import bounds_of, difference
from sharptip.physics.oscillator import PARAMETERS
from sharptip.simulate.resonance import Ranges, spectra

SNRS = (0.3, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100)
RANGES = Ranges()
F = RANGES.frequency
Fitted = dict[str, np.ndarray]


def ours(y: np.ndarray, truth: Fitted) -> Fitted:
    return fit_spectra(y, F)


def ours_in_range(y: np.ndarray, truth: Fitted) -> Fitted:
    return fit_spectra(y, F, quality=RANGES.quality)


def likelihood(y: np.ndarray, truth: Fitted) -> Fitted:
    return fit_spectra(y, F, estimate="likelihood")


METHODS: dict[str, Callable[[np.ndarray, Fitted], Fitted]] = {
    "sharptip": ours,
    "sharptip, Q known to be 30–300": ours_in_range,
    "sharptip, likelihood alone": likelihood,
    "least squares from the highest sample": lambda y, truth: baselines.from_highest_sample(y, F),
    "linear fit (Sanathanan–Koerner)": lambda y, truth: baselines.linear(y, F),
    "least squares from the truth": lambda y, truth: baselines.from_truth(y, F, truth["resonance"], truth["quality"]),
}


def bglib(y: np.ndarray) -> dict[str, tuple[Fitted, float]]:
    """name → (what it found, seconds per spectrum)."""
    from peers import make

    with tempfile.TemporaryDirectory() as folder:
        raw, fitted = Path(folder) / "raw.npz", Path(folder) / "fitted.npz"
        np.savez(raw, frequency=F, spectra=y)
        script = Path(__file__).with_name("resonance_bglib.py")
        subprocess.run([make("bglib"), script, raw, fitted], check=True)
        with np.load(fitted) as found:
            arrays = dict(found)
    names = ("amplitude", "resonance", "quality", "phase")
    return {
        f"BGlib, {way}": (dict(zip(names, arrays[way].T, strict=True)), float(arrays[f"{way}_seconds"]) / len(y))
        for way in ("guess", "shipped", "repaired")
    }


def network(path: str) -> dict[str, Callable[[np.ndarray, Fitted], Fitted]]:
    """A trained network alone, and as the start of least squares."""
    from sharptip import Model
    from sharptip.fit.train_network import run_network
    from sharptip.measure.resonance_numbers import numbers_of, resonance_of

    model = Model.load(path)

    def alone(y: np.ndarray, truth: Fitted) -> Fitted:
        seen, size = numbers_of(y, F)
        return resonance_of(run_network(model.learner, seen, batch=256), size, F)

    def start(y: np.ndarray, truth: Fitted) -> Fitted:
        line = alone(y, truth)
        return fit_spectra(y, F, start=np.stack([line["resonance"], line["quality"]], axis=1))

    name = model.options["start"]
    return {f"{name} network": alone, f"least squares from the {name} network": start}


def timed(method: Callable[[np.ndarray, Fitted], Fitted], y: np.ndarray, truth: Fitted) -> tuple[Fitted, float]:
    """(what it found, processor seconds per spectrum: the least of three)."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        found = method(y, truth)
        seconds.append((time.process_time() - start) / len(y))
    return found, min(seconds)


def judged(found: Fitted, truth: Fitted, limits: Fitted, seconds: float) -> dict[str, object]:
    """RMSE over the bound of every parameter with its 95 % interval, of all and of the unflagged; time."""
    rng = np.random.default_rng(0)
    answer, known = ({**a, "quality_factor": a["quality"]} for a in (found, truth))
    sound = found["flag"] == 0 if "flag" in found else np.ones(len(truth["snr"]), bool)
    out: dict[str, object] = {"microseconds": seconds * 1e6, "unflagged": float(sound.mean())}
    for p in PARAMETERS:
        with np.errstate(invalid="ignore", divide="ignore"):
            square = difference(known, answer, p) ** 2
        limit = limits[f"{p}_bound"] ** 2
        finite = np.isfinite(square)
        out[p] = _ratio(square, limit, finite, rng)
        out[f"{p}, unflagged"] = _ratio(square, limit, finite & sound, rng)
        if p == "resonance":
            out["resonance_rmse_khz"] = float(np.sqrt(square[finite].mean()) / 1e3)
            out["resonance_bound_khz"] = float(np.sqrt(limit.mean()) / 1e3)
        out["answered"] = float(finite.mean())
    return out


def _ratio(square: np.ndarray, limit: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> list[float]:
    """[ratio, low, high]; empty where fewer than 20 rows are left."""
    pairs = np.stack([square[rows], limit[rows]])
    if pairs.shape[1] < 20:
        return []
    drawn = rng.integers(pairs.shape[1], size=(300, pairs.shape[1]))
    again = np.sqrt(pairs[0][drawn].sum(axis=1) / pairs[1][drawn].sum(axis=1))
    return [float(np.sqrt(pairs[0].sum() / pairs[1].sum())), *map(float, np.quantile(again, [0.025, 0.975]))]


def run(n: int, peers: bool, models: list[str], seed: int) -> dict[str, dict[str, dict[str, object]]]:
    """method → SNR → what `judged` says."""
    methods = dict(METHODS)
    for path in models:
        methods |= network(path)
    table: dict[str, dict[str, dict[str, object]]] = {}
    for snr in SNRS:
        y, truth = spectra(np.random.default_rng([seed, round(snr * 10)]), n, Ranges(snr=(snr, snr)))
        limits = bounds_of({**truth, "quality_factor": truth["quality"]}, F)
        found = {name: timed(method, y, truth) for name, method in methods.items()}
        if peers:
            found |= bglib(y)
        for name, (fitted, seconds) in found.items():
            table.setdefault(name, {})[f"{snr:g}"] = judged(fitted, truth, limits, seconds)
        print(f"SNR {snr:g}", file=sys.stderr, flush=True)
    return table


def show(table: dict[str, dict[str, dict[str, object]]]) -> None:
    for parameter in PARAMETERS:
        for ending in ("", ", unflagged"):
            print(f"\nRMSE over the Cramér–Rao bound: {parameter.replace('_', ' ')}{ending}")
            print(f"{'SNR':42}" + "".join(f"{s:>7}" for s in next(iter(table.values()))))
            for name, rows in table.items():
                if ending and "unflagged" in rows["1"] and rows["1"]["unflagged"] == 1 and "sharptip" not in name:
                    continue
                cells = [r[parameter + ending] for r in rows.values()]
                print(f"{name:42}" + "".join(f"{c[0]:7.2f}" if c else "      –" for c in cells))
    print(f"\n{'resonance, RMSE in kHz':42}")
    bounds = [r["resonance_bound_khz"] for r in next(iter(table.values())).values()]
    print(f"{'Cramér–Rao bound':42}" + "".join(f"{b:7.2f}" for b in bounds))
    for key, title in (("resonance_rmse_khz", ""), ("microseconds", "microseconds"), ("unflagged", "unflagged share")):
        print(title)
        for name, rows in table.items():
            print(
                f"{name:42}"
                + "".join(f"{r[key]:7.2f}" if key != "microseconds" else f"{r[key]:7.0f}" for r in rows.values())
            )


def figures(table: dict[str, dict[str, dict[str, object]]], folder: Path) -> None:
    """RMSE of each parameter over SNR with the bound; one spectrum with its fit; one map."""
    from resonance_figures import curves, one_map, one_spectrum

    folder.mkdir(parents=True, exist_ok=True)
    curves(table, folder / "resonance_bound.png")
    one_spectrum(folder / "resonance_spectra.png")
    one_map(folder / "resonance_map.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="BGlib beside them")
    parser.add_argument("--models", nargs="*", default=[], help="trained networks")
    parser.add_argument("-n", type=int, default=1000, help="spectra for each SNR")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--figures", type=Path)
    chosen = parser.parse_args()
    result = run(chosen.n, chosen.peers, chosen.models, chosen.seed)
    print(json.dumps({"methods": result, "flags": FLAGS}, indent=1)) if chosen.json else show(result)
    if chosen.figures:
        figures(result, chosen.figures)
