"""Files of force curves that belong to patients: a table (.csv) → examples for a Model, one for each scan of a file.

file      as the instrument wrote it; from the table's own folder where the path is not absolute
label     class of every curve in it
patient   optional: what must not be parted; without it the cell, without that the file
cell      optional
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import io
from ..core.errors import ReadError
from .recipe import Example

NEEDED = ("file", "label")


def table_of(path: str | Path, classes: Sequence[str]) -> list[Example]:
    """Truth `sick` is 1 for the second class and 0 for the first; files of other labels are left out.

    Truth also holds the names of the levels that the table has: `patient`, `cell`, `map` (the file). Raises ReadError
    naming what is amiss.
    """
    table = Path(path)
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            lines = [{k: (v or "").strip() for k, v in line.items() if k} for line in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReadError(f"{table}: cannot be read as a table ({error})") from None
    missing = [c for c in NEEDED if not lines or c not in lines[0]]
    if missing:
        raise ReadError(f"{table}: has no column {missing[0]!r}; it has {', '.join(lines[0]) if lines else 'no line'}")
    wanted = [line for line in lines if line["label"] in classes]
    if not wanted:
        known = ", ".join(sorted({line["label"] for line in lines}))
        raise ReadError(f"{table}: no file is {' or '.join(map(repr, classes))}; it labels {known}: say --set classes")
    return [example for line in wanted for example in _examples(table, line, list(classes))]


def _examples(table: Path, line: dict[str, str], classes: list[str]) -> list[Example]:
    file = table.parent / line["file"]
    levels = {"patient": line.get("patient", ""), "cell": line.get("cell", ""), "map": line["file"]}
    levels = {k: v for k, v in levels.items() if v}
    out = []
    for scan in io.scans(file):
        if "curve" not in scan.sizes:
            continue
        n = scan.sizes["curve"]
        truth = {"sick": np.full(n, float(classes.index(line["label"])))} | {
            k: np.full(n, v) for k, v in levels.items()
        }
        out.append(Example(scan, truth, next(iter(levels.values()))))
    if not out:
        raise ReadError(f"{file}: holds no force curves (curve, sample)")
    return out
