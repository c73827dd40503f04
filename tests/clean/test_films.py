"""Films: frames that show nothing, and a sample that drifts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from benchmarks.junk import film as simulated_film
from tests.real import real

import sharptip
from sharptip.clean import drift, junk, junk_frames, run, shift_between
from sharptip.clean.drift import moved
from sharptip.clean.junk import _Ground
from sharptip.core.errors import ScanError
from sharptip.core.history import steps
from sharptip.core.scan import check, scan_of
from sharptip.simulate.surface import self_affine

NM = 1e-9


def film(n: int = 12, step: tuple[float, float] = (0.7, -1.3), size: int = 64) -> tuple[xr.Dataset, np.ndarray]:
    """A drifting rough surface with noise, tilt and line offsets, and where it is in each frame (2, time), pixels."""
    rng = np.random.default_rng(3)
    wide, _ = self_affine(rng, (size * 2, size * 2), NM, rms=2 * NM, correlation_length=5 * NM, hurst=0.9)
    place = np.outer(step, np.arange(n))
    frames = []
    for dy, dx in place.T:
        whole = moved(wide, dy, dx)
        frames.append(whole[size // 2 : size // 2 + size, size // 2 : size // 2 + size])
    z = np.stack(frames) + 0.1 * NM * rng.standard_normal((n, size, size))
    z += 0.2 * NM * rng.standard_normal((n, size, 1)) + 5 * NM * np.linspace(-1, 1, size)
    scan = scan_of(z[0], NM).drop_vars("height").assign(height=xr.Variable(("time", "y", "x"), z, {"units": "m"}))
    return scan.assign_coords(time=("time", np.arange(float(n)), {"units": "s"})), place


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -5.0), (2.4, 1.7), (-12.0, 9.3)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(shift: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    wide, _ = self_affine(rng, (160, 160), 1.0, rms=1, correlation_length=6, hurst=0.9)
    one, other = wide[32:-32, 32:-32], moved(wide, *shift)[32:-32, 32:-32]
    dy, dx, likeness = shift_between(one, other)
    assert (dy, dx) == pytest.approx(shift, abs=0.25)
    assert likeness > 0.05


def test_moving_there_and_back_and_out_of_the_image() -> None:
    z = np.arange(30.0).reshape(5, 6)
    np.testing.assert_array_equal(moved(moved(z, 1, -2), -1, 2)[:-1, 2:], z[:-1, 2:])
    assert np.isnan(moved(z, 9, 0)).all()
    np.testing.assert_allclose(moved(z, 0, 0.5)[:, 1:], z[:, 1:] - 0.5)


def test_drift_is_measured_in_metres_and_taken_out() -> None:
    scan, place = film()
    clean = run(scan, "flatten")
    out = check(drift(clean))
    np.testing.assert_allclose(out["drift_y"].values / NM, place[0], atol=0.4)
    np.testing.assert_allclose(out["drift_x"].values / NM, place[1], atol=0.4)
    assert out["drift_x"].attrs["units"] == "m"
    still, before = (np.nanstd(s["height"].values, axis=0)[16:-16, 16:-16].mean() for s in (out, clean))
    assert still < 0.5 * before


def test_junk_frames_are_marked_with_their_reasons_and_kept() -> None:
    scan, _ = film()
    z = scan["height"].values.copy()
    z[0] = 3 * NM
    z[5, 3:] = np.nan
    z[7] += 200 * NM * np.random.default_rng(0).standard_normal(z[7].shape)
    scan = scan.assign(height=scan["height"].copy(data=z))
    out = check(junk(scan))
    assert np.flatnonzero(out["junk"]).tolist() == [0, 5]
    assert np.flatnonzero(out["doubtful"]).tolist() == [7]
    reasons = json.loads(out["junk"].attrs["reasons"])
    assert "empty" in reasons[0]
    assert "missing" in reasons[5]
    assert "lines do not resemble each other" in reasons[7]
    assert not reasons[3]
    xr.testing.assert_identical(out["height"], scan["height"])
    kept = drift(out)
    assert kept["drift_x"].values[5] == kept["drift_x"].values[4], "what is junk does not move"


@pytest.mark.parametrize(
    ("fault", "junk", "said"),
    [("frozen", False, "64 of its 64 lines are those of the frame before"), ("half", False, "24 of its 64 lines"),
     ("jumped", False, "pixels off the frames before and after"), ("landing", False, "show nothing and lie off"),
     ("noise", False, "do not resemble each other"), ("saturated", True, "at the end of its range")],
)  # fmt: skip
def test_each_way_in_which_a_frame_is_lost_is_found(fault: str, junk: bool, said: str) -> None:
    z, rng = film()[0]["height"].values, np.random.default_rng(1)
    spread = (z[6] - z[6].mean(axis=1, keepdims=True)).std()
    noise = spread * rng.standard_normal(z[6].shape)
    if fault == "frozen":
        z[6] = z[5]
    elif fault == "half":
        z[6, 40:] = z[5, 40:]
    elif fault == "jumped":
        z[6] = np.roll(z[6], (20, -8), (0, 1))
    elif fault == "landing":
        z[6, :30] = 500 * NM + 0.1 * noise[:30]
    elif fault == "noise":
        z[6] = z[6].mean() + noise + 0.2 * NM * rng.standard_normal((64, 1))
    else:
        z[6] = np.minimum(z[6], np.quantile(z[6], 0.3))
    marks = junk_frames(z)
    assert np.flatnonzero(marks.junk | marks.doubtful).tolist() == [6], marks.reasons
    assert marks.junk[6] == junk
    assert said in marks.reasons[6]


@pytest.mark.parametrize("sample", ["dense", "diffusing", "growing", "terraces"])
def test_a_sample_that_is_dense_drifts_or_changes_is_no_junk(sample: str) -> None:
    one = simulated_film(np.random.default_rng(8), sample, size=64)
    marks = junk_frames(one.heights)
    spoiled = np.array([bool(fault) for fault in one.faults])
    assert not (marks.junk & ~spoiled).any(), marks.reasons
    assert (marks.doubtful & ~spoiled).sum() <= 1, marks.reasons
    assert (marks.junk | marks.doubtful)[spoiled].mean() > 0.6


def test_a_film_that_stands_still_does_not_repeat_itself() -> None:
    z = np.repeat(film(1)[0]["height"].values, 6, axis=0)
    assert not junk_frames(z).doubtful.any()


def test_a_film_is_gone_through_frame_by_frame() -> None:
    """Anything with a length and frames will do, and no more than a few frames are held."""
    z = film(8)[0]["height"].values

    class Slow:
        def __len__(self) -> int:
            return len(z)

        def __getitem__(self, i: int) -> np.ndarray:
            return z[i].copy()

    assert junk_frames(Slow()).reasons == junk_frames(z).reasons


def test_a_frame_of_something_else_is_doubtful_in_a_film_that_is_looked_at_coarsely() -> None:
    scan, _ = film(6, (1.5, -2.5), size=256)
    z = scan["height"].values
    other, _ = self_affine(np.random.default_rng(8), (256, 256), NM, rms=2 * NM, correlation_length=5 * NM, hurst=0.9)
    z[3] = other + 0.1 * NM * np.random.default_rng(9).standard_normal(other.shape)
    z[5, 200, 20:90] = np.nan
    found = junk_frames(z)
    assert not found.junk.any()
    assert 3 in np.flatnonzero(found.doubtful)
    assert "unlike its neighbours" in found.reasons[3]
    assert not {0, 1, 5} & set(np.flatnonzero(found.doubtful)), "each is like one of its neighbours"


def test_a_frame_of_whole_numbers_is_looked_at_like_the_same_frame_of_heights() -> None:
    counts = np.random.default_rng(0).integers(-4, 5, (40, 50)).astype(np.int16)
    one, other = (_Ground.of(frame).off(frame) for frame in (counts, counts.astype(float)))
    np.testing.assert_array_equal(one, other)
    assert (np.abs(2 * one) % 2 == 1).any(), "lines whose median lies between two numbers"


def test_an_empty_first_frame_holds_no_later_one_back() -> None:
    scan, place = film(5)
    scan = run(scan, "flatten")
    z = scan["height"].values.copy()
    z[0] = 7 * NM
    found = drift(scan.assign(height=scan["height"].copy(data=z)))
    np.testing.assert_allclose(found["drift_x"].values[1:] / NM, (place[1] - place[1][1])[1:], atol=0.6)


def test_a_film_of_nothing_but_junk_and_a_single_image() -> None:
    assert junk_frames(np.zeros((3, 8, 8))).junk.all()
    with pytest.raises(ScanError, match="no time axis"):
        junk(scan_of(np.zeros((4, 4)), NM))
    with pytest.raises(ScanError, match="no time axis"):
        drift(scan_of(np.zeros((4, 4)), NM))


def test_a_chain_marks_the_junk_of_a_film_by_itself() -> None:
    scan, _ = film(6)
    out = run(scan)
    assert [s["step"] for s in steps(out)][-3:] == ["junk", "flatten", "scars"]
    assert {"junk", "doubtful"} <= set(out.data_vars)


def test_a_real_film_of_high_speed_afm_comes_out_clean() -> None:
    out = run(sharptip.read(real("hs_afm", "extra_sample.asd")).load())
    assert np.flatnonzero(out["junk"]).tolist() == [0, 1, 2, 63]
    assert set(np.flatnonzero(out["doubtful"])) <= {3, 4, 5}, "the tip lands in these"
    frame = out["height"].values[30]
    assert abs(np.median(frame)) < 0.5 * NM
    assert 1 * NM < np.quantile(frame, 0.98) < 5 * NM, "DNA on mica is two nanometres high"
