"""Pictures (TIFF, PNG, JPEG): intensities without a physical scale, unless a TIFF says one that can be trusted.

Dots per inch or centimetre say how a picture is printed and are never a physical size. What is taken as one: OME's
PhysicalSizeX/Y, and ImageJ's resolution with its unit. Colours become their luminance (ITU-R BT.601 weights), and the
scan says so in `attrs["colour"]`.
"""

from __future__ import annotations

import io
import json
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ReadError, UnitError
from ..core.grid import Axis, Channel, Grid
from ..core.lazy import Lazy
from ..core.marks import KINDS, REASONS, Mark, variables
from ..core.units import to_si
from .array import named_channel
from .layout import Size, finite, floats, given_axes, positive
from .pick import KEPT, restored
from .store import unchanged

NAME = "image"
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
GENERIC = True
NEEDS_SIZE = True
LAZY = True

_AT_ONCE = 2**24  # bytes; the frames of a larger film of ours stay in the file
_LARGEST = 2**30  # bytes of what is taken into the memory as a whole
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_AS_RGB = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")  # modes whose numbers are no intensities
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_BY_TIFFFILE = (1, 8, 32773, 32946)  # plain, deflate, PackBits
_MOST_PIXELS = 2**28  # of a picture; 16384 × 16384
_DENSEST = 1100  # pixels per byte of file: deflate packs 1032 to 1, and nothing here packs more

Picture = tuple[np.ndarray, tuple[float, float] | None, dict[str, Any]]  # pixels, (height, width) in metres, header


def detect(head: bytes, path: Path) -> bool:
    return head.startswith((*_TIFF, _PNG, _JPEG))


def read(path: Path, *, size: Size = None, channel: str | None = None, unit: str | None = None) -> list[Grid]:
    with path.open("rb") as file:
        is_tiff = file.read(4) in _TIFF
    if is_tiff and path.stat().st_size > _AT_ONCE and channel is None and unit is None and (film := _film(path, size)):
        return [film]
    if path.stat().st_size > _LARGEST:
        raise ReadError(
            f"it is {path.stat().st_size / 2**30:.1f} GiB; films of ours are read at any size, all else to 1"
        )
    pictures = _tiff(path) if is_tiff else _picture(path)
    ours = restored(pictures[0][2].get("Info")) if pictures and channel is None and unit is None else {}
    if ours:
        return [_restored(path, pictures, ours, size)]
    grids = []
    for i, (values, own, header) in enumerate(pictures):
        grey, colour = _grey(values)
        made: Channel = named_channel(floats(grey), channel, unit)
        axes = given_axes((grey.shape[0], grey.shape[1]), size, own, "a picture")
        name = path.stem if len(pictures) == 1 else f"{path.stem}[{i}]"
        grids.append(Grid(name, (made,), axes, header, {"colour": colour} if colour else {}))
    return grids


def _restored(path: Path, pictures: list[Picture], ours: dict[str, str], size: Size) -> Grid:
    """An image or a film that our own writer made: its name, unit and times are in the Info of ImageJ."""
    values, own, header = pictures[0]
    n = len(json.loads(ours["time"])) if "time" in ours else None
    if len({p[0].shape for p in pictures}) != 1 or len(pictures) != (n or 1):
        raise ReadError(f"it has {len(pictures)} pages and says it has other ones; the file is damaged")
    data = floats(values if n is None else np.stack([p[0] for p in pictures]))
    return _ours(path, data, own, header, ours, size)


def _film(path: Path, size: Size) -> Grid | None:
    """A film that our own writer made, whose pages are read when they are asked for; None where it is none."""
    with _opened(path) as tiff:
        info = str((tiff.imagej_metadata or {}).get("Info", "")) if tiff.is_imagej else ""
        ours = restored(info)
        if "time" not in ours:
            return None
        pages, first = tiff.pages, tiff.pages[0]
        if len(pages) != len(json.loads(ours["time"])):
            raise ReadError(f"it has {len(pages)} pages and says it has other ones; the file is damaged")
        for page in pages:
            if page.shape != first.shape or page.dtype != first.dtype or page.compression != 1 or len(page.shape) != 2:
                return None
            _inside(page, path)
        kind = floats(np.empty(0, first.dtype)).dtype
        load = partial(_frames, path, path.stat().st_mtime_ns)
        data = Lazy((len(pages), *first.shape), kind, load)
        header = _header(first) | {"Info": info}
        return _ours(path, data, _own_size(tiff, first), header, ours, size)


def _frames(path: Path, modified: int, which: np.ndarray) -> np.ndarray:
    unchanged(path, modified)
    with _opened(path) as tiff:
        return np.stack([floats(tiff.pages[int(i)].asarray()) for i in which])


def _ours(
    path: Path,
    data: np.ndarray | Lazy,
    own: tuple[float, float] | None,
    header: dict[str, Any],
    ours: dict[str, str],
    size: Size,
) -> Grid:
    times = json.loads(ours["time"]) if "time" in ours else None
    ny, nx = data.shape[-2:]
    axes = {} if times is None else {"time": Axis(np.array([finite(t, "a time") for t in times]), "s")}
    axes |= given_axes((ny, nx), size, own, "a picture")
    dims = ("y", "x") if times is None else ("time", "y", "x")
    said = {"direction": ours["direction"]} if "direction" in ours else {}
    name = ours.get("vendor_name", ours["variable"])
    made = Channel(ours["variable"], data, ours["units"], name, dims, said)
    return Grid(
        path.stem, (made, *_marks(ours, len(times or []))), axes, header, {k: ours[k] for k in KEPT if k in ours}
    )


def _marks(ours: dict[str, str], n: int) -> list[Channel]:
    """Which frames were marked as junk or doubtful, as the film had it when it was written."""
    if "marks" not in ours:
        return []
    found = {int(i): Mark(str(kind), str(reason)) for i, (kind, reason) in json.loads(ours["marks"]).items()}
    if not all(0 <= i < n and mark.kind in KINDS for i, mark in found.items()):
        raise ReadError("it marks frames that it does not have; the file is damaged")
    return [
        Channel(kind, values, "1", kind, ("time",), {REASONS: about[REASONS]})
        for kind, (values, about) in variables(found, n).items()
    ]


def _grey(values: np.ndarray) -> tuple[np.ndarray, str]:
    if values.ndim == 2:
        return values, ""
    if values.ndim == 3 and values.shape[2] in (2, 3, 4):
        if values.shape[2] == 2:
            return values[..., 0], "transparency was left out"
        return values[..., :3] @ _LUMINANCE, "luminance of a colour picture (ITU-R BT.601)"
    raise ReadError(f"a picture of shape {values.shape} is not understood")


def _affordable(pixels: int, path: Path) -> None:
    if pixels > _MOST_PIXELS or pixels > _DENSEST * path.stat().st_size:
        raise ReadError(f"it claims {pixels} pixels in {path.stat().st_size} bytes; the header is damaged")


def _picture(path: Path) -> list[Picture]:
    """PNG or JPEG, decoded whole, once its own checksums and end are there."""
    from PIL import Image

    data = path.read_bytes()
    if data.startswith(_PNG):
        _check_png(data)
    elif b"\xff\xd9" not in data[-1024:]:
        raise ReadError("the JPEG has no end; it is truncated")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
                _affordable(picture.width * picture.height, path)
                picture.load()
                about: dict[str, Any] = {"mode": picture.mode, "format": picture.format}
                about |= {str(k): v for k, v in picture.info.items() if isinstance(v, (str, int, float))}
                values = np.asarray(picture.convert("RGB") if picture.mode in _AS_RGB else picture)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ReadError(str(error)) from error
    return [(values, None, about)]


def _check_png(data: bytes) -> None:
    """Every chunk ends with its CRC-32, and the last one is IEND; Pillow does not look at those of the pixels."""
    at, kind = len(_PNG), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data) or struct.unpack_from(">I", data, end)[0] != zlib.crc32(data[at + 4 : end]):
            raise ReadError(f"the checksum of the PNG part {kind!r} is wrong; the file is damaged or truncated")
        at = end + 4
    if data[24] == 16 and data[25] in (2, 6):  # bit depth and colour type; Pillow would drop half of each number
        raise ReadError("it is a colour PNG of 16 bits; save it as grey, or as TIFF")


def _tiff(path: Path) -> list[Picture]:
    """Every page of a TIFF as a picture, with its trustworthy size."""
    with _opened(path) as tiff:
        if len(tiff.pages) > 4096:
            raise ReadError(f"it claims {len(tiff.pages)} pages")
        return [_page(tiff, i, path) for i in range(len(tiff.pages))]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The TIFF. What tifffile only logs about damage is checked here."""
    import tifffile

    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff
    except tifffile.TiffFileError as error:
        raise ReadError(str(error)) from error
    finally:
        log.disabled = before


def _header(page: Any) -> dict[str, Any]:
    return {tag.name: str(tag.value)[:4096] for tag in page.tags.values() if tag.count < 4096 or tag.dtype == 2}


def _page(tiff: Any, i: int, path: Path) -> Picture:
    page = tiff.pages[i]
    _affordable(int(np.prod(page.shape, dtype=object)), path)
    _inside(page, path)
    values = _decoded(page, i, path)
    if page.photometric.name == "MINISWHITE":
        raise ReadError("its numbers grow towards black (MINISWHITE), which is a print's way; invert it first")
    if page.photometric.name == "PALETTE" and page.colormap is not None:
        values = np.moveaxis(page.colormap[:, values], 0, -1) / 65535.0
    if values.ndim == 3 and page.planarconfig.name == "SEPARATE":
        values = np.moveaxis(values, 0, -1)
    header = _header(page)
    if tiff.is_imagej:
        header["Info"] = str((tiff.imagej_metadata or {}).get("Info", ""))
    return values, _own_size(tiff, page), header


def _decoded(page: Any, i: int, path: Path) -> np.ndarray:
    """The pixels: by tifffile where it needs no further package for them, else by Pillow (LZW, JPEG in TIFF)."""
    if page.compression in _BY_TIFFFILE:
        return page.asarray()
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow only warns of damaged tags
        try:
            with Image.open(path, formats=("TIFF",)) as picture:
                picture.seek(i)
                return np.asarray(picture)
        except Warning as warning:
            raise ReadError(str(warning)) from warning


def _inside(page: Any, path: Path) -> None:
    """Every strip or tile lies inside the file, and plain ones have the bytes that the picture needs."""
    length = path.stat().st_size
    for at, n in zip(page.dataoffsets, page.databytecounts, strict=True):
        if at <= 0 or n <= 0 or at + n > length:
            raise ReadError(f"a strip needs bytes {at} to {at + n}, but the file ends at {length}; it is damaged")
    plain = page.compression == 1 and not page.is_tiled
    if plain and page.bitspersample % 8 == 0 and sum(page.databytecounts) != page.nbytes:
        raise ReadError(
            f"its strips have {sum(page.databytecounts)} bytes and the picture {page.nbytes}; it is damaged"
        )


def _own_size(tiff: Any, page: Any) -> tuple[float, float] | None:
    """(height, width) in metres where the file says it in a form that microscopes write."""
    ny, nx = page.imagelength, page.imagewidth
    if tiff.is_ome:
        found = [
            (
                re.search(rf'PhysicalSize{a}="([^"]+)"', tiff.ome_metadata),
                re.search(rf'PhysicalSize{a}Unit="([^"]+)"', tiff.ome_metadata),
            )
            for a in "YX"
        ]
        if all(value for value, _ in found):
            y, x = (_metres(value[1], unit[1] if unit else "µm") for value, unit in found if value)
            return (ny * y, nx * x) if y and x else None
    said = (tiff.imagej_metadata or {}).get("unit") if tiff.is_imagej else None
    if said and {"XResolution", "YResolution"} <= set(page.tags.keys()) | {t.name for t in page.tags.values()}:
        y, x = (_metres(_per(page.tags[f"{a}Resolution"].value), str(said)) for a in "YX")
        return (ny * y, nx * x) if y and x else None
    return None


def _per(resolution: tuple[int, int]) -> float:
    """Length of a pixel from a resolution in pixels per length, a fraction."""
    return positive(resolution[1], "a resolution") / positive(resolution[0], "a resolution")


def _metres(value: str | float, unit: str) -> float | None:
    """A length in metres, None for 'pixel', 'inch' and other units that are no microscope's."""
    try:
        factor, si = to_si(unit.replace("\\u00B5", "µ").replace("micron", "um"))
    except UnitError:
        return None
    return positive(value, "the pixel size") * factor if si == "m" else None
