"""Does a scan keep its promises, and is a broken one named?"""

import json

import numpy as np
import pytest
import xarray as xr

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


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((3, 4), complex), "complex numbers; take its magnitude"),
        (np.full((3, 4), "a"), "values of type <U1; an image is made of plain numbers"),
        (np.full((3, 4), None), "values of type object"),
    ],
)
def test_an_array_of_no_real_numbers_is_refused_by_name(array, says):
    with pytest.raises(ScanError, match=f"this array holds {says}"):
        scan_of(array, 1e-9)


def test_an_array_of_whole_numbers_or_a_mask_is_a_scan():
    for kind in (bool, np.uint8, np.int32, np.float32):
        assert scan_of(np.ones((3, 4), kind), 1e-9)["height"].dtype == kind


def test_what_is_no_scan_is_named_with_what_to_do(scan):
    with pytest.raises(ScanError, match="this is a ndarray; make one of an array with scan_of"):
        check(np.zeros((3, 4)))
    with pytest.raises(ScanError, match="this is a DataTree; take one of its nodes"):
        check(xr.DataTree.from_dict({"/": scan}))


def test_the_door_lists_what_it_offers_and_nothing_else():
    import sharptip

    listed = set(dir(sharptip))
    assert {"read", "write", "scan_of", "open_many", "Model", "check_recipe", "__version__"} <= listed
    assert not {"Any", "annotations", "import_module", "_import_module", "_LAZY"} & listed
    assert all(getattr(sharptip, name) is not None for name in sharptip.__all__)
