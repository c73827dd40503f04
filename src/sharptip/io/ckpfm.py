"""What the axes of contact Kelvin probe data mean when a script has saved them to an `.npz`.

Oak Ridge's scripts around pycroscopy (BGlib) keep the oscillator fits as `Nd_mat (y, x, field, write step, read)`, the
write voltages as `bias_vec_w (write step)` and the read voltages as `bias_vec_r (write step, read)`. Those voltages are
those of the USID file they come from, in volts; BGlib takes the read voltages from field 1, so field 0 was measured
while the write voltage was on, and field 1 while the read voltage was. Arrays of other names stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.grid import Axis, Channel, Grid

WRITE, READ = "bias_vec_w", "bias_vec_r"
FIELDS = '["on", "off"]'  # of places 0 and 1 along `field`


def told(grid: Grid) -> Grid:
    """The grid with axes `field`, `step` and `read` and voltages `bias` and `bias_read`, where it is of this kind."""
    named = {c.vendor_name: c for c in grid.channels}
    if WRITE not in named or READ not in named or len(named[WRITE].dims) != 1:
        return grid
    (step,) = named[WRITE].dims
    read = next((d for d in named[READ].dims if d != step), None)
    if read is None:
        return grid
    turned = {step: "step", read: "read"}
    rest = [d for d in grid.dims if d not in (step, read, "y", "x")]
    if len(rest) == 1 and len(grid.axes[rest[0]].values) == 2:
        turned[rest[0]] = "field"
    axes = {turned.get(d, d): axis if d not in turned else Axis(axis.values, "1") for d, axis in grid.axes.items()}
    channels = [_channel(c, turned) for c in grid.channels]
    attrs = dict(grid.attrs) | ({"fields": FIELDS} if "field" in axes else {})
    return replace(grid, channels=tuple(channels), axes=axes, attrs=attrs)


def _channel(channel: Channel, turned: dict[str, str]) -> Channel:
    dims = tuple(turned.get(d, d) for d in channel.dims)
    if channel.vendor_name == WRITE:
        return replace(channel, name="bias", unit="V", dims=dims)
    if channel.vendor_name != READ:
        return replace(channel, dims=dims)
    values = np.asarray(channel.data)
    along = dims.index("step")
    first = values.take(0, along)
    if np.array_equal(values, np.broadcast_to(np.expand_dims(first, along), values.shape)):  # the same at every step
        values, dims = first, ("read",)
    return replace(channel, name="bias_read", data=values, unit="V", dims=dims)
