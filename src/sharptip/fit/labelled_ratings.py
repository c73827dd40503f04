"""Force curves that people rated and that are kept as numbers only: a folder of text files → examples for a Model.

train_response.txt              one rating per curve, 0 (useless) to 10 (as in the book)
train_feat_bin_NAME.txt         one number per curve: 1 where a demand is met, else 0
train_feat_con_NAME.txt         one number per curve; nan where it could not be computed
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from ..core.errors import ReadError
from ..core.grid import Axis, Channel, Grid
from ..core.scan import from_grid
from .recipe import Example, Options

PREFIX, RESPONSE = "train_feat_", "train_response.txt"
TOP = 10.0  # the best rating


def ratings_of(path: str | Path, options: Options | None = None) -> list[Example]:
    """One example per curve: a scan of `features` (curve, feature), their names in `attrs["features"]`; truth `rating`.

    Nobody says which curves were measured together, so each is its own group. Raises ReadError naming what is amiss.
    """
    folder = Path(path)
    files = sorted(folder.glob(f"{PREFIX}*.txt"))
    if not files or not (folder / RESPONSE).is_file():
        raise ReadError(f"{path}: is no folder of ratings; it holds {RESPONSE} and {PREFIX}bin_… or {PREFIX}con_….txt")
    rating = _column(folder / RESPONSE)
    if not ((rating >= 0) & (rating <= TOP)).all():
        raise ReadError(f"{folder / RESPONSE}: a rating is between 0 and {TOP:g}; it holds {_worst(rating):g}")
    names = [file.stem.removeprefix(PREFIX) for file in files]
    values = [_column(file) for file in files]
    for file, column in zip(files, values, strict=True):
        if len(column) != len(rating):
            raise ReadError(f"{file}: has {len(column)} numbers for {len(rating)} ratings")
    table = np.stack(values, axis=1)
    return [
        Example(features_scan(row[None], names, f"{folder.name}[{i}]"), {"rating": np.array([r])}, f"curve {i}")
        for i, (row, r) in enumerate(zip(table, rating, strict=True))
    ]


def features_scan(values: np.ndarray, names: list[str], title: str) -> xr.Dataset:
    """Features (n, k) of n curves as a scan with axes (curve, feature)."""
    channel = Channel("features", np.asarray(values, float), "1", "features", ("curve", "feature"))
    axes = {"curve": Axis(np.arange(len(values)), "1"), "feature": Axis(np.arange(len(names)), "1")}
    return from_grid(Grid(title, (channel,), axes, "", {"features": ",".join(names)}), format="rated features")


def _column(file: Path) -> np.ndarray:
    """(n,) numbers, one a line; nan is one."""
    try:
        values = np.loadtxt(file, dtype=float, ndmin=1)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{file}: holds something else than one number a line ({error})") from None
    if values.ndim != 1 or not len(values):
        raise ReadError(f"{file}: has shape {values.shape}; it is one number a line")
    return values


def _worst(rating: np.ndarray) -> float:
    return float(rating[~((rating >= 0) & (rating <= TOP))][0])
