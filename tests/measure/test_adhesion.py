"""JKR and DMT fitted to simulated retracts whose modulus and work of adhesion are known."""

import numpy as np
import pytest

from sharptip.measure.adhesion import fit_retract
from sharptip.measure.approach import Approach
from sharptip.physics.contact import LAWS, Tip

RADIUS, K, FAR, NOISE = 50e-9, 2.0, 200e-9, 0.03e-9


def retracts(rng, law, modulus, work, samples=2000):
    """From 8 nm deep to far away; the base goes on evenly and the tip snaps off where it must."""
    out = []
    for e, w in zip(modulus, work, strict=True):
        depth = np.linspace(8e-9, -20e-9, 40001)
        force = law.force(depth, e, Tip(radius=RADIUS, work=w))
        base = -(depth + force / K)  # height of the base over its place at δ = 0
        base = np.maximum.accumulate(base)
        height = np.linspace(base[0], FAR, samples)
        out.append((height, np.interp(height, base, force, right=0.0) / K))
    height, y = (np.array(v) for v in zip(*out, strict=True))
    n = len(out)
    y = y + NOISE * rng.standard_normal(y.shape) + 3e-9 + 1e-3 * height
    return Approach(1e-6 + height, y, "m", np.full(n, K), np.full(n, samples), ("",) * n)


@pytest.mark.parametrize("name", ["jkr", "dmt"])
def test_modulus_and_work_come_back(name):
    rng = np.random.default_rng(0)
    modulus, work = np.exp(rng.uniform(np.log(5e6), np.log(2e8), 20)), rng.uniform(0.02, 0.1, 20)
    fit = fit_retract(retracts(rng, LAWS[name], modulus, work), LAWS[name], Tip(radius=RADIUS))
    assert fit.converged.all(), fit.reason
    assert fit.work == pytest.approx(work, rel=0.1)
    assert np.median(np.abs(fit.modulus / modulus - 1)) < 0.05
    assert np.median(np.abs(fit.contact - 1e-6)) < 0.5e-9


def test_without_a_pull_it_says_so():
    rng = np.random.default_rng(1)
    made = retracts(rng, LAWS["dmt"], [1e7], [1e-9])
    fit = fit_retract(made, LAWS["dmt"], Tip(radius=RADIUS))
    assert "no pull" in fit.reason[0]
    assert not fit.converged[0]


def test_what_it_refuses():
    made = retracts(np.random.default_rng(2), LAWS["dmt"], [1e7], [0.05])
    with pytest.raises(ValueError, match="has no adhesion"):
        fit_retract(made, LAWS["cone"], Tip(half_angle=0.5))
    with pytest.raises(ValueError, match="radius"):
        fit_retract(made, LAWS["jkr"], Tip())
