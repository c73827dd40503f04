"""Small vendor files, written from the published layouts and independently of the readers, so that any clone can test.

Every maker takes a path and writes one file of NY × NX pixels; what must be read back stands beside it.
"""

from __future__ import annotations

import importlib
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

NY, NX = 6, 8
HEIGHT, WIDTH = 3e-7, 4e-7  # metres; pixels of 50 nm


def surface(seed: int = 0) -> np.ndarray:
    """Heights in metres without any symmetry, float32, row 0 on top."""
    noise = np.random.default_rng(seed).normal(size=(NY, NX))
    return ((np.arange(NY)[:, None] * 2 + np.arange(NX) + noise) * 1e-9).astype(np.float32)


# --- Igor binary wave, version 5, as Asylum writes it ---------------------------------------------------------------

LABELS = ["HeightTrace", "HeightRetrace", "PhaseRetrace", "ZSensorTrace"]
NOTE = "ScanSize: 4e-07\rScanDown: 1\rImagingMode: AC Mode\rStartTemp: 24.5 \xb0C\r"


def ibw_layers() -> np.ndarray:
    """(channel, y, x) with row 0 on top: heights in metres, phase in degrees."""
    return np.stack([surface(0), surface(1), surface(2) * 1e9 + 60, surface(3)]).astype(np.float32)


def ibw(path: Path, order: str = "<", dtype: str = "f4", layers: np.ndarray | None = None, unit: bytes = b"m") -> None:
    layers = ibw_layers() if layers is None else layers
    kind = {"f4": 2, "f8": 4, "i2": 16, "u1": 72}[dtype]
    n, ny, nx = layers.shape
    # Igor keeps the first index fastest: x, then y from the bottom, then the channel.
    numbers = np.ascontiguousarray(layers[:, ::-1]).astype(order + dtype).tobytes()
    note = NOTE.encode("latin-1")
    # A label is a field of 32 bytes in which an older, longer label may show behind the NUL.
    fields = [b"Channel"] + [label.encode() + b"\0race" for label in LABELS[:n]]
    labels = b"".join(field.ljust(32, b"\0") for field in fields)
    wave = struct.pack(order + "IIIihh6sh32sii", 0, 1, 2, n * ny * nx, kind, 0, b"", 0, b"test_wave", 0, 0)
    wave += struct.pack(order + "4i4d4d", nx, ny, n, 0, WIDTH / nx, HEIGHT / ny, 1, 1, 0, 0, 0, 0)
    wave += struct.pack(order + "4s4s4s4s4s", b"m", unit, unit, b"", b"") + b"\0" * (320 - 168)
    file = struct.pack(order + "iii", 320 + len(numbers), 0, len(note))
    file += struct.pack(order + "i4i4iiii", 0, 0, 0, 0, 0, 0, 0, len(labels), 0, 0, 0, 0)
    assert len(wave) == 320
    assert len(file) == 60
    words = np.frombuffer(struct.pack(order + "hh", 5, 0) + file + wave, order + "i2")
    checksum = (-int(words.sum(dtype=np.int64))) & 0xFFFF
    head = struct.pack(order + "hH", 5, checksum) + file + wave
    path.write_bytes(head + numbers + note + labels)


def ibw_version_2(path: Path, order: str = "<") -> None:
    """A curve: version 2 has one dimension only."""
    numbers = np.arange(16, dtype=order + "f4").tobytes()
    wave = struct.pack(order + "hI20shhI4s4sihdd", 2, 0, b"curve", 0, 0, 0, b"V", b"s", 16, 0, 0.5, 0.0)
    wave = wave.ljust(110, b"\0")
    file = struct.pack(order + "iii", 110 + len(numbers) + 16, 0, 0)
    words = np.frombuffer(struct.pack(order + "h", 2) + file + b"\0\0" + wave, order + "i2")
    checksum = (-int(words.sum(dtype=np.int64))) & 0xFFFF
    path.write_bytes(
        struct.pack(order + "h", 2) + file + struct.pack(order + "H", checksum) + wave + numbers + b"\0" * 16
    )


# --- Bruker Nanoscope ------------------------------------------------------------------------------------------------

ZSENS, ZSCALE = 13.375, 440.0  # nm/V and V: the whole range of the integers is 5885 nm
BRUKER_START = 4096


def bruker_counts() -> np.ndarray:
    """(image, y, x) integers with row 0 on top."""
    return np.random.default_rng(5).integers(-9000, 9000, (3, NY, NX)).astype(np.int32)


def bruker(
    path: Path, width: int = 2, header_width: int | None = None, old: bool = False, cell: int | None = None
) -> None:
    """Height both ways and amplitude; old: one Scan Size number and an aspect ratio instead of two numbers.

    cell: taken under electrochemical control, with so many bytes of a voltammogram behind the images.
    width: bytes of a number; header_width: how many of them are counted, as the header says it.
    """
    images = [("Height", "Trace", "Sens. Zsens", "V", ZSCALE), ("Height", "Retrace", "Sens. Zsens", "V", ZSCALE)]
    images.append(("Amplitude", "Trace", "Sens. AmplSens", "mV", 1000.0))
    counts = bruker_counts()[:, ::-1] * (65536 if (header_width or width) == 4 else 1)
    size = NY * NX * width
    version = "0x09200103" if width == 4 else "0x05120001"
    first = "\\*File list" if cell is None else "\\*EC File list"
    lines = [first, f"\\Version: {version}", f"\\Data length: {BRUKER_START}", "\\*Scanner list"]
    lines += [f"\\@Sens. Zsens: V {ZSENS} nm/V", "\\*Ciao scan list", f"\\Scan Size: {WIDTH * 1e9:g} nm"]
    lines += [f"\\Samps/line: {NX}", f"\\Lines: {NY}", "\\@Sens. AmplSens: V 20.0 nm/V"]
    extent = f"\\Scan Size: {WIDTH * 1e6:g} {HEIGHT * 1e6:g} ~m"
    for i, (name, way, soft, unit, full) in enumerate(images):
        lines += ["\\*Ciao image list", f"\\Data offset: {BRUKER_START + i * size}", f"\\Data length: {size}"]
        lines += [f"\\Bytes/pixel: {header_width or width}", f"\\Samps/line: {NX}", f"\\Number of lines: {NY}"]
        lines += [
            f"\\Aspect Ratio: {NX}:{NY}" if old else extent,
            f"\\Line Direction: {way}",
            "\\Frame direction: Down",
        ]
        lines += [f'\\@2:Image Data: S [{name}] "{name}"', "\\@Z magnify: C [2:Z scale] 0.5"]
        lines += [f"\\@2:Z scale: V [{soft}] (0.006713867 {unit}/LSB) {full} {unit}", "\\Phase unit: \xb0"]
    if cell is not None:
        lines += ["\\*EC AFM plot V vs. T list", f"\\Data offset: {BRUKER_START + 3 * size if cell else 0}"]
        lines += [f"\\Data length: {cell}", "\\Bytes/pixel: 2", f"\\Samps/line: {cell // 2} 0"]
    lines += ["\\*File list end", "\x1a"]
    head = "\r\n".join(lines).encode("latin-1")
    assert len(head) < BRUKER_START
    plot = b"\1" * (cell or 0)
    path.write_bytes(head.ljust(BRUKER_START, b"\0") + counts.astype(f"<i{width}").tobytes() + plot)


# --- Nanonis ---------------------------------------------------------------------------------------------------------


def sxm_layers() -> np.ndarray:
    """Z forward, Z backward, Current forward: row 0 on top, x to the right."""
    return np.stack([surface(0), surface(1), surface(2) * np.float32(1e-3)])


def sxm(path: Path, up: bool = False, lines_missing: int = 0, both: bool = False) -> None:
    """both: the current was recorded both ways too."""
    layers = sxm_layers()
    if both:
        layers = np.concatenate([layers, layers[2:] * 2])
    layers[1::2] = layers[1::2, :, ::-1]  # as recorded: a backward line begins at its right end
    if up:
        layers = layers[:, ::-1]
    if lines_missing:
        layers[:, NY - lines_missing :] = np.nan
    table = "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n"
    table += "\t14\tZ\tm\tboth\t1.000E-9\t0.000E+0\n\t0\tCurrent\tA\tforward\t1.000E-9\t0.000E+0"
    table = table.replace("forward", "both") if both else table
    tags = {
        "NANONIS_VERSION": "2", "SCANIT_TYPE": "              FLOAT            MSBFIRST", "REC_DATE": " 01.02.2020",
        "SCAN_PIXELS": f"       {NX}       {NY}", "SCAN_RANGE": f"           {WIDTH:.6E}           {HEIGHT:.6E}",
        "SCAN_OFFSET": "             0.000000E+0         0.000000E+0", "SCAN_ANGLE": "            0.000E+0",
        "SCAN_TIME": "             1.000E+0             1.000E+0", "ACQ_TIME": "       12.0",
        "SCAN_DIR": "up" if up else "down", "BIAS": "            5.000E-1", "COMMENT": "", "DATA_INFO": table,
    }  # fmt: skip
    head = "".join(f":{k}:\n{v}\n" for k, v in tags.items()) + "\n:SCANIT_END:\n\n\n"
    path.write_bytes(head.encode() + b"\x1a\x04" + layers.astype(">f4").tobytes())


# --- JPK -------------------------------------------------------------------------------------------------------------

JPK_LINE = (-1.25e-14, 2.5e-6)  # metres per count, and at 0
JPK_VOLTS = (2.5e-8, 0.5)


def jpk_counts() -> np.ndarray:
    """Height trace, height retrace, error trace: row 0 on top."""
    return np.random.default_rng(7).integers(-(2**30), 2**30, (3, NY, NX)).astype(np.int32)


def jpk(path: Path, order: str = ">", reflect: int = 0) -> None:
    counts = jpk_counts() if reflect else jpk_counts()[:, ::-1]
    about = [(0x100, 4, [4]), (0x101, 4, [4]), (0x102, 3, [8]), (0x103, 3, [1]), (0x106, 3, [1]), (0x116, 4, [4])]
    about += [(0x8000, 2, "6.0.41"), (0x8040, 12, [0.0]), (0x8042, 12, [WIDTH]), (0x8043, 12, [HEIGHT])]
    about += [
        (0x8045, 8, [reflect]),
        (0x8046, 9, [NX]),
        (0x8047, 9, [NY]),
        (0x804B, 2, "topDown"),
        (0x8050, 2, "thumbnail"),
    ]
    pages = [(about, bytes(range(16)))]
    for i, (name, fancy, retrace) in enumerate(
        [("height", "Height", 0), ("height", "Height", 1), ("error", "Error Signal", 0)]
    ):
        slots = [("raw", None), ("volts", ("V", *JPK_VOLTS)), ("calibrated", ("m", *JPK_LINE))]
        page = [(0x100, 4, [NX]), (0x101, 4, [NY]), (0x102, 3, [32]), (0x103, 3, [1]), (0x106, 3, [1]), (0x116, 4, [2])]
        page += [(0x153, 3, [2]), (0x8050, 2, name), (0x8051, 8, [retrace]), (0x8052, 2, fancy)]
        page += [(0x8080, 9, [3]), (0x8081, 2, "volts" if name == "error" else "calibrated")]
        for k, (slot, line) in enumerate(slots):
            at = 0x8090 + 0x30 * k
            page += [
                (at, 2, slot),
                (at + 0x10, 2, slot.title()),
                (at + 0x13, 2, "LinearScaling" if line else "NullScaling"),
            ]
            if line:
                page += [(at + 0x12, 2, line[0]), (at + 0x14, 12, [line[1]]), (at + 0x15, 12, [line[2]])]
        pages.append((page, counts[i].astype(order + "i4").tobytes()))
    path.write_bytes(_tiff(pages, order))


def _tiff(pages: list, order: str) -> bytes:
    """Pages of (tags, pixels), the pixels in strips of the rows that tag 0x116 says."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + b"\0\0\0\0")
    link = 4
    formats = {2: ("s", 1), 3: ("H", 2), 4: ("I", 4), 8: ("h", 2), 9: ("i", 4), 12: ("d", 8)}
    for tags, pixels in pages:
        rows = {tag: value for tag, _, value in tags}
        strip = len(pixels) * rows[0x116][0] // rows[0x101][0]
        offsets = [len(out) + k for k in range(0, len(pixels), strip)]
        out += pixels
        tags = sorted([*tags, (0x111, 4, offsets), (0x117, 4, [strip] * len(offsets))], key=lambda t: t[0])
        entries = b""
        for tag, kind, value in tags:
            raw = value.encode() + b"\0" if kind == 2 else struct.pack(f"{order}{len(value)}{formats[kind][0]}", *value)
            n = len(raw) if kind == 2 else len(value)
            if len(raw) > 4:
                out += b"\0" * (len(out) % 2)
                where = struct.pack(order + "I", len(out))
                out += raw
            else:
                where = raw.ljust(4, b"\0")
            entries += struct.pack(order + "HHI", tag, kind, n) + where
        out += b"\0" * (len(out) % 2)
        out[link : link + 4] = struct.pack(order + "I", len(out))
        out += struct.pack(order + "H", len(tags)) + entries
        link = len(out)
        out += b"\0\0\0\0"
    return bytes(out)


# --- Gwyddion --------------------------------------------------------------------------------------------------------


def _item(name: str, kind: str, value: object) -> bytes:
    start = name.encode() + b"\0" + kind.encode()
    if kind == "o":
        return start + value
    if kind == "s":
        return start + value.encode() + b"\0"
    if kind == "D":
        return start + struct.pack("<I", value.size) + value.astype("<f8").tobytes()
    return start + struct.pack("<" + {"b": "B"}.get(kind, kind), value)


def _thing(name: str, *items: bytes) -> bytes:
    body = b"".join(items)
    return name.encode() + b"\0" + struct.pack("<I", len(body)) + body


def _field(values: np.ndarray, unit_z: str, unit_xy: str = "m") -> bytes:
    ny, nx = values.shape
    units = [
        _item(f"si_unit_{k}", "o", _thing("GwySIUnit", _item("unitstr", "s", u)))
        for k, u in (("xy", unit_xy), ("z", unit_z))
    ]
    sizes = [_item("xres", "i", nx), _item("yres", "i", ny), _item("xreal", "d", WIDTH), _item("yreal", "d", HEIGHT)]
    return _thing("GwyDataField", *sizes, *units, _item("data", "D", values))


def gwy(path: Path, unit_xy: str = "m") -> None:
    """Height both ways, a mask on it, and a smaller phase image."""
    mask = (np.arange(NY * NX).reshape(NY, NX) % 3 == 0).astype(float)
    meta = _thing("GwyContainer", _item("Date", "s", "2020-02-01"), _item("Bias", "s", "0.5 V"))
    items = [
        _item("/0/data", "o", _field(surface(0), "m", unit_xy)), _item("/0/data/title", "s", "Topography [Forward]"),
        _item("/0/mask", "o", _field(mask, "", unit_xy)), _item("/0/meta", "o", meta), _item("/0/show", "b", 1),
        _item("/1/data", "o", _field(surface(1), "m", unit_xy)), _item("/1/data/title", "s", "Topography [Backward]"),
        _item("/2/data", "o", _field(surface(2)[:4, :5] * 1e9, "deg", unit_xy)), _item("/2/data/title", "s", "Phase"),
        _item("/filename", "s", "somewhere.gwy"),
    ]  # fmt: skip
    path.write_bytes(b"GWYP" + _thing("GwyContainer", *items))


def gsf(path: Path, sized: bool = True) -> None:
    head = f"Gwyddion Simple Field 1.0\nXRes = {NX}\nYRes = {NY}\n"
    if sized:
        head += f"XReal = {WIDTH}\nYReal = {HEIGHT}\nXYUnits = m\n"
    raw = (head + "ZUnits = m\nTitle = Topography\n").encode()
    path.write_bytes(raw + b"\0" * (4 - len(raw) % 4) + surface(0).astype("<f4").tobytes())


# --- pictures and arrays ---------------------------------------------------------------------------------------------


def grey() -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (NY, NX)).astype(np.uint8)


def png(path: Path, pixels: np.ndarray | None = None) -> None:
    """A grey or RGB picture of 8 or 16 bits that says 300 dots per inch, which is no physical size."""
    pixels = grey() if pixels is None else pixels

    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    lines = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    kind = struct.pack(">IIBBBBB", NX, NY, 8 * pixels.itemsize, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    head = part(b"IHDR", kind) + part(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", zlib.compress(lines)) + part(b"IEND", b""))


def jpeg(path: Path) -> None:
    from PIL import Image

    big = np.kron(grey(), np.ones((4, 4), np.uint8))
    Image.fromarray(big).save(path, "JPEG", quality=95)


def tiff(path: Path, compressed: bool = False) -> None:
    """Float heights with ImageJ's pixel size in micrometres."""
    import tifffile

    per_um = (1e-6 / (WIDTH / NX), 1e-6 / (HEIGHT / NY))
    options = {"compression": "zlib"} if compressed else {}
    tifffile.imwrite(path, surface(0), imagej=True, resolution=per_um, metadata={"unit": "um"}, **options)


def npy(path: Path, values: np.ndarray | None = None) -> None:
    """By hand, since numpy's own writer is what is to be checked against."""
    values = surface(0) if values is None else values
    head = f"{{'descr': '{values.dtype.str}', 'fortran_order': False, 'shape': {values.shape}, }}"
    head += " " * (63 - (len(head) + 10) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + values.tobytes())


def stack() -> np.ndarray:
    return np.random.default_rng(11).integers(0, 256, (5, NY, NX)).astype(np.uint8)


def npz(path: Path) -> None:
    labels = {"score": np.arange(10.0).reshape(5, 2), "session": np.array(["a", "a", "b", "b", "c"])}
    with path.open("wb") as file:
        np.savez_compressed(file, images=stack(), **labels)


def zarr(path: Path) -> None:
    """By the project's own writer: there is no second one."""
    import sharptip
    from sharptip.core.scan import scan_of

    scan = scan_of(surface(0), (HEIGHT / NY, WIDTH / NX), name="made")
    scan.attrs["header"] = json.dumps({"Bias": "0.5 V"})
    sharptip.write(scan, path)


# format → (suffix, maker): one example of every reader's files, for the tests that run over all of them.
EXAMPLES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "ibw": (".ibw", ibw), "bruker": (".spm", bruker), "sxm": (".sxm", sxm), "jpk": (".jpk", jpk), "gwy": (".gwy", gwy),
    "gsf": (".gsf", gsf), "tiff": (".tif", tiff), "png": (".png", png), "jpeg": (".jpg", jpeg), "npy": (".npy", npy),
    "npz": (".npz", npz), "zarr": (".zarr", zarr),
}  # fmt: skip

# Read by a library that is slow and looked over by a child process first; fewer damaged copies of these are tried by
# default, and all of them by `pytest -m slow tests/io/test_mutants.py`.
HDF5 = (
    "nhf",
    "nhf_wave",
    "nhf_curves",
    "jpk_h5",
    "usid",
    "usid_force",
    "nsid",
    "nsid_pixels",
    "afmformats_h5",
    "nanite_rating",
    "netcdf",
    "topostats",
    "topostats_old",
)

READER = {
    "tiff": "image",
    "png": "image",
    "jpeg": "image",
    "npy": "array",
    "npz": "array",
}  # where it is not the format


for _file in sorted((Path(__file__).parent / "files").glob("[a-z]*.py")):  # one module per further format
    _module = importlib.import_module(f"tests.io.files.{_file.stem}")
    EXAMPLES |= _module.EXAMPLES
    READER |= getattr(_module, "READER", {})


def example(folder: Path, format: str) -> Path:
    suffix, make = EXAMPLES[format]
    path = folder / f"example{suffix}"
    make(path)
    return path
