"""What TopoStats writes: levelled and original heights, masks, size, and what stays in the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import topostats as made

import sharptip
from sharptip.core.errors import ReadError


def test_heights_and_masks(tmp_path: Path) -> None:
    made.topostats(tmp_path / "a.topostats")
    scan = sharptip.read(tmp_path / "a.topostats")
    np.testing.assert_allclose(scan["height"], made.heights(0) * 1e-9, rtol=1e-12)
    np.testing.assert_allclose(scan["height_original"], made.heights(1) * 1e-9, rtol=1e-12)
    np.testing.assert_array_equal(scan["mask"], made.mask())
    assert scan["x"].values[1] == pytest.approx(made.PIXEL * 1e-9, rel=1e-12)
    assert scan.attrs["left_out"] == "grain_crops"
    assert json.loads(scan.attrs["header"])["image_statistics/rms_roughness"] == 1e-9


def test_a_channel_that_is_no_height_has_no_unit(tmp_path: Path) -> None:
    made.topostats(tmp_path / "a.topostats", channel="phase_trace")
    scan = sharptip.read(tmp_path / "a.topostats")
    assert scan["phase"].attrs["units"] == "arb"
    np.testing.assert_array_equal(scan["phase"], made.heights(0))


def test_older_files(tmp_path: Path) -> None:
    made.old(tmp_path / "a.topostats")
    scan = sharptip.read(tmp_path / "a.topostats")
    assert set(scan.data_vars) == {"height", "mask", "mask_below", "mask_below_2"}
    np.testing.assert_array_equal(scan["mask"], made.mask())
    np.testing.assert_array_equal(scan["mask_below"], made.mask())
    np.testing.assert_array_equal(scan["mask_below_2"], ~made.mask())


def test_a_file_without_an_image_is_refused(tmp_path: Path) -> None:
    import h5py

    made.old(tmp_path / "a.topostats")
    with h5py.File(tmp_path / "a.topostats", "a") as file:
        del file["image"]
    with pytest.raises(ReadError, match="no image"):
        sharptip.read(tmp_path / "a.topostats")
