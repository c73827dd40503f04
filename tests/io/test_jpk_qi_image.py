"""JPK's images of force maps (`.jpk-qi-image`): a JPK TIFF whose channels were computed from curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.io import make_files as images
from tests.io.files import jpk_qi_image as made

import sharptip
import sharptip.io


def test_channels_of_a_map_have_their_names_and_units(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-qi-image"
    made.jpk_qi_image(path)
    assert sharptip.io.describe(path)["format"] == "jpk"
    scan = sharptip.read(path)
    units = {name: v.attrs["units"] for name, v in scan.data_vars.items()}
    assert units == {"height": "m", "adhesion": "N", "stiffness": "N/m", "force": "N", "height_sensor": "m"}
    for k, (name, values) in enumerate(scan.data_vars.items()):
        assert name == made.NAMES[k]
        stored = made.counts(k).astype(float)
        stored[0] = np.nan
        np.testing.assert_allclose(values, stored * made.LINES[k][1] + made.LINES[k][2], rtol=1e-14)
        assert values.attrs["vendor_segment"] == ("retract" if name == "adhesion" else "extend")
    assert scan["x"].values[1] == images.WIDTH / images.NX


def test_the_kind_of_file_is_seen_without_its_suffix(tmp_path: Path) -> None:
    made.jpk_qi_image(tmp_path / "a.dat")
    assert sharptip.io.describe(tmp_path / "a.dat")["format"] == "jpk"
