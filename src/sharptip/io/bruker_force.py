"""Force curves in Bruker Nanoscope files: single ramps, force volumes and PeakForce captures.

Layout: the NanoScope manual's "Force Volume Image File Format", and what has been found out about holds and unequal
halves since. Each section `\\*Ciao force image list` says where one channel lies; its curves follow each other, the
map's bottom line first. `Samps/line: N M` gives the samples of the retract and of the approach. A curve is a block of N
samples for the approach, of which the first M were recorded, the one at the surface first; then N of the retract, from
the surface as well; then `Hold Samples` of a hold at the surface. One step is worth the hard scale of `Z scale` times
the sensitivity it names. The least count marks a sample that was not taken; where numbers of 4 bytes count in steps of
2 (`Bytes/pixel`), it is that of 2 bytes. `Height Sensor` grows toward the sample. Of a spectrum, `Ramp channel` says
what was ramped in place of the height; nothing tells that its halves are turned around as those of curves are.

A PeakForce capture holds one period of the oscillation per pixel, cut into two halves of which the first is stored
backwards. `Sync Distance` says where in the period the tip is lowest, in the `Sample Points` of a period.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid, unique
from ..core.lazy import Lazy, Load
from ..core.names import standard
from ..core.units import to_si
from .bruker_header import (
    Section,
    counted_bytes,
    counts,
    extent,
    full_range,
    in_unit,
    number,
    parse,
    per_count,
    quoted,
    sensitivity,
)
from .cut_off import There, nan_behind
from .layout import count, stored

SECTION = "Ciao force image list"

_SIZES = ("@ramp size", "@ramp size zsweep", "@z scan size")  # the last is the only one in old files, and wider later
_SYNC = ("sync distance qnm", "sync distance", "sync distance new")  # the first that is not zero: NanoScope's own order


@dataclass(frozen=True)
class Layout:
    """How the samples of one curve lie in the file, and how many curves there are."""

    approach: int  # samples recorded on the way to the surface
    retract: int  # samples on the way back, and places kept for the way to the surface
    hold: int  # samples at the surface, stored last
    width: int  # bytes of a sample
    shape: tuple[int, int]  # of the map, (1, 1) for a single curve
    captured: bool = False  # one period of PeakForce tapping each
    turn: int | None = None  # where in that period the tip is lowest, if the file says it
    digits: int = 4  # bytes of a sample that are counted
    ramped: str = "Z"  # what was ramped

    @property
    def block(self) -> int:
        return max(self.approach, self.retract) + self.retract + self.hold

    @property
    def length(self) -> int:
        return self.approach + self.hold + self.retract

    @property
    def curves(self) -> int:
        return self.shape[0] * self.shape[1]

    def parts(self) -> list[tuple[str, int]]:
        """(kind, samples) of the parts of a curve; one nameless part where nobody knows when the tip turned."""
        if self.captured and self.turn is None:
            return [("other", self.length)]
        if self.ramped != "Z":
            return [("other", n) for n in (self.approach, self.hold, self.retract) if n]
        return [(k, n) for k, n in (("approach", self.approach), ("pause", self.hold), ("retract", self.retract)) if n]


def grids(path: Path, header: str, found: Sequence[tuple[str, Section]], there: There) -> list[Grid]:
    """One grid for all channels whose curves lie alike; none where the file holds no curves."""
    facts = {name: {k: v for n, values in found if n == name for k, v in values.items()} for name, _ in found}
    common = {k: v for name, values in found if "image list" not in name for k, v in values.items()}
    channels = [values for name, values in found if name == SECTION]
    groups: dict[Layout, list[Section]] = {}
    for channel in channels:
        groups.setdefault(_layout(channel, facts, common), []).append(channel)
    images = any(name == "Ciao image list" for name, _ in found)
    out = []
    for i, (layout, members) in enumerate(groups.items()):
        name = path.stem + ("_curves" if images else "") + (f"_{i + 1}" if i else "")
        kept = [(member, n) for member in members if (n := _there(member, layout, there))]
        if kept:
            out.append(_grid(path, name, header, layout, kept, facts, common))
    return out


def _there(member: Section, layout: Layout, there: There) -> int:
    """How many curves of a channel are in the file: fewer than all where it was cut off."""
    start = count(member["data offset"], "Data offset")
    name = quoted(member["@image data"])
    return there.count(name, start, layout.curves, layout.block * layout.width, "curves")


def _layout(channel: Section, facts: Mapping[str, Section], common: Section) -> Layout:
    scan, force = facts.get("Ciao scan list", {}), facts.get("Ciao force list", {})
    sampled = counts(channel, "samps/line")
    retract, approach = sampled[0], sampled[-1]
    length = count(channel["data length"], "Data length")
    said = number(channel, "bytes/pixel")
    newer = common.get("version", "").lower() >= "0x0920"
    widths = (4, 2) if newer or said == 4 else (2, 4)
    captured = _captured(channel, scan)
    turn = _turn(scan, retract) if captured else None
    approach = retract if captured else approach
    ramped = _ramped(channel, force)
    fitting = []
    for hold in sorted({0 if captured else int(number(force, "hold samples") or 0), 0}, reverse=True):
        for width in widths:
            digits = counted_bytes(channel, width)
            one = Layout(approach, retract, hold, width, (1, 1), captured, turn, digits, ramped)
            shape = _shape(length, one.block * width, scan, force)
            if shape is not None:
                fitting.append(replace(one, shape=shape))
    single = scan.get("operating mode", "").lower() == "force"
    if fitting:
        return min(fitting, key=lambda one: single and one.curves > 1)  # the first, if it is as single as is said
    raise ReadError(
        f"curves of {approach} + {retract} samples do not make up the {length} bytes that are said to hold them; "
        "the header is damaged, or the capture was cut off"
    )


def _ramped(channel: Section, force: Section) -> str:
    said = channel.get("@ramp channel") or force.get("@ramp channel")
    return quoted(said) if said else "Z"


def _shape(length: int, block: int, scan: Section, force: Section) -> tuple[int, int] | None:
    """Rows and columns of the map whose curves of `block` bytes fill `length`; None where none does."""
    n, rest = divmod(length, block)
    if rest or n == 0:
        return None
    if n == 1:
        return 1, 1
    shapes = []
    if "force/line" in force and int(force["force/line"].split()[0]) > 0:
        across = counts({"force/line": force["force/line"].split()[0]}, "force/line")[0]
        shapes += [(across, across), (n // across, across)]
    if "lines" in scan and "samps/line" in scan:
        shapes.insert(1, (counts(scan, "lines")[0], counts(scan, "samps/line")[0]))
    return next(((ny, nx) for ny, nx in shapes if ny * nx == n), None)


def _captured(channel: Section, scan: Section) -> bool:
    """Whether the curves were cut from the oscillation of PeakForce tapping while an image was taken."""
    allowed = scan.get("peakforce capture", "").lower() == "allow"
    return allowed and scan.get("operating mode", "").lower() == "image" and "zsensor" not in channel["@image data"]


def _turn(scan: Section, half: int) -> int | None:
    """The sample of a period at which the tip is lowest; None where the file does not say it."""
    points = number(scan, "sample points")
    sync = next((s for s in (number(scan, key) for key in _SYNC) if s), None)
    if sync is None or not points:
        return None
    return round(sync * 2 * half / points) % (2 * half)


def _grid(
    path: Path,
    name: str,
    header: str,
    layout: Layout,
    members: Sequence[tuple[Section, int]],
    facts: Mapping[str, Section],
    common: Section,
) -> Grid:
    channels: list[Channel] = []
    attrs: dict[str, object] = {}
    for member, there in members:
        channel, lazy = _channel(path, member, there, layout, common)
        channels.append(channel)
        if channel.name == "deflection" and "sensitivity" not in attrs:
            attrs |= _calibration(member, common)
            k = attrs.get("spring_constant")
            if channel.unit == "m" and isinstance(k, float):
                made = {"computed": "deflection times spring_constant; its baseline is not taken away"}
                channels.append(replace(channel, name="force", data=lazy.scaled(k), unit="N", attrs=made))
    channels += _ramp(members[0][0], layout, facts, common)
    n, samples = layout.curves, layout.length
    parts = layout.parts()
    segment = np.repeat(np.arange(len(parts), dtype=float), [k for _, k in parts])
    channels.append(_every("segment", segment, "1", n))
    channels.append(Channel("length", np.full(n, float(samples)), "1", "Samps/line", ("curve",)))
    attrs["segments"] = json.dumps([kind for kind, _ in parts])
    if n > 1:
        channels += _places(layout, common)
        attrs["map_shape"] = list(layout.shape)
    axes = {"curve": Axis(np.arange(n), "1"), "sample": Axis(np.arange(samples), "1")}
    return Grid(name, unique(channels), axes, header, attrs)


def _channel(path: Path, member: Section, there: int, layout: Layout, common: Section) -> tuple[Channel, Lazy]:
    """A channel and its numbers; of curves that the file does not hold they are NaN."""
    name = quoted(member["@image data"])
    factor, unit = per_count(member["@z scale"], common)
    start, step = count(member["data offset"], "Data offset"), layout.block * layout.width
    offsets = start + np.arange(there, dtype=np.int64) * step
    raw = stored(path, offsets, (layout.block,), f"<i{layout.width}", f"the curves of {name!r}")
    sensor = standard(name) == "height_sensor"
    load = partial(_unfold, raw.load, layout)
    if there < layout.curves:
        load = partial(nan_behind, load, there, (layout.length,))
    counted = Lazy((layout.curves, layout.length), np.dtype(float), load)
    channel = Channel.from_vendor(name, counted.scaled(-factor if sensor else factor), unit, ("curve", "sample"))
    if sensor:
        channel = replace(channel, attrs={**channel.attrs, "vendor_sign": -1})
    return channel, cast(Lazy, channel.data)


def _unfold(load: Load, layout: Layout, which: np.ndarray) -> np.ndarray:
    """Samples in the order in which they were taken, as floats; NaN where none was."""
    raw = load(which)
    kept = layout.block - layout.retract - layout.hold
    turned = -1 if layout.ramped == "Z" else 1
    approach = raw[:, : layout.approach][:, ::turned]
    retract, hold = raw[:, kept : kept + layout.retract], raw[:, kept + layout.retract :]
    ordered = np.concatenate([approach, hold, retract], axis=1)
    missing = (ordered == np.iinfo(raw.dtype).min) | (ordered == -(256**layout.digits) // 2)
    values = np.where(missing, np.nan, ordered.astype(float))
    if layout.turn is None:
        return values
    return np.roll(values, layout.retract - layout.turn, axis=1)  # a period begins where the tip is highest


def _calibration(member: Section, common: Section) -> dict[str, object]:
    """Spring constant (N/m) and sensitivity (m/V) as far as the file says them."""
    out: dict[str, object] = {}
    k = number(member, "spring constant")
    if k and k > 0:
        out["spring_constant"] = k
    soft = parse(member["@z scale"]).soft
    if soft:
        value, unit = sensitivity(soft, common)
        factor, si = to_si(unit)
        if si == "m/V":
            out["sensitivity"] = value * factor
    return out


def _ramp(member: Section, layout: Layout, facts: Mapping[str, Section], common: Section) -> list[Channel]:
    """Height and time of every sample as the ramp was set: height 0 is where the tip turned."""
    if layout.captured:
        return _oscillation(layout, facts["Ciao scan list"])
    force = facts.get("Ciao force list", {})
    if layout.ramped != "Z":
        return _spectrum(member, layout, force, common)
    said = next((s[k] for k in _SIZES for s in (member, force) if k in s), None)
    out = []
    if said and parse(said).hard:
        size, unit = full_range(said, common)
        factor, si = to_si(unit)
        if si == "m":
            step = size * factor / layout.retract
            down, up = np.arange(layout.approach)[::-1], np.arange(layout.retract)
            height = np.concatenate([down, np.zeros(layout.hold), up]) * step
            how = {"computed": "from the size of the ramp; 0 where it turned"}
            out.append(_every("height", height, "m", layout.curves, "Ramp size", how))
        time = _time(layout, force, abs(parse(said).hard))
        if time is not None:
            out.append(_every("time", time, "s", layout.curves, "Forward vel."))
    return out


def _spectrum(member: Section, layout: Layout, force: Section, common: Section) -> list[Channel]:
    """What was ramped in place of the height, as far as the header says its beginning and its end."""
    name = layout.ramped.lower()
    ends = []
    for which in ("begin", "end"):
        keys = (f"@ramp {which} {name}", f"@ramp {which}")
        said = next((s[k] for k in keys for s in (force, member) if k in s), None)
        if said is None:
            return []
        value = parse(said)
        ends.append(in_unit(value, value.hard, common))
    (start, unit), (stop, _) = ends
    way = np.linspace(start, stop, layout.retract)
    down = np.linspace(start, stop, layout.approach)
    made = Channel.from_vendor(
        layout.ramped, np.concatenate([down, np.full(layout.hold, np.nan), way]), unit, ("sample",)
    )
    called = "bias" if made.unit == "V" and "bias" in name else made.name
    how = {**made.attrs, "computed": "from the beginning and the end of the ramp"}
    return [_every(called, np.asarray(made.data), made.unit, layout.curves, layout.ramped, how)]


def _time(layout: Layout, force: Section, size: float) -> np.ndarray | None:
    """Seconds since the first sample, from the velocities (volts per second, as `size` is in volts) or the rate."""
    rate = number(force, "scan rate")
    halves = []
    for key in ("forward vel.", "reverse vel."):
        velocity = number(force, key)
        if velocity:
            halves.append(size / abs(velocity))
        elif rate:
            halves.append(0.5 / rate)
        else:
            return None
    down, up = (half / layout.retract for half in halves)
    hold = number(force, "hold time") or number(force, "ramp delay") or 0.0
    start = layout.approach * down
    held = start + np.arange(layout.hold) * (hold / layout.hold) if layout.hold else np.empty(0)
    return np.concatenate([np.arange(layout.approach) * down, held, start + hold + np.arange(layout.retract) * up])


def _oscillation(layout: Layout, scan: Section) -> list[Channel]:
    """Height and time over one period of PeakForce tapping; no height where the file does not say the phase."""
    out = []
    amplitude, frequency = number(scan, "peak force amplitude"), number(scan, "pft freq")
    phase = 2 * np.pi * (np.arange(layout.length) - layout.retract) / layout.length
    if layout.turn is not None and amplitude:
        height = amplitude * 1e-9 * (1 - np.cos(phase))
        how = {"computed": "from Peak Force Amplitude and Sync Distance; 0 where it turned"}
        out.append(_every("height", height, "m", layout.curves, "Peak Force Amplitude", how))
    if frequency:
        time = np.arange(layout.length) / (frequency * 1e3 * layout.length)  # PFT Freq is in kHz
        out.append(_every("time", time, "s", layout.curves, "PFT Freq"))
    return out


def _places(layout: Layout, common: Section) -> list[Channel]:
    """Row, column and place of every curve on the axes of the images beside them."""
    ny, nx = layout.shape
    row, column = (v.ravel().astype(float) for v in np.indices(layout.shape))
    row = ny - 1 - row  # the bottom line is stored first
    places = [("row", row, "1"), ("column", column, "1")]
    if number(common, "scan size"):  # 0 where all curves were taken at one place
        height, width = extent({}, common) or (0.0, 0.0)
        places += [("tip_x", column * (width / nx), "m"), ("tip_y", row * (height / ny), "m")]
    return [Channel(name, values, unit, name, ("curve",)) for name, values, unit in places]


def _every(
    name: str, values: np.ndarray, unit: str, n: int, vendor_name: str = "", attrs: Mapping[str, object] | None = None
) -> Channel:
    """A channel that is the same for every curve; it takes the memory of one."""
    same = np.broadcast_to(values, (n, len(values)))
    return Channel(name, same, unit, vendor_name or name, ("curve", "sample"), attrs or {})
