"""Spectra: resonances, Kelvin parabolas, thermal noise, currents over bias, and traces over time."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from ..measure.thermal_tune import OPTICAL_LEVER, ThermalTune, density, fit_thermal
from ..measure.tunnelling import NEAR, current_voltage
from ..physics.oscillator import response
from ..physics.parabola import kelvin_parabola
from ..report.curves import Drawing
from .fitted import Column, Fitted, Settings, Tell
from .rows import Asked, Columns, Signal, along, drawn_row, said_where, verdicts_of

DENSITY = "amplitude_spectral_density"
_BY_EQUIPARTITION = (
    f"The spring constant is {OPTICAL_LEVER:g} k_B T over the mean square of the first mode (Butt and Jaschke 1995), "
    "as of a rectangular lever seen by a light beam whose sensitivity was found by pressing on a hard sample."
)


def _dims(scan: xr.Dataset, name: str, axis: str) -> tuple[str, ...]:
    return tuple(str(d) for d in scan[name].dims if d != axis)


def _has(scan: xr.Dataset, name: str, *dims: str) -> bool:
    return name in scan.data_vars and set(dims) <= set(scan[name].dims)


# -- resonances ---------------------------------------------------------------------------------------------------


def holds_resonances(scan: xr.Dataset) -> bool:
    """A complex answer, or its modulus, along frequency."""
    return _complex_name(scan) is not None or _has(scan, "amplitude", "frequency")


def _complex_name(scan: xr.Dataset) -> str | None:
    names = [str(n).removesuffix("_real") for n in scan.data_vars if str(n).endswith("_real")]
    return next(
        (n for n in names if _has(scan, f"{n}_real", "frequency") and _has(scan, f"{n}_imag", "frequency")), None
    )


def _modulus(scan: xr.Dataset, dims: tuple[str, ...]) -> Signal:
    name = _complex_name(scan)
    if name is None:
        return along(scan, "amplitude", "frequency", dims)
    real, imag = (along(scan, f"{name}_{part}", "frequency", dims) for part in ("real", "imag"))
    return Signal(lambda i: np.hypot(real.y(i), imag.y(i)), real.x, (f"|{name}|", real.y_name[1]), real.x_name)


def _resonance_line(columns: Columns, answer: xr.Dataset, i: int, x: np.ndarray) -> np.ndarray | None:
    a, f, q = (columns[name].values[i] for name in ("amplitude", "resonance", "quality_factor"))
    return np.abs(response(x, a, f, q)) if np.isfinite([a, f, q]).all() else None


def _resonance_against(columns: Columns) -> tuple[np.ndarray | None, np.ndarray | None]:
    flag, snr = columns.get("flag"), columns.get("snr")
    doubts = None if flag is None else said_where(flag.values > 0, "the fit is flagged: no single clear resonance")
    bad = None if snr is None else said_where(snr.values < 1, "the resonance does not stand out of the noise")
    return bad, doubts


RESONANCES = Asked(
    "resonance spectra", "fit_resonance", _modulus, _resonance_line, _resonance_against,
    headline=("resonance", "quality_factor", "amplitude", "phase", "snr"),
)  # fmt: skip

# -- Kelvin parabolas ---------------------------------------------------------------------------------------------


def holds_parabolas(scan: xr.Dataset) -> bool:
    """A frequency shift along bias."""
    return _has(scan, "frequency_shift", "bias")


def _parabola_line(columns: Columns, answer: xr.Dataset, i: int, x: np.ndarray) -> np.ndarray | None:
    v, a, c = (columns[name].values[i] for name in ("potential", "curvature", "maximum"))
    return kelvin_parabola(x, v, a, c) if np.isfinite([v, a, c]).all() else None


def _parabola_against(columns: Columns) -> tuple[np.ndarray | None, np.ndarray | None]:
    curvature, potential = columns["curvature"], columns["potential"]
    bad = said_where(curvature.values <= 0, "the parabola opens upwards: this is no electrostatic force")
    if potential.low is None or potential.high is None:
        return bad, None
    endless = ~(np.isfinite(potential.low) & np.isfinite(potential.high))
    return bad, said_where(endless, "the interval of its place has no end")


PARABOLAS = Asked(
    "Kelvin parabolas", "fit_parabola",
    lambda scan, dims: along(scan, "frequency_shift", "bias", dims, "frequency shift"),
    _parabola_line, _parabola_against, headline=("potential", "curvature", "maximum"),
)  # fmt: skip

# -- traces -------------------------------------------------------------------------------------------------------


def holds_traces(scan: xr.Dataset) -> bool:
    """A current along time, and no image."""
    return _has(scan, "current", "time") and not {"y", "x"} & set(scan["current"].dims)


def _trace_line(columns: Columns, answer: xr.Dataset, i: int, x: np.ndarray) -> np.ndarray | None:
    if "state" not in answer or "level" not in answer:
        return None
    state = answer["state"].transpose(..., "time").values.reshape(-1, len(x))[i]
    level = answer["level"].transpose(..., "level").values.reshape(-1, answer.sizes["level"])[i]
    known = np.isfinite(state)
    return np.where(known, level[np.where(known, state, 0).astype(int).clip(0, len(level) - 1)], np.nan)


TRACES = Asked(
    "telegraph traces", "traces", lambda scan, dims: along(scan, "current", "time", dims), _trace_line,
    lambda columns: (said_where(columns["accept"].values < 0.5, "not worth keeping, says the model"), None),
    headline=("accept", "states", "k12", "k21"),
)  # fmt: skip

# -- thermal noise ------------------------------------------------------------------------------------------------


def holds_thermal(scan: xr.Dataset) -> bool:
    """An amplitude spectral density along frequency."""
    return _has(scan, DENSITY, "frequency")


def fit_tunes(scan: xr.Dataset, settings: Settings, tell: Tell) -> Fitted:
    """Resonance, quality factor and, at a temperature that was told, spring constant of every thermal spectrum."""
    dims = _dims(scan, DENSITY, "frequency")
    signal = along(scan, DENSITY, "frequency", dims)
    n = int(np.prod([scan.sizes[d] for d in dims]))
    tunes = []
    for i in range(n):
        tunes.append(fit_thermal(signal.x(i), signal.y(i)))
        tell("thermal spectra", i + 1, n)
    unit = signal.y_name[1]
    named = {"resonance": ("resonance", "Hz"), "quality_factor": ("quality", "1"), "density": ("amplitude", unit),
             "floor": ("floor", unit)}  # fmt: skip
    columns = [
        Column.of(name, of, np.array([getattr(t, field) for t in tunes]), np.array([t.errors[k] for t in tunes]))
        for k, (name, (field, of)) in enumerate(named.items())
    ]
    known = settings.temperature is not None and unit == "m/√Hz"
    if known:
        k = np.array([t.spring_constant(float(settings.temperature or 0)) for t in tunes])
        columns.append(Column.of("spring_constant", "N/m", k[:, 0], k[:, 1]))
    verdicts, reasons = verdicts_of(np.array([t.fault for t in tunes], object), None, None)
    return Fitted(
        "thermal spectra", scan, dims, tuple(columns), verdicts, reasons, partial(_tune_drawn, signal, tunes),
        missing=() if known else (_no_constant(unit),), headline=("resonance", "quality_factor", "spring_constant"),
        notes=(_BY_EQUIPARTITION,) if known else (),
    )  # fmt: skip


def _no_constant(unit: str) -> str:
    if unit != "m/√Hz":
        return f"not computed: the spring constant, since the spectrum is in {unit} and not in m/√Hz"
    return "not computed: the spring constant, since nobody says the temperature; give it: --temperature 295K"


def _tune_drawn(signal: Signal, tunes: list[ThermalTune], i: int) -> Drawing:
    x, y, t = signal.x(i), signal.y(i), tunes[i]
    if t.fault:
        return drawn_row(signal, x, y, None, "")
    near = np.abs(x - t.resonance) < 15 * t.resonance / t.quality
    line = density(x, t.resonance, t.quality, t.amplitude, t.floor)
    return drawn_row(signal, x[near], y[near], line[near], "fit")


# -- currents over bias -------------------------------------------------------------------------------------------


_NO_LAW = (
    "No law is fitted to tunnelling spectra, which are a density of states; the line is the conductance at zero bias, "
    f"from where |V| is below {NEAR:.0%} of the largest."
)


def holds_currents(scan: xr.Dataset) -> bool:
    """A tunnelling current along bias, or along samples with a bias beside it."""
    return _has(scan, "current", "bias") or (_has(scan, "current", "sample") and _has(scan, "bias", "sample"))


def fit_currents(scan: xr.Dataset, settings: Settings, tell: Tell) -> Fitted:
    """The conductance at zero bias of every current–voltage curve, and its asymmetry; no law is fitted."""
    axis = "bias" if "bias" in scan["current"].dims else "sample"
    dims = _dims(scan, "current", axis)
    signal = along(scan, "current", "bias", dims)
    n = int(np.prod([scan.sizes[d] for d in dims]))
    current = scan["current"].transpose(*dims, axis).values.reshape(n, -1)
    bias = np.stack([signal.x(i) for i in range(n)]) if axis == "sample" else signal.x(0)
    told = current_voltage(bias, current)
    tell("current–voltage curves", n, n)
    unit = "S" if signal.y_name[1] == "A" else f"{signal.y_name[1]}/V"
    columns = (
        Column.of("zero_bias_conductance", unit, told.conductance, told.conductance_error),
        Column("rectification", "1", told.rectification),
        Column("noise", signal.y_name[1], told.noise),
    )
    clipped = said_where(told.clipped, "the current stands at one end for long: the amplifier had no more")
    verdicts, reasons = verdicts_of(told.fault, None, clipped)
    columns_by = {c.name: c for c in columns}
    return Fitted(
        "current–voltage curves", scan, dims, columns, verdicts, reasons, partial(_current_drawn, signal, columns_by),
        notes=(_NO_LAW,),
    )  # fmt: skip


def _current_drawn(signal: Signal, columns: dict[str, Column], i: int) -> Drawing:
    x, y = signal.x(i), signal.y(i)
    near = np.abs(x) <= NEAR * np.nanmax(np.abs(x))
    slope = columns["zero_bias_conductance"].values[i]
    middle = np.nanmean(y[near]) - slope * np.nanmean(x[near]) if near.any() else np.nan
    return drawn_row(signal, x, y, np.where(near, middle + slope * x, np.nan), "conductance at zero bias")
