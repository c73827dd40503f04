"""Dense networks: counts by hand, names, JSON."""

import json

import pytest
import torch

from sharptip.nets import DeepNet, ShallowNet, build, n_params


def test_counts_and_values():
    net = DeepNet(10, (8, 6), outputs=3, seed=0)
    assert n_params(net) == (10 * 8 + 8) + (8 * 6 + 6) + (6 * 3 + 3)
    x = torch.randn(5, 10)
    hand = torch.relu(torch.relu(x @ net.dense1.weight.T) @ net.dense2.weight.T) @ net.output.weight.T
    torch.testing.assert_close(net(x), hand)
    maps = net.activations(x)
    assert list(maps) == net.layer_names() == ["dense1", "dense2", "output"]
    assert n_params(ShallowNet(10, 8)) == (10 * 8 + 8) + (8 + 1)


def test_refusals():
    with pytest.raises(ValueError, match="two hidden layers"):
        DeepNet(10, (8,))
    with pytest.raises(ValueError, match=r"\(n, 10\) are needed, not \(5, 9\)"):
        ShallowNet(10)(torch.zeros(5, 9))
    with pytest.raises(ValueError, match="'dense3'"):
        DeepNet(10).activations(torch.zeros(1, 10), ["dense3"])


@pytest.mark.parametrize("net", [DeepNet(4, (3, 2), dropout=0.1), ShallowNet(4, 3, outputs=2, activation="tanh")])
def test_config_rebuilds(net):
    again = build(json.loads(json.dumps(net.config)))
    again.load_state_dict(net.state_dict())
    x = torch.randn(2, 4)
    assert type(again) is type(net)
    assert torch.equal(again.eval()(x), net.eval()(x))
