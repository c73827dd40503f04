"""Do the simulated cells have the numbers they were drawn with, and is there really nothing in their height?"""

import numpy as np
import pytest

from sharptip.core.errors import ScanError
from sharptip.core.history import is_simulated
from sharptip.core.scan import check, pixel_size
from sharptip.measure import surface_values
from sharptip.simulate.cells import KINDS, POPULATIONS, UNIT, cell, cohort, effects, skewing
from sharptip.simulate.surface import non_gaussian


def test_a_cell_is_a_scan_of_ten_micrometres_and_the_same_again():
    one, again = (cell(np.random.default_rng(3), "healthy", patient=(0, 1), pixels=64) for _ in range(2))
    check(one.scan)
    assert is_simulated(one.scan)
    assert pixel_size(one.scan)[0] * 64 == pytest.approx(10e-6)
    assert one.scan["adhesion"].attrs["units"] == "N"
    assert one.scan["height"].attrs["units"] == "m"
    assert (one.scan["adhesion"] >= 0).all()
    assert one.scan.identical(again.scan)
    assert one.patient == again.patient


def test_parameters_come_out_as_they_went_in():
    done = 0
    for i in range(12):
        drawn = cell(np.random.default_rng(i), KINDS[i % 2], patient=(0, i), pixels=128)
        if drawn.record["spoiled"] is not None or drawn.record["mean"] < 3 * drawn.record["sq"]:
            continue  # a force that would fall below zero is cut off there
        z = drawn.scan["adhesion"].values.astype(float)
        assert z.mean() == pytest.approx(drawn.record["mean"], rel=0.01)
        assert z.std() == pytest.approx(drawn.record["sq"], rel=0.02)
        found = surface_values(z, 10e-6 / 128, level="none")
        assert found["Ssk"] == pytest.approx(drawn.record["skew"], abs=0.15)
        lag = drawn.record["correlation_length"] * np.log(5) ** (1 / (2 * drawn.record["hurst"]))
        assert found["Sal"] == pytest.approx(lag, rel=0.25)
        done += 1
    assert done >= 3


def test_populations_differ_as_the_design_says():
    healthy, cancerous = (POPULATIONS[k] for k in KINDS)
    assert healthy.sq == pytest.approx((12 * UNIT, 3 * UNIT))
    assert cancerous.sq == pytest.approx((17 * UNIT, 4 * UNIT))
    assert healthy.correlation_length > cancerous.correlation_length
    people = np.array([effects(5, i, "healthy")["sq"] for i in range(400)])
    assert people.std() == pytest.approx(0.6 * 5 * UNIT, rel=0.1)
    assert effects(5, 3, "healthy") == effects(5, 3, "healthy")
    assert effects(5, 3, "healthy") != effects(6, 3, "healthy")


def test_height_is_the_same_for_both_kinds():
    sq = {k: [] for k in KINDS}
    for c in cohort(2, patients=12, cells=3, pixels=32):
        sq[c.kind].append(np.log(c.scan["height"].values.std()))
    a, b = (np.array(sq[k]) for k in KINDS)
    assert abs(a.mean() - b.mean()) < 3 * np.sqrt(a.var() / 12 + b.var() / 12)  # patients, not cells, are independent


def test_a_cohort_has_its_patients_and_cells():
    drawn = list(cohort(0, patients=3, cells=2, pixels=16))
    assert len(drawn) == 12
    assert len({c.patient for c in drawn}) == 6
    assert {c.kind for c in drawn} == set(KINDS)


@pytest.mark.parametrize("wanted", [-0.5, 0.0, 0.7, 1.2])
def test_skewness_is_what_was_asked_for(wanted):
    heights = np.random.default_rng(0).standard_normal((200, 200))
    bent = non_gaussian(heights, skew=skewing(wanted), rounds=1)
    off = bent - bent.mean()
    assert (off**3).mean() / off.std() ** 3 == pytest.approx(wanted, abs=0.08)


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(ScanError, match="'blue'"):
        cell(np.random.default_rng(0), "blue", patient=(0, 0))
