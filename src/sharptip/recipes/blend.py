"""Which of two polymer blends is on this phase image?

The review's example of learning from few images (doi 10.3762/bjnano.12.66): 160 phase images of two blends, told apart
by a convolutional network (100 %) and by a simple one (94 %). With so few, textures that are the same everywhere are
better described than learned: here the model is a linear discriminant on the power spectrum, the phase histogram and
Minkowski numbers, and both networks stand beside it (`learner`). The simulated blends are Cahn and Hilliard's: A is a
symmetric mixture with interwoven phases, B an asymmetric one with droplets; in the "hard" variant both are symmetric
and differ in domain size and contrast alone. Which phase is the brighter, and how bright, is no part of the question.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
from scipy import fft

from ..clean import plane, rows
from ..core.errors import ModelError
from ..core.history import entry
from ..core.scan import scan_of
from ..data.augment import RAW_SCAN
from ..fit.recipe import Claim, Example, Options, Port, Recipe
from ..measure.surface_shape import level_sets
from ..measure.surface_spectrum import radial_spectrum

REVIEW = "doi 10.3762/bjnano.12.66"
PIXEL = 10e-9  # metres
DROPLETS = 0.3  # mean concentration of blend B, of either sign
EASY_SIZE = (8.0, 40.0)  # pixels per domain, drawn evenly in its logarithm, for both blends
HARD_SIZE, HARD_SPREAD = (14.0, 18.0), 0.10  # pixels per domain of A and B, relative spread
EASY_CONTRAST = (5.0, 30.0)  # degrees, for both blends
HARD_CONTRAST, CONTRAST_SPREAD = (12.0, 18.0), 4.5  # degrees of A and B, spread

WAVES = np.geomspace(1.5 / 128, 0.45, 20)  # per pixel, where the spectra are read
BINS = np.linspace(-3, 3, 17)  # robust spreads of the phase histogram
COLUMNS = {"psd": slice(0, 20), "dct": slice(20, 40), "histogram": slice(40, 56), "minkowski": slice(56, 65)}


def example(rng: np.random.Generator, options: Options) -> Example:
    """One simulated phase image of a film of its own, of either blend with equal chance."""
    from ..simulate.cahn_hilliard import blend, phase_image

    if options["variant"] not in ("easy", "hard"):
        raise ModelError(f"recipe 'blend': there is no variant {options['variant']!r}; there are 'easy' and 'hard'")
    kind, pixels = int(rng.integers(2)), options["pixels"]
    if options["variant"] == "easy":
        composition = DROPLETS * float(rng.choice([-1, 1])) if kind else 0.0
        size, contrast = float(np.exp(rng.uniform(*np.log(EASY_SIZE)))), float(rng.uniform(*EASY_CONTRAST))
    else:
        composition, size = 0.0, HARD_SIZE[kind] * float(np.exp(rng.normal(0, HARD_SPREAD)))
        contrast = float(np.clip(rng.normal(HARD_CONTRAST[kind], CONTRAST_SPREAD), *EASY_CONTRAST))
    phi, drawn = blend(rng, (pixels, pixels), composition=composition, size=size)
    images, _ = phase_image(rng, phi, PIXEL, contrast=float(np.radians(contrast)))
    scan = scan_of(images["phase"], PIXEL, channel="phase", unit="rad", name=f"blend {'AB'[kind]}")
    scan["height"] = (("y", "x"), images["height"], {"units": "m"})
    scan.attrs["history"] = json.dumps([entry("simulate.blend", {**drawn, "contrast": contrast})])
    return Example(scan, options["classes"][kind], f"film {int(rng.integers(2**31))}")


def texture(tiles: np.ndarray) -> np.ndarray:
    """Tiles (n, 1, y, x) → rows (n, 65): log power of Fourier and of cosine waves, histogram, Minkowski numbers."""
    return np.stack([np.concatenate(_described(t[0].astype(float))) for t in tiles])


def _described(z: np.ndarray) -> tuple[np.ndarray, ...]:
    z = z - z.mean()
    z = z if (z**3).sum() >= 0 else -z  # the rarer phase up: which one is the brighter hangs on the set point
    q, power = radial_spectrum(z, (1.0, 1.0))
    psd = np.interp(np.log(WAVES), np.log(q), np.log(power + 1e-12))
    shares = np.histogram(np.clip(z, -2.999, 2.999), BINS)[0] / z.size
    numbers = np.nan_to_num(list(level_sets(z, (1.0, 1.0)).values()))
    return psd, _cosines(z), shares, numbers


def _cosines(z: np.ndarray) -> np.ndarray:
    """Log of the mean power of cosine waves about as long as `WAVES` says (no window: cosines have no seam)."""
    found = fft.dctn(z - z.mean(), norm="ortho") ** 2
    q = np.hypot(np.arange(z.shape[0])[:, None] / z.shape[0], np.arange(z.shape[1])[None, :] / z.shape[1]) / 2
    edges = np.concatenate([[0.2 * WAVES[0]], np.sqrt(WAVES[1:] * WAVES[:-1]), [0.5]])
    which = np.digitize(q.ravel(), edges) - 1
    inside = (which >= 0) & (which < len(WAVES))
    count = np.bincount(which[inside], minlength=len(WAVES))
    return np.log(np.bincount(which[inside], found.ravel()[inside], len(WAVES)) / np.maximum(count, 1) + 1e-12)


def discriminant(*parts: str) -> Any:
    """A linear discriminant, its covariance shrunk as Ledoit and Wolf do, on these parts of the description."""

    def build(options: Options) -> Any:
        from sklearn.compose import ColumnTransformer
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        columns = [i for part in parts for i in range(COLUMNS[part].start, COLUMNS[part].stop)]
        picked = ColumnTransformer([("picked", StandardScaler(), columns)])
        return make_pipeline(picked, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))

    return build


def learner(options: Options) -> Any:
    """'texture', the discriminant on everything; 'cnn' and 'simple network', the review's two."""
    if options["learner"] == "texture":
        return discriminant(*COLUMNS)(options)
    if options["learner"] == "cnn":
        from ..nets import ConvClassifier

        return ConvClassifier((16, 32, 64), (64,), size=options["tile"], padding="same", dropout=options["dropout"])
    if options["learner"] == "simple network":
        from torch import nn

        pooled = 64  # pixels a side: what the simple network sees
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(pooled), nn.Flatten(), nn.Linear(pooled**2, 128), nn.ReLU(), nn.Linear(128, 1)
        )
    known = "'texture', 'cnn' and 'simple network'"
    raise ModelError(f"recipe 'blend': there is no learner {options['learner']!r}; there are {known}")


RECIPE = Recipe(
    name="blend",
    question="Which of two polymer blends is on this phase image?",
    eats=(Port("phase", "rad", arbitrary=True),),  # scaled by its own spread, so its unit does not matter
    gives=(Port("probability", "1", ("label",)),),
    kind="classify",
    classes=("A", "B"),
    example=example,
    clean=(partial(rows, method="difference"), plane),  # a line's median would follow domains as wide as it
    build=learner,
    features=texture,
    scale="own",
    symmetries=RAW_SCAN,
    baselines={
        "spectrum": discriminant("psd"),
        "cosine_spectrum": discriminant("dct"),
        "phase_histogram": discriminant("histogram"),
        "minkowski": discriminant("minkowski"),
    },
    claims=(
        Claim("accuracy", 1.00, REVIEW, "CNN; 160 images in all, so with 32 of them in the test 89 to 100 % (Wilson)"),
        Claim("simple_network_accuracy", 0.94, REVIEW, "simple network; 80 to 98 % (Wilson, 32 in the test)"),
    ),
    options={
        "learner": "texture",
        "variant": "easy",
        "channel": "phase",
        "unit": "rad",
        "pixels": 128,
        "examples": 160,
    },
)
