"""`sharptip info FOLDER`: columns stay in line, names whole, and what is plainly no scan is passed over."""

import numpy as np
import pytest
from tests.app.test_cli import sharptip

from sharptip import io
from sharptip.app import listing
from sharptip.app.listing import Listing
from sharptip.core.scan import scan_of

LONG = "jpk/force-save-2015.02.04-11.25.21.294-a-very-long-name-of-a-file-that-no-column-has-room-for.jpk-force"


def found(*channels, scans=1):
    one = {"dims": ["y", "x"], "shape": [256, 512], "size_m": [1e-6, 2e-6], "attrs": {}, "marks": []}
    return {"format": "sxm", "scans": [one | {"variables": [{"name": c} for c in channels]}] * scans}


def test_a_long_name_moves_no_column_and_stays_whole():
    names = ["a.sxm", LONG]
    told = Listing(names, 160)
    lines = (told.head() + "".join(told.of(n, found("height", "phase")) for n in names)).splitlines()
    assert len(lines) == 4  # the long name has a line of its own
    assert lines[2] == LONG
    at = lines[0].index("format")
    assert lines[1][at:] == lines[3][at:]
    assert lines[1][at:].startswith("sxm ")
    assert lines[1].index("256 y × 512 x") == lines[0].index("axes")
    assert lines[1].index("height, phase") == lines[0].index("channels")
    assert not lines[3][:at].strip()


@pytest.mark.parametrize("width", [80, 100, 160, 220])
def test_no_line_but_a_name_is_wider_than_the_window(width):
    names = ["a.sxm", "試料/走査.sxm", LONG]
    told = Listing(names, width)
    many = [f"channel_{i}" for i in range(40)]
    lines = (told.head() + "".join(told.of(n, found(*many, scans=2)) for n in names)).splitlines()
    assert all(listing.cell_len(line) <= width for line in lines if line != LONG)
    assert all(any(line.startswith(n) for line in lines) for n in names)
    assert sum("more" in line for line in lines) == 3  # channels that have no room are counted


def test_without_a_window_every_file_has_one_whole_line():
    told = Listing(["a.sxm", LONG], 10**6)
    many = [f"channel_{i}" for i in range(40)]
    (line,) = told.of(LONG, found(*many)).splitlines()
    assert line.split()[0] == LONG
    assert line.endswith("channel_38, channel_39")


def test_what_is_no_scan_counts_neither_as_broken_nor_as_read(tmp_path, monkeypatch):
    io.write(scan_of(np.eye(9), 1e-9), tmp_path / "a.gsf")
    for name in ("LICENSE.MIT", "README.txt", "fit.py", "notes.md", "settings.json"):
        (tmp_path / name).write_text("no scan")
    monkeypatch.setenv("COLUMNS", "80")
    said = sharptip("info", tmp_path).stdout.splitlines()  # and its exit code is 0
    assert said[0] == "a.gsf"
    assert said[1] == "  gsf, 9 y × 9 x, 9 nm × 9 nm: height"
    which = "(LICENSE.MIT, README.txt, fit.py, …)"
    assert said[2] == f"1 of 1 files can be read; 5 files passed over that are plainly no scans {which}"
    done = sharptip("clean", tmp_path, "--out", tmp_path / "out", "--workers", 1)
    assert "1 of 1 files cleaned" in done.stdout
    assert f"5 files passed over that are plainly no scans {which}" in done.stderr
    assert "no reader knows" in sharptip("info", tmp_path / "fit.py", code=1).stderr  # named, it is looked at
