"""A training run on disk, so that an interrupted one goes on where it was: one safetensors file, no pickle.

Random numbers need no place in it: every epoch's are drawn from the seed and the number of the epoch.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..core.errors import ModelError
from ..core.files import putting

CARD = "sharptip training state"  # key of the JSON text in the file's header


class Kept:
    """What a run must remember: the network, Adam's moments, and the best weights so far."""

    def __init__(self, net: nn.Module, optimiser: torch.optim.Optimizer, settings: dict[str, Any]):
        self.net, self.optimiser, self.settings = net, optimiser, settings
        self.best: dict[str, Tensor] = {}

    def remember_best(self) -> None:
        self.best = {name: t.detach().clone() for name, t in self.net.state_dict().items()}

    def restore_best(self) -> None:
        if self.best:
            self.net.load_state_dict(self.best)

    def save(self, path: Path, history: dict[str, Any]) -> None:
        """Write the whole state beside `path`, then put it in its place in one move."""
        tensors = {f"net/{name}": t for name, t in self.net.state_dict().items()}
        tensors |= {f"best/{name}": t for name, t in self.best.items()}
        for i, p in enumerate(self._parameters()):
            tensors |= {f"adam/{i}/{name}": t for name, t in self.optimiser.state[p].items()}
        tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        card = json.dumps({"settings": self.settings, "history": history})
        part = path.with_name(path.name + ".part")
        with putting(path):
            with part.open("wb") as file:
                file.write(save(tensors, metadata={CARD: card}))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)

    def load(self, path: Path) -> dict[str, Any]:
        """Put the network and the optimiser back as they were; returns the history.

        Raises ModelError when the file is damaged, or of a run with another network or other settings.
        """
        try:
            with safe_open(path, framework="pt") as file:
                card = json.loads((file.metadata() or {}).get(CARD, "null"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, json.JSONDecodeError) as error:
            raise ModelError(f"{path} cannot be read as a training state ({error}); delete it to begin anew") from error
        if card is None:
            raise ModelError(f"{path} holds no training state; give state= another path")
        other = {k: (v, self.settings.get(k)) for k, v in card["settings"].items() if v != self.settings.get(k)}
        if other:
            what = ", ".join(f"{k} was {old}, is {new}" for k, (old, new) in other.items())
            raise ModelError(
                f"{path} was begun with other settings ({what}); give the same, or delete it to begin anew"
            )
        parts = {kind: _part(tensors, kind) for kind in ("net", "best", "adam")}
        try:
            self.net.load_state_dict(parts["net"])
        except RuntimeError as error:
            raise ModelError(f"{path} is of another network; give the same, or another state= ({error})") from error
        self.best = parts["best"]
        for i, p in enumerate(self._parameters()):
            self.optimiser.state[p] = {
                name: t.to(p.device) if t.ndim == 0 else torch.empty_like(p).copy_(t)
                for name, t in _part(parts["adam"], str(i)).items()
            }
        return card["history"]

    def _parameters(self) -> list[nn.Parameter]:
        return [p for g in self.optimiser.param_groups for p in g["params"]]


def _part(tensors: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {name.removeprefix(kind + "/"): t for name, t in tensors.items() if name.startswith(kind + "/")}
