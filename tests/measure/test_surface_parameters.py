"""Every formula against a surface of which the answer is known on paper, and against slow second ways of computing."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from sharptip.core.errors import ChannelError, ScanError, UnitError
from sharptip.core.scan import scan_of
from sharptip.measure import PARAMETERS, surface_parameters, surface_values
from sharptip.measure.surface_heights import functional_parameters
from sharptip.measure.surface_shape import find_hills, minkowski_numbers
from sharptip.measure.surface_spectrum import acf, direction, radial_spectrum
from sharptip.simulate.surface import self_affine

DX, DY = 2e-9, 3e-9  # metres; not square, so that a swap of the axes is seen
N = 256
Y, X = (np.arange(N) * d for d in (DY, DX))


def measured(z, level="none", unit="m"):
    return surface_parameters(z, pixel_size=(DY, DX), unit=unit, level=level).set_index("name")["value"]


def gaussian(seed, *, length=20e-9, hurst=1.0, n=N, pixel=DX, rms=3e-9):
    return self_affine(np.random.default_rng(seed), (n, n), pixel, rms=rms, correlation_length=length, hurst=hurst)[0]


def test_a_wave():
    amplitude, waves = 5e-9, 8
    k = 2 * np.pi * waves / (N * DX)
    z = amplitude * np.cos(k * X)[None, :] + np.zeros((N, 1))
    found = measured(z)
    assert found["Sa"] == pytest.approx(2 * amplitude / np.pi, rel=5e-3)
    assert found["Sq"] == pytest.approx(amplitude / np.sqrt(2), rel=1e-9)
    assert found["Ssk"] == pytest.approx(0, abs=1e-9)
    assert found["Sku"] == pytest.approx(1.5, rel=1e-9)
    assert found["Sp"] == pytest.approx(amplitude)
    assert found["Sv"] == pytest.approx(amplitude)
    assert found["Sz"] == pytest.approx(2 * amplitude)
    seen = np.sin(k * DX) / DX  # a difference over two pixels sees this instead of k
    assert found["Sdq"] == pytest.approx(amplitude * seen / np.sqrt(2), rel=0.01)
    assert found["Sdq"] == pytest.approx(amplitude * k / np.sqrt(2), rel=0.02)
    assert found["Sal"] == pytest.approx(np.arccos(0.2) / k, rel=0.03)
    assert found["Str"] < 0.1
    assert found["Std"] == pytest.approx(np.pi / 2, abs=0.02)  # ridges run along y
    assert found["Sk"] + found["Spk"] + found["Svk"] >= found["Sz"] * 0.9


@pytest.mark.parametrize("degrees", [0, 20, 45, 80, 90, 130, 170])
def test_the_ridges_run_where_they_were_drawn(degrees):
    way = np.radians(degrees)  # of the ridges; the wave is across them
    across = -np.sin(way) * X[None, :] + np.cos(way) * Y[:, None]
    found = direction(np.cos(2 * np.pi * across / 60e-9), (DY, DX))
    off = (found - way + np.pi / 2) % np.pi - np.pi / 2
    assert abs(off) < np.radians(3)


def test_a_tilted_plane():
    z = 0.3 * X[None, :] - 0.4 * Y[:, None]
    found = measured(z)
    assert found["Sdq"] == pytest.approx(0.5, rel=1e-9)
    assert found["Sdr"] == pytest.approx(np.sqrt(1.25) - 1, rel=1e-9)
    flat = measured(z, level="plane")
    assert (flat[["Sa", "Sq", "Sz", "Sk", "Sdq", "Vmp"]] == 0).all()
    assert flat[["Ssk", "Sku", "Sal", "Str", "slope_high", "edge_+0", "glcm_contrast"]].isna().all()


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_a_step(share):
    high = 2e-9
    z = np.where(np.arange(N) < share * N, high, 0.0)[None, :] + np.zeros((N, 1))
    found = measured(z)
    assert found["Sq"] == pytest.approx(high * np.sqrt(share * (1 - share)))
    assert found["Sa"] == pytest.approx(2 * high * share * (1 - share))
    assert found["Ssk"] == pytest.approx((1 - 2 * share) / np.sqrt(share * (1 - share)), abs=1e-9)
    assert found["Sku"] == pytest.approx(1 / (share * (1 - share)) - 3)
    assert found["Sz"] == pytest.approx(high)


def test_uniform_heights():
    high = 4e-9
    z = np.random.default_rng(0).permutation(np.linspace(0, high, N * N)).reshape(N, N)
    found = measured(z)
    assert found["Sq"] == pytest.approx(high / np.sqrt(12), rel=1e-4)
    assert found["Sku"] == pytest.approx(1.8, rel=1e-4)
    assert found["Sk"] == pytest.approx(high, rel=1e-3)
    assert found["Spk"] == pytest.approx(0, abs=1e-3 * high)
    assert found["Svk"] == pytest.approx(0, abs=1e-3 * high)
    assert found["Smr1"] == pytest.approx(0, abs=1e-3)
    assert found["Smr2"] == pytest.approx(1, abs=1e-3)
    for name, value in {"Vmp": 0.1**2 / 2, "Vmc": (0.8**2 - 0.1**2) / 2, "Vvc": (0.9**2 - 0.2**2) / 2,
                        "Vvv": 0.2**2 / 2}.items():  # fmt: skip
        assert found[name] == pytest.approx(value * high, rel=1e-3), name


def test_gaussian_heights():
    quantiles = ndtri((np.arange(N * N) + 0.5) / N**2)
    found = functional_parameters(quantiles)
    edge = (ndtri(0.7) - ndtri(0.3)) / 0.4 / 2  # the core of a symmetric curve ends half of Sk above the mean
    tail = 1 - ndtr(edge)
    above = np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi) - edge * tail  # mean of max(z − edge, 0)
    assert found["Sk"] == pytest.approx(2 * edge, rel=1e-3)
    assert found["Smr1"] == pytest.approx(tail, rel=1e-2)
    assert found["Smr2"] == pytest.approx(1 - tail, rel=1e-2)
    assert found["Spk"] == pytest.approx(2 * above / tail, rel=1e-2)
    assert found["Svk"] == pytest.approx(2 * above / tail, rel=1e-2)
    cut = ndtri(0.9)
    assert found["Vmp"] == pytest.approx(np.exp(-(cut**2) / 2) / np.sqrt(2 * np.pi) - cut * 0.1, rel=1e-2)


def test_volumes_are_integrals_of_the_bearing_curve():
    z = np.random.default_rng(1).gamma(2.0, size=20_000)
    found = functional_parameters(z)
    curve = np.sort(z)[::-1]
    p = (np.arange(z.size) + 0.5) / z.size
    at = np.interp([0.1, 0.8], p, curve)
    material = [np.trapezoid(np.clip(curve - c, 0, None), p) for c in at]
    void = [np.trapezoid(np.clip(c - curve, 0, None), p) for c in at]
    slow = {"Vmp": material[0], "Vmc": material[1] - material[0], "Vvc": void[0] - void[1], "Vvv": void[1]}
    assert {k: found[k] for k in slow} == pytest.approx(slow, rel=1e-2)


def test_a_gaussian_surface_of_known_autocorrelation():
    """C = σ² exp(−r²/ξ²): gradients, lags, level sets and moments follow from σ and ξ alone (mean of eight)."""
    rms, length = 3e-9, 20e-9
    tables = [surface_values(gaussian(i, length=length, rms=rms), DX, level="none") for i in range(8)]
    found = {name: np.mean([t[name] for t in tables]) for name in PARAMETERS}
    assert found["Sq"] == pytest.approx(rms, rel=0.05)
    assert found["Sku"] == pytest.approx(3, abs=0.15)
    assert found["Sdq"] == pytest.approx(2 * rms / length, rel=0.04)
    assert np.mean([t["Sal"] for t in tables]) == pytest.approx(length * np.sqrt(np.log(5)), rel=0.07)
    assert found["Str"] > 0.8
    scale = np.sqrt(2) / length  # rms slope along one axis over σ
    for level in (-1, 0, 1):
        falls = np.exp(-(level**2) / 2)
        assert found[f"area_{level:+d}"] == pytest.approx(1 - ndtr(level), abs=0.02)
        assert found[f"edge_{level:+d}"] == pytest.approx(scale / 2 * falls, rel=0.06)  # Rice's formula in the plane
        assert found[f"euler_{level:+d}"] == pytest.approx(
            (2 * np.pi) ** -1.5 * scale**2 * level * falls, abs=0.01 * scale**2
        )


@pytest.mark.parametrize("hurst", [0.4, 0.7])
def test_a_self_affine_surface_says_its_hurst_exponent(hurst):
    tables = [surface_values(gaussian(i, length=200e-9, hurst=hurst), DX, level="none") for i in range(4)]
    assert np.mean([t["Sfd"] for t in tables]) == pytest.approx(3 - hurst, abs=0.06)


def test_slopes_are_those_of_the_spectrum():
    white = np.fft.rfft2(np.random.default_rng(0).normal(size=(N, N)))
    q = np.hypot(np.fft.fftfreq(N)[:, None], np.fft.rfftfreq(N)[None, :])
    knee = np.sqrt(0.5 / N)
    shape = np.where(q < knee, 1.0, (np.maximum(q, knee) / knee) ** -3.0)
    found = surface_values(np.fft.irfft2(white * np.sqrt(shape)), DX, level="none")
    assert found["slope_low"] == pytest.approx(0, abs=0.2)
    assert found["slope_high"] == pytest.approx(-3, abs=0.1)


def test_power_sums_to_the_mean_square():
    z = gaussian(0, length=8e-9)
    q, ring = radial_spectrum(z, (DX, DX))
    assert (np.diff(q) > 0).all()
    assert q[-1] <= 0.5 / DX
    waves = 2 * np.pi * q * (q[1] - q[0]) * (N * DX) ** 2  # pixels of the spectrum in each ring
    assert (ring * waves).sum() == pytest.approx(z.var(), rel=0.1)


def test_the_autocorrelation_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(17, 20))
    z[3:5] = np.nan
    found, off = acf(z), z - np.nanmean(z)
    for dy, dx in ((0, 0), (0, 3), (2, 0), (4, -5), (-8, 10)):
        a = off[max(0, dy) : 17 + min(0, dy), max(0, dx) : 20 + min(0, dx)]
        b = off[max(0, -dy) : 17 + min(0, -dy), max(0, -dx) : 20 + min(0, -dx)]
        assert found[8 + dy, 10 + dx] == pytest.approx(np.nanmean(a * b) / np.nanmean(off**2), abs=1e-9)


def test_hills_are_counted_once_and_their_curvature_is_that_of_the_top():
    amplitude, wave = 2e-9, 64e-9
    k = 2 * np.pi / wave
    z = amplitude * np.cos(k * (X[None, :] - 20e-9)) * np.cos(k * (Y[:, None] - 20e-9))
    found = measured(z)
    assert found["Spd"] == pytest.approx(2 / wave**2, rel=0.1)  # two hills per wave², the rim cuts some
    assert found["Spc"] == pytest.approx(amplitude * k**2, rel=0.05)
    assert found["S10z"] == pytest.approx(2 * amplitude, rel=0.02)
    noise = np.random.default_rng(0).normal(0, 0.05 * amplitude, z.shape)
    assert len(find_hills(z + noise)) == len(find_hills(z))  # ripples below 5 % of Sz are no hills
    assert len(find_hills(z + noise, pruning=1e-6)) > 2 * len(find_hills(z))


def test_a_flat_topped_hill_is_one():
    z = np.zeros((40, 40))
    z[10:20, 10:20] = 1.0
    assert len(find_hills(z)) == 1


def test_a_disc_has_one_boundary_of_its_length():
    r = 100e-9
    disc = np.hypot(X[None, :] - X.mean(), Y[:, None] - Y.mean()) < r
    area, edge, euler = minkowski_numbers(disc, (DY, DX))
    whole = N * N * DX * DY
    assert area * whole == pytest.approx(np.pi * r**2, rel=0.01)
    assert edge * whole == pytest.approx(2 * np.pi * r, rel=0.02)
    assert euler * whole == pytest.approx(1, rel=0.02)
    ring = disc & ~(np.hypot(X[None, :] - X.mean(), Y[:, None] - Y.mean()) < r / 2)
    assert minkowski_numbers(ring, (DY, DX))[2] == pytest.approx(0, abs=1e-3 / whole)
    assert minkowski_numbers(~disc, (DY, DX))[2] == pytest.approx(-euler)


def test_sides_swapped_with_their_pixels_change_nothing():
    z = gaussian(3)
    here, there = measured(z), surface_parameters(z.T, pixel_size=(DX, DY), level="none").set_index("name")["value"]
    alike = [n for n in PARAMETERS if n not in ("Std", "Sfd")]  # an angle turns, Sfd looks along x alone
    assert there[alike].to_dict() == pytest.approx(here[alike].to_dict(), rel=0.02)


def test_twice_as_high():
    z = gaussian(4)
    one, two = measured(z), measured(2 * z)
    for name, p in PARAMETERS.items():
        if name != "Sdr":
            assert two[name] == pytest.approx(one[name] * (1 if p.power is None else 2), rel=1e-6), name


def test_the_table_names_units_of_any_channel():
    z = gaussian(5)
    units = surface_parameters(z, pixel_size=DX).set_index("name")["unit"]
    assert units[["Sa", "Ssk", "Sdq", "Spc", "Sal", "Std", "Spd", "Vmp"]].tolist() == [
        "m", "1", "1", "1/m", "m", "rad", "1/m^2", "m",
    ]  # fmt: skip
    scan = scan_of(z * 1e-1, DX, channel="adhesion", unit="N")
    table = surface_parameters(scan, channel="adhesion").set_index("name")
    assert table["unit"][["Sa", "Sdq", "Spc", "Vmp"]].tolist() == ["N", "N/m", "N/m^2", "N"]
    assert np.isnan(table["value"]["Sdr"])
    assert surface_parameters(z, pixel_size=DX, unit="arb").set_index("name")["unit"]["Spc"] == "arb/m^2"
    assert list(table.index) == list(PARAMETERS)


def test_lost_lines_and_pixels_change_little():
    z = gaussian(6)
    holed = z.copy()
    holed[40:44] = np.nan
    holed[np.random.default_rng(0).random(z.shape) < 0.01] = np.nan
    before = holed.copy()
    whole, found = measured(z, "plane"), measured(holed, "plane")
    assert np.array_equal(holed, before, equal_nan=True)
    for name in ("Sa", "Sq", "Sk", "Sdq", "Sal", "Sfd", "slope_low", "edge_+0", "Spd"):
        assert found[name] == pytest.approx(whole[name], rel=0.1), name


def test_what_cannot_be_measured_is_refused_by_name():
    z = gaussian(7)
    lost = z.copy()
    lost[:200] = np.nan
    for bad, says in ((lost, "missing"), (z[:10], "10 × 256"), (z[0], "two axes")):
        with pytest.raises(ScanError, match=says):
            surface_parameters(bad, pixel_size=DX)
    with pytest.raises(ScanError, match="pixel_size"):
        surface_parameters(z)
    with pytest.raises(ScanError, match="levelling"):
        surface_parameters(z, pixel_size=DX, level="sphere")
    with pytest.raises(UnitError, match="nm"):
        surface_parameters(z, pixel_size=DX, unit="nm")
    with pytest.raises(ChannelError, match="adhesion"):
        surface_parameters(scan_of(z, DX), channel="adhesion")


def test_a_constant_image_has_no_roughness_and_no_shape():
    found = measured(np.full((32, 32), 3e-9))
    assert found["Sq"] == 0
    assert found["Spd"] == 0
    assert np.isnan(found["Ssk"])
