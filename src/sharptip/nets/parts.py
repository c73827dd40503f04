"""What every network here is made of: steps and activations by name, and the initial weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": nn.functional.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": nn.functional.gelu,
}

# max(f(a), f(b)) = f(max(a, b)) for every f that never falls: such an activation may be taken after max-pooling.
MONOTONE = frozenset({"relu", "leaky_relu", "sigmoid", "tanh"})


class Walked(nn.Module):
    """A network that is a walk over named steps: the last is its answer, and any can be looked at."""

    def walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every intermediate as (name, tensor), first step first; the last is called "output"."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """What the last step of the walk gives."""
        return dict(self.walk(x))["output"]

    def activations(self, x: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Intermediates by name (all, or those asked for). Raises ValueError for an unknown name."""
        found = dict(self.walk(x))
        wanted = list(found) if names is None else list(names)
        if unknown := [n for n in wanted if n not in found]:
            raise ValueError(f"no layer is called {unknown[0]!r}; there are: {', '.join(found)}")
        return {name: found[name] for name in wanted}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function of that name. Raises ValueError that lists the names there are."""
    if name not in ACTIVATIONS:
        raise ValueError(f"no activation is called {name!r}; there are: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def glorot(net: nn.Module, seed: int | None = None) -> None:
    """Fill a network in place as Keras does: Glorot-uniform weights, zero biases.

    Uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010, eq. 16). With a seed, torch's global
    generator is not used (layers are made by skip_init, which draws nothing).
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
