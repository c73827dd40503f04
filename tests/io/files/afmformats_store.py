"""Curves as afmformats exports them (`.h5`, `.tab`), and a rating of nanite (`.h5`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

READER = dict.fromkeys(("afmformats_h5", "afmformats_tab", "nanite_rating"), "afmformats_store")

META = {"imaging mode": "force-distance", "position x": 1e-6, "position y": -2e-6, "sensitivity": 5e-8,
        "spring constant": 0.04}  # fmt: skip
LENGTHS = (11, 9)


def columns(curve: int = 0) -> dict[str, np.ndarray]:
    n = LENGTHS[curve]
    way = np.abs(np.arange(n) - 6.0)
    segment = (np.arange(n) >= 6).astype(np.uint8)
    force = np.maximum(3 - way, 0) * 1e-10 + curve * 1e-12
    return {"force": force, "height (measured)": way * 1e-8 + 1e-6, "segment": segment, "time": np.arange(n) * 0.5}


def h5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs.update({"software": "afmformats", "software version": "0.18.0"})
        for curve, n in enumerate(LENGTHS):
            group = file.create_group(str(curve))
            group.attrs.update({**META, "enum": curve, "point count": n, "position x": 1e-6 * (curve + 1)})
            for name, values in columns(curve).items():
                data = group.create_dataset(name, data=values, fletcher32=True)
                data.attrs["unit"] = {"force": "N", "time": "s", "segment": ""}.get(name, "m")


def tab(path: Path, glued: bool = False) -> None:
    """glued: the first row stands in the line of the names, as versions up to 0.13 wrote it."""
    table = columns()
    n = LENGTHS[0] - glued
    said = json.dumps({**META, "point count": n}, indent=2, sort_keys=True)
    head = [
        "# afmformats 0.18.0",
        "#",
        "# BEGIN METADATA",
        *(f"# {row}" for row in said.split("\n")),
        "# END METADATA",
        "#",
    ]
    table["segment"] = table["segment"].astype(bool)
    rows = ["\t".join(str(v) for v in row) for row in zip(*table.values(), strict=True)]
    names = "# " + "\t".join(table)
    lines = [*head, names + rows[0], *rows[1:]] if glued else [*head, names, *rows]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode())


def nanite(path: Path) -> None:
    import h5py

    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("analysis/abc123_0")
        group.attrs.update({"nanite version": "1.7.8", "user rate": 7, "user name": "a", "data hash": "abc123"})
        table = columns()
        table["tip position"] = table.pop("height (measured)")
        fit = np.where(table["segment"] == 0, table["force"], np.nan)
        for name, values in {**table, "fit": fit, "fit range": np.arange(LENGTHS[0]) < 4}.items():
            group.create_dataset(name, data=values, fletcher32=True)
        file.create_dataset("data/abc123", data=np.zeros(8, bool)).attrs["path"] = "a.jpk-force"


EXAMPLES = {"afmformats_h5": (".h5", h5), "afmformats_tab": (".tab", tab), "nanite_rating": (".h5", nanite)}
