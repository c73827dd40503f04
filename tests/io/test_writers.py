"""Formats for other programs: what they hold comes back, what they cannot hold is refused or told by name."""

from __future__ import annotations

import io as text_io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr
from tests.io import make_files as made

import sharptip
from sharptip.core.errors import ChannelError, ReadError, ScanError, WriteError
from sharptip.core.grid import Axis, Channel, Grid
from sharptip.core.scan import from_grid, scan_of
from sharptip.io.layout import ragged

pytestmark = pytest.mark.filterwarnings("ignore:.*does not keep:UserWarning")


@pytest.fixture
def both(tmp_path: Path) -> xr.Dataset:
    """Height both ways and an error signal."""
    return sharptip.read(made.example(tmp_path, "jpk"))


def film(n: int = 6) -> xr.Dataset:
    """A bright spot goes right by two pixels a frame over a dim tilted ground; pixels are twice as high as wide."""
    y, x = np.mgrid[:12, :20]
    frames = np.stack([1e-10 * (y + x) + 9e-9 * ((abs(x - 3 - 2 * i) < 2) & (abs(y - 4) < 2)) for i in range(n)])
    axes = {"time": Axis(np.arange(n) * 0.25, "s"), "y": Axis.regular(12, 4e-9), "x": Axis.regular(20, 2e-9)}
    return from_grid(Grid("film", (Channel("height", frames, "m", "TP", ("time", "y", "x")),), axes, "the header"))


def force_map() -> xr.Dataset:
    force, length = ragged([np.arange(4) / 3e9, np.arange(2) * 1e-9])
    segment, _ = ragged([np.array([0, 0, 1, 1.0]), np.array([0, 1.0])])
    along = ("curve", "sample")
    channels = (
        Channel("force", force, "N", "F", along), Channel("segment", segment, "1", "s", along),
        Channel("deflection", force * 9, "m", "D", along), Channel("length", length, "1", "n", ("curve",)),
        Channel("row", np.array([0.0, 1.0]), "1", "i", ("curve",)),
    )  # fmt: skip
    axes = {"curve": Axis(np.arange(2.0), "1"), "sample": Axis(np.arange(4.0), "1")}
    return from_grid(Grid("map", channels, axes, "", {"segments": '["approach", "retract"]', "map_shape": "[2, 1]"}))


@pytest.mark.parametrize("name", ["a.gsf", "a.tif"])
def test_one_image_comes_back_with_its_size_name_and_history(name: str, both: xr.Dataset, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="does not keep"):
        sharptip.write(both, tmp_path / name, channel="height", direction="backward")
    back = sharptip.read(tmp_path / name)
    np.testing.assert_array_equal(back["height"], both["height"].sel(direction="backward").astype("f4"))
    assert back["height"].attrs["direction"] == "backward"
    for axis in "yx":
        np.testing.assert_allclose(back[axis], both[axis], rtol=1e-6)
    assert back["height"].attrs["units"] == "m"
    assert back["height"].attrs["vendor_name"] == both["height"].attrs["vendor_name"]
    assert back.attrs["header"] == both.attrs["header"]
    assert '"pick"' in back.attrs["history"]


@pytest.mark.parametrize("name", ["a.gsf", "a.tif", "a.csv"])
def test_the_image_is_found_among_other_scans_and_those_are_told(name: str, both: xr.Dataset, tmp_path: Path) -> None:
    curves = force_map().rename(force="height").assign(height=lambda s: s["height"].assign_attrs(units="m"))
    scans = {"/map": curves, "/image": both, "/spectra": force_map()}  # the curves called height come first
    asked = {"channel": "height_error"} if name == "a.csv" else {"channel": "height", "direction": "backward"}
    told = r"the other scans: map \(2 curve × 4 sample\), spectra \(2 curve × 4 sample\)\."
    with pytest.warns(UserWarning, match=told):
        sharptip.write(xr.DataTree.from_dict(scans), tmp_path / name, **asked)
    if name != "a.csv":
        back = sharptip.read(tmp_path / name)["height"]
        np.testing.assert_array_equal(back, both["height"].sel(direction="backward").astype("f4"))
    with warnings.catch_warnings(record=True) as said:
        sharptip.write(both, tmp_path / name, **asked)
    assert not any("other scan" in str(w.message) for w in said)


def test_an_image_of_one_way_has_the_name_of_that_way(both: xr.Dataset, tmp_path: Path) -> None:
    both["height"].attrs["vendor_name_backward"] = "Z back"
    for way, called in (("forward", both["height"].attrs["vendor_name"]), ("backward", "Z back")):
        sharptip.write(both, tmp_path / f"{way}.zarr", channel="height", direction=way)
        about = sharptip.read(tmp_path / f"{way}.zarr")["height"].attrs
        assert about["vendor_name"] == called
        assert "vendor_name_backward" not in about
    assert both["height"].attrs["vendor_name_backward"] == "Z back"  # what was handed in stays


@pytest.mark.parametrize("name", ["a.gsf", "a.tif"])
def test_a_choice_is_never_made_for_anybody(name: str, both: xr.Dataset, tmp_path: Path) -> None:
    def refused(said: str, kind: type[Exception] = WriteError, scan: object = both, **options: object) -> None:
        with pytest.raises(kind, match=said):
            sharptip.write(scan, tmp_path / name, **options)

    refused("channel=: height, height_error")
    refused("direction=: forward, backward", channel="height")
    refused("no channel 'phase'; there are height, height_error", ChannelError, channel="phase")
    refused("no direction 'up'; it has forward, backward", ScanError, channel="height", direction="up")
    refused("only the direction forward", ScanError, channel="height_error", direction="backward")
    refused("no frame 6; .* 6 frames", ScanError, film(), frame=6)
    refused("in 2 scans", scan=[film(), film()])
    refused("no image", scan=force_map())
    refused("complex", scan=complex_image())
    refused("cannot hold", scan=scan_of(np.full((2, 2), 1e60), 1e-9))
    refused("cannot hold", scan=scan_of(np.full((2, 2), 1e-60), 1e-9))
    refused("for movies", scan=scan_of(np.ones((2, 2)), 1e-9), fps=3)
    assert list(tmp_path.glob(f"*{name[1:]}")) == []


def complex_image() -> xr.Dataset:
    return scan_of(np.ones((2, 2)) * 1j, 1e-9)


def test_what_is_lost_is_said(both: xr.Dataset, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"a\.gsf: .*more than 7 digits"):
        sharptip.write(both, tmp_path / "a.gsf", channel="height_error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sharptip.write(scan_of(made.surface(), 1e-9), tmp_path / "b.gsf")
        sharptip.write(scan_of(made.surface(), 1e-9), tmp_path / "b.tif")


@pytest.mark.parametrize("name", ["a.gsf", "a.tif"])
def test_an_unknown_size_stays_unknown(name: str, tmp_path: Path) -> None:
    sharptip.write(scan_of(made.surface(), None), tmp_path / name)
    assert sharptip.read(tmp_path / name, size="unknown").attrs["size"] == "unknown"
    with pytest.raises(sharptip.core.errors.ScaleError):
        sharptip.read(tmp_path / name)


def test_a_film_is_pages_with_times_and_a_size(tmp_path: Path) -> None:
    scan = film()
    sharptip.write(scan, tmp_path / "a.tif")
    back = sharptip.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(back["height"], scan["height"].astype("f4"))
    np.testing.assert_array_equal(back["time"], scan["time"])
    np.testing.assert_allclose(back["y"], scan["y"], rtol=1e-6)
    with tifffile.TiffFile(tmp_path / "a.tif") as theirs:
        assert len(theirs.pages) == 6
        assert theirs.imagej_metadata["unit"] == "nm"
        assert theirs.imagej_metadata["finterval"] == 0.25
        per_x, per_y = (theirs.pages[0].tags[f"{a}Resolution"].value for a in "XY")
        assert (per_x[1] / per_x[0], per_y[1] / per_y[0]) == pytest.approx((2, 4))
    sharptip.write(scan, tmp_path / "one.gsf", frame=2)
    np.testing.assert_array_equal(sharptip.read(tmp_path / "one.gsf")["height"], scan["height"][2].astype("f4"))


def test_curves_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sharptip.io.csv

    sharptip.write(force_map(), tmp_path / "a.csv")
    found = pd.read_csv(tmp_path / "a.csv")
    assert list(found) == ["curve", "sample", "force (N)", "segment", "deflection (m)", "length", "row"]
    assert len(found) == 6, "padding is no sample"
    np.testing.assert_array_equal(found["force (N)"], [*(np.arange(4) / 3e9), 0, 1e-9])
    assert list(found["segment"]) == ["0 approach"] * 2 + ["1 retract"] * 2 + ["0 approach", "1 retract"]
    assert list(found["row"]) == [0] * 4 + [1] * 2
    assert found["row"].dtype == found["length"].dtype == int  # 3 and not 3.0
    monkeypatch.setattr(sharptip.io.csv, "_ROWS", 1)  # curve by curve
    sharptip.write(force_map(), tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "a.csv").read_text()
    sharptip.write(force_map(), tmp_path / "c.csv", channel="force")
    assert list(pd.read_csv(tmp_path / "c.csv")) == ["curve", "sample", "force (N)", "length", "segment", "row"]


def test_counts_in_a_table_are_whole_numbers_beside_missing_ones_too(tmp_path: Path) -> None:
    lost = force_map()
    lost["row"][0] = np.nan
    sharptip.write(lost, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert [line.split(",")[-2:] for line in (lines[1], lines[5])] == [["4", ""], ["2", "1"]]


def test_a_large_table_is_told_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sharptip.io.csv

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sharptip.write(film(), tmp_path / "a.csv")
        monkeypatch.setattr(sharptip.io.csv, "_LARGE", 10_000)
        monkeypatch.setattr(sharptip.io.csv, "_fill", lambda file, *_: (file.write("x"), file.write(str(len(said)))))
        sharptip.write(film(), tmp_path / "b.csv")
    large = [str(w.message) for w in said if "rows" in str(w.message)]
    assert large == [f"{tmp_path / 'b.csv'}: a table of 1440 rows, about 0 MB; one frame, or .zarr, takes less room"]
    assert (tmp_path / "b.csv").read_text() == "x2"  # after the loss of the first, and this


def test_pixels_as_a_table(both: xr.Dataset, tmp_path: Path) -> None:
    sharptip.write(both, tmp_path / "a.csv")
    found = pd.read_csv(text_io.StringIO((tmp_path / "a.csv").read_text()))
    assert set(found) == {"y (m)", "x (m)", "height forward (m)", "height backward (m)", "height_error (V)"}
    expected = both["height"].sel(direction="backward").values.ravel()
    np.testing.assert_array_equal(found["height backward (m)"], expected)
    mixed = force_map().assign(height=film()["height"][0].drop_vars("time"))
    with pytest.raises(WriteError, match=r"choose one with channel=: .*height \(y, x\)"):
        sharptip.write(mixed, tmp_path / "b.csv")


def frames_of(path: Path) -> list[np.ndarray]:
    av = pytest.importorskip("av")
    with av.open(str(path)) as movie:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in movie.decode(video=0)]


@pytest.mark.parametrize(("name", "options", "rate"), [("a.mp4", {"speed": 2}, 8), ("a.gif", {"fps": 5}, 5)])
def test_a_movie_shows_the_film(name: str, options: dict, rate: float, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    told: list[tuple[int, int]] = []
    with pytest.warns(UserWarning, match="numbers themselves"):
        sharptip.write(film(), tmp_path / name, **options, tell=lambda _, done, of: told.append((done, of)))
    assert told == [(i, 6) for i in range(1, 7)]
    with av.open(str(tmp_path / name)) as movie:
        assert float(movie.streams.video[0].average_rate) == pytest.approx(rate, rel=0.01)
    frames = frames_of(tmp_path / name)
    assert len(frames) == 6
    # 20 × 12 pixels of 2 nm × 4 nm are 40 nm × 48 nm: 400 × 480 pixels of the movie, from (12, 12)
    assert frames[0].shape[:2] == (480 + 60, 400 + 24 + 116)
    for i, frame in enumerate(frames):
        image = frame[12 : 12 + 480, 12 : 12 + 400].sum(axis=2)
        spot = image[4 * 40 + 20, (3 + 2 * i) * 20 + 10]
        assert spot > 500, "the spot is bright"
        assert image[4 * 40 + 20, (3 + 2 * i) * 20 - 50] < 300, "left of it is dark"
        assert image[10 * 40, (3 + 2 * i) * 20] < 300
    under = [frame[12 + 480 + 4 :, :].sum(axis=2) for frame in frames]
    assert (under[0][24 - 6 : 24 + 2, 14:90] > 600).any(), "the scale bar"
    assert (under[0][:, 300:412] != under[3][:, 300:412]).any(), "the time goes on"
    right = frames[0][:, 400 + 24 :].sum(axis=2)
    assert right[40:60, 4:12].mean() > right[470:490, 4:12].mean() + 300, "the colours' scale, bright on top"


def test_what_is_no_movie_is_refused(tmp_path: Path) -> None:
    def refused(said: str, scan: xr.Dataset, **options: object) -> None:
        with pytest.raises(WriteError, match=said):
            sharptip.write(scan, tmp_path / "a.gif", **options)

    refused("holds a film", scan_of(made.surface(), 1e-9))
    refused("two words", film(), speed=1, fps=2)
    refused("between 0.001 and 240", film(), fps=1e4)
    refused("no finite", film().assign(height=film()["height"].copy(data=np.full((6, 12, 20), np.nan))))
    still = film().assign_coords(time=("time", np.zeros(6), {"units": "s"}))
    refused("known times", still, speed=1)
    assert list(tmp_path.iterdir()) == []


def test_lost_pixels_are_grey_and_odd_shapes_have_room(tmp_path: Path) -> None:
    scan = film().isel(y=slice(0, 1))
    scan["height"][:, 0, 7] = np.nan
    scan["y"].attrs["spacing"] = 4e-9
    sharptip.write(scan, tmp_path / "a.gif")
    frame = frames_of(tmp_path / "a.gif")[0]
    assert frame.shape[:2] == (120 + 60, 480 + 24 + 116)
    assert tuple(frame[12 + 10, 12 + 7 * 24 + 12]) == pytest.approx((110, 110, 110), abs=12)


@pytest.mark.parametrize("format", list(made.EXAMPLES))
def test_every_format_survives_netcdf(format: str, tmp_path: Path) -> None:
    read = sharptip.read(made.example(tmp_path, format), size="unknown")
    sharptip.write(read, tmp_path / "copy.nc")
    back = sharptip.read(tmp_path / "copy.nc")
    assert type(back) is type(read)
    assert read.identical(back)


def test_netcdf_gives_back_every_bit_and_others_open_it(tmp_path: Path) -> None:
    from tests.io.test_write import bits, rich

    scan = rich()
    scan.attrs |= {"large": 2**70, "list": [1, 2], "nul": "a\0b", "units": "x", "1 odd/name": 3, "long": "Å" * 10**6}
    sharptip.write(scan, tmp_path / "a.nc")
    bits(scan, sharptip.read(tmp_path / "a.nc"))
    theirs = xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf")
    for name in scan.data_vars:
        np.testing.assert_array_equal(theirs[name], scan[name])
    assert theirs["height"].attrs["units"] == "m"
    assert list(theirs["direction"].values) == ["forward", "backward"]
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"day": "monday"}), "/b/deep": rich(), "/a": film()})
    sharptip.write(tree, tmp_path / "b.nc")
    assert sharptip.read(tmp_path / "b.nc").identical(tree)
    assert set(xr.open_datatree(tmp_path / "b.nc", engine="h5netcdf").groups) == {"/", "/b", "/b/deep", "/a"}


def test_a_large_film_in_a_tiff_stays_there_until_a_frame_is_asked_for(tmp_path, monkeypatch):
    from sharptip.core.lazy import Lazy
    from sharptip.io import image

    sharptip.write(film(), tmp_path / "a.tif")
    whole = sharptip.read(tmp_path / "a.tif")
    monkeypatch.setattr(image, "_AT_ONCE", 0)
    (grid,) = sharptip.io.grids(tmp_path / "a.tif")[1]
    assert isinstance(grid.channels[0].data, Lazy)
    read = []
    pages = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage, "asarray", lambda page, *a, **k: read.append(page.index) or pages(page, *a, **k)
    )
    late = sharptip.read(tmp_path / "a.tif")
    assert read == []
    np.testing.assert_array_equal(late["height"].isel(time=4), whole["height"].isel(time=4))
    assert len(read) == 1
    xr.testing.assert_identical(late.load(), whole)
    cut = (tmp_path / "a.tif").read_bytes()[:-40]
    (tmp_path / "b.tif").write_bytes(cut)
    with pytest.raises(ReadError):
        sharptip.read(tmp_path / "b.tif")
