"""Small labelled arrays, as a lab would bring them, for the tests of recipes that rate: simulated, in a known state."""

from pathlib import Path

import numpy as np

from sharptip.recipes.judge_tip import ATTRIBUTES
from sharptip.simulate.hydrogen_silicon import image

RATERS = 3


def frames(n: int, seed: int = 0, sessions: int = 6) -> dict[str, np.ndarray]:
    """n pictures of 96 × 96 in grey values with votes of three raters who err like people do."""
    rng = np.random.default_rng(seed)
    images, votes = [], []
    for i in range(n):
        drawn = image(np.random.default_rng([seed, i]))
        z = drawn.scan["height"].values
        z = z - np.median(z, axis=1, keepdims=True)
        images.append(np.round(255 * (z - z.min()) / np.ptp(z)).astype(np.uint8))
        p = np.clip([drawn.attributes[a] for a in ATTRIBUTES], 0.02, 0.98)
        votes.append(rng.binomial(RATERS, p) / RATERS)
    return {
        "images": np.array(images),
        "mean_score": np.array(votes, np.float32),
        "n_responses": np.full(n, RATERS, np.int16),
        "session": np.array([f"day {i % sessions}" for i in range(n)]),
        "names": np.array([f"frame {i}.png" for i in range(n)]),
        "label_names": np.array(ATTRIBUTES),
    }


def write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path
