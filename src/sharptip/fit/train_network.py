"""Arrays → a trained network → arrays: where a Model meets the one loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from ..core.errors import ModelError
from ..data.augment import SYMMETRIES
from ..data.batches import Batches
from .kinds import rater_weight
from .loop import History, binary_loss, class_hits, class_loss, cosine, train

if TYPE_CHECKING:
    from pathlib import Path

    from .recipe import Recipe


def loss_function(name: str | Callable[..., Any], kind: str, outputs: int) -> Any:
    """The loss by name, or itself; 'auto': cross-entropy for judgements, the mean absolute error for restorations."""
    if callable(name):
        return name
    if kind == "each":
        raise ModelError("a recipe that answers each row names its own loss, (output, target) → scalar")
    if name == "auto":
        name = {"restore": "mae", "rate": "votes"}.get(kind, "bce" if outputs == 1 else "ce")
    return {"bce": binary_loss, "ce": class_loss, "votes": votes_loss, "mse": F.mse_loss, "mae": F.l1_loss}[name]


def votes_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits (n, k) or (n, lines, k) against the shares of several raters.

    y (n, k + 1): shares 0–1, then the weight of the vote. An answer after the first lines is held against the votes on
    the whole frame, so it learns how much those lines tell.
    """
    shares, weight = y[:, :-1], y[:, -1]
    if logits.ndim == 3:
        shares = shares[:, None].expand(-1, logits.shape[1], -1)
    each = F.binary_cross_entropy_with_logits(logits, shares, reduction="none")
    return (each.flatten(1).mean(1) * weight).mean()


def train_network(
    net: torch.nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    recipe: Recipe,
    options: dict[str, Any],
    seed: int,
    validation: np.ndarray | None,
    on_epoch: Any = None,
    drawn: Any = None,
    state: str | Path | None = None,
) -> History:
    """x (n, c, h, w), y (n, ...); `validation` (n,) marks tiles that are held out for early stopping.

    drawn: (epoch, rng) → batches, in the place of x and y, for examples that are new in every epoch.
    """
    if recipe.kind == "rate":
        y = np.concatenate([y[:, :-1], rater_weight(y[:, -1])[:, None]], axis=1)
    xs, ys = torch.from_numpy(np.ascontiguousarray(x, np.float32)), torch.from_numpy(np.asarray(y, np.float32))
    keep = torch.ones(len(xs), dtype=torch.bool) if validation is None else torch.from_numpy(~validation)
    loss = loss_function(recipe.loss, recipe.kind, len(options["classes"]) if len(options["classes"]) > 2 else 1)
    augment = options["augment"] and recipe.kind in ("classify", "rate")
    symmetries = recipe.symmetries if augment else ("identity",)
    distortions = recipe.distortions if augment else ()
    batches = drawn or Batches(xs[keep], ys[keep], options["batch"], symmetries, distortions, copies="one")
    hits = class_hits if recipe.kind == "classify" else None
    schedule = (
        cosine(options["epochs"], warm=max(1, options["epochs"] // 10)) if options["schedule"] == "cosine" else None
    )
    plain = {name: options[name] for name in ("lr", "weight_decay", "stop_at_accuracy", "precision", "clip")}
    plain |= {"hits": hits, "seed": seed}
    if options["processes"] > 1:
        if drawn is not None or validation is not None or any(not p.requires_grad for p in net.parameters()):
            raise ModelError("processes > 1 goes with neither patience, freeze nor fresh; leave one of them out")
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
        schedule=schedule,
        on_epoch=on_epoch,
        state=state,
        about=""
        if state is None
        else f"{len(x)} tiles {sha256(xs.numpy().tobytes()).hexdigest()[:12]}, {options['epochs']} epochs",
        **plain,
    )
    net.eval()
    if options["half"]:
        round_to_half(net)
    return history


def round_to_half(net: torch.nn.Module) -> None:
    """Weights rounded to 16 bits, in place: more says nothing, and the file is half as large."""
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(weight.half().float())


def _in_processes(net: torch.nn.Module, batches: Batches, loss: Any, options: dict[str, Any], plain: Any) -> History:
    """The same training shared by several processes; the weights end in `net`."""
    from .distributed import train_distributed

    trained, history = train_distributed(
        partial(copy.deepcopy, net), partial(copy.copy, batches), loss, epochs=options["epochs"],
        processes=options["processes"], options=plain,
    )  # fmt: skip
    net.load_state_dict(trained.state_dict())
    return history


def train_ensemble(
    ensemble: Any,
    x: np.ndarray,
    y: np.ndarray,
    recipe: Recipe,
    options: dict[str, Any],
    seed: int,
    held: Sequence[np.ndarray],
    calibration: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    on_epoch: Any = None,
) -> list[History]:
    """Each member learns without the tiles that `held` marks for it; their answers about those calibrate all of them.

    Their weights are rounded to 16 bits before that: more says nothing, and the file is half as large.

    held: one (n,) mask per member. The slope and offset suit single members that never saw the group; the mean of the
    members is a little surer and more often right, so what it states is on the careful side.
    """
    outside, truths, histories = [], [], []
    for i, (member, out) in enumerate(zip(ensemble.members, held, strict=True)):
        histories.append(train_network(member, x[~out], y[~out], recipe, options, seed + i, None, on_epoch))
        member.requires_grad_(False)
        round_to_half(member)
        outside.append(logits(member, x[out], recipe.symmetries if options["symmetric"] else ("identity",)))
        truths.append(y[out])
        member.requires_grad_(True)
    ensemble.eval()
    ensemble.calibrate(*calibration(np.concatenate(outside), np.concatenate(truths)))
    if len(ensemble.centre):
        out = held[0]
        learned, unseen = (torch.from_numpy(_batched(ensemble.embed, x[part])) for part in (~out, out))
        ensemble.know(learned, unseen)
    return histories


def logits(net: torch.nn.Module, x: np.ndarray, symmetries: Sequence[str] = ("identity",)) -> np.ndarray:
    """Outputs for x (n, c, h, w), the mean over its symmetric copies."""
    copies = (SYMMETRIES[name](torch.from_numpy(x)).contiguous().numpy() for name in symmetries)
    return np.mean([run_network(net, copy_) for copy_ in copies], axis=0)


def run_network(net: torch.nn.Module, x: np.ndarray, batch: int = 32) -> np.ndarray:
    """Outputs for x (n, c, h, w), in batches, without gradients; the network's mode is put back afterwards."""
    training = net.training
    net.eval()
    try:
        return _batched(net, x, batch, next(net.parameters()).device)
    finally:
        net.train(training)


def _batched(function: Any, x: np.ndarray, batch: int = 32, device: Any = "cpu") -> np.ndarray:
    with torch.inference_mode():
        parts = [function(torch.from_numpy(x[i : i + batch]).to(device)).cpu() for i in range(0, len(x), batch)]
    return torch.cat(parts).numpy()


def strangeness(ensemble: Any, tiles: np.ndarray) -> float:
    """How unlike the frames that it learned from these tiles are, on average; above 1 is unlike them."""
    return float(_batched(ensemble.strangeness, tiles).mean())
