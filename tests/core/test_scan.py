"""Does a scan keep its promises, and is a broken one named?"""

import json

import numpy as np
import pytest

from sharptip.core import ChannelError, ScanError, UnitError
from sharptip.core.history import remember, step, steps
from sharptip.core.scan import channel, check, pixel_size, scan_of


@pytest.fixture
def scan():
    return scan_of(np.arange(12.0).reshape(3, 4) * 1e-9, (2e-9, 1e-9), name="a")


def test_a_scan_keeps_its_pixels_to_the_last_bit(scan):
    assert pixel_size(scan) == (2e-9, 1e-9)
    assert check(scan) is scan


def test_a_single_pixel_still_knows_its_size():
    assert pixel_size(scan_of(np.zeros((1, 1)), 3e-9)) == (3e-9, 3e-9)


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (lambda s: s["height"].attrs.pop("units"), UnitError, "'height' says no unit"),
        (lambda s: s["height"].attrs.update(units="nm"), UnitError, "'height' is in 'nm'; scans hold it in 'm'"),
        (lambda s: s["height"].attrs.update(units="K"), UnitError, "'height' is in 'K'"),
        (lambda s: s["x"].attrs.update(units="px"), UnitError, "axis 'x' is in 'px'"),
        (lambda s: s.attrs.pop("history"), ScanError, "no history"),
        (lambda s: s.attrs.update(history="{"), ScanError, "not a JSON list"),
    ],
)
def test_a_broken_promise_is_named(scan, spoil, error, says):
    spoil(scan)
    with pytest.raises(error, match=says.replace("'", ".")):
        check(scan)


def test_descending_axes_and_bad_names_are_refused(scan):
    with pytest.raises(ScanError, match="not ascending"):
        check(scan.isel(y=slice(None, None, -1)))
    with pytest.raises(ScanError, match="lower_case"):
        check(scan.rename(height="Height (nm)"))


@pytest.mark.parametrize("pixel", [7.0, (4e-9, 0.5), 1e-15])
def test_a_pixel_that_no_scan_has_is_refused_at_once_and_not_on_reading(pixel):
    with pytest.raises(ScanError, match=r"which no scan has; lengths are in metres, 4 nm is 4e-9"):
        scan_of(np.zeros((3, 3)), pixel)
    by_hand = scan_of(np.zeros((3, 3)), 1e-9)
    by_hand = by_hand.assign_coords(x=("x", [0.0, 7.0, 14.0], {"units": "m"}))
    with pytest.raises(ScanError, match=r"promise 2: the pixel size along 'x' is 7 m.*forget e-9\?"):
        check(by_hand)


def test_a_scan_of_unknown_size_has_no_pixel_size(scan):
    for axis in ("x", "y"):
        scan[axis].attrs["units"] = "px"
    scan.attrs["size"] = "unknown"
    check(scan)
    with pytest.raises(ScanError, match="no known size"):
        pixel_size(scan)


@pytest.mark.parametrize("pixel", [0, -1e-9, "4nm", (1e-9, 1e-9, 1e-9), float("nan")])
def test_a_pixel_size_that_is_none_is_refused(pixel):
    with pytest.raises(ScanError, match="the pixel size is"):
        scan_of(np.zeros((3, 3)), pixel)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ScanError, match="a pixel at least"):
        scan_of(np.zeros((0, 0)), 1e-9)


def test_a_missing_channel_lists_those_there_are(scan):
    with pytest.raises(ChannelError, match="no channel 'phase'; it has height"):
        channel(scan, "phase")


def test_a_step_writes_its_options_and_leaves_its_input(scan):
    @step
    def raise_by(scan, *, by=1e-9):
        out = scan.copy(deep=True)
        out["height"] = out["height"] + by
        return out

    before = scan.copy(deep=True)
    out = raise_by(scan, by=2e-9)
    assert scan.identical(before)
    assert out["height"].attrs["units"] == "m"
    last = steps(out)[-1]
    assert (last["step"], last["options"]) == ("raise_by", {"by": 2e-9})
    assert len(steps(out)) == len(steps(scan)) + 1


def test_steps_refuse_to_align_what_does_not_fit(scan):
    @step
    def add_shifted(scan):
        moved = scan.assign_coords(x=scan["x"] * 1e9 / 1e9 + 1e-25)
        return scan + moved

    with pytest.raises(ValueError, match="align"):
        add_shifted(scan)


def test_history_is_text(scan):
    assert json.loads(remember(scan, scan, "look", {}).attrs["history"])[-1]["step"] == "look"
