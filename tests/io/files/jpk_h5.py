"""Films of JPK's fast microscopes with known numbers, by the published layout: h5py writes what sharptip must read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FRAMES, NY, NX = 3, 4, 6
HEIGHT, WIDTH = 2e-7, 3e-7  # metres
STARTS = (1_700_000_000_000, 1_700_000_000_250, 1_700_000_000_510)  # milliseconds
ENCODER, NOMINAL, CALIBRATED = (3e-8, 20.0), (-1.5e-8, 1e-6), 0.8
PHASE = 1e-7  # degrees per count


def counts(channel: int) -> np.ndarray:
    """(frame, y, x), row 0 on top."""
    return np.random.default_rng(channel).integers(-(2**30), 2**30, (FRAMES, NY, NX)).astype("<i4")


def _line(prefix: str, multiplier: float, offset: float, unit: str) -> dict[str, object]:
    said = {"type": b"linear", "style": b"offsetmultiplier", "multiplier": multiplier, "offset": offset}
    said |= {"unit.type": b"metric-unit", "unit.unit": unit.encode()}
    return {f"{prefix}.scaling.{key}": value for key, value in said.items()}


def _slots() -> dict[str, object]:
    out: dict[str, object] = {"conversions.list": b"nominal calibrated", "conversions.default": b"calibrated"}
    out |= {"conversions.base": b"volts", "conversion.volts.defined": b"false"}
    for name, base in (("nominal", "volts"), ("calibrated", "nominal")):
        out |= {f"conversion.{name}.defined": b"true", f"conversion.{name}.base-calibration-slot": base.encode()}
    return out | _line("conversion.nominal", *NOMINAL, "m") | _line("conversion.calibrated", CALIBRATED, 0.0, "m")


def jpk_h5(path: Path, reflect: bool = False) -> None:
    """Height both ways, phase backward only."""
    import h5py

    with h5py.File(path, "w", track_order=False) as file:
        file.attrs.update({"file-format-info": b"JPK SCAN", "file-format-version": b"3.0"})
        film = file.create_group("Measurement_000")
        grid = {"ilength": NX, "jlength": NY, "ulength": WIDTH, "vlength": HEIGHT, "theta": -0.0}
        film.attrs.update({f"position-pattern.grid.{key}": value for key, value in grid.items()})
        film.attrs.update({"position-pattern.grid.reflect": b"true" if reflect else b"false", "motion": b"bottomUp"})
        film.attrs["start-time"] = b"2023-11-14 22:13:20.000 +0000"
        recorded = [("height", "Height", "false"), ("height", "Height", "true"), ("phase", "Lock-In Phase", "true")]
        for k, (name, fancy, retrace) in enumerate(recorded):
            group = film.create_group(f"Channel_{k:03d}")
            said = {"channel.name": name.encode(), "channel.fancy-name": fancy.encode(), "retrace": retrace.encode()}
            if name == "height":
                said |= _line("encoder", *ENCODER, "V") | _slots()
            else:
                said |= _line("encoder", PHASE, 0.0, "deg")
                said |= {"conversions.list": b"", "conversions.default": b"degrees", "conversions.base": b"degrees"}
            group.attrs.update(said)
            rows = counts(k) if reflect else counts(k)[:, ::-1]
            stored = rows.reshape(FRAMES, -1).T
            group.create_dataset(fancy, data=stored, chunks=(NY * NX, 1), compression="gzip", fletcher32=True)
            group.create_dataset("thumbnail", data=np.zeros((4, 1), "<i4"))
        about = film.create_group("meta-data")
        about.create_dataset("start-times", data=np.array(STARTS, "<i8")[:, None])
        about.create_dataset("i-gain", data=np.array([[1.0], [2.0], [3.0]]))


EXAMPLES = {"jpk_h5": (".h5-jpk", jpk_h5)}
