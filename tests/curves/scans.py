"""Simulated force curves on a hard and on a soft sample, written as files that `sharptip fit` reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

from sharptip import io
from sharptip.core.history import entry
from sharptip.core.scan import check

K = 0.05  # N/m
RADIUS, MODULUS = 1e-6, 5e3  # m, Pa
SAMPLES = 500


def soft_curve(
    samples: int = SAMPLES, contact: float = 2e-6, modulus: float = MODULUS
) -> tuple[np.ndarray, np.ndarray]:
    """(height, deflection) in m of a paraboloid pressed into a sample by Hertz: k d = 4/3 E/(1−ν²) √R δ^{3/2}."""
    depth = np.linspace(-3e-6, 1.2e-6, 4 * samples)
    force = 4 / 3 * modulus / 0.75 * np.sqrt(RADIUS) * np.clip(depth, 0, None) ** 1.5
    height = contact - depth - force / K
    z = np.linspace(height.max(), height.min(), samples)
    return z, np.interp(-z, -height, force / K)


def curves(n: int = 9, noise: float = 1e-9, seed: int = 0, **attrs: object) -> xr.Dataset:
    """n approaches and retracts on one soft sample; the contact of curve i lies 10 nm · i lower."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[np.ndarray]] = {"height": [], "deflection": []}
    for i in range(n):
        z, d = soft_curve(contact=2e-6 - 1e-8 * i)
        rows["height"].append(np.concatenate([z, z[::-1]]))
        rows["deflection"].append(np.concatenate([d, d[::-1]]) + rng.normal(0, noise, 2 * SAMPLES))
    both = ("curve", "sample")
    segment = np.tile(np.repeat([0.0, 1.0], SAMPLES), (n, 1))
    scan = xr.Dataset(
        {
            "height": (both, np.array(rows["height"]), {"units": "m"}),
            "deflection": (both, np.array(rows["deflection"]), {"units": "m"}),
            "segment": (both, segment, {"units": "1"}),
            "length": ("curve", np.full(n, 2.0 * SAMPLES), {"units": "1"}),
        },
        {d: (d, np.arange(k), {"units": "1"}) for d, k in (("curve", n), ("sample", 2 * SAMPLES))},
        {
            "name": "simulated", "source": "", "format": "simulated", "header": "{}",
            "segments": json.dumps(["approach", "retract"]), "history": json.dumps([entry("simulate_curves", {})]),
            "spring_constant": K, **attrs,
        },
    )  # fmt: skip
    return check(scan)


def on_grid(scan: xr.Dataset, ny: int, nx: int, size: tuple[float, float] = (3e-6, 3e-6)) -> xr.Dataset:
    """The same curves on a map, row by row from the top."""
    row, column = np.divmod(np.arange(ny * nx, dtype=float), nx)
    put = {"row": ("curve", row, {"units": "1"}), "column": ("curve", column, {"units": "1"})}
    return scan.assign(put).assign_attrs(map_shape=[ny, nx], map_size=list(size))


def written(scan: xr.Dataset, folder: Path, name: str = "curves.nc") -> Path:
    """The scan as a file."""
    io.write(scan, folder / name)
    return folder / name
