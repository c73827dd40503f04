"""What TopoStats 2.4 and older versions write of a scan, with known numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

READER = {"topostats_old": "topostats"}

NY, NX = 5, 7
PIXEL = 1.25  # nm


def heights(seed: int) -> np.ndarray:
    """In nm, row 0 on top."""
    return np.random.default_rng(seed).normal(size=(NY, NX))


def mask() -> np.ndarray:
    return np.arange(NY * NX).reshape(NY, NX) % 3 == 1


def topostats(path: Path, channel: str = "Height") -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["image"], file["image_original"] = heights(0), heights(1)
        file["pixel_to_nm_scaling"], file["topostats_version"] = PIXEL, "2.4"
        file["config/loading/channel"] = channel
        file["full_mask_tensor"] = np.stack([~mask(), mask()], axis=-1)
        file["grain_crops/0/image"] = np.zeros((2, 2))
        file["image_statistics/rms_roughness"] = 1e-9


def old(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["image"], file["pixel_to_nm_scaling"], file["topostats_file_version"] = heights(0), PIXEL, 0.1
        file["grain_masks/above"] = mask() * 4
        file["grain_masks/below"] = np.stack([~mask(), mask(), ~mask()], axis=-1)


EXAMPLES = {"topostats": (".topostats", topostats), "topostats_old": (".topostats", old)}
