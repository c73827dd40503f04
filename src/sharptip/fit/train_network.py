"""Arrays → a trained network → arrays: where a Model meets the one loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from ..data.batches import Batches
from .loop import History, binary_loss, class_hits, class_loss, train

if TYPE_CHECKING:
    from .recipe import Recipe


def loss_function(name: str, kind: str, outputs: int) -> Any:
    """The loss by name; 'auto' is cross-entropy for classes and the mean absolute error for restorations."""
    if name == "auto":
        name = "mae" if kind == "restore" else ("bce" if outputs == 1 else "ce")
    return {
        "bce": binary_loss,
        "ce": class_loss,
        "mse": F.mse_loss,
        "mae": F.l1_loss,
    }[name]


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
    symmetries = recipe.symmetries if recipe.kind == "classify" else ("identity",)
    batches = Batches(xs[keep], ys[keep], options["batch"], symmetries, recipe.distortions, copies="one")

    def validate() -> dict[str, float]:
        with torch.no_grad():
            return {"loss": float(loss(torch.from_numpy(run_network(net, xs[~keep].numpy())), ys[~keep]))}

    history = train(
        net,
        batches,
        loss,
        epochs=options["epochs"],
        lr=options["lr"],
        weight_decay=options["weight_decay"],
        stop_at_accuracy=options["stop_at_accuracy"],
        validate=None if validation is None else validate,
        patience=options["patience"],
        hits=class_hits if recipe.kind == "classify" else None,
        precision=options["precision"],
        seed=seed,
        on_epoch=on_epoch,
    )
    net.eval()
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
