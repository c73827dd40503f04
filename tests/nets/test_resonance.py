"""Networks that see a resonance: the line they draw is the oscillator's, and they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sharptip.measure.resonance import fit_spectra
from sharptip.measure.resonance_numbers import BINS, even, line_of, numbers_of, resonance_of
from sharptip.nets.resonance import Formula, drawing_loss, drawn, glance, line_loss
from sharptip.physics.oscillator import response
from sharptip.simulate.resonance import Ranges, spectra

F = Ranges().frequency
FOUR = ("amplitude", "resonance", "quality", "phase")


def simulated(n: int, snr: tuple[float, float], seed: int = 0) -> tuple[np.ndarray, dict, np.ndarray, np.ndarray]:
    """(spectra, truth, what a network sees, its five numbers)."""
    y, truth = spectra(np.random.default_rng(seed), n, Ranges(snr=snr))
    seen, size = numbers_of(y, F)
    return y, truth, seen, line_of(*(truth[k] for k in FOUR), size, F).astype(np.float32)


def test_five_numbers_and_back():
    _, truth, _, line = simulated(50, (100, 100))
    _, size = numbers_of(spectra(np.random.default_rng(0), 50, Ranges(snr=(100, 100)))[0], F)
    found = resonance_of(line, size, F)
    for name in FOUR:
        assert np.allclose(found[name], truth[name], rtol=1e-4), name


def test_the_drawn_line_is_the_oscillators():
    _, truth, _, line = simulated(20, (100, 100))
    clean = response(F, *(truth[k] for k in FOUR))
    _, size = numbers_of(spectra(np.random.default_rng(0), 20, Ranges(snr=(100, 100)))[0], F)
    relative = float(np.ptp(F) / (F[0] + F[-1]))
    found = drawn(torch.from_numpy(line), BINS, relative).numpy() * size[:, None, None]
    assert np.allclose(found[:, 0] + 1j * found[:, 1], clean, atol=1e-3 * np.abs(clean).max())


def test_any_axis_becomes_an_even_one():
    x = np.sort(np.random.default_rng(0).uniform(F[0], F[-1], 300))
    assert np.allclose(even((2 * x)[None], x, 40)[0, 1:-1], 2 * np.linspace(x[0], x[-1], 40)[1:-1], rtol=2e-3)
    falling = even((2 * F[::-1])[None], F[::-1])
    assert np.allclose(falling, even((2 * F)[None], F))


@pytest.mark.parametrize(("network", "loss"), [(glance, line_loss), (Formula, drawing_loss)])
def test_a_trained_network_is_a_better_start_than_an_untrained_one(network, loss):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = network(BINS)
    y, truth, seen, _ = simulated(400, (20, 20), seed=9)
    x = torch.from_numpy(seen)

    def error() -> float:
        with torch.no_grad():
            line = resonance_of(net(x).numpy(), numbers_of(y, F)[1], F)
        return float(np.median(np.abs(line["resonance"] - truth["resonance"])))

    before = error()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(150):
        _, _, given, line = simulated(128, (5, 100), seed=100 + step)
        given = torch.from_numpy(given)
        value = loss(net(given), torch.from_numpy(line) if loss is line_loss else given)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert error() < 0.5 * before
    with torch.no_grad():
        line = resonance_of(net(x).numpy(), numbers_of(y, F)[1], F)
    fitted = fit_spectra(y, F, start=np.stack([line["resonance"], line["quality"]], axis=1))
    assert np.median(np.abs(fitted["resonance"] - truth["resonance"])) < 0.05 * before


def test_what_nobody_knows_is_not_learned():
    truth = torch.tensor([[0.0, 1.0, float("nan"), 0.0, 0.0]])
    assert float(line_loss(torch.zeros(1, 5), truth)) == pytest.approx(0.25)
