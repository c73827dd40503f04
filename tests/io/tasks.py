"""What workers do to a file, in a module that they import."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import sharptip


def mean(path: str) -> float:
    return float(sharptip.read(path)["height"].mean())


def deadly(path: str) -> float:
    """Kills the process that works on 'deadly'."""
    if Path(path).stem == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return mean(path)


def clumsy(path: str) -> float:
    raise ValueError(f"no idea of {Path(path).name}")
