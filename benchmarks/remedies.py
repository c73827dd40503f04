"""Which remedies against over-fitting work? Each alone, as one plain argument of a Model, on too few simulated scans.

    python benchmarks/remedies.py --out docs/remedies.svg --markdown
    python benchmarks/remedies.py --quick --json

A large network learns from a few scans of a few donors for many epochs, with no remedy; then with each. It is tested on
scans of other donors that nothing was learned from or chosen with. Every repeat draws other donors, other scans and
other first weights. The populations and the network are chosen so that over-fitting happens; all of it is simulated:
the numbers say that the arguments do what they say, and nothing about cells.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from sharptip.data.split import apart
from sharptip.fit import Example, Model
from sharptip.fit.choose import choose
from sharptip.recipes.tell_apart import RECIPE as TELL_APART
from sharptip.report.charts import Effect, remedy_figure
from sharptip.simulate import image

RECIPE = replace(TELL_APART, baselines={}, claims=())  # the network alone; a forest beside each would only take time
HERE, SIBLING = 1, 2  # batches of cells: the question asked, and the sibling that transfer starts from
FIRST_SEED = 100  # of the repeats; the settings below were tried out on seeds 1 to 9
TEST_SEEDS, SIBLING_SEEDS = 40_000, 80_000  # added to a repeat's seed: other populations, so other donors and tips
SURE = 1e-6  # least probability that a cross-entropy counts: one sure and wrong answer costs 13.8, not infinity
START = "{sibling}"  # where a remedy's options name the saved model of the sibling question


@dataclass(frozen=True)
class Setting:
    """How few scans, how large a network, how long. Every donor gives `per_donor` scans of each label."""

    donors: int = 4
    per_donor: int = 2
    test_donors: int = 20
    sibling_donors: int = 16
    pixels: int = 256
    folds: int = 4
    epochs: int = 50
    architecture: str = "architecture 2"  # of Table 1: 1.6 million parameters at 256 pixels

    @property
    def options(self) -> dict[str, Any]:
        """Of a Model without a remedy. One tile is a whole scan, so that every answer is of one scan."""
        return {"architecture": self.architecture, "augment": False, "epochs": self.epochs, "tile": self.pixels,
                "batch": 8}  # fmt: skip


QUICK = Setting(per_donor=1, test_donors=8, sibling_donors=8, folds=2, epochs=15)


@dataclass(frozen=True)
class Remedy:
    """What the review calls it, the options it changes, and how many times as many donors it learns from.

    With `grid` the options are not given but chosen, by k-fold cross-validation over the donors.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    data: int = 1
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def argument(self, setting: Setting) -> str:
        """How a user writes it."""
        if self.data > 1:
            return f"`fit` on {self.data} × as many scans, of {self.data} × as many donors"
        if self.grid:
            return f"`choose(recipe, examples, {dict(self.grid)}, k={setting.folds})`"
        words = ", ".join(f"{k}={v!r}" for k, v in self.options.items())
        return f"`{words.replace(START, 'sibling.sharptip')}`" if words else "–"


AUGMENT, SMALLER, DROPOUT = {"augment": True}, {"architecture": "architecture 1"}, {"dropout": 0.5}
DECAY, PATIENCE = {"weight_decay": 5.0}, {"patience": 12}
REMEDIES = (
    Remedy("none"),
    Remedy("twice the data", data=2),
    Remedy("four times the data", data=4),
    Remedy("augmentation", AUGMENT),
    Remedy("smaller model", SMALLER),
    Remedy("far smaller, modern", {"architecture": "modern"}),
    Remedy("dropout", DROPOUT),
    Remedy("weight penalty", DECAY),
    Remedy("early stopping", PATIENCE),
    Remedy("transfer, frozen", {"start_from": START, "freeze": "dense1"}),
    Remedy("grouped k-fold", grid={"augment": [False, True], "dropout": [0.0, 0.5]}),
    Remedy("five options at once", {**AUGMENT, **SMALLER, **DROPOUT, **DECAY, **PATIENCE}),
)


# -- the scans ----------------------------------------------------------------------------------------------------


def draw(seed: int, donors: int, setting: Setting, batch: int = HERE) -> list[Example]:
    """`per_donor` healthy and as many exposed scans of each donor; donors of another seed are other people."""
    shape = (setting.pixels, setting.pixels)
    out = []
    for label in RECIPE.classes:
        for index in range(donors * setting.per_donor):
            sample = image(seed, label, index, batch=batch, donors=donors, shape=shape)
            out.append(Example(sample.scan, label, f"{sample.group} of {seed}"))
    return out


def of_first_donors(examples: Sequence[Example], donors: int) -> list[Example]:
    """The part that belongs to the first donors: a larger set always holds the smaller one."""
    first = list(dict.fromkeys(e.group for e in examples))[:donors]
    return [e for e in examples if e.group in first]


# -- one repeat ---------------------------------------------------------------------------------------------------


def options_of(remedy: Remedy, setting: Setting, sibling: Path) -> dict[str, Any]:
    """All that is told to the Model: the setting, and over it what the remedy changes."""
    changed = {k: str(sibling) if v == START else v for k, v in remedy.options.items()}
    return {**setting.options, **changed}


def judged(model: Model, examples: Sequence[Example]) -> dict[str, float]:
    """Accuracy and cross-entropy (nats) of a model's answers, scan by scan."""
    truth = np.array([model.classes.index(e.truth) for e in examples])
    p = np.stack([model.predict(e.scan)[model.recipe.gives[0].name].values for e in examples])
    given_to_truth = p[np.arange(len(truth)), truth]
    loss = -np.log(np.clip(given_to_truth, SURE, 1)).mean()
    return {"accuracy": float((p.argmax(axis=1) == truth).mean()), "cross_entropy": float(loss)}


def repeat(seed: int, setting: Setting, remedies: Sequence[Remedy] = REMEDIES) -> dict[str, Any]:
    """Every remedy once, on the scans of this seed: {remedy: {train, test, options, epochs, ...}}."""
    most = max(r.data for r in remedies)
    drawn = draw(seed, setting.donors * most, setting)
    tests = draw(seed + TEST_SEEDS, setting.test_donors, setting)
    everyone = [e.group for e in (*drawn, *tests)]
    apart(everyone, range(len(drawn)), range(len(drawn), len(everyone)))  # refuses a donor on both sides
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        sibling = Path(folder) / "sibling.sharptip"
        if any(START in r.options.values() for r in remedies):
            other = draw(seed + SIBLING_SEEDS, setting.sibling_donors, setting, SIBLING)
            Model(RECIPE, **{**setting.options, **AUGMENT}).fit(other, seed).save(sibling)
        for remedy in remedies:
            examples = of_first_donors(drawn, setting.donors * remedy.data)
            options = options_of(remedy, setting, sibling)
            if remedy.grid:
                best, _ = choose(RECIPE, examples, remedy.grid, k=setting.folds, seed=seed, **options)
                options |= best
            model = Model(RECIPE, **options).fit(examples, seed)
            out[remedy.name] = {
                "train": judged(model, examples), "test": judged(model, tests),
                "options": {k: v for k, v in options.items() if k != "start_from"},
                "n_images": len(examples), "n_groups": model.card["n_groups"], "history": model.card["history"],
            }  # fmt: skip
    return out


def without_end(seed: int, setting: Setting) -> dict[str, Any]:
    """The history of a run that watches the same held-out donors as early stopping does, and never stops."""
    examples = draw(seed, setting.donors * max(r.data for r in REMEDIES), setting)
    options = {**setting.options, "patience": setting.options["epochs"]}
    return Model(RECIPE, **options).fit(of_first_donors(examples, setting.donors), seed).card["history"]


# -- all repeats --------------------------------------------------------------------------------------------------


def interval(values: Sequence[float]) -> list[float]:
    """[mean, low, high]: Student's 95 % interval of the mean over repeats; unknown (NaN) for a single one."""
    v = np.asarray(values, float)
    if len(v) < 2:
        return [float(v.mean()), float("nan"), float("nan")]
    half = stdtrit(len(v) - 1, 0.975) * v.std(ddof=1) / np.sqrt(len(v))
    return [float(v.mean()), float(v.mean() - half), float(v.mean() + half)]


def summary(repeats: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per remedy: train and test numbers over the repeats, and the differences to none on the same scans."""
    out: dict[str, Any] = {}
    for name in repeats[0]:
        row: dict[str, Any] = {}
        for metric in ("accuracy", "cross_entropy"):
            test = [r[name]["test"][metric] for r in repeats]
            row[f"test_{metric}"] = interval(test)
            row[f"train_{metric}"] = interval([r[name]["train"][metric] for r in repeats])
            row[f"difference_{metric}"] = interval(
                [t - r["none"]["test"][metric] for t, r in zip(test, repeats, strict=True)]
            )
        row["n_images"], row["n_groups"] = repeats[0][name]["n_images"], repeats[0][name]["n_groups"]
        row["epochs"] = [len(r[name]["history"]["loss"]) for r in repeats]
        row["options"] = [r[name]["options"] for r in repeats]
        out[name] = row
    return out


def measure(seeds: Sequence[int], setting: Setting, jobs: int) -> dict[str, Any]:
    """All repeats, shared by processes of one thread each, and what is made of them."""
    start = time.perf_counter()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes begun below: threads would only wait for one another
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=fresh) as pool:
        endless = pool.submit(without_end, seeds[0], setting)
        repeats = list(pool.map(partial(repeat, setting=setting), seeds))
        result = gathered(seeds, setting, repeats, endless.result())
    return result | {"seconds": round(time.perf_counter() - start, 1)}


def gathered(
    seeds: Sequence[int], setting: Setting, repeats: Sequence[Mapping[str, Any]], endless: Mapping[str, Any]
) -> dict[str, Any]:
    """What is printed as JSON: the summary, and the history of the first repeat with and without early stopping."""
    stopped = repeats[0]["early stopping"]["history"]
    return {
        "real": False, "seeds": list(seeds), "setting": asdict(setting), "remedies": summary(repeats),
        "interval_over": "repeats, each with its own donors, scans and first weights",
        "history": {"loss": endless["loss"], "val_loss": endless["val_loss"], "best_epoch": stopped["best_epoch"],
                    "last_epoch": len(stopped["loss"]) - 1},
    }  # fmt: skip


# -- showing ------------------------------------------------------------------------------------------------------


def effects(result: Mapping[str, Any]) -> list[Effect]:
    """The rows of the figure; a verdict where the paired difference to none leaves zero out."""
    rows = []
    for name, row in result["remedies"].items():
        tests = tuple(row["test_accuracy"]), tuple(row["test_cross_entropy"])
        training = row["train_accuracy"][0], row["train_cross_entropy"][0]
        verdicts = verdict(row["difference_accuracy"], better=1), verdict(row["difference_cross_entropy"], better=-1)
        rows.append(Effect(name, *tests, *training, *verdicts))
    return rows


def verdict(difference: Sequence[float], better: int) -> str:
    """'better', 'worse', or 'open' where the interval of the difference holds zero."""
    _, low, high = difference
    if low > 0 or high < 0:
        return "better" if low * better > 0 else "worse"
    return "open"


def markdown(result: Mapping[str, Any], setting: Setting) -> str:
    """The table of the page, as text."""
    lines = [
        "| remedy | argument | training accuracy | test accuracy | against none | test cross-entropy | against none |",
        "|---|---|---|---|---|---|---|",
    ]
    for remedy in REMEDIES:
        row = result["remedies"][remedy.name]
        none = remedy.name == "none"
        cells = [
            remedy.name, remedy.argument(setting), f"{100 * row['train_accuracy'][0]:.0f} %",
            "{:.0f} % ({:.0f} to {:.0f})".format(*(100 * v for v in row["test_accuracy"])),
            "–" if none else "{:+.0f} ({:+.0f} to {:+.0f})".format(*(100 * v for v in row["difference_accuracy"])),
            "{:.2f} ({:.2f} to {:.2f})".format(*row["test_cross_entropy"]),
            "–" if none else "{:+.2f} ({:+.2f} to {:+.2f})".format(*row["difference_cross_entropy"]),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/remedies.md")
    parser.add_argument("--out", type=Path, help="write the figure there, as .svg or .png")
    parser.add_argument("--seeds", type=int, help="number of repeats (6; with --quick 2)")
    parser.add_argument(
        "--quick", action="store_true", help="fewer scans, epochs and repeats: it runs, it proves little"
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes (2)")
    words = parser.parse_args()
    setting = QUICK if words.quick else Setting()
    repeats = words.seeds or (2 if words.quick else 6)
    result = measure(range(FIRST_SEED, FIRST_SEED + repeats), setting, words.jobs)
    if words.out:
        from sharptip.report import save

        save(remedy_figure(result["history"], effects(result)), words.out)
    if words.json:
        print(json.dumps(result, indent=1))
    else:
        print(markdown(result, setting))
        if not words.markdown:
            print(f"\n{repeats} repeats, {result['seconds']} s; simulated scans")


if __name__ == "__main__":
    main()
