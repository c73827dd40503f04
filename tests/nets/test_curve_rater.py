"""The network of force curves: shapes, what it must not look at, and its loss."""

from __future__ import annotations

import pytest
import torch

from sharptip.nets import CurveRater, build
from sharptip.nets.curve_rater import contact_loss, rater_loss

WIDTHS = (4, 4, 8, 8)


def inputs(n: int = 3, samples: int = 128) -> torch.Tensor:
    x = torch.randn(n, 6, samples, generator=torch.Generator().manual_seed(0))
    x[:, 4] = 1.0
    return x


def test_contact_for_each_sample_and_answers_behind():
    net = CurveRater(5, 7, 3, WIDTHS, seed=0).eval()
    assert net(inputs()).shape == (3, 128 + 3)
    assert CurveRater(5, 7, 0, WIDTHS, seed=0).eval()(inputs()).shape == (3, 128)
    again = build(net.config).eval()
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(inputs()), net(inputs()))


def test_no_contact_where_there_is_no_sample():
    x = inputs()
    x[:, :5, :40] = 0.0
    p = CurveRater(5, 7, 1, WIDTHS, seed=0).eval()(x)[:, :128].softmax(1)
    assert float(p[:, :40].detach().sum()) == 0.0


def test_facts_matter_to_the_answers_and_not_to_contact():
    net, x = CurveRater(5, 7, 2, WIDTHS, seed=0).eval(), inputs()
    y = x.clone()
    y[:, 5, :7] += 1
    a, b = net(x), net(y)
    assert torch.equal(a[:, :128], b[:, :128])
    assert not torch.equal(a[:, 128:], b[:, 128:])
    y = x.clone()
    y[:, 5, 7:] += 1  # behind the facts nothing is looked at
    assert torch.equal(net(y), a)


def test_the_contact_loss_is_least_at_the_place():
    at = torch.arange(64.0)
    losses = [float(contact_loss(-0.5 * (at - p)[None] ** 2, torch.tensor([30.0]))) for p in (20.0, 28.0, 30.0, 33.0)]
    assert min(losses) == losses[2]


def test_what_nobody_knows_costs_nothing():
    out = torch.randn(4, 64 + 4, requires_grad=True)
    unknown = torch.full((4, 5), torch.nan)
    assert float(rater_loss(out, unknown).detach()) == 0.0
    some = unknown.clone()
    some[0, 1] = 1.0
    loss = rater_loss(out, some)
    assert float(loss.detach()) == pytest.approx(float(torch.nn.functional.softplus(-out[0, 64]).detach()), rel=1e-5)
    loss.backward()
    assert out.grad is not None
    assert torch.isfinite(out.grad).all()
    assert float(out.grad[1:].abs().sum()) == 0.0


def test_a_click_at_the_first_sample_costs_what_it_costs_elsewhere():
    logits = torch.full((1, 64), -1e4)
    logits[:, 20:] = 0.0
    first, middle = (float(contact_loss(logits, torch.tensor([p]))) for p in (20.0, 40.0))
    assert first == pytest.approx(middle, rel=1e-3)
