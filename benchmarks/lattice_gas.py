"""How fast is the compiled lattice gas, and does it do what the plain loop does?

    python benchmarks/lattice_gas.py

The plain loop below is the same physics in ordinary Python, attempt by attempt, with energies counted out each time.
Both are timed in attempts per second on one core, and compared on small lattices in equilibrium, where the mean share
of liquid, of bare substrate and of neighbouring pairs of particles must agree.
"""

from __future__ import annotations

import json
import math
import random
import time

import numpy as np

from sharptip.simulate.lattice_gas import LIQUID, PARTICLE, Gas, film, lattice_gas

WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def plain(rng: random.Random, gas: Gas, state: list[list[int]], sweeps: int) -> None:
    """`sweeps` sweeps of a lattice in place, as one would write them first."""
    n = len(state)
    particles = [(y, x) for y in range(n) for x in range(n) if state[y][x] == PARTICLE]

    def felt(y: int, x: int, kind: int) -> float:
        """Energy of a site of this kind with its four neighbours."""
        total = 0.0
        for dy, dx in WAYS:
            other = state[(y + dy) % n][(x + dx) % n]
            if other == LIQUID:
                total -= gas.liquid_liquid if kind == LIQUID else gas.particle_liquid
            elif other == PARTICLE:
                total -= gas.particle_liquid if kind == LIQUID else gas.particle_particle
        return total

    def accepted(cost: float) -> bool:
        return cost <= 0 or rng.random() < math.exp(-cost / gas.kT)

    for _ in range(sweeps):
        for _ in range(n * n):
            y, x = rng.randrange(n), rng.randrange(n)
            if state[y][x] == PARTICLE:
                continue
            leaves = -felt(y, x, LIQUID) + gas.mu
            if accepted(leaves if state[y][x] == LIQUID else -leaves):
                state[y][x] = LIQUID - state[y][x]
        for _ in range(round(gas.mobility * n * n) if particles else 0):
            k = rng.randrange(len(particles))
            y, x = particles[k]
            dy, dx = WAYS[rng.randrange(4)]
            v, u = (y + dy) % n, (x + dx) % n
            if state[v][u] != LIQUID:
                continue
            before = felt(y, x, PARTICLE) + felt(v, u, LIQUID)
            state[y][x], state[v][u] = LIQUID, PARTICLE
            after = felt(y, x, LIQUID) + felt(v, u, PARTICLE)
            if accepted(after - before):  # the bond between the two is counted twice on both sides
                particles[k] = (v, u)
            else:
                state[y][x], state[v][u] = PARTICLE, LIQUID


def shares(state: np.ndarray) -> tuple[float, float, float]:
    """Liquid, bare substrate, and pairs of particles that touch, each per site."""
    n = (state == PARTICLE).astype(int)
    pairs = (n * np.roll(n, 1, 0)).sum() + (n * np.roll(n, 1, 1)).sum()
    return float((state == LIQUID).mean()), float((state == 0).mean()), float(pairs / state.size)


def agreement(gas: Gas, size: int = 12, samples: int = 300, every: int = 20) -> dict[str, object]:
    """Means of `shares` over one equilibrium run of each, with standard errors from blocks of 30 samples."""
    start = film(np.random.default_rng(0), size, gas.coverage)
    rng, random_ = np.random.default_rng(1), random.Random(1)
    fast, slow = start, start.tolist()
    seen: dict[str, list[tuple[float, float, float]]] = {"compiled": [], "plain": []}
    for i in range(samples + 20):  # the first twenty are not yet in equilibrium
        fast = lattice_gas(rng, gas, sweeps=every, start=fast)
        plain(random_, gas, slow, every)
        if i >= 20:
            seen["compiled"].append(shares(fast))
            seen["plain"].append(shares(np.array(slow)))
    out: dict[str, object] = {}
    for name, values in seen.items():
        blocks = np.array(values).reshape(-1, 30, 3).mean(axis=1)
        out[name] = {"mean": blocks.mean(axis=0).round(4).tolist(),
                     "error": (blocks.std(axis=0, ddof=1) / len(blocks) ** 0.5).round(4).tolist()}  # fmt: skip
    return out


def timing(gas: Gas, size: int = 128, sweeps: int = 300, plain_sweeps: int = 6) -> dict[str, float]:
    """Seconds of CPU per sweep after the film has opened, and images per second, for both."""
    lattice_gas(np.random.default_rng(0), gas, size=8, sweeps=1)  # compiles
    begin = time.process_time()
    state = lattice_gas(np.random.default_rng(0), gas, size=size, sweeps=sweeps)
    compiled = (time.process_time() - begin) / sweeps
    begin = time.process_time()
    lattice_gas(np.random.default_rng(1), gas, sweeps=100, start=state)
    late = (time.process_time() - begin) / 100
    listed = state.tolist()
    begin = time.process_time()
    plain(random.Random(0), gas, listed, plain_sweeps)
    slow = (time.process_time() - begin) / plain_sweeps
    return {"images_per_second": 1 / (compiled * sweeps), "ms_per_sweep": 1e3 * compiled,
            "ms_per_sweep_from_the_same_state": 1e3 * late, "plain_ms_per_sweep": 1e3 * slow,
            "times": slow / late}  # fmt: skip


def main() -> None:
    cases = {"islands": Gas(0.35, -3.6), "labyrinth": Gas(0.35, -2.8), "cells": Gas(0.3, -2.6), "holes": Gas(0.4, -2.4)}
    report = {name: {k: round(v, 2) for k, v in timing(gas).items()} for name, gas in cases.items()}
    print(json.dumps({"one core, 128 × 128, 300 sweeps": report}, indent=1))
    print(json.dumps({"equilibrium (liquid, bare, touching pairs)": agreement(Gas(kT=1.2, mu=-2.2, coverage=0.25))}))


if __name__ == "__main__":
    main()
