"""sharptip: learning from scanning probe microscopy.

files → scan → clean → model → scan → report, in SI units, with the evidence beside it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Imported when first used, so that `sharptip info FILE` pays for nothing it does not need.
_LAZY = {
    "read": "sharptip.io",
    "write": "sharptip.io",
    "open_many": "sharptip.io.many",
    "check": "sharptip.core.scan",
    "scan_of": "sharptip.core.scan",
    "Recipe": "sharptip.fit",
    "Port": "sharptip.fit",
    "Claim": "sharptip.fit",
    "Model": "sharptip.fit",
    "check_recipe": "sharptip.fit",
}
__all__ = [
    "Claim", "Model", "Port", "Recipe", "__version__", "check", "check_recipe", "open_many", "read", "scan_of", "write",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sharptip' has no attribute {name!r}")
