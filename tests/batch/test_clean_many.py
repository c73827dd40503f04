"""A batch of files, some of them amiss: nothing is lost, nothing is done twice, everything is told."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from benchmarks.clean_many import counted, curves, killed_on_its_way, population, sharptip_clean
from tests.io.files.asd import asd_film
from tests.pages import opened
from tests.real import real

from sharptip import clean, io
from sharptip.app.cli import main
from sharptip.batch import clean_file as one
from sharptip.batch.clean_file import Order
from sharptip.batch.clean_many import By, clean_many
from sharptip.batch.workers import Died
from sharptip.core.errors import ChannelError, ScanError, WriteError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid, scan_of

SHARPTIP = Path(sys.executable).parent / "sharptip"
STEPS = "plane,rows,scars"


@dataclass(frozen=True)
class Alone(By):
    """The work done in this process; `dies` names files over which a worker dies, and how often."""

    dies: Counter = None  # type: ignore[assignment]

    def run(self, jobs, do):
        for job in jobs:
            if self.dies and self.dies[job.file.name]:
                self.dies[job.file.name] -= 1
                yield job, Died("killed by SIGKILL, perhaps out of memory")
            else:
                yield job, do(job)


def cleaned(source, out, said=None, order=Order(STEPS), dies=None, **options):  # noqa: B008
    sources = source if isinstance(source, list) else [source]
    say = (lambda text: None) if said is None else said.append
    return clean_many(sources, out, order, by=Alone(dies=dies), pictures=0, say=say, **options)


def table(out):
    with (out / "summary.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tilted(seed=0, shape=(20, 30)):
    rng = np.random.default_rng(seed)
    return np.add.outer(np.arange(shape[0]) * 1e-9, np.arange(shape[1]) * 2e-9) + rng.normal(0, 1e-10, shape)


@pytest.fixture
def scans(tmp_path):
    """Three sound scans, one of them in a folder."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for i, name in enumerate(("a.gwy", "b.gwy", "deep/c.gwy")):
        io.write(scan_of(tilted(i), 1e-9, name=name), tmp_path / "in" / name)
    return tmp_path / "in"


def stamps(out):
    return {
        p.relative_to(out): p.stat().st_mtime_ns
        for p in out.rglob("*")
        if p.name in ("zarr.json",) or p.suffix == ".gwy"
    }


def test_what_was_done_is_told_in_numbers(scans, tmp_path):
    outcome = cleaned(scans, tmp_path / "out", suffix=".gwy")
    assert outcome.told().startswith("3 of 3 files cleaned")
    row = table(tmp_path / "out")[0]
    raw, flat = io.read(scans / "a.gwy")["height"].values, io.read(tmp_path / "out" / "a.gwy")["height"].values
    assert (row["file"], row["status"], row["reason"], row["target"]) == ("a.gwy", "cleaned", "", "a.gwy")
    assert (row["format"], row["scan"], row["channel"], row["unit"]) == ("gwy", "a.gwy", "height", "m")
    assert (row["lines"], row["columns"], row["images"], row["steps"]) == ("20", "30", "1", "plane,rows,scars")
    assert (float(row["height_m"]), float(row["width_m"])) == pytest.approx((20e-9, 30e-9))
    assert float(row["before_rms"]) == pytest.approx(raw.std(), rel=1e-5)
    assert float(row["after_rms"]) == pytest.approx(flat.std(), rel=1e-5)
    assert float(row["plane_rms"]) == pytest.approx(
        np.hypot(1e-9 * np.arange(20).std(), 2e-9 * np.arange(30).std()), rel=0.01
    )
    assert row["scars"] == "0"


def test_results_among_the_raw_scans_are_not_cleaned_again_and_that_is_told(scans, tmp_path):
    cleaned(scans, scans / "first")
    said = []
    outcome = cleaned(scans, tmp_path / "out", said)
    assert [r["name"] for r in outcome.records] == ["a.gwy", "b.gwy", "deep/c.gwy"]
    assert said == ["passed over first: it holds the results of an earlier run, not raw scans"]


def test_scars_are_counted_where_they_are(tmp_path):
    (tmp_path / "in").mkdir()
    z = np.random.default_rng(0).normal(0, 1e-10, (40, 60))
    z[10, 5:40] += 2e-9
    z[25:27, 20:50] += 2e-9
    io.write(scan_of(z, 1e-9), tmp_path / "in" / "a.gwy")
    cleaned(tmp_path / "in", tmp_path / "out", order=Order("scars"))
    row = table(tmp_path / "out")[0]
    assert row["scars"] == "2"
    assert 90 <= int(row["scars_pixels"]) <= 110
    assert "plane_rms" not in row


def test_the_same_command_does_nothing_twice(scans, tmp_path):
    out, said = tmp_path / "out", []
    cleaned(scans, out)
    before = stamps(out)
    cleaned(scans, out, said)
    assert stamps(out) == before
    assert said == ["3 of 3 files are cleaned already; nothing is left to do"]
    assert [r["status"] for r in table(out)] == ["cleaned"] * 3


@pytest.mark.parametrize("what", ["the source", "the result is cut", "the result is gone"])
def test_what_has_changed_is_done_anew_and_only_that(scans, tmp_path, what):
    out = tmp_path / "out"
    cleaned(scans, out, suffix=".gwy")
    before = stamps(out)
    if what == "the source":
        io.write(scan_of(tilted(7), 1e-9), scans / "b.gwy")
    elif what == "the result is cut":
        (out / "b.gwy").write_bytes((out / "b.gwy").read_bytes()[:100])
    else:
        (out / "b.gwy").unlink()
    cleaned(scans, out, suffix=".gwy")
    after = stamps(out)
    assert {p.name for p in after if after[p] != before[p]} == {"b.gwy"}
    assert np.isfinite(io.read(out / "b.gwy")["height"]).all()


def test_other_options_are_told_and_all_is_done_anew(scans, tmp_path):
    out, said = tmp_path / "out", []
    cleaned(scans, out)
    before = stamps(out)
    cleaned(scans, out, said, order=Order("plane"))
    assert said == [
        "the options are others than in the last run, so every scan is cleaned anew: "
        "steps was plane,rows,scars, is plane"
    ]
    assert all(when != before[p] for p, when in stamps(out).items())
    assert len(stamps(out)) == len(before)


def test_results_in_another_format_that_stay_are_told_with_how_they_were_made(scans, tmp_path):
    out = tmp_path / "out"
    said = [[], [], [], []]
    cleaned(scans, out, said[0], order=Order("plane"))
    cleaned(scans, out, said[1], suffix=".gwy")
    shutil.rmtree(out / "a.zarr")
    cleaned(scans, out, said[2], suffix=".gwy")
    cleaned(scans, out, said[3])
    assert said[0] == []
    assert said[1][-1] == (
        "3 .zarr of an earlier run stay beside the new .gwy, made with other options: steps was plane, is "
        "plane,rows,scars"
    )
    assert "2 .zarr of an earlier run stay beside" in said[2][0]
    assert said[3][-1] == "3 .gwy of an earlier run stay beside the new .zarr"


def test_what_this_did_not_write_is_not_overwritten(scans, tmp_path):
    out, said = tmp_path / "out", []
    out.mkdir()
    (out / "a.gwy").write_text("mine")
    outcome = cleaned(scans, out, said, suffix=".gwy")
    assert (out / "a.gwy").read_text() == "mine"
    assert len(outcome.left) == 1
    assert table(out)[0]["status"] == "already there"
    assert "--overwrite" in said[0]
    cleaned(scans, out, suffix=".gwy")
    assert (out / "a.gwy").read_text() == "mine"
    cleaned(scans, out, suffix=".gwy", overwrite=True)
    assert table(out)[0]["status"] == "cleaned"
    assert io.read(out / "a.gwy").sizes["x"] == 30


def test_results_of_another_folder_are_kept_apart_and_stay_in_the_table(scans, tmp_path):
    out = tmp_path / "out"
    cleaned(scans, out, suffix=".gwy")
    other = tmp_path / "other"
    other.mkdir()
    io.write(scan_of(tilted(9, (10, 12)), 1e-9), other / "a.gwy")
    cleaned(other, out, suffix=".gwy")
    assert io.read(out / "a.gwy").sizes["x"] == 30
    assert io.read(out / "a-2.gwy").sizes["x"] == 12
    assert len(table(out)) == 4


def test_a_worker_that_dies_once_is_given_another_chance_and_no_third(scans, tmp_path):
    outcome = cleaned(scans, tmp_path / "out", dies=Counter({"a.gwy": 1, "b.gwy": 2}))
    assert [r["status"] for r in table(tmp_path / "out")] == ["cleaned", "left out", "cleaned"]
    (left,) = outcome.left
    assert left["reason"] == "the process that cleaned it died twice (killed by SIGKILL, perhaps out of memory)"


def test_too_little_memory_and_mistakes_of_ours_stop_nothing(scans, tmp_path, monkeypatch):
    def greedy(scan, *, channel):
        if scan.attrs["name"] == "a.gwy":
            raise MemoryError
        if scan.attrs["name"] == "b.gwy":
            raise KeyError("oops")
        return scan

    monkeypatch.setitem(clean.STEPS, "greedy", greedy)
    cleaned(scans, tmp_path / "out", order=Order("greedy"))
    assert [r["status"] for r in table(tmp_path / "out")] == ["left out", "left out", "cleaned"]
    reasons = [r["reason"] for r in table(tmp_path / "out")]
    assert reasons[0] == "needs more memory than there is"
    assert reasons[1].startswith("a mistake in sharptip, please report it: KeyError: 'oops' (test_clean_many.py, line")


def test_a_full_disk_stops_it_and_the_same_command_goes_on(scans, tmp_path, monkeypatch):
    out, write = tmp_path / "out", io.write

    def full(scan, path, channel=None):
        if path.name == "b.gwy":
            path.write_bytes(b"half")
            raise WriteError("cannot be written") from OSError(errno.ENOSPC, "No space left on device")
        write(scan, path)

    monkeypatch.setattr(one.io, "write", full)
    with pytest.raises(WriteError, match=r"No space left on device\); 1 of 3 files are cleaned and whole") as told:
        cleaned(scans, out, suffix=".gwy")
    assert "the same command goes on" in str(told.value)
    assert sorted(p.name for p in out.iterdir()) == ["a.gwy", "journal.jsonl", "summary.csv"]
    monkeypatch.setattr(one.io, "write", write)
    before = stamps(out)
    cleaned(scans, out, suffix=".gwy")
    assert [r["status"] for r in table(out)] == ["cleaned"] * 3
    assert stamps(out)[Path("a.gwy")] == before[Path("a.gwy")]


def test_a_disk_that_is_really_full(scans, tmp_path):
    """On a file system of two megabytes."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", small], capture_output=True)
    if mounted.returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        for i in range(30):
            io.write(scan_of(tilted(i, (60, 60)), 1e-9), scans / f"more-{i:02d}.gwy")
        with pytest.raises(WriteError, match="No space left on device"):
            cleaned(scans, small / "out", suffix=".gwy")
        whole = list((small / "out").rglob("*.gwy"))
        assert len(whole) > 2
        for path in whole:
            assert io.read(path)["height"].shape
    finally:
        subprocess.run(["umount", small], check=True)


def test_half_a_line_in_the_journal_and_half_a_result_are_survived(scans, tmp_path):
    out = tmp_path / "out"
    cleaned(scans, out, suffix=".gwy")
    before = stamps(out)
    journal = out / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])  # killed while it wrote what came of the last file
    (out / ".unfinished" / "7").mkdir(parents=True)
    (out / ".unfinished" / "7" / "x.gwy").write_bytes(b"GWYP")
    outcome = cleaned(scans, out, suffix=".gwy")
    assert outcome.worked == 1
    assert not (out / ".unfinished").exists()
    after = stamps(out)
    assert [p.name for p in after if after[p] != before[p]] == ["c.gwy"]
    assert cleaned(scans, out, suffix=".gwy").worked == 0
    journal.write_bytes(b"\x00\xff junk\n[1]\n" + journal.read_bytes())
    assert cleaned(scans, out, suffix=".gwy").worked == 0


def test_two_at_once_in_one_folder_are_not_let(scans, tmp_path):
    from sharptip.batch.journal import Journal

    first = Journal(tmp_path / "out")
    with pytest.raises(WriteError, match="another run is at work there"):
        cleaned(scans, tmp_path / "out")
    first.close()
    cleaned(scans, tmp_path / "out")


# -- what is in files ---------------------------------------------------------------------------------------------


def film(directions=False, curve=False):
    n = {"direction": 2} if directions else {}
    shape = (3, *n.values(), 8, 9)
    rng = np.random.default_rng(0)
    tilt = np.add.outer(np.arange(8.0), np.arange(9.0)) * 1e-9 * rng.normal(size=(*shape[:-2], 1, 1))
    axes = {"time": Axis(np.arange(3.0), "s"), "y": Axis.regular(8, 1e-9), "x": Axis.regular(9, 1e-9)}
    if directions:
        axes["direction"] = Axis(np.array(["forward", "backward"]), "1")
    height = Channel("height", tilt + rng.normal(0, 1e-12, shape), "m", "Z", ("time", *n, "y", "x"))
    phase = Channel("phase", rng.normal(size=shape[-2:]) + np.arange(9.0), "rad", "Phase")
    return from_grid(Grid("film", (height, phase), axes))


@pytest.mark.parametrize("directions", [False, True])
def test_every_frame_and_both_directions_are_cleaned(tmp_path, directions):
    (tmp_path / "in").mkdir()
    raw = film(directions)
    io.write(raw, tmp_path / "in" / "film.zarr")
    cleaned(tmp_path / "in", tmp_path / "out", order=Order("plane"))
    flat = io.read(tmp_path / "out" / "film.zarr")
    assert flat["height"].dims == raw["height"].dims
    assert float(flat["height"].std(("y", "x")).max()) < 2e-12
    assert flat["phase"].identical(raw["phase"])
    assert table(tmp_path / "out")[0]["images"] == ("6" if directions else "3")


def test_all_are_the_heights_of_all_scans_of_a_file(tmp_path):
    (tmp_path / "in").mkdir()
    z = np.random.default_rng(0).normal(0, 1e-9, (8, 9))
    units = {"height_sensor_2": "m", "height_signal": "V", "height_error": "m", "tip_x": "m", "settling_time": "s",
             "current": "A", "uncertainty": "m"}  # fmt: skip
    variables = {name: (("y", "x"), z, {"units": unit}) for name, unit in units.items()}
    second = scan_of(z, 1e-9, name="second").drop_vars("height").assign(variables)
    io.write([film(), second], tmp_path / "in" / "two.zarr")
    cleaned(tmp_path / "in", tmp_path / "all", order=Order("plane", "all"))
    rows = table(tmp_path / "all")
    assert [(r["scan"], r["channel"]) for r in rows] == [
        ("film", "height"), ("second", "height_sensor_2"), ("second", "height_signal")
    ]  # fmt: skip
    note = "no heights, so as measured: phase, height_error, tip_x and 3 more; --channel NAME levels one"
    assert [r["notes"] for r in rows] == [note] * 3  # once, for the file
    first, other = io.scans(tmp_path / "all" / "two.zarr")
    assert first["phase"].equals(film()["phase"])
    for name in units:
        assert other[name].equals(second[name]) == (name not in ("height_sensor_2", "height_signal")), name
    cleaned(tmp_path / "in", tmp_path / "height", order=Order("plane"))
    first, second = io.scans(tmp_path / "height" / "two.zarr")
    assert len(json.loads(first.attrs["history"])) == len(json.loads(film().attrs["history"])) + 1
    assert second["current"].equals(other["current"])  # a scan without the channel stays beside the others as it was
    cleaned(tmp_path / "in", tmp_path / "named", order=Order("plane", "height,phase"))
    assert [r["channel"] for r in table(tmp_path / "named")] == ["height", "phase"]
    cleaned(tmp_path / "in", tmp_path / "current", order=Order("plane", "current"))
    assert not io.scans(tmp_path / "current" / "two.zarr")[1]["current"].equals(other["current"])  # as told


def test_a_file_of_nothing_but_phase_says_how_it_is_cleaned(tmp_path):
    (tmp_path / "in").mkdir()
    phase = scan_of(np.random.default_rng(0).normal(size=(8, 9)), 1e-9, channel="phase", unit="rad")
    io.write(phase, tmp_path / "in" / "a.zarr")
    (left,) = cleaned(tmp_path / "in", tmp_path / "out", order=Order("plane", "all")).left
    assert left["reason"] == "has no height; it has phase, as measured unless it is named: --channel phase"


def test_what_has_no_such_image_is_told_with_what_it_has(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    io.write(curves(np.random.default_rng(0)), folder / "curves.zarr")
    io.write(scan_of(np.zeros((3, 4)), 1e-9, channel="phase", unit="rad"), folder / "phase.gwy")
    spectra = xr.Variable(("y", "x", "bias"), np.zeros((2, 2, 3)), {"units": "A"})
    bias = {"bias": xr.Variable(("bias",), np.arange(3.0), {"units": "V"})}
    grid = {d: xr.Variable((d,), np.arange(2) * 1e-9, {"units": "m"}) for d in ("y", "x")}
    io.write(xr.Dataset({"current": spectra}, bias | grid, {"history": "[]"}), folder / "sts.zarr")
    np.save(folder / "z.npy", np.zeros((4, 5)))
    cleaned(folder, tmp_path / "out")
    assert {r["file"]: r["reason"] for r in table(tmp_path / "out")} == {
        "curves.zarr": "holds 3 curves and no image; only images are cleaned",
        "phase.gwy": "has no image channel 'height'; it has phase: name one, --channel height,phase",
        "sts.zarr": "holds spectra over bias, x, y and no image; only images are cleaned",
        "z.npy": "says no physical size; give --size 2e-6 (its width in metres), or --size unknown",
    }
    cleaned(folder, tmp_path / "told", order=Order("plane", "height", 1e-6, "nm"))
    row = next(r for r in table(tmp_path / "told") if r["file"] == "z.npy")
    assert (row["status"], row["unit"], float(row["width_m"])) == ("cleaned", "m", 1e-6)


def test_formats_of_one_image_hold_the_channel_that_was_cleaned(tmp_path):
    (tmp_path / "in").mkdir()
    both = scan_of(tilted(), 1e-9).assign(phase=lambda s: s["height"].assign_attrs(units="rad"))
    io.write(both, tmp_path / "in" / "a.gwy")
    cleaned(tmp_path / "in", tmp_path / "out", suffix=".gsf")
    (row,) = table(tmp_path / "out")
    assert row["status"] == "cleaned", row["reason"]
    assert list(io.read(tmp_path / "out" / "a.gsf").data_vars) == ["height"]
    cleaned(tmp_path / "in", tmp_path / "named", order=Order(STEPS, "height_sensor,phase,height"), suffix=".gsf")
    assert list(io.read(tmp_path / "named" / "a.gsf").data_vars) == ["phase"]  # the first of them that is there
    assert row["notes"].endswith(".gsf does not keep the channel phase. .zarr and .nc do")


def test_an_image_beside_curves_of_the_same_name_goes_into_formats_of_one_image(tmp_path):
    (tmp_path / "in").mkdir()
    heights = curves(np.random.default_rng(0))
    io.write([heights, scan_of(tilted(), 1e-9, name="image")], tmp_path / "in" / "a.zarr")
    cleaned(tmp_path / "in", tmp_path / "out", suffix=".gsf")
    (row,) = table(tmp_path / "out")
    assert (row["status"], row["scan"]) == ("cleaned", "image"), row["reason"]
    assert "the other scan: curves (3 curve × 50 sample)" in row["notes"]
    assert io.read(tmp_path / "out" / "a.gsf")["height"].shape == tilted().shape


def test_names_that_are_no_unicode(scans, tmp_path):
    odd = os.fsdecode(b"odd-\xe9.gwy")
    shutil.copy(scans / "a.gwy", scans / odd)
    (scans / os.fsdecode(b"bad-\xe9.gwy")).write_bytes(b"")
    said: list[str] = []
    cleaned(scans, tmp_path / "out", said, suffix=".gwy")
    rows = {r["file"]: r for r in table(tmp_path / "out")}
    assert rows["bad-\\udce9.gwy"]["reason"] == "the file is empty"
    assert rows["a.gwy"]["status"] == "cleaned"
    assert cleaned(scans, tmp_path / "out", suffix=".gwy").worked == sum(
        r["status"] != "cleaned" for r in rows.values()
    )


def test_steps_that_are_not_there_are_told(tmp_path):
    with pytest.raises(ScanError, match="no step 'polish'; there are flatten"):
        one.names_of("plane,polish")
    assert one.names_of("learned") == ("learned",)


def test_stills_among_films_are_cleaned_and_that_is_said(tmp_path):
    (tmp_path / "in").mkdir()
    io.write(film().drop_vars("phase"), tmp_path / "in" / "film.zarr")
    still = scan_of(np.add.outer(np.arange(8.0), np.arange(9.0)) * 1e-9, 1e-9)
    io.write(still, tmp_path / "in" / "still.gwy")
    done = cleaned(tmp_path / "in", tmp_path / "out", order=Order("film"))
    assert ", 1 of them a still, without junk and drift; " in done.told()
    rows = {r["file"]: r for r in table(tmp_path / "out")}
    assert rows["film.zarr"]["steps"] == "junk,flatten,scars,drift"
    assert rows["still.gwy"]["steps"] == "flatten,scars"
    assert rows["still.gwy"]["notes"].endswith("is no film, so it goes through flatten and scars alone")
    assert "no film" not in rows["film.zarr"]["notes"]
    flat = io.read(tmp_path / "out" / "still.zarr")
    assert flat["height"].equals(clean.run(still, "flatten,scars")["height"])
    asked = cleaned(tmp_path / "in", tmp_path / "asked", order=Order("flatten,drift"))
    assert asked.count("cleaned") == 1  # a step that was named by itself is not left out in silence
    assert "a still" not in cleaned(tmp_path / "in", tmp_path / "auto", order=Order("auto")).told()


def test_a_still_through_the_chain_of_films_is_told_in_python():
    still = scan_of(np.add.outer(np.arange(8.0), np.arange(9.0)) * 1e-9, 1e-9)
    with pytest.warns(UserWarning, match="is no film, so it goes through flatten and scars alone"):
        clean.run(still, "film")


def test_what_is_of_a_whole_film_is_done_once(tmp_path):
    """Junk is marked and drift followed with the first channel, and not once more with each other one."""
    (tmp_path / "in").mkdir()
    raw = film()
    io.write(raw.assign(phase=raw["height"] * 1e9).assign(phase=lambda s: s["phase"].assign_attrs(units="rad")),
             tmp_path / "in" / "film.zarr")  # fmt: skip
    cleaned(tmp_path / "in", tmp_path / "out", order=Order("film", "height,phase"))
    done = [entry["step"] for entry in json.loads(io.read(tmp_path / "out" / "film.zarr").attrs["history"])]
    assert done[1:] == ["junk", "flatten", "flatten", "scars", "scars", "drift"]
    rows = table(tmp_path / "out")
    assert [r["steps"] for r in rows] == ["junk,flatten,scars,drift"] * 2
    assert (rows[0]["junk_frames"], rows[1]["junk_frames"]) == ("0", "")
    cleaned(tmp_path / "in", tmp_path / "auto", order=Order())
    assert table(tmp_path / "auto")[0]["steps"] == "junk,flatten,scars"


# -- real commands ------------------------------------------------------------------------------------------------


def sharptip(*words, code=0):
    done = subprocess.run([SHARPTIP, "clean", *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_a_batch_that_is_killed_goes_on_and_loses_nothing(tmp_path):
    sound, bad = population(tmp_path / "in", 60)
    out = tmp_path / "out"
    raw = {p: p.read_bytes() for p in (tmp_path / "in").rglob("*") if p.is_file()}
    command = sharptip_clean(tmp_path / "in", out, ".gwy", workers=2, pictures=0)
    _, code = killed_on_its_way(command, out / "journal.jsonl", 1, 60)
    found = counted(out, sound, bad)
    del found["reasons"]
    assert found == {
        "sound": 57, "broken": 3, "rows": 60, "cleaned": 57, "right": 57, "cleaned twice": 0, "broken listed": 3,
        "lost": 0, "wrongly cleaned": 0, "wrongly left out": 0, "results": 57,
    }  # fmt: skip
    assert code == 1
    assert {p: p.read_bytes() for p in (tmp_path / "in").rglob("*") if p.is_file()} == raw
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith("day")) == [
        "journal.jsonl", "summary.csv", "summary.html"
    ]  # fmt: skip
    again = sharptip(*command[4:], code=1)
    assert "57 of 60 files are cleaned already" in again.stderr


def test_ctrl_c_and_a_worker_that_is_killed(scans, tmp_path):
    for i in range(150):
        shutil.copy(scans / "a.gwy", scans / f"copy-{i}.gwy")
    out = tmp_path / "out"
    command = [SHARPTIP, "clean", scans, "--out", out, "--workers", "1", "--pictures", "0"]

    def begin():
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )  # fmt: skip

    def wait_for(n):
        journal = out / "journal.jsonl"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"status") < n):
            time.sleep(0.02)

    child = begin()
    wait_for(20)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "the same command goes on" in said
    assert "Traceback" not in said
    n = sum(r["status"] == "cleaned" for r in table(out))
    assert 20 <= n < 153
    child = begin()
    wait_for(n + 20)
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    if children.exists():
        workers = [int(p) for p in children.read_text().split()]
        names = {p: Path(f"/proc/{p}/cmdline").read_text() for p in workers}
        os.kill(next(p for p, name in names.items() if "spawn_main" in name), signal.SIGKILL)
    told, said = child.communicate(timeout=120)
    assert child.returncode == 0, said
    assert f"{n} of 153 files are cleaned already" in said
    assert "153 of 153 files cleaned" in told


@pytest.fixture
def spoken(monkeypatch, capsys):
    """The command line in this process: what it says to words, and with which exit code."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["sharptip", "clean", *map(str, words)])
        with pytest.raises(SystemExit) as done:
            main()
        said = capsys.readouterr()
        return done.value.code, (said.out + said.err).strip()

    return run


def test_one_file_goes_to_its_own_place(scans, tmp_path, spoken):
    flat = tmp_path / "flat.gwy"
    assert spoken(scans / "a.gwy", "--out", flat) == (0, str(flat))
    assert io.read(flat)["height"].shape == (20, 30)
    assert spoken(scans / "b.gwy", "--out", flat) == (1, f"sharptip: {flat}: is there already; --overwrite replaces it")
    assert spoken(scans / "b.gwy", "--out", flat, "--overwrite") == (0, str(flat))
    assert io.read(flat).attrs["name"] == "b.gwy"


def test_what_cannot_be_meant_is_told_before_anything_is_written(scans, tmp_path, spoken):
    out = tmp_path / "out"
    for words, code, says in (
        ((scans / "a.gwy", "--out", tmp_path / "a.doc"), 1, "not as '.doc'"),
        ((scans, "--out", tmp_path / "x.zarr"), 2, "name of one scan"),
        ((scans, "--out", out, "--suffix", ".doc"), 2, "is not written; use"),
        ((scans, "--out", out, "--learned", "--steps", "plane"), 2, "leave one of the two out"),
        ((scans, "--out", out, "--cluster", "tcp://127.0.0.1:1", "--workers", "3"), 2, "leave one of the two out"),
        ((scans, "--out", scans), 1, "the folder of the raw scans"),
        ((tmp_path / "nothing" / "here.gwy", "--out", tmp_path / "b.gwy"), 1, "there is no such file"),
    ):
        found, said = spoken(*words)
        assert found == code, said
        assert says in " ".join(said.replace("│", " ").split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]
    code, said = spoken(scans, "--out", out, "--cluster", "tcp://127.0.0.1:1", "--pictures", "0")
    assert code == 1
    assert "no dask scheduler answers at tcp://127.0.0.1:1" in said


def test_the_summary_in_a_browser(tmp_path, browser):
    population(tmp_path / "in", 40)
    outcome = clean_many([tmp_path / "in"], tmp_path / "out", Order(STEPS), by=Alone(), pictures=5)
    tab = opened(browser, tmp_path / "out" / "summary.html")
    n = outcome.count("cleaned")
    assert tab.locator("h1").inner_text() == f"{n} files cleaned"
    assert tab.locator("img").count() == 2
    text = tab.locator("main").inner_text()
    assert "the file is empty" in text
    assert "says no physical size" in text


def test_a_file_that_hangs_is_listed_and_stops_nothing(scans, tmp_path):
    from sharptip.batch.workers import Late

    class Slow(Alone):
        def run(self, jobs, do):
            yield from ((job, Late(90.0) if job.file.name == "b.gwy" else do(job)) for job in jobs)

    outcome = clean_many([scans], tmp_path / "out", Order(STEPS), by=Slow(), pictures=0)
    (left,) = outcome.left
    assert left["reason"] == "took longer than 1.5 minutes, after which it was given up (--limit)"
    assert table(tmp_path / "out")[1]["seconds"] == "90"


def test_a_line_is_no_image(tmp_path):
    (tmp_path / "in").mkdir()
    io.write(scan_of(tilted(0, (1, 30)), 1e-9), tmp_path / "in" / "line.zarr")
    (left,) = cleaned(tmp_path / "in", tmp_path / "out").left
    assert left["reason"] == "is a line of 30 pixels; only images are cleaned"


def test_a_film_shows_a_frame_without_a_mark_and_its_marks_are_in_the_table(tmp_path):
    (tmp_path / "in").mkdir()
    asd_film(tmp_path / "in" / "a.asd", 9, 32)
    data = bytearray((tmp_path / "in" / "a.asd").read_bytes())
    frame = 32 + 2 * 32 * 32
    data[-9 * frame + 32 : -8 * frame] = bytes(2 * 32 * 32)  # the first frame is empty
    (tmp_path / "in" / "a.asd").write_bytes(data[: -frame // 2])
    outcome = clean_many([tmp_path / "in"], tmp_path / "out", Order("auto"), by=Alone(), pictures=1)
    assert "1 of them stopped or cut off" in outcome.told()
    row = table(tmp_path / "out")[0]
    assert row["status"] == "cleaned"
    assert "cut off" in row["incomplete"]
    assert row["junk_frames"] == "2"
    assert row["marked_frames"].startswith("junk: frames 0 (it is empty: 1 height in 1024 pixels), 8 (5")
    page = (tmp_path / "out" / "summary.html").read_text()
    assert "a.asd · height · frame 4" in page or "a.asd · height · frame 5" in page
    assert "it is empty: 1 height in 1024 pixels" in page


def both_ways(folder):
    """A scan with a height both ways, as `height_sensor`, and a phase."""
    from tests.io import make_files as made

    scan = io.read(made.example(folder, "jpk"))
    scan = scan.rename(height="height_sensor")
    scan["height_sensor"] = scan["height_sensor"] * np.array([1, 3])[:, None, None]
    scan["height_sensor"].attrs |= {"units": "m"}
    io.write(scan, folder / "in" / "both.zarr")
    return scan


def test_several_channels_are_named_and_each_file_has_one(scans, tmp_path):
    both_ways(tmp_path)
    alone = cleaned(scans, tmp_path / "one")
    assert [r["reason"] for r in alone.left] == [
        "has no image channel 'height'; it has height_sensor, height_error: name one, --channel height,height_sensor, "
        "or all"
    ]
    outcome = cleaned(scans, tmp_path / "out", order=Order(STEPS, "height,height_sensor"))
    assert [row["channel"] for r in outcome.records for row in r["rows"]] == ["height"] * 2 + [
        "height_sensor",
        "height",
    ]


def test_one_direction_or_one_scan_is_cleaned_where_it_is_asked_for(scans, tmp_path):
    raw = both_ways(tmp_path)
    order = Order(STEPS, "height,height_sensor")
    refused = cleaned([scans / "both.zarr"], tmp_path / "a", order=order, suffix=".gsf")
    assert refused.left[0]["reason"] == ".gsf holds one direction; choose it with --direction: forward, backward"
    order = Order("plane", "height_sensor", direction="backward")
    cleaned([scans / "both.zarr"], tmp_path / "b", order=order, suffix=".gsf")
    back = io.read(tmp_path / "b" / "both.gsf")
    assert back["height_sensor"].attrs["direction"] == "backward"
    first = raw["height_sensor"].sel(direction="backward")
    assert back["height_sensor"].std() == pytest.approx(float(first.std()), rel=0.5)
    io.write([io.read(scans / "a.gwy"), io.read(scans / "b.gwy")], scans / "two.zarr")
    cleaned([scans / "two.zarr"], tmp_path / "c", order=Order(STEPS, scan="1"), suffix=".gsf")
    assert io.read(tmp_path / "c" / "two.gsf").attrs["name"] == "b.gwy"


def test_what_a_format_cannot_hold_is_told_before_the_work(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(one, "_through", lambda *_: pytest.fail("cleaned for nothing"))
    for name, said in (("a.mp4", "holds a film, and 'height' is one image"), ("a.png", "scans are written as")):
        with pytest.raises(WriteError, match=said):
            one.clean_one(scans / "a.gwy", tmp_path / name, Order())
    with pytest.raises(ChannelError, match=r"a\.gwy: has no image channel 'phase'"):
        one.clean_one(scans / "a.gwy", tmp_path / "a.zarr", Order(channel="phase"))


def test_options_of_steps_are_in_the_order_and_other_ones_clean_anew(scans, tmp_path):
    out, said = tmp_path / "out", []
    cleaned(scans, out, order=Order("rows:method=matching"))
    assert '"method": "matching"' in io.read(out / "a.zarr").attrs["history"]
    cleaned(scans, out, said, order=Order("rows:method=median"))
    assert "steps was rows:method=matching, is rows:method=median" in said[0]


def test_files_of_an_earlier_run_are_not_counted_as_of_this_one(scans, tmp_path):
    out = tmp_path / "out"
    cleaned([scans / "a.gwy", scans / "b.gwy"], out)
    outcome = cleaned([scans / "deep" / "c.gwy"], out)
    assert outcome.told().startswith("1 of 1 files cleaned into")
    assert outcome.told().endswith("; 2 of earlier runs are there too")
    assert len(table(out)) == 3


def test_notes_name_no_inner_place(scans, tmp_path):
    scan = io.read(scans / "a.gwy").assign(force=("curve", [1.0, 2.0], {"units": "N"}))
    io.write(scan.assign_coords(curve=("curve", [0.0, 1.0], {"units": "1"})), scans / "more.zarr")
    outcome = cleaned([scans / "more.zarr"], tmp_path / "out", suffix=".gwy")
    assert outcome.records[0]["notes"] == [".gwy does not keep what is no image: force {'curve': 2}. .zarr and .nc do"]


def test_numbers_that_no_scan_has_are_noted(tmp_path):
    (tmp_path / "in").mkdir()
    for name, factor in (("huge", 1e300), ("nm", 1.0), ("tiny", 1e-12)):
        io.write(scan_of(tilted() * factor, 1e-9), tmp_path / "in" / f"{name}.zarr")
    notes = [r["notes"] for r in cleaned(tmp_path / "in", tmp_path / "out", order=Order("plane")).records]
    assert [len(n) for n in notes] == [1, 0, 1]
    assert "too large" in notes[0][0]
    assert "which no scan has; is its unit right?" in notes[2][0]


@pytest.mark.parametrize("rounding", [0.0, 3e-25])
def test_a_constant_channel_is_said_to_be_so(tmp_path, rounding):
    z = np.full((20, 30), 1.7e-9)
    z[::2] += rounding  # a last digit of a double
    assert (np.ptp(z) > 0) == (rounding > 0)
    (tmp_path / "in").mkdir()
    scan = scan_of(z, 1e-9).assign(phase=(("y", "x"), tilted() * 1e9, {"units": "rad"}))
    io.write(scan, tmp_path / "in" / "a.zarr")
    said = "height is constant and stays as it is; another channel may hold the image"
    assert cleaned(tmp_path / "in", tmp_path / "out", order=Order("plane")).records[0]["notes"] == [said]
    assert io.read(tmp_path / "out" / "a.zarr").identical(io.read(tmp_path / "in" / "a.zarr"))
    (row,) = table(tmp_path / "out")
    assert (row["steps"], row["before_rms"], row["after_rms"]) == ("", "0", "0")
    assert one.clean_one(tmp_path / "in" / "a.zarr", tmp_path / "b.zarr", Order("plane")) == [said]
    assert one.clean_one(tmp_path / "in" / "a.zarr", tmp_path / "c.zarr", Order("plane", channel="phase")) == []


def test_what_cleaning_made_worse_by_all_appearance_is_noted(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    z = np.random.default_rng(0).normal(0, 1e-9, (20, 30))
    io.write(scan_of(z, 1e-9).assign(height_sensor=(("y", "x"), z * 1.02, {"units": "m"})), tmp_path / "in" / "a.zarr")
    order = Order("plane", "height,height_sensor")
    assert cleaned(tmp_path / "in", tmp_path / "well", order=order).records[0]["notes"] == []

    def bends(scan, *, channel):
        bent = np.add.outer(np.linspace(0, 3e-9, 20), np.zeros(30))
        return scan.assign({channel: scan[channel] + bent}) if channel == "height_sensor" else scan

    monkeypatch.setattr(one, "step_of", lambda _: bends)
    notes = cleaned(tmp_path / "in", tmp_path / "badly", order=order).records[0]["notes"]
    assert [n.partition(":")[0].partition(",")[0] for n in notes] == [
        "height and height_sensor were levelled in different ways",
        "height_sensor spreads more after cleaning than before",
    ]
    assert "(rms) after cleaning, 19" in notes[0]  # 0.02 of 1 nm before
    assert "pm before; look at both" in notes[0]


@pytest.mark.parametrize(("unit", "notes"), [(None, 1), ("nm", 0)])
def test_heights_without_a_unit_are_noted(tmp_path, unit, notes):
    np.save(tmp_path / "z.npy", tilted() * 1e9)
    with warnings.catch_warnings(record=True) as said:
        one.clean_one(tmp_path / "z.npy", tmp_path / "z.zarr", Order("plane", size=1e-6, unit=unit))
    assert ["since nobody said its unit" in str(w.message) for w in said] == [True] * notes


def test_what_a_reader_has_to_say_of_one_file_is_said_once(tmp_path):
    asd_film(tmp_path / "whole.asd", frames=3, side=64)
    (tmp_path / "a.asd").write_bytes((tmp_path / "whole.asd").read_bytes()[:-1000])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        one.clean_one(tmp_path / "a.asd", tmp_path / "a.zarr", Order("plane"))
    assert sum("was cut off" in str(w.message) for w in said) == 1


def test_where_the_tip_was_stays_as_measured_on_a_real_grid(tmp_path):
    file = real("vendor/nanonis/NanonisReader_STS_grid_lockin.3ds")
    with pytest.warns(UserWarning, match="as measured: sweep_start, sweep_end, tip_x and 6 more"):
        one.clean_one(file, tmp_path / "grid.zarr", Order("plane", "all"))
    raw, flat = io.read(file).load(), io.read(tmp_path / "grid.zarr").load()
    assert [name for name in raw.data_vars if not flat[name].equals(raw[name])] == ["height"]
