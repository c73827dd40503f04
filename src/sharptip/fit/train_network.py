"""Arrays → a trained network → arrays: where a Model meets the one loop."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from ..core.errors import ModelError
from ..data.batches import Batches
from .loop import History, binary_loss, class_hits, class_loss, train

if TYPE_CHECKING:
    from .recipe import Recipe


def loss_function(name: str, kind: str, outputs: int) -> Any:
    """The loss by name; 'auto' is cross-entropy for classes and the mean absolute error for restorations."""
    if name == "auto":
        name = "mae" if kind == "restore" else ("bce" if outputs == 1 else "ce")
    return {"bce": binary_loss, "ce": class_loss, "mse": F.mse_loss, "mae": F.l1_loss}[name]


def train_network(
    net: torch.nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    recipe: Recipe,
    options: dict[str, Any],
    seed: int,
    validation: np.ndarray | None,
    on_epoch: Any = None,
) -> History:
    """x (n, c, h, w), y (n, ...); `validation` (n,) marks tiles that are held out for early stopping."""
    xs, ys = torch.from_numpy(np.ascontiguousarray(x, np.float32)), torch.from_numpy(np.asarray(y, np.float32))
    keep = torch.ones(len(xs), dtype=torch.bool) if validation is None else torch.from_numpy(~validation)
    loss = loss_function(recipe.loss, recipe.kind, len(options["classes"]) if len(options["classes"]) > 2 else 1)
    augment = options["augment"] and recipe.kind == "classify"
    symmetries = recipe.symmetries if augment else ("identity",)
    distortions = recipe.distortions if augment else ()
    batches = Batches(xs[keep], ys[keep], options["batch"], symmetries, distortions, copies="one")
    hits = class_hits if recipe.kind == "classify" else None
    plain = {name: options[name] for name in ("lr", "weight_decay", "stop_at_accuracy", "precision")}
    plain |= {"hits": hits, "seed": seed}
    if options["processes"] > 1:
        if validation is not None or any(not p.requires_grad for p in net.parameters()):
            raise ModelError("processes > 1 goes with neither patience nor freeze; leave one of them out")
        return _in_processes(net, batches, loss, options, plain)

    def validate() -> dict[str, float]:
        with torch.no_grad():
            return {"loss": float(loss(torch.from_numpy(run_network(net, xs[~keep].numpy())), ys[~keep]))}

    history = train(
        net,
        batches,
        loss,
        epochs=options["epochs"],
        validate=None if validation is None else validate,
        patience=options["patience"],
        on_epoch=on_epoch,
        **plain,
    )
    net.eval()
    return history


def _in_processes(net: torch.nn.Module, batches: Batches, loss: Any, options: dict[str, Any], plain: Any) -> History:
    """The same training shared by several processes; the weights end in `net`."""
    from .distributed import train_distributed

    trained, history = train_distributed(
        partial(copy.deepcopy, net), partial(copy.copy, batches), loss, epochs=options["epochs"],
        processes=options["processes"], options=plain,
    )  # fmt: skip
    net.load_state_dict(trained.state_dict())
    return history


def run_network(net: torch.nn.Module, x: np.ndarray, batch: int = 32) -> np.ndarray:
    """Outputs for x (n, c, h, w), in batches, without gradients; the network's mode is put back afterwards."""
    training = net.training
    net.eval()
    try:
        with torch.inference_mode():
            device = next(net.parameters()).device
            parts = [net(torch.from_numpy(x[i : i + batch]).to(device)).cpu() for i in range(0, len(x), batch)]
    finally:
        net.train(training)
    return torch.cat(parts).numpy()


def probabilities(net: torch.nn.Module, tiles: np.ndarray) -> np.ndarray:
    """(n, classes) from logits of one neuron (sigmoid) or one per class (softmax)."""
    logits = torch.from_numpy(run_network(net, tiles)).double()
    if logits.shape[1] == 1:
        p = torch.sigmoid(logits[:, 0])
        return torch.stack([1 - p, p], dim=1).numpy()
    return torch.softmax(logits, dim=1).numpy()
