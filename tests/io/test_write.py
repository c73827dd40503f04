"""What is written comes back: bit for bit from zarr, number for number from .gwy, and never half of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.io import make_files as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError, ScanError, WriteError
from sharptip.core.scan import scan_of


def bits(one: xr.Dataset, two: xr.Dataset) -> None:
    """Identical to the last bit: names, order, dims, types, NaN payloads, attributes of everything."""
    assert one.identical(two)
    assert list(one.data_vars) == list(two.data_vars)
    assert list(one.coords) == list(two.coords)
    for name in one.variables:
        assert one[name].dtype == two[name].dtype
        assert one[name].dims == two[name].dims
        assert one[name].values.tobytes() == two[name].values.tobytes()
    assert list(one.attrs.items()) == list(two.attrs.items())


def rich() -> xr.Dataset:
    """A scan with everything that could get lost: types, NaN, a text axis, a film, ragged curves, odd attributes."""
    scan = scan_of(made.surface(0), 0.1e-9, name="rich")
    values = np.full((2, made.NY, made.NX), np.nan)
    values[0] = 1 / 3
    values.view(np.uint64)[1, 0, 0] = 0x7FF8000000000123  # a NaN that carries a number
    scan["current"] = (("direction", "y", "x"), values, {"units": "A", "vendor_name": "I µ°"})
    scan = scan.assign_coords(direction=("direction", ["forward", "backward"], {"units": "1"}))
    scan["mask"] = (("y", "x"), np.eye(made.NY, made.NX, dtype=bool), {"units": "1"})
    scan["force"] = (
        ("curve", "sample"),
        np.arange(6, dtype="f4").reshape(2, 3),
        {"units": "N", "spring": [1.5, None]},
    )
    scan["spectrum"] = (("y", "x"), made.surface(0) * (1 + 2j), {"units": "1"})
    scan["setpoint"] = ((), np.float64(0.1) + 0.2, {"units": "V", "flag": True, "n": 3})
    scan = scan.assign_coords(time=("time", np.array([0.0, 0.1 + 0.2]), {"units": "s"}))
    scan["drift"] = (("time",), np.array([-0.0, 1e-300]), {"units": "m"})
    scan.attrs |= {"nested": {"a": [1, 2.5, "x"]}, "nothing": None, "unicode": "Å ✓", "empty": ""}
    return scan


def test_zarr_gives_back_every_bit(tmp_path: Path) -> None:
    scan = rich()
    before = scan.copy(deep=True)
    sharptip.write(scan, tmp_path / "a.zarr")
    bits(scan, sharptip.read(tmp_path / "a.zarr"))
    assert before.identical(rich()), "what was handed in is as it was"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(width=32),
    ),
    pixel=st.floats(1e-12, 1e-3),
    note=st.text(max_size=20),
)
def test_zarr_gives_back_any_image(values: np.ndarray, pixel: float, note: str, tmp_path: Path) -> None:
    scan = scan_of(values, pixel)
    scan.attrs["header"] = note
    sharptip.write(scan, tmp_path / "a.zarr")
    bits(scan, sharptip.read(tmp_path / "a.zarr"))


@pytest.mark.parametrize("format", list(made.EXAMPLES))
def test_every_format_survives_zarr(format: str, tmp_path: Path) -> None:
    read = sharptip.read(made.example(tmp_path, format), size="unknown")
    sharptip.write(read, tmp_path / "copy.zarr")
    back = sharptip.read(tmp_path / "copy.zarr")
    assert type(back) is type(read)
    assert read.identical(back)
    if isinstance(read, xr.Dataset):
        bits(read, back)


def test_a_tree_keeps_its_shape(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"day": "monday"}), "/b/deep": rich(), "/a": scan_of(made.surface(), 1e-9)}
    )
    sharptip.write(tree, tmp_path / "a.zarr")
    back = sharptip.read(tmp_path / "a.zarr")
    assert [n.path for n in back.subtree] == [n.path for n in tree.subtree]
    assert back.identical(tree)
    assert len(sharptip.io.scans(tmp_path / "a.zarr")) == 2


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_several_scans_are_called_after_themselves(suffix: str, tmp_path: Path) -> None:
    names = ["Topography (fwd) 1/2", "", "topography_fwd 1_2", "..", "試料 7", "zarr.json", "x" * 300]
    scans = [scan_of(np.full((2, 3), float(i)), 1e-9, name=name) for i, name in enumerate(names)]
    sharptip.write(scans, tmp_path / f"a{suffix}")
    tree = sharptip.read(tmp_path / f"a{suffix}")
    called = ["Topography_fwd_1_2", "scan_1", "topography_fwd_1_2_2", "scan_3", "試料_7", "zarr.json_5", "x" * 80]
    assert list(tree.children) == called
    assert [float(node["height"][0, 0]) for node in tree.children.values()] == [*range(7)], "each is what it was"
    back = sharptip.io.scans(tmp_path / f"a{suffix}")
    assert [one.attrs["name"] for one in back] == names
    assert float(sharptip.io.one_scan(back, "試料 7")["height"][0, 0]) == 4


def test_a_store_with_the_names_of_before_is_read(tmp_path: Path) -> None:
    """Stores written before scans gave nodes their names have scan_0, scan_1 …"""
    old = xr.DataTree.from_dict({f"/scan_{i}": scan_of(np.full((2, 3), float(i)), 1e-9, name="a") for i in range(3)})
    sharptip.write(old, tmp_path / "a.zarr")
    assert list(sharptip.read(tmp_path / "a.zarr").children) == ["scan_0", "scan_1", "scan_2"]
    assert float(sharptip.io.scans(tmp_path / "a.zarr")[2]["height"][0, 0]) == 2


def test_any_zarr_reader_opens_the_store(tmp_path: Path) -> None:
    scan = scan_of(made.surface(), 1e-9)
    sharptip.write(scan, tmp_path / "a.zarr")
    theirs = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    np.testing.assert_array_equal(theirs["height"], scan["height"])
    np.testing.assert_array_equal(theirs["x"], scan["x"])


def test_a_large_array_is_cut_into_chunks_without_padding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sharptip.io import store

    monkeypatch.setattr(store, "CHUNK", 4096)
    scan = scan_of(np.random.default_rng(0).normal(size=(97, 60)), 1e-9)
    sharptip.write(scan, tmp_path / "a.zarr")
    bits(scan, sharptip.read(tmp_path / "a.zarr"))
    monkeypatch.setattr(store, "CHUNK", 97 * 60)
    wide = scan_of(np.random.default_rng(0).normal(size=(96, 60)), 1e-9)
    sharptip.write(wide, tmp_path / "b.zarr")
    assert len(list((tmp_path / "b.zarr" / "height" / "c").rglob("*"))) > 2
    bits(wide, sharptip.read(tmp_path / "b.zarr"))


def test_attributes_edited_by_hand_are_noticed(tmp_path: Path) -> None:
    sharptip.write(scan_of(made.surface(), 1e-9), tmp_path / "a.zarr")
    meta = tmp_path / "a.zarr" / "height" / "zarr.json"
    text = meta.read_text()
    assert '"units": "m"' in text
    meta.write_text(text.replace('"units": "m"', '"units": "V"'))
    with pytest.raises(ReadError, match="checksum"):
        sharptip.read(tmp_path / "a.zarr")


@pytest.mark.parametrize("format", ["ibw", "bruker", "sxm", "jpk", "gsf", "tiff", "png", "npy", "zarr"])
def test_every_format_survives_gwy(format: str, tmp_path: Path) -> None:
    read = sharptip.read(made.example(tmp_path, format), size="unknown")
    sharptip.write(read, tmp_path / "copy.gwy")
    back = sharptip.read(tmp_path / "copy.gwy", size="unknown")
    assert set(back.data_vars) == set(read.data_vars)
    for name in read.data_vars:
        np.testing.assert_array_equal(back[name], read[name])
        assert back[name].dims == read[name].dims
        assert back[name].attrs["units"] == read[name].attrs["units"]
        assert back[name].attrs["vendor_name"] == read[name].attrs["vendor_name"]
    np.testing.assert_allclose(back["x"], read["x"], rtol=1e-14)
    for key in ("history", "header", "name"):
        assert back.attrs[key] == read.attrs[key]


def test_gwyfile_opens_what_we_write(tmp_path: Path) -> None:
    gwyfile = pytest.importorskip("gwyfile")
    scan = sharptip.read(made.example(tmp_path, "jpk"))
    scan["mask"] = (("y", "x"), np.eye(made.NY, made.NX), {"units": "1"})
    sharptip.write(scan, tmp_path / "a.gwy")
    container = gwyfile.load(str(tmp_path / "a.gwy"))
    titles = [container[f"/{i}/data/title"] for i in range(3)]
    assert titles == ["height [forward]", "height [backward]", "height_error [forward]"]
    field = container["/1/data"]
    np.testing.assert_array_equal(field.data, scan["height"].sel(direction="backward"))
    assert (field.xreal, field.yreal) == pytest.approx((made.WIDTH, made.HEIGHT), rel=1e-14)
    assert str(field.si_unit_xy.unitstr) == "m"
    assert str(container["/2/data"].si_unit_z.unitstr) == "V"
    np.testing.assert_array_equal(container["/0/mask"].data, np.eye(made.NY, made.NX))
    assert container["/0/meta"]["sharptip history"] == scan.attrs["history"]


def test_scans_of_several_sizes_share_one_gwy_container(tmp_path: Path) -> None:
    made.gwy(tmp_path / "a.gwy")
    tree = sharptip.read(tmp_path / "a.gwy")
    sharptip.write(tree, tmp_path / "b.gwy")
    back = sharptip.io.scans(tmp_path / "b.gwy")
    assert [s.sizes["x"] for s in back] == [8, 5]
    np.testing.assert_array_equal(back[0]["mask"], tree["a"]["mask"])


def film(n: int = 3) -> xr.Dataset:
    """A film with two channels, one of them both ways, of which pixels are lost."""
    frames = np.stack([made.surface(0) * (i + 1) for i in range(n)])
    frames[1, 2:4, 1] = np.nan
    scan = scan_of(made.surface(), 1e-9, name="f").drop_vars("height")
    scan = scan.assign_coords(time=("time", np.arange(n) * 0.5 + 0.25, {"units": "s"}))
    scan = scan.assign_coords(direction=("direction", ["forward", "backward"], {"units": "1"}))
    scan["height"] = (("time", "y", "x"), frames, {"units": "m", "vendor_name": "Z", "gain": 2.5})
    both = np.stack([frames, -frames]) * 1e3
    scan["current"] = (("direction", "time", "y", "x"), both, {"units": "A", "vendor_name": "I"})
    scan.attrs |= {"setpoint": 0.7}
    return scan


def test_a_film_comes_back_from_gwy_with_its_times_directions_and_lost_pixels(tmp_path: Path) -> None:
    scan = film()
    sharptip.write(scan, tmp_path / "a.gwy")
    back = sharptip.read(tmp_path / "a.gwy")
    assert list(back.data_vars) == ["height", "current"]
    for name in scan.variables:
        assert back[name].dims == scan[name].dims
        np.testing.assert_array_equal(back[name], scan[name])
        assert dict(back[name].attrs) == dict(scan[name].attrs)
    assert back.attrs["setpoint"] == 0.7


def test_gwyddion_sees_frames_with_their_times_and_masks_where_pixels_are_lost(tmp_path: Path) -> None:
    scan = film()
    sharptip.write(scan, tmp_path / "a.gwy")
    container = pytest.importorskip("gwyfile").load(str(tmp_path / "a.gwy"))
    titles = [container[f"/{i}/data/title"] for i in range(9)]
    assert titles[:2] == ["height [frame 0, 0.25 s]", "height [frame 1, 0.75 s]"]
    assert titles[8] == "current [backward] [frame 2, 1.25 s]"
    gone = np.isnan(scan["height"].values[1])
    assert np.isfinite(container["/1/data"].data).all()
    np.testing.assert_array_equal(container["/1/mask"].data, gone)
    assert "/0/mask" not in container


def test_axes_of_a_map_come_back_from_gwy_in_their_order(tmp_path: Path) -> None:
    scan = scan_of(made.surface(), 1e-9)
    values = np.random.default_rng(0).normal(size=(*made.surface().shape, 2, 3))
    axes = {"bias": np.array([-1.5, 0.1]), "frequency": np.array([1e3, 2e3, 5e3])}
    scan = scan.assign_coords({k: (k, v, {"units": u}) for (k, v), u in zip(axes.items(), ("V", "Hz"), strict=True)})
    scan["current"] = (("y", "x", "bias", "frequency"), values, {"units": "A"})
    sharptip.write([scan, scan], tmp_path / "a.gwy")
    for back in sharptip.io.scans(tmp_path / "a.gwy"):
        assert back["current"].dims == ("y", "x", "bias", "frequency")
        np.testing.assert_array_equal(back["current"], values)
        np.testing.assert_array_equal(back["bias"], axes["bias"])
        assert back["frequency"].attrs["units"] == "Hz"


def test_frames_that_were_deleted_or_copied_in_gwyddion_leave_the_rest_a_film(tmp_path: Path) -> None:
    gwyfile = pytest.importorskip("gwyfile")
    sharptip.write(film()[["height"]], tmp_path / "a.gwy")
    container = gwyfile.load(str(tmp_path / "a.gwy"))
    for part in ("data", "data/title", "meta"):
        container[f"/7/{part}"] = container[f"/2/{part}"]
        del container[f"/0/{part}"]
    gwyfile.objects.GwyContainer.tofile(container, str(tmp_path / "b.gwy"))
    back = sharptip.read(tmp_path / "b.gwy")
    np.testing.assert_array_equal(back["time"], [0.75, 1.25])
    np.testing.assert_array_equal(back["height"], film()["height"].isel(time=[1, 2]))
    np.testing.assert_array_equal(back["height_2"], film()["height"].isel(time=2))


def broken_scans() -> list[tuple[object, str, type[Exception], str]]:
    good = scan_of(made.surface(), 1e-9)
    uneven = good.assign_coords(x=("x", np.arange(made.NX) ** 2 * 1e-9, {"units": "m"}))
    odd = good.copy()
    odd.attrs["thing"] = object()
    dated = good.assign(height=good["height"].astype(object))
    return [
        (good.drop_attrs(), "a.zarr", ScanError, "promise"), (good, "a.png", WriteError, "'.png'|as .zarr or .gwy"),
        (good, "no/such/a.zarr", WriteError, "no folder"), (uneven, "a.gwy", WriteError, "evenly spaced"),
        (odd, "a.zarr", WriteError, "JSON"), (dated, "a.zarr", WriteError, "object"),
        ([], "a.gwy", WriteError, "no scan"),
        (good.assign(height=good["height"] * (1 + 1j)), "a.gwy", WriteError, "complex"),
    ]  # fmt: skip


@pytest.mark.parametrize(("scan", "name", "kind", "said"), broken_scans())
def test_what_cannot_be_written_leaves_nothing(
    scan: object, name: str, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        sharptip.write(scan, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".zarr", ".gwy"])
def test_a_failure_half_way_leaves_the_old_file(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = scan_of(made.surface(0), 1e-9)
    path = tmp_path / f"a{suffix}"
    sharptip.write(old, path)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace" if suffix == ".gwy" else "sharptip.io.zarr._store", full)
    with pytest.raises(WriteError, match="no space left"):
        sharptip.write(scan_of(made.surface(1), 1e-9), path)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    np.testing.assert_array_equal(sharptip.read(path)["height"], old["height"])


def test_a_folder_that_is_no_store_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis.txt").write_text("dear")
    with pytest.raises(WriteError, match="not overwritten"):
        sharptip.write(scan_of(made.surface(), 1e-9), tmp_path / "a.zarr")
    assert (tmp_path / "a.zarr" / "thesis.txt").read_text() == "dear"


def test_what_is_no_scan_is_not_written_and_named(tmp_path: Path) -> None:
    scan = scan_of(np.zeros((4, 5)), 1e-9)
    for thing, kind in ((np.zeros((4, 5)), "ndarray"), (scan["height"], "DataArray"), (3, "int"), ([scan, 3], "int")):
        with pytest.raises(ScanError, match=f"this is a {kind}; make one of an array with scan_of"):
            sharptip.write(thing, tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []
