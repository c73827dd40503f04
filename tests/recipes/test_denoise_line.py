"""denoise_line keeps a recipe's promises, and learns from noisy frames alone."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from sharptip.clean import flatten_fit
from sharptip.core.errors import ModelError
from sharptip.core.scan import scan_of
from sharptip.fit import Example, Model, check_recipe
from sharptip.fit.beside import onto
from sharptip.fit.model import OutOfRange
from sharptip.fit.unlabelled import frames_of
from sharptip.nets import LineDenoiser
from sharptip.recipes.clean_scan import RECIPE as CLEAN
from sharptip.recipes.denoise_line import RECIPE, doubts
from sharptip.simulate.surface import self_affine

SMALL = {"examples": 6, "epochs": 6, "tile": 32, "tiles": 24, "width": 8, "batch": 4, "lr": 1e-2}
NOISE = 0.6e-9


def surface(seed):
    return self_affine(np.random.default_rng(seed), (64, 64), 1e-9, rms=1e-9, correlation_length=8e-9, hurst=1.0)[0]


def bumps(seed):
    """Round hills on a flat substrate, which every levelling finds."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    return sum(3e-9 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 10) for a, b in rng.uniform(0, 64, (20, 2)))


def noisy(z, seed):
    """Noise that is correlated over some pixels along the line."""
    n = gaussian_filter1d(np.random.default_rng(seed).standard_normal(z.shape), 1.2, axis=1)
    return z + NOISE * n / n.std()


def film(frames, directions=None):
    """(time, [direction,] y, x) as a scan."""
    one = scan_of(frames[0] if directions is None else frames[0][0], 1e-9)
    dims = ("time", "direction", "y", "x") if directions else ("time", "y", "x")
    out = one.drop_vars("height").assign(height=xr.Variable(dims, np.array(frames), {"units": "m"}))
    out = out.assign_coords(time=xr.Variable(("time",), np.arange(len(frames)) * 1.0, {"units": "s"}))
    return out.assign_coords(direction=("direction", directions, {"units": "1"})) if directions else out


def test_it_keeps_the_promises():
    assert check_recipe(RECIPE, **{**SMALL, "examples": 12, "tile": 64}) >= 14


def test_no_line_sees_itself_and_other_looks_are_seen_whole():
    net = LineDenoiser(beside=2, width=4, seed=0)
    x = torch.randn(1, 3, 40, 40, requires_grad=True)
    net(x)[0, :, 20, 20].sum().backward()
    seen = x.grad[0].abs()
    assert (seen[0, 20] == 0).all()
    assert (seen[0, [19, 21], 20] > 0).all()
    assert (seen[1:, 20, 20] > 0).all()


def test_a_film_teaches_its_own_denoiser_better_than_a_filter():
    still = bumps(3)
    clean = np.array([np.roll(still, t, axis=1) for t in range(6)])
    measured = np.array([noisy(z, 100 + t) for t, z in enumerate(clean)])
    model = Model(RECIPE, **{**SMALL, "epochs": 20, "tiles": 32})
    answer = model.fit(frames_of([film(measured)], RECIPE, model.options), seed=0).predict(film(measured))
    before = np.array([flatten_fit(z).image for z in measured])
    left = answer["height"].values - clean
    filtered = min(np.std(gaussian_filter(before, (0, s, s)) - clean) for s in (0.5, 0.75, 1, 1.5))
    assert left.std() < 0.8 * filtered < 0.8 * NOISE
    missed = np.abs(left - np.median(left, axis=(1, 2), keepdims=True)) / answer["uncertainty"].values
    assert 0.8 < (missed < 1.96).mean() <= 1
    assert json.loads(answer.attrs["doubts"]) == [""] * 6


def test_the_other_pass_and_the_frames_beside_come_with_a_frame():
    clean = [surface(i) for i in range(3)]
    both = film([[noisy(z, 10 + i), noisy(z, 20 + i)] for i, z in enumerate(clean)], ["forward", "backward"])
    frames = frames_of([both], RECIPE, {"examples": 9, "around": 1})
    assert [f.truth for f in frames] == [None] * 6
    first = frames[0].beside
    np.testing.assert_array_equal(first[0]["height"], both["height"][0, 1])
    assert first[1] is None
    np.testing.assert_array_equal(first[2]["height"], both["height"][1, 0])


def test_frames_that_show_nothing_are_not_learned_from():
    frames = np.array([noisy(surface(0), 1), np.zeros((64, 64)), noisy(surface(0), 2)])
    assert len(frames_of([film(frames)], RECIPE, {"examples": 9, "around": 1})) == 2
    with pytest.raises(ModelError, match="no frame"):
        frames_of([film(frames[1:2])], RECIPE, {"examples": 9, "around": 1})


def test_large_frames_are_fewer(monkeypatch):
    monkeypatch.setattr("sharptip.fit.unlabelled.PIXELS", 3 * 64 * 64)
    frames = frames_of([film([noisy(surface(i), i) for i in range(7)])], RECIPE, {"examples": 9, "around": 1})
    assert len(frames) == 3


def test_another_look_is_brought_onto_the_frame_or_left_out():
    z = noisy(surface(0), 1)
    found = onto(z, np.roll(noisy(surface(0), 2), (3, -5), axis=(0, 1)))
    np.testing.assert_allclose(found[:-3, 5:], noisy(surface(0), 2)[:-3, 5:])
    assert np.isnan(found[-3:]).all()
    assert onto(z, noisy(surface(9), 2)) is None


def test_noise_that_lines_share_is_doubted():
    z = surface(0)
    rng = np.random.default_rng(0)
    answer = {"height": z}
    assert doubts(z + NOISE * rng.standard_normal(z.shape), answer, RECIPE.options) == ""
    assert "the next" in doubts(z + NOISE * rng.standard_normal((1, 64)), answer, RECIPE.options)
    steep = np.hypot(*np.gradient(z))
    grows = np.where(steep > np.quantile(steep, 0.9), 5, 1)
    assert "steep" in doubts(z + NOISE * grows * rng.standard_normal(z.shape), answer, RECIPE.options)


def test_a_doubt_is_said_aloud():
    stripes = np.array([surface(i) + NOISE * np.random.default_rng(i).standard_normal((1, 64)) for i in range(2)])
    model = Model(RECIPE, **SMALL).fit(frames_of([film(stripes)], RECIPE, {**RECIPE.options, **SMALL}))
    both = {"height": stripes[0], "uncertainty": np.ones((64, 64))}
    model.recipe.doubts(stripes[0], both, model.options)
    with pytest.warns(OutOfRange, match="1 of 2 answers are doubtful; the first: why"):
        model._warn_doubtful(["", "why"], "film")


def test_an_interrupted_training_goes_on(tmp_path):
    frames = frames_of([film([noisy(surface(i), i) for i in range(3)])], RECIPE, {**RECIPE.options, **SMALL})
    whole = Model(RECIPE, **SMALL).fit(frames)

    def stop(history):
        if len(history.loss) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Model(RECIPE, **SMALL).fit(frames, on_epoch=stop, state=tmp_path / "state")
    seen = []
    again = Model(RECIPE, **SMALL).fit(frames, on_epoch=lambda h: seen.append(len(h.loss)), state=tmp_path / "state")
    assert seen == [4, 5, 6]
    with pytest.raises(ModelError, match="about was 12 tiles"):
        Model(RECIPE, **SMALL).fit(frames[:2], state=tmp_path / "state")
    for one, other in zip(whole.learner.parameters(), again.learner.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_recipe_that_needs_a_truth_says_so():
    with pytest.raises(ModelError, match="without its truth"):
        Model(CLEAN, epochs=1).fit([Example(scan_of(surface(0), 1e-9), None)])
