"""Which kind of surface is on this tile? A stack of convolutions, then dense layers, then one logit per answer.

Block i is conv → (norm) → activation → 2×2 max-pool. The defaults are the network of the review's Figure 3 and Table 1
(architecture 1): 256 → 254 → 127 → 125 → 62 → 60 → 30 → 28 → 14 → 12 → 6, flattened, 256 neurons, one output.

Monotone activations are computed after the pooling instead of before it. max and a function that never falls commute,
so the answer and its gradient are the same, with a quarter of the activations to compute, keep and read back.
`activations` walks the textbook order, so every map asked for by name is the true one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import gcd
from typing import Any

from torch import Tensor, cat, nn
from torch.nn.functional import max_pool2d
from torch.nn.utils import skip_init

from .parts import MONOTONE, activation, glorot

POOL = 2  # pixels; the review's 2×2 pooling with stride 2
TINY = 1e-6  # variance below which a map is the same all over; keeps the root's gradient finite
NORM_GROUPS = 8  # most groups of a group norm; few-channel layers take their greatest common divisor with it


class ConvClassifier(nn.Module):
    """Tiles (n, channels, size, size) → logits (n, outputs).

    filters: feature maps of each block. dense: neurons of each hidden dense layer. kernel: odd number of pixels.
    padding: "valid" loses kernel − 1 pixels per block, "same" none. head: "flatten" keeps positions (and fixes the tile
    size); "gap" averages each map over the tile, so that any tile large enough fits; "spread" gives each map's average
    and its standard deviation from place to place, for tiles that may not be the same all over. norm: None, "batch" or
    "group" (group statistics do not depend on the batch). dropout: after each dense layer, or before the output if
    there is none. seed: of the initial weights; None draws from torch's global generator.

    Raises ValueError when the tile is too small for the number of blocks, or for an unknown option.
    """

    def __init__(
        self,
        filters: Sequence[int] = (8, 16, 16, 32, 64),
        dense: Sequence[int] = (256,),
        kernel: int = 3,
        size: int = 256,
        channels: int = 1,
        outputs: int = 1,
        activation: str = "relu",
        head: str = "flatten",
        norm: str | None = None,
        dropout: float = 0.0,
        padding: str = "valid",
        seed: int | None = None,
    ):
        super().__init__()
        _known("head", head, ("flatten", "gap", "spread"))
        _known("norm", norm, (None, "batch", "group"))
        _known("padding", padding, ("valid", "same"))
        self.filters, self.dense, self.kernel, self.size = tuple(filters), tuple(dense), kernel, size
        self.channels, self.outputs, self.activation, self.head = channels, outputs, activation, head
        self.norm, self.dropout, self.padding = norm, dropout, padding
        last = map_sizes(size, len(self.filters), kernel, padding)[-1]
        for i, (above, here) in enumerate(pairwise((channels, *self.filters)), 1):
            self.add_module(f"conv{i}", skip_init(nn.Conv2d, above, here, kernel, padding=padding))
            if norm:
                self.add_module(f"norm{i}", _norm(norm, here))
        features = self.filters[-1] * {"flatten": last**2, "gap": 1, "spread": 2}[head]
        for i, (above, here) in enumerate(pairwise((features, *self.dense)), 1):
            self.add_module(f"dense{i}", skip_init(nn.Linear, above, here))
        self.output = skip_init(nn.Linear, self.dense[-1] if self.dense else features, outputs)
        self.drop = nn.Dropout(dropout)
        glorot(self, seed)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {
            "kind": "ConvClassifier",
            "filters": list(self.filters),
            "dense": list(self.dense),
            "kernel": self.kernel,
            "size": self.size,
            "channels": self.channels,
            "outputs": self.outputs,
            "activation": self.activation,
            "head": self.head,
            "norm": self.norm,
            "dropout": self.dropout,
            "padding": self.padding,
        }

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, size, size) → logits (n, outputs)."""
        act = activation(self.activation)
        pool_first = self.activation in MONOTONE
        self._fits(x)
        for i in range(1, len(self.filters) + 1):
            x = self._normed(i, getattr(self, f"conv{i}")(x))  # (n, filters[i-1], s, s)
            x = act(max_pool2d(x, POOL)) if pool_first else max_pool2d(act(x), POOL)  # (n, filters[i-1], s//2, s//2)
        x = self._pooled(x)  # (n, features)
        return self._dense(x, act)

    def _normed(self, i: int, x: Tensor) -> Tensor:
        return getattr(self, f"norm{i}")(x) if self.norm else x

    def _pooled(self, x: Tensor) -> Tensor:  # (n, maps, h, w) → (n, features)
        if self.head == "flatten":
            return x.flatten(1)
        mean = x.mean((2, 3))
        if self.head == "gap":
            return mean
        variance = (x - mean[:, :, None, None]).square().mean((2, 3))
        return cat([mean, (variance + TINY).sqrt()], dim=1)

    def _dense(self, x: Tensor, act) -> Tensor:  # (n, features) → (n, outputs)
        if not self.dense:
            x = self.drop(x)
        for i in range(1, len(self.dense) + 1):
            x = self.drop(act(getattr(self, f"dense{i}")(x)))  # (n, dense[i-1])
        return self.output(x)

    def _fits(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"tiles of shape (n, {self.channels}, height, width) are needed, not {tuple(x.shape)}")
        if self.head == "flatten" and x.shape[2:] != (self.size, self.size):
            raise ValueError(
                f"this network reads tiles of {self.size}×{self.size} pixels, not {x.shape[2]}×{x.shape[3]}; "
                'cut them to that size, or build it with head="gap"'
            )
        if min(x.shape[2:]) < self.size:  # only tiles below the size that was checked at birth can be too small
            map_sizes(min(x.shape[2:]), len(self.filters), self.kernel, self.padding)

    def walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every intermediate in the textbook order, as (name, tensor); a gradient passes through each of them."""
        act = activation(self.activation)
        self._fits(x)
        for i in range(1, len(self.filters) + 1):
            x = getattr(self, f"conv{i}")(x)
            yield f"conv{i}", x
            if self.norm:
                x = self._normed(i, x)
                yield f"norm{i}", x
            x = act(x)
            yield f"{self.activation}{i}", x
            x = max_pool2d(x, POOL)
            yield f"pool{i}", x
        x = self._pooled(x)
        yield self.head, x
        if not self.dense:
            x = self.drop(x)
        for i in range(1, len(self.dense) + 1):
            x = self.drop(act(getattr(self, f"dense{i}")(x)))
            yield f"dense{i}", x
        yield "output", self.output(x)

    def activations(self, x: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Intermediates by name (all, or those asked for): maps (n, filters, h, w), dense layers (n, neurons).

        "conv1" is before and "relu1" (the activation's own name) after the activation, "dense1" after it, as in the
        review's figures. Gradients with respect to any of them can be taken. Raises ValueError for an unknown name.
        """
        known = self.layer_names()
        wanted = known if names is None else list(names)
        if unknown := [n for n in wanted if n not in known]:
            raise ValueError(f"no layer is called {unknown[0]!r}; there are: {', '.join(known)}")
        found = {}
        for name, value in self.walk(x):
            if name in wanted:
                found[name] = value
            if len(found) == len(set(wanted)):
                break
        return {name: found[name] for name in wanted}

    def layer_names(self) -> list[str]:
        """Names that `activations` knows, first layer first."""
        block = ["conv", "norm", self.activation, "pool"] if self.norm else ["conv", self.activation, "pool"]
        names = [f"{part}{i}" for i in range(1, len(self.filters) + 1) for part in block]
        return [*names, self.head, *(f"dense{i}" for i in range(1, len(self.dense) + 1)), "output"]

    def train(self, mode: bool = True) -> ConvClassifier:
        """As torch's, but a frozen batch norm keeps the statistics that it was frozen with."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()
        return self


def map_sizes(size: int, blocks: int, kernel: int = 3, padding: str = "valid") -> list[int]:
    """Side of the maps in pixels: the input, then after each convolution and each pooling.

    >>> map_sizes(256, 5)
    [256, 254, 127, 125, 62, 60, 30, 28, 14, 12, 6]

    Raises ValueError, with the smallest size that fits, when nothing is left for a pooling.
    """
    loss = kernel - 1 if padding == "valid" else 0
    sizes = [size]
    for _ in range(blocks):
        sizes.append(sizes[-1] - loss)
        sizes.append(sizes[-1] // POOL)
        if sizes[-1] < 1:
            smallest = 1
            for _ in range(blocks):
                smallest = smallest * POOL + loss
            raise ValueError(
                f"tiles of {size} pixels are too small for {blocks} blocks of {kernel}×{kernel} convolution "
                f"({padding}) and 2×2 pooling; the smallest size is {smallest}"
            )
    return sizes


def shape_chain(net: ConvClassifier) -> list[int]:
    """Side of the maps in pixels through the network: [256, 254, 127, …, 6] for the review's Figure 3."""
    return map_sizes(net.size, len(net.filters), net.kernel, net.padding)


# Table 1 of the review: 3×3 valid convolutions with ReLU and pooling, then one dense layer.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "architecture 1": {"kind": "ConvClassifier", "filters": [8, 16, 16, 32, 64], "dense": [256]},
    "architecture 2": {"kind": "ConvClassifier", "filters": [8, 16, 16, 32], "dense": [256]},
    "architecture 3": {"kind": "ConvClassifier", "filters": [16, 32, 64, 64, 128], "dense": [512]},
    "architecture 4": {"kind": "ConvClassifier", "filters": [32, 32, 64, 64, 128], "dense": [512]},
    "architecture 5": {"kind": "ConvClassifier", "filters": [32, 64, 64, 64, 128], "dense": [512]},
}


def modern(
    filters: Sequence[int] = (8, 16, 32, 64, 64),
    size: int = 256,
    channels: int = 1,
    outputs: int = 1,
    dropout: float = 0.2,
    norm: str = "batch",
    seed: int | None = None,
) -> ConvClassifier:
    """The same idea with normalisation and global average pooling: a tenth of the weights and no fixed tile size.

    96 % of the review's 617 041 parameters join the flattened maps to the dense layer; averaging each map instead needs
    none of them, and gives class activation maps without retraining (Zhou et al., CVPR 2016).
    """
    return ConvClassifier(
        filters,
        dense=(),
        size=size,
        channels=channels,
        outputs=outputs,
        head="gap",
        norm=norm,
        dropout=dropout,
        padding="same",
        seed=seed,
    )


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(gcd(NORM_GROUPS, channels), channels)


def _known(option: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{option} is {value!r}; it can be {', '.join(map(repr, choices))}")
