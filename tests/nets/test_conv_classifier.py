"""The review's network to the last parameter, and every intermediate by its name."""

import json

import pytest
import torch
from torch import nn

from sharptip.nets import (
    ARCHITECTURES,
    ConvClassifier,
    build,
    discriminative_groups,
    freeze_until,
    modern,
    n_params,
    shape_chain,
)

TEXTBOOK = [256, 254, 127, 125, 62, 60, 30, 28, 14, 12, 6]  # Figure 3


def small(**options) -> ConvClassifier:
    return ConvClassifier(**{"filters": (3, 4), "dense": (5,), "size": 22, "seed": 1, **options})


def textbook(net: ConvClassifier) -> nn.Sequential:
    """The same network as everyone writes it, with the same weights (Sequential shares the modules)."""
    act = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "leaky_relu": nn.LeakyReLU, "gelu": nn.GELU}
    layers: list[nn.Module] = []
    for i in range(1, len(net.filters) + 1):
        layers += [getattr(net, f"conv{i}"), act[net.activation](), nn.MaxPool2d(2)]
    layers.append(nn.Flatten())
    for i in range(1, len(net.dense) + 1):
        layers += [getattr(net, f"dense{i}"), act[net.activation]()]
    return nn.Sequential(*layers, net.output)


def test_defaults_are_figure_3():
    net = ConvClassifier()
    assert shape_chain(net) == TEXTBOOK
    assert n_params(net) == 617_041
    maps = net.activations(torch.zeros(1, 1, 256, 256))
    sides = [v.shape[-1] for k, v in maps.items() if k.startswith(("conv", "pool"))]
    assert sides == TEXTBOOK[1:]
    assert maps["flatten"].shape == (1, 36 * 64)
    assert maps["dense1"].shape == (1, 256)
    assert maps["output"].shape == (1, 1)


def conv(above, here):
    return 9 * above * here + here


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("architecture 1", 617_041),
        ("architecture 2", conv(1, 8) + conv(8, 16) + conv(16, 16) + conv(16, 32) + (14 * 14 * 32 + 1) * 256 + 257),
        (
            "architecture 3",
            conv(1, 16) + conv(16, 32) + conv(32, 64) + conv(64, 64) + conv(64, 128) + (6 * 6 * 128 + 1) * 512 + 513,
        ),
    ],
)
def test_table_1(name, count):
    assert n_params(build(ARCHITECTURES[name])) == count


def test_five_architectures_answer():
    assert list(ARCHITECTURES) == [f"architecture {i}" for i in range(1, 6)]
    x = torch.zeros(2, 1, 256, 256)
    for config in ARCHITECTURES.values():
        with torch.inference_mode():
            assert build(config)(x).shape == (2, 1)


def test_figure_4b():
    """The review's worked example: this kernel on this block gives 134, so kernels are not flipped."""
    net = ConvClassifier(filters=(1,), dense=(), size=4)
    block = torch.zeros(4, 4)
    block[:3, :3] = torch.tensor([[172.0, 87, 56], [67, 202, 228], [159, 77, 87]])
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    net.conv1.weight.data[:] = sobel
    assert net.activations(block[None, None], ["conv1"])["conv1"][0, 0, 0, 0].item() == 134


def test_keras_initial_weights():
    net = ConvClassifier(seed=0)
    limit = (6 / (9 * 1 + 9 * 8)) ** 0.5  # Glorot: fans of conv1
    assert 0.9 * limit < net.conv1.weight.abs().max().item() <= limit
    assert net.dense1.weight.var().item() == pytest.approx(2 / (2304 + 256), rel=0.02)
    assert all(p.abs().max() == 0 for name, p in net.named_parameters() if name.endswith("bias"))


def test_seed_fixes_weights_and_leaves_others_luck_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    a, b, c = small(seed=3), small(seed=3), small(seed=4)
    assert torch.equal(a.conv1.weight, b.conv1.weight)
    assert not torch.equal(a.conv1.weight, c.conv1.weight)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("act", ["relu", "leaky_relu", "sigmoid", "tanh", "gelu"])
def test_same_function_and_gradients_as_plain_torch(act):
    torch.manual_seed(0)
    x = torch.randn(5, 2, 45, 45)
    net = ConvClassifier(filters=(4, 6, 5), dense=(7,), size=45, channels=2, activation=act, seed=0)
    plain = textbook(net)
    for memory in (torch.contiguous_format, torch.channels_last):
        results = []
        for f in (net, plain):
            inputs = x.clone(memory_format=memory).requires_grad_()
            net.zero_grad()
            out = f(inputs)
            (out**2).sum().backward()
            results.append([out.detach(), inputs.grad.clone(), *(p.grad.clone() for p in net.parameters())])
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_activations_are_the_true_maps():
    """relu1 is relu(conv1) at full size although forward pools first."""
    net = small()
    x = torch.randn(2, 1, 22, 22)
    maps = net.activations(x)
    assert list(maps) == net.layer_names()
    torch.testing.assert_close(maps["conv1"], nn.functional.conv2d(x, net.conv1.weight, net.conv1.bias))
    torch.testing.assert_close(maps["relu1"], maps["conv1"].clamp(min=0))
    torch.testing.assert_close(maps["pool1"], nn.functional.max_pool2d(maps["relu1"], 2))
    torch.testing.assert_close(maps["output"], net(x))
    assert list(net.activations(x, ["pool2", "conv1"])) == ["pool2", "conv1"]
    with pytest.raises(ValueError, match="'relu9'; there are: conv1, relu1, pool1"):
        net.activations(x, ["relu9"])


def test_gradient_reaches_every_map():
    net = small()
    maps = net.activations(torch.randn(2, 1, 22, 22))
    for name in net.layer_names():
        (grad,) = torch.autograd.grad(maps["output"].sum(), maps[name], retain_graph=True)
        assert grad.shape == maps[name].shape


def test_small_tiles_are_refused_with_the_smallest_size():
    with pytest.raises(ValueError, match=r"tiles of 93 pixels .* 5 blocks .* smallest size is 94"):
        ConvClassifier(size=93)
    assert shape_chain(ConvClassifier(size=94))[-1] == 1
    with pytest.raises(ValueError, match="smallest size is 32"):
        ConvClassifier(size=31, padding="same")
    with pytest.raises(ValueError, match="smallest size is 32"):
        modern(size=64)(torch.zeros(1, 1, 31, 64))


def test_wrong_tiles_are_refused():
    with pytest.raises(ValueError, match=r"22×22 pixels, not 22×23"):
        small()(torch.zeros(1, 1, 22, 23))
    with pytest.raises(ValueError, match=r"\(n, 1, height, width\)"):
        small()(torch.zeros(1, 2, 22, 22))
    for wrong in ({"head": "max"}, {"norm": "layer"}, {"padding": "full"}):
        with pytest.raises(ValueError, match="it can be"):
            small(**wrong)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_modern_takes_any_size(norm):
    net = modern(norm=norm, size=64, seed=0).eval()
    assert n_params(net) < 80_000
    assert net(torch.randn(2, 1, 64, 64)).shape == (2, 1)
    assert net(torch.randn(2, 1, 80, 100)).shape == (2, 1)
    x = torch.randn(3, 1, 64, 64)
    torch.testing.assert_close(net.activations(x)["output"], net(x))


def test_dropout_drops_only_while_learning():
    net = small(dropout=0.5)
    x = torch.randn(4, 1, 22, 22)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


@pytest.mark.parametrize(
    "net",
    [small(), small(head="gap", norm="group", padding="same", outputs=3, dropout=0.1, activation="tanh"), modern()],
)
def test_config_is_json_and_rebuilds(net):
    config = json.loads(json.dumps(net.config))
    again = build(config)
    again.load_state_dict(net.state_dict())
    x = torch.randn(2, 1, net.size, net.size)
    assert again.config == net.config
    assert torch.equal(again.eval()(x), net.eval()(x))


def test_build_refuses():
    with pytest.raises(ValueError, match="kind 'Transformer'; there are: ConvClassifier"):
        build({"kind": "Transformer"})
    with pytest.raises(ValueError, match="filtres"):
        build({"kind": "ConvClassifier", "filtres": [8]})


def test_freezing_and_discriminative_rates():
    net = small(norm="batch")
    freeze_until(net, "conv2")
    assert {n for n, p in net.named_parameters() if not p.requires_grad} == {
        "conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias",
    }  # fmt: skip
    before = net.norm1.running_mean.clone(), net.norm2.running_mean.clone()
    net.train()(torch.randn(4, 1, 22, 22))
    assert torch.equal(net.norm1.running_mean, before[0])
    assert not torch.equal(net.norm2.running_mean, before[1])
    rates = {g["name"]: g["lr"] for g in discriminative_groups(net, lr=1.0, factor=0.1)}
    assert rates == pytest.approx({"conv2": 0.01, "norm2": 0.01, "dense1": 0.1, "output": 1.0})
    freeze_until(net, "conv1")
    assert n_params(net, learning=True) == n_params(net)
    with pytest.raises(ValueError, match="'pool1'; there are: conv1, norm1"):
        freeze_until(net, "pool1")


def test_spread_head_is_the_mean_and_the_deviation_of_each_map():
    net = small(head="spread", size=22)
    x = torch.randn(3, 1, 22, 22, generator=torch.Generator().manual_seed(0))
    found = net.activations(x, ["pool2", "spread"])
    maps, pooled = found["pool2"], found["spread"]
    assert pooled.shape == (3, 2 * net.filters[-1])
    assert torch.allclose(pooled[:, :4], maps.mean((2, 3)))
    assert torch.allclose(pooled[:, 4:], maps.std((2, 3), correction=0), atol=2e-3)
    assert torch.allclose(net(x), net.activations(x, ["output"])["output"], atol=1e-6)
    flat = torch.zeros(1, 1, 22, 22, requires_grad=True)
    net(flat).sum().backward()
    assert torch.isfinite(flat.grad).all()  # where a map is the same all over the root has no slope of its own
    assert build(net.config)(torch.zeros(1, 1, 40, 31)).shape == (1, 1)  # no fixed size
