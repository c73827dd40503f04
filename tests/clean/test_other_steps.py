"""Line polynomials, facets, arcs, spikes, two directions, and chains of steps."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sharptip.clean import (
    CHAINS,
    STEPS,
    arc,
    compare_directions,
    directions,
    facet_fit,
    find_spikes,
    line_fit,
    named,
    row_offsets,
    run,
    spikes,
)  # fmt: skip
from sharptip.core.errors import ScanError
from sharptip.core.history import steps
from sharptip.core.scan import scan_of

NM = 1e-9


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_every_line_has_its_own_polynomial(rng: np.random.Generator, degree: int) -> None:
    x = np.linspace(-1, 1, 50)
    raw = rng.normal(size=(20, degree + 1)) @ x ** np.arange(degree + 1)[:, None]
    np.testing.assert_allclose(line_fit(raw, degree), raw, atol=1e-12)
    gaps = raw.copy()
    gaps[3], gaps[5, :20] = np.nan, np.nan
    found = line_fit(gaps, degree)
    np.testing.assert_allclose(np.delete(found, 3, axis=0), np.delete(raw, 3, axis=0), atol=1e-9)
    assert not found[3].any()


def test_a_mask_keeps_a_particle_from_tilting_its_lines() -> None:
    z = np.tile(np.linspace(0, 1, 40), (10, 1))
    mask = np.zeros(z.shape, bool)
    mask[4:6, 25:35] = True
    found = line_fit(np.where(mask, z + 5, z), 1, mask)
    np.testing.assert_allclose(found, z, atol=1e-12)


@pytest.mark.parametrize("method", ["trimmed", "matching"])
def test_row_alignment_finds_offsets(rng: np.random.Generator, method: str) -> None:
    offsets = rng.normal(size=30)
    z = offsets[:, None] + np.sin(np.linspace(0, 9, 200))[None, :] + 0.01 * rng.normal(size=(30, 200))
    z[12] = np.nan
    found = row_offsets(z, method)[:, 0]  # type: ignore[arg-type]
    there = np.arange(30) != 12
    moved = found[there] - offsets[there]
    assert np.std(moved) < 0.03
    assert found[12] == 0


def test_trimmed_means_are_those_of_scipy(rng: np.random.Generator) -> None:
    from scipy.stats import trim_mean

    z = rng.normal(size=(7, 41))
    expected = trim_mean(z, 0.25, axis=1)
    np.testing.assert_allclose(row_offsets(z, "trimmed")[:, 0], expected - np.median(expected))


def test_facets_are_levelled_where_a_plane_tilts_a_staircase() -> None:
    y, x = np.mgrid[:80, :90]
    truth = np.floor(x / 30) * 3.0  # terraces
    found = facet_fit(truth + 0.05 * x - 0.02 * y)
    expected = 0.05 * x - 0.02 * y
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=0.02)


def test_an_arc_follows_a_bow_and_leaves_particles_alone() -> None:
    x = np.linspace(-1, 1, 200)
    bow = 20 * NM * np.tile(x**2, (20, 1))
    z = bow.copy()
    z[8:12, 95:105] += 10 * NM
    out = arc(scan_of(z, NM), radius=60)["height"].values
    assert np.abs(out[0, 10:-10]).max() < 0.2 * NM
    assert out[9, 97:103].min() > 8.5 * NM
    upside = arc(scan_of(-z, NM), radius=60, side="above")["height"].values
    np.testing.assert_allclose(upside, -out, atol=1e-15)
    with pytest.raises(ScanError, match="'left'"):
        arc(scan_of(z, NM), side="left")


def test_lost_pixels_stay_where_they_are_under_an_arc(rng: np.random.Generator) -> None:
    whole = 3e-4 * (np.arange(80) - 40.0) ** 2 + 0.1 * rng.normal(size=(60, 80))
    whole[20:26, 30:38] += 10
    for lost in (np.s_[31, 17], np.s_[12:15], np.s_[30:], np.s_[:, 50:53]):
        gaps = whole.copy()
        gaps[lost] = np.nan
        out = arc(scan_of(gaps * NM, NM), radius=30)["height"].values / NM
        np.testing.assert_array_equal(np.isnan(out), np.isnan(gaps))
        expected = arc(scan_of(whole * NM, NM), radius=30)["height"].values / NM
        assert np.nanmax(np.abs(out - expected)[:, :35]) < 0.4  # the lines that miss nothing hardly notice


@pytest.mark.parametrize("radius", [0.0, 5e-9, 2.9, float("nan")])
def test_a_radius_that_takes_everything_off_is_refused_in_its_unit(radius: float) -> None:
    with pytest.raises(ScanError, match=r"is in pixels, and .* is too small.*give 3 or more.*radius=20, half a line"):
        arc(scan_of(np.zeros((30, 40)), NM), radius=radius)


def test_spikes_are_single_pixels_and_atoms_are_none(rng: np.random.Generator) -> None:
    y, x = np.mgrid[:60, :60]
    atoms = np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 4)
    z = atoms + 0.01 * rng.normal(size=(60, 60))
    z[40, 41] += 1
    z[10, 50] -= 1
    found = find_spikes(z)
    assert sorted(map(tuple, np.argwhere(found).tolist())) == [(10, 50), (40, 41)]
    out = spikes(scan_of(z * NM, NM))["height"].values / NM
    assert abs(out[40, 41]) < 0.05
    np.testing.assert_array_equal(out[~found], (z * NM / NM)[~found])


def two_ways(rng: np.random.Generator, lag: float) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(200.0)
    phase = rng.uniform(0, 6, (50, 1))

    def seen(shift: float) -> np.ndarray:
        there = x - shift
        return np.sin(there / 6 + phase) + 0.4 * np.sin(there / 2.3 + 2 * phase) + 0.05 * rng.normal(size=(50, 200))

    return seen(0.0), seen(lag)


def test_the_lag_of_the_way_back_is_found_and_what_differs_is_marked(rng: np.random.Generator) -> None:
    forward, backward = two_ways(rng, 3.4)
    backward[20:23, 100:120] += 3  # the tip lost the surface here
    found = compare_directions(forward, backward)
    assert found.lag == pytest.approx(3.4, abs=0.15)
    assert found.likeness > 0.9
    assert found.noise == pytest.approx(0.05, rel=0.6)
    assert found.disagree[20:23, 98:115].mean() > 0.9
    assert found.disagree[30:].mean() < 0.01
    assert np.nanmin(found.lines) == np.nanmin(found.lines[20:23])


def test_directions_of_a_scan(rng: np.random.Generator) -> None:
    both = np.stack(two_ways(rng, 2.0))
    scan = scan_of(both[0], NM).assign(height=xr.Variable(("direction", "y", "x"), both, {"units": "m"}))
    scan = scan.assign_coords(direction=("direction", ["forward", "backward"], {"units": "1"}))
    out = directions(scan)
    assert out["disagree"].dims == ("y", "x")
    assert out["disagree"].attrs["lag_px"][0] == pytest.approx(2.0, abs=0.15)
    with pytest.raises(ScanError, match="one direction only"):
        directions(scan_of(both[0], NM))


def test_chains_are_made_of_steps_and_told_by_name() -> None:
    for names in CHAINS.values():
        assert set(names) <= set(STEPS)
    assert named("auto") == ("flatten", "scars")
    assert named("plane, rows") == named(["plane", "rows"]) == ("plane", "rows")
    with pytest.raises(ScanError, match=r"no step 'sharpen'; there are flatten.*chains: auto"):
        named("plane,sharpen")
    out = run(scan_of(np.random.default_rng(0).normal(size=(20, 20)), NM))
    assert [s["step"] for s in steps(out)][1:] == ["flatten", "scars"]
