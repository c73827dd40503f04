"""How Nanonis names what it records in spectra, as in `Current [bwd] (A)`, `LI Demod 1 X [AVG] (A)` or `Bias calc (V)`.

Name, unit in parentheses, and tags in brackets, in any order: `[bwd]` for the sweep back (kept against the same swept
values as the sweep forth), `[AVG]` for the average of repeated sweeps, `[00001]` for one of them, `[filt]` for a copy
that was smoothed.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import UnitError
from ..core.grid import Channel
from ..core.lazy import Lazy
from ..core.units import to_si
from .layout import SWEPT

_TAG = re.compile(r"\s*\[([^\[\]]*)\]")
_UNIT = re.compile(r"\s*\(((?:[^()]|\([^()]*\))*)\)\s*$")  # also (A/sqrt(Hz))
_PLACES = {"X": "tip_x", "Y": "tip_y", "Z": "height"}  # where the tip is, when nothing else is said


@dataclass(frozen=True)
class Signal:
    """One thing that was recorded: `text` is how the file calls it, the rest what that says."""

    text: str
    name: str
    unit: str
    tags: tuple[str, ...]
    backward: bool

    @property
    def axis(self) -> str | None:
        """The axis that sweeping it makes; None for what has no axis of its own, such as a heater's voltage."""
        try:
            unit = to_si(self.unit)[1]
        except UnitError:
            return None
        return None if unit == "V" and "bias" not in self.name.lower() else SWEPT.get(unit)


def signal(text: str) -> Signal:
    """What the name of a signal says.

    >>> signal("Current [AVG] [bwd] (A)")
    Signal(text='Current [AVG] [bwd] (A)', name='Current', unit='A', tags=('AVG',), backward=True)
    """
    tags = _TAG.findall(text)
    bare = _TAG.sub("", text).strip()
    unit = _UNIT.search(bare)
    kept = tuple(t for t in tags if t.lower() != "bwd")
    return Signal(text.strip(), _UNIT.sub("", bare), unit[1] if unit else "", kept, len(kept) < len(tags))


def both_ways(signals: Sequence[Signal]) -> list[tuple[int, ...]]:
    """Which signals belong together: (forward, backward), or one alone, in the order of the file."""
    back: dict[tuple[object, ...], list[int]] = {}
    for i, s in enumerate(signals):
        if s.backward:
            back.setdefault((s.name, s.unit, s.tags), []).append(i)
    pairs: list[tuple[int, ...]] = []
    for i, s in enumerate(signals):
        if not s.backward:
            twins = back.get((s.name, s.unit, s.tags), [])
            pairs.append((i, twins.pop(0)) if twins else (i,))
    return sorted(pairs + [(i,) for alone in back.values() for i in alone])


def channel(
    signals: Sequence[Signal], data: np.ndarray | Lazy, dims: tuple[str, ...], axes: Container[str] = ()
) -> Channel:
    """The channel of one signal, or of its two directions, that has `dims`; `axes` are names that are taken.

    The average has the plain name, since it is what a single sweep would have shown; the others say their tag.
    """
    first = signals[0]
    made = Channel.from_vendor(first.name, data, first.unit, dims)
    name = _PLACES.get(first.name, made.name) if made.unit == "m" else made.name
    tags = [re.sub(r"[^a-z0-9]+", "_", t.lower()).strip("_") for t in first.tags if t.upper() != "AVG"]
    name = "_".join([name, *filter(None, tags)])
    attrs = dict(made.attrs)
    if len(signals) > 1:
        attrs["vendor_name_backward"] = signals[1].text
    elif first.backward:
        attrs["direction"] = "backward"
    return replace(made, name=f"{name}_recorded" if name in axes else name, vendor_name=first.text, attrs=attrs)
