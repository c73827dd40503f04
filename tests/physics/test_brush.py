"""The law of a brush: its inverse, its decay, its proportions."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.physics.brush import brush_force, brush_gap

L, N, R = 500e-9, 1e15, 2.5e-6


def test_the_gap_undoes_the_force():
    gap = np.linspace(0.05, 0.95, 7) * L
    assert brush_gap(brush_force(gap, L, N, R), L, N, R) == pytest.approx(gap, rel=1e-9)


def test_a_force_beyond_its_own_presses_it_flat_and_none_leaves_it_alone():
    assert brush_gap(np.array([1.0, 0.0]), L, N, R) == pytest.approx([0.0, L])


def test_proportions():
    assert brush_force(np.array(0.5 * L), L, 4 * N, R) == pytest.approx(8 * brush_force(np.array(0.5 * L), L, N, R))
    per_length = np.log(brush_force(np.array([0.0, L]), L, N, R))
    assert per_length[0] - per_length[1] == pytest.approx(2 * np.pi)
    assert brush_force(np.array(0.0), L, N, R) == pytest.approx(100 * 4.11e-21 * R * N**1.5 * L)
