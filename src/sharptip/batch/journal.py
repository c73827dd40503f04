"""What has been done, line by line, so that killed at any moment the same command goes on.

One JSON object per line: a run and its options (`run`), a place that is about to be written (`begun`), and what came
of a file (`file`). A line that a kill or a full disk cut off is passed over; what it was to say is done again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ..core.errors import WriteError
from ..core.files import make_folder, putting

NAME = "journal.jsonl"

Record = dict[str, Any]


class Full(WriteError):
    """Nothing more can be written at all."""


class Journal:
    """The journal of a folder of results. Raises WriteError where another run is at work in it, or the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.records: dict[str, Record] = {}  # file → what came of it last
        self.ours: dict[str, str] = {}  # place below the folder → the file whose result is, or was to be, there
        self.options: Record | None = None  # of the last run
        self.made: dict[str, Record] = {}  # place below the folder → the options that its result was made with
        self._runs: dict[str, Record] = {}
        make_folder(folder)
        with putting(self.path):
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 (closed with the run)
            _lock(self._file.fileno(), folder)
            self._file.seek(0)
            for line in self._file.read().splitlines():
                self._take(line)
            if self._file.tell() and not self._ends_whole():
                self._write(b"\n")

    def _ends_whole(self) -> bool:
        self._file.seek(-1, os.SEEK_END)
        return self._file.read(1) == b"\n"

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        if "run" in said:
            self.options = said["run"]
            self._runs[digest(said["run"])] = said["run"]
        elif "begun" in said:
            self.ours[said["target"]] = said["begun"]
        elif "file" in said:
            self.records[said["file"]] = said
            if said.get("status") == "cleaned" and said.get("options") in self._runs:
                self.made[said["target"]] = self._runs[said["options"]]

    def run(self, options: Record) -> None:
        """A run with these options begins."""
        self.options = options
        self._write(json.dumps({"run": options}).encode() + b"\n")

    def begun(self, file: str, target: str) -> None:
        """The result of a file is about to be put in its place, which is ours from now on."""
        self.ours[target] = file
        self._write(json.dumps({"begun": file, "target": target}).encode() + b"\n")

    def done(self, record: Record) -> None:
        self.records[record["file"]] = record
        self._write(json.dumps(record).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        try:
            written = self._file.write(line)
        except OSError as error:
            raise Full(error.strerror or str(error)) from error
        if written != len(line):
            raise Full(os.strerror(errno.ENOSPC))

    def close(self) -> None:
        self._file.close()


def digest(options: Record) -> str:
    """A short name for options."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:16]


def _lock(handle: int, folder: Path) -> None:
    """Held until the file is closed or the process is gone, however it went. Windows has no such lock; none is held."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WriteError(f"{folder}: another run is at work there; wait for it, or choose another --out") from None
