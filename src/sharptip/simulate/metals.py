"""Close-packed metals for the tunnelling microscope: Au(111) with its herringbone, Cu(111) and Ag(100) with molecules.

Au(111): ridges 6.3 nm apart in pairs, 20 pm high, that zigzag; Cu(111) and Ag(100): terraces with four-lobed molecules
of 1.4 nm, such as phthalocyanines. Step heights and lattice constants as in the literature.
"""

from __future__ import annotations

import numpy as np

from .stm import Bumps, Steps, Surface, Wave, ragged_edges

# step height, nearest neighbours (m), symmetry of the lattice
GOLD, COPPER, SILVER = (2.36e-10, 2.88e-10, 6), (2.09e-10, 2.56e-10, 6), (2.04e-10, 2.89e-10, 4)
HERRINGBONE = 6.3e-9  # metres between pairs of ridges
RIDGE = 10e-12  # metres, half of what a ridge stands out
ZIGZAG = (4e-9, 25e-9)  # metres of displacement and period of the elbows
ATOMS = 4e-12  # metres, amplitude of each lattice wave with a sharp tip
MOLECULE = 1.4e-9  # metres across


def gold(rng: np.random.Generator, size: float) -> Surface:
    """A piece of Au(111) of `size` metres."""
    herringbone = tuple(Wave((n / HERRINGBONE, 0.0), RIDGE / n) for n in (1, 2))
    waves = (*herringbone, *_lattice(GOLD, float(rng.uniform(0, 1)) * ATOMS))
    angle = float(rng.uniform(0, np.pi))
    return Surface((waves, waves), Bumps.none(), _steps(rng, size, GOLD[0]), angle, ZIGZAG)


def with_molecules(rng: np.random.Generator, size: float, density: float = 0.02) -> Surface:
    """Ag(100) or Cu(111) of `size` metres with `density` four-lobed molecules per nm²."""
    metal = SILVER if rng.random() < 0.5 else COPPER
    waves = _lattice(metal, float(rng.uniform(0, 1)) * ATOMS)
    n = int(rng.poisson(density * (size * 1e9) ** 2))
    crosses = Bumps.none() if n == 0 else molecules(rng, rng.uniform(0, size, (n, 2)))
    return Surface((waves, waves), crosses, _steps(rng, size, metal[0]), float(rng.uniform(0, np.pi)))


def molecules(rng: np.random.Generator, centres: np.ndarray) -> Bumps:
    """Crosses of four lobes around a middle, at centres (n, 2) m, each turned at random: 1–1.6 Å high, all alike."""
    n, arm = len(centres), MOLECULE / 3.2
    turn = rng.choice([0.0, np.pi / 6, np.pi / 4], n)[:, None] + np.arange(4) * np.pi / 2  # (n, 4)
    lobes = centres[:, None] + arm * np.stack([np.sin(turn), np.cos(turn)], axis=-1)
    place = np.concatenate([lobes.reshape(-1, 2), centres])
    tall = float(rng.uniform(1.0e-10, 1.6e-10))
    height = np.concatenate([np.full(4 * n, tall), np.full(n, tall * float(rng.uniform(-0.3, 0.6)))])
    return Bumps(place, height, np.full((5 * n, 2), 0.24e-9), np.zeros(5 * n))


def _lattice(metal: tuple[float, float, int], amplitude: float) -> tuple[Wave, ...]:
    _, spacing, symmetry = metal
    period = spacing * np.sqrt(3) / 2 if symmetry == 6 else spacing
    ways = np.arange(symmetry // 2) * 2 * np.pi / symmetry
    return tuple(Wave((float(np.sin(w)) / period, float(np.cos(w)) / period), amplitude) for w in ways)


def _steps(rng: np.random.Generator, size: float, height: float) -> Steps:
    width = float(rng.uniform(0.4, 4)) * size
    kink = max(size / 200, 0.3e-9)
    rough = float(rng.uniform(0, 1)) * kink
    angle, offset = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(-1, 1)) * width
    return Steps(height, width, angle, offset, ragged_edges(rng, 4 * size, kink, (rough, rough)), kink)
