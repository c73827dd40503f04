"""A planted problem: a small bright blob somewhere on a noisy tile makes it label 1; label 0 has dark ones."""

from __future__ import annotations

import numpy as np
import pytest

SIZE = 48


def planted(rng, n=160, size=SIZE):
    """tiles (n, 1, size, size), labels (n,), masks (n, size, size) of where the evidence is."""
    y, x = np.mgrid[:size, :size]
    tiles = rng.normal(0, 0.5, (n, 1, size, size)).astype(np.float32)
    labels = np.arange(n) % 2
    masks = np.zeros((n, size, size), dtype=bool)
    for i in range(n):
        cy, cx = rng.uniform(9, size - 9, 2)
        r2 = (y - cy) ** 2 + (x - cx) ** 2
        tiles[i, 0] += (2 * labels[i] - 1) * 3 * np.exp(-r2 / (2 * 3.0**2))
        masks[i] = r2 < 5.0**2
    return tiles, labels, masks


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(scope="session")
def problem():
    return planted(np.random.default_rng(11))


def train(net, tiles, labels, epochs):
    import torch

    torch.manual_seed(0)
    x, y = torch.as_tensor(tiles), torch.as_tensor(labels, dtype=torch.float32)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            optimiser.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(net(x[rows])[:, 0], y[rows]).backward()
            optimiser.step()
    return net.eval()


@pytest.fixture(scope="session")
def net(problem):
    """The review's kind of network, small, trained on the planted problem in a second or two."""
    from sharptip.nets.conv_classifier import ConvClassifier

    tiles, labels, _ = problem
    trained = train(ConvClassifier((8, 16), (32,), size=SIZE, seed=1), tiles, labels, 12)
    import torch

    with torch.no_grad():
        right = (trained(torch.as_tensor(tiles))[:, 0] > 0).numpy() == (labels == 1)
    assert right.mean() > 0.97, "the planted problem was not learnt; nothing below means anything"
    return trained
