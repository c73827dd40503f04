"""Raw scans of which every part is known: the parts add up, and are what was asked for."""

import time

import numpy as np
import pytest

from sharptip.core.history import is_simulated
from sharptip.core.scan import check
from sharptip.simulate.dirty import OBJECTS, PITS, dirty

SHAPE = (97, 131)


def drawn(seed=0, **options):
    return dirty(np.random.default_rng(seed), SHAPE, **options)


@pytest.mark.parametrize("kind", [*OBJECTS, "rough"])
def test_the_parts_add_up(kind):
    d = drawn(kind=kind, scars=0.05)
    total = d.surface + d.background + d.lines + d.streaks + d.noise
    np.testing.assert_allclose(d.height, total, rtol=0, atol=1e-12 * np.ptp(d.height))
    assert d.height.shape == SHAPE
    assert d.offsets.shape == d.tilts.shape == SHAPE[:1]
    assert np.isfinite(d.height).all()
    check(d.scan())
    assert is_simulated(d.scan())


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("coverage", [0.0, 0.2, 0.5, 0.8])
def test_objects_cover_the_share_that_was_asked_for(kind, coverage):
    d = drawn(kind=kind, coverage=coverage, steps=0)
    wanted = min(coverage, PITS) if kind == "pits" else coverage
    assert d.drawn["coverage"] == pytest.approx(wanted, abs=0.05)
    assert d.substrate.mean() <= 1 - wanted + 0.03


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_the_largest_terrace_is_zero(steps):
    d = drawn(kind="ellipsoids", coverage=0.1, steps=steps)
    assert abs(d.surface[d.substrate].mean()) < 1e-3 * d.drawn["sq"]
    assert np.abs(d.surface[d.substrate]).max() < max(0.5 * d.drawn["step_height"], d.drawn["sq"])
    assert d.substrate.mean() > 0.5 / (steps + 1)
    there = d.terraces[np.isfinite(d.terraces)]
    assert len(np.unique(there)) == steps + 1
    assert np.isnan(d.terraces).mean() > 0.09  # where objects stand
    for k in np.unique(there):
        rise = d.surface[d.terraces == k].mean() - k * d.drawn["step_height"]
        assert abs(rise) < 0.2 * d.drawn["sq"]


def test_a_rough_surface_lies_on_its_plane():
    d = drawn(kind="rough")
    y, x = np.linspace(-1, 1, SHAPE[0])[:, None], np.linspace(-1, 1, SHAPE[1])
    for term in (np.ones(SHAPE), y, x):
        assert abs((d.surface * term).mean()) < 1e-9 * d.drawn["sq"]


def test_artefacts_are_as_large_as_was_asked_for():
    none = dict.fromkeys(("tilt", "bow", "white", "walk", "jumps", "line_tilt", "scars", "noise"), 0.0)
    clean = drawn(kind="spheres", coverage=0.3, **none)
    np.testing.assert_array_equal(clean.height, clean.surface)
    sq = clean.drawn["sq"]
    tilted = drawn(kind="spheres", coverage=0.3, **(none | {"tilt": 8.0}))
    way = np.hypot(np.ptp(tilted.background[:, 0]), np.ptp(tilted.background[0]))
    assert way == pytest.approx(8 * sq, rel=1e-6)
    stepped = drawn(kind="spheres", coverage=0.3, **(none | {"white": 0.5}))
    assert stepped.offsets.std() == pytest.approx(0.5 * sq, rel=0.25)
    noisy = drawn(kind="spheres", coverage=0.3, **(none | {"noise": 0.1}))
    assert noisy.noise.std() >= 0.09 * sq
    np.testing.assert_allclose(noisy.noise.mean(axis=1), 0, atol=1e-9 * sq)
    scarred = drawn(kind="spheres", coverage=0.3, **(none | {"scars": 0.1}))
    assert 0 < scarred.scars.mean() < 0.2
    assert not scarred.streaks[~scarred.scars].any()


def test_same_rng_same_scan():
    np.testing.assert_array_equal(drawn(5).height, drawn(5).height)
    assert not np.array_equal(drawn(5).height, drawn(6).height)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="cubes"):
        drawn(kind="cubes")
    with pytest.raises(ValueError, match="8 × 64"):
        dirty(np.random.default_rng(0), (8, 64))


def test_thirty_images_a_second():
    start = time.process_time()
    for seed in range(30):
        dirty(np.random.default_rng(seed))
    assert time.process_time() - start < 3  # 0.3 s on one core of 2024
