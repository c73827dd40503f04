"""How far, how fast, how long still? A bar on a terminal, a line now and then where the output goes into a file."""

from __future__ import annotations

import time

EVERY = 30.0  # seconds between two lines


class Pace:
    """Progress of many files on stderr: `to(done, of)` tells it, `say` prints a line beside it."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[pace]}"),
        )  # fmt: skip
        self._quiet = not console.is_terminal
        self._bar = Progress(*columns, console=console, disable=self._quiet)
        self._title, self._task = title, self._bar.add_task(title, total=None, pace="")
        self._first: tuple[int, float] | None = None  # done, and when, as it began
        self._told = 0.0

    def __enter__(self) -> Pace:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def to(self, done: int, of: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first, self._told = (done, now), now
        start, began = self._first
        pace = told(done - start, of - done, now - began)
        self._bar.update(self._task, completed=done, total=of, pace=pace)
        if self._quiet and now - self._told >= EVERY:
            self._told = now
            self.say(f"{self._title}: {done} of {of}, {pace}")

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def told(done: int, left: int, seconds: float) -> str:
    """Rate and remaining time of work that goes on as it did so far.

    >>> told(100, 3000, 2.0), told(30, 60, 300.0), told(0, 5, 1.0)
    ('50 files/s, 1 min left', '6 files/min, 10 min left', '')
    """
    if done == 0 or seconds <= 0:
        return ""
    rate = done / seconds
    speed = f"{rate:.3g} files/s" if rate >= 1 else f"{rate * 60:.2g} files/min"
    return f"{speed}, {_span(left / rate)} left"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
