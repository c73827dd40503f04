"""Promise 5: every step that made a scan is written on it, oldest first, with its options and version.

    @step
    def plane(scan, *, channel="height"): ...

gives `plane` its entry in the history, runs it so that xarray refuses to align by dropping, and leaves the
scan that was handed in as it was.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, TypeVar

import xarray as xr

from .. import __version__ as VERSION
from .errors import ScanError

F = TypeVar("F", bound=Callable[..., xr.Dataset])


def entry(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """One line of history."""
    return {"step": name, "options": options, "version": VERSION}


def steps(scan: xr.Dataset) -> list[dict[str, Any]]:
    """The history as a list. Raises ScanError where it is missing or not JSON."""
    text = scan.attrs.get("history")
    if text is None:
        raise ScanError("promise 5: the scan has no history; build it with sharptip.read or core.scan_of")
    try:
        listed = json.loads(text)
    except (TypeError, ValueError):
        raise ScanError(f"promise 5: attrs['history'] is not a JSON list: {str(text)[:40]!r}") from None
    if not isinstance(listed, list):
        raise ScanError("promise 5: attrs['history'] is not a JSON list")
    return listed


def is_simulated(scan: xr.Dataset) -> bool:
    """Whether the scan was drawn and not measured: its history says so, through every format that keeps it."""
    return any(str(s.get("step", "")).startswith("simulate") for s in steps(scan))


def remember(before: xr.Dataset, after: xr.Dataset, name: str, options: dict[str, Any]) -> xr.Dataset:
    """`after` with the history of `before` and one entry more."""
    out = after.copy(deep=False)
    out.attrs = {**before.attrs, **after.attrs, "history": json.dumps([*steps(before), entry(name, options)])}
    return out


def step(function: F) -> F:
    """Make a scan → scan function write its name and options into the history."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def run(scan: xr.Dataset, *args: Any, **options: Any) -> xr.Dataset:
        bound = signature.bind(scan, *args, **options)
        bound.apply_defaults()
        with xr.set_options(arithmetic_join="exact", keep_attrs=True):
            out = function(scan, *args, **options)
        given = {k: _recorded(v) for k, v in list(bound.arguments.items())[1:]}
        return remember(scan, out, function.__name__, given)

    return run  # type: ignore[return-value]


def _recorded(value: Any) -> Any:
    try:
        json.dumps(value)
    except TypeError:
        return repr(value)[:200]
    return value
