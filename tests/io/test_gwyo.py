"""Files of Gwyddion 1: the same objects as later, in containers written differently."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import gwyo as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError, ScaleError


def test_an_old_container_is_read_like_a_new_one(tmp_path: Path) -> None:
    made.container(tmp_path / "a.gwy")
    assert sharptip.io.grids(tmp_path / "a.gwy")[0] == "gwyo"
    scan = sharptip.read(tmp_path / "a.gwy")
    assert list(scan.data_vars) == ["height", "mask"]
    np.testing.assert_array_equal(scan["height"], made.heights())
    assert scan["height"].attrs["units"] == "m"
    np.testing.assert_allclose(scan["x"], np.arange(made.NX) * 2e-7, rtol=1e-12)
    np.testing.assert_allclose(scan["y"], np.arange(made.NY) * 1e-7, rtol=1e-12)
    assert json.loads(scan.attrs["header"])["channels"]["0"]["meta"] == {"Bias": "0.5 V"}


def test_a_field_without_units_needs_a_size(tmp_path: Path) -> None:
    made.container(tmp_path / "a.gwy", units=False)
    with pytest.raises(ScaleError, match="size="):
        sharptip.read(tmp_path / "a.gwy")
    assert sharptip.read(tmp_path / "a.gwy", size=(3e-7, 1e-6))["x"].values[1] == 2e-7


def test_an_unknown_type_is_named(tmp_path: Path) -> None:
    made.container(tmp_path / "a.gwy")
    whole = (tmp_path / "a.gwy").read_bytes()
    (tmp_path / "a.gwy").write_bytes(whole.replace(b"\x14\0\0\0/0/show", b"\x4c\0\0\0/0/show"))
    with pytest.raises(ReadError, match="unknown type"):
        sharptip.read(tmp_path / "a.gwy")
