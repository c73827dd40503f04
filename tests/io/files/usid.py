"""USID and NSID files as pyUSID and pyNSID lay them out, written with h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

NY, NX = 3, 4
PIXEL = 5e-8
HERTZ = np.array([3.0e5, 3.1e5, 3.2e5])
VOLTS = np.array([-2.0, 2.0])


def spectra() -> np.ndarray:
    """(y, x, frequency, bias), complex."""
    rng = np.random.default_rng(1)
    shape = NY, NX, len(HERTZ), len(VOLTS)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def fits() -> np.ndarray:
    """(y, x, bias) of two numbers."""
    cells = np.zeros((NY, NX, len(VOLTS)), [("Amplitude [V]", "<f4"), ("Phase [deg]", "<f4")])
    rng = np.random.default_rng(2)
    for name in cells.dtype.names:
        cells[name] = rng.normal(size=cells.shape)
    return cells


def _tables(group: Any, prefix: str, dims: list[tuple[str, str, np.ndarray]]) -> None:
    """Index and value of every place; the first dimension runs fastest, as in real files."""
    sizes = [len(v) for _, _, v in dims]
    places = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes[::-1])[::-1])
    values = np.stack([v[p] for (_, _, v), p in zip(dims, places, strict=True)])
    across = prefix.startswith("Position")
    for name, table in (("Indices", places.astype("u4")), ("Values", values.astype("f8"))):
        made = group.create_dataset(f"{prefix}_{name}", data=table.T if across else table)
        made.attrs["labels"] = np.array([label.encode() for label, _, _ in dims])
        made.attrs["units"] = np.array([unit.encode() for _, unit, _ in dims])


def _main(group: Any, name: str, data: np.ndarray, quantity: str, unit: str, tables: tuple[Any, Any]) -> None:
    made = group.create_dataset(name, data=data)
    made.attrs["quantity"], made.attrs["units"] = quantity, unit
    for prefix, where in zip(("Position", "Spectroscopic"), tables, strict=True):
        for kind in ("Indices", "Values"):
            made.attrs[f"{prefix}_{kind}"] = where[f"{prefix}_{kind}"].ref


def usid(path: Path) -> None:
    """Complex spectra of every pixel, a fit of them, and an image."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["project_name"] = "Band Excitation"
        group = file.create_group("Measurement_000")
        _tables(group, "Position", [("X", "nm", np.arange(NX) * 50.0), ("Y", "nm", np.arange(NY) * 50.0)])
        raw = group.create_group("Channel_000")
        _tables(raw, "Spectroscopic", [("Frequency", "Hz", HERTZ), ("DC_Offset", "V", VOLTS)])
        table = spectra().transpose(0, 1, 3, 2).reshape(NY * NX, -1)
        _main(raw, "Raw_Data", table, "Response", "V", (group, raw))
        fit = raw.create_group("Raw_Data-SHO_Fit_000")
        _tables(fit, "Spectroscopic", [("DC_Offset", "V", VOLTS)])
        _main(fit, "Fit", fits().reshape(NY * NX, -1), "SHO_Fit", "compound", (group, fit))
        one = group.create_group("Channel_001")
        _tables(one, "Spectroscopic", [("arb", "a.u.", np.ones(1))])
        _main(one, "Raw_Data", image().reshape(-1, 1), "HeightTrace", "nm", (group, one))


def image() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(NY, NX)).astype("f4")


def force(path: Path) -> None:
    """One curve, in and out; its piezo counts towards the sample."""
    import h5py

    out = np.array([0.0, 1.0, 2.0, 3.0, 2.0, 1.0]) * 1e-7
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000")
        _tables(group, "Position", [("X", "m", np.ones(1))])
        _tables(group, "Spectroscopic", [("Z", "m", out)])
        for i, (name, values) in enumerate((("Raw", out + 1e-6), ("Defl", out**2), ("ZSnsr", out))):
            _main(group.create_group(f"Channel_00{i}"), "Raw_Data", values[None], name, "m", (group, group))


def _nsid(file: Any, where: str, data: np.ndarray, quantity: str, unit: str, dims: list[tuple[Any, ...]]) -> None:
    group = file.create_group(where)
    made = group.create_dataset(where.rsplit("/", 1)[-1], data=data)
    made.attrs["quantity"], made.attrs["units"], made.attrs["data_type"] = quantity, unit, "SPECTRAL_IMAGE"
    for k, (name, its_unit, kind, values, what) in enumerate(dims):
        scale = group.create_dataset(name, data=np.asarray(values, "f8"))
        scale.make_scale(name)
        scale.attrs["name"], scale.attrs["units"], scale.attrs["dimension_type"] = name, its_unit, kind
        scale.attrs["quantity"] = what
        made.dims[k].label = name
        made.dims[k].attach_scale(scale)


def loops() -> np.ndarray:
    """(y, x, bias)."""
    return np.random.default_rng(4).normal(size=(NY, NX, 5))


def sweeps() -> np.ndarray:
    """(site, channel, sample)."""
    return np.random.default_rng(5).normal(size=(6, 2, 7))


def nsid(path: Path) -> None:
    """Loops with x as the first axis; a phase whose axes have the unit of the phase; and sweeps of two channels."""
    import h5py

    x, y = ("X", "m", "SPATIAL", np.arange(NX) * PIXEL, "x"), ("Y", "m", "SPATIAL", np.arange(NY) * PIXEL, "y")
    bias = ("Voltage", "V", "SPECTRAL", [0, 1, 0, -1, 0], "Bias")
    with h5py.File(path, "w") as file:
        _nsid(file, "Channel_000/generic", loops().transpose(1, 0, 2), "Piezoresponse", "a.u.", [x, y, bias])
        wrong = [(name, "deg", *rest) for name, _, *rest in (x, y)]
        _nsid(file, "Channel_000/phase", loops()[..., 0].T, "PhaseRetrace", "deg", wrong)
        _nsid(file, "Channel_000/height", loops()[..., 1].T, "HeightRetrace", "m", [x, y])
        dims = [("n", "Iteration", "TEMPORAL", range(6), "n"), ("what", "V_nA", "CHANNEL", range(2), "Bias_Current")]
        dims.append(("step", "V_nA", "TEMPORAL", range(7), "step"))
        _nsid(file, "Measurement_001/Spectra", sweeps(), "STM spectroscopy", "generic", dims)


def pixels(path: Path) -> None:
    """An image of which nobody said anything."""
    import h5py

    dims = [(name, "generic", "UNKNOWN", range(16), "generic") for name in "ab"]
    with h5py.File(path, "w") as file:
        _nsid(file, "Measurement_000/Image", np.arange(256.0).reshape(16, 16), "generic", "generic", dims)


EXAMPLES = {"usid": (".h5", usid), "usid_force": (".h5", force), "nsid": (".hf5", nsid), "nsid_pixels": (".h5", pixels)}
READER = {"usid_force": "usid", "nsid": "usid", "nsid_pixels": "usid"}
