"""How far has the sample moved under the scanner since the frame before? Each frame of a film is put back in its place.

Neighbouring frames are compared by phase correlation (Kuglin & Hines 1975) with a window over their edges; the peak,
blurred to a Gaussian of known width, is placed to a fraction of a pixel. Shifts add up to the drift. Frames are moved
by linear interpolation; what a frame does not show is NaN.
"""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import xarray as xr
from scipy import fft

from ..core.errors import ScanError
from ..core.history import remember, step
from ..core.lazy import Lazy, for_xarray
from ..core.scan import label
from ..core.units import PIXEL
from .channel import Film, Frames, image_channel

PEAK = 1.0  # pixels, standard deviation of the blurred peak
CHANCE = 15.0  # over the root of the number of pixels: the likeness of frames that have nothing in common is below


def shift_between(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """(dy, dx, likeness): by how many pixels features of `one` (y, x) have moved in `other`, and the peak's height 0–1.

    NaN pixels count as the mean. Shifts up to half the image are found.
    """
    return shift_of(spectrum(one), spectrum(other), one.shape[1])


def spectrum(z: np.ndarray) -> np.ndarray:
    """Half of the Fourier transform of an image z (y, x), the mean taken off and the edges faded out."""
    z = z.astype(np.float32)
    good = np.isfinite(z)
    if good.all():
        return fft.rfft2((z - z.mean()) * _window(*z.shape))
    middle = z[good].mean() if good.any() else 0.0
    return fft.rfft2(np.where(good, z - middle, np.float32(0)) * _window(*z.shape))


def shift_of(one: np.ndarray, other: np.ndarray, nx: int) -> tuple[float, float, float]:
    """`shift_between` from the spectra of two images with lines of `nx` pixels."""
    cross = other * np.conj(one)
    size = np.abs(cross)
    if not size.max() > 0:
        return 0.0, 0.0, 0.0
    ny = len(one)
    blur, highest = _blur(ny, nx)
    peak = fft.irfft2(cross * (blur / (size + 1e-3 * size.mean())), s=(ny, nx))
    y, x = divmod(int(np.argmax(peak)), nx)
    dy, dx = _vertex(peak[_around(y, ny), x]), _vertex(peak[y, _around(x, nx)])
    return (
        float((y + dy + ny / 2) % ny - ny / 2),
        float((x + dx + nx / 2) % nx - nx / 2),
        min(max(float(peak[y, x]) / highest, 0.0), 1.0),
    )


@lru_cache(maxsize=4)
def _window(ny: int, nx: int) -> np.ndarray:
    return (np.hanning(ny + 2)[1:-1, None] * np.hanning(nx + 2)[None, 1:-1]).astype(np.float32)


@lru_cache(maxsize=4)
def _blur(ny: int, nx: int) -> tuple[np.ndarray, float]:
    """What makes a Gaussian of a peak, in the spectrum, and the height of the peak of two images that are the same."""
    blur = np.exp(-2 * (np.pi * PEAK) ** 2 * (fft.fftfreq(ny)[:, None] ** 2 + fft.rfftfreq(nx) ** 2))
    return blur.astype(np.float32), float(blur.sum()) * 2 / (ny * nx)


def _around(k: int, n: int) -> np.ndarray:
    return np.array([k - 1, k, k + 1]) % n


def _vertex(three: np.ndarray) -> float:
    """Place of the top of a Gaussian through three neighbours, in pixels from the middle one."""
    if not (three > 0).all():
        return 0.0
    low, middle, high = np.log(three)
    bend = low - 2 * middle + high
    return float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def drift_of(film: Film, left_out: np.ndarray | None = None) -> np.ndarray:
    """Position (2, time) in pixels, y and x, of the sample in each frame of a film (time, y, x); zero in the first.

    film: an array, or anything that has a length and gives frames by their number. Frames in `left_out` (time,), True,
    empty ones, and frames that resemble no other stay where the one before was. Each frame is compared with the last
    good one.
    """
    out = np.zeros((2, len(film)))
    skipped = np.zeros(len(film), bool) if left_out is None else np.asarray(left_out, bool)
    last, seen = 0, None  # the last good frame, and its spectrum
    for i in range(len(film)):
        frame = film[i]
        if i:
            out[:, i] = out[:, i - 1]
        good = np.isfinite(frame)
        known = frame if good.all() else frame[good]
        if skipped[i] or not known.size or known.min() == known.max():
            continue
        fresh = spectrum(frame)
        if seen is not None:
            dy, dx, likeness = shift_of(seen, fresh, frame.shape[1])
            if likeness < CHANCE / np.sqrt(frame.size):
                continue
            out[:, i] = out[:, last] + (dy, dx)
        last, seen = i, fresh
    return out


def moved(image: np.ndarray, dy: float, dx: float) -> np.ndarray:
    """An image (y, x) whose features are moved by (dy, dx) pixels, by linear interpolation; NaN from outside."""
    out = image.astype(np.result_type(image, np.float32))
    for axis, shift in ((0, dy), (1, dx)):
        whole = int(np.floor(shift))
        part = shift - whole
        start, size = np.moveaxis(out, axis, 0), out.shape[axis]
        to = np.full_like(out, np.nan)
        first, end = max(whole + (part > 0), 0), min(size + whole, size)
        if first < end:
            values = start[first - whole : end - whole]
            if part > 0:
                values = (1 - part) * values + part * start[first - whole - 1 : end - whole - 1]
            np.moveaxis(to, axis, 0)[first:end] = values
        out = to
    return out


@step
def drift(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """Put every frame of a film where its features were in the first frame, all channels alike.

    The drift is measured on `channel` and kept as `drift_y` and `drift_x` (time), in metres, or in pixels for a scan of
    unknown size. Frames that `junk` has marked as
    junk or doubtful are passed over. Raises ChannelError for a channel that is not there,
    ScanError for a scan that is no film.
    """
    place = _place(scan, channel)
    found = {}
    for name, data in scan.data_vars.items():
        if {"time", "y", "x"} <= set(data.dims):
            stack = data.variable.transpose("time", ..., "y", "x")
            found[name] = stack.copy(data=_put_back(stack.values, place)).transpose(*data.dims)
    return _with_place(scan.assign(found), place)


def drift_lazily(scan: xr.Dataset, *, channel: str = "height") -> xr.Dataset:
    """`drift` of a film whose frames stay where they are until they are asked for; time is its channels' first axis."""
    place = _place(scan, channel)
    out = scan.copy(deep=False)
    for name, variable in scan.data_vars.items():
        if {"time", "y", "x"} <= set(variable.dims):
            kind = np.dtype(np.result_type(variable.dtype, np.float32))
            lazy = Lazy(variable.shape, kind, partial(_read_and_put_back, variable.variable, place))
            out[name] = xr.Variable(variable.dims, for_xarray(lazy), variable.attrs)
    return remember(scan, _with_place(out, place), "drift", {"channel": channel})


def _place(scan: xr.Dataset, channel: str) -> np.ndarray:
    """`drift_of` a channel of a film; what is marked is passed over."""
    data = image_channel(scan, channel)
    if "time" not in data.dims:
        raise ScanError(f"{label(scan)} has no time axis; drift is what happens between the frames of a film")
    marked = [scan[name].values > 0.5 for name in ("junk", "doubtful") if name in scan.data_vars]
    return drift_of(Frames.of(data), np.logical_or.reduce(marked) if marked else None)


def _put_back(stack: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Frames (time, …, y, x), each moved back from its place (2, time)."""
    values = np.array(stack, np.result_type(stack.dtype, np.float32))
    for i, frame in enumerate(values):
        for where in np.ndindex(frame.shape[:-2]):
            frame[where] = moved(frame[where], -place[0, i], -place[1, i])
    return values


def _read_and_put_back(variable: xr.Variable, place: np.ndarray, which: np.ndarray) -> np.ndarray:
    return _put_back(np.asarray(variable[which].values), place[:, which])


def _with_place(scan: xr.Dataset, place: np.ndarray) -> xr.Dataset:
    """The film with its drift as `drift_y` and `drift_x` (time)."""
    unit = PIXEL if scan.attrs.get("size") == "unknown" else "m"
    found = {}
    for axis, shift in zip("yx", place, strict=True):
        step_size = float(np.diff(scan[axis].values[:2])[0]) if scan.sizes[axis] > 1 else 1.0
        found[f"drift_{axis}"] = xr.Variable(("time",), shift * step_size, {"units": unit})
    return scan.assign(found)
