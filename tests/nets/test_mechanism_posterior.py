"""The loss of mechanism and posterior, against what a multivariate normal is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from sharptip.nets.mechanism_posterior import mechanism_posterior_loss, outputs, split


def drawn(n: int = 4) -> torch.Tensor:
    return torch.randn(n, outputs(3, 2), generator=torch.Generator().manual_seed(0))


def test_it_is_the_likelihood_of_a_multivariate_normal() -> None:
    output = drawn(1)
    logits, mean, factor = split(output, 2)
    covariance = (factor @ factor.mT)[0].numpy()
    target = torch.tensor([[1.0, 0.3, -0.2]])
    kind = torch.nn.functional.cross_entropy(logits, torch.tensor([1]))
    plain = multivariate_normal(mean[0].numpy(), covariance).logpdf([0.3, -0.2]) + np.log(2 * np.pi)
    assert float(mechanism_posterior_loss(output, target)) == pytest.approx(float(kind) - plain / 2, abs=1e-5)


def test_what_is_unknown_is_left_out() -> None:
    output = drawn(1)
    _, mean, factor = split(output, 2)
    variance = float((factor @ factor.mT)[0, 0, 0])
    off = 0.3 - float(mean[0, 0])
    expected = 0.5 * off**2 / variance + 0.5 * np.log(variance)
    target = torch.tensor([[-1.0, 0.3, np.nan]])
    assert float(mechanism_posterior_loss(output, target)) == pytest.approx(expected / 2, abs=1e-5)


def test_gradients_are_finite_where_everything_is_unknown() -> None:
    output = drawn(3).requires_grad_()
    target = torch.tensor([[-1.0, np.nan, np.nan]] * 3)
    mechanism_posterior_loss(output, target).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()


def test_it_learns_a_mean_and_a_spread() -> None:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(1500, 1, generator=rng)
    y = 0.5 * x + 0.2 * torch.randn(1500, 1, generator=rng)
    net = torch.nn.Linear(1, outputs(2, 1))
    step = torch.optim.Adam(net.parameters(), 0.1)
    for _ in range(70):
        step.zero_grad()
        loss = mechanism_posterior_loss(net(x), torch.cat([(x > 0).float(), y], 1))
        loss.backward()
        step.step()
    logits, mean, factor = split(net(x).detach(), 1)
    assert float((mean - 0.5 * x).abs().mean()) < 0.03
    assert float(factor.mean()) == pytest.approx(0.2, abs=0.03)
    assert float(((logits.argmax(1) == (x[:, 0] > 0)).float()).mean()) > 0.95
