"""Films of high-speed AFM (`.asd`), file versions 0, 1 and 2: instruments of Ando's laboratory, RIBM and Olympus.

Layout: published by the libasd project (Niina, Matsunaga, Takada) and by AFMReader. A header with one or two kinds of
data, then all frames of the first kind, then all of the second; each frame is a header of 32 bytes and a block of
integers, line after line in the order recorded. The integers are steps of a converter: volts are
`range · step / 2^bits` (unipolar) or that of twice the range less the range (bipolar). More volts push the sample away
from the tip, so topography is minus volts times driver gain times piezo extension; error and phase are plus volts times
their sensitivity, and stay in volts where the file says none. Nothing published says which end of the image the first
line is; as in libasd, it is row 0 here, and the header's `scan_direction` is kept.

A film that was cut off (a full disk, a copy that stopped) is read as far as it goes: whole frames, and the whole lines
of the frame it ends in; `attrs["incomplete"]` says what is missing. The frames' own headers must count on by one for
that: where they do not, the file's header is damaged, and nothing of it is believed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.lazy import Lazy, Load
from .cut_off import cut_off, padded
from .layout import count, image_axes, positive, stored

NAME = "asd"
SUFFIXES = (".asd",)
GENERIC = False
LAZY = True

_FIELDS_0 = (
    ("version", "i"), ("kind_1", "2s"), ("kind_2", "2s"), ("header_size", "i"), ("frame_header_size", "i"),
    ("operator_size", "i"), ("comment_offset", "i"), ("comment_size", "i"), ("x_pixels", "h"), ("y_pixels", "h"),
    ("x_range_nm", "h"), ("y_range_nm", "h"), ("frame_time_ms", "f"), ("z_piezo_extension_nm_per_V", "f"),
    ("z_piezo_gain", "f"), ("ad_range", "I"), ("ad_bits", "i"), ("is_averaged", "?"), ("average_window", "i"),
    ("legacy", "h"), ("year", "h"), ("month", "B"), ("day", "B"), ("hour", "B"), ("minute", "B"), ("second", "B"),
    ("rounding_percent", "B"), ("x_range_max_nm", "f"), ("y_range_max_nm", "f"), ("reserved_1", "i"),
    ("reserved_2", "i"), ("reserved_3", "i"), ("frames_recorded", "i"), ("frames", "i"), ("machine", "i"),
    ("file_number", "h"),
)  # fmt: skip
_AFTER_OPERATOR_0 = (
    ("sensor_sensitivity_nm_per_V", "f"),
    ("phase_sensitivity_deg_per_V", "f"),
    ("scan_direction", "i"),
)
_FIELDS_1 = (
    ("version", "i"), ("header_size", "i"), ("frame_header_size", "i"), ("text_encoding", "i"), ("operator_size", "i"),
    ("comment_size", "i"), ("kind_1", "4s"), ("kind_2", "4s"), ("frames_recorded", "i"), ("frames", "i"),
    ("scan_direction", "i"), ("file_number", "i"), ("x_pixels", "i"), ("y_pixels", "i"), ("x_range_nm", "i"),
    ("y_range_nm", "i"), ("is_averaged", "?"), ("average_window", "i"), ("year", "i"), ("month", "i"), ("day", "i"),
    ("hour", "i"), ("minute", "i"), ("second", "i"), ("x_rounding_percent", "i"), ("y_rounding_percent", "i"),
    ("frame_time_ms", "f"), ("sensor_sensitivity_nm_per_V", "f"), ("phase_sensitivity_deg_per_V", "f"),
    ("offset", "i"), ("reserved_1", "i"), ("reserved_2", "i"), ("reserved_3", "i"), ("machine", "i"),
    ("ad_range", "I"), ("ad_bits", "i"), ("x_range_max_nm", "f"), ("y_range_max_nm", "f"),
    ("x_piezo_extension_nm_per_V", "f"), ("y_piezo_extension_nm_per_V", "f"), ("z_piezo_extension_nm_per_V", "f"),
    ("z_piezo_gain", "f"),
)  # fmt: skip
_FRAME = np.dtype([
    ("number", "<i4"), ("max", "<u2"), ("min", "<u2"), ("x_offset", "<i2"), ("y_offset", "<i2"), ("x_tilt", "<f4"),
    ("y_tilt", "<f4"), ("is_stimulated", "u1"), ("reserved", "V11"),
])  # fmt: skip
_RANGES = {  # code → (lowest, highest) volts; the last is written by software that changed the numbers
    0x1: (0.0, 1.0), 0x2: (0.0, 2.5), 0x3: (0.0, 9.99), 0x4: (0.0, 5.0), 0x10000: (-1.0, 1.0), 0x20000: (-2.5, 2.5),
    0x40000: (-5.0, 5.0), 0x800000: (-80.0, 80.0),
}  # fmt: skip
_ENCODINGS = {932: "shift_jis", 1200: "utf-16-le", 20932: "euc_jp", 65001: "utf-8", 10001: "shift_jis", 20127: "ascii"}
_WAYS = {1: "x forward", 2: "x backward", 4: "y forward", 8: "y backward"}
_LONGEST_TEXT = 2**16

Facts = dict[str, object]


def detect(head: bytes, path: Path) -> bool:
    """A version, two kinds of data written as capitals, and the size of a frame's header: there is no signature."""
    if len(head) < 165:
        return False
    version, kinds, frame_header = int.from_bytes(head[:4], "little"), head[24:32], head[8:12]
    if version == 0:
        kinds, frame_header = head[4:6] + b"\0\0" + head[6:8] + b"\0\0", head[12:16]
    sound = _is_kind(kinds[:4]) and (_is_kind(kinds[4:]) or kinds[4:] == bytes(4))
    return version in (0, 1, 2) and sound and frame_header == b"\x20\0\0\0"


def _is_kind(raw: bytes) -> bool:
    return raw[:2].isalpha() and raw[:2].isupper() and raw[2:] == b"\0\0"


def read(path: Path) -> list[Grid]:
    with path.open("rb") as file:
        facts, start = _header(file.read(4 * _LONGEST_TEXT))
    ny, nx = (count(int(_number(facts, name)), name) for name in ("y_pixels", "x_pixels"))
    shape = ny, nx
    n = count(int(_number(facts, "frames")), "the number of frames")
    kinds = [str(facts[k]) for k in ("kind_1", "kind_2") if facts[k]]
    size = _FRAME.itemsize + 2 * shape[0] * shape[1]
    beyond = path.stat().st_size - start - len(kinds) * n * size
    parts = [_there(path.stat().st_size - start - i * n * size, n, shape) for i in range(len(kinds))]
    if beyond < 0 and (not parts[0].whole or sum(p.frames for p in parts) < 2):
        raise ReadError(
            f"{len(kinds)} × {n} frames of {shape} pixels need {-beyond} bytes more than the file has: it ends before "
            "its second frame, or its header is damaged"
        )
    channels: list[Channel] = []
    frames: dict[str, dict[str, list[object]]] = {}
    for i, (kind, part) in enumerate(zip(kinds, parts, strict=True)):
        if part.frames:
            offsets = start + i * n * size + np.arange(part.frames, dtype=np.int64) * size
            frames[kind] = _frame_headers(path, offsets)
            channels.append(_channel(kind, path, offsets + _FRAME.itemsize, shape, facts, part))
    step = positive(_number(facts, "frame_time_ms"), "the frame time") * 1e-3
    length = parts[0].frames
    axes = {"time": Axis.regular(length, step, "s")}
    axes |= image_axes(shape, *(positive(_number(facts, f"{a}_range_nm"), f"the {a} range") * 1e-9 for a in "yx"))
    attrs: Facts = {"scan_direction": _ways(int(_number(facts, "scan_direction")))}
    if beyond < 0:
        _believed(frames, kinds, n, shape, -beyond)
        channels = [padded(c, length) for c in channels]
        attrs |= cut_off(_missing(kinds, parts, n, shape[0]))
    if beyond > 0:
        attrs["bytes_after_frames"] = beyond
    return [Grid(path.stem, unique(channels), axes, {"file": facts, "frames": frames}, attrs)]


@dataclass(frozen=True)
class _Part:
    """What of one kind of data is in the file: so many whole frames, and so many lines of the next one."""

    whole: int
    lines: int

    @property
    def frames(self) -> int:
        return self.whole + bool(self.lines)


def _there(left: int, n: int, shape: tuple[int, int]) -> _Part:
    """Of n frames, those for which `left` bytes are enough."""
    whole, rest = divmod(max(0, left), _FRAME.itemsize + 2 * shape[0] * shape[1])
    return _Part(n, 0) if whole >= n else _Part(whole, max(0, rest - _FRAME.itemsize) // (2 * shape[1]))


def _believed(
    frames: dict[str, dict[str, list[object]]], kinds: list[str], n: int, shape: tuple[int, int], missing: int
) -> None:
    """Raises ReadError for a short file whose frames are not where its header says they are."""
    first = frames[kinds[0]]["number"][0]
    for kind, headers in frames.items():
        numbers = np.array(headers["number"])
        if numbers[0] != first or (np.diff(numbers) != 1).any():
            raise ReadError(
                f"{len(kinds)} × {n} frames of {shape} pixels need {missing} bytes more than the file has, and its "
                f"frames of {kind!r} do not count on by one: its header is damaged"
            )


def _missing(kinds: list[str], parts: list[_Part], n: int, ny: int) -> list[str]:
    """What a film that was cut off has and has not."""
    said = []
    for kind, part in zip(kinds, parts, strict=True):
        if part.whole == n:
            said.append(f"{kind} is whole")
        elif not part.frames:
            said.append(f"{kind} is missing")
        else:
            cut = f", and {part.lines} of the {ny} lines of frame {part.whole}" if part.lines else ""
            said.append(f"{part.whole} of {n} frames of {kind} are there{cut}")
    return said


def _header(data: bytes) -> tuple[Facts, int]:
    """Every field by name, and the byte at which the first frame begins."""
    version = int.from_bytes(data[:4], "little")
    if version not in (0, 1, 2):
        raise ReadError(f"file version {version} is not known; 0, 1 and 2 are")
    facts, at = _unpacked(data, 0, _FIELDS_1 if version else _FIELDS_0)
    codec = _ENCODINGS.get(int(_number(facts, "text_encoding"))) if version else "utf-16-be"
    facts["operator"], at = _text(data, at, facts, "operator", codec)
    if version == 0:  # its own header_size leaves the comment out, or is wrong
        more, at = _unpacked(data, at, _AFTER_OPERATOR_0)
        facts |= more
        at += _length(facts, "comment_offset")
        facts["comment"], at = _text(data, at, facts, "comment", codec)
        start = at
    else:
        facts["comment"], at = _text(data, at, facts, "comment", codec)
        start = _length(facts, "header_size", 4 * _LONGEST_TEXT)
        facts["further_bytes"] = data[at:start].hex(" ")  # version 2: feed-forward and colours
    if not at <= start <= len(data) or facts["frame_header_size"] != _FRAME.itemsize:
        raise ReadError(
            f"the header is said to end at byte {start}, but has {at}; or frames have no header of 32 bytes"
        )
    return facts, start


def _unpacked(data: bytes, at: int, fields: tuple[tuple[str, str], ...]) -> tuple[Facts, int]:
    kind = "<" + "".join(letter for _, letter in fields)
    values = struct.unpack_from(kind, data, at)
    plain = [v.rstrip(b"\0").decode("ascii") if isinstance(v, bytes) else v for v in values]
    return dict(zip([name for name, _ in fields], plain, strict=True)), at + struct.calcsize(kind)


def _number(facts: Facts, name: str) -> float:
    value = facts[name]
    assert isinstance(value, int | float)
    return value


def _length(facts: Facts, name: str, most: int = _LONGEST_TEXT) -> int:
    length = int(_number(facts, name))
    if not 0 <= length <= most:
        raise ReadError(f"{name} is {length} bytes; the header is damaged")
    return length


def _text(data: bytes, at: int, facts: Facts, what: str, codec: str | None) -> tuple[str, int]:
    """A text as its encoding says, or byte by byte where it says nothing known."""
    end = at + _length(facts, f"{what}_size")
    raw = data[at:end]
    if len(raw) != end - at:
        raise ReadError(f"the file ends in the {what}; it is truncated")
    if codec == "utf-16-be" and any(raw[::2]):  # version 0 says no encoding; texts of one byte a letter exist as well
        codec = None
    try:
        return raw.decode(codec or "latin-1").rstrip("\0"), end
    except UnicodeDecodeError:
        return raw.decode("latin-1").rstrip("\0"), end


def _frame_headers(path: Path, offsets: np.ndarray) -> dict[str, list[object]]:
    raw = stored(path, offsets, (_FRAME.itemsize,), "u1", "the headers of the frames")[:]
    headers = np.frombuffer(raw.tobytes(), _FRAME)
    return {name: headers[name].tolist() for name in headers.dtype.names or () if name != "reserved"}


def _channel(kind: str, path: Path, offsets: np.ndarray, shape: tuple[int, int], facts: Facts, part: _Part) -> Channel:
    code, bits = int(_number(facts, "ad_range")), int(_number(facts, "ad_bits"))
    if code not in _RANGES or not 1 <= bits <= 16:
        raise ReadError(
            f"the converter has range {code:#x} and {bits} bits, which are not known; the header is damaged"
        )
    low, high = _RANGES[code]
    factor, unit = _factor(kind, facts)
    dtype, what = "<u2" if bits == 16 else "<i2", f"the frames of {kind!r}"
    calibrated = partial(_calibrated, slope=factor * (high - low) / 2**bits, offset=factor * low)
    if part.whole:
        load = partial(calibrated, stored(path, offsets[: part.whole], shape, dtype, what).load)
    if part.lines:
        lines = stored(path, offsets[-1:], (part.lines, shape[1]), dtype, what).load
        cut = partial(_cut_off, partial(calibrated, lines), shape)
        load = partial(_either, load, cut, part.whole) if part.whole else cut
    lazy = Lazy((len(offsets), *shape), np.dtype(float), load)
    name = {"TP": "height", "ER": "amplitude_error", "PH": "phase"}.get(kind, f"{kind.lower()}_signal")
    return replace(Channel.from_vendor(kind, lazy, unit, ("time", "y", "x")), name=name)


def _calibrated(load: Load, places: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return load(places) * np.float64(slope) + offset


def _cut_off(load: Load, shape: tuple[int, int], places: np.ndarray) -> np.ndarray:
    """The frame in which the file ends: its lines as far as they go, then NaN."""
    out = np.full((len(places), *shape), np.nan)
    lines = load(np.zeros(1, int))[0]
    out[:, : len(lines)] = lines
    return out


def _either(load: Load, cut: Load, whole: int, places: np.ndarray) -> np.ndarray:
    """Whole frames, and behind them the one that is cut off."""
    last = places == whole
    if not last.any():
        return load(places)
    out = cut(places)
    out[~last] = load(places[~last])
    return out


def _factor(kind: str, facts: Facts) -> tuple[float, str]:
    """What a volt means: the sign is that of the docstring above."""
    if kind == "TP":
        gain = positive(_number(facts, "z_piezo_gain"), "the gain of the z piezo's driver")
        return -gain * positive(_number(facts, "z_piezo_extension_nm_per_V"), "the z piezo's extension"), "nm"
    known = {"ER": ("sensor_sensitivity_nm_per_V", "nm"), "PH": ("phase_sensitivity_deg_per_V", "deg")}
    name, unit = known.get(kind, ("", "V"))
    sensitivity = _number(facts, name) if name else 0.0
    return (sensitivity, unit) if np.isfinite(sensitivity) and sensitivity > 0 else (1.0, "V")


def _ways(code: int) -> str:
    return ", ".join(name for bit, name in _WAYS.items() if code & bit) or "not said"
