"""Films: frames that show nothing, and a sample that drifts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from tests.real import real

import sharptip
from sharptip.clean import drift, junk, junk_frames, run, shift_between
from sharptip.clean.drift import moved
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
    assert "more than is usual" in reasons[7]
    assert not reasons[3]
    xr.testing.assert_identical(out["height"], scan["height"])
    kept = drift(out)
    assert kept["drift_x"].values[5] == kept["drift_x"].values[4], "what is junk does not move"


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
