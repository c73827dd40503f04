"""What is said against a curve that a model would not keep."""

import numpy as np
import pytest
import xarray as xr

from sharptip.curves.fitted import BAD, DOUBTFUL
from sharptip.curves.tip import _words


@pytest.fixture
def rated() -> xr.Dataset:
    verdicts = np.array(["good", "bad: no_contact", "bad", "doubtful", ""])
    accept = np.array([0.9, 0.02, 0.1, 0.3, np.nan])
    return xr.Dataset({"verdict": ("curve", verdicts), "accept": ("curve", accept)})


def test_a_model_of_simulated_curves_only_doubts(rated):
    words = _words(rated, real=False)
    assert (words[BAD] == "").all()
    assert words[DOUBTFUL][1] == (
        "it looks like no contact; a model of simulated curves would keep it with a probability of 2%"
    )
    assert [bool(w) for w in words[DOUBTFUL]] == [False, True, True, True, False]


def test_a_model_of_real_labels_may_call_a_curve_bad(rated):
    words = _words(rated, real=True)
    assert words[BAD][2] == "people would keep it with a probability of 10%"
    assert [bool(w) for w in words[BAD]] == [False, True, True, False, False]
    assert [bool(w) for w in words[DOUBTFUL]] == [False, False, False, True, False]


def test_a_chance_that_would_round_to_nothing_is_not_said_to_be_none(rated):
    rated["accept"][1] = 0.0004
    assert _words(rated, real=False)[DOUBTFUL][1].endswith("would keep it with a probability below 1%")
