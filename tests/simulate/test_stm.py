"""STM pictures against closed forms: waves, bumps, twins, steps, drift, and what a tip of each state shows."""

import time
from dataclasses import replace

import numpy as np
import pytest

from sharptip.core.history import is_simulated
from sharptip.core.scan import check, pixel_size
from sharptip.simulate import hydrogen_silicon as hsi
from sharptip.simulate.stm import DECAY, Bumps, Steps, Surface, Tip, Wave, ghost_share, look

PIXEL = 0.05e-9
Y = np.arange(80) * PIXEL
X = np.arange(90) * PIXEL + np.zeros((80, 1))
BUMP = Bumps(np.array([[2e-9, 2e-9]]), np.array([1e-10]), np.array([[3e-10, 3e-10]]), np.zeros(1))


def test_a_blurred_wave_loses_what_the_closed_form_says():
    k, s = (0.7e9, 1.1e9), 0.1e-9
    surface = Surface(((Wave(k, 1e-11),), ()), Bumps.none())
    sharp, blurred = look(surface, Tip(), Y, X), look(surface, Tip(blur=(s, s)), Y, X)
    expected = 1e-11 * np.cos(2 * np.pi * (k[0] * Y[:, None] + k[1] * X))
    assert np.allclose(sharp, expected, atol=1e-16)
    assert np.allclose(blurred, expected * np.exp(-2 * np.pi**2 * s**2 * (k[0] ** 2 + k[1] ** 2)), atol=1e-16)


def test_a_blurred_bump_keeps_its_volume():
    surface = Surface(((), ()), BUMP)
    sharp, blurred = look(surface, Tip(), Y, X), look(surface, Tip(blur=(1e-10, 2e-10), angle=0.4), Y, X)
    assert blurred.max() < 0.9 * sharp.max()
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=2e-3)


@pytest.mark.parametrize("ghost", [0.15, 0.5, 1.0])
def test_the_twin_is_as_high_as_asked(ghost):
    w = ghost_share(ghost, 1e-10)
    twin = look(Surface(((), ()), BUMP), Tip(((0, 0, 1 - w), (0, 1.6e-9, w))), Y, X)
    assert twin[40, 72] / twin[40, 40] == pytest.approx(ghost, rel=1e-2)
    assert twin.min() == pytest.approx(0, abs=1e-16)  # all of the current is shared on the flat


def test_two_equal_apexes_side_by_side_are_one():
    surface = Surface(((Wave((1e9, 0.3e9), 1e-11),), ()), BUMP)
    one, two = look(surface, Tip(), Y, X), look(surface, Tip(((0, 0, 1.0), (0, 0, 1.0))), Y, X)
    assert np.allclose(one, two, atol=1e-15 / DECAY * 1e10)


def test_steps_are_as_high_and_as_far_apart_as_given_and_turn_the_rows():
    flat = Steps(1.36e-10, 2e-9, 0.0, 1e-9, np.zeros((2, 8)), 1e-9)
    surface = Surface(((Wave((0, 2e9), 1e-12),), (Wave((2e9, 0), 1e-12),)), Bumps.none(), flat)
    z = look(surface, Tip(), Y, X)
    assert z[:, 40].mean() - z[:, 0].mean() == pytest.approx(1.36e-10, rel=0.02)  # half a terrace either side
    variation = [z[:, c].std() for c in (2, 40, 78)]  # rows along x only on every second terrace
    assert variation[1] > 100 * variation[0]
    assert variation[2] < variation[1] / 100


def test_the_lattice_is_where_crystallography_says():
    ground = replace(hsi.surface(np.random.default_rng(0), 8e-9, bonds=0, defects=0, dirt=0), steps=None, angle=0.0)
    n, pixel = 200, hsi.ROW_PITCH / 20
    z = look(ground, Tip(), np.arange(n) * pixel, np.arange(n) * pixel + np.zeros((n, 1)))
    power = np.abs(np.fft.fft2(z - z.mean()))
    peaks = {divmod(int(i), n) for i in np.argsort(power, axis=None)[-14:]}
    assert {(0, 10), (20, 0), (0, 20)} <= peaks  # rows every 20 px, dimers every 10, two atoms per dimer
    assert 10e-12 < np.ptp(z) < 200e-12


@pytest.mark.parametrize("kind", hsi.STATES)
def test_every_state_gives_a_scan_and_its_truth_and_the_same_again(kind):
    drawn, again = (hsi.image(np.random.default_rng(5), kind, (64, 48)) for _ in range(2))
    check(drawn.scan)
    assert is_simulated(drawn.scan)
    assert drawn.scan.identical(again.scan)
    assert drawn.scan.sizes == {"y": 64, "x": 48}
    assert pixel_size(drawn.scan)[0] == pytest.approx(drawn.record["size"] / 48)
    assert set(drawn.attributes) == set(hsi.ATTRIBUTES)
    assert all(0 <= v <= 1 for v in drawn.attributes.values())
    assert (drawn.change is not None) == (drawn.attributes["Tip Change"] == 1)


def test_the_ladder_of_states_shows_in_the_attributes():
    quiet = hsi.Conditions(noise=0.5e-12)
    mean = {
        kind: [hsi.image(np.random.default_rng(i), kind, (64, 64), 4e-9, change=False, given=quiet).attributes
               for i in range(20)] for kind in hsi.STATES
    }  # fmt: skip
    found = {kind: {a: np.mean([v[a] for v in values]) for a in hsi.ATTRIBUTES} for kind, values in mean.items()}
    assert found["atoms"]["Individual Atoms"] > 0.4 > 0.1 > found["dimers"]["Individual Atoms"]
    assert found["dimers"]["Dimers"] > 0.8 > found["rows"]["Dimers"]
    assert found["rows"]["Rows"] > 0.5 > found["atoms"]["Rows"]
    assert found["asymmetric"]["Asymmetries"] > 0.5 > found["dimers"]["Asymmetries"]
    assert found["bad"]["Bad/Blurry"] > 0.8 > 0.2 > found["dimers"]["Bad/Blurry"]


def test_a_change_is_exactly_where_it_is_said():
    still = hsi.Conditions(noise=0, line=0, tilt=0, drift=0, lag=(1, 1))
    one = hsi.image(np.random.default_rng(3), "dimers", (64, 64), 4e-9, change=False, given=still).scan["height"].values
    two = hsi.image(np.random.default_rng(3), "dimers", (64, 64), 4e-9, change=40, given=still)
    assert two.change == 40
    lines = np.abs(two.scan["height"].values - one).max(axis=1) > 1e-13
    assert not lines[:40].any()
    assert lines[40:].all()


def test_fast_enough_to_train_on():
    start = time.process_time()
    for i in range(20):
        hsi.image(np.random.default_rng(i), shape=(128, 128))
    assert (time.process_time() - start) / 20 < 0.04  # about 8 ms on one core


def test_a_name_that_is_no_state_is_refused_by_name():
    with pytest.raises(ValueError, match="'pointy'"):
        hsi.tip(np.random.default_rng(0), "pointy")
