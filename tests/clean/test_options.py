"""Steps with options as a text: what is asked for is done and recorded, what cannot be done is refused by name."""

import json

import numpy as np
import pytest
import xarray as xr

from sharptip.clean import STEPS, fitting, named, polynomial, rows, run, scars, spikes, step_of
from sharptip.clean.flatten import flatten
from sharptip.core.errors import ScanError
from sharptip.core.scan import scan_of


@pytest.fixture
def scan():
    rng = np.random.default_rng(0)
    return scan_of(rng.normal(0, 1e-9, (24, 30)) + np.arange(24)[:, None] * 1e-9, 1e-9)


def options(scan, steps):
    return [(h["step"], h["options"]) for h in json.loads(run(scan, steps).attrs["history"])[1:]]


def test_options_do_what_they_do_in_python_and_stand_in_the_history(scan):
    asked = run(scan, "rows:method=matching, polynomial:degree=3x1")
    by_hand = polynomial(rows(scan, method="matching"), degree=(3, 1))
    xr.testing.assert_identical(asked, by_hand)
    assert not asked.identical(run(scan, "rows,polynomial"))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("polynomial:degree=3", "degree", [3, 3]),
        ("polynomial:degree=(2,3)", "degree", [2, 3]),
        ("plane:robust=yes", "robust", True),
        ("plane:robust=False:mask=none", "robust", False),
        ("arc:radius=12.5:side=above", "radius", 12.5),
        ("arc:radius=none", "radius", None),
        ("scars:max_width=3", "max_width", 3),
        ("lines : degree = 2", "degree", 2),
    ],
)
def test_values_are_read_as_the_step_takes_them(scan, text, key, value):
    ((name, recorded),) = options(scan, text)
    assert (name, recorded[key]) == (text.partition(":")[0].strip(), value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows:methd=x", "step 'rows' has no option 'methd'; it has method=median, mask=none"),
        ("rows:method=x", "step 'rows': method='x' is not known; there are 'median', 'difference'"),
        ("rows:matching", "'matching' is no option; write them as rows:NAME=VALUE; it has method=median"),
        ("facet:a=1", "step 'facet' has no option 'a'; it takes none"),
        ("polynomial:degree=2x3x4", "degree='2x3x4' is not 2 numbers, such as 2x3"),
        ("lines:degree=-1", "degree='-1' is not a number from 0"),
        ("lines:degree=two", "degree='two' is no whole number"),
        ("plane:robust=maybe", "robust='maybe' is neither yes nor no"),
        ("rows:channel=phase", "the channel is said once for all steps"),
        ("lines:degree=1:degree=2", "given twice"),
        ("auto:degree=3", "'auto' is a chain and takes no options; name its steps with theirs: flatten,scars"),
        ("auto,wash", "there is no step 'wash'; there are flatten"),
        ("", "there is no step ''"),
    ],
)
def test_what_cannot_be_done_is_named_before_anything_begins(text, said):
    with pytest.raises(ScanError) as error:
        named(text)
    assert said in str(error.value)


def test_every_option_of_every_step_can_be_written(scan):
    from sharptip.clean.options import _plain, options_of, takes

    for name, step in STEPS.items():
        for key, default in takes(step).items():
            assert options_of(f"{name}:{key}={_plain(default)}", step) == {key: default}


def test_chains_and_steps_combine(scan):
    xr.testing.assert_identical(run(scan, "spikes,auto"), scars(flatten(spikes(scan))))
    assert named(["spikes", "simple"]) == ("spikes", "plane", "rows", "scars")
    film = xr.concat([scan, scan], xr.Variable("time", [0.0, 1.0], {"units": "s"}))
    assert fitting(film, "spikes,auto") == ("junk", "spikes", "flatten", "scars")
    assert fitting(film, "spikes,simple") == ("spikes", "plane", "rows", "scars")
    xr.testing.assert_identical(step_of("rows:method=trimmed")(scan), rows(scan, method="trimmed"))
