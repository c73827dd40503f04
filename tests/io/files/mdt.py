"""NT-MDT `.mdt` files, frame by frame after the published structure."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

NY, NX = 4, 5
STEP_NM = (20.0, 30.0)  # x, y
XML = "<FrameComment><TextComment>µ</TextComment></FrameComment>"
DATE = (2021, 2, 3, 4, 5, 6)
PLACES = [(1.0, 2.0, 4, 3), (3.0, 5.0, 2, 0)]  # µm, µm, points there, points back
VOLTS = (3.0, -3.0, 7)  # start, stop, points


def steps(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**15), 2**15, shape).astype("<i2")


def _frame(kind: int, variables: bytes, rest: bytes, version: tuple[int, int] = (7, 3)) -> bytes:
    size = 22 + len(variables) + len(rest)
    return struct.pack("<IHBB6HH", size, kind, *version, *DATE, len(variables)) + variables + rest


def _file(path: Path, *frames: bytes) -> None:
    body = b"".join(frames)
    path.write_bytes(b"\x01\xb0\x93\xff" + struct.pack("<IIH", len(body), 0, len(frames) - 1) + b"\0" * 19 + body)


def _texts(title: str) -> bytes:
    raw, xml = title.encode("cp1251"), XML.encode("utf-16-le")
    return struct.pack("<I", len(raw)) + raw + struct.pack("<I", len(xml)) + xml


def _scales(*scales: tuple[float, float, int]) -> bytes:
    return b"".join(struct.pack("<ffh", *s) for s in scales) + b"\0" * 47


def scanned(title: str, seed: int, z: tuple[float, float, int], unit: int = -1) -> bytes:
    scales = _scales((0.0, STEP_NM[0], unit), (0.0, -STEP_NM[1], unit), z)
    return _frame(0, scales, struct.pack("<4H", 0, NX, NY, 0) + steps(NY, NX, seed=seed).tobytes() + _texts(title))


def text_frame() -> bytes:
    return _frame(3, b"\0" * 10, b"a note")


def images(path: Path) -> None:
    """Height (Å) both ways, the current (nA) of a second pass; then the height of the next scan; and a note."""
    current = scanned("2F:Iprobe", 2, (1.5, 0.25, 1))
    heights = [scanned(t, s, (10.0, 0.5, 0)) for t, s in (("1F:Height", 0), ("1B:Height", 1), ("1F:Height", 3))]
    _file(path, heights[0], heights[1], text_frame(), current, heights[2])


def pixels(path: Path) -> None:
    """An image that counts pixels."""
    _file(path, scanned("1F:Height", 0, (10.0, 0.5, 0), unit=14))


def spectra(path: Path) -> None:
    """One curve of deflection (nA) over height (nm), and curves of the current over volts at two points."""
    one = _frame(1, _scales((5.0, 2.0, -1), (0.0, 0.0, 3), (0.0, 0.5, 1)),
                 struct.pack("<4H", 0, 6, 1, 0) + steps(6, seed=4).tobytes() + _texts("1F:DFL"))  # fmt: skip
    dots = struct.pack("<iiih", 10, 16, 1, -2) + b"".join(struct.pack("<ffii", *p) for p in PLACES)
    many = _frame(201, _scales((-1.0, 0.5, 2), (0.0, 0.0, 3), (0.0, 0.25, 1)),
                  struct.pack("<4H", 0, 4, 1, 2) + dots + steps(9, seed=5).tobytes() + _texts("Iprobe"))  # fmt: skip
    _file(path, one, many)


def _calibration(name: str, unit: str, bias: float, step: float, last: int, cell: int) -> bytes:
    texts = name.encode() + unit.encode()
    head = struct.pack("<5I", 112 + 8 + len(texts), 112, len(name), 0, len(unit.encode()))
    head += struct.pack("<QdQddQQiI", 1, 0.0, 0, bias, step, 0, last, cell, 0)
    return head.ljust(120, b"\0") + texts


def mda_cells() -> np.ndarray:
    rng = np.random.default_rng(6)
    cells = np.zeros(NY * NX, [("0", "<f4"), ("1", "<i2")])
    cells["0"], cells["1"] = rng.normal(size=NY * NX), rng.integers(-99, 99, NY * NX)
    return cells


def mda(path: Path) -> None:
    """An image of two quantities in one frame of version 7."""
    title, xml, cells = b"1F:Height", XML.encode("utf-16-le"), mda_cells()
    lists = _calibration("x", "um", 50.0, 0.01, NX - 1, -8) + _calibration("y", "um", 60.0, 0.02, NY - 1, -8)
    lists += _calibration("Height", "nm", 2.0, 3.0, 2**64 - 1, -5892)
    lists += _calibration("Phase", "deg", 0.0, 0.1, 2**64 - 1, -2)
    array = struct.pack("<IIQIII", 8 + 24 + len(lists), 24, NY * NX, cells.itemsize, 2, 2) + b"\0" * 4 + lists
    head = struct.pack("<II", 76, 0) + b"\0" * 36 + struct.pack("<5I", len(title), len(xml), 3, 0, 0)
    head += struct.pack("<3I", len(array), 0, cells.nbytes)
    _file(path, _frame(106, b"", head + title + xml + b"abc" + array + cells.tobytes()))


def points(path: Path) -> None:
    """Two points, visited twice, of curves there and back, that explain themselves."""
    n = VOLTS[2]
    index = '<?xml version="1.0" encoding="UTF-8"?>\n<Comment><Info version="1.0"><Params/>'
    index += '<Name name="BVValue" unit="V" index="0"/><Name name="Iprobe" unit="nA" index="1"/>'
    index += f'<Axis name="0" count="{n}" start="{VOLTS[0]}" stop="{VOLTS[1]}" data="-1" index="0"/>'
    blocks = [("__GUID__", b"\0" * 16)]
    for k in range(8):
        index += f'<Meas name="1" data="{k}" pass="{k // 2 % 2}" axis0="0" inverse0="{k % 2}" axis1="-1" index="{k}"/>'
        index += f'<Data name="data{k}.dat" offset="0" count="{n}" type="float64" index="{k}"/>'
        blocks.append((f"data{k}.dat", (np.arange(n) + 10.0 * k).astype("<f8").tobytes()))
    for i in range(2):
        index += f'<Point name="point{i}.dat" offset="0" x="{1 + i}.5" y="2.5" unit="um" index="{i}"/>'
        blocks.append((f"point{i}.dat", struct.pack("<4i", *(4 * i + k for k in (1, 3, 0, 2)))))
    blocks += [("__xmlparams.xml", b"\xff\xfe" + XML.encode("utf-16-le"))] * 2
    blocks.append(("index.xml", (index + "</Info></Comment>").encode()))
    body = struct.pack("<I", len(blocks)) + b"".join(struct.pack("<II", len(k), len(v)) for k, v in blocks)
    body += b"".join(k.encode() for k, _ in blocks) + b"".join(v for _, v in blocks)
    _file(path, _frame(190, b"", body))


EXAMPLES = {
    "mdt": (".mdt", images), "mdt_pixels": (".mdt", pixels), "mdt_spectra": (".mdt", spectra), "mdt_mda": (".mdt", mda),
    "mdt_points": (".mdt", points),
}  # fmt: skip
READER = {name: "mdt" for name in EXAMPLES if name != "mdt"}
