"""Faults do what their names say; good scans have none; metals are as high and as wide as crystals are."""

import numpy as np
import pytest

from sharptip.core.history import is_simulated
from sharptip.core.scan import check
from sharptip.measure.scan_quality import FEATURES, feature_rows, indicators, scan_quality
from sharptip.simulate import metals
from sharptip.simulate.faults import FAULTS, faulty, saturated
from sharptip.simulate.stm import Tip, look


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_every_fault_gives_a_scan_the_same_for_the_same_seed(fault):
    one, two = (faulty(np.random.default_rng(3), fault is not None, fault=fault, side=96) for _ in range(2))
    check(one.scan)
    assert is_simulated(one.scan)
    assert one.faults == (() if fault is None else (fault,))
    assert one.scan.identical(two.scan)
    good = faulty(np.random.default_rng(3), False, side=96)
    assert (fault is None) == one.scan.identical(good.scan)


def test_an_unknown_fault_is_refused_by_name():
    with pytest.raises(ValueError, match="'gremlins'"):
        faulty(np.random.default_rng(0), True, fault="gremlins")


def test_saturated_heights_are_one_height():
    z = np.random.default_rng(0).standard_normal((64, 64))
    cut = saturated(np.random.default_rng(1), z)
    limit = max((cut == cut.max()).mean(), (cut == cut.min()).mean())
    assert 0.1 <= limit <= 0.41


def test_each_indicator_rises_with_its_fault():
    from sharptip.clean import plane_fit

    def median(fault, name, n=7):
        scans = [faulty(np.random.default_rng([8, i]), fault is not None, fault=fault, side=128).scan for i in range(n)]
        return np.median([indicators(z - plane_fit(z))[name] for z in (s["height"].values for s in scans)])

    for fault in ("noise", "row offsets", "jumps", "scars", "parachuting", "hum", "lost contact", "saturation"):
        assert median(fault, fault) > median(None, fault), fault


def test_quality_is_free_of_unit_and_gain():
    z = faulty(np.random.default_rng(0), False, side=96).scan["height"].values
    one, two = scan_quality(z), scan_quality(1e9 * z + 7)
    assert list(one) == list(FEATURES)
    assert np.allclose(list(one.values()), list(two.values()), atol=1e-3)
    assert feature_rows(np.stack([z, z])[:, None]).shape == (2, len(FEATURES))


def test_gold_has_its_herringbone():
    rng = np.random.default_rng(0)
    ground = metals.gold(rng, 40e-9)
    from dataclasses import replace

    straight = replace(ground, steps=None, bend=(0.0, 1.0), angle=0.0)
    n, pixel = 200, metals.HERRINGBONE / 40
    z = look(straight, Tip(blur=(2e-10, 2e-10)), np.arange(n) * pixel, np.arange(n) * pixel + np.zeros((n, 1)))
    power = np.abs(np.fft.rfft(z[:, 0] - z[:, 0].mean()))
    assert power.argmax() == 5  # 200 pixels are five periods
    assert 10e-12 < np.ptp(z) < 60e-12


def test_molecules_have_four_lobes():
    bumps = metals.molecules(np.random.default_rng(0), np.array([[3e-9, 3e-9]]))
    far = np.hypot(*(bumps.centre[:4] - 3e-9).T)
    assert np.allclose(far, metals.MOLECULE / 3.2)
    assert np.allclose(bumps.centre[:4].mean(axis=0), 3e-9)
