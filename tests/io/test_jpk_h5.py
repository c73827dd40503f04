"""Films of JPK's fast microscopes: exact numbers from a written file, and h5py by hand on the real one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io.files import jpk_h5 as made
from tests.real import real

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError


@pytest.mark.parametrize("reflect", [False, True])
def test_film(reflect: bool, tmp_path: Path) -> None:
    made.jpk_h5(tmp_path / "a.h5-jpk", reflect)
    scan = sharptip.read(tmp_path / "a.h5-jpk")
    assert scan["height"].dims == ("time", "direction", "y", "x")
    stored = np.stack([made.counts(0), made.counts(1)], axis=1)
    volts = stored * made.ENCODER[0] + made.ENCODER[1]
    np.testing.assert_array_equal(scan["height"], (volts * made.NOMINAL[0] + made.NOMINAL[1]) * made.CALIBRATED)
    assert scan["height"].attrs["units"] == "m"
    assert scan["phase"].dims == ("time", "y", "x")
    assert scan["phase"].attrs["direction"] == "backward"
    np.testing.assert_allclose(scan["phase"], np.radians(made.counts(2) * made.PHASE), rtol=1e-14)
    np.testing.assert_allclose(scan["time"], [0, 0.25, 0.51], rtol=1e-12)
    assert scan["time"].attrs["units"] == "s"
    assert (scan["y"].values[1], scan["x"].values[1]) == (made.HEIGHT / made.NY, made.WIDTH / made.NX)
    np.testing.assert_array_equal(scan["i_gain"], [1, 2, 3])
    assert scan.attrs["slow_direction"] == "up"
    header = json.loads(scan.attrs["header"])
    assert header["/Measurement_000/Channel_002"]["channel.fancy-name"] == "Lock-In Phase"
    np.testing.assert_array_equal(scan["height"].isel(time=1, direction=1), scan["height"].values[1, 1])


def test_frames_that_contradict_the_grid_are_refused(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "a.h5-jpk"
    made.jpk_h5(path)
    with h5py.File(path, "a") as file:
        file["Measurement_000"].attrs["position-pattern.grid.ilength"] = 7
    with pytest.raises(ReadError, match="4 × 7 pixels"):
        sharptip.read(path)
    made.jpk_h5(path)
    with h5py.File(path, "a") as file:
        del file["Measurement_000/meta-data/start-times"]
        file["Measurement_000/meta-data/start-times"] = np.array([0, 10])
    with pytest.raises(ReadError, match="starting times"):
        sharptip.read(path)


def test_other_hdf5_files_are_not_taken_for_films(tmp_path: Path) -> None:
    import h5py

    from sharptip.io import jpk_h5

    with h5py.File(tmp_path / "a.h5-jpk", "w") as file:
        file["x"] = [1, 2]
    assert not jpk_h5.detect((tmp_path / "a.h5-jpk").read_bytes(), tmp_path / "a.h5-jpk")


def test_real_film_by_hand() -> None:
    import h5py

    path = real("hs_afm", "sample_0.h5-jpk")
    scan = sharptip.read(path)
    assert dict(scan.sizes) == {"time": 4, "direction": 2, "y": 128, "x": 128}
    units = {name: v.attrs["units"] for name, v in scan.data_vars.items() if "x" in v.dims}
    assert units == {"height": "m", "height_sensor": "m", "height_error": "m", "amplitude": "m", "phase": "rad"}
    assert scan["x"].values[1] == 1.5e-7 / 128
    np.testing.assert_allclose(scan["time"], [0, 3.275, 6.55, 9.825], atol=1e-9)
    with h5py.File(path) as file:
        film = file["Measurement_000"]
        for name, way, key in (
            ("height", "backward", "Channel_003/Height"),
            ("amplitude", "forward", "Channel_006/Amplitude"),
            ("phase", "backward", "Channel_002/Phase"),
            ("height_error", "forward", "Channel_000/Error"),
        ):
            attrs = film[key].parent.attrs
            # The file also says all lines in one, down to the default slot: the "net" encoder.
            net = film[key][:, 2] * attrs["net-encoder.scaling.multiplier"] + attrs["net-encoder.scaling.offset"]
            net = np.radians(net) if name == "phase" else net
            ours = scan[name].sel(direction=way).isel(time=2).values
            np.testing.assert_allclose(ours, net.reshape(128, 128)[::-1], rtol=1e-9, atol=1e-16)


def test_real_film_shows_the_same_molecules_both_ways_and_all_the_time() -> None:
    """Physics: forward and backward must agree once the tilt is gone, and mirrored must not; so must the frames."""
    height = sharptip.read(real("hs_afm", "sample_0.h5-jpk"))["height"].values
    x = np.linspace(-1, 1, 128)
    flat = height - np.median(height, axis=-1, keepdims=True)
    flat -= np.polynomial.polynomial.polyval(x, np.polynomial.polynomial.polyfit(x, flat.mean(axis=(0, 1, 2)), 3))
    forward, backward = flat[:, 0], flat[:, 1]
    for k in range(4):
        assert np.corrcoef(forward[k].ravel(), backward[k].ravel())[0, 1] > 0.5
        assert abs(np.corrcoef(forward[k].ravel(), backward[k][:, ::-1].ravel())[0, 1]) < 0.3
        assert np.corrcoef(forward[0].ravel(), forward[k].ravel())[0, 1] > 0.3
