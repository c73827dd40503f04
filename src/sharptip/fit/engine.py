"""What the machine can do for the loop: memory, number formats, devices, and the processes that train together.

On a CPU a small convolutional network spends most of a plain PyTorch step elsewhere than in arithmetic. Three things
change that and none of them changes the answer: memory that is kept instead of given back to the kernel at every step
(`keep_memory`), channels-last layout, and pooling before the activation (in `sharptip.nets`).
`benchmarks/main_network.py` measures them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

# <malloc.h> of glibc
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 2**31 - 1  # bytes free at the top of the heap before any are returned: never, in effect
MAPPED = 2**30  # bytes from which a block is mapped on its own; activations stay below


@cache
def keep_memory() -> bool:
    """Ask glibc not to give big freed blocks back to the kernel; True where it agreed. Once per process.

    By default each activation of some 50 MB is mapped, page-faulted and unmapped at every step, half of a training
    step's time. The process keeps its peak memory until it ends. Elsewhere than on Linux with glibc, nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return bool(libc.mallopt(M_MMAP_THRESHOLD, MAPPED) and libc.mallopt(M_TRIM_THRESHOLD, KEPT))


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """ "auto" is CUDA where there is one (the one of this process in a group of processes), else the CPU."""
    if device != "auto":
        return torch.device(device)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())


@cache
def _cpu_flags() -> frozenset[str]:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return frozenset()
    return frozenset(next((s for s in cpuinfo.read_text().splitlines() if s.startswith("flags")), "").split())


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is in the hardware; emulated, it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(_cpu_flags() & {"avx512_bf16", "amx_bf16"})


def effective_precision(device: torch.device, precision: str) -> str:
    """ "bf16" where it was asked for and the hardware has it, else "fp32". Raises ValueError for another name."""
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"precision is {precision!r}; it can be 'fp32' or 'bf16'")
    return "bf16" if precision == "bf16" and has_fast_bf16(device) else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The context of a forward pass: weights stay fp32; with "bf16", convolutions and products are computed in bf16."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def to_device(x: object, device: torch.device) -> Tensor:
    """An array or tensor on the device; images (n, c, h, w) in channels-last layout."""
    tensor = torch.as_tensor(x)
    if tensor.ndim == 4:
        return tensor.to(device, non_blocking=True, memory_format=torch.channels_last)
    return tensor.to(device, non_blocking=True)


@dataclass(frozen=True)
class Group:
    """The processes that train one network together; one process alone is a group of one."""

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> Group:
        """This process's place in torch's process group, if one was begun."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def share(self, x: Tensor) -> Tensor:
        """This process's part of a batch: every size-th element, from rank on."""
        return x[self.rank :: self.size]

    def total(self, x: Tensor) -> Tensor:
        """Sum over the processes, the same on each."""
        if self.size > 1:
            dist.all_reduce(x)
        return x

    def from_first(self, x: Tensor) -> Tensor:
        """What the first process holds."""
        if self.size > 1:
            dist.broadcast(x, src=0)
        return x

    def wait(self) -> None:
        """Go on when every process is here."""
        if self.size > 1:
            dist.barrier()
