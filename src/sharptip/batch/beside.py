"""What lies beside scans and is plainly none: licences, read-me files, programs, documents. Known by its name alone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ..core import registry

_NAMES = frozenset({
    "authors", "changelog", "citation", "contributing", "copying", "licence", "license", "makefile", "notice", "readme",
})  # fmt: skip
_TEXTS = ("", ".txt")  # endings of such files, whichever reader also has them
_KINDS = frozenset({
    ".md", ".rst", ".tex", ".bib", ".pdf", ".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".odp", ".xls", ".xlsx",
    ".ods", ".html", ".htm", ".css", ".js", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".py", ".pyc", ".ipynb",
    ".sh", ".bat", ".exe", ".dll", ".lnk", ".url", ".log", ".db", ".md5", ".sha256",
})  # fmt: skip


def is_no_scan(path: Path) -> bool:
    """Whether the name says that this is no scan. An ending that a reader has, built in or installed, never does.

    >>> is_no_scan(Path("LICENSE.MIT")), is_no_scan(Path("README.txt")), is_no_scan(Path("fit.py"))
    (True, True, True)
    >>> is_no_scan(Path("readme.sxm")), is_no_scan(Path("sample.txt")), is_no_scan(Path("sample.042"))
    (False, False, False)
    """
    first, ending = path.name.partition(".")[0].casefold(), path.suffix.casefold()
    if first in _NAMES and ending in _TEXTS:
        return True
    if ending in _endings() or ending[1:].isdigit():
        return False
    return first in _NAMES or ending in _KINDS


def said(names: Iterable[str], most: int = 3) -> str:
    """How many were passed over, and which.

    >>> said(["README.md", "fit.py"])
    '2 files passed over that are plainly no scans (README.md, fit.py)'
    """
    names = list(names)
    which = ", ".join(names[:most]) + (", …" if len(names) > most else "")
    return f"{len(names)} file{'s' * (len(names) != 1)} passed over that {_are(names)} ({which})"


def _are(names: list[str]) -> str:
    return "is plainly no scan" if len(names) == 1 else "are plainly no scans"


@cache
def _endings() -> frozenset[str]:
    """Every ending that files of a reader have."""
    return frozenset(e for name in registry.names("readers") for e in registry.get("readers", name).SUFFIXES)
