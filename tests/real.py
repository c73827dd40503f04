"""Where real measured files are, for tests that want them: never part of the project, so such a test may skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """The folder of real files: $SHARPTIP_DATA, or shared/data beside the project."""
    return Path(os.environ.get("SHARPTIP_DATA") or ROOT.parent / "shared" / "data")


def real(*parts: str) -> Path:
    """One real file; skips the test, with the reason, where it is not here."""
    path = folder().joinpath(*parts)
    if not path.exists():
        pytest.skip(f"real file {'/'.join(parts)} is not here (set SHARPTIP_DATA to the folder that holds it)")
    return path


def reals(pattern: str) -> list[Path]:
    """Every real file that matches a pattern; skips the test where there is none."""
    found = sorted(folder().glob(pattern))
    if not found:
        pytest.skip(f"no real file matches {pattern} (set SHARPTIP_DATA to the folder that holds them)")
    return found
