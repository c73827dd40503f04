"""Pixels averaged two by two until the scan is a view; nothing else is changed."""

import numpy as np
import pytest

from sharptip.clean import coarsen
from sharptip.core.errors import ChannelError
from sharptip.core.history import steps
from sharptip.core.scan import check, scan_of


def test_a_view_is_reached_by_halving():
    z = np.random.default_rng(0).standard_normal((300, 600))
    out = coarsen(scan_of(z, 1e-9))
    assert out.height.shape == (150, 300)
    assert out.height.values == pytest.approx(z.reshape(150, 2, 300, 2).mean(axis=(1, 3)))
    assert coarsen(scan_of(z[:128, :255], 1e-9)).height.shape == (128, 255)
    assert coarsen(scan_of(z[:20, :30], 1e-9)).height.shape == (20, 30)
    assert coarsen(scan_of(z, 1e-9), view=16).height.shape == (18, 37)


def test_the_size_is_left_aside_and_the_input_alone():
    scan = scan_of(np.ones((256, 256)), 1e-9)
    before = scan.copy(deep=True)
    out = check(coarsen(scan))
    assert out.attrs["size"] == "unknown"
    assert out.x.attrs["units"] == "px"
    assert steps(out)[-1]["step"] == "coarsen"
    assert scan.identical(before)


def test_missing_pixels_are_left_out_of_the_means():
    z = np.ones((256, 256))
    z[0], z[2:4] = np.nan, np.nan
    out = coarsen(scan_of(z, 1e-9)).height.values
    assert (out[0] == 1).all()
    assert np.isnan(out[1]).all()
    assert (out[2:] == 1).all()


def test_a_channel_that_is_not_there_is_named():
    with pytest.raises(ChannelError, match="phase"):
        coarsen(scan_of(np.ones((8, 8)), 1e-9), channel="phase")
