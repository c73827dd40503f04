"""JPK force archives with known numbers, written by the published layout with Python's own zipfile."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

NAMES = ("height", "vDeflection", "capacitiveSensorHeight", "smoothed", "seriesTime", "aux")
N = (12, 3, 9)  # samples of approach, pause and retract
DURATIONS = (0.6, 0.3, 0.9)  # seconds
STYLES = ("extend", "pause", "retract")
HEIGHT = (2e-9, 3.0)  # volts per count of the height channel, and at 0
NOMINAL, CALIBRATED = (-1e-6, 1e-4), 0.75  # metres per volt, and at 0; calibrated per nominal
VOLTS = (5e-9, -1e-4)  # of the deflection
SENSITIVITY, SPRING = 6e-8, 0.04  # m/V, N/m
SENSOR = (-8e-14, 5e-5)  # metres per count
START, STEP = 1e-3, 2e-3  # of the raster
AUX = 1.5  # of the constant channel
SHAPE, SIZE = (2, 3), (2e-7, 3e-7)  # rows, columns of the map; metres
MISSING = 4  # curve that the map lacks: it was aborted before


def counts(curve: int, segment: int, channel: str) -> np.ndarray:
    """What is stored: falling heights of an approach, without any symmetry."""
    n = N[segment] - (segment == 2 and curve == 2)  # one retract is shorter
    seed = 100 * curve + 10 * segment + len(channel)
    noise = np.random.default_rng(seed).integers(0, 10**6, n)
    slope = {0: 1, 1: 0, 2: -1}[segment] * np.arange(n)
    return (noise + 10**7 * slope).astype(np.int64)


def _put(archive: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), content, archive.compression)  # a ZipInfo has no date: always the same file


def _line(prefix: str, line: tuple[float, float], unit: str) -> list[str]:
    scaling = ["type=linear", "style=offsetmultiplier", f"offset={line[1]!r}", f"multiplier={line[0]!r}"]
    scaling += ["unit.type=metric-unit", f"unit.unit={unit}"]
    return [f"{prefix}scaling.{s}" for s in scaling]


def _set(prefix: str, base: str, default: str, slots: dict[str, tuple[str, tuple[float, float], str]]) -> list[str]:
    lines = [f"conversions.list={' '.join(slots)}", f"conversions.default={default}", f"conversions.base={base}"]
    lines += [f"conversion.{base}.name=Base", f"conversion.{base}.defined=false"]
    for name, (on, line, unit) in slots.items():
        lines += [f"conversion.{name}.defined=true", f"conversion.{name}.base-calibration-slot={on}"]
        lines += _line(f"conversion.{name}.", line, unit)
    return [f"{prefix}conversion-set.{line}" for line in lines]


def _coded(prefix: str, width: str, line: tuple[float, float], unit: str, shared: bool) -> list[str]:
    data = "" if shared else "data."
    said = [f"{prefix}{data}type={width}{'-data' if shared else ''}", f"{prefix}{data}encoder.type=signed{width}"]
    return said + _line(f"{prefix}{data}encoder.", line, unit)


def _channels(prefixes: Sequence[str], shared: bool, width: str, calibrated: bool) -> list[str]:
    """Encoders and slots of height, deflection and sensor, as the shared header or a segment's says them."""
    height, deflection, sensor = prefixes
    out = _coded(height, width, HEIGHT, "V", shared)
    slots = {"nominal": ("volts", NOMINAL, "m"), "calibrated": ("nominal", (CALIBRATED, 0.0), "m")}
    out += _set(height, "volts", "calibrated", slots)
    out += _coded(deflection, width, VOLTS, "V", shared)
    slots = {"distance": ("volts", (SENSITIVITY, 0.0), "m"), "force": ("distance", (SPRING, 0.0), "N")}
    out += _set(deflection, "volts", "force" if calibrated else "volts", slots if calibrated else {})
    out += _coded(sensor, width, SENSOR, "m", shared)
    return out + _set(sensor, "absolute", "nominal", {"nominal": ("absolute", (1.0, 1e-4), "m")})


def _shared_header(calibrated: bool) -> str:
    lines = ["#Mon Jan 06 12:00:00 CET 2020", "force-segment-header-infos.count=3", "lcd-infos.count=6"]
    for k, style in enumerate(STYLES):
        about = f"force-segment-header-info.{k}."
        lines += [f"{about}settings.segment-settings.style={style}", f"{about}name.name={style}-spm"]
    for k, name in enumerate(NAMES):
        lines += [f"lcd-info.{k}.channel.name={name}"]
    lines += _channels([f"lcd-info.{k}." for k in range(3)], True, "integer", calibrated)
    lines += ["lcd-info.3.type=float-data", "lcd-info.3.unit.unit=m"]
    lines += _set("lcd-info.3.", "absolute", "absolute", {})
    lines += ["lcd-info.4.type=raster-data", "lcd-info.4.unit.unit=s", *_set("lcd-info.4.", "elapsed", "elapsed", {})]
    lines += ["lcd-info.5.type=constant-data", "lcd-info.5.unit.unit=V", *_set("lcd-info.5.", "volts", "volts", {})]
    return "\n".join(lines) + "\n"


def _curve(archive: zipfile.ZipFile, root: str, curve: int, segments: Sequence[int], old: bool) -> None:
    for place, segment in enumerate(segments):
        folder = f"{root}segments/{place}/"
        names = [
            n for n in NAMES[: 3 if old else 6] if (n, segment) != ("capacitiveSensorHeight", 1)
        ]  # a pause may record less
        lines = ["#Mon Jan 06 12:00:00 CET 2020", f"force-segment-header.duration={DURATIONS[segment]}"]
        lines += ["force-segment-header.time-stamp=2020-01-06 12\\:00\\:00.500 +0100" if old else ""]
        if old:
            lines += [f"force-segment-header.settings.segment-settings.style={STYLES[segment]}"]
            lines += _channels([f"channel.{n}." for n in NAMES[:3]], False, "short", True)
        else:
            lines += [f"force-segment-header.force-segment-header-info.*={segment}"]
        lines += [f"channels.list={' '.join(names)}"]
        for k, name in enumerate(NAMES):
            if name not in names:
                continue
            n = len(counts(curve, segment, name))
            about = f"channel.{name}."
            lines += [f"{about}data.num-points={n}"] + ([] if old else [f"{about}lcd-info.*={k}"])
            if name == "seriesTime":
                lines += [f"{about}data.start={START}", f"{about}data.step={STEP}"]
            elif name == "aux":
                lines += [f"{about}data.value={AUX}"]
            else:
                stored = counts(curve, segment, name)
                raw = (stored * 1e-15).astype(">f4") if name == "smoothed" else stored.astype(">i4")
                raw = (stored // 10**4).astype(">i2") if old else raw
                _put(archive, f"{folder}channels/{name}.dat", raw.tobytes())
                lines += [f"{about}data.file.name=channels/{name}.dat", f"{about}data.file.format=raw"]
        _put(archive, f"{folder}segment-header.properties", "\n".join(lines) + "\n")


def _position(kind: str, curve: int) -> tuple[float, float]:
    """(x, y) of a curve of the map in metres: from the bottom left, every second line backwards."""
    j, i = divmod(curve, SHAPE[1])
    i = SHAPE[1] - 1 - i if kind == "force-scan" and j % 2 else i
    return (i + 0.5) * SIZE[1] / SHAPE[1] - 1e-6, (j + 0.5) * SIZE[0] / SHAPE[0] + 1e-6


def force(path: Path, calibrated: bool = True) -> None:
    """One curve with a pause, every kind of channel."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        about = ["#Mon Jan 06 12:00:00 CET 2020", "jpk-data-file=spm-forcefile", "file-format-version=2.0"]
        about += ["type=force-scan-series", "force-scan-series.header.position.x=1.0E-6"]
        about += ["force-scan-series.header.position.y=-2.0E-6", "force-scan-series.description.comment=\\u00B5 \\: ok"]
        _put(archive, "header.properties", "\n".join(about) + "\n")
        _curve(archive, "", 0, (0, 1, 2), old=False)
        _put(archive, "shared-data/header.properties", _shared_header(calibrated))


def old_force(path: Path) -> None:
    """A file of version 0.12: short integers, every header whole, a pause that was not saved."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _put(archive, "header.properties", "file-format-version=0.12\ntype=force-scan-series\n")
        _curve(archive, "", 0, (0, 2), old=True)


def force_map(path: Path, kind: str = "force-scan", image: bool = True) -> None:
    """A map that lacks curve MISSING; curve 2 has a shorter retract, the last one was aborted after its approach.

    kind: 'force-scan' (lines back and forth) or 'quantitative-imaging'.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        grid = [f"ilength={SHAPE[1]}", f"jlength={SHAPE[0]}", f"ulength={SIZE[1]}", f"vlength={SIZE[0]}"]
        grid += ["reflect=false", "theta=0.0", "xcenter=0.0", "ycenter=0.0"]
        pattern = f"{kind}-map.position-pattern."
        about = ["file-format-version=2.0", f"type={kind}-map", f"{pattern}type=grid-position-pattern"]
        about += [f"{pattern}back-and-forth={'true' if kind == 'force-scan' else 'false'}"]
        about += [f"{pattern}grid.{line}" for line in grid]
        _put(archive, "header.properties", "\n".join(about) + "\n")
        for curve in range(SHAPE[0] * SHAPE[1]):
            if curve != MISSING:
                x, y = _position(kind, curve)
                where = f"{kind}-series.header.position."
                _put(
                    archive, f"index/{curve}/header.properties", f"type={kind}-series\n{where}x={x!r}\n{where}y={y!r}\n"
                )
                _curve(archive, f"index/{curve}/", curve, (0,) if curve == 5 else (0, 2), old=False)
        _put(archive, "shared-data/header.properties", _shared_header(True))
        if image:
            from tests.io import make_files

            within = path.with_suffix(".within")
            make_files.jpk(within)
            _put(archive, "data-image.jpk-qi-image", within.read_bytes())
            within.unlink()


EXAMPLES = {
    "jpk_force": (".jpk-force", force),
    "jpk_force_old": (".jpk-force", old_force),
    "jpk_force_map": (".jpk-force-map", force_map),
}
READER = {"jpk_force_old": "jpk_force", "jpk_force_map": "jpk_force"}
