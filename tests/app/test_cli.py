"""The command line as a person and a program meet it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.pages import opened

from sharptip import io
from sharptip.core.scan import scan_of

SHARPTIP = Path(sys.executable).parent / "sharptip"


def sharptip(*words, code=0, cwd=None):
    about = dict(os.environ)  # without the COLUMNS that readline has set behind Python's back
    done = subprocess.run([SHARPTIP, *map(str, words)], capture_output=True, text=True, cwd=cwd, env=about, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def gwy(tmp_path):
    file = tmp_path / "a.gwy"
    io.write(scan_of(np.linspace(0, 3e-9, 20 * 30).reshape(20, 30), (2e-9, 1e-9), name="a"), file)
    return file


def test_info_for_programs(gwy):
    found = json.loads(sharptip("info", gwy, "--json").stdout)
    assert found["format"] == "gwy"
    (scan,) = found["scans"]
    assert set(scan) == {"name", "dims", "shape", "variables", "pixel_size_m", "size_m", "attrs", "marks"}
    assert scan["dims"] == ["y", "x"]
    assert scan["shape"] == [20, 30]
    assert scan["pixel_size_m"] == pytest.approx([2e-9, 1e-9], rel=1e-12)
    assert scan["size_m"] == pytest.approx([40e-9, 30e-9], rel=1e-12)
    about = {"name": "height", "units": "m", "min": 0.0, "max": pytest.approx(3e-9, rel=1e-6), "missing": 0.0}
    assert scan["variables"] == [about]


def test_info_for_people(gwy):
    said = sharptip("info", gwy).stdout
    assert "40 nm × 30 nm" in said
    assert "3 nm" in said


def test_info_says_what_it_did_not_look_at(tmp_path, monkeypatch):
    """Not the same as a channel without a finite value."""
    from tests.io.files import jpk_force

    from sharptip.app.cli import _told

    jpk_force.force_map(tmp_path / "a.jpk-force-map", image=False)
    monkeypatch.setattr(io, "RANGED_PARTS", 4)
    said = _told(tmp_path / "a.jpk-force-map", io.describe(tmp_path / "a.jpk-force-map"))
    assert "in N, too large to be looked through" in said
    assert "no finite value" not in said


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.ibw", None, "there is no such file"),
        ("empty.sxm", b"", "empty"),
        ("junk.gwy", b"\0" * 100, "no reader knows"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = sharptip("info", tmp_path / name, "--json", code=1)
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_picture_has_no_size_until_it_is_said(tmp_path):
    from PIL import Image

    file = tmp_path / "a.png"
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(file)
    assert json.loads(sharptip("info", file, "--json").stdout)["scans"][0]["size_m"] is None
    assert json.loads(sharptip("info", file, "--json", "--size", "1e-6").stdout)["scans"][0]["size_m"] == [1e-6, 1e-6]
    assert "size" in sharptip("convert", file, tmp_path / "a.zarr", code=1).stderr
    sharptip("convert", file, tmp_path / "a.gwy", "--size", "1e-6", "--channel", "height", "--unit", "nm")
    assert io.read(tmp_path / "a.gwy")["height"].attrs["units"] == "m"
    assert "no size in metres" in sharptip("info", file, "--size", "wide", code=2).stderr


def test_convert_keeps_everything(gwy, tmp_path):
    sharptip("convert", gwy, tmp_path / "a.zarr")
    before, after = io.read(gwy), io.read(tmp_path / "a.zarr")
    assert np.array_equal(before["height"], after["height"])
    assert after.attrs["history"] == before.attrs["history"]
    assert "not as" in sharptip("convert", gwy, tmp_path / "a.doc", code=1).stderr


def test_clean_names_the_broken_and_loses_nothing(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    tilt = np.add.outer(np.arange(40.0), np.arange(40.0)) * 1e-9
    for name in ("a.gwy", "deep/b.gwy"):
        io.write(scan_of(tilt + rng.normal(0, 1e-10, (40, 40)), 1e-9), tmp_path / "in" / name)
    (tmp_path / "in" / "broken.gwy").write_bytes(b"GWYP" + b"\0" * 10)
    done = sharptip("clean", tmp_path / "in", "--out", tmp_path / "out", "--suffix", ".gwy", code=1)
    assert "2 of 3 files cleaned" in done.stdout
    assert "broken.gwy" in done.stderr
    flat = io.read(tmp_path / "out" / "deep" / "b.gwy")
    assert float(flat["height"].std()) < 2e-10
    assert [json.loads(flat.attrs["history"])[i]["step"] for i in (-2, -1)] == ["flatten", "scars"]
    raw = (tmp_path / "in" / "a.gwy").read_bytes()
    kept = sharptip("clean", tmp_path / "in" / "a.gwy", "--out", tmp_path / "in" / "a.gwy", code=1)
    assert "stays as it is" in kept.stderr
    assert (tmp_path / "in" / "a.gwy").read_bytes() == raw
    assert "no step 'polish'" in sharptip("clean", tmp_path / "in", "--out", "x", "--steps", "polish", code=2).stderr


def test_clean_keeps_scans_that_share_a_stem_apart(tmp_path):
    (tmp_path / "in").mkdir()
    z = np.random.default_rng(0).normal(size=(20, 20))
    np.save(tmp_path / "in" / "a.npy", z)
    io.write(scan_of(z * 1e-9, 1e-9), tmp_path / "in" / "a.gwy")
    sharptip("clean", tmp_path / "in", "--out", tmp_path / "out", "--size", "unknown", "--suffix", ".gwy")
    sharptip("clean", tmp_path / "in", "--out", tmp_path / "out", "--suffix", ".gwy", code=1)
    assert (tmp_path / "out" / "a.npy.gwy").exists()
    assert (tmp_path / "out" / "a.gwy.gwy").exists()
    assert not (tmp_path / "out" / "a.gwy").exists()


@pytest.mark.parametrize("kind", ["huge", "pipe"])
def test_what_is_no_image_file_is_refused_at_once(tmp_path, gwy, kind):
    file = tmp_path / "x.gwy"
    if kind == "huge":
        file.write_bytes(gwy.read_bytes())
        os.truncate(file, 3 * 2**30)
    else:
        os.mkfifo(file)
    said = sharptip("info", file, code=1).stderr
    assert ("3.0 GiB" if kind == "huge" else "no regular file") in said


def test_recipes_for_programs():
    (row,) = [r for r in json.loads(sharptip("recipes", "--json").stdout) if r["name"] == "tell_apart"]
    (eats,) = row["eats"]
    assert (eats["name"], eats["unit"], eats["dims"], eats["arbitrary"]) == ("height", "m", ["y", "x"], False)
    assert row["claims"]
    assert "random_forest" in row["baselines"]


def test_help_is_there_for_every_command_and_option():
    from typer.main import get_command

    from sharptip.app.cli import app

    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert command.help, name
        assert "--help" in sharptip(name, "--help").stdout
        for option in command.params:
            hidden = getattr(option, "hidden", False) or option.name == "help"
            assert hidden or getattr(option, "help", ""), f"{name} {option.name}"


def test_train_predict_score(tmp_path):
    few = ["--set", "examples=12", "--set", "epochs=1", "--set", "tile=96", "--set", "trees=5"]
    model = tmp_path / "m.sharptip"
    said = sharptip("train", "tell_apart", "--out", model, *few).stdout
    assert "12 simulated scans" in said
    population = tmp_path / "cells"
    sharptip("simulate", population, "--population", "smallest")
    file = population / "scans" / "healthy" / "batch-1_healthy-000.gwy"
    answer = json.loads(sharptip("predict", model, file, "--json").stdout)["answers"][0]
    assert answer["healthy"] + answer["exposed"] == pytest.approx(1, abs=1e-3)
    (tmp_path / "broken.gwy").write_bytes(b"GWYP")
    done = sharptip("predict", model, tmp_path / "broken.gwy", file, code=1)
    assert "broken.gwy" in done.stderr
    assert str(file) in done.stdout
    treated = population / "scans" / "treated"
    for scan in treated.iterdir():
        scan.unlink()
    treated.rmdir()
    found = json.loads(sharptip("score", model, "--data", population / "scans", "--json").stdout)
    assert found["real"] is False  # files do not make simulated scans real
    assert found["n_images"] == 20
    learners = {r["learner"] for r in found["rows"]}
    assert {"model", "random_forest", "published"} <= learners


def test_mistakes_are_answered(tmp_path):
    assert "no recipe is called 'nonsense'" in sharptip("train", "nonsense", "--out", tmp_path / "m", code=1).stderr
    assert "NAME=VALUE" in sharptip("train", "tell_apart", "--out", "m", "--set", "speed=9", code=2).stderr
    assert "no such file" in sharptip("predict", tmp_path / "none.sharptip", "a.gwy", code=1).stderr
    assert "use --demo" in sharptip("study", "--out", tmp_path / "r", code=2).stderr
    assert "no such folder" in sharptip("study", tmp_path / "scans", "--out", tmp_path / "r", code=1).stderr


def test_the_smallest_demo_and_its_page_in_a_browser(tmp_path, browser):
    done = sharptip("study", "--demo", "--smoke", "--out", tmp_path / "result")
    assert "simulated scans" in done.stdout
    page = tmp_path / "result" / "report.html"
    values = json.loads((tmp_path / "result" / "metrics.json").read_text())
    assert values["real"] is False
    assert values["applied"]["treated"]["n"] == 2
    assert values["explanation"]["grad_cam"]["agreement_with_true_holes"] is not None
    tab = opened(browser, page)
    assert tab.locator("h1").inner_text().startswith("healthy and exposed")
    assert tab.locator("img").count() >= 10
    headings = tab.locator("h2").all_inner_texts()
    assert {"The scans", "Can they be told apart?", "Where on the images", "Provenance"} <= set(headings)


def test_ctrl_c_leaves_a_state_that_goes_on(tmp_path):
    import signal
    import time

    command = [SHARPTIP, "study", "--demo", "--smoke", "--out", str(tmp_path / "r")]
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list((tmp_path / "r" / "work").glob("*.npz"))) < 3:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "the same command goes on" in said
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "r" / "work").glob("*.npz")}
    sharptip("study", "--demo", "--smoke", "--out", tmp_path / "r")
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "r" / "work").glob("*.npz")}
    assert all(after[name] == when for name, when in before.items())
    assert len(after) > len(before)


def test_convert_chooses_and_takes_many(tmp_path):
    film = scan_of(np.zeros((8, 10)), 1e-9).expand_dims(time=[0.0, 0.5]).copy()
    film["time"].attrs["units"] = "s"
    film["height"] = (("time", "y", "x"), np.random.default_rng(0).normal(size=(2, 8, 10)) * 1e-9, {"units": "m"})
    io.write(film, tmp_path / "film.zarr")
    io.write(film.isel(time=0, drop=True), tmp_path / "image.gwy")
    assert "choose --frame" in sharptip("convert", tmp_path / "film.zarr", tmp_path / "a.gsf", code=1).stderr
    done = sharptip("convert", tmp_path / "film.zarr", tmp_path / "a.gsf", "--frame", 1)
    assert "does not keep" in done.stderr
    assert np.array_equal(io.read(tmp_path / "a.gsf")["height"], film["height"][1].astype("f4"))
    sharptip("convert", tmp_path / "film.zarr", tmp_path / "a.gif", "--speed", 2)
    assert (tmp_path / "a.gif").read_bytes().startswith(b"GIF8")
    (tmp_path / "broken.gwy").write_bytes(b"GWYP" + b"\0" * 10)
    files = [tmp_path / f for f in ("film.zarr", "broken.gwy", "image.gwy")]
    done = sharptip("convert", *files, tmp_path / "out", "--to", "nc", code=1)
    assert "2 of 3 files converted" in done.stdout
    assert "broken.gwy" in done.stderr
    assert io.read(tmp_path / "out" / "film.nc").equals(film)
    assert "--to" in sharptip("convert", *files, tmp_path / "out", code=2).stderr
    raw = sharptip("convert", files[2], tmp_path, "--to", "gwy", code=1)
    assert "stays as it is" in raw.stderr


def test_info_names_marked_frames_and_what_was_cut_off(tmp_path):
    from tests.io import make_files as made
    from tests.io.files.asd import asd
    from tests.io.test_marks import marked

    io.write(marked(), tmp_path / "a.zarr")
    assert "! junk: frames 0–1 (it is empty); doubtful: frame 3 (½" in sharptip("info", tmp_path / "a.zarr").stdout
    assert json.loads(sharptip("info", tmp_path / "a.zarr", "--json").stdout)["scans"][0]["marks"][2]["frame"] == 3
    asd(tmp_path / "a.asd")
    (tmp_path / "a.asd").write_bytes((tmp_path / "a.asd").read_bytes()[:-350])
    said = sharptip("info", tmp_path / "a.asd").stdout
    assert "! the file was cut off: 2 of 3 frames of TP" in said
    assert "% missing" in said
    assert "was cut off" in sharptip("convert", tmp_path / "a.asd", tmp_path / "b.nc").stderr
    made.sxm(tmp_path / "a.sxm")
    (tmp_path / "a.sxm").write_bytes((tmp_path / "a.sxm").read_bytes()[:-200])
    assert "! the file was cut off: " in sharptip("info", tmp_path / "a.sxm").stdout
    told = sharptip("clean", tmp_path / "a.sxm", "--out", tmp_path / "c.zarr", "--steps", "plane").stderr
    assert told.count("Z forward is whole") == 1, "of a file that is read twice it is said once"
    assert "the file was cut off" in io.read(tmp_path / "c.zarr").attrs["incomplete"]


def test_info_of_a_folder_names_the_broken(tmp_path, gwy, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "short.asd").write_bytes(b"\1\0\0\0")
    (tmp_path / "half.gwy").write_bytes(gwy.read_bytes()[:300])
    said = sharptip("info", tmp_path, code=1).stdout.splitlines()
    assert said[1].split()[:3] == ["a.gwy", "gwy", "1"]
    assert "20 y × 30 x" in said[1]
    assert any(line.startswith("! deep/short.asd: ") and "named like asd; its 4 bytes" in line for line in said)
    assert any(line.startswith("! half.gwy: ") for line in said)
    assert said[-1] == "1 of 3 files can be read"
    lines = [json.loads(line) for line in sharptip("info", tmp_path, "--json", code=1).stdout.splitlines()]
    assert {Path(line["file"]).name: "error" in line for line in lines} == {
        "a.gwy": False,
        "half.gwy": True,
        "short.asd": True,
    }
