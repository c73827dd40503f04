"""Is there a bow under everything, of no simple shape? An arc is rolled along below each line and what it touches from
below is the background: it follows a slow bow and cannot enter what is narrower than itself."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import grey_opening

from ..core.errors import ScanError
from ..core.history import step
from .channel import each_image, on_images

RADIUS = 0.5  # of the length of a line
LEAST = 3.0  # pixels: a smaller arc enters everything, and nothing is left of the image
SIDES = ("below", "above")


def arc_fit(z: np.ndarray, radius: float, side: str = "below") -> np.ndarray:
    """Envelope (y, x) of an arc of `radius` (pixels) rolled along each line of one image z (y, x), from `side`.

    Heights are first measured in their own rms deviation, so that the arc is round to the eye whatever the unit: one
    deviation up counts as one pixel along. NaN pixels are bridged along the line. Raises ScanError for a radius below
    `LEAST` pixels.
    """
    if side not in SIDES:
        raise ScanError(f"the arc rolls {' or '.join(SIDES)} the image, not {side!r}")
    if not radius >= LEAST:
        raise ScanError(
            f"the radius of the arc is in pixels, and {radius:g} is too small: it would take everything off; give "
            f"{LEAST:g} or more, wider than what is to stay, such as radius={RADIUS * z.shape[1]:g}, half a line"
        )
    lines = _bridged(z)
    known = np.isfinite(z)
    unit = float(np.std((lines - lines.mean(axis=1, keepdims=True))[known])) if known.any() else 0.0
    unit = unit or 1.0
    half = int(min(radius, z.shape[1]))
    u = np.arange(-half, half + 1)
    arc = radius - np.sqrt(np.maximum(radius**2 - u.astype(float) ** 2, 0.0))  # its height above its lowest point
    sign = 1.0 if side == "below" else -1.0
    return sign * unit * grey_opening(sign * lines / unit, structure=-arc[None, :], mode="nearest")


def _bridged(lines: np.ndarray) -> np.ndarray:
    out = lines.astype(float)
    for i in np.flatnonzero(~np.isfinite(out).all(axis=1)):
        line = out[i]
        known = np.flatnonzero(np.isfinite(line))
        line[:] = np.interp(np.arange(len(line)), known, line[known]) if known.size else 0.0
    return out


@step
def arc(scan: xr.Dataset, *, channel: str = "height", radius: float | None = None, side: str = "below") -> xr.Dataset:
    """Take off the envelope of an arc rolled along every line of a channel.

    radius: in pixels, 3 or more; half a line, if it is not said. side: 'below' where features stand up, 'above' where
    they are pits. Raises ChannelError for a channel that is not there, ScanError for one that is no image or a radius
    below 3 pixels.
    """

    def change(image: np.ndarray) -> np.ndarray:
        return image - arc_fit(image, max(LEAST, RADIUS * image.shape[1]) if radius is None else radius, side)

    return on_images(scan, channel, lambda z: each_image(z, change))
