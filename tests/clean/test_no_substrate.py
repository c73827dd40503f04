"""Grains, atoms and rough surfaces have no substrate: they are levelled as such, and it is said; and steps of a
converter, below which nothing is known, move no line."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tests.real import real

from sharptip.clean import flatten, flatten_fit, plane_fit, run
from sharptip.clean.cautious import cautious_fit
from sharptip.clean.digits import digitising_step, dithered
from sharptip.clean.flatten import NoSubstrate
from sharptip.core.errors import ScanError
from sharptip.core.scan import scan_of
from sharptip.simulate.dirty import dirty

NM = 1e-9


def grains(seed: int, asymmetry: float, n: int = 160) -> np.ndarray:
    """Facets (y, x) of 70 grains at heights of 20 nm, in m; with an asymmetry most of them rise along x."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n]
    place, height = rng.uniform(0, n, (70, 2)), rng.normal(0, 20, 70)
    along, down = rng.normal(asymmetry, 0.6, 70), rng.normal(0, 0.6, 70)
    at = ((y[..., None] - place[:, 0]) ** 2 + (x[..., None] - place[:, 1]) ** 2).argmin(axis=-1)
    z = height[at] + (x - place[at, 1]) * along[at] + (y - place[at, 0]) * down[at]
    return (z + 0.1 * rng.standard_normal(z.shape)) * NM


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.std(found - truth))


@pytest.mark.parametrize("asymmetry", [0.0, 0.5, 1.0])
def test_grains_are_levelled_nearly_as_well_as_by_a_plane(asymmetry: float) -> None:
    """Of nine samples in a row most are known to have no substrate; none comes out far worse than by a plane."""
    known = 0
    for seed in range(9):
        truth = grains(seed, asymmetry)
        y, x = np.mgrid[:160, :160] / 160
        found = flatten_fit(truth + (80 * x - 30 * y) * NM)
        plane = error(truth - plane_fit(truth), truth)
        told = "no flat substrate" in found.told
        assert not told or error(found.image, truth) < 1.3 * plane + 0.5 * NM, seed
        assert error(found.image, truth) < 0.5 * truth.std(), seed
        known += told
    assert known >= 6


def test_it_is_said_by_a_warning_and_by_the_channel_and_not_where_there_is_a_substrate() -> None:
    scan = scan_of(grains(0, 1.0), NM)
    with pytest.warns(NoSubstrate, match="height: no flat substrate stands out: levelled by a plane"):
        out = run(scan, "auto")
    assert out["height"].attrs["levelled"] == "no flat substrate stands out: levelled by a plane"
    assert "levelled" not in scan["height"].attrs
    sound = dirty(
        np.random.default_rng(0), (128, 128), kind="spheres", coverage=0.4, steps=0, tilt=3, noise=0.05
    ).scan()
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoSubstrate)
        assert "levelled" not in flatten(sound)["height"].attrs


@pytest.mark.parametrize(("coverage", "steps"), [(0.0, 3), (0.4, 0), (0.4, 3), (0.8, 0)])
def test_particles_and_terraces_keep_their_substrate(coverage: float, steps: int) -> None:
    for seed in range(3):
        d = dirty(np.random.default_rng([seed, 5]), (192, 192), kind="ellipsoids", coverage=coverage, steps=steps,
                  tilt=3, bow=1, white=0.1, walk=0.03, jumps=0, line_tilt=0, scars=0, noise=0.05)  # fmt: skip
        assert flatten_fit(d.height).told == ""


def test_a_bow_a_jump_and_line_offsets_go_where_there_is_evidence_and_only_there() -> None:
    rng = np.random.default_rng(2)
    y, x = np.linspace(-1, 1, 160)[:, None], np.linspace(-1, 1, 160)
    rough = grains(4, 0.0)
    rough -= plane_fit(rough)
    assert cautious_fit(rough).told == "a plane"
    bowed = cautious_fit(rough + 100 * NM * (x**2 - y * x))
    assert bowed.told == "a polynomial of degree 2"
    assert error(bowed.background, 100 * NM * (x**2 - y * x)) < 6 * NM
    jump = np.where(np.arange(160) < 70, 0, 60 * NM)
    found = cautious_fit(rough + jump[:, None])
    assert found.offsets[-1] - found.offsets[0] == pytest.approx(60 * NM, rel=0.1)
    lines = 20 * NM * rng.standard_normal(160)
    assert error(cautious_fit(rough + lines[:, None]).offsets, lines) < 0.3 * lines.std()


def test_lost_lines_and_pixels_stay_lost_and_change_nothing_else() -> None:
    truth = grains(1, 0.5)
    raw = truth.copy()
    raw[40:43], raw[90, :60] = np.nan, np.nan
    found = flatten_fit(raw)
    assert "no flat substrate" in found.told
    assert np.array_equal(np.isnan(found.image), np.isnan(raw))
    assert np.nanmax(np.abs(found.image - flatten_fit(truth).image)) < 2 * NM


def test_the_image_is_the_raw_one_without_what_was_found() -> None:
    raw = grains(0, 1.0)
    found = flatten_fit(raw)
    np.testing.assert_allclose(found.image + found.background + found.offsets[:, None], raw, atol=1e-6 * NM)
    assert not found.features.any()
    assert found.noise == pytest.approx(found.image.std())


@pytest.mark.parametrize("name", ["good/WTV_Loc011_0001", "good/Cs50MA50approx_0003", "good/Cs50MA50approx_0021"])
def test_real_grains_are_not_spread(name: str) -> None:
    import sharptip

    scan = sharptip.read(real("labelled", "scan_quality_ofdspm", f"{name}.ibw"))
    with pytest.warns(NoSubstrate):
        out = flatten(scan)
    assert float(out["height"].std()) < 1.001 * float(scan["height"].std())


# Steps of a converter ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e-6])
def test_the_step_of_the_converter_is_found(rng: np.random.Generator, offset: float) -> None:
    z = rng.normal(0, 30, (64, 64)) * NM
    step = 0.22 * NM
    assert digitising_step(np.round(z / step) * step + offset) == pytest.approx(step, rel=1e-3)
    single = (np.round(z / step) * step + offset).astype(np.float32)
    assert digitising_step(single) == pytest.approx(step, rel=1e-2)
    assert digitising_step(z) == 0
    assert digitising_step(np.zeros((9, 9))) == 0
    assert digitising_step(np.full((9, 9), np.nan)) == 0
    assert digitising_step(np.where(z > 0, 5 * NM, 0)) == 0, "two heights are the sample's own"


def test_a_dither_is_uniform_over_one_step_and_moves_no_line(rng: np.random.Generator) -> None:
    z = np.round(rng.normal(0, 3, (256, 256)))
    part = dithered(z, 1.0) - z
    assert np.abs(part).max() <= 0.6
    assert part.std() == pytest.approx(1 / np.sqrt(12), rel=0.02)
    np.testing.assert_allclose(part.mean(axis=1), 0, atol=1e-6)
    assert dithered(z, 0.0) is z


@pytest.mark.parametrize("noise", [0.05, 0.25, 0.9])
@pytest.mark.parametrize("particles", [0, 20])
def test_lines_are_found_to_a_fraction_of_the_converters_step(noise: float, particles: int) -> None:
    """A line's mean over n pixels with noise σ and steps q has the error √((σ² + q²/12)/n), here n = 192."""
    rng = np.random.default_rng([particles, 3])
    y, x = np.mgrid[:128, :192]
    truth = np.zeros((128, 192))
    for _ in range(particles):
        cy, cx = rng.uniform(0, 128), rng.uniform(0, 192)
        truth = np.maximum(truth, 10.0 * ((y - cy) ** 2 + (x - cx) ** 2 < 60))
    raw = truth + noise * rng.standard_normal(truth.shape) + rng.normal(0, 1.5, (128, 1)) + 0.1 * x + 0.05 * y
    found = flatten_fit(np.round(raw)).image
    lines = (found - truth).mean(axis=1)
    assert lines.std() < 2 * np.sqrt((noise**2 + 1 / 12) / 192)


def test_a_single_line_and_a_tiny_image_are_refused_by_size() -> None:
    with pytest.raises(
        ScanError, match=r"an image of 1 × 128 pixels \(lines × columns\) is too small: flatten needs 8 × 8"
    ):
        flatten(scan_of(np.zeros((1, 128)), NM))
