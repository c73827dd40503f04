"""The laws of contact against each other's limits, their own derivatives, and what they refuse."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from tests.physics.layer_exact import exact

from sharptip.physics.contact import LAWS, Tip

DEPTH = np.geomspace(1e-11, 3e-6, 200)  # metres
TIP = Tip(radius=1e-6, half_angle=0.6, thickness=4e-6, work=1e-3)
PROPORTIONAL = [law for law in LAWS.values() if law.proportional]
each_proportional = pytest.mark.parametrize("law", PROPORTIONAL, ids=[law.name for law in PROPORTIONAL])


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_stiffness_is_the_derivative_of_the_force(law):
    step = DEPTH * 1e-4
    slope = (law.force(DEPTH + step, 1e3, TIP) - law.force(DEPTH - step, 1e3, TIP)) / (2 * step)
    assert slope == pytest.approx(law.stiffness(DEPTH, 1e3, TIP), rel=1e-4)


@each_proportional
def test_out_of_contact_there_is_no_force(law):
    away = np.array([-1e-6, -1e-12, 0.0])
    assert (law.force(away, 1e3, TIP) == 0).all()
    assert (law.stiffness(away, 1e3, TIP) == 0).all()


@each_proportional
def test_the_modulus_comes_back(law):
    assert law.modulus(DEPTH, law.force(DEPTH, 2.5e3, TIP), TIP) == pytest.approx(2.5e3, rel=1e-9)
    assert np.isnan(law.modulus(-1e-9, 1e-9, TIP))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_says_what_it_lacks(law):
    empty = Tip()
    assert law.missing(empty) == law.needs
    assert law.needs[0] in law.valid(1e-9, empty)
    with pytest.raises(ValueError, match="this law needs"):
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


@pytest.mark.parametrize(("name", "steepness"), [("blunted_cone", 1.0), ("blunted_pyramid", 2 * 2**0.5 / np.pi)])
@pytest.mark.parametrize("angle", [0.3, 0.68, 1.2])
def test_a_blunted_tip_solves_sneddon_s_integrals(name, steepness, angle):
    radius, c = 30e-9, steepness / np.tan(angle)
    b = radius * min(np.cos(angle), c)
    for a in b * np.array([1.05, 2, 20]):  # f′(r) = r/R to b, c beyond; r = a sin t takes the root away

        def slope(t, power, a=a):
            r = a * np.sin(t)
            return np.sin(t) ** power * (r / radius if r <= b else c)

        kink = [np.arcsin(b / a)]
        depth = a * quad(slope, 0, np.pi / 2, args=(0,), points=kink)[0]
        force = 2 / 0.75 * a**2 * quad(slope, 0, np.pi / 2, args=(2,), points=kink)[0]
        assert LAWS[name].force(depth, 1.0, Tip(radius=radius, half_angle=angle)) == pytest.approx(force, rel=1e-6)


def test_blunted_tips_are_paraboloids_at_first_and_sharp_at_last():
    tip = Tip(radius=30e-9, half_angle=0.68)
    assert LAWS["blunted_cone"].force(10e-9, 1.0, tip) == pytest.approx(LAWS["paraboloid"].force(10e-9, 1.0, tip))
    for blunt, sharp in (("blunted_cone", "cone"), ("blunted_pyramid", "pyramid")):
        assert LAWS[blunt].force(1e-3, 1.0, tip) == pytest.approx(LAWS[sharp].force(1e-3, 1.0, tip), rel=1e-4)
    assert "transition" in LAWS["blunted_cone"].valid(1e-6, Tip(radius=30e-9, half_angle=1.2, transition=25e-9))


@pytest.mark.parametrize("name", ["layer_bonded", "layer_free", "layer_paraboloid", "layer_cone"])
def test_a_thick_layer_is_a_half_space(name):
    plain = "cone" if name == "layer_cone" else "paraboloid"
    tip = Tip(radius=1e-6, half_angle=0.6, thickness=1.0)
    assert LAWS[name].force(DEPTH, 1e3, tip) == pytest.approx(LAWS[plain].force(DEPTH, 1e3, tip), rel=1e-5)


def test_the_general_polynomial_has_the_published_factors_at_one_half():
    tip, chi = Tip(radius=1.0, thickness=1.0), np.array([0.1, 0.3, 0.6])
    printed = 1 + 1.133 * chi + 1.283 * chi**2 + 0.769 * chi**3 + 0.0975 * chi**4
    free = 1 + 0.884 * chi + 0.781 * chi**2 + 0.386 * chi**3 + 0.0048 * chi**4
    plain = LAWS["paraboloid"].force(chi**2, 1.0, tip)
    assert LAWS["layer_bonded"].force(chi**2, 1.0, tip) / plain == pytest.approx(printed, rel=1e-3)
    assert LAWS["layer_free"].force(chi**2, 1.0, tip) / plain == pytest.approx(free, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "contact", "error"),
    [
        ("layer_paraboloid", 0.4, 0.003),
        ("layer_paraboloid", 0.8, 0.025),
        ("layer_cone", 0.4, 0.003),
        ("layer_bonded", 0.1, 0.003),
        ("layer_bonded", 0.4, 0.04),
        ("layer_free", 0.2, 0.03),
    ],
)
def test_layers_against_an_exact_solution(name, contact, error):
    shape = "cone" if name == "layer_cone" else "paraboloid"
    depth, force = exact(contact, shape, bonded=name != "layer_free")
    tip = Tip(radius=1.0, half_angle=np.pi / 4, thickness=1 / contact)
    assert LAWS[name].force(depth, 0.75, tip) == pytest.approx(force, rel=error)
    if error > 0.01:  # and no better than said
        assert LAWS[name].force(depth, 0.75, tip) != pytest.approx(force, rel=error / 2)


def test_the_exact_layer_is_exact_where_it_is_known():
    assert exact(1e-6, "paraboloid") == pytest.approx((1.0, 4 / 3), rel=1e-5)
    assert exact(1e-6, "cone") == pytest.approx((np.pi / 2, np.pi / 2), rel=1e-5)


def test_a_layer_is_doubted_when_it_is_thin_or_compressible():
    assert "layers wide" in LAWS["layer_bonded"].valid(0.4e-6, Tip(radius=1e-6, thickness=1e-6))
    assert "Poisson" in LAWS["layer_paraboloid"].valid(1e-8, Tip(radius=1e-6, thickness=1e-6, poisson=0.3))
    assert LAWS["layer_bonded"].valid(1e-8, Tip(radius=1e-6, thickness=1e-6, poisson=0.3)) == ""


def test_pull_off_forces():
    depth = np.linspace(-3e-6, 1e-6, 200001)
    assert LAWS["jkr"].force(depth, 1e3, TIP).min() == pytest.approx(-1.5 * np.pi * 1e-3 * 1e-6, rel=1e-6)
    assert LAWS["dmt"].force(depth, 1e3, TIP).min() == pytest.approx(-2 * np.pi * 1e-3 * 1e-6, rel=1e-6)


def test_jkr_solves_its_two_equations_and_lets_go_where_the_neck_breaks():
    unit, radius, work = 1e3 / 0.75, 1e-6, 1e-3
    touch = (2 * np.pi * work * radius**2 / unit) ** (1 / 3)
    a = touch * np.array([0.4, 1.0, 3.0])
    depth = a**2 / radius - np.sqrt(2 * np.pi * work * a / unit)
    force = 4 / 3 * unit * a**3 / radius - np.sqrt(8 * np.pi * work * a**3 * unit)
    assert LAWS["jkr"].force(depth, 1e3, TIP) == pytest.approx(force, rel=1e-6)
    neck = -0.4725 * touch**2 / radius
    assert LAWS["jkr"].force(neck * 1.01, 1e3, TIP) == 0
    assert LAWS["jkr"].force(neck * 0.99, 1e3, TIP) < 0


@pytest.mark.parametrize("name", ["jkr", "dmt"])
def test_without_adhesion_there_is_hertz(name):
    tip = Tip(radius=1e-6, work=1e-13)
    plain = LAWS["paraboloid"].force(DEPTH[50:], 1e3, tip)
    assert LAWS[name].force(DEPTH[50:], 1e3, tip) == pytest.approx(plain, rel=1e-2)
    with pytest.raises(ValueError, match="not proportional"):
        LAWS[name].modulus(1e-7, 1e-9, tip)


def test_every_law_speaks():
    for name, law in LAWS.items():
        assert law.name == name
        assert all((law.equation, law.assumptions, law.validity, law.source, law.needs))


def test_the_page_lists_every_law():
    page = (Path(__file__).resolve().parents[2] / "docs" / "contact.md").read_text(encoding="utf-8")
    for name, law in LAWS.items():
        assert f"| `{name}` | {law.equation.replace('|', '&#124;')} |" in page
        assert law.source in page
