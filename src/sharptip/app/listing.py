"""A folder's files as a table that fits the window: a line for each, or two where a line has no room.

A name too long for its column stands on a line of its own, so that the columns stay in line and names stay whole. What
goes into a file or another program has no window: there every column is as wide as it must be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len

_FORMAT, _SCANS, _AXES, _SIZE = 16, 5, 32, 20  # letters of the columns between the name and the channels
_BETWEEN = _FORMAT + 1 + _SCANS + 2 + _AXES + 1 + _SIZE + 1
_CHANNELS = 32  # letters that are left for the channels at least
_NAME = 12  # letters of the column of names at least; with less room a file gets two lines
_UNBOUNDED = 10**6


def width() -> int:
    """Letters of a line on the screen; as many as one likes where the output goes elsewhere. COLUMNS overrules it."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _UNBOUNDED
    except (OSError, ValueError):
        return _UNBOUNDED


class Listing:
    """The table: its head, and what it says of each file."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        longest = max((cell_len(printable(name)) for name in names), default=0)
        self.width = width
        self.name = max(len("file"), min(longest, width - _BETWEEN - 1 - _CHANNELS))
        self.narrow = width - _BETWEEN - 1 - _CHANNELS < min(_NAME, longest)

    def head(self) -> str:
        return "" if self.narrow else self._row("file", "format", "scans", "axes", "size", "channels")

    def of(self, name: str, found: dict[str, Any]) -> str:
        """A file, by its first scan, and what is not as it should be. `found` is what `io.describe` says."""
        from ..core.units import say

        scan, name = found["scans"][0], printable(name)
        n = len(found["scans"])
        shape = " × ".join(f"{n} {d}" for d, n in zip(scan["dims"], scan["shape"], strict=True))
        size = " × ".join(say(length, "m", 3) for length in scan["size_m"]) if scan["size_m"] else ""
        channels = list(dict.fromkeys(v["name"] for s in found["scans"] for v in s["variables"]))
        if self.narrow:
            about = "  " + ", ".join(filter(None, (found["format"], f"{n} scans" if n > 1 else "", shape, size)))
            fitting = _as_fit(channels, self.width - cell_len(about) - 2)
            return f"{name}\n{about}: {fitting}\n" + self._wrong(found)
        room = self.width - self.name - 1 - _BETWEEN
        return self._row(name, found["format"], str(n), shape, size, _as_fit(channels, room)) + self._wrong(found)

    def _row(self, name: str, format: str, scans: str, axes: str, size: str, channels: str) -> str:
        facts = f"{format:<{_FORMAT}} {scans:>{_SCANS}}  {axes:<{_AXES}} {size:<{_SIZE}} {channels}".rstrip()
        if cell_len(name) > self.name:
            return f"{name}\n{'':<{self.name}} {facts}\n"
        return f"{name}{' ' * (self.name - cell_len(name))} {facts}\n"

    def _wrong(self, found: dict[str, Any]) -> str:
        return "".join(f"  ! {said}\n" for scan in found["scans"] for said in what_is_wrong(scan))


def _as_fit(names: Sequence[str], room: int) -> str:
    """As many names as have room, and how many there are besides.

    >>> _as_fit(["height", "phase", "amplitude"], 40), _as_fit(["height", "phase", "amplitude"], 18)
    ('height, phase, amplitude', 'height and 2 more')
    """
    said = ", ".join(names)
    shown = len(names)
    while cell_len(said) > room and shown > 1:
        shown -= 1
        said = f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return said


def printable(said: str) -> str:
    """A file name that is no Unicode, with what cannot be shown written out."""
    return said.encode("utf-8", "backslashreplace").decode()


def what_is_wrong(scan: dict[str, Any]) -> list[str]:
    """What is not as it should be: stopped or cut off, not read, junk."""
    from ..core.grid import INCOMPLETE
    from ..core.marks import Mark, told

    attrs = scan["attrs"]
    said = [str(attrs[INCOMPLETE])] if INCOMPLETE in attrs else []
    said += [f"not read: {attrs[name]}" for name in ("unread", "unread_frames", "left_out") if attrs.get(name)]
    marks = told({m["frame"]: Mark(m["kind"], m["reason"]) for m in scan["marks"]})
    return [*said, *([marks] if marks else [])]
