"""What would this scan show without its noise? Learned on one's own scans, without any noise-free one.

Each line is guessed from the lines above and below and from other looks at the same place: the other pass over it, the
frames before and after. All of them have noise of their own, so that the noisy line itself can teach the guess
(Noise2Noise, Lehtinen et al., ICML 2018; blind to the whole line, because noise is of one piece along it: StructN2V,
Broaddus et al., ISBI 2020). What the line itself says is then put to the guess by the noise's covariance along the
line (`measure.line_noise`). With the answer comes its standard deviation, and a doubt where the noise is not as this
takes it to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..clean import flatten
from ..core.scan import scan_of
from ..fit.recipe import Example, Options, Port, Recipe
from ..measure.line_noise import line_noise, with_the_line
from ..simulate.dirty import dirty

SHARED = 0.2  # correlation of what was taken off one line and the next from which on it is not noise of lines alone
STEEP = 0.1  # share of the pixels, the steepest of the answer
LOUDER = 2.0  # times as much taken off there as elsewhere, from which on it may be the sample's


def example(rng: np.random.Generator, options: Options) -> Example:
    """A levelled scan with its noise, and the surface that it shows."""
    d = dirty(rng, (options["tile"], options["tile"]), noise=float(rng.uniform(0.05, 0.3)))
    scan = scan_of(d.level, d.pixel_size)
    taken = d.level - flatten(scan)["height"].values  # the truth is levelled as the scan will be
    return Example(scan, scan_of(d.surface - taken, d.pixel_size), group=f"{rng.integers(2**62)}")


def others(place: Mapping[str, int], sizes: Mapping[str, int], options: Options) -> list[dict[str, int] | None]:
    """The other pass, then `around` frames before and as many after, the nearest first."""
    found: list[dict[str, int] | None] = [None]
    if sizes.get("direction", 1) == 2:
        found = [{**place, "direction": 1 - place["direction"]}]
    for away in range(1, options["around"] + 1):
        for time in (place.get("time", 0) - away, place.get("time", 0) + away):
            found.append({**place, "time": time} if 0 <= time < sizes.get("time", 0) else None)
    return found


def network(options: Options) -> Any:
    from ..nets import LineDenoiser

    return LineDenoiser(beside=1 + 2 * options["around"], width=options["width"])


def loss(answer: Any, noisy: Any) -> Any:
    from ..nets.line_denoiser import denoising_loss

    return denoising_loss(answer, noisy)


def itself(tiles: np.ndarray, rng: np.random.Generator, options: Options) -> tuple[np.ndarray, np.ndarray]:
    from ..nets.line_denoiser import some_hidden

    return some_hidden(tiles, rng)


def with_its_line(raw: np.ndarray, found: dict[str, np.ndarray], options: Options) -> dict[str, np.ndarray]:
    """The blind guess and what the line itself says, with the standard deviation of both together."""
    guess, expected = found[options["channel"]], found["uncertainty"]
    height, deviation = with_the_line(guess, raw, line_noise(raw, guess, expected))
    return {options["channel"]: height, "uncertainty": deviation}


def doubts(raw: np.ndarray, found: dict[str, np.ndarray], options: Options) -> str:
    """Whether what was taken off looks like noise: new on every line, and no stronger where the surface is steep."""
    answer = found[options["channel"]]
    off = raw - answer
    if not (np.nanstd(off) > 0 and np.nanstd(answer) > 0):
        return ""
    a, b = off[:-1], off[1:]
    both = np.isfinite(a) & np.isfinite(b)
    shared = float((a[both] * b[both]).mean() / np.nanmean(off**2))
    if shared > SHARED:
        return (f"what was taken off one line is like what was taken off the next (correlation {shared:.2f}): noise "
                "that is not new on every line, or finer detail than the lines are apart")  # fmt: skip
    steep = np.hypot(*np.gradient(answer))
    known = np.isfinite(steep) & np.isfinite(off)
    far = known & (steep >= np.quantile(steep[known], 1 - STEEP))
    louder = float(np.sqrt((off[far] ** 2).mean() / max((off[known & ~far] ** 2).mean(), 1e-300)))
    if louder > LOUDER:
        return (f"{louder:.1f} times as much was taken off where the surface is steep as elsewhere: noise that grows "
                "with the slope, or the sample's own detail")  # fmt: skip
    return ""


def smoothed(options: Options) -> Any:
    """A Gaussian of 1.01 pixels, as usual after levelling."""
    from scipy.ndimage import gaussian_filter

    return lambda scan: _filtered(scan, lambda z: gaussian_filter(z, 1.01))


def median(options: Options) -> Any:
    """The median of 3 × 3 pixels."""
    from scipy.ndimage import median_filter

    return lambda scan: _filtered(scan, lambda z: median_filter(z, 3))


def wiener(options: Options) -> Any:
    """Wiener's filter along each line, 5 pixels wide."""
    from scipy.signal import wiener as along

    return lambda scan: _filtered(scan, lambda z: np.stack([along(v, 5) if np.ptp(v) > 0 else v for v in z]))


def _filtered(scan: Any, way: Any) -> Any:
    scan = flatten(scan)
    return scan.assign(height=scan["height"].copy(data=way(scan["height"].values)))


RECIPE = Recipe(
    name="denoise_line",
    question="What would this scan show without its noise?",
    eats=(Port("height", "m"),),
    gives=(Port("height", "m"), Port("uncertainty", "m", number="difference")),
    kind="restore",
    example=example,
    clean=(flatten,),
    build=network,
    loss=loss,
    itself=itself,
    beside=others,
    finish=with_its_line,
    doubts=doubts,
    least=16,
    scale="own",
    baselines={"gaussian": smoothed, "median": median, "wiener": wiener},
    options={
        "channel": "height", "unit": "m", "around": 1, "width": 16, "tile": 64, "tiles": 64, "examples": 64,
        "epochs": 40, "batch": 8, "lr": 3e-3, "schedule": "cosine", "precision": "bf16", "clip": 5.0,
    },
)  # fmt: skip
