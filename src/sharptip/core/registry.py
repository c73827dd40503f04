"""How things register: readers, recipes and worlds enter through three entry-point groups, ours as anyone's.

    [project.entry-points."sharptip.recipes"]
    judge_tip = "mylab.tips:RECIPE"

`register` does the same for one process, for a notebook or a test.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import RegistryError

GROUPS = ("readers", "recipes", "worlds")
_here: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=f"sharptip.{group}")}


def names(group: str) -> list[str]:
    """Names registered in a group, sorted."""
    return sorted({*_installed(group), *_here[group]})


def get(group: str, name: str) -> Any:
    """The registered thing. Raises RegistryError that lists the names there are."""
    if name in _here[group]:
        return _here[group][name]
    try:
        return _installed(group)[name].load()
    except KeyError:
        known = ", ".join(names(group)) or "none"
        raise RegistryError(f"no {group[:-1]} is called {name!r}; there are: {known}") from None


def register(group: str, name: str, thing: Any) -> Any:
    """Register for this process only. Returns the thing, so it can be used in an assignment."""
    if group not in GROUPS:
        raise RegistryError(f"no group is called {group!r}; there are: {', '.join(GROUPS)}")
    _here[group][name] = thing
    return thing
