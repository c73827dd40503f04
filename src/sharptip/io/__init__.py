"""Vendor files → scans, scans → files. One file here per format: what it looks like, and how it is read.

    scan = sharptip.read("image.ibw")            # Dataset, or DataTree where a file holds several grids
    sharptip.write(scan, "image.zarr")           # lossless; or .nc, .gwy, .gsf, .tif, .mp4, .gif, .csv

Nothing in this module imports xarray before a scan is asked for, so that `describe` answers at once.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import registry
from ..core.errors import ReadError, ScanError, WriteError
from ..core.files import putting
from ..core.grid import INCOMPLETE, Grid, checked
from ..core.lazy import Lazy
from ..core.marks import KINDS, Mark, marked
from .door import DAMAGE, door, read_later
from .layout import Size
from .node_names import node_names

if TYPE_CHECKING:
    import xarray as xr

_LONGEST_NAME = 256  # letters of a channel's name or unit
SHORT = 512  # bytes, of a file that no reader knows, below which it ends too early
HEAD = 65536  # bytes of a file that `detect` sees
LARGEST_FILE = 2**30  # bytes that are read at once; no image comes near, and a blown-up file must not fill the memory
RANGED = 2**26  # bytes of a film or map that `describe` reads for the least and greatest value
RANGED_PARTS = 4096  # and how many parts: each curve of a map is a file of its own within an archive
Path_ = str | os.PathLike[str]


def read(
    path: Path_, *, size: Size = None, channel: str | None = None, unit: str | None = None, frame: int | None = None
) -> xr.Dataset | xr.DataTree:
    """The scan in a file; a DataTree with one scan per node where it holds several grids.

    size: for formats that say no physical size: (height, width) of the whole image in metres, one number for the
    width with square pixels, or 'unknown' to keep pixels. channel, unit: what the numbers of an array or a picture
    are, e.g. 'height', 'nm'; without, 'intensity' in 'arb'. frame: one frame of a stack of arrays.

    Raises ReadError, and ScaleError where a size is needed.
    """
    if frame is not None:
        return frames(path, [frame], size=size, channel=channel, unit=unit)[0]
    tree = _tree(path, size, channel, unit, None)
    if len(tree) == 1:
        return next(iter(tree.values()))
    import xarray as xr

    return xr.DataTree.from_dict(tree)


def scans(path: Path_, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[xr.Dataset]:
    """Every scan of a file, one per grid. Options and errors as in `read`."""
    tree = _tree(path, size, channel, unit, None)
    return [scan for scan in tree.values() if scan.data_vars]


def one_scan(found: Sequence[xr.Dataset], wanted: str) -> xr.Dataset:
    """Of several scans the one with that name, or number from 0. Raises ScanError that lists them."""
    names = [str(s.attrs.get("name", "")) for s in found]
    if wanted in names:
        return found[names.index(wanted)]
    if wanted.isdigit() and int(wanted) < len(found):
        return found[int(wanted)]
    raise ScanError(f"has no scan {wanted!r}; it has {', '.join(f'{i} {name!r}' for i, name in enumerate(names))}")


def one_direction(scan: xr.Dataset, direction: str) -> xr.Dataset:
    """The scan with what was recorded in one direction. Raises ScanError for one that it has not."""
    from .pick import pick

    return pick(scan, direction=direction)


def frames(
    path: Path_,
    which: Iterable[int],
    *,
    size: Size = None,
    channel: str | None = None,
    unit: str | None = None,
) -> list[xr.Dataset]:
    """The frames asked for, in the order asked for, of the stack in a file that is opened once.

    A file with several grids but no stack of arrays counts its grids. Options and errors as in `read`.
    """
    return list(_tree(path, size, channel, unit, list(which)).values())


def _tree(
    path: Path_, size: Size, channel: str | None, unit: str | None, frames: Sequence[int] | None
) -> dict[str, xr.Dataset]:
    """Place in the tree → checked scan. The native store gives its scans itself, grids have no room for all of one."""
    from ..core.scan import check, from_grid

    path = Path(path)
    reader = _reader(_head(path), path)
    if hasattr(reader, "scans") and frames is None:
        _options(reader, path, size, channel, unit)
        with door(reader.NAME, path):
            tree = reader.scans(path)
            for scan in tree.values():
                if scan.data_vars:
                    check(scan)
        return tree
    tree = {}
    for i, grid in enumerate(read_with(reader, path, size=size, channel=channel, unit=unit, frames=frames)):
        if INCOMPLETE in grid.attrs:
            warnings.warn(f"{path}: {grid.attrs[INCOMPLETE]}", stacklevel=3)
        name = grid.name.replace("/", "_") or f"scan_{i}"
        with door(reader.NAME, path):
            tree[f"{name}_{i}" if name in tree else name] = check(from_grid(grid, str(path), reader.NAME))
    return tree


def grids(
    path: Path_,
    *,
    size: Size = None,
    channel: str | None = None,
    unit: str | None = None,
    frames: Sequence[int] | None = None,
) -> tuple[str, list[Grid]]:
    """(name of the format, the checked grids of a file), without importing xarray. Errors as in `read`."""
    path = Path(path)
    head = _head(path)
    reader = _reader(head, path)
    return reader.NAME, read_with(reader, path, size=size, channel=channel, unit=unit, frames=frames)


def read_with(
    reader: Any,
    path: Path,
    *,
    size: Size = None,
    channel: str | None = None,
    unit: str | None = None,
    frames: Sequence[int] | None = None,
) -> list[Grid]:
    """What one reader makes of a file: checked grids, or a ReadError that names the file and the reader."""
    options = _options(reader, path, size, channel, unit)
    picks = frames is not None and getattr(reader, "PICKS_FRAMES", False)
    if picks:
        options["frames"] = frames
    with door(reader.NAME, path):
        found = reader.read(path, **options)
        if not found:
            raise ReadError("it holds no scan")
        if frames is not None and not picks:
            found = [found[i] for i in frames]
        return [_guarded(_sound(checked(grid, path)), reader.NAME, path) for grid in found]


def _options(reader: Any, path: Path, size: Size, channel: str | None, unit: str | None) -> dict[str, Any]:
    """What a reader is told beside the path. Raises ReadError for a size that its files say themselves."""
    if getattr(reader, "NEEDS_SIZE", False):
        return {"size": size, "channel": channel, "unit": unit}
    if size not in (None, "unknown"):
        raise ReadError(f"{path}: {reader.NAME} files say their own size; leave out size=")
    return {}


def _guarded(grid: Grid, format: str, path: Path) -> Grid:
    """The grid; what is read from it later goes through the same door."""
    later = [
        replace(c, data=replace(c.data, load=partial(read_later, c.data.load, format, path)))
        if isinstance(c.data, Lazy) else c
        for c in grid.channels
    ]  # fmt: skip
    return replace(grid, channels=tuple(later))


def _sound(grid: Grid) -> Grid:
    """The grid, if its names and units are text that a person can read; damage often shows there first."""
    for channel in grid.channels:
        for said in (channel.vendor_name, str(channel.attrs.get("vendor_units", ""))):
            if len(said) > _LONGEST_NAME or not said.isprintable():
                raise ReadError(f"channel {channel.name!r} is called or measured in {said[:40]!r}; the file is damaged")
    return grid


def _head(path: Path) -> bytes:
    """The beginning of a file, or b'' for a folder. Raises ReadError where there is nothing to read."""
    try:
        if path.is_dir():
            return b""
        if path.exists() and not path.is_file():
            raise ReadError(f"{path}: is no regular file (a pipe or a device); copy its content into a file first")
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise ReadError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    if not head:
        raise ReadError(f"{path}: the file is empty")
    return head


def _reader(head: bytes, path: Path) -> Any:
    """The reader that recognises the content; those of general formats are asked last."""
    readers = [registry.get("readers", name) for name in registry.names("readers")]
    for reader in sorted(readers, key=lambda r: r.GENERIC):
        try:
            if reader.detect(head, path):
                return _fitting(reader, path)
        except DAMAGE as error:
            raise ReadError(f"{path}: the {reader.NAME} reader cannot judge it ({error})") from error
    if path.is_dir():
        raise ReadError(f"{path}: is a folder that no reader knows as one scan; name the files in it: {path / '*'}")
    what = _looks_like(head)
    named = [reader.NAME for reader in readers if path.suffix.lower() in reader.SUFFIXES]
    if named:
        like, size = " or ".join(sorted(named)), path.stat().st_size
        what += f", though it is named like {like}"
        if size < SHORT:
            what += f"; its {size} bytes are too few for a header: it ends too early, or is something else"
    known = ", ".join(sorted({suffix for reader in readers for suffix in reader.SUFFIXES}))
    raise ReadError(f"{path}: no reader knows this content; it is {what}. Known: {known}")


def _fitting(reader: Any, path: Path) -> Any:
    """The reader, unless it would take more into the memory than any image has; `LAZY` ones take what is asked for."""
    size = path.stat().st_size
    if size > LARGEST_FILE and not getattr(reader, "LAZY", False):
        limit = f"{LARGEST_FILE / 2**30:.0f} GiB"
        raise ReadError(f"{path}: is {size / 2**30:.1f} GiB; {reader.NAME} files are read up to {limit}")
    return reader


_SIGNATURES = {
    b"\x89HDF": "HDF5", b"PK\x03\x04": "a ZIP archive", b"%PDF": "a PDF", b"GIF8": "a GIF picture",
    b"BM": "a BMP picture", b"\x1f\x8b": "gzip-compressed", b"\x7fELF": "a program", b"CDF": "netCDF",
    b"RIFF": "a RIFF container",
}  # fmt: skip


def _looks_like(head: bytes) -> str:
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return name
    if all(32 <= b < 127 or b in b"\r\n\t" for b in head[:512]):
        return f"text that begins {head[:30].decode('ascii')!r}"
    return f"of an unknown kind and begins with bytes {head[:8].hex(' ')}"


def describe(path: Path_, *, size: Size = "unknown", ranges: bool = True) -> dict[str, Any]:
    """What `sharptip info FILE --json` prints: format, scans, their variables, ranges and sizes; JSON-clean.

    Without ranges the numbers of a scan need not be read.
    """
    format, found = grids(path, size=size)
    return {"format": format, "scans": [_described(grid, ranges) for grid in found]}


def _described(grid: Grid, ranges: bool) -> dict[str, Any]:
    pixel = grid.pixel_size()
    size = None if pixel is None else [p * len(grid.axes[a].values) for p, a in zip(pixel, "yx", strict=True)]
    attrs = {k: v for k, v in grid.attrs.items() if k not in ("header", "history")}
    return {
        "name": grid.name,
        "dims": list(grid.dims),
        "shape": list(grid.shape),
        "variables": [{"name": c.name, "units": c.unit, **(_range(c.data) if ranges else {})} for c in grid.channels],
        "pixel_size_m": None if pixel is None else list(pixel),
        "size_m": size,
        "attrs": json.loads(json.dumps(attrs, default=str), parse_constant=lambda _: None),
        "marks": [{"frame": i, "kind": m.kind, "reason": m.reason} for i, m in _marks(grid).items()],
    }


def _marks(grid: Grid) -> dict[int, Mark]:
    about = {c.name: c for c in grid.channels if c.name in KINDS and c.dims == ("time",)}
    return marked({name: (np.asarray(c.data), c.attrs) for name, c in about.items()})


def _range(data: np.ndarray | Lazy) -> dict[str, float | None]:
    """Least and greatest finite value, None where there is none (complex numbers: of their magnitude), and the share of
    the numbers that are missing, not finite.

    All None for a film or a map too large to be read just to be looked at.
    """
    if isinstance(data, Lazy) and (data.nbytes > RANGED or data.parts > RANGED_PARTS):
        return {"min": None, "max": None, "missing": None}
    low, high, known = np.inf, -np.inf, 0
    for values in data.blocks() if isinstance(data, Lazy) else [data]:
        values = np.abs(values) if np.iscomplexobj(values) else values
        least, greatest, n = float(values.min()), float(values.max()), values.size
        if not (np.isfinite(least) and np.isfinite(greatest)):
            values = values[np.isfinite(values)]
            least, greatest, n = values.min(initial=np.inf), values.max(initial=-np.inf), values.size
        low, high, known = min(low, float(least)), max(high, float(greatest)), known + n
    if not known:
        return {"min": None, "max": None, "missing": 1.0}
    return {"min": low, "max": high, "missing": 1 - known / data.size}


# Suffix → the module that writes it, and whether it holds one image or film alone.
_WRITERS = {
    ".zarr": "zarr", ".nc": "netcdf", ".gwy": "gwy", ".gsf": "gsf", ".tif": "tiff", ".tiff": "tiff",
    ".mp4": "movie", ".gif": "movie", ".csv": "csv",
}  # fmt: skip
WRITTEN = tuple(_WRITERS)  # endings of what `write` writes


def write(
    scan: xr.Dataset | xr.DataTree | Sequence[xr.Dataset],
    path: Path_,
    *,
    channel: str | None = None,
    direction: str | None = None,
    frame: int | None = None,
    skip_junk: bool = False,
    speed: float | None = None,
    fps: float | None = None,
    tell: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write a scan, several, or a tree of them; the suffix decides the format. Several are called by their own names.

    `.zarr` and `.nc` (netCDF) keep everything; `.gwy` keeps all images. `.gsf` holds one image, `.tif` one image or
    film, `.mp4` and `.gif` are movies of a film, `.csv` a table of curves, spectra or pixels. channel, direction,
    frame: what of the scan is written; without them all of it, or a WriteError where a format cannot hold that.
    skip_junk: of a film without the frames that `clean` has marked as junk.
    What is lost is told in a warning. speed, fps: of a movie, in times the real one, or in frames per second (10
    where neither is given); tell is called with (what, done, of) as its frames are drawn.

    The file appears whole or not at all. Raises WriteError, and ScanError for a scan that breaks its promises.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    writable(path)
    if _WRITERS[suffix] != "movie" and (speed is not None or fps is not None):
        raise WriteError(f"{path}: speed and fps are for movies, .mp4 and .gif")
    from .pick import left_behind, pick_all, tell_lost

    writer = import_module(f".{_WRITERS[suffix]}", __name__)
    given = _nodes(scan)
    nodes = pick_all(given, channel, direction, frame, skip_junk)
    with putting(path):
        if _WRITERS[suffix] == "movie":
            lost = writer.write(nodes, path, speed=speed, fps=fps, tell=tell)
        else:
            lost = writer.write(nodes, path) or []
    tell_lost(path, [*lost, *left_behind(given, nodes, suffix, by_number=frame is not None)])


def check_fits(
    scan: xr.Dataset | xr.DataTree | Sequence[xr.Dataset],
    path: Path_,
    *,
    channel: str | None = None,
    direction: str | None = None,
    frame: int | None = None,
    skip_junk: bool = False,
) -> None:
    """Nothing, if `write` with these would find what its format can hold; else the WriteError that it would raise.

    To be asked before long work. Raises ChannelError or ScanError as well, for what the scan has not.
    """
    from .pick import HELD, only, pick_all

    path = Path(path)
    nodes = pick_all(_nodes(scan), channel, direction, frame, skip_junk)
    if path.suffix.lower() in HELD:
        only(nodes, HELD[path.suffix.lower()], path.suffix)


def writable(path: Path) -> None:
    """Raises WriteError for a suffix that is not written, or a folder that is not there."""
    if path.suffix.lower() not in _WRITERS:
        known = " or ".join((", ".join(WRITTEN[:-1]), WRITTEN[-1]))
        raise WriteError(f"{path}: scans are written as {known}, not as {path.suffix or 'no suffix'!r}")
    with putting(path):
        if not path.parent.is_dir():
            raise WriteError(f"{path}: there is no folder {path.parent}")


def _nodes(scan: Any) -> dict[str, Any]:
    """Path in the tree → Dataset, every scan checked; one scan alone is at '/', several are called after themselves."""
    import xarray as xr

    from ..core.scan import check

    if isinstance(scan, xr.DataTree):
        nodes = {node.path: node.to_dataset(inherit=False) for node in scan.subtree}
    elif isinstance(scan, xr.Dataset):
        nodes = {"/": scan}
    else:
        several = [check(one) for one in scan] if isinstance(scan, Iterable) else [check(scan)]
        called = node_names(str(one.attrs.get("name", "")) for one in several)
        nodes = {"/": xr.Dataset()} | {f"/{name}": one for name, one in zip(called, several, strict=True)}
    for one in nodes.values():
        if one.data_vars:
            check(one)
    if not any(one.data_vars for one in nodes.values()):
        raise WriteError("there is no scan to write")
    return nodes
