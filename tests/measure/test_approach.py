"""The bridge from a scan of force curves to arrays: what it makes of units, constants and damaged curves."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from tests.real import real

from sharptip import io
from sharptip.core.errors import ChannelError, ScanError, UnitError
from sharptip.core.scan import check
from sharptip.measure.approach import approach_of, approaches

K, S = 0.05, 80e-9


def curves(n: int = 3, samples: int = 200, unit: str = "m", **attrs: float) -> xr.Dataset:
    """n curves that touch a hard sample half-way, and come back; curve i ends 10·i samples earlier."""
    z = np.concatenate([np.linspace(1e-6, 0, samples), np.linspace(0, 1e-6, samples)])
    noise = np.random.default_rng(0).normal(0, 1e-10, (n, 2 * samples))
    height, deflection = np.tile(z, (n, 1)), np.clip(5e-7 - z, 0, None) + noise
    segment = np.tile(np.repeat([0.0, 1.0], samples), (n, 1))
    for i in range(n):
        for values in (height, deflection, segment):
            values[i, 2 * samples - 10 * i :] = np.nan
    both = ("curve", "sample")
    scan = xr.Dataset(
        {
            "height": (both, height, {"units": "m"}),
            "deflection": (both, deflection / (S if unit == "V" else 1), {"units": unit}),
            "segment": (both, segment, {"units": "1"}),
        },
        {
            "curve": ("curve", np.arange(n), {"units": "1"}),
            "sample": ("sample", np.arange(2 * samples), {"units": "1"}),
        },
        {"segments": json.dumps(["approach", "retract"]), "history": "[]", **attrs},
    )
    return check(scan)


def test_approach_and_retract_in_order_of_time() -> None:
    a, r = approach_of(curves(), spring_constant=K), approach_of(curves(), spring_constant=K, segment="retract")
    assert a.faults == r.faults == ("", "", "")
    assert a.unit == "m"
    assert a.channel == "height"
    assert len(a) == 3
    assert a.length.tolist() == [200, 200, 200]
    assert r.length.tolist() == [200, 190, 180]
    assert (np.diff(a.height, axis=1) < 0).all()
    assert (np.diff(r.height[0]) > 0).all()
    assert np.isnan(r.height[2, 180:]).all()
    assert np.isfinite(r.height[2, :180]).all()
    np.testing.assert_allclose(a.force[:, -1], K * 5e-7, rtol=2e-3)
    np.testing.assert_allclose(a.position[0, 110:], 5e-7, atol=5e-10)  # hard: the tip stays


def test_a_measured_height_goes_before_a_told_one() -> None:
    scan = curves()
    scan["height_sensor"] = scan["height"] + 1e-7
    scan["height_sensor"].attrs["units"] = "m"
    assert approach_of(scan).channel == "height_sensor"
    scan["height_sensor"][1] = np.nan  # this curve's sensor was silent
    a = approach_of(scan)
    assert a.faults[1] == ""
    assert a.height[1, 0] == 1e-6
    assert a.height[0, 0] == 1.1e-6


def test_volts_become_metres_by_argument_attribute_or_channel() -> None:
    metres = approach_of(curves()).deflection
    volts = curves(unit="V")
    assert approach_of(volts).unit == "V"
    each = volts.assign(sensitivity=("curve", [S, S, 2 * S], {"units": "m/V"}))
    np.testing.assert_allclose(approach_of(volts, sensitivity=S).deflection, metres)
    np.testing.assert_allclose(approach_of(volts.assign_attrs(sensitivity=S)).deflection, metres)
    np.testing.assert_allclose(approach_of(each).deflection[2], 2 * metres[2])
    with pytest.raises(UnitError, match=r"its sensitivity is not known; give it: sensitivity=60e-9 \(m/V\)"):
        _ = approach_of(volts, spring_constant=K).force


def test_spring_constants_by_argument_attribute_or_channel() -> None:
    scan = curves()
    assert np.isnan(approach_of(scan).spring_constant).all()
    assert "the spring constant is not known; give it: spring_constant=0.04 (N/m)" in approach_of(scan).no_force[0]
    assert approach_of(scan.assign_attrs(spring_constant=K)).spring_constant.tolist() == [K] * 3
    each = scan.assign(spring_constant=("curve", [K, np.nan, 2 * K], {"units": "N/m"}))
    a = approach_of(each)
    assert [bool(why) for why in a.no_force] == [False, True, False]
    np.testing.assert_allclose(a.force[2], 2 * K * a.deflection[2])


def test_a_force_alone_is_a_deflection_where_the_spring_constant_is_known() -> None:
    scan = curves()
    force = scan.assign(force=scan["deflection"] * K).drop_vars("deflection")
    force["force"].attrs["units"] = "N"
    np.testing.assert_allclose(approach_of(force, spring_constant=K).deflection, approach_of(scan).deflection)
    both = approach_of(force.assign_attrs(spring_constant=K), spring_constant=2 * K)  # the file's made the force
    np.testing.assert_allclose(both.deflection, approach_of(scan).deflection)
    np.testing.assert_allclose(both.force, 2 * K * both.deflection)
    unknown = approach_of(force)
    assert unknown.unit == "N"
    assert np.nanmax(unknown.force) == pytest.approx(K * 5e-7, rel=1e-2)
    with pytest.raises(UnitError, match="spring constant is not known"):
        _ = unknown.position


def test_separation_alone_becomes_height() -> None:
    scan = curves()
    near = scan.assign(separation=scan["height"] + scan["deflection"]).drop_vars("height")
    near["separation"].attrs["units"] = "m"
    a = approach_of(near)
    assert a.channel == "separation"
    np.testing.assert_allclose(a.height, approach_of(scan).height, atol=1e-20)
    volts = near.assign(deflection=near["deflection"] / S)
    volts["deflection"].attrs["units"] = "V"
    with pytest.raises(ChannelError, match="a separation and no height; its deflection in m is needed: give it: sens"):
        approach_of(volts)


def test_curves_that_cannot_be_judged_say_why_under_their_own_name() -> None:
    scan = curves(6).isel(curve=slice(None))
    height, deflection = scan["height"].values, scan["deflection"].values
    deflection[0] = np.nan
    deflection[1, 1:] = np.nan
    height[2] = -height[2]
    deflection[3] *= -1
    height[4] = 1e-6
    told = approach_of(scan.isel(curve=slice(0, 6))).faults
    assert told[0] == "curve 0: no finite sample in its approach"
    assert told[1] == "curve 1: 1 finite sample in its approach; it needs 10"
    assert told[2].startswith("curve 2: its height rises by 905 nm in the approach, where it should fall; turn the")
    assert told[3].startswith("curve 3: its deflection falls by 490 nm where the tip is deepest: no repulsion, or a si")
    assert told[4] == "curve 4: its height does not change in the approach"
    assert told[5] == ""
    assert approach_of(scan.isel(curve=[2])).faults[0].startswith("curve 2: ")


def test_gaps_are_closed() -> None:
    scan = curves()
    scan["deflection"].values[1, 20:50] = np.nan
    a = approach_of(scan)
    assert a.faults == ("", "", "")
    assert a.length.tolist() == [200, 170, 200]
    assert np.isfinite(a.height[1, :170]).all()
    assert np.isnan(a.deflection[1, 170:]).all()
    np.testing.assert_array_equal(np.isfinite(a.height), np.isfinite(a.deflection))


def test_attraction_without_contact_is_no_turned_sign() -> None:
    """A tilted baseline falls all the way; so does nothing that a sign could mend."""
    scan = curves()
    noise = np.random.default_rng(1).normal(0, 1e-10, scan["height"].shape)
    scan["deflection"].values[:] = 3e-2 * scan["height"].values + noise
    assert approach_of(scan).faults == ("", "", "")


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"spring_constant": 0.0}, UnitError, "spring_constant=0 cannot be in N/m"),
        ({"spring_constant": 4e7}, UnitError, "give N/m, as spring_constant=0.04"),
        ({"spring_constant": np.nan}, UnitError, "spring_constant=nan cannot"),
        ({"sensitivity": 60.0}, UnitError, "sensitivity=60 cannot be in m/V.*as sensitivity=60e-9"),
        ({"sensitivity": 6e-8}, UnitError, "in metres already, by a sensitivity that the file does not say"),
        ({"segment": "pause"}, ScanError, "has no 'pause'; its curves are made of approach, retract"),
    ],
)
def test_what_is_wrong_for_the_whole_scan(change: dict, kind: type, said: str) -> None:
    with pytest.raises(kind, match=said):
        approach_of(curves(), **change)


def test_scans_that_hold_no_curves() -> None:
    scan = curves()
    with pytest.raises(ChannelError, match="no height of its curves, nor a separation; it has deflection, segment"):
        approach_of(scan.drop_vars("height"))
    with pytest.raises(ChannelError, match="no deflection of its curves, nor a force; it has height, segment"):
        approach_of(scan.drop_vars("deflection"))
    with pytest.raises(ScanError, match=r"holds no force curves \(curve, sample\); its axes are 200 sample"):
        approach_of(scan.isel(curve=0, sample=slice(200)))
    scan["height"].attrs["units"] = "nm"
    with pytest.raises(UnitError, match="'height' is in 'nm'; curves hold it in 'm'"):
        approach_of(scan)


def test_a_large_map_goes_in_blocks() -> None:
    scan = curves(7)
    blocks = list(approaches(scan, 3, spring_constant=K))
    assert [(b.start, b.stop) for b, _ in blocks] == [(0, 3), (3, 6), (6, 7)]
    whole = approach_of(scan, spring_constant=K)
    np.testing.assert_array_equal(np.concatenate([a.height for _, a in blocks]), whole.height)


def test_only_what_a_block_needs_is_read() -> None:
    scan = io.scans(real("vendor/afmformats_force/fmt-jpk-fd_2020.02.07-16.29.05.036.jpk-qi-data"))[0]
    for which, a in approaches(scan, 2):
        assert a.faults == ("", "")
        assert a.channel == "height_sensor"
        assert a.unit == "m"
        assert len(a) == 2
        n = int(a.length.min())
        np.testing.assert_allclose(a.force[:, :n], scan["force"][which, :n].values, rtol=1e-4, atol=1e-13)


def test_a_calibrated_lever_on_sapphire_bends_as_far_as_the_piezo_goes() -> None:
    a = approach_of(io.scans(real("vendor/bruker/BrukerReader_ForceCurve_Sapphire_TAP525.001"))[0])
    deep = slice(-15, None)
    assert np.polyfit(a.height[0, deep], a.deflection[0, deep], 1)[0] == pytest.approx(-1, abs=0.25)
    assert a.spring_constant[0] == 90.0
