"""What pattern does a drying film of nanoparticles leave? The lattice gas of Rabani, by Monte Carlo.

Each site of a periodic square lattice is bare substrate, liquid or part of a nanoparticle:

    H = −ε_ll Σ l_i l_j − ε_nl Σ (n_i l_j + l_i n_j) − ε_nn Σ n_i n_j − μ Σ l_i        (sums over nearest neighbours)

Liquid evaporates and condenses; particles move through liquid alone and are never lost (Rabani, Reichman, Geissler &
Brus, Nature 426, 271 (2003)). Energies are in units of ε_ll; at μ = −2 pure liquid and pure vapour coexist, and a
more negative μ dries the film.

Sites and particles are drawn at random one after the other, never in the order of a scan, so every single attempt
keeps detailed balance. What is computed beforehand is the acceptance: a neighbourhood has few energies, and each is a
32-bit threshold in a table. Needs numba: `pip install 'sharptip[simulate]'`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..core.errors import ScanError

SUBSTRATE, LIQUID, PARTICLE = 0, 1, 2  # the numbers in a lattice state

_PARTICLE = 16  # a particle's code inside the loop: four neighbours add up to (liquid ones) + 16·(particles)
_SURE = 2**32  # thresholds are probabilities times this


@dataclass(frozen=True)
class Gas:
    """What decides how the film dries. Energies, temperature included, are in units of ε_ll.

    kT: temperature. mu: chemical potential of the liquid. coverage: share of sites with a particle.
    mobility: hops tried per lattice site and sweep, beside one evaporation or condensation.
    """

    kT: float = 0.35
    mu: float = -2.6
    coverage: float = 0.3
    mobility: float = 1.0
    liquid_liquid: float = 1.0
    particle_liquid: float = 1.5
    particle_particle: float = 2.0


def lattice_gas(
    rng: np.random.Generator, gas: Gas, *, size: int = 128, sweeps: int = 600, start: np.ndarray | None = None
) -> np.ndarray:
    """The lattice (size, size) uint8 of SUBSTRATE, LIQUID and PARTICLE after `sweeps` Monte-Carlo sweeps.

    One sweep tries size² evaporations or condensations and mobility·size² hops. Without `start`, a lattice to go on
    from, particles lie at random in a film of liquid. Same `rng`, same lattice. Raises ScanError for a lattice below
    3 × 3, a temperature that is not positive, or where numba is missing.
    """
    if gas.kT <= 0 or not 0 <= gas.coverage < 1 or gas.mobility < 0 or sweeps < 0:
        raise ScanError(f"{gas}, {sweeps} sweeps: kT > 0, 0 ≤ coverage < 1, and nothing negative")
    state = film(rng, size, gas.coverage) if start is None else np.array(start, dtype=np.uint8)
    if state.ndim != 2 or state.shape[0] != state.shape[1] or not 3 <= len(state) < 2**15:
        raise ScanError(f"a lattice is square, of 3 × 3 to 32767 × 32767 sites; this one has shape {state.shape}")
    code = np.where(state == PARTICLE, _PARTICLE, state).astype(np.uint8).ravel()
    particles = np.argwhere(state == PARTICLE).astype(np.uint16)
    hops = round(gas.mobility * state.size) if len(particles) else 0
    seed = np.uint64(rng.integers(2**64, dtype=np.uint64))
    _loop()(code, len(state), particles, exchange_table(gas), hop_table(gas), hops, sweeps, seed)
    return np.where(code == _PARTICLE, PARTICLE, code).astype(np.uint8).reshape(state.shape)


def film(rng: np.random.Generator, size: int, coverage: float) -> np.ndarray:
    """A film (size, size) of liquid with round(coverage·size²) particles at random."""
    state = np.full(size * size, LIQUID, np.uint8)
    state[rng.permutation(size * size)[: round(coverage * size * size)]] = PARTICLE
    return state.reshape(size, size)


def energy(state: np.ndarray, gas: Gas) -> float:
    """H of a lattice (size, size), in units of ε_ll."""
    liquid, particle = (state == LIQUID).astype(float), (state == PARTICLE).astype(float)
    total = -gas.mu * float(liquid.sum())
    for axis in (0, 1):
        l2, n2 = np.roll(liquid, 1, axis), np.roll(particle, 1, axis)
        total -= gas.liquid_liquid * float((liquid * l2).sum())
        total -= gas.particle_liquid * float((particle * l2 + liquid * n2).sum())
        total -= gas.particle_particle * float((particle * n2).sum())
    return total


def exchange_table(gas: Gas) -> np.ndarray:
    """Thresholds (3, 65): of condensing [0], evaporating [1] and, for a particle, neither [2], beside
    `a` liquid sites and `b` particles, at a + 16b.

    Taking a liquid site away costs ΔE = ε_ll·a + ε_nl·b + μ.
    """
    sums = np.arange(4 * _PARTICLE + 1)
    cost = gas.liquid_liquid * (sums % _PARTICLE) + gas.particle_liquid * (sums // _PARTICLE) + gas.mu
    return _thresholds(np.stack([-cost, cost, np.full(len(cost), np.inf)]), gas.kT)


def hop_table(gas: Gas) -> np.ndarray:
    """Thresholds (103,) of a particle and a liquid neighbour changing places.

    With `a` liquid sites and `b` particles more around the particle than around the liquid (each without the other),
    ΔE = (ε_nl − ε_ll)·a + (ε_nn − ε_nl)·b, at a + 16b + 51.
    """
    table = np.zeros(2 * 3 * (_PARTICLE + 1) + 1)
    for a in range(-3, 4):
        for b in range(-3, 4):
            cost = (gas.particle_liquid - gas.liquid_liquid) * a + (gas.particle_particle - gas.particle_liquid) * b
            table[a + _PARTICLE * b + 3 * (_PARTICLE + 1)] = cost
    return _thresholds(table, gas.kT)


def _thresholds(cost: np.ndarray, kT: float) -> np.ndarray:
    """Metropolis: accepted when a uniform 32-bit number is below min(1, exp(−ΔE/kT))·2³²."""
    return np.rint(_SURE * np.exp(-np.maximum(cost, 0.0) / kT)).astype(np.uint64)


@cache
def _loop() -> Callable[..., None]:
    """The compiled sweeps. numba is imported here, when a lattice is wanted, and nowhere else."""
    try:
        from numba import njit, uint64
    except ModuleNotFoundError:
        raise ScanError("lattice gases need numba, which is not installed: pip install 'sharptip[simulate]'") from None

    one, low, short, step = uint64(1), uint64(0xFFFFFFFF), uint64(0xFFFF), uint64(0x9E3779B97F4A7C15)

    @njit(uint64(uint64), inline="always")
    def mixed(counter):  # SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): a counter, scrambled
        z = (counter ^ (counter >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
        return z ^ (z >> uint64(31))

    @njit(inline="always")
    def around(code, row, x, n, last):  # sites are row + x, row a multiple of n; all unsigned, so that no index wraps
        up, down = (row - n if row > 0 else last), (row + n if row < last else uint64(0))
        left, right = (x - one if x > 0 else n - one), (x + one if x < n - one else uint64(0))
        return uint64(code[up + x]) + uint64(code[down + x]) + uint64(code[row + left]) + uint64(code[row + right])

    @njit(nogil=True)
    def run(code, side, particles, exchange, hop, hops, sweeps, counter):
        n, last, number = uint64(side), uint64(side * (side - 1)), uint64(len(particles))
        down, right = np.array([n - one, one, 0, 0], np.uint64), np.array([0, 0, n - one, one], np.uint64)
        for _ in range(sweeps):
            for _ in range(side * side):
                counter += step
                r = mixed(counter)
                row, x = (((r >> uint64(48)) * n) >> uint64(16)) * n, (((r >> uint64(32)) & short) * n) >> uint64(16)
                here = code[row + x]
                if (r & low) < exchange[min(here, 2), around(code, row, x, n, last)]:  # never for a particle
                    code[row + x] = 1 - here
            for _ in range(hops):
                counter += step
                r = mixed(counter)
                k, way = ((r >> uint64(34)) * number) >> uint64(30), (r >> uint64(32)) & uint64(3)
                y, x = uint64(particles[k, 0]), uint64(particles[k, 1])
                v, u = y + down[way], x + right[way]
                v, u = (v - n if v >= n else v), (u - n if u >= n else u)
                if code[v * n + u] == 1:
                    more = around(code, y * n, x, n, last) + uint64(66) - around(code, v * n, u, n, last)  # 51 − 1 + 16
                    if (r & low) < hop[more]:
                        code[y * n + x], code[v * n + u] = 1, 16
                        particles[k, 0], particles[k, 1] = v, u

    return run
