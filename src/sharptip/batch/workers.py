"""Many jobs on several processes, or on a dask cluster: each is answered, also where the process doing it dies.

`do` is a function at the top of a module (or a `functools.partial` of one) that answers and does not raise. Jobs are
taken from their iterator when a worker is free for them, so that a million of them need no memory.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any

from ..core.errors import SharptipError

AHEAD = 2  # jobs a worker holds, so that it never waits for the next one
_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the threads and locks of this process
_READY = "ready"


@dataclass(frozen=True)
class Died:
    """The answer for a job whose worker died over it."""

    why: str


@dataclass(frozen=True)
class Late:
    """The answer for a job that took longer than the limit; its worker was ended."""

    seconds: float


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    jobs: Iterator[Any], do: Callable[[Any], Any], workers: int, limit: float | None = None
) -> Iterator[tuple[Any, Any]]:
    """(job, answer) in the order in which they are done. A worker that dies, or that is over one job for longer than
    `limit` seconds, is replaced.

    Raises SharptipError where workers cannot start. Left early (`close`), the workers are ended at once.
    """
    waiting: deque[Any] = deque()  # jobs that a dead worker held and had not begun
    team: list[_Worker] = []
    try:
        while True:
            team = [w for w in team if w.pipe is not None]
            while len(team) < workers and (job := _next(waiting, jobs)) is not _NONE:
                team.append(_Worker(do))
                team[-1].take(job)
            for worker in team:
                while len(worker.hand) < AHEAD and (job := _next(waiting, jobs)) is not _NONE:
                    worker.take(job)
            busy: dict[Any, _Worker] = {w.pipe: w for w in team if w.hand}
            if not busy:
                return
            for pipe in wait(list(busy), None if limit is None else min(w.left(limit) for w in busy.values())):
                yield from busy[pipe].answers(waiting)
            for worker in busy.values():
                if limit is not None and worker.left(limit) <= 0:
                    yield worker.late(limit, waiting)
    finally:
        for worker in team:
            worker.end()


_NONE = object()


def _next(waiting: deque[Any], jobs: Iterator[Any]) -> Any:
    return waiting.popleft() if waiting else next(jobs, _NONE)


class _Worker:
    """One process and the jobs in its hand, the first of them under work."""

    def __init__(self, do: Callable[[Any], Any]) -> None:
        self.hand: deque[Any] = deque()
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs, do), daemon=True)
        try:
            with _one_thread(), _deaf():
                self.process.start()
        except OSError as error:
            raise SharptipError(f"worker processes cannot start ({error}); give fewer --workers") from error
        theirs.close()
        self.ready = False
        self.since = time.monotonic()  # when it began with the first job in its hand

    def take(self, job: Any) -> None:
        if not self.hand:
            self.since = time.monotonic()
        self.hand.append(job)
        with suppress(OSError):  # it is dead; `answers` hears so from the same pipe
            self.pipe.send(job)

    def answers(self, waiting: deque[Any]) -> Iterator[tuple[Any, Any]]:
        """What came through the pipe: an answer, or the end of the worker."""
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            yield from self._dead(waiting)
            return
        self.since = time.monotonic()
        if said == _READY:
            self.ready = True
        else:
            yield self.hand.popleft(), said

    def _dead(self, waiting: deque[Any]) -> Iterator[tuple[Any, Any]]:
        self.end()
        if not self.ready:
            raise SharptipError(
                f"worker processes cannot start ({_how(self.process.exitcode)}); see what they said above"
            )
        first = self.hand.popleft()
        waiting.extendleft(reversed(self.hand))
        self.hand.clear()
        yield first, Died(_how(self.process.exitcode))

    def left(self, limit: float) -> float:
        """Seconds that it may still be over its job; the first one counts from when the process is up."""
        if self.pipe is None or not self.hand or not self.ready:
            return limit
        return max(0.0, self.since + limit - time.monotonic())

    def late(self, limit: float, waiting: deque[Any]) -> tuple[Any, Any]:
        """Ends it: the job it is over has taken too long, and the others in its hand wait for another worker."""
        first = self.hand.popleft()
        waiting.extendleft(reversed(self.hand))
        self.hand.clear()
        self.end(at_once=True)
        return first, Late(limit)

    def end(self, at_once: bool = False) -> None:
        if self.pipe is None:
            return
        self.pipe.close()
        self.pipe = None  # type: ignore[assignment]
        self.process.join(0 if self.hand or at_once else 2)  # an idle worker leaves by itself when the pipe is closed
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection, do: Callable[[Any], Any]) -> None:
    """A worker's life: until the pipe is closed, which it is too when the parent was killed."""
    try:
        pipe.send(_READY)
        while True:
            pipe.send(do(pipe.recv()))
    except (EOFError, OSError):
        return


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
    return f"ended with code {code}"


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started here never hear Ctrl-C, which a terminal sends to all: the parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started here calculate with one thread each: there is one of them per core."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    ours = [name for name in names if name not in os.environ]
    os.environ.update(dict.fromkeys(ours, "1"))
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def on_cluster(jobs: Iterator[Any], do: Callable[[Any], Any], address: str) -> Iterator[tuple[Any, Any]]:
    """The same on the workers of a dask scheduler, `tcp://host:8786`; they must see the same files.

    Raises SharptipError where dask is not installed or nobody answers.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise SharptipError("a cluster needs dask: pip install 'sharptip[dask]'") from None
    from concurrent.futures import FIRST_COMPLETED
    from concurrent.futures import wait as first

    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SharptipError(f"no dask scheduler answers at {address} ({error})") from None
    with client, client.get_executor() as executor:
        room = AHEAD * max(1, sum(client.nthreads().values()))
        pending = {executor.submit(do, job): job for job in islice(jobs, room)}
        while pending:
            done, _ = first(pending, return_when=FIRST_COMPLETED)
            for future in done:
                job = pending.pop(future)
                try:
                    answer = future.result()
                except KilledWorker as error:
                    answer = Died(" ".join(str(error).split())[:200])
                yield job, answer
                for fresh in islice(jobs, 1):
                    pending[executor.submit(do, fresh)] = fresh
