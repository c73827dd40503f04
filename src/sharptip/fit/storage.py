"""What was learned, on disk without pickle: a zip of one JSON card, safetensors weights, and skops estimators.

card.json             the recipe's name, options, scale, pixel size, how it was trained
weights.safetensors   arrays of the network
NAME.skops            scikit-learn estimators (the learner itself, or a baseline)
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import ModelError
from ..core.files import write_whole

FORMAT = 1  # raised when an older sharptip could misread a newer file
# What a scikit-learn estimator may be made of beyond arrays and plain Python; anything else is refused.
TRUSTED = (
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",  # a dict, of the members of an average
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
)


def save(path: str | Path, card: Mapping[str, Any], tensors: Mapping[str, Any], estimators: Mapping[str, Any]) -> Path:
    """Write all or nothing. tensors: name → torch tensor; estimators: name → fitted scikit-learn estimator."""
    path = Path(path)
    parts: dict[str, bytes] = {"card.json": json.dumps({"format": FORMAT, **card}, indent=1).encode()}
    if tensors:
        from safetensors.torch import save as weights

        parts["weights.safetensors"] = weights(
            {k: _smallest(v.detach().contiguous().cpu()) for k, v in tensors.items()}
        )
    if estimators:
        import skops.io

        parts |= {f"{name}.skops": skops.io.dumps(e) for name, e in estimators.items()}
    write_whole(path, lambda temporary: _zip(temporary, parts))
    return path


def load(path: str | Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(card, tensors, estimators). Raises ModelError for a file that is not one of ours, or a newer one."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        card = json.loads(parts["card.json"])
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file; a model is written by `sharptip train`") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, OSError, EOFError, RuntimeError) as error:
        raise ModelError(f"{path}: this is not a saved model, or a damaged one ({error}); train it again") from None
    if not isinstance(card, dict):
        raise ModelError(f"{path}: its card is no list of names and values; train it again")
    if card.get("format") != FORMAT:
        raise ModelError(f"{path}: saved in format {card.get('format')}, this sharptip reads {FORMAT}; update it")
    return card, _tensors(parts, path), _estimators(parts, path)


def _smallest(tensor: Any) -> Any:
    """In 16 bits where that loses nothing, as for weights that were rounded to them after training."""
    import torch

    half = tensor.to(torch.float16) if tensor.dtype == torch.float32 else tensor
    return half if half.dtype != tensor.dtype and torch.equal(half.to(tensor.dtype), tensor) else tensor


def _tensors(parts: Mapping[str, bytes], path: str | Path) -> dict[str, Any]:
    if "weights.safetensors" not in parts:
        return {}
    from safetensors import SafetensorError
    from safetensors.torch import load as weights

    try:
        return weights(parts["weights.safetensors"])
    except SafetensorError as error:
        raise ModelError(f"{path}: its weights are damaged ({error}); save it again") from None


def _estimators(parts: Mapping[str, bytes], path: str | Path) -> dict[str, Any]:
    names = [n for n in parts if n.endswith(".skops")]
    if not names:
        return {}
    import skops.io

    out = {}
    for name in names:
        unknown = set(skops.io.get_untrusted_types(data=parts[name])) - set(TRUSTED)
        if unknown:
            raise ModelError(f"{path}: {name} holds {sorted(unknown)}, which is not loaded from a file one was given")
        out[name.removesuffix(".skops")] = skops.io.loads(parts[name], trusted=list(TRUSTED))
    return out


def _zip(path: Path, parts: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # a fixed date: the file says when
