"""A file of curves becomes a folder: what is in it, what is said of bad curves, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.curves.scans import K, curves, on_grid, written

from sharptip import io
from sharptip.core.errors import ModelError, ReadError, ScanError, SharptipError, UnitError, WriteError
from sharptip.core.scan import scan_of
from sharptip.curves.fit_file import fit_file
from sharptip.curves.fitted import Fitted, Settings


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "curves.csv").open(encoding="utf-8")))


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that came of a map of 3 × 4 curves."""
    folder = tmp_path_factory.mktemp("map")
    file = written(on_grid(curves(12), 3, 4, size=(3e-6, 8e-6)), folder)
    done = fit_file(file, folder / "out", curve="2,1")
    assert done.curve == 9
    return folder / "out"


def test_a_map_becomes_table_maps_figures_and_page(mapped: Path) -> None:
    names = {p.name for p in mapped.iterdir()}
    figures = {"curve.png", "curves.png", "maps.png"}
    assert names == figures | {"curves.csv", "maps.zarr", "maps.gwy", "report.html", "fit.json"}
    rows = table(mapped)
    assert len(rows) == 12
    assert [(r["row"], r["column"]) for r in rows[:5]] == [("0", "0"), ("0", "1"), ("0", "2"), ("0", "3"), ("1", "0")]
    for i, r in enumerate(rows):
        assert r["verdict"] == "good"
        assert abs(float(r["contact_m"]) - (2e-6 - 1e-8 * i)) < 1.5e-7  # of 1.2 µm: a threshold comes late
        assert float(r["contact_low_m"]) <= float(r["contact_m"]) <= float(r["contact_high_m"])
        assert float(r["spring_constant_N/m"]) == K
        assert 0 < float(r["stiffness_N/m"]) < K
    page = (mapped / "report.html").read_text(encoding="utf-8")
    assert "nobody says what the tip is" in page
    assert page.count("<img") == 3


def test_maps_lie_as_the_grid_does(mapped: Path) -> None:
    for name in ("maps.zarr", "maps.gwy"):
        maps = io.scans(mapped / name)[0]
        assert maps["contact"].shape == (3, 4)
        assert maps["contact"].attrs["units"] == "m"
        assert float(maps["y"][1] - maps["y"][0]) == pytest.approx(1e-6)
        assert float(maps["x"][1] - maps["x"][0]) == pytest.approx(2e-6)
        assert (np.diff(maps["contact"].values.ravel()) < 0).mean() > 0.6  # each 10 nm lower than the one before


def test_bad_curves_are_marked_and_stay(tmp_path: Path) -> None:
    scan = curves(8)
    height, deflection = scan["height"].values, scan["deflection"].values
    deflection[0] = np.nan
    deflection[1] = np.random.default_rng(1).normal(0, 1e-9, deflection.shape[1])
    deflection[2] = np.minimum(deflection[2], 0.3 * deflection[2].max())
    height[3] *= -1
    deflection[4] *= -1
    deflection[5, 100:130] = np.nan
    rows = {int(r["curve"]): r for r in table_of(scan, tmp_path)}
    assert len(rows) == 8
    said = {i: (r["verdict"], r["reason"]) for i, r in rows.items()}
    assert said[0] == ("not judged", "no finite sample in its approach")
    assert said[1] == ("bad", "no contact: the deflection does not rise 5 noise levels above its baseline")
    assert said[2][0] == "bad"
    assert said[2][1].startswith("the detector is at its end: ")
    assert said[3][0] == said[4][0] == "not judged"
    assert "its height rises by" in said[3][1]
    assert "turn the sign of the deflection" in said[4][1]
    assert said[5] == said[6] == said[7] == ("good", "")
    assert rows[0]["contact_m"] == rows[3]["contact_m"] == ""
    assert float(rows[5]["contact_m"]) > 0


def table_of(scan: object, folder: Path, **settings: object) -> list[dict[str, str]]:
    fit_file(written(scan, folder), folder / "out", Settings(**settings))  # type: ignore[arg-type]
    return table(folder / "out")


def test_what_was_said_by_hand_goes_before_the_file(tmp_path: Path) -> None:
    (row,) = table_of(curves(1), tmp_path, spring_constant=2 * K)
    assert float(row["spring_constant_N/m"]) == 2 * K
    record = json.loads((tmp_path / "out" / "fit.json").read_text(encoding="utf-8"))
    assert record["options"] == {"spring_constant": 2 * K}


def test_without_a_spring_constant_everything_else_is_told(tmp_path: Path) -> None:
    scan = curves(1)
    del scan.attrs["spring_constant"]
    done = fit_file(written(scan, tmp_path), tmp_path / "out")
    (row,) = table(tmp_path / "out")
    assert 0 < float(row["slope"]) < 1  # no unit: metres of bending per metre of height
    assert "peak_m" in row
    assert "peak_force_N" not in row
    assert row["spring_constant_N/m"] == ""
    assert "give it: spring_constant=0.04 (N/m), on the command line --spring-constant 0.04" in done.told()


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"spring_constant": 5e7}, UnitError, "spring_constant=5e+07 cannot be in N/m"),
        ({"sensitivity": 60.0}, UnitError, "sensitivity=60 cannot be in m/V.*as sensitivity=60e-9"),
        ({"radius": 20.0, "law": "paraboloid"}, ModelError, "radius=20 cannot be in m.*give m, as --radius 20e-9"),
        ({"radius": 2e-8}, ModelError, "a tip was told and no law; give --law, one of paraboloid"),
        (
            {"law": "hertz", "radius": 2e-8},
            ModelError,
            "--law hertz may mean several; 'paraboloid' is Hertz's",
        ),
        ({"law": "layer_cone", "half_angle": 0.6, "thickness": 5.0}, ModelError, "thickness=5 cannot be in m"),
        ({"law": "paraboloid"}, ModelError, "the law 'paraboloid' needs the tip's radius; give --radius 20e-9"),
        ({"law": "cone", "half_angle": 35.0}, ModelError, "lies not between 0° and 90°; give degrees"),
        ({"law": "cone", "half_angle": 0.6, "poisson": 0.7}, ModelError, "poisson=0.7 lies not between −1 and 0.5"),
        ({"model": "nothere.sharptip"}, SharptipError, "nothere.sharptip"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(settings: dict, kind: type, said: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=said.replace("+", r"\+")):
        table_of(curves(1), tmp_path, **settings)
    assert not any(p.name.startswith(".unfinished") for p in tmp_path.rglob("*"))


def test_files_without_curves_say_what_they_hold(tmp_path: Path) -> None:
    io.write(scan_of(np.zeros((4, 4)), 1e-9, name="flat"), tmp_path / "flat.gwy")
    with pytest.raises(
        ScanError, match=r"holds images \(height\), not curves; `sharptip clean` and `sharptip measure`"
    ):
        fit_file(tmp_path / "flat.gwy", tmp_path / "out")
    with pytest.raises(ReadError, match="is a folder that no reader knows as one scan"):
        fit_file(tmp_path, tmp_path / "out")
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(ReadError, match="no reader knows this content"):
        fit_file(tmp_path / "a.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_curves_that_are_not_there(tmp_path: Path) -> None:
    file = written(on_grid(curves(12), 3, 4), tmp_path)
    with pytest.raises(ScanError, match="has no curve 12; it has 12, from 0 to 11, on a map also 'row,column'"):
        fit_file(file, tmp_path / "out", curve="12")
    with pytest.raises(ScanError, match="--curve 'last' is no number; give 17"):
        fit_file(file, tmp_path / "out", curve="last")


def test_foreign_files_stay_and_own_ones_are_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fit_file(written(curves(2), tmp_path), out)
    assert (out / "curves.png").exists()
    single = written(curves(1), tmp_path, "one.nc")
    (out / "mine.txt").write_text("notes")
    fit_file(single, out)  # the same folder again: what the last run wrote goes, what is mine stays
    assert {p.name for p in out.iterdir()} == {"curves.csv", "curve.png", "report.html", "fit.json", "mine.txt"}

    other = tmp_path / "other"
    other.mkdir()
    (other / "curves.csv").write_text("precious")
    with pytest.raises(
        WriteError, match=r"curves.csv: is there already and was not written by this command; --overwrite"
    ):
        fit_file(single, other)
    assert [p.name for p in other.iterdir()] == ["curves.csv"]
    assert (other / "curves.csv").read_text() == "precious"
    fit_file(single, other, overwrite=True)
    assert len(table(other)) == 1
    with pytest.raises(WriteError, match="is a file; what comes out needs a folder of its own"):
        fit_file(single, single)


def test_a_stop_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    file = written(curves(1), tmp_path)
    fit_file(file, out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sharptip.curves.fit_file.page_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        fit_file(file, out, Settings(spring_constant=1.0))
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_several_scans_in_a_file(tmp_path: Path) -> None:
    io.write([curves(1), curves(2).assign_attrs(name="second"), scan_of(np.zeros((4, 4)), 1e-9)], tmp_path / "two.zarr")
    done = fit_file(tmp_path / "two.zarr", tmp_path / "out")
    assert [f.n for f in done.fitted] == [1, 2]
    assert len(done.left) == 1
    assert [r["scan"] for r in table(tmp_path / "out")] == ["simulated"] + ["second"] * 2
    assert (tmp_path / "out" / "curve-2.png").exists()
    values = done.values()
    assert values["scans"][1]["units"]["contact_m"] == "m"
    assert len(values["scans"][1]["rows"]) == 2
    json.dumps(values, allow_nan=False)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    fit_file(written(curves(1), tmp_path), tmp_path / "out", tell=lambda *said: told.append(said))
    assert ("force curves", 1, 1) in told


def parabola(curvature: float) -> xr.Dataset:
    """One bias sweep of ±1 V with its top at 0.2 V and noise of 0.3 Hz."""
    bias = np.linspace(-1, 1, 200)
    shift = -curvature * (bias - 0.2) ** 2 + np.random.default_rng(3).normal(0, 0.3, 200)
    about = {"history": "[]", "name": "sweep", "format": "made", "source": ""}
    return xr.Dataset(
        {"frequency_shift": (("site", "bias"), shift[None], {"units": "Hz"})},
        {"bias": ("bias", bias, {"units": "V"}), "site": ("site", [0], {"units": "1"})},
        about,
    )


def test_an_interval_without_an_end_is_no_blank(tmp_path: Path) -> None:
    done = fit_file(written(parabola(0.0), tmp_path), tmp_path / "out")
    (row,) = csv.DictReader((tmp_path / "out" / "curves.csv").open(encoding="utf-8"))
    assert (row["potential_low_V"], row["potential_high_V"]) == ("-inf", "inf")
    assert row["verdict"] != "good"
    values = json.loads(json.dumps(done.values(), allow_nan=False))["scans"][0]["rows"][0]
    assert (values["potential_low_V"], values["potential_high_V"]) == ("-inf", "inf")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "has no end" in page
    sure = fit_file(written(parabola(3.0), tmp_path, "sure.nc"), tmp_path / "sure").values()["scans"][0]["rows"][0]
    assert 0.1 < sure["potential_low_V"] < 0.2 < sure["potential_high_V"] < 0.3


def test_a_file_without_a_good_curve_has_no_empty_table_and_says_so(tmp_path: Path) -> None:
    scan = curves(4)
    rng = np.random.default_rng(1)
    scan["deflection"].values[:] = rng.normal(0, 1e-9, scan["deflection"].shape)
    done = fit_file(written(scan, tmp_path), tmp_path / "out")
    assert done.fitted[0].count("good") == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "None of the 4 curves is good, so no number is told of them together." in page
    assert "All 4 curves; none of them is good." in page
    assert "the 0 good ones" not in page


def test_reasons_that_differ_in_their_numbers_are_one_reason_and_the_first_is_told() -> None:
    reasons = np.array(["noise of 3 nm", "", "noise of 4 nm", "no contact", "noise of 3 nm"], object)
    verdicts = np.array(["bad", "good", "bad", "bad", "bad"], object)
    found = Fitted("curves", curves(5), ("curve",), (), verdicts, reasons, draw=lambda i: None)  # type: ignore[arg-type]
    assert found.reasons_counted() == [
        ("bad", "noise of 3 nm (the first of them; the numbers differ)", 3),
        ("bad", "no contact", 1),
    ]
