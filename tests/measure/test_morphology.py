"""Network features on drawn lattices whose holes and nodes are known."""

import numpy as np
import pandas as pd
import pytest
from skimage import draw

from sharptip.measure import feature_table, network_morphology
from sharptip.measure.morphology import UNITS, find_backbone, nodes, perimeters, skeleton_length
from sharptip.simulate import QUIET, cytoskeleton

PIXEL = 4e-9


def square_lattice(n=400, pitch=40, width=8, height=6e-9):
    """Lines of `width` pixels every `pitch`: square holes, four branches at each crossing."""
    z = np.zeros((n, n))
    for i in range(width):
        z[pitch // 2 + i :: pitch] = height
        z[:, pitch // 2 + i :: pitch] = height
    return z


def brick_lattice(n=400, pitch=40, width=8, height=6e-9):
    """Bricks in a wall: three branches at each node, none of four."""
    z = np.zeros((n, n))
    for i in range(width):
        z[pitch // 2 + i :: pitch] = height
    for course, top in enumerate(range(pitch // 2, n, pitch)):
        for i in range(width):
            z[top : top + pitch, pitch // 2 + (course % 2) * pitch + i :: 2 * pitch] = height
    return z


def test_holes_of_a_square_lattice_have_their_number_and_area():
    found = network_morphology(square_lattice(), PIXEL)
    assert found["hole_density"] * (400 * PIXEL) ** 2 == pytest.approx(81)  # 9 × 9 whole ones
    side = 32 * PIXEL
    for key in ("hole_area_mean", "hole_area_median", "hole_area_max"):
        assert found[key] == pytest.approx(side**2, rel=0.08)  # the threshold shifts the edge by a fraction of a pixel
    assert found["hole_fraction"] == pytest.approx(0.64, abs=0.03)
    assert 0.75 < found["hole_circularity"] < 0.95  # π/4 for a true square, rounded by the smoothing


@pytest.mark.parametrize(("lattice", "degree"), [(square_lattice, 4), (brick_lattice, 3)])
def test_nodes_have_the_degree_of_the_lattice(lattice, degree):
    found = network_morphology(lattice(), PIXEL)
    assert found[{3: "three_fraction", 4: "four_fraction"}[degree]] > 0.85
    assert found["end_fraction"] < 0.05
    per_cell = {3: 1 / (40 * 40), 4: 1 / (40 * 40)}[degree] / PIXEL**2
    assert found["junction_density"] == pytest.approx(per_cell, rel=0.15)
    length = {3: (40 + 20) / (40 * 40), 4: 2 / 40}[degree] / PIXEL
    assert found["length_density"] == pytest.approx(length, rel=0.1)


def test_loose_ends_are_counted():
    z = np.zeros((300, 300))
    for row in range(30, 280, 40):
        z[row : row + 8, 60:240] = 5e-9
    found = network_morphology(z, PIXEL)
    assert found["end_fraction"] == 1.0
    assert found["junction_density"] == 0
    assert found["degree_mean"] == 1.0


def test_a_crossing_that_thinning_splits_is_one_of_four():
    skeleton = np.zeros((60, 60), bool)
    skeleton[5:30, 25] = skeleton[30, 5:56] = skeleton[31:56, 33] = True
    ends, degrees = nodes(skeleton, merge=3)
    assert (ends, degrees.tolist()) == (4, [4])
    ends, degrees = nodes(skeleton, merge=0.5)
    assert (ends, degrees.tolist()) == (4, [3, 3])


def test_a_circle_has_no_node_and_a_line_two_ends():
    ring = np.zeros((60, 60), bool)
    angle = np.linspace(0, 2 * np.pi, 400)
    ring[np.rint(30 + 20 * np.sin(angle)).astype(int), np.rint(30 + 20 * np.cos(angle)).astype(int)] = True
    from skimage.morphology import skeletonize

    ends, degrees = nodes(skeletonize(ring), merge=2)
    assert (ends, len(degrees)) == (0, 0)
    line = np.zeros((60, 60), bool)
    line[30, 10:50] = True
    assert nodes(line, merge=2)[0] == 2
    assert nodes(np.zeros((9, 9), bool), merge=2) == (0, pytest.approx([]))


def test_lengths_and_perimeters_of_discs_and_lines():
    labels = np.zeros((220, 220), int)
    for k, radius in ((1, 15), (2, 40)):
        labels[draw.disk((60 + 90 * (k - 1), 60 + 90 * (k - 1)), radius)] = k
    np.testing.assert_allclose(perimeters(labels, 2)[1:], 2 * np.pi * np.array([15, 40]), rtol=0.04)
    lengths = []
    for angle in np.linspace(0, np.pi / 2, 37):
        line = np.zeros((300, 300), bool)
        line[draw.line(20, 20, round(20 + 200 * np.sin(angle)), round(20 + 200 * np.cos(angle)))] = True
        lengths.append(skeleton_length(line))
    assert np.mean(lengths) == pytest.approx(200, rel=0.015)
    assert np.ptp(lengths) < 0.12 * 200


def test_heights_have_their_moments():
    rng = np.random.default_rng(0)
    z = 2e-9 * (rng.exponential(size=(300, 300)))
    found = network_morphology(z, PIXEL)
    assert found["Sq"] == pytest.approx(2e-9, rel=0.02)
    assert found["Ssk"] == pytest.approx(2, rel=0.1)
    assert found["Sku"] == pytest.approx(9, rel=0.2)


def test_features_are_physical_not_counted_in_pixels():
    coarse = network_morphology(square_lattice(), PIXEL)
    fine = network_morphology(square_lattice(n=800, pitch=80, width=16), PIXEL / 2)
    for name in ("hole_area_mean", "hole_fraction", "length_density", "hole_circularity", "four_fraction"):
        assert fine[name] == pytest.approx(coarse[name], rel=0.12), name
    doubled = network_morphology(2 * square_lattice(), PIXEL)
    assert doubled["Sq"] == pytest.approx(2 * coarse["Sq"])
    assert doubled["hole_area_mean"] == coarse["hole_area_mean"]


def test_the_backbone_is_the_simulated_one():
    rng = np.random.default_rng(1)
    height, truth, _ = cytoskeleton(rng, shape=(256, 256), settings=QUIET, tip_radius=4e-9)
    backbone = find_backbone(height, PIXEL)
    agreement = (backbone != truth["holes"]).mean()
    assert agreement > 0.85


@pytest.mark.parametrize(
    "z",
    [np.zeros((20, 30)), np.full((7, 5), np.nan), np.ones((1, 1)) * 3e-9, np.eye(23) * 1e-9, np.full((31, 37), 1e-3)],
)
def test_images_without_a_network_give_finite_features(z):
    found = network_morphology(z, PIXEL)
    assert set(found) == set(UNITS)
    assert all(np.isfinite(v) for v in found.values())


def test_missing_lines_hardly_change_the_features():
    z = square_lattice()
    z[::57] = np.nan
    whole, lost = network_morphology(square_lattice(), PIXEL), network_morphology(z, PIXEL)
    assert lost["hole_fraction"] == pytest.approx(whole["hole_fraction"], abs=0.03)
    assert np.isfinite(list(lost.values())).all()


def test_table_has_a_row_per_image_and_a_unit_per_column():
    table = feature_table([square_lattice(200), brick_lattice(200)], [PIXEL, 2 * PIXEL])
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == list(UNITS)
    assert table.shape == (2, len(UNITS))
    assert table["hole_area_mean"][0] == network_morphology(square_lattice(200), PIXEL)["hole_area_mean"]
    assert feature_table([], PIXEL).empty
    with pytest.raises(ValueError, match="shorter"):
        feature_table([square_lattice(200)] * 2, [PIXEL])
