"""Telegraph traces: the chain has the rates it was given, the truth belongs to the trace, everything is on record."""

import json

import numpy as np
import pytest

from sharptip.simulate.telegraph import JUNK, KINDS, occupancy, telegraph


def test_the_chain_is_where_its_rates_say():
    rate = np.array([[0, 0.1, 0.2], [0.3, 0, 0.05], [0.02, 0.1, 0]])
    share = occupancy(np.random.default_rng(0), rate, 60_000, 1.0)
    np.testing.assert_allclose(share.sum(1), 1)
    flow = rate.T - np.diag(rate.sum(1))
    np.testing.assert_allclose(flow @ share.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(occupancy(np.random.default_rng(0), np.zeros((1, 1)), 5, 1.0), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_truth_belongs_to_the_trace(kind):
    kept = 0
    for seed in range(12):
        t = telegraph(np.random.default_rng(seed), kind=kind, junk="", frames=400, snr=12)
        assert t.trace.shape == ((2 if kind == "pair" else 1), 400)
        if not t.accept or len(t.level) < 2:
            continue
        kept += 1
        assert (np.diff(t.level) > 0).all()
        assert t.rate.shape == (len(t.level),) * 2
        assert (np.diag(t.rate) == 0).all()
        shown = t.trace[1] / t.trace.sum(0) if kind == "pair" else t.trace[0]
        means = [np.median(shown[t.states == k]) for k in np.unique(t.states[t.states >= 0])]
        assert (np.diff(means) > 0).all(), (seed, means)
    assert kept > 5


def test_rates_are_per_second():
    switches, expected = 0, 0.0
    for seed in range(40):
        t = telegraph(np.random.default_rng(seed), kind="current", junk="", frames=1000)
        if len(t.level) == 2:
            switches += int((np.diff(t.states) != 0).sum())
            k = t.rate[[0, 1], [1, 0]] * t.frame_time
            expected += 1000 * 2 * k.prod() / k.sum()
    assert 0.6 < switches / expected < 1.0  # switches there and back within a frame are not seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_never_kept_and_everything_is_on_record(kind, junk):
    t = telegraph(np.random.default_rng(3), kind=kind, junk=junk, frames=300)
    again = telegraph(np.random.default_rng(3), kind=kind, junk=junk, frames=300)
    assert not t.accept
    assert np.isfinite(t.trace).all()
    np.testing.assert_array_equal(t.trace, again.trace)
    record = json.loads(json.dumps(t.record, default=float))
    assert {"kind", "junk", "snr", "frames", "frame_time", "states"} <= set(record)


def test_noise_is_as_asked_for():
    t = telegraph(np.random.default_rng(8), kind="current", junk="nothing", frames=2000, snr=5)
    spread = 1.4826 * np.median(np.abs(np.diff(t.trace[0]))) / np.sqrt(2)
    assert spread / abs(t.record["step"]) < 0.25


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind is 'film'"):
        telegraph(np.random.default_rng(0), kind="film")
    with pytest.raises(ValueError, match="junk is 'dirt'"):
        telegraph(np.random.default_rng(0), junk="dirt")
