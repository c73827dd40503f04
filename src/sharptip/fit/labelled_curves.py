"""Many labelled force curves in one file: a numpy archive (.npz) → examples for a Model, one for each file measured.

Ragged: all curves one after the other; `offsets` (n + 1,) says where each begins and ends. Either

extension_nm         piezo extension, growing toward the sample
deflection_nm        of the cantilever, repulsion positive
contact_point_nm     (n,) extension at contact, where a person saw it; NaN where nobody did
accept               (n,) 1 where a person kept the curve
modulus_kPa          (n,) as the measuring lab found it; optional
file_index           (n,) file, or map, that a curve belongs to; what must not be parted
row_col              (n, 2) place in the map; optional
file_names           (files,) and group (files,), e.g. the cell line; optional
tip_R_b_theta_nu_k   (files, 5): radius (nm), b (nm), half angle (rad), Poisson's ratio, spring constant (N/m); optional

or, for contact alone,

force                numbers without a unit, z growing away from the sample along each curve
z_range              (n, 2) nm, of each curve's first and last number
contact_index        (n,) sample at contact
session              (n,) what must not be parted; where it is missing, neighbours of one range and length are a session
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid
from ..core.scan import from_grid
from .labelled import arrays_of, numbers
from .recipe import Example, Options

CURVE = ("curve", "sample")
TIP = ("radius", "flat", "half_angle", "poisson", "spring_constant")  # in SI units, as kept in a scan's attributes
TIP_UNITS = (1e-9, 1e-9, 1.0, 1.0, 1.0)


def curves_of(path: str | Path, options: Options | None = None) -> list[Example]:
    """One example per file of curves; truth in SI units: `accept`, `contact` (m, piezo height), `modulus` (Pa).

    Raises ReadError naming what is amiss.
    """
    arrays = arrays_of(Path(path))
    if "extension_nm" in arrays:
        return _quality(arrays, path)
    if "force" in arrays and "z_range" in arrays:
        return _ramps(arrays, path)
    raise ReadError(
        f"{path}: holds neither 'extension_nm' and 'deflection_nm' nor 'force' and 'z_range'; it has "
        f"{', '.join(sorted(arrays)) or 'nothing'}"
    )


def _quality(arrays: dict[str, np.ndarray], path: Any) -> list[Example]:
    pieces = _pieces(arrays, ("extension_nm", "deflection_nm"), path)
    n = len(pieces["extension_nm"])
    file = numbers(arrays, "file_index", None, path).astype(int)
    columns = {
        "accept": numbers(arrays, "accept", np.full(n, np.nan), path),
        "contact": -1e-9 * numbers(arrays, "contact_point_nm", np.full(n, np.nan), path),
        "modulus": 1e3 * numbers(arrays, "modulus_kPa", np.full(n, np.nan), path),
    }
    _same_length({**columns, "file_index": file}, n, path)
    accept = columns["accept"]
    if not np.isin(accept[np.isfinite(accept)], (0, 1)).all():
        raise ReadError(f"{path}: accept holds {np.unique(accept)[:5].tolist()}; it is 0 or 1 for each curve")
    _in_nanometres(pieces["extension_nm"], columns["contact"], path)
    places = np.atleast_2d(arrays["row_col"]) if "row_col" in arrays else None
    examples = []
    for f in np.unique(file):
        of = np.flatnonzero(file == f)
        about = _about(arrays, int(f), path)
        scan = _scan(
            [-1e-9 * pieces["extension_nm"][i] for i in of],
            [1e-9 * pieces["deflection_nm"][i] for i in of],
            "m",
            about,
            None if places is None else places[of],
        )
        examples.append(Example(scan, {k: v[of] for k, v in columns.items()}, group=about["name"]))
    return examples


def _ramps(arrays: dict[str, np.ndarray], path: Any) -> list[Example]:
    """Ramps that are kept from contact outwards: turned, so that they approach like every other curve."""
    pieces = _pieces(arrays, ("force",), path)["force"]
    n = len(pieces)
    index, ranges = numbers(arrays, "contact_index", None, path), numbers(arrays, "z_range", None, path)
    _same_length({"contact_index": index, "z_range": ranges}, n, path)
    if ranges.shape != (n, 2):
        raise ReadError(f"{path}: z_range has shape {ranges.shape} for {n} curves; it is (n, 2): first and last, in nm")
    session = np.atleast_1d(arrays.get("session", _sessions(pieces, ranges))).astype(str)
    _same_length({"session": session}, n, path)
    examples = []
    for s in dict.fromkeys(session.tolist()):
        of = np.flatnonzero(session == s)
        z = [1e-9 * np.linspace(ranges[i, 0], ranges[i, 1], len(pieces[i])) for i in of]
        contact = np.array([np.interp(index[i], np.arange(len(c)), c) for i, c in zip(of, z, strict=True)])
        scan = _scan([c[::-1] for c in z], [pieces[i][::-1] for i in of], "arb", {"name": s}, None)
        examples.append(Example(scan, {"contact": contact}, group=s))
    return examples


def _sessions(pieces: list[np.ndarray], ranges: np.ndarray) -> np.ndarray:
    """(n,) a name for each run of curves with the same range and number of samples: one map, as a rule."""
    settings = np.column_stack([ranges, [len(p) for p in pieces]])
    new = np.any(np.diff(settings, axis=0) != 0, axis=1)
    number = np.concatenate([[0], np.cumsum(new)])
    return np.array([f"ramps {k}: {int(s[2])} samples over {abs(s[1] - s[0]):g} nm"
                     for k, s in zip(number, settings, strict=True)])  # fmt: skip


def _pieces(arrays: dict[str, np.ndarray], names: tuple[str, ...], path: Any) -> dict[str, list[np.ndarray]]:
    """Each ragged array cut into its curves."""
    offsets = numbers(arrays, "offsets", None, path)
    if offsets.ndim != 1 or len(offsets) < 2 or offsets[0] != 0 or (np.diff(offsets) < 1).any():
        raise ReadError(f"{path}: offsets do not begin at 0 and grow; they say where each curve begins and ends")
    cuts = offsets.astype(int)
    out = {}
    for name in names:
        values = numbers(arrays, name, None, path)
        if values.ndim != 1 or len(values) != cuts[-1]:
            raise ReadError(f"{path}: {name} has shape {values.shape} and offsets end at {cuts[-1]}")
        out[name] = np.split(values, cuts[1:-1])
    return out


def _in_nanometres(extension: list[np.ndarray], contact: np.ndarray, path: Any) -> None:
    """Refuses ramps that no microscope makes, and contacts that lie on none."""
    travel = np.array([np.nanmax(e) - np.nanmin(e) if np.isfinite(e).any() else 0.0 for e in extension])
    if not 1 < np.median(travel) < 1e6:
        raise ReadError(f"{path}: extension_nm runs over {np.median(travel):.3g} nm in the median; convert it to nm")
    known = np.flatnonzero(np.isfinite(contact))
    off = [
        i for i in known if not extension[i].min() - travel[i] <= -1e9 * contact[i] <= extension[i].max() + travel[i]
    ]
    if len(off) > len(known) / 2:
        raise ReadError(
            f"{path}: contact_point_nm of {len(off)} of {len(known)} curves lies outside their ramps, the first at "
            f"{-1e9 * contact[off[0]]:.4g} nm; it is the extension at contact"
        )


def _same_length(columns: dict[str, np.ndarray], n: int, path: Any) -> None:
    for name, values in columns.items():
        if len(values) != n:
            raise ReadError(f"{path}: {name} has {len(values)} entries for {n} curves")


def _about(arrays: dict[str, np.ndarray], file: int, path: Any) -> dict[str, Any]:
    """Name, group and tip of a file of curves, as far as they are told."""
    about: dict[str, Any] = {"name": f"file {file}"}
    if "file_names" in arrays:
        about["name"] = str(_of_file(arrays["file_names"], file, "file_names", path))
    if "group" in arrays:
        about["group"] = str(_of_file(arrays["group"], file, "group", path))
    if "tip_R_b_theta_nu_k" in arrays:
        tip = np.asarray(_of_file(arrays["tip_R_b_theta_nu_k"], file, "tip_R_b_theta_nu_k", path), float)
        if tip.shape != (len(TIP),):
            raise ReadError(f"{path}: tip_R_b_theta_nu_k has {tip.shape} numbers for file {file}; five are needed")
        about |= {k: float(v * u) for k, v, u in zip(TIP, tip, TIP_UNITS, strict=True)}
    return about


def _of_file(values: np.ndarray, file: int, name: str, path: Any) -> Any:
    if not 0 <= file < len(values):
        raise ReadError(f"{path}: file_index is {file} and {name} has {len(values)} entries")
    return values[file]


def _scan(
    height: list[np.ndarray], deflection: list[np.ndarray], unit: str, about: dict[str, Any], places: np.ndarray | None
) -> xr.Dataset:
    """(curve, sample), padded with NaN, approach only."""
    lengths = np.array([len(h) for h in height])
    padded = [np.full((len(height), lengths.max()), np.nan) for _ in range(3)]
    for i, (h, d) in enumerate(zip(height, deflection, strict=True)):
        padded[0][i, : len(h)], padded[1][i, : len(h)], padded[2][i, : len(h)] = h, d, 0.0
    channels = [
        Channel("height", padded[0], "m", "extension", CURVE),
        Channel("deflection", padded[1], unit, "deflection", CURVE),
        Channel("segment", padded[2], "1", "segment", CURVE),
        Channel("length", lengths, "1", "length", ("curve",)),
    ]
    if places is not None:
        channels += [Channel(n, places[:, i], "1", n, ("curve",)) for i, n in enumerate(("row", "column"))]
    axes = {"curve": Axis(np.arange(len(height)), "1"), "sample": Axis(np.arange(lengths.max()), "1")}
    facts = {k: v for k, v in about.items() if k != "name"}
    return from_grid(
        Grid(about["name"], tuple(channels), axes, "", {"segments": '["approach"]', **facts}), format="labelled curves"
    )
