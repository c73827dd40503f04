"""Hysteresis loops of a file, fitted: a verdict for each, and one drawn."""

from __future__ import annotations

import numpy as np

from sharptip.curves.fitted import BAD, GOOD, NOT_JUDGED, Settings
from sharptip.curves.kinds import kind_of
from sharptip.physics.tip_response import Junction
from sharptip.simulate.loops import Run, loop_scan, measured, stacked, triangle


def test_loops_are_told_from_other_curves_and_fitted() -> None:
    rng = np.random.default_rng(1)
    run = Run(triangle(8.0, 64), np.linspace(-4, 4, 5))
    values = measured(rng, run, stacked([Junction(1e-3, 3.0, 0.5, imprint=0.4)] * 3), 10.0)
    values[1] = np.nan
    values[2] = 1e-3 * np.cumsum(rng.normal(size=values[2].shape), axis=0)
    scan = loop_scan(values, run, unit="V")
    kind = kind_of(scan)
    assert kind is not None
    assert kind.name == "hysteresis loops"
    fitted = kind.fit(scan, Settings(), lambda *_: None)
    assert fitted.verdicts[0] == GOOD
    assert fitted.verdicts[1] == NOT_JUDGED
    assert fitted.verdicts[2] in (BAD, "doubtful")
    column = fitted.column("coercive_voltage")
    assert column.unit == "V"
    assert column.low is not None
    assert column.high is not None
    assert column.low[0] < 3.0 < column.high[0]
    drawing = fitted.draw(0)
    assert [t.role for t in drawing.traces] == ["aside", "aside", "data", "fit"]
    assert fitted.draw(1).residual is None


def test_a_sweep_one_way_is_no_loop() -> None:
    run = Run(triangle(8.0, 64), np.zeros(1))
    scan = loop_scan(np.zeros((2, 64, 1)), run)
    assert kind_of(scan.isel(step=slice(0, 16))) is None
