"""The network: spacing, degrees, holes, damage in both modes, and truth that lies where the image shows it."""

import json

import numpy as np
import pytest
from scipy.spatial import Delaunay, cKDTree

from sharptip.core.errors import ScanError
from sharptip.simulate import QUIET, Donor, cytoskeleton
from sharptip.simulate.cytoskeleton import network, render

PIXEL = 4e-9
SIZE = np.array([2e-6, 2e-6])


def draw(damage, mode, seed=0, **options):
    return cytoskeleton(np.random.default_rng(seed), shape=(256, 256), damage=damage, mode=mode, **options)


def net_of(damage, mode, seed=0):
    return network(np.random.default_rng(seed), SIZE, damage, mode, Donor())


def test_neighbours_are_a_spacing_apart_and_never_crowded():
    for spacing in (60e-9, 85e-9, 110e-9):
        net, _ = network(np.random.default_rng(1), SIZE, 0.0, "A", Donor(spacing=spacing))
        points = net.junctions
        inner = ((points > 0) & (points < SIZE)).all(axis=1)
        hexagonal = np.sqrt(2 / np.sqrt(3) / (inner.sum() / SIZE.prod()))  # spacing of a lattice of the same density
        assert hexagonal == pytest.approx(spacing, rel=0.07)
        nearest = cKDTree(points).query(points, k=2)[0][:, 1]
        assert nearest.min() > spacing / 1.4


def test_strands_are_delaunay_edges_with_three_to_six_at_a_junction():
    from sharptip.simulate.cytoskeleton import _strands

    points = np.random.default_rng(2).random((400, 2))
    kept, spare = _strands(np.random.default_rng(3), points)
    degree = np.bincount(kept.ravel(), minlength=400)
    assert degree.min() >= 3
    assert degree.max() <= 6
    corners = Delaunay(points).simplices
    pairs = {tuple(sorted(p)) for t in corners.tolist() for p in ((t[0], t[1]), (t[1], t[2]), (t[0], t[2]))}
    assert {tuple(e) for e in np.concatenate([kept, spare]).tolist()} == pairs


def test_mode_a_closes_holes_and_thickens_and_mode_b_loses_strands():
    def fraction(damage, mode):
        return np.mean([draw(damage, mode, seed, settings=QUIET)[2]["hole_fraction"] for seed in range(3)])

    assert fraction(1.0, "A") < fraction(0.5, "A") < fraction(0.0, "A") < fraction(1.0, "B")
    assert fraction(0.0, "A") - fraction(1.0, "A") > 0.1
    sound, hurt = net_of(0.0, "A")[0], net_of(1.0, "A")[0]
    assert hurt.half_width.mean() / sound.half_width.mean() == pytest.approx(1.30, rel=0.03)
    _, none = net_of(0.0, "B")
    net, much = net_of(1.0, "B")
    total = none["edges"] + none["deleted"]
    assert none["deleted"] / total == pytest.approx(0.10, abs=0.03)
    assert much["deleted"] / total == pytest.approx(0.35, abs=0.04)
    assert none["cut"] == 0 < much["cut"] == np.count_nonzero(np.ptp(net.gap, axis=1))


def test_a_lone_tube_has_its_height_and_width_and_a_cut_one_a_gap():
    from sharptip.simulate.cytoskeleton import Network

    def lone(gap):
        return Network(
            junctions=np.array([[200e-9, -300e-9], [200e-9, 900e-9]]),
            edges=np.array([[0, 1]]),
            half_width=np.array([20e-9]),
            height=np.array([6e-9]),
            bend=np.zeros(1),
            gap=np.array([gap]),
        )

    height, holes = render(lone((0.0, 0.0)), (150, 150), PIXEL)
    across = (np.arange(150) - 50) * PIXEL
    expected = 6e-9 * np.maximum(1 - (across / 20e-9) ** 2, 0)
    for column in (0, 60, 149):
        np.testing.assert_allclose(height[:, column], expected, atol=2e-3 * 1e-9)
    assert np.array_equal(holes[:, 70], expected <= 1e-15)
    _, holes = render(lone((0.4, 0.6)), (150, 150), PIXEL)
    gone = np.flatnonzero(holes[50])
    assert len(gone) * PIXEL == pytest.approx(0.2 * 1200e-9 - 2 * 20e-9, abs=3 * PIXEL)  # ends are round
    assert gone.mean() * PIXEL == pytest.approx(300e-9, abs=2 * PIXEL)


def test_truth_lies_where_the_image_shows_it():
    height, truth, _ = draw(0.3, "B", seed=4)
    assert height.shape == truth["holes"].shape == (256, 256)
    level = height - np.median(height, axis=1, keepdims=True)
    assert level[~truth["holes"]].mean() - level[truth["holes"]].mean() > 2e-9
    row, column = np.rint(truth["junctions"] / PIXEL).astype(int).T
    ok = (row < 256) & (column < 256)
    assert level[row[ok], column[ok]].mean() > level.mean() + 2e-9
    assert truth["holes"][row[ok], column[ok]].mean() < 0.1  # lone junctions are no blob
    assert truth["edges"].max() < len(truth["junctions"])
    length = np.linalg.norm(np.diff(truth["junctions"][truth["edges"]], axis=1)[:, 0], axis=1)
    assert 0.8 * 85e-9 < np.median(length) < 1.4 * 85e-9


def test_everything_drawn_is_recorded_and_the_same_rng_gives_the_same_image():
    one, _, record = draw(0.5, "A", seed=7)
    two, _, again = draw(0.5, "A", seed=7)
    np.testing.assert_array_equal(one, two)
    assert json.loads(json.dumps(record)) == record == again
    assert {"damage", "mode", "donor", "tip_radius", "network", "membrane", "scanner"} <= set(record)


def test_tiny_and_oblong_images_are_drawn():
    for shape in ((1, 1), (7, 64), (61, 37)):
        height, truth, _ = cytoskeleton(np.random.default_rng(0), shape=shape)
        assert height.shape == truth["holes"].shape == shape
        assert np.isfinite(height).all()


@pytest.mark.parametrize(("damage", "mode", "said"), [(1.5, "A", "damage 1.5"), (0.5, "C", "no damage mode 'C'")])
def test_what_is_no_damage_is_refused(damage, mode, said):
    with pytest.raises(ScanError, match=said):
        draw(damage, mode)
