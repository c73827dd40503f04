"""Networks of dense layers alone, for vectors: spectra, curves, descriptors.

A shallow network has one hidden layer, a deep one two or more (the review's Figure 3, top).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import skip_init

from .parts import Walked, activation, glorot


class DeepNet(Walked):
    """Vectors (n, inputs) → logits or values (n, outputs), through two or more hidden layers.

    hidden: neurons of each hidden layer. dropout: after each of them. seed: of the initial weights; None draws from
    torch's global generator. Raises ValueError for fewer than two hidden layers or an unknown activation.
    """

    least_hidden = 2

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int] = (64, 64),
        outputs: int = 1,
        activation: str = "relu",
        dropout: float = 0.0,
        seed: int | None = None,
    ):
        super().__init__()
        if len(hidden) < self.least_hidden:
            raise ValueError(f"hidden is {tuple(hidden)}; a deep network has two hidden layers or more, see ShallowNet")
        self.inputs, self.hidden, self.outputs = inputs, tuple(hidden), outputs
        self.activation, self.dropout = activation, dropout
        for i, (above, here) in enumerate(pairwise((inputs, *hidden)), 1):
            self.add_module(f"dense{i}", skip_init(nn.Linear, above, here))
        self.output = skip_init(nn.Linear, hidden[-1], outputs)
        self.drop = nn.Dropout(dropout)
        glorot(self, seed)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {
            "kind": "DeepNet",
            "inputs": self.inputs,
            "hidden": list(self.hidden),
            "outputs": self.outputs,
            "activation": self.activation,
            "dropout": self.dropout,
        }

    def walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every intermediate as (name, tensor): dense1 (n, hidden[0]), …, output (n, outputs)."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise ValueError(f"vectors of shape (n, {self.inputs}) are needed, not {tuple(x.shape)}")
        act = activation(self.activation)
        for i in range(1, len(self.hidden) + 1):
            x = self.drop(act(getattr(self, f"dense{i}")(x)))  # (n, hidden[i-1])
            yield f"dense{i}", x
        yield "output", self.output(x)  # (n, outputs)

    def layer_names(self) -> list[str]:
        """Names that `activations` knows, first layer first."""
        return [*(f"dense{i}" for i in range(1, len(self.hidden) + 1)), "output"]


class ShallowNet(DeepNet):
    """Vectors (n, inputs) → logits or values (n, outputs), through one hidden layer of `hidden` neurons."""

    least_hidden = 1

    def __init__(
        self,
        inputs: int,
        hidden: int = 64,
        outputs: int = 1,
        activation: str = "relu",
        dropout: float = 0.0,
        seed: int | None = None,
    ):
        super().__init__(inputs, (hidden,), outputs, activation, dropout, seed)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {**super().config, "kind": "ShallowNet", "hidden": self.hidden[0]}
