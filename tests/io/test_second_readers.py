"""The same files read by a second, independent reader: every number must agree to the last bit that the file gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.io import make_files as made
from tests.real import real, reals

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError

QUALITY = "labelled/scan_quality_ofdspm/*/*.ibw"


def ibw_agrees(path: Path) -> None:
    igor2 = pytest.importorskip("igor2.binarywave")
    wave = igor2.load(str(path))["wave"]
    scan = sharptip.read(path)
    data, head = wave["wData"], wave["wave_header"]
    nx, ny, n = data.shape
    assert (scan.sizes["y"], scan.sizes["x"]) == (ny, nx)
    assert scan["x"].values[1] == head["sfA"][0]
    assert scan["y"].values[1] == head["sfA"][1]
    images = [
        v.sel(direction=d) for v in scan.data_vars.values() if "direction" in v.dims for d in v["direction"].values
    ]
    images += [v for v in scan.data_vars.values() if "direction" not in v.dims]
    assert len(images) == n, "every layer is a channel"
    left = [data[:, ::-1, k].T for k in range(n)]
    for image in images:
        factor = np.float64(np.pi / 180) if image.attrs["units"] == "rad" else 1.0
        found = [k for k, layer in enumerate(left) if np.array_equal(layer * factor, image.values)]
        assert found, f"{image.name} is one of the layers"
        left.pop(found[0])


@pytest.mark.parametrize("order", ["<", ">"])
def test_igor2_reads_our_example_the_same(order: str, tmp_path: Path) -> None:
    made.ibw(tmp_path / "a.ibw", order)
    ibw_agrees(tmp_path / "a.ibw")


def test_igor2_reads_real_files_the_same() -> None:
    for path in [*reals(QUALITY), real("vendor", "asylum_ibw", "IgorIBWReader_ImageStack_BTFO_DSO.ibw")]:
        ibw_agrees(path)


def test_asylum_names_and_units_of_real_files() -> None:
    for path in reals(QUALITY):
        scan = sharptip.read(path)
        assert list(scan.data_vars)[:3] == ["height", "amplitude", "phase"]
        fourth = list(scan.data_vars)[3]
        assert (fourth, scan[fourth].attrs["units"]) in (("height_sensor", "m"), ("potential", "V"))
        assert scan["phase"].attrs["vendor_name"] == "PhaseRetrace", "what an older label left behind is cut off"
        assert scan["height"].attrs["direction"] == "backward"


def test_unfinished_asylum_scan_has_the_lines_it_has() -> None:
    path = real("labelled", "scan_quality_ofdspm", "bad", "H_90Cs10MA_0000.ibw")
    assert sharptip.io.describe(path)["scans"][0]["shape"] == [64, 256]


def gwy_agrees(path: Path) -> None:
    gwyfile = pytest.importorskip("gwyfile")
    channels = gwyfile.load(str(path))
    fields = {k: v for k, v in channels.items() if k.endswith("/data")}
    images: list[np.ndarray] = []
    for scan in sharptip.io.scans(path, size="unknown"):
        for v in scan.data_vars.values():
            images += list(v.values) if "direction" in v.dims else [v.values]
    for key, field in fields.items():
        factor = np.float64(np.pi / 180) if field["si_unit_z"]["unitstr"] == "deg" else 1.0
        assert any(np.array_equal(np.asarray(field.data) * factor, image) for image in images), f"{key} is read"


def test_gwyfile_reads_our_example_and_the_real_file_the_same(tmp_path: Path) -> None:
    made.gwy(tmp_path / "a.gwy")
    gwy_agrees(tmp_path / "a.gwy")
    path = real("vendor", "gwyddion", "PTO_110_Virgin0001.gwy")
    gwy_agrees(path)
    scan = sharptip.read(path)
    assert {n: v.attrs["units"] for n, v in scan.data_vars.items()} == {
        "height": "m", "amplitude": "m", "deflection": "m", "phase": "rad",
    }  # fmt: skip
    assert scan["x"].values[1] * 256 == pytest.approx(1.003921568627451e-05, rel=1e-15)


def test_real_simple_field() -> None:
    path = real("vendor", "gwyddion", "GwiddionReader_chip.gsf")
    scan = sharptip.read(path)
    raw = np.frombuffer(path.read_bytes()[-300 * 300 * 4 :], "<f4").reshape(300, 300)
    np.testing.assert_array_equal(scan["height"], raw)
    assert scan["x"].values[1] == 8e-05 / 300


def sxm_agrees(path: Path) -> None:
    nanonispy2 = pytest.importorskip("nanonispy2")
    other = nanonispy2.read.Scan(str(path))
    scan = sharptip.read(path)
    up = scan.attrs["slow_direction"] == "up"
    by_vendor = {v.attrs["vendor_name"]: v for v in scan.data_vars.values()}
    assert set(by_vendor) == set(other.signals)
    for name, ways in other.signals.items():
        v = by_vendor[name]
        factor = np.float64(np.pi / 180) if v.attrs["units"] == "rad" else 1.0
        for way in ("forward", "backward") if "direction" in v.dims else (v.attrs["direction"],):
            raw = np.asarray(ways[way])
            raw = (raw[::-1] if up else raw)[:, :: -1 if way == "backward" else 1]
            ours = v.sel(direction=way).values if "direction" in v.dims else v.values
            np.testing.assert_array_equal(ours, (raw * factor).astype(ours.dtype))
    pixels, extent = other.header["scan_pixels"], other.header["scan_range"]
    assert scan["x"].values[1] == extent[0] / pixels[0]
    assert scan["y"].values[1] == extent[1] / pixels[1]


@pytest.mark.parametrize("up", [False, True])
def test_nanonispy2_reads_our_example_the_same(up: bool, tmp_path: Path) -> None:
    made.sxm(tmp_path / "a.sxm", up, both=True)
    sxm_agrees(tmp_path / "a.sxm")


def test_nanonispy2_reads_real_files_the_same() -> None:
    for path in reals("vendor/nanonis/*.sxm"):
        sxm_agrees(path)


def test_backward_lines_of_real_scans_lie_on_the_forward_ones() -> None:
    """The physics behind the mirror: both ways show the same surface, so they must correlate, and mirrored not."""
    for name in ("Si_7x7_028", "probeflow_moire"):
        forward, backward = sharptip.read(real("vendor", "nanonis", f"{name}.sxm"))["height"].values.astype(float)
        forward, backward = (z - np.median(z, axis=1, keepdims=True) for z in (forward, backward))
        assert np.corrcoef(forward.ravel(), backward.ravel())[0, 1] > 0.4
        assert abs(np.corrcoef(forward.ravel(), backward[:, ::-1].ravel())[0, 1]) < 0.2


def test_tifffile_reads_the_real_jpk_pages_the_same() -> None:
    tifffile = pytest.importorskip("tifffile")
    path = real("vendor", "jpk", "sample_0.jpk")
    scan = sharptip.read(path)
    assert (scan.sizes["y"], scan.sizes["x"]) == (256, 256)
    assert scan["x"].values[1] == 3.2691651420070083e-07 / 256
    names = {"height": "height", "measuredHeight": "height_sensor", "amplitude": "amplitude", "phase": "phase",
             "error": "height_error"}  # fmt: skip
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages[1:]:
            ours = scan[names[page.tags[0x8050].value]]
            slots = {page.tags[0x8090 + 0x30 * k].value: 0x8090 + 0x30 * k for k in range(page.tags[0x8080].value)}
            slot = slots[page.tags[0x8081].value]
            values = page.asarray()[::-1] * page.tags[slot + 0x14].value + page.tags[slot + 0x15].value
            values = values * np.pi / 180 if page.tags[slot + 0x12].value == "deg" else values
            way = "backward" if page.tags[0x8051].value else "forward"
            np.testing.assert_allclose(ours.sel(direction=way), values, rtol=1e-14)


def test_real_bruker_image_and_the_protein_lattice_in_it() -> None:
    """Numbers from the header by hand; and the purple membrane's lattice (6.2 nm, hexagonal) in the phase image."""
    path = real("hs_afm", "NanoLocz_FastScan", "09261606.001")
    scan = sharptip.read(path)
    raw = np.frombuffer(path.read_bytes(), "<i2", 768 * 486, 40960).reshape(486, 768)[::-1]
    np.testing.assert_allclose(scan["height_sensor"], raw * (24.57563 / 65536 * 133.3501e-9), rtol=1e-13)
    raw = np.frombuffer(path.read_bytes(), "<i2", 768 * 486, 787456).reshape(486, 768)[::-1]
    np.testing.assert_allclose(scan["amplitude"], raw * (999.9847e-3 / 65536 * 20e-9), rtol=1e-13)
    assert scan["x"].values[1] == pytest.approx(100e-9 / 768, rel=1e-15)
    assert scan["y"].values[1] == pytest.approx(100e-9 / 486, rel=1e-15)
    assert {n: v.attrs["units"] for n, v in scan.data_vars.items()} == {
        "height_sensor": "m", "amplitude": "m", "phase": "rad",
    }  # fmt: skip
    peaks = lattice_peaks(scan["phase"].values, 100e-9)
    strongest = peaks[np.linalg.norm(peaks, axis=1) > 0.28e9][:3]
    assert np.linalg.norm(strongest, axis=1) * 6.2e-9 == pytest.approx(2.0, rel=0.1), "second order, 2/a for (1 1)"
    angles = np.sort(np.degrees(np.arctan2(strongest[:, 0], strongest[:, 1])) % 180)
    assert np.diff(angles) == pytest.approx(60, abs=8), "sixfold: neither axis is stretched"


def lattice_peaks(image: np.ndarray, extent: float) -> np.ndarray:
    """Frequencies (fy, fx) in 1/m of the strongest maxima of a square image's spectrum, one of each ± pair."""
    from scipy.ndimage import gaussian_filter

    z = image - np.median(image, axis=1, keepdims=True)
    z = z - gaussian_filter(z, 20)
    power = np.abs(np.fft.fft2(z * np.hanning(len(z))[:, None] * np.hanning(z.shape[1])))
    power[:2], power[-1], power[:, :2] = 0, 0, 0
    fy, fx = np.fft.fftfreq(len(z), extent / len(z)), np.fft.fftfreq(z.shape[1], extent / z.shape[1])
    power[(np.hypot(fy[:, None], fx) > 0.5e9) | (fx < 0)] = 0
    out = []
    for _ in range(8):
        i, j = np.unravel_index(power.argmax(), power.shape)
        out.append((fy[i], fx[j]))
        power[max(0, i - 3) : i + 4, max(0, j - 3) : j + 4] = 0
    return np.array(out)


def test_every_real_file_is_read_or_refused_with_one_line() -> None:
    """Whatever instrument wrote it, and whether or not it is ours to read."""
    for path in reals("vendor/*/*") + reals("hs_afm/*"):
        if path.is_dir():
            continue
        try:
            said = sharptip.io.describe(path)["scans"][0]["name"]
        except ReadError as error:
            said = str(error).removeprefix(str(path))
            if said == str(error):
                pytest.fail(f"the message does not name the file: {error}")
        assert said
        assert "\n" not in said


def test_pillow_and_numpy_read_real_pictures_and_arrays_the_same() -> None:
    from PIL import Image

    for path in reals("co_afm/exp_png_StyleTransAugment/*_1.png"):
        theirs = np.asarray(Image.open(path))
        ours = sharptip.read(path, size="unknown")["intensity"].values
        theirs = theirs if theirs.ndim == 2 else theirs[..., :3] @ [0.299, 0.587, 0.114]
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    path = real("labelled", "perovskite_PerovStats", "small_image_original.npy")
    np.testing.assert_array_equal(sharptip.read(path, size="unknown")["intensity"], np.load(path))


def test_real_stack_of_stm_images() -> None:
    path = real("labelled", "tip_state_HSi100", "hsi100_tip_state_96px.npz")
    stack = np.load(path)["images"]
    found = sharptip.io.frames(path, [0, 1803, 3609], size="unknown")
    for scan, i in zip(found, (0, 1803, 3609), strict=True):
        np.testing.assert_array_equal(scan["intensity"], stack[i])
    assert len(sharptip.io.grids(path, size="unknown")[1]) == 3610
