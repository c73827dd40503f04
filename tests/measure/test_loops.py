"""Loops of any scan as arrays, their quantities, their fit, and what belongs together."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from tests.real import real, reals

import sharptip
from sharptip.core.errors import ChannelError, ScanError, UnitError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid
from sharptip.measure.loop_fit import fit_loops
from sharptip.measure.loop_quantities import backwards, branches, loop_quantities, quantities
from sharptip.measure.loops import images, loops_of
from sharptip.measure.principal import clusters, principal
from sharptip.physics.tip_response import Junction, response
from sharptip.simulate.loops import Run, draw_junction, loop_scan, measured, stacked, triangle

WRITE = triangle(8.0, 64)
READ = np.linspace(-4, 4, 9)


def scan_of(junction: Junction, read: np.ndarray | None = READ, write: np.ndarray = WRITE) -> xr.Dataset:
    return loop_scan(response(write, read, junction), Run(write, read))


def test_a_square_loop_has_its_area_and_its_voltages() -> None:
    volts = np.linspace(-5, 5, 1001)
    rising, falling = np.where(volts > 2, 0.3, -0.3)[None], np.where(volts > -1, 0.3, -0.3)[None]
    q = loop_quantities(volts, rising, falling)
    assert q["work"][0] == pytest.approx(2 * 0.3 * 3, rel=0.01)
    assert q["coercive_positive"][0] == pytest.approx(2, abs=0.02)
    assert q["coercive_negative"][0] == pytest.approx(-1, abs=0.02)
    assert q["imprint"][0] == pytest.approx(0.5, abs=0.02)
    assert q["remanent"][0] == pytest.approx(0.3)


@pytest.mark.parametrize("cycles", [1, 2])
@pytest.mark.parametrize("begin", [0.0, 0.5, 0.75])
def test_coercive_voltages_come_back_wherever_the_run_begins(cycles: int, begin: float) -> None:
    write = triangle(8.0, 64 * cycles, cycles, begin)
    loops = loops_of(scan_of(Junction(1e-3, 3.0, 0.5, imprint=0.6), write=write))
    q = quantities(loops)
    assert q["coercive_positive"][0] == pytest.approx(3.6, abs=0.3)
    assert q["coercive_negative"][0] == pytest.approx(-2.4, abs=0.3)
    assert abs(q["remanent"][0]) == pytest.approx(1e-3, rel=0.02)


def test_linear_electrostatics_gives_its_slope_and_surface_potential() -> None:
    q = quantities(loops_of(scan_of(Junction(slope=0.02, potential=0.7))))
    assert q["slope"][0] == pytest.approx(0.02)
    assert q["potential"][0] == pytest.approx(0.7)
    assert q["work"][0] == pytest.approx(0, abs=1e-12)


def test_charge_moves_the_null_and_polarisation_does_not_move_its_mean() -> None:
    both = stacked([Junction(0, 1, 1, slope=0.1, injected=0.2), Junction(0.5, 3.0, 0.3, slope=0.1, potential=0.4)])
    q = quantities(loops_of(scan_of(both)))
    assert q["window"][0] > 2  # volts, what a positive write leaves above what a negative one leaves
    assert q["potential"][1] == pytest.approx(0.4, abs=0.05)


def test_the_fit_recovers_what_was_simulated_and_its_errors_cover() -> None:
    rng = np.random.default_rng(3)
    drawn = stacked([draw_junction(rng, "mixed", 8.0)[0] for _ in range(80)])
    run = Run(WRITE, READ)
    fit = fit_loops(loops_of(loop_scan(measured(rng, run, drawn, 10.0), run)))
    for name in ("piezo", "coercive", "imprint", "slope", "injected"):
        off = np.abs(fit.values[name] - getattr(drawn, name))
        covered = np.mean(off < 1.96 * fit.errors[name])
        assert 0.84 <= covered <= 1.0, f"{name}: 95 % intervals hold {covered:.0%}"
    assert np.median(np.abs(fit.values["coercive"] - drawn.coercive)) < 0.1
    assert np.median(fit.residual / (np.ptp(response(WRITE, READ, drawn), axis=(1, 2)) / 20)) == pytest.approx(
        1, abs=0.1
    )


def test_one_read_voltage_says_nothing_of_electrostatics_and_no_more() -> None:
    rng = np.random.default_rng(4)
    run = Run(WRITE, np.zeros(1))
    loops = loops_of(loop_scan(measured(rng, run, Junction(2e-3, 3.0, 0.5, slope=1e-4), 20.0), run))
    fit = fit_loops(loops)
    assert np.isnan(fit.values["slope"]).all()
    assert np.isnan(quantities(loops)["potential"]).all()
    assert fit.values["coercive"][0] == pytest.approx(3.0, abs=4 * fit.errors["coercive"][0])


def test_missing_values_and_spikes_are_filled_and_counted() -> None:
    rng = np.random.default_rng(5)
    clean = response(WRITE, READ, Junction(1.0, 3.0, 0.5)) + 0.02 * rng.normal(size=(1, 64, 9))
    values = np.repeat(clean, 4, axis=0)
    values[1, 20, 3] = np.nan
    values[2, 30, 5] += 50
    values[3] = np.nan
    loops = loops_of(loop_scan(values, Run(WRITE, READ)))
    assert loops.filled[:3].tolist() == [0, 1, 1]
    assert loops.faults == ("", "", "", "all of its values are missing")
    q = quantities(loops)
    assert q["coercive_positive"][1:3] == pytest.approx(q["coercive_positive"][0], abs=0.05)
    assert np.isnan(q["coercive_positive"][3])


def test_the_order_of_the_voltages_is_that_of_time() -> None:
    """Negated voltages turn the loop about its centre; reversed time makes it run the wrong way, which is named."""
    junction = Junction(1.0, 3.0, 0.3, imprint=0.5)
    scan = scan_of(junction)
    turned = scan.assign(bias=-scan["bias"].assign_attrs(scan["bias"].attrs), bias_read=-scan["bias_read"])
    for name in ("bias", "bias_read"):
        turned[name].attrs["units"] = "V"
    q = quantities(loops_of(turned))
    assert q["imprint"][0] == pytest.approx(-quantities(loops_of(scan))["imprint"][0], abs=0.2)
    assert not backwards(loops_of(scan)).any()
    assert not backwards(loops_of(turned)).any()
    assert backwards(loops_of(scan.isel(step=slice(None, None, -1)))).all()


def test_what_is_no_loop_is_refused_by_name() -> None:
    scan = scan_of(Junction(1.0, 3.0, 0.3))
    with pytest.raises(ScanError, match="1 write step; a loop has 8"):
        loops_of(scan.isel(step=[3]))
    with pytest.raises(ScanError, match="only rises"):
        loops_of(scan.isel(step=slice(0, 15)))
    with pytest.raises(ChannelError, match="'bias' in V"):
        loops_of(scan.drop_vars("bias"))
    with pytest.raises(ChannelError, match="'bias_read' in V"):
        loops_of(scan.drop_vars("bias_read"))
    wrong = scan.copy(deep=True)
    wrong["bias"].attrs["units"] = "A"
    with pytest.raises(UnitError, match="'A'; voltages are in V"):
        loops_of(wrong)
    moving = scan.drop_vars("bias_read")
    moving["bias_read"] = (("step", "read"), np.outer(np.linspace(1, 2, 64), READ), {"units": "V"})
    with pytest.raises(ScanError, match="change from step to step"):
        loops_of(moving)
    with pytest.raises(ChannelError, match="neither 'piezo_response' nor 'amplitude'"):
        loops_of(scan.rename(piezo_response="height"))


def test_two_fields_want_to_be_told_apart() -> None:
    both = np.stack(
        [
            response(WRITE, None, Junction(1.0, 3.0, 0.3, slope=0.1))[..., 0],
            response(WRITE, np.zeros(1), Junction(1.0, 3.0, 0.3))[..., 0],
        ],
        1,
    )
    channels = (
        Channel("piezo_response", both, "V", "r", ("site", "field", "step")),
        Channel("bias", WRITE, "V", "b", ("step",)),
    )  # fmt: skip
    axes = {d: Axis(np.arange(n) * 1.0, "1") for d, n in (("site", 1), ("field", 2), ("step", 64))}
    scan = from_grid(Grid("two", channels, axes))
    with pytest.raises(ScanError, match="say off_field=0 or off_field=1"):
        loops_of(scan)
    assert loops_of(scan, off_field=1).response[0, :, 0] == pytest.approx(both[0, 1])
    on = loops_of(scan, off_field=1, on=True)
    assert on.read is None
    assert on.response[0, :, 0] == pytest.approx(both[0, 0])


def test_images_keep_the_corners_and_the_voltages() -> None:
    loops = loops_of(scan_of(Junction(1.0, 3.0, 0.3)))
    x, scale = images(loops)
    assert x.shape == (1, 4, 64, 64)
    assert x[0, 1, 16, 0] == pytest.approx(1.0)  # the largest write voltage
    assert x[0, 2, 0, [0, -1]] == pytest.approx([-0.5, 0.5])
    assert x[0, 0, 0, 0] * scale[0] + np.median(loops.response) == pytest.approx(loops.response[0, 0, 0], abs=1e-6)


def test_principal_components_are_those_of_the_covariance() -> None:
    rng = np.random.default_rng(6)
    data = rng.normal(size=(200, 3)) @ np.diag([5.0, 2.0, 0.1]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    found = principal(data, 2)
    values, vectors = np.linalg.eigh(np.cov(data.T))
    assert found.variance == pytest.approx(values[:0:-1])
    assert np.abs(found.components @ vectors[:, :0:-1]) == pytest.approx(np.eye(2), abs=1e-6)
    assert found.scores(data).std(0, ddof=1) ** 2 == pytest.approx(found.variance)


def test_clusters_find_the_mechanisms_and_their_number() -> None:
    rng = np.random.default_rng(7)
    pixels = (
        [Junction(1.0, 3.0, 0.3)] * 60 + [Junction(0, 1, 1, slope=0.2, injected=0.1)] * 40 + [Junction(slope=0.2)] * 30
    )
    run = Run(WRITE, READ)
    loops = loops_of(loop_scan(measured(rng, run, stacked(pixels), 8.0), run))
    vectors = images(loops, 16)[0][:, 0].reshape(len(pixels), -1)
    labels, criterion = clusters(principal(vectors, 3).scores(vectors), rng)
    assert criterion.argmin() == 2
    assert labels.tolist() == [0] * 60 + [1] * 40 + [2] * 30


def test_branches_of_every_voltage() -> None:
    volts, rising, falling = branches(WRITE, WRITE[None] ** 2)
    assert volts == pytest.approx(np.linspace(-8, 8, 33))
    assert rising[0] == pytest.approx(volts**2)
    assert falling[0] == pytest.approx(volts**2)


def test_real_contact_kelvin_loops_switch_at_three_volts() -> None:
    path = real("pfm_be", "GPim", "cKPFM loop_0001 10 x 10-proc.npz")
    loops = loops_of(sharptip.read(path, size="unknown"))
    assert loops.response.shape == (100, 64, 5)
    assert loops.read == pytest.approx([-5, -2.5, 0, 2.5, 5])
    assert loops.unit == "V"
    q = quantities(loops)
    assert 2 < np.median(q["coercive_positive"]) < 4
    assert -4 < np.median(q["coercive_negative"]) < -2


def test_real_nanoloops_and_band_excitation_maps_are_loops() -> None:
    for path in reals("pfm_be/PySSPFM_nanoloops/*.txt"):
        loops = loops_of(sharptip.read(path))
        assert loops.response.shape[1:] == (100, 1)
        assert not any(loops.faults)
    loops = loops_of(sharptip.read(real("pfm_be", "DTMicroscope", "BEPS_PTO_50x50.h5")))
    assert loops.response.shape == (2500, 64, 1)
    q = quantities(loops)
    assert 3 < np.median(q["coercive_positive"]) < 6
    assert -5 < np.median(q["coercive_negative"]) < -2
