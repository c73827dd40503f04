"""The main job, small: folders of files in, a report out; broken scans named; killed and resumed to the same end."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sharptip import io
from sharptip.core import StudyError
from sharptip.core.scan import scan_of
from sharptip.fit import Model
from sharptip.study import PROTOCOLS, collect, compare, demo
from sharptip.study.believe import level_of_shuffling, shuffled
from sharptip.study.work import Work, seed_of

RECIPE = Model("tell_apart").recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty-two small simulated scans, one of them damaged, in folders as a lab would have them."""
    top = tmp_path_factory.mktemp("demo")
    scans = demo.write_demo(top, demo.SMALLEST, seed=3)
    whole = (scans / "healthy" / "batch-1_healthy-000.gwy").read_bytes()
    (scans / "healthy" / "broken.gwy").write_bytes(whole[: len(whole) // 2])
    rows = (top / "groups.csv").read_text() + "healthy/broken.gwy,donor-1,batch-1\n"
    (top / "groups.csv").write_text(rows)
    return top


def run(folder, out, **options):
    return compare(
        folder / "scans", out, apply=["treated"], groups=str(folder / "groups.csv"), protocol="smoke",
        truth=folder / "truth", **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def result(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("result")
    return out, run(folder, out)


def test_the_metrics_hold_what_programs_rely_on(result):
    out, values = result
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(values))
    assert values["real"] is False
    assert {"tile_accuracy", "image_accuracy", "interval95", "n_images", "n_groups"} <= set(values["test"])
    assert set(values["baselines"]) == {"random_forest", "morphology"}
    assert "pairs" in values["cross_batch"]
    assert {"fraction", "n", "welch", "equivalence"} <= set(values["applied"]["treated"])
    assert values["claims"][0]["claimed"] == 0.99
    assert values["seconds"] > 0
    low, high = values["test"]["interval95"]
    assert 0 <= low <= values["test"]["image_accuracy"] <= high <= 1


def test_a_broken_scan_is_named_and_skipped(result):
    out, values = result
    assert [b["file"] for b in values["broken"]] == ["healthy/broken.gwy"]
    assert "broken.gwy" in (out / "report.html").read_text()
    assert "broken.gwy" in (out / "scans.csv").read_text()
    assert sum(values["n_images"].values()) == 22


def test_no_donor_is_on_both_sides(result):
    out, _ = result
    rows = [line.split(",") for line in (out / "scans.csv").read_text().splitlines()[1:]]
    groups = {split: {r[2] for r in rows if r[4] == split} for split in ("learn", "test")}
    assert groups["learn"]
    assert groups["test"]
    assert not groups["learn"] & groups["test"]


def test_the_saved_model_answers_as_the_study_did(result, folder):
    out, _ = result
    model = Model.load(out / "model.sharptip")
    rows = [line.split(",") for line in (out / "predictions.csv").read_text().splitlines()[1:]]
    name, label, _, score = rows[0][:4]
    assert name.startswith(f"{label}/")
    answer = model.predict(io.read(folder / "scans" / name))
    assert float(answer["probability"].sel(label="exposed")) == pytest.approx(float(score), abs=2e-4)


def test_the_report_says_that_it_is_simulated_and_how_little_it_proves(result):
    text = (result[0] / "report.html").read_text()
    assert "simulated" in text
    assert "is all that it proves" in text


def test_killed_at_any_moment_it_ends_the_same(result, folder, tmp_path):
    """SIGKILL again and again at random moments; the last run finds what was done and ends as if never disturbed."""
    script = (
        "import sys; from pathlib import Path; from sharptip.study import compare; f = Path(sys.argv[1]);"
        "compare(f / 'scans', sys.argv[2], apply=['treated'], groups=str(f / 'groups.csv'), protocol='smoke',"
        " simulated=True, truth=f / 'truth')"
    )
    rng = np.random.default_rng(5)
    killed = 0
    for _ in range(30):
        child = subprocess.Popen([sys.executable, "-c", script, str(folder), str(tmp_path)], stderr=subprocess.PIPE)
        done = len(list((tmp_path / "work").glob("*.npz"))) if (tmp_path / "work").exists() else 0
        deadline = time.monotonic() + 120
        grow = int(rng.integers(3, 9))
        while child.poll() is None and time.monotonic() < deadline:
            work = tmp_path / "work"
            if work.exists() and len(list(work.glob("*.npz"))) >= done + grow:
                time.sleep(float(rng.uniform(0, 0.3)))
                child.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        _, said = child.communicate()
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL, said.decode()
        killed += 1
        assert not (tmp_path / "metrics.json").exists() or json.loads((tmp_path / "metrics.json").read_text())
    assert child.returncode == 0
    assert killed >= 2
    a, b = (json.loads((p / "metrics.json").read_text()) for p in (result[0], tmp_path))
    a.pop("seconds"), b.pop("seconds")
    assert a == b


def test_another_protocol_or_another_scan_starts_over(tmp_path):
    work = Work(tmp_path / "work", "one")
    assert work.do("unit", lambda state: {"a": 1, "b": np.arange(3)})["a"] == 1
    again = Work(tmp_path / "work", "one").do("unit", lambda state: pytest.fail("it was done already"))
    assert np.array_equal(again["b"], np.arange(3))
    assert Work(tmp_path / "work", "two").do("unit", lambda state: {"a": 2})["a"] == 2


def test_files_of_others_are_not_touched(tmp_path):
    (tmp_path / "work").mkdir()
    mine = tmp_path / "work" / "thesis.npz"
    mine.write_text("years")
    with pytest.raises(StudyError, match="holds files that no study made"):
        Work(tmp_path / "work", "one")
    assert mine.read_text() == "years"


def test_another_channel_or_reference_is_another_study(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 4, "b": 4})
    options = {"groups": r"(day-\d)", "protocol": "smoke"}
    first = compare(scans, tmp_path / "out", **options)
    turned = compare(scans, tmp_path / "out", reference="b", **options)
    assert (first["classes"], turned["classes"]) == (["a", "b"], ["b", "a"])
    fresh = compare(scans, tmp_path / "fresh", reference="b", **options)
    turned.pop("seconds"), fresh.pop("seconds")
    assert turned == fresh


def test_copies_of_a_scan_are_left_out(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 2, "b": 2})
    first = scans / "a" / "day-0_0.gwy"
    (scans / "b" / "copy.gwy").write_bytes(first.read_bytes())
    found = collect.collect(collect.from_folder(scans, None), RECIPE, tile=96)
    assert found.broken == (("b/copy.gwy", "the same bytes as a/day-0_0.gwy"),)


def test_equal_names_in_two_folders_are_two_groups(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 2, "b": 2})
    found = collect.collect(collect.from_folder(scans, None), RECIPE, tile=96)
    assert len({i.group for i in found.images}) == 4


def test_a_missing_frame_costs_that_frame_alone(tmp_path):
    np.save(tmp_path / "stack.npy", np.random.default_rng(0).normal(size=(4, 96, 96)))
    rows = [f"stack.npy,{i},{'ab'[i % 2]},g{i}" for i in range(6)]
    (tmp_path / "t.csv").write_text("file,frame,label,group\n" + "\n".join(rows))
    found = collect.collect(collect.from_table(tmp_path / "t.csv"), RECIPE, tile=96, size="unknown")
    assert len(found.images) == 4
    assert [name for name, _ in found.broken] == ["stack.npy[4]", "stack.npy[5]"]


def test_half_a_unit_is_done_again(tmp_path):
    work = Work(tmp_path / "work", "one")
    work.do("unit", lambda state: {"a": 1})
    file = tmp_path / "work" / "unit.npz"
    file.write_bytes(file.read_bytes()[:-9])
    assert work.do("unit", lambda state: {"a": 3})["a"] == 3


def test_seeds_depend_on_names_and_not_on_order():
    assert seed_of(0, "a") != seed_of(0, "b") != seed_of(1, "b")
    assert seed_of(0, "a") == seed_of(0, "a")


def test_labels_are_shuffled_at_the_level_at_which_they_vary():
    rng = np.random.default_rng(0)
    groups = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
    by_group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert level_of_shuffling(groups, by_group) == "groups"
    for _ in range(10):
        new = shuffled(by_group, groups, "groups", rng)
        assert all(len(set(new[groups == g])) == 1 for g in groups)
        assert new.sum() == 4
    some = np.array([0, 1, 0, 0, 1, 1, 0, 0])
    assert level_of_shuffling(groups, some) == "blocks"
    mixed = np.array([0, 1] * 4)
    assert level_of_shuffling(groups, mixed) == "images"
    assert all(sorted(shuffled(mixed, groups, "images", rng)[groups == g]) == [0, 1] for g in groups)


# -- what is handed in ------------------------------------------------------------------------------------------


def scans_in(folder: Path, labels: dict[str, int], side: int = 100) -> Path:
    rng = np.random.default_rng(0)
    for label, n in labels.items():
        (folder / label).mkdir(parents=True)
        for i in range(n):
            io.write(scan_of(rng.normal(size=(side, side)) * 1e-9, 1e-9), folder / label / f"day-{i % 3}_{i}.gwy")
    return folder


def test_groups_by_pattern(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 3, "b": 3})
    entries = collect.from_folder(scans, r"(day-\d)")
    assert [e.group for e in entries] == ["day-0", "day-1", "day-2"] * 2
    named = collect.from_folder(scans, r"(?P<batch>day)-(?P<group>\d)")
    assert (named[1].group, named[1].batch) == ("1", "day")


@pytest.mark.parametrize(
    ("groups", "says"),
    [("(", "neither a file nor a regular expression"), ("day", "has no bracket"), ("(night)", "finds nothing in"),
     ("none.csv", "no such table")],
)  # fmt: skip
def test_groups_that_say_nothing_are_refused(tmp_path, groups, says):
    with pytest.raises(StudyError, match=says):
        collect.from_folder(scans_in(tmp_path / "scans", {"a": 1, "b": 1}), groups)


def test_what_cannot_be_compared_is_refused(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 1, "b": 1, "c": 1})
    entries = collect.from_folder(scans, None)
    with pytest.raises(StudyError, match="compares two populations and found 3"):
        collect.choose_classes(entries, [], None)
    with pytest.raises(StudyError, match="there is no such population; there are a, b, c"):
        collect.choose_classes(entries, ["d"], None)
    assert collect.choose_classes(entries, ["scans/c/"], "b") == (("b", "a"), ("c",))
    with pytest.raises(StudyError, match="sub-folder"):
        collect.from_folder(scans / "a", None)
    with pytest.raises(StudyError, match="no such folder"):
        collect.from_folder(scans / "z", None)


def test_too_few_groups_to_test_is_said(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 3, "b": 3})
    with pytest.raises(StudyError, match="belong to one group"):
        compare(scans, tmp_path / "out", groups=r"/?([ab])/", protocol="smoke")


def test_scans_without_the_channel_are_listed_in_the_refusal(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 2, "b": 2})
    with pytest.raises(StudyError, match="no channel 'phase'; it has height"):
        compare(scans, tmp_path / "out", channel="phase", unit="rad", protocol="smoke")


def test_small_scans_are_refused_by_name(tmp_path):
    scans = scans_in(tmp_path / "scans", {"a": 2, "b": 2}, side=50)
    with pytest.raises(StudyError, match="largest scan is 50 pixels"):
        compare(scans, tmp_path / "out", protocol="smoke")


def test_a_table_of_frames_is_read_with_its_groups(tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (6, 96, 96)).astype(np.uint8)
    np.savez(tmp_path / "frames.npz", images=stack)
    rows = [f"frames.npz,{i},{'bad' if i % 2 else 'not_bad'},session {i // 2}" for i in range(6)]
    table = tmp_path / "table.csv"
    table.write_text("file,frame,label,group\n" + "\n".join(rows))
    found = collect.collect(collect.from_table(table), RECIPE, tile=96, size="unknown")
    assert len(found.images) == 6
    assert found.classes == ("not_bad", "bad")
    assert found.pixel_size is None
    assert any("physical size of the scans is not known" in w for w in found.warnings)
    assert {i.group for i in found.images} == {"session 0", "session 1", "session 2"}
    with pytest.raises(StudyError, match="could be used"):  # nobody said that the size is unknown
        collect.collect(collect.from_table(table), RECIPE, tile=96)


def test_tables_are_checked_line_by_line(tmp_path):
    table = tmp_path / "t.csv"
    for text, says in (
        ("file,label\n", "no rows"), ("file\na\n", "no column 'label'"), ("file,label\na,\n", "line 2 has no 'label'"),
        ("file,label,frame\na,b,x\n", "line 2: frame is 'x'"),
        ("file,label,group\na,b,g\nc,d,\n", "some rows have no group"),
    ):  # fmt: skip
        table.write_text(text)
        with pytest.raises(StudyError, match=says):
            collect.from_table(table)


def test_protocols_are_the_review_s_and_smaller():
    full = PROTOCOLS["full"]
    assert (full.holdout, full.groupings, full.validation, full.epochs, full.stop_at_accuracy, full.batch) == (
        0.2, 20, 0.25, 30, 0.96, 24,
    )  # fmt: skip
    assert len(full.symmetries) == 6
    assert full.architectures[:5] == tuple(f"architecture {i}" for i in range(1, 6))
    for name in full.architectures[:5]:
        how = full.training(name)
        assert (how.epochs, how.stop_at_accuracy, how.falling) == (30, 0.96, False)
    assert full.steps is None
