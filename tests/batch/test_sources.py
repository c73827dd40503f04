"""Which files a batch means, and where their results go."""

import os
from pathlib import Path

import numpy as np
import pytest

from sharptip import io
from sharptip.batch.sources import find, fingerprint, targets
from sharptip.core.errors import ReadError, WriteError
from sharptip.core.scan import scan_of


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def placed(sources, out, suffix=".zarr", kept=(), taken=()):
    found = targets(sources, out, suffix, dict(kept), taken)
    return {sources.name(file): str(place.relative_to(out)) for file, place in found.items()}


def test_a_folder_is_walked_but_no_store_no_hidden_file_and_not_the_results(tmp_path):
    touch(tmp_path, "a.sxm", "deep/er/b.ibw", ".DS_Store", ".git/c.sxm", "out/a.zarr.txt")
    io.write(scan_of(np.zeros((3, 4)), 1e-9), tmp_path / "deep" / "s.zarr")
    found = find([tmp_path], tmp_path / "out")
    assert found.base == tmp_path
    assert [found.name(f) for f in found.files] == ["a.sxm", "deep/s.zarr", "deep/er/b.ibw"]


def test_folders_behind_links_are_walked_once_and_loops_end(tmp_path):
    scans = tmp_path / "scans"
    touch(tmp_path, "scans/a.sxm", "scans/day/b.sxm", "disk/c.sxm", "disk/more/d.sxm", "scans/out/x.gwy")
    (scans / "0 link").symlink_to(scans / "day")  # to a folder that is walked anyway
    (scans / "disk").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(scans)  # a loop
    (tmp_path / "disk" / "up").symlink_to(tmp_path)  # and another, above
    (scans / "results").symlink_to(scans / "out")
    found = find([scans], scans / "out")
    assert [found.name(f) for f in found.files] == ["a.sxm", "day/b.sxm", "disk/c.sxm", "disk/more/d.sxm"]


def test_results_of_an_earlier_run_are_passed_over_unless_they_are_named(tmp_path):
    run = '{"run": {"steps": "auto"}}\n'
    touch(tmp_path, "a.sxm", "old/a.zarr.txt", "old/summary.csv", "old/deep/b.gwy", "log/x.sxm", "log/journal.jsonl")
    (tmp_path / "old" / "journal.jsonl").write_text(run)
    (tmp_path / "link").symlink_to(tmp_path / "old")
    found = find([tmp_path], tmp_path / "out")
    assert [found.name(f) for f in found.files] == ["a.sxm", "log/journal.jsonl", "log/x.sxm"]
    assert [found.name(f) for f in found.results] == ["old"]
    named = find([tmp_path / "old"], tmp_path / "out")
    assert [named.name(f) for f in named.files] == ["a.zarr.txt", "deep/b.gwy"]
    both = find([tmp_path, tmp_path / "old"], tmp_path / "out")
    assert {"a.zarr.txt", "b.gwy", "a.sxm"} <= {f.name for f in both.files}
    assert both.results == ()
    (tmp_path / "a.sxm").unlink()
    with pytest.raises(ReadError, match="results of an earlier run"):
        find([tmp_path], tmp_path / "log")


def test_named_files_are_told_from_their_common_folder_and_taken_once(tmp_path, monkeypatch):
    touch(tmp_path, "one/x.sxm", "two/x.sxm")
    monkeypatch.chdir(tmp_path)
    found = find([Path("one/x.sxm"), Path("two"), tmp_path / "two/x.sxm"], Path("out"))
    assert [found.name(f) for f in found.files] == ["one/x.sxm", "two/x.sxm"]


def test_what_cannot_be_a_batch_is_refused(tmp_path):
    with pytest.raises(ReadError, match="holds no file"):
        find([tmp_path], tmp_path / "out")
    touch(tmp_path, "a.sxm")
    with pytest.raises(WriteError, match="raw scans"):
        find([tmp_path], tmp_path)
    (tmp_path / "same").symlink_to(tmp_path)
    with pytest.raises(WriteError, match="raw scans"):
        find([tmp_path], tmp_path / "same")


def test_no_two_results_share_a_place(tmp_path):
    names = ["a.sxm", "a.gwy", "a.sxm.npy", "B.gwy", "b.ibw", "c.001", "c.002", "d.zarr/e.gwy", "d.npy"]
    touch(tmp_path, *names)
    places = placed(find([tmp_path], tmp_path / "out"), tmp_path / "out")
    assert set(places) == set(names)
    folded = [p.casefold() for p in places.values()]
    assert len(set(folded)) == len(names)
    assert not any(other.startswith(f"{p}/") for p in folded for other in folded)  # none lies inside another
    assert places["c.001"] == "c.001.zarr"
    assert places["d.zarr/e.gwy"] == "d.zarr/e.zarr"


def test_a_file_keeps_the_place_it_was_given_before(tmp_path):
    touch(tmp_path, "a.sxm", "a.gwy")
    found = find([tmp_path], tmp_path / "out")
    places = placed(found, tmp_path / "out", kept=[(str(tmp_path / "a.sxm"), "a.zarr")], taken=["a.gwy.zarr"])
    assert places == {"a.sxm": "a.zarr", "a.gwy": "a.gwy-2.zarr"}


def test_a_result_is_never_put_on_a_raw_scan(tmp_path):
    touch(tmp_path, "a/x.gwy", "x.gwy")
    found = find([tmp_path / "a" / "x.gwy", tmp_path / "x.gwy"], tmp_path / "a")
    assert placed(found, tmp_path / "a", ".gwy") == {"a/x.gwy": "a/x.gwy", "x.gwy": "x-2.gwy"}


def test_a_change_of_a_file_or_a_store_shows_in_its_fingerprint(tmp_path):
    assert fingerprint(tmp_path / "none") is None
    store = tmp_path / "s.zarr"
    io.write(scan_of(np.zeros((3, 4)), 1e-9), store)
    before = fingerprint(store)
    chunk = next(p for p in (store / "height").rglob("*") if p.is_file() and p.parent.name != "height")
    os.utime(chunk, ns=(1, 2**62))
    assert fingerprint(store) != before
    assert fingerprint(store)[0] == before[0]


def test_what_is_plainly_no_scan_is_passed_over_unless_it_is_named(tmp_path):
    touch(tmp_path, "a.sxm", "LICENSE", "deep/README.md", "deep/b.txt", "deep/readme.001", "c.042", "odd", "fit.py")
    found = find([tmp_path], tmp_path / "out")
    assert [found.name(f) for f in found.files] == ["a.sxm", "c.042", "odd", "deep/b.txt", "deep/readme.001"]
    assert [found.name(f) for f in found.beside] == ["LICENSE", "fit.py", "deep/README.md"]
    named = find([tmp_path, tmp_path / "fit.py"], tmp_path / "out")
    assert "fit.py" in [f.name for f in named.files]
    assert "fit.py" not in [f.name for f in named.beside]
    (tmp_path / "only").mkdir()
    touch(tmp_path, "only/README.md")
    with pytest.raises(ReadError, match=r"holds no file \(1 file passed over that is plainly no scan \(README.md\)\)"):
        find([tmp_path / "only"], tmp_path / "out")


def test_an_ending_that_a_reader_has_is_never_passed_over(tmp_path, monkeypatch):
    from sharptip.batch import beside
    from sharptip.core import registry

    class Json:
        SUFFIXES = (".json",)

    touch(tmp_path, "a.json")
    assert beside.is_no_scan(tmp_path / "a.json")
    monkeypatch.setitem(registry._here["readers"], "json", Json)
    beside._endings.cache_clear()
    assert not beside.is_no_scan(tmp_path / "a.json")
    monkeypatch.undo()
    beside._endings.cache_clear()
