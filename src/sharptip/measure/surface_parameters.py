"""How rough is a surface, and in what way? The areal parameters of ISO 25178-2 and a few more, with their units.

    table = surface_parameters(scan)                      # height
    table = surface_parameters(scan, channel="adhesion")  # newtons instead of metres, the same formulas
    table = surface_parameters(array, pixel_size=2e-9, unit="m")

The standard speaks of heights filtered to a band of lengths; here the image is levelled by a plane and nothing else
is filtered, so values belong to the scan's size and pixels and are compared between scans that share both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.errors import ScanError, UnitError
from ..core.units import PIXEL, is_si, to_si
from .surface_heights import functional_parameters, height_parameters
from .surface_shape import co_occurrence, feature_parameters, hybrid_parameters, level_sets
from .surface_spectrum import direction, fractal_dimension, spectral_slopes, texture_parameters

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SMALLEST = 16  # pixels along the shorter side; a spectrum and an ACF need some
LOST = 0.5  # share of missing pixels beyond which an image is refused
_OTHERS = "which is no image; curves and spectra are for `sharptip fit`"
ROUNDING = 1e-13  # of the largest number; what levelling leaves of a flat image


class Parameter(NamedTuple):
    """power: of metres that the unit z·m^power has (None: a pure number or an angle, `unit` says which)."""

    definition: str
    power: int | None = 0
    unit: str = "1"


# name → what it is. Definitions are those of ISO 25178-2:2021 where the name is.
PARAMETERS: dict[str, Parameter] = {
    "Sa": Parameter("mean of |z|"),
    "Sq": Parameter("root mean square of z"),
    "Ssk": Parameter("skewness, mean z³ / Sq³", None),
    "Sku": Parameter("kurtosis, mean z⁴ / Sq⁴ (3 for Gaussian heights)", None),
    "Sp": Parameter("highest z"),
    "Sv": Parameter("depth of the lowest z"),
    "Sz": Parameter("Sp + Sv"),
    "S10z": Parameter("mean of the five highest hills and depth of the five deepest dales (pruned at 5 % Sz)"),
    "Sdq": Parameter("rms gradient, central differences over two pixels", -1),
    "Sdr": Parameter("developed area beyond the map's, mean √(1+|∇z|²) − 1; for lengths only", None),
    "Sal": Parameter("shortest lag at which the autocorrelation falls to 0.2", None, "m"),
    "Str": Parameter("shortest over longest such lag: 1 isotropic, 0 all one way", None),
    "Std": Parameter("direction of the ridges, from x towards growing y", None, "rad"),
    "Sk": Parameter("drop of the core of the bearing curve (flattest 40 % secant)"),
    "Spk": Parameter("height of the reduced peaks above the core"),
    "Svk": Parameter("depth of the reduced valleys below the core"),
    "Smr1": Parameter("material ratio at the top of the core", None),
    "Smr2": Parameter("material ratio at the bottom of the core", None),
    "Vmp": Parameter("material volume per area of the peaks, above the highest 10 %"),
    "Vmc": Parameter("material volume per area of the core, between 10 and 80 %"),
    "Vvc": Parameter("void volume per area of the core"),
    "Vvv": Parameter("void volume per area of the valleys, below 80 %"),
    "Spd": Parameter("hills per area (pruned at 5 % Sz)", None, "1/m^2"),
    "Spc": Parameter("mean curvature of the hills' tops, −½∇²z", -2),
    "Sfd": Parameter("fractal dimension 3 − H, from height differences along x over 1–8 pixels", None),
    "slope_low": Parameter("exponent of the ring-averaged power, lower half of the frequencies", None),
    "slope_high": Parameter("exponent of the ring-averaged power, upper half of the frequencies", None),
    **{
        f"{kind}_{level}": Parameter(f"{what} of the set above mean {level.replace('-', '− ').replace('+', '+ ')} Sq",
                                     None, unit)
        for level in ("-1", "+0", "+1")
        for kind, what, unit in (("area", "share of the area", "1"), ("edge", "length of the boundary per area", "1/m"),
                                 ("euler", "Euler number (pieces less holes) per area", "1/m^2"))
    },
    "glcm_contrast": Parameter("contrast of neighbouring grey levels (co-occurrence, 32 levels over ± 3 Sq)", None),
    "glcm_homogeneity": Parameter("homogeneity of the same", None),
    "glcm_energy": Parameter("energy of the same", None),
    "glcm_correlation": Parameter("correlation of the same", None),
}  # fmt: skip


def surface_parameters(
    scan: xr.Dataset | np.ndarray,
    *,
    channel: str = "height",
    pixel_size: float | tuple[float, float] | None = None,
    unit: str = "m",
    level: str = "plane",
) -> pd.DataFrame:
    """A table of one image: columns name, value, unit (SI), definition; one row per entry of `PARAMETERS`.

    scan: a scan, whose `channel` (forward direction) is taken with its own unit and pixel size; or an array (y, x)
    in `unit` on pixels of `pixel_size` metres, one number or (dy, dx). level: "plane" or "none".
    What is undefined is NaN: shapes of a flat image, Sdr of what is no length. Missing pixels are left out, or filled
    from their neighbours along y where a spectrum needs a whole image.
    Raises ScanError for an image too small, mostly missing or of unknown size, ChannelError, UnitError.
    """
    import pandas as pd

    if isinstance(scan, np.ndarray):
        if pixel_size is None:
            raise ScanError("an array says no pixel size; give pixel_size=2e-9 (metres), or (dy, dx)")
        z = scan
    else:
        z, pixel_size, unit = _of_scan(scan, channel)
    if not is_si(unit) or unit == PIXEL:
        raise UnitError(f"values are in {unit!r}; give them in an SI unit, such as 'm', 'N', 'rad', '1' or 'arb'")
    found = surface_values(z, pixel_size, level=level)
    if unit != "m":
        found["Sdr"] = float("nan")
    rows = [(name, found[name], unit_of(name, unit), p.definition) for name, p in PARAMETERS.items()]
    return pd.DataFrame(rows, columns=["name", "value", "unit", "definition"])


def surface_values(z: np.ndarray, pixel_size: float | tuple[float, float], *, level: str = "plane") -> dict[str, float]:
    """The values of `PARAMETERS` alone, of an array (y, x), for features of learners. See `surface_parameters`."""
    dy, dx = (pixel_size, pixel_size) if isinstance(pixel_size, int | float | np.number) else pixel_size
    if not (dy > 0 and dx > 0):
        raise ScanError(f"the pixel size is {pixel_size!r}; give metres, 2e-9, or (dy, dx)")
    z = levelled(z, level)
    flat = not np.nanmax(z) > np.nanmin(z)
    found = height_parameters(z) | functional_parameters(z)
    pixel = (float(dy), float(dx))
    found |= hybrid_parameters(z, pixel)
    if flat:
        undefined = set(PARAMETERS) - set(found)
        return found | dict.fromkeys(undefined, float("nan")) | {"Spd": 0.0}
    found |= texture_parameters(z, pixel) | {"Sfd": fractal_dimension(z)}
    whole = filled(z)
    found |= {"Std": direction(whole, pixel)} | spectral_slopes(whole, pixel)
    return found | feature_parameters(whole, pixel) | level_sets(whole, pixel) | co_occurrence(whole)


def unit_of(name: str, unit: str) -> str:
    """The SI unit of a parameter for an image in `unit`.

    >>> unit_of("Sdq", "m"), unit_of("Sdq", "N"), unit_of("Spc", "m"), unit_of("Sal", "N")
    ('1', 'N/m', '1/m', 'm')
    """
    p = PARAMETERS[name]
    if p.power is None:
        return p.unit
    if p.power == 0:
        return unit
    if unit == "arb":
        return f"arb/m^{-p.power}".removesuffix("^1")
    return to_si(unit + {-1: "/m", -2: "/m/m"}[p.power])[1] if unit != "m" else {-1: "1", -2: "1/m"}[p.power]


def levelled(z: np.ndarray, level: str = "plane") -> np.ndarray:
    """The image (y, x) as float64 with its mean, or its least-squares plane, taken off; rounding is set to zero.

    Raises ScanError where it is no image, too small, or mostly missing.
    """
    if level not in ("plane", "none"):
        raise ScanError(f"there is no levelling {level!r}; there are 'plane' and 'none'")
    z = np.asarray(z, float)
    if z.ndim != 2:
        raise ScanError(f"an image has two axes (y, x); this array has shape {z.shape}")
    if min(z.shape) < SMALLEST:
        raise ScanError(f"the image has {z.shape[0]} × {z.shape[1]} pixels; surface parameters need {SMALLEST} a side")
    there = np.isfinite(z)
    if 1 - there.mean() > LOST:
        raise ScanError(f"{1 - there.mean():.0%} of the pixels are missing; surface parameters need half at least")
    z = np.where(there, z, np.nan)
    centred = z - np.nanmean(z)
    out = centred - _plane(centred, there) if level == "plane" else centred
    if np.nanmax(out) - np.nanmin(out) <= ROUNDING * max(np.nanmax(np.abs(z)), np.finfo(float).tiny):
        return np.where(there, 0.0, np.nan)
    return out


def _plane(z: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Least-squares plane under the pixels that are there."""
    y, x = (np.linspace(-1, 1, n) for n in z.shape)
    terms = np.stack([np.ones(z.shape), y[:, None] + 0 * z, x[None, :] + 0 * z], axis=-1)
    terms = np.where(there[..., None], terms, 0.0)
    coefficient = np.linalg.lstsq(terms[there], z[there], rcond=None)[0]
    return coefficient[0] + coefficient[1] * y[:, None] + coefficient[2] * x[None, :]


def filled(z: np.ndarray) -> np.ndarray:
    """Missing pixels from the lines above and below, linearly; from the line itself where a column is empty."""
    out = z.copy()
    for values in (out.T, out):
        for line in values:
            good = np.isfinite(line)
            if good.any() and not good.all():
                line[~good] = np.interp(np.flatnonzero(~good), np.flatnonzero(good), line[good])
    return out


def _of_scan(scan: xr.Dataset, channel: str) -> tuple[np.ndarray, tuple[float, float], str]:
    from ..core.scan import channel as channel_of
    from ..core.scan import label
    from ..core.scan import pixel_size as pixel_size_of

    data = channel_of(scan, channel)
    if set(data.dims) != {"y", "x"}:
        move = "select one image (y, x) first" if {"y", "x"} <= set(data.dims) else _OTHERS
        raise ScanError(f"{label(scan)}: {channel!r} has axes {tuple(data.dims)}; {move}")
    unit = data.attrs.get("units")
    if unit is None:
        raise UnitError(f"{label(scan)}: {channel!r} says no unit; set attrs['units'] to its SI unit")
    return np.asarray(data.transpose("y", "x").values), pixel_size_of(scan), unit
