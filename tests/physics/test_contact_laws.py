"""The laws of contact against each other's limits, their own derivatives, and what they refuse."""

import numpy as np
import pytest

from sharptip.physics.contact import LAWS, Tip

DEPTH = np.geomspace(1e-11, 3e-6, 200)  # metres
TIP = Tip(radius=1e-6, half_angle=0.6)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_stiffness_is_the_derivative_of_the_force(law):
    step = DEPTH * 1e-4
    slope = (law.force(DEPTH + step, 1e3, TIP) - law.force(DEPTH - step, 1e3, TIP)) / (2 * step)
    assert slope == pytest.approx(law.stiffness(DEPTH, 1e3, TIP), rel=1e-6)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_out_of_contact_there_is_no_force(law):
    away = np.array([-1e-6, -1e-12, 0.0])
    assert (law.force(away, 1e3, TIP) == 0).all()
    assert (law.stiffness(away, 1e3, TIP) == 0).all()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_modulus_comes_back(law):
    assert law.modulus(DEPTH, law.force(DEPTH, 2.5e3, TIP), TIP) == pytest.approx(2.5e3, rel=1e-9)
    assert np.isnan(law.modulus(-1e-9, 1e-9, TIP))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_says_what_it_lacks(law):
    empty = Tip()
    assert law.missing(empty) == law.needs
    assert law.needs[0] in law.valid(1e-9, empty)
    with pytest.raises(ValueError, match=f"needs {law.needs[0]}"):
        law.force(1e-9, 1e3, empty)


def test_known_numbers():
    # 4/3 · 1 kPa / 0.75 · √5 µm · (0.5 µm)^1.5, and 2/π · 1 kPa / 0.75 · tan 35° · (0.5 µm)², by hand
    assert LAWS["paraboloid"].force(0.5e-6, 1e3, Tip(radius=5e-6)) == pytest.approx(1.40546e-9, rel=1e-5)
    assert LAWS["cone"].force(0.5e-6, 1e3, Tip(half_angle=np.radians(35))) == pytest.approx(1.48588e-10, rel=1e-5)


def test_a_sphere_is_a_paraboloid_at_first_and_softer_later():
    depth = 1e-6 * np.array([1e-6, 1e-3, 0.5])
    ratio = LAWS["sphere"].force(depth, 1.0, TIP) / LAWS["paraboloid"].force(depth, 1.0, TIP)
    assert ratio == pytest.approx([1, 1 - 1e-4, 0.9498], abs=1e-4)
    assert LAWS["paraboloid"].valid(0.4e-6, TIP) == ""
    assert "use the law sphere" in LAWS["paraboloid"].valid(0.6e-6, TIP)
    assert "hemisphere" in LAWS["sphere"].valid(1.2e-6, TIP)


def test_the_exact_sphere_solves_its_two_equations():
    contact = np.linspace(0.01, 0.999, 50) * 1e-6
    log = np.log((1e-6 + contact) / (1e-6 - contact))
    force = 1e3 / 0.75 * ((1e-12 + contact**2) / 2 * log - contact * 1e-6)
    assert LAWS["sphere"].force(contact / 2 * log, 1e3, TIP) == pytest.approx(force, rel=1e-9)


def test_curves_broadcast_against_samples():
    many = Tip(radius=np.array([[1e-6], [4e-6]]))
    force = LAWS["paraboloid"].force(np.array([1e-7, 2e-7, 3e-7]), np.array([[1e3], [2e3]]), many)
    assert force.shape == (2, 3)
    assert force[1] == pytest.approx(4 * force[0])


@pytest.mark.parametrize("wrong", [Tip(radius=-1e-6), Tip(radius=1e-6, poisson=0.7), Tip(radius=float("nan"))])
def test_impossible_tips_are_refused(wrong):
    with pytest.raises(ValueError, match="lies between"):
        LAWS["paraboloid"].force(1e-9, 1e3, wrong)


def test_a_blunt_tip_is_no_cone_as_long_as_it_hardly_indents():
    blunt = Tip(radius=30e-9, half_angle=0.68)
    assert "blunted" in LAWS["cone"].valid(50e-9, blunt)
    assert LAWS["cone"].valid(500e-9, blunt) == ""
    assert LAWS["cone"].valid(50e-9, Tip(half_angle=0.68)) == ""
