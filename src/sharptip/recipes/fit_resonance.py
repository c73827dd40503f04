"""Where is the resonance at each pixel, how high, how sharp, at which phase? For band-excitation and other spectra."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ModelError, ReadError
from ..core.grid import Axis, Channel, Grid
from ..core.scan import from_grid
from ..core.units import ARBITRARY
from ..fit import Claim, Example, Port, Recipe, Rows
from ..fit.labelled import arrays_of, needed
from ..fit.recipe import Options
from ..measure import resonance, resonance_baselines, resonance_numbers
from ..measure.resonance_errors import bounds_of, covered, difference, over_bound, root_mean_square
from ..measure.spectra import AXIS, neighbours_of, spectra_of
from ..physics.oscillator import PARAMETERS
from ..simulate.resonance import Ranges, spectra

STARTS = ("grid", "glance", "formula")
TOGETHER = 144  # simulated spectra of one example
TRUTHS = ("amplitude", "resonance", "quality_factor", "phase", "noise")
OTHER_WAY = "these spectra run round the other way, as of an instrument that counts e^{+iωt}; set conjugate=true"
GIVES = {
    "amplitude": ("amplitude", "V"), "resonance": ("resonance", "Hz"), "quality_factor": ("quality", "1"),
    "phase": ("phase", "rad"), "amplitude_std": ("amplitude_error", "V"), "resonance_std": ("resonance_error", "Hz"),
    "quality_factor_std": ("quality_error", "1"), "phase_std": ("phase_error", "rad"), "noise": ("noise", "V"),
    "snr": ("snr", "1"), "flag": ("flag", "1"),
}  # fmt: skip


def example(rng: np.random.Generator, options: Options) -> Example:
    """Spectra of 80 frequencies at some signal-to-noise between 1 and 100 each."""
    ranges = Ranges(snr=(1.0, 100.0))
    seen, truth = spectra(rng, TOGETHER, ranges)
    known = {("quality_factor" if k == "quality" else k): v for k, v in truth.items() if k != "two_modes"}
    known |= bounds_of(known, ranges.frequency)
    return Example(_scan(seen, ranges.frequency), known, f"spectra {rng.integers(2**62)}")


def _scan(spectra: np.ndarray, frequency: np.ndarray, name: str = "simulated spectra", unit: str = "V") -> xr.Dataset:
    """(n, f), complex or real."""
    dims, axes = ("site", AXIS), {"site": Axis(np.arange(float(len(spectra))), "1"), AXIS: Axis(frequency, "Hz")}
    parts = [("response_real", spectra.real), ("response_imag", spectra.imag)]
    if not np.iscomplexobj(spectra):
        parts = [("amplitude", spectra)]
    channels = tuple(Channel(n, v, unit, n, dims) for n, v in parts)
    return from_grid(Grid(name, channels, axes), format="simulated")


def rows(scan: xr.Dataset, options: Options) -> Rows:
    """Every spectrum; those without an answer at all, and why. Networks see them on an even axis of 80 places."""
    found = spectra_of(scan, options["signal"] or None)
    values = found.values.conj() if options["conjugate"] else found.values
    if not options["conjugate"] and resonance.turns_the_other_way(values, found.frequency):
        warnings.warn(f"{found.name}: {OTHER_WAY}", stacklevel=2)
    faults = resonance.faults_of(values)
    kept = {"spectra": values, "frequency": np.broadcast_to(found.frequency, values.shape)}
    if options["neighbours"]:
        kept["neighbours"] = neighbours_of(found.dims, tuple(scan.sizes[d] for d in found.dims))
    units = {"amplitude": found.unit, "amplitude_std": found.unit, "noise": found.unit}
    if _grid(options) or not np.iscomplexobj(values):
        return Rows(np.zeros((len(values), 2, resonance_numbers.BINS), np.float32), found.dims, faults, kept, units)
    seen, kept["size"] = resonance_numbers.numbers_of(values, found.frequency)
    seen[[bool(f) for f in faults]] = 0
    return Rows(seen, found.dims, faults, kept, units)


def _grid(options: Options) -> bool:
    if options["start"] not in STARTS:
        raise ModelError(f"recipe 'fit_resonance': start is {options['start']!r}; it is {' or '.join(STARTS)}")
    return bool(options["start"] == "grid")


def build(options: Options) -> Any:
    """The network that says where least squares start; None for the grid, which needs none."""
    if _grid(options):
        return None
    from ..nets import resonance as nets

    return (nets.glance if options["start"] == "glance" else nets.Formula)(resonance_numbers.BINS)


def loss(output: Any, target: Any) -> Any:
    """The five numbers of a line against theirs, or the line that they draw against the spectrum."""
    from ..nets import resonance as nets

    return (nets.line_loss if target.ndim == 2 else nets.drawing_loss)(output, target)


def target(rows: Rows, truth: dict[str, np.ndarray], options: Options) -> np.ndarray:
    """What was drawn, for the network of the review; the spectra themselves, for the one that draws."""
    if options["start"] == "formula":
        return np.where(rows.sound[:, None, None], rows.numbers, np.nan)
    size, frequency = np.maximum(rows.kept["size"], 1e-300), rows.kept["frequency"][0]
    sharp, phase = truth["quality_factor"], truth["phase"] * (-1 if options["conjugate"] else 1)
    return resonance_numbers.line_of(truth["amplitude"], truth["resonance"], sharp, phase, size, frequency)


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> dict[str, np.ndarray]:
    """Least squares from where the grid or the network says, with standard errors; numbers in the units of the scan."""
    spectra, frequency = rows.kept["spectra"], rows.kept["frequency"][0]
    start = None
    if output is not None and np.iscomplexobj(spectra):
        line = resonance_numbers.resonance_of(output, rows.kept["size"], frequency)
        start = np.stack([line["resonance"], line["quality"]], axis=1)
    fit = partial(
        resonance.fit_spectra, spectra, frequency, quality=_quality(options), background=options["background"],
        estimate=options["estimate"],
    )  # fmt: skip
    found = fit(start=start)
    if options["neighbours"]:
        found = fit(start=start, near=resonance.expected(found, rows.kept["neighbours"]))
    sign = -1 if options["conjugate"] else 1
    return {name: found[column] * (sign if column == "phase" else 1) for name, (column, _) in GIVES.items()}


def _quality(options: Options) -> tuple[float, float] | None:
    low, high = options["quality_low"], options["quality_high"]
    if low is None and high is None:
        return None
    if low is None or high is None or not 0.5 < low < high:
        raise ModelError(
            f"recipe 'fit_resonance': quality_low is {low!r} and quality_high {high!r}; give both, such as 30 and 300"
        )
    return float(low), float(high)


def _classical(method: Callable[..., dict[str, np.ndarray]]) -> Callable[..., dict[str, np.ndarray]]:
    def answered(scan: xr.Dataset, options: Options) -> dict[str, np.ndarray]:
        found = spectra_of(scan, options["signal"] or None)
        fitted = method(np.nan_to_num(found.values), found.frequency)
        return {name: fitted[column] for name, (column, _) in GIVES.items() if column in fitted}

    return answered


def labelled(path: Path, options: Options) -> list[Example]:
    """One example from an archive: see docs/fit_resonance.md for its arrays. Raises ReadError naming what is amiss."""
    arrays = arrays_of(Path(path))
    frequency = np.asarray(needed(arrays, "frequency", path), float)
    values = arrays.get("spectra")
    if values is None:
        values = needed(arrays, "spectra_real", path) + 1j * needed(arrays, "spectra_imag", path)
    if values.ndim != 2 or frequency.shape != values.shape[1:]:
        raise ReadError(f"{path}: spectra {values.shape} and frequency {frequency.shape}; they are (n, f) and (f,)")
    truth = {k: np.full(len(values), np.nan) for k in TRUTHS}
    for name in TRUTHS:
        if name in arrays:
            truth[name] = np.asarray(arrays[name], float)
    if all(np.isfinite(truth[k]).any() for k in ("amplitude", "noise", "resonance", "quality_factor")):
        truth |= bounds_of(truth, frequency)
    unit = str(arrays["unit"]) if "unit" in arrays else ARBITRARY
    scan = _scan(values, frequency, Path(path).stem, unit)
    scan.attrs["format"] = "array"
    groups = np.asarray(arrays["group"]).astype(str) if "group" in arrays else np.full(len(values), Path(path).stem)
    if len(groups) != len(values) or any(len(t) != len(values) for t in truth.values()):
        raise ReadError(f"{path}: {len(values)} spectra, and truths or groups of another number")
    return [
        Example(scan.isel(site=np.flatnonzero(groups == g)), {k: v[groups == g] for k, v in truth.items()}, str(g))
        for g in np.unique(groups)
    ]


def _over(parameter: str) -> Callable[..., float]:
    return lambda truth, said: over_bound(truth, said, parameter)


def _over_sound(parameter: str) -> Callable[..., float]:
    return lambda truth, said: over_bound(truth, said, parameter, sound=True)


RECIPE = Recipe(
    name="fit_resonance",
    question="Where is the resonance in each spectrum, how high, how sharp, at which phase, and how sure is that?",
    kind="each",
    noun="spectra",
    eats=(
        Port("response_real", "V", (AXIS,), arbitrary=True),
        Port("response_imag", "V", (AXIS,), arbitrary=True),
    ),
    gives=tuple(Port(name, unit, ()) for name, (_, unit) in GIVES.items()),
    example=example,
    labelled=labelled,
    rows=rows,
    build=build,
    loss=loss,
    target=target,
    answer=answer,
    classical={
        "least squares from the highest sample": _classical(resonance_baselines.from_highest_sample),
        "linear fit": _classical(resonance_baselines.linear),
    },
    measures={
        **{f"rmse_over_bound {p}": _over(p) for p in PARAMETERS},
        **{f"unflagged_over_bound {p}": _over_sound(p) for p in PARAMETERS},
        "resonance_rmse_hz": lambda truth, said: root_mean_square(difference(truth, said, "resonance")),
        "resonance_covered": lambda truth, said: covered(truth, said, "resonance"),
        "unflagged": lambda truth, said: float((said["flag"] == 0).mean()),
    },
    claims=(
        Claim(
            "effective SNR gain",
            10.0,
            "Borodinov et al., npj Comput. Mater. 5, 25 (2019)",
            "'more than an order of magnitude' for a network's start before least squares; other data",
        ),
    ),
    options={
        "start": "grid",  # or "glance", "formula": networks, to be trained
        "signal": "",  # which channels: NAME_real and NAME_imag, or "amplitude"; the only ones there are
        "background": 0,  # terms of a complex polynomial under the line
        "estimate": "best",  # or "likelihood", "posterior": see measure.resonance.fit_spectra
        "quality_low": None,  # quality factors to look in, where they are known
        "quality_high": None,
        "neighbours": False,  # whether pixels around a weak one say where to look
        "conjugate": False,  # for instruments that count time the other way
        "examples": 200,
        "epochs": 40,
        "batch": 256,
        "lr": 2e-3,
        "schedule": "cosine",
        "fresh": True,
    },
)
