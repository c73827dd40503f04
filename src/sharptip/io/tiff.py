"""An image or a film as TIFF (`.tif`): 32-bit floats in SI units, one page per frame, with the size that ImageJ reads.

Layout: TIFF 6.0 with ImageJ's description and resolution tags, so that Fiji shows lengths and seconds, and tifffile,
our `image` reader and most others find the size. ImageJ's "Info" holds, as JSON, what TIFF has no word for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import WriteError
from ..core.files import write_whole
from ..core.marks import Mark, marks
from ..core.units import shown
from .pick import facts, kept_apart, odd_attributes, only, regular, single

_LARGEST = 2**32 - 2**20  # bytes; ImageJ's TIFF counts them with 32 bits


def write(nodes: Mapping[str, Any], path: Path) -> list[str]:
    """Write the one image or film there is; returns what the format cannot keep."""
    import tifffile

    _, scan, image = only(nodes, [("y", "x"), ("time", "y", "x")], ".tif")
    shape = tuple(image.sizes.values())
    if 4 * image.size > _LARGEST:
        raise WriteError(
            f"{path}: {image.name!r} takes {4 * image.size / 2**30:.1f} GiB, .tif has 4; write .zarr or .nc"
        )
    about = facts(scan, image)
    told: dict[str, Any] = {"axes": "TYX" if len(shape) == 3 else "YX"}
    options: dict[str, Any] = {}
    lost = kept_apart(scan, str(image.name)) + odd_attributes(scan, image)
    if scan["x"].attrs["units"] == "m":
        (_, dy), (_, dx) = (regular(scan, axis, ".tif") for axis in ("y", "x"))
        factor, unit = shown(dx, "m")
        told["unit"] = unit.replace("µ", "u")
        options["resolution"] = (1 / (dx * factor), 1 / (dy * factor))
    if len(shape) == 3:
        seconds = np.asarray(scan["time"].values, float)
        found = marks(scan)
        told |= _times(seconds, found)
        about |= {"marks": json.dumps(found)} if found else {}
        about["time"] = json.dumps(seconds.tolist())
    told["Info"] = json.dumps(about)
    rounded: list[bool] = []
    write_whole(path, lambda temporary: tifffile.imwrite(
        temporary, _pages(image, rounded), shape=shape, dtype=np.float32, imagej=True, metadata=told, **options
    ))  # fmt: skip
    return lost + (["more than 7 digits (32-bit floats)"] if any(rounded) else [])


def _times(seconds: np.ndarray, found: Mapping[int, Mark]) -> dict[str, Any]:
    """ImageJ has one time between frames; the times themselves are each frame's label, with its mark if it has one."""
    gap = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    labels = {"Labels": [f"{t:.9g} s" + (f", {found[i].told()}" if i in found else "") for i, t in enumerate(seconds)]}
    return labels | ({"finterval": gap, "tunit": "s"} if gap > 0 else {})


def _pages(image: Any, rounded: list[bool]) -> Iterator[np.ndarray]:
    frames = (image.isel(time=i) for i in range(image.sizes["time"])) if image.ndim == 3 else iter([image])
    for frame in frames:
        page, same = single(np.asarray(frame.values), repr(image.name))
        rounded.append(not same)
        yield page
