"""Power-law rheology through Ting against closed forms for triangular indentation."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta as euler_beta

from sharptip.physics.contact import LAWS, Tip, ting
from sharptip.physics.contact.ting import relaxation

TIP = Tip(radius=1e-6, half_angle=0.6)
SPEED = 1e-6  # m/s


def triangle(n=301):
    time = np.linspace(0, 2, 2 * n - 1)
    return time, SPEED * np.minimum(time, 2 - time)


@pytest.mark.parametrize("name", ["paraboloid", "cone", "sphere"])
def test_a_solid_is_elastic_on_both_ways(name):
    time, depth = triangle()
    elastic = LAWS[name].force(depth, 1.0, TIP)
    assert ting(time, depth, 0.0, LAWS[name], TIP) == pytest.approx(elastic, abs=1e-4 * elastic.max())


@pytest.mark.parametrize("fluidity", [0.05, 0.2, 0.4])
def test_the_approach_has_its_closed_form(fluidity):
    time, depth = triangle()
    law, n = LAWS["paraboloid"], 1.5
    unit = law.force(1.0, 1.0, TIP) * SPEED**n
    closed = unit * n * euler_beta(n, 1 - fluidity) * time ** (n - fluidity)
    up = slice(20, 301)
    assert ting(time, depth, fluidity, law, TIP)[up] == pytest.approx(closed[up], rel=5e-3)


@pytest.mark.parametrize("fluidity", [0.05, 0.2, 0.4])
def test_the_retract_forgets_what_it_should(fluidity):
    time, depth = triangle()
    law = LAWS["cone"]
    unit = law.force(1.0, 1.0, TIP) * SPEED**2
    found = ting(time, depth, fluidity, law, TIP)
    for t in (1.1, 1.3):  # constant speed: t₁ = t − 2^(1/(1−β)) (t − 1)
        first = t - 2 ** (1 / (1 - fluidity)) * (t - 1)
        closed = unit * quad(lambda q, t=t: 2 * q * (t - q) ** -fluidity, 0, first)[0] if first > 0 else 0.0
        assert np.interp(t, time, found) == pytest.approx(closed, rel=2e-3, abs=1e-3 * found.max())
    assert found[time > 1 + 1 / (2 ** (1 / (1 - fluidity)) - 1) + 0.02].max(initial=0) == 0  # contact was lost


def test_a_liquid_is_below_a_solid_on_the_way_back_and_rests_while_paused():
    time = np.linspace(0, 3, 601)
    depth = SPEED * np.clip(np.minimum(time, 3 - time), 0, 1)
    found = ting(time, depth, 0.3, LAWS["cone"], TIP)
    pause = found[(time > 1.02) & (time < 1.98)]
    assert (np.diff(pause) < 0).all()
    assert pause[-1] > 0.3 * pause[0]
    assert relaxation(2.0, 1e3, 0.5) == pytest.approx(1e3 / 2**0.5)


def test_what_ting_refuses():
    time, depth = triangle(20)
    with pytest.raises(ValueError, match="fluidity"):
        ting(time, depth, 1.0, LAWS["cone"], TIP)
    with pytest.raises(ValueError, match="times do not rise"):
        ting(time[::-1], depth, 0.1, LAWS["cone"], TIP)
