"""Sums over paths against counting every path; chains, rates and their errors against simulation with known truth."""

import itertools

import numpy as np
import pytest

from sharptip.measure.chain_sums import forward_backward, likeliest_path
from sharptip.measure.dwell_times import dwell_rate, dwells_of, smooth_short
from sharptip.measure.hidden_markov import choose_states, fit_chains, states_of
from sharptip.measure.switching_rates import correct_missed, generator, switching_rates


def telegraph(rng, n, samples, k12, k21, snr):
    """(states, traces) (n, samples) of a chain with these probabilities per sample; levels 0 and 1."""
    s = np.zeros((n, samples), int)
    s[:, 0] = rng.random(n) < k12 / (k12 + k21)
    for t in range(1, samples):
        u = rng.random(n)
        s[:, t] = np.where(s[:, t - 1] == 0, u < k12, u >= k21)
    return s, s + rng.normal(0, 1 / snr, s.shape)


def every_path(start, move, log_seen):
    T, K = log_seen.shape
    for path in itertools.product(range(K), repeat=T):
        p = np.log(start[path[0]]) + sum(np.log(move[a, b]) for a, b in itertools.pairwise(path))
        yield path, p + sum(log_seen[t, s] for t, s in enumerate(path))


@pytest.mark.parametrize(("T", "K"), [(1, 2), (2, 3), (7, 2), (6, 3), (5, 4)])
def test_sums_and_maxima_are_those_of_every_path(T, K):
    rng = np.random.default_rng(T)
    n = 3
    start, move = rng.dirichlet(np.ones(K), n), rng.dirichlet(np.ones(K), (n, K))
    log_seen = rng.normal(0, 3, (n, T, K))
    log_likelihood, share, moves = forward_backward(start, move, log_seen)
    path, best = likeliest_path(start, move, log_seen)
    for i in range(n):
        paths = list(every_path(start[i], move[i], log_seen[i]))
        p = np.exp([v for _, v in paths])
        assert log_likelihood[i] == pytest.approx(np.log(p.sum()))
        likeliest, value = max(paths, key=lambda pair: pair[1])
        assert tuple(path[i]) == likeliest
        assert best[i] == pytest.approx(value)
        states = np.array([s for s, _ in paths])
        expected = np.array([[p[states[:, t] == k].sum() for k in range(K)] for t in range(T)]) / p.sum()
        np.testing.assert_allclose(share[i], expected, atol=1e-12)
        counts = np.array([[sum(p[(states[:, t] == a) & (states[:, t + 1] == b)].sum() for t in range(T - 1))
                            for b in range(K)] for a in range(K)]) / p.sum()  # fmt: skip
        np.testing.assert_allclose(moves[i], counts, atol=1e-12)


def test_many_thousand_samples_neither_underflow_nor_take_long():
    _, x = telegraph(np.random.default_rng(0), 1, 30_000, 0.02, 0.05, 4)
    chain = fit_chains(x, 2)
    assert chain.move[0, 0, 1] == pytest.approx(0.02, rel=0.1)
    assert chain.move[0, 1, 0] == pytest.approx(0.05, rel=0.1)


def test_levels_rates_and_the_coverage_of_their_errors():
    k12, k21 = 0.05, 0.12
    states, x = telegraph(np.random.default_rng(1), 80, 500, k12, k21, 3)
    chains = fit_chains(1e-9 + 2e-10 * x, 2)
    np.testing.assert_allclose(chains.level[:, :, 0].mean(0), [1e-9, 1.2e-9], rtol=0.01)
    np.testing.assert_allclose(chains.spread[:, :, 0].mean(0), 2e-10 / 3, rtol=0.05)
    assert (states_of(1e-9 + 2e-10 * x, chains) == states).mean() > 0.97
    found = switching_rates(1e-9 + 2e-10 * x, chains, dt=1e-3)
    true = 1e3 * generator(np.array([[[1 - k12, k12], [k21, 1 - k21]]]))[0]
    for i, j in ((0, 1), (1, 0)):
        rate, error = found.rate[:, i, j], found.error[:, i, j]
        assert rate.mean() == pytest.approx(true[i, j], rel=0.1)
        assert error.mean() == pytest.approx(rate.std(), rel=0.25)
        inside = np.abs(np.log(rate / true[i, j])) < 1.96 * error / rate
        assert 0.88 <= inside.mean() <= 1.0  # 95 % ± 2 standard deviations of 80 trials, and a little


def test_the_number_of_states_is_found():
    rng = np.random.default_rng(2)
    one = rng.normal(0, 1, (4, 400))
    _, two = telegraph(rng, 4, 400, 0.05, 0.05, 4)
    _, more = telegraph(rng, 4, 400, 0.03, 0.06, 6)
    four = two + 3.1 * (more > 0.5)
    many, fits = choose_states(np.concatenate([one, two, four]), 4)
    assert (many[:4] == 1).all()
    assert (many[4:8] == 2).mean() > 0.8
    assert (many[8:] == 4).mean() > 0.5
    assert [f.level.shape[1] for f in fits] == [1, 2, 3, 4]


def test_a_pair_tells_what_one_channel_does_not():
    rng = np.random.default_rng(3)
    states, x = telegraph(rng, 8, 300, 0.06, 0.06, 1.5)
    other = 1 - states + rng.normal(0, 1 / 1.5, states.shape)
    alone, both = fit_chains(x, 2), fit_chains(np.stack([x, other], 1), 2)
    assert (states_of(np.stack([x, other], 1), both) == states).mean() > (states_of(x, alone) == states).mean()
    assert both.level.shape == (8, 2, 2)


def test_missing_samples_change_little_and_lengths_may_differ():
    _, x = telegraph(np.random.default_rng(4), 4, 400, 0.05, 0.1, 4)
    holed = x.copy()
    holed[:, 100:110] = np.nan
    holed[2, 300:] = np.nan
    chains, whole = fit_chains(holed, 2), fit_chains(x, 2)
    np.testing.assert_allclose(chains.level[:2], whole.level[:2], atol=0.05)
    path = states_of(holed, chains)
    assert (path[:, 100:110] == -1).all()
    assert (path[2, 300:] == -1).all()
    short = fit_chains(x[2:3, :300], 2)
    cut = fit_chains(np.where(np.arange(400) < 300, x[2:3], np.nan), 2)
    np.testing.assert_allclose(short.level, cut.level, atol=1e-3)
    assert short.log_likelihood == pytest.approx(cut.log_likelihood, abs=0.02)


@pytest.mark.parametrize("trace", [[3.0], [3.0, 4.0], [5.0] * 30, [np.nan] * 30, [0.0] * 30, [np.inf] * 5,
                                   [*([1.0] * 40), 1e12, *([1.0] * 9)]])  # fmt: skip
def test_degenerate_traces_have_an_answer(trace):
    x = np.array([trace])
    many, fits = choose_states(x)
    chosen = fits[many[0] - 1]
    assert np.isfinite(chosen.log_likelihood).all()
    assert np.isfinite(chosen.level).all() == np.isfinite(x).any()
    assert states_of(x, chosen).shape == x.shape
    two = fit_chains(x, 2)
    np.testing.assert_allclose(two.move.sum(2), 1)
    switching_rates(x, two, 1.0)


def test_shapes_that_are_no_traces_are_refused():
    with pytest.raises(ValueError, match=r"\(n, samples\) or \(n, channels, samples\)"):
        fit_chains(np.zeros(5), 2)
    with pytest.raises(ValueError, match="one state at least"):
        fit_chains(np.zeros((1, 5)), 0)


def test_generator_undoes_the_exponential():
    from scipy.linalg import expm

    rng = np.random.default_rng(5)
    rate = rng.uniform(0, 0.3, (4, 3, 3)) * (1 - np.eye(3))
    move = np.stack([expm(r - np.diag(r.sum(1))) for r in rate])
    np.testing.assert_allclose(generator(move), rate, atol=1e-12)
    assert np.isnan(generator(np.array([[[0.3, 0.7], [0.8, 0.2]]]))).any()  # faster than any chain in continuous time


def test_missed_dwells_are_counted_again():
    """A chain in continuous time whose dwells shorter than the dead time are joined to their neighbours."""
    rng = np.random.default_rng(6)
    k, dead, n = np.array([0.3, 0.5]), 0.6, 40_000
    dwells = rng.exponential(1, (n, 2)) / k
    state, time = np.tile([0, 1], n), dwells.ravel()
    seen: list[list[float]] = []
    for s, t in zip(state, time, strict=True):
        if seen and (t < dead or seen[-1][0] == s):
            seen[-1][1] += t
        elif t >= dead:
            seen.append([s, t])
    table = np.array(seen)
    apparent = [1 / (table[table[:, 0] == s, 1].mean() - dead) for s in (0, 1)]
    assert apparent[0] < 0.9 * k[0]
    np.testing.assert_allclose(correct_missed(np.array([apparent]), dead)[0], k, rtol=0.03)
    assert np.isnan(correct_missed(np.array([[5.0, 5.0]]), 1.0)).all()
    assert correct_missed(np.array([[0.0, 0.1]]), 1.0)[0].tolist() == [0.0, 0.1]


def test_dwells_know_their_ends_and_their_rate():
    states = np.array([[0, 0, 1, 1, 1, 0, -1, 1, 1, 0, 1]])
    d = dwells_of(states, dt=0.5)
    assert d.seconds.tolist() == [1.0, 1.5, 0.5, 1.0, 0.5, 0.5]
    assert d.whole.tolist() == [False, True, False, False, True, False]
    assert dwell_rate(d, 1)[0] == pytest.approx(1 / 1.5)
    assert np.isnan(dwell_rate(d, 2)).all()
    s, _ = telegraph(np.random.default_rng(7), 20, 2000, 0.05, 0.1, 3)
    rate, error = dwell_rate(dwells_of(s, 1.0), 0)
    assert abs(rate - 0.05) < 4 * error
    assert smooth_short(np.array([[0, 0, 1, 0, 0, 1, 1]]), 2).tolist() == [[0, 0, 0, 0, 0, 1, 1]]
