"""What switches under this tip, or only seems to? Hysteresis loops of piezoresponse, pixel by pixel.

A loop is no proof of a ferroelectric: injected charge makes one too (Neumayer et al., Nanoscale Adv. 2, 2063 (2020)).
Loops are unfolded into images, response against write step and read voltage, from which a small network learned on
simulated loops tells the mechanism and a posterior of the physical parameters; beside it stand what the loops say
without any learning (measure.loop_quantities) and a fit of the physics with its own uncertainties (measure.loop_fit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..fit.recipe import Claim, Example, Port, Recipe
from ..fit.rows import Rival, Rows
from ..measure.loop_fit import fit_loops
from ..measure.loop_quantities import backwards, quantities
from ..measure.loops import SIZE, Loops, images, loops_of
from ..measure.principal import clusters, principal
from ..simulate.loops import MECHANISMS, draw_loops

if TYPE_CHECKING:
    import xarray as xr

# Numbers of the posterior, on the scale that a network sees: voltages over the largest write voltage, responses over
# the scale of the loop image.
PARAMETERS = ("piezo", "coercive", "imprint", "slope", "potential", "injected")
COMPONENTS = 10  # principal components of a map
_VOLTS, _RESPONSE, _SLOPE = ("coercive", "imprint", "potential"), ("piezo",), ("slope",)
_BACKWARDS = "its response runs ahead of its voltage: time or the voltage axis is reversed"
_LARGEST = 6.0  # on the network's scale; beyond it a loop is an offset with noise
_SEEN = 0.05  # k_e · reach over the loop's size below which nobody can see where the response nulls


def rows(scan: xr.Dataset, options: Any) -> Rows:
    loops = loops_of(scan, off_field=options["off_field"], on=options["on"], phase_offset=options["phase_offset"])
    wrong = backwards(loops)
    faults = tuple(f or (_BACKWARDS if w else "") for f, w in zip(loops.faults, wrong, strict=True))
    numbers, scale = images(loops, options["size"])
    numbers[[bool(f) for f in faults]] = 0.0
    n = len(scale)
    kept = {"response": loops.response, "write": np.tile(loops.write, (n, 1)), "scale": scale, "filled": loops.filled}
    if loops.read is not None:
        kept["read"] = np.tile(loops.read, (n, 1))
    return Rows(numbers, loops.dims, faults, kept, _units(loops.unit))


def _units(unit: str) -> dict[str, str]:
    """Of the answers that are responses, for a scan whose response is in `unit`."""
    per_volt = {"V": "1", "m": "m/V", "arb": "arb"}.get(unit, f"{unit}/V")
    times_volt = {"m/V": "m", "arb": "arb", "V": "V^2"}.get(unit, f"{unit}·V")
    same = ("remanent_response", "response_offset", "switching_response", "switching_response_uncertainty", "noise")
    slopes = ("electrostatic_slope", "electrostatic_slope_uncertainty")
    return {**dict.fromkeys(same, unit), **dict.fromkeys(slopes, per_volt), "work_of_switching": times_volt}


def loops_in(rows: Rows) -> Loops:
    """The loops that the rows were made of; all of one run."""
    read = rows.kept["read"][0] if "read" in rows.kept else None
    return Loops(rows.kept["response"], rows.kept["write"][0], read, "", rows.dims, rows.faults, rows.kept["filled"])


def example(rng: np.random.Generator, options: Any) -> Example:
    scan, truth, record = draw_loops(rng, options["pixels"])
    run: Any = record["run"]
    truth["reach"] = np.full(options["pixels"], run.reach)
    return Example(scan, truth, group=f"run {rng.integers(2**62)}")


def target(rows: Rows, truth: dict[str, np.ndarray], options: Any) -> np.ndarray:
    """(n, 1 + parameters): the mechanism, and the parameters on the network's scale, NaN where there are none."""
    unit = _scales(rows)
    numbers = {name: np.asarray(truth[name], float) / unit[name] for name in PARAMETERS}
    reads = rows.kept["read"].shape[1] if "read" in rows.kept else 0
    if reads == 1:
        numbers["slope"] = np.full_like(numbers["slope"], np.nan)  # one constant with the potential
    hidden = (np.abs(numbers["slope"]) < _SEEN) | (reads < 2)
    numbers["potential"] = np.where(hidden, np.nan, numbers["potential"])
    numbers = {k: np.where(np.abs(v) < _LARGEST, v, np.nan) for k, v in numbers.items()}
    return np.stack([truth["mechanism"], *numbers.values()], axis=1).astype(np.float32)


def _scales(rows: Rows) -> dict[str, np.ndarray | float]:
    """What a number of the network is multiplied by, (n,), to be in V, response, response/V."""
    reach, scale = np.abs(rows.kept["write"]).max(1), rows.kept["scale"]
    return {
        **dict.fromkeys(_VOLTS, reach), **dict.fromkeys(_RESPONSE, scale), **dict.fromkeys(_SLOPE, scale / reach),
        "injected": 1.0,
    }  # fmt: skip


def network(options: Any) -> Any:
    from ..nets.conv_classifier import ConvClassifier
    from ..nets.mechanism_posterior import outputs

    return ConvClassifier(
        filters=(16, 32, 64), dense=(64,), channels=4, outputs=outputs(len(MECHANISMS), len(PARAMETERS)),
        head=options["head"],
        norm="batch", padding="same", size=options["size"],
    )  # fmt: skip


def loss(output: Any, target: Any) -> Any:
    from ..nets.mechanism_posterior import mechanism_posterior_loss

    return mechanism_posterior_loss(output, target)


def answer(rows: Rows, output: np.ndarray | None, options: Any) -> dict[str, np.ndarray]:
    loops = loops_in(rows)
    said = quantities(loops)
    found = {
        "coercive_positive": said["coercive_positive"], "coercive_negative": said["coercive_negative"],
        "imprint": said["imprint"], "remanent_response": said["remanent"], "response_offset": said["offset"],
        "work_of_switching": said["work"], "noise": said["noise"], "cluster": _clusters(rows),
        "filled": rows.kept["filled"],
    }  # fmt: skip
    return found | _fitted(loops, options) | _learned(rows, output)


FITTED = {  # parameters of the fit → ports
    "coercive": "coercive_voltage", "imprint": "fitted_imprint", "potential": "surface_potential",
    "slope": "electrostatic_slope", "injected": "injected_charge", "piezo": "switching_response",
}  # fmt: skip


def _fitted(loops: Loops, options: Any) -> dict[str, np.ndarray]:
    nothing = np.full(len(loops.response), np.nan)
    found = {f"{ours}{u}": nothing for ours in FITTED.values() for u in ("", "_uncertainty")} | {"explained": nothing}
    if not options["physics"]:
        return found
    fit = fit_loops(loops)
    spread = loops.response.var((1, 2))
    found["explained"] = 1 - fit.residual**2 / np.where(spread > 0, spread, 1)
    for name, ours in FITTED.items():
        found[ours], found[f"{ours}_uncertainty"] = fit.values[name], fit.errors[name]
    return found


def _learned(rows: Rows, output: np.ndarray | None) -> dict[str, np.ndarray]:
    """Mechanism probabilities (n, K), and mean and standard deviation of the posterior in V and shares."""
    import torch

    from ..nets.mechanism_posterior import outputs, split

    assert output is not None
    if not rows.sound.any():
        output = np.zeros((len(rows.faults), outputs(len(MECHANISMS), len(PARAMETERS))))
    logits, mean, factor = split(torch.from_numpy(np.asarray(output, np.float32)), len(PARAMETERS))
    deviation = (factor @ factor.mT).diagonal(dim1=1, dim2=2).sqrt().numpy()
    unit = _scales(rows)
    found = {"probability": torch.softmax(logits, 1).numpy()}
    for name in (*_VOLTS, "injected"):
        k = PARAMETERS.index(name)
        found[f"learned_{name}"] = mean[:, k].numpy() * unit[name]
        found[f"learned_{name}_uncertainty"] = deviation[:, k] * unit[name]
    return found


def _clusters(rows: Rows) -> np.ndarray:
    """Which loops of this scan belong together, largest cluster 0: its own principal components, its own number."""
    labels = np.full(len(rows.faults), -1)
    if rows.sound.sum() > 2:
        vectors = rows.kept["response"][rows.sound] / rows.kept["scale"][rows.sound][:, None, None]
        vectors = vectors.reshape(len(vectors), -1)
        scores = principal(vectors, COMPONENTS).scores(vectors)
        labels[rows.sound], _ = clusters(
            scores[:, : max(1, min(COMPONENTS, len(scores) // 20))], np.random.default_rng(0)
        )
    return labels


def features(rows: Rows) -> np.ndarray:
    """(n, 9): loop quantities without units, for rivals."""
    said, reach, scale = quantities(loops_in(rows)), np.abs(rows.kept["write"]).max(1), rows.kept["scale"]
    voltages = [said[k] / reach for k in ("coercive_positive", "coercive_negative", "imprint", "potential", "window")]
    responses = [said[k] / scale for k in ("remanent", "offset", "noise")]
    others = [said["work"] / scale / reach, said["slope"] * reach / scale]
    return np.clip(np.nan_to_num(np.stack([*voltages, *responses, *others], 1)), -10, 10)


def discriminant(options: Any) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LinearDiscriminantAnalysis())


def fitted(scan: xr.Dataset, options: Any) -> dict[str, np.ndarray]:
    """The physics fit as a baseline for what the network says of the same numbers."""
    fit = fit_loops(loops_in(rows(scan, options)))
    return {f"learned_{name}": fit.values[name] for name in (*_VOLTS, "injected")}


def accuracy(truth: dict[str, np.ndarray], answer: dict[str, np.ndarray]) -> float:
    """Share of loops whose likeliest mechanism is the true one."""
    p, which = answer["probability"], truth["mechanism"]
    ok = np.isfinite(p).all(1)
    return float(np.mean(p[ok].argmax(1) == which[ok]))


def _error(name: str, over: str | None = None) -> Any:
    def root_mean_square(truth: dict[str, np.ndarray], answer: dict[str, np.ndarray]) -> float:
        off = (answer[f"learned_{name}"] - truth[name]) / (truth[over] if over else 1.0)
        off = off[np.isfinite(off)]
        return float(np.median(np.abs(off))) if len(off) else float("nan")

    return root_mean_square


def _gives() -> tuple[Port, ...]:
    said = ("", "_uncertainty")
    volts = (
        "coercive_positive", "coercive_negative", "imprint",
        *(f"{n}{u}" for n in ("coercive_voltage", "fitted_imprint", "surface_potential") for u in said),
        *(f"learned_{n}{u}" for n in _VOLTS for u in said),
    )  # fmt: skip
    responses = (
        "remanent_response", "response_offset", "noise", "work_of_switching",
        *(f"{n}{u}" for n in ("switching_response", "electrostatic_slope") for u in said),
    )  # fmt: skip
    plain = (
        *(f"{n}{u}" for n in ("injected_charge", "learned_injected") for u in said),
        "explained",
        "cluster",
        "filled",
    )
    units = (("V", volts), ("arb", responses), ("1", plain))  # a response is in the scan's own unit (Rows.units)
    return (Port("probability", "1", ("label",)), *(Port(n, unit, ()) for unit, names in units for n in names))


RECIPE = Recipe(
    name="switching",
    question="What switches under the tip at this pixel, at which voltage, or is it charge?",
    eats=(Port("piezo_response", "V", (), arbitrary=True),),
    gives=_gives(),
    kind="each",
    classes=MECHANISMS,
    example=example,
    rows=rows,
    build=network,
    target=target,
    loss=loss,
    answer=answer,
    features=features,
    rivals={
        "LDA on loop quantities": Rival("mechanism", discriminant),
    },
    classical={"physics fit": fitted},
    measures={
        "mechanism_accuracy": accuracy,
        "coercive_error_share median": _error("coercive", "reach"),
        "imprint_error_share median": _error("imprint", "reach"),
        "potential_error_share median": _error("potential", "reach"),
        "injected_error median": _error("injected"),
    },
    claims=(
        Claim(
            "temperature_step_C",
            5.0,
            "10.1039/C9NA00731H",
            "'as small as 5 °C', on measured loops of one sample; see docs",
        ),
    ),
    options={
        "examples": 150,
        "pixels": 24,  # loops of one simulated run
        "fresh": True,
        "epochs": 14,
        "batch": 48,
        "lr": 2e-3,
        "schedule": "cosine",
        "half": True,
        "size": SIZE,  # of a loop image
        "head": "gap",  # of the network: what it averages; "flatten" keeps where along the voltages something happens
        "off_field": None,  # place along `field` that was measured with the write voltage off
        "on": False,  # take the loops that were measured while it was on
        "phase_offset": None,  # rad, for amplitude and phase; None: from the scan
        "physics": True,  # fit the physics too; it takes most of the time
    },
    noun="loops",
)
