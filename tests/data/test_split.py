"""Is anything of one group ever on both sides?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharptip.core import StudyError
from sharptip.data import apart, folds, holdout


@st.composite
def images(draw):
    n_groups = draw(st.integers(4, 12))
    mixed = draw(st.booleans())
    groups, labels = [], []
    for g in range(n_groups):
        for i in range(draw(st.integers(1, 6))):
            groups.append(f"g{g}")
            labels.append((i + g) % 2 if mixed else g % 2)
    return groups, labels


@settings(max_examples=60, deadline=None)
@given(images(), st.integers(0, 99))
def test_whole_groups_stay_on_one_side(drawn, seed):
    groups, labels = drawn
    rng = np.random.default_rng(seed)
    if min(len({g for g, y in zip(groups, labels, strict=True) if y == k}) for k in (0, 1)) < 2:
        return
    try:
        kept, out = holdout(groups, labels, 0.2, rng)
    except StudyError:
        return
    apart(groups, kept, out)
    assert sorted([*kept, *out]) == list(range(len(groups)))
    assert {labels[i] for i in kept} == {labels[i] for i in out} == {0, 1}


@settings(max_examples=60, deadline=None)
@given(images(), st.integers(0, 99), st.integers(2, 6))
def test_every_image_is_tested_once(drawn, seed, k):
    groups, labels = drawn
    parts = folds(groups, labels, k, np.random.default_rng(seed))
    assert sorted(i for _, test in parts for i in test) == list(range(len(groups)))
    for train, test in parts:
        apart(groups, train, test)


def test_labels_are_spread_evenly():
    groups = [f"image {i}" for i in range(100)]
    labels = [int(i >= 40) for i in range(100)]
    _, out = holdout(groups, labels, 0.2, np.random.default_rng(0))
    assert np.bincount(np.array(labels)[out]).tolist() == [8, 12]


def test_a_label_of_one_group_cannot_be_tested():
    with pytest.raises(StudyError, match="'b' belong to one group"):
        holdout(["1", "2", "3", "3"], ["a", "a", "b", "b"], 0.2, np.random.default_rng(0))


def test_a_leak_is_named():
    with pytest.raises(StudyError, match="'donor-2' is on both sides"):
        apart(["donor-1", "donor-2", "donor-2"], [0, 1], [2])
