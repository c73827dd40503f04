"""Surfaces against their closed forms: heights, correlation, spectrum, persistence."""

import json

import numpy as np
import pytest
from scipy import fft, stats

from sharptip.simulate import surface

SHAPE, PIXEL = (512, 512), 2e-9


def autocovariance(z):
    return fft.irfft2(np.abs(fft.rfft2(z - z.mean())) ** 2, s=z.shape) / z.size


def mean_covariance(draws, **options):
    rng = np.random.default_rng(0)
    return np.mean(
        [autocovariance(surface.self_affine(rng, SHAPE, PIXEL, rms=3e-9, **options)[0]) for _ in range(draws)], axis=0
    )


@pytest.mark.parametrize("hurst", [0.4, 0.7, 1.0])
def test_rms_and_correlation_length_are_those_asked_for(hurst):
    covariance = mean_covariance(12, correlation_length=20e-9, hurst=hurst)
    assert np.sqrt(covariance[0, 0]) == pytest.approx(3e-9, rel=0.02)
    for profile in (covariance[0, :100], covariance[:100, 0]):
        expected = covariance[0, 0] * np.exp(-((np.arange(100) * PIXEL / 20e-9) ** (2 * hurst)))
        assert np.abs(profile - expected).max() < 0.05 * covariance[0, 0]
        crossing = np.interp(-np.exp(-1), -profile / profile[0], np.arange(100) * PIXEL)
        assert crossing == pytest.approx(20e-9, rel=0.06)


def test_anisotropy_is_the_ratio_of_correlation_lengths():
    covariance = mean_covariance(12, correlation_length=16e-9, hurst=0.8, anisotropy=2.5)
    along = [
        np.interp(-np.exp(-1), -c / c[0], np.arange(150) * PIXEL) for c in (covariance[:150, 0], covariance[0, :150])
    ]
    assert along[0] / along[1] == pytest.approx(2.5, rel=0.08)


@pytest.mark.parametrize("hurst", [0.3, 0.6, 0.9])
def test_spectrum_falls_with_the_slope_of_its_hurst_exponent(hurst):
    z, _ = surface.self_affine(
        np.random.default_rng(1), (1024, 1024), PIXEL, rms=1e-9, correlation_length=200e-9, hurst=hurst
    )
    power = np.abs(fft.fft2(z)) ** 2
    f = np.hypot(*np.meshgrid(fft.fftfreq(1024), fft.fftfreq(1024), indexing="ij"))
    band = (f > 0.03) & (f < 0.12)  # well above 1/(2πξ), well below Nyquist, where the pixels fold it back
    bins = np.geomspace(0.03, 0.12, 12)
    which = np.digitize(f[band], bins)
    radial = np.array([power[band][which == k].mean() for k in range(1, 12)])
    slope = stats.linregress(np.log(np.sqrt(bins[1:] * bins[:-1])), np.log(radial)).slope
    assert slope == pytest.approx(-2 - 2 * hurst, abs=0.15)


def test_correlation_as_long_as_the_image_puts_no_noise_on_lines():
    z, _ = surface.self_affine(
        np.random.default_rng(2), (120, 160), 1e-9, rms=1e-9, correlation_length=40e-9, hurst=1.0
    )
    assert np.abs(np.diff(z, n=4, axis=0)).max() < 1e-3 * z.std()


def test_skewed_heights_keep_mean_rms_and_spectrum():
    z, _ = surface.self_affine(np.random.default_rng(3), (256, 256), PIXEL, rms=2e-9, correlation_length=16e-9)
    for skew, tail in ((0.8, 1.0), (0.0, 0.7)):
        out = surface.non_gaussian(z, skew=skew, tail=tail)
        h = (z - z.mean()) / z.std()
        wanted = np.sinh((np.arcsinh(h) + skew) / tail)
        wanted = np.sort((wanted - wanted.mean()) / wanted.std(), axis=None)
        np.testing.assert_allclose(np.sort(out, axis=None), z.mean() + z.std() * wanted, atol=1e-17)
        assert stats.skew(out.ravel()) > 0.3 if skew else stats.kurtosis(out.ravel()) > 0.5
        assert out.mean() == pytest.approx(z.mean(), abs=1e-12)
        assert out.std() == pytest.approx(z.std(), rel=1e-9)
        apart = autocovariance(out)[:30, :30] - autocovariance(z)[:30, :30]
        assert np.abs(apart).max() < 0.05 * z.var()
    same = surface.non_gaussian(z, rounds=0)
    np.testing.assert_allclose(same, z, rtol=1e-9, atol=1e-20)


def test_random_adsorption_keeps_its_distance_and_is_the_one_of_one_by_one():
    points = np.random.default_rng(4).random((600, 2))
    kept = surface.separate(points, 0.05)
    slow = []
    for p in points:
        if all(np.hypot(*(p - q)) > 0.05 for q in slow):
            slow.append(p)
    np.testing.assert_array_equal(points[kept], np.array(slow))


def test_particles_are_spheres_that_rest_on_the_plane():
    height, record = surface.particles(
        np.random.default_rng(5), (200, 300), 1e-9, number=12, radius=10e-9, spread=0.2, spacing=40e-9
    )
    json.dumps(record)
    assert len(record["radii"]) == 12
    inside = [i for i, c in enumerate(record["centres"]) if 0 <= round(c[0] / 1e-9) < 200 and round(c[1] / 1e-9) < 300]
    for i in inside:
        (y, x), r = record["centres"][i], record["radii"][i]
        row, column = min(round(y / 1e-9), 199), min(round(x / 1e-9), 299)
        away2 = (row * 1e-9 - y) ** 2 + (column * 1e-9 - x) ** 2
        assert height[row, column] == pytest.approx(r + np.sqrt(r**2 - away2))
    whole = sum(np.pi * r**2 for r in record["radii"]) / 1e-18
    assert (height > 0).sum() <= 1.03 * whole
    assert surface.particles(np.random.default_rng(5), (5, 5), 1e-9, number=0, radius=1e-9)[0].max() == 0


def test_terraces_and_gratings_have_their_heights_and_periods():
    steps = surface.terraces((10, 400), 1e-9, step_height=0.3e-9, width=50e-9)
    np.testing.assert_allclose(np.unique(steps), np.arange(8) * 0.3e-9)
    assert (np.diff(steps[0]) > 0).nonzero()[0].tolist() == list(range(49, 399, 50))
    ruled = surface.grating((400, 10), 1e-9, pitch=40e-9, height=5e-9, duty=0.25, angle=np.pi / 2)
    assert ruled.mean() == pytest.approx(5e-9 * 0.25)
    np.testing.assert_allclose(ruled[:360], ruled[40:])


def test_a_chain_forgets_its_direction_over_twice_the_persistence_length():
    rng = np.random.default_rng(6)
    ds, length = 1e-9, 50e-9
    chains = [
        surface.worm_like_chain(rng, length=200e-9, persistence_length=length, step=ds, start=(0.0, 0.0))
        for _ in range(1500)
    ]
    tangent = np.diff(np.array(chains), axis=1) / ds
    np.testing.assert_allclose(np.linalg.norm(tangent, axis=2), 1)
    for s in (20, 50, 100):
        cosine = (tangent[:, s:] * tangent[:, :-s]).sum(axis=2).mean()
        assert cosine == pytest.approx(np.exp(-s * ds / (2 * length)), abs=0.03)


def test_fibres_are_as_high_as_they_are_thick():
    height, record = surface.fibres(
        np.random.default_rng(7), (128, 128), 1e-9, number=3, length=150e-9, persistence_length=60e-9, radius=2e-9
    )
    json.dumps(record)
    assert len(record["chains"]) == 3
    assert 0.95 * 4e-9 < height.max() <= 4e-9
