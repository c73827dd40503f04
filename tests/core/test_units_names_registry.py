"""Are vendors' units and names understood, and are things registered found again?"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharptip.core import Axis, Channel, Grid, ReadError, RegistryError, UnitError, registry, unique
from sharptip.core.files import write_whole
from sharptip.core.grid import checked
from sharptip.core.names import standard
from sharptip.core.units import is_si, say, shown, to_si


@pytest.mark.parametrize(
    ("vendor", "factor", "si"),
    [
        ("nm", 1e-9, "m"),
        ("µm", 1e-6, "m"),
        ("~m", 1e-6, "m"),
        ("Å", 1e-10, "m"),
        ("pA", 1e-12, "A"),
        ("deg", math.pi / 180, "rad"),
        ("°", math.pi / 180, "rad"),
        ("kHz", 1e3, "Hz"),
        ("nm/V", 1e-9, "m/V"),
        ("N/m", 1.0, "N/m"),
        ("%", 0.01, "1"),
        ("", 1.0, "1"),
        ("MPa", 1e6, "Pa"),
        ("m^-1", 1.0, "1/m"),
        ("Hz^2", 1.0, "Hz^2"),
        ("eV", 1.602176634e-19, "J"),
        ("kg", 1.0, "kg"),
        ("LSB", 1.0, "arb"),
    ],
)
def test_units_of_vendors(vendor, factor, si):
    found, unit = to_si(vendor)
    assert (found, unit) == (pytest.approx(factor, rel=1e-15), si)
    assert is_si(unit)


@pytest.mark.parametrize("nonsense", ["furlong", "\x00\x01", "nmm!", "3", "+"])
def test_unknown_units_are_refused(nonsense):
    with pytest.raises(UnitError, match="not understood"):
        to_si(nonsense)


@given(st.text(max_size=12))
def test_any_text_is_a_unit_or_refused(text):
    try:
        factor, unit = to_si(text)
    except UnitError:
        return
    assert math.isfinite(factor)
    assert isinstance(unit, str)


@given(st.floats(1e-17, 1e12))
def test_shown_values_are_between_one_and_a_thousand(value):
    factor, unit = shown(value, "m")
    assert 0.99 < value * factor < 1001
    assert unit.endswith("m")


def test_values_for_people():
    assert say(2e-6, "m") == "2 µm"
    assert say(0.5, "1") == "0.5"


@pytest.mark.parametrize(
    ("vendor", "ours"),
    [
        ("HeightTrace", "height"),
        ("Height Sensor", "height_sensor"),
        ("Z", "height"),
        ("Phase", "phase"),
        ("Current", "current"),
        ("Deflection Error", "deflection"),
        ("OC M1 Freq. Shift", "frequency_shift"),
        ("Adhesion", "adhesion"),
        ("Ä 3", "channel_3"),
    ],
)
def test_names_of_vendors(vendor, ours):
    assert standard(vendor) == ours


def test_a_height_in_volts_is_not_called_a_height():
    assert Channel.from_vendor("Height", np.zeros((1, 1)), "V").name == "height_signal"


def test_unknown_units_are_kept_as_arbitrary_and_by_name():
    c = Channel.from_vendor("Magic", np.ones((1, 1)), "furlong")
    assert (c.unit, c.attrs["vendor_units"]) == ("arb", "furlong")


def _grid(**changes):
    good = {"height": np.zeros((2, 3)), "dx": 1e-9}
    good.update(changes)
    axes = {"y": Axis.regular(2, 1e-9), "x": Axis.regular(3, good["dx"])}
    return Grid("g", (Channel("height", good["height"], "m", "Z"),), axes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"height": np.zeros((3, 2))}, "shape"),
        ({"dx": 0.0}, "pixel size"),
        ({"dx": 1e3}, "pixel size"),
        ({"dx": np.nan}, "finite"),
    ],
)
def test_a_grid_that_does_not_hold_together_is_refused(changes, says):
    with pytest.raises(ReadError, match=says):
        checked(_grid(**changes), "file")


def test_second_channels_of_a_name_are_numbered():
    names = [c.name for c in unique([Channel("height", np.zeros((1, 1)), "m", v) for v in "abc"])]
    assert names == ["height", "height_2", "height_3"]


def test_the_registry_finds_ours_and_anyone_s():
    assert {"gwy", "ibw", "sxm", "jpk", "bruker", "gsf", "image", "array", "zarr"} <= set(registry.names("readers"))
    registry.register("worlds", "flatland", 1)
    assert registry.get("worlds", "flatland") == 1
    with pytest.raises(RegistryError, match=r"no recipe is called 'nothing'; there are: .*tell_apart"):
        registry.get("recipes", "nothing")


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("before")

    def broken(path):
        path.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(file, broken)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
