"""RHK `.sm4` files, by their published layout: topography both ways, a current image, spectra, and a text."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

NY, NX = 6, 8
PIXEL = 5e-8
Z_SCALE, Z_OFFSET = 2.5e-12, 1e-9
SETTINGS = "<parameters>\nbias 0.5 V\n"
SITES, SAMPLES = 3, 10
PLACES = np.array([[1e-8, 2e-8], [3e-8, 4e-8], [5e-8, 6e-8]], np.float32)


def images(ny: int = NY, nx: int = NX) -> np.ndarray:
    """(page, y, x) with row 0 on top and x to the right: height forward, height backward, current forward."""
    return np.random.default_rng(8).integers(-90000, 90000, (3, ny, nx)).astype("<i4")


def spectra() -> np.ndarray:
    """(site, sample)"""
    return np.random.default_rng(9).integers(-90000, 90000, (SITES, SAMPLES)).astype("<i4")


class File:
    """Bytes that are appended, and objects that say where they are."""

    def __init__(self) -> None:
        self.out = bytearray()

    def add(self, raw: bytes) -> tuple[int, int]:
        self.out += raw
        return len(self.out) - len(raw), len(raw)


def objects(*listed: tuple[int, tuple[int, int]]) -> bytes:
    return b"".join(struct.pack("<3I", kind, *where) for kind, where in listed)


def strings(label: str, units: tuple[str, str, str], lines: int) -> bytes:
    said = [label, "", "made", "a note", "a.sm4", "01/02/20", "10:11:12", *units, "", "", "", str(lines), "1", "", ""]
    return b"".join(struct.pack("<H", len(s)) + s.encode("utf-16-le") for s in [*said, "V"])


def page_header(
    page_type: int, line: int, shape: tuple[int, int], scan: int, scales: tuple[float, float, float],
    offsets: tuple[float, float, float], size: int, listed: int,
) -> bytes:  # fmt: skip
    ny, nx = shape
    out = struct.pack("<2H", 170, 18) + struct.pack("<3I2i", page_type, 0, line, 0, 0)
    out += struct.pack("<6I", nx, ny, 0, scan, 77, size) + struct.pack("<2I", 0, 0)
    out += struct.pack("<3ff3f4f", *scales, 1.0, *offsets, 1e-3, 0.5, 1e-10, 0.0)
    return out + struct.pack("<4IB63x", 0, 1, 1, listed, 1)


def add_page(
    file: File, label: str, numbers: np.ndarray, units: tuple[str, str, str], scales: tuple[float, float, float],
    offsets: tuple[float, float, float] = (0.0, 0.0, Z_OFFSET), scan: int = 0, line: int = 0, shape: tuple = (),
    places: bool = False,
) -> bytes:  # fmt: skip
    """The page's entry in the index."""
    shape = shape or numbers.shape
    texts = file.add(strings(label, units, shape[0]))
    listed = [(10, texts)]
    if places:
        rows = np.column_stack([np.arange(len(PLACES)), PLACES, np.zeros((len(PLACES), 4))]).astype("<f4")
        listed.append((8, file.add(rows.tobytes())))
    raw = numbers.tobytes()
    header = page_header(10 if line else 1, line, shape, scan, scales, offsets, len(raw), len(listed))
    head = file.add(header + objects(*listed))
    return entry(1 if line else 0, (3, head), (4, file.add(raw)))


def entry(data: int, *listed: tuple[int, tuple[int, int]]) -> bytes:
    return bytes(range(16)) + struct.pack("<4I", data, 0, len(listed), 6) + objects(*listed)


LISTS = 58 + 3 * 12  # the byte where the list of pages begins, if it stands first


def rhk(path: Path, up: bool = False, mirrored: bool = False, square: bool = False, listed_first: bool = False) -> None:
    """up: lines from the bottom, with a positive scale; mirrored: backward lines as recorded, with a negative scale.

    listed_first: the list of pages stands before them.
    """
    file = File()
    file.add(b"\0" * (LISTS + 1000 * listed_first))  # the file header and its objects, written last
    layers = images(NX if square else NY)
    flip = -1 if up else 1
    dy = PIXEL if up else -PIXEL
    length = ("m", "m", "m")
    entries = [add_page(file, "Topography", layers[0, ::flip], length, (PIXEL, dy, Z_SCALE))]
    back, dx = (layers[1, ::flip, ::-1], -PIXEL) if mirrored else (layers[1, ::flip], PIXEL)
    entries.append(add_page(file, "Topography", np.ascontiguousarray(back), length, (dx, dy, Z_SCALE), scan=1))
    entries.append(add_page(file, "Current", layers[2, ::flip], ("m", "m", "A"), (PIXEL, dy, 1e-15), (0, 0, 0)))
    curves = (0.2, 1.0, 1e-15), (-1.0, 0.0, 0.0)
    entries.append(add_page(file, "Current", spectra(), ("V", "", "A"), *curves, line=7, places=True))
    numbers = np.concatenate([np.geomspace(1, 2, SAMPLES)[None], np.arange(2.0 * SAMPLES).reshape(2, SAMPLES)])
    discrete = np.ascontiguousarray(numbers.T).astype("<f4")
    if not square:  # spym reads neither discrete spectra nor text
        entries.append(add_page(file, "LIA", discrete, ("V", "", "V"), (1, 1, 2.0), line=22, shape=(2, SAMPLES)))
        entries.append(entry(4, (3, (1, 0)), (4, (1, 0))))
    packed = zlib.compress(SETTINGS.encode("cp437"))
    prm_header = file.add(struct.pack("<3I", 1, len(SETTINGS), len(packed)))
    prm = file.add(packed)
    bare = 32  # bytes of an entry without its objects, which a list of pages gives as its size
    at = LISTS if listed_first else len(file.out)
    listed = struct.pack("<4I", len(entries), 1, 0, 0) + objects((2, (at + 28, bare)))
    index = (at, len(listed))
    if listed_first:
        lists = listed + b"".join(entries)
        file.out[at : at + len(lists)] = lists
    else:
        file.add(listed + b"".join(entries))
    magic = "STiMage 005.006 1".encode("utf-16-le").ljust(36, b"\0")
    head = struct.pack("<H", 56) + magic + struct.pack("<5I", len(entries), 3, 12, 0, 0)
    head += objects((1, index), (13, prm), (15, prm_header))
    file.out[: len(head)] = head
    path.write_bytes(file.out)


EXAMPLES = {"rhk": (".sm4", rhk)}
