"""What would this scan show without its noise? Learned on one's own film, without any noise-free scan.

The two passes over a line, forward and backward, are two looks at the same surface with noise of their own, so that
either can be learned from the other (Noise2Noise, Lehtinen et al., ICML 2018). A film of one direction learns blind:
the network guesses a pixel from all but a run of the scan line around it, whose noise is of one piece with the pixel's
(StructN2V, Broaddus et al., ISBI 2020). Without data it learns from simulated scans and their truth.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clean import plane, rows
from ..core.scan import scan_of
from ..fit.recipe import Example, Options, Port, Recipe
from ..simulate.dirty import dirty


def example(rng: np.random.Generator, options: Options) -> Example:
    """A levelled scan with its noise, and the surface that it shows."""
    d = dirty(rng, (options["tile"], options["tile"]), noise=float(rng.uniform(0.05, 0.3)))
    clean = rows(plane(scan_of(d.surface, d.pixel_size)))  # as every scan is before it is asked about
    return Example(scan_of(d.level, d.pixel_size), clean, group=f"{rng.integers(2**62)}")


def network(options: Options) -> Any:
    from ..nets import LineDenoiser

    return LineDenoiser(width=options["width"])


def loss(answer: Any, truth: Any) -> Any:
    from ..nets.line_denoiser import denoising_loss

    return denoising_loss(answer, truth)


def blind(tiles: np.ndarray, rng: np.random.Generator, options: Options) -> tuple[np.ndarray, np.ndarray]:
    from ..nets.line_denoiser import blinded

    return blinded(tiles, rng, options["reach"])


def smoothed(options: Options) -> Any:
    """A Gaussian of 1.01 pixels, as usual after levelling."""
    from scipy.ndimage import gaussian_filter

    return lambda scan: scan.assign(height=scan["height"].copy(data=gaussian_filter(scan["height"].values, 1.01)))


def median(options: Options) -> Any:
    """The median of 3 × 3 pixels."""
    from scipy.ndimage import median_filter

    return lambda scan: scan.assign(height=scan["height"].copy(data=median_filter(scan["height"].values, 3)))


def wiener(options: Options) -> Any:
    """Wiener's filter along each line, 5 pixels wide."""
    from scipy.signal import wiener as filtered

    def way(scan: Any) -> Any:
        z = scan["height"].values
        return scan.assign(height=scan["height"].copy(data=np.stack([_line(filtered, line) for line in z])))

    return way


def _line(filtered: Any, line: np.ndarray) -> np.ndarray:
    return filtered(line, 5) if np.ptp(line) > 0 else line


RECIPE = Recipe(
    name="denoise_line",
    question="What would this scan show without its noise?",
    eats=(Port("height", "m"),),
    gives=(Port("height", "m"),),
    kind="restore",
    example=example,
    clean=(plane, rows),
    build=network,
    loss=loss,
    itself=blind,
    scale="own",
    baselines={"gaussian": smoothed, "median": median, "wiener": wiener},
    options={
        "channel": "height", "unit": "m", "reach": 3, "width": 24, "tile": 64, "examples": 60, "epochs": 20,
        "batch": 16, "lr": 2e-3, "schedule": "cosine",
    },
)  # fmt: skip
