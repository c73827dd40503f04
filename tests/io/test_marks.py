"""Frames that are marked as junk or doubtful: the mark and its reason are seen, and survive what a format can keep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.io.test_writers import film, frames_of

import sharptip
from sharptip.core.errors import ScanError
from sharptip.core.history import steps
from sharptip.core.marks import Mark, marks, told, variables

pytestmark = pytest.mark.filterwarnings("ignore:.*does not keep:UserWarning")

MARKS = {0: Mark("junk", "it is empty"), 1: Mark("junk", "it is empty"), 3: Mark("doubtful", "½ of it, “odd”")}


def marked(n: int = 6) -> xr.Dataset:
    return film(n).assign({name: ("time", *about) for name, about in variables(MARKS, n).items()})


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".tif"])
def test_marks_and_reasons_come_back(suffix: str, tmp_path: Path) -> None:
    sharptip.write(marked(), tmp_path / f"a{suffix}", channel="height")
    back = sharptip.read(tmp_path / f"a{suffix}")
    assert marks(back) == MARKS
    assert set(back.data_vars) == {"height", "junk", "doubtful"}
    np.testing.assert_array_equal(back["junk"], [1, 1, 0, 0, 0, 0])


def test_the_reasons_of_many_frames_fit_into_netcdf(tmp_path: Path) -> None:
    many = {i: Mark("doubtful", f"its heights vary {i} times more than is usual") for i in range(4000)}
    scan = film(4000).isel(y=[0], x=[0]).assign({k: ("time", *v) for k, v in variables(many, 4000).items()})
    for axis in "yx":
        scan[axis].attrs["spacing"] = 1e-9
    sharptip.write(scan, tmp_path / "a.nc")
    assert marks(sharptip.read(tmp_path / "a.nc")) == many


def test_junk_is_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    sharptip.write(marked(), tmp_path / "a.zarr", skip_junk=True)
    back = sharptip.read(tmp_path / "a.zarr")
    np.testing.assert_array_equal(back["height"], film()["height"][2:])
    np.testing.assert_array_equal(back["time"], film()["time"][2:])
    assert marks(back) == {1: MARKS[3]}
    assert steps(back)[-1]["options"] == {"skip_junk": True}
    with pytest.raises(ScanError, match="no frames that are marked as junk"):
        sharptip.write(film(), tmp_path / "b.zarr", skip_junk=True)
    with pytest.raises(ScanError, match="say one of the two"):
        sharptip.write(marked(), tmp_path / "b.gsf", skip_junk=True, frame=0)
    nothing = film(2).assign({k: ("time", *v) for k, v in variables(MARKS, 2).items()})
    with pytest.raises(ScanError, match="nothing but junk"):
        sharptip.write(nothing, tmp_path / "b.zarr", skip_junk=True)


def test_a_frame_alone_says_its_mark(tmp_path: Path) -> None:
    sharptip.write(marked(), tmp_path / "a.zarr", frame=3)
    assert sharptip.read(tmp_path / "a.zarr").attrs["marked"] == "doubtful: ½ of it, “odd”"
    sharptip.write(marked(), tmp_path / "b.zarr", frame=2)
    assert "marked" not in sharptip.read(tmp_path / "b.zarr").attrs


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_movie_shows_which_frames_are_marked(name: str, tmp_path: Path) -> None:
    sharptip.write(marked(), tmp_path / name)
    frames = frames_of(tmp_path / name)
    assert len(frames) == 6
    edge = [frame[200, 8] for frame in frames]
    assert all(e[0] > 150 and e[1] < 110 for e in edge[:2]), "red around junk"
    assert all(edge[3][:2] > 110), "amber around a doubtful one"
    assert all((edge[i] < 60).all() for i in (2, 4, 5)), "nothing around the others"
    under = [frame[480 + 12 + 48 :, :].max() for frame in frames]
    assert min(under[0], under[1], under[3]) > 180
    assert max(under[2], under[4], under[5]) < 90
    sharptip.write(marked(), tmp_path / f"short{name}", skip_junk=True)
    assert len(frames_of(tmp_path / f"short{name}")) == 4


def test_junk_does_not_dim_the_colours_of_a_movie(tmp_path: Path) -> None:
    scan = marked()
    scan["height"][:2] = 1e-6
    sharptip.write(scan, tmp_path / "a.gif")
    sharptip.write(scan.isel(time=slice(2, None)).drop_vars(["junk", "doubtful"]), tmp_path / "b.gif")
    bright = [frames_of(tmp_path / n)[k][12 : 12 + 480, 12 : 12 + 400] for n, k in (("a.gif", 2), ("b.gif", 0))]
    np.testing.assert_allclose(bright[0], bright[1], atol=12)


def test_marks_in_a_line() -> None:
    assert told(MARKS) == "junk: frames 0–1 (it is empty); doubtful: frame 3 (½ of it, “odd”)"
    assert told({}) == ""
    scan = marked()
    scan["junk"].attrs["reasons"] = json.dumps(["too few"])
    assert marks(scan)[0] == Mark("junk", "")
