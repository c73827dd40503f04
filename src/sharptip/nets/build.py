"""A network from its JSON card, how large it is, and which of its layers may learn."""

from __future__ import annotations

from typing import Any

from torch import nn

from .conv_classifier import ConvClassifier
from .curve_rater import CurveRater
from .decomposer import Decomposer
from .dense import DeepNet, ShallowNet
from .frame_classifier import FrameClassifier
from .line_classifier import LineClassifier
from .line_denoiser import LineDenoiser
from .trace_net import ScatterNet, TraceLSTM, TraceTCN

KINDS: dict[str, type[nn.Module]] = {
    "ConvClassifier": ConvClassifier,
    "CurveRater": CurveRater,
    "Decomposer": Decomposer,
    "DeepNet": DeepNet,
    "FrameClassifier": FrameClassifier,
    "LineClassifier": LineClassifier,
    "LineDenoiser": LineDenoiser,
    "ScatterNet": ScatterNet,
    "ShallowNet": ShallowNet,
    "TraceLSTM": TraceLSTM,
    "TraceTCN": TraceTCN,
}


def build(config: dict[str, Any], seed: int | None = None) -> nn.Module:
    """The network that a config describes; `build(net.config)` has the layers of `net` and fresh weights.

    Options that the config leaves out take their defaults. Raises ValueError for an unknown kind or option.
    """
    options = dict(config)
    kind = options.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"no network is of kind {kind!r}; there are: {', '.join(KINDS)}")
    try:
        return KINDS[kind](**options, seed=seed)
    except TypeError as error:
        raise ValueError(f"a {kind} cannot be made from {config}: {error}") from error


def n_params(net: nn.Module, learning: bool = False) -> int:
    """Number of parameters; with `learning`, only those that are not frozen."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad or not learning)


def freeze_until(net: nn.Module, layer_name: str) -> None:
    """Freeze, in place, every layer before `layer_name`; that one and the later ones learn.

    Transfer learning in one line: what the first layers found elsewhere is kept, the last are tuned. "conv1" (the first
    layer) frees everything. Raises ValueError for a layer without parameters.
    """
    layers = _layers(net)
    if layer_name not in layers:
        raise ValueError(f"no layer with weights is called {layer_name!r}; there are: {', '.join(layers)}")
    first = list(layers).index(layer_name)
    for i, layer in enumerate(layers.values()):
        layer.requires_grad_(i >= first)


def discriminative_groups(net: nn.Module, lr: float, factor: float = 0.5) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: the last layer learns at `lr`, each earlier one at `factor` times the next.

    Early layers hold what is common to many questions and should move least (Howard & Ruder, ACL 2018, section 3.2).
    A norm learns at the rate of its convolution. Frozen parameters are left out.
    """
    layers = _layers(net)
    weighted = [name for name in layers if not name.startswith("norm")]
    groups = []
    for name, layer in layers.items():
        depth = len(weighted) - 1 - weighted.index(name.replace("norm", "conv"))
        if params := [p for p in layer.parameters() if p.requires_grad]:
            groups.append({"params": params, "lr": lr * factor**depth, "name": name})
    return groups


def _layers(net: nn.Module) -> dict[str, nn.Module]:
    """Layers with parameters by name, in the order in which they are applied."""
    return {name: layer for name, layer in net.named_children() if any(True for _ in layer.parameters())}
