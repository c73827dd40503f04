"""Does the simulated blend obey what is known of Cahn and Hilliard's equation on paper?"""

import numpy as np
import pytest

from sharptip.measure.surface_shape import minkowski_numbers
from sharptip.simulate.cahn_hilliard import blend, cahn_hilliard, domain_size, free_energy, phase_image
from sharptip.simulate.scanner import QUIET


def melt(seed, n=64, mean=0.0):
    return mean + 0.05 * np.random.default_rng(seed).standard_normal((n, n))


@pytest.mark.parametrize("step", [0.1, 1.0, 20.0])
def test_matter_is_conserved_and_energy_never_rises(step):
    phi = melt(0, mean=0.2)
    mean, energy = phi.mean(), [free_energy(phi)]
    for _ in range(60):
        phi = cahn_hilliard(phi, step, step=step)
        energy.append(free_energy(phi))
    assert phi.mean() == pytest.approx(mean, abs=1e-12)
    assert (np.diff(energy) < 1e-12).all()
    assert energy[-1] < energy[0]


@pytest.mark.parametrize(("waves", "mean"), [(2, 0.0), (6, 0.0), (10, 0.0), (14, 0.0), (6, 0.4)])
def test_a_small_wave_grows_as_linear_theory_says(waves, mean):
    n, kappa, time = 64, 0.5, 2.0
    k = 2 * np.pi * waves / n
    phi = mean + 1e-6 * np.cos(k * np.arange(n))[None, :] + np.zeros((n, 1))
    after = cahn_hilliard(phi, time, step=1e-3, kappa=kappa)
    grown = np.log((after - mean)[0, 0] / 1e-6) / time
    assert grown == pytest.approx(k**2 * (1 - 3 * mean**2 - kappa * k**2), rel=0.02)


def test_an_interface_is_a_hyperbolic_tangent():
    n, kappa = 128, 4.0
    x = np.arange(n) - n / 2
    phi = np.where(np.abs(x) < n / 4, 1.0, -1.0)[None, :] + np.zeros((8, 1))
    after = cahn_hilliard(phi, 400.0, step=0.1, kappa=kappa)[0]
    wanted = np.tanh((n / 4 - 0.5 - np.abs(x)) / np.sqrt(2 * kappa))  # edges lie between pixels
    assert np.abs(after - wanted).max() < 0.02


def test_domains_coarsen_as_the_cube_root_of_time():
    """The length of interface, which is what energy is left in, falls as t^(−1/3) (Lifshitz, Slyozov, Wagner).

    The size from the spectrum is a constant plus that law, the constant being about the interface's width.
    """
    times = np.array([200.0, 400.0, 800.0, 1600.0])
    energy, size = np.zeros(4), np.zeros(4)
    for seed in range(2):
        phi, spent = melt(seed, 160).astype(np.float32), 0.0
        for i, time in enumerate(times):
            phi, spent = cahn_hilliard(phi, time - spent, step=0.5), time
            energy[i] += free_energy(phi)
            size[i] += domain_size(phi) / 2
    assert np.polyfit(np.log(times), np.log(energy), 1)[0] == pytest.approx(-1 / 3, abs=0.035)
    slope, offset = np.polyfit(times ** (1 / 3), size, 1)
    assert 0 < offset < 5
    assert np.abs(size - offset - slope * times ** (1 / 3)).max() < 0.03 * size.max()


@pytest.mark.parametrize("size", [9.0, 25.0])
@pytest.mark.parametrize("composition", [0.0, 0.3])
def test_a_blend_has_the_composition_and_the_domains_that_were_asked_for(size, composition):
    found = [blend(np.random.default_rng(i), (192, 192), composition=composition, size=size)[0] for i in range(2)]
    assert np.mean([f.mean() for f in found]) == pytest.approx(composition, abs=0.1)
    assert np.mean([domain_size(f - f.mean()) for f in found]) == pytest.approx(size, rel=0.25)
    again = blend(np.random.default_rng(0), (192, 192), composition=composition, size=size)[0]
    assert np.array_equal(again, found[0])


def test_the_rarer_phase_makes_droplets():
    woven, drops = (blend(np.random.default_rng(1), (128, 128), composition=c, size=12.0)[0] < 0 for c in (0.0, 0.35))
    euler = [minkowski_numbers(mask, (1.0, 1.0))[2] * 144 for mask in (woven, drops)]  # pieces per domain
    assert abs(euler[0]) < 0.3
    assert euler[1] > 0.5


def test_the_phase_has_the_contrast_and_the_height_shows_in_it():
    phi = blend(np.random.default_rng(0), (96, 96), composition=0.0, size=16.0)[0]
    quiet = {"settings": QUIET, "contrast": np.radians(20)}
    images, record = phase_image(np.random.default_rng(0), phi, 5e-9, crosstalk=0.0, **quiet)
    levels = images["phase"][phi < -0.8].mean(), images["phase"][phi > 0.8].mean()
    assert abs(levels[1] - levels[0]) == pytest.approx(np.radians(20), rel=0.06)
    assert np.sign(levels[1] - levels[0]) == record["sign"]
    crossed, _ = phase_image(np.random.default_rng(0), phi, 5e-9, crosstalk=0.1, **quiet)
    added = crossed["phase"] - images["phase"]
    assert added.std() == pytest.approx(0.1 * np.radians(20), rel=1e-6)
    assert np.corrcoef(added.ravel(), np.gradient(images["height"], axis=1).ravel())[0, 1] > 0.999
