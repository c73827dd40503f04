"""What tells two polymer blends apart when there are 160 images: a description, a large or a simple network?

    python benchmarks/blend.py --json          # about three minutes on one core

Everything is simulated: the numbers compare ways of learning on textures whose truth is known, and say nothing about
any polymer. Each of `--repeats` training sets has 160 new images (the networks learn from
`--networks` of them); all are tested on the same 300 images, drawn from
seeds that were used nowhere else, every image a film of its own. Published: 100 % for a CNN and 94 % for a simple
network with 160 images in all (Azuri et al., Beilstein J. Nanotechnol. 12, 878 (2021), section on polymer blends).
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import NormalDist

import numpy as np

from sharptip import Model
from sharptip.fit.intervals import wilson
from sharptip.recipes import blend
from sharptip.recipes.blend import RECIPE, discriminant

TRAIN, TEST = 160, 300
TEST_SEED = 20_261_122
LEARNERS = {"texture": {}, "cnn": {"epochs": 20}, "simple network": {"epochs": 20}}
PUBLISHED = {"cnn": 1.00, "simple network": 0.94}
PUBLISHED_TEST = 32  # images, if a fifth of 160 was tested on


def examples(variant: str, seed: int, number: int, shared: bool = False) -> list:
    options = {**RECIPE.options, "classes": RECIPE.classes, "variant": variant}
    streams = np.random.SeedSequence((TEST_SEED if shared else 1, seed)).spawn(number)
    return [RECIPE.example(np.random.default_rng(s), options) for s in streams]


def best_possible() -> dict[str, float]:
    """Accuracy of an observer who reads the truth of the hard variant without error: size alone, and with contrast."""
    apart = float(np.log(blend.HARD_SIZE[1] / blend.HARD_SIZE[0])) / blend.HARD_SPREAD
    contrast = (blend.HARD_CONTRAST[1] - blend.HARD_CONTRAST[0]) / blend.CONTRAST_SPREAD
    normal = NormalDist()
    return {"size": normal.cdf(apart / 2), "size_and_contrast": normal.cdf(float(np.hypot(apart, contrast)) / 2)}


def hits(variant: str, repeats: int, networks: int) -> dict[str, np.ndarray]:
    """Learner → (repeats, tests) booleans, right or wrong; the networks learn from the first `networks` sets alone."""
    tests = examples(variant, 0, TEST, shared=True)
    truth = np.array([RECIPE.classes.index(e.truth) for e in tests])
    found: dict[str, list[np.ndarray]] = {}
    for repeat in range(repeats):
        learn = examples(variant, 1 + repeat, TRAIN)
        for name, options in LEARNERS.items():
            if name != "texture" and repeat >= networks:
                continue
            model = Model(RECIPE, variant=variant, learner=name, **options).fit(learn, seed=repeat)
            answers = [model.predict(e.scan)["probability"].values.argmax() for e in tests]
            found.setdefault(name, []).append(np.array(answers) == truth)
            if name != "texture":
                continue
            x, y = _rows(model, learn), [RECIPE.classes.index(e.truth) for e in learn]
            asked = _rows(model, tests)
            parts = {p: discriminant(p) for p in blend.COLUMNS} | {
                "no cosines": discriminant("psd", "histogram", "minkowski")
            }
            for part, build in parts.items():
                found.setdefault(f"LDA on {part}", []).append(build({}).fit(x, y).predict(asked) == truth)
    return {name: np.stack(rows) for name, rows in found.items()}


def _rows(model: Model, drawn: list) -> np.ndarray:
    from sharptip.fit.prepare import prepare

    return np.concatenate([blend.texture(model._tiles(prepare(model.recipe, e.scan), "scan")) for e in drawn])


def told(rows: np.ndarray) -> dict[str, object]:
    """Mean accuracy over the training sets, their spread, and an interval over the test images and training sets."""
    per_image = rows.mean(axis=0)
    rng = np.random.default_rng(0)
    images = rng.integers(rows.shape[1], size=(2000, rows.shape[1]))
    sets = rng.integers(rows.shape[0], size=(2000, rows.shape[0]))
    draws = [rows[s][:, i].mean() for s, i in zip(sets, images, strict=True)]
    low, high = np.quantile(draws, [0.025, 0.975])
    one = wilson(round(float(per_image.mean()) * PUBLISHED_TEST), PUBLISHED_TEST)
    return {
        "training_sets": len(rows),
        "accuracy": float(per_image.mean()),
        "interval95": [float(low), float(high)],
        "spread_over_training_sets": float(rows.mean(axis=1).std(ddof=1)) if len(rows) > 1 else None,
        "what_32_test_images_would_have_said": [float(v) for v in one],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=3, help="training sets")
    parser.add_argument(
        "--networks", type=int, default=1, help="how many of them the networks learn from, a minute each"
    )
    options = parser.parse_args()
    start = time.perf_counter()
    published = {
        name: {"accuracy": value, "interval95_if_32_tested": list(wilson(value * PUBLISHED_TEST, PUBLISHED_TEST))}
        for name, value in PUBLISHED.items()
    }
    result = {"real": False, "train": TRAIN, "test": TEST, "groups": TEST, "repeats": options.repeats}
    found = {
        v: {name: told(rows) for name, rows in hits(v, options.repeats, options.networks).items()}
        for v in ("easy", "hard")
    }
    result |= {"variants": found, "best_possible_hard": best_possible(), "published": published}
    result["seconds"] = round(time.perf_counter() - start, 1)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for variant, learners in found.items():
        for name, row in learners.items():
            low, high = row["interval95"]  # type: ignore[misc]
            print(f"{variant} {name:18} {row['accuracy']:.3f}  [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
