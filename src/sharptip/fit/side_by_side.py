"""Blocks of curves on all cores: numpy and torch let other threads run while they compute.

A network answers a small block of rows faster than a large one, whose numbers no cache holds; and two threads that each
have a block of their own get further than one network that is shared by two.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

ROWS = 128  # of a block
AHEAD = 2  # blocks per thread that may wait, so that no more of a long scan than that is in the memory


def side_by_side(function: Callable[[A], B], items: Iterable[A], threads: int | None = None) -> Iterator[B]:
    """function of each item, in order, on as many threads as there are cores; items are drawn as they are needed.

    torch, where it is loaded, computes each block on one thread meanwhile.
    """
    n = threads or os.cpu_count() or 1
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(n, initializer=_alone) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= n * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            if torch:
                torch.set_num_threads(before)


def _alone() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
