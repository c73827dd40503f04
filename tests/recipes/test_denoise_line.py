"""denoise_line keeps a recipe's promises, and learns from noisy frames alone."""

import numpy as np
import pytest
import xarray as xr

from sharptip.clean import plane, rows
from sharptip.core.errors import ModelError
from sharptip.core.scan import scan_of
from sharptip.fit import Example, Model, check_recipe
from sharptip.fit.unlabelled import frames_of
from sharptip.nets.line_denoiser import blinded
from sharptip.recipes.clean_scan import RECIPE as CLEAN
from sharptip.recipes.denoise_line import RECIPE
from sharptip.simulate.surface import self_affine

SMALL = {"examples": 6, "epochs": 6, "tile": 32, "width": 8, "batch": 4, "lr": 5e-3}
NOISE = 0.6e-9


def surface(seed):
    return self_affine(np.random.default_rng(seed), (64, 64), 1e-9, rms=1e-9, correlation_length=8e-9, hurst=1.0)[0]


def noisy(z, seed):
    return z + NOISE * np.random.default_rng(seed).standard_normal(z.shape)


def film(frames, directions=None):
    """(time, [direction,] y, x) as a scan."""
    one = scan_of(frames[0] if directions is None else frames[0][0], 1e-9)
    dims = ("time", "direction", "y", "x") if directions else ("time", "y", "x")
    out = one.drop_vars("height").assign(height=xr.Variable(dims, np.array(frames), {"units": "m"}))
    out = out.assign_coords(time=xr.Variable(("time",), np.arange(len(frames)) * 1.0, {"units": "s"}))
    return out.assign_coords(direction=("direction", directions, {"units": "1"})) if directions else out


def test_it_keeps_the_promises():
    assert check_recipe(RECIPE, **{**SMALL, "examples": 12}) >= 14


def test_a_run_along_the_line_is_hidden_and_its_middle_asked_for():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 1, 40, 50)).astype(np.float32)
    seen, truth = blinded(x, rng, reach=3)
    np.testing.assert_array_equal(truth[:, :1], x)
    asked = truth[:, 1] > 0
    assert 0.01 < asked.mean() < 0.03
    changed = (seen != x)[:, 0]
    for n, y, c in zip(*np.nonzero(asked), strict=True):
        run = changed[n, y, max(c - 3, 0) : c + 4]
        assert run.mean() > 0.5  # other numbers all along the run
    assert changed.mean() < 0.2


def test_frames_without_a_truth_are_enough():
    clean = [surface(i) for i in range(6)]
    frames = frames_of([film([noisy(z, 100 + i) for i, z in enumerate(clean)])], RECIPE, {"examples": 6})
    assert [f.truth for f in frames] == [None] * 6
    model = Model(RECIPE, **{**SMALL, "epochs": 12}).fit(frames, seed=0)
    test = surface(50)
    answer = model.predict(scan_of(noisy(test, 51), 1e-9))["height"].values
    level = rows(plane(scan_of(test, 1e-9)))["height"].values
    assert (answer - level).std() < 0.8 * NOISE


def test_two_directions_are_each_other_s_truth():
    clean = [surface(i) for i in range(3)]
    both = film([[noisy(z, 10 + i), noisy(z, 20 + i)] for i, z in enumerate(clean)], ["forward", "backward"])
    frames = frames_of([both], RECIPE, {"examples": 3})
    assert len(frames) == 6
    assert frames[0].truth["height"].shape == (64, 64)
    np.testing.assert_array_equal(frames[1].scan["height"], both["height"][0, 1])
    other = film([[noisy(clean[0], 1), noisy(clean[1], 2)]], ["forward", "backward"])
    with pytest.raises(ModelError, match="correlate"):
        frames_of([other], RECIPE, {"examples": 3})


def test_a_recipe_that_needs_a_truth_says_so():
    with pytest.raises(ModelError, match="without its truth"):
        Model(CLEAN, epochs=1).fit([Example(scan_of(surface(0), 1e-9), None)])
