"""Files that end before their header says: what is whole is read, what is missing is said, and nothing is made up."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.io import make_files
from tests.io.files import bruker_force, createc, jpk_force, mdt, nanonis, nid, rhk, wsxm
from tests.io.parts import BY_POINT, assert_is_a_part, numbers
from tests.real import reals

import sharptip
import sharptip.io
from sharptip.core.errors import ReadError
from sharptip.core.grid import INCOMPLETE

MAKERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "sxm": (".sxm", make_files.sxm), "sxm_up": (".sxm", lambda path: make_files.sxm(path, up=True, both=True)),
    "bruker": (".spm", make_files.bruker), "bruker_wide": (".spm", lambda path: make_files.bruker(path, 4)),
    "bruker_volume": (".spm", bruker_force.volume), "mdt": (".mdt", mdt.images), "mdt_mda": (".mdt", mdt.mda),
    "createc": (".dat", lambda path: createc.image(path, lines=24)),
    "createc_integers": (".dat", lambda path: createc.image(path, kind="[Parameter]", bits=16, lines=24)),
    "createc_floats": (".dat", lambda path: createc.image(path, kind="[Paramet32]", lines=24)),
    "nid": (".nid", nid.image), "nid_curves": (".nid", nid.curves),
    "rhk": (".sm4", lambda path: rhk.rhk(path, listed_first=True)),
    "wsxm": (".stp", lambda path: wsxm.image(path, kind="double")),
    "wsxm_movie": (".mpp", wsxm.movie), "wsxm_spectroscopy": (".gsi", wsxm.spectroscopy),
    "nanonis_grid": (".3ds", lambda path: nanonis.grid(path, shape=(24, 40))),
}  # fmt: skip


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of so many lines that a cut leaves some and takes more than a few bytes."""
    for module in (make_files, createc, mdt, nid, nanonis, rhk, wsxm):
        monkeypatch.setattr(module, "NY", 24)
        monkeypatch.setattr(module, "NX", 40)


@pytest.mark.parametrize("format", MAKERS)
def test_what_is_whole_is_read_wherever_the_file_ends(format: str, tmp_path: Path, large: None) -> None:
    suffix, make = MAKERS[format]
    path = tmp_path / f"a{suffix}"
    make(path)
    data, whole = path.read_bytes(), sharptip.io.grids(path)[1]
    expected, had = numbers(whole), _finite(whole)
    shares = list[float]()
    for keep in np.linspace(0.02, 0.999, 60):
        path.write_bytes(data[: int(keep * len(data))])
        try:
            found = sharptip.io.grids(path)[1]
        except ReadError:
            assert not shares or keep > 0.98, "a longer piece is read where a shorter one was, but for a few bytes"
            continue
        if format == "createc_floats" and _finite(found) == had:
            continue  # spare lines behind all images are missing
        assert_is_a_part(found, expected, points=format in BY_POINT)
        shares.append(_finite(found) / had)
    assert len(shares) >= 5
    assert (np.diff(shares) >= 0).all(), "the more of the file, the more of the scan"
    assert shares[0] < 0.5
    assert shares[-1] > 0.6


def _finite(grids: list) -> int:
    return sum(int(np.isfinite(np.asarray(c.data)).sum()) for grid in grids for c in grid.channels)


def test_the_warning_names_the_file_and_what_of_it_is_there(tmp_path: Path, large: None) -> None:
    path = tmp_path / "a.sxm"
    make_files.sxm(path, both=True)
    data, line = path.read_bytes(), 4 * 40
    path.write_bytes(data[: len(data) - 24 * line - 5 * line - 3])  # without the last image and 5 lines and 3 bytes
    said = "18 of the 24 lines of Current forward are there; Current backward is missing"
    with pytest.warns(UserWarning, match=rf"a\.sxm: the file was cut off: 70\.8 % of it is there; Z is whole; {said}"):
        scan = sharptip.read(path)
    assert (scan["current"].dims, scan["current"].attrs["direction"]) == (("y", "x"), "forward")
    assert np.isfinite(scan["current"][:18]).all()
    assert np.isnan(scan["current"][18:]).all()
    assert np.isfinite(scan["height"]).all()


def test_a_file_without_a_whole_line_is_refused(tmp_path: Path, large: None) -> None:
    path = tmp_path / "a.sxm"
    make_files.sxm(path)
    data = path.read_bytes()
    start = data.index(b"\x1a\x04") + 2
    path.write_bytes(data[: start + 4 * 40])
    with pytest.warns(UserWarning, match="1 of the 24 lines of Z forward is there"):
        sharptip.read(path)
    path.write_bytes(data[: start + 4 * 40 - 1])
    with pytest.raises(ReadError, match="before the first line"):
        sharptip.read(path)


def test_a_few_missing_bytes_are_no_end(tmp_path: Path, large: None) -> None:
    """They may be missing anywhere, and then all numbers behind them are others."""
    path = tmp_path / "a.sxm"
    make_files.sxm(path)
    data = path.read_bytes()
    for damaged in (data[:-64], data[:-3000] + data[-2940:]):
        path.write_bytes(damaged)
        with pytest.raises(ReadError, match="so few are rather lost on the way"):
            sharptip.read(path)


def test_a_scan_that_was_stopped_says_so(tmp_path: Path) -> None:
    make_files.sxm(tmp_path / "a.sxm", lines_missing=2)
    with pytest.warns(UserWarning, match=r"a\.sxm: the scan was stopped: 4 of 6 lines were recorded"):
        scan = sharptip.read(tmp_path / "a.sxm")
    data = (tmp_path / "a.sxm").read_bytes()
    zeros = data.replace(struct.pack(">f", np.nan), bytes(4))  # other versions leave zeros in every image
    assert zeros != data
    (tmp_path / "b.sxm").write_bytes(zeros)
    with pytest.warns(UserWarning, match="4 of 6 lines"):
        again = sharptip.read(tmp_path / "b.sxm")
    for name in scan.data_vars:
        np.testing.assert_array_equal(scan[name], again[name])
        assert np.isnan(scan[name].isel(y=slice(4, 6))).all()
    createc.image(tmp_path / "a.dat", lines=3)
    with pytest.warns(UserWarning, match="3 of 5 lines"):
        assert sharptip.read(tmp_path / "a.dat").attrs["lines_recorded"] == 3
    nanonis.grid(tmp_path / "a.3ds", missing=5)
    with pytest.warns(UserWarning, match="the scan was stopped: 7 of 12 points were recorded"):
        sharptip.read(tmp_path / "a.3ds")


def test_a_whole_scan_says_nothing(tmp_path: Path, large: None) -> None:
    for format, (suffix, make) in MAKERS.items():
        make(tmp_path / f"{format}{suffix}")
        for grid in sharptip.io.grids(tmp_path / f"{format}{suffix}")[1]:
            assert INCOMPLETE not in grid.attrs


def test_a_line_of_zeros_in_one_channel_was_recorded(tmp_path: Path) -> None:
    make_files.sxm(tmp_path / "a.sxm")
    data = bytearray((tmp_path / "a.sxm").read_bytes())
    data[-4 * 8 :] = bytes(4 * 8)  # the last line of the current
    (tmp_path / "a.sxm").write_bytes(data)
    scan = sharptip.read(tmp_path / "a.sxm")
    assert INCOMPLETE not in scan.attrs
    assert (scan["current"][-1] == 0).all()


def test_images_that_do_not_follow_each_other_are_not_believed(tmp_path: Path, large: None) -> None:
    path = tmp_path / "a.spm"
    make_files.bruker(path)
    data = path.read_bytes()
    size = 24 * 40 * 2
    second = b"\\Data offset: %d" % (make_files.BRUKER_START + size)
    assert second in data
    path.write_bytes(data[: -size // 2].replace(second, second[:-1] + b"8"))
    with pytest.raises(ReadError, match="do not follow each other"):
        sharptip.read(path)
    path.write_bytes(data[:200] + data[400:])  # bytes lost from the header: all numbers begin too early
    with pytest.raises(ReadError):
        sharptip.read(path)


def test_counts_of_a_part_have_a_unit_where_the_header_says_what_all_of_them_span(tmp_path: Path, large: None) -> None:
    path = tmp_path / "a.stp"
    wsxm.image(path)
    data, whole = path.read_bytes(), sharptip.read(path)["height"].values
    path.write_bytes(data[:-500])
    with pytest.warns(UserWarning, match="17 of the 24 rows of the image"):
        assert sharptip.read(path)["height"].attrs["units"] == "arb"
    most, least = int(wsxm.counts().max()), int(wsxm.counts().min())
    known = b"[Miscellaneous]\r\n\r\n    Maximum: %d\r\n    Minimum: %d\r\n\r\n[Header end]" % (most, least)
    path.write_bytes(data[:-500].replace(b"[Header end]", known))
    with pytest.warns(UserWarning, match="17 of the 24 rows of the image"):
        height = sharptip.read(path)["height"].values
    assert np.isnan(height[:7]).all()
    np.testing.assert_array_equal(height[7:], whole[7:])


# --- archives ---------------------------------------------------------------------------------------------------------


class _Unseekable:
    """A file that cannot be gone back in: sizes stand behind the members then, as Java writes them."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def write(self, data: bytes) -> int:
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def streamed(source: Path, path: Path, order: Callable[[str], object] = lambda name: 0) -> list[zipfile.ZipInfo]:
    """The same archive with its sizes behind the members, in another order; returns the members."""
    target = _Unseekable(path)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:  # type: ignore[call-overload]
        for name in sorted(old.namelist(), key=order):
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
        members = new.infolist()
    target.file.close()
    assert all(member.flag_bits & 8 for member in members)
    return members


def test_a_map_whose_archive_was_cut_off_has_its_whole_curves(tmp_path: Path) -> None:
    jpk_force.force_map(tmp_path / "whole.jpk-force-map", image=False)
    path = tmp_path / "a.jpk-force-map"
    members = streamed(tmp_path / "whole.jpk-force-map", path, lambda name: "index" in name)  # what is shared first
    data, expected = path.read_bytes(), numbers(sharptip.io.grids(path)[1])
    start = {m.filename.split("/")[1]: m.header_offset for m in reversed(members) if m.filename.startswith("index")}
    directory = data.index(b"PK\1\2")
    for curves, keep in ((1, start["1"] + 60), (1, start["2"] - 20), (2, start["2"]), (3, start["3"] + 99)):
        path.write_bytes(data[:keep])
        found = sharptip.io.grids(path)[1]
        assert_is_a_part(found, expected)
        assert found[0].shape[0] == curves
        assert found[0].attrs["map_shape"] == [2, 3]
        assert f"{curves} of the map's 6 curves" in str(found[0].attrs[INCOMPLETE])
    path.write_bytes(data[: directory + 100])
    found = sharptip.io.grids(path)[1]
    assert found[0].attrs[INCOMPLETE] == (
        "the file was cut off: 5 of the map's 6 curves are there; of the archive the directory is missing"
    )
    for (_, _, values), channel in zip(expected, found[0].channels, strict=True):
        np.testing.assert_array_equal(np.asarray(channel.data), values)


def test_curves_without_what_they_share_are_refused(tmp_path: Path) -> None:
    """JPK writes the header with the scales behind all curves: without it nobody knows what the numbers mean."""
    jpk_force.force_map(tmp_path / "whole.jpk-force-map", image=False)
    path = tmp_path / "a.jpk-force-map"
    members = streamed(tmp_path / "whole.jpk-force-map", path)
    shared = next(m.header_offset for m in members if m.filename.startswith("shared"))
    path.write_bytes(path.read_bytes()[: shared + 60])
    with pytest.raises(ReadError, match=r"5 curves are whole, but shared-data/header\.properties"):
        sharptip.read(path)


def test_a_map_that_lacks_curves_says_how_many_it_has(tmp_path: Path) -> None:
    jpk_force.force_map(tmp_path / "a.jpk-force-map", image=False)
    with pytest.warns(UserWarning, match="the map was stopped, or a part of it was saved: 5 of the map's 6 curves"):
        sharptip.read(tmp_path / "a.jpk-force-map")


def test_a_damaged_member_of_a_cut_archive_is_refused(tmp_path: Path) -> None:
    jpk_force.old_force(tmp_path / "a.jpk-force")
    data = (tmp_path / "a.jpk-force").read_bytes()
    directory = data.index(b"PK\1\2")
    (tmp_path / "b.jpk-force").write_bytes(data[:directory] + data[directory : directory + 60])
    scan = sharptip.io.grids(tmp_path / "b.jpk-force")[1][0]
    assert "the directory is missing" in str(scan.attrs[INCOMPLETE])
    at = data.index(b"height.dat") + 20
    (tmp_path / "b.jpk-force").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 : directory + 60])
    height = sharptip.io.grids(tmp_path / "b.jpk-force")[1][0].channels[0]
    with pytest.raises(ReadError, match="checksum"):
        np.asarray(height.data)


# --- what people see --------------------------------------------------------------------------------------------------


def test_info_says_it(tmp_path: Path, large: None) -> None:
    make_files.sxm(tmp_path / "a.sxm")
    data = (tmp_path / "a.sxm").read_bytes()
    (tmp_path / "a.sxm").write_bytes(data[: len(data) // 2])
    about = sharptip.io.describe(tmp_path / "a.sxm")
    assert "the file was cut off" in json.loads(json.dumps(about))["scans"][0]["attrs"][INCOMPLETE]


REAL = ("**/*.sxm", "**/*.3ds", "vendor/createc/*.dat", "**/*.nid", "**/*.mdt", "hs_afm/*/*.001")


@pytest.mark.parametrize("pattern", REAL)
def test_real_files_cut_anywhere_give_what_is_there(pattern: str, tmp_path: Path) -> None:
    for source in reals(pattern)[:3]:
        data, expected = source.read_bytes(), numbers(sharptip.io.grids(source)[1])
        for share in (0.4, 0.7, 0.95):
            cut = tmp_path / source.name
            cut.write_bytes(data[: int(share * len(data))])
            try:
                found = sharptip.io.grids(cut)[1]
            except ReadError:
                assert source.name == "thermal.nid", "it has one line alone"
                continue
            assert_is_a_part(found, expected, points=source.suffix == ".3ds")
