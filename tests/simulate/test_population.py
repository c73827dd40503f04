"""Populations: images that do not depend on one another's number, labels that no donor, day or tip tells."""

from collections import Counter

import numpy as np
import pytest

from sharptip.core.errors import ScanError
from sharptip.core.history import steps
from sharptip.core.scan import check, pixel_size
from sharptip.simulate import image, population
from sharptip.simulate.population import DAMAGE, TREATED, donor, strength

SMALL = {"shape": (32, 32)}


@pytest.fixture(scope="module")
def drawn():
    return list(population(0, healthy=20, exposed=20, treated=10, donors=5, **SMALL))


def test_an_image_does_not_depend_on_how_many_are_drawn(drawn):
    few = {s.name: s for s in population(0, healthy=3, exposed=4, treated=1, **SMALL)}
    by_name = {s.name: s for s in drawn}
    assert len(few) == 8
    for name, sample in few.items():
        np.testing.assert_array_equal(sample.scan.height, by_name[name].scan.height)
        assert sample.record == by_name[name].record
    alone = image(0, "exposed", 3, **SMALL)
    np.testing.assert_array_equal(alone.scan.height, few[alone.name].scan.height)


def test_every_image_has_pixels_and_a_name_of_its_own(drawn):
    assert len({s.name for s in drawn}) == len(drawn)
    assert len({s.scan.height.values.tobytes() for s in drawn}) == len(drawn)
    other = image(1, "healthy", 0, **SMALL)
    assert not np.array_equal(other.scan.height, drawn[0].scan.height)


def test_labels_are_balanced_within_donors_days_and_tips(drawn):
    for key in ("donor", "day", "tip"):
        count = Counter((s.scan.attrs[key], s.label) for s in drawn if s.label != "treated")
        for name in {k for k, _ in count}:
            assert count[name, "healthy"] == count[name, "exposed"] > 0
    assert {s.group for s in drawn} == {f"donor-{i}" for i in range(1, 6)}
    assert all(s.group == s.scan.attrs["donor"] for s in drawn)


def test_scans_keep_the_promises_and_hide_the_label_from_the_pixels_only(drawn):
    for name, label, group, batch, scan, truth, record in drawn[:1]:
        check(scan)
        assert pixel_size(scan) == (4e-9, 4e-9)
        assert scan.height.dtype == np.float32
        assert (name, batch) == (scan.attrs["name"], "batch-1")
        assert group in name
        assert label in name
        assert steps(scan)[0]["step"] == "simulate.population"
        assert truth["holes"].shape == (32, 32)
        assert record["damage"] >= 0
        assert {"session", "donor", "tip", "day", "cell", "batch"} <= set(scan.attrs)


def test_batches_have_modes_and_donors_of_their_own(drawn):
    second = list(population(0, batch=2, healthy=5, exposed=5, **SMALL))
    assert {s.record["mode"] for s in drawn} == {"A"}
    assert {s.record["mode"] for s in second} == {"B"}
    assert not {s.group for s in drawn} & {s.group for s in second}
    assert not {s.scan.attrs["day"] for s in drawn} & {s.scan.attrs["day"] for s in second}


def test_images_of_a_cell_share_its_damage(drawn):
    cells = {}
    for s in drawn:
        cells.setdefault(s.scan.attrs["cell"], []).append(s.record["damage"])
    assert {len(v) for v in cells.values()} == {2}
    assert all(len(set(v)) == 1 for v in cells.values())


@pytest.mark.parametrize("batch", [1, 2])
def test_damage_is_that_of_its_distribution_and_treatment_leaves_a_tenth_or_two(batch):
    a, b, reach = DAMAGE[batch]
    draws = {
        label: np.mean([strength(np.random.default_rng(i), label, batch) for i in range(800)])
        for label in ("exposed", "treated")
    }
    assert draws["exposed"] == pytest.approx(reach * a / (a + b), rel=0.05)
    assert draws["treated"] == pytest.approx(draws["exposed"] * np.mean(TREATED), rel=0.05)


def test_donors_differ_by_about_twelve_per_cent_in_spacing():
    spacing = np.array([donor(seed, which).spacing for seed in range(40) for which in range(5)])
    assert spacing.std() / spacing.mean() == pytest.approx(0.12, rel=0.2)
    assert np.abs(spacing / 85e-9 - 1).max() <= 0.24 + 1e-9


@pytest.mark.parametrize(
    ("options", "said"),
    [({"label": "ill"}, "no population 'ill'"), ({"batch": 3}, "no batch 3"), ({"donors": 0}, "0 donors")],
)
def test_what_cannot_be_drawn_is_refused(options, said):
    with pytest.raises(ScanError, match=said):
        image(0, **({"label": "healthy", "index": 0} | options))
