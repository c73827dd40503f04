"""What TopoStats writes of a scan (`.topostats`): the heights it was given, those it levelled, and its masks of grains.

Layout: TopoStats' own writer. HDF5: `image` and `image_original` in nm, rows from the top, `pixel_to_nm_scaling`; masks
in `grain_masks/above` and `below`, later as tensors (y, x, class) with the background first, in the end as
`full_mask_tensor`. The channel's name stands in the settings from version 2.4 on; before, all are heights, as TopoStats
takes them. Its crops, traces and plots of grains stay in the file and are named.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import LARGEST, Channel, Grid
from ..core.names import standard
from . import hdf5
from .layout import floats, image_axes, positive

NAME = "topostats"
SUFFIXES = (".topostats",)
GENERIC = False

_SCALE = "pixel_to_nm_scaling"
_VERSIONS = ("topostats_version", "topostats_file_version")  # the second until 2.3
_IMAGES = {"image": "height", "image_original": "height_original"}
_MASKS = {
    "grain_masks/above": "mask", "grain_masks/below": "mask_below",
    "grain_tensors/above": "mask", "grain_tensors/below": "mask_below", "full_mask_tensor": "mask",
}  # fmt: skip


def detect(head: bytes, path: Path) -> bool:
    if not path.is_file():
        return head.startswith(hdf5.MAGIC) and _SCALE.encode() in head
    return hdf5.is_ours(head, path, lambda file: _SCALE in file and any(name in file for name in _VERSIONS))


def read(path: Path) -> list[Grid]:
    with hdf5.opened(path) as file:
        facts = _facts(file)
        channel = facts.get("config/loading/channel", "")
        name = standard(channel) if channel else "height"
        is_height = name in ("height", "height_sensor")
        channels = []
        for key, ours in _IMAGES.items():
            if key in file:
                made = Channel.from_vendor(key, _array(file[key]), "nm" if is_height else "arb")
                channels.append(replace(made, name=ours.replace("height", name)))
        if not channels:
            raise ReadError("it holds no image")
        shape = channels[0].data.shape
        if len(shape) != 2:
            raise ReadError(f"its image has shape {shape}; it is damaged")
        pixel = positive(file[_SCALE][()], _SCALE) * 1e-9
        channels += _masks(file)
        used = {*_IMAGES, *(key.split("/")[0] for key in _MASKS), *facts}
        left = [key for key in file if key not in used and not any(fact.startswith(f"{key}/") for fact in facts)]
        attrs = {"left_out": ", ".join(left)} if left else {}
        axes = image_axes((shape[0], shape[1]), shape[0] * pixel, shape[1] * pixel)
        return [Grid(path.stem, tuple(channels), axes, facts, attrs)]


def _facts(file: Any) -> dict[str, Any]:
    """Every number and text that stands alone, by its place; those of single grains are left where they are."""
    import h5py

    out: dict[str, Any] = {}

    def note(place: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and thing.shape == () and not place.startswith("grain_crops/"):
            value = thing[()]
            out[place] = value.decode("utf-8", "replace") if isinstance(value, bytes) else np.asarray(value).tolist()

    file.visititems(note)
    return out


def _array(dataset: Any) -> np.ndarray:
    if dataset.size > LARGEST:
        raise ReadError(f"{dataset.name} claims {dataset.size} numbers; the file is damaged")
    return floats(np.asarray(dataset[()]))


def _masks(file: Any) -> list[Channel]:
    """1 where a grain is: a mask for each direction of the threshold, and for each class that is not the background."""
    found: dict[str, np.ndarray] = {}
    for key, name in _MASKS.items():
        if key in file:
            values = _array(file[key])
            classes = [values] if values.ndim == 2 else [values[..., k] for k in range(1, values.shape[-1])]
            found |= {name if k == 0 else f"{name}_{k + 1}": one for k, one in enumerate(classes)}
    return [Channel(name, (values > 0).astype(np.float32), "1", name) for name, values in found.items()]
