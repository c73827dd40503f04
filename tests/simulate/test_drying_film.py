"""A scan of a film against the lattice it was made of."""

import numpy as np
import pytest

from sharptip.core.errors import ScanError
from sharptip.core.history import is_simulated
from sharptip.core.scan import check, pixel_size
from sharptip.simulate.drying_film import CHEMICAL_POTENTIAL, WIDTH, boundary, draw_gas, scan_film
from sharptip.simulate.scanner import QUIET


def stripes(period: int = 16, size: int = 64) -> np.ndarray:
    """A lattice of particles on one half of each period and bare substrate on the other."""
    return np.where(np.arange(size) % period < period // 2, 2, 0)[None, :].repeat(size, 0).astype(np.uint8)


def test_a_quiet_scan_shows_the_lattice_at_its_own_heights():
    film = scan_film(np.random.default_rng(0), [stripes()], shape=(96, 96), settings=QUIET)
    height = film.scan.height.values
    low, high = np.percentile(height, [10, 90])
    assert high - low == pytest.approx(film.record["particle_height"], rel=0.3)
    assert (height > (low + high) / 2).mean() == pytest.approx(0.5, abs=0.12)  # a tip widens, the lattice is half full


def test_the_pattern_has_the_length_that_the_record_says():
    """The strongest wave of the stripes is 16 sites long, whatever the width of the scan in metres."""
    for seed in range(3):
        film = scan_film(np.random.default_rng(seed), [stripes()], shape=(128, 128), settings=QUIET)
        height = film.scan.height.values
        power = np.abs(np.fft.fft2((height - height.mean()) * np.outer(np.hanning(128), np.hanning(128)))) ** 2
        y, x = np.unravel_index(power[:, :64].argmax(), (128, 64))
        waves = np.hypot(min(y, 128 - y), x)
        assert waves == pytest.approx(128 * film.record["sites_per_pixel"] / 16, abs=0.8)


def test_a_scan_keeps_its_promises_and_says_that_it_is_simulated():
    film = scan_film(np.random.default_rng(1), [stripes()])
    check(film.scan)
    assert is_simulated(film.scan)
    assert WIDTH[0] <= 128 * pixel_size(film.scan)[1] <= WIDTH[1] * 1.01
    assert (film.side == 0).all()


def test_two_films_meet_along_a_boundary():
    bare, full = np.zeros((64, 64), np.uint8), np.full((64, 64), 2, np.uint8)
    for seed in range(4):
        film = scan_film(np.random.default_rng(seed), [bare, full], settings=QUIET)
        assert 0.2 < film.side.mean() < 0.8
        assert np.corrcoef(film.side.ravel(), film.scan.height.values.ravel())[0, 1] > 0.9
    assert (np.abs(np.diff(boundary(np.random.default_rng(0), (128, 128)), axis=1)) < 0.5).all()  # it fades


def test_same_generator_same_scan():
    one, two = (scan_film(np.random.default_rng(3), [stripes()]).scan for _ in range(2))
    assert one.identical(two)


def test_gases_are_drawn_where_their_regime_is_found():
    rng = np.random.default_rng(4)
    for regime, (low, high) in CHEMICAL_POTENTIAL.items():
        gas, sweeps = draw_gas(rng, regime)
        assert low <= gas.mu <= high
        assert sweeps >= 40
    with pytest.raises(ScanError, match="plasma"):
        draw_gas(rng, "plasma")
    with pytest.raises(ScanError, match="3 were given"):
        scan_film(rng, [stripes()] * 3)
