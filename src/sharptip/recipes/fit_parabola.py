"""At which bias is the force between tip and sample least, for every spectrum of frequency shift against bias?

The Kelvin parabola of `physics.parabola`, fitted in closed form to each spectrum of a file or map, outliers held down,
the noise that neighbouring points share counted as what it is (`measure.parabola`). Nothing is learned: it answers
without a training.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.errors import UnitError
from ..core.grid import Axis, Channel, Grid
from ..core.scan import from_grid, label
from ..fit.recipe import Example, Options, Port, Recipe
from ..fit.rows import Answers, Rows, needed
from ..measure.parabola import Parabola, fit_parabola
from ..physics.parabola import kelvin_parabola

NAME = "fit_parabola"
SHIFT = Port("frequency_shift", "Hz", ("bias",))
GIVES = (
    Port("potential", "V", ()),
    Port("potential_error", "V", ()),
    Port("potential_low", "V", ()),
    Port("potential_high", "V", ()),
    Port("curvature", "Hz/V^2", ()),
    Port("curvature_error", "Hz/V^2", ()),
    Port("maximum", "Hz", ()),
    Port("maximum_error", "Hz", ()),
    Port("residual", "Hz", ()),
    Port("worth", "1", ()),
)


def rows(scan: xr.Dataset, options: Options) -> Rows:
    """Each spectrum, with its fit. Raises ChannelError or UnitError by name."""
    spectra, bias = _spectra(scan)
    fit = fit_parabola(bias, spectra.reshape(-1, len(bias)), options["confidence"])
    dims = tuple(str(d) for d in scan[SHIFT.name].dims if d != "bias")
    return Rows(np.zeros((len(fit.fault), 1, 1), np.float32), dims, tuple(fit.fault.tolist()), _by_port(fit))


def _spectra(scan: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """(frequency shift (…, points) in Hz, bias (points,) in V)."""
    needed(scan, SHIFT, NAME)
    shift = scan[SHIFT.name].transpose(..., "bias")  # sweeps forth and back alike
    bias = shift["bias"]
    if bias.attrs.get("units") != "V":
        raise UnitError(f"{label(scan)}: axis 'bias' is in {bias.attrs.get('units')!r}; recipe {NAME!r} needs 'V'")
    return shift.values.astype(float), bias.values.astype(float)


def _by_port(fit: Parabola) -> Answers:
    named = {"potential_low": fit.low, "potential_high": fit.high}
    return {p.name: named[p.name] if p.name in named else getattr(fit, p.name) for p in GIVES}


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> Answers:
    return dict(rows.kept)


def plain(scan: xr.Dataset, options: Options) -> Answers:
    """Least squares as of a spreadsheet: every point alike, every point independent."""
    spectra, bias = _spectra(scan)
    y = spectra.reshape(-1, len(bias))
    middle = bias.mean()
    p = np.polynomial.polynomial.polyfit(bias - middle, y.T, 2)
    return {"potential": middle - p[1] / (2 * p[2]), "curvature": -p[2], "maximum": p[0] - p[1] ** 2 / (4 * p[2])}


def highest(scan: xr.Dataset, options: Options) -> Answers:
    """The bias of the highest point."""
    spectra, bias = _spectra(scan)
    y = spectra.reshape(-1, len(bias))
    return {"potential": bias[y.argmax(1)], "maximum": y.max(1)}


def example(rng: np.random.Generator, options: Options) -> Example:
    """Sixteen spectra of one tip: noise that neighbours share, now and then a spike, potentials of their own."""
    n, points = 16, int(rng.integers(60, 400))
    bias = np.linspace(-rng.uniform(0.3, 2), rng.uniform(0.3, 2), points)
    potential = rng.normal(0, 0.3) + rng.normal(0, 0.05, n)
    curvature = rng.uniform(0.5, 10) * rng.uniform(0.8, 1.25, n)
    maximum = rng.uniform(-50, 0, n)
    clean = kelvin_parabola(bias, potential[:, None], curvature[:, None], maximum[:, None])
    shared, noise = rng.uniform(0, 0.9), rng.normal(0, 1, (n, points + 100))
    for i in range(1, noise.shape[1]):
        noise[:, i] = shared * noise[:, i - 1] + np.sqrt(1 - shared**2) * noise[:, i]
    size = 0.05 * curvature.mean() * np.ptp(bias) ** 2 / 4 * np.exp(rng.uniform(-2, 1.5))
    spikes = (rng.random((n, points)) < 0.02 * rng.integers(2)) * rng.normal(0, 15, (n, points))
    values = clean + size * (noise[:, 100:] + spikes)
    axes = {"site": Axis(np.arange(n), "1"), "bias": Axis(bias, "V")}
    channel = Channel("frequency_shift", values, "Hz", "frequency shift", ("site", "bias"))
    scan = from_grid(Grid("Kelvin parabolas", (channel,), axes), format="simulated")
    truth = {"potential": potential, "curvature": curvature, "maximum": maximum}
    return Example(scan, truth, group=f"tip {rng.integers(2**62)}")


def _away(name: str, factor: float, share: float):
    """Error of an answer: the value that a share of the rows stays below."""

    def measure(truth: Answers, said: Answers) -> float:
        return float(factor * np.nanquantile(np.abs(said[name] - truth[name]), share))

    return measure


def covered(truth: Answers, said: Answers) -> float:
    """Share of the potentials that are inside of the stated interval."""
    inside = (said["potential_low"] <= truth["potential"]) & (truth["potential"] <= said["potential_high"])
    return float(inside[np.isfinite(said["potential"])].mean())


RECIPE = Recipe(
    name=NAME,
    question="At which bias is the force between tip and sample least, and how sure is that?",
    kind="each",
    eats=(SHIFT,),
    gives=GIVES,
    example=example,
    rows=rows,
    build=lambda options: None,
    answer=answer,
    classical={"least squares": plain, "highest point": highest},
    measures={
        "potential_error_mV median": _away("potential", 1e3, 0.5),
        "potential_error_mV 90%": _away("potential", 1e3, 0.9),
        "covered": covered,
    },
    options={"confidence": 0.95},
    noun="spectra",
)
