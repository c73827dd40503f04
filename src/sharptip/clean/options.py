"""A step and its options as a text, `rows:method=matching`, and back: what each step takes stands in its signature."""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..core.errors import ScanError

_SAID = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TOO_LARGE = 1000  # no degree, width or count of rounds comes near

Step = Callable[..., Any]


def parts(text: str) -> list[str]:
    """A list of steps taken apart at its commas, not at those between brackets.

    >>> parts("rows:method=matching, polynomial:degree=(2,3)")
    ['rows:method=matching', 'polynomial:degree=(2,3)']
    """
    return [p.strip() for p in re.split(r",(?![^(]*\))", text) if p.strip()]


def name_of(text: str) -> str:
    """The step's name alone.

    >>> name_of("rows:method=matching")
    'rows'
    """
    return text.partition(":")[0].strip()


def takes(step: Step) -> dict[str, Any]:
    """The options that a step takes, each with its default."""
    found = inspect.signature(step).parameters.values()
    return {p.name: p.default for p in found if p.name not in ("scan", "channel")}


def options_of(text: str, step: Step) -> dict[str, Any]:
    """The options that a text gives to a step: 'polynomial:degree=2x3' → {'degree': (2, 3)}.

    Values are read as the step's signature says: a number, yes or no, one of some words, two numbers (2x3, or one for
    both), the name of a channel, none. Raises ScanError that names the step, the option and what there is.
    """
    name, *given = [p.strip() for p in text.split(":")]
    known, kinds, out = takes(step), get_type_hints(inspect.unwrap(step)), {}
    for said in filter(None, given):
        key, equals, value = (p.strip() for p in said.partition("="))
        if not equals:
            raise ScanError(f"step {name!r}: {said!r} is no option; write them as {name}:NAME=VALUE{_listed(known)}")
        if key == "channel":
            raise ScanError(f"step {name!r}: the channel is said once for all steps, with channel= or --channel")
        if key not in known:
            raise ScanError(f"step {name!r} has no option {key!r}{_listed(known) or '; it takes none'}")
        if key in out:
            raise ScanError(f"step {name!r}: the option {key!r} is given twice")
        try:
            out[key] = _value(value, kinds[key])
        except ValueError as error:
            raise ScanError(f"step {name!r}: {key}={value!r} is {error}") from None
    return out


def _listed(known: dict[str, Any]) -> str:
    return f"; it has {', '.join(f'{k}={_plain(v)}' for k, v in known.items())}" if known else ""


def _plain(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)


def _value(text: str, kind: Any) -> Any:
    """A text as the type says. Raises ValueError that ends a sentence which begins with `option='text' is`."""
    if get_origin(kind) in (Union, types.UnionType):
        inner = [k for k in get_args(kind) if k in (str, int, float)]  # a mask may be an array too, but not in a text
        if text.lower() == "none" and type(None) in get_args(kind):
            return None
        return _value(text, inner[0])
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"not known; there are {', '.join(map(repr, get_args(kind)))}")
        return text
    if get_origin(kind) is tuple:
        numbers = re.split(r"[x,]", text.strip("() "))
        each = get_args(kind)
        if len(numbers) not in (1, len(each)):
            raise ValueError(f"not {len(each)} numbers, such as 2x3, or one for all of them")
        numbers = numbers if len(numbers) > 1 else numbers * len(each)
        return tuple(_value(n.strip(), k) for n, k in zip(numbers, each, strict=True))
    if kind is bool:
        if text.lower() not in _SAID:
            raise ValueError("neither yes nor no")
        return _SAID[text.lower()]
    if kind in (int, float):
        return _number(text, kind)
    return text


def _number(text: str, kind: type) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError("no whole number" if kind is int else "no number") from None
    if not (math.isfinite(number) and number >= 0) or (kind is int and number > _TOO_LARGE):
        raise ValueError(f"not a number from 0{f' to {_TOO_LARGE}' if kind is int else ''}")
    return number
