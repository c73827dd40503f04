"""Where on the scan is the evidence? Hide a patch, ask again, and see what the answer loses.

After Zeiler & Fergus (ECCV 2014). Works for any Model that judges, whatever it learned with: a patch is hidden as lost
lines are, by missing values that the model fills from above and below. What is left of the answer then rests on the
rest of the scan.
"""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from ..core.errors import ModelError
from ..core.history import remember
from ..core.scan import channel
from ..fit.model import Model, OutOfRange

PATCHES = 12  # along the shorter side, where nothing else is asked for


def occlusion(model: Model, scan: xr.Dataset, answer: str | None = None, patches: int = PATCHES) -> xr.Dataset:
    """`evidence` (y, x): by how much the probability of `answer` falls when what is there is hidden.

    answer: one of the model's classes; the likeliest, if none is named. Positive places speak for it, negative ones
    against. Patches are squares of a `patches`-th of the shorter side, half overlapping. The scan is left as it was.
    Raises ModelError for a model that restores, or an unknown class.
    """
    if model.recipe.kind in ("restore", "each"):
        does = "restores" if model.recipe.kind == "restore" else f"answers about {model.recipe.noun}"
        raise ModelError(f"recipe {model.recipe.name!r} {does}; evidence is asked of recipes that judge images")
    whole = _asked(model, scan)
    answer = str(whole["label"].values[int(whole.values.argmax())]) if answer is None else answer
    if answer not in model.classes:
        raise ModelError(f"{answer!r} is no answer of {model.recipe.name!r}; it has {', '.join(model.classes)}")
    h, w = scan.sizes["y"], scan.sizes["x"]
    side = max(2, round(min(h, w) / patches))
    total, count = np.zeros((h, w)), np.zeros((h, w))
    for top in _starts(h, side):
        for left in _starts(w, side):
            part = slice(top, top + side), slice(left, left + side)
            total[part] += float(whole.sel(label=answer)) - _without(model, scan, part, answer)
            count[part] += 1
    out = scan[[]].copy()
    out["evidence"] = xr.Variable(("y", "x"), total / count, {"units": "1"})
    out.attrs |= {"answer": answer, "probability": float(whole.sel(label=answer))}
    return remember(scan, out, "occlusion", {"recipe": model.recipe.name, "answer": answer, "patches": patches})


def _asked(model: Model, scan: xr.Dataset) -> xr.DataArray:
    """Probabilities (label,) of a scan; after the last line, where every line has an answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutOfRange)
        p = model.predict(scan)[model.recipe.gives[0].name]
    return p.isel(line=-1) if "line" in p.dims else p


def _without(model: Model, scan: xr.Dataset, part: tuple[slice, slice], answer: str) -> float:
    """Probability of the answer with a part hidden; a guess where the model finds nothing left to judge."""
    try:
        return float(_asked(model, _hidden(model, scan, part)).sel(label=answer))
    except ModelError:
        return 0.5 if model.recipe.kind == "rate" else 1 / len(model.classes)


def _hidden(model: Model, scan: xr.Dataset, part: tuple[slice, slice]) -> xr.Dataset:
    out = scan.copy()
    for port in model.recipe.eats:
        shown = channel(scan, port.name)  # of a scan that went both ways, the one that is judged
        values = np.array(shown.transpose("y", "x").values, float)
        values[part] = np.nan
        out[port.name] = xr.Variable(("y", "x"), values, shown.attrs)
    return out


def _starts(n: int, side: int) -> list[int]:
    """First pixels of half-overlapping patches that cover n pixels."""
    return sorted({*range(0, max(1, n - side), max(1, side // 2)), max(0, n - side)})
