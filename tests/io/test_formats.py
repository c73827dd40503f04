"""Every format read from files made by the published layouts: exact numbers, names, units, sizes, orientation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.io import make_files as made

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError, ScaleError
from sharptip.core.scan import check

SIZED = ("ibw", "bruker", "sxm", "jpk", "gwy", "gsf", "tiff", "zarr", "park")


def scans(path: Path) -> list:
    return sharptip.io.scans(path, size="unknown")


@pytest.mark.parametrize("format", list(made.EXAMPLES))
def test_every_example_is_a_scan_of_the_right_size(format: str, tmp_path: Path) -> None:
    first = scans(made.example(tmp_path, format))[0]
    check(first)
    if format in SIZED:
        np.testing.assert_allclose(first["y"].values, np.arange(made.NY) * 5e-8, rtol=1e-12)
        np.testing.assert_allclose(first["x"].values, np.arange(made.NX) * 5e-8, rtol=1e-12)
        assert first["x"].attrs["units"] == "m"
    elif first.attrs.get("size"):  # a film or a map of curves has its size in a test of its own
        assert first.attrs["size"] == "unknown"
        assert first["x"].attrs["units"] == "px"
    assert json.loads(first.attrs["history"])[0]["step"] == "read"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_igor_image(order: str, dtype: str, tmp_path: Path) -> None:
    made.ibw(tmp_path / "a.ibw", order, dtype)
    scan = sharptip.read(tmp_path / "a.ibw")
    layers = made.ibw_layers().astype(dtype)
    np.testing.assert_array_equal(scan["height"].sel(direction="forward"), layers[0])
    np.testing.assert_array_equal(scan["height"].sel(direction="backward"), layers[1])
    assert scan["height"].dtype == np.dtype(dtype)
    np.testing.assert_array_equal(scan["phase"], layers[2] * np.float64(np.pi / 180))
    assert scan["phase"].attrs["direction"] == "backward"
    assert scan["phase"].attrs["vendor_name"] == "PhaseRetrace"
    assert scan["phase"].attrs["vendor_units"] == "deg"
    assert list(scan.data_vars) == ["height", "phase", "height_sensor"]
    assert scan.attrs["slow_direction"] == "down"
    assert scan.attrs["name"] == "test_wave"
    assert "StartTemp: 24.5 °C" in json.loads(scan.attrs["header"])


@pytest.mark.parametrize("dtype", ["i2", "u1"])
def test_igor_integers_become_floats_of_the_same_value(dtype: str, tmp_path: Path) -> None:
    layers = np.arange(made.NY * made.NX).reshape(1, made.NY, made.NX)
    made.ibw(tmp_path / "a.ibw", dtype=dtype, layers=layers)
    values = sharptip.read(tmp_path / "a.ibw")["height"].values
    np.testing.assert_array_equal(values, layers[0])
    assert values.dtype == np.float32


def test_igor_wave_with_other_lengths_or_none(tmp_path: Path) -> None:
    made.ibw(tmp_path / "a.ibw", unit=b"mm")
    assert sharptip.read(tmp_path / "a.ibw")["x"].values[1] == made.WIDTH / made.NX * 1e-3
    made.ibw(tmp_path / "b.ibw", unit=b"")
    with pytest.raises(ScaleError, match="no physical size"):
        sharptip.read(tmp_path / "b.ibw")
    assert sharptip.read(tmp_path / "b.ibw", size=(3e-7, 8e-7))["x"].values[1] == 1e-7


@pytest.mark.parametrize("order", ["<", ">"])
def test_igor_curve_is_refused_by_name(order: str, tmp_path: Path) -> None:
    made.ibw_version_2(tmp_path / "a.ibw", order)
    with pytest.raises(ReadError, match="'curve' has one dimension"):
        sharptip.read(tmp_path / "a.ibw")


@pytest.mark.parametrize(("width", "header_width"), [(2, 2), (4, 4), (4, 2)])
def test_bruker_image(width: int, header_width: int, tmp_path: Path) -> None:
    """Counts of 2 bytes, of 4, and of 2 in numbers of 4 bytes, as version 9.2 writes where the scale is of 2 bytes."""
    made.bruker(tmp_path / "a.spm", width, header_width)
    scan = sharptip.read(tmp_path / "a.spm")
    counts = made.bruker_counts()
    metres = counts * (made.ZSCALE * made.ZSENS * 1e-9 / 65536)
    np.testing.assert_allclose(scan["height"].sel(direction="forward"), metres[0], rtol=1e-14)
    np.testing.assert_allclose(scan["height"].sel(direction="backward"), metres[1], rtol=1e-14)
    np.testing.assert_allclose(scan["amplitude"], counts[2] * (1000e-3 * 20e-9 / 65536), rtol=1e-14)
    assert scan["amplitude"].attrs["units"] == "m"
    assert scan.attrs["slow_direction"] == "down"
    assert "\\Phase unit: °" in json.loads(scan.attrs["header"])


@pytest.mark.parametrize("plotted", [0, 40])
def test_bruker_image_of_an_electrochemical_cell(plotted: int, tmp_path: Path) -> None:
    """Its header begins with another word and lists plots, which may hold nothing."""
    made.bruker(tmp_path / "a.spm", cell=plotted)
    scan = sharptip.read(tmp_path / "a.spm")
    np.testing.assert_allclose(scan["amplitude"], made.bruker_counts()[2] * (1000e-3 * 20e-9 / 65536), rtol=1e-14)
    assert scan.attrs.get("left_out") == ("EC AFM plot V vs. T list" if plotted else None)


def test_bruker_size_from_one_number_and_the_aspect_ratio(tmp_path: Path) -> None:
    made.bruker(tmp_path / "a.000", old=True)
    assert sharptip.io.describe(tmp_path / "a.000")["scans"][0]["size_m"] == pytest.approx([made.HEIGHT, made.WIDTH])


@pytest.mark.parametrize("up", [False, True])
def test_nanonis_scan_is_the_same_whichever_way_it_was_recorded(up: bool, tmp_path: Path) -> None:
    made.sxm(tmp_path / "a.sxm", up)
    scan = sharptip.read(tmp_path / "a.sxm")
    forward, backward, current = made.sxm_layers()
    np.testing.assert_array_equal(scan["height"].sel(direction="forward"), forward)
    np.testing.assert_array_equal(scan["height"].sel(direction="backward"), backward)
    np.testing.assert_array_equal(scan["current"], current)
    assert scan["height"].dtype == np.float32
    assert scan["current"].attrs["direction"] == "forward"
    assert scan.attrs["slow_direction"] == ("up" if up else "down")
    assert ":BIAS:\n            5.000E-1" in json.loads(scan.attrs["header"])


def test_nanonis_unfinished_scan_keeps_its_missing_lines(tmp_path: Path) -> None:
    made.sxm(tmp_path / "a.sxm", lines_missing=2)
    height = sharptip.read(tmp_path / "a.sxm")["height"].values
    assert np.isnan(height[:, -2:]).all()
    assert np.isfinite(height[:, :-2]).all()
    made.sxm(tmp_path / "a.sxm", lines_missing=made.NY)
    with pytest.raises(ReadError, match="no line"):
        sharptip.read(tmp_path / "a.sxm")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("reflect", [0, 1])
def test_jpk_image(order: str, reflect: int, tmp_path: Path) -> None:
    made.jpk(tmp_path / "a.jpk", order, reflect)
    scan = sharptip.read(tmp_path / "a.jpk")
    counts = made.jpk_counts()
    metres = counts[:2] * made.JPK_LINE[0] + made.JPK_LINE[1]
    np.testing.assert_array_equal(scan["height"], metres)
    np.testing.assert_array_equal(scan["height_error"], counts[2] * made.JPK_VOLTS[0] + made.JPK_VOLTS[1])
    assert scan["height_error"].attrs["units"] == "V"
    assert scan.attrs["slow_direction"] == "down"
    assert json.loads(scan.attrs["header"])[0]["0x8000"] == "6.0.41"


def test_gwyddion_channels_of_one_size_share_a_scan(tmp_path: Path) -> None:
    made.gwy(tmp_path / "a.gwy")
    tree = sharptip.read(tmp_path / "a.gwy")
    assert list(tree.children) == ["a", "a_2"]
    one, two = tree["a"].to_dataset(), tree["a_2"].to_dataset()
    np.testing.assert_array_equal(one["height"].sel(direction="forward"), made.surface(0))
    np.testing.assert_array_equal(one["height"].sel(direction="backward"), made.surface(1))
    np.testing.assert_array_equal(one["mask"], (np.arange(made.NY * made.NX) % 3 == 0).reshape(made.NY, made.NX))
    assert json.loads(one.attrs["header"])["channels"]["0"]["meta"] == {"Date": "2020-02-01", "Bias": "0.5 V"}
    expected = (made.surface(2)[:4, :5] * 1e9).astype("f8") * np.float64(np.pi / 180)
    np.testing.assert_array_equal(two["phase"], expected)
    assert two["x"].values[1] == made.WIDTH / 5


def test_gwyddion_without_a_lateral_unit_needs_a_size(tmp_path: Path) -> None:
    made.gwy(tmp_path / "a.gwy", unit_xy="")
    with pytest.raises(ScaleError, match="size="):
        sharptip.read(tmp_path / "a.gwy")
    assert sharptip.io.scans(tmp_path / "a.gwy", size=(3e-7, 4e-7))[0]["y"].values[1] == 3e-7 / made.NY


def test_simple_field(tmp_path: Path) -> None:
    made.gsf(tmp_path / "a.gsf")
    scan = sharptip.read(tmp_path / "a.gsf")
    np.testing.assert_array_equal(scan["height"], made.surface(0))
    assert scan["height"].dtype == np.float32
    made.gsf(tmp_path / "b.gsf", sized=False)
    with pytest.raises(ScaleError):
        sharptip.read(tmp_path / "b.gsf")
    assert sharptip.read(tmp_path / "b.gsf", size="unknown").attrs["size"] == "unknown"


@pytest.mark.parametrize("compressed", [False, True])
def test_tiff_says_its_size_only_through_a_microscope_s_metadata(compressed: bool, tmp_path: Path) -> None:
    made.tiff(tmp_path / "a.tif", compressed)
    scan = sharptip.read(tmp_path / "a.tif", channel="height", unit="um")
    np.testing.assert_array_equal(scan["height"], made.surface(0) * np.float64(1e-6))
    import tifffile

    tifffile.imwrite(tmp_path / "b.tif", made.surface(0), resolution=(300, 300), resolutionunit="INCH")
    with pytest.raises(ScaleError, match="no physical size"):
        sharptip.read(tmp_path / "b.tif")
    meta = {"PhysicalSizeX": 50.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.05, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "c.ome.tif", made.surface(0), metadata=meta)
    found = sharptip.io.describe(tmp_path / "c.ome.tif")["scans"][0]
    assert found["pixel_size_m"] == pytest.approx([5e-8, 5e-8], rel=1e-12)


def test_tiff_packed_with_lzw_and_stacks(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(made.surface(0)).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(sharptip.read(tmp_path / "a.tif", size="unknown")["intensity"], made.surface(0))
    import tifffile

    tifffile.imwrite(tmp_path / "b.tif", made.stack(), photometric="minisblack")
    found = scans(tmp_path / "b.tif")
    assert [s.attrs["name"] for s in found] == [f"b[{i}]" for i in range(5)]
    np.testing.assert_array_equal(found[3]["intensity"], made.stack()[3])


def test_png_and_its_dots_per_inch(tmp_path: Path) -> None:
    made.png(tmp_path / "a.png")
    with pytest.raises(ScaleError, match=r"size=\(height, width\)"):
        sharptip.read(tmp_path / "a.png")
    scan = sharptip.read(tmp_path / "a.png", size=(3e-7, 4e-7))
    np.testing.assert_array_equal(scan["intensity"], made.grey())
    assert scan["intensity"].attrs["units"] == "arb"
    assert scan["intensity"].dtype == np.float32, "arithmetic on bytes would wrap around"


def test_png_of_sixteen_bits_is_exact_or_refused(tmp_path: Path) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (made.NY, made.NX)).astype(np.uint16)
    made.png(tmp_path / "a.png", deep)
    np.testing.assert_array_equal(sharptip.read(tmp_path / "a.png", size="unknown")["intensity"], deep)
    made.png(tmp_path / "b.png", np.stack([deep] * 3, axis=-1))
    with pytest.raises(ReadError, match="16 bits"):
        sharptip.read(tmp_path / "b.png", size="unknown")


def test_colours_become_their_luminance_and_say_so(tmp_path: Path) -> None:
    from PIL import Image

    colours = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    scan = sharptip.read(tmp_path / "a.png", size="unknown")
    expected = 0.299 * colours[..., 0] + 0.587 * colours[..., 1] + 0.114 * colours[..., 2]
    np.testing.assert_allclose(scan["intensity"], expected, rtol=1e-12)
    assert "luminance" in scan.attrs["colour"]


@pytest.mark.parametrize("kind", ["f8", "f4", "u2", "i4", "?", ">f4", ">i2"])
def test_npy_of_every_number_type(kind: str, tmp_path: Path) -> None:
    values = (np.random.default_rng(1).normal(size=(5, 7)) * 100).astype(kind)
    np.save(tmp_path / "a.npy", values)
    read = sharptip.read(tmp_path / "a.npy", size=1e-6)["intensity"].values
    np.testing.assert_array_equal(read, values)
    assert read.dtype == (np.float64 if np.dtype(kind).itemsize in (8,) or kind == "i4" else np.float32)
    np.save(tmp_path / "f.npy", np.asfortranarray(values))
    np.testing.assert_array_equal(sharptip.read(tmp_path / "f.npy", size=1e-6)["intensity"], values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([[{}, 1], [2, 3]], dtype=object), "unpickled"),
        (np.zeros(5), "no image"),
        (np.zeros((0, 5)), "no image"),
        (np.array({"a": 1}, dtype=object), "unpickled"),
        (np.zeros((2, 2), "U3"), "no image"),
        (np.zeros((2, 2), [("a", "f4"), ("b", "U3")]), "no image"),
    ],
)
def test_npy_that_is_no_image(values: np.ndarray, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(ReadError, match=said):
        sharptip.read(tmp_path / "a.npy", size="unknown")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((32, 32, 3), r"shape \(32, 32, 3\) has 3 colours or channels last.*moveaxis\(array, -1, 0\)"),
        ((10, 48, 2), "2 colours or channels last"),
        ((36, 36, 6), "6 colours or channels last"),
        ((2, 3, 32, 32), "a map of 2 × 3 pixels, and looks like images of 32 × 32"),
        ((5, 32, 32, 3), "5 images with 3 colours last"),
        ((5, 64, 80, 3), "5 images with 3 colours last"),
    ],
)
def test_arrays_in_another_order_are_refused_by_their_shape(shape: tuple[int, ...], said: str, tmp_path: Path) -> None:
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, np.zeros(shape))
        with pytest.raises(ReadError, match=said):
            sharptip.read(tmp_path / name, size="unknown")


@pytest.mark.parametrize("shape", [(7, 5, 4), (3, 32, 32), (12, 12, 40), (9, 9, 2, 16, 5), (8, 8, 6, 2)])
def test_arrays_in_our_order_are_read(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    found = scans(tmp_path / "a.npy")
    assert (len(found), *found[0]["intensity"].shape) == (shape if len(shape) == 3 else (1, *shape))


def test_narrow_images_are_read_where_frames_are_asked_for(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(32, 32, 3))
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_array_equal(sharptip.read(tmp_path / "a.npy", size="unknown", frame=7)["intensity"], values[7])


def test_npz_is_a_stack_with_its_table_as_facts(tmp_path: Path) -> None:
    made.npz(tmp_path / "a.npz")
    found = scans(tmp_path / "a.npz")
    assert [s.attrs["name"] for s in found] == [f"images[{i}]" for i in range(5)]
    for i, scan in enumerate(found):
        np.testing.assert_array_equal(scan["intensity"], made.stack()[i])
    header = json.loads(found[0].attrs["header"])
    assert header["session"] == ["a", "a", "b", "b", "c"]
    assert header["score"] == np.arange(10.0).reshape(5, 2).tolist()
    picked = sharptip.io.frames(tmp_path / "a.npz", [3, 0, 3], size=(3e-7, 4e-7), channel="height", unit="nm")
    assert [s.attrs["frame"] for s in picked] == [3, 0, 3]
    np.testing.assert_array_equal(picked[0]["height"], made.stack()[3] * np.float64(1e-9))
    one = sharptip.read(tmp_path / "a.npz", size="unknown", frame=4)
    np.testing.assert_array_equal(one["intensity"], made.stack()[4])
    with pytest.raises(ReadError, match="no frame 5"):
        sharptip.read(tmp_path / "a.npz", size="unknown", frame=5)


def test_an_ibw_whose_end_was_cut_off_says_so(tmp_path: Path) -> None:
    made.ibw(tmp_path / "a.ibw")
    plain = (tmp_path / "a.ibw").read_bytes()
    whole = plain + bytes(range(200)) * 3 + b"IsImage:1;IsARDF:0; 0316 MFP3D"
    for data, cut in ((plain, False), (whole, False), (whole[:-1], True), (whole[: len(plain) + 9], True)):
        (tmp_path / "a.ibw").write_bytes(data)
        (grid,) = sharptip.io.grids(tmp_path / "a.ibw")[1]
        assert ("the file was cut off" in grid.attrs.get("incomplete", "")) is cut
