"""What a reader hands over: numbers, names and units, before anything heavy is imported.

xarray needs half a second to import; `sharptip info` and thousands of small reads do not have it. A reader
therefore builds a `Grid` from numpy arrays alone, and `core.scan.from_grid` makes the scan of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .errors import ReadError, UnitError
from .lazy import Lazy
from .names import UNITS, standard
from .units import ARBITRARY, PIXEL, to_si

INCOMPLETE = "incomplete"  # the attribute that says what is missing of a scan that was stopped or a file cut off
PIXELS = (1e-14, 1e-1)  # metres between which the size of a pixel lies
LARGEST = 2**31  # values in one channel; more than any image an instrument writes, less than fills a laptop


@dataclass(frozen=True)
class Axis:
    """One axis: its values in `unit`. `spacing` is kept for an axis of a single pixel, which has no difference."""

    values: np.ndarray
    unit: str
    spacing: float | None = None

    @classmethod
    def regular(cls, n: int, spacing: float, unit: str = "m") -> Axis:
        """n positions 0, spacing, 2·spacing …: they start at zero so that the second is the spacing to the last bit."""
        return cls(np.arange(n) * float(spacing), unit, float(spacing))


@dataclass(frozen=True)
class Channel:
    """One variable in SI units. `data` has the shape of `dims`; `vendor_name` is what the file called it.

    Frames of films and curves of maps are given as a `Lazy`, which reads them when they are asked for.
    """

    name: str
    data: np.ndarray | Lazy
    unit: str
    vendor_name: str
    dims: tuple[str, ...] = ("y", "x")
    attrs: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def from_vendor(
        cls, vendor_name: str, data: np.ndarray | Lazy, vendor_unit: str, dims: tuple[str, ...] = ("y", "x")
    ) -> Channel:
        """The vendor's name and unit turned into ours; a unit that nobody knows is kept as 'arb', and by name."""
        name = standard(vendor_name)
        try:
            factor, unit = to_si(vendor_unit)
        except UnitError:
            factor, unit = 1.0, ARBITRARY
        if name in UNITS and unit not in UNITS[name] and unit != ARBITRARY:
            name = f"{name}_signal"  # e.g. a 'height' recorded in volts is not a height yet
        if isinstance(data, Lazy):
            return cls(name, data.scaled(factor), unit, vendor_name, dims, {"vendor_units": vendor_unit})
        values = np.asarray(data)
        if factor != 1.0 or not np.issubdtype(values.dtype, np.floating):
            values = values * np.float64(factor)
        return cls(name, values, unit, vendor_name, dims, {"vendor_units": vendor_unit})


@dataclass(frozen=True)
class Grid:
    """Channels on common axes, as one file, or one part of it, holds them.

    `axes` names every dimension used by a channel. `header` is the vendor's whole header, verbatim: text, or
    nested mappings of JSON-able values. `attrs` are facts for the scan's attributes (`slow_direction` is 'up' or
    'down': where the tip went along y while row 0 is the top of the image).
    """

    name: str
    channels: tuple[Channel, ...]
    axes: Mapping[str, Axis]
    header: object = ""
    attrs: Mapping[str, object] = field(default_factory=dict)

    @property
    def dims(self) -> tuple[str, ...]:
        """Every dimension in use, repeats first, then y and x."""
        used = dict.fromkeys(d for c in self.channels for d in c.dims)
        return tuple(sorted(used, key=lambda d: (d == "x", d == "y")))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(self.axes[d].values) for d in self.dims)

    def pixel_size(self) -> tuple[float, float] | None:
        """(dy, dx) in metres, or None where the grid has no y and x or its size is unknown."""
        if not {"y", "x"} <= set(self.axes) or PIXEL in (self.axes["y"].unit, self.axes["x"].unit):
            return None
        return spacing(self.axes["y"]), spacing(self.axes["x"])


def spacing(axis: Axis) -> float:
    """Distance between neighbours on a regular axis."""
    if len(axis.values) > 1:
        return float(axis.values[1] - axis.values[0])
    return float(axis.spacing) if axis.spacing is not None else float("nan")


def checked(grid: Grid, source: object) -> Grid:
    """The grid, if it holds together; a reader that was fooled by a damaged file is caught here.

    Raises ReadError naming the channel and what is wrong with it.
    """
    if not grid.channels:
        raise ReadError(f"{source}: no channel with data was found; the file is damaged or holds no scan")
    names = [c.name for c in grid.channels]
    for name in names:
        if names.count(name) > 1:
            raise ReadError(f"{source}: two channels are both called {name!r}")
    for key, axis in grid.axes.items():
        values = axis.values
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            raise ReadError(f"{source}: axis {key!r} is not finite; the file is damaged")
        if key in ("x", "y"):
            step = spacing(axis)
            if not step > 0 or (axis.unit == "m" and not PIXELS[0] < step < PIXELS[1]):
                raise ReadError(f"{source}: the pixel size along {key} is {step:g} {axis.unit}, which no scan has")
    for channel in grid.channels:
        expected = tuple(len(grid.axes[d].values) for d in channel.dims)
        if channel.data.shape != expected:
            raise ReadError(f"{source}: channel {channel.name!r} has shape {channel.data.shape}, not {expected}")
        if 0 in expected:
            raise ReadError(f"{source}: channel {channel.name!r} is empty")
    return grid


def unique(channels: list[Channel]) -> tuple[Channel, ...]:
    """Channels with distinct names: the second of a name gets `_2`, the third `_3`, in the file's order."""
    taken: dict[str, int] = {}
    out = []
    for c in channels:
        taken[c.name] = taken.get(c.name, 0) + 1
        name = c.name if taken[c.name] == 1 else f"{c.name}_{taken[c.name]}"
        out.append(Channel(name, c.data, c.unit, c.vendor_name, c.dims, c.attrs))
    return tuple(out)
