"""Planes, polynomials, line offsets and masked re-levelling against closed forms."""

import warnings

import numpy as np
import pytest
import xarray as xr

from sharptip.clean import (
    STEPS,
    background,
    lines,
    plane,
    plane_fit,
    polynomial,
    polynomial_fit,
    relevel,
    relevel_fit,
    row_offsets,
    rows,
    run,
)
from sharptip.core.errors import ChannelError, ScanError
from sharptip.core.history import steps
from sharptip.core.scan import check, scan_of

SHAPES = [(64, 64), (37, 53), (1, 1), (1, 31), (29, 1), (2, 3)]
NM = 1e-9


def axes(shape):
    return np.arange(shape[0])[:, None] * 1.0, np.arange(shape[1])[None, :] * 1.0


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plane_is_removed_to_rounding(shape):
    y, x = axes(shape)
    z = (3.0 + 0.7 * y - 0.2 * x) * NM
    assert np.abs(z - plane_fit(z)).max() <= 1e-12 * np.abs(z).max()


@pytest.mark.parametrize("robust", [False, True])
def test_the_plane_is_the_least_squares_one_and_bears_missing_pixels(rng, robust):
    y, x = axes((41, 59))
    true = (3.0 + 0.7 * y - 0.2 * x) * NM
    z = true.copy()
    z[5] = np.nan
    z[20:24, 7:30] = np.nan
    assert np.abs(plane_fit(z, robust=robust) - true).max() <= 1e-12 * np.abs(true).max()
    noisy = true + rng.standard_normal(true.shape) * NM
    design = np.stack([np.ones(noisy.shape), y + 0 * x, x + 0 * y], axis=-1).reshape(-1, 3)
    expected = design @ np.linalg.lstsq(design, noisy.ravel(), rcond=None)[0]
    np.testing.assert_allclose(plane_fit(noisy).ravel(), expected, rtol=1e-10)


def test_a_robust_plane_bears_particles_that_bend_the_plain_one(rng):
    y, x = axes((80, 80))
    true = (0.05 * y - 0.03 * x) * NM
    z = true + 0.1 * NM * rng.standard_normal(true.shape)
    z[50:75, 50:75] += 20 * NM
    assert np.abs(plane_fit(z, robust=True) - true).max() < 0.05 * NM
    assert np.abs(plane_fit(z) - true).max() > 1 * NM
    mask = np.zeros(z.shape, bool)
    mask[50:75, 50:75] = True
    assert np.abs(plane_fit(z, mask) - true).max() < 0.05 * NM


@pytest.mark.parametrize("degree", [(0, 0), (1, 1), (2, 2), (3, 1), (0, 4)])
def test_a_polynomial_is_removed_to_rounding(rng, degree):
    y, x = axes((47, 61))
    z = sum(rng.normal() * (y / 47) ** i * (x / 61) ** j for i in range(degree[0] + 1) for j in range(degree[1] + 1))
    assert np.abs(z - polynomial_fit(z, degree)).max() <= 1e-12 * np.abs(z).max()
    z[10:15] = np.nan
    left = z - polynomial_fit(z, degree)
    assert np.nanmax(np.abs(left)) <= 1e-11 * np.nanmax(np.abs(z))
    assert np.isnan(left[10:15]).all()


def test_every_frame_has_its_own_background(rng):
    y, x = axes((16, 19))
    z = np.stack([y + x, 2 * y - x, 0 * y - 3 * x])[None]
    z[0, 2, 4] = np.nan
    left = z - plane_fit(z)
    assert left.shape == z.shape
    assert np.nanmax(np.abs(left)) < 1e-12 * np.nanmax(np.abs(z))


@pytest.mark.parametrize("method", ["median", "difference"])
@pytest.mark.parametrize("shape", [(40, 31), (37, 53), (1, 9), (7, 1)])
def test_line_offsets_are_found_exactly(rng, method, shape):
    offsets = rng.normal(size=shape[0]) * NM
    surface = np.broadcast_to(rng.normal(size=shape[1]) * NM, shape)  # the same on every line
    found = row_offsets(surface + offsets[:, None], method)[:, 0]
    np.testing.assert_allclose(found, offsets - np.median(offsets), atol=1e-12 * NM)


@pytest.mark.parametrize("method", ["median", "difference"])
def test_lost_lines_stay_lost_and_spoil_no_others(rng, method):
    offsets = rng.normal(size=30)
    whole = np.broadcast_to(rng.normal(size=41), (30, 41)) + offsets[:, None]
    z = whole.copy()
    z[[0, 11, 12]] = np.nan
    z[20, 5:9] = np.nan
    left = z - row_offsets(z, method)
    assert np.array_equal(np.isnan(left), np.isnan(z))
    good = np.isfinite(z).all(axis=1)
    assert np.ptp(left[good], axis=0).max() < 1e-12


def test_difference_of_lines_bears_a_feature_that_bends_the_median():
    columns = np.arange(40)[None, :]
    width = np.clip(np.minimum(np.arange(50), np.arange(50)[::-1]) - 5, 0, None)[:, None] * 2
    z = np.where(np.abs(columns - 19.5) < width, 5.0, 0.0)  # wide in the middle, where it is the median of its lines
    assert np.abs(row_offsets(z, "difference")).max() == 0
    assert np.ptp(row_offsets(z, "median")) == 5.0
    mask = z > 0
    assert np.abs(row_offsets(z, "median", mask)).max() == 0


def step_image(rng, noise, share=0.35):
    """A terrace 2 nm high on the right of a tilted plane, with its true height in metres."""
    y, x = axes((101, 128))
    z = (0.02 * y + 0.03 * x) * NM + noise * NM * rng.standard_normal((101, 128))
    z[:, int(128 * (1 - share)) :] += 2 * NM
    return z, slice(0, int(128 * (1 - share))), slice(int(128 * (1 - share)), 128)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_masked_relevelling_keeps_a_step_that_a_plane_bends(rng, noise):
    z, low, high = step_image(rng, noise)
    level = z - relevel_fit(z)
    assert level[:, high].mean() - level[:, low].mean() == pytest.approx(2 * NM, rel=0.01)
    assert abs(np.median(level[:, low])) < 0.02 * NM  # the background is height zero
    plain = z - plane_fit(z)
    assert abs(plain[:, high].mean() - plain[:, low].mean() - 2 * NM) > 0.2 * 2 * NM


def test_particles_are_masked_and_do_not_bend_a_bowed_background(rng):
    y, x = axes((120, 120))
    bow = (0.01 * y - 0.02 * x + 2e-4 * (x - 60) ** 2) * NM
    z = bow + 0.05 * NM * rng.standard_normal(bow.shape)
    particles = np.zeros(z.shape, bool)
    particles[70:110, 70:110] = particles[10:30, 80:115] = True
    z[particles] += 8 * NM
    level, mask = background(z, degree=2)
    assert mask[particles].all()
    assert mask[~particles].mean() < 0.02
    assert np.abs(level - bow).max() < 0.05 * NM


def test_lost_lines_do_not_spoil_relevelling(rng):
    z, low, high = step_image(rng, 0.05)
    z[40:43] = np.nan
    level = z - relevel_fit(z)
    assert np.array_equal(np.isnan(level), np.isnan(z))
    assert np.nanmean(level[:, high]) - np.nanmean(level[:, low]) == pytest.approx(2 * NM, rel=0.01)


# The steps on scans ------------------------------------------------------------------------------------------------


OF_IMAGES = sorted(set(STEPS) - {"junk", "drift", "directions"})


def rich_scan(rng):
    """Height in both directions of a film, with a second channel that no step may touch."""
    z = rng.standard_normal((2, 3, 17, 23)) * NM + np.arange(23) * NM
    dims = ("direction", "time", "y", "x")
    scan = scan_of(z[0, 0], 2e-9)
    scan = scan.assign(height=xr.Variable(dims, z, {"units": "m"}), phase=(("y", "x"), z[0, 0], {"units": "rad"}))
    scan = scan.assign_coords(
        direction=("direction", ["forward", "backward"], {"units": "1"}), time=("time", np.arange(3.0), {"units": "s"})
    )
    return scan


@pytest.mark.parametrize("name", sorted(set(STEPS) - {"drift"}))  # which moves all channels, and all alike
def test_a_step_writes_history_and_touches_nothing_else(rng, name):
    scan = rich_scan(rng)
    kept = scan.copy(deep=True)
    out = STEPS[name](scan)
    check(out)
    xr.testing.assert_identical(scan, kept)
    assert steps(out)[-1]["step"] == name
    assert steps(out)[-1]["options"]["channel"] == "height"
    assert len(steps(out)) == len(steps(scan)) + 1
    xr.testing.assert_identical(out["phase"], scan["phase"])
    assert out["height"].dims == scan["height"].dims
    assert out["height"].attrs == scan["height"].attrs


TINY = [(1, 1), (2, 2), (1, 7), (13, 1)]
TOO_SMALL = {
    "flatten": TINY, "relevel": TINY, "facet": TINY, "rows": TINY, "plane": TINY[:2], "polynomial": TINY[:2],
    "lines": [(1, 1), (2, 2), (13, 1)],
}  # fmt: skip


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 7), (13, 1), (31, 37)])
@pytest.mark.parametrize("lost", [False, True])
def test_a_step_bears_odd_and_empty_images_and_refuses_those_it_would_clean_to_nothing(rng, name, shape, lost):
    z = rng.standard_normal(shape)
    if lost:
        z[:] = np.nan
    scan = scan_of(z, 1e-9)
    if shape in TOO_SMALL.get(name, ()):
        with pytest.raises(ScanError, match=f"{shape[0]} × {shape[1]} pixels .* is too small: .* leave this step out"):
            STEPS[name](scan)
        return
    out = STEPS[name](scan)["height"].values
    assert out.shape == shape
    assert np.isfinite(out).all() != lost
    assert out.dtype == z.dtype


@pytest.mark.parametrize("name", OF_IMAGES)
def test_each_direction_and_frame_is_cleaned_alone(rng, name):
    scan = rich_scan(rng)
    alone = scan.isel(direction=1, time=2)
    np.testing.assert_allclose(
        STEPS[name](scan)["height"].values[1, 2], STEPS[name](alone)["height"].values, rtol=1e-9, atol=1e-20
    )


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_missing_channel_is_named_with_those_there_are(name):
    with pytest.raises(ChannelError, match="no channel 'adhesion'; it has height"):
        STEPS[name](scan_of(np.zeros((3, 3)), 1e-9), channel="adhesion")


def test_axes_in_another_order_and_single_precision_are_kept(rng):
    scan = scan_of(rng.standard_normal((9, 11)).astype(np.float32), 1e-9)
    turned = scan.transpose("x", "y")
    out = plane(turned)["height"]
    assert out.dims == ("x", "y")
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.values.T, plane(scan)["height"].values)


def test_a_mask_is_a_channel_or_an_array_and_must_fit(rng):
    z = rng.standard_normal((12, 14))
    mask = np.zeros(z.shape, bool)
    mask[3:6, 4:9] = True
    z[mask] += 50
    scan = scan_of(z, 1e-9).assign(mask=(("y", "x"), mask.astype(np.uint8), {"units": "1"}))
    for step in (plane, polynomial, rows):
        named, given = step(scan, mask="mask")["height"].values, step(scan, mask=mask)["height"].values
        np.testing.assert_array_equal(named, given)
        assert not np.allclose(named, step(scan)["height"].values)
    assert steps(plane(scan, mask="mask"))[-1]["options"]["mask"] == "mask"
    with pytest.raises(ScanError, match=r"mask has shape \(3, 3\)"):
        plane(scan, mask=np.zeros((3, 3), bool))
    with pytest.raises(ChannelError, match="no mask 'nothing'"):
        rows(scan, mask="nothing")


def test_an_image_is_no_mask_nor_is_one_that_leaves_nothing(rng):
    scan = rich_scan(rng).isel(direction=0, time=0)
    lost = np.zeros((17, 23))
    lost[3, 4] = np.nan
    with pytest.raises(ScanError, match=r"the mask 'phase' holds other values than 0 and 1 \(from .*1 is left out"):
        rows(scan, mask="phase")
    with pytest.raises(ScanError, match="the mask holds other values than 0 and 1"):
        plane(scan, mask=lost)
    everything = np.ones((17, 23), bool)
    everything[:2, :5] = False
    for step in (plane, polynomial, lines, rows):
        with pytest.raises(ScanError, match=r"the mask leaves 10 of 391 pixels to the fit; .* invert it"):
            step(scan, mask=everything)
        with pytest.raises(ScanError, match="the mask leaves 0 of 391 pixels"):
            step(scan, mask=everything | True)
        step(scan, mask=~everything)


@pytest.mark.parametrize("steps", [*OF_IMAGES, "auto", "simple"])
def test_infinite_heights_are_lost_pixels_to_every_step(rng, steps):
    z = rng.standard_normal((40, 50)) * NM
    z[5:25, 10:40] += 8 * NM
    infinite, lost = z.copy(), z.copy()
    infinite[7, 9], infinite[30], infinite[20, 3:6] = np.inf, -np.inf, np.inf
    lost[~np.isfinite(infinite)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        out = run(scan_of(infinite, NM), steps)["height"].values
    np.testing.assert_array_equal(out, run(scan_of(lost, NM), steps)["height"].values)
    assert not np.isinf(out).any()
    assert np.isfinite(out).sum() >= np.isfinite(lost).sum()


def test_errors_of_a_curve_and_an_unknown_method(rng):
    curve = xr.Dataset({"force": ("distance", np.zeros(5), {"units": "N"})})
    curve.attrs["history"] = "[]"
    with pytest.raises(ScanError, match="needs an image"):
        plane(curve, channel="force")
    with pytest.raises(ScanError, match="no row alignment 'mean'"):
        rows(scan_of(np.zeros((3, 9)), 1e-9), method="mean")
    with pytest.raises(ChannelError):
        relevel(curve)


@pytest.mark.parametrize("steps", ["polynomial:degree=99", "lines:degree=13", "flatten:degree=0", "flatten:degree=40"])
def test_a_degree_that_no_background_has_is_refused_at_once(steps: str) -> None:
    with pytest.raises(ScanError, match=r"the degree of a background is from [01] to 12, not"):
        run(scan_of(np.zeros((40, 40)), NM), steps)
