"""How a function on arrays (..., y, x) becomes a change of one channel of a scan, whatever else repeats in it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import xarray as xr

from ..core.errors import ChannelError, ScanError
from ..core.scan import check, check_real, label

FEWEST = 64  # pixels of an image that a mask has to leave; of tiny images a quarter
AT_ONCE = 2**22  # bytes of a film that are read at a time

Mask = str | np.ndarray | xr.DataArray | None


class NothingThere(UserWarning):
    """A channel without a finite pixel went through a step."""


def on_images(scan: xr.Dataset, channel: str, change: Callable[[np.ndarray], np.ndarray]) -> xr.Dataset:
    """The scan with `change` made to a channel: every direction and every frame of it, y and x last.

    Infinite heights are none that an instrument measured: they are lost pixels (NaN) to every step.

    Of a channel without a finite pixel `NothingThere` warns. Raises what `image_channel` raises.
    """
    data = image_channel(scan, channel)
    turned = data.transpose(..., "y", "x")
    values = np.asarray(turned.values)
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(float)
    if not (finite := np.isfinite(values)).all():
        values = np.where(finite, values, values.dtype.type(np.nan))
        if not finite.any():
            said = f"{label(scan)}: {channel!r} has no finite pixel; another channel may hold the image"
            warnings.warn(said, NothingThere, stacklevel=4)  # of whoever called the step
    changed = turned.copy(data=change(values)).transpose(*data.dims)
    return scan.assign({channel: changed})


class Film(Protocol):
    """Anything with a length that gives frames (y, x) by their number: an array (time, y, x), or `Frames`."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> np.ndarray: ...


class Frames:
    """The frames (y, x) of a film's channel, read a few at a time when asked for; of two directions the first."""

    def __init__(self, data: xr.DataArray) -> None:
        self._data = data
        self._step = max(1, AT_ONCE // max(1, data.nbytes // max(1, data.sizes["time"])))
        self._start, self._block = 0, np.empty((0, 0, 0))

    @classmethod
    def of(cls, data: xr.DataArray) -> Frames:
        """data: a channel with axes time, y, x and perhaps direction."""
        one = data.isel(direction=0) if "direction" in data.dims else data
        return cls(one.transpose("time", "y", "x"))

    def __len__(self) -> int:
        return self._data.sizes["time"]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int, /) -> np.ndarray:
        if not self._start <= i < self._start + len(self._block):
            self._start = i - i % self._step
            self._block = np.asarray(self._data.variable[self._start : self._start + self._step].values)
        return self._block[i - self._start]


def each_image(z: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Images z (..., y, x) with `change` made to each one (y, x)."""
    out = np.empty_like(z)
    for place in np.ndindex(z.shape[:-2]):
        out[place] = change(z[place])
    return out


def mask_of(scan: xr.Dataset, channel: str, mask: Mask) -> np.ndarray | None:
    """The mask as booleans that broadcast against the channel's (..., y, x); True is left out of a fit.

    A name is looked up among the scan's channels. Raises ChannelError or ScanError where it does not fit, holds
    anything but 0 and 1 (an image that was named by mistake), or leaves nothing to fit.
    """
    if mask is None:
        return None
    data = image_channel(scan, channel)
    name = f"the mask {mask!r}" if isinstance(mask, str) else "the mask"
    if isinstance(mask, str):
        if mask not in scan.data_vars:
            raise ChannelError(f"{label(scan)} has no mask {mask!r}; it has {', '.join(map(str, scan.data_vars))}")
        mask = scan[mask]
    if isinstance(mask, xr.DataArray):
        mask = mask.broadcast_like(data).transpose(*data.transpose(..., "y", "x").dims).values
    mask = np.asarray(mask)
    shape = data.transpose(..., "y", "x").shape
    if mask.shape[-2:] != shape[-2:] or mask.ndim > len(shape):
        raise ScanError(f"the mask has shape {mask.shape}, {channel!r} has {shape}; give a mask of (y, x) pixels")
    return _checked(mask, name)


def _checked(mask: np.ndarray, name: str) -> np.ndarray:
    """The mask (..., y, x) as booleans, if it is one and leaves something to fit."""
    out = mask.astype(bool)
    if not np.array_equal(out, mask):  # NaN too
        finite = mask[np.isfinite(mask)]
        values = f"from {finite.min():.3g} to {finite.max():.3g}" if finite.size else "NaN alone"
        raise ScanError(
            f"{name} holds other values than 0 and 1 ({values}), so it is an image and no mask; "
            "give one of 0 and 1, such as scan['height'] > 5e-9, where 1 is left out of the fit"
        )
    pixels = out.shape[-2] * out.shape[-1]
    left = int((~out).sum(axis=(-2, -1)).max())
    if left < min(FEWEST, pixels / 4):
        raise ScanError(
            f"{name} leaves {left} of {pixels} pixels to the fit; 1 is left out and 0 is fitted: if it is the other "
            "way round in yours, invert it (1 - mask)"
        )
    return out


def image_channel(scan: xr.Dataset, channel: str) -> xr.DataArray:
    """The channel, if the scan keeps its promises and the channel is an image of real numbers.

    Raises ScanError or UnitError for what is no scan or no image, ChannelError that lists the channels there are.
    """
    check(scan)
    if channel not in scan.data_vars:
        raise ChannelError(f"{label(scan)} has no channel {channel!r}; it has {', '.join(map(str, scan.data_vars))}")
    data = scan[channel]
    if not {"y", "x"} <= set(data.dims):
        raise ScanError(f"{channel!r} has axes {tuple(data.dims)}; this step needs an image with y and x")
    check_real(data.dtype, repr(channel))
    return data
