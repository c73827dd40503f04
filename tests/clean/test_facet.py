"""Facets are levelled where one of them dominates; everything else by a plane, and that is said."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tests.clean.test_no_substrate import NM, grains
from tests.real import real

from sharptip import io
from sharptip.clean import facet, facet_fit, plane_fit
from sharptip.clean.flatten import NoSubstrate
from sharptip.core.scan import scan_of
from sharptip.simulate.surface import self_affine

N = 160
Y, X = np.mgrid[:N, :N]


def staircase(rng: np.random.Generator) -> np.ndarray:
    """4 to 20 terraces that rise by 0.3 nm along some direction, and noise of 20 pm."""
    angle, width = rng.uniform(0, 2 * np.pi), N / rng.integers(4, 21)
    steps = np.floor((X * np.cos(angle) + Y * np.sin(angle)) / width + rng.random())
    return (0.3 * steps + 0.02 * rng.standard_normal((N, N))) * NM


def flat_with_huts(rng: np.random.Generator) -> np.ndarray:
    """A flat ground with pyramids on a third of it or more."""
    return np.maximum(sides(rng) - 6 * NM, 0) + 0.01 * NM * rng.standard_normal((N, N))


def sides(rng: np.random.Generator) -> np.ndarray:
    """Pyramids beside each other, whose four sides are alike."""
    out = np.full((N, N), -np.inf)
    for _ in range(40):
        y, x, top = *rng.uniform(0, N, 2), rng.uniform(5, 15)
        angles = np.arange(4)[:, None, None] * np.pi / 2 + 0.3
        out = np.maximum(out, top - 0.5 * ((X - x) * np.cos(angles) + (Y - y) * np.sin(angles)).max(axis=0))
    return (out + 0.02 * rng.standard_normal((N, N))) * NM


def rough(rng: np.random.Generator) -> np.ndarray:
    length, hurst = rng.uniform(5, 30) * NM, rng.uniform(0.5, 0.95)
    return self_affine(rng, (N, N), NM, rms=NM, correlation_length=length, hurst=hurst)[0]


def lattice(rng: np.random.Generator) -> np.ndarray:
    """Three waves of 20 pm, as of atoms, and noise."""
    angles = rng.uniform(0, np.pi) + np.arange(3)[:, None, None] * np.pi / 3
    waves = np.cos(2 * np.pi / rng.uniform(6, 20) * (X * np.cos(angles) + Y * np.sin(angles))).sum(axis=0)
    return (0.02 * waves + 0.003 * rng.standard_normal((N, N))) * NM


def noise(rng: np.random.Generator) -> np.ndarray:
    return 0.1 * NM * rng.standard_normal((N, N))


def grainy(rng: np.random.Generator) -> np.ndarray:
    return grains(int(rng.integers(1000)), float(rng.choice([0.0, 0.5, 1.0])))


def tilted(surface, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(surface with a tilt, the tilt), both (y, x)."""
    rng = np.random.default_rng([seed, 8])
    z = surface(rng)
    tilt = (rng.uniform(-3, 3) * X + rng.uniform(-3, 3) * Y) * z.std() / N
    return z + tilt, tilt - tilt.mean()


def off(plane: np.ndarray, tilt: np.ndarray, z: np.ndarray) -> float:
    """What is left of the tilt, as a share of the surface's own spread."""
    return float(np.std(plane - plane.mean() - tilt) / np.std(z - tilt))


@pytest.mark.parametrize("surface", [staircase, flat_with_huts])
def test_a_facet_that_dominates_is_level_to_its_noise(surface) -> None:
    for seed in range(6):
        z, tilt = tilted(surface, seed)
        assert off(facet_fit(z), tilt, z) < 0.04, seed
        assert off(plane_fit(z), tilt, z) > 0.06, seed


@pytest.mark.parametrize("surface", [sides, rough, lattice, noise, grainy])
def test_without_a_facet_that_dominates_a_plane_is_taken_off(surface) -> None:
    """The most frequent slope of such surfaces lies off by as much as the surface is high, or more."""
    for seed in range(6):
        z, _ = tilted(surface, seed)
        found, plane = facet_fit(z), plane_fit(z)
        np.testing.assert_allclose(found - found.mean(), plane - plane.mean(), atol=1e-6 * z.std())


def test_the_fall_back_is_told_by_a_warning_and_by_the_channel() -> None:
    z, _ = tilted(rough, 0)
    with pytest.warns(NoSubstrate, match="height: no facet dominates: levelled by a plane"):
        out = facet(scan_of(z, NM))
    assert out["height"].attrs["levelled"] == "no facet dominates: levelled by a plane"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "levelled" not in facet(scan_of(tilted(staircase, 0)[0], NM))["height"].attrs
        assert "levelled" not in facet(scan_of(tilted(noise, 0)[0], NM))["height"].attrs  # one facet, all of it
        assert "levelled" not in facet(scan_of(np.zeros((20, 20)), NM))["height"].attrs


def test_lost_pixels_and_steps_of_the_converter_move_no_facet() -> None:
    z, tilt = tilted(staircase, 3)
    lost = z.copy()
    lost[40:44], lost[90:, :50] = np.nan, np.nan
    assert off(facet_fit(lost), tilt, z) < 0.04
    digits = np.rint(z / (0.05 * NM)) * 0.05 * NM  # 2.5 times the noise
    assert off(facet_fit(digits), tilt, z) < 0.1


@pytest.mark.parametrize("name", ["good/WTV_Loc011_0001", "good/Cs50MA50approx_0003"])
def test_real_grains_keep_their_spread(name: str) -> None:
    """Levelled by the most frequent slope they spread by 123 and 452 nm, by a plane by 24 and 184."""
    scan = io.read(real(f"labelled/scan_quality_ofdspm/{name}.ibw"))
    z = scan["height"].values
    with pytest.warns(NoSubstrate):
        out = facet(scan)["height"].values
    assert out.std() == pytest.approx(np.std(z - plane_fit(z)), rel=1e-3)
