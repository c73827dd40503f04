"""Does every remedy against over-fitting do what it says, and is it tested on donors that nothing has seen?"""

import copy
import importlib
import json
import subprocess
import sys
from pathlib import Path

import matplotlib.text
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from sharptip.fit import Example, Model
from sharptip.fit import choose as choosing
from sharptip.nets import n_params
from sharptip.report.charts import remedy_figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from blocks import ROOT, blocks

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def remedies():
    """The script, as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("remedies")


@pytest.fixture(scope="module")
def tiny(remedies):
    return remedies.Setting(
        donors=2, per_donor=1, test_donors=2, sibling_donors=2, pixels=96, folds=2, epochs=3
    )  # 96 pixels: the least that five convolutions take


@pytest.fixture(scope="module")
def run(remedies, tiny):
    """One repeat, and everything that a Model was told, fitted on or asked in it."""
    told = {"fitted": [], "asked": []}

    class Watched(Model):
        def fit(self, scans=None, seed=0, on_epoch=None):
            told["fitted"].append((self, self.options, [e.group for e in scans], seed))
            return super().fit(scans, seed, on_epoch)

    def judged(model, examples, inner=remedies.judged):
        told["asked"].append((model, [e.group for e in examples]))
        return inner(model, examples)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remedies, "Model", Watched)
        patch.setattr(choosing, "Model", Watched)
        patch.setattr(remedies, "judged", judged)
        found = remedies.repeat(3, tiny)
    final = [model for model, _ in told["asked"][::2]]  # each remedy's model is asked of training, then of test scans
    return found, told, dict(zip(found, final, strict=True))


@pytest.fixture(scope="module")
def result(remedies, tiny, run):
    """Two repeats, the second being the first with other test numbers, and what is made of them."""
    first, second = run[0], copy.deepcopy(run[0])
    for i, row in enumerate(second.values()):
        row["test"] = {"accuracy": 0.5 + 0.01 * i, "cross_entropy": 0.7 - 0.02 * i}
    return remedies.gathered([3, 4], tiny, [first, second], remedies.without_end(3, tiny)), first, second


def test_each_remedy_changes_what_it_names_and_nothing_else(run):
    found, _, models = run
    plain = models["none"].options
    assert not plain["augment"]
    assert plain["patience"] is None
    expected = {
        "none": {},
        "twice the data": {},
        "four times the data": {},
        "augmentation": {"augment": True},
        "smaller model": {"architecture": "architecture 1"},
        "far smaller, modern": {"architecture": "modern"},
        "dropout": {"dropout": 0.5},
        "weight penalty": {"weight_decay": 5.0},
        "early stopping": {"patience": 12},
        "five options at once": {"augment": True, "architecture": "architecture 1", "dropout": 0.5,
                                 "weight_decay": 5.0, "patience": 12},
    }  # fmt: skip
    for name, changed in expected.items():
        assert {k: v for k, v in models[name].options.items() if v != plain[k]} == changed, name
    assert set(found) == {*expected, "transfer, frozen", "grouped k-fold"}


def test_the_options_reach_the_networks(run):
    _, _, models = run
    size = {name: n_params(model.learner) for name, model in models.items()}
    assert size["smaller model"] < size["none"]
    assert size["far smaller, modern"] < 0.5 * size["none"]
    assert models["dropout"].learner.drop.p == 0.5
    assert models["none"].learner.drop.p == 0.0
    assert all(v is None for v in models["none"].card["history"]["val_loss"])
    assert all(v is not None for v in models["early stopping"].card["history"]["val_loss"])


def test_transfer_keeps_the_convolutions_of_the_sibling(run):
    _, told, models = run
    sibling = told["fitted"][0][0].learner.state_dict()
    tuned = models["transfer, frozen"].learner.state_dict()
    same = {name for name in tuned if np.array_equal(sibling[name], tuned[name])}
    assert same == {name for name in tuned if name.startswith("conv")}


def test_no_donor_that_is_tested_was_learned_from_or_chosen_with(run):
    _, told, _ = run
    tested = {g for _, groups in told["asked"][1::2] for g in groups}
    learned = {g for _, _, groups, _ in told["fitted"] for g in groups}
    assert len(tested) == 2
    assert not tested & learned


def test_more_data_is_more_donors_and_holds_the_few(run, remedies, tiny):
    found, told, models = run
    groups = {name: next(g for m, _, g, _ in told["fitted"] if m is model) for name, model in models.items()}
    assert [len(set(groups[n])) for n in ("none", "twice the data", "four times the data")] == [2, 4, 8]
    assert set(groups["none"]) < set(groups["twice the data"]) < set(groups["four times the data"])
    assert all(groups[r.name] == groups["none"] for r in remedies.REMEDIES if r.data == 1)
    assert found["four times the data"]["n_images"] == 4 * found["none"]["n_images"]


def test_options_are_chosen_on_whole_donors_of_the_training_scans(run, remedies, tiny):
    found, told, models = run
    grid = next(r.grid for r in remedies.REMEDIES if r.grid)
    last = [m for m, _, _, _ in told["fitted"]].index(models["grouped k-fold"])
    tried = told["fitted"][last - 4 * tiny.folds : last]  # two values of each of two options
    assert {tuple(options[k] for k in grid) for _, options, _, _ in tried} == {
        (a, b) for a in grid["augment"] for b in grid["dropout"]
    }
    given = set(told["asked"][0][1])
    assert all(set(groups) < given for _, _, groups, _ in tried)
    assert all(found["grouped k-fold"]["options"][k] in values for k, values in grid.items())


def test_a_judgement_against_closed_forms(remedies):
    """Three scans given 0.9, 0.6 and 0.2 to what they are: accuracy 2/3, cross-entropy the mean of −ln."""
    to_truth = {"healthy": 0.9, "exposed": 0.6, "healthy again": 0.2}

    class Said(Model):
        def predict(self, scan):
            p = to_truth[scan]
            return xr.Dataset({"probability": ("label", [1 - p, p] if scan == "exposed" else [p, 1 - p])})

    found = remedies.judged(Said(remedies.RECIPE), [Example(name, name.split()[0]) for name in to_truth])
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["cross_entropy"] == pytest.approx(-np.log([0.9, 0.6, 0.2]).mean())


def test_the_summary_is_paired_and_holds_students_interval(result):
    table, first, second = result
    differences = [r["augmentation"]["test"]["accuracy"] - r["none"]["test"]["accuracy"] for r in (first, second)]
    mean, low, high = table["remedies"]["augmentation"]["difference_accuracy"]
    assert mean == pytest.approx(np.mean(differences))
    assert [low, high] == pytest.approx(stats.t.interval(0.95, 1, mean, stats.sem(differences)))
    assert table["remedies"]["none"]["difference_cross_entropy"] == [0, 0, 0]


def test_the_json_says_what_it_is(result):
    table = json.loads(json.dumps(result[0]))
    assert set(table) == {"real", "seeds", "setting", "remedies", "interval_over", "history"}
    assert table["real"] is False
    parts, metrics = ("train", "test", "difference"), ("accuracy", "cross_entropy")
    keys = {f"{part}_{metric}" for part in parts for metric in metrics}
    for row in table["remedies"].values():
        assert set(row) == keys | {"n_images", "n_groups", "epochs", "options"}


def test_the_shown_run_is_the_stopped_one_gone_on(result):
    table, first, _ = result
    stopped = first["early stopping"]["history"]
    n = len(stopped["loss"])
    assert table["history"]["loss"][:n] == stopped["loss"]
    assert table["history"]["val_loss"][:n] == stopped["val_loss"]
    assert table["history"]["best_epoch"] == int(np.argmin(stopped["val_loss"]))


def test_figure_and_table_name_every_remedy(result, remedies, tiny):
    table = result[0]
    figure = remedy_figure(table["history"], remedies.effects(table))
    figure.canvas.draw()
    written = [t.get_text() for t in figure.findobj(matplotlib.text.Text)]
    lines = remedies.markdown(table, tiny).splitlines()
    for i, remedy in enumerate(remedies.REMEDIES):
        assert remedy.name in written
        assert lines[i + 2].startswith(f"| {remedy.name} | ")
        assert remedy.argument(tiny) in lines[i + 2]


def test_the_page_shows_what_the_command_prints(remedies):
    """Names and arguments of the table; its numbers take minutes to make."""
    page = (ROOT / "docs" / "remedies.md").read_text(encoding="utf-8")
    for remedy in remedies.REMEDIES:
        assert f"| {remedy.name} | {remedy.argument(remedies.Setting())} |" in page
    assert (ROOT / "docs" / "remedies.svg").stat().st_size < 200_000


def test_the_code_of_the_page_runs(remedies, tiny):
    names = {"examples": remedies.draw(5, 2, tiny)}
    for block in blocks("docs/remedies.md", "python"):
        exec(compile(block, "docs/remedies.md", "exec"), names)
    assert names["model"].options["patience"] == 12
    assert len(names["table"]) == 4


@pytest.mark.parametrize(
    ("difference", "better", "says"),
    [((0.1, 0.05, 0.15), 1, "better"), ((0.1, 0.05, 0.15), -1, "worse"), ((-0.1, -0.2, -0.01), -1, "better"),
     ((0.1, -0.05, 0.25), 1, "open"), ((0.1, float("nan"), float("nan")), 1, "open")],
)  # fmt: skip
def test_a_verdict_needs_an_interval_without_zero(remedies, difference, better, says):
    assert remedies.verdict(difference, better) == says


@pytest.mark.slow
def test_the_quick_command_runs(tmp_path):
    out = tmp_path / "remedies.png"
    command = [sys.executable, str(BENCHMARKS / "remedies.py"), "--quick", "--json", "--jobs", "1", "--out", str(out)]
    table = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert table["seeds"] == [100, 101]
    assert table["seconds"] < 240
    assert out.stat().st_size > 10_000
