"""JPK force curves and maps: exact numbers from written archives, and afmformats on the real ones."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.io import make_files as images
from tests.io.files import jpk_force as made
from tests.real import real, reals

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.io import jpk_force, zipped
from sharptip.io.jpk_properties import coding, parse, parse_lines


def expected(curve: int, segments: tuple[int, ...], channel: str) -> np.ndarray:
    return np.concatenate([made.counts(curve, s, channel) for s in segments]).astype(float)


def volts(curve: int, segments: tuple[int, ...]) -> np.ndarray:
    return expected(curve, segments, "vDeflection") * made.VOLTS[0] + made.VOLTS[1]


def height(curve: int, segments: tuple[int, ...]) -> np.ndarray:
    v = expected(curve, segments, "height") * made.HEIGHT[0] + made.HEIGHT[1]
    return (v * made.NOMINAL[0] + made.NOMINAL[1]) * made.CALIBRATED


def test_one_curve_with_every_kind_of_channel(tmp_path: Path) -> None:
    made.force(tmp_path / "a.jpk-force")
    scan = sharptip.read(tmp_path / "a.jpk-force")
    parts = (0, 1, 2)
    np.testing.assert_allclose(scan["height"][0], height(0, parts), rtol=1e-14)
    np.testing.assert_allclose(scan["deflection"][0], volts(0, parts) * made.SENSITIVITY, rtol=1e-14)
    np.testing.assert_allclose(scan["force"][0], volts(0, parts) * made.SENSITIVITY * made.SPRING, rtol=1e-14)
    np.testing.assert_array_equal(scan["smoothed"][0], (expected(0, parts, "smoothed") * 1e-15).astype("f4"))
    sensor = scan["height_sensor"][0].values
    assert np.isnan(sensor[12:15]).all(), "the pause did not record it"
    stored = expected(0, (0, 2), "capacitiveSensorHeight")
    np.testing.assert_allclose(sensor[~np.isnan(sensor)], stored * made.SENSOR[0] + made.SENSOR[1] + 1e-4, rtol=1e-14)
    raster = [made.START + np.arange(n) * made.STEP for n in made.N]
    np.testing.assert_allclose(scan["series_time"][0], np.concatenate(raster), rtol=1e-14)
    assert (scan["aux"] == made.AUX).all()
    steps = [d / n for d, n in zip(made.DURATIONS, made.N, strict=True)]
    starts = np.cumsum([0, *made.DURATIONS[:2]])
    times = [start + np.arange(n) * step for start, n, step in zip(starts, made.N, steps, strict=True)]
    np.testing.assert_allclose(scan["time"][0], np.concatenate(times), rtol=1e-14)
    np.testing.assert_array_equal(scan["segment"][0], np.repeat([0, 1, 2], made.N))
    units = {name: v.attrs["units"] for name, v in scan.data_vars.items()}
    assert units == {
        "height": "m", "deflection": "m", "force": "N", "height_sensor": "m", "smoothed": "m", "series_time": "s",
        "aux": "V", "time": "s", "segment": "1", "length": "1", "tip_x": "m", "tip_y": "m",
    }  # fmt: skip
    assert json.loads(scan.attrs["segments"]) == ["approach", "pause", "retract"]
    assert scan.attrs["spring_constant"] == made.SPRING
    assert scan.attrs["sensitivity"] == made.SENSITIVITY
    assert (float(scan["tip_x"][0]), float(scan["tip_y"][0])) == (1e-6, -2e-6)
    assert scan["height"].attrs["vendor_name"] == "height"
    assert r"\u00B5 \: ok" in json.loads(scan.attrs["header"])["header.properties"], "verbatim"


def test_heights_fall_in_the_approach_and_rise_in_the_retract(tmp_path: Path) -> None:
    made.force(tmp_path / "a.jpk-force")
    scan = sharptip.read(tmp_path / "a.jpk-force")
    for name in ("height", "height_sensor"):
        z = scan[name][0].values
        assert z[11] < z[0], name
        assert z[-1] > z[15], name


def test_what_nobody_calibrated_stays_in_volts(tmp_path: Path) -> None:
    made.force(tmp_path / "a.jpk-force", calibrated=False)
    scan = sharptip.read(tmp_path / "a.jpk-force")
    assert scan["deflection"].attrs["units"] == "V"
    np.testing.assert_allclose(scan["deflection"][0], volts(0, (0, 1, 2)), rtol=1e-14)
    assert not {"force", "spring_constant", "sensitivity"} & {*scan, *scan.attrs}


def test_old_files_say_everything_in_every_segment(tmp_path: Path) -> None:
    made.old_force(tmp_path / "a.jpk-force")
    scan = sharptip.read(tmp_path / "a.jpk-force")
    stored = expected(0, (0, 2), "vDeflection") // 10**4
    distance = (stored * made.VOLTS[0] + made.VOLTS[1]) * made.SENSITIVITY
    np.testing.assert_allclose(scan["force"][0], distance * made.SPRING, rtol=1e-14)
    assert json.loads(scan.attrs["segments"]) == ["approach", "retract"]
    assert scan.attrs["spring_constant"] == made.SPRING


@pytest.mark.parametrize("kind", ["force-scan", "quantitative-imaging"])
def test_a_map_that_was_aborted(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path, kind)
    tree = sharptip.read(path)
    scan = tree["a"].to_dataset()
    measured = [0, 1, 2, 3, 5]
    assert scan.sizes == {"curve": 5, "sample": 21}
    assert list(scan["length"].values) == [21, 21, 20, 21, 12]
    for k, curve in enumerate(measured):
        segments = (0,) if curve == 5 else (0, 2)
        force = scan["force"].isel(curve=k).values
        n = int(scan["length"][k])
        np.testing.assert_allclose(force[:n], volts(curve, segments) * made.SENSITIVITY * made.SPRING, rtol=1e-14)
        assert np.isnan(force[n:]).all()
        x, y = made._position(kind, curve)
        assert float(scan["tip_x"][k]) == x
        assert float(scan["tip_y"][k]) == y
        # Row 0 is on top; the position in space, from the top left corner, is that of the row and the column.
        assert x == pytest.approx((float(scan["column"][k]) + 0.5) * 1e-7 - 1e-6, rel=1e-9)
        assert y == pytest.approx(2e-7 - (float(scan["row"][k]) + 0.5) * 1e-7 + 1e-6, rel=1e-9)
    assert scan.attrs["map_shape"] == [2, 3]
    image = tree["a_image"].to_dataset()
    np.testing.assert_array_equal(image["height"], images.jpk_counts()[:2] * images.JPK_LINE[0] + images.JPK_LINE[1])


def test_only_the_curves_asked_for_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path, image=False)
    scan, read = sharptip.read(path), []
    unpacked = zipped.Archive.read
    monkeypatch.setattr(zipped.Archive, "read", lambda *args: read.append(args[2]) or unpacked(*args))
    scan["force"].isel(curve=3).load()
    assert read
    assert all(name.startswith("index/3/") for name in read)


def test_no_reader_lists_the_members_of_a_map_to_know_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maps have hundreds of thousands of members; Python's zipfile takes seconds for them and a gigabyte."""
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path, image=False)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert sharptip.io.describe(path)["format"] == "jpk_force"


def test_a_large_map_is_not_read_just_to_be_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path, image=False)
    described = sharptip.io.describe(path)["scans"][0]["variables"]
    assert all(v["min"] is not None for v in described if v["name"] == "force")
    monkeypatch.setattr(sharptip.io, "RANGED_PARTS", 4)
    (force,) = [v for v in sharptip.io.describe(path)["scans"][0]["variables"] if v["name"] == "force"]
    assert force == {"name": "force", "units": "N", "min": None, "max": None, "missing": None}


def test_curves_travel_to_another_process_as_their_path(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path, image=False)
    force = next(c for c in sharptip.io.grids(path)[1][0].channels if c.name == "force")
    again = pickle.loads(pickle.dumps(force.data))
    np.testing.assert_array_equal(again[:], force.data[:])


def rewritten(path: Path, name: str, change: Any) -> None:
    """The archive with one member changed, its checksums right."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, content in members.items():
            archive.writestr(n, change(content) if n == name else content)


def test_a_sensitivity_that_changes_within_a_map_is_a_channel(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path, image=False)
    multiplier = b"lcd-info.1.conversion-set.conversion.distance.scaling.multiplier="

    def second(content: bytes) -> bytes:
        lines = [line for line in content.splitlines() if line.startswith(b"lcd-info.1.")]
        other = [line.replace(b"lcd-info.1.", b"lcd-info.6.") for line in lines]
        return content + b"\n".join(other).replace(b"6e-08", b"7e-08") + b"\n"

    rewritten(path, "shared-data/header.properties", second)
    assert multiplier + b"6e-08" in zipfile.ZipFile(path).read("shared-data/header.properties")
    for segment in (0, 1):
        name = f"index/2/segments/{segment}/segment-header.properties"
        rewritten(path, name, lambda c: c.replace(b"vDeflection.lcd-info.*=1", b"vDeflection.lcd-info.*=6"))
    scan = sharptip.read(path)
    np.testing.assert_array_equal(scan["sensitivity"], [6e-8, 6e-8, 7e-8, 6e-8, 6e-8])
    assert "sensitivity" not in scan.attrs
    n = int(scan["length"][2])
    np.testing.assert_allclose(scan["deflection"][2][:n], volts(2, (0, 2)) * 7e-8, rtol=1e-14)


def test_calibrations_places_and_durations_that_nobody_knows(tmp_path: Path) -> None:
    """JPK writes NaN for them: the file is read without them."""
    path = tmp_path / "a.jpk-force"
    made.force(path)
    spring = f"conversion.force.scaling.multiplier={made.SPRING!r}".encode()
    rewritten(path, "shared-data/header.properties", lambda c: c.replace(spring, spring.split(b"=")[0] + b"=NaN"))
    rewritten(path, "header.properties", lambda c: c.replace(b"position.x=1.0E-6", b"position.x=NaN"))
    rewritten(path, "segments/1/segment-header.properties", lambda c: c.replace(b"duration=0.3", b"duration=NaN"))
    scan = sharptip.read(path)
    assert scan["deflection"].attrs["units"] == "m"
    assert not {"force", "spring_constant"} & {*scan, *scan.attrs}
    assert np.isnan(scan["tip_x"][0])
    assert float(scan["tip_y"][0]) == -2e-6
    assert np.isfinite(scan["time"][0].values).sum() == made.N[0]


def test_numbers_that_were_exported_have_no_encoder(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force"
    made.force(path)
    lines = (b"lcd-info.1.encoder", b"lcd-info.1.type")

    def exported(content: bytes) -> bytes:
        kept = [line for line in content.splitlines() if not line.startswith(lines)]
        return b"\n".join([*kept, b"lcd-info.1.type=float-data"]) + b"\n"

    rewritten(path, "shared-data/header.properties", exported)
    for k in range(3):
        numbers = volts(0, (k,)).astype(">f4").tobytes()
        rewritten(path, f"segments/{k}/channels/vDeflection.dat", lambda _, numbers=numbers: numbers)
    scan = sharptip.read(path)
    np.testing.assert_allclose(scan["deflection"][0], volts(0, (0, 1, 2)) * made.SENSITIVITY, rtol=1e-6)
    assert coding({"type": "float-data", "conversion-set.conversions.base": "volts"}, "it").slots["volts"].unit == "V"


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force"
    made.force(path)
    rewritten(path, "segments/0/channels/height.dat", lambda c: c[:-8])
    scan = sharptip.read(path)  # the first file of a segment says how long it is, the second contradicts it
    with pytest.raises(ReadError, match=r"vDeflection.*12 samples, not 10"):
        scan["force"].load()
    made.force(path)
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("segments/0/channels/vDeflection.dat").header_offset
    whole[at + 70] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ReadError, match=r"vDeflection\.dat.*damaged"):
        sharptip.read(path)["force"].load()
    made.force(path)
    path.write_bytes(path.read_bytes() + b"stray")
    with pytest.raises(ReadError, match="bytes follow"):
        sharptip.read(path)


def test_an_archive_finds_every_member_and_no_other(tmp_path: Path) -> None:
    names = [f"index/{i}/segments/{i % 3}/channels/é{i}.dat" for i in range(500)]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i, name in enumerate(names):
            archive.writestr(name, str(i))
    members = zipped.archive(tmp_path / "a.zip")
    assert list(members) == names
    assert "index/0" not in members
    with (tmp_path / "a.zip").open("rb") as file:
        assert [members.read(file, name) for name in reversed(names)] == [str(i).encode() for i in range(499, -1, -1)]
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(names[7], "again")
    with pytest.raises(ReadError, match="a name twice"):
        zipped.archive(tmp_path / "a.zip")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force"
    made.force(path)
    rewritten(path, "segments/0/channels/vDeflection.dat", lambda c: bytes(2**20))
    whole = path.read_bytes()
    sized = whole.replace((2**20).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little"))
    assert sized != whole
    path.write_bytes(sized)
    with pytest.raises(ReadError, match="claims 2147483647 bytes"):
        sharptip.read(path)["force"].load()


def test_other_archives_are_not_taken_for_curves(tmp_path: Path) -> None:
    for names in (["data.txt"], ["index/0.txt", "header.txt"], ["arr_0.npy"]):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "x")
        assert not jpk_force.detect((tmp_path / "a.zip").read_bytes(), tmp_path / "a.zip")


def test_a_large_picture_before_everything_else_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path)
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        noise = np.random.default_rng(0).bytes(100_000)
        archive.writestr("data-image.unknown", noise)
        for name, content in members.items():
            archive.writestr(name, content)
    assert sharptip.io.describe(path)["format"] == "jpk_force"


def test_a_picture_that_is_not_understood_costs_no_curve(tmp_path: Path) -> None:
    path = tmp_path / "a.jpk-force-map"
    made.force_map(path)
    rewritten(path, "data-image.jpk-qi-image", lambda c: b"another kind of picture")
    scan = sharptip.read(path)
    assert "data-image.jpk-qi-image" in json.loads(scan.attrs["unread"])[0]
    assert np.isfinite(scan["force"].isel(curve=0)).all()


def test_encoders_and_computed_numbers() -> None:
    scale = {"scaling.type": "linear", "scaling.offset": "1", "scaling.multiplier": "2", "scaling.unit.unit": "V"}
    for kind, encoder, dtype in (
        ("short-data", "signedshort", ">i2"), ("memory-short-data", "unsignedshort-limited", ">u2"),
        ("short", "SignedShortWithValidity", ">i2"), ("memory-integer-data", "unsignedinteger", ">u4"),
        ("long-data", "signedlong", ">i8"),
    ):  # fmt: skip
        found = coding({"type": kind, "encoder.type": encoder} | {f"encoder.{k}": v for k, v in scale.items()}, "it")
        assert found.dtype == dtype
        assert found.slots[found.default].of(np.array([3])) == [7]
    assert coding({"type": "double", "unit.unit": "m"}, "it").dtype == ">f8"
    with pytest.raises(ReadError, match="'complex-data'"):
        coding({"type": "complex-data"}, "it")


def test_properties_as_java_writes_them() -> None:
    raw = b"#c\r\n! c\na\\=b=c\\n d\\\n   e\nq 5\nw:6\nt\t=\t7\nu=\\u00e9\\\\\\ \nk=\n  ind=1\nempty\n"
    assert parse(raw) == {"a=b": "c\n de", "q": "5", "w": "6", "t": "7", "u": "é\\ ", "k": "", "ind": "1", "empty": ""}


def test_lines_of_a_header_that_are_asked_for() -> None:
    raw = b"a=1\nchannel.x=2\r\nchannels.list=x y\nb.channel=3\n"
    assert parse_lines(raw, b"channel") == {"channel.x": "2", "channels.list": "x y"}
    assert parse_lines(raw + b"channel.y=4 \\\n  5\n", b"channel")["channel.y"] == "4 5", "a line that goes on"


# --- real files -------------------------------------------------------------------------------------------------------

CURVES = ("vendor/afmformats_force/*.jpk-*", "labelled/force_rating_nanite/curves/*.jpk-*")
COLUMNS = {"force": "force", "height (piezo)": "height", "height (measured)": "height_sensor", "time": "time"}


def afmformats_curves(path: Path, scan: Any) -> Any:
    """The same file read by afmformats, told the spring constant and sensitivity where the file has none."""
    afmformats = pytest.importorskip("afmformats")
    given = {"spring constant": 0.05, "sensitivity": 6e-8, "imaging mode": "force-distance"}
    missing = {k: v for k, v in given.items() if k.replace(" ", "_") not in scan.attrs and k != "imaging mode"}
    return afmformats.load_data(path, meta_override=missing or None), missing


def test_afmformats_reads_the_same_forces_heights_and_times() -> None:
    paths = [p for pattern in CURVES for p in reals(pattern)]
    for path in paths:
        scan = sharptip.io.scans(path)[0]
        theirs, missing = afmformats_curves(path, scan)
        assert len(theirs) == scan.sizes["curve"]
        for k, curve in enumerate(theirs):
            n = int(scan["length"][k])
            assert len(curve) == n
            ours = {name: scan[name][k].values[:n] for name in scan.data_vars if "sample" in scan[name].dims}
            if "force" not in ours:
                volts_or_metres = scan["deflection"].attrs["units"] == "V"
                ours["force"] = ours["deflection"] * 0.05 * (6e-8 if volts_or_metres else 1)
            for column, name in COLUMNS.items():
                np.testing.assert_allclose(ours[name], curve[column], rtol=1e-13, err_msg=f"{path} {name}")
            np.testing.assert_array_equal(ours["segment"], curve["segment"])
            for key in {"spring constant", "sensitivity"} - set(missing):
                assert scan.attrs[key.replace(" ", "_")] == pytest.approx(curve.metadata[key], rel=1e-12)


def test_real_files_that_lack_a_calibration_do_not_get_one() -> None:
    folder = "afmformats_force"
    scan = sharptip.read(real("vendor", folder, "fmt-jpk-cl_calibration_force-save-2015.02.04-11.25.21.294.jpk-force"))
    assert scan["deflection"].attrs["units"] == "V"
    assert not {"force", "sensitivity", "spring_constant"} & {*scan, *scan.attrs}
    scan = sharptip.read(real("vendor", folder, "fmt-jpk-fd_single-modified_2023.jpk-force"))
    assert scan["deflection"].attrs["units"] == "m", "a user took the spring constant away, not the sensitivity"
    assert scan.attrs["sensitivity"] == pytest.approx(8.932268680909602e-08)
    assert not {"force", "spring_constant"} & {*scan, *scan.attrs}


def test_real_heights_fall_in_the_approach_and_forces_end_at_their_baseline() -> None:
    """Physics instead of a second reader: the sign of the heights; repulsion is positive."""
    for path in [p for pattern in CURVES for p in reals(pattern)]:
        scan = sharptip.io.scans(path)[0]
        parts = json.loads(scan.attrs["segments"])
        for curve in range(scan.sizes["curve"]):
            one = scan.isel(curve=curve).load()
            for name in ("height", "height_sensor"):
                for k, part in enumerate(parts):
                    z = one[name].values[one["segment"].values == k]
                    if len(z) > 100 and part in ("approach", "retract"):
                        assert (z[-1] < z[0]) == (part == "approach"), f"{path} {name} {part}"
        if "bad" not in path.name and "modified" not in path.name and parts == ["approach", "retract"]:
            force = scan["deflection"][0].values
            contact = int(np.nanargmin(scan["height"][0].values))
            assert force[contact] > np.nanmedian(force), f"{path}: it is pushed upwards where it is lowest"


def test_real_map_positions_are_those_of_its_rows_and_columns() -> None:
    path = real("labelled", "force_rating_nanite", "curves", "fmt-jpk-fd_map1d_2016-11-07.jpk-force-map")
    scan = sharptip.io.scans(path)[0]
    height, width = scan.attrs["map_size"]
    ny, nx = scan.attrs["map_shape"]
    x = -0.00132906640625 + ((scan["column"] + 0.5) / nx - 0.5) * width
    y = -0.0015333046875000002 - ((scan["row"] + 0.5) / ny - 0.5) * height
    np.testing.assert_allclose(scan["tip_x"], x, rtol=1e-9)
    np.testing.assert_allclose(scan["tip_y"], y, rtol=1e-9)


def test_real_images_within_maps_agree_with_the_curves() -> None:
    """A map's own picture shows, at the pixel of a curve, the height where that curve reached its setpoint."""
    name = "fmt-jpk-fd_map1d_2016-11-07.jpk-force-map"
    curves, image = sharptip.io.scans(real("labelled", "force_rating_nanite", "curves", name))
    lowest, seen = curves["height"].min("sample").values, []
    for row, column in zip(curves["row"].values.astype(int), curves["column"].values.astype(int), strict=True):
        seen.append(float(image["height"][row, column]))
    np.testing.assert_allclose(seen, lowest, atol=5e-7, rtol=0)
    assert np.corrcoef(seen, lowest)[0, 1] > 0.99
    assert {n: v.attrs["units"] for n, v in image.data_vars.items()}["stiffness"] == "N/m"


def test_real_image_of_an_aborted_map_has_no_pixel_that_was_not_measured() -> None:
    path = real("labelled", "force_rating_nanite", "curves", "fmt-jpk-fd_map_bad_2013-05-27_1.jpk-force-map")
    image = sharptip.io.scans(path)[1]
    for name, values in image.data_vars.items():
        finite = np.isfinite(values.values)
        assert finite.sum() == 1, name
        assert finite[-1, 0], "the one curve of the map is its first, in the lower left corner"
    assert image["adhesion"].attrs["units"] == "N"
