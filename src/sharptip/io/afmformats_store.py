"""Force curves as other programs keep them: the `.h5` and `.tab` of afmformats, and the ratings of nanite (`.h5`).

Layout: afmformats' documentation, "HDF5" and "tab-separated values". An `.h5` has one group per curve, `0`, `1` …,
whose attributes are its metadata and whose datasets are its columns with their `unit`. A `.tab` has one curve: the
metadata as JSON behind `#` between two marks, a line of column names, a row per sample; its columns are in SI units.
`segment` is 0 (False) for the approach, 1 for the retract, 2 and more for what follows; heights grow away from the
sample. nanite keeps a rating in `analysis/<hash>_<n>`: columns and fit of one curve, and as attributes how somebody
rated it; the file that the curve came from lies under `data/<hash>`, byte by byte.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError
from ..core.grid import LARGEST, Channel, Grid
from . import hdf5
from .curve import Curve, grid
from .layout import finite, text
from .table import lines, numbers

NAME = "afmformats_store"
SUFFIXES = (".h5", ".tab")
GENERIC = False

_TAB, _BEGIN, _END = re.compile(rb"^# afmformats \d", re.MULTILINE), "# BEGIN METADATA", "# END METADATA"
_NAMES = {  # afmformats' column → ours and its unit
    "force": ("force", "N"), "height (piezo)": ("height", "m"), "height (measured)": ("height_sensor", "m"),
    "tip position": ("separation", "m"), "time": ("time", "s"), "fit": ("force_fit", "N"),
    "fit residuals": ("force_residual", "N"), "fit range": ("fit_range", "1"), "index": ("index", "1"),
}  # fmt: skip
_FACTS = {"spring constant": "spring_constant", "sensitivity": "sensitivity"}
_BESIDE = {  # metadata of each curve → ours and its unit
    "position x": ("tip_x", "m"), "position y": ("tip_y", "m"), "user rate": ("rating", "1"),
}  # fmt: skip
_KINDS = ("approach", "retract", "other")

Meta = Mapping[str, Any]


def detect(head: bytes, path: Path) -> bool:
    if not head.startswith(hdf5.MAGIC):
        return bool(_TAB.match(head)) and _BEGIN.encode() in head
    return hdf5.is_ours(head, path, lambda h5: _kind(h5) != "")


def _kind(h5: Any) -> str:
    """Which of the two an HDF5 file is, '' for neither."""
    if h5.attrs.get("software") == "afmformats" and any(key.isdigit() for key in h5):
        return "afmformats"
    if {"analysis", "data"} <= set(h5) and any("nanite version" in h5["analysis"][key].attrs for key in h5["analysis"]):
        return "nanite"
    return ""


def read(path: Path) -> list[Grid]:
    with path.open("rb") as file:
        stored = file.read(len(hdf5.MAGIC)) == hdf5.MAGIC
    if not stored:
        return [_tab(path)]
    with hdf5.opened(path) as h5:
        if _kind(h5) == "nanite":
            groups = [h5["analysis"][key] for key in h5["analysis"]]
            header = {"data": {key: dict(h5["data"][key].attrs) for key in h5["data"]}}
        else:
            groups = [h5[key] for key in sorted((k for k in h5 if k.isdigit()), key=int)]
            header = {"file": dict(h5.attrs)}
        found = [(_columns(group), dict(group.attrs)) for group in groups]
        names = [group.name.strip("/") for group in groups]
    curves = [_curve(columns, units) for (columns, units), _ in found]
    meta = [m for _, m in found]
    header |= {"curves": dict(zip(names, meta, strict=True))}
    return [grid(path.stem, curves, header, *_facts(meta))]


def _columns(group: Any) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Numbers and units of the columns of one curve, sizes checked before they are read."""
    columns, units = {}, {}
    for name, data in group.items():
        if data.ndim != 1 or data.dtype.kind not in "fiub" or not 0 < math.prod(data.shape) <= LARGEST // 16:
            raise ReadError(f"column {data.name!r} of shape {data.shape} and type {data.dtype} is no row of numbers")
        needed = 1 if data.compression else data.size * data.dtype.itemsize
        if data.id.get_storage_size() < needed:  # checked first: the HDF5 library may crash where chunks are lost
            raise ReadError(f"column {data.name!r} has fewer bytes than its {data.size} samples need; it is damaged")
        columns[name] = data[()]
        units[name] = str(data.attrs.get("unit", ""))
    return columns, units


def _tab(path: Path) -> Grid:
    rows = lines(text(path.read_bytes()), path.name)
    begin, end = (next((i for i, row in enumerate(rows) if row.startswith(m)), -1) for m in (_BEGIN, _END))
    if not 0 <= begin < end:
        raise ReadError("its metadata has no end ('# END METADATA'); the file is truncated")
    meta = json.loads("\n".join(row.lstrip("#") for row in rows[begin + 1 : end]))
    body = next((i for i in range(end, len(rows)) if not rows[i].startswith("#")), len(rows))
    titles, first = _titles(rows[body - 1].lstrip("# "), rows[body:])
    said = [row.replace("False", "0").replace("True", "1") for row in first + rows[body:]]
    values = numbers(said, len(titles), path.name)
    counted = (len(values), len(values) - len(first))  # those versions did not count it either
    if meta.get("point count", len(values)) not in counted:
        raise ReadError(f"it says {meta['point count']} samples and has {len(values)}; it is truncated or damaged")
    curve = _curve(dict(zip(titles, values.T, strict=True)), {})
    return grid(path.stem, [curve], "\n".join(rows[:body]), *_facts([meta]))


def _titles(said: str, body: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the columns; and the first row of numbers, which versions up to 0.13 wrote into the same line."""
    fields = said.split("\t")
    n = len(body[0].split("\t")) if body else len(fields)
    glued = re.fullmatch(r"(.+?)(-?\d\S*|nan|True|False)", fields[n - 1]) if len(fields) == 2 * n - 1 else None
    if glued is None:
        return fields, []
    return [*fields[: n - 1], glued[1]], ["\t".join([glued[2], *fields[n:]])]


def _curve(columns: Mapping[str, np.ndarray], units: Mapping[str, str]) -> Curve:
    """Columns as channels; the parts are the stretches in which `segment` stays the same."""
    n = len(next(iter(columns.values())))
    segment = np.asarray(columns.get("segment", np.full(n, 2)), float)
    starts = np.flatnonzero(np.diff(segment, prepend=np.nan) != 0)
    parts = tuple((_KINDS[min(int(segment[a]), 2)], int(b - a)) for a, b in zip(starts, [*starts[1:], n], strict=True))
    channels = [_channel(name, v, units.get(name, "")) for name, v in columns.items() if name != "segment"]
    return Curve(tuple(channels), parts)


def _channel(name: str, values: np.ndarray, unit: str) -> Channel:
    ours, usual = _NAMES.get(name, (re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"), unit or "arb"))
    made = Channel.from_vendor(ours, np.asarray(values, float), unit or usual, ("sample",))
    return replace(made, name=ours, vendor_name=name)


def _facts(meta: Sequence[Meta]) -> tuple[dict[str, object], list[Channel]]:
    """Calibrations that all curves share as attributes; those that differ, places and ratings as channels (curve)."""
    attrs: dict[str, object] = {}
    beside = []
    for key, ours in _FACTS.items():
        values = [finite(m[key], key) for m in meta if key in m]
        if len(values) == len(meta) and len(set(values)) == 1:
            attrs[ours] = values[0]
        elif values:
            beside.append(_along(key, ours, "N/m" if ours == "spring_constant" else "m/V", meta))
    for key, (ours, unit) in _BESIDE.items():
        if any(key in m for m in meta):
            beside.append(_along(key, ours, unit, meta))
    shape = [{m.get(key) for m in meta} for key in ("grid shape y", "grid shape x")]
    if all(len(s) == 1 and None not in s for s in shape):
        attrs["map_shape"] = [int(n) for s in shape for n in s if n is not None]
    return attrs, beside


def _along(key: str, ours: str, unit: str, meta: Iterable[Meta]) -> Channel:
    return Channel(ours, np.array([float(m.get(key, np.nan)) for m in meta]), unit, key, ("curve",))
