"""The same loop in several processes on one machine, through torch's DistributedDataParallel.

Across machines, call `sharptip.fit.loop.train` in a script that torchrun starts, after `torch.distributed.
init_process_group()`: it sees the group and takes its share.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn
from torch.multiprocessing.spawn import spawn

from ..core.errors import ModelError
from .engine import Group, pick_device
from .loop import Batches, History, Loss, train


def train_distributed(
    make_net: Callable[[], nn.Module],
    make_batches: Callable[[], Batches],
    loss: Loss,
    *,
    epochs: int,
    processes: int = 2,
    backend: str = "auto",
    device: str = "auto",
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    options: dict[str, Any] | None = None,
) -> tuple[nn.Module, History]:
    """Train `make_net()` in several processes; returns it on the CPU, trained, with its history.

    Each process makes the whole of every batch and learns from its share, so that gradients, and with them the weights,
    are those of one process on the full batches up to rounding (batch norm excepted: its statistics are per share; use
    group norm). The arguments travel to the processes, so functions must be importable by name or a functools.partial
    of such. backend: "gloo" for CPUs, "nccl" for GPUs, "auto" for the one that fits. validate: net → its metrics, asked
    in the first process. options: further arguments of `train` (lr, seed, patience, state, …).

    Raises ModelError for optimiser groups, which cannot travel, and when the processes end with different weights.
    """
    if "groups" in (options or {}):
        raise ModelError("groups hold the network of one process; call sharptip.fit.loop.train under torchrun instead")
    if backend == "auto":
        backend = "nccl" if pick_device(device).type == "cuda" else "gloo"
    learn = partial(
        _learn, loss=loss, validate=validate, options={**(options or {}), "epochs": epochs, "device": device}
    )
    with TemporaryDirectory() as folder:
        place = (make_net, make_batches, learn, processes, backend, free_port(), Path(folder))
        spawn(_process, args=place, nprocs=processes, join=True)
        net = make_net()
        net.load_state_dict(load_file(Path(folder) / "net.safetensors"))
        history = History.from_json((Path(folder) / "history.json").read_text())
    return net.eval(), history


def _learn(
    net: nn.Module,
    batches: Batches,
    loss: Loss,
    validate: Callable[[nn.Module], dict[str, float]] | None,
    options: dict[str, Any],
) -> History:
    return train(net, batches, loss, validate=partial(validate, net) if validate else None, **options)


def _process(
    rank: int,
    make_net: Callable[[], nn.Module],
    make_batches: Callable[[], Batches],
    learn: Callable[[nn.Module, Batches], History],
    processes: int,
    backend: str,
    port: int,
    folder: Path,
) -> None:
    """One of the processes: joins the others, trains, and the first leaves the result in the folder."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), LOCAL_RANK=str(rank))
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
    if backend == "nccl":
        torch.cuda.set_device(rank % torch.cuda.device_count())
    dist.init_process_group(backend, rank=rank, world_size=processes)
    try:
        net = make_net()
        history = learn(net, make_batches())
        check_equal(net)
        if rank == 0:
            save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / "net.safetensors")
            (folder / "history.json").write_text(history.to_json())
        dist.barrier()  # nobody hangs up while another still works
    finally:
        dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # gloo's threads may outlive the group and abort a process whose Python is being torn down


def check_equal(net: nn.Module) -> None:
    """Raise ModelError unless every process holds the same parameters, to the bit."""
    group = Group.here()
    place = pick_device() if dist.is_initialized() and dist.get_backend() == "nccl" else torch.device("cpu")
    differing = torch.zeros((), device=place)
    for p in net.parameters():
        mine = p.detach().to(place)
        differing += (group.from_first(mine.clone()) != mine).any()
    if group.total(differing) > 0:
        raise ModelError("the processes ended with different weights; let nothing but the shares differ between them")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
