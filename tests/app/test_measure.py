"""`sharptip measure`: files → levelled scans → a table with units."""

import csv
import json

import numpy as np
import pytest
from tests.app.test_cli import sharptip
from tests.real import real

from sharptip import io
from sharptip.core.scan import scan_of


@pytest.fixture
def wave(tmp_path):
    x = np.arange(64) * 2e-9
    height = 3e-9 * np.cos(2 * np.pi * x / 32e-9)[None, :] + 0.1 * x[:64, None]  # on a slope, which is taken off
    io.write(scan_of(height, 2e-9, name="wave"), tmp_path / "wave.gwy")
    return tmp_path / "wave.gwy"


def test_measure_for_programs(wave):
    (found,) = json.loads(sharptip("measure", wave, "--json").stdout)["scans"]
    assert found["file"] == str(wave)
    assert found["channel"] == "height"
    assert found["parameters"]["Sq"] == {"value": pytest.approx(3e-9 / np.sqrt(2), rel=1e-3), "unit": "m"}
    assert found["parameters"]["Sku"]["value"] == pytest.approx(1.5, rel=1e-2)


def test_measure_for_people_and_spreadsheets(wave, tmp_path):
    out = tmp_path / "table.csv"
    said = sharptip("measure", wave, "--level", "none", "--csv", out).stdout
    assert "root mean square of z" in said
    with out.open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert float(rows["Sz"]["value"]) == pytest.approx(6e-9 + 0.1 * 63 * 2e-9, rel=1e-2)
    assert rows["Sz"]["unit"] == "m"
    assert rows["Sal"]["scan"] == "wave"


def test_a_broken_file_is_named_and_stops_nothing(wave, tmp_path):
    (tmp_path / "broken.gwy").write_bytes(b"GWYP nothing")
    io.write(scan_of(np.zeros((4, 4)), 1e-9, name="tiny"), tmp_path / "tiny.gwy")
    done = sharptip("measure", tmp_path / "broken.gwy", tmp_path / "tiny.gwy", wave, "--json", code=1)
    assert len(json.loads(done.stdout)["scans"]) == 1
    assert "broken.gwy" in done.stderr
    assert "tiny.gwy" in done.stderr
    assert "4 × 4" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


def test_a_channel_that_is_not_there_and_a_picture_without_size(wave, tmp_path):
    assert "no channel 'adhesion'" in sharptip("measure", wave, "--channel", "adhesion", code=1).stderr
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(32, 32)))
    assert "--size" in sharptip("measure", tmp_path / "a.npy", code=1).stderr
    sized = ("measure", tmp_path / "a.npy", "--size", "1e-6", "--channel", "adhesion", "--unit", "nN", "--json")
    (found,) = json.loads(sharptip(*sized).stdout)["scans"]
    assert found["parameters"]["Sdq"]["unit"] == "N/m"
    assert found["parameters"]["Sdr"]["value"] is None


def test_a_real_scan():
    found = json.loads(sharptip("measure", real("vendor", "nanonis", "Si_7x7_028.sxm"), "--json").stdout)["scans"][0]
    values = {k: v["value"] for k, v in found["parameters"].items()}
    assert 1e-11 < values["Sq"] < 1e-9  # atoms and steps
    assert values["Sa"] < values["Sq"] < values["Sz"]
