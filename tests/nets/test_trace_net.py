"""Networks for traces: shapes, what padding may not change, and that they learn."""

import numpy as np
import pytest
import torch

from sharptip.nets import build, n_params
from sharptip.nets.trace_net import PICTURE, ScatterNet, TraceLSTM, TraceTCN, pictures, trace_loss

ALL = (TraceTCN, TraceLSTM, ScatterNet)


def traces(n=4, frames=100, seed=0):
    x = torch.zeros(n, 3, frames)
    x[:, 0] = torch.randn(n, frames, generator=torch.Generator().manual_seed(seed))
    x[:, 2] = 1
    return x


@pytest.mark.parametrize("kind", ALL)
def test_shapes_and_configs(kind):
    net = kind(seed=0).eval()
    for frames in (1, 37, 300):
        out = net(traces(frames=frames))
        assert out.shape == (4, 6, frames)
        assert torch.isfinite(out).all()
        assert (out[:, 0] == out[:, :1, 0]).all()  # one verdict for the whole trace
    again = build(net.config, seed=0)
    assert n_params(again) == n_params(net)
    assert n_params(net) < 300_000


@pytest.mark.parametrize("kind", [TraceTCN, ScatterNet])
def test_padding_changes_nothing(kind):
    net = kind(seed=1).eval()
    x = traces(frames=80)
    longer = torch.cat([x, torch.zeros(4, 3, 60)], 2)
    torch.testing.assert_close(net(longer)[:, :, :80], net(x), atol=1e-5, rtol=1e-4)


def test_a_picture_counts_every_pair_once():
    x = traces(2, 50)
    x[1, 1] = torch.rand(50) + 0.1  # the second trace is a pair
    x[0, 2, 30:] = 0
    seen = pictures(x)
    assert seen.shape == (2, 2, PICTURE, PICTURE)
    assert seen[0, 0].max() == 1
    assert (seen[0, 1] == 0).all()
    assert (seen[1, 1] == 1).all()


def test_the_loss_leaves_out_what_is_unknown():
    out = torch.randn(3, 6, 20, requires_grad=True)
    target = torch.full((3, 2, 20), torch.nan)
    assert trace_loss(out, target) == 0
    target[0, 0] = 1
    torch.testing.assert_close(trace_loss(out, target), torch.nn.functional.softplus(-out[0, 0, 0]))
    target[1, 1, :5] = 2
    loss = trace_loss(out, target)
    loss.backward()
    assert torch.isfinite(out.grad).all()
    assert (out.grad[2] == 0).all()


@pytest.mark.parametrize("kind", [TraceTCN, TraceLSTM])
def test_it_learns_two_states_from_none(kind):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    state = (np.cumsum(rng.random((48, 50)) < 0.08, 1) % 2) * (np.arange(48) % 2)[:, None]
    x = traces(48, 50)
    x[:, 0] = torch.from_numpy(2.0 * state - 1) + 0.3 * x[:, 0]
    y = torch.stack([torch.from_numpy(np.broadcast_to((np.arange(48) % 2)[:, None], state.shape).copy()),
                     torch.from_numpy(state)], 1).float()  # fmt: skip
    net = kind(width=16, seed=0)
    step = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(25):
        loss = trace_loss(net(x), y)
        step.zero_grad()
        loss.backward()
        step.step()
    net.eval()
    out = net(x)
    assert ((out[:, 0, 0] > 0) == (y[:, 0, 0] > 0.5)).float().mean() > 0.9
    assert (out[:, 1:].argmax(1) == y[:, 1]).float().mean() > 0.9
