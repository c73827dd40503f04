"""Nanosurf Studio files with known numbers, laid out as Nanosurf's own reader expects them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

READER = {"nhf_wave": "nhf", "nhf_curves": "nhf"}

NY, NX, WAVE = 4, 6, 10
HEIGHT, WIDTH = 2e-7, 3e-7  # metres
RANGE = (-1e-5, 1.2e-5)  # metres of the least and the greatest number
VOLTS = (-5.0, 5.0)
SPRING, SENSITIVITY, FREQUENCY = 2.5, 3e-8, 2e4  # N/m, m/V, Hz
LENGTHS = {"Advance to Setpoint 1": [5, 4, 6, 5, 5, 3], "Wait 1": [2, 2, 2, 0, 2, 2], "Retract 1": [7, 6, 5, 4, 3, 2]}
ROWS, COLUMNS = 2, 3
GAIN, SHIFT = 2e-9, 1e-7  # metres per count and metres: the signal that the user saw
MISSING = 3  # this pixel was not taken


def counts(seed: int, n: int, dtype: str = "i4") -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min + 1, limits.max, n).astype(f"<{dtype}")


def physical(raw: np.ndarray, low: float, high: float, version: int) -> np.ndarray:
    """In version 1 the whole range of the integers stands for values, in version 2 the least of them for none."""
    limits = np.iinfo(raw.dtype)
    least = limits.min + (version == 2)
    return (raw.astype(float) - least) * ((high - low) / (float(limits.max) - least)) + low


def _old(group: Any, k: int, name: str, raw: np.ndarray, limits: tuple[float, float] | None, unit: str = "V") -> None:
    dataset = group.create_dataset(f"dataset_{k}", data=raw)
    dataset.attrs.update({"name": name, "dataset_element_type": np.uint32({"i4": 0, "i2": 5}[raw.dtype.str[1:]])})
    if limits:
        names = ("base_calibration_min", "base_calibration_max", "base_calibration_unit")
        dataset.attrs.update(dict(zip(names, (*limits, unit), strict=True)))


def wave(path: Path) -> None:
    """Version 1: images of both passes, a curve in every pixel, a wave taken in the air, counts without a scale."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs.update({"nsf_file_version_major": np.uint32(1), "nsf_file_version_minor": np.uint32(1)})
        group = file.create_group("measurement_0")
        group.attrs.update({"name": "Image 1", "measurement_type": "wavemode_nma", "image_scan_direction": "down"})
        group.attrs.update({"image_number_of_lines": np.uint32(NY), "image_points_per_line": np.uint32(NX)})
        group.attrs.update({"image_size_x": WIDTH, "image_size_y": HEIGHT, "wave_frequency": FREQUENCY})
        group.attrs["spm_probe_calibration_spring_constant"] = SPRING
        _old(group, 0, "NMA Free Wave", counts(9, WAVE, "i2"), VOLTS)
        for i, way in enumerate(("Forward", "Backward")):
            part = group.create_group(f"segment_{i}")
            part.attrs["name"] = way
            _old(part, 0, "Topography", counts(i, NY * NX), RANGE, "m")
            _old(part, 1, "Position Z", counts(10 + i, NY * NX), RANGE, "m")
            _old(part, 2, "NMA Deflection", counts(20 + i, NY * NX * WAVE, "i2"), VOLTS)
            _old(part, 3, "nma_interaction_min", counts(30 + i, NY * NX), None)


def _new(group: Any, k: int, name: str, raw: np.ndarray, limits: tuple[float, float] | None, **said: object) -> None:
    floats = raw.dtype.kind == "f"
    fill = None if floats else np.iinfo(raw.dtype).min
    dataset = group.create_dataset(f"dataset_{k:04d}", data=raw, fillvalue=fill)
    kind = "double" if floats else {"i4": "int32", "i2": "int16"}[raw.dtype.str[1:]]
    said = {"signal_unit": said.get("signal_calibration_unit", ""), **said}
    dataset.attrs.update({"signal_name": name, "dataset_element_type": kind, **said})
    if limits:
        dataset.attrs.update({"signal_calibration_min": limits[0], "signal_calibration_max": limits[1]})


def image(path: Path) -> None:
    """Version 2: the deflection is shown as a height by two steps of calibration; one pixel was not taken."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs.update({"nsf_file_version_major": np.uint32(2), "nsf_file_version_minor": np.uint32(0)})
        group = file.create_group("group_0000")
        group.attrs.update({"measurement_name": "Image", "group_type": "image_line_based"})
        group.attrs.update({"rect_axis_size": np.array([NY, NX], "<u4"), "rect_axis_range": [HEIGHT, WIDTH]})
        part = group.create_group("subgroup_0000")
        part.attrs.update({"segment_name": "Forward", "segment_index": 0})
        raw = counts(0, NY * NX)
        raw[MISSING] = np.iinfo("i4").min
        _new(part, 0, "Topography", raw, RANGE, signal_calibration_unit="Meter (m)", signal_id="z")
        seen = {"signal_id": "raw", "signal_selected": "deflection_m", "signal_calibration_unit": "V"}
        _new(part, 1, "Deflection", counts(1, NY * NX), VOLTS, **seen)
        _new(part, 2, "Meta", counts(2, NY * NX, "i2"), None, signal_calibration_unit="int")
        nodes = file.create_group("group_0001")
        nodes.attrs["group_type"] = "calibration"
        _node(nodes, "0", ("volts", "V"), ("raw", ""), "linear", [1 / GAIN, 0.0], "two_way")  # raw from volts
        _node(nodes, "1", ("deflection_m", "m"), ("volts", "V"), "linear_non_invertible", [1.0, SHIFT], "right")


def _node(
    group: Any, name: str, sink: tuple[str, str], source: tuple[str, str], kind: str, numbers: list[float], way: str
) -> None:
    """The steps: volts = raw·GAIN, the way back of what is said; then metres = volts + SHIFT."""
    said = {"signal_sink_id": sink[0], "signal_sink_unit": sink[1], "signal_source_id": source[0]}
    said |= {"signal_source_unit": source[1], "signal_mapping_type": kind, "signal_invertibility": way}
    dataset = group.create_dataset(name, data=0)
    dataset.attrs.update({**said, "signal_mapping_parameters": numbers, "signal_calibration_id": name})


def places() -> tuple[np.ndarray, np.ndarray]:
    """x and y of each curve in metres: the lowest row first, each row in the other direction than the one before."""
    row, column = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    column = np.where(row % 2, COLUMNS - 1 - column, column)
    return column * 1e-7, row * 2e-7


def curves(path: Path) -> None:
    """Version 2: a grid of force curves of different lengths in three parts; the deflection is missing in the wait."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs.update({"nsf_file_version_major": np.uint32(2), "nsf_file_version_minor": np.uint32(1)})
        group = file.create_group("group_0000")
        group.attrs.update({"measurement_name": "Grid", "group_type": "spectroscopy"})
        group.attrs.update({"rect_axis_size": np.array([ROWS, COLUMNS], "<u4"), "rect_axis_range": [4e-7, 3e-7]})
        group.attrs["spm_probe_calibration_spring_constant"] = SPRING
        group.attrs["spm_probe_calibration_deflection_sensitivity"] = SENSITIVITY
        for k, (name, values) in enumerate(zip(("X Position", "Y Position"), places(), strict=True)):
            _new(group, k, name, values, (0.0, 1.0), signal_calibration_unit="m")
        for i, (name, lengths) in reversed(list(enumerate(LENGTHS.items()))):  # the order of names is not that of time
            part = group.create_group(f"subgroup_{2 - i:04d}")
            part.attrs.update({"segment_name": name, "segment_index": i})
            blocks = part.create_dataset("dataset_0009", data=np.array(lengths, "<u4"))
            blocks.attrs["dataset_block_size_id"] = f"block {i}"
            said = {"dataset_block_size_source": f"block {i}"}
            _new(part, 0, "Position Z", counts(i, sum(lengths)), RANGE, signal_calibration_unit="m", **said)
            if name != "Wait 1":
                raw = counts(10 + i, sum(lengths), "i2")
                _new(part, 1, "Deflection", raw, VOLTS, signal_calibration_unit="V", **said)


EXAMPLES = {"nhf": (".nhf", image), "nhf_wave": (".nhf", wave), "nhf_curves": (".nhf", curves)}
