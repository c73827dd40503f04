"""What is no scan, or holds nothing, meets the same words at every step."""

import json
import warnings

import numpy as np
import pytest
import xarray as xr

from sharptip.clean import STEPS, run
from sharptip.clean.channel import NothingThere
from sharptip.core.errors import ScanError, UnitError
from sharptip.core.scan import scan_of

OF_IMAGES = [name for name in STEPS if name not in ("junk", "drift", "directions")]


def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-9, (32, 40))


@pytest.mark.parametrize("name", STEPS)
def test_every_step_refuses_what_is_no_scan(name):
    with pytest.raises(ScanError, match="this is a ndarray; make one of an array with scan_of"):
        STEPS[name](noise())
    bare = scan_of(noise(), 1e-9)
    del bare["height"].attrs["units"]
    with pytest.raises(UnitError, match="'height' says no unit"):
        STEPS[name](bare)
    waves = xr.Dataset(
        {"height": (("y", "x"), noise() + 1j, {"units": "m"})},
        {d: (d, np.arange(n) * 1e-9, {"units": "m"}) for d, n in zip("yx", (32, 40), strict=True)},
        {"history": json.dumps([])},
    )
    with pytest.raises(ScanError, match="'height' holds complex numbers"):
        STEPS[name](waves)


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_channel_without_a_number_is_said_once_and_by_us(name, value):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        out = STEPS[name](scan_of(np.full((32, 40), value), 1e-9, name="lost"))
    assert [w.category for w in said] == [NothingThere]
    assert "lost: 'height' has no finite pixel" in str(said[0].message)
    assert said[0].filename == __file__
    assert not np.isfinite(out["height"]).any()


def test_a_chain_says_it_once():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        run(scan_of(np.full((32, 40), np.nan), 1e-9, name="lost to a chain"))
    assert [w.category for w in said] == [NothingThere]
