"""Simulated patients: what differs between them is what was asked for, and nothing else."""

from __future__ import annotations

import numpy as np

from sharptip.core.scan import check
from sharptip.measure.approach import approach_of
from sharptip.simulate.patients import Clinic, patient


def several(sick: bool, n: int = 30, **about):
    return [
        patient(np.random.default_rng([7, i, sick]), sick, cells=3, curves=4, clinic=Clinic(**about)) for i in range(n)
    ]


def test_classes_differ_in_their_coat_and_not_in_their_modulus():
    means = {}
    for sick in (False, True):
        drawn = several(sick)
        for name in ("brush_length", "modulus"):
            means[name, sick] = np.mean([np.log(p.record[name]).mean() for p in drawn])
    assert abs(means["brush_length", True] - means["brush_length", False] - np.log(0.75 / 0.45)) < 0.15
    assert abs(means["modulus", True] - means["modulus", False]) < 0.25


def test_patients_cells_and_curves_vary_as_asked():
    length = np.array([np.log(p.record["brush_length"]).reshape(3, 4) for p in several(True, 200)])
    within = length.var(axis=2, ddof=1).mean()
    cells = length.mean(axis=2).var(axis=1, ddof=1).mean() - within / 4
    outer = length.mean(axis=(1, 2)).var(ddof=1) - cells / 3 - within / 12
    for found, asked in ((within, 0.3), (cells, 0.2), (outer, 0.15)):
        assert abs(np.sqrt(max(found, 0)) - asked) < 0.05


def test_the_same_seed_draws_the_same_and_it_is_a_scan_of_approaches():
    one, two = (patient(np.random.default_rng(3), True) for _ in range(2))
    assert one.scan.identical(two.scan) or np.array_equal(one.scan["height"], two.scan["height"])
    check(one.scan)
    assert not any(approach_of(one.scan).faults)
    assert set(one.truth["sick"]) == {1.0}
    assert len(set(one.truth["cell"])) == 5


def test_without_a_coat_a_curve_is_hertz():
    a = approach_of(several(False, 1, healthy=1e-12, noise=0.0, tilt=0.0)[0].scan)
    force = a.force[0] - a.force[0, 0]
    depth = a.position[0, force <= 0][-1] - a.position[0]
    deep = force > 0.1 * force.max()
    assert abs(np.polyfit(np.log(depth[deep]), np.log(force[deep]), 1)[0] - 1.5) < 0.05
