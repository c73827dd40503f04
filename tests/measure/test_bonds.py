"""The finder of dangling bonds against simulated frames whose bonds are known, and the crops it cuts."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sharptip.clean import plane_fit, row_offsets
from sharptip.core.errors import ModelError
from sharptip.core.scan import pixel_size, scan_of
from sharptip.measure.bonds import ALONE, SIDE, SPACING, bond_crops, coarser, crops, find_bonds, roundness, second_peak
from sharptip.simulate.hydrogen_silicon import bond_frame


def levelled(frame):
    z = frame.scan["height"].values
    z = z - plane_fit(z)
    return coarser(z - row_offsets(z, "difference"), pixel_size(frame.scan))


def gaussian(n, pixel, centre, sigma=0.4e-9, height=1.5e-10):
    y, x = np.mgrid[:n, :n] * pixel
    return height * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * sigma**2))


def test_precision_and_recall_on_simulated_frames():
    found_true = false = whole = whole_found = 0
    for i in range(25):
        rng = np.random.default_rng([41, i])
        frame = bond_frame(rng, False, pixel_size=float(rng.uniform(0.06e-9, 0.14e-9)))
        z, pixel = levelled(frame)
        found, true = find_bonds(z, pixel)[["y", "x"]].to_numpy(), frame.centres
        distance = cdist(true, found) if len(true) and len(found) else np.full((len(true), len(found)), np.inf)
        near = 0.3e-9  # a third of a bond
        found_true += int((distance.min(axis=0, initial=np.inf) < near).sum())
        false += int((distance.min(axis=0, initial=np.inf) >= near).sum())
        apart = cdist(true, true) + np.diag(np.full(len(true), np.inf))
        inside = ((true > 2e-9) & (true < 18e-9)).all(axis=1) & (apart.min(axis=1, initial=np.inf) > ALONE + 3e-10)
        whole += int(inside.sum())
        whole_found += int((distance[inside].min(axis=1, initial=np.inf) < near).sum())
    assert whole > 60
    assert found_true / (found_true + false) > 0.9
    assert whole_found / whole > 0.6  # those at steps, beside dirt and under scars are left out


def test_a_bond_between_pixels_is_centred_to_a_tenth_of_a_pixel():
    centre = (3.234e-9, 2.871e-9)
    found = find_bonds(gaussian(60, 0.1e-9, centre), 0.1e-9)
    assert len(found) == 1
    assert found[["y", "x"]].to_numpy()[0] == pytest.approx(centre, abs=0.01e-9)
    assert found["height"][0] == pytest.approx(1.5e-10, rel=0.25)  # of a slightly smoothed image
    cut = crops(gaussian(60, 0.1e-9, centre), 0.1e-9, [centre])[0]
    assert np.allclose(cut, cut[::-1], atol=2e-12)
    assert np.allclose(cut, cut[:, ::-1], atol=2e-12)


@pytest.mark.parametrize("centres", [[(0.8e-9, 3e-9)], [(3e-9, 3e-9), (3e-9, 5.2e-9)]])
def test_at_the_border_and_beside_another_none_is_taken(centres):
    z = sum(gaussian(80, 0.1e-9, c) for c in centres)
    assert find_bonds(z, 0.1e-9).empty


def test_steps_spikes_and_lost_lines_are_no_bonds():
    rng = np.random.default_rng(0)
    z = 1e-12 * rng.standard_normal((80, 80))
    z[:, 40:] += 1.36e-10
    z[20, 20] += 5e-10
    assert find_bonds(z, 0.1e-9).empty
    z = gaussian(80, 0.1e-9, (4e-9, 4e-9))
    z[38] = np.nan
    assert find_bonds(z, 0.1e-9).empty


def test_crops_do_not_depend_on_the_gain_or_the_pixels():
    scan = scan_of(gaussian(60, 0.1e-9, (3.05e-9, 2.95e-9)), 0.1e-9)
    one, two = bond_crops(scan), bond_crops(scan_of(2 * scan["height"].values, 0.1e-9))
    fine = bond_crops(scan_of(np.repeat(np.repeat(scan["height"].values, 2, 0), 2, 1), 0.05e-9))
    assert one["height"].shape == (SIDE, SIDE)
    assert pixel_size(one) == pytest.approx((SPACING, SPACING))
    assert np.allclose(one["height"], two["height"])
    assert np.allclose(one["height"], fine["height"])


def test_no_bond_and_no_size_are_said():
    rng = np.random.default_rng(0)
    with pytest.raises(ModelError, match="no dangling bond"):
        bond_crops(scan_of(1e-12 * rng.standard_normal((64, 64)), 0.1e-9))
    scan = scan_of(gaussian(60, 0.1e-9, (3e-9, 3e-9)), 0.1e-9)
    scan.attrs["size"] = "unknown"
    with pytest.raises(ModelError, match="size"):
        bond_crops(scan)


def test_the_hand_made_numbers_tell_a_twin():
    side = SIDE * 0.1e-9 / 2
    one = gaussian(SIDE, 0.1e-9, (side, side))
    two = one + gaussian(SIDE, 0.1e-9, (side, side + 1.1e-9), 0.3e-9)
    assert second_peak(two) > second_peak(one) + 0.05
    assert roundness(one) > 0.95 > roundness(two)
