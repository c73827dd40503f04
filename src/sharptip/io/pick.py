"""One image, or one film, out of what was read: the channel, the direction and the frame that are asked for."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ChannelError, ScanError, WriteError
from ..core.marks import KINDS, marks, variables
from ..core.units import is_si

if TYPE_CHECKING:
    import xarray as xr

ABOUT_CURVES = ("length", "segment", "time", "row", "column", "tip_x", "tip_y", "spring_constant", "sensitivity")
_TOLD = 3  # scans that are named where more are lost
KEPT = ("name", "header", "history", "slow_direction", "scan_direction")  # facts of a scan that are text


def pick(
    scan: xr.Dataset,
    channel: str | None = None,
    direction: str | None = None,
    frame: int | None = None,
    skip_junk: bool = False,
) -> xr.Dataset:
    """The scan with only this channel, direction and frame of a film; None keeps all. The pick is in the history.

    skip_junk: of a film that `clean` has marked, without the frames that are junk; the doubtful ones stay.
    Raises ChannelError or ScanError that says what there is instead.
    """
    from ..core.history import remember
    from ..core.scan import label

    if skip_junk and frame is not None:
        raise ScanError(f"frame {frame} is asked for, and that junk frames are left out; say one of the two")
    given = {"channel": channel, "direction": direction, "frame": frame}
    asked: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    asked |= {"skip_junk": True} if skip_junk else {}
    if not asked or (list(asked) == ["channel"] and list(scan.data_vars) == [channel]):
        return scan
    out = scan
    if channel is not None:
        if channel not in scan.data_vars:
            raise ChannelError(f"{label(scan)} has no channel {channel!r}; it has {_listed(scan.data_vars)}")
        out = scan[[channel, *_beside(scan, channel)]]
    if direction is not None:
        out = _one_way(out, direction)
    if skip_junk:
        out = _without_junk(out)
    if frame is not None:
        n = out.sizes.get("time", 0)
        if "time" not in out.sizes:
            raise ScanError(f"{label(scan)} is one image; leave frame= out")
        if not 0 <= frame < n:
            raise ScanError(f"there is no frame {frame}; {label(scan)} has {n} frames, the first is 0")
        mark = marks(out).get(frame)
        out = out.drop_vars(KINDS, errors="ignore").isel(time=frame)
        out.attrs = {**out.attrs, "frame": frame, **({} if mark is None else {"marked": mark.told()})}
    return remember(scan, out, "pick", asked)


def _beside(scan: xr.Dataset, channel: str) -> list[str]:
    """What says where a curve is and how far it goes, or that a frame is junk; it stays with each of their channels."""
    dims = set(scan[channel].dims)
    if "time" in dims:
        return [v for v in KINDS if v in scan.data_vars and v != channel]
    if not dims & {"curve", "site"}:
        return []
    return [v for v in ABOUT_CURVES if v in scan.data_vars and v != channel and set(scan[v].dims) <= dims]


def _without_junk(scan: xr.Dataset) -> xr.Dataset:
    from ..core.scan import label

    if "time" not in scan.dims or KINDS[0] not in scan.data_vars:
        raise ScanError(f"{label(scan)} has no frames that are marked as junk; sharptip clean marks those of a film")
    found = marks(scan)
    kept = [i for i in range(scan.sizes["time"]) if i not in found or found[i].kind != KINDS[0]]
    if not kept:
        raise ScanError(f"{label(scan)} has nothing but junk frames; leave skip_junk out to see them")
    out = scan.isel(time=kept)
    left = {new: found[old] for new, old in enumerate(kept) if old in found}
    return out.assign({name: ("time", *about) for name, about in variables(left, len(kept)).items()})


def _one_way(scan: xr.Dataset, direction: str) -> xr.Dataset:
    from ..core.scan import label

    if "direction" in scan.dims:
        ways = list(map(str, scan["direction"].values))
        if direction not in ways:
            raise ScanError(f"{label(scan)} has no direction {direction!r}; it has {_listed(ways)}")
        both = [v for v in scan.data_vars if "direction" in scan[v].dims]
        scan = scan.sel(direction=direction).drop_vars("direction")
        for name in both:
            attrs = scan[name].attrs
            other = attrs.pop("vendor_name_backward", None)  # what the instrument called the other of both ways
            attrs |= {"direction": direction, **({"vendor_name": other} if other and direction == "backward" else {})}
    named = {v: scan[v].attrs["direction"] for v in scan.data_vars if "direction" in scan[v].attrs}
    others = [v for v, way in named.items() if way != direction]
    if len(others) == len(scan.data_vars):
        raise ScanError(f"{label(scan)} has only the direction {_listed(sorted(set(named.values())))}")
    return scan.drop_vars(others)


def pick_all(
    nodes: dict[str, Any], channel: str | None, direction: str | None, frame: int | None, skip_junk: bool = False
) -> dict[str, Any]:
    """`pick` on every scan of a file: those without the channel are left out, at least one has it."""
    has = {p: s for p, s in nodes.items() if s.data_vars and (channel is None or channel in s.data_vars)}
    if not has:
        known = dict.fromkeys(v for s in nodes.values() for v in s.data_vars)
        raise ChannelError(f"there is no channel {channel!r}; there are {_listed(known)}")
    if (channel, direction, frame, skip_junk) == (None, None, None, False):
        return nodes
    if frame is not None and len(has) > 1 and not any("time" in s.dims for s in has.values()):
        if not 0 <= frame < len(has):
            raise ScanError(f"there is no frame {frame}; there are {len(has)} frames, the first is 0")
        has, frame = dict([list(has.items())[frame]]), None  # a stack without times: each frame is a scan of its own
    marked = [p for p, s in has.items() if KINDS[0] in s.data_vars] or list(has)  # none: the first says so
    picked = {p: pick(s, channel, direction, frame, skip_junk and p in marked) for p, s in has.items()}
    return {p: picked.get(p, s) for p, s in nodes.items() if p in picked or not s.data_vars}


HELD: dict[str, list[tuple[str, ...]]] = {
    ".gsf": [("y", "x")],
    ".tif": [("y", "x"), ("time", "y", "x")],
    ".mp4": [("time", "y", "x")],
    ".gif": [("time", "y", "x")],
}  # axes of what the formats for one image or film hold; the others hold all images
HELD[".tiff"] = HELD[".tif"]


def only(
    nodes: Mapping[str, Any], dims: Iterable[tuple[str, ...]], format: str
) -> tuple[str, xr.Dataset, xr.DataArray]:
    """(the place of its scan, the scan, the one image there is), the image's axes in the first of `dims` that fit.

    Curves of the same name in other scans are no images. What leaves a choice is refused. Raises WriteError that names
    the choices.
    """
    found = {
        (path, str(name)): scan[name] for path, scan in nodes.items() for name in scan.data_vars
        if {"y", "x"} <= set(scan[name].dims)
    }  # fmt: skip
    if not found:
        raise WriteError(f"there is no image (a variable with axes y and x) to write as {format}; write .zarr or .nc")
    names = list(dict.fromkeys(name for _, name in found))
    ways = list(
        dict.fromkeys(str(w) for one in found.values() if "direction" in one.dims for w in one["direction"].values)
    )
    choices = [f"channel=: {_listed(names)}"] if len(names) > 1 else []
    choices += [f"direction=: {_listed(ways)}"] if ways else []
    if choices:
        held = "one channel" if len(names) > 1 else "one direction"
        raise WriteError(f"{format} holds {held}; choose it with {'; and with '.join(choices)}")
    if len(found) > 1:
        raise WriteError(
            f"{format} holds one image, and {names[0]!r} is in {len(found)} scans; write one of them alone (--scan at "
            f"the command line), or all as .zarr, .nc or .gwy"
        )
    (place, _), one = next(iter(found.items()))
    dims = list(dims)
    fits = [d for d in dims if set(d) == set(one.dims)]
    if fits:
        return place, nodes[place], one.transpose(*fits[0])
    if set(one.dims) == {"time", "y", "x"}:
        raise WriteError(
            f"{format} holds one image; choose frame=, from 0 to {one.sizes['time'] - 1}, or write the film as .tif, "
            ".gwy or .zarr"
        )
    if set(one.dims) == {"y", "x"}:
        raise WriteError(
            f"{format} holds a film, and {names[0]!r} is one image without times; write .tif, .gsf, .gwy or .zarr"
        )
    raise WriteError(f"{format} does not hold {names[0]!r} with axes {_listed(one.dims)}; write .zarr, .nc or .gwy")


def tell_lost(path: Path, lost: Iterable[str]) -> None:
    """A warning that names what a format cannot keep."""
    lost = list(lost)
    if lost:
        warnings.warn(f"{path}: {path.suffix} does not keep {'; '.join(lost)}. .zarr and .nc do", stacklevel=3)


def left_behind(given: Mapping[str, Any], picked: Mapping[str, Any], suffix: str, by_number: bool) -> list[str]:
    """The scans of a file that are not in a format for one, as something that is lost.

    `picked` are those of the `given` ones that have what was asked for; with `by_number` a frame was, which may be a
    scan of its own.
    """
    if suffix not in {*HELD, ".csv"} or sum(bool(scan.data_vars) for scan in given.values()) < 2:
        return []
    table = (at for at, scan in picked.items() if scan.data_vars)  # of .csv, which holds all of one scan
    place = only(picked, HELD[suffix], suffix)[0] if suffix in HELD else next(table)
    if by_number and "time" not in given[place].dims:
        return []
    left = [f"{at.strip('/')} ({_sizes(scan)})" for at, scan in given.items() if at != place and scan.data_vars]
    more = f" and {len(left) - _TOLD} more" if len(left) > _TOLD else ""
    return [f"the other scan{'s' * (len(left) > 1)}: {', '.join(left[:_TOLD])}{more}"] if left else []


def _sizes(scan: Any) -> str:
    """What a scan is like, by its channel with most numbers."""
    name, most = max(scan.data_vars.items(), key=lambda item: item[1].size)
    return " × ".join(f"{n} {dim}" for dim, n in most.sizes.items()) if most.dims else str(name)


def kept_apart(scan: Any, channel: str) -> list[str]:
    """The other channels of a scan, as something that is lost; what marks its frames is no channel."""
    others = [str(v) for v in scan.data_vars if v != channel and v not in KINDS]
    return [f"the channel{'s' * (len(others) > 1)} {', '.join(others)}"] if others else []


def odd_attributes(scan: Any, image: Any) -> list[str]:
    """Attributes that `facts` has no place for, as something that is lost."""
    known = {*KEPT, "source", "format", "units", "vendor_name", "vendor_units", "direction", "size"}
    odd = [str(k) for k in dict.fromkeys([*scan.attrs, *image.attrs]) if k not in known]
    odd += [str(c) for c in image.coords if c not in image.dims]
    return [f"the attributes and coordinates {', '.join(odd)}"] if odd else []


def regular(of: Any, axis: str, format: str) -> tuple[float, float]:
    """(start, step) of an axis; WriteError where its steps differ by more than rounding."""
    values = np.asarray(of[axis].values, np.float64)
    if len(values) == 1:
        return float(values[0]), float(of[axis].attrs.get("spacing", 1.0))
    steps = np.diff(values)
    if not np.allclose(steps, steps[0], rtol=1e-6, atol=0):
        raise WriteError(f"axis {axis!r} is not evenly spaced, which {format} cannot hold; write .zarr")
    return float(values[0]), float(steps[0])


def single(values: np.ndarray, what: str) -> tuple[np.ndarray, bool]:
    """The same numbers as 32-bit floats, and whether each is still the same.

    Raises WriteError for numbers that 32 bits cannot hold at all: too large, so small that they would be 0, complex.
    """
    if np.iscomplexobj(values):
        raise WriteError(f"{what} is complex, which 32-bit floats cannot hold; write .zarr or .nc")
    with np.errstate(over="ignore", under="ignore"):
        short = values.astype(np.float32)
    if (np.isinf(short) & np.isfinite(values)).any() or ((short == 0) & (values != 0)).any():
        raise WriteError(f"{what} has values that 32-bit floats cannot hold; write .zarr or .nc")
    return short, bool(((short == values) | np.isnan(values)).all())


def facts(scan: Any, image: Any) -> dict[str, str]:
    """What our own files in foreign formats say of a scan beside its numbers, as texts; `restored` gives it back."""
    kept = {k: str(scan.attrs[k]) for k in KEPT if k in scan.attrs}
    about = {k: str(image.attrs[k]) for k in ("units", "vendor_name", "direction") if k in image.attrs}
    return {"variable": str(image.name), **about, **kept}


def restored(text: object) -> dict[str, str]:
    """What `facts` wrote, or nothing where it is not that."""
    try:
        said = json.loads(str(text))
        sound = isinstance(json.loads(said["history"]), list) and is_si(said["units"])
    except (ValueError, TypeError, KeyError):
        return {}
    texts = all(isinstance(v, str) for v in said.values())
    return said if sound and texts and re.fullmatch(r"[a-z][a-z0-9_]*", said.get("variable", "")) else {}


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names))
