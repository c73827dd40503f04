"""Many labelled pictures in one file: a numpy archive (.npz) → examples for a Model.

images        (n, y, x) numbers; their SI unit in `unit` (text), else they are arbitrary: pictures have no height scale
session       (n,) what must not be split: measurement day, sample, donor; or `group`
label_names   (k,) attributes, with
mean_score    (n, k) share of people, 0–1, who saw each, and
n_responses   (n,) how many people answered (1 where it is missing); or
label         (n,) one class name per picture
names         (n,) of the pictures, for messages; optional
pixel_size    metres: one number, or one per picture; unknown where it is missing
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ReadError, StudyError
from ..core.scan import scan_of
from ..core.units import is_si
from .recipe import Example, Recipe

LARGEST = 8 * 1024**3  # bytes of one array; beyond, a damaged or hostile header is likelier than data


def examples_of(path: str | Path, recipe: Recipe) -> tuple[list[Example], tuple[str, ...]]:
    """(one example per picture, classes the file knows). Raises ReadError or StudyError naming what is amiss."""
    arrays = arrays_of(Path(path))
    images = needed(arrays, "images", path)
    n = len(images)
    if images.ndim != 3 or n == 0 or images.dtype.kind not in "uif":
        raise ReadError(f"{path}: images has shape {images.shape} of {images.dtype}; it is (n, y, x) of numbers")
    groups = arrays.get("session", arrays.get("group"))
    groups = None if groups is None else np.atleast_1d(groups)
    if groups is None:
        raise StudyError(
            f"{path}: has neither 'session' nor 'group'; say for each picture what it must not be parted from, "
            "or every score would be too good"
        )
    truths, raters, classes = _truths(arrays, recipe, path)
    names = arrays.get("names", np.array([f"{Path(path).name}[{i}]" for i in range(n)]))
    for key, values in {"session": groups, "names": names, "n_responses": raters, "labels": truths}.items():
        if len(values) != n:
            raise ReadError(f"{path}: {key} has {len(values)} entries for {n} images")
    if any(not str(g).strip() or str(g) == "nan" for g in groups.tolist()):
        raise StudyError(f"{path}: some pictures have no session; say for each what it must not be parted from")
    pixels = numbers(arrays, "pixel_size", np.full(n, np.nan), path)
    if len(pixels) == 1:
        pixels = np.repeat(pixels, n)
    if len(pixels) != n:
        raise ReadError(f"{path}: pixel_size has {len(pixels)} entries for {n} images")
    unit = str(arrays.get("unit", "arb"))
    if not is_si(unit):
        raise ReadError(
            f"{path}: unit is {unit!r}; arrays hold SI units ('m', 'rad', 'N') or 'arb': convert the images"
        )
    port = recipe.eats[0]
    return [
        Example(_scan(z, port.name, unit, float(p), str(name)), truth, str(group), int(r))
        for z, p, name, truth, group, r in zip(images, pixels, names, truths, groups, raters, strict=True)
    ], classes


def _truths(arrays: dict[str, np.ndarray], recipe: Recipe, path: Any) -> tuple[Sequence[Any], np.ndarray, tuple]:
    """(truth of each picture, how many raters, class names)."""
    if recipe.kind != "rate":
        labels = needed(arrays, "label", path).astype(str)
        return labels.tolist(), np.ones(len(labels), int), tuple(sorted(set(labels.tolist())))
    names = np.atleast_1d(needed(arrays, "label_names", path)).astype(str)
    scores = numbers(arrays, "mean_score", None, path)
    if len(set(names.tolist())) < len(names):
        raise ReadError(f"{path}: label_names names {max(names.tolist(), key=names.tolist().count)!r} twice")
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ReadError(f"{path}: mean_score has shape {scores.shape} for {len(names)} label_names")
    missing = [c for c in recipe.classes if c not in names]
    if missing:
        raise StudyError(f"{path}: does not rate {missing[0]!r}, which recipe {recipe.name!r} learns; it rates "
                         f"{', '.join(names)}")  # fmt: skip
    bad = ~((scores >= 0) & (scores <= 1)).all(axis=1)
    if bad.any():
        raise ReadError(f"{path}: mean_score of picture {int(bad.argmax())} is not between 0 and 1: "
                        f"{scores[int(bad.argmax())].tolist()}")  # fmt: skip
    raters = numbers(arrays, "n_responses", np.ones(len(scores)), path)
    if not (raters >= 1).all():
        i = int(np.argmax(~(raters >= 1)))
        raise ReadError(f"{path}: n_responses of picture {i} is {raters[i]:g}; leave pictures out that nobody rated")
    return [dict(zip(names.tolist(), row.tolist(), strict=True)) for row in scores], raters, tuple(recipe.classes)


def _scan(image: np.ndarray, name: str, unit: str, pixel: float, title: str) -> xr.Dataset:
    size: Any = pixel if np.isfinite(pixel) and pixel > 0 else None
    scan = scan_of(image.astype(np.float32), size, channel=name, unit=unit, name=title)
    return scan


def numbers(arrays: dict[str, np.ndarray], key: str, default: np.ndarray | None, path: Any) -> np.ndarray:
    """An array of numbers, one number as an array of one."""
    values = np.atleast_1d(needed(arrays, key, path) if default is None else arrays.get(key, default))
    if values.dtype.kind not in "uifb":
        raise ReadError(f"{path}: {key} holds {values.dtype}, such as {values.flat[0]!r}; it is numbers")
    return values.astype(float)


def needed(arrays: dict[str, np.ndarray], key: str, path: Any) -> np.ndarray:
    if key not in arrays:
        raise ReadError(f"{path}: has no array {key!r}; it has {', '.join(sorted(arrays)) or 'none'}")
    return arrays[key]


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Every array of the archive. Objects (pickles) are never loaded."""
    if not path.is_file():
        raise ReadError(f"{path}: there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.file_size > LARGEST:
                    raise ReadError(f"{path}: {entry.filename} claims {entry.file_size} bytes; more than {LARGEST}")
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        raise ReadError(f"{path}: cannot be read as a numpy archive of plain arrays ({error})") from None
