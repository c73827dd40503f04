"""sharptip: learning from scanning probe microscopy.

files → scan → clean → model → scan → report, in SI units, with the evidence beside it.
"""

from __future__ import annotations

from importlib import import_module as _import_module

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


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(_import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sharptip' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What a person may type here, also where it is not imported yet; and the rooms that are."""
    return sorted({*(name for name in globals() if name not in ("annotations", "_LAZY", "_import_module")), *__all__})
