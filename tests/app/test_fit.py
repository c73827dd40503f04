"""`sharptip fit`: the command line in front of `curves.fit_file`, and its messages."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.app.test_cli import sharptip
from tests.curves.scans import MODULUS, RADIUS, K, curves, written

from sharptip.app.cli import main


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    """What the command says, in this process; stderr where it fails."""
    sys.argv = ["sharptip", "fit", *map(str, words)]
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == code
    out = capsys.readouterr()
    return out.err if code else out.out


@pytest.fixture(autouse=True)
def _argv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", sys.argv)
    monkeypatch.setattr("warnings.showwarning", warnings.showwarning)
    monkeypatch.setattr("sharptip.curves.tip._rater", lambda file: None)


def test_fit_for_programs(tmp_path: Path) -> None:
    file = written(curves(1), tmp_path)
    tip = ("--law", "sphere", "--radius", f"{RADIUS:g}")
    done = sharptip("fit", file, *tip, "--json", cwd=tmp_path)
    (scan,) = json.loads(done.stdout)["scans"]
    (row,) = scan["rows"]
    assert scan["units"]["modulus_Pa"] == "Pa"
    assert row["verdict"] in ("good", "doubtful")
    assert abs(row["modulus_Pa"] / MODULUS - 1) < 0.25  # a paraboloid was simulated, a sphere fitted
    assert row["modulus_low_Pa"] < row["modulus_Pa"] < row["modulus_high_Pa"]
    assert abs(row["contact_m"] - 2e-6) < 5e-8
    assert row["spring_constant_N/m"] == K
    assert set(json.loads(done.stdout)["written"]) == {"curves.csv", "curve.png", "report.html", "fit.json"}
    assert (tmp_path / "curves-fit" / "report.html").exists()  # beside, where no folder was named


def test_fit_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = said(capsys, written(curves(1), tmp_path), "--out", tmp_path / "out")
    assert "1 force curves: 1 good" in words
    assert "--law paraboloid --radius 20e-9 (m)" in words
    assert words.strip().endswith("report.html")


def test_messages_name_the_thing_the_value_and_the_next_move(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(curves(1), tmp_path)
    out = ("--out", tmp_path / "out")
    words = said(capsys, file, *out, "--spring-constant", "4e7", code=1)
    assert (
        "spring_constant=4e+07 cannot be in N/m; 1e-06 to 100000 is possible: give N/m, as spring_constant=0.04"
        in words
    )
    words = said(capsys, file, *out, "--half-angle", "0.6", code=1)
    assert "a tip was told and no law; give --law, one of paraboloid" in words
    words = said(capsys, tmp_path, *out, code=1)
    assert "is a folder that no reader knows as one scan" in words


def test_curves_in_volts_and_curves_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volts = curves(1)
    volts["deflection"] = (volts["deflection"].dims, volts["deflection"].values / 60e-9, {"units": "V"})
    words = said(capsys, written(volts, tmp_path), "--out", tmp_path / "out")
    assert (
        "the deflection is in 'V', its sensitivity is not known; give it: sensitivity=60e-9 (m/V), on the comma"
        in words
    )
    scan = curves(1)
    scan["deflection"].values[:] = np.nan
    words = said(capsys, written(scan, tmp_path, "nan.nc"), "--out", tmp_path / "out")
    assert "not judged, 1 of 1: no finite sample in its approach" in words
    assert len(words.strip().splitlines()) <= 5


def thermal() -> xr.Dataset:
    """A thermal spectrum of a lever with its resonance at 60 kHz, Q 150, in m/√Hz."""
    f = np.linspace(20e3, 100e3, 4001)
    power = 1e-26 / ((1 - (f / 60e3) ** 2) ** 2 + (f / 60e3 / 150) ** 2) + 1e-26
    power *= np.random.default_rng(0).gamma(30, 1 / 30, len(f))  # thirty spectra averaged
    about = {"history": "[]", "name": "tune", "format": "made", "source": ""}
    return xr.Dataset(
        {"amplitude_spectral_density": (("site", "frequency"), np.sqrt(power)[None], {"units": "m/√Hz"})},
        {"frequency": ("frequency", f, {"units": "Hz"}), "site": ("site", [0], {"units": "1"})},
        about,
    )


@pytest.mark.parametrize(("words", "kelvin"), [("20C", 293.15), ("20 °C", 293.15), ("295", 295), ("4.2K", 4.2)])
def test_a_temperature_has_a_unit(
    words: str, kelvin: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The spring constant of a thermal tune is proportional to it."""
    file = written(thermal(), tmp_path)

    def constant(temperature: str) -> float:
        told = said(capsys, file, "--out", tmp_path / "out", "--temperature", temperature, "--json")
        return float(json.loads(told)["scans"][0]["rows"][0]["spring_constant_N/m"])

    assert constant(words) / constant("300K") == pytest.approx(kelvin / 300, rel=1e-9)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("20", "20 may be °C or K; say which: --temperature 20C or 20K"),
        ("77", "77 may be °C or K"),
        ("warm", "'warm' is no temperature; give it with its unit: 293K or 20C"),
        ("68F", "'68F' is no temperature"),
        ("nan", "'nan' is no temperature"),
        ("-300C", "-300C lies below the absolute zero"),
        ("0K", "0K lies below the absolute zero"),
    ],
)
def test_a_temperature_that_may_mean_two_is_refused(
    words: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, written(thermal(), tmp_path), "--temperature", words, "--out", tmp_path / "out", code=2)
    assert why in " ".join(told.replace("│", " ").split())
