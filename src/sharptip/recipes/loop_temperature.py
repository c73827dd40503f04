"""How warm was the sample when this loop was measured? For a sample with loops at known temperatures.

Neumayer et al., Nanoscale Adv. 2, 2063 (2020), infer the temperature from contact Kelvin probe loops. A loop holds no
thermometer: coercive voltage and response fall towards the Curie point, from values at absolute zero that are each
sample's own. So nothing ships for this question; it is learned from a temperature series of the very sample
(`--data`), and what is simulated without one is a series of one sample.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ModelError, ReadError
from ..fit.recipe import Claim, Example, Port, Recipe
from ..fit.rows import Rival, Rows
from ..measure.loops import SIZE, images, loops_of
from ..simulate.loops import Run, draw_sample, loop_scan, temperature_series, triangle

if TYPE_CHECKING:
    import xarray as xr

MIDDLE, SPAN = 350.0, 50.0  # K: a network's numbers are (T − 350 K)/50 K
_SMALL = 16  # of the images that the linear rival sees
_RUN = Run(triangle(9.0, 64), np.linspace(-3, 3, 9))


def rows(scan: xr.Dataset, options: Any) -> Rows:
    loops = loops_of(scan, off_field=options["off_field"], on=options["on"], phase_offset=options["phase_offset"])
    numbers, scale = images(loops, options["size"])
    numbers[:, 3] = np.log10(scale)[:, None, None]  # how large a response is says how warm it was
    numbers[~loops.sound] = 0.0
    return Rows(numbers, loops.dims, loops.faults, {"scale": scale})


def example(rng: np.random.Generator, options: Any) -> Example:
    """A few pixels at every temperature, always of the one sample that the option `sample` draws."""
    sample = draw_sample(np.random.default_rng(options["sample"]))
    loops, kelvin = temperature_series(rng, sample, _RUN, options["pixels"], options["snr"])
    return Example(loop_scan(loops, _RUN), {"temperature": kelvin}, group=f"area {rng.integers(2**62)}")


def labelled(path: Path, options: Any) -> list[Example]:
    """A series as `.npz`: response (n, steps, reads) or (n, steps), write (steps,) V, read (reads,) V where there is
    one, temperature (n,) K, group (n,) of areas that must not be split, `unit` of the response.

    Raises ReadError naming what is missing.
    """
    with np.load(path, allow_pickle=False) as file:
        missing = [k for k in ("response", "write", "temperature") if k not in file]
        if missing:
            raise ReadError(
                f"{path}: it has no {missing[0]!r}; a temperature series has response, write and temperature"
            )
        a = {k: file[k] for k in file.files}
    response = a["response"] if a["response"].ndim == 3 else a["response"][..., None]
    if response.shape[:2] != (len(a["temperature"]), len(a["write"])):
        raise ReadError(
            f"{path}: response has shape {a['response'].shape} for {len(a['temperature'])} temperatures and "
            f"{len(a['write'])} write voltages"
        )
    if np.nanmin(a["temperature"]) <= 0 or np.nanmax(a["temperature"]) < 200:
        raise ReadError(
            f"{path}: temperatures of {np.nanmin(a['temperature']):g} to {np.nanmax(a['temperature']):g}; in K"
        )
    groups = a.get("group", np.zeros(len(response)))
    run = Run(a["write"], a.get("read", np.zeros(1)))
    unit = str(a.get("unit", "arb"))
    return [
        Example(_measured(response[groups == g], run, unit), {"temperature": a["temperature"][groups == g]}, str(g))
        for g in np.unique(groups)
    ]


def _measured(response: np.ndarray, run: Run, unit: str) -> xr.Dataset:
    scan = loop_scan(response, run, unit=unit)
    scan.attrs["source"], scan.attrs["format"] = "labelled", "array"
    return scan


def target(rows: Rows, truth: dict[str, np.ndarray], options: Any) -> np.ndarray:
    return np.stack([np.full(len(rows.faults), -1.0), (truth["temperature"] - MIDDLE) / SPAN], 1).astype(np.float32)


def network(options: Any) -> Any:
    from ..nets.conv_classifier import ConvClassifier
    from ..nets.mechanism_posterior import outputs

    return ConvClassifier(
        filters=(16, 32, 64), dense=(64,), channels=4, outputs=outputs(0, 1), head="gap", norm="batch", padding="same",
        size=options["size"],
    )  # fmt: skip


def loss(output: Any, target: Any) -> Any:
    from ..nets.mechanism_posterior import mechanism_posterior_loss

    return mechanism_posterior_loss(output, target)


def answer(rows: Rows, output: np.ndarray | None, options: Any) -> dict[str, np.ndarray]:
    """Mean and standard deviation of a Gaussian posterior, K."""
    import torch

    from ..nets.mechanism_posterior import outputs, split

    if output is None:
        raise ModelError("recipe 'loop_temperature' has learned nothing; train it on a series of this sample")
    if not rows.sound.any():
        output = np.zeros((len(rows.faults), outputs(0, 1)))
    _, mean, factor = split(torch.from_numpy(np.asarray(output, np.float32)), 1)
    kelvin = mean[:, 0].numpy() * SPAN + MIDDLE
    return {"temperature": kelvin, "temperature_uncertainty": factor[:, 0, 0].numpy() * SPAN}


def features(rows: Rows) -> np.ndarray:
    """(n, 256): the small image in the unit of the response."""
    cut = rows.numbers.shape[-1] // _SMALL
    x = rows.numbers[:, 0, : cut * _SMALL, : cut * _SMALL].reshape(len(rows.faults), _SMALL, cut, _SMALL, cut)
    return x.mean((2, 4)).reshape(len(x), -1) * rows.kept["scale"][:, None]


def linear(options: Any) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(PCA(10, random_state=0), StandardScaler(), Ridge(1.0))


def _median(truth: dict[str, np.ndarray], answer: dict[str, np.ndarray]) -> float:
    return float(np.nanmedian(np.abs(answer["temperature"] - truth["temperature"])))


def _close(truth: dict[str, np.ndarray], answer: dict[str, np.ndarray]) -> float:
    off = np.abs(answer["temperature"] - truth["temperature"])
    return float(np.mean(off[np.isfinite(off)] < 2.5))


RECIPE = Recipe(
    name="loop_temperature",
    question="How warm was the sample at this loop, by the loops of the same sample at known temperatures?",
    eats=(Port("piezo_response", "V", (), arbitrary=True),),
    gives=(Port("temperature", "K", ()), Port("temperature_uncertainty", "K", ())),
    kind="each",
    example=example,
    rows=rows,
    build=network,
    target=target,
    loss=loss,
    answer=answer,
    features=features,
    rivals={"linear on principal components": Rival("temperature", linear)},
    measures={"temperature_error median": _median, "within_2.5_K": _close},
    labelled=labelled,
    claims=(Claim("temperature_step_K", 5.0, "10.1039/C9NA00731H", "'as small as 5 °C', of one sample"),),
    options={
        "examples": 20,
        "pixels": 2,  # of one simulated area at each temperature
        "sample": 0,  # which simulated sample
        "snr": 10.0,
        "fresh": True,
        "epochs": 24,
        "batch": 48,
        "lr": 3e-3,
        "schedule": "cosine",
        "half": True,
        "size": SIZE,
        "off_field": None,
        "on": False,
        "phase_offset": None,
    },
    noun="loops",
)
