"""The Model, the one loop, metrics with intervals, and the contract checkers.

Names are imported when first used: a recipe can be listed without waiting for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .recipe import Claim, Example, Port, Recipe
from .rows import Rival, Rows

_LAZY = {
    "Model": "model",
    "OutOfRange": "model",
    "check_recipe": "recipe_contract",
    "BrokenPromise": "recipe_contract",
    "check_reader": "reader_contract",
}
__all__ = [
    "BrokenPromise", "Claim", "Example", "Model", "OutOfRange", "Port", "Recipe", "Rival", "Rows", "check_reader",
    "check_recipe",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module 'sharptip.fit' has no attribute {name!r}")
