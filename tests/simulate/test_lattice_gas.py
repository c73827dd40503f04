"""The lattice gas against statistics in closed form: small lattices counted out, and what can never change."""

import itertools
import sys

import numpy as np
import pytest

from sharptip.core.errors import ScanError
from sharptip.simulate import lattice_gas as module
from sharptip.simulate.lattice_gas import LIQUID, PARTICLE, SUBSTRATE, Gas, energy, film, lattice_gas


def chain(gas: Gas, start: np.ndarray, *, samples: int, every: int, seed: int = 0) -> list[np.ndarray]:
    """States of one long run, `every` sweeps apart."""
    rng, state, out = np.random.default_rng(seed), start, []
    for _ in range(samples):
        state = lattice_gas(rng, gas, sweeps=every, start=state)
        out.append(state)
    return out


def boltzmann(states: list[np.ndarray], gas: Gas) -> np.ndarray:
    weight = np.exp(-np.array([energy(s, gas) for s in states]) / gas.kT)
    return weight / weight.sum()


def test_without_neighbours_each_site_is_its_own_two_level_system():
    gas = Gas(kT=0.7, mu=-0.5, coverage=0, liquid_liquid=0, particle_liquid=0)
    states = chain(gas, film(np.random.default_rng(0), 64, 0), samples=40, every=5)
    expected = 1 / (1 + np.exp(0.5 / 0.7))
    found = np.mean([(s == LIQUID).mean() for s in states])
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / (40 * 64**2)))


def test_energies_of_three_by_three_sites_are_boltzmanns():
    """512 states of liquid without particles: mean and spread of H, and the share of each number of liquid sites."""
    gas = Gas(kT=1.3, mu=-1.7, coverage=0)
    states = [np.array(bits, np.uint8).reshape(3, 3) for bits in itertools.product((0, 1), repeat=9)]
    weight = boltzmann(states, gas)
    runs = chain(gas, states[0], samples=10000, every=6)
    counts = np.bincount([int(s.sum()) for s in runs], minlength=10) / len(runs)
    expected = np.bincount([int(s.sum()) for s in states], weights=weight, minlength=10)
    assert counts == pytest.approx(expected, abs=0.02)
    h = np.array([energy(s, gas) for s in runs])
    exact = np.array([energy(s, gas) for s in states])
    assert h.mean() == pytest.approx(weight @ exact, abs=0.15)
    assert h.var() == pytest.approx(weight @ exact**2 - (weight @ exact) ** 2, rel=0.06)


def test_particles_and_liquid_together_are_boltzmanns():
    """Two particles in 3 × 3: 36 places times 128 fillings. Pairs of particles that touch tell hops that are wrong."""
    gas = Gas(kT=1.5, mu=-1.5, mobility=1.0)
    states = []
    for pair in itertools.combinations(range(9), 2):
        others = [i for i in range(9) if i not in pair]
        for bits in itertools.product((SUBSTRATE, LIQUID), repeat=7):
            state = np.zeros(9, np.uint8)
            state[list(pair)], state[others] = PARTICLE, bits
            states.append(state.reshape(3, 3))
    weight = boltzmann(states, gas)
    start = states[-1]
    runs = chain(gas, start, samples=10000, every=10)
    for measure in (touching, lambda s: int((s == LIQUID).sum()), lambda s: energy(s, gas)):
        exact = np.array([measure(s) for s in states])
        found = np.array([measure(s) for s in runs])
        spread = np.sqrt(weight @ exact**2 - (weight @ exact) ** 2)
        assert found.mean() == pytest.approx(weight @ exact, abs=0.05 * spread)


def touching(state: np.ndarray) -> int:
    n = (state == PARTICLE).astype(int)
    return int((n * np.roll(n, 1, 0)).sum() + (n * np.roll(n, 1, 1)).sum())


def test_acceptance_has_the_ratio_that_detailed_balance_asks():
    gas = Gas(kT=0.4, mu=-2.3)
    condense, evaporate, neither = module.exchange_table(gas) / 2**32
    assert (neither == 0).all()
    sums = np.array([a + 16 * b for a in range(5) for b in range(5 - a)])
    cost = gas.liquid_liquid * (sums % 16) + gas.particle_liquid * (sums // 16) + gas.mu
    assert evaporate[sums] / condense[sums] == pytest.approx(np.exp(-cost / gas.kT), rel=1e-4)
    hop = module.hop_table(gas) / 2**32
    there = np.array([a + 16 * b for a in range(-3, 4) for b in range(-3, 4)])
    cost = np.array([0.5 * a + 0.5 * b for a in range(-3, 4) for b in range(-3, 4)])
    assert hop[there + 51] / hop[51 - there] == pytest.approx(np.exp(-cost / gas.kT), rel=1e-3)


def test_particles_are_kept_and_only_liquid_evaporates():
    rng = np.random.default_rng(1)
    for size in (37, 64):  # neither a prime nor a power of two is special
        state = lattice_gas(rng, Gas(0.35, -3.0, 0.3), size=size, sweeps=50)
        assert state.shape == (size, size)
        assert (state == PARTICLE).sum() == round(0.3 * size**2)
        assert set(np.unique(state)) <= {SUBSTRATE, LIQUID, PARTICLE}
    full = lattice_gas(rng, Gas(0.3, -1.0, 0.3), size=32, sweeps=50)
    assert (full == SUBSTRATE).mean() < 0.02  # μ above coexistence: the film stays


def test_a_particle_does_not_move_without_liquid():
    start = film(np.random.default_rng(2), 32, 0.2)
    start[start == LIQUID] = SUBSTRATE
    dry = Gas(kT=0.05, mu=-20)
    assert (lattice_gas(np.random.default_rng(3), dry, sweeps=20, start=start) == start).all()


def test_borders_are_periodic():
    """A particle wanders through the borders alike: one in a liquid of no energy is anywhere with equal chance."""
    gas = Gas(kT=1.0, mu=50.0, liquid_liquid=0, particle_liquid=0, particle_particle=0, mobility=1.0)
    start = np.full((9, 9), LIQUID, np.uint8)
    start[0, 0] = PARTICLE
    states = chain(gas, start, samples=4000, every=3)  # 243 hops, an odd number, so that no parity is kept
    share = np.mean([s == PARTICLE for s in states], axis=0)
    assert np.abs(share - 1 / 81).max() < 5 * np.sqrt(1 / 81 / 4000)


def test_same_generator_same_lattice_and_the_start_is_left_alone():
    a, b, c = (lattice_gas(np.random.default_rng(s), Gas(), size=48, sweeps=30) for s in (4, 4, 5))
    assert (a == b).all()
    assert (a != c).any()
    before = a.copy()
    lattice_gas(np.random.default_rng(0), Gas(), sweeps=5, start=a)
    assert (a == before).all()


def test_colder_and_wetter_films_keep_their_liquid():
    rng = np.random.default_rng(6)
    bare = [(lattice_gas(rng, Gas(0.35, mu), size=64, sweeps=200) == SUBSTRATE).mean() for mu in (-2.0, -2.55, -3.5)]
    assert bare[0] < 0.02 < 0.3 < bare[1] < bare[2] < 0.72


def test_what_cannot_be_simulated_is_refused():
    rng = np.random.default_rng(0)
    for bad in (Gas(kT=0), Gas(coverage=1), Gas(mobility=-1)):
        with pytest.raises(ScanError, match="kT > 0"):
            lattice_gas(rng, bad)
    with pytest.raises(ScanError, match="square"):
        lattice_gas(rng, Gas(), start=np.ones((4, 5), np.uint8))
    with pytest.raises(ScanError, match="3 × 3"):
        lattice_gas(rng, Gas(), size=2)


def test_without_numba_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    module._loop.cache_clear()
    with pytest.raises(ScanError, match=r"sharptip\[simulate\]"):
        lattice_gas(np.random.default_rng(0), Gas(), size=8, sweeps=1)
    module._loop.cache_clear()
