"""Nobody sees half a file, and a disk that refuses is one sentence with the next move."""

import errno
import os

import pytest

from sharptip.core.errors import WriteError
from sharptip.core.files import draft_beside, make_folder, putting, write_text, write_whole


def test_a_refusal_names_the_place_the_reason_and_the_next_move(tmp_path):
    for number, says in (
        (errno.EACCES, r"a\.nc: cannot be written \(Permission denied\); choose another place"),
        (errno.ENOSPC, r"a\.nc: cannot be written \(No space left on device\); make room, or choose another place"),
    ):
        with pytest.raises(WriteError, match=says), putting(tmp_path / "a.nc"):
            raise OSError(number, os.strerror(number))


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError, match=r"file: is a file and no folder; choose another place"):
        make_folder(tmp_path / "file")
    for write in (make_folder, lambda path: write_text(path, "y")):
        with pytest.raises(WriteError, match=r"deep/a: cannot be written: .*file is a file and no folder"):
            write(tmp_path / "file" / "deep" / "a")


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "before")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WriteError, match="make room"):
        write_whole(tmp_path / "a.txt", fail)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


def test_a_draft_lies_beside_its_place_and_is_gone_in_the_end(tmp_path):
    with draft_beside(tmp_path / "a.zarr") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(".a.zarr.")
        (folder / "x").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(WriteError, match="cannot be written"), draft_beside(tmp_path / "none" / "a.zarr"):
        pass
