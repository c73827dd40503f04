"""The one training loop: batches in, weights moved by Adam, the history of it out.

The network is trained in place. The same seed gives the same weights; a run that was interrupted and is begun again
with the same `state` file ends with the very weights of one that ran through. Inside a torch process group (torchrun,
or `sharptip.fit.distributed.train_distributed`) each process takes its share of every batch, and the result is that of
one process with whole batches.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..core.errors import ModelError
from .engine import Group, autocast, effective_precision, keep_memory, pick_device, to_device
from .state import Kept

Batches = Callable[[int, np.random.Generator], Iterable[tuple[Any, Any]]]
Loss = Callable[[Tensor, Tensor], Tensor]
Hits = Callable[[Tensor, Tensor], Tensor]


@dataclass
class History:
    """What happened, epoch by epoch. Lists have one entry per epoch; None where nothing was measured."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float | None] = field(default_factory=list)
    val_loss: list[float | None] = field(default_factory=list)
    val_accuracy: list[float | None] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)  # of the fastest group
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""  # "accuracy", "patience", "epochs"; empty while running
    best_epoch: int | None = None  # of the lowest val_loss, counted from 0; with patience, its weights were kept
    precision: str = "fp32"  # what the arithmetic was in, whatever was asked for
    device: str = "cpu"
    processes: int = 1

    def add(
        self,
        loss: float,
        accuracy: float | None,
        val_loss: float | None,
        val_accuracy: float | None,
        lr: float,
        start: float,
    ) -> None:
        """One more epoch, begun at `start` of time.perf_counter."""
        earlier = [v for v in self.val_loss if v is not None]
        if val_loss is not None and not math.isnan(val_loss) and (not earlier or val_loss < min(earlier)):
            self.best_epoch = len(self.loss)
        self.loss.append(loss)
        self.accuracy.append(accuracy)
        self.val_loss.append(val_loss)
        self.val_accuracy.append(val_accuracy)
        self.lr.append(lr)
        self.seconds.append(time.perf_counter() - start)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> History:
        return cls(**json.loads(text))


def binary_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of one logit per example, (n, 1) or (n,), against labels 0 and 1."""
    return nn.functional.binary_cross_entropy_with_logits(logits.flatten(), y.flatten().to(logits.dtype))


def class_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of (n, k) logits against class numbers (n,)."""
    return nn.functional.cross_entropy(logits, y.long())


def class_hits(logits: Tensor, y: Tensor) -> Tensor:
    """How many answers are right: the largest of k logits, or the sign of a single one."""
    if logits.ndim == 2 and logits.shape[1] > 1:
        return (logits.argmax(1) == y).sum()
    return ((logits.flatten() > 0) == (y.flatten() > 0.5)).sum()


def train(
    net: nn.Module,
    batches: Batches,
    loss: Loss,
    *,
    epochs: int,
    lr: float = 1e-3,
    groups: list[dict[str, Any]] | None = None,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    stop_at_accuracy: float | None = None,
    validate: Callable[[], dict[str, float]] | None = None,
    patience: int | None = None,
    schedule: Callable[[int], float] | None = None,
    hits: Hits | None = class_hits,
    precision: str = "fp32",
    clip: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    on_epoch: Callable[[History], None] | None = None,
    state: str | Path | None = None,
    about: str = "",
) -> History:
    """Train a network in place with Adam; it is in evaluation mode afterwards.

    batches: (epoch, rng) → iterable of (x, y), arrays or tensors; the rng is fixed by seed and epoch, so augmentation
        on the fly is repeatable. In a group of processes each makes whole batches and takes its share.
    loss: (logits, y) → scalar, a mean over the batch.
    hits: (logits, y) → number of right answers; None for regression.
    groups: optimiser groups with their own "lr" (see nets.discriminative_groups); else all that is not frozen, at lr.
    weight_decay: decoupled, per step and unit of lr (Loshchilov & Hutter, ICLR 2019). l1, l2: sum of |w| and of w² in
        the loss. None of the three touches biases and norms.
    stop_at_accuracy: end after the epoch whose training accuracy, counted while learning, reaches it (the review:
        0.96).
    validate: () → {"loss": ..., "accuracy": ...} after each epoch (see `evaluate`). patience: end after so many epochs
        without a lower one, and go back to the weights of the lowest.
    schedule: epoch → factor on every learning rate.
    clip: the largest norm that a step's gradient may have; a longer one is shortened.
    precision: "bf16" where the hardware has it (else fp32, as the history says).
    on_epoch: is shown the history after each epoch, in the first process.
    state: file in which each epoch is kept; a run that finds one goes on from there, if `about` (what is learned from)
        is the same.

    Raises ModelError when the loss is no longer a number, when nothing can learn, or when `state` is of another run.
    """
    if patience is not None and validate is None:
        raise ModelError("patience counts epochs without a lower validation loss; give validate=, or leave it out")
    keep_memory()
    group, place, home = Group.here(), pick_device(device), next(net.parameters()).device
    precision = effective_precision(place, precision)
    net.to(place)
    optimiser, rates = _adam(net, groups, lr, weight_decay)
    settings = {"seed": seed, "lr": rates, "weight_decay": weight_decay, "l1": l1, "l2": l2, "precision": precision}
    settings |= ({} if clip is None else {"clip": clip}) | ({"about": about} if about else {})
    kept = Kept(net, optimiser, settings)
    history = History(precision=precision, device=place.type, processes=group.size)
    if state is not None and Path(state).exists():
        history = History(**kept.load(Path(state)))
        history.stopped = _reason(history, epochs, stop_at_accuracy, patience)  # more epochs may be asked for now
    model = net if group.size == 1 else DistributedDataParallel(net)
    penalty = _penalty(net, l1, l2)
    with torch.random.fork_rng():
        while not history.stopped:
            epoch, start = len(history.loss), time.perf_counter()
            factor = schedule(epoch) if schedule else 1.0
            for g, rate in zip(optimiser.param_groups, rates, strict=True):
                g["lr"] = rate * factor
            torch.manual_seed(int(np.random.SeedSequence([seed, epoch, group.rank]).generate_state(1)[0]))
            pairs = _shares(batches(epoch, np.random.default_rng([seed, epoch])), group, place)
            mean, accuracy = _epoch(model, pairs, loss, penalty, hits, optimiser, precision, clip, group)
            if not math.isfinite(mean):
                raise ModelError(
                    f"the loss is {mean} in epoch {epoch} at a learning rate of {max(rates) * factor:g}; "
                    "lower lr, or look for NaN and infinity among the inputs"
                )
            history.add(mean, accuracy, *_validated(validate, net, group, place), max(rates) * factor, start)
            if patience is not None and history.best_epoch == epoch:
                kept.remember_best()
            history.stopped = _reason(history, epochs, stop_at_accuracy, patience)
            if group.rank == 0 and state is not None:
                kept.save(Path(state), asdict(history))
            if group.rank == 0 and on_epoch:
                on_epoch(history)
    kept.restore_best()
    net.eval().to(home)
    group.wait()
    return history


def evaluate(
    net: nn.Module,
    pairs: Iterable[tuple[Any, Any]],
    loss: Loss,
    hits: Hits | None = class_hits,
    precision: str = "fp32",
) -> dict[str, float]:
    """Mean loss and accuracy over (x, y) batches, without learning: what `train(validate=)` asks for.

    Returns {"loss", "accuracy", "n"}; accuracy is NaN without `hits`. The network's mode is put back.
    Raises ModelError when there is no batch.
    """
    keep_memory()
    place, was_learning = next(net.parameters()).device, net.training
    precision = effective_precision(place, precision)
    net.eval()
    sums = torch.zeros(3, dtype=torch.float64, device=place)  # of the loss, of the right answers, of the examples
    with torch.inference_mode():
        for x, y, n, _ in _shares(pairs, Group(), place):
            with autocast(place, precision):
                logits = net(x)
            value = loss(logits.float(), y)
            sums += torch.stack([value * n, hits(logits, y) if hits else value * math.nan, value * 0 + n])
    net.train(was_learning)
    if sums[2] == 0:
        raise ModelError("there is no example to evaluate on; the batches are empty")
    return {"loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2]), "n": int(sums[2])}


def cosine(epochs: int, warm: int = 0) -> Callable[[int], float]:
    """A schedule: up to 1 in `warm` epochs, then down to 0 along half a cosine at `epochs`.

    Loshchilov & Hutter, ICLR 2017, eq. 5, without restarts.
    """

    def factor(epoch: int) -> float:
        if epoch < warm:
            return (epoch + 1) / (warm + 1)
        return 0.5 * (1 + math.cos(math.pi * (epoch - warm) / max(1, epochs - warm)))

    return factor


def _epoch(
    model: nn.Module,
    shares: Iterator[tuple[Tensor, Tensor, int, float]],
    loss: Loss,
    penalty: Callable[[], Tensor] | None,
    hits: Hits | None,
    optimiser: torch.optim.Optimizer,
    precision: str,
    clip: float | None,
    group: Group,
) -> tuple[float, float | None]:
    """One pass over the batches. Returns mean loss and accuracy over all examples of all processes."""
    model.train()
    sums = None  # of the loss, of the right answers, of the examples; added up where they are, read once
    for x, y, n, weight in shares:
        with autocast(x.device, precision):
            logits = model(x)
        value = loss(logits.float(), y)
        optimiser.zero_grad(set_to_none=True)
        goal = value * weight if penalty is None else value * weight + penalty()
        goal.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        with torch.no_grad():
            right = hits(logits[:n], y[:n]) if hits else value * 0
            here = torch.stack([value.detach() * n, right, value.detach() * 0 + n]).double()
            sums = here if sums is None else sums + here
    if sums is None:
        raise ModelError("there is nothing to learn from; batches gave none")
    sums = group.total(sums)
    return float(sums[0] / sums[2]), float(sums[1] / sums[2]) if hits else None


def _shares(pairs: Iterable[tuple[Any, Any]], group: Group, place: torch.device) -> Iterator[tuple]:
    """This process's part of each batch, on the device: x, y, how many examples count, and the weight of their mean.

    Processes average their gradients, so a mean over a share is weighted by the share's size: the sum is then the mean
    over the whole batch. A process that gets nothing of a small last batch steps with one example of weight 0.
    """
    for x, y in pairs:
        x, y = torch.as_tensor(x), torch.as_tensor(y)
        mine_x, mine_y = group.share(x), group.share(y)
        n = len(mine_x)
        if n == 0:
            mine_x, mine_y = x[:1], y[:1]
        yield to_device(mine_x, place), to_device(mine_y, place), n, n * group.size / len(x)


def _adam(
    net: nn.Module, groups: list[dict[str, Any]] | None, lr: float, weight_decay: float
) -> tuple[torch.optim.Optimizer, list[float]]:
    """Adam with decoupled decay of weights only, and the learning rate of each of its groups."""
    split: list[dict[str, Any]] = []
    for g in groups or [{"params": net.parameters()}]:
        free = [p for p in g["params"] if p.requires_grad]
        for params, decay in (([p for p in free if p.ndim > 1], weight_decay), ([p for p in free if p.ndim <= 1], 0.0)):
            if params:
                split.append({"params": params, "lr": g.get("lr", lr), "weight_decay": decay})
    if not split:
        raise ModelError("every parameter of the network is frozen; free some, for example with freeze_until")
    return torch.optim.AdamW(split, fused=True), [g["lr"] for g in split]


def _penalty(net: nn.Module, l1: float, l2: float) -> Callable[[], Tensor] | None:
    """l1 · sum of |w| + l2 · sum of w² over the weights that learn, biases and norms left out."""
    if l1 == 0 and l2 == 0:
        return None
    weights = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    return lambda: torch.stack([l1 * w.abs().sum() + l2 * w.square().sum() for w in weights]).sum()


def _validated(
    validate: Callable[[], dict[str, float]] | None, net: nn.Module, group: Group, place: torch.device
) -> tuple[float | None, float | None]:
    """Validation loss and accuracy as the first process measured them, so that all processes decide alike."""
    net.eval()
    if validate is None:
        return None, None
    told = torch.full((2,), math.nan, dtype=torch.float64, device=place)
    if group.rank == 0:
        measured = validate()
        told = told.new_tensor([measured["loss"], measured.get("accuracy", math.nan)])
    loss, accuracy = group.from_first(told).tolist()
    return loss, None if math.isnan(accuracy) else accuracy


def _reason(history: History, epochs: int, stop_at_accuracy: float | None, patience: int | None) -> str:
    """Why to stop after this epoch; empty to go on."""
    done, accuracy = len(history.loss), history.accuracy[-1]
    if stop_at_accuracy is not None and accuracy is not None and accuracy >= stop_at_accuracy:
        return "accuracy"
    if patience is not None and history.best_epoch is not None and done - 1 - history.best_epoch >= patience:
        return "patience"
    return "epochs" if done >= epochs else ""
