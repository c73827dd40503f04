"""Hysteresis loops of piezoresponse with everything that made them: one run of voltages, many pixels.

Five mechanisms, each of which gives a loop that somebody has called ferroelectric:

    ferroelectric   hysterons that switch (physics.switching), with a slope of electrostatic force
    charge          nothing switches; writing injects charge, whose potential is read (physics.charge_injection)
    electrostatic   nothing is left by writing at all; reading shows the force of the read voltage alone
    relaxor         a slim loop, most of whose polarisation follows the read voltage
    mixed           ferroelectric and charge together, neither below a fifth of the other

The range of parameters is a choice; nobody has published a distribution. Signs of the response are arbitrary, as the
phase of a lock-in is, so all of them are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import xarray as xr

from ..core.grid import Axis, Channel, Grid
from ..core.scan import from_grid
from ..physics.switching import coercive_at, saturation_at
from ..physics.tip_response import Junction, response

MECHANISMS = ("ferroelectric", "charge", "electrostatic", "relaxor", "mixed")
CELSIUS = 273.15  # K
TEMPERATURES = CELSIUS + np.arange(25.0, 151.0, 5.0)  # K
_ONE_READ, _ON_FIELD = 0.4, 0.15  # shares of runs that are read at 0 V alone, and while the write voltage is on


@dataclass(frozen=True)
class Run:
    """The voltages of one measurement: write (steps,) V in order of time; read (reads,) V, None while writing."""

    write: np.ndarray
    read: np.ndarray | None

    @property
    def reach(self) -> float:
        """The largest write voltage, V."""
        return float(np.abs(self.write).max())


def triangle(reach: float, steps: int, cycles: int = 1, begin: float = 0.0) -> np.ndarray:
    """Write voltages (steps,), V, of triangular cycles between ±reach; begin: share of a cycle that is left out.

    >>> triangle(2.0, 8).tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0, -1.0, -2.0, -1.0]
    """
    turn = (np.arange(steps) * cycles / steps + begin) % 1.0
    return reach * np.interp(turn, [0.0, 0.25, 0.75, 1.0], [0.0, 1.0, -1.0, 0.0])


def draw_run(rng: np.random.Generator) -> Run:
    """Voltages as instruments use them: 32–128 steps, one or two cycles, 1–21 read voltages, either way first."""
    reach, steps, cycles = rng.uniform(3, 15), int(rng.integers(32, 129)), int(rng.integers(1, 3))
    write = triangle(reach, steps, cycles, begin=float(rng.choice([0.0, 0.0, 0.0, 0.5, 0.75])))
    kind = rng.uniform()
    if kind < _ON_FIELD:
        return Run(write, None)
    if kind < _ON_FIELD + _ONE_READ:
        return Run(write, np.zeros(1))
    return Run(write, np.linspace(-1, 1, int(rng.integers(2, 11)) * 2 + 1) * reach * rng.uniform(0.3, 1.0))


def draw_junction(rng: np.random.Generator, mechanism: str, reach: float) -> tuple[Junction, dict[str, float]]:
    """What is under the tip at one pixel, for write voltages up to `reach`, and the record of what else was drawn.

    A ferroelectric is drawn at 0 K with a Curie temperature (600–1100 K) and taken to 25–150 °C.
    """
    record = {"temperature": float(rng.choice(TEMPERATURES)), "curie": float(rng.uniform(600, 1100))}
    sign, kelvin, slope = rng.choice([-1.0, 1.0], 3), record["temperature"], abs(rng.normal(0, 0.25))
    base = Junction(slope=sign[1] * slope / reach, potential=reach * float(np.clip(rng.normal(0, 0.1), -0.3, 0.3)))
    if mechanism in ("charge", "electrostatic"):
        base = replace(base, slope=sign[1] / reach)
    if mechanism in ("ferroelectric", "mixed", "relaxor"):
        warm = coercive_at(kelvin, 1.0, record["curie"])
        record["coercive_at_zero"] = float(reach * rng.uniform(0.08, 0.75) / warm)
        record["piezo_at_zero"] = float(sign[0] / saturation_at(kelvin, 1.0, record["curie"]))
        v = float(coercive_at(kelvin, record["coercive_at_zero"], record["curie"]))
        imprint = float(np.clip(rng.normal(0, 0.08), -0.25, 0.25)) * reach
        s = float(saturation_at(kelvin, record["piezo_at_zero"], record["curie"]))
        spread = v * rng.uniform(0.06, 0.4)
        base = replace(
            base, piezo=s, coercive=v, spread=spread, imprint=imprint, field_gain=rng.uniform(0, 0.3) / reach
        )
    if mechanism == "relaxor":
        slim = {"coercive": rng.uniform(0.02, 0.12), "spread": rng.uniform(0.05, 0.2), "width": rng.uniform(0.1, 0.5)}
        base = replace(base, reversible=rng.uniform(0.6, 0.95), **{k: reach * v for k, v in slim.items()})
    if mechanism in ("charge", "mixed"):
        kept, lost = rng.uniform(0.02, 0.5), rng.uniform(0, 0.3)
        base = replace(base, injected=kept, lost=lost)
    if mechanism == "mixed":  # potential after many steps is κ/(κ + λ) of the voltage
        size = rng.uniform(0.2, 1.5) / (reach * base.injected / (base.injected + base.lost))
        base = replace(base, slope=sign[1] * float(size))
    return base, record


def stacked(junctions: list[Junction]) -> Junction:
    """Many pixels as one junction with arrays (n,)."""
    return Junction(**{f.name: np.array([float(getattr(j, f.name)) for j in junctions]) for f in fields(Junction)})


def measured(rng: np.random.Generator, run: Run, junction: Junction, snr: np.ndarray | float) -> np.ndarray:
    """Noisy response (n, steps, reads); snr: half the range of a pixel's response over the noise of one value."""
    clean = response(run.write, run.read, junction)
    half = (clean.max((1, 2)) - clean.min((1, 2))) / 2
    half = np.where(half > 1e-9, half, np.maximum(np.abs(clean).max((1, 2)), 1e-9))  # nothing but an offset
    return clean + (half / np.asarray(snr))[:, None, None] * rng.normal(size=clean.shape)


def failed(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Loops (n, steps, reads), in three of ten of which a few values are far off, as failed fits of a resonance are."""
    share = np.where(rng.uniform(size=len(values)) < 0.3, 0.02, 0.0)
    off = rng.uniform(size=values.shape) < share[:, None, None]
    size = np.abs(values).max((1, 2), keepdims=True) * 10.0 ** rng.uniform(0, 1.5, values.shape)
    return np.where(off, values + size * rng.choice([-1.0, 1.0], values.shape), values)


def loop_scan(response: np.ndarray, run: Run, *, unit: str = "arb", name: str = "loops") -> xr.Dataset:
    """Loops (n, steps, reads) as a scan (site, step, read), `piezo_response` with `bias` and `bias_read` beside it."""
    n, steps, reads = response.shape
    channels = [
        Channel("piezo_response", response, unit, "simulated", ("site", "step", "read")),
        Channel("bias", run.write, "V", "simulated", ("step",)),
    ]
    if run.read is not None:
        channels.append(Channel("bias_read", np.asarray(run.read, float), "V", "simulated", ("read",)))
    axes = {d: Axis(np.arange(m) * 1.0, "1") for d, m in (("site", n), ("step", steps), ("read", reads))}
    attrs = {"field": "on" if run.read is None else "off"}
    return from_grid(Grid(name, tuple(channels), axes, "", attrs), source="simulated", format="simulated")


def draw_loops(
    rng: np.random.Generator,
    n: int,
    *,
    mechanisms: tuple[str, ...] = MECHANISMS,
    snr: tuple[float, float] = (2.0, 20.0),
    run: Run | None = None,
) -> tuple[xr.Dataset, dict[str, np.ndarray], dict[str, object]]:
    """n pixels of different samples, measured with one run, which is drawn where none is given.

    Gives (scan, truth by name (n,), record of all that was drawn).

    truth: `mechanism` (a place in MECHANISMS) and every parameter of `Junction`; NaN where a mechanism has none of it.
    """
    run = draw_run(rng) if run is None else run
    which = rng.integers(len(mechanisms), size=n)
    drawn = [draw_junction(rng, mechanisms[k], run.reach) for k in which]
    junction = stacked([j for j, _ in drawn])
    noise = np.exp(rng.uniform(np.log(snr[0]), np.log(snr[1]), n))
    gain = float(10 ** rng.uniform(-5, 1))
    values = failed(rng, measured(rng, run, junction, noise))
    scan = loop_scan(gain * values, run)
    truth = {"mechanism": np.array([MECHANISMS.index(mechanisms[k]) for k in which])} | known(junction, gain)
    kept = {k: np.array([r.get(k, np.nan) for _, r in drawn]) for k in ("temperature", "curie", "coercive_at_zero")}
    return scan, truth, {"run": run, "junction": junction, "gain": gain, "snr": noise, **kept}


def known(junction: Junction, gain: float = 1.0) -> dict[str, np.ndarray]:
    """A junction's parameters as truths, in units of the response that was multiplied by `gain`."""
    n = len(junction)
    truth = {f.name: np.broadcast_to(np.asarray(getattr(junction, f.name), float), n).copy() for f in fields(Junction)}
    for name in ("piezo", "slope"):
        truth[name] *= gain
    truth["piezo"] *= 1 - truth["reversible"]  # what hysteresis shows of it
    for name in ("coercive", "spread", "imprint"):
        truth[name][truth["piezo"] == 0] = np.nan
    truth["lost"][truth["injected"] == 0] = np.nan
    return truth


def matched_pair(
    rng: np.random.Generator, run: Run, junction: Junction, snr: float, **changed: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two measurements (n, steps, reads) with the same noise, of junctions that differ in `changed` alone."""
    seed = int(rng.integers(2**63))
    one, clean = (measured(np.random.default_rng(seed), run, junction, snr), response(run.write, run.read, junction))
    return one, one - clean + response(run.write, run.read, replace(junction, **changed))


@dataclass(frozen=True)
class Sample:
    """A ferroelectric that is warmed: its constants at 0 K, and how much its pixels differ (relative s.d.)."""

    piezo_at_zero: float
    coercive_at_zero: float
    curie: float
    spread: float  # of the coercive voltage
    imprint: float  # V
    slope: float
    potential: float  # V
    scatter: float


def draw_sample(rng: np.random.Generator) -> Sample:
    """V_c at 0 K of 3–8 V, imprint within ±1 V, a Curie temperature of 600–1100 K."""
    return Sample(
        piezo_at_zero=float(rng.uniform(0.5, 2.0)), coercive_at_zero=float(rng.uniform(3, 8)),
        curie=float(rng.uniform(600, 1100)), spread=float(rng.uniform(0.1, 0.3)), imprint=float(rng.uniform(-1, 1)),
        slope=float(rng.uniform(-0.05, 0.05)), potential=float(rng.uniform(-0.5, 0.5)),
        scatter=float(rng.uniform(0.01, 0.05)),
    )  # fmt: skip


def warmed(rng: np.random.Generator, sample: Sample, temperature: np.ndarray) -> Junction:
    """Pixels (n,) of a sample, each at its own temperature (n,) K; every constant scatters from pixel to pixel."""

    def own(value: float) -> np.ndarray:
        return value * (1 + sample.scatter * rng.normal(size=len(temperature)))

    coercive = coercive_at(temperature, own(sample.coercive_at_zero), sample.curie)
    piezo = saturation_at(temperature, own(sample.piezo_at_zero), sample.curie)
    imprint = sample.imprint + sample.scatter * sample.coercive_at_zero * rng.normal(size=len(temperature))
    return Junction(
        piezo=piezo, coercive=coercive, spread=sample.spread * coercive, imprint=imprint,
        slope=own(sample.slope), potential=own(sample.potential),
    )  # fmt: skip


def temperature_series(
    rng: np.random.Generator, sample: Sample, run: Run, pixels: int, snr: float, temperatures: np.ndarray = TEMPERATURES
) -> tuple[np.ndarray, np.ndarray]:
    """Loops (n, steps, reads) of a sample at every temperature, `pixels` of them at each, and their temperatures, K."""
    kelvin = np.repeat(temperatures, pixels)
    return measured(rng, run, warmed(rng, sample, kelvin), snr), kelvin
