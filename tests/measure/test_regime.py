"""The Euler number against counting by eye and against scikit-image, and the labelling rule at its borders."""

import numpy as np
import pytest
from skimage.measure import euler_number as reference

from sharptip.measure.regime import (
    FILM_FEATURES,
    REGIMES,
    euler_number,
    euler_per_particle,
    film_features,
    grain,
    majority,
    minkowski,
    regime_from_euler,
    regime_of,
    regime_of_image,
)


def discs(n: int, side: int, radius: int = 4) -> np.ndarray:
    """n × n discs on a square of `side` pixels."""
    y, x = np.mgrid[:side, :side]
    pitch = side // n
    return (y % pitch - pitch // 2) ** 2 + (x % pitch - pitch // 2) ** 2 <= radius**2


def lattice(film: np.ndarray, particles: float = 1.0) -> np.ndarray:
    """A lattice state with particles on the first share of the film's sites and liquid on the others."""
    state = np.where(film, 1, 0).astype(np.uint8)
    sites = np.flatnonzero(film)
    state.flat[sites[: round(particles * len(sites))]] = 2
    return state


def test_euler_number_counts_pieces_less_holes():
    film = discs(4, 64)
    assert euler_number(film) == 16
    assert euler_number(~film) == 1 - 16
    assert euler_number(film, periodic=True) == 16
    assert euler_number(~film, periodic=True) == -16  # a torus with 16 holes


def test_euler_number_is_scikit_images_on_random_masks():
    rng = np.random.default_rng(0)
    for share in (0.2, 0.5, 0.8):
        mask = rng.random((40, 57)) < share
        assert euler_number(mask) == reference(mask, connectivity=1)


def test_pieces_may_cross_a_periodic_border():
    film = np.roll(discs(4, 64), (5, 9), (0, 1))
    assert euler_number(film, periodic=True) == 16
    stripe = np.zeros((16, 16), bool)
    stripe[4:8] = True
    assert euler_number(stripe, periodic=True) == 0  # a ring around the torus
    assert euler_number(np.ones((8, 8), bool), periodic=True) == 0


def test_thermal_specks_are_no_pattern():
    film = discs(4, 64, 6)
    specks = film.copy()
    specks[8:56:16, 8:56:16] = False  # in the middle of discs
    specks[16, 16] = specks[32, 48] = True  # far from any
    assert (majority(specks) == majority(film)).all()
    assert euler_per_particle(lattice(specks)) == pytest.approx(-16 / specks.sum())


@pytest.mark.parametrize(
    ("chi", "with_gaps", "without"),
    [
        (0.01, "cells", "cells"),
        (-0.00025, "cells", "cells"),
        (-0.0005, None, "cells"),
        (-0.0009, None, "labyrinth"),
        (-0.001, "labyrinth", "labyrinth"),
        (-0.01, "labyrinth", "labyrinth"),
        (-0.015, None, "labyrinth"),
        (-0.025, None, "islands"),
        (-0.03, "islands", "islands"),
    ],
)
def test_the_rule_at_its_borders(chi, with_gaps, without):
    assert regime_from_euler(chi) == with_gaps
    assert regime_from_euler(chi, gaps=False) == without


def test_the_rule_on_made_patterns():
    full = np.ones((64, 64), bool)
    assert regime_of(lattice(full, 0.3)) == "liquid"
    assert regime_of(lattice(~discs(2, 64, 6), 0.3)) == "holes"
    assert regime_of(lattice(~discs(4, 64, 6), 0.9)) == "cells"
    assert regime_of(lattice(discs(8, 64, 3))) == "islands"


def test_the_rule_on_images_of_made_patterns_needs_no_unit():
    rng = np.random.default_rng(1)
    for film, expected in ((discs(9, 126, 4), "islands"), (~discs(6, 126, 9), "cells"), (~discs(3, 126, 9), "holes")):
        height = 3e-9 * film + 0.2e-9 * rng.standard_normal(film.shape)
        assert regime_of_image(height) == regime_of_image(1e9 * height - 4) == expected
    assert regime_of_image(rng.standard_normal((128, 128))) == "liquid"
    assert regime_of_image(np.full((32, 32), 2.0)) == "liquid"


def test_minkowski_measures_of_discs_and_their_scale():
    small, large = minkowski(discs(4, 128, 8)), minkowski(discs(4, 256, 16))
    assert small == pytest.approx(large, rel=0.05)
    area = discs(4, 128, 8).sum() / 16
    assert small[0] == pytest.approx(area / 128**2)
    assert large[1] == pytest.approx(2 * np.sqrt(np.pi), rel=0.03)
    assert small[2] == pytest.approx(16 / 17)  # sixteen discs, and the one outside counts as the hole
    assert (minkowski(np.zeros((16, 16), bool)) == 0).all()


def test_grain_of_a_wave_is_a_sixth_of_its_length():
    x = np.arange(128)
    wave = np.cos(2 * np.pi * x / 32)[None, :] + np.cos(2 * np.pi * x / 32)[:, None]
    # along each axis half of the variance varies, so the autocorrelation is (1 + cos)/2: half at a quarter wave
    assert grain(wave) == pytest.approx(8, rel=0.02)
    assert grain(np.ones((8, 8))) == 0


def test_features_see_that_quarters_differ():
    rng = np.random.default_rng(2)
    film = discs(8, 128, 5)
    half = film.copy()
    half[:, 64:] = True
    same, other = (film_features(f + 0.1 * rng.standard_normal(f.shape)) for f in (film, half))
    assert len(same) == len(FILM_FEATURES)
    spread = FILM_FEATURES.index("share_spread")
    assert same[spread] < 0.02 < 0.2 < other[spread]
    assert len(REGIMES) == 5
