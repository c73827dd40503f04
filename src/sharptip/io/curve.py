"""Force curves in the memory: rows of different lengths, the parts they are made of, and which way is up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from .layout import ragged

CURVE = ("curve", "sample")


@dataclass(frozen=True)
class Curve:
    """One curve: channels of one dimension, all of one length, and its parts as (kind, samples) in order."""

    channels: tuple[Channel, ...]
    parts: tuple[tuple[str, int], ...]

    @property
    def length(self) -> int:
        return sum(n for _, n in self.parts)


def away(channel: Channel) -> Channel:
    """A height that the instrument counts toward the sample, turned to grow away from it."""
    return replace(channel, data=-np.asarray(channel.data), attrs={**channel.attrs, "vendor_sign": -1})


def grid(
    name: str,
    curves: Sequence[Curve],
    header: object,
    attrs: Mapping[str, object] | None = None,
    beside: Sequence[Channel] = (),
) -> Grid:
    """Curves as (curve, sample), padded with NaN, with their lengths and segments; `beside` are channels (curve).

    A channel that a curve lacks is NaN there.
    """
    kinds = max(([kind for kind, _ in c.parts] for c in curves), key=len)
    for c in curves:
        if [kind for kind, _ in c.parts] != kinds[: len(c.parts)]:
            raise ReadError(f"its curves are made of different parts: {kinds} and {[kind for kind, _ in c.parts]}")
        for channel in c.channels:
            if channel.data.shape != (c.length,):
                raise ReadError(f"{channel.vendor_name!r} has {channel.data.shape} samples of {c.length}")
    named = [{channel.name: channel for channel in unique(list(c.channels))} for c in curves]
    channels = [
        _stacked([row.get(key) for row in named], curves) for key in dict.fromkeys(k for row in named for k in row)
    ]
    segment, lengths = ragged(
        [np.repeat(np.arange(len(c.parts), dtype=float), [n for _, n in c.parts]) for c in curves]
    )
    channels.append(Channel("segment", segment, "1", "segment", CURVE))
    channels.append(Channel("length", lengths, "1", "length", ("curve",)))
    axes = {"curve": Axis(np.arange(len(curves)), "1"), "sample": Axis(np.arange(segment.shape[1]), "1")}
    return Grid(name, unique([*channels, *beside]), axes, header, {"segments": json.dumps(kinds), **(attrs or {})})


def _stacked(rows: Sequence[Channel | None], curves: Sequence[Curve]) -> Channel:
    """One channel of all curves."""
    first = next(c for c in rows if c is not None)
    for c in rows:
        if c is not None and c.unit != first.unit:
            raise ReadError(f"{first.vendor_name!r} is in {first.unit!r} in one curve and in {c.unit!r} in another")
    values = [np.full(k.length, np.nan) if c is None else np.asarray(c.data) for c, k in zip(rows, curves, strict=True)]
    return replace(first, data=ragged(values)[0], dims=CURVE)
